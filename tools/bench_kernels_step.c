/* The kernels of a step's end: cross entropy over rows of logits, and the global norm and AdamW over all parameters.
 * Work is the bytes that must move at least. */
#include <math.h>

#include "tools/bench_kernels.h"

static const double F4 = sizeof(float);

/* logits, loss */
static void cross_entropy_forward_plan(struct kernel_bench *b) {
    int64_t R = b->shape.R, V = b->shape.V;
    kernel_buffer(b, KERNEL_NOISE, R * V);
    kernel_buffer(b, KERNEL_ZERO, 1);
    b->work = F4 * (double)(R * V + R);
}

static void cross_entropy_forward_run(struct kernel_bench *b) {
    int64_t R = b->shape.R, V = b->shape.V;
    b->ops->cross_entropy_forward(b->at[1], b->at[0], b->labels, NULL, 1 / (float)R, R, V, HONE_F32, b->stream);
}

static double row_sum(const struct kernel_bench *b, int64_t r) {
    double sum = 0;
    for (int64_t v = 0; v < b->shape.V; v++) sum += exp((double)b->at[0][r * b->shape.V + v]);
    return sum;
}

static void cross_entropy_forward_verify(struct kernel_bench *b) {
    int64_t R = b->shape.R, V = b->shape.V;
    double loss = 0;
    for (int64_t r = 0; r < R; r++) loss += log(row_sum(b, r)) - (double)b->at[0][r * V + b->labels[r]];
    kernel_check(b, "loss", 0, (double)*b->at[1], loss / (double)R, 1);
}

/* logits, dlogits */
static void cross_entropy_backward_plan(struct kernel_bench *b) {
    int64_t R = b->shape.R, V = b->shape.V;
    kernel_buffer(b, KERNEL_NOISE, R * V);
    kernel_buffer(b, KERNEL_UNSET, R * V);
    b->work = F4 * (double)(2 * R * V + R);
}

static void cross_entropy_backward_run(struct kernel_bench *b) {
    int64_t R = b->shape.R, V = b->shape.V;
    b->ops->cross_entropy_backward(b->at[1], b->at[0], b->labels, NULL, 1, R, V, HONE_F32, b->stream);
}

static void cross_entropy_backward_verify(struct kernel_bench *b) {
    int64_t V = b->shape.V;
    for (int i = 0; i < KERNEL_SAMPLES; i++) {
        int64_t r = kernel_sample(i, b->shape.R);
        double sum = row_sum(b, r);
        for (int64_t v = 0; v < V; v++) {
            double want = exp((double)b->at[0][r * V + v]) / sum, hit = v == b->labels[r];
            kernel_check(b, "dlogits", r * V + v, (double)b->at[1][r * V + v], want - hit, want + hit);
        }
    }
}

/* gradients, workspace. clip_norm 1, far below the norm, as in training. */
static void gradient_norm_plan(struct kernel_bench *b) {
    kernel_buffer(b, KERNEL_NOISE, b->shape.n);
    kernel_workspace(b, b->ops->gradient_norm_workspace(b->shape.n));
    b->work = F4 * (double)b->shape.n;
}

static void gradient_norm_run(struct kernel_bench *b) {
    b->ops->gradient_norm(&b->step, b->at[0], NULL, b->shape.n, 1, b->at[1], b->stream);
}

static void gradient_norm_verify(struct kernel_bench *b) {
    double sum = 0;
    for (int64_t i = 0; i < b->shape.n; i++) sum += (double)b->at[0][i] * (double)b->at[0][i];
    kernel_check(b, "gradient_norm", 0, (double)b->step.gradient_norm, sqrt(sum), sqrt(sum));
    kernel_check(b, "clip_scale", 0, (double)b->step.clip_scale, 1 / sqrt(sum), 1 / sqrt(sum));
    kernel_check(b, "finite", 0, b->step.finite, 1, 0);
}

/* p, m, v, g: all read and all written, since AdamW clears the gradients. */
static void adamw_plan(struct kernel_bench *b) {
    kernel_buffer(b, KERNEL_NOISE, b->shape.n);
    kernel_buffer(b, KERNEL_NOISE, b->shape.n);
    kernel_buffer(b, KERNEL_POSITIVE, b->shape.n);
    kernel_buffer(b, KERNEL_NOISE, b->shape.n);
    b->work = 8 * F4 * (double)b->shape.n;
}

static void adamw_run(struct kernel_bench *b) {
    float *const *at = b->at;
    b->ops->adamw(at[0], NULL, 0, at[1], at[2], at[3], NULL, b->segments, KERNEL_SEGMENTS, &b->adamw, &b->step,
                  b->stream);
}

static void adamw_verify(struct kernel_bench *b) {
    const struct hone_step *s = &b->step;
    double beta1 = b->adamw.beta1, beta2 = b->adamw.beta2;
    for (int i = 0; i < KERNEL_SEGMENTS * KERNEL_SAMPLES; i++) {
        const struct hone_segment *segment = &b->segments[i / KERNEL_SAMPLES];
        int64_t at = segment->offset + kernel_sample(i % KERNEL_SAMPLES, segment->count);
        double p = kernel_initial(b, 0, at), g = kernel_initial(b, 3, at) * (double)s->clip_scale;
        double m = beta1 * kernel_initial(b, 1, at) + (1 - beta1) * g;
        double v = beta2 * kernel_initial(b, 2, at) + (1 - beta2) * g * g;
        double root = sqrt(v / (double)s->bias_correction2) + (double)b->adamw.epsilon;
        double step = m / (double)s->bias_correction1 / root, rate = s->learning_rate, decay = segment->weight_decay;
        kernel_check(b, "p", at, (double)b->at[0][at], p - rate * (decay * p + step), fabs(p) + fabs(rate * step));
        kernel_check(b, "m", at, (double)b->at[1][at], m, 1);
        kernel_check(b, "v", at, (double)b->at[2][at], v, v);
        kernel_check(b, "g", at, (double)b->at[3][at], 0, 0);
    }
}

KERNEL_OP(cross_entropy_forward, KERNEL_READS, NULL);
KERNEL_OP(cross_entropy_backward, KERNEL_COPIES, NULL);
KERNEL_OP(gradient_norm, KERNEL_READS, NULL);
KERNEL_OP(adamw, KERNEL_UPDATES, NULL);
