/* Cross entropy with class weights, label smoothing and focusing, as kernels/cpu/class_loss.c: what is left for the other
 * classes is summed without the largest, so that 1 - p is never a difference of near numbers. */
#include "kernels/cuda/losses.cuh"

/* What all classes of a row share. */
struct row {
    const float *logits;
    int64_t V, label, at; /* at: the first class with the largest logit */
    float top, rest;      /* that logit; sum of exp(logit - top) without it */
    float sum, log_sum;
};

__device__ __forceinline__ row row_of(const float *logits, int64_t label, int64_t V, float *scratch) {
    row r = {logits, V, label, 0, -INFINITY, 0, 0, 0};
    float top = -INFINITY, first = -INFINITY, rest = 0;
    for (int64_t v = threadIdx.x; v < V; v += blockDim.x) top = fmaxf(top, logits[v]);
    r.top = block_max(top, scratch);
    for (int64_t v = threadIdx.x; v < V; v += blockDim.x)
        if (logits[v] == r.top) first = fmaxf(first, -(float)v); /* exact up to 2^24 classes */
    r.at = (int64_t)-block_max(first, scratch);
    for (int64_t v = threadIdx.x; v < V; v += blockDim.x)
        if (v != r.at) rest += expf(logits[v] - r.top);
    r.rest = block_sum(rest, scratch);
    r.sum = 1.0f + r.rest;
    r.log_sum = log1pf(r.rest);
    return r;
}

/* One class. */
struct single {
    float p, others, surprise; /* probability, 1 - p, -log p */
    float focused, target;     /* (1 - p)^focus; target times weight */
};

__device__ __forceinline__ single class_at(const row &r, int64_t v, const struct hone_class_loss &settings) {
    single c;
    float x = r.logits[v], e = expf(x - r.top), even = settings.smoothing / (float)r.V;
    c.p = e / r.sum;
    c.others = (v == r.at ? r.rest : r.sum - e) / r.sum;
    c.surprise = (r.top - x) + r.log_sum;
    c.focused = settings.focus > 0 ? (c.others > 0 ? expf(logf(c.others) * settings.focus) : 0.0f) : 1.0f;
    c.target = v == r.label ? 1.0f - settings.smoothing + even : even;
    if (settings.weights) c.target *= settings.weights[v];
    return c;
}

/* d(loss)/d(log p), before softmax: -target (1-p)^g (1 + g p (-log p) / (1 - p)). */
__device__ __forceinline__ float slope_of(const single &c, float focus) {
    float slope = -c.target * c.focused;
    if (focus == 0 || slope == 0) return slope;
    return slope * (c.p * (c.surprise / (c.others > 0 ? c.others : 1.0f)) * focus + 1.0f);
}

static __global__ void __launch_bounds__(LOSS_THREADS)
    class_loss_forward_kernel(float *losses, const float *logits, const int32_t *labels,
                              struct hone_class_loss settings, int64_t V) {
    float *scratch = (float *)shared_memory(), loss = 0;
    row r = row_of(logits + (int64_t)blockIdx.x * V, labels[blockIdx.x], V, scratch);
    for (int64_t v = threadIdx.x; v < V; v += blockDim.x) {
        single c = class_at(r, v, settings);
        float share = c.target * c.focused;
        if (share != 0) loss += share * c.surprise; /* 0 times an infinite surprise is no loss */
    }
    loss = block_sum(loss, scratch);
    if (threadIdx.x == 0) losses[blockIdx.x] = r.label == IGNORED ? 0.0f : loss;
}

static __global__ void __launch_bounds__(LOSS_THREADS)
    class_loss_backward_kernel(float *dlogits, const float *logits, const int32_t *labels,
                               struct hone_class_loss settings, float scale, int64_t V) {
    float *scratch = (float *)shared_memory(), *to = dlogits + (int64_t)blockIdx.x * V, sum = 0;
    row r = row_of(logits + (int64_t)blockIdx.x * V, labels[blockIdx.x], V, scratch);
    for (int64_t v = threadIdx.x; v < V; v += blockDim.x) sum += slope_of(class_at(r, v, settings), settings.focus);
    float total = block_sum(sum, scratch);
    for (int64_t v = threadIdx.x; v < V; v += blockDim.x) {
        single c = class_at(r, v, settings);
        float slope = slope_of(c, settings.focus);
        to[v] = r.label == IGNORED ? 0.0f : (slope * c.others - c.p * (total - slope)) * scale;
    }
}

void hone_cuda_class_loss_forward(float *loss, const void *logits, const int32_t *labels,
                                  const struct hone_class_loss *settings, float scale, int64_t R, int64_t V,
                                  enum hone_dtype, struct hone_stream *s) {
    add_losses(loss, NULL, scale, R, s, [&](int64_t first, int64_t n, float *losses) {
        launch(s, "class_loss_forward", class_loss_forward_kernel, n, loss_threads(V), loss_shared(V), losses,
               (const float *)logits + first * V, labels + first, *settings, V);
    });
}

void hone_cuda_class_loss_backward(void *dlogits, const void *logits, const int32_t *labels,
                                   const struct hone_class_loss *settings, float scale, int64_t R, int64_t V,
                                   enum hone_dtype, struct hone_stream *s) {
    launch(s, "class_loss_backward", class_loss_backward_kernel, R, loss_threads(V), loss_shared(V), (float *)dlogits,
           (const float *)logits, labels, *settings, scale, V);
}
