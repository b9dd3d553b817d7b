/* Counter-based random numbers: Philox4x32-10 (Salmon et al., SC 2011). The same (key, counter) gives the same four
 * words on every device, so nothing about a run depends on how work was cut up. */
#ifndef HONE_BASE_RANDOM_H
#define HONE_BASE_RANDOM_H

#include <stdint.h>

/* Four words from counter[4] and key[2]. */
static inline void hone_philox(uint32_t out[4], const uint32_t counter[4], const uint32_t key[2]) {
    uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3], k0 = key[0], k1 = key[1];
    for (int round = 0; round < 10; round++) {
        uint64_t p0 = (uint64_t)0xD2511F53u * c0, p1 = (uint64_t)0xCD9E8D57u * c2;
        c0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0;
        c1 = (uint32_t)p1;
        c2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
        c3 = (uint32_t)p0;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    out[0] = c0;
    out[1] = c1;
    out[2] = c2;
    out[3] = c3;
}

/* What a stream of numbers is for: the second word of the key, so that streams never meet. */
enum hone_random_use { HONE_RANDOM_SHUFFLE = 0x73687566, HONE_RANDOM_INIT = 0x696e6974, HONE_RANDOM_MASK = 0x6d61736b };

/* The i-th 64-bit number of stream (seed, use, id). */
uint64_t hone_random_u64(uint64_t seed, uint32_t use, uint32_t id, uint64_t i);
/* The i-th standard normal number of a stream (Box-Muller on two words of one counter, in f64). */
double hone_random_normal(uint64_t seed, uint32_t use, uint32_t id, uint64_t i);

/* Position i of a keyed permutation of 0 … n-1 (n >= 1): a balanced Feistel network over the next even power of two
 * with cycle walking (Black and Rogaway, CT-RSA 2002). O(1) memory; seed and epoch alone decide the order. */
int64_t hone_permute(int64_t i, int64_t n, uint64_t seed, uint32_t epoch);

#endif
