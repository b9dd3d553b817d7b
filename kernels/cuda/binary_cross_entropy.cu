/* Binary cross entropy of logits with targets, as kernels/cpu/binary_cross_entropy.c: with -log p = softplus(-x) and
 * -log(1 - p) = softplus(x), (1 - p)^g is exp(-g softplus(x)), and nothing cancels. */
#include "kernels/cuda/losses.cuh"

/* p, 1 - p, and -log of each. */
struct bits {
    float p, q, yes, no;
};

__device__ __forceinline__ bits bits_of(float x) {
    float e = expf(-fabsf(x)), less = e / (1.0f + e), more = 1.0f / (1.0f + e), tail = log1pf(e);
    if (x < 0) return {less, more, tail - x, tail};
    return {more, less, tail, tail + x};
}

static __global__ void __launch_bounds__(LOSS_THREADS)
    binary_cross_entropy_forward_kernel(float *losses, const float *logits, const float *targets, const float *w,
                                        float g, int64_t V) {
    float loss = 0;
    for (int64_t v = threadIdx.x; v < V; v += blockDim.x) {
        int64_t at = (int64_t)blockIdx.x * V + v;
        bits b = bits_of(logits[at]);
        float y = targets[at], yes = (w ? y * w[v] : y) * b.yes, no = (1.0f - y) * b.no;
        loss += g > 0 ? yes * expf(b.no * -g) + no * expf(b.yes * -g) : yes + no;
    }
    loss = block_sum(loss, (float *)shared_memory());
    if (threadIdx.x == 0) losses[blockIdx.x] = loss;
}

static __global__ void __launch_bounds__(LOSS_THREADS)
    binary_cross_entropy_backward_kernel(float *dlogits, const float *logits, const float *targets, const float *w,
                                         float g, float scale, int64_t V) {
    for (int64_t v = threadIdx.x; v < V; v += blockDim.x) {
        int64_t at = (int64_t)blockIdx.x * V + v;
        bits b = bits_of(logits[at]);
        float y = targets[at], yes = w ? y * w[v] : y, no = 1.0f - y;
        yes *= g > 0 ? expf(b.no * -g) * (b.p * b.yes * g + b.q) : b.q;
        no *= g > 0 ? expf(b.yes * -g) * (b.q * b.no * g + b.p) : b.p;
        dlogits[at] = (no - yes) * scale;
    }
}

void hone_cuda_binary_cross_entropy_forward(float *loss, const void *logits, const float *targets, const float *w,
                                            float g, float scale, int64_t R, int64_t V, enum hone_dtype,
                                            struct hone_stream *s) {
    add_losses(loss, NULL, scale, R, s, [&](int64_t first, int64_t n, float *losses) {
        launch(s, "binary_cross_entropy_forward", binary_cross_entropy_forward_kernel, n, loss_threads(V),
               loss_shared(V), losses, (const float *)logits + first * V, targets + first * V, w, g, V);
    });
}

void hone_cuda_binary_cross_entropy_backward(void *dlogits, const void *logits, const float *targets, const float *w,
                                             float g, float scale, int64_t R, int64_t V, enum hone_dtype,
                                             struct hone_stream *s) {
    launch(s, "binary_cross_entropy_backward", binary_cross_entropy_backward_kernel, R, loss_threads(V), 0,
           (float *)dlogits, (const float *)logits, targets, w, g, scale, V);
}
