/* The losses of heads beside PyTorch and Transformers in f64 (tests/reference/make_losses.py): their definitions, with
 * the denominators that hone divides by. */
#include "tests/graph.h"

enum { R = 23, V = 5 };

struct setting {
    struct rig rig;
    struct hone_safetensors fixture;
    const int32_t *labels;
    const float *weight, *targets, *values; /* device */
    double weights_of_labels;
};

static const float *upload(struct setting *s, const char *name) {
    int64_t n;
    float *values = fixture_f32(&s->fixture, name, &n);
    const float *device = rig_upload(&s->rig, values, (size_t)n * sizeof *values);
    hone_free(values);
    return device;
}

static void setting_open(struct setting *s) {
    *s = (struct setting){.weights_of_labels = 0};
    rig_open(&s->rig);
    TEST_OK(hone_safetensors_open(&s->fixture, "tests/fixtures/autograd/losses.safetensors"));
    int32_t *labels = fixture_i32(&s->fixture, "labels", NULL);
    float *weight = fixture_f32(&s->fixture, "weight", NULL);
    for (int r = 0; r < R; r++) s->weights_of_labels += (double)weight[labels[r]];
    s->labels = rig_upload(&s->rig, labels, R * sizeof *labels);
    hone_free(labels);
    hone_free(weight);
    s->weight = upload(s, "weight");
    s->targets = upload(s, "targets");
    s->values = upload(s, "values");
}

static void of_classes(struct setting *s, hone_value x, bool weighted, float smoothing, float focus) {
    struct hone_class_loss settings = {.weights = weighted ? s->weight : NULL, .smoothing = smoothing, .focus = focus};
    double denominator = weighted ? s->weights_of_labels : R;
    hone_class_loss(s->rig.tape, x, s->labels, settings, (float)(1 / denominator), &s->rig.step->loss);
}

static void of_bits(struct setting *s, hone_value x, bool weighted, float focus) {
    hone_binary_cross_entropy(s->rig.tape, x, s->targets, weighted ? s->weight : NULL, focus, 1.0f / (R * V),
                              &s->rig.step->loss);
}

static void weighted(struct setting *s, hone_value x) { of_classes(s, x, true, 0, 0); }
static void smoothed(struct setting *s, hone_value x) { of_classes(s, x, false, 0.1f, 0); }
static void both(struct setting *s, hone_value x) { of_classes(s, x, true, 0.2f, 0); }
static void focal(struct setting *s, hone_value x) { of_classes(s, x, false, 0, 2); }
static void focal_weighted(struct setting *s, hone_value x) { of_classes(s, x, true, 0, 0.5f); }
static void binary(struct setting *s, hone_value x) { of_bits(s, x, false, 0); }
static void binary_weighted(struct setting *s, hone_value x) { of_bits(s, x, true, 0); }
static void binary_focal(struct setting *s, hone_value x) { of_bits(s, x, false, 2); }
static void squared(struct setting *s, hone_value x) {
    hone_squared_error(s->rig.tape, x, s->values, 1.0f / (R * V), &s->rig.step->loss);
}

static const struct {
    const char *name;
    void (*record)(struct setting *s, hone_value x);
} cases[] = {
    {"binary", binary},
    {"binary_focal", binary_focal},
    {"binary_weighted", binary_weighted},
    {"both", both},
    {"focal", focal},
    {"focal_weighted", focal_weighted},
    {"smoothed", smoothed},
    {"squared", squared},
    {"weighted", weighted},
};

static void check(size_t c) {
    struct setting s;
    char name[64];
    int32_t identity[R];
    setting_open(&s);
    for (int r = 0; r < R; r++) identity[r] = r;
    const int32_t *rows = rig_upload(&s.rig, identity, sizeof identity);
    /* The logits are a table's rows, so that their gradient lies in the table's. */
    int32_t table = rig_parameter(&s.rig, "table", R, V, false);
    TEST_OK(hone_parameters_allocate(s.rig.parameters, true));
    snprintf(name, sizeof name, "%s.x", cases[c].name);
    float *x = fixture_f32(&s.fixture, name, NULL);
    TEST_OK(hone_parameters_write(s.rig.parameters, table, x));
    hone_tape_begin(s.rig.tape, HONE_TRAINING);
    cases[c].record(&s, hone_embedding(s.rig.tape, R, table, rows, -1, 0, NULL, -1, NULL));
    rig_run(&s.rig, NULL, NULL);
    snprintf(name, sizeof name, "%s.loss", cases[c].name);
    double *want = fixture_f64(&s.fixture, name, NULL);
    float loss = rig_get_step(&s.rig).loss, *got = rig_gradient(&s.rig, table);
    test_close(name, &loss, want, 1, 0, 1e-6);
    hone_free(want);
    snprintf(name, sizeof name, "%s.grad", cases[c].name);
    want = fixture_f64(&s.fixture, name, NULL);
    test_close(name, got, want, R * V, 0, 2e-6);
    hone_free(want);
    hone_free(got);
    hone_free(x);
    hone_safetensors_close(&s.fixture);
    rig_close(&s.rig);
}

static void test_losses(void **state) {
    (void)state;
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) check(c);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_losses)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
