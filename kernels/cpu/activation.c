/* Activations, element by element. */
#include "base/arith.h"
#include "kernels/cpu/cpu.h"
#include "kernels/cpu/values.h"

enum { CHUNK = 4096 }; /* elements that a thread takes at a time */

HONE_INLINE void forward_range(void *y, const void *x, int64_t n, enum hone_activation kind, enum hone_dtype dtype) {
    for (int64_t i = 0; i < n; i += HONE_LANES)
        vec_write(y, i, vec_activation(vec_read(x, i, n - i, dtype), kind), n - i, dtype);
}

HONE_INLINE void backward_range(void *dx, const void *dy, const void *x, int64_t n, enum hone_activation kind,
                                enum hone_dtype dtype) {
    for (int64_t i = 0; i < n; i += HONE_LANES) {
        hone_vec slope = vec_activation_slope(vec_read(x, i, n - i, dtype), kind);
        vec_write(dx, i, vec_read(dy, i, n - i, dtype) * slope, n - i, dtype);
    }
}

/* Kind and dtype are constants in each loop, so that they are not looked at for each element. */
HONE_CLONES static void forward_chunk(void *y, const void *x, int64_t n, enum hone_activation kind,
                                      enum hone_dtype dtype) {
    switch (kind) {
    case HONE_GELU_ERF:
        HONE_BY_DTYPE(dtype, forward_range, y, x, n, HONE_GELU_ERF);
        break;
    case HONE_GELU_TANH:
        HONE_BY_DTYPE(dtype, forward_range, y, x, n, HONE_GELU_TANH);
        break;
    case HONE_RELU:
        HONE_BY_DTYPE(dtype, forward_range, y, x, n, HONE_RELU);
        break;
    case HONE_TANH:
        HONE_BY_DTYPE(dtype, forward_range, y, x, n, HONE_TANH);
        break;
    }
}

HONE_CLONES static void backward_chunk(void *dx, const void *dy, const void *x, int64_t n, enum hone_activation kind,
                                       enum hone_dtype dtype) {
    switch (kind) {
    case HONE_GELU_ERF:
        HONE_BY_DTYPE(dtype, backward_range, dx, dy, x, n, HONE_GELU_ERF);
        break;
    case HONE_GELU_TANH:
        HONE_BY_DTYPE(dtype, backward_range, dx, dy, x, n, HONE_GELU_TANH);
        break;
    case HONE_RELU:
        HONE_BY_DTYPE(dtype, backward_range, dx, dy, x, n, HONE_RELU);
        break;
    case HONE_TANH:
        HONE_BY_DTYPE(dtype, backward_range, dx, dy, x, n, HONE_TANH);
        break;
    }
}

void hone_cpu_activation_forward(void *y, const void *x, enum hone_activation kind, int64_t n, enum hone_dtype dtype,
                                 struct hone_stream *s) {
    (void)s;
    hone_cpu_check_dtype("activation_forward", dtype);
#pragma omp parallel for schedule(static) if (n > HONE_CPU_PARALLEL)
    for (int64_t i = 0; i < n; i += CHUNK)
        forward_chunk(value_to(y, i, dtype), value_at(x, i, dtype), hone_min_i64(n - i, CHUNK), kind, dtype);
}

void hone_cpu_activation_backward(void *dx, const void *dy, const void *x, enum hone_activation kind, int64_t n,
                                  enum hone_dtype dtype, struct hone_stream *s) {
    (void)s;
    hone_cpu_check_dtype("activation_backward", dtype);
#pragma omp parallel for schedule(static) if (n > HONE_CPU_PARALLEL)
    for (int64_t i = 0; i < n; i += CHUNK)
        backward_chunk(value_to(dx, i, dtype), value_at(dy, i, dtype), value_at(x, i, dtype),
                       hone_min_i64(n - i, CHUNK), kind, dtype);
}
