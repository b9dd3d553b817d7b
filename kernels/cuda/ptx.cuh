/* The instructions that C++ has no name for, each with two bodies: PTX (ISA 8.5, sections named below) for the GPU, and
 * a call of the emulator. Nothing else in kernels/cuda holds PTX. */
#ifndef HONE_KERNELS_CUDA_PTX_CUH
#define HONE_KERNELS_CUDA_PTX_CUH

#include <stdint.h>

#ifdef __CUDACC__

/* Two f32 rounded to nearest even: `low` in the lower half. cvt.rn.bf16x2.f32 (9.7.9.21). */
__device__ __forceinline__ uint32_t ptx_pack_bf16(float low, float high) {
    uint32_t pair;
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(pair) : "f"(high), "f"(low));
    return pair;
}

/* 2^x with a relative error of 2^-22. ex2.approx.ftz.f32 (9.7.3.20). */
__device__ __forceinline__ float ptx_exp2(float x) {
    float y;
    asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
}

/* 16 bytes from global to shared memory, both aligned to 16, not waited for; zeros when `valid` is false (the source is
 * not read then). cp.async.cg (9.7.9.25.3). */
__device__ __forceinline__ void ptx_copy_async(void *shared, const void *global, bool valid) {
    uint32_t to = (uint32_t)__cvta_generic_to_shared(shared), bytes = valid ? 16 : 0;
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(to), "l"(global), "r"(bytes) : "memory");
}

/* Ends a group of copies. */
__device__ __forceinline__ void ptx_copy_commit() { asm volatile("cp.async.commit_group;" ::: "memory"); }

/* Waits until at most `left` of this thread's groups are under way. Other threads see them after a barrier. */
template <int left> __device__ __forceinline__ void ptx_copy_wait() {
    asm volatile("cp.async.wait_group %0;" ::"n"(left) : "memory");
}

/* Four 8x8 matrices of 16-bit elements: lane 8 i + r names the address of row r of matrix i, each lane gets of matrix i
 * the elements 2 (lane % 4) and the next of row lane / 4; `transposed`: of column lane / 4. ldmatrix (9.7.14.5.15). */
template <bool transposed> __device__ __forceinline__ void ptx_load_matrices(uint32_t to[4], const void *row) {
    uint32_t from = (uint32_t)__cvta_generic_to_shared(row);
    if (transposed)
        asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
                     : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3])
                     : "r"(from)
                     : "memory");
    else
        asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                     : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3])
                     : "r"(from)
                     : "memory");
}

/* c[16,8] += a[16,16] b[16,8] of a warp in bf16 with f32 sums. With g = lane / 4 and t = lane % 4 a lane holds, two to a
 * register: a rows g, g + 8 of columns 2t, 2t+1, then both of columns 2t+8, 2t+9; b rows 2t, 2t+1, then 2t+8, 2t+9 of
 * column g; c columns 2t, 2t+1 of row g, then of row g + 8. mma.m16n8k16 (9.7.14.5.8). */
__device__ __forceinline__ void ptx_multiply(float c[4], const uint32_t a[4], uint32_t b0, uint32_t b1) {
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
                 "{%0, %1, %2, %3};"
                 : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

#else

static inline uint32_t ptx_pack_bf16(float low, float high) { return simt_pack_bf16(low, high); }
static inline float ptx_exp2(float x) { return exp2f(x); }
static inline void ptx_copy_async(void *shared, const void *global, bool valid) {
    simt_copy_async(shared, global, valid);
}
static inline void ptx_copy_commit() { simt_copy_commit(); }
template <int left> static inline void ptx_copy_wait() { simt_copy_wait(left); }
template <bool transposed> static inline void ptx_load_matrices(uint32_t to[4], const void *row) {
    simt_load_matrices(to, row, transposed);
}
static inline void ptx_multiply(float c[4], const uint32_t a[4], uint32_t b0, uint32_t b1) {
    simt_multiply(c, a, b0, b1);
}

#endif
#endif
