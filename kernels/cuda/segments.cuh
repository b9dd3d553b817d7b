/* Going over the segments of the flat buffers in one launch: a fixed number of blocks share chunks of EIGHTS elements,
 * whose number only the device knows. */
#ifndef HONE_KERNELS_CUDA_SEGMENTS_CUH
#define HONE_KERNELS_CUDA_SEGMENTS_CUH

#include "kernels/cuda/cuda.cuh"
#include "kernels/cuda/values.cuh"

/* Calls visit(segment, at, n) for this thread's eights, n >= 1 elements from `at` on (more than eight: eight). When the
 * step is not finite only zeroes g. */
template <typename F>
__device__ __forceinline__ void for_segments(float *g, const struct hone_segment *segments, int64_t n_segments,
                                             const struct hone_step *step, const F &visit) {
    int64_t mine = blockIdx.x;
    bool finite = step->finite != 0;
    const float zeros[8] = {};
    for (int64_t i = 0; i < n_segments; i++) {
        struct hone_segment segment = segments[i];
        int64_t chunks = (segment.count + EIGHTS - 1) / EIGHTS;
        for (; mine < chunks; mine += gridDim.x) {
            int64_t done = mine * EIGHTS + threadIdx.x * 8, at = segment.offset + done, left = segment.count - done;
            if (left <= 0) continue;
            if (finite) visit(segment, at, left);
            write8(g + at, zeros, left);
        }
        mine -= chunks;
    }
}

#endif
