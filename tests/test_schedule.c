/* Every schedule against Transformers' get_scheduler (tests/reference/make_optimizer_reference.py), at every step. */
#include "optim/schedule.h"

#include <math.h>
#include <stdio.h>

#include "base/memory.h"
#include "recipes/options.h"
#include "tests/graph.h"

/* In the order of SCHEDULES there. */
static const struct hone_schedule curves[] = {
    {.name = HONE_SCHEDULE_LINEAR},
    {.name = HONE_SCHEDULE_COSINE, .num_cycles = 0.5},
    {.name = HONE_SCHEDULE_COSINE, .num_cycles = 1.25},
    {.name = HONE_SCHEDULE_COSINE_WITH_MIN_LR, .num_cycles = 0.5, .min_ratio = 0.1},
    {.name = HONE_SCHEDULE_COSINE_WITH_MIN_LR, .num_cycles = 1.5, .min_ratio = 0.25},
    {.name = HONE_SCHEDULE_COSINE_WITH_RESTARTS, .num_cycles = 1},
    {.name = HONE_SCHEDULE_COSINE_WITH_RESTARTS, .num_cycles = 3},
    {.name = HONE_SCHEDULE_POLYNOMIAL, .power = 1, .end_ratio = 1e-7},
    {.name = HONE_SCHEDULE_POLYNOMIAL, .power = 2.5, .end_ratio = 0.25},
    {.name = HONE_SCHEDULE_CONSTANT},
    {.name = HONE_SCHEDULE_CONSTANT_WITH_WARMUP},
    {.name = HONE_SCHEDULE_INVERSE_SQRT},
    {.name = HONE_SCHEDULE_INVERSE_SQRT, .timescale = 4},
    {.name = HONE_SCHEDULE_WARMUP_STABLE_DECAY, .decay = 4, .decay_curve = HONE_CURVE_COSINE, .num_cycles = 0.5},
    {.name = HONE_SCHEDULE_WARMUP_STABLE_DECAY,
     .decay = 3,
     .stable = 2,
     .min_ratio = 0.2,
     .warmup_curve = HONE_CURVE_COSINE},
    {.name = HONE_SCHEDULE_WARMUP_STABLE_DECAY,
     .decay = 5,
     .min_ratio = 0.1,
     .warmup_curve = HONE_CURVE_ONE_MINUS_SQRT,
     .decay_curve = HONE_CURVE_ONE_MINUS_SQRT},
    {.name = HONE_SCHEDULE_WARMUP_STABLE_DECAY, .decay = 5, .decay_curve = HONE_CURVE_COSINE, .num_cycles = 1.5},
};
enum { CURVES = sizeof curves / sizeof *curves };

static const int64_t lengths[][2] = {{23, 0}, {23, 5}, {10, 10}, {9, 1}, {1, 0}, {1, 1}, {3, 5}};
enum { LENGTHS = sizeof lengths / sizeof *lengths };

/* Both sides compute in f64 with the same operations; only cos and pow may differ, by a rounding or two. */
static void compare(struct hone_safetensors *fixture, size_t curve, int64_t total, int64_t warmup) {
    char name[32];
    struct hone_schedule s = curves[curve];
    s.total = total;
    s.warmup = warmup;
    if (s.name == HONE_SCHEDULE_WARMUP_STABLE_DECAY && !s.stable) s.stable = total - warmup - s.decay;
    snprintf(name, sizeof name, "%zu.%lld.%lld", curve, (long long)total, (long long)warmup);
    int64_t n;
    double *want = fixture_f64(fixture, name, &n);
    assert_int_equal(n, total);
    for (int64_t step = 0; step < n; step++) {
        double got = hone_schedule_factor(&s, step);
        if (!(fabs(got - want[step]) <= 1e-15))
            fail_msg("%s: step %d is %.17g, not %.17g", name, (int)step, got, want[step]);
    }
    hone_free(want);
}

static void as_transformers(void **state) {
    (void)state;
    struct hone_safetensors fixture;
    TEST_OK(hone_safetensors_open(&fixture, "tests/fixtures/optim/schedule.safetensors"));
    size_t compared = 0;
    for (size_t c = 0; c < CURVES; c++) {
        for (size_t i = 0; i < LENGTHS; i++) {
            int64_t total = lengths[i][0], warmup = lengths[i][1];
            if (curves[c].name == HONE_SCHEDULE_WARMUP_STABLE_DECAY && total < warmup + curves[c].decay) continue;
            compare(&fixture, c, total, warmup);
            compared++;
        }
    }
    assert_int_equal(compared, fixture.n);
    hone_safetensors_close(&fixture);
}

/* Each word of the option is a schedule that is compared above. */
static void every_name_is_compared(void **state) {
    (void)state;
    const struct hone_option *option = hone_option_find("schedule.name");
    for (int name = 0; option->words[name]; name++) {
        bool found = false;
        for (size_t c = 0; c < CURVES; c++) found |= (int)curves[c].name == name;
        if (!found) fail_msg("%s is not compared", option->words[name]);
    }
}

static void past_the_end(void **state) {
    (void)state;
    for (size_t c = 0; c < CURVES; c++) {
        struct hone_schedule s = curves[c];
        s.total = 10;
        s.warmup = 3;
        for (int64_t step = 10; step < 40; step++) {
            double factor = hone_schedule_factor(&s, step);
            assert_true(factor >= 0 && factor <= 1);
        }
    }
    assert_true(hone_schedule_factor(&(struct hone_schedule){.total = 10, .warmup = 3}, 15) == 0);
}

static void steps_of_a_ratio(void **state) {
    (void)state;
    assert_int_equal(hone_schedule_steps(0.1, 1001), 101);
    assert_int_equal(hone_schedule_steps(0.1, 10), 1);
    assert_int_equal(hone_schedule_steps(0, 10), 0);
    assert_int_equal(hone_schedule_steps(1, 10), 10);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_transformers),
        cmocka_unit_test(every_name_is_compared),
        cmocka_unit_test(past_the_end),
        cmocka_unit_test(steps_of_a_ratio),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
