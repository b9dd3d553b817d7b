/* Packing: every token of every sample once, in order, within the capacities; cuts by a token budget; order by seed and
 * epoch alone. */
#include <string.h>

#include "base/memory.h"
#include "data/batch.h"
#include "tests/support.h"

/* n samples of lengths 1, 7, 63, 64, 65, 1, … (or all `length`), whose tokens tell where they are from. */
static struct hone_samples make_samples(int64_t n, int64_t length) {
    static const int64_t lengths[] = {1, 7, 63, 64, 65, 2, 30};
    int64_t *begins = hone_calloc((size_t)n + 1, sizeof *begins, "test"), longest = 0;
    for (int64_t i = 0; i < n; i++) {
        int64_t of_this = length ? length : lengths[i % 7];
        begins[i + 1] = begins[i] + of_this;
        if (of_this > longest) longest = of_this;
    }
    int32_t *ids = hone_alloc((size_t)begins[n], sizeof *ids, "test");
    uint8_t *types = hone_alloc((size_t)begins[n], 1, "test");
    int32_t *labels = hone_alloc((size_t)n, sizeof *labels, "test");
    int64_t *lines = hone_alloc((size_t)n, sizeof *lines, "test");
    for (int64_t i = 0; i < n; i++) {
        labels[i] = (int32_t)(i % 5);
        lines[i] = i + 2;
        for (int64_t t = begins[i]; t < begins[i + 1]; t++) {
            ids[t] = (int32_t)(i * 1000 + (t - begins[i]));
            types[t] = (uint8_t)((t - begins[i]) % 3);
        }
    }
    return (struct hone_samples){.n = n,
                                 .n_tokens = begins[n],
                                 .begins = begins,
                                 .ids = ids,
                                 .types = types,
                                 .labels = labels,
                                 .lines = lines,
                                 .longest = longest};
}

static void free_samples(struct hone_samples *s) {
    const void *const arrays[] = {s->begins, s->ids, s->types, s->labels, s->lines};
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++) hone_free((void *)(uintptr_t)arrays[i]);
    hone_samples_free(s);
}

static void check_batch(const struct hone_batch *batch, const struct hone_samples *s, const int64_t *sample,
                        int64_t n) {
    int64_t T = 0, longest = 0;
    assert_int_equal(batch->B, n);
    assert_int_equal(batch->R, n);
    for (int64_t b = 0; b < n; b++) {
        int64_t id = sample[b], length = s->begins[id + 1] - s->begins[id];
        assert_int_equal(batch->cu_seqlens[b], T);
        assert_int_equal(batch->rows[b], T);
        assert_int_equal(batch->cu_rows[b], b);
        assert_int_equal(batch->labels[b], s->labels[id]);
        assert_int_equal(batch->sample_of[b], id);
        for (int64_t t = 0; t < length; t++) {
            assert_int_equal(batch->ids[T + t], id * 1000 + t);
            assert_int_equal(batch->types[T + t], t % 3);
            assert_int_equal(batch->positions[T + t], t);
            assert_int_equal(batch->row_key[T + t], id * 1048576 + t);
        }
        T += length;
        if (length > longest) longest = length;
    }
    assert_int_equal(batch->T, T);
    assert_int_equal(batch->cu_seqlens[n], T);
    assert_int_equal(batch->cu_rows[n], n);
    assert_int_equal(batch->max_len, longest);
}

static void filling(void **state) {
    (void)state;
    struct hone_samples s = make_samples(100, 0);
    for (int64_t n = 0; n <= 65; n += n < 3 ? 1 : 31) {
        int64_t sample[100], T = 0;
        for (int64_t b = 0; b < n; b++) {
            sample[b] = (b * 37 + 5) % 100;
            T += s.begins[sample[b] + 1] - s.begins[sample[b]];
        }
        /* Exactly the capacity that is needed, with guard bytes behind it. */
        size_t bytes = hone_batch_bytes(T, n, 0);
        unsigned char *memory = hone_alloc(bytes + 64, 1, "test");
        memset(memory, 0xA5, bytes + 64);
        struct hone_batch batch;
        hone_batch_place(&batch, memory, T, n, 0);
        assert_int_equal(batch.T_capacity, T);
        assert_int_equal(batch.B_capacity, n);
        TEST_OK(hone_batch_fill(&batch, &s, sample, n, 0));
        check_batch(&batch, &s, sample, n);
        TEST_OK(hone_batch_fill(&batch, &s, sample, n / 2, 0)); /* a smaller one after it leaves nothing of it */
        check_batch(&batch, &s, sample, n / 2);
        for (int i = 0; i < 64; i++) assert_int_equal(memory[bytes + (size_t)i], 0xA5);
        hone_free(memory);
    }
    free_samples(&s);
    assert_null(s.ids);
}

static void pieces_are_aligned_and_apart(void **state) {
    (void)state;
    static const int64_t sizes[] = {0, 1, 7, 63, 64, 65, 1023, 1500};
    for (size_t i = 0; i < 8; i++)
        for (size_t j = 0; j <= i; j++) {
            int64_t T = sizes[i], B = sizes[j];
            size_t bytes = hone_batch_bytes(T, B, 3);
            char *memory = hone_alloc(bytes, 1, "test");
            struct hone_batch b;
            hone_batch_place(&b, memory, T, B, 3);
            const struct {
                const void *at;
                size_t bytes;
            } pieces[] = {
                {b.ids, (size_t)T * 4},         {b.types, (size_t)T * 4},          {b.positions, (size_t)T * 4},
                {b.row_key, (size_t)T * 8},     {b.cu_seqlens, (size_t)B * 4 + 4}, {b.rows, (size_t)T * 4},
                {b.cu_rows, (size_t)B * 4 + 4}, {b.labels, (size_t)T * 4},         {b.sample_of, (size_t)B * 8}};
            const char *free_from = memory;
            for (size_t k = 0; k < sizeof pieces / sizeof *pieces; k++) {
                assert_int_equal((uintptr_t)pieces[k].at % 64, 0);
                assert_true((const char *)pieces[k].at >= free_from);
                free_from = (const char *)pieces[k].at + pieces[k].bytes;
            }
            assert_true(free_from <= memory + bytes);
            hone_free(memory);
        }
}

static void cuts(void **state) {
    (void)state;
    struct hone_samples s = make_samples(50, 0);
    int64_t sample[50];
    for (int64_t i = 0; i < 50; i++) sample[i] = (i * 7) % 50;
    static const int64_t budgets[] = {1, 6, 63, 64, 65, 66, 127, 128, 129, 500, 100000};
    for (size_t k = 0; k < sizeof budgets / sizeof *budgets; k++) {
        int64_t worst_T, worst_B, at = 0;
        hone_micro_batch_worst(&worst_T, &worst_B, &s, 50, budgets[k]);
        while (at < 50) {
            int64_t n = hone_micro_batch(&s, sample, at, 50, budgets[k]), T = 0;
            assert_true(n >= 1 && at + n <= 50);
            for (int64_t i = at; i < at + n; i++) T += s.begins[sample[i] + 1] - s.begins[sample[i]];
            assert_true(T <= budgets[k] || n == 1);
            /* No cut too early: the next sample would not have fitted. */
            if (at + n < 50) assert_true(T + s.begins[sample[at + n] + 1] - s.begins[sample[at + n]] > budgets[k]);
            assert_true(T <= worst_T && n <= worst_B);
            at += n;
        }
        assert_int_equal(at, 50);
    }
    free_samples(&s);
}

static void worst_micro_batch(void **state) {
    (void)state;
    int64_t T, B;
    struct hone_samples same = make_samples(10, 5);
    hone_micro_batch_worst(&T, &B, &same, 4, 1000); /* the batch is the bound */
    assert_int_equal(T, 20);
    assert_int_equal(B, 4);
    hone_micro_batch_worst(&T, &B, &same, 32, 1000); /* no more samples than there are */
    assert_int_equal(T, 50);
    assert_int_equal(B, 10);
    hone_micro_batch_worst(&T, &B, &same, 8, 16);
    assert_int_equal(T, 16);
    assert_int_equal(B, 3);
    hone_micro_batch_worst(&T, &B, &same, 8, 3); /* a longer one is alone */
    assert_int_equal(T, 5);
    assert_int_equal(B, 1);
    free_samples(&same);
    struct hone_samples mixed = make_samples(7, 0); /* 1 2 7 30 63 64 65 */
    hone_micro_batch_worst(&T, &B, &mixed, 7, 10);
    assert_int_equal(T, 65);
    assert_int_equal(B, 3);
    hone_micro_batch_worst(&T, &B, &mixed, 2, 1000);
    assert_int_equal(T, 129);
    assert_int_equal(B, 2);
    free_samples(&mixed);
}

static void order(void **state) {
    (void)state;
    static const int64_t sizes[] = {1, 7, 64, 65, 1500};
    for (size_t k = 0; k < 5; k++) {
        int64_t n = sizes[k], moved = 0, other_seed = 0, other_epoch = 0;
        struct hone_samples s = {.n = n};
        bool *seen = hone_calloc((size_t)n, 1, "test");
        for (int64_t i = 0; i < n; i++) {
            int64_t at = hone_sample_at(&s, i, 42, 3);
            assert_true(at >= 0 && at < n && !seen[at]);
            seen[at] = true;
            assert_int_equal(at, hone_sample_at(&s, i, 42, 3));
            moved += at != i;
            other_seed += at != hone_sample_at(&s, i, 43, 3);
            other_epoch += at != hone_sample_at(&s, i, 42, 4);
        }
        if (n >= 64) assert_true(moved > n / 2 && other_seed > n / 2 && other_epoch > n / 2);
        hone_free(seen);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(filling), cmocka_unit_test(pieces_are_aligned_and_apart),
                                       cmocka_unit_test(cuts), cmocka_unit_test(worst_micro_batch),
                                       cmocka_unit_test(order)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
