/* Tokenizers give what the reference library gave: whole encodings of chosen texts, hashes of others and of real files
 * (../shared/data, skipped without it). Fixtures: tests/reference/make_tokenizer_fixtures.py. */
#include <string.h>

#include "base/io.h"
#include "base/json.h"
#include "base/memory.h"
#include "data/records.h"
#include "data/tokenizer.h"
#include "tests/support.h"

#define FIXTURES "tests/fixtures/tokenizer/"
#define DATA     "../shared/data/"

static struct hone_tokenizer *open_fixture(const char *name) {
    char *folder = hone_path_join(FIXTURES, name);
    struct hone_tokenizer *tokenizer;
    TEST_OK(hone_tokenizer_open(&tokenizer, folder));
    hone_free(folder);
    return tokenizer;
}

static bool same_list(const json_t *want, const int32_t *got, size_t n) {
    if (json_array_size(want) != n) return false;
    for (size_t i = 0; i < n; i++)
        if (json_integer_value(json_array_get(want, i)) != got[i]) return false;
    return true;
}

static void check_list(size_t number, const json_t *case_, const char *key, const int32_t *got, size_t n) {
    const json_t *want = json_object_get(json_object_get(case_, "expected"), key);
    if (same_list(want, got, n)) return;
    char *shown = hone_json_line(case_);
    print_error("case %zu: %s, %zu of them:", number, key, n);
    for (size_t i = 0; i < n; i++) print_error(" %d", got[i]);
    fail_msg("\n%s", shown);
}

static void check_text(size_t number, const json_t *case_, const char *key, const char *got) {
    const char *want = json_string_value(json_object_get(json_object_get(case_, "expected"), key));
    if (strcmp(want, got) != 0) fail_msg("case %zu: %s \"%s\", expected \"%s\"", number, key, got, want);
}

static void check_encoding(size_t number, const json_t *case_, const struct hone_tokenizer *tokenizer,
                           const struct hone_encoding *e) {
    check_list(number, case_, "ids", e->ids, e->n);
    check_list(number, case_, "types", e->type_ids, e->n);
    check_list(number, case_, "starts", e->starts, e->n);
    check_list(number, case_, "ends", e->ends, e->n);
    check_list(number, case_, "words", e->word_ids, e->n);
    int32_t *widened = hone_alloc(e->n, sizeof *widened, "test");
    for (size_t i = 0; i < e->n; i++) widened[i] = e->sequence_ids[i];
    check_list(number, case_, "sequences", widened, e->n);
    for (size_t i = 0; i < e->n; i++) widened[i] = e->special[i];
    check_list(number, case_, "mask", widened, e->n);
    hone_free(widened);
    const json_t *tokens = json_object_get(json_object_get(case_, "expected"), "tokens");
    for (size_t i = 0; i < e->n; i++) {
        size_t n;
        const char *text = hone_encoding_token(e, tokenizer, i, &n);
        assert_string_equal(text, json_string_value(json_array_get(tokens, i)));
        assert_int_equal(n, strlen(text));
    }
    for (int skip = 0; skip < 2; skip++) {
        struct hone_text text;
        hone_tokenizer_decode(&text, tokenizer, e->ids, e->n, &(struct hone_decode_options){.skip_special = skip});
        check_text(number, case_, skip ? "decoded" : "whole", text.bytes);
        hone_text_free(&text);
    }
}

static void run_case(struct hone_encoding *e, const json_t *case_, const struct hone_tokenizer *tokenizer,
                     size_t max_length) {
    const struct hone_encode_options options = {.add_special = json_is_true(json_object_get(case_, "special")),
                                                .max_length = max_length};
    const json_t *words = json_object_get(case_, "words");
    if (words) {
        const char *texts[16];
        size_t lengths[16], n = json_array_size(words);
        assert_true(n <= 16);
        for (size_t i = 0; i < n; i++) {
            texts[i] = json_string_value(json_array_get(words, i));
            lengths[i] = strlen(texts[i]);
        }
        TEST_OK(
            hone_tokenizer_encode_words(e, tokenizer, &(struct hone_given_words){texts, lengths, n}, NULL, &options));
        return;
    }
    const char *text = json_string_value(json_object_get(case_, "text"));
    const char *pair = json_string_value(json_object_get(case_, "pair"));
    TEST_OK(hone_tokenizer_encode(e, tokenizer, text, strlen(text), pair, pair ? strlen(pair) : 0, &options));
}

static void chosen_texts(void **state) {
    (void)state;
    json_t *root;
    TEST_OK(hone_json_read(&root, FIXTURES "cases.json", HONE_JSON_CONFIG_LIMIT));
    struct hone_tokenizer *tokenizer = NULL;
    const char *opened = "";
    struct hone_encoding e = {0}; /* reused throughout, so nothing may be left over from the case before */
    size_t number;
    json_t *case_;
    json_array_foreach(json_object_get(root, "cases"), number, case_) {
        const char *name = json_string_value(json_object_get(case_, "tokenizer"));
        if (strcmp(name, opened) != 0) {
            hone_tokenizer_free(tokenizer);
            tokenizer = open_fixture(opened = name);
        }
        size_t max_length = (size_t)json_integer_value(json_object_get(case_, "max_length"));
        run_case(&e, case_, tokenizer, 0);
        size_t all = e.n;
        run_case(&e, case_, tokenizer, max_length);
        check_encoding(number, case_, tokenizer, &e);
        assert_int_equal(e.untruncated, all);
        assert_true(max_length == 0 || e.n <= max_length);
    }
    assert_true(number > 300);
    hone_encoding_free(&e);
    hone_tokenizer_free(tokenizer);
    json_decref(root);
}

static uint64_t hash_value(uint64_t hash, int32_t value) {
    for (int i = 0; i < 4; i++) hash = (hash ^ ((uint32_t)value >> 8 * i & 0xFF)) * UINT64_C(0x100000001B3);
    return hash;
}

/* One hash for every hundred texts, as the fixtures have it. */
struct hasher {
    const struct hone_tokenizer *tokenizer;
    struct hone_encoding encoding;
    uint64_t hash;
    size_t lines, wrong;
    const json_t *want;
    const char *name;
};

static void compare_hash(struct hasher *h) {
    char text[17];
    snprintf(text, sizeof text, "%016llx", (unsigned long long)h->hash);
    const char *want = json_string_value(json_array_get(h->want, (h->lines - 1) / 100));
    if (!want || strcmp(text, want) != 0) {
        print_error("%s: hash of the hundred texts up to the %zuth differs\n", h->name, h->lines);
        h->wrong++;
    }
}

static void hash_line(struct hasher *h, const char *text, size_t n) {
    const struct hone_encoding *e = &h->encoding;
    if (h->lines % 100 == 0) {
        if (h->lines) compare_hash(h);
        h->hash = UINT64_C(0xCBF29CE484222325);
    }
    TEST_OK(hone_tokenizer_encode(&h->encoding, h->tokenizer, text, n, NULL, 0,
                                  &(struct hone_encode_options){.add_special = true}));
    for (size_t i = 0; i < e->n; i++) {
        h->hash = hash_value(h->hash, e->ids[i]);
        h->hash = hash_value(h->hash, e->starts[i]);
        h->hash = hash_value(h->hash, e->ends[i]);
        h->hash = hash_value(h->hash, e->word_ids[i]);
    }
    h->hash = hash_value(h->hash, -2);
    h->lines++;
}

static void finish_hashes(struct hasher *h) {
    assert_true(h->lines > 0);
    compare_hash(h);
    assert_int_equal(json_array_size(h->want), (h->lines + 99) / 100);
    assert_int_equal(h->wrong, 0);
    hone_encoding_free(&h->encoding);
}

static void hash_file(struct hasher *h, const char *path, enum hone_data_format format, bool header,
                      const char *column) {
    struct hone_records *records;
    struct hone_field text;
    bool more;
    TEST_OK(hone_records_open(
        &records, path,
        (struct hone_records_options){.format = format, .header = header, .columns = &column, .n_columns = 1}));
    for (;;) {
        TEST_OK(hone_records_next(records, &more));
        if (!more) break;
        TEST_OK(hone_records_text(&text, records, 0));
        hash_line(h, text.bytes, text.n);
    }
    hone_records_close(records);
}

static void languages(void **state) {
    (void)state;
    json_t *root, *want;
    TEST_OK(hone_json_read(&root, FIXTURES "hashes.json", HONE_JSON_CONFIG_LIMIT));
    const char *name;
    json_object_foreach(json_object_get(root, "languages"), name, want) {
        struct hone_tokenizer *tokenizer = open_fixture(name);
        struct hasher h = {.tokenizer = tokenizer, .want = want, .name = name};
        hash_file(&h, FIXTURES "languages.txt", HONE_FORMAT_TEXT, false, "0");
        finish_hashes(&h);
        hone_tokenizer_free(tokenizer);
    }
    json_decref(root);
}

/* "bert-base-cased vocab": from vocab.txt alone, with a configuration that says whether it is lowercase. */
static struct hone_tokenizer *open_real(const char *name) {
    struct hone_tokenizer *tokenizer;
    const char *space = strchr(name, ' ');
    char *base = hone_strndup(name, space ? (size_t)(space - name) : strlen(name), "test");
    char *folder = hone_path_join(DATA "tokenizers", base);
    if (!space) {
        TEST_OK(hone_tokenizer_open(&tokenizer, folder));
    } else {
        char *scratch = hone_strdup(test_scratch(), "test"), *from = hone_path_join(folder, "vocab.txt");
        char *to = hone_path_join(scratch, "vocab.txt"), *config = hone_path_join(scratch, "tokenizer_config.json");
        const char *text = strstr(base, "uncased") ? "{\"do_lower_case\": true}" : "{\"do_lower_case\": false}";
        TEST_OK(hone_copy_file(to, from));
        TEST_OK(hone_write_file(config, text, strlen(text)));
        TEST_OK(hone_tokenizer_open(&tokenizer, scratch));
        hone_free(scratch);
        hone_free(from);
        hone_free(to);
        hone_free(config);
    }
    hone_free(base);
    hone_free(folder);
    return tokenizer;
}

static void real_files(void **state) {
    (void)state;
    if (!hone_folder_exists(DATA "tokenizers")) skip();
    json_t *root, *run;
    TEST_OK(hone_json_read(&root, FIXTURES "hashes.json", HONE_JSON_CONFIG_LIMIT));
    size_t i;
    json_array_foreach(json_object_get(root, "real"), i, run) {
        const char *name = json_string_value(json_object_get(run, "tokenizer"));
        const char *file = json_string_value(json_object_get(run, "file"));
        struct hone_tokenizer *tokenizer = open_real(name);
        char *path = hone_path_join(DATA, file);
        char column[8];
        snprintf(column, sizeof column, "%lld", (long long)json_integer_value(json_object_get(run, "column")));
        struct hasher h = {.tokenizer = tokenizer, .want = json_object_get(run, "hashes"), .name = name};
        hash_file(&h, path, HONE_FORMAT_TSV, json_is_true(json_object_get(run, "header")), column);
        finish_hashes(&h);
        hone_free(path);
        hone_tokenizer_free(tokenizer);
    }
    json_decref(root);
}

static void zero_bytes(void **state) {
    (void)state;
    struct hone_tokenizer *tokenizer = open_fixture("uncased");
    struct hone_encoding e = {0};
    TEST_OK(
        hone_tokenizer_encode(&e, tokenizer, "\0a\0b \0", 6, NULL, 0, &(struct hone_encode_options){.max_length = 0}));
    assert_true(e.n >= 1);
    assert_int_equal(e.starts[0], 1);
    assert_int_equal(e.ends[e.n - 1], 4);
    assert_int_equal(e.word_ids[e.n - 1], 0);
    hone_encoding_free(&e);
    hone_tokenizer_free(tokenizer);
}

static void ids_and_texts(void **state) {
    (void)state;
    struct hone_tokenizer *tokenizer = open_fixture("added");
    int32_t size = hone_tokenizer_size(tokenizer);
    int32_t added = hone_tokenizer_id(tokenizer, "New York");
    assert_true(added >= 0 && added < size);
    for (int32_t id = 0; id < size; id++)
        assert_int_equal(hone_tokenizer_id(tokenizer, hone_tokenizer_token(tokenizer, id)), id);
    assert_null(hone_tokenizer_token(tokenizer, size));
    assert_null(hone_tokenizer_token(tokenizer, -1));
    assert_int_equal(hone_tokenizer_id(tokenizer, "new york"), -1);
    assert_int_equal(hone_tokenizer_id(tokenizer, ""), -1);
    struct hone_text text;
    hone_tokenizer_decode(&text, tokenizer, (int32_t[]){-1, size, 1 << 30}, 3,
                          &(struct hone_decode_options){.skip_special = false});
    assert_string_equal(text.bytes, "");
    hone_text_free(&text);
    hone_tokenizer_free(tokenizer);
}

static void no_room_for_specials(void **state) {
    (void)state;
    struct hone_tokenizer *tokenizer = open_fixture("uncased");
    struct hone_encoding e = {0};
    test_expect_status(hone_tokenizer_encode(&e, tokenizer, "a", 1, NULL, 0,
                                             &(struct hone_encode_options){.add_special = true, .max_length = 1}),
                       HONE_USAGE, "max_length 1");
    test_expect_status(hone_tokenizer_encode(&e, tokenizer, "a", 1, "b", 1,
                                             &(struct hone_encode_options){.add_special = true, .max_length = 2}),
                       HONE_USAGE, "3 special tokens");
    TEST_OK(hone_tokenizer_encode(&e, tokenizer, "a b", 3, NULL, 0,
                                  &(struct hone_encode_options){.add_special = true, .max_length = 2}));
    assert_int_equal(e.n, 2);
    assert_int_equal(e.untruncated, 4);
    TEST_OK(hone_tokenizer_encode(&e, tokenizer, "a b", 3, NULL, 0, &(struct hone_encode_options){.max_length = 1}));
    assert_int_equal(e.n, 1);
    hone_encoding_free(&e);
    hone_tokenizer_free(tokenizer);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chosen_texts), cmocka_unit_test(languages),     cmocka_unit_test(real_files),
        cmocka_unit_test(zero_bytes),   cmocka_unit_test(ids_and_texts), cmocka_unit_test(no_room_for_specials),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
