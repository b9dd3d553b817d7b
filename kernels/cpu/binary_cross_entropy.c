/* Binary cross entropy of logits with targets. With the two surprises -log p = softplus(-x) and -log(1 - p) =
 * softplus(x), (1 - p)^g is exp(-g softplus(x)): nothing cancels. Rows are summed in order, in f64. */
#include "base/arith.h"
#include "kernels/cpu/cpu.h"
#include "kernels/cpu/vector.h"

enum { ROWS = 256 };

/* Eight logits: p, 1 - p, and -log of each. */
struct bits {
    hone_vec p, q, yes, no;
};

HONE_INLINE struct bits bits_of(hone_vec x) {
    hone_vec e = vec_exp(-vec_abs(x)), sum = e + 1.0f, rounded = sum - 1.0f;
    /* log(1 + e), with the rounding of the sum taken off again by the quotient (Kahan). */
    hone_ivec lost = rounded == 0.0f;
    hone_vec tail = vec_select(lost, e, vec_log(sum) * (e / vec_select(lost, vec_set(1), rounded)));
    hone_ivec negative = x < 0.0f;
    hone_vec less = e / sum, more = 1.0f / sum, zero = x - x;
    return (struct bits){.p = vec_select(negative, less, more),
                         .q = vec_select(negative, more, less),
                         .yes = vec_select(negative, -x, zero) + tail,
                         .no = vec_select(negative, zero, x) + tail};
}

HONE_INLINE hone_vec weighted(const float *targets, const float *w, int64_t v, int64_t V) {
    hone_vec y = vec_load_n(targets + v, V - v);
    return w ? y * vec_load_n(w + v, V - v) : y;
}

HONE_CLONES static float row_loss(const float *x, const float *targets, const float *w, float g, int64_t V) {
    hone_vec loss = {0};
    for (int64_t v = 0; v < V; v += HONE_LANES) {
        struct bits b = bits_of(vec_load_n(x + v, V - v));
        hone_vec yes = weighted(targets, w, v, V) * b.yes, no = (1.0f - vec_load_n(targets + v, V - v)) * b.no;
        if (g > 0) {
            yes *= vec_exp(b.no * -g);
            no *= vec_exp(b.yes * -g);
        }
        loss += vec_and(yes + no, vec_first(V - v));
    }
    return vec_sum(loss);
}

HONE_CLONES static void row_gradient(float *dx, const float *x, const float *targets, const float *w, float g,
                                     float scale, int64_t V) {
    for (int64_t v = 0; v < V; v += HONE_LANES) {
        struct bits b = bits_of(vec_load_n(x + v, V - v));
        hone_vec yes = weighted(targets, w, v, V), no = 1.0f - vec_load_n(targets + v, V - v);
        if (g > 0) {
            yes *= vec_exp(b.no * -g) * (b.p * b.yes * g + b.q);
            no *= vec_exp(b.yes * -g) * (b.q * b.no * g + b.p);
        } else {
            yes *= b.q;
            no *= b.p;
        }
        vec_store_n(dx + v, (no - yes) * scale, V - v);
    }
}

void hone_cpu_binary_cross_entropy_forward(float *loss, const void *logits, const float *targets, const float *w,
                                           float g, float scale, int64_t R, int64_t V, enum hone_dtype dtype,
                                           struct hone_stream *s) {
    (void)s;
    HONE_CPU_F32("binary_cross_entropy_forward", dtype);
    double sum = 0;
    for (int64_t from = 0; from < R; from += ROWS) {
        float losses[ROWS];
        int64_t rows = hone_min_i64(R - from, ROWS);
#pragma omp parallel for schedule(static) if (rows * V > HONE_CPU_PARALLEL)
        for (int64_t i = 0; i < rows; i++)
            losses[i] = row_loss((const float *)logits + (from + i) * V, targets + (from + i) * V, w, g, V);
        for (int64_t i = 0; i < rows; i++) sum += (double)losses[i];
    }
    *loss = (float)((double)*loss + (double)scale * sum);
}

void hone_cpu_binary_cross_entropy_backward(void *dlogits, const void *logits, const float *targets, const float *w,
                                            float g, float scale, int64_t R, int64_t V, enum hone_dtype dtype,
                                            struct hone_stream *s) {
    (void)s;
    HONE_CPU_F32("binary_cross_entropy_backward", dtype);
#pragma omp parallel for schedule(static) if (R * V > HONE_CPU_PARALLEL)
    for (int64_t r = 0; r < R; r++)
        row_gradient((float *)dlogits + r * V, (const float *)logits + r * V, targets + r * V, w, g, scale, V);
}
