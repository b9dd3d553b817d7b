/* Selecting rows, adding them back, and the plain sum. */
#include "base/arith.h"
#include "kernels/cpu/cpu.h"
#include "kernels/cpu/vector.h"

enum { CHUNK = 8192 };

HONE_CLONES static void add_range(float *y, const float *x, int64_t n) {
    for (int64_t i = 0; i < n; i += HONE_LANES)
        vec_store_n(y + i, vec_load_n(y + i, n - i) + vec_load_n(x + i, n - i), n - i);
}

void hone_cpu_gather_rows(void *y, const void *x, const int32_t *rows, int64_t R, int64_t C, enum hone_dtype dtype,
                          struct hone_stream *s) {
    (void)s;
    HONE_CPU_F32("gather_rows", dtype);
    for (int64_t r = 0; r < R; r++)
        memcpy((float *)y + r * C, (const float *)x + rows[r] * C, (size_t)C * sizeof(float));
}

void hone_cpu_scatter_rows_add(void *dx, const void *dy, const int32_t *rows, int64_t R, int64_t C,
                               enum hone_dtype dtype, struct hone_stream *s) {
    (void)s;
    HONE_CPU_F32("scatter_rows_add", dtype);
    for (int64_t r = 0; r < R; r++) add_range((float *)dx + rows[r] * C, (const float *)dy + r * C, C);
}

void hone_cpu_add(void *y, const void *x, int64_t n, enum hone_dtype dtype, struct hone_stream *s) {
    (void)s;
    HONE_CPU_F32("add", dtype);
#pragma omp parallel for schedule(static) if (n > HONE_CPU_PARALLEL)
    for (int64_t i = 0; i < n; i += CHUNK) add_range((float *)y + i, (const float *)x + i, hone_min_i64(n - i, CHUNK));
}
