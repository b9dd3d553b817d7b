/* Samples beyond a budget of memory lie in a temporary file, and no batch shows it. */
#include <string.h>

#include "base/fault.h"
#include "base/memory.h"
#include "recipes/samples.h"
#include "tests/support.h"

enum { N = 500, LONGEST = 90 };

static struct hone_samples make(int64_t most_tokens, size_t *room_for) {
    static int32_t ids[LONGEST], types[LONGEST];
    static int8_t sequences[LONGEST];
    struct hone_samples samples = {0};
    struct hone_samples_room room = {.most_tokens = most_tokens};
    struct hone_model model = {.n_types = 2};
    for (int64_t i = 0; i < N; i++) {
        struct hone_encoding encoding = {.ids = ids, .type_ids = types, .sequence_ids = sequences};
        encoding.n = encoding.untruncated = (size_t)(1 + i * i * 7 % LONGEST);
        for (size_t t = 0; t < encoding.n; t++) {
            ids[t] = (int32_t)(i * 1000 + (int64_t)t);
            types[t] = t % 3 == 1;
        }
        TEST_OK(hone_samples_append(&samples, &room, &encoding, &model, (int32_t)(i % 5), 0, i + 1));
    }
    *room_for = room.tokens;
    return samples;
}

static void same_batches(void **state) {
    (void)state;
    static const int64_t budgets[] = {1, 2, 57, 1000, 9999};
    size_t room;
    struct hone_samples all = make(1 << 30, &room);
    assert_null(all.spill);
    assert_true(all.begins[N] > 20000);
    int64_t chosen[40];
    for (int64_t i = 0; i < 40; i++) chosen[i] = i * 173 % N;
    size_t bytes = hone_batch_bytes(40 * LONGEST, 40, 0);
    void *want_memory = hone_calloc(bytes, 1, "test"), *memory = hone_calloc(bytes, 1, "test");
    struct hone_batch want, got;
    hone_batch_place(&want, want_memory, 40 * LONGEST, 40, 0);
    hone_batch_place(&got, memory, 40 * LONGEST, 40, 0);
    TEST_OK(hone_batch_fill(&want, &all, chosen, 40, 0));
    for (size_t b = 0; b < sizeof budgets / sizeof *budgets; b++) {
        struct hone_samples samples = make(budgets[b], &room);
        assert_non_null(samples.spill);
        assert_true(samples.held <= budgets[b]);
        assert_true((int64_t)room <= budgets[b] + LONGEST);
        assert_int_equal(hone_spill_size(samples.spill), 5 * (all.begins[N] - samples.held));
        memset(memory, 0, bytes);
        TEST_OK(hone_batch_fill(&got, &samples, chosen, 40, 0));
        test_same_bits("batch", memory, want_memory, bytes);
        hone_samples_free(&samples);
    }
    hone_samples_free(&all);
    hone_free(memory);
    hone_free(want_memory);
}

static void disk_that_fails(void **state) {
    (void)state;
    size_t room;
    struct hone_samples samples = make(10, &room);
    /* The end of the file waits in memory; the first sample that is spilled must be on the disk. */
    char *filler = hone_calloc(2 << 20, 1, "test");
    TEST_OK(hone_spill_append(samples.spill, filler, 2 << 20));
    int64_t chosen = 100;
    void *memory = hone_calloc(hone_batch_bytes(LONGEST, 1, 0), 1, "test");
    struct hone_batch batch;
    hone_batch_place(&batch, memory, LONGEST, 1, 0);
    hone_fault_plan("read:1");
    test_expect_status(hone_batch_fill(&batch, &samples, &chosen, 1, 0), HONE_DISK, "of a temporary file failed");
    hone_fault_plan(NULL);
    hone_free(filler);
    hone_free(memory);
    hone_samples_free(&samples);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(same_batches), cmocka_unit_test(disk_that_fails)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
