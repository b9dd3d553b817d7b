/* Samples beyond a budget of memory lie in temporary files, and no batch shows it. */
#include <string.h>

#include "base/fault.h"
#include "base/memory.h"
#include "recipes/samples.h"
#include "tests/support.h"

enum { N = 500, LONGEST = 90 };

static enum hone_status make(struct hone_samples *out, size_t memory) {
    static int32_t ids[LONGEST], types[LONGEST];
    static int8_t sequences[LONGEST];
    int16_t tags[LONGEST];
    struct hone_samples_writer writer = {.memory = memory};
    struct hone_model model = {.n_types = 2};
    enum hone_status status = HONE_OK;
    *out = (struct hone_samples){0};
    for (int64_t i = 0; i < N && status == HONE_OK; i++) {
        struct hone_encoding encoding = {.ids = ids, .type_ids = types, .sequence_ids = sequences};
        encoding.n = encoding.untruncated = (size_t)(1 + i * i * 7 % LONGEST);
        for (size_t t = 0; t < encoding.n; t++) {
            ids[t] = (int32_t)(i * 1000 + (int64_t)t);
            types[t] = t % 3 == 1;
            tags[t] = (int16_t)(t % 5 ? -1 : i % 7);
        }
        HONE_TRY_GOTO(hone_samples_append(&writer, &encoding, &model, 0, i + 1));
        HONE_TRY_GOTO(hone_samples_tag(&writer, tags));
        writer.label = (int32_t)(i % 5);
        float *targets = hone_samples_targets(&writer, 3);
        for (int k = 0; k < 3; k++) targets[k] = (float)(i * 3 + k);
    }
    status = hone_samples_finish(out, &writer);
done:
    hone_samples_abandon(&writer);
    return status;
}

static void same_batches(void **state) {
    (void)state;
    static const size_t budgets[] = {1, 2, 57, 1000, 9999, 70000};
    struct hone_samples all;
    TEST_OK(make(&all, (size_t)1 << 30));
    assert_true(all.begins[N] > 20000 && all.n_tokens == all.begins[N]);
    for (int64_t i = 0; i < N; i++) {
        assert_int_equal(all.labels[i], i % 5);
        assert_int_equal(all.lines[i], i + 1);
        for (int k = 0; k < 3; k++) assert_true(all.targets[3 * i + k] == (float)(i * 3 + k));
    }
    int64_t chosen[40];
    for (int64_t i = 0; i < 40; i++) chosen[i] = i * 173 % N;
    size_t bytes = hone_batch_bytes(40 * LONGEST, 40, 3);
    void *want_memory = hone_calloc(bytes, 1, "test"), *memory = hone_calloc(bytes, 1, "test");
    struct hone_batch want, got;
    hone_batch_place(&want, want_memory, 40 * LONGEST, 40, 3);
    hone_batch_place(&got, memory, 40 * LONGEST, 40, 3);
    TEST_OK(hone_batch_fill(&want, &all, chosen, 40, 0));
    for (size_t b = 0; b < sizeof budgets / sizeof *budgets; b++) {
        struct hone_samples samples;
        TEST_OK(make(&samples, budgets[b]));
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
    static const char *const faults[] = {"write:1", "open:1", "map:1", "map:3", "write:4"};
    struct hone_samples samples;
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        hone_fault_plan(faults[i]);
        test_expect_status(make(&samples, 1000), HONE_DISK, NULL);
        assert_true(hone_fault_fired());
        assert_null(samples.store);
    }
    hone_fault_plan(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(same_batches), cmocka_unit_test(disk_that_fails)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
