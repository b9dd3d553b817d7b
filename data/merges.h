/* The merges of byte pair encoding by the pair that each joins. */
#ifndef HONE_DATA_MERGES_H
#define HONE_DATA_MERGES_H

#include <stddef.h>
#include <stdint.h>

#include "data/model.h"

struct hone_merges {
    struct hone_merge_slot {
        uint64_t pair; /* left << 32 | right; UINT64_MAX: free */
        int32_t rank;
    } * slots;
    uint64_t *filter; /* bits: most pairs have no merge, and this says so out of far less memory */
    size_t slots_mask, filter_mask;
    int32_t *ids; /* [n] of what each merge makes, by rank */
    size_t n;
};
/* Of two merges of the same pair the later one counts. */
void hone_merges_create(struct hone_merges *out, const struct hone_merge *merges, size_t n);
void hone_merges_free(struct hone_merges *merges);

static inline uint64_t hone_merges_hash(uint64_t pair) {
    uint64_t hash = pair * UINT64_C(0x9E3779B97F4A7C15);
    return hash ^ hash >> 32;
}

/* Slot of a pair, or the free one that it would take. */
static inline size_t hone_merges_place(const struct hone_merges *merges, uint64_t pair, uint64_t hash) {
    size_t i = (size_t)hash & merges->slots_mask;
    while (merges->slots[i].pair != pair && merges->slots[i].pair != UINT64_MAX) i = (i + 1) & merges->slots_mask;
    return i;
}

/* Rank of the merge of two ids, INT32_MAX if there is none. */
static inline int32_t hone_merges_rank(const struct hone_merges *merges, int32_t left, int32_t right) {
    uint64_t pair = (uint64_t)(uint32_t)left << 32 | (uint32_t)right, hash = hone_merges_hash(pair);
    size_t bit = (size_t)(hash >> 40) & merges->filter_mask;
    if (!(merges->filter[bit / 64] >> bit % 64 & 1)) return INT32_MAX;
    return merges->slots[hone_merges_place(merges, pair, hash)].rank;
}

#endif
