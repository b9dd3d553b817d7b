/* Bytes put one behind the other that need no memory beyond a bound: the first stay in memory, and if more come, all lie in
 * a temporary file without a name, in $TMPDIR, else in /var/tmp (which is no memory, as /tmp may be); it is gone with the
 * program however that ends. They are read back by offset, or as one piece. */
#ifndef HONE_BASE_SPILL_H
#define HONE_BASE_SPILL_H

#include <stddef.h>
#include <stdint.h>

#include "base/mapping.h"
#include "base/status.h"

/* Room that most uses give a spill in memory. */
#define HONE_SPILL_MEMORY ((size_t)16 << 20)

struct hone_spill;

/* `memory` bytes stay in memory. */
struct hone_spill *hone_spill_create(size_t memory);
/* Appends behind what is there. After a failure (a full disk) the spill can only be freed. */
enum hone_status hone_spill_append(struct hone_spill *spill, const void *bytes, size_t n);
/* What was appended at `offset`: all n bytes are there. Threads may read together. */
enum hone_status hone_spill_read(const struct hone_spill *spill, void *bytes, size_t n, int64_t offset);
int64_t hone_spill_size(const struct hone_spill *spill);
/* All bytes as one piece, which lives as long as the spill; nothing can be appended any more. *mapping is NULL when they
 * lie in memory, else to be told (hone_mapping_need) what is read. */
enum hone_status hone_spill_show(const void **bytes, struct hone_mapping **mapping, struct hone_spill *spill);
void hone_spill_free(struct hone_spill *spill); /* NULL is allowed */

#endif
