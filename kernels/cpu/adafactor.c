/* Adafactor, one tensor after the other, each in passes over blocks of its rows (a vector is one row, its blocks are
 * stretches of it): squares and their means, the size of the update, the update. Threads share out the blocks; where a
 * block begins depends on the tensor's shape alone. */
#include "base/arith.h"
#include "kernels/cpu/cpu.h"
#include "kernels/cpu/vector.h"

enum { BLOCK = 16384, LEAST_ROWS = 16, COLUMNS = 64 };

/* A tensor at work. */
struct work {
    float *p, *m, *g;              /* its own parts of the flat buffers */
    float *rows, *cols;            /* means of squares; a vector's squares lie in cols and rows is NULL */
    float *factors;                /* [cols]: 1 / sqrt(c) */
    float *partial;                /* [blocks, cols]: sums of squares over a block's rows */
    double *updates, *weights;     /* [blocks]: sums of squares of the unscaled update and of p */
    int64_t n_rows, n_cols, block; /* rows of a block; elements of a vector's */
    float beta1, beta2, share;     /* share: 1 - beta2 */
    float epsilon, clip;
    double row_mean;   /* of r */
    float rate, decay; /* what u and p are multiplied by in the end */
};

static int64_t block_of(const struct hone_adafactor_tensor *t) {
    return t->rows ? hone_max_i64(LEAST_ROWS, BLOCK / t->cols) : BLOCK;
}

static int64_t blocks_of(const struct hone_adafactor_tensor *t) {
    int64_t block = block_of(t);
    return ((t->rows ? t->rows : t->cols) + block - 1) / block;
}

HONE_INLINE hone_vec clipped(const struct work *w, int64_t at, int64_t n) { return vec_load_n(w->g + at, n) * w->clip; }

/* Means of a block's rows, sums over them for each column, squares of p. */
HONE_CLONES static void square_rows(const struct work *w, int64_t b) {
    int64_t C = w->n_cols, end = hone_min_i64(w->n_rows, (b + 1) * w->block);
    float *partial = w->partial + b * C;
    double weights = 0;
    memset(partial, 0, (size_t)C * sizeof(float));
    for (int64_t r = b * w->block; r < end; r++) {
        hone_vec sum = {0}, of_p = {0};
        for (int64_t c = 0; c < C; c += HONE_LANES) {
            hone_vec g = clipped(w, r * C + c, C - c), p = vec_load_n(w->p + r * C + c, C - c);
            sum += g * g;
            of_p += p * p;
            vec_store_n(partial + c, vec_load_n(partial + c, C - c) + g * g, C - c);
        }
        w->rows[r] = w->beta2 * w->rows[r] + w->share * (vec_sum(sum) / (float)C + w->epsilon);
        weights += (double)vec_sum(of_p);
    }
    w->weights[b] = weights;
}

static void square_columns(const struct work *w, int64_t from, int64_t blocks) {
    double sums[COLUMNS] = {0};
    int64_t n = hone_min_i64(COLUMNS, w->n_cols - from);
    for (int64_t b = 0; b < blocks; b++)
        for (int64_t c = 0; c < n; c++) sums[c] += (double)w->partial[b * w->n_cols + from + c];
    for (int64_t c = 0; c < n; c++) {
        float *mean = &w->cols[from + c];
        *mean = w->beta2 * *mean + w->share * ((float)(sums[c] / (double)w->n_rows) + w->epsilon);
        w->factors[from + c] = 1.0f / sqrtf(*mean);
    }
}

HONE_INLINE float row_factor(const struct work *w, int64_t r) { return (float)sqrt(w->row_mean / (double)w->rows[r]); }

HONE_CLONES static void measure_rows(const struct work *w, int64_t b) {
    int64_t C = w->n_cols, end = hone_min_i64(w->n_rows, (b + 1) * w->block);
    double updates = 0;
    for (int64_t r = b * w->block; r < end; r++) {
        float factor = row_factor(w, r);
        hone_vec sum = {0};
        for (int64_t c = 0; c < C; c += HONE_LANES) {
            hone_vec u = clipped(w, r * C + c, C - c) * factor * vec_load_n(w->factors + c, C - c);
            sum += u * u;
        }
        updates += (double)vec_sum(sum);
    }
    w->updates[b] = updates;
}

/* Element `at` on takes the update u, not yet scaled. */
HONE_INLINE void move(const struct work *w, int64_t at, hone_vec u, int64_t n) {
    u *= w->rate;
    if (w->m) {
        u = w->beta1 * vec_load_n(w->m + at, n) + (1.0f - w->beta1) * u;
        vec_store_n(w->m + at, u, n);
    }
    hone_vec p = vec_load_n(w->p + at, n);
    vec_store_n(w->p + at, p - w->decay * p - u, n);
    vec_store_n(w->g + at, (hone_vec){0}, n);
}

HONE_CLONES static void move_rows(const struct work *w, int64_t b) {
    int64_t C = w->n_cols, end = hone_min_i64(w->n_rows, (b + 1) * w->block);
    for (int64_t r = b * w->block; r < end; r++) {
        float factor = row_factor(w, r);
        for (int64_t c = 0; c < C; c += HONE_LANES) {
            int64_t at = r * C + c, n = C - c;
            move(w, at, clipped(w, at, n) * factor * vec_load_n(w->factors + c, n), n);
        }
    }
}

HONE_INLINE hone_vec roots(hone_vec v) {
    for (int i = 0; i < HONE_LANES; i++) v[i] = sqrtf(v[i]);
    return v;
}

HONE_INLINE int64_t stretch_end(const struct work *w, int64_t b) { return hone_min_i64(w->n_cols, (b + 1) * w->block); }

HONE_CLONES static void square_vector(const struct work *w, int64_t b) {
    double updates = 0, weights = 0;
    for (int64_t i = b * w->block, end = stretch_end(w, b); i < end; i += HONE_LANES) {
        hone_vec g = clipped(w, i, end - i), p = vec_load_n(w->p + i, end - i);
        hone_vec v = w->beta2 * vec_load_n(w->cols + i, end - i) + w->share * (g * g + w->epsilon);
        vec_store_n(w->cols + i, v, end - i);
        hone_vec u = g / roots(v);
        updates += (double)vec_sum(u * u);
        weights += (double)vec_sum(p * p);
    }
    w->updates[b] = updates;
    w->weights[b] = weights;
}

HONE_CLONES static void move_vector(const struct work *w, int64_t b) {
    for (int64_t i = b * w->block, end = stretch_end(w, b); i < end; i += HONE_LANES) {
        hone_vec v = vec_load_n(w->cols + i, end - i);
        /* Lanes past the end hold 0 / 0, which is not stored. */
        move(w, i, clipped(w, i, end - i) / roots(v), end - i);
    }
}

static void each_block(void (*visit)(const struct work *w, int64_t b), const struct work *w, int64_t blocks) {
#pragma omp parallel for schedule(static) if (blocks > 1)
    for (int64_t b = 0; b < blocks; b++) visit(w, b);
}

static void square_matrix(struct work *w, int64_t blocks) {
    each_block(square_rows, w, blocks);
#pragma omp parallel for schedule(static) if (blocks > 1)
    for (int64_t c = 0; c < w->n_cols; c += COLUMNS) square_columns(w, c, blocks);
    double sum = 0;
    for (int64_t r = 0; r < w->n_rows; r++) sum += (double)w->rows[r];
    w->row_mean = sum / (double)w->n_rows;
    each_block(measure_rows, w, blocks);
}

static double root_mean_square(const double *sums, int64_t blocks, int64_t n) {
    double sum = 0;
    for (int64_t b = 0; b < blocks; b++) sum += sums[b];
    return sqrt(sum / (double)n);
}

static void update_tensor(struct work *w, const struct hone_adafactor_tensor *t, const struct hone_adafactor *settings,
                          const struct hone_step *step) {
    int64_t blocks = blocks_of(t), n = (t->rows ? t->rows : 1) * t->cols;
    if (t->rows) {
        square_matrix(w, blocks);
    } else {
        each_block(square_vector, w, blocks);
    }
    double rate = (double)step->learning_rate * (double)t->learning_rate_scale;
    if (settings->scale_parameter) {
        double size = root_mean_square(w->weights, blocks, n);
        rate *= size > (double)settings->scale_epsilon ? size : (double)settings->scale_epsilon;
    }
    double excess = root_mean_square(w->updates, blocks, n) / (double)settings->clip_threshold;
    w->decay = (float)(rate * (double)t->weight_decay);
    w->rate = (float)(rate / (excess > 1 ? excess : 1));
    each_block(t->rows ? move_rows : move_vector, w, blocks);
}

/* Doubles for two sums a block, then floats for the partial sums and the factors. */
static size_t tensor_workspace(const struct hone_adafactor_tensor *t) {
    int64_t blocks = blocks_of(t);
    size_t floats = t->rows ? (size_t)((blocks + 1) * t->cols) : 0;
    return (size_t)blocks * 2 * sizeof(double) + floats * sizeof(float);
}

void hone_cpu_adafactor(float *p, float *m, float *state, float *g, const struct hone_adafactor_tensor *tensors,
                        int64_t n_tensors, const struct hone_adafactor *settings, const struct hone_step *step,
                        void *workspace, struct hone_stream *s) {
    (void)s;
    double share = pow((double)step->step + 1, (double)settings->decay_rate);
    for (int64_t i = 0; i < n_tensors; i++) {
        const struct hone_adafactor_tensor *t = &tensors[i];
        int64_t blocks = blocks_of(t);
        if (!step->finite) {
            memset(g + t->offset, 0, (size_t)((t->rows ? t->rows : 1) * t->cols) * sizeof(float));
            continue;
        }
        struct work w = {.p = p + t->offset,
                         .m = settings->beta1 > 0 ? m + t->offset : NULL,
                         .g = g + t->offset,
                         .rows = t->rows ? state + t->state : NULL,
                         .cols = state + t->state + t->rows,
                         .updates = workspace,
                         .weights = (double *)workspace + blocks,
                         .partial = (void *)((double *)workspace + 2 * blocks),
                         .n_rows = t->rows,
                         .n_cols = t->cols,
                         .block = block_of(t),
                         .beta1 = settings->beta1,
                         .beta2 = (float)(1 - share),
                         .share = (float)share,
                         .epsilon = settings->epsilon,
                         .clip = step->clip_scale};
        if (t->rows) w.factors = w.partial + blocks * t->cols;
        update_tensor(&w, t, settings, step);
    }
}

size_t hone_cpu_adafactor_workspace(const struct hone_adafactor_tensor *tensors, int64_t n_tensors) {
    size_t most = 0;
    for (int64_t i = 0; i < n_tensors; i++) {
        size_t bytes = tensor_workspace(&tensors[i]);
        if (bytes > most) most = bytes;
    }
    return most;
}
