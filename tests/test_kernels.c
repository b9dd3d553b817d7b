/* Every kernel of every device against the f64 reference, and the reference's gradients against central differences
 * of its own forward functions. */
#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "kernels/profile.h"
#include "tests/kernel_cases.h"
#include "tests/reference_ops.h"
#include "tests/support.h"

static void run_device(struct hone_device *device) {
    static struct kernel_buffers k;
    kernel_buffers_open(&k, device);
    kernel_cases_run(&k, NULL);
    /* The table is an array of function pointers: none is missing, and each was called above. */
    enum { ENTRIES = sizeof(struct hone_ops) / sizeof(void *) };
    void *entries[ENTRIES];
    memcpy(entries, device->ops, sizeof(entries));
    assert_true(ENTRIES <= (int)(sizeof(k.covered) / sizeof(k.covered[0])));
    for (int i = 0; i < ENTRIES; i++) {
        if (!entries[i]) fail_msg("%s: entry %d of struct hone_ops is NULL", device->name, i);
        if (!k.covered[i]) fail_msg("%s: entry %d of struct hone_ops has no case", device->name, i);
    }
    kernel_buffers_close(&k);
}

static void test_devices(void **state) {
    (void)state;
    struct hone_device_report report;
    int ran = 0;
    for (int i = 0; hone_device_report(&report, i); i++) {
        if (report.why_not) continue;
        struct hone_device *device;
        TEST_OK(hone_device_open(&device, report.name));
        run_device(device);
        ran++;
    }
    assert_true(ran >= 1);
}

/* A scalar function of `inputs` for central differences. */
struct problem {
    int n_inputs;
    double *inputs[5], *gradients[5];
    int64_t sizes[5];
    double (*loss)(const struct problem *p);
    const void *user;
};

static void check_gradients(const char *name, const struct problem *p) {
    const double h = 1e-5;
    for (int i = 0; i < p->n_inputs; i++) {
        double largest = 1e-3;
        for (int64_t j = 0; j < p->sizes[i]; j++) largest = fmax(largest, fabs(p->gradients[i][j]));
        for (int64_t j = 0; j < p->sizes[i]; j++) {
            double *x = &p->inputs[i][j], old = *x;
            *x = old + h;
            double up = p->loss(p);
            *x = old - h;
            double slope = (up - p->loss(p)) / (2 * h);
            *x = old;
            /* h^2 of curvature and 1e-16 / h of rounding. */
            if (!(fabs(slope - p->gradients[i][j]) <= 1e-7 * largest))
                fail_msg("%s, input %d[%lld]: central difference %.12g, gradient %.12g", name, i, (long long)j, slope,
                         p->gradients[i][j]);
        }
    }
}

static double *noise(int64_t n, uint32_t seed) {
    double *values = kernel_doubles(n);
    test_noise(NULL, values, n, 1, seed);
    return values;
}

static void problem_input(struct problem *p, int64_t n) {
    int i = p->n_inputs++;
    p->inputs[i] = noise(n, (uint32_t)i + 10);
    p->gradients[i] = kernel_doubles(n);
    p->sizes[i] = n;
}

static void problem_free(struct problem *p) {
    for (int i = 0; i < p->n_inputs; i++) hone_free(p->inputs[i]), hone_free(p->gradients[i]);
}

static double dot(const double *a, const double *b, int64_t n) {
    double sum = 0;
    for (int64_t i = 0; i < n; i++) sum += a[i] * b[i];
    return sum;
}

enum { LT = 3, LN = 4, LK = 5 };

static double linear_loss(const struct problem *p) {
    double y[LT * LN];
    reference_linear_forward(y, p->inputs[0], p->inputs[1], p->inputs[2], LT, LN, LK);
    return dot(y, p->user, LT * LN);
}

static void test_linear_gradient(void **state) {
    (void)state;
    double *dy = noise(LT * LN, 1);
    struct problem p = {.loss = linear_loss, .user = dy};
    problem_input(&p, LT * LK), problem_input(&p, LN * LK), problem_input(&p, LN);
    reference_linear_backward(p.gradients[0], p.gradients[1], p.gradients[2], dy, p.inputs[0], p.inputs[1], LT, LN, LK);
    check_gradients("linear", &p);
    problem_free(&p), hone_free(dy);
}

static double activation_loss(const struct problem *p) {
    return reference_activation(p->inputs[0][0], *(const enum hone_activation *)p->user);
}

static void test_activation_gradient(void **state) {
    (void)state;
    for (int kind = HONE_GELU_ERF; kind <= HONE_TANH; kind++) {
        enum hone_activation activation = (enum hone_activation)kind;
        struct problem p = {.loss = activation_loss, .user = &activation};
        problem_input(&p, 1);
        for (double x = -5.05; x < 5; x += 0.1) {
            p.inputs[0][0] = x;
            p.gradients[0][0] = reference_activation_slope(x, activation);
            check_gradients("activation", &p);
        }
        problem_free(&p);
    }
}

struct norm_problem {
    double *dy, *factors;
};
enum { NT = 3, NC = 6 };

static double norm_loss(const struct problem *p) {
    const struct norm_problem *u = p->user;
    double y[NT * NC], mean[NT], rstd[NT];
    reference_layer_norm_forward(y, mean, rstd, p->inputs[0], p->inputs[1], p->inputs[2], p->inputs[3], 1e-5,
                                 u->factors, NT, NC);
    return dot(y, u->dy, NT * NC);
}

static void test_layer_norm_gradient(void **state) {
    (void)state;
    double factors[NT * NC];
    for (int i = 0; i < NT * NC; i++) factors[i] = i % 3 ? 1.5 : 0;
    struct norm_problem u = {noise(NT * NC, 1), factors};
    struct problem p = {.loss = norm_loss, .user = &u};
    problem_input(&p, NT * NC), problem_input(&p, NT * NC), problem_input(&p, NC), problem_input(&p, NC);
    reference_layer_norm_backward(p.gradients[0], p.gradients[1], p.gradients[2], p.gradients[3], u.dy, p.inputs[0],
                                  p.inputs[1], p.inputs[2], 1e-5, factors, NT, NC);
    check_gradients("layer norm", &p);
    problem_free(&p), hone_free(u.dy);
}

struct attention_problem {
    struct hone_attention a;
    const struct hone_dropout *drop;
    double *dout;
};
enum { AT = 7, AR = 4, AH = 2, AD = 3, AW = AH * AD };

static double attention_loss(const struct problem *p) {
    const struct attention_problem *u = p->user;
    double out[AT * AW], lse[AT * AH];
    reference_attention_forward(out, lse, p->inputs[0], p->inputs[1], p->inputs[2], &u->a, u->drop);
    return dot(out, u->dout, u->a.R * AW);
}

static void test_attention_gradient(void **state) {
    (void)state;
    static const int32_t cu_k[] = {0, 3, 3, 7}, cu_q[] = {0, 1, 1, 4}, rows[AR] = {1, 3, 5, 6};
    static const int64_t keys[AT] = {5, 6, 7, 1 << 20, 1 << 20 | 1, 1 << 20 | 2, 1 << 20 | 3};
    static const struct hone_step step = {.seed = 3, .step = 4};
    for (int options = 0; options < 8; options++) {
        bool causal = options & 1, pruned = options & 2;
        struct hone_dropout drop = {30000, 1.8f, 9, &step, keys, pruned ? rows : NULL};
        struct attention_problem u = {
            {pruned ? cu_q : cu_k, cu_k, pruned ? rows : NULL, 3, pruned ? AR : AT, AT, 4, AH, AD, 0.6f, causal},
            options & 4 ? &drop : NULL,
            noise(AT * AW, 1)};
        struct problem p = {.loss = attention_loss, .user = &u};
        problem_input(&p, u.a.R * AW), problem_input(&p, AT * AW), problem_input(&p, AT * AW);
        reference_attention_backward(p.gradients[0], p.gradients[1], p.gradients[2], u.dout, p.inputs[0], p.inputs[1],
                                     p.inputs[2], &u.a, u.drop);
        check_gradients("attention", &p);
        problem_free(&p), hone_free(u.dout);
    }
}

enum { XR = 5, XV = 4 };
static const int32_t cross_labels[XR] = {0, 3, -100, 1, 2};
static const double cross_weights[XR] = {1, 0.5, 7, -1, 2};

static double cross_loss(const struct problem *p) {
    return reference_cross_entropy(p->inputs[0], cross_labels, cross_weights, 0.3, XR, XV);
}

static void test_cross_entropy_gradient(void **state) {
    (void)state;
    struct problem p = {.loss = cross_loss};
    problem_input(&p, XR * XV);
    reference_cross_entropy_backward(p.gradients[0], p.inputs[0], cross_labels, cross_weights, 0.3, XR, XV);
    check_gradients("cross entropy", &p);
    problem_free(&p);
}

static const double class_weights[XV] = {0.5, 2, 1, 3};

struct class_settings {
    const double *weights;
    double smoothing, focus;
};

static double class_loss(const struct problem *p) {
    const struct class_settings *s = p->user;
    return reference_class_loss(p->inputs[0], cross_labels, s->weights, s->smoothing, s->focus, 0.3, XR, XV);
}

static double binary_loss(const struct problem *p) {
    const struct class_settings *s = p->user;
    return reference_binary_cross_entropy(p->inputs[0], p->inputs[1], s->weights, s->focus, 0.3, XR, XV);
}

static void test_class_loss_gradient(void **state) {
    (void)state;
    for (int options = 0; options < 12; options++) {
        struct class_settings s = {options & 1 ? class_weights : NULL, options & 2 ? 0.2 : 0,
                                   0.75 * (double)(options >> 2)};
        struct problem p = {.loss = class_loss, .user = &s};
        problem_input(&p, XR * XV);
        reference_class_loss_backward(p.gradients[0], p.inputs[0], cross_labels, s.weights, s.smoothing, s.focus, 0.3,
                                      XR, XV);
        check_gradients("class loss", &p);
        problem_free(&p);
    }
}

static void test_binary_cross_entropy_gradient(void **state) {
    (void)state;
    for (int options = 0; options < 6; options++) {
        struct class_settings s = {options & 1 ? class_weights : NULL, 0, 0.75 * (double)(options >> 1)};
        struct problem p = {.loss = binary_loss, .user = &s};
        problem_input(&p, XR * XV);
        problem_input(&p, XR * XV);
        p.n_inputs = 1; /* targets have no gradient */
        reference_binary_cross_entropy_backward(p.gradients[0], p.inputs[0], p.inputs[1], s.weights, s.focus, 0.3, XR,
                                                XV);
        check_gradients("binary cross entropy", &p);
        p.n_inputs = 2;
        problem_free(&p);
    }
}

static double squared_error(const struct problem *p) {
    return reference_squared_error(p->inputs[0], p->inputs[1], 0.3, XR * XV);
}

static void test_squared_error_gradient(void **state) {
    (void)state;
    struct problem p = {.loss = squared_error};
    problem_input(&p, XR * XV);
    problem_input(&p, XR * XV);
    p.n_inputs = 1; /* targets have no gradient */
    reference_squared_error_backward(p.gradients[0], p.inputs[0], p.inputs[1], 0.3, XR * XV);
    check_gradients("squared error", &p);
    p.n_inputs = 2;
    problem_free(&p);
}

static void test_dtypes_and_names(void **state) {
    (void)state;
    assert_int_equal(hone_dtype_size(HONE_BF16), 2);
    assert_int_equal(hone_dtype_size(HONE_F32), 4);
    assert_int_equal(hone_dtype_size(HONE_I32), 4);
    assert_int_equal(hone_dtype_size(HONE_I64), 8);
    assert_string_equal(hone_dtype_name(HONE_BF16), "bf16");
    assert_int_equal(hone_rows(0), 0);
    assert_int_equal(hone_rows(1), 32);
    assert_int_equal(hone_rows(32), 32);
    assert_int_equal(hone_rows(33), 64);
    struct hone_device *device;
    test_expect_status(hone_device_open(&device, "abacus"), HONE_USAGE, "abacus");
    TEST_OK(hone_device_open(&device, "auto"));
    assert_string_equal(device->name, "cpu");
    assert_true(strlen(device->description) > 0);
}

static void test_profile(void **state) {
    (void)state;
    const char *name;
    double seconds;
    long calls;
    hone_profile_enable(false);
    assert_true(hone_profile_start() == 0);
    hone_profile_add("a", 0);
    assert_false(hone_profile_row(0, &name, &seconds, &calls));
    hone_profile_enable(true);
    for (int i = 0; i < 3; i++) hone_profile_add(i == 1 ? "b" : "a", hone_profile_start());
    assert_true(hone_profile_row(0, &name, &seconds, &calls));
    assert_string_equal(name, "a");
    assert_int_equal(calls, 2);
    assert_true(seconds >= 0 && seconds < 60);
    assert_true(hone_profile_row(1, &name, &seconds, &calls));
    assert_string_equal(name, "b");
    assert_false(hone_profile_row(2, &name, &seconds, &calls));
    hone_profile_enable(false);
    assert_false(hone_profile_row(0, &name, &seconds, &calls));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_linear_gradient),
        cmocka_unit_test(test_activation_gradient),
        cmocka_unit_test(test_layer_norm_gradient),
        cmocka_unit_test(test_attention_gradient),
        cmocka_unit_test(test_cross_entropy_gradient),
        cmocka_unit_test(test_class_loss_gradient),
        cmocka_unit_test(test_binary_cross_entropy_gradient),
        cmocka_unit_test(test_squared_error_gradient),
        cmocka_unit_test(test_dtypes_and_names),
        cmocka_unit_test(test_profile),
        cmocka_unit_test(test_devices),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
