/* Tokenizers put together at random from all parts of tokenizer.json, and those of older files, give what the reference
 * library gave (tests/reference/make_tokenizer_part_fixtures.py); windows, pairs of words and streams agree with the
 * encoding and decoding of the whole. */
#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "base/json.h"
#include "base/memory.h"
#include "base/utf8.h"
#include "data/model_scan.h"
#include "data/tokenizer.h"
#include "tests/support.h"

#define FIXTURES "tests/fixtures/tokenizer/"
#define DATA     "../shared/data/tokenizers/"

static const struct hone_encode_options with_special = {.add_special = true};

static json_t *list_of(const int32_t *values, size_t n, bool null_below_0) {
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append_new(list, null_below_0 && values[i] < 0 ? json_null() : json_integer(values[i]));
    return list;
}

static json_t *encoding_json(const struct hone_encoding *e, const struct hone_tokenizer *tokenizer) {
    json_t *offsets = json_array(), *tokens = json_array();
    for (size_t i = 0; i < e->n; i++) {
        size_t n;
        const char *text = hone_encoding_token(e, tokenizer, i, &n);
        json_array_append_new(offsets, json_pack("[i,i]", e->starts[i], e->ends[i]));
        json_array_append_new(tokens, json_stringn(text, n));
    }
    return json_pack("{s:o,s:o,s:o,s:o,s:o}", "ids", list_of(e->ids, e->n, false), "type_ids",
                     list_of(e->type_ids, e->n, false), "tokens", tokens, "offsets", offsets, "word_ids",
                     list_of(e->word_ids, e->n, true));
}

static void check_decoding(const struct hone_tokenizer *tokenizer, const struct hone_encoding *e, const json_t *case_) {
    const json_t *decoded = json_object_get(case_, "decoded");
    for (int skip = 0; skip < 2 && json_is_array(decoded); skip++) {
        struct hone_text text;
        hone_tokenizer_decode(&text, tokenizer, e->ids, e->n, &(struct hone_decode_options){.skip_special = skip});
        const char *want = json_string_value(json_array_get(decoded, (size_t)skip));
        if (strcmp(text.bytes, want) != 0) {
            char *shown = hone_json_line(case_);
            print_error("decoded \"%s\", expected \"%s\": %s\n", text.bytes, want, shown);
            hone_free(shown);
            fail();
        }
        hone_text_free(&text);
    }
}

/* Everything twice: the second time from what was remembered. */
static void check_row(const json_t *row, const struct hone_tokenizer *tokenizer, struct hone_encoding *e) {
    for (int again = 0; again < 2; again++) {
        size_t i;
        json_t *case_;
        json_array_foreach(json_object_get(row, "cases"), i, case_) {
            const json_t *text = json_object_get(case_, "text");
            TEST_OK(hone_tokenizer_encode(e, tokenizer, json_string_value(text), json_string_length(text), NULL, 0,
                                          &with_special));
            json_t *got = encoding_json(e, tokenizer);
            if (!json_equal(got, json_object_get(case_, "expected"))) {
                char *shown = hone_json_line(got), *wanted = hone_json_line(case_);
                print_error("%s\nexpected %s\n", shown, wanted);
                hone_free(shown);
                hone_free(wanted);
                fail();
            }
            json_decref(got);
            check_decoding(tokenizer, e, case_);
        }
    }
}

static bool scans(const char *text, size_t n) {
    struct hone_model_scan scan;
    struct hone_text rest = {0};
    bool good = hone_model_scan(&scan, &rest, text, n);
    if (good) hone_model_scan_free(&scan);
    hone_text_free(&rest);
    return good;
}

/* The same file, with a number in its vocabulary written so that only the JSON reader takes it: id 0 as -0, the first
 * score with more zeros than digits are counted. */
static void for_json_reader(struct hone_text *out, const char *text) {
    const char *vocab = strstr(text, "\"vocab\":"), *at;
    assert_non_null(vocab);
    at = vocab + strlen("\"vocab\":");
    at += strspn(at, " ");
    const char *added = "-";
    if (*at == '{') {
        do at = strstr(at + 1, "\":");
        while (at && (at[2 + strspn(at + 2, " ")] != '0' || !strchr(",}", at[3 + strspn(at + 2, " ")])));
        assert_non_null(at);
        at += 2 + strspn(at + 2, " ");
    } else {
        at = strchr(strstr(at, "\","), ']');
        const char *number = at;
        while (strchr("0123456789.", number[-1])) number--;
        added = memchr(number, '.', (size_t)(at - number)) ? "00000000000000000000" : ".00000000000000000000";
    }
    hone_text_append(out, text, (size_t)(at - text));
    hone_text_append(out, added, strlen(added));
    hone_text_append(out, at, strlen(at));
}

static void open_from_json(struct hone_tokenizer **out, const json_t *json, bool scanned) {
    const char *folder = test_scratch();
    char *path = hone_path_join(folder, "tokenizer.json"), *line = hone_json_line(json);
    struct hone_text text = {0};
    if (scanned)
        hone_text_append(&text, line, strlen(line));
    else
        for_json_reader(&text, line);
    assert_int_equal(scans(text.bytes, text.length), scanned);
    TEST_OK(hone_write_file(path, text.bytes, text.length));
    TEST_OK(hone_tokenizer_open(out, folder));
    hone_text_free(&text);
    hone_free(line);
    hone_free(path);
}

static void all_parts(void **state) {
    (void)state;
    json_t *root, *row;
    TEST_OK(hone_json_read(&root, FIXTURES "parts.json", HONE_JSON_CONFIG_LIMIT));
    struct hone_encoding e = {0}; /* one for all, so nothing that is remembered may outlive its tokenizer */
    size_t number;
    json_array_foreach(json_object_get(root, "rows"), number, row) {
        struct hone_tokenizer *tokenizer;
        for (int scanned = 0; scanned < 2; scanned++) {
            open_from_json(&tokenizer, json_object_get(row, "tokenizer"), scanned);
            check_row(row, tokenizer, &e);
            hone_tokenizer_free(tokenizer);
        }
    }
    assert_int_equal(number, 99);
    hone_encoding_free(&e);
    json_decref(root);
}

static void older_files(void **state) {
    (void)state;
    if (!hone_folder_exists(DATA)) skip();
    json_t *root, *row;
    TEST_OK(hone_json_read(&root, FIXTURES "older.json", HONE_JSON_CONFIG_LIMIT));
    struct hone_encoding e = {0};
    size_t number;
    json_array_foreach(json_object_get(root, "rows"), number, row) {
        struct hone_tokenizer *tokenizer;
        char *folder = hone_path_join(DATA, json_string_value(json_object_get(row, "folder")));
        TEST_OK(hone_tokenizer_open(&tokenizer, folder));
        check_row(row, tokenizer, &e);
        hone_tokenizer_free(tokenizer);
        hone_free(folder);
    }
    assert_int_equal(number, 5);
    hone_encoding_free(&e);
    json_decref(root);
}

/* A text, or a list of words, as the interface takes either. */
struct input {
    const char *texts[8];
    size_t lengths[8], n;
};

static struct input read_input(const json_t *value) {
    struct input out = {.n = json_is_array(value) ? json_array_size(value) : !json_is_null(value)};
    assert_true(out.n <= 8);
    for (size_t i = 0; i < out.n; i++) {
        const json_t *text = json_is_array(value) ? json_array_get(value, i) : value;
        out.texts[i] = json_string_value(text);
        out.lengths[i] = json_string_length(text);
    }
    return out;
}

static void check_windows(const json_t *case_, const struct hone_tokenizer *tokenizer, struct hone_encoding *e) {
    static const char *const strategies[] = {"longest_first", "only_first", "only_second"};
    const json_t *first = json_object_get(case_, "first"), *second = json_object_get(case_, "second");
    const json_t *windows = json_object_get(case_, "windows"), *want;
    struct input a = read_input(first), b = read_input(second);
    struct hone_encode_options options = {.add_special = json_is_true(json_object_get(case_, "special")),
                                          .max_length =
                                              (size_t)json_integer_value(json_object_get(case_, "max_length")),
                                          .stride = (size_t)json_integer_value(json_object_get(case_, "stride"))};
    for (int k = 0; k < 3; k++)
        if (strcmp(strategies[k], json_string_value(json_object_get(case_, "truncation"))) == 0)
            options.truncation = (enum hone_truncation)k;
    if (json_is_array(first)) {
        struct hone_given_words words = {a.texts, a.lengths, a.n}, pair = {b.texts, b.lengths, b.n};
        TEST_OK(hone_tokenizer_encode_words(e, tokenizer, &words, json_is_null(second) ? NULL : &pair, &options));
    } else {
        TEST_OK(hone_tokenizer_encode(e, tokenizer, a.texts[0], a.lengths[0], b.n ? b.texts[0] : NULL, b.lengths[0],
                                      &options));
    }
    if (json_is_true(json_object_get(case_, "whole")))
        assert_int_equal(hone_encoding_windows(e), json_array_size(windows));
    size_t i;
    json_array_foreach(windows, i, want) {
        hone_encoding_show(e, tokenizer, i);
        json_t *got = encoding_json(e, tokenizer);
        if (!json_equal(got, want)) {
            char *shown = hone_json_line(got), *wanted = hone_json_line(case_);
            print_error("window %zu: %s\nexpected %s\n", i, shown, wanted);
            hone_free(shown);
            hone_free(wanted);
            fail();
        }
        json_decref(got);
    }
}

static void all_windows(void **state) {
    (void)state;
    json_t *root, *row, *case_;
    TEST_OK(hone_json_read(&root, FIXTURES "windows.json", HONE_JSON_CONFIG_LIMIT));
    struct hone_encoding e = {0};
    size_t number, i;
    json_array_foreach(json_object_get(root, "rows"), number, row) {
        struct hone_tokenizer *tokenizer;
        open_from_json(&tokenizer, json_object_get(row, "tokenizer"), true);
        json_array_foreach(json_object_get(row, "cases"), i, case_) {
            check_windows(case_, tokenizer, &e);
            check_windows(case_, tokenizer, &e); /* of words that are known by now */
        }
        hone_tokenizer_free(tokenizer);
    }
    assert_int_equal(number, 18);
    hone_encoding_free(&e);
    json_decref(root);
}

/* Windows of one text: each begins `stride` tokens before the end of the one before, and all is covered. */
static void windows_cover_everything(void **state) {
    (void)state;
    struct hone_tokenizer *tokenizer;
    TEST_OK(hone_tokenizer_open(&tokenizer, FIXTURES "uncased"));
    struct hone_encoding whole = {0}, e = {0};
    char text[400] = "";
    for (int i = 0; i < 60; i++) strcat(text, i % 3 ? "the " : "a ");
    TEST_OK(hone_tokenizer_encode(&whole, tokenizer, text, strlen(text), NULL, 0, &(struct hone_encode_options){0}));
    for (size_t length = 3; length < whole.n + 4; length++) {
        for (size_t stride = 0; stride + 2 < length; stride++) {
            TEST_OK(hone_tokenizer_encode(&e, tokenizer, text, strlen(text), NULL, 0,
                                          &(struct hone_encode_options){true, length, HONE_LONGEST_FIRST, stride}));
            size_t windows = hone_encoding_windows(&e), next = 0;
            for (size_t w = 0; w < windows; w++) {
                hone_encoding_show(&e, tokenizer, w);
                size_t begin = w ? next - stride : 0;
                assert_true(e.n <= length && e.n > 2);
                assert_memory_equal(e.ids + 1, whole.ids + begin, (e.n - 2) * sizeof *e.ids);
                assert_int_equal(e.starts[1], whole.starts[begin]);
                assert_true(e.special[0] && e.special[e.n - 1] && !e.special[1]);
                next = begin + e.n - 2;
                assert_true(w + 1 == windows || e.n == length);
            }
            assert_int_equal(next, whole.n);
        }
    }
    hone_encoding_free(&whole);
    hone_encoding_free(&e);
    hone_tokenizer_free(tokenizer);
}

/* The reference's order: further windows of the first sequence with each of the second, then those of the second. */
static void windows_of_pairs(void **state) {
    (void)state;
    struct hone_tokenizer *tokenizer;
    TEST_OK(hone_tokenizer_open(&tokenizer, FIXTURES "uncased"));
    struct hone_encoding e = {0};
    static const char *const words[] = {"a", "the", "a", "the", "a"};
    static const size_t lengths[] = {1, 3, 1, 3, 1};
    const struct hone_given_words five = {words, lengths, 5};
    struct hone_encode_options options = {.add_special = true, .max_length = 7};
    TEST_OK(hone_tokenizer_encode_words(&e, tokenizer, &five, &five, &options));
    static const int32_t places[][4] = {{0, 1, 0, 1},  {2, 3, 0, 1},   {2, 3, 2, 3}, {2, 3, 4, -1}, {4, -1, 0, 1},
                                        {4, -1, 2, 3}, {4, -1, 4, -1}, {0, 1, 2, 3}, {0, 1, 4, -1}};
    assert_int_equal(hone_encoding_windows(&e), 9);
    for (size_t w = 0; w < 9; w++) {
        hone_encoding_show(&e, tokenizer, w);
        size_t at = 1;
        for (int s = 0; s < 2; s++, at++)
            for (int k = 0; k < 2 && places[w][2 * s + k] >= 0; k++, at++) {
                assert_int_equal(e.word_ids[at], places[w][2 * s + k]);
                assert_int_equal(e.sequence_ids[at], s);
            }
        assert_int_equal(at, e.n);
    }
    options.truncation = HONE_ONLY_SECOND;
    test_expect_status(hone_tokenizer_encode_words(&e, tokenizer, &five, &five, &options), HONE_USAGE,
                       "the second sequence has 5 tokens, but 6 would have to go");
    options.max_length = 10;
    TEST_OK(hone_tokenizer_encode_words(&e, tokenizer, &five, &five, &options));
    assert_int_equal(hone_encoding_windows(&e), 3);
    options.stride = 2;
    test_expect_status(hone_tokenizer_encode_words(&e, tokenizer, &five, &five, &options), HONE_USAGE, "a stride of 2");
    options.truncation = HONE_ONLY_FIRST;
    options.stride = 1;
    TEST_OK(hone_tokenizer_encode_words(&e, tokenizer, &five, &five, &options));
    assert_int_equal(hone_encoding_windows(&e), 4);
    options.truncation = HONE_ONLY_SECOND;
    options.max_length = 4;
    test_expect_status(hone_tokenizer_encode_words(&e, tokenizer, &five, NULL, &options), HONE_USAGE, "there is none");
    hone_encoding_free(&e);
    hone_tokenizer_free(tokenizer);
}

/* A given word that alone reaches max_length counts as no longer than that when it is decided which of two sequences is the
 * longer one; so it does when the tokenizer knows it from before. */
static void long_words_known_again(void **state) {
    (void)state;
    struct hone_tokenizer *tokenizer;
    TEST_OK(hone_tokenizer_open(&tokenizer, FIXTURES "uncased"));
    struct hone_encoding e = {0};
    static const char *const first[] = {"a,a,a,a,a,a,a,a,a,a", "the"};
    static const char *const second[] = {"a", "a", "a", "a", "a", "a", "a", "a", "a", "a", "a", "a"};
    static const size_t lengths[] = {19, 3}, ones[] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
    const struct hone_given_words a = {first, lengths, 2}, b = {second, ones, 12};
    const struct hone_encode_options whole = {.max_length = 100}, cut = {.max_length = 9};
    for (int again = 0; again < 2; again++) {
        int of_first = 0;
        TEST_OK(hone_tokenizer_encode_words(&e, tokenizer, &a, &b, &cut));
        for (size_t i = 0; i < e.n; i++) of_first += e.sequence_ids[i] == 0;
        /* 10 tokens are known of the first sequence, 12 of the second, which is the longer one and keeps one more. */
        assert_int_equal(e.n, 9);
        assert_int_equal(of_first, 4);
        TEST_OK(hone_tokenizer_encode_words(&e, tokenizer, &a, &b, &whole));
        assert_int_equal(e.n, 32);
    }
    hone_encoding_free(&e);
    hone_tokenizer_free(tokenizer);
}

/* Byte-level tokens part characters; a stream never does, and gives the whole text. */
static void streams_give_whole_characters(void **state) {
    (void)state;
    if (!hone_folder_exists(DATA)) skip();
    struct hone_tokenizer *tokenizer;
    TEST_OK(hone_tokenizer_open(&tokenizer, DATA "gpt2"));
    struct hone_encoding e = {0};
    static const char text[] = "Straße 中文 👨‍👩‍👧 नमस्ते, \xEF\xBF\xBD pl\0\0ain";
    TEST_OK(hone_tokenizer_encode(&e, tokenizer, text, sizeof text - 1, NULL, 0, &with_special));
    struct hone_decode_stream stream = {.tokenizer = tokenizer};
    struct hone_text all = {0};
    const char *piece;
    struct hone_text rest;
    size_t n, empty = 0;
    for (size_t i = 0; i < e.n; i++) {
        hone_decode_stream_next(&piece, &n, &stream, e.ids[i]);
        empty += n == 0;
        hone_text_append(&all, piece, n);
        assert_true(all.length < sizeof text);
        assert_memory_equal(all.bytes, text, all.length);
    }
    assert_true(empty > 5);
    hone_decode_stream_end(&rest, &stream);
    assert_int_equal(rest.length, 0);
    hone_text_free(&rest);
    assert_int_equal(all.length, sizeof text - 1);
    hone_tokenizer_decode(&rest, tokenizer, e.ids, e.n, &(struct hone_decode_options){.clean_up = false});
    assert_int_equal(rest.length, sizeof text - 1);
    assert_memory_equal(rest.bytes, text, sizeof text);
    hone_text_free(&rest);
    /* The first byte of a character alone: nothing, and in the end U+FFFD. */
    stream = (struct hone_decode_stream){.tokenizer = tokenizer};
    hone_decode_stream_next(&piece, &n, &stream, hone_tokenizer_id(tokenizer, "ä"));
    assert_int_equal(n, 0);
    hone_decode_stream_end(&rest, &stream);
    assert_string_equal(rest.bytes, "\xEF\xBF\xBD");
    hone_text_free(&rest);
    hone_text_free(&all);
    hone_encoding_free(&e);
    hone_tokenizer_free(tokenizer);
}

/* A byte can undo the character that those before it were: what follows is whole characters all the same. */
static void streams_of_bytes(void **state) {
    (void)state;
    struct hone_tokenizer *tokenizer;
    const char *folder = test_scratch();
    char *path = hone_path_join(folder, "tokenizer.json");
    static const char json[] =
        "{\"decoder\":{\"type\":\"Sequence\",\"decoders\":[{\"type\":\"ByteFallback\"},{\"type\":\"Fuse\"}]},"
        "\"model\":{\"type\":\"WordLevel\",\"unk_token\":\"u\",\"vocab\":{\"<0xC3>\":0,\"<0xA9>\":1,\"<0xFF>\":2,"
        "\"a\":3,\"<0xE4>\":4,\"<0xB8>\":5,\"<0xAD>\":6}}}";
    TEST_OK(hone_write_file(path, json, sizeof json - 1));
    TEST_OK(hone_tokenizer_open(&tokenizer, folder));
    static const int32_t rows[][8] = {
        {0, 1, 2, 3, -1}, {4, 5, 6, 3, 0, 1, 3, -1}, {0, 1, 0, 1, 2, 3, 0, -1}, {3, 4, 5, 3, 2, 6, -1}};
    for (size_t row = 0; row < sizeof rows / sizeof *rows; row++) {
        struct hone_decode_stream stream = {.tokenizer = tokenizer};
        struct hone_text rest, all = {0};
        const char *piece;
        size_t n;
        for (int i = 0; rows[row][i] >= 0; i++) {
            hone_decode_stream_next(&piece, &n, &stream, rows[row][i]);
            assert_int_equal(hone_utf8_valid_prefix(piece, n), n);
            hone_text_append(&all, piece, n);
        }
        hone_decode_stream_end(&rest, &stream);
        assert_int_equal(hone_utf8_valid_prefix(rest.bytes, rest.length), rest.length);
        hone_text_append(&all, rest.bytes, rest.length);
        if (row == 1) assert_string_equal(all.bytes, "中aéa");
        hone_text_free(&rest);
        hone_text_free(&all);
    }
    hone_tokenizer_free(tokenizer);
    hone_free(path);
}

/* Transformers' clean_up_tokenization, which unlike WordPiece's leaves "do not". */
static void clean_up(void **state) {
    (void)state;
    struct hone_tokenizer *tokenizer;
    const char *folder = test_scratch();
    char *path = hone_path_join(folder, "tokenizer.json");
    struct hone_text text;
    static const char json[] =
        "{\"model\":{\"type\":\"WordLevel\",\"unk_token\":\"u\",\"vocab\":{\"it\":0,\"'s\":1,\"do\":2,"
        "\"not\":3,\".\":4,\"'\":5,\"n't\":6}}}";
    TEST_OK(hone_write_file(path, json, sizeof json - 1));
    TEST_OK(hone_tokenizer_open(&tokenizer, folder));
    hone_tokenizer_decode(&text, tokenizer, (int32_t[]){0, 1, 2, 3, 6, 5, 2, 4}, 8,
                          &(struct hone_decode_options){.clean_up = true});
    assert_string_equal(text.bytes, "it's do notn't'do.");
    hone_text_free(&text);
    struct hone_encoding e = {0};
    test_expect_status(hone_tokenizer_encode(&e, tokenizer, "x", 1, NULL, 0, &with_special), HONE_BAD_INPUT,
                       "\"x\" isn't in the tokenizer's vocabulary");
    hone_encoding_free(&e);
    hone_tokenizer_free(tokenizer);
    hone_free(path);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(all_parts),
                                       cmocka_unit_test(older_files),
                                       cmocka_unit_test(all_windows),
                                       cmocka_unit_test(windows_cover_everything),
                                       cmocka_unit_test(windows_of_pairs),
                                       cmocka_unit_test(long_words_known_again),
                                       cmocka_unit_test(streams_give_whole_characters),
                                       cmocka_unit_test(streams_of_bytes),
                                       cmocka_unit_test(clean_up)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
