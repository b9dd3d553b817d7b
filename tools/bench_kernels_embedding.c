/* The kernels that move rows: embeddings, selecting rows, adding. Work is the bytes that must move at least. */
#include <math.h>

#include "tools/bench_kernels.h"
#include <string.h>

static const double F4 = sizeof(float);

static int64_t elements(const struct kernel_bench *b) { return b->shape.T * b->shape.C; }

/* word, position, type, y. Of the word table at most T rows are read, of the others S and 1. There is one word table, of
 * which each set reads other rows. */
static void embedding_forward_plan(struct kernel_bench *b) {
    const struct kernel_shape *s = &b->shape;
    kernel_shared_buffer(b, KERNEL_NOISE, s->V * s->C);
    kernel_buffer(b, KERNEL_NOISE, s->S * s->C);
    kernel_buffer(b, KERNEL_NOISE, 2 * s->C);
    kernel_buffer(b, KERNEL_UNSET, elements(b));
    b->work = F4 * (double)(2 * elements(b) + (s->S + 1) * s->C + 3 * s->T);
}

static void embedding_forward_run(struct kernel_bench *b) {
    float *const *at = b->at;
    b->ops->embedding_forward(at[3], at[0], b->ids, at[1], b->positions, at[2], b->types, b->shape.T, b->shape.C,
                              b->stream);
}

static void embedding_forward_verify(struct kernel_bench *b) {
    int64_t C = b->shape.C;
    for (int i = 0; i < KERNEL_SAMPLES; i++) {
        int64_t t = kernel_sample(i, b->shape.T);
        for (int64_t c = 0; c < C; c++) {
            double want = (double)b->at[0][b->ids[t] * C + c] + (double)b->at[1][b->positions[t] * C + c] +
                          (double)b->at[2][b->types[t] * C + c];
            kernel_check(b, "y", t * C + c, (double)b->at[3][t * C + c], want, 3);
        }
    }
}

/* dword, dposition, dtype, dy, workspace */
static void embedding_backward_plan(struct kernel_bench *b) {
    const struct kernel_shape *s = &b->shape;
    kernel_shared_buffer(b, KERNEL_ZERO, s->V * s->C);
    kernel_buffer(b, KERNEL_ZERO, s->S * s->C);
    kernel_buffer(b, KERNEL_ZERO, 2 * s->C);
    kernel_buffer(b, KERNEL_NOISE, elements(b));
    kernel_workspace(b, b->ops->embedding_backward_workspace(s->T, s->C));
    b->work = F4 * (double)(3 * elements(b) + 2 * (s->S + 1) * s->C + 3 * s->T);
}

static void embedding_backward_run(struct kernel_bench *b) {
    float *const *at = b->at;
    b->ops->embedding_backward(at[0], b->ids, at[1], b->positions, at[2], b->types, at[3], b->shape.T, b->shape.C,
                               at[4], b->stream);
}

/* The gradient of the row of a table that token t reads. */
static void check_table(struct kernel_bench *b, const char *what, const float *table, const int32_t *indices,
                        int64_t t) {
    int64_t C = b->shape.C;
    for (int64_t c = 0; c < C; c++) {
        double want = 0, magnitude = 0;
        for (int64_t i = 0; i < b->shape.T; i++) {
            if (indices[i] != indices[t]) continue;
            want += (double)b->at[3][i * C + c], magnitude += fabs((double)b->at[3][i * C + c]);
        }
        kernel_check(b, what, indices[t] * C + c, (double)table[indices[t] * C + c], want, magnitude);
    }
}

static void embedding_backward_verify(struct kernel_bench *b) {
    for (int i = 0; i < KERNEL_SAMPLES; i++) {
        int64_t t = kernel_sample(i, b->shape.T);
        check_table(b, "dword", b->at[0], b->ids, t);
        check_table(b, "dposition", b->at[1], b->positions, t);
    }
    check_table(b, "dtype", b->at[2], b->types, 0);
}

/* x, y */
static void gather_rows_plan(struct kernel_bench *b) {
    int64_t R = b->shape.R, C = b->shape.C;
    kernel_buffer(b, KERNEL_NOISE, elements(b));
    kernel_buffer(b, KERNEL_UNSET, R * C);
    b->work = F4 * (double)(2 * R * C + R);
}

static void gather_rows_run(struct kernel_bench *b) {
    b->ops->gather_rows(b->at[1], b->at[0], b->rows, b->shape.R, b->shape.C, HONE_F32, b->stream);
}

static void gather_rows_verify(struct kernel_bench *b) {
    int64_t C = b->shape.C;
    for (int64_t i = 0; i < b->shape.R * C; i++)
        kernel_check(b, "y", i, (double)b->at[1][i], (double)b->at[0][b->rows[i / C] * C + i % C], 0);
}

/* dx, dy */
static void scatter_rows_add_plan(struct kernel_bench *b) {
    int64_t R = b->shape.R, C = b->shape.C;
    kernel_buffer(b, KERNEL_NOISE, elements(b));
    kernel_buffer(b, KERNEL_NOISE, R * C);
    b->work = F4 * (double)(3 * R * C + R);
}

static void scatter_rows_add_run(struct kernel_bench *b) {
    b->ops->scatter_rows_add(b->at[0], b->at[1], b->rows, b->shape.R, b->shape.C, HONE_F32, b->stream);
}

static void scatter_rows_add_verify(struct kernel_bench *b) {
    int64_t C = b->shape.C;
    for (int64_t i = 0; i < b->shape.R * C; i++) {
        int64_t at = b->rows[i / C] * C + i % C;
        kernel_check(b, "dx", at, (double)b->at[0][at], kernel_initial(b, 0, at) + (double)b->at[1][i], 2);
    }
}

/* y, x */
static void add_plan(struct kernel_bench *b) {
    kernel_buffer(b, KERNEL_NOISE, elements(b));
    kernel_buffer(b, KERNEL_NOISE, elements(b));
    b->work = 3 * F4 * (double)elements(b);
}

static void add_run(struct kernel_bench *b) { b->ops->add(b->at[0], b->at[1], elements(b), HONE_F32, b->stream); }

static void add_verify(struct kernel_bench *b) {
    for (int64_t at = 0; at < elements(b); at++)
        kernel_check(b, "y", at, (double)b->at[0][at], kernel_initial(b, 0, at) + (double)b->at[1][at], 2);
}

/* x, y in bf16 */
static void cast_plan(struct kernel_bench *b) {
    kernel_buffer(b, KERNEL_NOISE, elements(b));
    kernel_buffer(b, KERNEL_UNSET, (elements(b) + 1) / 2);
    b->work = 1.5 * F4 * (double)elements(b);
}

static void cast_run(struct kernel_bench *b) { b->ops->cast(b->at[1], b->at[0], elements(b), HONE_BF16, b->stream); }

static void cast_verify(struct kernel_bench *b) {
    const uint16_t *y = (const void *)b->at[1];
    for (int64_t at = 0; at < elements(b); at++) {
        uint32_t bits = (uint32_t)y[at] << 16;
        float got;
        memcpy(&got, &bits, sizeof got);
        /* Half a unit of bf16, 2^-8 of the value at most, where kernel_check allows 1e-5. */
        kernel_check(b, "y", at, (double)got, (double)b->at[0][at], fabs((double)b->at[0][at]) * (1e5 / 256));
    }
}

KERNEL_OP(embedding_forward, KERNEL_COPIES, NULL);
KERNEL_OP(embedding_backward, KERNEL_UPDATES, NULL);
KERNEL_OP(gather_rows, KERNEL_COPIES, NULL);
KERNEL_OP(scatter_rows_add, KERNEL_UPDATES, NULL);
KERNEL_OP(add, KERNEL_UPDATES, NULL);
KERNEL_OP(cast, KERNEL_COPIES, NULL);
