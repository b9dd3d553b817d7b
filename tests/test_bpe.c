/* Byte pair encoding gives what merging by its definition gives, for random merges, over few letters so that runs and
 * overlaps abound: in the order in which they are learnt, which is what words of bytes are searched by, and in any
 * other; short words and long ones, as characters and as bytes. */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/random.h"
#include "base/utf8.h"
#include "data/byte_level.h"
#include "data/model.h"
#include "tests/support.h"

enum { LETTERS = 3, MERGES = 60, LONGEST_TOKEN = 14, LONGEST_WORD = 300, LISTS = 40, WORDS = 60 };

static uint64_t draws;
static int draw(int n) { return (int)(hone_random_u64(11, 1, 2, draws++) % (uint64_t)n); }

struct rig {
    struct hone_vocabulary vocabulary;
    struct hone_merge merges[MERGES];
    int n;
    struct hone_tokenizer_model *model;
};

/* Tokens of all bytes, then of merges of random tokens, which are letters at first; ids are their places. */
static void create(struct rig *rig, bool shuffled) {
    struct hone_vocabulary_entries entries = {0};
    char texts[LETTERS + MERGES][LONGEST_TOKEN + 1];
    int32_t ids[LETTERS + MERGES];
    int n = 0;
    for (int32_t byte = 0; byte < 256; byte++) {
        char code[4];
        int length = hone_utf8_encode(code, hone_byte_level_code((unsigned char)byte));
        hone_vocabulary_add(&entries, code, (size_t)length, byte);
    }
    for (; n < LETTERS; n++) {
        texts[n][0] = (char)('a' + n);
        texts[n][1] = 0;
        ids[n] = 'a' + n;
    }
    *rig = (struct rig){0};
    while (rig->n < MERGES) {
        int left = draw(n), right = draw(n);
        size_t length = strlen(texts[left]) + strlen(texts[right]);
        if (length > LONGEST_TOKEN) continue;
        strcpy(texts[n], texts[left]);
        strcat(texts[n], texts[right]);
        bool known = false;
        for (int i = 0; i < n; i++) known |= strcmp(texts[i], texts[n]) == 0;
        if (known) continue;
        ids[n] = 256 + rig->n;
        hone_vocabulary_add(&entries, texts[n], length, ids[n]);
        rig->merges[rig->n++] = (struct hone_merge){ids[left], ids[right], ids[n]};
        n++;
    }
    for (int i = rig->n - 1; shuffled && i > 0; i--) {
        int j = draw(i + 1);
        struct hone_merge moved = rig->merges[i];
        rig->merges[i] = rig->merges[j];
        rig->merges[j] = moved;
    }
    TEST_OK(hone_vocabulary_finish(&rig->vocabulary, &entries, HONE_REPEATED_REFUSED, "test"));
    rig->model = hone_bpe_create(&rig->vocabulary, rig->merges, (size_t)rig->n,
                                 &(struct hone_bpe_options){.prefix = "", .suffix = "", .unk = -1});
}

static void destroy(struct rig *rig) {
    rig->model->free(rig->model);
    hone_vocabulary_free(&rig->vocabulary);
}

/* By definition: the leftmost of the pairs whose merge comes first, until no pair has one. */
static int merge_all(const struct rig *rig, int32_t *ids, int *lengths, const char *word, int n) {
    for (int i = 0; i < n; i++) {
        ids[i] = (unsigned char)word[i];
        lengths[i] = 1;
    }
    for (;;) {
        int at = -1, rank = INT_MAX;
        for (int i = 0; i + 1 < n; i++)
            for (int m = 0; m < rig->n && m < rank; m++)
                if (rig->merges[m].left == ids[i] && rig->merges[m].right == ids[i + 1]) {
                    at = i;
                    rank = m;
                }
        if (at < 0) return n;
        ids[at] = rig->merges[rank].id;
        lengths[at] += lengths[at + 1];
        n--;
        memmove(ids + at + 1, ids + at + 2, (size_t)(n - at - 1) * sizeof *ids);
        memmove(lengths + at + 1, lengths + at + 2, (size_t)(n - at - 1) * sizeof *lengths);
    }
}

static void check_word(const struct rig *rig, struct hone_model_work *work, const char *word, int n) {
    int32_t ids[LONGEST_WORD];
    int lengths[LONGEST_WORD], expected = merge_all(rig, ids, lengths, word, n);
    for (int bytes = 0; bytes < 2; bytes++) {
        struct hone_tokens tokens = {0};
        TEST_OK(
            (bytes ? rig->model->tokenize_bytes : rig->model->tokenize)(&tokens, work, rig->model, word, (size_t)n));
        assert_int_equal(tokens.n, expected);
        for (int i = 0, at = 0; i < expected; at += lengths[i++]) {
            assert_int_equal(tokens.at[i].id, ids[i]);
            assert_int_equal(tokens.at[i].begin, at);
            assert_int_equal(tokens.at[i].end, at + lengths[i]);
        }
        hone_free(tokens.at);
    }
}

static void check_lists(bool shuffled) {
    for (int list = 0; list < LISTS; list++) {
        struct hone_model_work work = {0};
        struct rig rig;
        create(&rig, shuffled);
        for (int w = 0; w < WORDS; w++) {
            char word[LONGEST_WORD];
            int n = 1 + draw(w % 2 ? LONGEST_WORD : 60), letters = 1 + draw(LETTERS);
            for (int i = 0; i < n; i++) word[i] = (char)('a' + draw(letters));
            check_word(&rig, &work, word, n);
        }
        hone_model_work_free(&work);
        destroy(&rig);
    }
}

static void test_learnt_order(void **state) {
    (void)state;
    check_lists(false);
}

static void test_any_order(void **state) {
    (void)state;
    check_lists(true);
}

/* Twice as many letters a each, the longest first: every merge makes the half of the one before it. */
static void test_long_word_backwards(void **state) {
    (void)state;
    enum { DOUBLINGS = 10, N = 1 << 20 };
    struct hone_vocabulary_entries entries = {0};
    struct rig rig = {.n = DOUBLINGS};
    struct hone_model_work work = {0};
    struct hone_tokens tokens = {0};
    char *word = hone_alloc(N + 1, 1, "test");
    memset(word, 'a', N + 1);
    for (int i = 0; i <= DOUBLINGS; i++) hone_vocabulary_add(&entries, word, (size_t)1 << i, i);
    for (int i = 0; i < DOUBLINGS; i++) rig.merges[i] = (struct hone_merge){9 - i, 9 - i, 10 - i};
    TEST_OK(hone_vocabulary_finish(&rig.vocabulary, &entries, HONE_REPEATED_REFUSED, "test"));
    rig.model = hone_bpe_create(&rig.vocabulary, rig.merges, DOUBLINGS,
                                &(struct hone_bpe_options){.prefix = "", .suffix = "", .unk = -1});
    double begin = hone_seconds();
    TEST_OK(rig.model->tokenize(&tokens, &work, rig.model, word, N + 1));
    assert_true(hone_seconds() - begin < 30); /* a second; in the square of the length it would be an hour */
    assert_int_equal(tokens.n, (N >> DOUBLINGS) + 1);
    for (int i = 0; i < N >> DOUBLINGS; i++) assert_int_equal(tokens.at[i].id, DOUBLINGS);
    assert_int_equal(tokens.at[N >> DOUBLINGS].id, 0);
    hone_free(tokens.at);
    hone_free(word);
    hone_model_work_free(&work);
    destroy(&rig);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_learnt_order), cmocka_unit_test(test_any_order),
                                       cmocka_unit_test(test_long_word_backwards)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
