/* Selecting rows, adding them back, the plain sum, and the change of dtype. */
#include "kernels/cuda/cuda.cuh"
#include "kernels/cuda/values.cuh"

/* A thread has eight elements of a row: the rows of eights lie one after the other. */
template <typename T, bool SCATTER>
__global__ void __launch_bounds__(EIGHTS_THREADS)
    rows_kernel(T *to, const T *from, const int32_t *rows, int64_t R, int64_t C) {
    int64_t eights = (C + 7) / 8, i = own_eight() / 8, r = i / eights, c = i % eights * 8;
    if (r >= R) return;
    float v[8], old[8];
    if (SCATTER) {
        T *row = to + rows[r] * C + c;
        read8(v, from + r * C + c, C - c);
        read8(old, row, C - c);
#pragma unroll
        for (int k = 0; k < 8; k++) v[k] += old[k];
        write8(row, v, C - c);
    } else {
        read8(v, from + rows[r] * C + c, C - c);
        write8(to + r * C + c, v, C - c);
    }
}

void hone_cuda_gather_rows(void *y, const void *x, const int32_t *rows, int64_t R, int64_t C, enum hone_dtype dtype,
                           struct hone_stream *s) {
    HONE_CUDA_BY_DTYPE(dtype,
                       launch(s, "gather_rows", rows_kernel<T, false>, blocks_of(R * blocks_of(C, 8) * 8, EIGHTS),
                              EIGHTS_THREADS, 0, (T *)y, (const T *)x, rows, R, C));
}

void hone_cuda_scatter_rows_add(void *dx, const void *dy, const int32_t *rows, int64_t R, int64_t C,
                                enum hone_dtype dtype, struct hone_stream *s) {
    HONE_CUDA_BY_DTYPE(dtype,
                       launch(s, "scatter_rows_add", rows_kernel<T, true>, blocks_of(R * blocks_of(C, 8) * 8, EIGHTS),
                              EIGHTS_THREADS, 0, (T *)dx, (const T *)dy, rows, R, C));
}

template <typename T> __global__ void __launch_bounds__(EIGHTS_THREADS) add_kernel(T *y, const T *x, int64_t n) {
    int64_t at = own_eight();
    float v[8], w[8];
    if (at >= n) return;
    read8(v, x + at, n - at);
    read8(w, y + at, n - at);
#pragma unroll
    for (int i = 0; i < 8; i++) v[i] += w[i];
    write8(y + at, v, n - at);
}

void hone_cuda_add(void *y, const void *x, int64_t n, enum hone_dtype dtype, struct hone_stream *s) {
    HONE_CUDA_BY_DTYPE(
        dtype, launch(s, "add", add_kernel<T>, blocks_of(n, EIGHTS), EIGHTS_THREADS, 0, (T *)y, (const T *)x, n));
}

template <typename T> __global__ void __launch_bounds__(EIGHTS_THREADS) cast_kernel(T *y, const float *x, int64_t n) {
    int64_t at = own_eight();
    float v[8];
    if (at >= n) return;
    read8(v, x + at, n - at);
    write8(y + at, v, n - at);
}

void hone_cuda_cast(void *y, const float *x, int64_t n, enum hone_dtype dtype, struct hone_stream *s) {
    HONE_CUDA_BY_DTYPE(dtype, launch(s, "cast", cast_kernel<T>, blocks_of(n, EIGHTS), EIGHTS_THREADS, 0, (T *)y, x, n));
}
