/* Products in f32 are as exact as f32 allows, however a CPU makes them: relative to the sum of the sizes of what is added,
 * their error is that of multiplying and adding one after the other in f32, or less. The tolerances of other tests would
 * let a product of fewer bits pass. */
#include <math.h>

#include "base/memory.h"
#include "kernels/device.h"
#include "tests/support.h"

enum { ROWS = 66, COLS = 35 };
static const int64_t depths[] = {1, 2, 31, 64, 385, 1536};

/* [rows, cols] of random signs and of sizes over 2^±8, with room for whole blocks of rows. */
static float *values(int64_t rows, int64_t cols, uint32_t seed) {
    int64_t n = hone_rows(rows) * cols;
    float *values = hone_calloc((size_t)n, sizeof(float), "test values");
    float *exponents = hone_calloc((size_t)n, sizeof(float), "test values");
    test_noise(values, NULL, rows * cols, 1, seed);
    test_noise(exponents, NULL, rows * cols, 3, seed + 1000);
    for (int64_t i = 0; i < n; i++) values[i] *= exp2f(fmaxf(-8, fminf(8, exponents[i])));
    hone_free(exponents);
    return values;
}

/* One side of a product: line i, element k of the sum. */
struct side {
    const float *data;
    int64_t line, along;
};

static void check(const char *what, const float *found, struct side a, struct side b, int64_t depth) {
    double found_error = 0, plain_error = 0;
    for (int64_t i = 0; i < ROWS; i++) {
        for (int64_t j = 0; j < COLS; j++) {
            double exact = 0, size = 0;
            float plain = 0;
            for (int64_t k = 0; k < depth; k++) {
                float x = a.data[i * a.line + k * a.along], y = b.data[j * b.line + k * b.along];
                exact += (double)x * (double)y;
                size += fabs((double)x * (double)y);
                plain = fmaf(x, y, plain);
            }
            found_error += pow(((double)found[i * COLS + j] - exact) / size, 2);
            plain_error += pow(((double)plain - exact) / size, 2);
        }
    }
    /* Each has two thousand results with roundings of their own: their means differ by a few per cent at most. */
    double ratio = sqrt(found_error / plain_error);
    if (ratio > 1.05) fail_msg("%s over %lld: the error is %g times that of f32", what, (long long)depth, ratio);
}

static void test_products(void **state) {
    (void)state;
    struct hone_device *device;
    struct hone_stream *stream;
    TEST_OK(hone_device_open(&device, "cpu"));
    TEST_OK(device->stream_create(device, &stream));
    const struct hone_ops *ops = device->ops;
    for (size_t i = 0; i < sizeof(depths) / sizeof(depths[0]); i++) {
        int64_t D = depths[i];
        const int64_t shapes[][3] = {{ROWS, COLS, D}, {ROWS, D, COLS}, {D, ROWS, COLS}};
        for (int kind = 0; kind < 3; kind++) {
            int64_t T = shapes[kind][0], N = shapes[kind][1], K = shapes[kind][2];
            float *x = values(T, K, 1), *w = values(N, K, 2), *dy = values(T, N, 3);
            float *result = hone_calloc((size_t)(hone_rows(ROWS) * COLS), sizeof(float), "test values");
            void *workspace = hone_alloc(ops->linear_workspace(T, N, K, HONE_F32), 1, "test workspace");
            if (kind == 0) {
                ops->linear_forward(result, x, w, NULL, T, N, K, HONE_F32, workspace, stream);
                check("linear_forward", result, (struct side){x, K, 1}, (struct side){w, K, 1}, D);
            } else if (kind == 1) {
                ops->linear_backward_input(result, HONE_F32, dy, w, false, T, N, K, HONE_F32, workspace, stream);
                check("linear_backward_input", result, (struct side){dy, N, 1}, (struct side){w, 1, K}, D);
            } else {
                ops->linear_backward_weight(result, NULL, dy, x, T, N, K, HONE_F32, workspace, stream);
                check("linear_backward_weight", result, (struct side){dy, 1, N}, (struct side){x, 1, K}, D);
            }
            hone_free(x), hone_free(w), hone_free(dy), hone_free(result), hone_free(workspace);
        }
    }
    device->stream_destroy(stream);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_products)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
