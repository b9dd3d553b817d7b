/* The kernels of the other optimizers, and clipping by value, over all parameters. Work is the bytes that must move at
 * least. */
#include <math.h>

#include "tools/bench_kernels.h"

static const double F4 = sizeof(float);

/* gradients */
static void clip_values_plan(struct kernel_bench *b) {
    kernel_buffer(b, KERNEL_NOISE, b->shape.n);
    b->work = 2 * F4 * (double)b->shape.n;
}

static void clip_values_run(struct kernel_bench *b) { b->ops->clip_values(b->at[0], b->shape.n, 0.5f, b->stream); }

static void clip_values_verify(struct kernel_bench *b) {
    for (int i = 0; i < KERNEL_SAMPLES; i++) {
        int64_t at = kernel_sample(i, b->shape.n);
        kernel_check(b, "g", at, (double)b->at[0][at], fmin(fmax(kernel_initial(b, 0, at), -0.5), 0.5), 0);
    }
}

/* p, m, g: all read and all written. */
static const struct hone_sgd sgd = {0.9f, false};

static void sgd_plan(struct kernel_bench *b) {
    for (int i = 0; i < 3; i++) kernel_buffer(b, KERNEL_NOISE, b->shape.n);
    b->work = 6 * F4 * (double)b->shape.n;
}

static void sgd_run(struct kernel_bench *b) {
    b->ops->sgd(b->at[0], b->at[1], b->at[2], b->segments, KERNEL_SEGMENTS, &sgd, &b->step, b->stream);
}

static void sgd_verify(struct kernel_bench *b) {
    double rate = (double)b->step.learning_rate;
    for (int i = 0; i < KERNEL_SEGMENTS * KERNEL_SAMPLES; i++) {
        const struct hone_segment *segment = &b->segments[i / KERNEL_SAMPLES];
        int64_t at = segment->offset + kernel_sample(i % KERNEL_SAMPLES, segment->count);
        double p = kernel_initial(b, 0, at), g = kernel_initial(b, 2, at) * (double)b->step.clip_scale;
        double m = (double)sgd.momentum * kernel_initial(b, 1, at) + g + (double)segment->weight_decay * p;
        kernel_check(b, "m", at, (double)b->at[1][at], m, 2);
        kernel_check(b, "p", at, (double)b->at[0][at], p - rate * m, fabs(p) + rate);
        kernel_check(b, "g", at, (double)b->at[2][at], 0, 0);
    }
}

/* p, state, g, workspace: g is read three times and written, p read twice and written; state is small. The parameters
 * are square-ish matrices. */
enum { TENSORS = KERNEL_SEGMENTS, COLUMNS = 384 };
static const struct hone_adafactor adafactor = {
    .epsilon = 1e-30f, .scale_epsilon = 1e-3f, .clip_threshold = 1, .decay_rate = -0.8f};
static struct hone_adafactor_tensor tensors[TENSORS];

static void adafactor_plan(struct kernel_bench *b) {
    int64_t rows = b->shape.n / TENSORS / COLUMNS;
    for (int64_t i = 0; i < TENSORS; i++)
        tensors[i] = (struct hone_adafactor_tensor){i * rows * COLUMNS,   rows, COLUMNS,
                                                    i * (rows + COLUMNS), 1,    i % 2 ? 0.1f : 0};
    kernel_buffer(b, KERNEL_NOISE, b->shape.n);
    kernel_buffer(b, KERNEL_POSITIVE, TENSORS * (rows + COLUMNS));
    kernel_buffer(b, KERNEL_NOISE, b->shape.n);
    kernel_workspace(b, b->ops->adafactor_workspace(tensors, TENSORS));
    b->work = 7 * F4 * (double)(TENSORS * rows * COLUMNS);
}

static void adafactor_run(struct kernel_bench *b) {
    b->ops->adafactor(b->at[0], NULL, b->at[1], b->at[2], tensors, TENSORS, &adafactor, &b->step, b->at[3], b->stream);
}

static void adafactor_verify(struct kernel_bench *b) {
    double share = pow((double)b->step.step + 1, (double)adafactor.decay_rate);
    for (int i = 0; i < KERNEL_SAMPLES; i++) {
        const struct hone_adafactor_tensor *t = &tensors[kernel_sample(i, TENSORS)];
        int64_t row = kernel_sample(i, t->rows);
        double sum = 0;
        for (int64_t c = 0; c < t->cols; c++) {
            int64_t at = t->offset + row * t->cols + c;
            double g = kernel_initial(b, 2, at) * (double)b->step.clip_scale;
            sum += g * g;
            kernel_check(b, "g", at, (double)b->at[2][at], 0, 0);
        }
        double want = (1 - share) * kernel_initial(b, 1, t->state + row) + share * sum / (double)t->cols;
        kernel_check(b, "mean of a row", row, (double)b->at[1][t->state + row], want, want);
    }
}

/* average, p */
static void ema_plan(struct kernel_bench *b) {
    for (int i = 0; i < 2; i++) kernel_buffer(b, KERNEL_NOISE, b->shape.n);
    b->work = 3 * F4 * (double)b->shape.n;
}

static void ema_run(struct kernel_bench *b) { b->ops->ema(b->at[0], b->at[1], b->shape.n, 0.25f, &b->step, b->stream); }

static void ema_verify(struct kernel_bench *b) {
    for (int i = 0; i < KERNEL_SAMPLES; i++) {
        int64_t at = kernel_sample(i, b->shape.n);
        double average = kernel_initial(b, 0, at), want = average + 0.25 * (kernel_initial(b, 1, at) - average);
        kernel_check(b, "average", at, (double)b->at[0][at], want, 1);
    }
}

KERNEL_OP(clip_values, KERNEL_UPDATES, NULL);
KERNEL_OP(ema, KERNEL_UPDATES, NULL);
KERNEL_OP(sgd, KERNEL_UPDATES, NULL);
KERNEL_OP(adafactor, KERNEL_UPDATES, NULL);
