/* Trained tokenizers: merges and vocabularies equal the reference trainers' (tests/reference/make_training_fixtures.py),
 * files don't depend on the number of threads, and what comes out tokenizes. */
#include <omp.h>
#include <string.h>

#include "base/io.h"
#include "base/json.h"
#include "base/memory.h"
#include "data/tokenizer.h"
#include "data/tokenizer_train.h"
#include "tests/support.h"

#define FIXTURES  "tests/fixtures/tokenizer/"
#define LANGUAGES FIXTURES "languages.txt"

static json_t *expected;

static int load(void **state) {
    (void)state;
    TEST_OK(hone_json_read(&expected, FIXTURES "trained.json", HONE_JSON_CONFIG_LIMIT));
    return 0;
}

static int unload(void **state) {
    (void)state;
    json_decref(expected);
    return 0;
}

/* Trains on one file into a folder of the scratch folder; the folder is owned. */
static char *train_into(const char *name, const char *file, struct hone_train_options options) {
    char *folder = hone_path_join(test_scratch(), name);
    struct hone_train_summary summary;
    TEST_OK(hone_tokenizer_train(&summary, folder, &file, 1, &options));
    assert_true(summary.tokens > 0 && summary.lines > 0 && summary.words >= summary.distinct_words);
    return folder;
}

static json_t *model_of(const char *folder) {
    char *path = hone_path_join(folder, "tokenizer.json");
    json_t *all;
    TEST_OK(hone_json_read(&all, path, HONE_JSON_TOKENIZER_LIMIT));
    json_t *model = json_incref(json_object_get(all, "model"));
    json_decref(all);
    hone_free(path);
    return model;
}

static void check_merges(const char *name, const char *file, size_t size) {
    char *folder = train_into(
        name, file, (struct hone_train_options){.kind = HONE_TRAIN_BPE, .vocab_size = size, .min_frequency = 2});
    json_t *model = model_of(folder), *want = json_object_get(expected, name), *got = json_object_get(model, "merges");
    assert_true(json_array_size(want) > 10);
    assert_int_equal(json_array_size(got), json_array_size(want));
    for (size_t i = 0; i < json_array_size(want); i++) {
        char *ours = hone_json_line(json_array_get(got, i)), *theirs = hone_json_line(json_array_get(want, i));
        if (strcmp(ours, theirs) != 0) fail_msg("%s: merge %zu: %s, expected %s", name, i, ours, theirs);
        hone_free(ours);
        hone_free(theirs);
    }
    json_decref(model);
    hone_free(folder);
}

static void test_bpe(void **state) {
    (void)state;
    check_merges("bpe", LANGUAGES, 1200);
    check_merges("two_ways", FIXTURES "two_ways.txt", 300);
}

static void check_vocabulary(const char *name, size_t size, size_t alphabet) {
    char *folder = train_into(name, LANGUAGES,
                              (struct hone_train_options){.kind = HONE_TRAIN_WORDPIECE,
                                                          .vocab_size = size,
                                                          .min_frequency = 2,
                                                          .alphabet = alphabet,
                                                          .lowercase = true});
    json_t *model = model_of(folder), *want = json_object_get(expected, name), *got = json_object_get(model, "vocab");
    assert_int_equal(json_object_size(got), json_array_size(want));
    for (size_t i = 0; i < json_array_size(want); i++) {
        const char *text = json_string_value(json_array_get(want, i));
        const json_t *id = json_object_get(got, text);
        if (!id || json_integer_value(id) != (json_int_t)i)
            fail_msg("%s: id of %s: %lld, expected %zu", name, text, id ? (long long)json_integer_value(id) : -1, i);
    }
    json_decref(model);
    hone_free(folder);
}

static void test_wordpiece(void **state) {
    (void)state;
    check_vocabulary("wordpiece", 1500, 0);
    check_vocabulary("few_characters", 500, 62);
}

static void same_files(const char *a, const char *b, const char *name) {
    const char *folders[] = {a, b};
    char *bytes[2];
    size_t n[2];
    for (int i = 0; i < 2; i++) {
        char *path = hone_path_join(folders[i], name);
        TEST_OK(hone_read_file(&bytes[i], &n[i], path, 1u << 30));
        hone_free(path);
    }
    assert_int_equal(n[0], n[1]);
    test_same_bits(name, bytes[0], bytes[1], n[0]);
    hone_free(bytes[0]);
    hone_free(bytes[1]);
}

static const enum hone_train_kind kinds[] = {HONE_TRAIN_BPE, HONE_TRAIN_CHARACTERS, HONE_TRAIN_UNIGRAM,
                                             HONE_TRAIN_WORDPIECE, HONE_TRAIN_WORDS};

/* Each kind with one thread and with three; what comes out opens, and gives a text back that it was trained on. */
static void test_threads(void **state) {
    (void)state;
    int before = omp_get_max_threads();
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        struct hone_train_options options = {.kind = kinds[k], .vocab_size = 600, .min_frequency = 1};
        omp_set_num_threads(1);
        char *name = hone_format("one-%zu", k), *one = train_into(name, LANGUAGES, options);
        hone_free(name);
        omp_set_num_threads(3);
        name = hone_format("three-%zu", k);
        char *three = train_into(name, LANGUAGES, options);
        hone_free(name);
        same_files(one, three, "tokenizer.json");
        same_files(one, three, "tokenizer_config.json");
        hone_free(one);
        hone_free(three);
    }
    omp_set_num_threads(before);
}

static void test_round_trip(void **state) {
    (void)state;
    static const char text[] = "Ora qui pecadur padidu toc";
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        char *name = hone_format("round-%zu", k);
        char *folder = train_into(
            name, LANGUAGES, (struct hone_train_options){.kind = kinds[k], .vocab_size = 4000, .min_frequency = 1});
        struct hone_tokenizer *tokenizer;
        struct hone_encoding encoding = {0};
        TEST_OK(hone_tokenizer_open(&tokenizer, folder));
        TEST_OK(hone_tokenizer_encode(&encoding, tokenizer, text, strlen(text), NULL, 0,
                                      &(struct hone_encode_options){.add_special = true}));
        struct hone_text decoded;
        hone_tokenizer_decode(&decoded, tokenizer, encoding.ids, encoding.n,
                              &(struct hone_decode_options){.skip_special = true});
        assert_string_equal(decoded.bytes, text);
        hone_text_free(&decoded);
        hone_encoding_free(&encoding);
        hone_tokenizer_free(tokenizer);
        hone_free(folder);
        hone_free(name);
    }
}

/* Unigram cuts words that it knows into fewer pieces than characters, keeps every character, and its probabilities add
 * up to less than one. */
static void test_unigram(void **state) {
    (void)state;
    char *folder =
        train_into("unigram", LANGUAGES,
                   (struct hone_train_options){.kind = HONE_TRAIN_UNIGRAM, .vocab_size = 1500, .min_frequency = 1});
    json_t *model = model_of(folder), *vocab = json_object_get(model, "vocab"), *piece;
    size_t i, longer = 0;
    assert_int_equal(json_integer_value(json_object_get(model, "unk_id")), 2);
    double before = 0;
    json_array_foreach(vocab, i, piece) {
        double score = json_number_value(json_array_get(piece, 1));
        if (i < 3) {
            assert_true(score == 0);
            continue;
        }
        assert_true(score < 0 && (i == 3 || score <= before));
        before = score;
        longer += json_string_length(json_array_get(piece, 0)) > 6;
    }
    assert_int_equal(json_array_size(vocab), 1500);
    assert_true(longer > 50);
    json_decref(model);
    hone_free(folder);
}

static void write_text(char **path, const char *name, const char *bytes, size_t n) {
    *path = hone_path_join(test_scratch(), name);
    TEST_OK(hone_write_file(*path, bytes, n));
}

static void test_mistakes(void **state) {
    (void)state;
    struct hone_train_summary summary;
    char *bad, *empty, *folder = hone_path_join(test_scratch(), "none");
    write_text(&bad, "bad.txt", "fine\nno\xff", 8);
    write_text(&empty, "empty.txt", "\n \n", 3);
    struct hone_train_options options = {.kind = HONE_TRAIN_WORDPIECE, .vocab_size = 100, .min_frequency = 1};
    const char *file = bad;
    test_expect_status(hone_tokenizer_train(&summary, folder, &file, 1, &options), HONE_BAD_INPUT,
                       "bad.txt:2: byte 3: invalid UTF-8 (0xff)");
    file = empty;
    test_expect_status(hone_tokenizer_train(&summary, folder, &file, 1, &options), HONE_BAD_INPUT, "no words");
    file = "nowhere.txt";
    test_expect_status(hone_tokenizer_train(&summary, folder, &file, 1, &options), HONE_BAD_INPUT, "nowhere.txt");
    file = LANGUAGES;
    options.vocab_size = 5;
    test_expect_status(hone_tokenizer_train(&summary, folder, &file, 1, &options), HONE_USAGE, "leaves no room");
    options.vocab_size = 100;
    options.special = (const char *const[]){"[UNK]", "a", "a"};
    options.n_special = 3;
    test_expect_status(hone_tokenizer_train(&summary, folder, &file, 1, &options), HONE_USAGE, "\"a\" is given twice");
    options.n_special = 0;
    test_expect_status(hone_tokenizer_train(&summary, folder, &file, 1, &options), HONE_USAGE, "add [UNK] or <unk>");
    options.special = (const char *const[]){"[UNK]", "[CLS]"};
    options.n_special = 2;
    test_expect_status(hone_tokenizer_train(&summary, folder, &file, 1, &options), HONE_USAGE, "only one is there");
    assert_false(hone_folder_exists(folder));
    hone_free(bad);
    hone_free(empty);
    hone_free(folder);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bpe),        cmocka_unit_test(test_wordpiece), cmocka_unit_test(test_threads),
        cmocka_unit_test(test_round_trip), cmocka_unit_test(test_unigram),   cmocka_unit_test(test_mistakes),
    };
    return cmocka_run_group_tests(tests, load, unload);
}
