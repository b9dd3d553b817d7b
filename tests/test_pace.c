/* Which rank is a straggler, by how long each took for its own share of some steps. */
#include <math.h>

#include "dist/pace.h"
#include "tests/support.h"

enum { STEPS = 20 };

static const struct {
    int size;
    double seconds[5];
    int rank; /* -1: none */
    double median;
} cases[] = {
    {2, {1, 2}, 1, 1},          {2, {2, 1}, 0, 1},          {2, {1, 1.4}, -1, 1},
    {2, {1, 1}, -1, 1},         {3, {1, 1.2, 3}, 2, 1.1},   {5, {1, 9, 1.1, 0.9, 1.2}, 1, 1.05},
    {4, {3, 1, 1, 3}, 0, 1},                                /* of two the first */
    {4, {1, 3, 3, 3}, -1, 3},   {2, {0.01, 0.1}, -1, 0.01}, /* ten times, but less than 5 ms a step */
    {2, {0.01, 0.12}, 1, 0.01}, {2, {0, 1}, 1, 0},
};

static void names_the_straggler(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        double median;
        int rank = hone_pace_straggler(&median, cases[i].seconds, cases[i].size, STEPS);
        if (rank != cases[i].rank || fabs(median - cases[i].median) > 1e-12)
            fail_msg("case %zu: rank %d, median %g", i, rank, median);
    }
}

static void one_rank_has_nobody_to_wait_for_it(void **state) {
    (void)state;
    struct hone_pace pace = {0};
    for (int i = 0; i < 2 * STEPS; i++) TEST_OK(hone_pace_step(&pace, 100, hone_world_alone()));
    assert_false(pace.named);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_the_straggler),
        cmocka_unit_test(one_rank_has_nobody_to_wait_for_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
