/* Which elements dropout keeps; see struct hone_dropout in kernels/ops.h. */
#ifndef HONE_KERNELS_CUDA_DROPOUT_CUH
#define HONE_KERNELS_CUDA_DROPOUT_CUH

#include "kernels/cuda/values.cuh"
#include "kernels/ops.h"

/* Dropout as kernels take it, by value; p = 0 is `on` false. */
struct drop_site {
    struct hone_dropout d;
    bool on;
};

static inline struct drop_site drop_site_of(const struct hone_dropout *drop) {
    struct drop_site site = {};
    if (drop) site.d = *drop;
    site.on = drop != nullptr;
    return site;
}

__device__ __forceinline__ int64_t drop_row_key(const struct drop_site &site, int64_t row) {
    return site.d.row_key[site.d.rows ? site.d.rows[row] : row];
}

/* Philox4x32-10 (Salmon et al., SC 2011) on {counter, low(key), high(key), site}: eight 16-bit fields in order. */
__device__ __forceinline__ uint4 philox(uint32_t counter, int64_t key, uint32_t site, uint32_t k0, uint32_t k1) {
    uint32_t c0 = counter, c1 = (uint32_t)key, c2 = (uint32_t)((uint64_t)key >> 32), c3 = site;
#pragma unroll
    for (int round = 0; round < 10; round++) {
        uint32_t high0 = __umulhi(c0, 0xD2511F53u), low0 = c0 * 0xD2511F53u;
        uint32_t high1 = __umulhi(c2, 0xCD9E8D57u), low1 = c2 * 0xCD9E8D57u;
        c0 = high1 ^ c1 ^ k0;
        c1 = low1;
        c2 = high0 ^ c3 ^ k1;
        c3 = low0;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    return make_uint4(c0, c1, c2, c3);
}

/* factors[i] of elements 8 counter + i of the row with key `key`: the scale, or 0. */
__device__ __forceinline__ void drop_factors(float factors[8], const struct drop_site &site, int64_t key,
                                             uint32_t counter) {
    uint4 words = philox(counter, key, site.d.site, site.d.step->seed, site.d.step->step);
    const uint32_t word[4] = {words.x, words.y, words.z, words.w};
#pragma unroll
    for (int i = 0; i < 4; i++) {
        factors[2 * i] = (word[i] & 0xffff) >= site.d.threshold ? site.d.scale : 0.0f;
        factors[2 * i + 1] = word[i] >> 16 >= site.d.threshold ? site.d.scale : 0.0f;
    }
}

/* The factor of one element. Words are chosen without an index, which would send them to memory. */
__device__ __forceinline__ float drop_factor(const struct drop_site &site, int64_t key, uint32_t element) {
    uint4 words = philox(element / 8, key, site.d.site, site.d.step->seed, site.d.step->step);
    uint32_t low = element & 2 ? words.y : words.x, high = element & 2 ? words.w : words.z;
    uint32_t word = element & 4 ? high : low, field = element & 1 ? word >> 16 : word & 0xffff;
    return field >= site.d.threshold ? site.d.scale : 0.0f;
}

#endif
