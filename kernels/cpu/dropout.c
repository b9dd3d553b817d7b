/* Dropout over rows by itself; its backward is the same call on the gradient. */
#include "kernels/cpu/dropout.h"
#include "base/arith.h"
#include "kernels/cpu/cpu.h"

HONE_CLONES static void dropout_row(float *y, const float *x, const struct hone_dropout *drop, int64_t key, int64_t C) {
    float factors[HONE_DROPOUT_BLOCK];
    for (int64_t from = 0; from < C; from += HONE_DROPOUT_BLOCK) {
        dropout_row_factors(factors, drop, key, from);
        int64_t end = hone_min_i64(C - from, HONE_DROPOUT_BLOCK);
        for (int64_t c = 0; c < end; c += HONE_LANES) {
            int64_t n = hone_min_i64(end - c, HONE_LANES);
            vec_store_n(y + from + c, vec_load_n(x + from + c, n) * vec_load(factors + c), n);
        }
    }
}

void hone_cpu_dropout(void *y, const void *x, const struct hone_dropout *drop, int64_t T, int64_t C,
                      enum hone_dtype dtype, struct hone_stream *s) {
    (void)s;
    HONE_CPU_F32("dropout", dtype);
    if (!drop) {
        if (y != x) memcpy(y, x, (size_t)(T * C) * sizeof(float));
        return;
    }
#pragma omp parallel for schedule(static) if (T * C > HONE_CPU_PARALLEL)
    for (int64_t t = 0; t < T; t++)
        dropout_row((float *)y + t * C, (const float *)x + t * C, drop, dropout_row_key(drop, t), C);
}
