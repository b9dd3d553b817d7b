/* Student's interval against scipy.stats.t.interval (values below from scipy 1.17). */
#include <math.h>

#include "recipes/sweep.h"
#include "tests/support.h"

/* scipy.stats.t.ppf(0.975, n - 1). */
static const struct {
    size_t n;
    double quantile;
} quantiles[] = {{2, 12.706204736174698},   {3, 4.302652729749462},    {4, 3.1824463052842629},
                 {5, 2.7764451051977934},   {6, 2.5705818356363146},   {10, 2.2621571628540993},
                 {11, 2.2281388519649385},  {31, 2.0422724563012373},  {100, 1.9842169515864165},
                 {101, 1.9839715185235518}, {1000, 1.9623414611334487}};

static void intervals(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof quantiles / sizeof *quantiles; i++) {
        size_t n = quantiles[i].n;
        double values[1000], mean, deviation, half, sum = 0, squares = 0;
        for (size_t k = 0; k < n; k++) sum += values[k] = sin((double)(k * k)) + 2;
        for (size_t k = 0; k < n; k++) squares += pow(values[k] - sum / (double)n, 2);
        hone_interval(&mean, &deviation, &half, values, n);
        assert_true(fabs(mean - sum / (double)n) < 1e-12);
        assert_true(fabs(deviation - sqrt(squares / (double)(n - 1))) < 1e-12);
        double want = quantiles[i].quantile * deviation / sqrt((double)n);
        if (!(fabs(half - want) <= 1e-9 * want)) fail_msg("n %zu: half is %.15g, not %.15g", n, half, want);
    }
}

static void one_value(void **state) {
    (void)state;
    double mean, deviation, half, value = 0.75, same[3] = {0.5, 0.5, 0.5};
    hone_interval(&mean, &deviation, &half, &value, 1);
    assert_true(mean == 0.75 && deviation == 0 && half == 0);
    hone_interval(&mean, &deviation, &half, same, 3);
    assert_true(mean == 0.5 && deviation == 0 && half == 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(intervals),
        cmocka_unit_test(one_value),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
