/* The kernels between the matrix products: activations, residual LayerNorm, dropout. Work is the bytes that must move
 * at least. */
#include <math.h>

#include "tools/bench_kernels.h"

static const double F4 = sizeof(float);

static int64_t elements(const struct kernel_bench *b) { return b->shape.T * b->shape.C; }

/* x, y */
static void activation_forward_plan(struct kernel_bench *b) {
    int64_t n = b->shape.T * b->shape.F;
    kernel_buffer(b, KERNEL_NOISE, n);
    kernel_buffer(b, KERNEL_UNSET, n);
    b->work = 2 * F4 * (double)n;
}

static void activation_forward_run(struct kernel_bench *b) {
    b->ops->activation_forward(b->at[1], b->at[0], HONE_GELU_ERF, b->shape.T * b->shape.F, HONE_F32, b->stream);
}

double kernel_gelu(double x) { return x * 0.5 * erfc(-x * sqrt(0.5)); }
double kernel_gelu_slope(double x) { return 0.5 * erfc(-x * sqrt(0.5)) + x * exp(-x * x / 2) * 0.398942280401432678; }

static void activation_forward_verify(struct kernel_bench *b) {
    for (int i = 0; i < KERNEL_SAMPLES; i++) {
        int64_t at = kernel_sample(i, b->shape.T * b->shape.F);
        double want = kernel_gelu((double)b->at[0][at]);
        kernel_check(b, "y", at, (double)b->at[1][at], want, fabs(want));
    }
}

/* dy, x, dx */
static void activation_backward_plan(struct kernel_bench *b) {
    int64_t n = b->shape.T * b->shape.F;
    kernel_buffer(b, KERNEL_NOISE, n);
    kernel_buffer(b, KERNEL_NOISE, n);
    kernel_buffer(b, KERNEL_UNSET, n);
    b->work = 3 * F4 * (double)n;
}

static void activation_backward_run(struct kernel_bench *b) {
    b->ops->activation_backward(b->at[2], b->at[0], b->at[1], HONE_GELU_ERF, b->shape.T * b->shape.F, HONE_F32,
                                b->stream);
}

static void activation_backward_verify(struct kernel_bench *b) {
    for (int i = 0; i < KERNEL_SAMPLES; i++) {
        int64_t at = kernel_sample(i, b->shape.T * b->shape.F);
        double dy = b->at[0][at], x = b->at[1][at];
        kernel_check(b, "dx", at, (double)b->at[2][at], dy * kernel_gelu_slope(x), 1.13 * fabs(dy));
    }
}

/* x, r, gamma, beta, y, mean, rstd */
static void residual_layer_norm_forward_plan(struct kernel_bench *b) {
    int64_t n = elements(b), T = b->shape.T, C = b->shape.C;
    kernel_buffer(b, KERNEL_NOISE, n);
    kernel_buffer(b, KERNEL_NOISE, n);
    kernel_buffer(b, KERNEL_NOISE, C);
    kernel_buffer(b, KERNEL_NOISE, C);
    kernel_buffer(b, KERNEL_UNSET, n);
    kernel_buffer(b, KERNEL_UNSET, T);
    kernel_buffer(b, KERNEL_UNSET, T);
    b->work = F4 * (double)(3 * n + 2 * T + 2 * C);
}

static void residual_layer_norm_forward_run(struct kernel_bench *b) {
    float *const *at = b->at;
    b->ops->residual_layer_norm_forward(at[4], at[5], at[6], at[0], at[1], at[2], at[3], 1e-12f, b->drop, b->shape.T,
                                        b->shape.C, HONE_F32, b->stream);
}

/* Mean and 1 / standard deviation of row t, and element c of x + dropout(r). */
static double residual(const struct kernel_bench *b, int64_t t, int64_t c) {
    int64_t at = t * b->shape.C + c;
    return (double)b->at[0][at] + kernel_dropout_factor(b, t, c) * (double)b->at[1][at];
}

static void row_moments(double *mean, double *rstd, const struct kernel_bench *b, int64_t t) {
    double sum = 0, squares = 0, C = (double)b->shape.C;
    for (int64_t c = 0; c < b->shape.C; c++) {
        double z = residual(b, t, c);
        sum += z, squares += z * z;
    }
    *mean = sum / C;
    *rstd = 1 / sqrt(squares / C - *mean * *mean + 1e-12);
}

static void residual_layer_norm_forward_verify(struct kernel_bench *b) {
    for (int i = 0; i < KERNEL_SAMPLES; i++) {
        int64_t t = kernel_sample(i, b->shape.T);
        double mean, rstd;
        row_moments(&mean, &rstd, b, t);
        kernel_check(b, "mean", t, (double)b->at[5][t], mean, 1);
        kernel_check(b, "rstd", t, (double)b->at[6][t], rstd, rstd);
        for (int64_t c = 0; c < b->shape.C; c++) {
            double z = residual(b, t, c), gamma = b->at[2][c], beta = b->at[3][c];
            kernel_check(b, "y", t * b->shape.C + c, (double)b->at[4][t * b->shape.C + c],
                         (z - mean) * rstd * gamma + beta, (fabs(z) + fabs(mean)) * rstd * fabs(gamma) + fabs(beta));
        }
    }
}

/* Further: dy, dx, dr, dgamma, dbeta, workspace */
static void residual_layer_norm_backward_plan(struct kernel_bench *b) {
    int64_t n = elements(b), T = b->shape.T, C = b->shape.C;
    residual_layer_norm_forward_plan(b);
    kernel_buffer(b, KERNEL_NOISE, n);
    kernel_buffer(b, KERNEL_UNSET, n);
    kernel_buffer(b, KERNEL_UNSET, n);
    kernel_buffer(b, KERNEL_ZERO, C);
    kernel_buffer(b, KERNEL_ZERO, C);
    kernel_workspace(b, b->ops->residual_layer_norm_backward_workspace(T, C));
    b->work = F4 * (double)(5 * n + 2 * T + 5 * C);
}

static void residual_layer_norm_backward_run(struct kernel_bench *b) {
    float *const *at = b->at;
    b->ops->residual_layer_norm_backward(at[8], at[9], at[10], at[11], at[7], at[0], at[1], at[5], at[6], at[2], false,
                                         b->drop, b->shape.T, b->shape.C, HONE_F32, at[12], b->stream);
}

static void residual_layer_norm_backward_verify(struct kernel_bench *b) {
    int64_t C = b->shape.C;
    double dgamma[KERNEL_SAMPLES] = {0}, dgamma_magnitude[KERNEL_SAMPLES] = {0};
    double dbeta[KERNEL_SAMPLES] = {0}, dbeta_magnitude[KERNEL_SAMPLES] = {0};
    for (int64_t t = 0; t < b->shape.T; t++) {
        double mean, rstd, sum = 0, sum_xhat = 0, magnitude = 0, magnitude_xhat = 0;
        const float *dy = b->at[7] + t * C;
        row_moments(&mean, &rstd, b, t);
        for (int i = 0; i < KERNEL_SAMPLES; i++) {
            int64_t c = kernel_sample(i, C);
            double xhat = (residual(b, t, c) - mean) * rstd;
            dgamma[i] += (double)dy[c] * xhat, dgamma_magnitude[i] += fabs((double)dy[c] * xhat);
            dbeta[i] += (double)dy[c], dbeta_magnitude[i] += fabs((double)dy[c]);
        }
        if (t % (b->shape.T / KERNEL_SAMPLES) != 0) continue;
        for (int64_t c = 0; c < C; c++) {
            double dh = (double)dy[c] * (double)b->at[2][c] / (double)C, xhat = (residual(b, t, c) - mean) * rstd;
            sum += dh, sum_xhat += dh * xhat;
            magnitude += fabs(dh), magnitude_xhat += fabs(dh * xhat);
        }
        for (int64_t c = 0; c < C; c++) {
            double dh = (double)dy[c] * (double)b->at[2][c], xhat = (residual(b, t, c) - mean) * rstd;
            double dz = (dh - sum - xhat * sum_xhat) * rstd, factor = kernel_dropout_factor(b, t, c);
            double most = (fabs(dh) + magnitude + fabs(xhat) * magnitude_xhat) * rstd;
            kernel_check(b, "dx", t * C + c, (double)b->at[8][t * C + c], dz, most);
            kernel_check(b, "dr", t * C + c, (double)b->at[9][t * C + c], dz * factor, most * factor);
        }
    }
    for (int i = 0; i < KERNEL_SAMPLES; i++) {
        int64_t c = kernel_sample(i, C);
        kernel_check(b, "dgamma", c, (double)b->at[10][c], dgamma[i], dgamma_magnitude[i]);
        kernel_check(b, "dbeta", c, (double)b->at[11][c], dbeta[i], dbeta_magnitude[i]);
    }
}

/* x, y */
static void dropout_plan(struct kernel_bench *b) {
    kernel_buffer(b, KERNEL_NOISE, elements(b));
    kernel_buffer(b, KERNEL_UNSET, elements(b));
    b->work = 2 * F4 * (double)elements(b) + (double)b->shape.T * sizeof *b->row_key;
}

static void dropout_run(struct kernel_bench *b) {
    b->ops->dropout(b->at[1], b->at[0], b->drop, b->shape.T, b->shape.C, HONE_F32, b->stream);
}

static void dropout_verify(struct kernel_bench *b) {
    for (int i = 0; i < KERNEL_SAMPLES; i++) {
        int64_t t = kernel_sample(i, b->shape.T);
        for (int64_t c = 0; c < b->shape.C; c++) {
            int64_t at = t * b->shape.C + c;
            double want = kernel_dropout_factor(b, t, c) * (double)b->at[0][at];
            kernel_check(b, "y", at, (double)b->at[1][at], want, fabs(want));
        }
    }
}

KERNEL_OP(activation_forward, KERNEL_COPIES, NULL);
KERNEL_OP(activation_backward, KERNEL_COPIES, NULL);
KERNEL_OP(residual_layer_norm_forward, KERNEL_COPIES, NULL);
KERNEL_OP(residual_layer_norm_backward, KERNEL_COPIES, residual_layer_norm_forward_run);
KERNEL_OP(dropout, KERNEL_COPIES, NULL);
