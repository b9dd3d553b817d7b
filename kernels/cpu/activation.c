/* Activations, element by element. */
#include "base/arith.h"
#include "kernels/cpu/cpu.h"
#include "kernels/cpu/values.h"

enum { CHUNK = 4096 }; /* elements that a thread takes at a time */

static const float root_2_over_pi = 0.797884561f, gelu_cubic = 0.044715f;

/* The argument of tanh in the approximate GELU. */
HONE_INLINE hone_vec gelu_inner(hone_vec x) { return (x * x * gelu_cubic + 1.0f) * (x * root_2_over_pi); }

HONE_INLINE hone_vec forward(hone_vec x, enum hone_activation kind) {
    hone_vec density;
    switch (kind) {
    case HONE_GELU_ERF:
        return x * vec_normal(x, &density);
    case HONE_GELU_TANH:
        return x * 0.5f * (vec_tanh(gelu_inner(x)) + 1.0f);
    case HONE_RELU:
        return vec_select(x < 0.0f, vec_set(0.0f), x);
    case HONE_TANH:
        return vec_tanh(x);
    }
    return x;
}

/* The derivative at x; for HONE_TANH from the output. */
HONE_INLINE hone_vec derivative(hone_vec x, enum hone_activation kind) {
    hone_vec density, t;
    switch (kind) {
    case HONE_GELU_ERF: {
        hone_vec cumulative = vec_normal(x, &density);
        return cumulative + x * density;
    }
    case HONE_GELU_TANH:
        t = vec_tanh(gelu_inner(x));
        return (t + 1.0f) * 0.5f +
               (1.0f - t * t) * (x * x * (3.0f * gelu_cubic) + 1.0f) * (x * (0.5f * root_2_over_pi));
    case HONE_RELU:
        return vec_and(vec_set(1.0f), x > 0.0f);
    case HONE_TANH:
        return 1.0f - x * x;
    }
    return x;
}

HONE_INLINE void forward_range(void *y, const void *x, int64_t n, enum hone_activation kind, enum hone_dtype dtype) {
    for (int64_t i = 0; i < n; i += HONE_LANES)
        vec_write(y, i, forward(vec_read(x, i, n - i, dtype), kind), n - i, dtype);
}

HONE_INLINE void backward_range(void *dx, const void *dy, const void *x, int64_t n, enum hone_activation kind,
                                enum hone_dtype dtype) {
    for (int64_t i = 0; i < n; i += HONE_LANES) {
        hone_vec slope = derivative(vec_read(x, i, n - i, dtype), kind);
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
