/* Values in and out of arrays of either dtype, eight at a time: a lane's share is 16 bytes of bf16 or 32 of f32, and one
 * Philox counter decides about eight elements. bf16 is the upper half of an f32; writing rounds to nearest even. */
#ifndef HONE_KERNELS_CUDA_VALUES_CUH
#define HONE_KERNELS_CUDA_VALUES_CUH

#include "kernels/cuda/ptx.cuh"

struct bf16 {
    uint16_t bits;
};

static constexpr int LANES = 32;
static constexpr unsigned ALL_LANES = 0xffffffff;

__device__ __forceinline__ float to_float(float x) { return x; }
__device__ __forceinline__ float to_float(bf16 x) { return __uint_as_float((unsigned)x.bits << 16); }
__device__ __forceinline__ void store(float *to, float x) { *to = x; }
__device__ __forceinline__ void store(bf16 *to, float x) { to->bits = (uint16_t)ptx_pack_bf16(x, 0.0f); }

/* Eight values from an address that is a multiple of 16 bytes. */
__device__ __forceinline__ void load8(float v[8], const float *from) {
    const float4 *quads = (const float4 *)from;
    float4 low = quads[0], high = quads[1];
    v[0] = low.x, v[1] = low.y, v[2] = low.z, v[3] = low.w;
    v[4] = high.x, v[5] = high.y, v[6] = high.z, v[7] = high.w;
}

__device__ __forceinline__ void load8(float v[8], const bf16 *from) {
    uint4 pairs = *(const uint4 *)from;
    const unsigned words[4] = {pairs.x, pairs.y, pairs.z, pairs.w};
#pragma unroll
    for (int i = 0; i < 4; i++) {
        v[2 * i] = __uint_as_float(words[i] << 16);
        v[2 * i + 1] = __uint_as_float(words[i] & 0xffff0000u);
    }
}

__device__ __forceinline__ void store8(float *to, const float v[8]) {
    ((float4 *)to)[0] = make_float4(v[0], v[1], v[2], v[3]);
    ((float4 *)to)[1] = make_float4(v[4], v[5], v[6], v[7]);
}

__device__ __forceinline__ void store8(bf16 *to, const float v[8]) {
    *(uint4 *)to = make_uint4(ptx_pack_bf16(v[0], v[1]), ptx_pack_bf16(v[2], v[3]), ptx_pack_bf16(v[4], v[5]),
                              ptx_pack_bf16(v[6], v[7]));
}

/* The same for the first `left` of eight from any address; what is missing is 0, or not written. */
template <typename T> __device__ __forceinline__ void read8(float v[8], const T *from, int64_t left) {
    if (left >= 8 && (uintptr_t)from % 16 == 0) return load8(v, from);
#pragma unroll
    for (int i = 0; i < 8; i++) v[i] = i < left ? to_float(from[i]) : 0.0f;
}

template <typename T> __device__ __forceinline__ void write8(T *to, const float v[8], int64_t left) {
    if (left >= 8 && (uintptr_t)to % 16 == 0) return store8(to, v);
#pragma unroll
    for (int i = 0; i < 8; i++)
        if (i < left) store(to + i, v[i]);
}

/* Where this thread's eight of a flat array begin, in blocks of EIGHTS_THREADS. */
static constexpr int EIGHTS_THREADS = 256, EIGHTS = EIGHTS_THREADS * 8;
__device__ __forceinline__ int64_t own_eight() { return ((int64_t)blockIdx.x * EIGHTS_THREADS + threadIdx.x) * 8; }

/* The sum over a warp's lanes, the same bits in each. */
__device__ __forceinline__ float warp_sum(float x) {
#pragma unroll
    for (int step = LANES / 2; step > 0; step /= 2) x += __shfl_xor_sync(ALL_LANES, x, step);
    return x;
}

__device__ __forceinline__ float warp_max(float x) {
#pragma unroll
    for (int step = LANES / 2; step > 0; step /= 2) x = fmaxf(x, __shfl_xor_sync(ALL_LANES, x, step));
    return x;
}

/* The sum over the block's threads (whole warps), the same bits in each, by way of a float for each warp in shared
 * memory, which may be used again at once. Every thread of the block has to call it. */
__device__ __forceinline__ float block_sum(float x, float *scratch) {
    unsigned warps = blockDim.x / LANES;
    x = warp_sum(x);
    if (threadIdx.x % LANES == 0) scratch[threadIdx.x / LANES] = x;
    __syncthreads();
    float sum = 0;
    for (unsigned i = 0; i < warps; i++) sum += scratch[i];
    __syncthreads();
    return sum;
}

__device__ __forceinline__ float block_max(float x, float *scratch) {
    unsigned warps = blockDim.x / LANES;
    x = warp_max(x);
    if (threadIdx.x % LANES == 0) scratch[threadIdx.x / LANES] = x;
    __syncthreads();
    float largest = scratch[0];
    for (unsigned i = 1; i < warps; i++) largest = fmaxf(largest, scratch[i]);
    __syncthreads();
    return largest;
}

#endif
