/* Files mapped for reading. With the hashes of its blocks, a file's bytes are checked where they are first touched. A page
 * that cannot be read afterwards (the disk fails, somebody cut the file) ends the program with one line that names the
 * file and HONE_DISK, instead of SIGBUS. What is mapped takes no memory for long: pages are given back behind the reader.
 * A mapping is used by one thread at a time. */
#ifndef HONE_BASE_MAPPING_H
#define HONE_BASE_MAPPING_H

#include <stddef.h>
#include <stdint.h>

#include "base/json.h"
#include "base/status.h"

struct hone_mapping;

/* The first `size` > 0 bytes of an open file, which may be closed afterwards; `path` is for messages. On failure *out is
 * NULL. */
enum hone_status hone_mapping_create(struct hone_mapping **out, int fd, int64_t size, const char *path);
/* A whole file by name, no link, which has exactly `size` bytes, and whose blocks have these hashes (as
 * hone_mapping_hash gives them; taken over). */
enum hone_status hone_mapping_open(struct hone_mapping **out, const char *path, int64_t size, const json_t *hashes);
void hone_mapping_close(struct hone_mapping *mapping); /* NULL is allowed */

const char *hone_mapping_bytes(const struct hone_mapping *mapping);
int64_t hone_mapping_size(const struct hone_mapping *mapping);
/* To be called before n bytes are read at `offset`. HONE_BAD_INPUT: they are not what was hashed. */
enum hone_status hone_mapping_need(struct hone_mapping *mapping, int64_t offset, size_t n);

/* The SHA-256 of each 16 MiB of a file, an array of texts, and its size. */
enum hone_status hone_mapping_hash(json_t **hashes, int64_t *size, const char *path);

#endif
