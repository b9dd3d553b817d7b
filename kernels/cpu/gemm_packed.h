/* Our own matrix product in f32, for CPUs where that of oneDNN lets a row's bits depend on the other rows. */
#ifndef HONE_KERNELS_CPU_GEMM_PACKED_H
#define HONE_KERNELS_CPU_GEMM_PACKED_H

#include "kernels/cpu/matrix.h"

/* c[M, N] = a[M, K] b[K, N], + bias[N] unless it is NULL, or + c where `accumulate` says so (not both). The bits of an
 * element depend on its row of a, its column of b and K alone. The workspace has hone_gemm_packed_workspace
 * bytes, where a is `in_place` if its col is 1. */
void hone_gemm_packed(float *c, struct hone_matrix a, struct hone_matrix b, const float *bias, bool accumulate,
                      int64_t M, int64_t N, int64_t K, void *workspace);
size_t hone_gemm_packed_workspace(bool in_place, int64_t M, int64_t N, int64_t K);

#endif
