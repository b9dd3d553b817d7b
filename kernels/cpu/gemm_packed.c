/* A matrix product by panels (Goto and van de Geijn, "Anatomy of High-Performance Matrix Multiplication", TOMS 2008):
 * blocks of K that keep a panel of b in the first-level cache and a block of a in the second. b is copied into panels
 * of sixteen columns; a only where its rows don't lie in memory as such. All threads copy, then share the blocks of c:
 * which one takes a block changes nothing. */
#include "kernels/cpu/gemm_packed.h"

#include "base/arith.h"
#include "kernels/cpu/cpu.h"
#include "kernels/cpu/tile.h"

enum {
    DEPTH = 384,      /* of a block of K at most */
    BLOCK_ROWS = 192, /* of c that a thread takes at a time, and columns */
    BLOCK_COLS = 128,
    PASS_ROWS = 3072, /* of c for which a is copied at a time, and columns for which b is */
    PASS_COLS = 2048,
};

/* One pass: c[M, N] and a block of K. */
struct pass {
    float *c;
    int64_t c_row, M, N, K;
    struct hone_matrix a, b;
    const float *add;
    int64_t add_row;
    float *a_panels, *b_panels; /* [M / 6][K][6] or NULL, [N / 16][K][16] */
};

/* to[k * 16 + i] = from[i * row + k] for 8 by 8 elements. */
HONE_INLINE void transpose_8(float *to, const float *from, int64_t row) {
    hone_vec r[8];
    for (int i = 0; i < 8; i++) memcpy(&r[i], from + i * row, sizeof(r[i]));
    vec_transpose(r);
    for (int k = 0; k < 8; k++) memcpy(to + (int64_t)k * HONE_TILE_COLS, &r[k], sizeof(r[k]));
}

/* Columns [n, n + 16) of b, those from N on as 0. */
HONE_CLONES static void pack_b(const struct pass *p, int64_t n) {
    float *to = p->b_panels + n * p->K;
    const float *from = (const float *)p->b.data + n * p->b.col;
    int64_t cols = hone_min_i64(HONE_TILE_COLS, p->N - n);
    if (cols == HONE_TILE_COLS && p->b.col == 1) {
        for (int64_t k = 0; k < p->K; k++) memcpy(to + k * HONE_TILE_COLS, from + k * p->b.row, 16 * sizeof(float));
        return;
    }
    int64_t k = 0;
    if (cols == HONE_TILE_COLS && p->b.row == 1) {
        for (; k + 8 <= p->K; k += 8) {
            transpose_8(to + k * HONE_TILE_COLS, from + k, p->b.col);
            transpose_8(to + k * HONE_TILE_COLS + 8, from + k + 8 * p->b.col, p->b.col);
        }
    }
    for (; k < p->K; k++) {
        for (int64_t j = 0; j < HONE_TILE_COLS; j++)
            to[k * HONE_TILE_COLS + j] = j < cols ? from[k * p->b.row + j * p->b.col] : 0.0f;
    }
}

/* Rows [m, m + 6) of a, those from M on as 0. */
HONE_CLONES static void pack_a(const struct pass *p, int64_t m) {
    float *to = p->a_panels + m * p->K;
    const float *from = (const float *)p->a.data + m * p->a.row;
    int64_t rows = hone_min_i64(HONE_TILE_ROWS, p->M - m), k = 0;
    if (rows == HONE_TILE_ROWS && p->a.row == 1) {
        for (; k < p->K; k++) memcpy(to + k * HONE_TILE_ROWS, from + k * p->a.col, HONE_TILE_ROWS * sizeof(float));
    }
    for (; k < p->K; k++) {
        for (int64_t i = 0; i < HONE_TILE_ROWS; i++)
            to[k * HONE_TILE_ROWS + i] = i < rows ? from[k * p->a.col + i * p->a.row] : 0.0f;
    }
}

/* The tile of c at [m, n], whose columns may end before the sixteenth. */
HONE_INLINE void tile(const struct pass *p, int64_t m, int64_t n) {
    int64_t cols = hone_min_i64(HONE_TILE_COLS, p->N - n);
    struct hone_tile t = {.c = p->c + m * p->c_row + n,
                          .c_row = p->c_row,
                          .b = p->b_panels + n * p->K,
                          .b_row = HONE_TILE_COLS,
                          .add = p->add ? p->add + m * p->add_row + n : NULL,
                          .add_row = p->add_row,
                          .rows = hone_min_i64(HONE_TILE_ROWS, p->M - m),
                          .K = p->K};
    for (int64_t i = 0; i < t.rows; i++) __builtin_prefetch(t.c + i * t.c_row, 1);
    float whole[HONE_TILE_ROWS * HONE_TILE_COLS];
    if (cols < HONE_TILE_COLS) t.c = whole, t.c_row = HONE_TILE_COLS, t.add = NULL;
    /* Two calls, so that each knows its distance from k to k + 1. */
    if (p->a_panels) {
        t.a = p->a_panels + m * p->K, t.a_row = 1, t.a_col = HONE_TILE_ROWS;
        hone_tile_of_8(&t);
    } else {
        t.a = (const float *)p->a.data + m * p->a.row, t.a_row = p->a.row, t.a_col = 1;
        hone_tile_of_8(&t);
    }
    if (cols == HONE_TILE_COLS) return;
    for (int64_t i = 0; i < t.rows; i++) {
        for (int64_t j = 0; j < cols; j++) {
            float x = whole[i * HONE_TILE_COLS + j];
            p->c[(m + i) * p->c_row + n + j] = p->add ? x + p->add[(m + i) * p->add_row + n + j] : x;
        }
    }
}

/* With each tile of a panel of b, a share of the next panel is called into the second-level cache. */
HONE_CLONES static void block(const struct pass *p, int64_t m, int64_t n) {
    int64_t end_m = hone_min_i64(m + BLOCK_ROWS, p->M), end_n = hone_min_i64(n + BLOCK_COLS, p->N);
    int64_t tiles = (end_m - m + HONE_TILE_ROWS - 1) / HONE_TILE_ROWS, share = (p->K + tiles - 1) / tiles;
    for (int64_t j = n; j < end_n; j += HONE_TILE_COLS) {
        const float *next = p->b_panels + (j + HONE_TILE_COLS) * p->K;
        for (int64_t i = m; i < end_m; i += HONE_TILE_ROWS) {
            for (int64_t k = 0; k < share; k++, next += HONE_TILE_COLS) __builtin_prefetch(next, 0, 2);
            tile(p, i, j);
        }
    }
}

static void run_pass(const struct pass *p) {
    bool parallel = p->M * p->N > HONE_CPU_PARALLEL || p->N * p->K > HONE_CPU_PARALLEL;
    int64_t across = (p->N + BLOCK_COLS - 1) / BLOCK_COLS, down = (p->M + BLOCK_ROWS - 1) / BLOCK_ROWS;
#pragma omp parallel if (parallel)
    {
#pragma omp for schedule(static)
        for (int64_t n = 0; n < p->N; n += HONE_TILE_COLS) pack_b(p, n);
        if (p->a_panels) {
#pragma omp for schedule(static)
            for (int64_t m = 0; m < p->M; m += HONE_TILE_ROWS) pack_a(p, m);
        }
#pragma omp for schedule(dynamic)
        for (int64_t i = 0; i < across * down; i++) block(p, i / across * BLOCK_ROWS, i % across * BLOCK_COLS);
    }
}

static bool is_packed(const struct hone_matrix *a) { return a->col != 1; }

/* Panels of a behind those of b. */
static size_t b_floats(int64_t N, int64_t K) {
    return (size_t)hone_round_up(hone_min_i64(N, PASS_COLS), HONE_TILE_COLS) * (size_t)hone_min_i64(K, DEPTH);
}

/* The depth of the block of K that comes next: blocks of about the same depth, so that none is too short to be fast. */
static int64_t next_depth(int64_t K, int64_t from) {
    int64_t blocks = hone_max_i64((K + DEPTH - 1) / DEPTH, 1);
    return hone_min_i64((K + blocks - 1) / blocks, K - from);
}

void hone_gemm_packed(float *c, struct hone_matrix a, struct hone_matrix b, const float *bias, bool accumulate,
                      int64_t M, int64_t N, int64_t K, void *workspace) {
    float *b_panels = workspace, *a_panels = is_packed(&a) ? b_panels + b_floats(N, K) : NULL;
    for (int64_t n = 0; n < N; n += PASS_COLS) {
        for (int64_t m = 0; m < M; m += PASS_ROWS) {
            float *to = c + m * N + n;
            for (int64_t k = 0, depth; k == 0 || k < K; k += depth) {
                depth = next_depth(K, k);
                bool add_c = accumulate || k > 0;
                run_pass(&(struct pass){
                    .c = to,
                    .c_row = N,
                    .M = hone_min_i64(PASS_ROWS, M - m),
                    .N = hone_min_i64(PASS_COLS, N - n),
                    .K = depth,
                    .a = hone_matrix_from(a, m, k, HONE_F32),
                    .b = hone_matrix_from(b, k, n, HONE_F32),
                    .add = add_c  ? to
                           : bias ? bias + n
                                  : NULL,
                    .add_row = add_c ? N : 0,
                    .a_panels = a_panels,
                    .b_panels = b_panels,
                });
                if (K == 0) break;
            }
        }
    }
}

size_t hone_gemm_packed_workspace(bool in_place, int64_t M, int64_t N, int64_t K) {
    size_t a_floats =
        (size_t)hone_round_up(hone_min_i64(M, PASS_ROWS), HONE_TILE_ROWS) * (size_t)hone_min_i64(K, DEPTH);
    return (b_floats(N, K) + (in_place ? 0 : a_floats)) * sizeof(float);
}
