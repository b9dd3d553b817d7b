/* What losses share: a block has a row, whose loss goes into the stream's scratch memory; then one block adds the rows in
 * a fixed order, in f64, to the loss. */
#ifndef HONE_KERNELS_CUDA_LOSSES_CUH
#define HONE_KERNELS_CUDA_LOSSES_CUH

#include "kernels/cuda/cuda.cuh"
#include "kernels/cuda/values.cuh"

static constexpr int IGNORED = -100, LOSS_THREADS = 512, LOSS_SUM_THREADS = 256;

/* Threads for a row of V classes: a warp, or more for vocabularies; and the shared memory that block_sum() needs. */
static inline int loss_threads(int64_t V) { return V <= 512 ? LANES : LOSS_THREADS; }
static inline size_t loss_shared(int64_t V) { return (size_t)loss_threads(V) / LANES * sizeof(float); }

/* *loss += scale * sum over r of weights[r] * losses[r]; weights NULL: 1. Rows without a loss hold 0 and count nothing
 * whatever their weight is. */
static __global__ void __launch_bounds__(LOSS_SUM_THREADS)
    loss_sum_kernel(float *loss, const float *losses, const float *weights, float scale, int64_t R) {
    double *sums = (double *)shared_memory(), sum = 0;
    for (int64_t r = threadIdx.x; r < R; r += LOSS_SUM_THREADS)
        if (losses[r] != 0) sum += (double)losses[r] * (weights ? (double)weights[r] : 1.0);
    sums[threadIdx.x] = sum;
    __syncthreads();
    if (threadIdx.x > 0) return;
    for (int i = 1; i < LOSS_SUM_THREADS; i++) sum += sums[i];
    *loss = (float)((double)*loss + (double)scale * sum);
}

/* Calls rows(first, n, losses), which is to launch the kernel that writes n rows' losses from row `first` on, for as many
 * rows at a time as the scratch memory holds, and adds them up. */
template <typename F>
static void add_losses(float *loss, const float *weights, float scale, int64_t R, struct hone_stream *s,
                       const F &rows) {
    for (int64_t first = 0; first < R; first += HONE_CUDA_SCRATCH) {
        int64_t n = R - first < HONE_CUDA_SCRATCH ? R - first : HONE_CUDA_SCRATCH;
        rows(first, n, s->scratch);
        launch(s, "sum of losses", loss_sum_kernel, 1, LOSS_SUM_THREADS, LOSS_SUM_THREADS * sizeof(double), loss,
               (const float *)s->scratch, weights ? weights + first : weights, scale, n);
    }
}

#endif
