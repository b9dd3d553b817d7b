/* Cases of the losses of classification heads and regression. */
#include <math.h>
#include <stdlib.h>

#include "base/memory.h"
#include "tests/kernel_cases.h"
#include "tests/reference_ops.h"
#include "tests/support.h"

enum { F4 = sizeof(float) };
static const float scale = 0.37f, old = 1.25f;
static const int64_t sizes[][2] = {{1, 1},   {1, 2},   {7, 2},    {63, 7},   {64, 63},   {65, 64},
                                   {300, 5}, {5, 300}, {3, 1023}, {2, 1500}, {1500, 15}, {513, 16}};
enum { SIZES = sizeof sizes / sizeof *sizes };
/* Of results of f32 arithmetic in a few steps, and of what is left where a gradient is a difference (times weights of up
 * to 4 and a scale of 0.37). */
static const double relative = 1e-5, absolute = 4e-7;

/* Positive f32 numbers 0.25 … 4 and their doubles. */
static struct kernel_noise weights_of(int64_t V) {
    struct kernel_noise w = kernel_noise(V, 1, 2);
    for (int64_t v = 0; v < V; v++) {
        w.f[v] = fminf(4, 0.25f + fabsf(w.f[v]));
        w.d[v] = (double)w.f[v];
    }
    return w;
}

static void class_loss_case(struct kernel_buffers *k, int64_t R, int64_t V, double spread, bool weighted,
                            float smoothing, float focus) {
    size_t bytes = (size_t)(R * V) * F4;
    struct kernel_noise x = kernel_noise(R * V, spread, 1), w = weights_of(V);
    int32_t *labels = hone_alloc((size_t)R, sizeof(int32_t), "test labels");
    for (int64_t r = 0; r < R; r++) labels[r] = r % 5 == 3 ? -100 : (int32_t)((r * 7) % V);
    const double *wd = weighted ? w.d : NULL;
    double *want = kernel_doubles(R * V), e = (double)smoothing, g = (double)focus, s = (double)scale;
    double loss = (double)old + reference_class_loss(x.d, labels, wd, e, g, s, R, V);
    reference_class_loss_backward(want, x.d, labels, wd, e, g, s, R, V);
    struct hone_class_loss settings = {.weights = kernel_input(k, "weights", weighted ? w.f : NULL, (size_t)V * F4),
                                       .smoothing = smoothing,
                                       .focus = focus};
    void *x_d = kernel_input(k, "logits", x.f, bytes), *out = kernel_output(k, "dlogits", bytes);
    void *in_place = kernel_inout(k, "logits in place", x.f, bytes), *loss_d = kernel_inout(k, "loss", &old, F4);
    void *labels_d = kernel_input(k, "labels", labels, (size_t)R * sizeof *labels);
    KERNEL(k, class_loss_forward)(loss_d, x_d, labels_d, &settings, scale, R, V, HONE_F32, k->stream);
    kernel_compare(k, "class_loss_forward", loss_d, &loss, 1, relative);
    KERNEL(k, class_loss_backward)(out, x_d, labels_d, &settings, scale, R, V, HONE_F32, k->stream);
    kernel_compare_within(k, "class_loss_backward", out, want, R * V, absolute, relative);
    KERNEL(k, class_loss_backward)(in_place, in_place, labels_d, &settings, scale, R, V, HONE_F32, k->stream);
    kernel_compare_within(k, "class_loss_backward in place", in_place, want, R * V, absolute, relative);
    kernel_finish(k);
    kernel_noise_free(&x), kernel_noise_free(&w), hone_free(labels), hone_free(want);
}

void kernel_cases_class_loss(struct kernel_buffers *k) {
    for (int i = 0; i < SIZES; i++) {
        if (k->light && sizes[i][0] > 100) continue;
        int64_t R = sizes[i][0], V = sizes[i][1];
        class_loss_case(k, R, V, 1, false, 0, 0);
        class_loss_case(k, R, V, 3, true, 0.1f, 0);
        class_loss_case(k, R, V, 30, true, 0, 2);
        class_loss_case(k, R, V, 10, false, 0.3f, 0.5f);
    }
    /* A confident row keeps the digits of its small loss, and of 1 - p to the power. */
    float logits[2] = {60, 50}, loss[2] = {0};
    int32_t label = 0;
    double p = 1 / (1 + exp(-10)), want[2] = {log1p(exp(-10)), sqrt(exp(-10) * p) * log1p(exp(-10))};
    void *x_d = kernel_input(k, "logits", logits, sizeof logits);
    void *label_d = kernel_input(k, "label", &label, sizeof label);
    for (int i = 0; i < 2; i++) {
        struct hone_class_loss settings = {.focus = i ? 0.5f : 0};
        void *loss_d = kernel_inout(k, "loss", &loss[i], F4);
        KERNEL(k, class_loss_forward)(loss_d, x_d, label_d, &settings, 1, 1, 2, HONE_F32, k->stream);
        kernel_compare(k, "small loss", loss_d, &want[i], 1, relative);
    }
    kernel_finish(k);
}

static void binary_case(struct kernel_buffers *k, int64_t R, int64_t V, double spread, bool weighted, float focus) {
    size_t bytes = (size_t)(R * V) * F4;
    struct kernel_noise x = kernel_noise(R * V, spread, 1), y = kernel_noise(R * V, 1, 3), w = weights_of(V);
    /* Mostly 0 and 1, some in between. */
    for (int64_t i = 0; i < R * V; i++) {
        y.f[i] = i % 5 == 4 ? fminf(1, fabsf(y.f[i])) : (float)(y.f[i] > 0);
        y.d[i] = (double)y.f[i];
    }
    const double *wd = weighted ? w.d : NULL;
    double *want = kernel_doubles(R * V), g = (double)focus, s = (double)scale;
    double loss = (double)old + reference_binary_cross_entropy(x.d, y.d, wd, g, s, R, V);
    reference_binary_cross_entropy_backward(want, x.d, y.d, wd, g, s, R, V);
    void *x_d = kernel_input(k, "logits", x.f, bytes), *out = kernel_output(k, "dlogits", bytes);
    void *in_place = kernel_inout(k, "logits in place", x.f, bytes), *loss_d = kernel_inout(k, "loss", &old, F4);
    void *y_d = kernel_input(k, "targets", y.f, bytes);
    void *w_d = kernel_input(k, "weights", weighted ? w.f : NULL, (size_t)V * F4);
    KERNEL(k, binary_cross_entropy_forward)(loss_d, x_d, y_d, w_d, focus, scale, R, V, HONE_F32, k->stream);
    kernel_compare(k, "binary_cross_entropy_forward", loss_d, &loss, 1, relative);
    KERNEL(k, binary_cross_entropy_backward)(out, x_d, y_d, w_d, focus, scale, R, V, HONE_F32, k->stream);
    kernel_compare_within(k, "binary_cross_entropy_backward", out, want, R * V, absolute, relative);
    KERNEL(k, binary_cross_entropy_backward)(in_place, in_place, y_d, w_d, focus, scale, R, V, HONE_F32, k->stream);
    kernel_compare_within(k, "binary_cross_entropy_backward in place", in_place, want, R * V, absolute, relative);
    kernel_finish(k);
    kernel_noise_free(&x), kernel_noise_free(&y), kernel_noise_free(&w), hone_free(want);
}

void kernel_cases_binary_cross_entropy(struct kernel_buffers *k) {
    for (int i = 0; i < SIZES; i++) {
        if (k->light && sizes[i][0] > 100) continue;
        binary_case(k, sizes[i][0], sizes[i][1], 1, false, 0);
        binary_case(k, sizes[i][0], sizes[i][1], 30, true, 2);
        binary_case(k, sizes[i][0], sizes[i][1], 5, true, 0.5f);
    }
    /* Far from 0 the loss of what is right is exp(-|x|), and of what is wrong |x|. */
    float logits[2] = {20, -300}, targets[2] = {1, 1}, loss = 0;
    void *x_d = kernel_input(k, "logits", logits, sizeof logits);
    void *y_d = kernel_input(k, "targets", targets, sizeof targets);
    double want[2] = {log1p(exp(-20)), 300};
    for (int i = 0; i < 2; i++) {
        void *loss_d = kernel_inout(k, "loss", &loss, F4);
        KERNEL(k, binary_cross_entropy_forward)
        (loss_d, (float *)x_d + i, (float *)y_d + i, NULL, 0, 1, 1, 1, HONE_F32, k->stream);
        kernel_compare(k, "loss far from 0", loss_d, &want[i], 1, relative);
    }
    kernel_finish(k);
}

static void squared_error_case(struct kernel_buffers *k, int64_t R, int64_t V) {
    size_t bytes = (size_t)(R * V) * F4;
    struct kernel_noise y = kernel_noise(R * V, 3, 1), t = kernel_noise(R * V, 3, 2);
    double *want = kernel_doubles(R * V);
    double loss = (double)old + reference_squared_error(y.d, t.d, (double)scale, R * V);
    reference_squared_error_backward(want, y.d, t.d, (double)scale, R * V);
    void *y_d = kernel_input(k, "y", y.f, bytes), *t_d = kernel_input(k, "targets", t.f, bytes);
    void *out = kernel_output(k, "dy", bytes), *in_place = kernel_inout(k, "y in place", y.f, bytes);
    void *loss_d = kernel_inout(k, "loss", &old, F4);
    KERNEL(k, squared_error_forward)(loss_d, y_d, t_d, scale, R, V, HONE_F32, k->stream);
    kernel_compare(k, "squared_error_forward", loss_d, &loss, 1, relative);
    KERNEL(k, squared_error_backward)(out, y_d, t_d, scale, R, V, HONE_F32, k->stream);
    kernel_compare_within(k, "squared_error_backward", out, want, R * V, absolute, relative);
    KERNEL(k, squared_error_backward)(in_place, in_place, t_d, scale, R, V, HONE_F32, k->stream);
    kernel_compare_within(k, "squared_error_backward in place", in_place, want, R * V, absolute, relative);
    kernel_finish(k);
    kernel_noise_free(&y), kernel_noise_free(&t), hone_free(want);
}

void kernel_cases_squared_error(struct kernel_buffers *k) {
    for (int i = 0; i < SIZES; i++) squared_error_case(k, sizes[i][0], sizes[i][1]);
}
