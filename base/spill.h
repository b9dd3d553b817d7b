/* Bytes that need no memory: appended to a temporary file without a name and read back by offset. The file lies in
 * $TMPDIR, else in /var/tmp (which is no memory, as /tmp may be), and is gone with the program however it ends. */
#ifndef HONE_BASE_SPILL_H
#define HONE_BASE_SPILL_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

struct hone_spill;

/* On failure *out is NULL. */
enum hone_status hone_spill_create(struct hone_spill **out);
/* Appends behind what is there. After a failure (a full disk) the spill can only be freed. */
enum hone_status hone_spill_append(struct hone_spill *spill, const void *bytes, size_t n);
/* What was appended at `offset`: all n bytes are there. Threads may read together. */
enum hone_status hone_spill_read(const struct hone_spill *spill, void *bytes, size_t n, int64_t offset);
int64_t hone_spill_size(const struct hone_spill *spill);
void hone_spill_free(struct hone_spill *spill); /* NULL is allowed */

#endif
