/* A product and its activation, one after the other. */
#include "kernels/cuda/cuda.cuh"

void hone_cuda_linear_activation_forward(void *y, void *before, const void *x, const void *w, const float *bias,
                                         enum hone_activation kind, int64_t T, int64_t N, int64_t K,
                                         enum hone_dtype dtype, void *workspace, struct hone_stream *s) {
    void *product = before ? before : y;
    hone_cuda_linear_forward(product, x, w, bias, T, N, K, dtype, workspace, s);
    hone_cuda_activation_forward(y, product, kind, T * N, dtype, s);
}

void hone_cuda_linear_activation_backward_input(void *dbefore, const void *dy, const void *w, const void *before,
                                                enum hone_activation kind, int64_t T, int64_t N, int64_t K,
                                                enum hone_dtype dtype, void *workspace, struct hone_stream *s) {
    hone_cuda_linear_backward_input(dbefore, dtype, dy, w, false, T, N, K, dtype, workspace, s);
    hone_cuda_activation_backward(dbefore, dbefore, before, kind, T * K, dtype, s);
}
