/* Every optimizer against PyTorch's and Transformers' in f64, with clip_grad_norm_ or clip_grad_value_ and
 * get_linear_schedule_with_warmup (tests/reference/make_optimizer_reference.py), and what no reference has: skipped steps, segments, bytes. */
#include "optim/optimizer.h"
#include "optim/schedule.h"
#include "recipes/options.h"
#include "tests/graph.h"

enum { N = 4, STEPS = 5, WARMUP = 2 };

static const struct {
    const char *name;
    int64_t rows, cols;
} shapes[N] = {{"head.weight", 3, 7}, {"head.bias", 3, 0}, {"norm.weight", 7, 0}, {"table.weight", 19, 7}};

#define ADAFACTOR                                                                                                      \
    .name = HONE_OPTIMIZER_ADAFACTOR, .weight_decay = 0.1, .epsilon = 1e-30, .scale_epsilon = 1e-3,                    \
    .clip_threshold = 1, .decay_rate = -0.8

/* As OPTIMIZERS there. */
static const struct {
    const char *name;
    double rate; /* the highest; 0: relative step, -1: with warm-up */
    struct hone_optimizer_settings settings;
} optimizers[] = {
    {"adamw", 3e-3, {.weight_decay = 0.1, .beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8, .clip_norm = 1.5}},
    {"sgd", 0.05, {.name = HONE_OPTIMIZER_SGD, .weight_decay = 0.1, .clip_value = 0.4}},
    {"sgd_momentum", 0.05, {.name = HONE_OPTIMIZER_SGD, .weight_decay = 0.1, .momentum = 0.9, .clip_norm = 1.5}},
    {"sgd_nesterov",
     0.05,
     {.name = HONE_OPTIMIZER_SGD, .weight_decay = 0.1, .momentum = 0.8, .nesterov = true, .clip_norm = 1.5}},
    {"adafactor", 0.02, {ADAFACTOR, .clip_norm = 1.5}},
    {"adafactor_scaled",
     0.1,
     {.name = HONE_OPTIMIZER_ADAFACTOR,
      .weight_decay = 0.1,
      .beta1 = 0.9,
      .epsilon = 1e-12,
      .scale_epsilon = 0.5,
      .clip_threshold = 0.7,
      .decay_rate = -0.6,
      .scale_parameter = true,
      .clip_value = 0.4}},
    {"adafactor_relative", 0, {ADAFACTOR, .scale_parameter = true, .clip_norm = 1.5}},
    {"adafactor_warmup", -1, {ADAFACTOR, .clip_norm = 1.5}},
};
enum { OPTIMIZERS = sizeof optimizers / sizeof *optimizers };

static const struct hone_schedule schedule = {.name = HONE_SCHEDULE_LINEAR, .total = STEPS, .warmup = WARMUP};

struct bench {
    struct rig rig;
    struct hone_safetensors fixture;
    struct hone_optimizer *optimizer;
};

static void bench_open(struct bench *b, struct hone_optimizer_settings s) {
    char name[64];
    *b = (struct bench){0};
    rig_open(&b->rig);
    TEST_OK(hone_safetensors_open(&b->fixture, "tests/fixtures/optim/optimizers.safetensors"));
    for (int i = 0; i < N; i++) {
        snprintf(name, sizeof name, "%s", shapes[i].name);
        struct hone_parameter record = {
            .name = name, .shape = {shapes[i].rows, shapes[i].cols}, .decay = shapes[i].cols > 0};
        hone_parameters_add(b->rig.parameters, record, false);
    }
    TEST_OK(hone_parameters_allocate(b->rig.parameters, true));
    for (int i = 0; i < N; i++) {
        snprintf(name, sizeof name, "start.%s", shapes[i].name);
        float *values = fixture_f32(&b->fixture, name, NULL);
        TEST_OK(hone_parameters_write(b->rig.parameters, i, values));
        hone_free(values);
    }
    TEST_OK(hone_optimizer_create(&b->optimizer, b->rig.parameters, s));
}

static void bench_close(struct bench *b) {
    hone_optimizer_free(b->optimizer);
    hone_safetensors_close(&b->fixture);
    rig_close(&b->rig);
}

/* The fixture's gradients of one step, added to the buffer as backward would. */
static void put_gradients(struct bench *b, int step) {
    char name[64];
    for (int i = 0; i < N; i++) {
        snprintf(name, sizeof name, "grad.%d.%s", step, shapes[i].name);
        int64_t n;
        float *values = fixture_f32(&b->fixture, name, &n);
        float *place = hone_parameters_gradients(b->rig.parameters) + hone_parameters_get(b->rig.parameters, i)->offset;
        b->rig.device->copy_to_device(place, values, (size_t)n * sizeof *values, b->rig.stream);
        TEST_OK(b->rig.device->stream_synchronize(b->rig.stream));
        hone_free(values);
    }
}

static void read_all(struct bench *b, const float *buffer, float *values) {
    rig_download(&b->rig, values, buffer, (size_t)hone_parameters_elements(b->rig.parameters) * sizeof *values);
}

static void check_weights(struct bench *b, const char *optimizer, int step) {
    char name[64];
    for (int i = 0; i < N; i++) {
        int64_t n;
        snprintf(name, sizeof name, "%s.%d.%s", optimizer, step, shapes[i].name);
        double *want = fixture_f64(&b->fixture, name, &n);
        float got[19 * 7];
        TEST_OK(hone_parameters_read(b->rig.parameters, i, got));
        /* Each step rounds a weight of at most 3 once, to 1.2e-7; the update itself is right to about 1e-6 of 0.1. */
        test_close(name, got, want, n, 1e-6, 0);
        hone_free(want);
    }
}

/* Parameters' padding is 0 in every buffer, as ops.h's readers rely on. */
static void check_padding(struct bench *b, const float *buffer) {
    float values[512];
    struct hone_parameters *p = b->rig.parameters;
    read_all(b, buffer, values);
    for (int i = 0; i < N; i++) {
        const struct hone_parameter *record = hone_parameters_get(p, i);
        int64_t end = i + 1 < N ? hone_parameters_get(p, i + 1)->offset : hone_parameters_elements(p);
        for (int64_t k = record->offset + record->count; k < end; k++) assert_true(values[k] == 0);
    }
}

static double rate_at(size_t optimizer, int step) {
    double highest = optimizers[optimizer].rate;
    if (highest <= 0) return hone_schedule_relative_step(step, highest < 0);
    return highest * hone_schedule_factor(&schedule, step);
}

static void compare(size_t optimizer) {
    const struct hone_optimizer_settings *settings = &optimizers[optimizer].settings;
    char name[64];
    struct bench b;
    bench_open(&b, *settings);
    double *norms = fixture_f64(&b.fixture, "norms", NULL), *rates = NULL;
    snprintf(name, sizeof name, "%s.rates", optimizers[optimizer].name);
    if (optimizers[optimizer].rate > 0) rates = fixture_f64(&b.fixture, name, NULL);
    int clipped = 0;
    for (int step = 0; step < STEPS; step++) {
        double rate = rate_at(optimizer, step);
        assert_true(!rates || fabs(rate - rates[step]) <= 1e-15);
        TEST_OK(hone_optimizer_begin(b.optimizer, 9, (uint32_t)step, rate, b.rig.stream));
        put_gradients(&b, step);
        TEST_OK(hone_optimizer_apply(b.optimizer, b.rig.stream));
        struct hone_step result;
        TEST_OK(hone_optimizer_result(b.optimizer, &result, b.rig.stream));
        assert_int_equal(result.finite, 1);
        assert_int_equal(result.seed, 9);
        assert_int_equal(result.step, step);
        test_close("norm", &result.gradient_norm, &norms[step], 1, 0, 1e-6);
        clipped += result.clip_scale < 1;
        check_weights(&b, optimizers[optimizer].name, step);
        float gradients[512];
        read_all(&b, hone_parameters_gradients(b.rig.parameters), gradients);
        for (int64_t k = 0; k < hone_parameters_elements(b.rig.parameters); k++) assert_true(gradients[k] == 0);
    }
    if (settings->clip_norm > 0) assert_true(clipped > 0 && clipped < STEPS);
    check_padding(&b, hone_parameters_weights(b.rig.parameters));
    int64_t n;
    const char *buffer;
    for (int i = 0; hone_optimizer_buffer(b.optimizer, i, &buffer, &n); i++) {
        if (n == hone_parameters_elements(b.rig.parameters))
            check_padding(&b, hone_optimizer_buffer(b.optimizer, i, &buffer, &n));
    }
    hone_free(rates);
    hone_free(norms);
    bench_close(&b);
}

static void test_optimizers(void **state) {
    (void)state;
    bool compared[8] = {false};
    for (size_t i = 0; i < OPTIMIZERS; i++) {
        compare(i);
        compared[optimizers[i].settings.name] = true;
    }
    const struct hone_option *option = hone_option_find("optimizer.name");
    for (int name = 0; option->words[name]; name++) assert_true(compared[name]);
}

/* Everything that an optimizer remembers is 0. */
static void expect_nothing_remembered(struct bench *b) {
    int64_t n;
    const char *name;
    const float *buffer;
    for (int i = 0; (buffer = hone_optimizer_buffer(b->optimizer, i, &name, &n)); i++) {
        float values[512];
        rig_download(&b->rig, values, buffer, (size_t)n * sizeof *values);
        for (int64_t k = 0; k < n; k++) assert_true(values[k] == 0);
    }
}

/* A gradient or a loss that is not finite: nothing moves, and the next step starts from zero gradients. */
static void skip_steps(struct hone_optimizer_settings settings) {
    struct bench b;
    bench_open(&b, settings);
    size_t n = (size_t)hone_parameters_elements(b.rig.parameters);
    float before[512], after[512], bad[] = {NAN, INFINITY, 1};
    read_all(&b, hone_parameters_weights(b.rig.parameters), before);
    for (int i = 0; i < 3; i++) {
        TEST_OK(hone_optimizer_begin(b.optimizer, 9, 1, 1e-3, b.rig.stream));
        put_gradients(&b, 0);
        float *somewhere = hone_parameters_gradients(b.rig.parameters) + 50;
        b.rig.device->copy_to_device(somewhere, &bad[i], sizeof *bad, b.rig.stream);
        float loss = i == 2 ? NAN : 1;
        b.rig.device->copy_to_device(&hone_optimizer_step_state(b.optimizer)->loss, &loss, sizeof loss, b.rig.stream);
        TEST_OK(hone_optimizer_apply(b.optimizer, b.rig.stream));
        struct hone_step result;
        TEST_OK(hone_optimizer_result(b.optimizer, &result, b.rig.stream));
        assert_int_equal(result.finite, 0);
        read_all(&b, hone_parameters_weights(b.rig.parameters), after);
        test_same_bits("weights", after, before, n * sizeof *before);
        expect_nothing_remembered(&b);
        read_all(&b, hone_parameters_gradients(b.rig.parameters), after);
        for (size_t k = 0; k < n; k++) assert_true(after[k] == 0);
    }
    TEST_OK(hone_optimizer_begin(b.optimizer, 9, 1, 1e-3, b.rig.stream));
    struct hone_step result;
    TEST_OK(hone_optimizer_result(b.optimizer, &result, b.rig.stream));
    assert_true(result.finite == 1 && result.loss == 0);
    bench_close(&b);
}

static void test_not_finite(void **state) {
    (void)state;
    for (size_t i = 0; i < OPTIMIZERS; i++) skip_steps(optimizers[i].settings);
}

/* Without clipping the norm is still told. Without decay a parameter without gradient stays. */
static void test_plain(void **state) {
    (void)state;
    struct bench b;
    struct hone_optimizer_settings plain = optimizers[0].settings;
    plain.clip_norm = 0;
    plain.weight_decay = 0;
    bench_open(&b, plain);
    float before[512], after[512];
    size_t n = (size_t)hone_parameters_elements(b.rig.parameters);
    read_all(&b, hone_parameters_weights(b.rig.parameters), before);
    TEST_OK(hone_optimizer_begin(b.optimizer, 0, 0, 1, b.rig.stream));
    TEST_OK(hone_optimizer_apply(b.optimizer, b.rig.stream));
    read_all(&b, hone_parameters_weights(b.rig.parameters), after);
    test_same_bits("weights", after, before, n * sizeof *before);
    TEST_OK(hone_optimizer_begin(b.optimizer, 0, 1, 1e-3, b.rig.stream));
    put_gradients(&b, 0);
    TEST_OK(hone_optimizer_apply(b.optimizer, b.rig.stream));
    struct hone_step result;
    TEST_OK(hone_optimizer_result(b.optimizer, &result, b.rig.stream));
    double *norms = fixture_f64(&b.fixture, "norms", NULL);
    test_close("norm", &result.gradient_norm, norms, 1, 0, 1e-6);
    assert_true(norms[0] > optimizers[0].settings.clip_norm && result.clip_scale == 1);
    hone_free(norms);
    bench_close(&b);
}

/* What create allocates, but for what an allocation rounds up. */
static void test_bytes(void **state) {
    (void)state;
    for (size_t i = 0; i < OPTIMIZERS; i++) {
        struct bench b;
        bench_open(&b, optimizers[i].settings);
        size_t bytes = hone_optimizer_bytes(b.rig.parameters, &optimizers[i].settings), buffers = 0;
        int64_t n;
        const char *name;
        for (int k = 0; hone_optimizer_buffer(b.optimizer, k, &name, &n); k++) buffers += (size_t)n * sizeof(float);
        assert_true(bytes >= buffers + sizeof(struct hone_step) && bytes < buffers + 65536);
        bench_close(&b);
    }
    /* Two moments; one; none; the means of rows and columns of two matrices, and two vectors. */
    static const size_t elements[][2] = {{0, 2 * (32 + 16 + 16 + 144)}, {1, 0}, {2, 32 + 16 + 16 + 144}, {4, 46}};
    for (size_t i = 0; i < 4; i++) {
        struct bench b;
        bench_open(&b, optimizers[elements[i][0]].settings);
        int64_t n, sum = 0;
        const char *name;
        for (int k = 0; hone_optimizer_buffer(b.optimizer, k, &name, &n); k++) sum += n;
        assert_int_equal(sum, elements[i][1]);
        bench_close(&b);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_optimizers),
        cmocka_unit_test(test_not_finite),
        cmocka_unit_test(test_plain),
        cmocka_unit_test(test_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
