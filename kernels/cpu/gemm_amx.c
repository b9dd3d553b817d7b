/* A matrix product on AMX (Intel SDM volume 1, chapter 18): a tile of a is 16 rows of 32 k; one of b 16 pairs of k, each
 * of 16 columns, the two of a pair side by side; four tiles of c, 32 rows by 32 columns, stay in registers while k
 * goes by. What is slow is memory beyond the second-level cache: all threads copy a into tiles (unless it is bf16 whose
 * rows lie in memory as such and don't end within a tile); then each copies columns of b, as many as that cache holds,
 * and takes a down them. Which thread takes which columns changes nothing.
 *
 * A value in f32 is copied as three in bf16 whose sum it is: the nearest one, the one nearest to what is left, and the
 * rest. Of the nine products of the parts of two values the six largest are summed; the others are together at most
 * 2^-24 of the whole, mostly far less (Henry, Tang, Heinecke, "Leveraging the bfloat16 artificial intelligence datatype for higher-precision
 * computations", 2019). */
#include "kernels/cpu/gemm_amx.h"

#include <omp.h>

#include "base/arith.h"
#include "kernels/cpu/cpu.h"

enum {
    TILE_ROWS = 16, /* of a tile; as many u32 across */
    TILE_DEPTH = 32,
    TILE_VALUES = TILE_ROWS * TILE_DEPTH,
    SIDE = 32,                        /* of the four tiles of c */
    BLOCK_COLS = 384,                 /* of c that a thread takes at a time, at most */
    BLOCK_VALUES = BLOCK_COLS * 1152, /* of b for them */
    PASS_ROWS = 3072,                 /* of c for which a is copied at a time */
    DEPTH = 384,                      /* of K in f32 that is summed before c is written */
    DEPTH_BF16 = 1024,                /* of K in bf16, where c is f32 and added to */
    PARTS = 3,                        /* of a value in f32 */
    PRODUCTS = 6,                     /* of parts that are summed */
};

static int64_t parts_of(enum hone_dtype dtype) { return dtype == HONE_F32 ? PARTS : 1; }

/* In bf16 all of K where c is rounded, and where nothing was in it. */
static int64_t pass_depth(int64_t K, enum hone_dtype dtype, enum hone_dtype c_dtype, bool accumulate) {
    if (dtype == HONE_F32) return hone_min_i64(DEPTH, K);
    return c_dtype == HONE_F32 && accumulate ? hone_min_i64(DEPTH_BF16, K) : K;
}

/* Whether a is multiplied from where it is. */
static bool lies_in_tiles(bool in_place, int64_t K, enum hone_dtype dtype) {
    return dtype == HONE_BF16 && in_place && K % TILE_DEPTH == 0;
}

/* Values of up to `across` rows of a or columns of b, in whole tiles. */
static size_t side_values(int64_t across, int64_t depth, int64_t parts) {
    return (size_t)hone_round_up(across, SIDE) * (size_t)(hone_round_up(depth, TILE_DEPTH) * parts);
}

/* The tiles of a lie behind those of b, which each thread has its own of; enough for fewer threads, too. */
static size_t b_values(int64_t N, int64_t depth, int64_t parts) {
    int64_t threads = omp_get_max_threads();
    return side_values(hone_min_i64(BLOCK_COLS * threads, N + SIDE * threads), depth, parts);
}

/* f32 for the sums of a's rows in each tile; whole lines of 64 bytes. */
static size_t partial_values(int64_t M, int64_t depth) {
    return (size_t)(hone_round_up(hone_min_i64(M, PASS_ROWS), SIDE) * ((depth + TILE_DEPTH - 1) / TILE_DEPTH));
}

#if defined(__x86_64__) && defined(__linux__)
#include <immintrin.h>
#include <oneapi/dnnl/dnnl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Sixteen lanes, as AMX comes with AVX-512. */
typedef float vec16 __attribute__((vector_size(64)));
typedef int32_t ivec16 __attribute__((vector_size(64)));
#define VEC      vec16
#define IVEC     ivec16
#define FN(name) vec16_##name
#include "kernels/cpu/elementary.h"
#undef VEC
#undef IVEC
#undef FN

#define AMX __attribute__((target("arch=x86-64-v4,avx512bf16,amx-tile,amx-bf16")))

/* One pass: c[M, N] and a block of K. */
struct pass {
    char *c;
    int64_t c_row, c_size, M, N, K, tiles; /* the last: of K, those of each part */
    int64_t parts;
    enum hone_dtype dtype;
    struct hone_matrix a, b;
    const float *bias;
    bool accumulate;
    int64_t cols;                /* of a block */
    uint16_t *a_tiles, *b_tiles; /* [M / 16][K / 32][parts] or NULL; a thread's are [cols / 32][K / 32][2][parts] */
    float *a_sums, *partial;     /* [M] or NULL, and of each tile: [K / 32][M up to 32] */
    /* At the last of K, all NULL before and where there is no activation; they lie as c does. */
    enum hone_activation kind;
    char *activated;
    const char *slope_at;
};

/* Columns of c that a thread takes at a time: the same for all threads, but for the rounding. */
static int64_t block_cols(int64_t N, int64_t depth, int64_t parts) {
    int64_t fit = BLOCK_VALUES / hone_max_i64(1, hone_round_up(depth, TILE_DEPTH) * parts) / SIDE * SIDE;
    int64_t threads = omp_get_max_threads(), most = hone_max_i64(SIDE, hone_min_i64(BLOCK_COLS, fit));
    int64_t times = hone_max_i64(1, (N + threads * most - 1) / (threads * most));
    return hone_max_i64(SIDE, hone_round_up((N + threads * times - 1) / (threads * times), SIDE));
}

/* The kernel's feature number of the tiles' contents (arch/x86, asm/prctl.h). */
enum { REQUEST_PERMISSION = 0x1023, TILE_DATA = 18 };

/* oneDNN has asked for all that makes AMX: bf16 and int8 in registers of AVX-512 and in tiles. */
static bool amx_open(void) {
    return (dnnl_get_effective_cpu_isa() & dnnl_cpu_isa_avx512_core_amx) == dnnl_cpu_isa_avx512_core_amx &&
           syscall(SYS_arch_prctl, REQUEST_PERMISSION, TILE_DATA) == 0;
}

/* rows[r] lane c becomes rows[c] lane r: u32 two by two, four by four, then in wholes of four. */
AMX HONE_INLINE void transpose(__m512i rows[TILE_ROWS]) {
    __m512i twos[TILE_ROWS], fours[TILE_ROWS];
#pragma GCC unroll 8
    for (int i = 0; i < TILE_ROWS; i += 2) {
        twos[i] = _mm512_unpacklo_epi32(rows[i], rows[i + 1]);
        twos[i + 1] = _mm512_unpackhi_epi32(rows[i], rows[i + 1]);
    }
#pragma GCC unroll 4
    for (int i = 0; i < TILE_ROWS; i += 4) {
        fours[i] = _mm512_unpacklo_epi64(twos[i], twos[i + 2]);
        fours[i + 1] = _mm512_unpackhi_epi64(twos[i], twos[i + 2]);
        fours[i + 2] = _mm512_unpacklo_epi64(twos[i + 1], twos[i + 3]);
        fours[i + 3] = _mm512_unpackhi_epi64(twos[i + 1], twos[i + 3]);
    }
    enum { EVEN = 0x88, ODD = 0xdd };
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) {
        __m512i even = _mm512_shuffle_i32x4(fours[i], fours[i + 4], EVEN);
        __m512i even8 = _mm512_shuffle_i32x4(fours[i + 8], fours[i + 12], EVEN);
        __m512i odd = _mm512_shuffle_i32x4(fours[i], fours[i + 4], ODD);
        __m512i odd8 = _mm512_shuffle_i32x4(fours[i + 8], fours[i + 12], ODD);
        rows[i] = _mm512_shuffle_i32x4(even, even8, EVEN);
        rows[i + 4] = _mm512_shuffle_i32x4(odd, odd8, EVEN);
        rows[i + 8] = _mm512_shuffle_i32x4(even, even8, ODD);
        rows[i + 12] = _mm512_shuffle_i32x4(odd, odd8, ODD);
    }
}

/* What pack_tiles() reads: `lines` by `depth` elements, at most 16 by 32, line i element k at
 * data[i * line + k * along]. */
struct corner {
    const void *data;
    int64_t line, along, lines, depth;
};

/* rows[16] of a tile: lines where along is 1, else pairs of k, each with all lines. Beyond the corner they are 0. Then also
 * the sums[16] of lines over k, unless it is NULL. */
AMX HONE_INLINE void read_bf16(__m512i rows[TILE_ROWS], float *sums, const struct corner *c) {
    const uint16_t *from = c->data;
    if (c->along == 1) {
        __mmask32 seen = c->depth >= TILE_DEPTH ? UINT32_MAX : (UINT32_C(1) << c->depth) - 1;
        for (int64_t i = 0; i < TILE_ROWS; i++)
            rows[i] = i < c->lines ? _mm512_maskz_loadu_epi16(seen, from + i * c->line) : _mm512_setzero_si512();
        return;
    }
    __mmask16 seen = (__mmask16)((UINT32_C(1) << c->lines) - 1);
    __m512 sum = _mm512_setzero_ps(), second_sum = sum;
    for (int64_t k = 0; k < TILE_DEPTH; k += 2) {
        __m256i first = _mm256_setzero_si256(), second = first;
        if (k < c->depth) first = _mm256_maskz_loadu_epi16(seen, from + k * c->along);
        if (k + 1 < c->depth) second = _mm256_maskz_loadu_epi16(seen, from + (k + 1) * c->along);
        __m512i pairs = _mm512_slli_epi32(_mm512_cvtepu16_epi32(second), 16);
        rows[k / 2] = _mm512_or_si512(_mm512_cvtepu16_epi32(first), pairs);
        sum = _mm512_add_ps(sum, _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(first), 16)));
        second_sum = _mm512_add_ps(second_sum, _mm512_castsi512_ps(pairs));
    }
    if (sums) _mm512_storeu_ps(sums, _mm512_add_ps(sum, second_sum));
}

/* The same of each part. The tile's k are not in order, on either side: a pair is k and k + 16. */
AMX HONE_INLINE void read_f32(__m512i rows[PARTS][TILE_ROWS], float *sums, const struct corner *c) {
    const float *from = c->data;
    bool by_line = c->along == 1;
    const __m512i in_pairs = _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22,
                                              6, 21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
    uint32_t seen = (UINT32_C(1) << c->lines) - 1, seen_k = c->depth < 32 ? (UINT32_C(1) << c->depth) - 1 : UINT32_MAX;
    __mmask16 seen_x = (__mmask16)(by_line ? seen_k : seen), seen_y = (__mmask16)(by_line ? seen_k >> 16 : seen);
    int64_t n = by_line ? c->lines : c->depth, step = by_line ? c->line : c->along;
    int64_t second = TILE_ROWS * c->along, n_second = by_line ? n : n - TILE_ROWS;
    __m512 sum = _mm512_setzero_ps(), second_sum = sum;
    for (int64_t i = 0; i < TILE_ROWS; i++, from += step) {
        __m512 x = i < n ? _mm512_maskz_loadu_ps(seen_x, from) : _mm512_setzero_ps();
        __m512 y = i < n_second ? _mm512_maskz_loadu_ps(seen_y, from + second) : _mm512_setzero_ps();
        sum = _mm512_add_ps(sum, x);
        second_sum = _mm512_add_ps(second_sum, y);
#pragma GCC unroll 3
        for (int part = 0; part < PARTS; part++) {
            __m512i pairs = _mm512_permutexvar_epi16(in_pairs, (__m512i)_mm512_cvtne2ps_pbh(y, x));
            rows[part][i] = pairs;
            x = _mm512_sub_ps(x, _mm512_castsi512_ps(_mm512_slli_epi32(pairs, 16)));
            y = _mm512_sub_ps(y, _mm512_castsi512_ps(_mm512_and_si512(pairs, _mm512_set1_epi32((int)0xffff0000))));
        }
    }
    if (sums) _mm512_storeu_ps(sums, _mm512_add_ps(sum, second_sum));
}

/* The tiles of a corner, part after part. Lines become rows of a tile, or (`paired`) its columns, with k in pairs. */
AMX HONE_INLINE void pack_tiles(uint16_t *to, float *sums, const struct corner *c, int64_t parts, bool paired) {
    __m512i rows[PARTS][TILE_ROWS];
    if (parts == 1)
        read_bf16(rows[0], sums, c);
    else
        read_f32(rows, sums, c);
    bool turned = (c->along == 1) == paired;
    for (int64_t part = 0; part < parts; part++, to += TILE_VALUES) {
        if (turned) transpose(rows[part]);
        for (int i = 0; i < TILE_ROWS; i++) _mm512_storeu_si512(to + (ptrdiff_t)i * TILE_DEPTH, rows[part][i]);
    }
}

/* Adds what tiles have summed to the sums of up to 16 lines. */
AMX static void add_sums(const struct pass *p, int64_t line) {
    float sums[TILE_ROWS] = {0};
    for (int64_t k = 0; k < p->tiles; k++)
        for (int64_t i = 0; i < TILE_ROWS; i++) sums[i] += p->partial[k * hone_round_up(p->M, SIDE) + line + i];
    for (int64_t i = 0; i < hone_min_i64(TILE_ROWS, p->M - line); i++) p->a_sums[line + i] += sums[i];
}

/* The tiles of corner number i of a side of the product, in the order in which its values lie: [lines / 16][K / 32]
 * where those of a line lie side by side, else the other way round. */
AMX static void pack(uint16_t *tiles, struct hone_matrix lines, int64_t n_lines, const struct pass *p, int64_t i,
                     int64_t line_tiles, bool paired) {
    bool by_line = lines.col == 1;
    int64_t line = (by_line ? i / p->tiles : i % line_tiles) * TILE_ROWS;
    int64_t k = by_line ? i % p->tiles : i / line_tiles;
    int64_t pair = line / SIDE * 2 * p->tiles + 2 * k + line / TILE_ROWS % 2; /* two columns of tiles side by side */
    uint16_t *to = tiles + (paired ? pair : line / TILE_ROWS * p->tiles + k) * p->parts * TILE_VALUES;
    int64_t seen = hone_max_i64(0, hone_min_i64(TILE_ROWS, n_lines - line));
    struct hone_matrix from = hone_matrix_from(lines, seen > 0 ? line : 0, k * TILE_DEPTH, p->dtype);
    int64_t depth = hone_min_i64(TILE_DEPTH, p->K - k * TILE_DEPTH);
    const struct corner corner = {from.data, from.row, from.col, seen, depth};
    bool summed = !paired && p->a_sums;
    pack_tiles(to, summed ? p->partial + k * hone_round_up(p->M, SIDE) + line : NULL, &corner, p->parts, paired);
}

enum { TILE_BYTES = TILE_VALUES * 2, LINE = TILE_DEPTH * 2 };

/* c in tiles 0 to 3 += a in tiles 4 and 5 times b in tiles 6 and 7. */
AMX HONE_INLINE void multiply_tiles(void) {
    _tile_dpbf16ps(0, 4, 6);
    _tile_dpbf16ps(1, 4, 7);
    _tile_dpbf16ps(2, 5, 6);
    _tile_dpbf16ps(3, 5, 7);
}

/* What is written and called into caches beside the sums of one block of 32 by 32: so memory is not waited for, and an
 * activation is computed while the tiles multiply. It goes by lines of 64 bytes of c, a few after each product of tiles,
 * few enough for the next product to be in sight of the processor. */
struct beside {
    const float *sums, *bias; /* of the block before; bias NULL: none */
    int64_t at, rows;         /* the byte of c where it begins; up to 32 */
    __mmask16 seen[2];        /* of sixteen columns each */
    int64_t next, next_rows;  /* of the block itself */
    const char *a;            /* `lines` of the tiles of a that come next, `share` for each product */
    int64_t lines, share;
    int64_t products, written, due; /* of the block; lines of c; lines times products */
};

/* Sixteen values of a dtype. */
AMX HONE_INLINE __m512 load_16(const char *from, __mmask16 seen, enum hone_dtype dtype) {
    if (dtype == HONE_F32) return _mm512_maskz_loadu_ps(seen, from);
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(seen, from)), 16));
}

AMX HONE_INLINE void store_16(char *to, __mmask16 seen, __m512 x, enum hone_dtype dtype) {
    if (dtype == HONE_F32)
        _mm512_mask_storeu_ps(to, seen, x);
    else
        _mm256_mask_storeu_epi16(to, seen, (__m256i)_mm512_cvtneps_pbh(x));
}

AMX HONE_INLINE __m512 activation_as(const struct pass *p, __m512 x, int64_t at, __mmask16 seen, enum hone_dtype dtype,
                                     enum hone_activation kind) {
    if (!p->slope_at) return (__m512)vec16_activation((vec16)x, kind);
    __m512 slope_at = load_16(p->slope_at + at, seen, dtype);
    return _mm512_mul_ps(x, (__m512)vec16_activation_slope((vec16)slope_at, kind));
}

/* c's values from the byte `at` on, through the activation or times its slope. */
AMX HONE_INLINE __m512 activate(const struct pass *p, __m512 x, int64_t at, __mmask16 seen, enum hone_dtype dtype) {
    if (dtype == HONE_BF16) {
        __m256i rounded = (__m256i)_mm512_cvtneps_pbh(x);
        x = _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(rounded), 16));
    }
    if (p->activated && p->activated != p->c) store_16(p->c + at, seen, x, dtype);
    switch (p->kind) {
    case HONE_GELU_ERF:
        return activation_as(p, x, at, seen, dtype, HONE_GELU_ERF);
    case HONE_GELU_TANH:
        return activation_as(p, x, at, seen, dtype, HONE_GELU_TANH);
    default:
        return activation_as(p, x, at, seen, dtype, HONE_RELU);
    }
}

/* Sixteen columns of a row of the block before. */
AMX HONE_INLINE void write_16(const struct pass *p, const struct beside *beside, int64_t row, int64_t half,
                              enum hone_dtype dtype) {
    __mmask16 seen = beside->seen[half];
    int64_t size = dtype == HONE_F32 ? 4 : 2, at = beside->at + (row * p->c_row + half * TILE_ROWS) * size;
    __m512 x = _mm512_load_ps(beside->sums + row * SIDE + half * TILE_ROWS);
    if (beside->bias) x = _mm512_add_ps(x, _mm512_maskz_loadu_ps(seen, beside->bias + half * TILE_ROWS));
    if (p->accumulate) x = _mm512_add_ps(x, load_16(p->c + at, seen, dtype));
    char *to = p->c;
    if (p->activated || p->slope_at) {
        x = activate(p, x, at, seen, dtype);
        if (p->activated) to = p->activated;
    }
    store_16(to + at, seen, x, dtype);
}

/* Line number `line` of the block before, and a place for it of the block itself. */
AMX HONE_INLINE void do_line(const struct pass *p, const struct beside *beside, int64_t line, enum hone_dtype dtype) {
    int64_t row = dtype == HONE_F32 ? line / 2 : line, half = dtype == HONE_F32 ? line % 2 : 0;
    int64_t size = dtype == HONE_F32 ? 4 : 2, next = beside->next + (row * p->c_row + half * TILE_ROWS) * size;
    if (row < beside->rows) {
        write_16(p, beside, row, half, dtype);
        if (dtype == HONE_BF16) write_16(p, beside, row, 1, dtype);
    }
    if (row >= beside->next_rows) return;
    __builtin_prefetch(p->c + next, 1);
    if (p->activated) __builtin_prefetch(p->activated + next, 1);
    if (p->slope_at) __builtin_prefetch(p->slope_at + next, 0);
}

/* What is due with a product of tiles, of so many for a block. */
AMX HONE_INLINE void do_beside_as(const struct pass *p, struct beside *beside, enum hone_dtype dtype) {
    int64_t lines = dtype == HONE_F32 ? 2 * SIDE : SIDE, line = beside->written, due = beside->due + lines;
    for (; due >= beside->products; due -= beside->products, line++) do_line(p, beside, line, dtype);
    beside->due = due;
    beside->written = line;
    int64_t share = hone_min_i64(beside->lines, beside->share);
    for (int64_t i = 0; i < share; i++, beside->a += LINE) __builtin_prefetch(beside->a, 0, 2);
    beside->lines -= share;
}

AMX __attribute__((noinline)) static void do_beside(const struct pass *p, struct beside *beside) {
    if (p->c_size == 4)
        do_beside_as(p, beside, HONE_F32);
    else
        do_beside_as(p, beside, HONE_BF16);
}

/* All that is left of a block. */
AMX static void do_rest(const struct pass *p, struct beside *beside) {
    beside->next_rows = beside->lines = beside->written = beside->due = 0;
    beside->products = 1;
    do_beside(p, beside);
}

AMX HONE_INLINE void sum_bf16(const struct pass *p, int64_t m, const char *b, struct beside *beside) {
    int64_t line = p->a.row * 2, step = LINE, second = TILE_ROWS * line;
    const char *a = (const char *)p->a.data + m * line;
    if (p->a_tiles) {
        a = (const char *)(p->a_tiles + m * p->tiles * TILE_DEPTH);
        line = LINE, step = TILE_BYTES, second = p->tiles * TILE_BYTES;
    }
    for (int64_t k = 0; k < p->tiles; k++, a += step, b += 2L * TILE_BYTES) {
        _tile_loadd(6, b, LINE);
        _tile_loadd(4, a, line);
        _tile_loadd(7, b + TILE_BYTES, LINE);
        _tile_loadd(5, a + second, line);
        multiply_tiles();
        do_beside(p, beside);
    }
}

#define LOAD_A(part)                                                                                                   \
    do {                                                                                                               \
        _tile_loadd(4, a + (part)*TILE_BYTES, LINE);                                                                   \
        _tile_loadd(5, a + second + (part)*TILE_BYTES, LINE);                                                          \
    } while (0)

#define LOAD_B(part)                                                                                                   \
    do {                                                                                                               \
        _tile_loadd(6, b + (part)*TILE_BYTES, LINE);                                                                   \
        _tile_loadd(7, b + (PARTS + (part)) * TILE_BYTES, LINE);                                                       \
    } while (0)

#define MULTIPLY()                                                                                                     \
    do {                                                                                                               \
        multiply_tiles();                                                                                              \
        do_beside(p, beside);                                                                                          \
    } while (0)

/* From one product of parts to the next one of them stays in its tiles. */
AMX HONE_INLINE void sum_f32(const struct pass *p, int64_t m, const char *b, struct beside *beside) {
    int64_t second = p->tiles * PARTS * TILE_BYTES;
    const char *a = (const char *)(p->a_tiles + m * p->tiles * PARTS * TILE_DEPTH);
    for (int64_t k = 0; k < p->tiles; k++, a += PARTS * TILE_BYTES, b += 2L * PARTS * TILE_BYTES) {
        LOAD_A(0);
        LOAD_B(2);
        MULTIPLY();
        LOAD_B(1);
        MULTIPLY();
        LOAD_A(1);
        MULTIPLY();
        LOAD_B(0);
        MULTIPLY();
        LOAD_A(2);
        MULTIPLY();
        LOAD_A(0);
        MULTIPLY();
    }
}

/* sums[32][32] of rows from m on and the columns of tiles b. */
AMX HONE_INLINE void sum_tiles(float *sums, const struct pass *p, int64_t m, const void *b, struct beside *beside) {
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    if (p->tiles == 0) do_beside(p, beside);
    if (p->parts == 1)
        sum_bf16(p, m, b, beside);
    else
        sum_f32(p, m, b, beside);
    enum { ROW = SIDE * sizeof(float) };
    _tile_stored(0, sums, ROW);
    _tile_stored(1, sums + TILE_ROWS, ROW);
    _tile_stored(2, sums + TILE_ROWS * SIDE, ROW);
    _tile_stored(3, sums + TILE_ROWS * SIDE + TILE_ROWS, ROW);
}

/* All tiles: 16 rows of 64 bytes. */
AMX static void tiles_open(void) {
    enum { ROWS = TILE_ROWS };
    /* A constant: the compiler does not know that the instruction reads it all. */
    static const struct {
        uint8_t palette, start, reserved[14];
        uint16_t line[16];
        uint8_t rows[16];
    } config = {.palette = 1,
                .line = {LINE, LINE, LINE, LINE, LINE, LINE, LINE, LINE},
                .rows = {ROWS, ROWS, ROWS, ROWS, ROWS, ROWS, ROWS, ROWS}};
    _tile_loadconfig(&config);
    __asm__ volatile("" ::: "memory"); /* nor that loading tiles reads what was packed */
}

AMX static void tiles_close(void) { _tile_release(); }

/* Columns [n, n + cols) of the rows [m, end) of c. */
AMX static void block(const struct pass *p, uint16_t *b_tiles, int64_t m, int64_t end, int64_t n) {
    int64_t cols = hone_min_i64(p->cols, p->N - n), across = (cols + SIDE - 1) / SIDE;
    int64_t row_values = p->tiles * p->parts * TILE_DEPTH;
    struct hone_matrix b = hone_matrix_from(p->b, 0, n, p->dtype), lines = {b.data, b.col, b.row};
    for (int64_t i = 0; i < across * 2 * p->tiles; i++) pack(b_tiles, lines, cols, p, i, across * 2, true);
    _Alignas(64) float sums[2][SIDE * SIDE];
    const int64_t products = hone_max_i64(1, p->tiles * (p->parts == 1 ? 1 : PRODUCTS));
    struct beside beside = {.products = products};
    tiles_open();
    for (int turn = 0; m < end; m += SIDE) {
        const uint16_t *a = p->a_tiles && m + SIDE < end ? p->a_tiles + (m + SIDE) * row_values : NULL;
        int64_t a_lines = a ? row_values * SIDE * 2 / LINE : 0;
        for (int64_t j = 0; j < across; j++, turn = !turn) {
            beside.next = (m * p->c_row + n + j * SIDE) * p->c_size;
            beside.next_rows = hone_min_i64(SIDE, p->M - m);
            beside.a = a ? (const char *)a + a_lines * j / across * LINE : NULL;
            beside.lines = a_lines * (j + 1) / across - a_lines * j / across;
            beside.share = (beside.lines + products - 1) / products;
            beside.written = beside.due = 0;
            sum_tiles(sums[turn], p, m, b_tiles + j * SIDE * row_values, &beside);
            int64_t left = hone_min_i64(SIDE, cols - j * SIDE);
            uint32_t seen = left == SIDE ? UINT32_MAX : (UINT32_C(1) << left) - 1;
            beside.sums = sums[turn];
            beside.bias = p->bias ? p->bias + n + j * SIDE : NULL;
            beside.at = beside.next, beside.rows = beside.next_rows;
            beside.seen[0] = (__mmask16)seen, beside.seen[1] = (__mmask16)(seen >> TILE_ROWS);
        }
    }
    tiles_close();
    do_rest(p, &beside);
}

static void run_pass(const struct pass *p) {
    int64_t M = p->M, N = p->N, K = p->K;
    bool parallel = M * N > HONE_CPU_PARALLEL || N * K > HONE_CPU_PARALLEL || (p->a_sums && M * K > HONE_CPU_PARALLEL);
    int64_t across = (p->N + p->cols - 1) / p->cols, threads = omp_get_max_threads();
    /* Where there are so few blocks, each goes to several threads, some of its rows to each. */
    int64_t shares = hone_max_i64(1, threads / hone_max_i64(1, across)),
            rows = hone_round_up((p->M + shares - 1) / shares, SIDE);
    int64_t down = (p->M + rows - 1) / rows, line_tiles = hone_round_up(p->M, SIDE) / TILE_ROWS;
    size_t b_size = side_values(p->cols, p->K, p->parts);
#pragma omp parallel if (parallel)
    {
        if (p->a_tiles) {
#pragma omp for schedule(static)
            for (int64_t i = 0; i < line_tiles * p->tiles; i++) pack(p->a_tiles, p->a, p->M, p, i, line_tiles, false);
        }
        if (p->a_sums) {
#pragma omp for schedule(static) nowait
            for (int64_t line = 0; line < p->M; line += TILE_ROWS) add_sums(p, line);
        }
        uint16_t *b_tiles = p->b_tiles + (size_t)omp_get_thread_num() * b_size;
#pragma omp for schedule(dynamic)
        for (int64_t i = 0; i < across * down; i++) {
            int64_t m = i % down * rows;
            block(p, b_tiles, m, hone_min_i64(m + rows, p->M), i / down * p->cols);
        }
    }
}

void hone_gemm_amx(void *c, enum hone_dtype c_dtype, struct hone_matrix a, struct hone_matrix b, const float *bias,
                   float *a_sums, bool accumulate, const struct hone_gemm_activation *activation, int64_t M, int64_t N,
                   int64_t K, enum hone_dtype dtype, void *workspace) {
    HONE_CHECK(dtype == HONE_BF16 || c_dtype == HONE_F32, "products of f32 are not rounded to bf16");
    HONE_CHECK(!a_sums || a.col > 1, "a's rows lie side by side and are summed");
    HONE_CHECK(!activation || (activation->kind != HONE_TANH && c_dtype == dtype), "an activation of other values");
    int64_t most = pass_depth(K, dtype, c_dtype, accumulate), parts = parts_of(dtype);
    float *partial = workspace;
    uint16_t *b_tiles = (uint16_t *)(partial + partial_values(M, most)), *a_tiles = b_tiles + b_values(N, most, parts);
    for (int64_t m = 0; m < M; m += PASS_ROWS) {
        for (int64_t k = 0; k == 0 || k < K; k += most) {
            int64_t depth = hone_min_i64(most, K - k);
            bool activates = activation && k + depth == K;
            run_pass(&(struct pass){
                .c = value_to(c, m * N, c_dtype),
                .c_row = N,
                .c_size = (int64_t)hone_dtype_size(c_dtype),
                .M = hone_min_i64(PASS_ROWS, M - m),
                .N = N,
                .K = depth,
                .tiles = (depth + TILE_DEPTH - 1) / TILE_DEPTH,
                .parts = parts,
                .dtype = dtype,
                .a = hone_matrix_from(a, m, k, dtype),
                .b = hone_matrix_from(b, k, 0, dtype),
                .bias = k == 0 ? bias : NULL,
                .accumulate = accumulate || k > 0,
                .cols = block_cols(N, most, parts),
                .a_tiles = lies_in_tiles(a.col == 1 && a.row >= K, K, dtype) ? NULL : a_tiles,
                .b_tiles = b_tiles,
                .a_sums = a_sums ? a_sums + m : NULL,
                .partial = partial,
                .kind = activates ? activation->kind : HONE_RELU,
                .activated = activates && activation->activated ? value_to(activation->activated, m * N, dtype) : NULL,
                .slope_at = activates && activation->slope_at ? value_at(activation->slope_at, m * N, dtype) : NULL,
            });
            if (K == 0) break;
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
                   float *a_sums, bool accumulate, const struct hone_gemm_activation *activation, int64_t M, int64_t N,
                   int64_t K, enum hone_dtype dtype, void *workspace) {
    (void)c, (void)c_dtype, (void)a, (void)b, (void)bias, (void)a_sums, (void)accumulate, (void)activation, (void)M;
    (void)N, (void)K, (void)dtype, (void)workspace;
    HONE_CHECK(false, "AMX is Intel's");
}

bool hone_gemm_amx_is_native(void) { return false; }
#endif

size_t hone_gemm_amx_workspace(bool in_place, int64_t M, int64_t N, int64_t K, enum hone_dtype dtype) {
    int64_t depth = pass_depth(K, dtype, HONE_F32, false), parts = parts_of(dtype);
    size_t a_values = lies_in_tiles(in_place, K, dtype) ? 0 : side_values(hone_min_i64(M, PASS_ROWS), depth, parts);
    return (b_values(N, depth, parts) + a_values) * sizeof(uint16_t) + partial_values(M, depth) * sizeof(float);
}
