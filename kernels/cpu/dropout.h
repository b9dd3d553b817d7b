/* Which elements dropout keeps, eight Philox counters side by side, eight 16-bit fields of each. All
 * kernels that drop recompute their mask with these functions; see struct hone_dropout in kernels/ops.h. */
#ifndef HONE_KERNELS_CPU_DROPOUT_H
#define HONE_KERNELS_CPU_DROPOUT_H

#include "kernels/cpu/philox.h"
#include "kernels/cpu/vector.h"
#include "kernels/ops.h"

#define HONE_DROPOUT_FIELDS 8   /* elements of a counter */
#define HONE_DROPOUT_BLOCK  128 /* elements of a row that are decided at a time */

HONE_INLINE int64_t dropout_row_key(const struct hone_dropout *drop, int64_t row) {
    return drop->row_key[drop->rows ? drop->rows[row] : row];
}

/* factors[8 i + f] = scale where field f of counter {c0, c1, c2}[i], i < 8, keeps, else 0. */
HONE_INLINE void dropout_factors(float factors[static HONE_DROPOUT_BLOCK / 2], const struct hone_dropout *drop,
                                 hone_u64vec c0, hone_u64vec c1, hone_u64vec c2) {
    _Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "fields are taken from words in memory");
    uint32_t words[32];
    hone_cpu_philox8(words, &(struct hone_counters){c0, c1, c2, drop->site}, drop->step->seed, drop->step->step);
    for (int i = 0; i < 8; i++) {
        hone_u16vec fields;
        memcpy(&fields, words + 4 * i, sizeof(fields));
        hone_ivec drops = vec_negative(__builtin_convertvector(fields, hone_ivec) - (int32_t)drop->threshold);
        vec_store(factors + i * HONE_LANES, vec_and(vec_set(drop->scale), ~drops));
    }
}

/* The same for elements [from, from + 128) of the row with key `key`; from is a multiple of 128. */
HONE_INLINE void dropout_row_factors(float factors[static HONE_DROPOUT_BLOCK], const struct hone_dropout *drop,
                                     int64_t key, int64_t from) {
    const hone_u64vec zero = {0}, lane = {0, 1, 2, 3, 4, 5, 6, 7};
    for (int i = 0; i < 2; i++) {
        hone_u64vec c0 = lane + (uint64_t)(from / HONE_DROPOUT_FIELDS + 8 * i);
        dropout_factors(factors + i * HONE_DROPOUT_BLOCK / 2, drop, c0, zero + (uint32_t)key,
                        zero + ((uint64_t)key >> 32));
    }
}

#endif
