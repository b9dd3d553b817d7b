/* Selecting rows, adding them back, the plain sum, and the change of dtype. */
#include "base/arith.h"
#include "kernels/cpu/cpu.h"
#include "kernels/cpu/values.h"

enum { CHUNK = 8192 };

HONE_INLINE void add_values(void *y, const void *x, int64_t n, enum hone_dtype dtype) {
    for (int64_t i = 0; i < n; i += HONE_LANES)
        vec_write(y, i, vec_read(y, i, n - i, dtype) + vec_read(x, i, n - i, dtype), n - i, dtype);
}

HONE_CLONES static void add_range(void *y, const void *x, int64_t n, enum hone_dtype dtype) {
    HONE_BY_DTYPE(dtype, add_values, y, x, n);
}

void hone_cpu_gather_rows(void *y, const void *x, const int32_t *rows, int64_t R, int64_t C, enum hone_dtype dtype,
                          struct hone_stream *s) {
    (void)s;
    hone_cpu_check_dtype("gather_rows", dtype);
    for (int64_t r = 0; r < R; r++)
        memcpy(value_to(y, r * C, dtype), value_at(x, rows[r] * C, dtype), (size_t)C * hone_dtype_size(dtype));
}

void hone_cpu_scatter_rows_add(void *dx, const void *dy, const int32_t *rows, int64_t R, int64_t C,
                               enum hone_dtype dtype, struct hone_stream *s) {
    (void)s;
    hone_cpu_check_dtype("scatter_rows_add", dtype);
    for (int64_t r = 0; r < R; r++) add_range(value_to(dx, rows[r] * C, dtype), value_at(dy, r * C, dtype), C, dtype);
}

void hone_cpu_add(void *y, const void *x, int64_t n, enum hone_dtype dtype, struct hone_stream *s) {
    (void)s;
    hone_cpu_check_dtype("add", dtype);
#pragma omp parallel for schedule(static) if (n > HONE_CPU_PARALLEL)
    for (int64_t i = 0; i < n; i += CHUNK)
        add_range(value_to(y, i, dtype), value_at(x, i, dtype), hone_min_i64(n - i, CHUNK), dtype);
}

HONE_INLINE void cast_values(void *y, const float *x, int64_t n, enum hone_dtype dtype) {
    for (int64_t i = 0; i < n; i += HONE_LANES) vec_write(y, i, vec_load_n(x + i, n - i), n - i, dtype);
}

HONE_CLONES void hone_cpu_cast_range(void *y, const float *x, int64_t n, enum hone_dtype dtype) {
    HONE_BY_DTYPE(dtype, cast_values, y, x, n);
}

void hone_cpu_cast(void *y, const float *x, int64_t n, enum hone_dtype dtype, struct hone_stream *s) {
    (void)s;
    hone_cpu_check_dtype("cast", dtype);
#pragma omp parallel for schedule(static) if (n > HONE_CPU_PARALLEL)
    for (int64_t i = 0; i < n; i += CHUNK)
        hone_cpu_cast_range(value_to(y, i, dtype), x + i, hone_min_i64(n - i, CHUNK), dtype);
}
