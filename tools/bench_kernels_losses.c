/* The kernels of losses over rows of logits. Work is the bytes that must move at least. */
#include <math.h>

#include "tools/bench_kernels.h"

static const double F4 = sizeof(float);
/* Smoothed and focused, so that nothing is left out. */
static const struct hone_class_loss settings = {.smoothing = 0.1f, .focus = 2};

/* logits, loss */
static void rows_forward_plan(struct kernel_bench *b) {
    kernel_buffer(b, KERNEL_NOISE, b->shape.R * b->shape.V);
    kernel_buffer(b, KERNEL_ZERO, 1);
    b->work = F4 * (double)(b->shape.R * b->shape.V + b->shape.R);
}

/* logits, dlogits */
static void rows_backward_plan(struct kernel_bench *b) {
    kernel_buffer(b, KERNEL_NOISE, b->shape.R * b->shape.V);
    kernel_buffer(b, KERNEL_UNSET, b->shape.R * b->shape.V);
    b->work = F4 * (double)(2 * b->shape.R * b->shape.V + b->shape.R);
}

/* The same and targets. */
static void targets_forward_plan(struct kernel_bench *b) {
    rows_forward_plan(b);
    kernel_buffer(b, KERNEL_POSITIVE, b->shape.R * b->shape.V);
    b->work *= 2;
}

static void targets_backward_plan(struct kernel_bench *b) {
    rows_backward_plan(b);
    kernel_buffer(b, KERNEL_POSITIVE, b->shape.R * b->shape.V);
    b->work *= 1.5;
}

static double row_sum(const struct kernel_bench *b, int64_t r) {
    double sum = 0;
    for (int64_t v = 0; v < b->shape.V; v++) sum += exp((double)b->at[0][r * b->shape.V + v]);
    return sum;
}

static double target_at(const struct kernel_bench *b, int64_t r, int64_t v) {
    double e = (double)settings.smoothing;
    return e / (double)b->shape.V + (v == b->labels[r] ? 1 - e : 0);
}

#define class_loss_forward_plan  rows_forward_plan
#define class_loss_backward_plan rows_backward_plan

static void class_loss_forward_run(struct kernel_bench *b) {
    int64_t R = b->shape.R, V = b->shape.V;
    b->ops->class_loss_forward(b->at[1], b->at[0], b->labels, &settings, 1 / (float)R, R, V, HONE_F32, b->stream);
}

static void class_loss_forward_verify(struct kernel_bench *b) {
    int64_t R = b->shape.R, V = b->shape.V;
    double loss = 0;
    for (int64_t r = 0; r < R; r++) {
        double sum = row_sum(b, r);
        for (int64_t v = 0; v < V; v++) {
            double p = exp((double)b->at[0][r * V + v]) / sum;
            loss -= target_at(b, r, v) * (1 - p) * (1 - p) * log(p);
        }
    }
    kernel_check(b, "loss", 0, (double)*b->at[1], loss / (double)R, 1);
}

static void class_loss_backward_run(struct kernel_bench *b) {
    b->ops->class_loss_backward(b->at[1], b->at[0], b->labels, &settings, 1, b->shape.R, b->shape.V, HONE_F32,
                                b->stream);
}

static double slope_at(const struct kernel_bench *b, int64_t r, int64_t v, double sum) {
    double p = exp((double)b->at[0][r * b->shape.V + v]) / sum;
    return -target_at(b, r, v) * (1 - p) * (1 - p - 2 * p * log(p));
}

static void class_loss_backward_verify(struct kernel_bench *b) {
    int64_t V = b->shape.V;
    for (int i = 0; i < KERNEL_SAMPLES; i++) {
        int64_t r = kernel_sample(i, b->shape.R);
        double sum = row_sum(b, r), total = 0;
        for (int64_t v = 0; v < V; v++) total += slope_at(b, r, v, sum);
        for (int64_t v = 0; v < V; v++) {
            double p = exp((double)b->at[0][r * V + v]) / sum, slope = slope_at(b, r, v, sum);
            kernel_check(b, "dlogits", r * V + v, (double)b->at[1][r * V + v], slope - p * total,
                         fabs(slope) + p * fabs(total));
        }
    }
}

#define binary_cross_entropy_forward_plan  targets_forward_plan
#define binary_cross_entropy_backward_plan targets_backward_plan

static void binary_cross_entropy_forward_run(struct kernel_bench *b) {
    int64_t R = b->shape.R, V = b->shape.V;
    b->ops->binary_cross_entropy_forward(b->at[1], b->at[0], b->at[2], NULL, 0, 1 / (float)(R * V), R, V, HONE_F32,
                                         b->stream);
}

static void binary_cross_entropy_forward_verify(struct kernel_bench *b) {
    int64_t n = b->shape.R * b->shape.V;
    double loss = 0;
    for (int64_t i = 0; i < n; i++) {
        double x = (double)b->at[0][i];
        loss += log(1 + exp(x)) - x * (double)b->at[2][i];
    }
    kernel_check(b, "loss", 0, (double)*b->at[1], loss / (double)n, 1);
}

static void binary_cross_entropy_backward_run(struct kernel_bench *b) {
    b->ops->binary_cross_entropy_backward(b->at[1], b->at[0], b->at[2], NULL, 0, 1, b->shape.R, b->shape.V, HONE_F32,
                                          b->stream);
}

static void binary_cross_entropy_backward_verify(struct kernel_bench *b) {
    for (int64_t i = 0; i < b->shape.R * b->shape.V; i++) {
        double p = 1 / (1 + exp(-(double)b->at[0][i]));
        kernel_check(b, "dlogits", i, (double)b->at[1][i], p - (double)b->at[2][i], 1);
    }
}

#define squared_error_forward_plan  targets_forward_plan
#define squared_error_backward_plan targets_backward_plan

static void squared_error_forward_run(struct kernel_bench *b) {
    int64_t R = b->shape.R, V = b->shape.V;
    b->ops->squared_error_forward(b->at[1], b->at[0], b->at[2], 1 / (float)(R * V), R, V, HONE_F32, b->stream);
}

static void squared_error_forward_verify(struct kernel_bench *b) {
    int64_t n = b->shape.R * b->shape.V;
    double loss = 0;
    for (int64_t i = 0; i < n; i++) loss += pow((double)b->at[0][i] - (double)b->at[2][i], 2);
    kernel_check(b, "loss", 0, (double)*b->at[1], loss / (double)n, 1);
}

static void squared_error_backward_run(struct kernel_bench *b) {
    b->ops->squared_error_backward(b->at[1], b->at[0], b->at[2], 1, b->shape.R, b->shape.V, HONE_F32, b->stream);
}

static void squared_error_backward_verify(struct kernel_bench *b) {
    for (int64_t i = 0; i < b->shape.R * b->shape.V; i++) {
        double y = (double)b->at[0][i], target = (double)b->at[2][i];
        kernel_check(b, "dy", i, (double)b->at[1][i], 2 * (y - target), 2 * (fabs(y) + fabs(target)));
    }
}

KERNEL_OP(binary_cross_entropy_forward, KERNEL_READS, NULL);
KERNEL_OP(binary_cross_entropy_backward, KERNEL_COPIES, NULL);
KERNEL_OP(class_loss_forward, KERNEL_READS, NULL);
KERNEL_OP(class_loss_backward, KERNEL_COPIES, NULL);
KERNEL_OP(squared_error_forward, KERNEL_READS, NULL);
KERNEL_OP(squared_error_backward, KERNEL_COPIES, NULL);
