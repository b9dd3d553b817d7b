/* The one checked file layer: full-length reads and writes (EINTR and short counts handled), errors that name path and
 * cause (HONE_DISK, or HONE_BAD_INPUT for a file that is missing or too large on the reading side), names escaped. */
#ifndef HONE_BASE_IO_H
#define HONE_BASE_IO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

struct hone_file; /* an open file: descriptor, path for messages */

/* Opens for reading; refuses directories. A missing file is HONE_BAD_INPUT. */
enum hone_status hone_file_open(struct hone_file **out, const char *path);
int64_t hone_file_size(const struct hone_file *file);
const char *hone_file_path(const struct hone_file *file);
/* Exactly n bytes at `offset`; fewer there is HONE_BAD_INPUT ("ends at byte …"). */
enum hone_status hone_file_read_at(struct hone_file *file, void *bytes, size_t n, int64_t offset);
/* Up to n bytes from the present position; *got is 0 at the end. */
enum hone_status hone_file_read_some(struct hone_file *file, void *bytes, size_t n, size_t *got);

/* Creates a new file (fails if it exists unless `replace`) for writing, mode 0644. */
enum hone_status hone_file_create(struct hone_file **out, const char *path, bool replace);
enum hone_status hone_file_write(struct hone_file *file, const void *bytes, size_t n);
/* A new regular file (fails if it exists) to be read and written anywhere. */
enum hone_status hone_file_create_random(struct hone_file **out, const char *path);
enum hone_status hone_file_write_at(struct hone_file *file, const void *bytes, size_t n, int64_t offset);
enum hone_status hone_file_resize(struct hone_file *file, int64_t size);
/* An existing file, cut to its first `size` bytes, to be written on from there; a shorter one is HONE_BAD_INPUT. */
enum hone_status hone_file_continue(struct hone_file **out, const char *path, int64_t size);
/* fsync, for files made by hone_file_create. */
enum hone_status hone_file_sync(struct hone_file *file);
/* Closes and frees; NULL is allowed. Reports a failed close of a written file. */
enum hone_status hone_file_close(struct hone_file *file);

/* Whole file as owned bytes with a 0 behind them; more than `limit` bytes is HONE_BAD_INPUT. Pipes are allowed. */
enum hone_status hone_read_file(char **bytes, size_t *n, const char *path, size_t limit);
/* Opens for writing what will become `path`: a new file of a temporary name (*temporary, registered), or the device or
 * pipe itself (*temporary NULL). hone_file_replace_end closes it in every case and frees `temporary`: with status HONE_OK
 * the file is synced and renamed to `path`, else removed. It returns the first failure, `status` included. */
enum hone_status hone_file_replace(struct hone_file **file, char **temporary, const char *path);
enum hone_status hone_file_replace_end(struct hone_file *file, char *temporary, const char *path,
                                       enum hone_status status);
/* Writes to a temporary name beside `path`, syncs, renames over `path`, syncs the folder. Nothing half-written stays. */
enum hone_status hone_write_file(const char *path, const void *bytes, size_t n);
enum hone_status hone_copy_file(const char *to, const char *from);

/* mkdir -p. */
enum hone_status hone_make_folders(const char *path);
/* Makes "<path>.tmp-<pid>-<random>" beside `path` and registers it for removal; *out is owned by the caller. */
enum hone_status hone_temporary_folder(char **out, const char *path);
/* Syncs the files of `temporary` and it, renames it to `path` (which must not exist), syncs the parent. */
enum hone_status hone_commit_folder(const char *temporary, const char *path);
/* hone_commit_folder where there is no `path`; else moves every file of `temporary` over those of `path`, each by rename,
 * files synced first; the file called `last` (may be NULL) goes last. Removes the empty temporary folder. */
enum hone_status hone_merge_folder(const char *temporary, const char *path, const char *last);
/* fsync of a folder: the names of what was made in it outlive a power cut. */
enum hone_status hone_sync_folder(const char *path);
/* rename(), and a sync of the folder that `to` is in. */
enum hone_status hone_rename(const char *from, const char *to);
/* rm -r of a folder that this program made; missing is fine. */
enum hone_status hone_remove_folder(const char *path);
/* hone_remove_folder of a temporary folder (NULL: none) at the end of what has `status`: a failure is returned with its
 * message as they are, whatever comes of the removal. */
enum hone_status hone_discard_folder(const char *temporary, enum hone_status status);
/* rmdir; one that is not empty, or not there, stays as it is. */
void hone_remove_empty_folder(const char *path);
bool hone_file_exists(const char *path);
bool hone_folder_exists(const char *path);
/* Sorted names (no "." and ".."), owned: free with hone_names_free. */
enum hone_status hone_list_folder(char ***names, size_t *n, const char *path);
void hone_names_free(char **names, size_t n);

/* "a/b" from "a" and "b"; owned. */
char *hone_path_join(const char *folder, const char *name);
/* True for a plain file name that may be taken from a foreign file: no '/', no NUL, not "." or "..", not empty,
 * at most 255 bytes, printable. */
bool hone_name_is_plain(const char *name);

/* Files and folders to unlink when the program ends without having committed them. */
void hone_temporary_register(const char *path);
void hone_temporary_forget(const char *path);
void hone_temporary_remove_all(void);

#endif
