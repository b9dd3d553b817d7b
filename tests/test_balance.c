/* Which rank takes which samples: each once, in order, and about as many tokens on every rank. And the sum of leaves: the
 * same bits on any number of ranks. */
#include <omp.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/arith.h"
#include "base/memory.h"
#include "dist/balance.h"
#include "dist/leaves.h"
#include "dist/shared_memory.h"
#include "kernels/device.h"
#include "tests/support.h"

enum { MOST = 64, MOST_RANKS = 4 };

/* Lengths like those of sentences, from 2 to 60. */
static void make_lengths(int64_t lengths[MOST], uint32_t seed) {
    float noise[MOST];
    test_noise(noise, NULL, MOST, 10, seed);
    for (int i = 0; i < MOST; i++) lengths[i] = hone_max_i64(2, hone_min_i64(60, 25 + (int64_t)noise[i]));
}

static void every_sample_is_dealt_once(void **state) {
    (void)state;
    static const int64_t counts[] = {1, 2, 3, 5, 7, 13, 32, 63, 64};
    for (uint32_t k = 0; k < sizeof counts / sizeof *counts; k++) {
        int64_t lengths[MOST], n = counts[k], share[MOST], all = 0;
        make_lengths(lengths, k + 1);
        for (int64_t i = 0; i < n; i++) all += lengths[i];
        for (int size = 1; size <= MOST_RANKS; size++) {
            int seen[MOST] = {0};
            int64_t least = INT64_MAX, most = 0;
            for (int rank = 0; rank < size; rank++) {
                int64_t tokens = 0, count = hone_balance_samples(share, lengths, n, rank, size);
                for (int64_t i = 0; i < count; i++) {
                    assert_true(i == 0 || share[i] > share[i - 1]);
                    seen[share[i]]++;
                    tokens += lengths[share[i]];
                }
                least = hone_min_i64(least, tokens);
                most = hone_max_i64(most, tokens);
            }
            for (int64_t i = 0; i < n; i++) assert_int_equal(seen[i], 1);
            /* Of a usual batch: no rank waits for more than 5 % of its share. */
            if (n >= 32) assert_true((double)(most - least) <= 0.05 * (double)all / size);
        }
    }
}

static void leaves_stay_whole(void **state) {
    (void)state;
    static const int64_t counts[] = {1, 3, 4, 5, 13, 32, 63};
    for (uint32_t k = 0; k < sizeof counts / sizeof *counts; k++) {
        int64_t lengths[MOST], n = counts[k];
        make_lengths(lengths, k + 20);
        for (int size = 1; size <= MOST_RANKS; size++) {
            for (int64_t leaf = 1; leaf <= 5; leaf += 2) {
                int64_t next = 0, begin, end;
                for (int rank = 0; rank < size; rank++) {
                    hone_balance_leaves(&begin, &end, lengths, n, leaf, rank, size);
                    assert_true(begin <= end);
                    if (begin == end) continue;
                    assert_int_equal(begin, next);
                    assert_int_equal(begin % leaf, 0);
                    next = end;
                }
                assert_int_equal(next, n);
            }
        }
    }
}

/* Parameters of more elements than are gathered at a time. */
static struct hone_parameters *make_parameters(struct hone_device *device) {
    struct hone_parameters *parameters = hone_parameters_create(device);
    hone_parameters_add(parameters, (struct hone_parameter){.name = (char *)"a", .shape = {70001, 0}}, false);
    hone_parameters_add(parameters, (struct hone_parameter){.name = (char *)"b", .shape = {7, 3}}, false);
    if (hone_parameters_allocate(parameters, true) != HONE_OK) _exit(3);
    return parameters;
}

/* The tree's sum of n leaves by the ranks of c, into sum[elements] and *loss: rank r takes an equal stretch of them. */
static bool sum_leaves(float *sum, float *loss, struct hone_collectives *c, int64_t n) {
    struct hone_device *device;
    struct hone_stream *stream;
    struct hone_leaves *leaves;
    if (hone_device_open(&device, "cpu") != HONE_OK || device->stream_create(device, &stream) != HONE_OK) return false;
    struct hone_parameters *parameters = make_parameters(device);
    float *gradients = hone_parameters_gradients(parameters);
    int64_t elements = hone_parameters_trained(parameters);
    if (hone_leaves_create(&leaves, parameters, c, MOST, stream) != HONE_OK) return false;
    /* Twice: a step leaves nothing behind for the next. */
    for (int round = 0; round < 2; round++) {
        for (int64_t leaf = n * c->rank / c->size; leaf < n * (c->rank + 1) / c->size; leaf++) {
            test_noise(gradients, NULL, elements, 1, (uint32_t)leaf + 1);
            *loss = gradients[5];
            if (hone_leaves_add(leaves, leaf, loss, stream) != HONE_OK || *loss != 0 || gradients[7] != 0) return false;
        }
        if (hone_leaves_finish(leaves, n, loss, stream) != HONE_OK) return false;
        memcpy(sum, gradients, (size_t)elements * sizeof *sum);
        device->zero(gradients, (size_t)elements * sizeof *sum, stream);
    }
    hone_leaves_free(leaves);
    hone_parameters_free(parameters);
    device->stream_destroy(stream);
    return true;
}

enum { ELEMENTS = 70016 + 32 };

static void leaves_give_the_same_bits_on_any_number_of_ranks(void **state) {
    (void)state;
    static float whole[ELEMENTS], part[ELEMENTS];
    for (int64_t n = 1; n <= 9; n += 2) {
        float loss = -1;
        assert_true(sum_leaves(whole, &loss, hone_collectives_alone(), n));
        assert_true(loss == whole[5]);
        /* A sum, up to rounding. */
        double want = 0;
        for (int64_t leaf = 0; leaf < n; leaf++) {
            test_noise(part, NULL, ELEMENTS, 1, (uint32_t)leaf + 1);
            want += (double)part[70000];
        }
        assert_true(want - (double)whole[70000] < 1e-5 && (double)whole[70000] - want < 1e-5);
        for (int size = 2; size <= MOST_RANKS; size++) {
            int descriptor;
            pid_t ranks[MOST_RANKS];
            TEST_OK(hone_shared_memory_create(&descriptor, size));
            for (int r = 0; r < size; r++) {
                ranks[r] = fork();
                if (ranks[r] != 0) continue;
                struct hone_collectives *c;
                if (hone_shared_memory_open(&c, descriptor, r, size) != HONE_OK || !sum_leaves(part, &loss, c, n))
                    _exit(2);
                _exit(memcmp((const char *)part, (const char *)whole, sizeof part) != 0 || loss != whole[5]);
            }
            for (int r = 0; r < size; r++) {
                int status;
                assert_int_equal(waitpid(ranks[r], &status, 0), ranks[r]);
                assert_int_equal(status, 0);
            }
            close(descriptor);
        }
    }
}

int main(void) {
    /* Threads of OpenMP do not live on in a fork. */
    omp_set_num_threads(1);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_sample_is_dealt_once),
        cmocka_unit_test(leaves_stay_whole),
        cmocka_unit_test(leaves_give_the_same_bits_on_any_number_of_ranks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
