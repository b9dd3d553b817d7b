/* Eight f32 lanes with GCC's vector extensions, and the elementary functions that kernels use: no scalar libm in a
 * kernel loop. They fill a register of AVX2. Vectors wider than the registers would cost much: the compiler splits their
 * arithmetic, but keeps those that live from one turn of a loop to the next in memory; so it does where there is only SSE.
 * Comparisons it would do lane by lane there, so masks come from signs here. Functions that take lanes are always inlined,
 * so that each version of a cloned kernel gets its own instructions.
 *
 * A kernel's loop over a range is a static function marked HONE_CLONES, called from an OpenMP loop around it: the
 * dynamic linker picks the version for the CPU. Sums over lanes go in one fixed order. */
#ifndef HONE_KERNELS_CPU_VECTOR_H
#define HONE_KERNELS_CPU_VECTOR_H

#include <float.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

#include "kernels/ops.h"

/* One version per level of the x86-64 psABI; elsewhere (other CPUs, other compilers, no ifunc) just the one. */
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && defined(__GLIBC__)
#define HONE_CLONES __attribute__((noinline, target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define HONE_CLONES __attribute__((noinline))
#endif
#define HONE_INLINE static inline __attribute__((always_inline))

#define HONE_LANES 8
typedef float hone_vec __attribute__((vector_size(32)));
typedef int32_t hone_ivec __attribute__((vector_size(32)));
typedef uint16_t hone_u16vec __attribute__((vector_size(16)));
typedef float hone_vec4 __attribute__((vector_size(16)));

HONE_INLINE hone_vec vec_load(const float *p) {
    hone_vec v;
    memcpy(&v, p, sizeof(v));
    return v;
}

HONE_INLINE void vec_store(float *p, hone_vec v) { memcpy(p, &v, sizeof(v)); }

/* The first n of 8 elements, n >= 1, those of more than 8 too; other lanes are 0. */
HONE_INLINE hone_vec vec_load_n(const float *p, int64_t n) {
    if (n >= HONE_LANES) return vec_load(p);
    hone_vec v = {0};
    memcpy(&v, p, (size_t)n * sizeof(float));
    return v;
}

HONE_INLINE void vec_store_n(float *p, hone_vec v, int64_t n) {
    if (n >= HONE_LANES)
        vec_store(p, v);
    else
        memcpy(p, &v, (size_t)n * sizeof(float));
}

#define VEC      hone_vec
#define IVEC     hone_ivec
#define FN(name) vec_##name
#include "kernels/cpu/elementary.h"
#undef VEC
#undef IVEC
#undef FN

HONE_INLINE hone_ivec vec_index(void) { return (hone_ivec){0, 1, 2, 3, 4, 5, 6, 7}; }

/* The mask of lanes 0 to n - 1, n of any size. */
HONE_INLINE hone_ivec vec_first(int64_t n) {
    return vec_negative(vec_index() - (int32_t)(n < HONE_LANES ? n : HONE_LANES));
}

/* A NaN in b wins; one in a does not. */
HONE_INLINE hone_vec vec_max(hone_vec a, hone_vec b) { return vec_select(a > b, a, b); }

HONE_INLINE float vec_sum(hone_vec v) {
    hone_vec4 a = __builtin_shufflevector(v, v, 0, 1, 2, 3) + __builtin_shufflevector(v, v, 4, 5, 6, 7);
    return (a[0] + a[2]) + (a[1] + a[3]);
}

/* The largest lane; which one of NaN and a number is not said. */
HONE_INLINE float vec_maximum(hone_vec v) {
    v = vec_max(v, __builtin_shufflevector(v, v, 4, 5, 6, 7, 0, 1, 2, 3));
    float a = v[0] > v[2] ? v[0] : v[2], b = v[1] > v[3] ? v[1] : v[3];
    return a > b ? a : b;
}

/* r[i][j] becomes r[j][i]. */
HONE_INLINE void vec_transpose(hone_vec r[8]) {
    hone_vec s[8];
    for (int i = 0; i < 4; i++) {
        s[2 * i] = __builtin_shufflevector(r[2 * i], r[2 * i + 1], 0, 8, 1, 9, 4, 12, 5, 13);
        s[2 * i + 1] = __builtin_shufflevector(r[2 * i], r[2 * i + 1], 2, 10, 3, 11, 6, 14, 7, 15);
    }
    for (int i = 0; i < 2; i++) {
        for (int j = 0; j < 2; j++) {
            hone_vec x = s[4 * i + j], y = s[4 * i + j + 2];
            r[4 * i + 2 * j] = __builtin_shufflevector(x, y, 0, 1, 8, 9, 4, 5, 12, 13);
            r[4 * i + 2 * j + 1] = __builtin_shufflevector(x, y, 2, 3, 10, 11, 6, 7, 14, 15);
        }
    }
    for (int i = 0; i < 4; i++) {
        s[i] = __builtin_shufflevector(r[i], r[i + 4], 0, 1, 2, 3, 8, 9, 10, 11);
        s[i + 4] = __builtin_shufflevector(r[i], r[i + 4], 4, 5, 6, 7, 12, 13, 14, 15);
    }
    memcpy(r, s, sizeof(s));
}

#endif
