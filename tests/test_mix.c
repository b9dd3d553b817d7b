/* Sources mixed by weights: shares, no sample before its turn comes again, the order's keys. */
#include <string.h>

#include "base/memory.h"
#include "data/mix.h"
#include "tests/support.h"

static void shares(void **state) {
    (void)state;
    static const int64_t sizes[] = {10, 1000, 1};
    static const double weights[] = {3, 6, 1};
    enum { N = 1011, EPOCHS = 7 };
    struct hone_mix mix;
    hone_mix_create(&mix, sizes, weights, 3);
    int64_t taken[N] = {0}, of_source[3] = {0};
    for (uint32_t epoch = 0; epoch < EPOCHS; epoch++) {
        int64_t here[3] = {0};
        for (int64_t i = 0; i < N; i++) {
            int64_t at = hone_mix_at(&mix, i, 42, epoch);
            assert_true(at >= 0 && at < N);
            taken[at]++;
            here[at < 10 ? 0 : at < 1010 ? 1 : 2]++;
        }
        assert_int_equal(here[0], 303);
        assert_int_equal(here[1], 607);
        assert_int_equal(here[2], 101);
        for (int s = 0; s < 3; s++) of_source[s] += here[s];
    }
    for (int64_t at = 0; at < N; at++) {
        int s = at < 10 ? 0 : at < 1010 ? 1 : 2;
        int64_t least = of_source[s] / sizes[s];
        assert_true(taken[at] == least || taken[at] == least + 1);
    }
    hone_mix_free(&mix);
}

static void keys(void **state) {
    (void)state;
    static const int64_t sizes[] = {50, 50};
    static const double weights[] = {1, 1};
    struct hone_mix mix;
    hone_mix_create(&mix, sizes, weights, 2);
    int same[3] = {0}, alike = 0, rising = 0;
    int64_t seen[2][50], n[2] = {0};
    for (int64_t i = 0; i < 100; i++) {
        int64_t at = hone_mix_at(&mix, i, 1, 0);
        assert_int_equal(at, hone_mix_at(&mix, i, 1, 0));
        same[0] += at == hone_mix_at(&mix, i, 2, 0);
        same[1] += at == hone_mix_at(&mix, i, 1, 1);
        seen[at / 50][n[at / 50]++] = at % 50;
    }
    for (int i = 0; i < 50; i++) alike += seen[0][i] == seen[1][i];
    for (int i = 1; i < 50; i++) rising += seen[0][i] > seen[0][i - 1];
    assert_true(same[0] < 20 && same[1] < 20 && alike < 20 && rising > 5 && rising < 45);
    hone_mix_free(&mix);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(shares), cmocka_unit_test(keys)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
