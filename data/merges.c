#include "data/merges.h"

#define SLOTS_A_MERGE 2 /* at least, */
#define BITS_A_MERGE  8 /* of the filter, which has 2^24 at most: what the hash has bits for */

void hone_merges_create(struct hone_merges *out, const struct hone_merge *merges, size_t n) {
    size_t slots = 16, bits = 64;
    while (slots < SLOTS_A_MERGE * n) slots *= 2;
    while (bits < BITS_A_MERGE * n && bits < (size_t)1 << 24) bits *= 2;
    *out = (struct hone_merges){.slots = hone_alloc(slots, sizeof *out->slots, "merges"),
                                .filter = hone_calloc(bits / 64, sizeof *out->filter, "merges"),
                                .slots_mask = slots - 1,
                                .filter_mask = bits - 1,
                                .ids = hone_alloc(n, sizeof *out->ids, "merges"),
                                .n = n};
    for (size_t i = 0; i < slots; i++) out->slots[i] = (struct hone_merge_slot){UINT64_MAX, INT32_MAX};
    for (size_t i = 0; i < n; i++) {
        uint64_t pair = (uint64_t)(uint32_t)merges[i].left << 32 | (uint32_t)merges[i].right;
        uint64_t hash = hone_merges_hash(pair);
        size_t bit = (size_t)(hash >> 40) & out->filter_mask;
        out->filter[bit / 64] |= UINT64_C(1) << bit % 64;
        out->slots[hone_merges_place(out, pair, hash)] = (struct hone_merge_slot){pair, (int32_t)i};
        out->ids[i] = merges[i].id;
    }
}

void hone_merges_free(struct hone_merges *merges) {
    hone_free(merges->slots);
    hone_free(merges->filter);
    hone_free(merges->ids);
    *merges = (struct hone_merges){0};
}
