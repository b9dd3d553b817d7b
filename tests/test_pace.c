/* Which rank is a straggler, by how long each took for its own share of some steps. */
#include <math.h>

#include "dist/pace.h"
#include "tests/support.h"

enum { STEPS = 20 };

static const struct {
    int size;
    struct hone_own_work work[5];
    const char *slow; /* of each rank, 1 or 0 */
} cases[] = {
    {2, {{1, 10}, {2, 10}}, "01"},
    {2, {{2, 10}, {1, 10}}, "10"},
    {2, {{1, 10}, {1.4, 10}}, "00"},
    {2, {{1, 10}, {1, 10}}, "00"},
    {3, {{1, 10}, {1.2, 10}, {3, 10}}, "001"},
    {5, {{1, 10}, {9, 10}, {1.1, 10}, {0.9, 10}, {1.2, 10}}, "01000"},
    {5, {{3, 10}, {1, 10}, {1, 10}, {4, 10}, {1, 10}}, "10010"},
    {4, {{1, 10}, {3, 10}, {3, 10}, {3, 10}}, "0000"},
    /* Twice the share, which is no fault of the rank, and a slow one with as much. */
    {3, {{1, 10}, {2, 20}, {1, 10}}, "000"},
    {3, {{1, 10}, {2, 10}, {2, 20}}, "010"},
    /* A slow rank that has so little that nobody waits for it; it hides no other. */
    {2, {{10, 1000}, {3, 100}}, "00"},
    {3, {{10, 1000}, {20, 1000}, {0.09, 1}}, "010"},
    /* Ten times as slow, but by less than 5 ms a step. */
    {2, {{0.01, 10}, {0.1, 10}}, "00"},
    {2, {{0.01, 10}, {0.12, 10}}, "01"},
    {2, {{0, 10}, {1, 10}}, "01"},
    /* Ranks for which no sample is left. */
    {3, {{1, 10}, {5, 0}, {1, 10}}, "000"},
    {2, {{1, 10}, {5, 0}}, "00"},
    {2, {{1, 0}, {5, 0}}, "00"},
};

static void names_the_straggler(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        for (int r = 0; r < cases[i].size; r++) {
            double at_median;
            bool slow = hone_pace_is_slow(&at_median, cases[i].work, cases[i].size, r, STEPS);
            if (slow != (cases[i].slow[r] == '1')) fail_msg("case %zu: rank %d is %sslow", i, r, slow ? "" : "not ");
        }
    }
}

static void compares_with_the_median(void **state) {
    (void)state;
    const struct hone_own_work work[] = {{1, 10}, {2.4, 20}, {9, 30}, {1.1, 10}};
    double at_median;
    assert_true(hone_pace_is_slow(&at_median, work, 4, 2, STEPS));
    assert_true(fabs(at_median - 0.11 * 30) < 1e-12);
}

static void one_rank_has_nobody_to_wait_for_it(void **state) {
    (void)state;
    struct hone_pace pace = {0};
    for (int i = 0; i < 2 * STEPS; i++)
        TEST_OK(hone_pace_step(&pace, (struct hone_own_work){100, 1}, hone_world_alone()));
    assert_int_equal(pace.told, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_the_straggler),
        cmocka_unit_test(compares_with_the_median),
        cmocka_unit_test(one_rank_has_nobody_to_wait_for_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
