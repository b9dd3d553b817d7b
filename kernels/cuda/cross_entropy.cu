/* Softmax cross entropy of rows of logits. A row is read once from memory for the largest logit and the sum of
 * exponentials together, each thread moving its sum along with its largest; backward's second read, right behind the
 * first, comes from the cache. */
#include "kernels/cuda/losses.cuh"

/* The largest logit of the block's row, and the sum of exp(logit - largest). */
template <typename T>
__device__ __forceinline__ float row_sum(float *largest, const T *logits, int64_t V, float *scratch) {
    float top = -INFINITY, sum = 0, v[8];
    for (int64_t c = threadIdx.x * 8; c < V; c += blockDim.x * 8) {
        read8(v, logits + c, V - c);
        float most = v[0];
#pragma unroll
        for (int i = 1; i < 8; i++) most = c + i < V ? fmaxf(most, v[i]) : most;
        if (most > top) {
            sum *= expf(top - most);
            top = most;
        }
        /* A NaN is no larger than anything: it reaches the sum here. */
#pragma unroll
        for (int i = 0; i < 8; i++)
            if (c + i < V) sum += expf(v[i] - top);
    }
    *largest = block_max(top, scratch);
    return block_sum(top == -INFINITY ? sum : sum * expf(top - *largest), scratch);
}

template <typename T>
__global__ void __launch_bounds__(LOSS_THREADS)
    cross_entropy_forward_kernel(float *losses, const T *logits, const int32_t *labels, int64_t V) {
    const T *row = logits + (int64_t)blockIdx.x * V;
    int32_t label = labels[blockIdx.x];
    float largest, sum = row_sum(&largest, row, V, (float *)shared_memory());
    if (threadIdx.x > 0) return;
    bool known = label >= 0 && label < V;
    losses[blockIdx.x] = label == IGNORED ? 0.0f : known ? (largest - to_float(row[label])) + logf(sum) : NAN;
}

template <typename T>
__global__ void __launch_bounds__(LOSS_THREADS)
    cross_entropy_backward_kernel(T *dlogits, const T *logits, const int32_t *labels, const float *weights, float scale,
                                  int64_t V) {
    const T *row = logits + (int64_t)blockIdx.x * V;
    T *to = dlogits + (int64_t)blockIdx.x * V;
    int32_t label = labels[blockIdx.x];
    bool counts = label != IGNORED;
    float largest, sum = row_sum(&largest, row, V, (float *)shared_memory()), v[8];
    float weight = counts ? scale * (weights ? weights[blockIdx.x] : 1.0f) : 0.0f, factor = weight / sum;
    for (int64_t c = threadIdx.x * 8; c < V; c += blockDim.x * 8) {
        read8(v, row + c, V - c);
#pragma unroll
        for (int i = 0; i < 8; i++) {
            float e = expf(v[i] - largest);
            v[i] = c + i == label ? (e / sum - 1.0f) * weight : e * factor;
            if (!counts) v[i] = 0;
        }
        write8(to + c, v, V - c);
    }
}

void hone_cuda_cross_entropy_forward(float *loss, const void *logits, const int32_t *labels, const float *weights,
                                     float scale, int64_t R, int64_t V, enum hone_dtype dtype, struct hone_stream *s) {
    add_losses(loss, weights, scale, R, s, [&](int64_t first, int64_t n, float *losses) {
        HONE_CUDA_BY_DTYPE(dtype,
                           launch(s, "cross_entropy_forward", cross_entropy_forward_kernel<T>, n, loss_threads(V),
                                  loss_shared(V), losses, (const T *)logits + first * V, labels + first, V));
    });
}

void hone_cuda_cross_entropy_backward(void *dlogits, const void *logits, const int32_t *labels, const float *weights,
                                      float scale, int64_t R, int64_t V, enum hone_dtype dtype, struct hone_stream *s) {
    HONE_CUDA_BY_DTYPE(dtype, launch(s, "cross_entropy_backward", cross_entropy_backward_kernel<T>, R, loss_threads(V),
                                     loss_shared(V), (T *)dlogits, (const T *)logits, labels, weights, scale, V));
}
