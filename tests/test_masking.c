/* Masked tokens: which, by what they are replaced, and that nothing but seed, pass, sample and position has a say. */
#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "base/random.h"
#include "data/batch.h"
#include "tests/support.h"

enum { MASK = 3, FIRST = 100, REPLACEMENTS = 50 };

/* n samples of [CLS], words of one to three tokens, [SEP]; token ids tell sample and place. */
static struct hone_samples make_samples(int64_t n, int64_t length, double probability, bool whole_words) {
    int64_t *begins = hone_calloc((size_t)n + 1, sizeof *begins, "test");
    int32_t *ids = hone_alloc((size_t)(n * length), sizeof *ids, "test");
    uint8_t *types = hone_calloc((size_t)(n * length), 1, "test");
    uint8_t *marks = hone_calloc((size_t)(n * length), 1, "test");
    for (int64_t i = 0; i < n; i++) {
        begins[i + 1] = (i + 1) * length;
        int64_t left = 0;
        for (int64_t t = 0; t < length; t++) {
            ids[i * length + t] = (int32_t)(1000 + i * length + t);
            bool special = t == 0 || t == length - 1;
            marks[i * length + t] = special ? HONE_MARK_NEVER : left > 0 ? HONE_MARK_GOES_ON : HONE_MARK_BEGIN;
            if (!special) left = left > 0 ? left - 1 : (i + t) % 3;
        }
    }
    struct hone_samples s = {.n = n,
                             .n_tokens = n * length,
                             .begins = begins,
                             .ids = ids,
                             .types = types,
                             .marks = marks,
                             .longest = length};
    s.masking = hone_alloc(1, sizeof *s.masking, "test");
    *s.masking = (struct hone_masking){.seed = 5,
                                       .probability = probability,
                                       .whole_words = whole_words,
                                       .mask_id = MASK,
                                       .replacements = hone_alloc(REPLACEMENTS, sizeof(int32_t), "test"),
                                       .n_replacements = REPLACEMENTS};
    for (int32_t k = 0; k < REPLACEMENTS; k++) s.masking->replacements[k] = FIRST + k;
    return s;
}

static void free_samples(struct hone_samples *s) {
    const void *const arrays[] = {s->begins, s->ids, s->types, s->marks};
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++) hone_free((void *)(uintptr_t)arrays[i]);
    hone_samples_free(s);
}

static void *fill(struct hone_batch *batch, const struct hone_samples *s, const int64_t *sample, int64_t n,
                  uint32_t pass) {
    int64_t T = n * s->longest;
    void *memory = hone_alloc(hone_batch_bytes(T, n, 0), 1, "test");
    hone_batch_place(batch, memory, T, n, 0);
    hone_batch_fill(batch, s, sample, n, pass);
    return memory;
}

/* Rows, labels and replaced ids against the definition, drawn again here. */
static void the_definition(void **state) {
    (void)state;
    struct hone_samples s = make_samples(40, 23, 0.15, false);
    int64_t sample[40];
    for (int i = 0; i < 40; i++) sample[i] = (i * 7 + 3) % 40;
    struct hone_batch batch;
    void *memory = fill(&batch, &s, sample, 40, 2);
    int64_t r = 0;
    for (int64_t b = 0; b < 40; b++) {
        assert_int_equal(batch.cu_rows[b], r);
        for (int64_t t = 0; t < 23; t++) {
            const uint32_t key[2] = {5, 0x6d61736b}, counter[4] = {(uint32_t)t, (uint32_t)sample[b], 0, 2};
            uint32_t draw[4];
            hone_philox(draw, counter, key);
            int32_t was = (int32_t)(1000 + sample[b] * 23 + t), now = was;
            if (draw[0] * 0x1p-32 < 0.15 && t > 0 && t < 22) {
                if (draw[1] * 0x1p-32 < 0.8) {
                    now = MASK;
                } else if (draw[1] * 0x1p-32 < 0.9) {
                    now = FIRST + (int32_t)floor(draw[2] * 0x1p-32 * REPLACEMENTS);
                }
                assert_int_equal(batch.rows[r], b * 23 + t);
                assert_int_equal(batch.labels[r], was);
                r++;
            }
            assert_int_equal(batch.ids[b * 23 + t], now);
            assert_int_equal(batch.row_key[b * 23 + t], sample[b] * 1048576 + t);
        }
    }
    assert_true(r > 80);
    assert_int_equal(batch.R, r);
    assert_int_equal(batch.cu_rows[40], r);
    assert_int_equal(hone_batch_rows(&s, sample, 40, 2), r);
    hone_free(memory);
    free_samples(&s);
}

/* Shares of 60,000 tokens, four standard deviations wide; each pass draws anew. */
static void shares(void **state) {
    (void)state;
    struct hone_samples s = make_samples(600, 102, 0.15, false);
    int64_t sample[600];
    for (int i = 0; i < 600; i++) sample[i] = i;
    struct hone_batch first, second;
    void *memory = fill(&first, &s, sample, 600, 0), *other = fill(&second, &s, sample, 600, 1);
    double masked = 0, random = 0, kept = 0, both = 0;
    for (int64_t r = 0; r < first.R; r++) {
        int32_t now = first.ids[first.rows[r]];
        masked += now == MASK;
        random += now >= FIRST && now < FIRST + REPLACEMENTS;
        kept += now == first.labels[r];
    }
    for (int64_t r = 0, q = 0; r < first.R; r++) {
        while (q < second.R && second.rows[q] < first.rows[r]) q++;
        both += q < second.R && second.rows[q] == first.rows[r];
    }
    double R = (double)first.R;
    assert_true(masked + random + kept == R);
    assert_true(fabs(R / 60000 - 0.15) < 4 * sqrt(0.15 * 0.85 / 60000));
    assert_true(fabs(masked / R - 0.8) < 4 * sqrt(0.8 * 0.2 / R));
    assert_true(fabs(random / R - 0.1) < 4 * sqrt(0.1 * 0.9 / R));
    assert_true(fabs(both / R - 0.15) < 4 * sqrt(0.15 * 0.85 / R));
    assert_true(first.R <= hone_batch_rows_worst(&s, first.T, 600));
    assert_true(hone_batch_rows_worst(&s, first.T, 600) < 1.1 * R);
    hone_free(memory);
    hone_free(other);
    free_samples(&s);
}

/* A sample is masked alike alone and among others, wherever it stands. */
static void neighbours(void **state) {
    (void)state;
    struct hone_samples s = make_samples(30, 11, 0.4, true);
    int64_t sample[30];
    for (int i = 0; i < 30; i++) sample[i] = (i * 11 + 4) % 30;
    struct hone_batch all, one;
    void *memory = fill(&all, &s, sample, 30, HONE_PASS_EVALUATION);
    for (int i = 0; i < 30; i++) {
        void *alone = fill(&one, &s, sample + i, 1, HONE_PASS_EVALUATION);
        assert_memory_equal(one.ids, all.ids + i * 11, 11 * sizeof *one.ids);
        assert_int_equal(one.R, all.cu_rows[i + 1] - all.cu_rows[i]);
        assert_memory_equal(one.labels, all.labels + all.cu_rows[i], (size_t)one.R * sizeof *one.labels);
        hone_free(alone);
    }
    hone_free(memory);
    free_samples(&s);
}

static void whole_words(void **state) {
    (void)state;
    struct hone_samples s = make_samples(300, 52, 0.15, true);
    int64_t sample[300], masked = 0, words = 0, long_words = 0;
    for (int i = 0; i < 300; i++) sample[i] = i;
    struct hone_batch batch;
    void *memory = fill(&batch, &s, sample, 300, 0);
    bool *is_masked = hone_calloc((size_t)batch.T, sizeof *is_masked, "test");
    for (int64_t r = 0; r < batch.R; r++) is_masked[batch.rows[r]] = true;
    for (int64_t t = 0; t < batch.T; t++) {
        if (s.marks[t] == HONE_MARK_NEVER) assert_false(is_masked[t]);
        if (s.marks[t] == HONE_MARK_GOES_ON) assert_int_equal(is_masked[t], is_masked[t - 1]);
        words += s.marks[t] == HONE_MARK_BEGIN;
        masked += s.marks[t] == HONE_MARK_BEGIN && is_masked[t];
        long_words += s.marks[t] == HONE_MARK_GOES_ON && is_masked[t];
    }
    assert_true(long_words > 100);
    assert_true(fabs((double)masked / (double)words - 0.15) < 4 * sqrt(0.15 * 0.85 / (double)words));
    hone_free(is_masked);
    hone_free(memory);
    free_samples(&s);
}

/* No token, every token, no sample; samples of special tokens alone. */
static void edges(void **state) {
    (void)state;
    struct hone_batch batch;
    int64_t sample[4] = {0, 1, 2, 3};
    struct hone_samples all = make_samples(4, 9, 1, false), bare = make_samples(4, 2, 1, false);
    void *memory = fill(&batch, &all, sample, 4, 0);
    assert_int_equal(batch.R, 4 * 7);
    assert_int_equal(hone_batch_rows_worst(&all, 36, 4), 36);
    hone_free(memory);
    memory = fill(&batch, &all, sample, 0, 0);
    assert_int_equal(batch.R, 0);
    assert_int_equal(batch.cu_rows[0], 0);
    hone_free(memory);
    memory = fill(&batch, &bare, sample, 4, 0);
    assert_int_equal(batch.R, 0);
    for (int b = 0; b <= 4; b++) assert_int_equal(batch.cu_rows[b], 0);
    assert_int_equal(hone_batch_rows(&bare, sample, 4, 0), 0);
    hone_free(memory);
    free_samples(&all);
    free_samples(&bare);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_definition), cmocka_unit_test(shares), cmocka_unit_test(neighbours),
        cmocka_unit_test(whole_words),    cmocka_unit_test(edges),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
