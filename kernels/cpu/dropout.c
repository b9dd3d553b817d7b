/* Dropout over rows by itself; its backward is the same call on the gradient. */
#include "kernels/cpu/dropout.h"
#include "base/arith.h"
#include "kernels/cpu/cpu.h"
#include "kernels/cpu/values.h"

HONE_INLINE void row_range(void *y, const void *x, const struct hone_dropout *drop, int64_t key, int64_t C,
                           enum hone_dtype dtype) {
    float factors[HONE_DROPOUT_BLOCK];
    for (int64_t from = 0; from < C; from += HONE_DROPOUT_BLOCK) {
        dropout_row_factors(factors, drop, key, from);
        int64_t end = hone_min_i64(C - from, HONE_DROPOUT_BLOCK);
        for (int64_t c = 0; c < end; c += HONE_LANES)
            vec_write(y, from + c, vec_read(x, from + c, end - c, dtype) * vec_load(factors + c), end - c, dtype);
    }
}

HONE_CLONES static void dropout_row(void *y, const void *x, const struct hone_dropout *drop, int64_t key, int64_t C,
                                    enum hone_dtype dtype) {
    HONE_BY_DTYPE(dtype, row_range, y, x, drop, key, C);
}

void hone_cpu_dropout(void *y, const void *x, const struct hone_dropout *drop, int64_t T, int64_t C,
                      enum hone_dtype dtype, struct hone_stream *s) {
    (void)s;
    hone_cpu_check_dtype("dropout", dtype);
    if (!drop) {
        if (y != x) memcpy(y, x, (size_t)(T * C) * hone_dtype_size(dtype));
        return;
    }
#pragma omp parallel for schedule(static) if (T * C > HONE_CPU_PARALLEL)
    for (int64_t t = 0; t < T; t++)
        dropout_row(value_to(y, t * C, dtype), value_at(x, t * C, dtype), drop, dropout_row_key(drop, t), C, dtype);
}
