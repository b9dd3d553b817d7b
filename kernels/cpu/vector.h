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

HONE_INLINE hone_vec vec_set(float x) { return (hone_vec){x, x, x, x, x, x, x, x}; }

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

/* Lane by lane mask ? a : b, where a mask is what a comparison gives. */
HONE_INLINE hone_vec vec_select(hone_ivec mask, hone_vec a, hone_vec b) {
    return (hone_vec)((mask & (hone_ivec)a) | (~mask & (hone_ivec)b));
}

HONE_INLINE hone_vec vec_and(hone_vec a, hone_ivec mask) { return (hone_vec)((hone_ivec)a & mask); }
HONE_INLINE hone_vec vec_abs(hone_vec x) { return (hone_vec)((hone_ivec)x & 0x7fffffff); }
HONE_INLINE hone_ivec vec_index(void) { return (hone_ivec){0, 1, 2, 3, 4, 5, 6, 7}; }

/* Masks: negative lanes, lanes whose sign bit is set (those of NaNs too), those of NaN, and lanes 0 to n - 1, n of any
 * size. */
HONE_INLINE hone_ivec vec_negative(hone_ivec x) {
    return x >> 31; // cppcheck-suppress shiftTooManyBitsSigned
}
HONE_INLINE hone_ivec vec_signed(hone_vec x) { return vec_negative((hone_ivec)x); }
HONE_INLINE hone_ivec vec_nan(hone_vec x) { return vec_negative(0x7f800000 - ((hone_ivec)x & 0x7fffffff)); }
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

/* exp(x) within 1.5 ulp; 0 below -87 (so no denormal comes out), infinity from 88.73 on; NaN stays. Argument reduction
 * to |r| <= ln(2)/2 in two parts of ln 2 (Cody and Waite 1980), minimax polynomial of degree 6. */
HONE_INLINE hone_vec vec_exp(hone_vec x) {
    hone_ivec nan = vec_nan(x);
    x = vec_select(vec_signed(89.0f - x), vec_set(89.0f), x);
    x = vec_select(vec_signed(x + 87.2f), vec_set(-87.2f), x);
    const float shift = 0x1.8p23f; /* adding it rounds to an integer and leaves that in the low bits */
    hone_vec t = x * 1.44269504f + shift, n = t - shift;
    hone_vec r = x - n * 0.693359375f;
    r = r + n * 2.12194440e-4f;
    hone_vec q = vec_set(0.00138144648f);
    q = q * r + 0.00836878062f;
    q = q * r + 0.0416683943f;
    q = q * r + 0.166665201f;
    q = q * r + 0.499999934f;
    hone_vec p = q * (r * r) + r + 1.0f;
    /* 2^(n-1) and 2, because 2^128 is no float; n = -126 makes the scale 0. */
    hone_ivec scale = ((hone_ivec)t - (hone_ivec)vec_set(shift) + 126) << 23;
    return (hone_vec)((hone_ivec)(p * (hone_vec)scale * 2.0f) | nan);
}

/* log(x) of normal positive x within 1 ulp; NaN and infinity give NaN. x = 2^e m with m in [sqrt(1/2), sqrt(2)),
 * log m = 2 atanh((m-1) / (m+1)) by its series. */
HONE_INLINE hone_vec vec_log(hone_vec x) {
    hone_ivec bits = (hone_ivec)x - 0x3f3504f3;
    hone_ivec exponent = bits >> 23;
    hone_vec m = (hone_vec)((hone_ivec)x - (exponent << 23)), e = __builtin_convertvector(exponent, hone_vec);
    hone_vec f = m - 1.0f, s = f / (f + 2.0f), z = s * s;
    hone_vec q = vec_set(2.0f / 9);
    q = q * z + 2.0f / 7;
    q = q * z + 2.0f / 5;
    q = q * z + 2.0f / 3;
    /* 2s = f - s f, which keeps f exact. */
    hone_vec low = s * (q * z - f) + e * -2.12194440e-4f;
    return (low + f) + e * 0.693359375f + (x - x);
}

/* tanh(x) within 2 ulp: an odd polynomial near 0, else 1 - 2 / (exp(2|x|) + 1). */
HONE_INLINE hone_vec vec_tanh(hone_vec x) {
    hone_vec a = vec_abs(x), z = x * x;
    hone_vec q = vec_set(-0.00570948854f);
    q = q * z + 0.0206441275f;
    q = q * z - 0.0537416198f;
    q = q * z + 0.133314701f;
    q = q * z - 0.333332832f;
    hone_vec near = a + a * (z * q), far = 1.0f - 2.0f / (vec_exp(a * 2.0f) + 1.0f);
    hone_vec y = vec_select(vec_signed(a - 0.625f), near, far);
    return (hone_vec)((hone_ivec)y | ((hone_ivec)x & INT32_MIN));
}

/* The standard normal distribution: returns P(X <= x) = (1 + erf(x / sqrt(2))) / 2 and its density at x. The tail
 * P(X <= -|x|) = exp(-x^2/2) u p(u), u = 1 / (1 + 0.35 |x|), p minimax of degree 8, has a relative error of at most
 * 8 + x^2 units of 2^-24, so there is no cancellation for negative x; for positive x the result is within 4 ulp. 0 and
 * 1 beyond |x| = 13.2. */
HONE_INLINE hone_vec vec_normal(hone_vec x, hone_vec *density) {
    hone_vec a = vec_abs(x), u = 1.0f / (a * 0.35f + 1.0f), e = vec_exp(x * x * -0.5f);
    hone_vec q = vec_set(-0.0291151195f);
    q = q * u + 0.143818909f;
    q = q * u - 0.255391996f;
    q = q * u + 0.158797642f;
    q = q * u - 0.0228441327f;
    q = q * u + 0.105392428f;
    q = q * u + 0.119863023f;
    q = q * u + 0.13985757f;
    q = q * u + 0.13962166f;
    hone_vec tail = e * (q * u);
    *density = e * 0.398942280f;
    return vec_select(vec_signed(x), tail, 1.0f - tail);
}

#endif
