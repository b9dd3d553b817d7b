/* A matrix product on AMX (Intel SDM volume 1, chapter 18): a tile of a is 16 rows of 32 k; one of b 16 pairs of k, each
 * of 16 columns, the two of a pair side by side; four tiles of c, 32 rows by 32 columns, stay in registers while k
 * goes by. b is copied into tiles; a only where its rows don't lie in memory as such or end within a tile. All
 * threads copy, then share the blocks of c: which one takes a block changes nothing. */
#include "kernels/cpu/gemm_amx.h"

#include "base/arith.h"
#include "kernels/cpu/cpu.h"
#include "kernels/cpu/vector.h"

enum {
    TILE_ROWS = 16, /* of a tile; as many u32 across */
    TILE_DEPTH = 32,
    TILE_VALUES = TILE_ROWS * TILE_DEPTH,
    SIDE = 32,       /* of the four tiles of c */
    BLOCK_ROWS = 96, /* of c that a thread takes at a time, and columns */
    BLOCK_COLS = 384,
    PASS_ROWS = 3072, /* of c for which a is copied at a time, and columns for which b is */
    PASS_COLS = 2048,
    DEPTH = 1024, /* of K that is summed before c is added, where it is */
};

/* Values of up to `across` rows of a or columns of b, in whole tiles. */
static size_t side_values(int64_t across, int64_t K) {
    return (size_t)hone_round_up(across, SIDE) * (size_t)hone_round_up(K, TILE_DEPTH);
}

/* The tiles of a lie behind those of b. */
static size_t b_values(int64_t N, int64_t K) { return side_values(hone_min_i64(N, PASS_COLS), K); }

#if defined(__x86_64__) && defined(__linux__)
#include <immintrin.h>
#include <oneapi/dnnl/dnnl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define AMX __attribute__((target("arch=x86-64-v4,avx512bf16,amx-tile,amx-bf16")))

/* One pass: c[M, N] and a block of K. */
struct pass {
    char *c;
    int64_t c_row, c_size, M, N, K, tiles; /* the last: of K */
    struct hone_matrix a, b;
    const float *bias;
    bool accumulate;
    uint16_t *a_tiles, *b_tiles; /* [M / 32][2][tiles] or NULL, [N / 32][tiles][2] */
};

/* The kernel's feature number of the tiles' contents (arch/x86, asm/prctl.h). */
enum { REQUEST_PERMISSION = 0x1023, TILE_DATA = 18 };

/* oneDNN has asked for all that makes AMX: bf16 and int8 in registers of AVX-512 and in tiles. */
static bool amx_open(void) {
    return (dnnl_get_effective_cpu_isa() & dnnl_cpu_isa_avx512_core_amx) == dnnl_cpu_isa_avx512_core_amx &&
           syscall(SYS_arch_prctl, REQUEST_PERMISSION, TILE_DATA) == 0;
}

/* to[r][c] = from[c][r], u32. */
HONE_INLINE void transpose(uint32_t to[TILE_ROWS][TILE_ROWS], uint32_t from[TILE_ROWS][TILE_ROWS]) {
    for (int i = 0; i < TILE_ROWS; i += HONE_LANES) {
        for (int j = 0; j < TILE_ROWS; j += HONE_LANES) {
            hone_vec square[HONE_LANES];
            for (int r = 0; r < HONE_LANES; r++) memcpy(&square[r], &from[i + r][j], sizeof(square[r]));
            vec_transpose(square);
            for (int r = 0; r < HONE_LANES; r++) memcpy(&to[j + r][i], &square[r], sizeof(square[r]));
        }
    }
}

/* A tile from `lines` by `depth` elements, at most 16 by 32, line i element k at from[i * line + k * along]; the others
 * are 0. Lines become rows of the tile, or (`paired`) its columns, with k in pairs. */
AMX HONE_INLINE void pack_tile(uint16_t *to, const uint16_t *from, int64_t line, int64_t along, int64_t lines,
                               int64_t depth, bool paired) {
    uint32_t tile[TILE_ROWS][TILE_ROWS] = {0};
    bool by_line = along == 1;
    if (by_line) {
        __mmask32 seen = depth >= TILE_DEPTH ? UINT32_MAX : (UINT32_C(1) << depth) - 1;
        for (int64_t i = 0; i < lines; i++)
            _mm512_storeu_si512(tile[i], _mm512_maskz_loadu_epi16(seen, from + i * line));
    } else {
        __mmask16 seen = (__mmask16)((UINT32_C(1) << lines) - 1);
        for (int64_t k = 0; k < depth; k += 2) {
            __m256i first = _mm256_maskz_loadu_epi16(seen, from + k * along);
            __m256i second = _mm256_maskz_loadu_epi16(k + 1 < depth ? seen : 0, from + (k + 1) * along);
            __m512i pairs = _mm512_cvtepu16_epi32(first);
            pairs = _mm512_or_si512(pairs, _mm512_slli_epi32(_mm512_cvtepu16_epi32(second), 16));
            _mm512_storeu_si512(tile[k / 2], pairs);
        }
    }
    if (by_line == paired)
        transpose((uint32_t(*)[TILE_ROWS])(void *)to, tile);
    else
        memcpy(to, tile, sizeof(tile));
}

/* Columns [n, n + 32) of b. */
AMX static void pack_b(const struct pass *p, int64_t n) {
    const uint16_t *from = (const uint16_t *)p->b.data + n * p->b.col;
    uint16_t *to = p->b_tiles + n * p->tiles * TILE_DEPTH;
    for (int64_t k = 0; k < p->K; k += TILE_DEPTH) {
        int64_t depth = hone_min_i64(TILE_DEPTH, p->K - k);
        for (int64_t j = 0; j < SIDE; j += TILE_ROWS, to += TILE_VALUES) {
            int64_t lines = hone_max_i64(0, hone_min_i64(TILE_ROWS, p->N - n - j));
            pack_tile(to, from + j * p->b.col + k * p->b.row, p->b.col, p->b.row, lines, depth, true);
        }
    }
}

/* Rows [m, m + 16) of a. */
AMX static void pack_a(const struct pass *p, int64_t m) {
    const uint16_t *from = (const uint16_t *)p->a.data + m * p->a.row;
    uint16_t *to = p->a_tiles + m * p->tiles * TILE_DEPTH;
    int64_t lines = hone_max_i64(0, hone_min_i64(TILE_ROWS, p->M - m));
    for (int64_t k = 0; k < p->K; k += TILE_DEPTH, to += TILE_VALUES)
        pack_tile(to, from + k * p->a.col, p->a.row, p->a.col, lines, hone_min_i64(TILE_DEPTH, p->K - k), false);
}

/* sums[32][32] of rows from m and columns from n on. */
AMX HONE_INLINE void sum_tiles(float *sums, const struct pass *p, int64_t m, int64_t n) {
    int64_t line = p->a.row * 2, step = TILE_DEPTH * 2, second = TILE_ROWS * line;
    const char *a = (const char *)p->a.data + m * line, *b = (const char *)(p->b_tiles + n * p->tiles * TILE_DEPTH);
    enum { TILE_BYTES = TILE_VALUES * 2, LINE = TILE_DEPTH * 2 };
    if (p->a_tiles) {
        a = (const char *)(p->a_tiles + m * p->tiles * TILE_DEPTH);
        line = LINE, step = TILE_BYTES, second = p->tiles * TILE_BYTES;
    }
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    for (int64_t k = 0; k < p->tiles; k++, a += step, b += 2L * TILE_BYTES) {
        for (int i = 0; i < 2 * TILE_BYTES; i += LINE) __builtin_prefetch(b + 4L * TILE_BYTES + i); /* after the next */
        _tile_loadd(6, b, LINE);
        _tile_loadd(4, a, line);
        _tile_dpbf16ps(0, 4, 6);
        _tile_loadd(7, b + TILE_BYTES, LINE);
        _tile_dpbf16ps(1, 4, 7);
        _tile_loadd(5, a + second, line);
        _tile_dpbf16ps(2, 5, 6);
        _tile_dpbf16ps(3, 5, 7);
    }
    enum { ROW = SIDE * sizeof(float) };
    _tile_stored(0, sums, ROW);
    _tile_stored(1, sums + TILE_ROWS, ROW);
    _tile_stored(2, sums + TILE_ROWS * SIDE, ROW);
    _tile_stored(3, sums + TILE_ROWS * SIDE + TILE_ROWS, ROW);
}

/* Up to 32 rows and columns of c. */
AMX HONE_INLINE void write_sums(const float *sums, const struct pass *p, int64_t m, int64_t n) {
    int64_t rows = hone_min_i64(SIDE, p->M - m), cols = hone_min_i64(SIDE, p->N - n);
    uint32_t seen = cols == SIDE ? UINT32_MAX : (UINT32_C(1) << cols) - 1;
    __mmask16 low = (__mmask16)seen, high = (__mmask16)(seen >> 16);
    const float *bias = p->bias ? p->bias + n : NULL;
    __m512 add0 = bias ? _mm512_maskz_loadu_ps(low, bias) : _mm512_setzero_ps();
    __m512 add1 = bias ? _mm512_maskz_loadu_ps(high, bias + TILE_ROWS) : _mm512_setzero_ps();
    for (int64_t i = 0; i < rows; i++) {
        char *c = p->c + ((m + i) * p->c_row + n) * p->c_size;
        __m512 x = _mm512_load_ps(sums + i * SIDE), y = _mm512_load_ps(sums + i * SIDE + TILE_ROWS);
        if (bias) x = _mm512_add_ps(x, add0), y = _mm512_add_ps(y, add1);
        if (p->c_size == 2) {
            if (p->accumulate) {
                __m512i old = _mm512_maskz_loadu_epi16(seen, c);
                __m512i old0 = _mm512_cvtepu16_epi32(_mm512_castsi512_si256(old));
                __m512i old1 = _mm512_cvtepu16_epi32(_mm512_extracti64x4_epi64(old, 1));
                x = _mm512_add_ps(x, _mm512_castsi512_ps(_mm512_slli_epi32(old0, 16)));
                y = _mm512_add_ps(y, _mm512_castsi512_ps(_mm512_slli_epi32(old1, 16)));
            }
            _mm512_mask_storeu_epi16(c, seen, (__m512i)_mm512_cvtne2ps_pbh(y, x));
        } else {
            float *f = (float *)(void *)c;
            if (p->accumulate) {
                x = _mm512_add_ps(x, _mm512_maskz_loadu_ps(low, f));
                y = _mm512_add_ps(y, _mm512_maskz_loadu_ps(high, f + TILE_ROWS));
            }
            _mm512_mask_storeu_ps(f, low, x);
            _mm512_mask_storeu_ps(f + TILE_ROWS, high, y);
        }
    }
}

/* Calls rows of c, which lie apart, into the cache while their sums are made. */
HONE_INLINE void prefetch_c(const struct pass *p, int64_t m, int64_t n) {
    int64_t rows = hone_min_i64(SIDE, p->M - m);
    for (int64_t i = 0; i < rows; i++) {
        const char *c = p->c + ((m + i) * p->c_row + n) * p->c_size;
        __builtin_prefetch(c, 1);
        __builtin_prefetch(c + 64, 1);
    }
}

AMX static void block(const struct pass *p, int64_t m, int64_t n) {
    int64_t end_m = hone_min_i64(m + BLOCK_ROWS, p->M), end_n = hone_min_i64(n + BLOCK_COLS, p->N);
    _Alignas(64) float sums[SIDE * SIDE];
    for (int64_t i = m; i < end_m; i += SIDE) {
        for (int64_t j = n; j < end_n; j += SIDE) {
            prefetch_c(p, i, j);
            sum_tiles(sums, p, i, j);
            write_sums(sums, p, i, j);
        }
    }
}

/* All tiles: 16 rows of 64 bytes. */
AMX static void tiles_open(void) {
    enum { LINE = TILE_DEPTH * 2, ROWS = TILE_ROWS };
    /* A constant: the compiler does not know that the instruction reads it all. */
    static const struct {
        uint8_t palette, start, reserved[14];
        uint16_t line[16];
        uint8_t rows[16];
    } config = {.palette = 1,
                .line = {LINE, LINE, LINE, LINE, LINE, LINE, LINE, LINE},
                .rows = {ROWS, ROWS, ROWS, ROWS, ROWS, ROWS, ROWS, ROWS}};
    _tile_loadconfig(&config);
}

AMX static void tiles_close(void) { _tile_release(); }

static void run_pass(const struct pass *p) {
    bool parallel = p->M * p->N > HONE_CPU_PARALLEL || p->N * p->K > HONE_CPU_PARALLEL;
    int64_t across = (p->N + BLOCK_COLS - 1) / BLOCK_COLS, down = (p->M + BLOCK_ROWS - 1) / BLOCK_ROWS;
#pragma omp parallel if (parallel)
    {
#pragma omp for schedule(static)
        for (int64_t n = 0; n < p->N; n += SIDE) pack_b(p, n);
        if (p->a_tiles) {
#pragma omp for schedule(static)
            for (int64_t m = 0; m < hone_round_up(p->M, SIDE); m += TILE_ROWS) pack_a(p, m);
        }
        tiles_open();
#pragma omp for schedule(dynamic)
        for (int64_t i = 0; i < across * down; i++) block(p, i / across * BLOCK_ROWS, i % across * BLOCK_COLS);
        tiles_close();
    }
}

void hone_gemm_amx(void *c, enum hone_dtype c_dtype, struct hone_matrix a, struct hone_matrix b, const float *bias,
                   bool accumulate, int64_t M, int64_t N, int64_t K, void *workspace) {
    bool in_place = a.col == 1 && a.row >= K && K % TILE_DEPTH == 0, by_depth = accumulate && c_dtype == HONE_F32;
    uint16_t *b_tiles = workspace, *a_tiles = b_tiles + b_values(N, K);
    for (int64_t n = 0; n < N; n += PASS_COLS) {
        for (int64_t m = 0; m < M; m += PASS_ROWS) {
            for (int64_t k = 0, depth; k == 0 || k < K; k += depth) {
                depth = by_depth ? hone_min_i64(DEPTH, K - k) : K;
                run_pass(&(struct pass){
                    .c = value_to(c, m * N + n, c_dtype),
                    .c_row = N,
                    .c_size = (int64_t)hone_dtype_size(c_dtype),
                    .M = hone_min_i64(PASS_ROWS, M - m),
                    .N = hone_min_i64(PASS_COLS, N - n),
                    .K = depth,
                    .tiles = (depth + TILE_DEPTH - 1) / TILE_DEPTH,
                    .a = hone_matrix_from(a, m, k, HONE_BF16),
                    .b = hone_matrix_from(b, k, n, HONE_BF16),
                    .bias = bias ? bias + n : NULL,
                    .accumulate = accumulate,
                    .a_tiles = in_place ? NULL : a_tiles,
                    .b_tiles = b_tiles,
                });
                if (K == 0) break;
            }
        }
    }
}

bool hone_gemm_amx_is_native(void) {
    static int native = -1; /* first asked by the thread that opens the device */
    if (native < 0) native = amx_open();
    return native;
}
#else
void hone_gemm_amx(void *c, enum hone_dtype c_dtype, struct hone_matrix a, struct hone_matrix b, const float *bias,
                   bool accumulate, int64_t M, int64_t N, int64_t K, void *workspace) {
    (void)c, (void)c_dtype, (void)a, (void)b, (void)bias, (void)accumulate, (void)M, (void)N, (void)K, (void)workspace;
    HONE_CHECK(false, "AMX is Intel's");
}

bool hone_gemm_amx_is_native(void) { return false; }
#endif

size_t hone_gemm_amx_workspace(bool in_place, int64_t M, int64_t N, int64_t K) {
    size_t a_values = in_place && K % TILE_DEPTH == 0 ? 0 : side_values(hone_min_i64(M, PASS_ROWS), K);
    return (b_values(N, K) + a_values) * sizeof(uint16_t);
}
