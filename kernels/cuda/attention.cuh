/* What the two forms of attention share: attention_any.cu, for every dtype, head size and stride, and attention.cu, on
 * tensor cores. Backward's first kernel leaves in the workspace what its second needs: delta[R, H] f32, for each row the
 * mean of the gradients of its probabilities, weighted by them. */
#ifndef HONE_KERNELS_CUDA_ATTENTION_CUH
#define HONE_KERNELS_CUDA_ATTENTION_CUH

#include "kernels/cuda/cuda.cuh"
#include "kernels/cuda/dropout.cuh"

/* The arguments of forward and backward; T is the type of elements. */
template <typename T> struct attention {
    const T *q, *k, *v;
    int64_t q_stride, k_stride, v_stride;
    T *out; /* forward */
    float *lse;
    const T *dout; /* backward, in which lse is read */
    T *dq, *dk, *dv;
    float *delta;
    struct hone_attention a;
    drop_site drop;
};

/* The element of dropout's row of head h for the key at position 0. */
__device__ __forceinline__ uint32_t attention_element(int head) { return (uint32_t)head << 20; }

/* Keys that query row `row` sees of its sequence, which has keys first_key … first_key + keys - 1. */
__device__ __forceinline__ int attention_visible(const struct hone_attention &a, int row, int first_key, int keys) {
    if (!a.causal) return keys;
    int seen = (a.row_of_q ? a.row_of_q[row] : row) - first_key + 1;
    return seen < keys ? seen : keys;
}

/* attention.cu: false where its form does not fit (the shape, a stride or an address), and nothing is done. */
bool attention_forward_tiled(const attention<bf16> &c, struct hone_stream *s);
bool attention_backward_tiled(const attention<bf16> &c, struct hone_stream *s);

#endif
