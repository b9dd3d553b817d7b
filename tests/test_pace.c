/* Which rank is a straggler, by how long each took for its own share of some steps. */
#include <math.h>

#include "dist/pace.h"
#include "tests/support.h"

enum { STEPS = 20 };

static const struct {
    int size;
    struct hone_own_work work[5];
    int rank; /* -1: none */
    double at_median;
} cases[] = {
    {2, {{1, 10}, {2, 10}}, 1, 1},
    {2, {{2, 10}, {1, 10}}, 0, 1},
    {2, {{1, 10}, {1.4, 10}}, -1, 1},
    {2, {{1, 10}, {1, 10}}, -1, 1},
    {3, {{1, 10}, {1.2, 10}, {3, 10}}, 2, 1.1},
    {5, {{1, 10}, {9, 10}, {1.1, 10}, {0.9, 10}, {1.2, 10}}, 1, 1.05},
    {4, {{3, 10}, {1, 10}, {1, 10}, {3, 10}}, 0, 1}, /* of two the first */
    {4, {{1, 10}, {3, 10}, {3, 10}, {3, 10}}, -1, 3},
    {3, {{1, 10}, {2, 20}, {1, 10}}, -1, 1}, /* twice the share, which is no fault of the rank */
    {3, {{1, 10}, {2, 10}, {2, 20}}, 1, 1},
    {2, {{0.01, 10}, {0.1, 10}}, -1, 0.01}, /* ten times, but less than 5 ms a step */
    {2, {{0.01, 10}, {0.12, 10}}, 1, 0.01},
    {2, {{0, 10}, {1, 10}}, 1, 0},
    {3, {{1, 10}, {5, 0}, {1, 10}}, -1, 1}, /* a rank for which no sample is left */
    {2, {{1, 10}, {5, 0}}, -1, 1},
    {2, {{1, 0}, {5, 0}}, -1, 0},
};

static void names_the_straggler(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        double at_median = 0;
        int rank = hone_pace_straggler(&at_median, cases[i].work, cases[i].size, STEPS);
        if (rank != cases[i].rank || fabs(at_median - cases[i].at_median) > 1e-12)
            fail_msg("case %zu: rank %d, %g s", i, rank, at_median);
    }
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
        cmocka_unit_test(one_rank_has_nobody_to_wait_for_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
