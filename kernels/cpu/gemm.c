/* linear_* through oneDNN matmul primitives. Tokens are cut into blocks of 256 and a rest out of 128, 64 and 32, so
 * that a shape needs at most four primitives of each kind however T varies: memory stays flat from step to step. In
 * the weight gradient, where tokens are summed over, the same blocks are added in order, which makes the sum
 * independent of the number of threads. Primitives have concrete dimensions: with those, on AVX-512 without AMX, a
 * row's bits depend neither on the block nor on the other rows. Scratch memory is the caller's workspace.
 *
 * Where that doesn't hold, the product is our own: in bf16 on AMX (gemm_amx.h, whose f32 is for its speed), and in f32
 * without AVX-512 (gemm_packed.h).
 *
 * Builds against oneDNN 2.6 and 3.x; what differs stands in make_matmul(). */
#include <omp.h>
#include <oneapi/dnnl/dnnl.h>
#include <stdio.h>
#include <sys/mman.h>

#include "base/arith.h"
#include "base/memory.h"
#include "kernels/cpu/cpu.h"
#include "kernels/cpu/device.h"
#include "kernels/cpu/gemm_amx.h"
#include "kernels/cpu/gemm_packed.h"
#include "kernels/cpu/values.h"
#include "kernels/profile.h"

enum gemm_kind { GEMM_FORWARD, GEMM_BACKWARD_INPUT, GEMM_BACKWARD_WEIGHT };

enum { CODE_BYTES = 4 << 20 }; /* more than oneDNN takes to write one primitive */

/* A primitive and what it was made for. The number of threads is part of it, because oneDNN sizes its scratch memory
 * by it. */
struct gemm {
    enum gemm_kind kind;
    enum hone_dtype dtype, result_dtype;
    bool bias, accumulate;
    int threads;
    int64_t block, N, K;

    dnnl_status_t status; /* of its making */
    size_t scratch_bytes;
    dnnl_primitive_desc_t description;
    dnnl_primitive_t primitive; /* made when first run */
    dnnl_memory_t source, weights, bias_memory, result, scratch;
};

static struct {
    dnnl_engine_t engine;
    dnnl_stream_t stream;
    struct gemm **cache; /* one a shape, kind and block size */
    size_t n, capacity;
} gemms;

static bool has_isa(dnnl_cpu_isa_t isa) {
#if defined(__x86_64__)
    return (dnnl_get_effective_cpu_isa() & isa) == isa;
#else
    (void)isa;
    return false;
#endif
}

static dnnl_status_t gemms_open(void) {
    if (gemms.engine) return dnnl_success;
    dnnl_status_t status = dnnl_engine_create(&gemms.engine, dnnl_cpu, 0);
    if (status != dnnl_success) return status;
    return dnnl_stream_create(&gemms.stream, gemms.engine, dnnl_stream_default_flags);
}

struct matrix {
    dnnl_dims_t dims, strides;
};

#define MATRIX(rows, cols, row_stride, col_stride) ((struct matrix){{rows, cols}, {row_stride, col_stride}})

/* What one call multiplies: result = source * weights, as oneDNN names them. */
static void gemm_matrices(const struct gemm *g, struct matrix *source, struct matrix *weights, struct matrix *result) {
    int64_t M = g->block, N = g->N, K = g->K;
    switch (g->kind) {
    case GEMM_FORWARD:
        *source = MATRIX(M, K, K, 1);
        *weights = MATRIX(K, N, 1, K);
        *result = MATRIX(M, N, N, 1);
        break;
    case GEMM_BACKWARD_INPUT:
        *source = MATRIX(M, N, N, 1);
        *weights = MATRIX(N, K, K, 1);
        *result = MATRIX(M, K, K, 1);
        break;
    case GEMM_BACKWARD_WEIGHT:
        *source = MATRIX(N, M, 1, N);
        *weights = MATRIX(M, K, K, 1);
        *result = MATRIX(N, K, K, 1);
        break;
    }
}

#if DNNL_VERSION_MAJOR >= 3
typedef dnnl_memory_desc_t matrix_desc;
typedef const_dnnl_memory_desc_t matrix_desc_ref;
#define DESC_REF(desc) (desc)
#else
typedef dnnl_memory_desc_t matrix_desc;
typedef const dnnl_memory_desc_t *matrix_desc_ref;
#define DESC_REF(desc) (&(desc))
#endif

static dnnl_status_t desc_create(matrix_desc *desc, const struct matrix *m, enum hone_dtype dtype) {
    dnnl_data_type_t type = dtype == HONE_BF16 ? dnnl_bf16 : dnnl_f32;
#if DNNL_VERSION_MAJOR >= 3
    return dnnl_memory_desc_create_with_strides(desc, 2, m->dims, type, m->strides);
#else
    return dnnl_memory_desc_init_by_strides(desc, 2, m->dims, type, m->strides);
#endif
}

static dnnl_status_t append_sum(dnnl_post_ops_t operations) {
#if DNNL_VERSION_MAJOR >= 3
    return dnnl_post_ops_append_sum(operations, 1.0f, 0, dnnl_data_type_undef);
#else
    return dnnl_post_ops_append_sum(operations, 1.0f);
#endif
}

static dnnl_status_t describe(dnnl_primitive_desc_t *out, matrix_desc_ref source, matrix_desc_ref weights,
                              matrix_desc_ref bias, matrix_desc_ref result, dnnl_primitive_attr_t attributes) {
#if DNNL_VERSION_MAJOR >= 3
    return dnnl_matmul_primitive_desc_create(out, gemms.engine, source, weights, bias, result, attributes);
#else
    dnnl_matmul_desc_t operation;
    dnnl_status_t status = dnnl_matmul_desc_init(&operation, source, weights, bias, result);
    if (status != dnnl_success) return status;
    return dnnl_primitive_desc_create(out, &operation, attributes, gemms.engine, NULL);
#endif
}

static void desc_destroy(matrix_desc desc) {
#if DNNL_VERSION_MAJOR >= 3
    dnnl_memory_desc_destroy(desc);
#else
    (void)desc;
#endif
}

#define TRY_DNNL(expression)                                                                                           \
    do {                                                                                                               \
        dnnl_status_t try_status = (expression);                                                                       \
        if (try_status != dnnl_success) return try_status;                                                             \
    } while (0)

static dnnl_status_t attributes_create(dnnl_primitive_attr_t *attributes, bool accumulate) {
    TRY_DNNL(dnnl_primitive_attr_create(attributes));
    TRY_DNNL(dnnl_primitive_attr_set_scratchpad_mode(*attributes, dnnl_scratchpad_mode_user));
    if (!accumulate) return dnnl_success;
    dnnl_post_ops_t operations;
    TRY_DNNL(dnnl_post_ops_create(&operations));
    dnnl_status_t status = append_sum(operations);
    if (status == dnnl_success) status = dnnl_primitive_attr_set_post_ops(*attributes, operations);
    dnnl_post_ops_destroy(operations);
    return status;
}

/* Fills description, scratch_bytes and the memory objects, which get their addresses call by call. */
static dnnl_status_t gemm_describe(struct gemm *g) {
    TRY_DNNL(gemms_open());
    struct matrix source, weights, result, bias = MATRIX(1, g->N, g->N, 1);
    gemm_matrices(g, &source, &weights, &result);
    matrix_desc a, b, c, d;
    dnnl_primitive_attr_t attributes;
    TRY_DNNL(desc_create(&a, &source, g->dtype));
    TRY_DNNL(desc_create(&b, &weights, g->dtype));
    TRY_DNNL(desc_create(&c, &result, g->result_dtype));
    TRY_DNNL(desc_create(&d, &bias, HONE_F32));
    TRY_DNNL(attributes_create(&attributes, g->accumulate));
    TRY_DNNL(
        describe(&g->description, DESC_REF(a), DESC_REF(b), g->bias ? DESC_REF(d) : NULL, DESC_REF(c), attributes));
    dnnl_primitive_attr_destroy(attributes);
    matrix_desc_ref scratch = dnnl_primitive_desc_query_md(g->description, dnnl_query_scratchpad_md, 0);
    g->scratch_bytes = dnnl_memory_desc_get_size(scratch);
    TRY_DNNL(dnnl_memory_create(&g->source, DESC_REF(a), gemms.engine, DNNL_MEMORY_NONE));
    TRY_DNNL(dnnl_memory_create(&g->weights, DESC_REF(b), gemms.engine, DNNL_MEMORY_NONE));
    TRY_DNNL(dnnl_memory_create(&g->result, DESC_REF(c), gemms.engine, DNNL_MEMORY_NONE));
    TRY_DNNL(dnnl_memory_create(&g->bias_memory, DESC_REF(d), gemms.engine, DNNL_MEMORY_NONE));
    TRY_DNNL(dnnl_memory_create(&g->scratch, scratch, gemms.engine, DNNL_MEMORY_NONE));
    desc_destroy(a), desc_destroy(b), desc_destroy(c), desc_destroy(d);
    return dnnl_success;
}

/* The primitive for what `want` says; its later members are not read. */
static struct gemm *gemm_get(struct gemm want) {
    want.threads = omp_get_max_threads();
    for (size_t i = 0; i < gemms.n; i++) {
        struct gemm *g = gemms.cache[i];
        if (g->kind == want.kind && g->block == want.block && g->N == want.N && g->K == want.K &&
            g->dtype == want.dtype && g->result_dtype == want.result_dtype && g->bias == want.bias &&
            g->accumulate == want.accumulate && g->threads == want.threads)
            return g;
    }
    hone_reserve(&gemms.cache, &gemms.capacity, gemms.n + 1, sizeof(*gemms.cache), "GEMM primitives");
    struct gemm *g = hone_calloc(1, sizeof(*g), "GEMM primitive");
    *g = want;
    g->status = gemm_describe(g);
    gemms.cache[gemms.n++] = g;
    return g;
}

/* oneDNN crashes where memory ends while it writes code. */
static bool has_room_for_code(void) {
    void *room = mmap(NULL, CODE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return room != MAP_FAILED && munmap(room, CODE_BYTES) == 0;
}

static dnnl_status_t gemm_run(struct gemm *g, void *result, const void *source, const void *weights, const void *bias,
                              void *workspace) {
    TRY_DNNL(g->status);
    if (!g->primitive) {
        if (!has_room_for_code()) return dnnl_out_of_memory;
        TRY_DNNL(dnnl_primitive_create(&g->primitive, g->description));
        dnnl_primitive_desc_destroy(g->description);
        g->description = NULL;
    }
    TRY_DNNL(dnnl_memory_set_data_handle(g->result, result));
    TRY_DNNL(dnnl_memory_set_data_handle(g->source, (void *)(uintptr_t)source));
    TRY_DNNL(dnnl_memory_set_data_handle(g->weights, (void *)(uintptr_t)weights));
    TRY_DNNL(dnnl_memory_set_data_handle(g->scratch, workspace));
    if (g->bias) TRY_DNNL(dnnl_memory_set_data_handle(g->bias_memory, (void *)(uintptr_t)bias));
    const dnnl_exec_arg_t arguments[] = {{DNNL_ARG_SRC, g->source},
                                         {DNNL_ARG_WEIGHTS, g->weights},
                                         {DNNL_ARG_DST, g->result},
                                         {DNNL_ARG_SCRATCHPAD, g->scratch},
                                         {DNNL_ARG_BIAS, g->bias_memory}};
    double start = hone_profile_start();
    TRY_DNNL(dnnl_primitive_execute(g->primitive, gemms.stream, g->bias ? 5 : 4, arguments));
    TRY_DNNL(dnnl_stream_wait(gemms.stream));
    hone_profile_add("gemm", start);
    return dnnl_success;
}

/* Where oneDNN's product lets a row's bits depend on the rows beside it, or is slower. */
static bool is_ours(enum hone_dtype dtype) {
    return hone_gemm_amx_is_native() || (dtype == HONE_F32 && !has_isa(dnnl_cpu_isa_avx512_core));
}

#define ROW_MAJOR(p, cols)  ((struct hone_matrix){p, cols, 1})
#define TRANSPOSED(p, rows) ((struct hone_matrix){p, 1, rows})

/* a_sums, activation: see hone_gemm_amx(); NULL without AMX. */
static void multiply(void *c, enum hone_dtype c_dtype, struct hone_matrix a, struct hone_matrix b, const float *bias,
                     float *a_sums, bool accumulate, const struct hone_gemm_activation *activation, int64_t M,
                     int64_t N, int64_t K, enum hone_dtype dtype, void *workspace) {
    double start = hone_profile_start();
    if (hone_gemm_amx_is_native())
        hone_gemm_amx(c, c_dtype, a, b, bias, a_sums, accumulate, activation, M, N, K, dtype, workspace);
    else
        hone_gemm_packed(c, a, b, bias, accumulate, M, N, K, workspace);
    hone_profile_add(activation ? "gemm with activation" : "gemm", start);
}

/* The block that comes next when `rows` (a multiple of 32) are left. */
static int64_t next_block(int64_t rows) { return rows >= 256 ? 256 : rows >= 128 ? 128 : rows >= 64 ? 64 : 32; }

static void report(struct hone_stream *s, const char *op, dnnl_status_t status, int64_t T, int64_t N, int64_t K) {
    if (status == dnnl_success) return;
    if (status == dnnl_out_of_memory)
        hone_cpu_fail(s, HONE_OUT_OF_MEMORY, "out of memory: %s [T=%lld, N=%lld, K=%lld] by oneDNN", op, (long long)T,
                      (long long)N, (long long)K);
    else
        hone_cpu_fail(s, HONE_INTERNAL, "%s [T=%lld, N=%lld, K=%lld]: oneDNN failed with status %d", op, (long long)T,
                      (long long)N, (long long)K, (int)status);
}

void hone_cpu_linear_forward(void *y, const void *x, const void *w, const float *bias, int64_t T, int64_t N, int64_t K,
                             enum hone_dtype dtype, void *workspace, struct hone_stream *s) {
    hone_cpu_check_dtype("linear_forward", dtype);
    if (is_ours(dtype)) {
        multiply(y, dtype, ROW_MAJOR(x, K), TRANSPOSED(w, K), bias, NULL, false, NULL, T, N, K, dtype, workspace);
        return;
    }
    dnnl_status_t status = dnnl_success;
    struct gemm want = {
        .kind = GEMM_FORWARD, .dtype = dtype, .result_dtype = dtype, .bias = bias != NULL, .N = N, .K = K};
    int64_t rows = hone_rows(T);
    for (int64_t t = 0; t < rows && status == dnnl_success; t += want.block) {
        want.block = next_block(rows - t);
        status = gemm_run(gemm_get(want), value_to(y, t * N, dtype), value_at(x, t * K, dtype), w, bias, workspace);
    }
    report(s, "linear_forward", status, T, N, K);
}

void hone_cpu_linear_backward_input(void *dx, enum hone_dtype dx_dtype, const void *dy, const void *w, bool accumulate,
                                    int64_t T, int64_t N, int64_t K, enum hone_dtype dtype, void *workspace,
                                    struct hone_stream *s) {
    hone_cpu_check_dtype("linear_backward_input", dtype);
    hone_cpu_check_dtype("linear_backward_input", dx_dtype);
    if (is_ours(dtype)) {
        multiply(dx, dx_dtype, ROW_MAJOR(dy, N), ROW_MAJOR(w, K), NULL, NULL, accumulate, NULL, T, K, N, dtype,
                 workspace);
        return;
    }
    dnnl_status_t status = dnnl_success;
    struct gemm want = {.kind = GEMM_BACKWARD_INPUT,
                        .dtype = dtype,
                        .result_dtype = dx_dtype,
                        .accumulate = accumulate,
                        .N = N,
                        .K = K};
    int64_t rows = hone_rows(T);
    for (int64_t t = 0; t < rows && status == dnnl_success; t += want.block) {
        want.block = next_block(rows - t);
        status =
            gemm_run(gemm_get(want), value_to(dx, t * K, dx_dtype), value_at(dy, t * N, dtype), w, NULL, workspace);
    }
    report(s, "linear_backward_input", status, T, N, K);
}

/* Columns [from, from + 64) of the sum over tokens: 256 tokens at a time, so that long sums stay accurate. */
enum { BIAS_COLUMNS = 64, BIAS_TOKENS = 256 };

HONE_INLINE void bias_columns(float *dbias, const void *dy, int64_t T, int64_t N, int64_t from, enum hone_dtype dtype) {
    enum { VECTORS = BIAS_COLUMNS / HONE_LANES };
    int64_t count[VECTORS], columns = hone_min_i64(N - from, BIAS_COLUMNS);
    hone_vec total[VECTORS] = {0};
    for (int64_t v = 0; v < VECTORS; v++) count[v] = hone_min_i64(columns - v * HONE_LANES, HONE_LANES);
    for (int64_t t = 0; t < T; t += BIAS_TOKENS) {
        hone_vec sum[VECTORS] = {0};
        int64_t end = hone_min_i64(T, t + BIAS_TOKENS);
        for (int64_t i = t; i < end; i++) {
            const void *row = value_at(dy, i * N + from, dtype);
            if (columns == BIAS_COLUMNS)
                for (int v = 0; v < VECTORS; v++) sum[v] += vec_read(row, v * HONE_LANES, HONE_LANES, dtype);
            else
                for (int v = 0; v < VECTORS; v++)
                    if (count[v] > 0) sum[v] += vec_read(row, v * HONE_LANES, count[v], dtype);
        }
        for (int v = 0; v < VECTORS; v++) total[v] += sum[v];
    }
    for (int v = 0; v < VECTORS; v++) {
        float *out = dbias + from + v * HONE_LANES;
        if (count[v] > 0) vec_store_n(out, vec_load_n(out, count[v]) + total[v], count[v]);
    }
}

HONE_CLONES static void bias_gradient(float *dbias, const void *dy, int64_t T, int64_t N, int64_t from,
                                      enum hone_dtype dtype) {
    HONE_BY_DTYPE(dtype, bias_columns, dbias, dy, T, N, from);
}

void hone_cpu_linear_backward_weight(float *dw, float *dbias, void *dy, void *x, int64_t T, int64_t N, int64_t K,
                                     enum hone_dtype dtype, void *workspace, struct hone_stream *s) {
    hone_cpu_check_dtype("linear_backward_weight", dtype);
    dnnl_status_t status = dnnl_success;
    struct gemm want = {
        .kind = GEMM_BACKWARD_WEIGHT, .dtype = dtype, .result_dtype = HONE_F32, .accumulate = true, .N = N, .K = K};
    int64_t rows = dw && !is_ours(dtype) ? hone_rows(T) : 0;
    /* The bias alone in the same way, as a product without columns: it must not depend on whether the weight is frozen. */
    bool sums_too = dbias && N > 1 && is_ours(dtype) && hone_gemm_amx_is_native();
    if (is_ours(dtype) && (dw || sums_too)) {
        multiply(dw, HONE_F32, TRANSPOSED(dy, N), ROW_MAJOR(dw ? x : dy, K), NULL, sums_too ? dbias : NULL, true, NULL,
                 N, dw ? K : 0, T, dtype, workspace);
    } else if (dw) {
        memset(value_to(dy, T * N, dtype), 0, (size_t)((rows - T) * N) * hone_dtype_size(dtype));
        memset(value_to(x, T * K, dtype), 0, (size_t)((rows - T) * K) * hone_dtype_size(dtype));
    }
    for (int64_t t = 0; t < rows && status == dnnl_success; t += want.block) {
        want.block = next_block(rows - t);
        status = gemm_run(gemm_get(want), dw, value_at(dy, t * N, dtype), value_at(x, t * K, dtype), NULL, workspace);
    }
    report(s, "linear_backward_weight", status, T, N, K);
    if (!dbias || sums_too) return;
#pragma omp parallel for schedule(static) if (T * N > HONE_CPU_PARALLEL)
    for (int64_t from = 0; from < N; from += BIAS_COLUMNS) bias_gradient(dbias, dy, T, N, from, dtype);
}

/* Apart from AMX the activation is a pass of its own, over `before` or over y itself. */
void hone_cpu_linear_activation_forward(void *y, void *before, const void *x, const void *w, const float *bias,
                                        enum hone_activation kind, int64_t T, int64_t N, int64_t K,
                                        enum hone_dtype dtype, void *workspace, struct hone_stream *s) {
    hone_cpu_check_dtype("linear_activation_forward", dtype);
    void *c = before ? before : y;
    if (hone_gemm_amx_is_native()) {
        multiply(c, dtype, ROW_MAJOR(x, K), TRANSPOSED(w, K), bias, NULL, false,
                 &(struct hone_gemm_activation){.kind = kind, .activated = y}, T, N, K, dtype, workspace);
        return;
    }
    hone_cpu_linear_forward(c, x, w, bias, T, N, K, dtype, workspace, s);
    hone_cpu_activation_forward(y, c, kind, T * N, dtype, s);
}

void hone_cpu_linear_activation_backward_input(void *dbefore, const void *dy, const void *w, const void *before,
                                               enum hone_activation kind, int64_t T, int64_t N, int64_t K,
                                               enum hone_dtype dtype, void *workspace, struct hone_stream *s) {
    hone_cpu_check_dtype("linear_activation_backward_input", dtype);
    if (hone_gemm_amx_is_native()) {
        multiply(dbefore, dtype, ROW_MAJOR(dy, N), ROW_MAJOR(w, K), NULL, NULL, false,
                 &(struct hone_gemm_activation){.kind = kind, .slope_at = before}, T, K, N, dtype, workspace);
        return;
    }
    hone_cpu_linear_backward_input(dbefore, dtype, dy, w, false, T, N, K, dtype, workspace, s);
    hone_cpu_activation_backward(dbefore, dbefore, before, kind, T * K, dtype, s);
}

static size_t our_workspace(bool in_place, int64_t M, int64_t N, int64_t K, enum hone_dtype dtype) {
    return hone_gemm_amx_is_native() ? hone_gemm_amx_workspace(in_place, M, N, K, dtype)
                                     : hone_gemm_packed_workspace(in_place, M, N, K);
}

size_t hone_cpu_linear_workspace(int64_t T, int64_t N, int64_t K, enum hone_dtype dtype) {
    hone_cpu_check_dtype("linear_workspace", dtype);
    if (is_ours(dtype)) {
        size_t forward = our_workspace(true, T, N, K, dtype), input = our_workspace(true, T, K, N, dtype);
        size_t weight = our_workspace(false, N, K, T, dtype), backward = input > weight ? input : weight;
        return forward > backward ? forward : backward;
    }
    /* In f32 the variants with a result of f32 come twice, which changes nothing. */
    const struct gemm variants[] = {{.kind = GEMM_FORWARD, .result_dtype = dtype},
                                    {.kind = GEMM_FORWARD, .result_dtype = dtype, .bias = true},
                                    {.kind = GEMM_BACKWARD_INPUT, .result_dtype = dtype},
                                    {.kind = GEMM_BACKWARD_INPUT, .result_dtype = dtype, .accumulate = true},
                                    {.kind = GEMM_BACKWARD_INPUT, .result_dtype = HONE_F32},
                                    {.kind = GEMM_BACKWARD_INPUT, .result_dtype = HONE_F32, .accumulate = true},
                                    {.kind = GEMM_BACKWARD_WEIGHT, .result_dtype = HONE_F32, .accumulate = true}};
    size_t bytes = 0;
    int64_t rows = hone_rows(T);
    for (int64_t t = 0, block; t < rows; t += block) {
        block = next_block(rows - t);
        for (size_t i = 0; i < sizeof(variants) / sizeof(variants[0]); i++) {
            struct gemm want = variants[i];
            want.dtype = dtype, want.block = block, want.N = N, want.K = K;
            size_t needed = gemm_get(want)->scratch_bytes;
            if (needed > bytes) bytes = needed;
        }
    }
    return bytes;
}

bool hone_cpu_bf16_is_native(void) { return has_isa(dnnl_cpu_isa_avx512_core_bf16); }

void hone_cpu_gemm_name(char *out, size_t n) {
    const dnnl_version_t *version = dnnl_version();
    snprintf(out, n, "oneDNN %d.%d.%d (%.12s), instruction sets %#x%s", version->major, version->minor, version->patch,
             version->hash, (unsigned)dnnl_get_effective_cpu_isa(),
             hone_gemm_amx_is_native() ? "; our own on AMX" : "");
}
