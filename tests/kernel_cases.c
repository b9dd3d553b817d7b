/* What the case table's files share: noise, values of either dtype, comparison, dropout. */
#include "tests/kernel_cases.h"

#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "tests/support.h"

enum { F4 = sizeof(float) };

struct kernel_noise kernel_noise(int64_t n, double scale, uint32_t seed) {
    struct kernel_noise noise = {hone_alloc((size_t)n, sizeof(float), "test noise"), kernel_doubles(n)};
    test_noise(noise.f, noise.d, n, scale, seed);
    return noise;
}

void kernel_noise_free(struct kernel_noise *noise) {
    hone_free(noise->f);
    hone_free(noise->d);
}

float kernel_round_bf16(float x) {
    if (!isfinite(x) || x == 0) return x;
    int exponent;
    double fraction = frexp((double)x, &exponent); /* 8 bits are kept, the first of them is 1 */
    return (float)ldexp(nearbyint(ldexp(fraction, 8)), exponent - 8);
}

struct kernel_noise kernel_values(const struct kernel_buffers *k, int64_t n, double scale, uint32_t seed) {
    struct kernel_noise noise = kernel_noise(n, scale, seed);
    for (int64_t i = 0; i < n && k->dtype == HONE_BF16; i++)
        noise.d[i] = (double)(noise.f[i] = kernel_round_bf16(noise.f[i]));
    return noise;
}

/* What the device gets of n values, owned. */
static void *encode(const struct kernel_buffers *k, const float *values, int64_t n) {
    void *image = hone_alloc((size_t)n, hone_dtype_size(k->dtype), "test values");
    if (k->dtype == HONE_F32) memcpy(image, values, (size_t)n * F4);
    for (int64_t i = 0; i < n && k->dtype == HONE_BF16; i++) {
        uint32_t bits;
        memcpy(&bits, values + i, F4);
        ((uint16_t *)image)[i] = (uint16_t)(bits >> 16);
    }
    return image;
}

void *kernel_input_values(struct kernel_buffers *k, const char *name, const float *values, int64_t n) {
    if (!values) return NULL;
    void *image = encode(k, values, n), *memory;
    memory = kernel_input(k, name, image, (size_t)n * hone_dtype_size(k->dtype));
    hone_free(image);
    return memory;
}

void *kernel_inout_values(struct kernel_buffers *k, const char *name, const float *values, int64_t n) {
    void *image = encode(k, values, n), *memory;
    memory = kernel_inout(k, name, image, (size_t)n * hone_dtype_size(k->dtype));
    hone_free(image);
    return memory;
}

void *kernel_output_values(struct kernel_buffers *k, const char *name, int64_t n) {
    return kernel_output(k, name, (size_t)n * hone_dtype_size(k->dtype));
}

void kernel_read_values(struct kernel_buffers *k, float *values, const void *device_memory, enum hone_dtype dtype,
                        int64_t n) {
    kernel_read(k, values, device_memory, (size_t)n * hone_dtype_size(dtype));
    for (int64_t i = n - 1; i >= 0 && dtype == HONE_BF16; i--) {
        uint16_t half;
        memcpy(&half, (const char *)values + 2 * i, 2);
        uint32_t bits = (uint32_t)half << 16;
        memcpy(values + i, &bits, F4);
    }
}

double kernel_nearest(double want, double got, enum hone_dtype dtype) {
    double half = dtype == HONE_BF16 ? fabs(want) / 256 : 0;
    return want + fmin(fmax(got - want, -half), half);
}

void kernel_compare_values(struct kernel_buffers *k, const char *name, const void *device_memory, enum hone_dtype dtype,
                           const double *want, int64_t n, double absolute, double relative) {
    float *got = hone_alloc((size_t)n, F4, "test values");
    double *near = kernel_doubles(n);
    kernel_read_values(k, got, device_memory, dtype, n);
    for (int64_t i = 0; i < n; i++) near[i] = kernel_nearest(want[i], (double)got[i], dtype);
    test_close(name, got, near, n, absolute, relative);
    hone_free(got), hone_free(near);
}

double *kernel_doubles(int64_t n) { return hone_alloc((size_t)n, sizeof(double), "test values"); }

void kernel_compare_within(struct kernel_buffers *k, const char *name, const void *device_memory, const double *want,
                           int64_t n, double absolute, double relative) {
    kernel_compare_values(k, name, device_memory, HONE_F32, want, n, absolute, relative);
}

void kernel_compare(struct kernel_buffers *k, const char *name, const void *device_memory, const double *want,
                    int64_t n, double relative) {
    kernel_compare_within(k, name, device_memory, want, n, 1e-30, relative);
}

void kernel_dropout_make(struct kernel_dropout *drop, struct kernel_buffers *k, int64_t tokens, const int32_t *rows,
                         int64_t R, bool half) {
    uint32_t threshold = half ? 32768 : 6554;
    drop->step = (struct hone_step){.seed = 77, .step = 1234567};
    drop->keys = hone_alloc((size_t)tokens, sizeof(int64_t), "test row keys");
    /* Sample ids beyond 2^12 use the high word of the key too. */
    for (int64_t t = 0; t < tokens; t++) drop->keys[t] = (40000 + t / 50) << 20 | t % 50;
    drop->host =
        (struct hone_dropout){threshold, 65536.0f / (65536.0f - (float)threshold), 5, &drop->step, drop->keys, rows};
    drop->device = drop->host;
    drop->device.step = kernel_input(k, "step", &drop->step, sizeof(drop->step));
    drop->device.row_key = kernel_input(k, "row_key", drop->keys, (size_t)tokens * sizeof(int64_t));
    drop->device.rows = kernel_input(k, "dropout rows", rows, (size_t)R * sizeof(int32_t));
}

void kernel_dropout_free(struct kernel_dropout *drop) { hone_free(drop->keys); }

#define OP(name) offsetof(struct hone_ops, name)
static const struct {
    const char *name;
    void (*run)(struct kernel_buffers *k);
    size_t op;     /* one of the family's */
    bool f32_only; /* has no dtype */
} cases[] = {
    {"activation", kernel_cases_activation, OP(activation_forward), false},
    {"adafactor", kernel_cases_adafactor, OP(adafactor), true},
    {"adamw", kernel_cases_adamw, OP(adamw), true},
    {"attention", kernel_cases_attention, OP(attention_forward), false},
    {"binary_cross_entropy", kernel_cases_binary_cross_entropy, OP(binary_cross_entropy_forward), true},
    {"class_loss", kernel_cases_class_loss, OP(class_loss_forward), true},
    {"clip_values", kernel_cases_clip_values, OP(clip_values), true},
    {"cross_entropy", kernel_cases_cross_entropy, OP(cross_entropy_forward), false},
    {"dropout", kernel_cases_dropout, OP(dropout), false},
    {"ema", kernel_cases_ema, OP(ema), true},
    {"embedding", kernel_cases_embedding, OP(embedding_forward), true},
    {"gradient_norm", kernel_cases_gradient_norm, OP(gradient_norm), true},
    {"linear", kernel_cases_linear, OP(linear_forward), false},
    {"linear_activation", kernel_cases_linear_activation, OP(linear_activation_forward), false},
    {"residual_layer_norm", kernel_cases_residual_layer_norm, OP(residual_layer_norm_forward), false},
    {"rows", kernel_cases_rows, OP(gather_rows), false},
    {"squared_error", kernel_cases_squared_error, OP(squared_error_forward), true},
    {"sgd", kernel_cases_sgd, OP(sgd), true},
};
#undef OP

static int run_in(struct kernel_buffers *k, const char *only, enum hone_dtype dtype) {
    int ran = 0;
    k->dtype = dtype;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (cases[i].f32_only && dtype != HONE_F32) continue;
        if (only && strcmp(only, cases[i].name) != 0) continue;
        void *op;
        memcpy(&op, (const char *)k->device->ops + cases[i].op, sizeof op);
        print_message("%s: %s in %s%s\n", k->device->name, cases[i].name, hone_dtype_name(dtype),
                      op ? "" : ": no kernel yet");
        if (!op) continue;
        cases[i].run(k);
        ran++;
    }
    return ran;
}

int kernel_cases_run(struct kernel_buffers *k, const char *only) {
    int ran = run_in(k, only, HONE_F32);
    if (!k->device->bf16_why_not) return ran + run_in(k, only, HONE_BF16);
    print_message("%s: no bf16: %s\n", k->device->name, k->device->bf16_why_not);
    return ran;
}
