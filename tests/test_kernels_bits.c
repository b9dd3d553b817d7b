/* The promise on bits in kernels/ops.h: a row of a result depends on that row's inputs alone, sums over tokens don't
 * depend on the number of threads, dropout's mask belongs to the token wherever it lies. */
#include <omp.h>
#include <string.h>

#include "base/memory.h"
#include "kernels/device.h"
#include "tests/kernel_cases.h"
#include "tests/support.h"

static struct hone_device *device;
static struct hone_stream *stream;
static const struct hone_ops *ops;
static enum hone_dtype dtype; /* that a test runs in */
static const int threads[] = {1, 2, 3, 8};
enum { F4 = sizeof(float), THREADS = sizeof(threads) / sizeof(threads[0]) };

static int setup(void **state) {
    (void)state;
    TEST_OK(hone_device_open(&device, "cpu"));
    ops = device->ops;
    TEST_OK(device->stream_create(device, &stream));
    return 0;
}

static int in_f32(void **state) {
    (void)state;
    dtype = HONE_F32;
    return 0;
}

static int in_bf16(void **state) {
    (void)state;
    dtype = HONE_BF16;
    return 0;
}

static int teardown(void **state) {
    (void)state;
    device->stream_destroy(stream);
    return 0;
}

static void skip_without_dtype(void) {
    if (dtype == HONE_BF16 && device->bf16_why_not) skip();
}

static float *floats(int64_t n) { return hone_calloc((size_t)n, F4, "test values"); }

static float *noise(int64_t n, uint32_t seed) {
    float *values = floats(n);
    test_noise(values, NULL, n, 1, seed);
    return values;
}

/* Noise in dtype with room for as many floats. */
static void *values(int64_t n, uint32_t seed) {
    float *noisy = noise(n, seed);
    if (dtype == HONE_F32) return noisy;
    uint16_t *halves = hone_calloc((size_t)n, F4, "test values");
    for (int64_t i = 0; i < n; i++) {
        uint32_t bits;
        memcpy(&bits, noisy + i, F4);
        halves[i] = (uint16_t)(bits >> 16);
    }
    hone_free(noisy);
    return halves;
}

static size_t bytes(int64_t n) { return (size_t)n * hone_dtype_size(dtype); }
static void *at(void *matrix, int64_t i) { return (char *)matrix + bytes(i); }

/* With room for whole blocks of rows; those from T on zero, as linear_backward_weight may make them. */
static void *padded_values(int64_t T, int64_t C, uint32_t seed) {
    void *padded = hone_calloc((size_t)(hone_rows(T) * C), F4, "test values"), *rows = values(T * C, seed);
    memcpy(padded, rows, bytes(T * C));
    hone_free(rows);
    return padded;
}

static void *linear_scratch(int64_t T, int64_t N, int64_t K) {
    return hone_alloc(ops->linear_workspace(T, N, K, dtype), 1, "test workspace");
}

/* Rows of y = x w^T + b and of dx = dy w: in one batch of T, and `count` of them from row `at` on as a batch, with
 * other numbers in the rows behind them. */
static void linear_rows(int64_t N, int64_t K) {
    enum { T = 300 };
    static const int64_t parts[][2] = {{0, 1}, {31, 1}, {299, 1}, {17, 33}, {100, 65}, {3, 140}};
    int64_t rows = hone_rows(T);
    float *b = noise(N, 3);
    void *x = values(rows * K, 1), *w = values(N * K, 2), *dy = values(rows * N, 4), *copy;
    void *y = floats(rows * N), *dx = floats(rows * K), *part = floats(rows * (N > K ? N : K));
    void *active = floats(rows * N), *dbefore = floats(rows * K);
    void *scratch = linear_scratch(T, N, K);
    ops->linear_forward(y, x, w, b, T, N, K, dtype, scratch, stream);
    ops->linear_backward_input(dx, dtype, dy, w, false, T, N, K, dtype, scratch, stream);
    ops->linear_activation_forward(active, NULL, x, w, b, HONE_GELU_ERF, T, N, K, dtype, scratch, stream);
    ops->linear_activation_backward_input(dbefore, dy, w, x, HONE_GELU_ERF, T, N, K, dtype, scratch, stream);
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        int64_t from = parts[i][0], count = parts[i][1];
        void *part_scratch = linear_scratch(count, N, K);
        copy = values(rows * K, 5);
        memcpy(copy, at(x, from * K), bytes(count * K));
        ops->linear_forward(part, copy, w, b, count, N, K, dtype, part_scratch, stream);
        test_same_bits("linear_forward rows", part, at(y, from * N), bytes(count * N));
        ops->linear_activation_forward(part, NULL, copy, w, b, HONE_GELU_ERF, count, N, K, dtype, part_scratch, stream);
        test_same_bits("linear_activation_forward rows", part, at(active, from * N), bytes(count * N));
        void *before = copy;
        copy = values(rows * N, 6);
        memcpy(copy, at(dy, from * N), bytes(count * N));
        ops->linear_activation_backward_input(part, copy, w, before, HONE_GELU_ERF, count, N, K, dtype, part_scratch,
                                              stream);
        test_same_bits("linear_activation_backward_input rows", part, at(dbefore, from * K), bytes(count * K));
        hone_free(before);
        ops->linear_backward_input(part, dtype, copy, w, false, count, N, K, dtype, part_scratch, stream);
        test_same_bits("linear_backward_input rows", part, at(dx, from * K), bytes(count * K));
        hone_free(copy), hone_free(part_scratch);
    }
    TEST_OK(device->stream_synchronize(stream));
    hone_free(x), hone_free(w), hone_free(b), hone_free(dy), hone_free(y), hone_free(dx), hone_free(part);
    hone_free(active), hone_free(dbefore), hone_free(scratch);
}

static void test_linear_rows(void **state) {
    (void)state;
    skip_without_dtype();
    static const int64_t sizes[] = {1, 2, 7, 32, 63, 65, 384};
    enum { N = sizeof(sizes) / sizeof(sizes[0]) };
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++) linear_rows(sizes[i], sizes[j]);
    linear_rows(1536, 384);
    linear_rows(384, 1536);
    linear_rows(1152, 384);
    linear_rows(3, 768);
}

/* Runs the step with each number of threads; what it leaves in out[bytes] must be the same. */
static void same_for_threads(const char *name, void (*run)(void *out, const void *user), const void *user,
                             size_t bytes) {
    char *first = hone_calloc(bytes, 1, name), *other = hone_calloc(bytes, 1, name);
    int before = omp_get_max_threads();
    for (int i = 0; i < THREADS; i++) {
        omp_set_num_threads(threads[i]);
        run(i == 0 ? first : other, user);
        if (i > 0) test_same_bits(name, other, first, bytes);
    }
    omp_set_num_threads(before);
    TEST_OK(device->stream_synchronize(stream));
    hone_free(first), hone_free(other);
}

struct linear {
    int64_t T, N, K;
    void *x, *dy, *w;
    float *bias;
};

static void linear_all(void *out, const void *user) {
    const struct linear *u = user;
    float *y = out, *dx = y + hone_rows(u->T) * u->N, *dw = dx + hone_rows(u->T) * u->K, *db = dw + u->N * u->K;
    float *active = db + u->N, *dbefore = active + hone_rows(u->T) * u->N;
    void *scratch = linear_scratch(u->T, u->N, u->K);
    memset(dw, 0, (size_t)(u->N * u->K + u->N) * F4);
    ops->linear_forward(y, u->x, u->w, u->bias, u->T, u->N, u->K, dtype, scratch, stream);
    ops->linear_backward_input(dx, dtype, u->dy, u->w, false, u->T, u->N, u->K, dtype, scratch, stream);
    ops->linear_backward_weight(dw, db, u->dy, u->x, u->T, u->N, u->K, dtype, scratch, stream);
    ops->linear_activation_forward(active, NULL, u->x, u->w, u->bias, HONE_GELU_ERF, u->T, u->N, u->K, dtype, scratch,
                                   stream);
    ops->linear_activation_backward_input(dbefore, u->dy, u->w, u->x, HONE_GELU_ERF, u->T, u->N, u->K, dtype, scratch,
                                          stream);
    /* Freezing the weight changes nothing of its bias. */
    float *alone = hone_calloc((size_t)u->N, F4, "test values");
    ops->linear_backward_weight(NULL, alone, u->dy, NULL, u->T, u->N, u->K, dtype, scratch, stream);
    test_same_bits("dbias alone", alone, db, (size_t)u->N * F4);
    hone_free(alone);
    hone_free(scratch);
}

static void test_linear_threads(void **state) {
    (void)state;
    skip_without_dtype();
    static const int64_t sizes[][3] = {{736, 384, 384}, {736, 1152, 384}, {300, 1536, 384}, {300, 384, 1536},
                                       {2048, 32, 32},  {2048, 2, 384},   {32, 2, 384},     {100, 63, 65},
                                       {1500, 7, 1},    {1023, 1, 7}};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        int64_t T = sizes[i][0], N = sizes[i][1], K = sizes[i][2], rows = hone_rows(T);
        struct linear u = {T, N, K, padded_values(T, K, 1), padded_values(T, N, 2), values(N * K, 3), noise(N, 4)};
        same_for_threads("linear", linear_all, &u, (size_t)(2 * rows * N + 2 * rows * K + N * K + N) * F4);
        hone_free(u.x), hone_free(u.dy), hone_free(u.w), hone_free(u.bias);
    }
}

/* A batch of T tokens of C with everything that the kernels below read. */
struct batch {
    int64_t T, C;
    float *x, *dy, *gamma;
    void *r, *z, *dz; /* in dtype */
    int32_t *ids;
    int64_t *keys;
    struct hone_step step;
    struct hone_dropout drop;
};

static void batch_make(struct batch *b, int64_t T, int64_t C) {
    *b = (struct batch){T,
                        C,
                        noise(T * C, 1),
                        noise(T * C, 3),
                        noise(C, 4),
                        values(T * C, 2),
                        values(T * C, 5),
                        values(T * C, 6),
                        NULL,
                        NULL,
                        {.seed = 1, .step = 2},
                        {6554, 1.11f, 3, NULL, NULL, NULL}};
    b->ids = hone_alloc((size_t)T, sizeof(int32_t), "test ids");
    b->keys = hone_alloc((size_t)T, sizeof(int64_t), "test keys");
    for (int64_t t = 0; t < T; t++) b->ids[t] = (int32_t)(t * t % 11), b->keys[t] = (t / 25) << 20 | t % 25;
    b->drop.step = &b->step, b->drop.row_key = b->keys;
}

static void batch_free(struct batch *b) {
    hone_free(b->x), hone_free(b->r), hone_free(b->dy), hone_free(b->gamma), hone_free(b->z), hone_free(b->dz);
    hone_free(b->ids), hone_free(b->keys);
}

static void norm_all(void *out, const void *user) {
    const struct batch *b = user;
    int64_t n = b->T * b->C;
    float *y = out, *dx = y + n, *dr = dx + n, *dgamma = dr + n, *dbeta = dgamma + b->C, *mean = dbeta + b->C;
    float *rstd = mean + b->T;
    void *scratch = hone_alloc(ops->residual_layer_norm_backward_workspace(b->T, b->C), 1, "test workspace");
    memset(dgamma, 0, (size_t)(2 * b->C) * F4);
    ops->residual_layer_norm_forward(y, mean, rstd, b->x, b->r, b->gamma, b->gamma, 1e-5f, &b->drop, b->T, b->C, dtype,
                                     stream);
    ops->residual_layer_norm_backward(dx, dr, dgamma, dbeta, b->dy, b->x, b->r, mean, rstd, b->gamma, false, &b->drop,
                                      b->T, b->C, dtype, scratch, stream);
    hone_free(scratch);
}

static void rows_all(void *out, const void *user) {
    const struct batch *b = user;
    int64_t n = b->T * b->C;
    float *y = out, *dx = y + n, *z = dx + n, *dtable = z + n;
    ops->activation_forward(y, b->z, HONE_GELU_ERF, n, dtype, stream);
    ops->activation_backward(dx, b->dz, b->z, HONE_GELU_ERF, n, dtype, stream);
    ops->dropout(z, b->z, &b->drop, b->T, b->C, dtype, stream);
    ops->add(z, b->r, n, dtype, stream);
    memset(dtable, 0, (size_t)(11 * b->C) * F4);
    ops->embedding_backward(dtable, b->ids, NULL, NULL, NULL, NULL, b->dy, b->T, b->C, NULL, stream);
}

static void optimizer_all(void *out, const void *user) {
    const struct batch *b = user;
    int64_t n = b->T * b->C;
    float *p = out, *m = p + n, *v = m + n, *g = v + n;
    struct hone_step *step = (struct hone_step *)(g + n);
    *step = (struct hone_step){.learning_rate = 0.1f, .bias_correction1 = 0.1f, .bias_correction2 = 0.001f};
    const struct hone_segment segments[] = {{0, 1001, 1, 0}, {1008, n - 1008, 0.5f, 0.1f}};
    const struct hone_adamw settings = {0.9f, 0.999f, 1e-8f};
    void *scratch = hone_alloc(ops->gradient_norm_workspace(n), 1, "test workspace");
    memcpy(p, b->x, (size_t)n * F4), memcpy(g, b->dy, (size_t)n * F4);
    memset(m, 0, (size_t)(2 * n) * F4);
    ops->gradient_norm(step, g, NULL, n, 1, scratch, stream);
    ops->adamw(p, NULL, 0, m, v, g, NULL, segments, 2, &settings, step, stream);
    hone_free(scratch);
}

/* A matrix of T rows and a vector of the same elements. */
static void adafactor_all(void *out, const void *user) {
    const struct batch *b = user;
    int64_t n = b->T * b->C;
    const struct hone_adafactor settings = {0, 1e-30f, 1e-3f, 1, -0.8f, true};
    struct hone_step step = {.learning_rate = 1e-2f, .clip_scale = 0.5f, .finite = 1};
    for (int i = 0; i < 2; i++) {
        struct hone_adafactor_tensor tensor = {0, i ? b->T : 0, i ? b->C : n, 0, 1, 0.1f};
        float *p = (float *)out + 3 * n * i, *g = p + n, *state = g + n;
        void *scratch = hone_alloc(ops->adafactor_workspace(&tensor, 1), 1, "test workspace");
        memcpy(p, b->x, (size_t)n * F4), memcpy(g, b->dy, (size_t)n * F4);
        memset(state, 0, (size_t)n * F4);
        ops->adafactor(p, NULL, state, g, &tensor, 1, &settings, &step, scratch, stream);
        hone_free(scratch);
    }
}

static void loss_all(void *out, const void *user) {
    const struct batch *b = user;
    float *loss = out, *dlogits = loss + 1;
    *loss = 0;
    ops->cross_entropy_forward(loss, b->z, b->ids, NULL, 0.1f, b->T, b->C, dtype, stream);
    ops->cross_entropy_backward(dlogits, b->z, b->ids, NULL, 0.1f, b->T, b->C, dtype, stream);
}

static void test_threads(void **state) {
    (void)state;
    skip_without_dtype();
    static const int64_t sizes[][2] = {{736, 384}, {1500, 65}, {333, 127}};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        int64_t T = sizes[i][0], C = sizes[i][1], n = T * C;
        struct batch b;
        batch_make(&b, T, C);
        same_for_threads("residual_layer_norm", norm_all, &b, (size_t)(3 * n + 2 * C + 2 * T) * F4);
        same_for_threads("rows", rows_all, &b, (size_t)(3 * n + 11 * C) * F4);
        same_for_threads("optimizer", optimizer_all, &b, (size_t)(4 * n) * F4 + sizeof(struct hone_step));
        same_for_threads("adafactor", adafactor_all, &b, (size_t)(6 * n) * F4);
        same_for_threads("cross_entropy", loss_all, &b, (size_t)(1 + n) * F4);
        batch_free(&b);
    }
}

/* LayerNorm, dropout and loss of one row by itself. */
static void test_rows_alone(void **state) {
    (void)state;
    skip_without_dtype();
    struct batch b;
    batch_make(&b, 100, 129);
    int64_t C = b.C, n = b.T * C;
    float *y = floats(n), *mean = floats(b.T), *rstd = floats(b.T), *one = floats(C), one_mean, one_rstd;
    ops->residual_layer_norm_forward(y, mean, rstd, b.x, b.r, b.gamma, b.gamma, 1e-5f, &b.drop, b.T, C, dtype, stream);
    for (int32_t t = 0; t < b.T; t += 9) {
        /* The row is a selection of one of the batch's rows, as in a pruned last layer. */
        struct hone_dropout drop = b.drop;
        drop.rows = &t;
        ops->residual_layer_norm_forward(one, &one_mean, &one_rstd, b.x + t * C, at(b.r, t * C), b.gamma, b.gamma,
                                         1e-5f, &drop, 1, C, dtype, stream);
        test_same_bits("residual_layer_norm alone", one, y + t * C, (size_t)C * F4);
        test_same_bits("mean alone", &one_mean, &mean[t], F4);
        /* Or the row of a batch of its own with the same key. */
        drop = b.drop, drop.row_key = b.keys + t;
        ops->residual_layer_norm_forward(one, &one_mean, &one_rstd, b.x + t * C, at(b.r, t * C), b.gamma, b.gamma,
                                         1e-5f, &drop, 1, C, dtype, stream);
        test_same_bits("residual_layer_norm alone, own key", one, y + t * C, (size_t)C * F4);
    }
    hone_free(y), hone_free(mean), hone_free(rstd), hone_free(one);
    batch_free(&b);
}

enum { AH = 3, AD = 20, AW = AH * AD, AT = 170 };

struct attention {
    const int32_t *cu_q, *cu_k, *rows;
    int32_t B;
    int64_t R;
    void *q, *kv, *dout; /* rows of AW, 2 AW, AW */
    struct hone_dropout drop;
    bool causal;
};

/* out [R], lse [R], dq [R], dk and dv [T], one after the other, in room for f32. */
static void attention_all(void *result, const void *user) {
    const struct attention *u = user;
    int64_t T = u->cu_k[u->B], first = u->cu_k[0];
    struct hone_attention a = {u->cu_q, u->cu_k, u->rows, u->B, u->R, T, 130, AH, AD, 0.2f, u->causal};
    float *out = result, *lse = out + u->R * AW, *dq = lse + u->R * AH, *dkv = dq + u->R * AW;
    void *scratch = hone_alloc(ops->attention_workspace(&a, dtype), 1, "test workspace");
    assert_int_equal(first, 0);
    ops->attention_forward(out, lse, u->q, AW, u->kv, 2 * AW, at(u->kv, AW), 2 * AW, &a, &u->drop, dtype, scratch,
                           stream);
    ops->attention_backward(dq, dkv, at(dkv, AW), u->dout, lse, u->q, AW, u->kv, 2 * AW, at(u->kv, AW), 2 * AW, &a,
                            &u->drop, dtype, scratch, stream);
    hone_free(scratch);
}

static int64_t attention_size(int64_t R, int64_t T) { return R * (2 * AW + AH) + 2 * T * AW; }

static void test_attention(void **state) {
    (void)state;
    skip_without_dtype();
    static const int32_t cu[] = {0, 23, 23, 40, 170};
    for (int causal = 0; causal < 2; causal++) {
        struct batch b;
        batch_make(&b, AT, AW);
        void *kv = values(AT * 2 * AW, 7);
        float *all = floats(attention_size(AT, AT)), *part = floats(attention_size(AT, AT));
        struct attention u = {cu, cu, NULL, 4, AT, b.z, kv, b.dz, b.drop, causal};
        same_for_threads("attention", attention_all, &u, (size_t)attention_size(AT, AT) * F4);
        attention_all(all, &u);
        float *lse = all + AT * AW, *dq = lse + AT * AH, *dkv = dq + AT * AW;
        /* Each sequence alone: everything is the same. */
        for (int s = 0; s < 4; s++) {
            int64_t from = cu[s], n = cu[s + 1] - from;
            const int32_t own[] = {0, (int32_t)n};
            struct attention one = {
                own, own, NULL, 1, n, at(b.z, from * AW), at(kv, from * 2 * AW), at(b.dz, from * AW), b.drop, causal};
            one.drop.row_key = b.keys + from;
            attention_all(part, &one);
            test_same_bits("sequence alone: out", part, at(all, from * AW), bytes(n * AW));
            test_same_bits("sequence alone: lse", part + n * AW, lse + from * AH, (size_t)(n * AH) * F4);
            test_same_bits("sequence alone: dq", part + n * (AW + AH), at(dq, from * AW), bytes(n * AW));
            test_same_bits("sequence alone: dk, dv", part + n * (2 * AW + AH), at(dkv, from * 2 * AW),
                           bytes(n * 2 * AW));
        }
        /* Pruned to a few rows: theirs are the same. */
        static const int32_t rows[] = {0, 22, 23, 40, 41, 88, 169}, cu_q[] = {0, 2, 2, 3, 7};
        enum { R = 7 };
        void *q = floats(R * AW), *dout = floats(R * AW);
        for (int i = 0; i < R; i++) {
            memcpy(at(q, i * AW), at(b.z, rows[i] * AW), bytes(AW));
            memcpy(at(dout, i * AW), at(b.dz, rows[i] * AW), bytes(AW));
        }
        struct attention few = {cu_q, cu, rows, 4, R, q, kv, dout, b.drop, causal};
        few.drop.rows = rows;
        attention_all(part, &few);
        for (int i = 0; i < R; i++) {
            test_same_bits("pruned: out", at(part, i * AW), at(all, rows[i] * AW), bytes(AW));
            test_same_bits("pruned: lse", part + R * AW + i * AH, lse + rows[i] * AH, AH * F4);
            test_same_bits("pruned: dq", at(part + R * (AW + AH), i * AW), at(dq, rows[i] * AW), bytes(AW));
        }
        hone_free(q), hone_free(dout), hone_free(kv), hone_free(all), hone_free(part);
        batch_free(&b);
    }
}

int main(void) {
#define IN_BOTH(test)                                                                                                  \
    cmocka_unit_test_setup(test, in_f32), { #test " in bf16", test, in_bf16, NULL, NULL }
    const struct CMUnitTest tests[] = {
        IN_BOTH(test_linear_rows), IN_BOTH(test_linear_threads), IN_BOTH(test_threads),
        IN_BOTH(test_rows_alone),  IN_BOTH(test_attention),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
