/* LayerNorm of x + dropout(r). Statistics in two passes over the row, which lies in the first-level cache. The
 * gradients of gamma and beta are summed over 32 tokens at a time into the workspace and those sums in order. */
#include "base/arith.h"
#include "kernels/cpu/cpu.h"
#include "kernels/cpu/dropout.h"
#include "kernels/cpu/values.h"

enum { TOKENS = 32, COLUMNS = 128 };

/* z = x + dropout(r) over one row. factors (NULL or [C rounded up to 128]) keeps dropout's factors. */
HONE_INLINE void residual_row(float *z, float *factors, const float *x, const void *r, const struct hone_dropout *drop,
                              int64_t key, int64_t C, enum hone_dtype dtype) {
    float block[HONE_DROPOUT_BLOCK];
    for (int64_t from = 0; from < C; from += HONE_DROPOUT_BLOCK) {
        float *f = factors ? factors + from : block;
        if (drop) dropout_row_factors(f, drop, key, from);
        int64_t end = hone_min_i64(C - from, HONE_DROPOUT_BLOCK);
        for (int64_t c = 0; c < end; c += HONE_LANES) {
            int64_t n = hone_min_i64(end - c, HONE_LANES);
            hone_vec branch = vec_read(r, from + c, n, dtype);
            if (drop) branch *= vec_load(f + c);
            vec_store_n(z + from + c, vec_load_n(x + from + c, n) + branch, n);
        }
    }
}

HONE_CLONES static void forward_row(float *y, float *mean, float *rstd, const float *x, const void *r,
                                    const float *gamma, const float *beta, float eps, const struct hone_dropout *drop,
                                    int64_t key, int64_t C, enum hone_dtype dtype) {
    const float *z = x;
    if (r) {
        HONE_BY_DTYPE(dtype, residual_row, y, NULL, x, r, drop, key, C);
        z = y;
    }
    hone_vec sum = {0}, squares = {0};
    for (int64_t c = 0; c < C; c += HONE_LANES) sum += vec_load_n(z + c, C - c);
    float mu = vec_sum(sum) / (float)C;
    for (int64_t c = 0; c < C; c += HONE_LANES) {
        hone_vec d = vec_load_n(z + c, C - c) - mu;
        if (C - c < HONE_LANES) d = vec_and(d, vec_first(C - c));
        squares += d * d;
    }
    float scale = 1.0f / sqrtf(vec_sum(squares) / (float)C + eps);
    for (int64_t c = 0; c < C; c += HONE_LANES) {
        hone_vec d = (vec_load_n(z + c, C - c) - mu) * scale;
        vec_store_n(y + c, d * vec_load_n(gamma + c, C - c) + vec_load_n(beta + c, C - c), C - c);
    }
    *mean = mu;
    *rstd = scale;
}

void hone_cpu_residual_layer_norm_forward(float *y, float *mean, float *rstd, const float *x, const void *r,
                                          const float *gamma, const float *beta, float eps,
                                          const struct hone_dropout *drop, int64_t T, int64_t C, enum hone_dtype dtype,
                                          struct hone_stream *s) {
    (void)s;
    hone_cpu_check_dtype("residual_layer_norm_forward", dtype);
    if (!r) drop = NULL;
#pragma omp parallel for schedule(static) if (T * C > HONE_CPU_PARALLEL)
    for (int64_t t = 0; t < T; t++)
        forward_row(y + t * C, mean + t, rstd + t, x + t * C, r ? value_at(r, t * C, dtype) : NULL, gamma, beta, eps,
                    drop, drop ? dropout_row_key(drop, t) : 0, C, dtype);
}

struct backward {
    float *dx, *partial;
    void *dr;
    const float *dy, *x, *mean, *rstd, *gamma;
    const void *r;
    bool accumulate;
    const struct hone_dropout *drop;
    int64_t T, C, columns; /* C rounded up to 128 */
};

/* TOKENS rows from `first` on; their sums for dgamma and dbeta go to partial[0 … 2 columns). Behind those lie two
 * scratch rows: the normalised row and dropout's factors. */
HONE_INLINE void backward_range(const struct backward *b, int64_t first, enum hone_dtype dtype) {
    int64_t C = b->C, end = hone_min_i64(b->T, first + TOKENS);
    float *dgamma = b->partial + first / TOKENS * 4 * b->columns, *dbeta = dgamma + b->columns;
    float *xhat = dbeta + b->columns, *factors = xhat + b->columns;
    memset(dgamma, 0, (size_t)(2 * b->columns) * sizeof(float));
    for (int64_t t = first; t < end; t++) {
        const float *dy = b->dy + t * C, *z = b->x + t * C;
        if (b->r) {
            int64_t key = b->drop ? dropout_row_key(b->drop, t) : 0;
            residual_row(xhat, factors, z, value_at(b->r, t * C, dtype), b->drop, key, C, dtype);
            z = xhat;
        }
        hone_vec sum = {0}, sum_xhat = {0};
        for (int64_t c = 0; c < C; c += HONE_LANES) {
            int64_t n = C - c; /* lanes past the row have dy = 0 */
            hone_vec h = (vec_load_n(z + c, n) - b->mean[t]) * b->rstd[t], d = vec_load_n(dy + c, n);
            hone_vec dh = d * vec_load_n(b->gamma + c, n);
            sum += dh;
            sum_xhat += dh * h;
            vec_store(xhat + c, h);
            vec_store(dgamma + c, vec_load(dgamma + c) + d * h);
            vec_store(dbeta + c, vec_load(dbeta + c) + d);
        }
        float m = vec_sum(sum) / (float)C, m_xhat = vec_sum(sum_xhat) / (float)C;
        for (int64_t c = 0; c < C; c += HONE_LANES) {
            int64_t n = C - c;
            hone_vec dh = vec_load_n(dy + c, n) * vec_load_n(b->gamma + c, n);
            hone_vec dz = (dh - m - vec_load(xhat + c) * m_xhat) * b->rstd[t];
            float *dx = b->dx + t * C + c;
            vec_store_n(dx, b->accumulate ? vec_load_n(dx, n) + dz : dz, n);
            if (b->dr) vec_write(b->dr, t * C + c, b->drop ? dz * vec_load(factors + c) : dz, n, dtype);
        }
    }
}

HONE_CLONES static void backward_rows(const struct backward *b, int64_t first, enum hone_dtype dtype) {
    HONE_BY_DTYPE(dtype, backward_range, b, first);
}

/* Adds the sums of all blocks to columns [from, from + COLUMNS) of dgamma and dbeta. */
HONE_CLONES static void backward_parameters(float *dgamma, float *dbeta, const struct backward *b, int64_t from) {
    int64_t end = hone_min_i64(b->C, from + COLUMNS), blocks = (b->T + TOKENS - 1) / TOKENS;
    for (int64_t c = from; c < end; c += HONE_LANES) {
        hone_vec sum_gamma = {0}, sum_beta = {0};
        for (int64_t i = 0; i < blocks; i++) {
            const float *partial = b->partial + i * 4 * b->columns + c;
            sum_gamma += vec_load(partial);
            sum_beta += vec_load(partial + b->columns);
        }
        if (dgamma) vec_store_n(dgamma + c, vec_load_n(dgamma + c, end - c) + sum_gamma, end - c);
        if (dbeta) vec_store_n(dbeta + c, vec_load_n(dbeta + c, end - c) + sum_beta, end - c);
    }
}

void hone_cpu_residual_layer_norm_backward(float *dx, void *dr, float *dgamma, float *dbeta, const float *dy,
                                           const float *x, const void *r, const float *mean, const float *rstd,
                                           const float *gamma, bool accumulate, const struct hone_dropout *drop,
                                           int64_t T, int64_t C, enum hone_dtype dtype, void *workspace,
                                           struct hone_stream *s) {
    (void)s;
    hone_cpu_check_dtype("residual_layer_norm_backward", dtype);
    struct backward b = {.dx = dx,
                         .dr = dr,
                         .partial = workspace,
                         .dy = dy,
                         .x = x,
                         .r = r,
                         .mean = mean,
                         .rstd = rstd,
                         .gamma = gamma,
                         .accumulate = accumulate,
                         .drop = r ? drop : NULL,
                         .T = T,
                         .C = C,
                         .columns = hone_round_up(C, HONE_DROPOUT_BLOCK)};
#pragma omp parallel for schedule(static) if (T * C > HONE_CPU_PARALLEL)
    for (int64_t t = 0; t < T; t += TOKENS) backward_rows(&b, t, dtype);
#pragma omp parallel for schedule(static) if (T * C > HONE_CPU_PARALLEL * TOKENS)
    for (int64_t c = 0; c < C; c += COLUMNS) backward_parameters(dgamma, dbeta, &b, c);
}

size_t hone_cpu_residual_layer_norm_backward_workspace(int64_t T, int64_t C) {
    int64_t blocks = (T + TOKENS - 1) / TOKENS;
    return (size_t)(blocks * 4 * hone_round_up(C, HONE_DROPOUT_BLOCK)) * sizeof(float);
}
