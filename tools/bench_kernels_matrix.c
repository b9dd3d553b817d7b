/* The kernels that multiply matrices: linear layers and attention, in floating-point operations. */
#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "tools/bench_kernels.h"

/* Sum of a[i * a_step] * b[i * b_step], and of its absolute terms. */
static double dot(double *magnitude, const float *a, int64_t a_step, const float *b, int64_t b_step, int64_t n) {
    double sum = 0;
    *magnitude = 0;
    for (int64_t i = 0; i < n; i++) {
        double term = (double)a[i * a_step] * (double)b[i * b_step];
        sum += term;
        *magnitude += fabs(term);
    }
    return sum;
}

static void linear_work(struct kernel_bench *b) {
    const struct kernel_shape *s = &b->shape;
    b->work = 2.0 * (double)s->T * (double)s->N * (double)s->K;
    kernel_workspace(b, b->ops->linear_workspace(s->T, s->N, s->K, HONE_F32));
}

/* x, w, bias, y */
static void linear_forward_plan(struct kernel_bench *b) {
    const struct kernel_shape *s = &b->shape;
    kernel_buffer(b, KERNEL_NOISE, hone_rows(s->T) * s->K);
    kernel_buffer(b, KERNEL_NOISE, s->N * s->K);
    kernel_buffer(b, KERNEL_NOISE, s->N);
    kernel_buffer(b, KERNEL_UNSET, hone_rows(s->T) * s->N);
    linear_work(b);
}

static void linear_forward_run(struct kernel_bench *b) {
    const struct kernel_shape *s = &b->shape;
    float *const *at = b->at;
    b->ops->linear_forward(at[3], at[0], at[1], at[2], s->T, s->N, s->K, HONE_F32, at[4], b->stream);
}

static void linear_forward_verify(struct kernel_bench *b) {
    const struct kernel_shape *s = &b->shape;
    for (int i = 0; i < KERNEL_SAMPLES * KERNEL_SAMPLES; i++) {
        int64_t t = kernel_sample(i / KERNEL_SAMPLES, s->T), n = kernel_sample(i % KERNEL_SAMPLES, s->N);
        double magnitude, sum = dot(&magnitude, b->at[0] + t * s->K, 1, b->at[1] + n * s->K, 1, s->K);
        kernel_check(b, "y", t * s->N + n, (double)b->at[3][t * s->N + n], sum + (double)b->at[2][n], magnitude + 1);
    }
}

/* dy, w, dx */
static void linear_backward_input_plan(struct kernel_bench *b) {
    const struct kernel_shape *s = &b->shape;
    kernel_buffer(b, KERNEL_NOISE, hone_rows(s->T) * s->N);
    kernel_buffer(b, KERNEL_NOISE, s->N * s->K);
    kernel_buffer(b, KERNEL_UNSET, hone_rows(s->T) * s->K);
    linear_work(b);
}

static void linear_backward_input_run(struct kernel_bench *b) {
    const struct kernel_shape *s = &b->shape;
    float *const *at = b->at;
    b->ops->linear_backward_input(at[2], HONE_F32, at[0], at[1], false, s->T, s->N, s->K, HONE_F32, at[3], b->stream);
}

static void linear_backward_input_verify(struct kernel_bench *b) {
    const struct kernel_shape *s = &b->shape;
    for (int i = 0; i < KERNEL_SAMPLES * KERNEL_SAMPLES; i++) {
        int64_t t = kernel_sample(i / KERNEL_SAMPLES, s->T), k = kernel_sample(i % KERNEL_SAMPLES, s->K);
        double magnitude, sum = dot(&magnitude, b->at[0] + t * s->N, 1, b->at[1] + k, s->K, s->N);
        kernel_check(b, "dx", t * s->K + k, (double)b->at[2][t * s->K + k], sum, magnitude);
    }
}

/* x, w, bias, before, y */
static void linear_activation_forward_plan(struct kernel_bench *b) {
    const struct kernel_shape *s = &b->shape;
    kernel_buffer(b, KERNEL_NOISE, hone_rows(s->T) * s->K);
    kernel_buffer(b, KERNEL_NOISE, s->N * s->K);
    kernel_buffer(b, KERNEL_NOISE, s->N);
    kernel_buffer(b, KERNEL_UNSET, hone_rows(s->T) * s->N);
    kernel_buffer(b, KERNEL_UNSET, hone_rows(s->T) * s->N);
    linear_work(b);
}

static void linear_activation_forward_run(struct kernel_bench *b) {
    const struct kernel_shape *s = &b->shape;
    float *const *at = b->at;
    b->ops->linear_activation_forward(at[4], at[3], at[0], at[1], at[2], HONE_GELU_ERF, s->T, s->N, s->K, HONE_F32,
                                      at[5], b->stream);
}

static void linear_activation_forward_verify(struct kernel_bench *b) {
    const struct kernel_shape *s = &b->shape;
    for (int i = 0; i < KERNEL_SAMPLES * KERNEL_SAMPLES; i++) {
        int64_t t = kernel_sample(i / KERNEL_SAMPLES, s->T), n = kernel_sample(i % KERNEL_SAMPLES, s->N);
        double magnitude, x = dot(&magnitude, b->at[0] + t * s->K, 1, b->at[1] + n * s->K, 1, s->K);
        x += (double)b->at[2][n];
        kernel_check(b, "before", t * s->N + n, (double)b->at[3][t * s->N + n], x, magnitude + 1);
        kernel_check(b, "y", t * s->N + n, (double)b->at[4][t * s->N + n], kernel_gelu(x), 1.13 * (magnitude + 1));
    }
}

/* dy, w, before, dbefore */
static void linear_activation_backward_input_plan(struct kernel_bench *b) {
    const struct kernel_shape *s = &b->shape;
    kernel_buffer(b, KERNEL_NOISE, hone_rows(s->T) * s->N);
    kernel_buffer(b, KERNEL_NOISE, s->N * s->K);
    kernel_buffer(b, KERNEL_NOISE, hone_rows(s->T) * s->K);
    kernel_buffer(b, KERNEL_UNSET, hone_rows(s->T) * s->K);
    linear_work(b);
}

static void linear_activation_backward_input_run(struct kernel_bench *b) {
    const struct kernel_shape *s = &b->shape;
    float *const *at = b->at;
    b->ops->linear_activation_backward_input(at[3], at[0], at[1], at[2], HONE_GELU_ERF, s->T, s->N, s->K, HONE_F32,
                                             at[4], b->stream);
}

static void linear_activation_backward_input_verify(struct kernel_bench *b) {
    const struct kernel_shape *s = &b->shape;
    for (int i = 0; i < KERNEL_SAMPLES * KERNEL_SAMPLES; i++) {
        int64_t t = kernel_sample(i / KERNEL_SAMPLES, s->T), k = kernel_sample(i % KERNEL_SAMPLES, s->K);
        double magnitude, sum = dot(&magnitude, b->at[0] + t * s->N, 1, b->at[1] + k, s->K, s->N);
        double slope = kernel_gelu_slope((double)b->at[2][t * s->K + k]);
        kernel_check(b, "dbefore", t * s->K + k, (double)b->at[3][t * s->K + k], sum * slope, 1.13 * magnitude);
    }
}

/* dy, x, dw, dbias */
static void linear_backward_weight_plan(struct kernel_bench *b) {
    const struct kernel_shape *s = &b->shape;
    kernel_buffer(b, KERNEL_NOISE, hone_rows(s->T) * s->N);
    kernel_buffer(b, KERNEL_NOISE, hone_rows(s->T) * s->K);
    kernel_buffer(b, KERNEL_ZERO, s->N * s->K);
    kernel_buffer(b, KERNEL_ZERO, s->N);
    linear_work(b);
}

static void linear_backward_weight_run(struct kernel_bench *b) {
    const struct kernel_shape *s = &b->shape;
    float *const *at = b->at;
    b->ops->linear_backward_weight(at[2], at[3], at[0], at[1], s->T, s->N, s->K, HONE_F32, at[4], b->stream);
}

static void linear_backward_weight_verify(struct kernel_bench *b) {
    const struct kernel_shape *s = &b->shape;
    const float one = 1;
    for (int i = 0; i < KERNEL_SAMPLES * KERNEL_SAMPLES; i++) {
        int64_t n = kernel_sample(i / KERNEL_SAMPLES, s->N), k = kernel_sample(i % KERNEL_SAMPLES, s->K);
        double magnitude, sum = dot(&magnitude, b->at[0] + n, s->N, b->at[1] + k, s->K, s->T);
        kernel_check(b, "dw", n * s->K + k, (double)b->at[2][n * s->K + k], sum, magnitude);
        sum = dot(&magnitude, b->at[0] + n, s->N, &one, 0, s->T);
        kernel_check(b, "dbias", n, (double)b->at[3][n], sum, magnitude);
    }
}

/* qkv [T, 3 C], out, lse. Operations: two products for each pair of tokens of a sequence forward, five backward. */
static void attention_forward_plan(struct kernel_bench *b) {
    const struct kernel_shape *s = &b->shape;
    kernel_buffer(b, KERNEL_NOISE, s->T * 3 * s->C);
    kernel_buffer(b, KERNEL_UNSET, s->T * s->C);
    kernel_buffer(b, KERNEL_UNSET, s->T * s->H);
    kernel_workspace(b, b->ops->attention_workspace(&b->attention, HONE_F32));
    for (int64_t i = 0; i < s->B; i++) {
        double length = b->cu_seqlens[i + 1] - b->cu_seqlens[i];
        b->work += 2 * 2.0 * length * length * (double)s->C;
    }
}

static void attention_forward_run(struct kernel_bench *b) {
    int64_t C = b->shape.C, stride = 3 * C;
    const float *qkv = b->at[0];
    b->ops->attention_forward(b->at[1], b->at[2], qkv, stride, qkv + C, stride, qkv + 2 * C, stride, &b->attention,
                              b->drop, HONE_F32, b->at[3], b->stream);
}

/* Further: dout, dqkv */
static void attention_backward_plan(struct kernel_bench *b) {
    const struct kernel_shape *s = &b->shape;
    attention_forward_plan(b);
    kernel_buffer(b, KERNEL_NOISE, s->T * s->C);
    kernel_buffer(b, KERNEL_UNSET, s->T * 3 * s->C);
    b->work *= 2.5;
}

static void attention_backward_run(struct kernel_bench *b) {
    int64_t C = b->shape.C, stride = 3 * C;
    const float *qkv = b->at[0];
    float *dqkv = b->at[5];
    b->ops->attention_backward(dqkv, dqkv + C, dqkv + 2 * C, b->at[4], b->at[2], qkv, stride, qkv + C, stride,
                               qkv + 2 * C, stride, &b->attention, b->drop, HONE_F32, b->at[3], b->stream);
}

/* One head of one sequence, in f64: p are the probabilities of a query before dropout, factors those of dropout. */
struct head {
    const float *q, *k, *v; /* of the first token, stride 3 C */
    int64_t first, length, h, D;
    double *p, *factors;
};

static struct head head_open(const struct kernel_bench *b, int64_t sequence, int64_t h) {
    int64_t C = b->shape.C, D = b->attention.D, first = b->cu_seqlens[sequence];
    struct head a = {.q = b->at[0] + first * 3 * C + h * D,
                     .first = first,
                     .length = b->cu_seqlens[sequence + 1] - first,
                     .h = h,
                     .D = D};
    a.k = a.q + C, a.v = a.q + 2 * C;
    a.p = hone_alloc(2 * (size_t)a.length, sizeof *a.p, "probabilities");
    a.factors = a.p + a.length;
    return a;
}

/* Probabilities of query i; returns the log of the sum of exp. */
static double head_softmax(const struct kernel_bench *b, struct head *a, int64_t i) {
    double sum = 0, unused;
    for (int64_t j = 0; j < a->length; j++) {
        int64_t stride = 3 * b->shape.C, key = a->h * (1 << 20) + j;
        a->p[j] = exp((double)b->attention.scale * dot(&unused, a->q + i * stride, 1, a->k + j * stride, 1, a->D));
        a->factors[j] = kernel_dropout_factor(b, a->first + i, key);
        sum += a->p[j];
    }
    for (int64_t j = 0; j < a->length; j++) a->p[j] /= sum;
    return log(sum);
}

static void attention_forward_verify(struct kernel_bench *b) {
    const struct kernel_shape *s = &b->shape;
    for (int sample = 0; sample < 2; sample++) {
        struct head a = head_open(b, sample ? s->B - 1 : 0, sample ? s->H - 1 : 0);
        for (int i = 0; i < KERNEL_SAMPLES; i++) {
            int64_t query = kernel_sample(i, a.length), t = a.first + query;
            double lse = head_softmax(b, &a, query);
            kernel_check(b, "lse", t * s->H + a.h, (double)b->at[2][t * s->H + a.h], lse, fabs(lse) + 1);
            for (int64_t d = 0; d < a.D; d++) {
                double want = 0, magnitude = 0;
                for (int64_t j = 0; j < a.length; j++) {
                    double term = a.p[j] * a.factors[j] * (double)a.v[j * 3 * s->C + d];
                    want += term, magnitude += fabs(term);
                }
                int64_t at = t * s->C + a.h * a.D + d;
                kernel_check(b, "out", at, (double)b->at[1][at], want, magnitude);
            }
        }
        hone_free(a.p);
    }
}

/* Adds query i's part to dk, dv and sets dq: [length, D], [length, D], [D]; magnitudes of all three behind them. */
static void head_backward(const struct kernel_bench *b, struct head *a, int64_t i, double *dq, double *dk, double *dv) {
    int64_t stride = 3 * b->shape.C, size = a->length * a->D;
    const float *dout = b->at[4] + (a->first + i) * b->shape.C + a->h * a->D, *q = a->q + i * stride;
    double delta = 0, unused;
    head_softmax(b, a, i);
    memset(dq, 0, 2 * (size_t)a->D * sizeof *dq);
    for (int64_t j = 0; j < a->length; j++)
        delta += a->p[j] * a->factors[j] * dot(&unused, dout, 1, a->v + j * stride, 1, a->D);
    for (int64_t j = 0; j < a->length; j++) {
        double dp = a->factors[j] * dot(&unused, dout, 1, a->v + j * stride, 1, a->D);
        double ds = (double)b->attention.scale * a->p[j] * (dp - delta);
        double ds_magnitude = (double)b->attention.scale * a->p[j] * (fabs(dp) + fabs(delta));
        for (int64_t d = 0; d < a->D; d++) {
            double k = (double)a->k[j * stride + d], dropped = a->p[j] * a->factors[j] * (double)dout[d];
            dq[d] += ds * k, dq[a->D + d] += ds_magnitude * fabs(k);
            dk[j * a->D + d] += ds * (double)q[d], dk[size + j * a->D + d] += ds_magnitude * fabs((double)q[d]);
            dv[j * a->D + d] += dropped, dv[size + j * a->D + d] += fabs(dropped);
        }
    }
}

static void attention_backward_verify(struct kernel_bench *b) {
    int64_t C = b->shape.C, stride = 3 * C;
    for (int sample = 0; sample < 2; sample++) {
        struct head a = head_open(b, sample ? b->shape.B - 1 : 0, sample ? b->shape.H - 1 : 0);
        int64_t size = a.length * a.D;
        double *dq = hone_calloc(4 * (size_t)size + 2 * (size_t)a.D, sizeof *dq, "gradients");
        double *dk = dq + 2 * a.D, *dv = dk + 2 * size;
        const float *got = b->at[5] + a.first * stride + a.h * a.D;
        for (int64_t i = 0; i < a.length; i++) {
            head_backward(b, &a, i, dq, dk, dv);
            for (int64_t d = 0; d < a.D; d++)
                kernel_check(b, "dq", i * stride + d, (double)got[i * stride + d], dq[d], dq[a.D + d]);
        }
        for (int64_t i = 0; i < size; i++) {
            int64_t at = i / a.D * stride + i % a.D;
            kernel_check(b, "dk", at, (double)got[C + at], dk[i], dk[size + i]);
            kernel_check(b, "dv", at, (double)got[2 * C + at], dv[i], dv[size + i]);
        }
        hone_free(dq);
        hone_free(a.p);
    }
}

KERNEL_OP(linear_forward, KERNEL_MULTIPLIES, NULL);
KERNEL_OP(linear_backward_input, KERNEL_MULTIPLIES, NULL);
KERNEL_OP(linear_activation_forward, KERNEL_MULTIPLIES, NULL);
KERNEL_OP(linear_activation_backward_input, KERNEL_MULTIPLIES, NULL);
KERNEL_OP(linear_backward_weight, KERNEL_MULTIPLIES, NULL);
KERNEL_OP(attention_forward, KERNEL_MULTIPLIES, NULL);
KERNEL_OP(attention_backward, KERNEL_MULTIPLIES, attention_forward_run);
