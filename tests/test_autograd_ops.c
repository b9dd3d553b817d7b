/* Every differentiable op through the tape: against PyTorch in float64 (tests/reference/make_reference.py), against
 * central differences, and the places of dropout against each other. One table of cases; a case without a fixture has
 * random inputs and is tested by differences alone. */
#include "base/random.h"
#include "tests/graph.h"

enum { T = 23, K = 13, N = 9, F = 35, H = 2, D = 5, C = H * D, R = 7, B = 5 };

/* f32 against f64: kernels of at most a few hundred terms, each rounded to 6e-8 of the largest. */
static const double PARITY = 1e-5;

struct setting {
    struct rig rig;
    struct hone_safetensors fixture;
    int32_t ids[6];          /* of the case's inputs */
    const int32_t *identity; /* device, 0 … T-1 */
    const int32_t *rows, *cu_rows, *cu_seqlens;
    const int64_t *row_key;
    const int32_t *embedding_ids, *embedding_positions, *embedding_types;
};

struct input {
    const char *key;    /* "gamma" is drawn around 1; "w1" and "b1" lie behind the input before them */
    int64_t rows, cols; /* cols 0: a vector */
};

struct test_case {
    const char *name;
    struct input inputs[6];
    hone_value (*build)(struct setting *s);
    bool fixture;
};

/* A parameter as a value: row i of the table is token i. */
static hone_value as_value(struct setting *s, int input) {
    int64_t rows = hone_parameters_get(s->rig.parameters, s->ids[input])->shape[0];
    return hone_embedding(s->rig.tape, rows, s->ids[input], s->identity, -1, 0, NULL, -1, NULL);
}

static struct hone_dropout_site site(struct setting *s, double p, uint32_t number, bool pruned) {
    return (struct hone_dropout_site){
        .p = p, .site = number, .step = s->rig.step, .row_key = s->row_key, .rows = pruned ? s->rows : NULL};
}

static struct hone_attention shape(const struct setting *s, bool pruned) {
    return (struct hone_attention){.cu_q = pruned ? s->cu_rows : s->cu_seqlens,
                                   .cu_k = s->cu_seqlens,
                                   .row_of_q = pruned ? s->rows : NULL,
                                   .B = B,
                                   .R = pruned ? R : T,
                                   .T = T,
                                   .max_len = 12,
                                   .H = H,
                                   .D = D,
                                   .scale = (float)(1 / sqrt(D))};
}

static hone_value linear(struct setting *s) {
    return hone_linear(s->rig.tape, as_value(s, 0), s->ids[1], s->ids[2], 1);
}
static hone_value linear_joined(struct setting *s) {
    return hone_linear(s->rig.tape, as_value(s, 0), s->ids[1], s->ids[3], 2);
}
static hone_value linear_plain(struct setting *s) { return hone_linear(s->rig.tape, as_value(s, 0), s->ids[1], -1, 1); }
static hone_value feed_forward_with(struct setting *s, enum hone_activation kind) {
    const int32_t weights[2] = {s->ids[1], s->ids[3]}, biases[2] = {s->ids[2], s->ids[4]};
    return hone_feed_forward(s->rig.tape, as_value(s, 0), weights, biases, kind);
}
static hone_value feed_forward_gelu_erf(struct setting *s) { return feed_forward_with(s, HONE_GELU_ERF); }
static hone_value feed_forward_gelu_tanh(struct setting *s) { return feed_forward_with(s, HONE_GELU_TANH); }
static hone_value feed_forward_relu(struct setting *s) { return feed_forward_with(s, HONE_RELU); }
static hone_value gelu_erf(struct setting *s) { return hone_activate(s->rig.tape, as_value(s, 0), HONE_GELU_ERF); }
static hone_value gelu_tanh(struct setting *s) { return hone_activate(s->rig.tape, as_value(s, 0), HONE_GELU_TANH); }
static hone_value relu(struct setting *s) { return hone_activate(s->rig.tape, as_value(s, 0), HONE_RELU); }
static hone_value tanh_case(struct setting *s) { return hone_activate(s->rig.tape, as_value(s, 0), HONE_TANH); }
static hone_value layer_norm(struct setting *s) {
    return hone_residual_layer_norm(s->rig.tape, as_value(s, 0), -1, s->ids[1], s->ids[2], 1e-12f, site(s, 0, 1, 0));
}
static hone_value residual_layer_norm(struct setting *s) {
    hone_value x = as_value(s, 0), r = as_value(s, 1);
    return hone_residual_layer_norm(s->rig.tape, x, r, s->ids[2], s->ids[3], 1e-5f, site(s, 0, 1, 0));
}
static hone_value residual_layer_norm_dropout(struct setting *s) {
    hone_value x = as_value(s, 0), r = as_value(s, 1);
    return hone_residual_layer_norm(s->rig.tape, x, r, s->ids[2], s->ids[3], 1e-5f, site(s, 0.3, 1, 0));
}
static hone_value dropout(struct setting *s) {
    return hone_dropout_rows(s->rig.tape, as_value(s, 0), site(s, 0.4, 2, 0));
}
static hone_value embedding(struct setting *s) {
    return hone_embedding(s->rig.tape, T, s->ids[0], s->embedding_ids, s->ids[1], 0, s->embedding_positions, s->ids[2],
                          s->embedding_types);
}
static hone_value gather_rows(struct setting *s) { return hone_gather_rows(s->rig.tape, as_value(s, 0), s->rows, R); }
static hone_value attention_with(struct setting *s, double p) {
    hone_value qkv = as_value(s, 0);
    return hone_attend(s->rig.tape, qkv, 0, qkv, C, 2 * C, shape(s, false), site(s, p, 4, false));
}
static hone_value attention(struct setting *s) { return attention_with(s, 0); }
static hone_value attention_dropout(struct setting *s) { return attention_with(s, 0.2); }
static hone_value attention_rows_with(struct setting *s, double p) {
    hone_value q = as_value(s, 0), kv = as_value(s, 1);
    return hone_attend(s->rig.tape, q, 0, kv, 0, C, shape(s, true), site(s, p, 4, true));
}
static hone_value attention_rows(struct setting *s) { return attention_rows_with(s, 0); }
static hone_value attention_rows_dropout(struct setting *s) { return attention_rows_with(s, 0.2); }
/* Two readers of one packed matrix, each writing some columns of its gradient. */
static hone_value attention_columns(struct setting *s) {
    hone_value packed = as_value(s, 0), q = as_value(s, 1);
    hone_value a = hone_attend(s->rig.tape, q, 0, packed, C, 0, shape(s, true), site(s, 0, 4, true));
    hone_value b = hone_attend(s->rig.tape, q, 0, packed, 2 * C, C, shape(s, true), site(s, 0, 5, true));
    return hone_residual_layer_norm(s->rig.tape, a, b, s->ids[2], s->ids[3], 1e-5f, site(s, 0, 1, 0));
}
static hone_value cross_entropy(struct setting *s) { return as_value(s, 0); }
static hone_value reused(struct setting *s) {
    struct hone_tape *tape = s->rig.tape;
    int32_t w = s->ids[1], b = s->ids[2], gamma = s->ids[3], beta = s->ids[4];
    hone_value x = as_value(s, 0);
    struct hone_dropout_site none = site(s, 0, 1, 0);
    hone_value h = hone_residual_layer_norm(tape, x, hone_linear(tape, x, w, b, 1), gamma, beta, 1e-5f, none);
    hone_value g = hone_activate(tape, h, HONE_GELU_ERF);
    hone_value z = hone_residual_layer_norm(tape, h, h, gamma, beta, 1e-5f, none);
    z = hone_residual_layer_norm(tape, z, g, gamma, beta, 1e-5f, none);
    z = hone_linear(tape, hone_gather_rows(tape, z, s->rows, R), w, b, 1);
    return hone_linear(tape, z, w, -1, 1);
}

#define FEED_FORWARD                                                                                                   \
    {                                                                                                                  \
        {"x", T, K}, {"w", F, K}, {"b", F, 0}, {"v", N, F}, { "c", N, 0 }                                              \
    }

static const struct test_case cases[] = {
    {"attention", {{"qkv", T, 3 * C}}, attention, true},
    {"attention_columns", {{"qkv", T, 3 * C}, {"q", R, C}, {"gamma", C, 0}, {"beta", C, 0}}, attention_columns, false},
    {"attention_dropout", {{"qkv", T, 3 * C}}, attention_dropout, false},
    {"attention_rows", {{"q", R, C}, {"kv", T, 2 * C}}, attention_rows, true},
    {"attention_rows_dropout", {{"q", R, C}, {"kv", T, 2 * C}}, attention_rows_dropout, false},
    {"cross_entropy", {{"x", T, N}}, cross_entropy, true},
    {"dropout", {{"x", T, N}}, dropout, false},
    {"embedding", {{"word", 11, N}, {"position", 8, N}, {"type", 2, N}}, embedding, true},
    {"feed_forward_gelu_erf", FEED_FORWARD, feed_forward_gelu_erf, true},
    {"feed_forward_gelu_tanh", FEED_FORWARD, feed_forward_gelu_tanh, true},
    {"feed_forward_relu", FEED_FORWARD, feed_forward_relu, true},
    {"gather_rows", {{"x", T, N}}, gather_rows, true},
    {"gelu_erf", {{"x", T, N}}, gelu_erf, true},
    {"gelu_tanh", {{"x", T, N}}, gelu_tanh, true},
    {"layer_norm", {{"x", T, N}, {"gamma", N, 0}, {"beta", N, 0}}, layer_norm, true},
    {"linear", {{"x", T, K}, {"w", N, K}, {"b", N, 0}}, linear, true},
    {"linear_joined", {{"x", T, K}, {"w0", N, K}, {"w1", 4, K}, {"b0", N, 0}, {"b1", 4, 0}}, linear_joined, true},
    {"linear_plain", {{"x", T, K}, {"w", N, K}}, linear_plain, true},
    {"relu", {{"x", T, N}}, relu, true},
    {"residual_layer_norm", {{"x", T, N}, {"r", T, N}, {"gamma", N, 0}, {"beta", N, 0}}, residual_layer_norm, true},
    {"residual_layer_norm_dropout",
     {{"x", T, N}, {"r", T, N}, {"gamma", N, 0}, {"beta", N, 0}},
     residual_layer_norm_dropout,
     false},
    {"reused", {{"x", T, N}, {"w", N, N}, {"b", N, 0}, {"gamma", N, 0}, {"beta", N, 0}}, reused, true},
    {"tanh", {{"x", T, N}}, tanh_case, true},
};
enum { N_CASES = sizeof cases / sizeof *cases };

static const void *upload_fixture(struct setting *s, const char *name) {
    int64_t n;
    int32_t *values = fixture_i32(&s->fixture, name, &n);
    void *memory = rig_upload(&s->rig, values, (size_t)n * sizeof *values);
    hone_free(values);
    return memory;
}

static int count_inputs(const struct test_case *c) {
    int n = 0;
    while (n < 6 && c->inputs[n].key) n++;
    return n;
}

static void add_inputs(struct setting *s, const struct test_case *c) {
    char name[96];
    for (int i = 0; i < count_inputs(c); i++) {
        const struct input *input = &c->inputs[i];
        s->ids[i] = rig_parameter(&s->rig, input->key, input->rows, input->cols, input->key[1] == '1');
    }
    TEST_OK(hone_parameters_allocate(s->rig.parameters, true));
    for (int i = 0; i < count_inputs(c); i++) {
        int64_t n, count = hone_parameters_get(s->rig.parameters, s->ids[i])->count;
        float *values;
        if (c->fixture) {
            snprintf(name, sizeof name, "%s.%s", c->name, c->inputs[i].key);
            values = fixture_f32(&s->fixture, name, &n);
            assert_int_equal(n, count);
        } else {
            values = hone_alloc((size_t)count, sizeof *values, "test");
            bool gamma = strcmp(c->inputs[i].key, "gamma") == 0;
            test_noise(values, NULL, count, gamma ? 0.2 : 1, 17 + (uint32_t)i);
            for (int64_t k = 0; k < count && gamma; k++) values[k] += 1;
        }
        TEST_OK(hone_parameters_write(s->rig.parameters, s->ids[i], values));
        hone_free(values);
    }
}

static void setting_open(struct setting *s, const struct test_case *c) {
    rig_open(&s->rig);
    TEST_OK(hone_safetensors_open(&s->fixture, "tests/fixtures/autograd/ops.safetensors"));
    int32_t identity[T], cu_seqlens[B + 1] = {0}, cu_rows[B + 1] = {0};
    int64_t row_key[T], n;
    int32_t *lengths = fixture_i32(&s->fixture, "sequences", &n), *rows = fixture_i32(&s->fixture, "rows", NULL);
    assert_int_equal(n, B);
    for (int b = 0, r = 0; b < B; b++) {
        cu_seqlens[b + 1] = cu_seqlens[b] + lengths[b];
        while (r < R && rows[r] < cu_seqlens[b + 1]) r++;
        cu_rows[b + 1] = r;
        for (int t = cu_seqlens[b]; t < cu_seqlens[b + 1]; t++) row_key[t] = (b + 3) * (1 << 20) + t - cu_seqlens[b];
    }
    for (int t = 0; t < T; t++) identity[t] = t;
    s->identity = rig_upload(&s->rig, identity, sizeof identity);
    s->cu_seqlens = rig_upload(&s->rig, cu_seqlens, sizeof cu_seqlens);
    s->cu_rows = rig_upload(&s->rig, cu_rows, sizeof cu_rows);
    s->row_key = rig_upload(&s->rig, row_key, sizeof row_key);
    s->rows = rig_upload(&s->rig, rows, R * sizeof *rows);
    s->embedding_ids = upload_fixture(s, "embedding.ids");
    s->embedding_positions = upload_fixture(s, "embedding.positions");
    s->embedding_types = upload_fixture(s, "embedding.types");
    hone_free(lengths);
    hone_free(rows);
    add_inputs(s, c);
}

static void setting_close(struct setting *s) {
    hone_safetensors_close(&s->fixture);
    rig_close(&s->rig);
}

/* Records the case and its loss; `labels` and `weights` are on the device. */
static hone_value record(struct setting *s, const struct test_case *c, enum hone_mode mode, const int32_t *labels,
                         const float *weights) {
    hone_tape_begin(s->rig.tape, mode);
    hone_value y = c->build(s);
    hone_tape_keep(s->rig.tape, y);
    float scale = 1 / (float)hone_value_rows(s->rig.tape, y);
    if (labels) hone_cross_entropy(s->rig.tape, y, labels, weights, scale, &s->rig.step->loss);
    return y;
}

static void clear_loss(struct setting *s) { rig_set_step(&s->rig, (struct hone_step){.seed = 5, .step = 3}); }

static void check_gradients(struct setting *s, const struct test_case *c, double times) {
    char name[96];
    for (int i = 0; i < count_inputs(c); i++) {
        int64_t n;
        snprintf(name, sizeof name, "%s.grad.%s", c->name, c->inputs[i].key);
        double *want = fixture_f64(&s->fixture, name, &n);
        for (int64_t k = 0; k < n; k++) want[k] *= times;
        float *got = rig_gradient(&s->rig, s->ids[i]);
        test_close(name, got, want, n, 0, PARITY);
        hone_free(got);
        hone_free(want);
    }
}

static void check_parity(const struct test_case *c) {
    struct setting s = {0};
    char name[96];
    int64_t n;
    setting_open(&s, c);
    snprintf(name, sizeof name, "%s.labels", c->name);
    const int32_t *labels = upload_fixture(&s, name);
    const float *weights = NULL;
    snprintf(name, sizeof name, "%s.weights", c->name);
    if (hone_safetensors_find(&s.fixture, name)) {
        float *values = fixture_f32(&s.fixture, name, &n);
        weights = rig_upload(&s.rig, values, (size_t)n * sizeof *values);
        hone_free(values);
    }
    hone_value y = record(&s, c, HONE_TRAINING, labels, weights);
    rig_run(&s.rig, NULL, NULL);
    snprintf(name, sizeof name, "%s.y", c->name);
    double *want = fixture_f64(&s.fixture, name, &n);
    float *trained = rig_value(&s.rig, y);
    assert_int_equal(n, hone_value_rows(s.rig.tape, y) * hone_value_cols(s.rig.tape, y));
    test_close(name, trained, want, n, 0, PARITY);
    size_t y_bytes = (size_t)n * sizeof *trained;
    hone_free(want);
    snprintf(name, sizeof name, "%s.loss", c->name);
    want = fixture_f64(&s.fixture, name, NULL);
    float loss = rig_get_step(&s.rig).loss;
    test_close(name, &loss, want, 1, 0, PARITY);
    hone_free(want);
    check_gradients(&s, c, 1);

    /* Again, with logits that backward may overwrite: gradients are added to. */
    hone_tape_begin(s.rig.tape, HONE_TRAINING);
    y = c->build(&s);
    hone_cross_entropy(s.rig.tape, y, labels, weights, 1 / (float)hone_value_rows(s.rig.tape, y), &s.rig.step->loss);
    rig_run(&s.rig, NULL, NULL);
    check_gradients(&s, c, 2);

    /* Inference has the bits of training. */
    y = record(&s, c, HONE_INFERENCE, NULL, NULL);
    rig_run(&s.rig, NULL, NULL);
    float *inferred = rig_value(&s.rig, y);
    test_same_bits(c->name, inferred, trained, y_bytes);
    hone_free(inferred);
    hone_free(trained);
    setting_close(&s);
}

static void test_parity(void **state) {
    (void)state;
    for (int i = 0; i < N_CASES; i++) {
        if (cases[i].fixture) check_parity(&cases[i]);
    }
}

static double loss_at(struct setting *s, const struct test_case *c, const int32_t *labels) {
    clear_loss(s);
    record(s, c, HONE_TRAINING, labels, NULL);
    TEST_OK(hone_tape_layout(s->rig.tape));
    hone_tape_forward(s->rig.tape, s->rig.stream);
    TEST_OK(s->rig.device->stream_synchronize(s->rig.stream));
    return (double)rig_get_step(&s->rig).loss;
}

/* The derivative along a random direction of one input. The loss carries f32 rounding (about 3e-7 of 2), so a quotient
 * over 2h = 0.02 is off by 3e-5; and by h^2 / 6 of the third derivative, at most a thousandth of the gradient's norm,
 * and at the bend of ReLU by two of them. */
static void check_direction(struct setting *s, const struct test_case *c, const int32_t *labels, int input,
                            uint32_t seed) {
    const double h = 0.01;
    int64_t n = hone_parameters_get(s->rig.parameters, s->ids[input])->count;
    float *start = hone_alloc((size_t)n, sizeof *start, "test"), *moved = hone_alloc((size_t)n, sizeof *start, "test");
    double *direction = hone_alloc((size_t)n, sizeof *direction, "test");
    float *gradient = rig_gradient(&s->rig, s->ids[input]);
    TEST_OK(hone_parameters_read(s->rig.parameters, s->ids[input], start));
    test_noise(NULL, direction, n, 1, seed);
    double expected = 0, norm = 0, losses[2];
    for (int64_t k = 0; k < n; k++) {
        expected += (double)gradient[k] * direction[k];
        norm += (double)gradient[k] * (double)gradient[k];
    }
    for (int side = 0; side < 2; side++) {
        for (int64_t k = 0; k < n; k++) moved[k] = (float)((double)start[k] + (side ? h : -h) * direction[k]);
        TEST_OK(hone_parameters_write(s->rig.parameters, s->ids[input], moved));
        losses[side] = loss_at(s, c, labels);
    }
    TEST_OK(hone_parameters_write(s->rig.parameters, s->ids[input], start));
    double found = (losses[1] - losses[0]) / (2 * h);
    if (!(fabs(found - expected) <= 0.003 * sqrt(norm) + 1e-4)) {
        fail_msg("%s, input %s: the gradient says %g, differences say %g", c->name, c->inputs[input].key, expected,
                 found);
    }
    assert_true(norm > 1e-6);
    hone_free(start);
    hone_free(moved);
    hone_free(direction);
    hone_free(gradient);
}

static void check_differences(const struct test_case *c) {
    struct setting s = {0};
    int32_t labels[T];
    setting_open(&s, c);
    hone_value y = record(&s, c, HONE_TRAINING, NULL, NULL);
    for (int t = 0; t < T; t++) labels[t] = (int32_t)(t * 7 % hone_value_cols(s.rig.tape, y));
    const int32_t *device_labels = rig_upload(&s.rig, labels, sizeof labels);
    clear_loss(&s);
    record(&s, c, HONE_TRAINING, device_labels, NULL);
    rig_run(&s.rig, NULL, NULL);
    for (int i = 0; i < count_inputs(c); i++) {
        for (uint32_t seed = 0; seed < 3; seed++) check_direction(&s, c, device_labels, i, 100 + seed);
    }
    setting_close(&s);
}

static void test_differences(void **state) {
    (void)state;
    for (int i = 0; i < N_CASES; i++) {
        if (cases[i].build == feed_forward_relu) continue; /* any step crosses bends of so many ReLUs */
        check_differences(&cases[i]);
    }
}

/* Output of a case with the mode given; owned. */
static float *output_of(const struct test_case *c, enum hone_mode mode, int64_t *n) {
    struct setting s = {0};
    setting_open(&s, c);
    hone_value y = record(&s, c, mode, NULL, NULL);
    rig_run(&s.rig, NULL, NULL);
    *n = hone_value_rows(s.rig.tape, y) * hone_value_cols(s.rig.tape, y);
    float *values = rig_value(&s.rig, y);
    setting_close(&s);
    return values;
}

static const struct test_case *find_case(const char *name) {
    for (int i = 0; i < N_CASES; i++) {
        if (strcmp(cases[i].name, name) == 0) return &cases[i];
    }
    fail_msg("no case %s", name);
    return NULL;
}

/* The mask that ops.h describes, by its words. */
static bool kept(uint32_t site_number, int64_t key, uint32_t element, uint32_t threshold) {
    uint32_t words[4], counter[4] = {element / 8, (uint32_t)key, (uint32_t)((uint64_t)key >> 32), site_number};
    uint32_t seed_and_step[2] = {5, 3};
    hone_philox(words, counter, seed_and_step);
    uint32_t word = words[element % 8 / 2];
    return (element % 2 ? word >> 16 : word & 0xFFFF) >= threshold;
}

/* Dropout is the documented mask at training, and nothing at inference; in place it is the same. */
static void test_dropout(void **state) {
    (void)state;
    int64_t n;
    uint32_t threshold = (uint32_t)lround(0.4 * 65536);
    float *x = output_of(find_case("dropout"), HONE_INFERENCE, &n);
    float *y = output_of(find_case("dropout"), HONE_TRAINING, &n);
    double *want = hone_alloc((size_t)n, sizeof *want, "test");
    struct setting s = {0};
    setting_open(&s, find_case("dropout"));
    int64_t row_key[T], dropped = 0;
    rig_download(&s.rig, row_key, s.row_key, sizeof row_key);
    for (int64_t i = 0; i < n; i++) {
        bool k = kept(2, row_key[i / N], (uint32_t)(i % N), threshold);
        want[i] = k ? (double)x[i] * 65536 / (65536 - threshold) : 0;
        dropped += !k;
    }
    test_close("dropout", y, want, n, 0, 1e-6);
    assert_true(dropped > n / 5 && dropped < n * 3 / 5);
    setting_close(&s);
    hone_free(x);
    hone_free(y);
    hone_free(want);
}

static hone_value layer_norm_after_dropout(struct setting *s) {
    hone_value x = as_value(s, 0), r = as_value(s, 1);
    r = hone_dropout_rows(s->rig.tape, r, site(s, 0.3, 1, 0));
    return hone_residual_layer_norm(s->rig.tape, x, r, s->ids[2], s->ids[3], 1e-5f, site(s, 0, 1, 0));
}

/* The fused dropout of a residual is that of its own op. */
static void test_fused_dropout(void **state) {
    (void)state;
    const struct test_case *fused = find_case("residual_layer_norm_dropout");
    struct test_case apart = *fused;
    apart.build = layer_norm_after_dropout;
    int64_t n;
    float *got = output_of(fused, HONE_TRAINING, &n), *reference = output_of(&apart, HONE_TRAINING, &n);
    double *want = hone_alloc((size_t)n, sizeof *want, "test");
    for (int64_t i = 0; i < n; i++) want[i] = (double)reference[i];
    test_close("fused dropout", got, want, n, 0, 2e-6);
    hone_free(got);
    hone_free(reference);
    hone_free(want);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parity),
        cmocka_unit_test(test_differences),
        cmocka_unit_test(test_dropout),
        cmocka_unit_test(test_fused_dropout),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
