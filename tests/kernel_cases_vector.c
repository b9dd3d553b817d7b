/* Cases of the kernels over flat arrays: activations, cross entropy, gradient norm, AdamW. */
#include <float.h>
#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "tests/kernel_cases.h"
#include "tests/reference_ops.h"
#include "tests/support.h"

enum { F4 = sizeof(float) };
static const double f32_tolerance = 1e-5;
static const int64_t lengths[] = {1, 7, 15, 16, 17, 63, 64, 65, 1023, 1500, 20001};
enum { LENGTHS = sizeof(lengths) / sizeof(lengths[0]) };

static void activation_case(struct kernel_buffers *k, enum hone_activation kind, int64_t n, double scale) {
    struct kernel_noise x = kernel_values(k, n, scale, 1), dy = kernel_values(k, n, 1, 2);
    double *y = kernel_doubles(n), *dx = kernel_doubles(n);
    for (int64_t i = 0; i < n; i++) {
        y[i] = reference_activation(x.d[i], kind);
        dx[i] = dy.d[i] * reference_activation_slope(x.d[i], kind);
    }
    void *x_d = kernel_input_values(k, "x", x.f, n), *dy_d = kernel_input_values(k, "dy", dy.f, n);
    void *y_d = kernel_output_values(k, "y", n), *dx_d = kernel_output_values(k, "dx", n);
    KERNEL(k, activation_forward)(y_d, x_d, kind, n, k->dtype, k->stream);
    kernel_compare_values(k, "activation_forward", y_d, k->dtype, y, n, 1e-30, 1e-6);
    KERNEL(k, activation_backward)(dx_d, dy_d, kind == HONE_TANH ? y_d : x_d, kind, n, k->dtype, k->stream);
    /* tanh's slope comes from its output: 1 - y^2 of a rounded y is off by up to 2 |y| half units. */
    double relative = kind != HONE_TANH ? f32_tolerance : k->dtype == HONE_BF16 ? 1.0 / 128 : scale < 1 ? 1e-6 : 1e-5;
    kernel_compare_values(k, "activation_backward", dx_d, k->dtype, dx, n, 1e-30, relative);
    kernel_finish(k);
    kernel_noise_free(&x), kernel_noise_free(&dy), hone_free(y), hone_free(dx);
}

/* Every binary exponent with both signs, and the values that aren't numbers. */
static void activation_extremes(struct kernel_buffers *k, enum hone_activation kind) {
    enum { N = 2 * 267 + 1 };
    float x[N + 3], y[N + 3];
    double want[N + 3];
    for (int i = 0; i < N; i++) x[i] = copysignf(ldexpf(1.2345f, i / 2 - 140), i % 2 ? -1.0f : 1.0f);
    x[N - 1] = 0;
    x[N] = NAN, x[N + 1] = INFINITY, x[N + 2] = -INFINITY;
    for (int i = 0; i < N; i++) want[i] = reference_activation((double)x[i], kind);
    void *x_d = kernel_input(k, "x", x, sizeof(x)), *y_d = kernel_output(k, "y", sizeof(y));
    KERNEL(k, activation_forward)(y_d, x_d, kind, N + 3, HONE_F32, k->stream);
    kernel_read(k, y, y_d, sizeof(y));
    for (int i = 0; i < N; i++) {
        /* Values near the largest float overflow in tanh-GELU's cube, on the side where the result is x or 0. */
        double allowed = 1e-6 * fabs(want[i]) + 2e-7 * fmin(1, fabs((double)x[i])) + FLT_MIN;
        if (!(fabs((double)y[i] - want[i]) <= allowed))
            fail_msg("activation %d at %g: %g, want %g", (int)kind, (double)x[i], (double)y[i], want[i]);
    }
    assert_true(isnan(y[N]));
    assert_true(y[N + 1] == (kind == HONE_TANH ? 1.0f : INFINITY));
    kernel_finish(k);
}

void kernel_cases_activation(struct kernel_buffers *k) {
    for (int kind = HONE_GELU_ERF; kind <= HONE_TANH; kind++) {
        for (int i = 0; i < LENGTHS; i++) {
            activation_case(k, (enum hone_activation)kind, lengths[i], 1);
            activation_case(k, (enum hone_activation)kind, lengths[i], i % 2 ? 0.01 : 4);
        }
        if (k->dtype == HONE_F32) activation_extremes(k, (enum hone_activation)kind);
    }
}

static void cross_entropy_case(struct kernel_buffers *k, int64_t R, int64_t V, double spread, bool weighted) {
    const float scale = 0.37f, old = 1.25f;
    struct kernel_noise logits = kernel_values(k, R * V, spread, 1), weights = kernel_noise(R, 1, 2);
    int32_t *labels = hone_alloc((size_t)R, sizeof(int32_t), "test labels");
    for (int64_t r = 0; r < R; r++) labels[r] = r % 5 == 3 ? -100 : (int32_t)((r * 7) % V);
    const double *w = weighted ? weights.d : NULL;
    double *dlogits = kernel_doubles(R * V), loss;
    loss = (double)old + reference_cross_entropy(logits.d, labels, w, (double)scale, R, V);
    reference_cross_entropy_backward(dlogits, logits.d, labels, w, (double)scale, R, V);
    void *logits_d = kernel_input_values(k, "logits", logits.f, R * V),
         *out_d = kernel_output_values(k, "dlogits", R * V);
    void *in_place = kernel_inout_values(k, "logits in place", logits.f, R * V);
    void *labels_d = kernel_input(k, "labels", labels, (size_t)R * sizeof(int32_t));
    void *weights_d = kernel_input(k, "weights", weighted ? weights.f : NULL, (size_t)R * F4);
    void *loss_d = kernel_inout(k, "loss", &old, F4);
    KERNEL(k, cross_entropy_forward)(loss_d, logits_d, labels_d, weights_d, scale, R, V, k->dtype, k->stream);
    kernel_compare(k, "cross_entropy_forward", loss_d, &loss, 1, f32_tolerance);
    KERNEL(k, cross_entropy_backward)(out_d, logits_d, labels_d, weights_d, scale, R, V, k->dtype, k->stream);
    /* Where a row is sure of its label, softmax - 1 is what rounding leaves of it: 1.2e-7 of scale * weight < 1.5. */
    kernel_compare_values(k, "cross_entropy_backward", out_d, k->dtype, dlogits, R * V, 1.8e-7, f32_tolerance);
    KERNEL(k, cross_entropy_backward)(in_place, in_place, labels_d, weights_d, scale, R, V, k->dtype, k->stream);
    kernel_compare_values(k, "cross_entropy_backward in place", in_place, k->dtype, dlogits, R * V, 1.8e-7,
                          f32_tolerance);
    kernel_finish(k);
    kernel_noise_free(&logits), kernel_noise_free(&weights), hone_free(labels), hone_free(dlogits);
}

void kernel_cases_cross_entropy(struct kernel_buffers *k) {
    static const int64_t sizes[][2] = {{1, 1},    {1, 2},    {7, 2},    {63, 7},   {64, 63},   {65, 64},
                                       {300, 65}, {3, 1023}, {2, 1500}, {1500, 5}, {2, 30522}, {513, 16}};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        if (k->light && sizes[i][0] > 300) continue;
        cross_entropy_case(k, sizes[i][0], sizes[i][1], 1, false);
        cross_entropy_case(k, sizes[i][0], sizes[i][1], 30, true);
    }
    if (k->dtype != HONE_F32) return;
    /* A confident row keeps the digits of its small loss: log(1 + exp(-10)). */
    float logits[2] = {60, 50}, loss = 0;
    int32_t label = 0;
    double want = log1p(exp(-10));
    void *logits_d = kernel_input(k, "logits", logits, sizeof(logits)), *loss_d = kernel_inout(k, "loss", &loss, F4);
    void *label_d = kernel_input(k, "label", &label, sizeof(label));
    KERNEL(k, cross_entropy_forward)(loss_d, logits_d, label_d, NULL, 1, 1, 2, HONE_F32, k->stream);
    /* 1 + 4.5e-5 is rounded to a multiple of 2^-23. */
    kernel_compare(k, "small loss", loss_d, &want, 1, 2e-3);
    kernel_finish(k);
}

/* What is not marked is not a number here: a device whose memory the host does not share reads it, so it has no marks. */
static struct hone_step norm_marked(struct kernel_buffers *k, const float *g, const uint8_t *marks, int64_t n,
                                    float clip, float loss) {
    struct hone_step step = {.seed = 1, .step = 2, .learning_rate = 3, .loss = loss, .finite = 9};
    void *step_d = kernel_inout(k, "step", &step, sizeof(step));
    float *seen = hone_alloc((size_t)n, F4, "test values");
    for (int64_t i = 0; i < n; i++) seen[i] = !marks || marks[i / HONE_MARKED] & HONE_MARK_GRADIENT ? g[i] : NAN;
    void *g_d = kernel_input(k, "gradients", seen, (size_t)n * F4);
    hone_free(seen);
    void *workspace = kernel_output(k, "workspace", KERNEL(k, gradient_norm_workspace)(n));
    KERNEL(k, gradient_norm)(step_d, g_d, marks, n, clip, workspace, k->stream);
    kernel_read(k, &step, step_d, sizeof(step));
    kernel_finish(k);
    assert_true(step.seed == 1 && step.step == 2 && step.learning_rate == 3);
    return step;
}

static struct hone_step norm_of(struct kernel_buffers *k, const float *g, int64_t n, float clip, float loss) {
    return norm_marked(k, g, NULL, n, clip, loss);
}

/* Two of three blocks are 0, and not read where that is marked. */
static void norm_of_marked(struct kernel_buffers *k, float *g, int64_t n) {
    if (!k->device->host_memory) return;
    uint8_t *marks = hone_calloc((size_t)(n / HONE_MARKED + 1), 1, "test marks");
    for (int64_t i = 0; i < n; i++) {
        if (i / HONE_MARKED % 3 == 1)
            marks[i / HONE_MARKED] = HONE_MARK_GRADIENT;
        else
            g[i] = 0, marks[i / HONE_MARKED] = HONE_MARK_MOMENTS;
    }
    struct hone_step all = norm_of(k, g, n, 0.5f, 1), marked = norm_marked(k, g, marks, n, 0.5f, 1);
    test_same_bits("marked", &marked, &all, sizeof(all));
    hone_free(marks);
}

void kernel_cases_gradient_norm(struct kernel_buffers *k) {
    for (int i = 0; i < LENGTHS; i++) {
        int64_t n = lengths[i];
        struct kernel_noise g = kernel_noise(n, 0.1, 3);
        double sum = 0;
        for (int64_t j = 0; j < n; j++) sum += g.d[j] * g.d[j];
        double want[2] = {sqrt(sum), fmin(1, 0.5 / (sqrt(sum) + 1e-6))};
        struct hone_step step = norm_of(k, g.f, n, 0.5f, 1);
        float got[2] = {step.gradient_norm, step.clip_scale};
        test_close("gradient_norm", got, want, 1, 0, 1e-6);
        test_close("clip_scale", got + 1, want + 1, 1, 0, 1e-6);
        assert_int_equal(step.finite, 1);
        assert_true(norm_of(k, g.f, n, 0, 1).clip_scale == 1);
        assert_true(norm_of(k, g.f, n, 1e9f, 1).clip_scale == 1);
        assert_int_equal(norm_of(k, g.f, n, 1, NAN).finite, 0);
        g.f[n - 1] = NAN;
        assert_int_equal(norm_of(k, g.f, n, 1, 1).finite, 0);
        g.f[n - 1] = 0, g.f[n / 2] = INFINITY;
        assert_int_equal(norm_of(k, g.f, n, 1, 1).finite, 0);
        norm_of_marked(k, g.f, n);
        kernel_noise_free(&g);
    }
}

/* Rows of an embedding in the case below: never looked up (with and without decay), and in the first step only. */
static bool is_never(int64_t i) { return (i >= 400 && i < 700) || (i >= 2000 && i < 3000); }
static bool is_once(int64_t i) { return i >= 3500 && i < 3700; }

/* What is 0 in any element of a block of 64, as an optimizer marks it. */
static void mark_all(uint8_t *marks, const double *g, const double *m, const double *v, int64_t n) {
    memset(marks, 0, (size_t)((n + HONE_MARKED - 1) / HONE_MARKED));
    for (int64_t i = 0; i < n; i++) {
        if (g[i] != 0) marks[i / HONE_MARKED] |= HONE_MARK_GRADIENT;
        if (m[i] != 0 || v[i] != 0) marks[i / HONE_MARKED] |= HONE_MARK_MOMENTS;
    }
}

/* In the place of values that are not marked: none of those is read or written. */
static void put_where_0(float *g, float *m, float *v, const uint8_t *marks, int64_t n, float value) {
    for (int64_t i = 0; i < n; i++) {
        uint8_t mark = marks[i / HONE_MARKED];
        if (!(mark & HONE_MARK_GRADIENT)) g[i] = value;
        if (mark == 0) m[i] = v[i] = value;
    }
}

/* What of a segment lies before `copied`, to the nearest bf16, ties to even. */
static void round_part(struct kernel_buffers *k, uint16_t *copy, const float *p_d, const struct hone_segment *segment,
                       int64_t copied) {
    for (int64_t i = segment->offset; i < segment->offset + segment->count && i < copied; i++) {
        uint32_t bits;
        kernel_read(k, &bits, p_d + i, sizeof(bits));
        copy[i] = (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
    }
}

static void adamw_case(struct kernel_buffers *k, bool finite, bool marked) {
    enum { N = 40000, SEGMENTS = 5, STEPS = 3, COPIED = 1264 }; /* the copy ends within the last segment */
    uint8_t marks[N / HONE_MARKED];
    uint16_t copy[COPIED] = {0};
    /* With a gap, which must stay as it is, and one segment of several chunks. */
    static const struct hone_segment segments[SEGMENTS] = {
        {0, 1, 1, 0.1f}, {16, 63, 1, 0}, {80, 65, 0.5f, 0.01f}, {160, 1023, 1, 0}, {1184, 38000, 1, 0.01f}};
    const struct hone_adamw settings = {0.9f, 0.999f, 1e-8f};
    struct kernel_noise p = kernel_noise(N, 1, 1), g = kernel_noise(N, 0.01, 2);
    for (int64_t i = 0; i < N; i++)
        if (is_never(i)) g.f[i] = 0, g.d[i] = 0;
    float *zeros = hone_calloc(N, F4, "test values");
    double *m = hone_calloc(N, sizeof(double), "test values"), *v = hone_calloc(N, sizeof(double), "test values");
    void *p_d = kernel_inout(k, "p", p.f, N * F4), *m_d = kernel_inout(k, "m", zeros, N * F4);
    void *v_d = kernel_inout(k, "v", zeros, N * F4), *g_d = kernel_inout(k, "g", g.f, N * F4);
    void *segments_d = kernel_input(k, "segments", segments, sizeof(segments));
    void *copy_d = kernel_inout(k, "copy", copy, sizeof(copy));
    struct hone_step step = {.learning_rate = 1e-2f, .clip_scale = 0.7f, .finite = finite};
    void *step_d = kernel_inout(k, "step", &step, sizeof(step));
    for (int t = 1; t <= STEPS; t++) {
        step.bias_correction1 = (float)(1 - pow(0.9, t)), step.bias_correction2 = (float)(1 - pow(0.999, t));
        k->device->copy_to_device(step_d, &step, sizeof(step), k->stream);
        mark_all(marks, g.d, m, v, N);
        if (marked) put_where_0(g_d, m_d, v_d, marks, N, NAN);
        KERNEL(k, adamw)
        (p_d, copy_d, COPIED, m_d, v_d, g_d, marked ? marks : NULL, segments_d, SEGMENTS, &settings, step_d, k->stream);
        if (marked) put_where_0(g_d, m_d, v_d, marks, N, 0);
        for (int s = 0; s < SEGMENTS; s++)
            for (int64_t i = segments[s].offset; i < segments[s].offset + segments[s].count; i++) {
                if (finite) reference_adamw(&p.d[i], &m[i], &v[i], g.d[i], &segments[s], &settings, &step);
                g.d[i] = t < STEPS && !is_once(i) ? 0.5 * (double)g.f[i] / t : 0;
            }
        for (int s = 0; finite && s < SEGMENTS; s++) round_part(k, copy, p_d, &segments[s], COPIED);
        uint16_t rounded[COPIED];
        kernel_read(k, rounded, copy_d, sizeof(rounded));
        test_same_bits("adamw copy", rounded, copy, sizeof(copy));
        kernel_compare(k, "adamw p", p_d, p.d, N, 1e-6);
        kernel_compare(k, "adamw m", m_d, m, N, 1e-6);
        kernel_compare(k, "adamw v", v_d, v, N, f32_tolerance);
        float *left = hone_alloc(N, F4, "test values");
        kernel_read(k, left, g_d, N * F4);
        for (int s = 0; s < SEGMENTS; s++)
            for (int64_t i = segments[s].offset; i < segments[s].offset + segments[s].count; i++)
                assert_true(left[i] == 0);
        for (int64_t i = 0; i < N; i++) left[i] = (float)g.d[i];
        k->device->copy_to_device(g_d, left, N * F4, k->stream);
        hone_free(left);
    }
    kernel_finish(k);
    kernel_noise_free(&p), kernel_noise_free(&g), hone_free(zeros), hone_free(m), hone_free(v);
}

void kernel_cases_adamw(struct kernel_buffers *k) {
    adamw_case(k, true, false);
    adamw_case(k, false, false);
    if (k->device->host_memory) adamw_case(k, true, true);
}
