/* The global norm: squares of chunks of fixed size in f32, chunks in f64 in a fixed order, and what the optimizer reads. */
#include "kernels/cuda/cuda.cuh"
#include "kernels/cuda/values.cuh"

static constexpr int THREADS = 256, CHUNK = 8192, LAST = 512;

static __global__ void __launch_bounds__(THREADS)
    gradient_squares_kernel(double *partial, const float *gradients, int64_t n) {
    int64_t from = (int64_t)blockIdx.x * CHUNK;
    float sum = 0, v[8];
    for (int64_t i = from + threadIdx.x * 8; i < n && i < from + CHUNK; i += THREADS * 8) {
        read8(v, gradients + i, n - i);
#pragma unroll
        for (int k = 0; k < 8; k++) sum += v[k] * v[k];
    }
    sum = block_sum(sum, (float *)shared_memory());
    if (threadIdx.x == 0) partial[blockIdx.x] = (double)sum;
}

static __global__ void __launch_bounds__(LAST)
    gradient_norm_kernel(struct hone_step *step, const double *partial, int64_t chunks, float clip_norm) {
    double *sums = (double *)shared_memory(), sum = 0;
    for (int64_t i = threadIdx.x; i < chunks; i += LAST) sum += partial[i];
    sums[threadIdx.x] = sum;
    __syncthreads();
    if (threadIdx.x > 0) return;
    for (int i = 1; i < LAST; i++) sum += sums[i];
    float norm = (float)sqrt(sum), clip = clip_norm / (norm + 1e-6f);
    step->gradient_norm = norm;
    step->clip_scale = clip_norm > 0 && clip < 1 ? clip : 1;
    step->finite = isfinite(norm) && isfinite(step->loss);
}

void hone_cuda_gradient_norm(struct hone_step *step, const float *gradients, const uint8_t *marks, int64_t n,
                             float clip_norm, void *workspace, struct hone_stream *s) {
    (void)marks; /* in host memory: there are none */
    double *partial = (double *)workspace;
    int64_t chunks = blocks_of(n, CHUNK);
    launch(s, "gradient_norm", gradient_squares_kernel, chunks, THREADS, THREADS / LANES * sizeof(float), partial,
           gradients, n);
    launch(s, "gradient_norm", gradient_norm_kernel, 1, LAST, LAST * sizeof(double), step, (const double *)partial,
           chunks, clip_norm);
}

size_t hone_cuda_gradient_norm_workspace(int64_t n) { return (size_t)blocks_of(n, CHUNK) * sizeof(double); }
