/* Our own matrix product on the tiles of AMX: in bf16, where that of oneDNN lets a row's bits depend on the other rows; in
 * f32, as it is twice as fast. */
#ifndef HONE_KERNELS_CPU_GEMM_AMX_H
#define HONE_KERNELS_CPU_GEMM_AMX_H

#include "kernels/cpu/matrix.h"

/* Whether CPU and kernel offer AMX with bf16, and oneDNN's own limit (ONEDNN_MAX_CPU_ISA) allows it. The first call asks
 * the kernel for the process's permission to use tiles. */
bool hone_gemm_amx_is_native(void);

/* What becomes of a product whose dtype is c's: either is NULL. They have c's shape and dtype; the kind is not HONE_TANH. */
struct hone_gemm_activation {
    enum hone_activation kind;
    void *activated;      /* gets activation(c); may be c itself, which then is not kept */
    const void *slope_at; /* c becomes c activation'(slope_at) */
};

/* c[M, N] = a[M, K] b[K, N], + bias[N] unless it is NULL, + c where `accumulate` says so. a and b are of dtype; c is of
 * c_dtype: f32, or bf16 where they are. Sums are f32, 32 of k at a time: the even ones, the odd ones, both.
 *
 *   bf16  all 32 after another; 1024 of K at a time where c is f32 and accumulated into. Denormals count as 0
 *   f32   once for each of six products of parts in bf16; 384 of K at a time. As exact as products in f32 summed in order,
 *         mostly more so, where no product is below 2^-100, whose smaller parts would be denormals and so 0. Infinities
 *         and values that bf16 rounds to one, from 3.39e38 on, give NaN
 *
 * The sums of a's rows over k are added to a_sums[M], where a.row is 1 and a.col larger; NULL: nothing. They cost little: a
 * is copied anyhow. N may be 0: neither b nor c is looked at.
 *
 * With an activation (else NULL) the same in the one pass over c, as exact as activation_forward and activation_backward
 * of a c that is rounded; denormals of bf16 become 0.
 *
 * The bits of an element depend on its row of a, its column of b, K, the dtypes and `accumulate` alone. Where a is
 * `in_place` (col 1, row at least K), it has as many rows as M rounded up to 32. The workspace has
 * hone_gemm_amx_workspace bytes, asked for with as many threads as now, or more. */
void hone_gemm_amx(void *c, enum hone_dtype c_dtype, struct hone_matrix a, struct hone_matrix b, const float *bias,
                   float *a_sums, bool accumulate, const struct hone_gemm_activation *activation, int64_t M, int64_t N,
                   int64_t K, enum hone_dtype dtype, void *workspace);
size_t hone_gemm_amx_workspace(bool in_place, int64_t M, int64_t N, int64_t K, enum hone_dtype dtype);

#endif
