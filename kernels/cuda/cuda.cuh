/* What the files of the CUDA plug-in share: its stream, the names of its kernels, and the one way to launch. The same
 * files are compiled by nvcc into libhone_cuda.so and by the C++ compiler against tests/simt, which stands for the GPU:
 * so kernels use blocks in one dimension, shared memory only through shared_memory(), and PTX only through ptx.cuh.
 *
 *     __global__ void scale_kernel(float *y, float by, int64_t n) { … }
 *     void hone_cuda_scale(float *y, float by, int64_t n, struct hone_stream *s) {
 *         launch(s, "scale", scale_kernel, blocks_of(n, 256), 256, 0, y, by, n);
 *     }
 *
 * A new kernel is one short file like this and one line in HONE_OPS. */
#ifndef HONE_KERNELS_CUDA_CUDA_CUH
#define HONE_KERNELS_CUDA_CUDA_CUH

#include <type_traits>

#include "kernels/ops.h"
#include "kernels/plugin.h"

struct hone_stream {
    cudaStream_t stream;
    enum hone_status status; /* the first failure since the last synchronization */
    char message[512];
    float *scratch; /* device, HONE_CUDA_SCRATCH of them: for use within one entry of the table */
};
static constexpr int64_t HONE_CUDA_SCRATCH = 1 << 18;

/* Keeps the first failure of a stream; success is ignored. */
void hone_cuda_check(struct hone_stream *s, cudaError_t error, const char *what);

extern const struct hone_host *hone_cuda_host;
extern int hone_cuda_processors; /* multiprocessors of the GPU */

/* The prototypes are taken from the table. */
#define HONE_CUDA_DECLARE(name) std::remove_pointer_t<decltype(hone_ops::name)> hone_cuda_##name;
HONE_OPS(HONE_CUDA_DECLARE)
#undef HONE_CUDA_DECLARE

#ifdef __CUDACC__
/* The block's dynamic shared memory, of the size given at the launch, aligned to 16 bytes. Contents are undefined. */
static __device__ __forceinline__ char *shared_memory() {
    extern __shared__ __align__(16) char memory[];
    return memory;
}

/* Runs kernel(arguments…) in `blocks` blocks of `threads` threads; nothing for 0 blocks. A failure stays on the stream,
 * named `op`. */
template <typename... Parameters, typename... Arguments>
void launch(struct hone_stream *s, const char *op, void (*kernel)(Parameters...), int64_t blocks, int threads,
            size_t shared_bytes, Arguments... arguments) {
    if (blocks == 0) return;
    if (shared_bytes > 48 * 1024)
        hone_cuda_check(s, cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, (int)shared_bytes),
                        op);
    kernel<<<(unsigned)blocks, (unsigned)threads, shared_bytes, s->stream>>>(arguments...);
    hone_cuda_check(s, cudaGetLastError(), op);
}
#else
static inline char *shared_memory() { return simt_shared_memory(); }

template <typename... Parameters, typename... Arguments>
void launch(struct hone_stream *s, const char *op, void (*kernel)(Parameters...), int64_t blocks, int threads,
            size_t shared_bytes, Arguments... arguments) {
    if (blocks == 0) return;
    simt_launch_kernel(op, kernel, (unsigned)blocks, (unsigned)threads, shared_bytes, arguments...);
    hone_cuda_check(s, cudaGetLastError(), op);
}
#endif

/* Blocks of `size` that n things need. */
static inline int64_t blocks_of(int64_t n, int64_t size) { return (n + size - 1) / size; }

/* Calls f(T()) with T the type of elements: float, or bf16 (values.cuh). */
#define HONE_CUDA_BY_DTYPE(dtype, call)                                                                                \
    do {                                                                                                               \
        if ((dtype) == HONE_BF16) {                                                                                    \
            using T = bf16;                                                                                            \
            call;                                                                                                      \
        } else {                                                                                                       \
            using T = float;                                                                                           \
            call;                                                                                                      \
        }                                                                                                              \
    } while (0)

#endif
