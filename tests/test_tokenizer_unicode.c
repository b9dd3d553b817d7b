/* Every code point is to the tokenizer what it is to the reference: tests/fixtures/tokenizer/unicode.txt has a hash for
 * each 256 of them, forms.txt a checksum for each 1024 (tests/reference/make_tokenizer_fixtures.py), classes.txt one for
 * each of some regular expressions (tests/reference/make_pattern_tables.py). */
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/io.h"
#include "base/memory.h"
#include "base/utf8.h"
#include "data/normalizer.h"
#include "data/pattern.h"
#include "data/tokenizer.h"
#include "data/unicode.h"
#include "tests/support.h"

static uint64_t hash_value(uint64_t hash, int32_t value) {
    for (int i = 0; i < 4; i++) hash = (hash ^ ((uint32_t)value >> 8 * i & 0xFF)) * UINT64_C(0x100000001B3);
    return hash;
}

static void normalize(struct hone_normalizing *work, struct hone_bert_normalizer bert, const char *text, size_t n) {
    struct hone_normalizer_step step = {.kind = HONE_NORMALIZER_BERT, .bert = bert};
    hone_normalize(work, &(struct hone_normalizer){.at = &step, .n = 1}, text, n, 0);
}

static uint64_t hash_normalized(uint64_t hash, struct hone_normalizing *work, struct hone_bert_normalizer normalizer,
                                const char *text, size_t n) {
    normalize(work, normalizer, text, n);
    for (size_t i = 0; i < work->text.n;) hash = hash_value(hash, hone_utf8_next(work->text.bytes, &i));
    return hash_value(hash, -1);
}

/* Where BertPreTokenizer cuts: "bare" has no normalizer, and any word is one token or several without a gap. */
static uint64_t hash_words(uint64_t hash, struct hone_encoding *e, const struct hone_tokenizer *tokenizer,
                           const char *text, size_t n) {
    TEST_OK(hone_tokenizer_encode(e, tokenizer, text, n, NULL, 0, &(struct hone_encode_options){.max_length = 0}));
    for (size_t i = 0; i < e->n; i++) {
        if (i == 0 || e->word_ids[i] != e->word_ids[i - 1]) hash = hash_value(hash, e->starts[i]);
        if (i + 1 == e->n || e->word_ids[i] != e->word_ids[i + 1]) hash = hash_value(hash, e->ends[i]);
    }
    return hash;
}

static void every_code_point(void **state) {
    (void)state;
    static const struct hone_bert_normalizer normalizers[] = {{.clean_text = true},
                                                              {.handle_chinese_chars = true},
                                                              {.strip_accents = true},
                                                              {.lowercase = true},
                                                              {true, true, true, true}};
    struct hone_tokenizer *tokenizer;
    TEST_OK(hone_tokenizer_open(&tokenizer, "tests/fixtures/tokenizer/bare"));
    char *want;
    size_t n;
    TEST_OK(hone_read_file(&want, &n, "tests/fixtures/tokenizer/unicode.txt", 1 << 20));
    assert_int_equal(n, HONE_CODES / 256 * 9);
    const struct hone_unicode_flags *flags = hone_unicode_flags();
    struct hone_normalizing scratch = {0};
    struct hone_encoding e = {0};
    int wrong = 0;
    for (int32_t block = 0; block < HONE_CODES; block += 256) {
        uint64_t hash = UINT64_C(0xCBF29CE484222325);
        for (int32_t code = block; code < block + 256; code++) {
            if (code >= 0xD800 && code <= 0xDFFF) continue;
            char text[8] = "a";
            size_t length = 1 + (size_t)hone_utf8_encode(text + 1, code);
            text[length++] = 'b';
            for (size_t i = 0; i < sizeof normalizers / sizeof *normalizers; i++)
                hash = hash_normalized(hash, &scratch, normalizers[i], text, length);
            hash = hash_words(hash, &e, tokenizer, text, length);
            hash = hash_value(hash, (hone_code_flags(flags, code) & HONE_CODE_WORD) != 0);
        }
        uint32_t expected = (uint32_t)strtoul(want + block / 256 * 9, NULL, 16);
        if ((uint32_t)hash != expected && wrong++ < 5) print_error("U+%04X to U+%04X differ\n", block, block + 255);
    }
    assert_int_equal(wrong, 0);
    hone_normalizing_free(&scratch);
    hone_encoding_free(&e);
    hone_free(want);
    hone_tokenizer_free(tokenizer);
}

static uint32_t checksum(uint32_t before, const void *bytes, size_t n) {
    return (uint32_t)crc32(before, bytes, (uInt)n);
}

static void append_code(struct hone_text *out, int32_t code) {
    char bytes[4];
    hone_text_append(out, bytes, (size_t)hone_utf8_encode(bytes, code));
}

static void every_form(void **state) {
    (void)state;
    static struct hone_normalizer_step steps[] = {
        {.kind = HONE_NORMALIZER_NFC},  {.kind = HONE_NORMALIZER_NFD},       {.kind = HONE_NORMALIZER_NFKC},
        {.kind = HONE_NORMALIZER_NFKD}, {.kind = HONE_NORMALIZER_LOWERCASE}, {.kind = HONE_NORMALIZER_STRIP_ACCENTS},
        {.kind = HONE_NORMALIZER_NFD},  {.kind = HONE_NORMALIZER_NFC}};
    enum { EACH = 1024, KINDS = 7 }; /* the last kind takes apart and puts together again */
    char *want;
    size_t n;
    TEST_OK(hone_read_file(&want, &n, "tests/fixtures/tokenizer/forms.txt", 1 << 20));
    assert_int_equal(n, HONE_CODES / EACH * 9);
    struct hone_normalizing work = {0};
    struct hone_text text = {0};
    int wrong = 0;
    for (int32_t block = 0; block < HONE_CODES; block += EACH) {
        text.length = 0;
        for (int32_t code = block; code < block + EACH; code++) {
            if (code >= 0xD800 && code <= 0xDFFF) continue;
            hone_text_append(&text, "a", 1);
            append_code(&text, code);
            hone_text_append(&text, "b", 1);
        }
        uint32_t sum = 0;
        for (int k = 0; k < KINDS; k++) {
            struct hone_normalizer normalizer = {.at = &steps[k], .n = k + 1 < KINDS ? 1 : 2};
            hone_normalize(&work, &normalizer, text.length ? text.bytes : "", text.length, 0);
            sum = checksum(sum, work.text.bytes, work.text.n);
        }
        if (sum != (uint32_t)strtoul(want + block / EACH * 9, NULL, 16) && wrong++ < 5)
            print_error("U+%04X to U+%04X differ\n", block, block + EACH - 1);
    }
    assert_int_equal(wrong, 0);
    hone_normalizing_free(&work);
    hone_text_free(&text);
    hone_free(want);
}

/* The code points that the script looks at: all but those that no version of Unicode knows. */
static bool is_looked_at(int32_t code) {
    if (code >= 0xD800 && code <= 0xDFFF) return false;
    return code < 0x40000 || (code >= 0xE0000 && code < 0xE1000) || code >= 0x10FFF0;
}

/* Checksum of where an expression, repeated, matches. */
static uint32_t checksum_matches(const char *expression, const struct hone_text *text) {
    struct hone_pattern pattern;
    char *repeated = hone_format("(?:%s)+", expression);
    json_t *part = json_pack("{s:s}", "Regex", repeated);
    TEST_OK(hone_pattern_read(&pattern, part, "test"));
    struct hone_matches matches = hone_matches_in(&pattern, text->bytes, text->length);
    uint32_t sum = 0;
    while (hone_matches_next(&matches)) {
        const int32_t span[2] = {(int32_t)matches.begin, (int32_t)matches.end};
        sum = checksum(sum, span, sizeof span);
    }
    hone_pattern_free(&pattern);
    json_decref(part);
    hone_free(repeated);
    return sum;
}

static void every_class(void **state) {
    (void)state;
    struct hone_text text = {0};
    for (int32_t code = 0; code < HONE_CODES; code++)
        if (is_looked_at(code)) append_code(&text, code);
    char *want, *rest, *line;
    size_t n;
    int classes = 0, wrong = 0;
    TEST_OK(hone_read_file(&want, &n, "tests/fixtures/tokenizer/classes.txt", 1 << 20));
    for (line = strtok_r(want, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest), classes++) {
        if (checksum_matches(line + 9, &text) == (uint32_t)strtoul(line, NULL, 16)) continue;
        print_error("%s differs\n", line + 9);
        wrong++;
    }
    assert_int_equal(classes, 20);
    assert_int_equal(wrong, 0);
    hone_text_free(&text);
    hone_free(want);
}

/* Long runs are sorted another way than short ones; both are stable and by combining class. */
static void long_runs_of_marks(void **state) {
    (void)state;
    enum { RUN = 1500 };
    struct hone_normalizing work = {0};
    const struct hone_normalized *out = &work.text;
    /* Two spacing marks of classes 216 and 226, which strip_accents leaves there, so that their order shows. */
    static const int32_t marks[2] = {0x1D16D, 0x1D165};
    for (int n = 1; n <= RUN; n += n < 70 ? 1 : 715) {
        char text[1 + 4 * RUN] = "a";
        size_t length = 1, low = 0;
        for (int i = 0; i < n; i++) {
            int32_t mark = marks[i * 7 % 3 == 0];
            low += mark == marks[1];
            length += (size_t)hone_utf8_encode(text + length, mark);
        }
        normalize(&work, (struct hone_bert_normalizer){.strip_accents = true}, text, length);
        assert_int_equal(out->n, length);
        size_t at = 1;
        for (int i = 0; i < n; i++) {
            assert_int_equal(out->from[at].begin, 1 + i); /* the reference aligns by place, not by what moved there */
            assert_int_equal(hone_utf8_next(out->bytes, &at), marks[(size_t)i < low]);
        }
    }
    hone_normalizing_free(&work);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_code_point), cmocka_unit_test(every_form),
                                       cmocka_unit_test(every_class), cmocka_unit_test(long_runs_of_marks)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
