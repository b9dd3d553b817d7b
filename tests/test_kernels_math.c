/* The elementary functions of kernels/cpu/vector.h against libm in f64, over dense sweeps of floats: the errors stated
 * there hold with and without fused multiply-add (this file is compiled without, its clones for newer CPUs as they
 * come), and for special values. Also Philox of eight counters, and dropout's factors, against base/random.h. */
#include "kernels/cpu/dropout.h"

#include <stdlib.h>

#include "base/random.h"
#include "tests/support.h"

#define APPLY(name, expression)                                                                                        \
    HONE_CLONES static void name(float *y, const float *x) {                                                           \
        hone_vec v = vec_load(x), density;                                                                             \
        (void)density;                                                                                                 \
        vec_store(y, expression);                                                                                      \
    }
APPLY(apply_exp, vec_exp(v))
APPLY(apply_log, vec_log(v))
APPLY(apply_tanh, vec_tanh(v))
APPLY(apply_normal, vec_normal(v, &density))

/* Units in the last place of `want` as f32, 2^-149 at least. */
static double ulp(double want) {
    int exponent;
    frexp(want, &exponent);
    return ldexp(1, exponent - 24 > -149 ? exponent - 24 : -149);
}

static double normal(double x) { return 0.5 * erfc(-x * 0.70710678118654752440); }

/* The largest |y - f(x)| / unit(f(x), x) over floats from `from` to `to`, each `step`-th by its bits. */
static double sweep(void (*apply)(float *y, const float *x), double (*f)(double), double (*unit)(double, double),
                    float from, float to, uint32_t step) {
    double worst = 0;
    float x[HONE_LANES], y[HONE_LANES];
    for (int sign = 0; sign < 2; sign++) {
        /* Magnitudes with one sign at a time: their bits are in order. */
        float low = sign ? (to < 0 ? -to : 0) : (from > 0 ? from : 0), high = sign ? -from : to;
        if (high <= low) continue;
        uint32_t first, last;
        memcpy(&first, &low, 4), memcpy(&last, &high, 4);
        for (uint64_t bits = first; bits <= last; bits += (uint64_t)step * HONE_LANES) {
            for (uint32_t i = 0; i < HONE_LANES; i++) {
                uint64_t at = bits + (uint64_t)i * step;
                uint32_t b = at <= last ? (uint32_t)at : last;
                memcpy(&x[i], &b, 4);
                x[i] = sign ? -x[i] : x[i];
            }
            apply(y, x);
            for (int i = 0; i < HONE_LANES; i++) {
                double want = f((double)x[i]), off = fabs((double)y[i] - want) / unit(want, (double)x[i]);
                if (!(off <= worst)) worst = off;
                if (off != off) fail_msg("f(%.9g) is %.9g, want %.9g", (double)x[i], (double)y[i], want);
            }
        }
    }
    return worst;
}

static double in_ulp(double want, double x) {
    (void)x;
    return ulp(want);
}

/* What vec_normal promises: relative 8 + x^2 units of 2^-24. */
static double in_tail_units(double want, double x) { return want * (8 + x * x) * 0x1p-24; }

static void expect(const char *name, double worst, double allowed) {
    print_message("%s: at most %.3f, allowed %.3f\n", name, worst, allowed);
    if (!(worst <= allowed)) fail_msg("%s: %.3f, allowed %.3f", name, worst, allowed);
}

static void test_exp(void **state) {
    (void)state;
    expect("exp, ulp", sweep(apply_exp, exp, in_ulp, -86.9f, 88.7f, 401), 1.5);
    float x[2 * HONE_LANES] = {0, -0.0f, -87.4f, -1000, -INFINITY, 88.8f, 1000, INFINITY, NAN, 88.72f, 1e-40f},
                y[2 * HONE_LANES];
    apply_exp(y, x);
    apply_exp(y + HONE_LANES, x + HONE_LANES);
    assert_true(y[0] == 1 && y[1] == 1 && y[2] == 0 && y[3] == 0 && y[4] == 0);
    assert_true(isinf(y[5]) && isinf(y[6]) && isinf(y[7]) && isnan(y[8]) && isfinite(y[9]) && y[10] == 1);
}

static void test_log(void **state) {
    (void)state;
    expect("log, ulp", sweep(apply_log, log, in_ulp, FLT_MIN, FLT_MAX, 997), 1);
    expect("log near 1, ulp", sweep(apply_log, log, in_ulp, 0.6f, 1.6f, 7), 1);
    float x[HONE_LANES] = {1, NAN, INFINITY}, y[HONE_LANES];
    apply_log(y, x);
    assert_true(y[0] == 0 && isnan(y[1]) && isnan(y[2]));
}

static void test_tanh(void **state) {
    (void)state;
    expect("tanh, ulp", sweep(apply_tanh, tanh, in_ulp, -20, 20, 401), 2);
    float x[HONE_LANES] = {0, -0.0f, INFINITY, -INFINITY, NAN, 1e30f, -1e30f}, y[HONE_LANES];
    apply_tanh(y, x);
    assert_true(y[0] == 0 && !signbit(y[0]) && y[1] == 0 && signbit(y[1]));
    assert_true(y[2] == 1 && y[3] == -1 && isnan(y[4]) && y[5] == 1 && y[6] == -1);
}

static void test_normal(void **state) {
    (void)state;
    expect("normal, units of its tail", sweep(apply_normal, normal, in_tail_units, -13, 13, 401), 1);
    expect("normal for x > 0, ulp", sweep(apply_normal, normal, in_ulp, 0, 13, 401), 4);
    float x[HONE_LANES] = {0, INFINITY, -INFINITY, NAN, 50, -50}, y[HONE_LANES];
    apply_normal(y, x);
    assert_true(fabsf(y[0] - 0.5f) <= 0x1p-24f && y[1] == 1 && y[2] == 0 && isnan(y[3]) && y[4] == 1 && y[5] == 0);
}

static void test_sums(void **state) {
    (void)state;
    float x[HONE_LANES];
    for (int i = 0; i < HONE_LANES; i++) x[i] = (float)(1 << i);
    assert_true(vec_sum(vec_load(x)) == (1 << HONE_LANES) - 1);
    for (int i = 0; i < HONE_LANES; i++) {
        float y[HONE_LANES] = {0};
        y[i] = 5;
        assert_true(vec_maximum(vec_load(y)) == 5);
        y[i] = -5;
        assert_true(vec_maximum(vec_load(y)) == 0);
    }
    assert_true(signbit(vec_set(-0.0f)[3]));
}

static void test_dropout_factors(void **state) {
    (void)state;
    struct hone_step step = {.seed = 0xdeadbeef, .step = 0x12345678};
    struct hone_dropout drop = {20000, 1.5f, 0xfedcba98, &step, NULL, NULL};
    int64_t key = 0x7edcba9876543210;
    float factors[HONE_DROPOUT_BLOCK];
    for (int64_t from = 0; from < 1024; from += HONE_DROPOUT_BLOCK) {
        dropout_row_factors(factors, &drop, key, from);
        for (int64_t i = 0; i < HONE_DROPOUT_BLOCK; i++) {
            uint32_t counter[4] = {(uint32_t)((from + i) / 8), (uint32_t)key, (uint32_t)(key >> 32), drop.site};
            uint32_t words[4], keys[2] = {step.seed, step.step};
            hone_philox(words, counter, keys);
            uint32_t field = words[i % 8 / 2] >> (i % 2 * 16) & 0xffff;
            assert_true(factors[i] == (field >= drop.threshold ? drop.scale : 0.0f));
        }
    }
}

/* Both forms against one counter at a time: of all bits set, and of words that are all different. */
static void test_philox8(void **state) {
    (void)state;
    for (uint32_t from = 0; from < 64; from += 8) {
        struct hone_counters c = {.c3 = 0xfedcba98 * from};
        uint32_t keys[2] = {0xdeadbeef + from, 0xffffffff - from}, words[8][4];
        for (uint32_t i = 0; i < 8; i++) {
            uint32_t counter[4] = {0xffffffff - 0x10203 * from * i, 0x9abcdef1 * i, 0xffffffff - from - i, c.c3};
            c.c0[i] = counter[0], c.c1[i] = counter[1], c.c2[i] = counter[2];
            hone_philox(words[i], counter, keys);
        }
        uint32_t found[32];
        hone_cpu_philox8(found, &c, keys[0], keys[1]);
        assert_memory_equal(found, words, sizeof(words));
        memset(found, 0, sizeof(found));
        hone_cpu_philox8_plain(found, &c, keys[0], keys[1]);
        assert_memory_equal(found, words, sizeof(words));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exp),     cmocka_unit_test(test_log),  cmocka_unit_test(test_tanh),
        cmocka_unit_test(test_normal),  cmocka_unit_test(test_sums), cmocka_unit_test(test_dropout_factors),
        cmocka_unit_test(test_philox8),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
