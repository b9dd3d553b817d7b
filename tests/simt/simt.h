/* Stands for the GPU where there is none: what CUDA C++ means, for the ordinary C++ compiler. Put before every file of
 * kernels/cuda by -include.
 *
 * The threads of a block are fibers that run one at a time, each until it waits for others (barrier, warp collective),
 * in an order drawn from HONE_SIMT_SEED anew for every launch, block and round; blocks run one after the other in such
 * an order. Shared memory starts as NaN, what cp.async writes stays NaN until it is waited for. Every load and store of
 * a kernel is looked at (tests/simt/memory.cpp) and a kernel ends at its first mistake, which the launch reports as a
 * CUDA error:
 *   - an address outside of device memory, shared memory and the thread's own variables, or not aligned to its size;
 *   - two threads at one place, one of them writing, without a barrier, or a __syncwarp() of their warp, between them;
 *     for two blocks, within one launch;
 *   - a touch of what a cp.async under way writes;
 *   - threads that wait for each other for ever: a divergent barrier or warp collective, one after an exit.
 * The host cannot touch device memory but by copies: it is protected in between. */
#ifndef HONE_TESTS_SIMT_SIMT_H
#define HONE_TESTS_SIMT_SIMT_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline __attribute__((always_inline))
#define __launch_bounds__(...)

struct simt_index {
    unsigned x;
};
/* Of the thread that is running. */
extern simt_index threadIdx, blockIdx, blockDim, gridDim;

struct alignas(16) float4 {
    float x, y, z, w;
};
struct alignas(8) float2 {
    float x, y;
};
struct alignas(16) uint4 {
    unsigned x, y, z, w;
};
static inline float2 make_float2(float x, float y) { return {x, y}; }
static inline float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }
static inline uint4 make_uint4(unsigned x, unsigned y, unsigned z, unsigned w) { return {x, y, z, w}; }

static inline unsigned __float_as_uint(float x) {
    unsigned bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}
static inline float __uint_as_float(unsigned bits) {
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}
static inline unsigned __umulhi(unsigned a, unsigned b) { return (unsigned)((uint64_t)a * b >> 32); }
static inline float rsqrtf(float x) { return 1.0f / sqrtf(x); }

/* Waiting for others. */
void __syncthreads();
void __syncwarp(unsigned lanes = 0xffffffff);
unsigned simt_shuffle(unsigned lanes, unsigned value, unsigned source);
unsigned simt_lane();

template <typename T> T simt_shuffle_bits(unsigned lanes, T value, unsigned source) {
    static_assert(sizeof(T) == sizeof(unsigned), "shuffles move 32 bits");
    unsigned bits;
    memcpy(&bits, &value, sizeof bits);
    bits = simt_shuffle(lanes, bits, source);
    memcpy(&value, &bits, sizeof bits);
    return value;
}
template <typename T> T __shfl_sync(unsigned lanes, T value, int source) {
    return simt_shuffle_bits(lanes, value, (unsigned)source % 32);
}
template <typename T> T __shfl_xor_sync(unsigned lanes, T value, int mask) {
    return simt_shuffle_bits(lanes, value, simt_lane() ^ (unsigned)mask);
}

/* The other bodies of kernels/cuda/ptx.cuh. */
uint32_t simt_pack_bf16(float low, float high);
void simt_copy_async(void *shared, const void *global, bool valid);
void simt_copy_commit();
void simt_copy_wait(int left);
void simt_load_matrices(uint32_t to[4], const void *row, bool transposed);
void simt_multiply(float c[4], const uint32_t a[4], uint32_t b0, uint32_t b1);

char *simt_shared_memory();
/* Runs body(user) in every thread of every block. The first mistake is what cudaGetLastError() returns next. */
void simt_launch(const char *name, unsigned blocks, unsigned threads, size_t shared_bytes, void (*body)(void *user),
                 void *user);

/* A kernel with its arguments, which lie in the host's memory until they are passed: not looked at. */
template <typename... Parameters, typename... Arguments>
void simt_launch_kernel(const char *name, void (*kernel)(Parameters...), unsigned blocks, unsigned threads,
                        size_t shared_bytes, const Arguments &...arguments) {
    auto call = [&]() __attribute__((no_sanitize("thread"))) { kernel(arguments...); };
    struct body {
        __attribute__((no_sanitize("thread"))) static void run(void *user) { (*(decltype(call) *)user)(); }
    };
    simt_launch(name, blocks, threads, shared_bytes, body::run, &call);
}

/* As much of the CUDA runtime as kernels/cuda/device.cu calls. Streams run at once. */
enum cudaError_t {
    cudaSuccess = 0,
    cudaErrorInvalidValue = 1,
    cudaErrorMemoryAllocation = 2,
    cudaErrorInsufficientDriver = 35,
    cudaErrorNoDevice = 100,
    cudaErrorLaunchFailure = 719
};
enum cudaMemcpyKind { cudaMemcpyHostToDevice = 1, cudaMemcpyDeviceToHost = 2, cudaMemcpyDeviceToDevice = 3 };
enum { cudaStreamNonBlocking = 1 };
struct simt_stream;
typedef simt_stream *cudaStream_t;
struct cudaDeviceProp {
    char name[256];
    size_t totalGlobalMem;
    int major, minor, multiProcessorCount;
};
const char *cudaGetErrorString(cudaError_t error);
cudaError_t cudaGetLastError();
cudaError_t cudaGetDeviceCount(int *n);
cudaError_t cudaGetDeviceProperties(cudaDeviceProp *out, int device);
cudaError_t cudaDriverGetVersion(int *version);
cudaError_t cudaRuntimeGetVersion(int *version);
cudaError_t cudaMalloc(void **out, size_t bytes);
cudaError_t cudaFree(void *memory);
cudaError_t cudaMallocHost(void **out, size_t bytes);
cudaError_t cudaFreeHost(void *memory);
cudaError_t cudaMemcpyAsync(void *to, const void *from, size_t bytes, cudaMemcpyKind kind, cudaStream_t stream);
cudaError_t cudaMemsetAsync(void *to, int byte, size_t bytes, cudaStream_t stream);
cudaError_t cudaStreamCreateWithFlags(cudaStream_t *out, unsigned flags);
cudaError_t cudaStreamDestroy(cudaStream_t stream);
cudaError_t cudaStreamSynchronize(cudaStream_t stream);

#endif
