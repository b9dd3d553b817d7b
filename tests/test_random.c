/* Philox against its published answers, the permutation as a bijection that mixes, the normal numbers by their moments.
 * Everything is deterministic: the statistical bounds (about five standard deviations) hold or not once and for all. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/random.h"
#include "tests/support.h"

/* kat_vectors of Random123 (Salmon et al., SC 2011), philox 4x32, 10 rounds. */
static void known_answers(void **state) {
    (void)state;
    static const struct {
        uint32_t counter[4], key[2], want[4];
    } rows[] = {
        {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
        {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
         {0xffffffff, 0xffffffff},
         {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
        {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
         {0xa4093822, 0x299f31d0},
         {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        uint32_t got[4];
        hone_philox(got, rows[i].counter, rows[i].key);
        assert_memory_equal(got, rows[i].want, sizeof got);
    }
    assert_true(hone_random_u64(0, 0, 0, 0) == UINT64_C(0xe169c58d6627e8d5));
}

/* Every part of a stream's name counts, also the upper halves. */
static void streams_differ(void **state) {
    (void)state;
    uint64_t seen[] = {
        hone_random_u64(1, 2, 3, 4),
        hone_random_u64(1 + (UINT64_C(1) << 32), 2, 3, 4),
        hone_random_u64(2, 2, 3, 4),
        hone_random_u64(1, 3, 3, 4),
        hone_random_u64(1, 2, 4, 4),
        hone_random_u64(1, 2, 3, 5),
        hone_random_u64(1, 2, 3, 4 + (UINT64_C(1) << 32)),
    };
    for (size_t i = 0; i < sizeof seen / sizeof *seen; i++)
        for (size_t j = 0; j < i; j++) assert_true(seen[i] != seen[j]);
}

static void normal_moments(void **state) {
    (void)state;
    enum { N = 400000 };
    double sum[5] = {0}, neighbours = 0, before = 0;
    int beyond = 0;
    for (int i = 0; i < N; i++) {
        double x = hone_random_normal(42, HONE_RANDOM_INIT, 7, (uint64_t)i), power = 1;
        assert_true(isfinite(x) && fabs(x) < 7);
        for (int k = 1; k <= 4; k++) sum[k] += power *= x;
        neighbours += x * before;
        before = x;
        beyond += fabs(x) > 2;
    }
    double root = sqrt((double)N);
    assert_true(fabs(sum[1] / N) < 5 / root);
    assert_true(fabs(sum[2] / N - 1) < 5 * sqrt(2) / root);
    assert_true(fabs(sum[3] / N) < 5 * sqrt(15) / root);
    assert_true(fabs(sum[4] / N - 3) < 5 * sqrt(96) / root);
    assert_true(fabs(neighbours / N) < 5 / root);
    assert_true(fabs((double)beyond / N - erfc(sqrt(2))) < 5 * sqrt(0.0455) / root);
}

/* The first counter of this stream whose first word is 0: the logarithm must not see 0. */
static void normal_of_zero(void **state) {
    (void)state;
    const uint64_t i = 2639390526;
    assert_int_equal(hone_random_u64(0, HONE_RANDOM_INIT, 0, i) & 0xffffffff, 0);
    double x = hone_random_normal(0, HONE_RANDOM_INIT, 0, i);
    assert_true(isfinite(x) && fabs(x) < 7);
}

static void bijection(void **state) {
    (void)state;
    enum { LARGEST = 300007 };
    char *seen = hone_alloc(LARGEST, 1, "test");
    static const int64_t larger[] = {255, 256, 257, 1000, 1023, 1024, 1025, 1500, 4095, 4096, 4097, 65537, LARGEST};
    for (int64_t size = 1; size <= 140 + (int64_t)(sizeof larger / sizeof *larger); size++) {
        int64_t n = size <= 140 ? size : larger[size - 141];
        for (uint32_t epoch = 0; epoch < (n < 100 ? 20u : 2u); epoch++) {
            memset(seen, 0, (size_t)n);
            for (int64_t i = 0; i < n; i++) {
                int64_t at = hone_permute(i, n, 0x123456789abcdef0, epoch);
                if (at < 0 || at >= n || seen[at])
                    fail_msg("n %lld: %lld goes to %lld", (long long)n, (long long)i, (long long)at);
                seen[at] = 1;
            }
        }
    }
    hone_free(seen);
}

static int compare(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

/* Sizes that cannot be walked whole: in range and without repeats over a part. */
static void large_sizes(void **state) {
    (void)state;
    static const int64_t sizes[] = {INT64_C(1) << 31, (INT64_C(1) << 32) + 1, (INT64_C(1) << 40) - 1, INT64_C(1) << 40,
                                    INT64_C(1) << 62};
    enum { PART = 20000 };
    int64_t *at = hone_alloc(PART, sizeof *at, "test");
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        for (int64_t i = 0; i < PART; i++) {
            at[i] = hone_permute(i % 2 ? sizes[s] - 1 - i : i, sizes[s], 5, 1);
            assert_true(at[i] >= 0 && at[i] < sizes[s]);
        }
        qsort(at, PART, sizeof *at, compare);
        for (int i = 1; i < PART; i++) assert_true(at[i] != at[i - 1]);
    }
    hone_free(at);
}

/* All n! orders of a few items come up alike over many epochs. */
static void small_sizes_mix(void **state) {
    (void)state;
    enum { EPOCHS = 24000 };
    for (int n = 2; n <= 4; n++) {
        int orders = n == 2 ? 2 : n == 3 ? 6 : 24, counts[256] = {0}, met = 0;
        for (uint32_t epoch = 0; epoch < EPOCHS; epoch++) {
            int code = 0;
            for (int i = 0; i < n; i++) code = code * 4 + (int)hone_permute(i, n, 9, epoch);
            counts[code]++;
        }
        double expected = (double)EPOCHS / orders;
        for (int code = 0; code < 256; code++) {
            met += counts[code] > 0;
            if (counts[code] && fabs(counts[code] - expected) > 5 * sqrt(expected))
                fail_msg("n %d: order %d comes %d times, expected %g", n, code, counts[code], expected);
        }
        assert_int_equal(met, orders);
    }
}

/* Where one item lands, how far neighbours fall apart, how many items stay: as for a random order. */
static void order_mixes(void **state) {
    (void)state;
    enum { N = 1000, EPOCHS = 2000, BINS = 20 };
    int bins[BINS] = {0};
    double apart = 0, fixed = 0, ascending = 0;
    for (uint32_t epoch = 0; epoch < EPOCHS; epoch++) {
        bins[hone_permute(17, N, 3, epoch) * BINS / N]++;
        int64_t i = (int64_t)epoch % (N - 1), a = hone_permute(i, N, 3, epoch), b = hone_permute(i + 1, N, 3, epoch);
        apart += fabs((double)(a - b)) / N / EPOCHS;
        ascending += (double)(a < b) / EPOCHS;
    }
    for (int64_t i = 0; i < N; i++)
        for (uint32_t epoch = 0; epoch < 20; epoch++) fixed += hone_permute(i, N, 4, epoch) == i;
    for (int b = 0; b < BINS; b++) assert_true(abs(bins[b] - EPOCHS / BINS) < 50);
    assert_true(fabs(apart - 1.0 / 3) < 5 * 0.236 / sqrt(EPOCHS));
    assert_true(fabs(ascending - 0.5) < 5 * 0.5 / sqrt(EPOCHS));
    assert_true(fixed > 0 && fixed < 45);
    int same_epoch = 0, same_seed = 0;
    for (int64_t i = 0; i < N; i++) {
        same_epoch += hone_permute(i, N, 3, 0) == hone_permute(i, N, 3, 1);
        same_seed += hone_permute(i, N, 3, 0) == hone_permute(i, N, 3 + (UINT64_C(1) << 32), 0);
    }
    assert_true(same_epoch < 10 && same_seed < 10);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_answers),   cmocka_unit_test(streams_differ), cmocka_unit_test(normal_moments),
        cmocka_unit_test(normal_of_zero),  cmocka_unit_test(bijection),      cmocka_unit_test(large_sizes),
        cmocka_unit_test(small_sizes_mix), cmocka_unit_test(order_mixes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
