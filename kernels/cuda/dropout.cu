/* Dropout over rows by itself; its backward is the same call on the gradient. */
#include "kernels/cuda/dropout.cuh"

#include "kernels/cuda/cuda.cuh"

template <typename T>
__global__ void __launch_bounds__(EIGHTS_THREADS)
    dropout_kernel(T *y, const T *x, drop_site drop, int64_t R, int64_t C) {
    int64_t eights = (C + 7) / 8, i = own_eight() / 8, r = i / eights, c = i % eights * 8;
    if (r >= R) return;
    float v[8], factors[8];
    drop_factors(factors, drop, drop_row_key(drop, r), (uint32_t)(c / 8));
    read8(v, x + r * C + c, C - c);
#pragma unroll
    for (int k = 0; k < 8; k++) v[k] *= factors[k];
    write8(y + r * C + c, v, C - c);
}

void hone_cuda_dropout(void *y, const void *x, const struct hone_dropout *drop, int64_t tokens, int64_t C,
                       enum hone_dtype dtype, struct hone_stream *s) {
    if (!drop) {
        size_t bytes = (size_t)(tokens * C) * (dtype == HONE_BF16 ? 2 : 4);
        if (y != x) hone_cuda_check(s, cudaMemcpyAsync(y, x, bytes, cudaMemcpyDeviceToDevice, s->stream), "dropout");
        return;
    }
    HONE_CUDA_BY_DTYPE(dtype, launch(s, "dropout", dropout_kernel<T>, blocks_of(tokens * blocks_of(C, 8) * 8, EIGHTS),
                                     EIGHTS_THREADS, 0, (T *)y, (const T *)x, drop_site_of(drop), tokens, C));
}
