/* Cross entropy with class weights, label smoothing and focusing. A confident row keeps its digits: what is left for the
 * other classes is summed without the largest, so 1 - p is never a difference of near numbers; rows are summed in order,
 * in f64. */
#include "base/arith.h"
#include "kernels/cpu/cpu.h"
#include "kernels/cpu/vector.h"

enum { ROWS = 256 };

/* What all classes of a row share. */
struct row {
    const float *logits;
    int64_t V, label;
    float top, sum, log_sum; /* largest logit; sum of exp(logit - top) and its log */
    float rest;              /* the sum without class `at`, whose logit is the largest */
    int64_t at;
};

/* Eight classes. */
struct classes {
    hone_vec p, others, surprise; /* probability, 1 - p, -log p */
    hone_vec focused, target;     /* (1 - p)^focus; target times weight */
};

HONE_INLINE hone_ivec index_from(int64_t v) { return vec_index() + (int32_t)v; }

HONE_INLINE struct row row_of(const float *logits, int32_t label, int64_t V) {
    struct row row = {.logits = logits, .V = V, .label = label};
    hone_vec top = vec_set(logits[0]), rest = {0};
    for (int64_t v = 0; v < V; v += HONE_LANES)
        top = vec_max(top, vec_select(index_from(v) < (int32_t)V, vec_load_n(logits + v, V - v), top));
    row.top = vec_maximum(top);
    while (row.at < V - 1 && logits[row.at] < row.top) row.at++;
    for (int64_t v = 0; v < V; v += HONE_LANES) {
        hone_ivec index = index_from(v);
        hone_vec e = vec_exp(vec_load_n(logits + v, V - v) - row.top);
        rest += vec_and(e, (index < (int32_t)V) & (index != (int32_t)row.at));
    }
    row.rest = vec_sum(rest);
    row.sum = 1.0f + row.rest;
    /* log(1 + rest): log's error at the rounded sum is taken off again by the quotient (Kahan). */
    float rounded = row.sum - 1.0f, log = vec_log(vec_set(row.sum))[0];
    row.log_sum = rounded == 0 ? row.rest : row.rest < 1 ? log * (row.rest / rounded) : log;
    return row;
}

HONE_INLINE struct classes classes_at(const struct row *row, int64_t v, const struct hone_class_loss *settings) {
    struct classes c;
    hone_ivec index = index_from(v);
    hone_vec x = vec_load_n(row->logits + v, row->V - v), e = vec_exp(x - row->top);
    c.p = e / row->sum;
    c.others = vec_select(index == (int32_t)row->at, vec_set(row->rest), row->sum - e) / row->sum;
    c.surprise = (row->top - x) + row->log_sum;
    c.focused = vec_set(1);
    if (settings->focus > 0) {
        hone_ivec some = c.others > 0.0f;
        hone_vec log = vec_log(vec_select(some, c.others, vec_set(1)));
        c.focused = vec_and(vec_exp(log * settings->focus), some);
    }
    float even = settings->smoothing / (float)row->V;
    c.target = vec_select(index == (int32_t)row->label, vec_set(1.0f - settings->smoothing + even), vec_set(even));
    if (settings->weights) c.target *= vec_load_n(settings->weights + v, row->V - v);
    c.target = vec_and(c.target, index < (int32_t)row->V);
    return c;
}

/* 0 times an infinite surprise is no loss. */
HONE_INLINE hone_vec loss_of(struct classes c) {
    return vec_and(c.target * c.focused * c.surprise, c.target * c.focused != 0.0f);
}

/* d(loss)/d(log p), before softmax: -target (1-p)^g (1 + g p (-log p) / (1 - p)). */
HONE_INLINE hone_vec slope_of(struct classes c, float focus) {
    hone_vec slope = -c.target * c.focused;
    if (focus == 0) return slope;
    hone_vec quotient = c.surprise / vec_select(c.others > 0.0f, c.others, vec_set(1));
    return vec_and(slope * (c.p * quotient * focus + 1.0f), slope != 0.0f);
}

HONE_CLONES static float row_loss(const float *logits, int32_t label, int64_t V,
                                  const struct hone_class_loss *settings) {
    struct row row = row_of(logits, label, V);
    hone_vec loss = {0};
    for (int64_t v = 0; v < V; v += HONE_LANES) loss += loss_of(classes_at(&row, v, settings));
    return vec_sum(loss);
}

HONE_CLONES static void row_gradient(float *dlogits, const float *logits, int32_t label, float scale, int64_t V,
                                     const struct hone_class_loss *settings) {
    struct row row = row_of(logits, label, V);
    hone_vec sum = {0};
    for (int64_t v = 0; v < V; v += HONE_LANES) sum += slope_of(classes_at(&row, v, settings), settings->focus);
    float total = vec_sum(sum);
    for (int64_t v = 0; v < V; v += HONE_LANES) {
        struct classes c = classes_at(&row, v, settings);
        hone_vec slope = slope_of(c, settings->focus);
        vec_store_n(dlogits + v, (slope * c.others - c.p * (total - slope)) * scale, V - v);
    }
}

void hone_cpu_class_loss_forward(float *loss, const void *logits, const int32_t *labels,
                                 const struct hone_class_loss *settings, float scale, int64_t R, int64_t V,
                                 enum hone_dtype dtype, struct hone_stream *s) {
    (void)s;
    HONE_CPU_F32("class_loss_forward", dtype);
    double sum = 0;
    for (int64_t from = 0; from < R; from += ROWS) {
        float losses[ROWS];
        int64_t rows = hone_min_i64(R - from, ROWS);
#pragma omp parallel for schedule(static) if (rows * V > HONE_CPU_PARALLEL)
        for (int64_t i = 0; i < rows; i++) {
            int32_t label = hone_cpu_label(labels[from + i], from + i, V);
            losses[i] =
                label == HONE_IGNORED ? 0.0f : row_loss((const float *)logits + (from + i) * V, label, V, settings);
        }
        for (int64_t i = 0; i < rows; i++) sum += (double)losses[i];
    }
    *loss = (float)((double)*loss + (double)scale * sum);
}

void hone_cpu_class_loss_backward(void *dlogits, const void *logits, const int32_t *labels,
                                  const struct hone_class_loss *settings, float scale, int64_t R, int64_t V,
                                  enum hone_dtype dtype, struct hone_stream *s) {
    (void)s;
    HONE_CPU_F32("class_loss_backward", dtype);
#pragma omp parallel for schedule(static) if (R * V > HONE_CPU_PARALLEL)
    for (int64_t r = 0; r < R; r++) {
        float *row = (float *)dlogits + r * V;
        int32_t label = hone_cpu_label(labels[r], r, V);
        if (label == HONE_IGNORED)
            memset(row, 0, (size_t)V * sizeof *row);
        else
            row_gradient(row, (const float *)logits + r * V, label, scale, V, settings);
    }
}
