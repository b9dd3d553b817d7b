/* Softmax cross entropy of rows of logits. A row's loss is (max - logit[label]) + log(sum of exp(logit - max)), which
 * keeps small losses accurate; rows are summed in order, in f64. */
#include "base/arith.h"
#include "kernels/cpu/cpu.h"
#include "kernels/cpu/vector.h"

enum { ROWS = 256, IGNORED = -100 };

/* The largest logit, and the sum of exp(logit - largest). */
HONE_INLINE float row_sum(float *largest, const float *logits, int64_t V) {
    hone_vec m = vec_set(logits[0]), sum = {0};
    for (int64_t v = 0; v < V; v += HONE_LANES) {
        hone_vec x = vec_load_n(logits + v, V - v);
        if (V - v < HONE_LANES) x = vec_select(vec_index() < (int32_t)(V - v), x, m);
        m = vec_max(m, x);
    }
    float top = vec_maximum(m);
    for (int64_t v = 0; v < V; v += HONE_LANES) {
        hone_vec e = vec_exp(vec_load_n(logits + v, V - v) - top);
        if (V - v < HONE_LANES) e = vec_and(e, vec_index() < (int32_t)(V - v));
        sum += e;
    }
    *largest = top;
    return vec_sum(sum);
}

HONE_CLONES static float row_loss(const float *logits, int32_t label, int64_t V) {
    float largest, sum = row_sum(&largest, logits, V);
    return (largest - logits[label]) + vec_log(vec_set(sum))[0];
}

HONE_CLONES static void row_gradient(float *dlogits, const float *logits, int32_t label, float weight, int64_t V) {
    if (label == IGNORED) {
        memset(dlogits, 0, (size_t)V * sizeof(float));
        return;
    }
    float largest, sum = row_sum(&largest, logits, V), factor = weight / sum;
    float at_label = (vec_exp(vec_set(logits[label] - largest))[0] / sum - 1.0f) * weight;
    for (int64_t v = 0; v < V; v += HONE_LANES)
        vec_store_n(dlogits + v, vec_exp(vec_load_n(logits + v, V - v) - largest) * factor, V - v);
    dlogits[label] = at_label;
}

static int32_t checked_label(int32_t label, int64_t row, int64_t V) {
    HONE_CHECK(label == IGNORED || (label >= 0 && label < V), "row %lld: label %d of %lld classes", (long long)row,
               (int)label, (long long)V);
    return label;
}

void hone_cpu_cross_entropy_forward(float *loss, const void *logits, const int32_t *labels, const float *weights,
                                    float scale, int64_t R, int64_t V, enum hone_dtype dtype, struct hone_stream *s) {
    (void)s;
    HONE_CPU_F32("cross_entropy_forward", dtype);
    double sum = 0;
    for (int64_t from = 0; from < R; from += ROWS) {
        float losses[ROWS];
        int64_t rows = hone_min_i64(R - from, ROWS);
#pragma omp parallel for schedule(static) if (rows * V > HONE_CPU_PARALLEL)
        for (int64_t i = 0; i < rows; i++) {
            int32_t label = checked_label(labels[from + i], from + i, V);
            losses[i] = label == IGNORED ? 0.0f : row_loss((const float *)logits + (from + i) * V, label, V);
        }
        for (int64_t i = 0; i < rows; i++)
            if (labels[from + i] != IGNORED) sum += (double)losses[i] * (weights ? (double)weights[from + i] : 1.0);
    }
    *loss = (float)((double)*loss + (double)scale * sum);
}

void hone_cpu_cross_entropy_backward(void *dlogits, const void *logits, const int32_t *labels, const float *weights,
                                     float scale, int64_t R, int64_t V, enum hone_dtype dtype, struct hone_stream *s) {
    (void)s;
    HONE_CPU_F32("cross_entropy_backward", dtype);
#pragma omp parallel for schedule(static) if (R * V > HONE_CPU_PARALLEL)
    for (int64_t r = 0; r < R; r++)
        row_gradient((float *)dlogits + r * V, (const float *)logits + r * V, checked_label(labels[r], r, V),
                     scale * (weights ? weights[r] : 1.0f), V);
}
