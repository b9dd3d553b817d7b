/* The errors of bf16: root mean squares against float64 of every op that computes in it, and of whole models, are at
 * most 1.25 times those that PyTorch's autocast makes on the same inputs (tests/reference/make_bf16_reference.py). And
 * what must hold in bf16 as in f32: a sequence's bits depend on neither its batch nor the number of threads. */
#include <omp.h>

#include "kernels/device.h"
#include "optim/optimizer.h"
#include "tests/bert_rig.h"
#include "tests/kernel_cases.h"

static const double TIMES = 1.25;

/* The errors of PyTorch; borrowed from `peers`. */
static json_t *peers;

struct bench {
    struct rig rig;
    struct hone_safetensors file;
};

static double peer_error(const char *group, const char *name) {
    const json_t *value = json_object_get(json_object_get(peers, group), name);
    if (!json_is_number(value)) fail_msg("autocast.json has no %s", name);
    return json_number_value(value);
}

static void check(const char *name, double error, double peer, double floor) {
    print_message("%s: %.3g, autocast %.3g\n", name, error, peer);
    if (!(error <= TIMES * peer + floor)) fail_msg("%s: error %.4g, autocast's is %.4g", name, error, peer);
}

/* A tensor of the fixture on the device, rounded to dtype (the values that bf16 is asked of are exact in it). */
static void *input(struct bench *b, const char *name, enum hone_dtype dtype, int64_t *n) {
    int64_t count;
    float *values = fixture_f32(&b->file, name, &count);
    void *wide = rig_upload(&b->rig, values, (size_t)count * sizeof *values), *memory;
    memory = rig_upload(&b->rig, values, (size_t)count * sizeof *values);
    b->rig.device->ops->cast(memory, wide, count, dtype, b->rig.stream);
    hone_free(values);
    if (n) *n = count;
    return memory;
}

/* Room for n values of any dtype and for whole blocks of rows of them, zero. */
static void *room(struct bench *b, int64_t n) {
    size_t bytes = (size_t)(n * HONE_ROW_BLOCK) * sizeof(float);
    char *zeros = hone_calloc(bytes, 1, "test");
    void *memory = rig_upload(&b->rig, zeros, bytes);
    hone_free(zeros);
    return memory;
}

static void check_result(struct bench *b, const char *name, const void *memory, enum hone_dtype dtype) {
    int64_t n;
    double *want = fixture_f64(&b->file, name, &n), squares = 0, size = 0;
    uint32_t *words = hone_alloc((size_t)n, sizeof *words, "test");
    rig_download(&b->rig, words, memory, (size_t)n * hone_dtype_size(dtype));
    for (int64_t i = 0; i < n; i++) {
        uint16_t half;
        memcpy(&half, (const char *)words + 2 * i, sizeof half);
        uint32_t bits = dtype == HONE_BF16 ? (uint32_t)half << 16 : words[i];
        float got;
        memcpy(&got, &bits, sizeof got);
        squares += ((double)got - want[i]) * ((double)got - want[i]);
        size += want[i] * want[i];
    }
    /* Where autocast computes in f32, or even exactly, so do we: some units of 6e-8. */
    check(name, sqrt(squares / (double)n), peer_error("ops", name), 2e-7 * sqrt(size / (double)n));
    hone_free(want);
    hone_free(words);
}

static void linear(struct bench *b) {
    const struct hone_ops *ops = b->rig.device->ops;
    struct hone_stream *s = b->rig.stream;
    int64_t N, T, K;
    float *bias = input(b, "linear.b", HONE_F32, &N);
    void *w = input(b, "linear.w", HONE_BF16, &K), *x_whole = input(b, "linear.x", HONE_BF16, &T);
    K /= N, T /= K;
    void *x = room(b, T * K), *dy = room(b, T * N), *y = room(b, T * N), *dx = room(b, T * K);
    float *dw = room(b, N * K), *dbias = room(b, N);
    b->rig.device->copy_to_device(x, x_whole, (size_t)(T * K) * 2, s);
    b->rig.device->copy_to_device(dy, input(b, "linear.dy", HONE_BF16, NULL), (size_t)(T * N) * 2, s);
    void *workspace = room(b, (int64_t)ops->linear_workspace(T, N, K, HONE_BF16) / 64 + 1);
    ops->linear_forward(y, x, w, bias, T, N, K, HONE_BF16, workspace, s);
    ops->linear_backward_input(dx, HONE_BF16, dy, w, false, T, N, K, HONE_BF16, workspace, s);
    check_result(b, "linear.grad.x", dx, HONE_BF16);
    ops->linear_backward_input(dx, HONE_F32, dy, w, false, T, N, K, HONE_BF16, workspace, s);
    ops->linear_backward_weight(dw, dbias, dy, x, T, N, K, HONE_BF16, workspace, s);
    check_result(b, "linear.y", y, HONE_BF16);
    check_result(b, "linear.grad.x", dx, HONE_F32);
    check_result(b, "linear.grad.w", dw, HONE_F32);
    check_result(b, "linear.grad.b", dbias, HONE_F32);
}

static void attention(struct bench *b) {
    enum { H = 2, D = 32, C = H * D };
    const struct hone_ops *ops = b->rig.device->ops;
    struct hone_stream *s = b->rig.stream;
    int64_t T, B;
    int32_t *lengths = fixture_i32(&b->file, "sequences", &B), *cu = hone_calloc((size_t)B + 1, sizeof *cu, "test");
    int64_t longest = 0;
    for (int64_t i = 0; i < B; i++) {
        cu[i + 1] = cu[i] + lengths[i];
        if (lengths[i] > longest) longest = lengths[i];
    }
    void *q = input(b, "attention.q", HONE_BF16, &T), *k = input(b, "attention.k", HONE_BF16, NULL);
    void *v = input(b, "attention.v", HONE_BF16, NULL), *dout = input(b, "attention.dy", HONE_BF16, NULL);
    T /= C;
    struct hone_attention a = {.B = B, .R = T, .T = T, .max_len = longest, .H = H, .D = D};
    a.scale = (float)(1 / sqrt((double)D));
    a.cu_q = a.cu_k = rig_upload(&b->rig, cu, (size_t)(B + 1) * sizeof *cu);
    void *out = room(b, T * C), *dq = room(b, T * C), *dk = room(b, T * C), *dv = room(b, T * C);
    float *lse = room(b, T * H);
    void *workspace = room(b, (int64_t)ops->attention_workspace(&a, HONE_BF16) / 64 + 1);
    ops->attention_forward(out, lse, q, C, k, C, v, C, &a, NULL, HONE_BF16, workspace, s);
    ops->attention_backward(dq, dk, dv, dout, lse, q, C, k, C, v, C, &a, NULL, HONE_BF16, workspace, s);
    check_result(b, "attention.y", out, HONE_BF16);
    check_result(b, "attention.grad.q", dq, HONE_BF16);
    check_result(b, "attention.grad.k", dk, HONE_BF16);
    check_result(b, "attention.grad.v", dv, HONE_BF16);
    hone_free(lengths);
    hone_free(cu);
}

static void layer_norm(struct bench *b) {
    const struct hone_ops *ops = b->rig.device->ops;
    struct hone_stream *s = b->rig.stream;
    int64_t T, C;
    float *gamma = input(b, "layer_norm.gamma", HONE_F32, &C), *beta = input(b, "layer_norm.beta", HONE_F32, NULL);
    float *x = input(b, "layer_norm.x", HONE_F32, &T), *dy = input(b, "layer_norm.dy", HONE_F32, NULL);
    void *r = input(b, "layer_norm.r", HONE_BF16, NULL);
    T /= C;
    float *y = room(b, T * C), *dx = room(b, T * C), *dgamma = room(b, C), *dbeta = room(b, C), *mean = room(b, T);
    float *rstd = room(b, T);
    void *dr = room(b, T * C);
    void *workspace = room(b, (int64_t)ops->residual_layer_norm_backward_workspace(T, C) / 64 + 1);
    ops->residual_layer_norm_forward(y, mean, rstd, x, r, gamma, beta, 1e-12f, NULL, T, C, HONE_BF16, s);
    ops->residual_layer_norm_backward(dx, dr, dgamma, dbeta, dy, x, r, mean, rstd, gamma, false, NULL, T, C, HONE_BF16,
                                      workspace, s);
    check_result(b, "layer_norm.y", y, HONE_F32);
    check_result(b, "layer_norm.grad.x", dx, HONE_F32);
    check_result(b, "layer_norm.grad.r", dr, HONE_BF16);
    check_result(b, "layer_norm.grad.gamma", dgamma, HONE_F32);
    check_result(b, "layer_norm.grad.beta", dbeta, HONE_F32);
}

static void activations(struct bench *b) {
    static const struct {
        const char *x, *y, *dy, *dx;
        enum hone_activation kind;
    } cases[] = {{"gelu.x", "gelu.y", "gelu.dy", "gelu.grad.x", HONE_GELU_ERF},
                 {"gelu_tanh.x", "gelu_tanh.y", "gelu_tanh.dy", "gelu_tanh.grad.x", HONE_GELU_TANH},
                 {"tanh.x", "tanh.y", "tanh.dy", "tanh.grad.x", HONE_TANH}};
    const struct hone_ops *ops = b->rig.device->ops;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int64_t n;
        void *x = input(b, cases[i].x, HONE_BF16, &n), *dy = input(b, cases[i].dy, HONE_BF16, NULL);
        void *y = room(b, n), *dx = room(b, n);
        ops->activation_forward(y, x, cases[i].kind, n, HONE_BF16, b->rig.stream);
        ops->activation_backward(dx, dy, cases[i].kind == HONE_TANH ? y : x, cases[i].kind, n, HONE_BF16,
                                 b->rig.stream);
        check_result(b, cases[i].y, y, HONE_BF16);
        check_result(b, cases[i].dx, dx, HONE_BF16);
    }
}

static void test_ops(void **state) {
    (void)state;
    void (*const all[])(struct bench * b) = {linear, attention, layer_norm, activations};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        struct bench b;
        rig_open(&b.rig);
        TEST_OK(hone_safetensors_open(&b.file, "tests/fixtures/bf16/ops.safetensors"));
        all[i](&b);
        TEST_OK(b.rig.device->stream_synchronize(b.rig.stream));
        hone_safetensors_close(&b.file);
        rig_close(&b.rig);
    }
}

static double squared_difference(const float *got, const double *want, int64_t n) {
    double sum = 0;
    for (int64_t i = 0; i < n; i++) sum += ((double)got[i] - want[i]) * ((double)got[i] - want[i]);
    return sum;
}

static double times_peer(const char *model, const char *what, double squares, int64_t n) {
    const json_t *errors = json_object_get(json_object_get(peers, "models"), model);
    double error = sqrt(squares / (double)n), peer = json_number_value(json_object_get(errors, what));
    print_message("%s %s: %.3g, autocast %.3g: %.2f\n", model, what, error, peer, error / peer);
    assert_true(peer > 0);
    return error / peer;
}

static double logits_error(struct bert_rig *b, const struct packed *all, const char *model) {
    int64_t n;
    double *want = fixture_f64(&b->fixture, "logits", &n);
    float *got = outputs(b, all, HONE_INFERENCE);
    double times = times_peer(model, "logits", squared_difference(got, want, n), n);
    hone_free(got);
    hone_free(want);
    return times;
}

static double gradients_error(struct bert_rig *b, const struct packed *all, const char *model) {
    double squares = 0;
    int64_t n, total = 0;
    set_step(b);
    differentiate(b, all, 1 / (float)b->R, NULL, NULL);
    for (int32_t id = 0; id < hone_parameters_count(b->rig.parameters); id++) {
        char name[160];
        snprintf(name, sizeof name, "grad.%s", hone_parameters_get(b->rig.parameters, id)->name);
        double *want = fixture_f64(&b->fixture, name, &n);
        float *got = rig_gradient(&b->rig, id);
        squares += squared_difference(got, want, n);
        total += n;
        hone_free(got);
        hone_free(want);
    }
    return times_peer(model, "gradients", squares, total);
}

/* In a small model a few roundings decide about all of the error, on either side: over eleven models that evens out. */
static void test_models(void **state) {
    (void)state;
    double logits = 0, gradients = 0;
    for (int m = 0; m < N_MODELS; m++) {
        struct bert_rig b;
        bert_open_in(&b, HONE_BF16, models[m].name, models[m].head, 0);
        struct packed all = pack_all(&b, true);
        double of_logits = logits_error(&b, &all, models[m].name);
        double of_gradients = gradients_error(&b, &all, models[m].name);
        assert_true(of_logits <= 2 * TIMES && of_gradients <= 2 * TIMES);
        logits += log(of_logits) / N_MODELS;
        gradients += log(of_gradients) / N_MODELS;
        bert_close(&b);
    }
    print_message("geometric means: logits %.2f, gradients %.2f\n", exp(logits), exp(gradients));
    assert_true(exp(logits) <= TIMES && exp(gradients) <= TIMES);
}

/* Logits of each sequence alone, and of all together with other numbers of threads. */
static void test_bits(void **state) {
    (void)state;
    int before = omp_get_max_threads();
    for (int m = 0; m < N_MODELS; m++) {
        struct bert_rig b;
        bert_open_in(&b, HONE_BF16, models[m].name, models[m].head, 0.3);
        set_step(&b);
        size_t row = (size_t)b.model->n_labels * sizeof(float);
        struct packed all = pack_all(&b, true);
        omp_set_num_threads(1);
        float *together = outputs(&b, &all, HONE_TRAINING);
        differentiate(&b, &all, 1, NULL, NULL);
        float *gradients = all_gradients(&b);
        for (int threads = 2; threads <= 8; threads = threads == 2 ? 3 : threads + 5) {
            omp_set_num_threads(threads);
            float *again = outputs(&b, &all, HONE_TRAINING);
            test_same_bits("threads: logits", again, together, (size_t)b.R * row);
            rig_clear_gradients(&b.rig);
            differentiate(&b, &all, 1, NULL, NULL);
            float *other = all_gradients(&b);
            size_t bytes = (size_t)hone_parameters_elements(b.rig.parameters) * sizeof(float);
            test_same_bits("threads: gradients", other, gradients, bytes);
            hone_free(again);
            hone_free(other);
        }
        omp_set_num_threads(before);
        for (int i = 0; i < b.n; i++) {
            struct packed one = pack(&b, &i, 1, true);
            float *alone = outputs(&b, &one, HONE_TRAINING);
            test_same_bits("alone", alone, together + b.row_begins[i] * b.model->n_labels, (size_t)one.in.R * row);
            hone_free(alone);
        }
        hone_free(together);
        hone_free(gradients);
        bert_close(&b);
    }
}

/* After an optimizer step the bf16 copy holds the roundings of the weights, which have moved. */
static void test_copy(void **state) {
    (void)state;
    struct bert_rig b;
    bert_open_in(&b, HONE_BF16, "gelu", HONE_HEAD_SEQUENCE_CLASSIFICATION, 0);
    const struct hone_parameters *p = b.rig.parameters;
    struct hone_optimizer *optimizer;
    struct hone_optimizer_settings settings = {.beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8, .clip_norm = 1};
    TEST_OK(hone_optimizer_create(&optimizer, b.rig.parameters, settings));
    struct packed all = pack_all(&b, true);
    TEST_OK(hone_optimizer_begin(optimizer, 1, 0, 1e-2, b.rig.stream));
    size_t n = (size_t)hone_parameters_copied(p);
    assert_true(n > 0);
    float *before = hone_alloc(n, sizeof *before, "test"), *after = hone_alloc(n, sizeof *after, "test");
    uint16_t *copy = hone_alloc(n, sizeof *copy, "test");
    rig_download(&b.rig, before, hone_parameters_weights(p), n * sizeof *before);
    differentiate(&b, &all, 1, NULL, NULL);
    TEST_OK(hone_optimizer_apply(optimizer, b.rig.stream));
    rig_download(&b.rig, after, hone_parameters_weights(p), n * sizeof *after);
    rig_download(&b.rig, copy, hone_parameters_copy(p), n * sizeof *copy);
    size_t moved = 0;
    for (int32_t id = 0; id < hone_parameters_count(p); id++) {
        const struct hone_parameter *record = hone_parameters_get(p, id);
        for (int64_t i = record->offset; record->inner && i < record->offset + record->count; i++) {
            uint32_t bits = (uint32_t)copy[i] << 16;
            float rounded;
            memcpy(&rounded, &bits, sizeof rounded);
            assert_true(rounded == kernel_round_bf16(after[i]));
            moved += rounded != kernel_round_bf16(before[i]);
        }
    }
    assert_true(moved > 1000);
    hone_free(before);
    hone_free(after);
    hone_free(copy);
    hone_optimizer_free(optimizer);
    bert_close(&b);
}

int main(void) {
    struct hone_device *device;
    if (hone_device_open(&device, "cpu") != HONE_OK) return 1;
    if (device->bf16_why_not) {
        printf("skipped: %s\n", device->bf16_why_not);
        return 77;
    }
    if (hone_json_read(&peers, "tests/fixtures/bf16/autocast.json", HONE_JSON_CONFIG_LIMIT) != HONE_OK) return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ops),
        cmocka_unit_test(test_models),
        cmocka_unit_test(test_bits),
        cmocka_unit_test(test_copy),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    json_decref(peers);
    return failed;
}
