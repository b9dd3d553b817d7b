/* Our own matrix product on the tiles of AMX: in bf16, where that of oneDNN lets a row's bits depend on the other rows; in
 * f32, as it is twice as fast. */
#ifndef HONE_KERNELS_CPU_GEMM_AMX_H
#define HONE_KERNELS_CPU_GEMM_AMX_H

#include "kernels/cpu/matrix.h"

/* Whether CPU and kernel offer AMX with bf16, and oneDNN's own limit (ONEDNN_MAX_CPU_ISA) allows it. The first call asks
 * the kernel for the process's permission to use tiles. */
bool hone_gemm_amx_is_native(void);

/* c[M, N] = a[M, K] b[K, N], + bias[N] unless it is NULL, + c where `accumulate` says so. a and b are of dtype, c is of
 * c_dtype, both f32 or bf16. Sums are f32. In bf16, pairs of k are added in order; where c is f32 and accumulated into,
 * over 1024 of K at a time. In f32, 32 of k are summed six times, once for each product of parts, and 384 of K at a
 * time are added to c; the error is that of f32 products summed in order, or less. Denormals count as 0, also as
 * parts: below 2^-109 a value has fewer bits. An infinity gives NaN in f32.
 *
 * The bits of an element depend on its row of a, its column of b and K alone. Where a is `in_place` (col 1, row at least
 * K), it has as many rows as M rounded up to 32. The workspace has hone_gemm_amx_workspace bytes, whatever c_dtype. */
void hone_gemm_amx(void *c, enum hone_dtype c_dtype, struct hone_matrix a, struct hone_matrix b, const float *bias,
                   bool accumulate, int64_t M, int64_t N, int64_t K, enum hone_dtype dtype, void *workspace);
size_t hone_gemm_amx_workspace(bool in_place, int64_t M, int64_t N, int64_t K, enum hone_dtype dtype);

#endif
