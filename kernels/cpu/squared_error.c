/* The loss of regression: squared differences, each in f32, rows summed in order in f64. */
#include "base/arith.h"
#include "kernels/cpu/cpu.h"
#include "kernels/cpu/vector.h"

enum { ROWS = 256 };

HONE_CLONES static float row_loss(const float *y, const float *targets, int64_t V) {
    hone_vec loss = {0};
    for (int64_t v = 0; v < V; v += HONE_LANES) {
        hone_vec d = vec_load_n(y + v, V - v) - vec_load_n(targets + v, V - v);
        loss += d * d;
    }
    return vec_sum(loss);
}

HONE_CLONES static void row_gradient(float *dy, const float *y, const float *targets, float factor, int64_t V) {
    for (int64_t v = 0; v < V; v += HONE_LANES)
        vec_store_n(dy + v, (vec_load_n(y + v, V - v) - vec_load_n(targets + v, V - v)) * factor, V - v);
}

void hone_cpu_squared_error_forward(float *loss, const void *y, const float *targets, float scale, int64_t R, int64_t V,
                                    enum hone_dtype dtype, struct hone_stream *s) {
    (void)s;
    HONE_CPU_F32("squared_error_forward", dtype);
    double sum = 0;
    for (int64_t from = 0; from < R; from += ROWS) {
        float losses[ROWS];
        int64_t rows = hone_min_i64(R - from, ROWS);
#pragma omp parallel for schedule(static) if (rows * V > HONE_CPU_PARALLEL)
        for (int64_t i = 0; i < rows; i++)
            losses[i] = row_loss((const float *)y + (from + i) * V, targets + (from + i) * V, V);
        for (int64_t i = 0; i < rows; i++) sum += (double)losses[i];
    }
    *loss = (float)((double)*loss + (double)scale * sum);
}

void hone_cpu_squared_error_backward(void *dy, const void *y, const float *targets, float scale, int64_t R, int64_t V,
                                     enum hone_dtype dtype, struct hone_stream *s) {
    (void)s;
    HONE_CPU_F32("squared_error_backward", dtype);
#pragma omp parallel for schedule(static) if (R * V > HONE_CPU_PARALLEL)
    for (int64_t r = 0; r < R; r++)
        row_gradient((float *)dy + r * V, (const float *)y + r * V, targets + r * V, 2.0f * scale, V);
}
