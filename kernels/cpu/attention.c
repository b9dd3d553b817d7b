/* Attention of one (sequence, head) at a time; each owns its rows and columns of every result, so threads share
 * nothing and their number changes nothing. Within one, up to 48 query rows (a panel) meet all keys: scores stay in
 * scratch memory that fits the second-level cache, dropout is recomputed, and the five small matrix products go
 * through one routine. A row's sums go over keys in order whatever the panel holds, so pruning rows away does not
 * change the bits of those that stay. */
#include <omp.h>

#include "base/arith.h"
#include "kernels/cpu/cpu.h"
#include "kernels/cpu/dropout.h"
#include "kernels/cpu/tile.h"
#include "kernels/cpu/values.h"

enum { PANEL = 48 };

struct call {
    const struct hone_attention *a;
    const struct hone_dropout *drop;
    enum hone_dtype dtype;
    bool wide; /* registers of sixteen floats */
    const void *q, *k, *v;
    int64_t q_stride, k_stride, v_stride;
    void *out; /* forward */
    float *lse;
    const void *dout; /* backward */
    const float *lse_of_forward;
    void *dq, *dk, *dv;
    float *scratch;
    size_t scratch_per_thread; /* floats */
};

/* One (sequence, head) and its scratch memory. */
struct unit {
    int64_t head, first_query, queries, first_key, keys; /* rows of the batch */
    int64_t S, D;                                        /* keys and head size rounded up to whole tiles */
    float *kt, *vt;                                      /* [D, S] transposed */
    float *k, *v;                                        /* [keys, D] */
    float *dk, *dv;                                      /* [keys, D] */
    float *q, *dout, *o;                                 /* [PANEL, D] */
    float *p, *ds, *factors;                             /* [PANEL, S], factors with half a block more */
};

/* Some query rows of a unit. */
struct panel {
    int64_t first, rows; /* rows of the batch */
    int64_t keys, width; /* keys that any of the rows sees, and rounded up: the row length of p, ds, factors */
    int64_t visible[PANEL];
};

static size_t scratch_floats(int64_t keys, int64_t head_size) {
    size_t S = (size_t)hone_round_up(hone_max_i64(keys, 1), HONE_TILE_COLS),
           D = (size_t)hone_round_up(head_size, HONE_TILE_COLS);
    return 6 * S * D + 3 * PANEL * D + 3 * PANEL * S + HONE_DROPOUT_BLOCK / 2;
}

static struct unit unit_open(const struct call *c, int64_t i) {
    const struct hone_attention *a = c->a;
    int64_t b = i / a->H;
    struct unit u = {.head = i % a->H,
                     .first_query = a->cu_q[b],
                     .queries = a->cu_q[b + 1] - a->cu_q[b],
                     .first_key = a->cu_k[b],
                     .keys = a->cu_k[b + 1] - a->cu_k[b],
                     .D = hone_round_up(a->D, HONE_TILE_COLS)};
    HONE_CHECK(u.keys <= a->max_len, "sequence %lld has %lld keys, max_len is %lld", (long long)b, (long long)u.keys,
               (long long)a->max_len);
    u.S = hone_round_up(hone_max_i64(u.keys, 1), HONE_TILE_COLS);
    float *next = c->scratch + (size_t)omp_get_thread_num() * c->scratch_per_thread;
    float **matrices[] = {&u.kt, &u.vt, &u.k, &u.v, &u.dk, &u.dv, &u.q, &u.dout, &u.o, &u.p, &u.ds, &u.factors};
    for (int m = 0; m < 12; m++) {
        *matrices[m] = next;
        next += m < 6 ? u.S * u.D : m < 9 ? PANEL * u.D : PANEL * u.S;
    }
    return u;
}

HONE_INLINE struct panel panel_open(const struct call *c, const struct unit *u, int64_t first) {
    struct panel p = {.first = first, .rows = hone_min_i64(PANEL, u->first_query + u->queries - first)};
    for (int64_t i = 0; i < p.rows; i++) {
        int64_t row = first + i, token = c->a->row_of_q ? c->a->row_of_q[row] : row;
        p.visible[i] = c->a->causal ? hone_min_i64(token - u->first_key + 1, u->keys) : u->keys;
        p.keys = hone_max_i64(p.keys, p.visible[i]);
    }
    p.width = hone_round_up(p.keys, HONE_TILE_COLS);
    return p;
}

/* Calls the n columns behind those of a row into the cache: the next head's, which the thread takes next. A head's rows lie
 * too far apart for the hardware to foresee them. */
HONE_INLINE void prefetch_next_head(const void *from, int64_t at, int64_t n, enum hone_dtype dtype) {
    for (int64_t d = 0; d < n; d += 16) __builtin_prefetch(value_at(from, at + n + d, dtype)); /* a line of f32 */
}

/* to[rows, D] = scale * from; columns from n on are 0. */
HONE_INLINE void pack(float *to, int64_t D, const void *from, int64_t stride, int64_t rows, int64_t n, float scale,
                      enum hone_dtype dtype) {
    for (int64_t i = 0; i < rows; i++) {
        prefetch_next_head(from, i * stride, n, dtype);
        for (int64_t d = 0; d < D; d += HONE_LANES)
            vec_store(to + i * D + d, d < n ? vec_read(from, i * stride + d, n - d, dtype) * scale : (hone_vec){0});
    }
}

HONE_INLINE void unpack(void *to, int64_t stride, const float *from, int64_t D, int64_t rows, int64_t n, float scale,
                        enum hone_dtype dtype) {
    for (int64_t i = 0; i < rows; i++)
        for (int64_t d = 0; d < n; d += HONE_LANES)
            vec_write(to, i * stride + d, vec_load(from + i * D + d) * scale, n - d, dtype);
}

/* to[n, S] = from[rows, n]^T; columns from rows on are 0. */
HONE_INLINE void pack_transposed(float *to, int64_t S, const void *from, int64_t stride, int64_t rows, int64_t n,
                                 enum hone_dtype dtype) {
    for (int64_t i = 0; i < S; i += HONE_LANES) {
        int64_t seen = hone_min_i64(rows - i, HONE_LANES);
        for (int64_t j = 0; j < seen; j++) prefetch_next_head(from, (i + j) * stride, n, dtype);
        for (int64_t d = 0; d < n; d += HONE_LANES) {
            hone_vec square[HONE_LANES] = {0};
            for (int64_t j = 0; j < seen; j++) square[j] = vec_read(from, (i + j) * stride + d, n - d, dtype);
            vec_transpose(square);
            for (int64_t j = 0; j < hone_min_i64(n - d, HONE_LANES); j++) vec_store(to + (d + j) * S + i, square[j]);
        }
    }
}

/* c[M, N] (+)= a b for a[i, k] = a[i * a_row + k * a_col], b[K, N], N a multiple of 16. */
HONE_INLINE void multiply(float *c, const float *a, int64_t a_row, int64_t a_col, const float *b, int64_t M, int64_t N,
                          int64_t K, int64_t b_row, bool accumulate, bool wide) {
    struct hone_tile t = {.c_row = N, .a_row = a_row, .a_col = a_col, .b_row = b_row, .add_row = N, .K = K};
    for (int64_t i = 0; i < M; i += HONE_TILE_ROWS) {
        t.rows = hone_min_i64(HONE_TILE_ROWS, M - i);
        t.a = a + i * a_row;
        for (int64_t n = 0, cols; n < N; n += cols) {
            cols = wide && N - n >= 2 * HONE_TILE_COLS ? 2 * HONE_TILE_COLS : HONE_TILE_COLS;
            t.b = b + n, t.c = c + i * N + n;
            t.add = accumulate ? t.c : NULL;
            if (cols > HONE_TILE_COLS)
                hone_tile_of_32(&t);
            else if (wide)
                hone_tile_of_16(&t);
            else
                hone_tile_of_8(&t);
        }
    }
}

/* A row of at least eight counters, as many at a time; the last ones may reach into the row behind, which comes next. */
HONE_INLINE void row_factors(float *factors, const struct hone_dropout *drop, int64_t key, uint64_t first,
                             int64_t counters) {
    const hone_u64vec zero = {0}, lane = {0, 1, 2, 3, 4, 5, 6, 7};
    hone_u64vec low = zero + ((uint64_t)key & 0xffffffff), high = zero + ((uint64_t)key >> 32);
    for (int64_t c = 0; c < counters; c += 8)
        dropout_factors(factors + c * HONE_DROPOUT_FIELDS, drop, lane + (first + (uint64_t)c), low, high);
}

/* factors[rows, width] of dropout: element head * 2^20 + key position of the row of each query. */
HONE_INLINE void panel_factors(float *factors, const struct call *c, const struct unit *u, const struct panel *p) {
    int64_t counters = p->width / HONE_DROPOUT_FIELDS, row = 0, column = 0;
    uint64_t first = (uint64_t)u->head * (1 << 20) / HONE_DROPOUT_FIELDS;
    if (counters >= 8) {
        for (int64_t i = 0; i < p->rows; i++)
            row_factors(factors + i * p->width, c->drop, dropout_row_key(c->drop, p->first + i), first, counters);
        return;
    }
    uint64_t key = (uint64_t)dropout_row_key(c->drop, p->first);
    for (int64_t i = 0; i < p->rows * counters; i += 8) {
        hone_u64vec c0, low, high;
        for (int lane = 0; lane < 8; lane++) {
            c0[lane] = first + (uint64_t)column, low[lane] = key & 0xffffffff, high[lane] = key >> 32;
            if (++column < counters) continue;
            column = 0;
            if (++row < p->rows) key = (uint64_t)dropout_row_key(c->drop, p->first + row);
        }
        dropout_factors(factors + i * HONE_DROPOUT_FIELDS, c->drop, c0, low, high);
    }
}

/* scores to exp(score - largest), times dropout's factors; returns the sum without them, and the largest. */
HONE_INLINE float softmax_row(float *largest, float *p, const float *factors, int64_t visible, int64_t width) {
    hone_vec top = vec_set(-INFINITY), sum = {0};
    for (int64_t j = 0; j < width; j += HONE_LANES) {
        hone_vec x = vec_select(vec_first(visible - j), vec_load(p + j), vec_set(-INFINITY));
        vec_store(p + j, x);
        top = vec_max(top, x);
    }
    *largest = vec_maximum(top);
    for (int64_t j = 0; j < width; j += HONE_LANES) {
        hone_vec e = vec_exp(vec_load(p + j) - *largest);
        sum += e;
        vec_store(p + j, factors ? e * vec_load(factors + j) : e);
    }
    return vec_sum(sum);
}

HONE_INLINE void forward_of(const struct call *c, const struct unit *u, enum hone_dtype dtype) {
    int64_t D = c->a->D, H = c->a->H, column = u->head * D;
    if (u->queries == 0) return;
    pack_transposed(u->kt, u->S, value_at(c->k, u->first_key * c->k_stride + column, dtype), c->k_stride, u->keys, D,
                    dtype);
    pack(u->v, u->D, value_at(c->v, u->first_key * c->v_stride + column, dtype), c->v_stride, u->keys, D, 1.0f, dtype);
    for (int64_t first = u->first_query; first < u->first_query + u->queries; first += PANEL) {
        struct panel p = panel_open(c, u, first);
        pack(u->q, u->D, value_at(c->q, first * c->q_stride + column, dtype), c->q_stride, p.rows, D, c->a->scale,
             dtype);
        if (c->drop) panel_factors(u->factors, c, u, &p);
        multiply(u->p, u->q, u->D, 1, u->kt, p.rows, p.width, D, u->S, false, c->wide);
        float largest[PANEL], sums[PANEL] = {0}, logs[PANEL];
        for (int64_t i = 0; i < p.rows; i++)
            sums[i] = softmax_row(&largest[i], u->p + i * p.width, c->drop ? u->factors + i * p.width : NULL,
                                  p.visible[i], p.width);
        for (int64_t i = 0; i < p.rows; i += HONE_LANES) vec_store(logs + i, vec_log(vec_load(sums + i)));
        for (int64_t i = 0; i < p.rows; i++) c->lse[(first + i) * H + u->head] = largest[i] + logs[i];
        multiply(u->o, u->p, p.width, 1, u->v, p.rows, u->D, p.keys, u->D, false, c->wide);
        for (int64_t i = 0; i < p.rows; i++) /* no keys: the row is 0 */
            unpack(value_to(c->out, (first + i) * H * D + column, dtype), H * D, u->o + i * u->D, u->D, 1, D,
                   sums[i] > 0.0f ? 1.0f / sums[i] : 0.0f, dtype);
    }
}

HONE_CLONES static void forward_unit(const struct call *c, const struct unit *u) {
    HONE_BY_DTYPE(c->dtype, forward_of, c, u);
}

/* p holds scores and ds the gradients of the dropped probabilities; p becomes the dropped probabilities and ds the
 * gradients of the scores. Their mean is taken from the row itself rather than from out and dout: those may be rounded. */
HONE_INLINE void softmax_row_backward(float *p, float *ds, const float *factors, float lse, int64_t visible,
                                      int64_t width) {
    hone_vec sum = {0};
    for (int64_t j = 0; j < width; j += HONE_LANES) {
        hone_ivec seen = vec_first(visible - j);
        hone_vec probability = vec_and(vec_exp(vec_load(p + j) - lse), seen), gradient = vec_load(ds + j);
        if (factors) gradient *= vec_load(factors + j);
        sum += probability * gradient;
        vec_store(p + j, probability);
        vec_store(ds + j, gradient);
    }
    float mean = vec_sum(sum);
    for (int64_t j = 0; j < width; j += HONE_LANES) {
        hone_vec probability = vec_load(p + j);
        vec_store(ds + j, probability * (vec_load(ds + j) - mean));
        if (factors) vec_store(p + j, probability * vec_load(factors + j));
    }
}

HONE_INLINE void backward_of(const struct call *c, const struct unit *u, enum hone_dtype dtype) {
    int64_t D = c->a->D, H = c->a->H, column = u->head * D;
    const void *k = value_at(c->k, u->first_key * c->k_stride + column, dtype);
    const void *v = value_at(c->v, u->first_key * c->v_stride + column, dtype);
    memset(u->dk, 0, (size_t)(u->keys * u->D) * sizeof(float));
    memset(u->dv, 0, (size_t)(u->keys * u->D) * sizeof(float));
    if (u->queries > 0) {
        pack_transposed(u->kt, u->S, k, c->k_stride, u->keys, D, dtype);
        pack_transposed(u->vt, u->S, v, c->v_stride, u->keys, D, dtype);
        pack(u->k, u->D, k, c->k_stride, u->keys, D, 1.0f, dtype);
    }
    for (int64_t first = u->first_query; first < u->first_query + u->queries; first += PANEL) {
        struct panel p = panel_open(c, u, first);
        const void *dout = value_at(c->dout, first * H * D + column, dtype);
        pack(u->q, u->D, value_at(c->q, first * c->q_stride + column, dtype), c->q_stride, p.rows, D, c->a->scale,
             dtype);
        pack(u->dout, u->D, dout, H * D, p.rows, D, 1.0f, dtype);
        if (c->drop) panel_factors(u->factors, c, u, &p);
        multiply(u->p, u->q, u->D, 1, u->kt, p.rows, p.width, D, u->S, false, c->wide);
        multiply(u->ds, u->dout, u->D, 1, u->vt, p.rows, p.width, D, u->S, false, c->wide);
        for (int64_t i = 0; i < p.rows; i++) {
            softmax_row_backward(u->p + i * p.width, u->ds + i * p.width, c->drop ? u->factors + i * p.width : NULL,
                                 c->lse_of_forward[(first + i) * H + u->head], p.visible[i], p.width);
        }
        multiply(u->o, u->ds, p.width, 1, u->k, p.rows, u->D, p.keys, u->D, false, c->wide);
        unpack(value_to(c->dq, first * c->q_stride + column, dtype), c->q_stride, u->o, u->D, p.rows, D, c->a->scale,
               dtype);
        multiply(u->dk, u->ds, 1, p.width, u->q, p.keys, u->D, p.rows, u->D, true, c->wide);
        multiply(u->dv, u->p, 1, p.width, u->dout, p.keys, u->D, p.rows, u->D, true, c->wide);
    }
    unpack(value_to(c->dk, u->first_key * c->k_stride + column, dtype), c->k_stride, u->dk, u->D, u->keys, D, 1.0f,
           dtype);
    unpack(value_to(c->dv, u->first_key * c->v_stride + column, dtype), c->v_stride, u->dv, u->D, u->keys, D, 1.0f,
           dtype);
}

HONE_CLONES static void backward_unit(const struct call *c, const struct unit *u) {
    HONE_BY_DTYPE(c->dtype, backward_of, c, u);
}

static void run_units(const struct call *c, void (*run)(const struct call *c, const struct unit *u)) {
    /* Heads of a sequence stay together where there is enough for all threads: their rows lie side by side. */
    int64_t units = c->a->B * c->a->H, shares = 8 * (int64_t)omp_get_max_threads();
    /* NOLINTNEXTLINE(clang-analyzer-deadcode.DeadStores): the loop's schedule reads it. */
    int64_t chunk = hone_max_i64(hone_min_i64(units / shares, c->a->H), 1);
#pragma omp parallel for schedule(dynamic, chunk) if (c->a->T * c->a->H * c->a->D > HONE_CPU_PARALLEL)
    for (int64_t i = 0; i < units; i++) {
        struct unit u = unit_open(c, i);
        run(c, &u);
    }
}

void hone_cpu_attention_forward(void *out, float *lse, const void *q, int64_t q_stride, const void *k, int64_t k_stride,
                                const void *v, int64_t v_stride, const struct hone_attention *a,
                                const struct hone_dropout *drop, enum hone_dtype dtype, void *workspace,
                                struct hone_stream *s) {
    (void)s;
    hone_cpu_check_dtype("attention_forward", dtype);
    struct call c = {.a = a,
                     .drop = drop,
                     .dtype = dtype,
                     .wide = hone_tile_is_wide(),
                     .q = q,
                     .k = k,
                     .v = v,
                     .q_stride = q_stride,
                     .k_stride = k_stride,
                     .v_stride = v_stride,
                     .out = out,
                     .lse = lse,
                     .scratch = workspace,
                     .scratch_per_thread = scratch_floats(a->max_len, a->D)};
    run_units(&c, forward_unit);
}

void hone_cpu_attention_backward(void *dq, void *dk, void *dv, const void *dout, const float *lse, const void *q,
                                 int64_t q_stride, const void *k, int64_t k_stride, const void *v, int64_t v_stride,
                                 const struct hone_attention *a, const struct hone_dropout *drop, enum hone_dtype dtype,
                                 void *workspace, struct hone_stream *s) {
    (void)s;
    hone_cpu_check_dtype("attention_backward", dtype);
    struct call c = {.a = a,
                     .drop = drop,
                     .dtype = dtype,
                     .wide = hone_tile_is_wide(),
                     .q = q,
                     .k = k,
                     .v = v,
                     .q_stride = q_stride,
                     .k_stride = k_stride,
                     .v_stride = v_stride,
                     .dout = dout,
                     .lse_of_forward = lse,
                     .dq = dq,
                     .dk = dk,
                     .dv = dv,
                     .scratch = workspace,
                     .scratch_per_thread = scratch_floats(a->max_len, a->D)};
    run_units(&c, backward_unit);
}

size_t hone_cpu_attention_workspace(const struct hone_attention *a, enum hone_dtype dtype) {
    hone_cpu_check_dtype("attention_workspace", dtype);
    return scratch_floats(a->max_len, a->D) * (size_t)omp_get_max_threads() * sizeof(float);
}
