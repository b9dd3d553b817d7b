/* Vectors in and out of arrays of either dtype. bf16 is the upper half of an f32; writing rounds to nearest even and
 * keeps a NaN one. A kernel takes its dtype as a constant, so that nothing is asked inside of a loop:
 *
 *     HONE_INLINE void range(void *y, const void *x, int64_t n, enum hone_dtype dtype) { … vec_read(x, i, n - i, dtype) … }
 *     HONE_CLONES static void chunk(…) { HONE_BY_DTYPE(dtype, range, y, x, n); } */
#ifndef HONE_KERNELS_CPU_VALUES_H
#define HONE_KERNELS_CPU_VALUES_H

#include "base/status.h"
#include "kernels/cpu/vector.h"
#include "kernels/ops.h"

#define HONE_BY_DTYPE(dtype, f, ...) ((dtype) == HONE_BF16 ? f(__VA_ARGS__, HONE_BF16) : f(__VA_ARGS__, HONE_F32))

typedef uint32_t hone_uvec __attribute__((vector_size(32)));

HONE_INLINE hone_vec vec_from_bf16(hone_u16vec half) {
    return (hone_vec)(__builtin_convertvector(half, hone_uvec) << 16);
}

HONE_INLINE hone_u16vec vec_to_bf16(hone_vec v) {
    hone_uvec bits = (hone_uvec)v, rounded = bits + 0x7fff + (bits >> 16 & 1), nan = (hone_uvec)(v != v);
    rounded = (rounded & ~nan) | ((bits | 0x400000) & nan);
    return __builtin_convertvector(rounded >> 16, hone_u16vec);
}

/* Element `at` of an array. */
HONE_INLINE const void *value_at(const void *p, int64_t at, enum hone_dtype dtype) {
    return (const char *)p + at * (dtype == HONE_BF16 ? 2 : 4);
}

HONE_INLINE void *value_to(void *p, int64_t at, enum hone_dtype dtype) {
    return (char *)p + at * (dtype == HONE_BF16 ? 2 : 4);
}

/* Elements at … at + n - 1, n >= 1; at most 8, other lanes are 0. */
HONE_INLINE hone_vec vec_read(const void *p, int64_t at, int64_t n, enum hone_dtype dtype) {
    if (dtype != HONE_BF16) return vec_load_n((const float *)p + at, n);
    hone_u16vec half = {0};
    if (n >= HONE_LANES)
        memcpy(&half, (const uint16_t *)p + at, sizeof(half));
    else
        memcpy(&half, (const uint16_t *)p + at, (size_t)n * sizeof(uint16_t));
    return vec_from_bf16(half);
}

HONE_INLINE void vec_write(void *p, int64_t at, hone_vec v, int64_t n, enum hone_dtype dtype) {
    if (dtype != HONE_BF16) {
        vec_store_n((float *)p + at, v, n);
        return;
    }
    hone_u16vec half = vec_to_bf16(v);
    if (n >= HONE_LANES)
        memcpy((uint16_t *)p + at, &half, sizeof(half));
    else
        memcpy((uint16_t *)p + at, &half, (size_t)n * sizeof(uint16_t));
}

/* One element. */
HONE_INLINE float value_read(const void *p, int64_t at, enum hone_dtype dtype) {
    float x;
    if (dtype == HONE_BF16) {
        uint32_t bits = (uint32_t)((const uint16_t *)p)[at] << 16;
        memcpy(&x, &bits, sizeof(x));
        return x;
    }
    return ((const float *)p)[at];
}

/* Aborts unless dtype is one that kernels compute with. */
static inline void hone_cpu_check_dtype(const char *op, enum hone_dtype dtype) {
    HONE_CHECK(dtype == HONE_F32 || dtype == HONE_BF16, "%s on the CPU computes in f32 or bf16, not in %s", op,
               hone_dtype_name(dtype));
}

#endif
