/* Expressions: their matches beside those that Oniguruma finds itself, for expressions and texts put together at random;
 * steps in proportion to the text, for those that are made to take forever; what is refused. */
#include <oniguruma.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "data/pattern.h"
#include "tests/support.h"

static enum hone_status read_pattern(struct hone_pattern *out, const char *expression) {
    json_t *part = json_pack("{s:s}", "Regex", expression);
    enum hone_status status = hone_pattern_read(out, part, "test");
    json_decref(part);
    return status;
}

static uint32_t draw(uint32_t *state, uint32_t n) {
    *state = *state * 1664525 + 1013904223;
    return (uint32_t)((uint64_t)(*state >> 8) * n >> 24);
}

/* One of a list of words that ends in NULL. */
static const char *one_of(uint32_t *state, const char *const *words) {
    uint32_t n = 0;
    while (words[n]) n++;
    return words[draw(state, n)];
}

static void write_expression(struct hone_text *out, uint32_t *state, int depth) {
    static const char *const atoms[] = {"a",   "b",       "ab",    "ba",     ".",      "[ab]",   "[^a]", "\\w",
                                        "\\s", "\\d",     "é",     "\\p{L}", "[b-dé]", " ",      "\\b",  "^",
                                        "$",   "(?!\\S)", "(?=b)", "(?<=a)", "(?<!b)", "(?!ab)", NULL};
    static const char *const endings[] = {"",   "",   "",    "",      "",       "?",    "*",    "+", "+?",
                                          "*?", "??", "{2}", "{1,3}", "{0,2}?", "{2,}", "{,2}", NULL};
    static const char *const opens[] = {"(", "(?:", "(?i:", "(?<x>", "(?m:", NULL};
    uint32_t alternatives = 1 + draw(state, 3) / 2;
    for (uint32_t i = 0; i < alternatives; i++) {
        if (i) hone_text_append(out, "|", 1);
        for (uint32_t k = 0, n = 1 + draw(state, 3); k < n; k++) {
            if (depth < 3 && draw(state, 3) == 0) {
                hone_text_format(out, "%s", one_of(state, opens));
                write_expression(out, state, depth + 1);
                hone_text_append(out, ")", 1);
            } else {
                hone_text_format(out, "%s", one_of(state, atoms));
            }
            hone_text_format(out, "%s", one_of(state, endings));
        }
    }
}

/* Matches as Oniguruma finds them, told like those of hone; false where it gives up. */
static bool ask_oniguruma(struct hone_text *out, const char *expression, const char *text, size_t n) {
    const UChar *source = (const UChar *)expression, *begin = (const UChar *)text;
    regex_t *regex;
    OnigErrorInfo info;
    assert_int_equal(onig_new(&regex, source, source + strlen(expression), ONIG_OPTION_NONE, ONIG_ENCODING_UTF8,
                              ONIG_SYNTAX_RUBY, &info),
                     ONIG_NORMAL);
    OnigRegion region = {0};
    size_t last_end = SIZE_MAX;
    int code = 0;
    out->length = 0;
    for (size_t at = 0; at <= n;) {
        code = onig_search(regex, begin, begin + n, begin + at, begin + n, &region, ONIG_OPTION_NONE);
        if (code < 0) break;
        size_t from = (size_t)region.beg[0], to = (size_t)region.end[0];
        if (from < to || to != last_end) hone_text_format(out, "%zu-%zu ", from, to);
        last_end = to;
        at = to;
        if (from == to) do
                at++;
            while (at < n && (text[at] & 0xC0) == 0x80);
    }
    onig_region_free(&region, 0);
    onig_free(regex);
    return code >= ONIG_MISMATCH;
}

static void find(struct hone_text *out, const struct hone_pattern *pattern, const char *text, size_t n) {
    struct hone_matches matches = hone_matches_in(pattern, text, n);
    out->length = 0;
    while (hone_matches_next(&matches)) hone_text_format(out, "%zu-%zu ", matches.begin, matches.end);
}

static void as_oniguruma(void **unused) {
    (void)unused;
    static const char *const pieces[] = {"a", "a", "b",  "b", "ab", "aab", " ",  "  ", "é",
                                         "É", "1", "\n", "c", "A",  "B",   "中", NULL};
    struct hone_text expression = {0}, text = {0}, got = {0}, want = {0};
    int compared = 0, wrong = 0;
    for (uint32_t seed = 1; seed <= 12000; seed++) {
        uint32_t state = seed * 2654435761u;
        struct hone_pattern pattern;
        expression.length = 0;
        write_expression(&expression, &state, 0);
        bool reads = read_pattern(&pattern, expression.bytes) == HONE_OK;
        for (int i = 0; reads && i < 8; i++) {
            text.length = 0;
            hone_text_append(&text, "", 0);
            for (uint32_t k = draw(&state, 16); k > 0; k--) hone_text_format(&text, "%s", one_of(&state, pieces));
            find(&got, &pattern, text.bytes, text.length);
            if (!ask_oniguruma(&want, expression.bytes, text.bytes, text.length)) continue;
            compared++;
            if (got.length == want.length && memcmp(got.bytes, want.bytes, got.length) == 0) continue;
            if (wrong++ < 5)
                print_error("\"%s\" in \"%s\": %.*s, expected %.*s\n", expression.bytes, text.bytes, (int)got.length,
                            got.length ? got.bytes : "", (int)want.length, want.length ? want.bytes : "");
        }
        hone_pattern_free(&pattern);
    }
    print_message("%d compared\n", compared);
    assert_true(compared > 20000);
    assert_int_equal(wrong, 0);
    hone_text_free(&expression);
    hone_text_free(&text);
    hone_text_free(&got);
    hone_text_free(&want);
}

static int64_t steps_of(const char *expression, const char *unit, size_t times) {
    struct hone_pattern pattern;
    struct hone_text text = {0};
    TEST_OK(read_pattern(&pattern, expression));
    for (size_t i = 0; i < times; i++) hone_text_format(&text, "%s", unit);
    struct hone_matches matches = hone_matches_in(&pattern, text.bytes, text.length);
    while (hone_matches_next(&matches)) continue;
    hone_pattern_free(&pattern);
    hone_text_free(&text);
    return matches.work;
}

/* At most so many steps for a character as the expression is long, and a half more for its loops' own. */
static void linear_steps(void **unused) {
    (void)unused;
    static const struct {
        const char *expression, *unit;
    } cases[] = {
        {"a+b", "a"},
        {"(a+)+b", "a"},
        {"(a|b|ab)+c", "ab"},
        {"((a|b)+c?)+d", "abc"},
        {"a*a*a*a*b", "a"},
        {"a*?b?c", "a"},
        {"a++b", "a"},
        {"\\s*[\\r\\n]+", " "},
        {"(a|a)+b", "a"},
        {"(?:ab|a)*c", "aab"},
        {"(?:a{2,3}){2,}b", "a"},
        {"\\w+\\s+(?=!)", "wo rd "},
        {".*=.*", "x"},
        {"(.+)+=", "é"},
        {"x*y*z", "xxy"},
        {"(?i)(?:ab+)+c", "aBb"},
        {"(a?a?a?a?)b", "a"},
        {"[^x]*x", "中文"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int64_t few = steps_of(cases[i].expression, cases[i].unit, 1000);
        int64_t many = steps_of(cases[i].expression, cases[i].unit, 4000);
        int64_t most = 4000 * (int64_t)strlen(cases[i].unit) * (2 * (int64_t)strlen(cases[i].expression));
        if (many > 5 * few || many > most)
            print_error("%s: %ld, %ld steps\n", cases[i].expression, (long)few, (long)many);
        assert_true(many <= 5 * few && many <= most);
    }
}

/* What case makes equal to several characters is left to Oniguruma in one piece; letters that it doesn't know to have a
 * case are known here. */
static void cases_of_letters(void **unused) {
    (void)unused;
    static const struct {
        const char *expression, *text, *matches;
    } cases[] = {
        {"(?i)stra\xC3\x9F"
         "e",
         "STRASSE stra\xC3\x9F"
         "e",
         "0-7 8-15 "},
        {"(?i)ss", "\xC3\x9F", "0-2 "},
        {"(?i)[\xC3\x9F-\xC3\xA0]+!", "sS\xC3\xA0ss!", "0-7 "},
        {"(?i)[\\p{Lu}_]", "\xC9\xA4", "0-2 "}, /* U+0264: its capital, U+A7CB, is of Unicode 16 */
        {"(?i)[^\\p{Lu}_]", "\xC9\xA4 ", "2-3 "},
        {"(?i)\\p{Lu}", "\xC9\xA4", ""}, /* no brackets, no effect */
        {"(?i)\xEA\x9F\x8B", "\xC9\xA4\xEA\x9F\x8B", "0-2 2-5 "},
        {"(?i:'s|'t)|x", "'S'\xC5\xBF x", "0-2 2-5 6-7 "},
        {"a(?i)b|c", "aBaCac", "0-2 2-4 4-6 "},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct hone_pattern pattern;
        struct hone_text got = {0};
        TEST_OK(read_pattern(&pattern, cases[i].expression));
        find(&got, &pattern, cases[i].text, strlen(cases[i].text));
        hone_text_append(&got, "", 1);
        assert_string_equal(got.bytes, cases[i].matches);
        hone_pattern_free(&pattern);
        hone_text_free(&got);
    }
}

static void refusals(void **unused) {
    (void)unused;
    static const char *const cases[][2] = {
        {"(a)\\1", "back references"},
        {"(?<x>a)\\k<x>", "references to groups"},
        {"(?>a+)b", "atomic"},
        {"(?~ab)", "absent"},
        {"\\Ra", "\\R"},
        {"a\\Kb", "\\K"},
        {"(?x) a", "options other"},
        {"(?=a+)b", "inside look-around"},
        {"(?<!a{1,2000})b", "look-around"},
        {"(ab)++c", "possessive"},
        {"(a?)*b", "may be empty"},
        {"(?:a+?)*", "lazy"},
        {"(a{90}){90}", "too large"},
        {"(?i)ss+", "equal to several"},
        {"(?i)[\xC3\x9F]", "one character"},
        {"a{3}?", "{n}?"},
        {"(a", "end pattern with unmatched parenthesis"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct hone_pattern pattern;
        test_expect_status(read_pattern(&pattern, cases[i][0]), HONE_BAD_INPUT, cases[i][1]);
        hone_pattern_free(&pattern);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(as_oniguruma), cmocka_unit_test(linear_steps),
                                       cmocka_unit_test(cases_of_letters), cmocka_unit_test(refusals)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
