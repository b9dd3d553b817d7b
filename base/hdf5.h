/* HDF5 files whose every byte goes through base/io.h: typed arrays with checksums, attributes, and nothing in them that
 * depends on time or machine, so that the same contents are the same bytes.
 *
 *     struct hone_hdf5 *file;
 *     HONE_TRY(hone_hdf5_create(&file, "state.h5"));
 *     hone_hdf5_write(file, "optimizer/first_moment", HONE_HDF5_F32, n, values, "1");
 *     hone_hdf5_set_integer(file, "step", 200);
 *     HONE_TRY(hone_hdf5_close(file));          // the first failure of all, nothing is silent
 *
 * Arrays are chunked with Fletcher-32 checksums, little endian. Files are in the library's latest format without object
 * times; they are written once, never updated. Opening is for files that this program wrote and whose hash was checked:
 * the HDF5 library does not claim to survive hostile ones. Filter plug-ins are off.
 * The library is not safe for threads: calls are serialised here, one open file at a time to a thread. */
#ifndef HONE_BASE_HDF5_H
#define HONE_BASE_HDF5_H

#include <stdint.h>

#include "base/mapping.h"
#include "base/status.h"

enum hone_hdf5_type { HONE_HDF5_F32, HONE_HDF5_I64, HONE_HDF5_I32, HONE_HDF5_I16, HONE_HDF5_U8 };

struct hone_hdf5;

/* A new file (one that exists is HONE_DISK), registered for removal until it is closed without failure. */
enum hone_status hone_hdf5_create(struct hone_hdf5 **out, const char *path);
/* The same, but whatever has this name is replaced, and only by the whole file, when it is closed. */
enum hone_status hone_hdf5_replace(struct hone_hdf5 **out, const char *path);
/* The same for a file that is to be mapped: each array lies in one piece, aligned to 64 bytes, without checksums. */
enum hone_status hone_hdf5_replace_mapped(struct hone_hdf5 **out, const char *path);
/* An existing one for reading. */
enum hone_status hone_hdf5_open(struct hone_hdf5 **out, const char *path);
/* The same, read through its mapping, which is borrowed: nothing that was not checked reaches the library. */
enum hone_status hone_hdf5_open_mapped(struct hone_hdf5 **out, struct hone_mapping *mapping, const char *path);
/* Frees `file`. Of a created file: flushes, syncs, closes, and returns the first failure of any call on it (HONE_DISK with
 * the cause); the file is gone then. */
enum hone_status hone_hdf5_close(struct hone_hdf5 *file);

/* Writing: `name` is a path of groups, made as needed. After a failure the rest does nothing. n >= 0 elements. `unit`
 * becomes the attribute "unit" ("1" for a pure number). */
void hone_hdf5_write(struct hone_hdf5 *file, const char *name, enum hone_hdf5_type type, int64_t n, const void *values,
                     const char *unit);
/* Same for values [rows], or [rows, columns] with columns > 0, that are fetched piece by piece: fill(to, offset, count,
 * user) puts count elements from `offset` on into `to`; its failure becomes that of the file. */
typedef enum hone_status (*hone_hdf5_fill)(void *to, int64_t offset, int64_t count, void *user);
void hone_hdf5_write_pieces(struct hone_hdf5 *file, const char *name, enum hone_hdf5_type type, int64_t rows,
                            int64_t columns, hone_hdf5_fill fill, void *user, const char *unit);
/* Attributes of the root group. */
void hone_hdf5_set_integer(struct hone_hdf5 *file, const char *name, int64_t value);
void hone_hdf5_set_real(struct hone_hdf5 *file, const char *name, double value);
void hone_hdf5_set_text(struct hone_hdf5 *file, const char *name, const char *value);
/* One text for each element: an array of fixed-length strings (UTF-8, padded with 0). */
void hone_hdf5_write_texts(struct hone_hdf5 *file, const char *name, int64_t n, const char *const *texts);

/* Reading, n elements in row-major order: what is missing, of another type or size, or fails its checksum is HONE_BAD_INPUT with file and name. */
enum hone_status hone_hdf5_read(struct hone_hdf5 *file, const char *name, enum hone_hdf5_type type, int64_t n,
                                void *values);
/* Where the n elements of an array lie that was written in one piece. */
enum hone_status hone_hdf5_locate(struct hone_hdf5 *file, const char *name, enum hone_hdf5_type type, int64_t n,
                                  int64_t *offset);
enum hone_status hone_hdf5_get_integer(struct hone_hdf5 *file, const char *name, int64_t *value);
enum hone_status hone_hdf5_get_real(struct hone_hdf5 *file, const char *name, double *value);
/* Owned. */
enum hone_status hone_hdf5_get_text(struct hone_hdf5 *file, const char *name, char **value);

#endif
