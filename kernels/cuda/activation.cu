/* Activations, element by element. */
#include "kernels/cuda/cuda.cuh"
#include "kernels/cuda/values.cuh"

/* The argument of tanh in the approximate GELU. */
__device__ __forceinline__ float gelu_inner(float x) { return (x * x * 0.044715f + 1.0f) * (x * 0.797884561f); }

/* Of the standard normal distribution; erfc keeps its digits on the side where it is small. */
__device__ __forceinline__ float normal_cumulative(float x) { return 0.5f * erfcf(-0.707106781f * x); }

template <int KIND> __device__ __forceinline__ float activate(float x) {
    if constexpr (KIND == HONE_GELU_ERF) return x * normal_cumulative(x);
    if constexpr (KIND == HONE_GELU_TANH) return x * 0.5f * (tanhf(gelu_inner(x)) + 1.0f);
    if constexpr (KIND == HONE_RELU) return x < 0.0f ? 0.0f : x;
    if constexpr (KIND == HONE_TANH) return tanhf(x);
}

/* The derivative at x; for HONE_TANH from the output. */
template <int KIND> __device__ __forceinline__ float derivative(float x) {
    if constexpr (KIND == HONE_GELU_ERF) return normal_cumulative(x) + x * 0.398942280f * expf(-0.5f * x * x);
    if constexpr (KIND == HONE_GELU_TANH) {
        float t = tanhf(gelu_inner(x));
        return (t + 1.0f) * 0.5f + (1.0f - t * t) * (x * x * 0.134145f + 1.0f) * (x * 0.398942280f);
    }
    if constexpr (KIND == HONE_RELU) return x > 0.0f ? 1.0f : 0.0f;
    if constexpr (KIND == HONE_TANH) return 1.0f - x * x;
}

template <typename T, int KIND>
__global__ void __launch_bounds__(EIGHTS_THREADS) activation_forward_kernel(T *y, const T *x, int64_t n) {
    int64_t at = own_eight();
    float v[8];
    if (at >= n) return;
    read8(v, x + at, n - at);
#pragma unroll
    for (int i = 0; i < 8; i++) v[i] = activate<KIND>(v[i]);
    write8(y + at, v, n - at);
}

template <typename T, int KIND>
__global__ void __launch_bounds__(EIGHTS_THREADS)
    activation_backward_kernel(T *dx, const T *dy, const T *x, int64_t n) {
    int64_t at = own_eight();
    float v[8], d[8];
    if (at >= n) return;
    read8(v, x + at, n - at);
    read8(d, dy + at, n - at);
#pragma unroll
    for (int i = 0; i < 8; i++) d[i] *= derivative<KIND>(v[i]);
    write8(dx + at, d, n - at);
}

/* Calls f(kind) with the kind as a constant. */
template <typename F> static void by_kind(enum hone_activation kind, const F &f) {
    switch (kind) {
    case HONE_GELU_ERF:
        return f(std::integral_constant<int, HONE_GELU_ERF>());
    case HONE_GELU_TANH:
        return f(std::integral_constant<int, HONE_GELU_TANH>());
    case HONE_RELU:
        return f(std::integral_constant<int, HONE_RELU>());
    case HONE_TANH:
        return f(std::integral_constant<int, HONE_TANH>());
    }
}

void hone_cuda_activation_forward(void *y, const void *x, enum hone_activation kind, int64_t n, enum hone_dtype dtype,
                                  struct hone_stream *s) {
    by_kind(kind, [&](auto k) {
        HONE_CUDA_BY_DTYPE(dtype, launch(s, "activation_forward", activation_forward_kernel<T, decltype(k)::value>,
                                         blocks_of(n, EIGHTS), EIGHTS_THREADS, 0, (T *)y, (const T *)x, n));
    });
}

void hone_cuda_activation_backward(void *dx, const void *dy, const void *x, enum hone_activation kind, int64_t n,
                                   enum hone_dtype dtype, struct hone_stream *s) {
    by_kind(kind, [&](auto k) {
        HONE_CUDA_BY_DTYPE(dtype,
                           launch(s, "activation_backward", activation_backward_kernel<T, decltype(k)::value>,
                                  blocks_of(n, EIGHTS), EIGHTS_THREADS, 0, (T *)dx, (const T *)dy, (const T *)x, n));
    });
}
