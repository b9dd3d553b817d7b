/* The squared error of regression. */
#include "kernels/cuda/losses.cuh"

static __global__ void __launch_bounds__(LOSS_THREADS)
    squared_error_forward_kernel(float *losses, const float *y, const float *targets, int64_t V) {
    float loss = 0;
    for (int64_t v = threadIdx.x; v < V; v += blockDim.x) {
        float d = y[(int64_t)blockIdx.x * V + v] - targets[(int64_t)blockIdx.x * V + v];
        loss += d * d;
    }
    loss = block_sum(loss, (float *)shared_memory());
    if (threadIdx.x == 0) losses[blockIdx.x] = loss;
}

static __global__ void __launch_bounds__(LOSS_THREADS)
    squared_error_backward_kernel(float *dy, const float *y, const float *targets, float scale, int64_t V) {
    for (int64_t v = threadIdx.x; v < V; v += blockDim.x) {
        int64_t at = (int64_t)blockIdx.x * V + v;
        dy[at] = 2.0f * scale * (y[at] - targets[at]);
    }
}

void hone_cuda_squared_error_forward(float *loss, const void *y, const float *targets, float scale, int64_t R,
                                     int64_t V, enum hone_dtype, struct hone_stream *s) {
    add_losses(loss, NULL, scale, R, s, [&](int64_t first, int64_t n, float *losses) {
        launch(s, "squared_error_forward", squared_error_forward_kernel, n, loss_threads(V), loss_shared(V), losses,
               (const float *)y + first * V, targets + first * V, V);
    });
}

void hone_cuda_squared_error_backward(void *dy, const void *y, const float *targets, float scale, int64_t R, int64_t V,
                                      enum hone_dtype, struct hone_stream *s) {
    launch(s, "squared_error_backward", squared_error_backward_kernel, R, loss_threads(V), 0, (float *)dy,
           (const float *)y, targets, scale, V);
}
