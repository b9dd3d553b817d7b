/* SGD, Adafactor and clipping by value: awkward sizes, with and without what is optional, skipped steps. Everything is
 * compared with plain f64 loops of this file; steps of PyTorch and Transformers are in test_optim.c. */
#include <math.h>

#include "base/memory.h"
#include "tests/kernel_cases.h"
#include "tests/support.h"

static const size_t F4 = sizeof(float);
enum { STEPS = 3 };

/* Gradients of step t, the same for the kernel and the reference. */
static void put_gradients(struct kernel_buffers *k, void *g_d, const struct kernel_noise *g, int64_t n, int t) {
    float *values = hone_alloc((size_t)n, F4, "test values");
    for (int64_t i = 0; i < n; i++) values[i] = g->f[(i + 37 * t) % n] * (float)(t + 1);
    k->device->copy_to_device(g_d, values, (size_t)n * F4, k->stream);
    TEST_OK(k->device->stream_synchronize(k->stream));
    hone_free(values);
}

static double gradient(const struct kernel_noise *g, int64_t n, int t, int64_t i) {
    return (double)(g->f[(i + 37 * t) % n] * (float)(t + 1));
}

/* Elements of a stretch are 0 afterwards. */
static void expect_zero(struct kernel_buffers *k, const void *g_d, int64_t total, int64_t offset, int64_t n) {
    float *values = hone_alloc((size_t)total, F4, "test values");
    kernel_read(k, values, g_d, (size_t)total * F4);
    for (int64_t i = offset; i < offset + n; i++) assert_true(values[i] == 0);
    hone_free(values);
}

static void sgd_case(struct kernel_buffers *k, float momentum, bool nesterov, bool finite) {
    enum { N = 40000, SEGMENTS = 5 };
    static const struct hone_segment segments[SEGMENTS] = {
        {0, 1, 1, 0.1f}, {16, 63, 1, 0}, {80, 65, 0.5f, 0.01f}, {160, 1023, 1, 0}, {1184, 38000, 1, 0.01f}};
    const struct hone_sgd settings = {momentum, nesterov};
    struct kernel_noise p = kernel_noise(N, 1, 1), g = kernel_noise(N, 0.01, 2);
    double *m = kernel_doubles(N);
    float *zeros = hone_calloc(N, F4, "test values");
    void *p_d = kernel_inout(k, "p", p.f, N * F4), *g_d = kernel_inout(k, "g", g.f, N * F4);
    void *m_d = momentum > 0 ? kernel_inout(k, "m", zeros, N * F4) : NULL;
    void *segments_d = kernel_input(k, "segments", segments, sizeof segments);
    struct hone_step step = {.learning_rate = 0.1f, .clip_scale = 0.7f, .finite = finite};
    void *step_d = kernel_input(k, "step", &step, sizeof step);
    for (int64_t i = 0; i < N; i++) m[i] = 0;
    for (int t = 0; t < STEPS; t++) {
        put_gradients(k, g_d, &g, N, t);
        KERNEL(k, sgd)(p_d, m_d, g_d, segments_d, SEGMENTS, &settings, step_d, k->stream);
        for (int s = 0; s < SEGMENTS; s++) {
            double rate = (double)(step.learning_rate * segments[s].learning_rate_scale);
            for (int64_t i = segments[s].offset; i < segments[s].offset + segments[s].count && finite; i++) {
                double d = gradient(&g, N, t, i) * (double)0.7f + (double)segments[s].weight_decay * p.d[i];
                m[i] = (double)momentum * m[i] + d;
                p.d[i] -= rate * (nesterov ? d + (double)momentum * m[i] : m[i]);
            }
            expect_zero(k, g_d, N, segments[s].offset, segments[s].count);
        }
        kernel_compare(k, "sgd p", p_d, p.d, N, 1e-6);
        if (m_d) kernel_compare(k, "sgd m", m_d, m, N, 1e-6);
    }
    kernel_finish(k);
    kernel_noise_free(&p), kernel_noise_free(&g), hone_free(m), hone_free(zeros);
}

void kernel_cases_sgd(struct kernel_buffers *k) {
    sgd_case(k, 0, false, true);
    sgd_case(k, 0.9f, false, true);
    sgd_case(k, 0.9f, true, true);
    sgd_case(k, 0.9f, false, false);
    sgd_case(k, 0, false, false);
}

/* A vector is one row without factors. */
static void reference_adafactor(double *p, double *m, double *rows, double *cols, const struct kernel_noise *g,
                                int64_t total, int t, const struct hone_adafactor_tensor *x,
                                const struct hone_adafactor *a, const struct hone_step *step) {
    int64_t R = x->rows ? x->rows : 1, C = x->cols, n = R * C;
    double beta2 = 1 - pow(t + 1, (double)a->decay_rate), eps = (double)a->epsilon, mean = 0, squares = 0, weights = 0;
    double *u = kernel_doubles(n);
    for (int64_t i = 0; i < n; i++) u[i] = gradient(g, total, t, x->offset + i) * (double)step->clip_scale;
    for (int64_t r = 0; r < x->rows; r++) {
        double sum = 0;
        for (int64_t c = 0; c < C; c++) sum += u[r * C + c] * u[r * C + c] + eps;
        rows[r] = beta2 * rows[r] + (1 - beta2) * sum / (double)C;
        mean += rows[r] / (double)R;
    }
    for (int64_t c = 0; c < C; c++) {
        double sum = 0;
        for (int64_t r = 0; r < R; r++) sum += u[r * C + c] * u[r * C + c] + eps;
        cols[c] = beta2 * cols[c] + (1 - beta2) * sum / (double)R;
    }
    for (int64_t i = 0; i < n; i++) {
        u[i] /= sqrt(cols[i % C]) * (x->rows ? sqrt(rows[i / C] / mean) : 1);
        squares += u[i] * u[i];
        weights += p[i] * p[i];
    }
    double rate = (double)step->learning_rate * (double)x->learning_rate_scale;
    if (a->scale_parameter) rate *= fmax((double)a->scale_epsilon, sqrt(weights / (double)n));
    double shrink = fmax(1, sqrt(squares / (double)n) / (double)a->clip_threshold);
    for (int64_t i = 0; i < n; i++) {
        double update = u[i] / shrink * rate;
        if (a->beta1 > 0) update = m[i] = (double)a->beta1 * m[i] + (1 - (double)a->beta1) * update;
        p[i] -= rate * (double)x->weight_decay * p[i] + update;
    }
    hone_free(u);
}

static void adafactor_case(struct kernel_buffers *k, const struct hone_adafactor *settings, bool finite) {
    /* Vectors of one element and of several blocks; matrices of one row, one column, odd sizes, several blocks, wide. */
    static const struct hone_adafactor_tensor shapes[] = {
        {.cols = 1},
        {.cols = 63},
        {.cols = 33001},
        {.rows = 1, .cols = 5},
        {.rows = 7, .cols = 1},
        {.rows = 19, .cols = 7},
        {.rows = 301, .cols = 129},
        {.rows = 37, .cols = 2100},
    };
    enum { TENSORS = sizeof shapes / sizeof *shapes };
    struct hone_adafactor_tensor tensors[TENSORS];
    int64_t N = 0, S = 0;
    for (int i = 0; i < TENSORS; i++) {
        tensors[i] = shapes[i];
        tensors[i].offset = N;
        tensors[i].state = S;
        tensors[i].learning_rate_scale = i % 2 ? 1 : 0.5f;
        tensors[i].weight_decay = i % 3 ? 0.1f : 0;
        N += (shapes[i].rows ? shapes[i].rows : 1) * shapes[i].cols;
        S += shapes[i].rows + shapes[i].cols;
    }
    struct kernel_noise p = kernel_noise(N, 0.5, 1), g = kernel_noise(N, 0.01, 2);
    float *zeros = hone_calloc((size_t)N, F4, "test values");
    double *m = kernel_doubles(N), *state = kernel_doubles(S);
    for (int64_t i = 0; i < N; i++) m[i] = 0;
    for (int64_t i = 0; i < S; i++) state[i] = 0;
    void *p_d = kernel_inout(k, "p", p.f, (size_t)N * F4), *g_d = kernel_inout(k, "g", g.f, (size_t)N * F4);
    void *m_d = settings->beta1 > 0 ? kernel_inout(k, "m", zeros, (size_t)N * F4) : NULL;
    void *state_d = kernel_inout(k, "state", zeros, (size_t)S * F4);
    void *tensors_d = kernel_input(k, "tensors", tensors, sizeof tensors);
    void *workspace = kernel_output(k, "workspace", KERNEL(k, adafactor_workspace)(tensors, TENSORS));
    struct hone_step step = {.learning_rate = 0.05f, .clip_scale = 0.7f, .finite = finite};
    void *step_d = kernel_inout(k, "step", &step, sizeof step);
    for (int t = 0; t < STEPS; t++) {
        step.step = (uint32_t)t;
        k->device->copy_to_device(step_d, &step, sizeof step, k->stream);
        put_gradients(k, g_d, &g, N, t);
        KERNEL(k, adafactor)(p_d, m_d, state_d, g_d, tensors_d, TENSORS, settings, step_d, workspace, k->stream);
        for (int i = 0; i < TENSORS && finite; i++) {
            const struct hone_adafactor_tensor *x = &tensors[i];
            reference_adafactor(p.d + x->offset, m + x->offset, state + x->state, state + x->state + x->rows, &g, N, t,
                                x, settings, &step);
        }
        expect_zero(k, g_d, N, 0, N);
        /* Rows hold up to 2,100 squares in f32. */
        kernel_compare(k, "adafactor state", state_d, state, S, 1e-5);
        kernel_compare(k, "adafactor p", p_d, p.d, N, 1e-6);
        if (m_d) kernel_compare(k, "adafactor m", m_d, m, N, 1e-5);
    }
    kernel_finish(k);
    kernel_noise_free(&p), kernel_noise_free(&g), hone_free(zeros), hone_free(m), hone_free(state);
}

void kernel_cases_adafactor(struct kernel_buffers *k) {
    struct hone_adafactor settings = {
        .epsilon = 1e-30f, .scale_epsilon = 1e-3f, .clip_threshold = 1, .decay_rate = -0.8f};
    adafactor_case(k, &settings, true);
    adafactor_case(k, &settings, false);
    settings.scale_parameter = true;
    settings.clip_threshold = 0.5f;
    settings.beta1 = 0.9f;
    adafactor_case(k, &settings, true);
}

void kernel_cases_clip_values(struct kernel_buffers *k) {
    static const int64_t lengths[] = {0, 1, 63, 65, 40000};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        int64_t n = lengths[i];
        struct kernel_noise g = kernel_noise(n, 1, 5);
        void *g_d = kernel_inout(k, "g", g.f, (size_t)n * F4);
        KERNEL(k, clip_values)(g_d, n, 0.5f, k->stream);
        for (int64_t j = 0; j < n; j++) g.d[j] = fmin(fmax(g.d[j], -0.5), 0.5);
        kernel_compare(k, "clip_values", g_d, g.d, n, 0);
        kernel_finish(k);
        kernel_noise_free(&g);
    }
    float strange[3] = {NAN, INFINITY, -INFINITY};
    void *g_d = kernel_inout(k, "g", strange, sizeof strange);
    KERNEL(k, clip_values)(g_d, 3, 2, k->stream);
    kernel_read(k, strange, g_d, sizeof strange);
    assert_true(isnan(strange[0]) && strange[1] == 2 && strange[2] == -2);
    kernel_finish(k);
}

void kernel_cases_ema(struct kernel_buffers *k) {
    static const int64_t lengths[] = {1, 63, 65, 40000};
    for (size_t i = 0; i < 2 * sizeof lengths / sizeof *lengths; i++) {
        int64_t n = lengths[i / 2];
        struct kernel_noise average = kernel_noise(n, 1, 5), p = kernel_noise(n, 1, 6);
        struct hone_step step = {.finite = i % 2};
        void *average_d = kernel_inout(k, "average", average.f, (size_t)n * F4);
        void *p_d = kernel_input(k, "p", p.f, (size_t)n * F4), *step_d = kernel_input(k, "step", &step, sizeof step);
        KERNEL(k, ema)(average_d, p_d, n, 0.25f, step_d, k->stream);
        for (int64_t j = 0; j < n && step.finite; j++) average.d[j] += 0.25 * (p.d[j] - average.d[j]);
        kernel_compare(k, "ema", average_d, average.d, n, 1e-6);
        kernel_finish(k);
        kernel_noise_free(&average), kernel_noise_free(&p);
    }
}
