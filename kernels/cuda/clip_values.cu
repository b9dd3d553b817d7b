/* What goes over flat buffers beside the optimizers: clipping by value, and the average of the weights. */
#include "kernels/cuda/cuda.cuh"
#include "kernels/cuda/values.cuh"

static __global__ void __launch_bounds__(EIGHTS_THREADS) clip_values_kernel(float *g, int64_t n, float bound) {
    int64_t at = own_eight();
    float v[8];
    if (at >= n) return;
    read8(v, g + at, n - at);
#pragma unroll
    for (int i = 0; i < 8; i++) v[i] = v[i] > bound ? bound : v[i] < -bound ? -bound : v[i];
    write8(g + at, v, n - at);
}

void hone_cuda_clip_values(float *g, int64_t n, float bound, struct hone_stream *s) {
    launch(s, "clip_values", clip_values_kernel, blocks_of(n, EIGHTS), EIGHTS_THREADS, 0, g, n, bound);
}

static __global__ void __launch_bounds__(EIGHTS_THREADS)
    ema_kernel(float *average, const float *p, int64_t n, float weight, const struct hone_step *step) {
    int64_t at = own_eight();
    float v[8], a[8];
    if (at >= n || !step->finite) return;
    read8(v, p + at, n - at);
    read8(a, average + at, n - at);
#pragma unroll
    for (int i = 0; i < 8; i++) a[i] += weight * (v[i] - a[i]);
    write8(average + at, a, n - at);
}

void hone_cuda_ema(float *average, const float *p, int64_t n, float weight, const struct hone_step *step,
                   struct hone_stream *s) {
    launch(s, "ema", ema_kernel, blocks_of(n, EIGHTS), EIGHTS_THREADS, 0, average, p, n, weight, step);
}
