/* The inner loop of matrix products: a tile of six rows by sixteen columns that stays in registers while it runs down
 * all of K. That fills the registers of AVX2 and hides the latency of multiply-add; AVX-512 has room for 32 columns. */
#ifndef HONE_KERNELS_CPU_TILE_H
#define HONE_KERNELS_CPU_TILE_H

#include <stdbool.h>

#include "kernels/cpu/vector.h"

enum { HONE_TILE_ROWS = 6, HONE_TILE_COLS = 16 };

/* A register of AVX-512. */
typedef float hone_vec16 __attribute__((vector_size(64)));

/* rows (1 to 6) by 16 elements of c, or 32 in hone_tile_of_32: c = add + a b for a[i, k] = a[i * a_row + k * a_col] and
 * b[k, n] = b[k * b_row + n]. `add` holds what is added, its rows add_row apart (0: the same for each row), or is NULL. */
struct hone_tile {
    float *c;
    const float *a, *b, *add;
    int64_t c_row, a_row, a_col, b_row, add_row;
    int64_t rows, K;
};

/* A row's sum goes over k in order, whatever stands in the other rows: missing ones repeat the last. Registers are of
 * one width per function: the compiler keeps no vectors in them that it has to split. */
/* NOLINTBEGIN(bugprone-macro-parentheses): the arguments are a type, a constant and names. */
#define HONE_TILE_ROW(r, from)                                                                                         \
    for (int p = 0; p < parts; p++) sum[r][p] += x[p] * *(from)
#define HONE_TILE_OF(name, vec, PARTS)                                                                                 \
    HONE_INLINE void name(const struct hone_tile *t) {                                                                 \
        enum { parts = PARTS, lanes = sizeof(vec) / sizeof(float) };                                                   \
        int64_t rows = t->rows, K = t->K, a_col = t->a_col, b_row = t->b_row;                                          \
        const float *a0 = t->a, *a1 = a0 + (rows > 1 ? t->a_row : 0), *a2 = a1 + (rows > 2 ? t->a_row : 0);            \
        const float *a3 = a2 + (rows > 3 ? t->a_row : 0), *a4 = a3 + (rows > 4 ? t->a_row : 0);                        \
        const float *a5 = a4 + (rows > 5 ? t->a_row : 0), *b = t->b;                                                   \
        vec sum[HONE_TILE_ROWS][parts] = {0};                                                                          \
        _Pragma("GCC unroll 4") for (int64_t k = 0; k < K; k++) {                                                      \
            vec x[parts];                                                                                              \
            for (int p = 0; p < parts; p++) memcpy(&x[p], b + p * lanes, sizeof(x[p]));                                \
            HONE_TILE_ROW(0, a0);                                                                                      \
            HONE_TILE_ROW(1, a1);                                                                                      \
            HONE_TILE_ROW(2, a2);                                                                                      \
            HONE_TILE_ROW(3, a3);                                                                                      \
            HONE_TILE_ROW(4, a4);                                                                                      \
            HONE_TILE_ROW(5, a5);                                                                                      \
            a0 += a_col, a1 += a_col, a2 += a_col, a3 += a_col, a4 += a_col, a5 += a_col, b += b_row;                  \
        }                                                                                                              \
        _Pragma("GCC unroll 6") for (int r = 0; r < HONE_TILE_ROWS; r++) {                                             \
            if (r >= rows) break;                                                                                      \
            _Pragma("GCC unroll 2") for (int p = 0; p < parts; p++) {                                                  \
                vec x = sum[r][p], y;                                                                                  \
                if (t->add) {                                                                                          \
                    memcpy(&y, t->add + r * t->add_row + p * lanes, sizeof(y));                                        \
                    x += y;                                                                                            \
                }                                                                                                      \
                memcpy(t->c + r * t->c_row + p * lanes, &x, sizeof(x));                                                \
            }                                                                                                          \
        }                                                                                                              \
    }
HONE_TILE_OF(hone_tile_of_32, hone_vec16, 2)
HONE_TILE_OF(hone_tile_of_16, hone_vec16, 1)
HONE_TILE_OF(hone_tile_of_8, hone_vec, 2)
#undef HONE_TILE_OF
#undef HONE_TILE_ROW
/* NOLINTEND(bugprone-macro-parentheses) */

/* Whether the CPU has registers of sixteen floats. Both forms give the same bits where multiply-add is fused. */
HONE_INLINE bool hone_tile_is_wide(void) {
#if defined(__x86_64__)
    return __builtin_cpu_supports("avx512f");
#else
    return false;
#endif
}

#endif
