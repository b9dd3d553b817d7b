/* Bytes of a file that may be packed: gzip (RFC 1952, any number of members) and zstd (RFC 8878, any number of frames)
 * are unpacked on the way, in constant memory. */
#ifndef HONE_DATA_SOURCE_H
#define HONE_DATA_SOURCE_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

struct hone_source;

/* NULL: standard input. On failure *out is NULL. */
enum hone_status hone_source_open(struct hone_source **out, const char *path);
/* Up to n (> 0) unpacked bytes; *got is 0 at the end. A packed file that is damaged or cut off is HONE_BAD_INPUT. */
enum hone_status hone_source_read(struct hone_source *source, void *bytes, size_t n, size_t *got);
const char *hone_source_path(const struct hone_source *source);
/* Bytes taken from the file so far, packed as they lie there. */
int64_t hone_source_bytes_read(const struct hone_source *source);
int64_t hone_source_size(const struct hone_source *source); /* 0: a pipe */
void hone_source_close(struct hone_source *source);         /* NULL is allowed */

#endif
