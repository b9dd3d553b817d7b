/* Softmax cross entropy of rows of logits. A row's loss is (max - logit[label]) + log(sum of exp(logit - max)), which
 * keeps small losses accurate; rows are summed in order, in f64. */
#include "base/arith.h"
#include "kernels/cpu/cpu.h"
#include "kernels/cpu/values.h"

enum { ROWS = 256 };

/* The largest logit, and the sum of exp(logit - largest). */
HONE_INLINE float row_sum(float *largest, const void *logits, int64_t V, enum hone_dtype dtype) {
    hone_vec m = vec_set(value_read(logits, 0, dtype)), sum = {0};
    for (int64_t v = 0; v < V; v += HONE_LANES) {
        hone_vec x = vec_read(logits, v, V - v, dtype);
        if (V - v < HONE_LANES) x = vec_select(vec_first(V - v), x, m);
        m = vec_max(m, x);
    }
    float top = vec_maximum(m);
    for (int64_t v = 0; v < V; v += HONE_LANES) {
        hone_vec e = vec_exp(vec_read(logits, v, V - v, dtype) - top);
        if (V - v < HONE_LANES) e = vec_and(e, vec_first(V - v));
        sum += e;
    }
    *largest = top;
    return vec_sum(sum);
}

HONE_INLINE float loss_of(const void *logits, int32_t label, int64_t V, enum hone_dtype dtype) {
    float largest, sum = row_sum(&largest, logits, V, dtype);
    return (largest - value_read(logits, label, dtype)) + vec_log(vec_set(sum))[0];
}

HONE_CLONES static float row_loss(const void *logits, int32_t label, int64_t V, enum hone_dtype dtype) {
    return HONE_BY_DTYPE(dtype, loss_of, logits, label, V);
}

HONE_INLINE void gradient_of(void *dlogits, const void *logits, int32_t label, float weight, int64_t V,
                             enum hone_dtype dtype) {
    float largest, sum = row_sum(&largest, logits, V, dtype), factor = weight / sum;
    float at_label = (vec_exp(vec_set(value_read(logits, label, dtype) - largest))[0] / sum - 1.0f) * weight;
    for (int64_t v = 0; v < V; v += HONE_LANES)
        vec_write(dlogits, v, vec_exp(vec_read(logits, v, V - v, dtype) - largest) * factor, V - v, dtype);
    vec_write(dlogits, label, vec_set(at_label), 1, dtype);
}

HONE_CLONES static void row_gradient(void *dlogits, const void *logits, int32_t label, float weight, int64_t V,
                                     enum hone_dtype dtype) {
    if (label == HONE_IGNORED)
        memset(dlogits, 0, (size_t)V * hone_dtype_size(dtype));
    else
        HONE_BY_DTYPE(dtype, gradient_of, dlogits, logits, label, weight, V);
}

void hone_cpu_cross_entropy_forward(float *loss, const void *logits, const int32_t *labels, const float *weights,
                                    float scale, int64_t R, int64_t V, enum hone_dtype dtype, struct hone_stream *s) {
    (void)s;
    hone_cpu_check_dtype("cross_entropy_forward", dtype);
    double sum = 0;
    for (int64_t from = 0; from < R; from += ROWS) {
        float losses[ROWS];
        int64_t rows = hone_min_i64(R - from, ROWS);
#pragma omp parallel for schedule(static) if (rows * V > HONE_CPU_PARALLEL)
        for (int64_t i = 0; i < rows; i++) {
            int32_t label = hone_cpu_label(labels[from + i], from + i, V);
            losses[i] =
                label == HONE_IGNORED ? 0.0f : row_loss(value_at(logits, (from + i) * V, dtype), label, V, dtype);
        }
        for (int64_t i = 0; i < rows; i++)
            if (labels[from + i] != HONE_IGNORED)
                sum += (double)losses[i] * (weights ? (double)weights[from + i] : 1.0);
    }
    *loss = (float)((double)*loss + (double)scale * sum);
}

void hone_cpu_cross_entropy_backward(void *dlogits, const void *logits, const int32_t *labels, const float *weights,
                                     float scale, int64_t R, int64_t V, enum hone_dtype dtype, struct hone_stream *s) {
    (void)s;
    hone_cpu_check_dtype("cross_entropy_backward", dtype);
#pragma omp parallel for schedule(static) if (R * V > HONE_CPU_PARALLEL)
    for (int64_t r = 0; r < R; r++)
        row_gradient(value_to(dlogits, r * V, dtype), value_at(logits, r * V, dtype), hone_cpu_label(labels[r], r, V),
                     scale * (weights ? weights[r] : 1.0f), V, dtype);
}
