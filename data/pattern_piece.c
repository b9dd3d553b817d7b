/* Pieces of an expression, each compiled by Oniguruma by itself. What a piece of one character takes is kept for 256 code
 * points at a time, made when one of them is met first, by any thread. */
#include <oniguruma.h>
#include <pthread.h>
#include <string.h>

#include "base/memory.h"
#include "base/utf8.h"
#include "data/pattern_parts.h"

#define PAGE         256 /* code points */
#define LETTERS      3   /* at most, that one is equal to */
#define MOST_SEVERAL 256

/* Sequences that are equal to one character, regardless of case. */
static struct several {
    int32_t codes[LETTERS], equal;
    int n;
} several[MOST_SEVERAL];
static size_t several_n;

static int add_several(OnigCodePoint from, OnigCodePoint *to, int n, void *unused) {
    (void)unused;
    if (n < 2) return 0;
    HONE_CHECK(n <= LETTERS && several_n < MOST_SEVERAL, "Oniguruma has more sequences than expected");
    struct several *last = &several[several_n++];
    last->n = n;
    last->equal = (int32_t)from;
    for (int i = 0; i < n; i++) last->codes[i] = (int32_t)to[i];
    return 0;
}

/* Oniguruma writes to a table of its own at first use. */
static void start_oniguruma(void) {
    OnigEncoding encodings[] = {ONIG_ENCODING_UTF8};
    HONE_CHECK(onig_initialize(encodings, 1) == ONIG_NORMAL, "Oniguruma doesn't start");
    ONIGENC_APPLY_ALL_CASE_FOLD(ONIG_ENCODING_UTF8, ONIGENC_CASE_FOLD_DEFAULT, add_several, NULL);
}

const char *hone_pattern_refusal(const char *expression) {
    static _Thread_local UChar message[ONIG_MAX_ERROR_MESSAGE_LEN];
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, start_oniguruma);
    regex_t *regex;
    OnigErrorInfo info;
    const UChar *text = (const UChar *)expression;
    int code = onig_new(&regex, text, text + strlen(expression), ONIG_OPTION_NONE, ONIG_ENCODING_UTF8, ONIG_SYNTAX_RUBY,
                        &info);
    if (code == ONIG_NORMAL) {
        onig_free(regex);
        return NULL;
    }
    onig_error_code_to_str(message, code, &info);
    return (const char *)message;
}

static regex_t *compile(const char *expression) {
    regex_t *regex;
    char *meant = hone_pattern_mend_classes(expression);
    const UChar *text = (const UChar *)meant;
    int code =
        onig_new(&regex, text, text + strlen(meant), ONIG_OPTION_NONE, ONIG_ENCODING_UTF8, ONIG_SYNTAX_RUBY, NULL);
    hone_free(meant);
    return code == ONIG_NORMAL ? regex : NULL;
}

static int64_t match(regex_t *regex, const char *text, size_t n, size_t at) {
    const UChar *begin = (const UChar *)text;
    int length = onig_match(regex, begin, begin + n, begin + at, NULL, ONIG_OPTION_NONE);
    HONE_CHECK(length >= ONIG_MISMATCH, "Oniguruma fails on a piece of an expression: %d", length);
    return length;
}

/* Without the letters whose other case Debian's Oniguruma doesn't know. */
static bool takes_itself(const struct hone_pattern_piece *piece, int32_t code) {
    char text[4];
    int n = hone_utf8_encode(text, code);
    return match(piece->regex, text, (size_t)n, 0) == n;
}

static bool takes(const struct hone_pattern_piece *piece, int32_t code) {
    bool itself = takes_itself(piece, code);
    int32_t other = piece->folds ? hone_pattern_newer_case(code) : -1;
    if (other < 0) return itself;
    return piece->negated ? itself && takes_itself(piece, other) : itself || takes_itself(piece, other);
}

char *hone_pattern_piece_text(const char *text, size_t n, struct hone_pattern_options options) {
    static const char *const begins[2][2] = {{"(?-im:", "(?m-i:"}, {"(?i-m:", "(?im:"}};
    return hone_format("%s%.*s)", begins[options.folds][options.dot_takes_line_ends], (int)n, text);
}

struct hone_pattern_piece *hone_pattern_piece_create(char *text, bool folds) {
    regex_t *regex = compile(text);
    if (!regex) {
        hone_free(text);
        return NULL;
    }
    struct hone_pattern_piece *piece = hone_calloc(1, sizeof *piece, "an expression");
    piece->text = text;
    piece->regex = regex;
    /* (?i) has no effect on a property outside of brackets. */
    const char *bare = strchr(text, ':') + 1;
    piece->folds = folds && strncmp(bare, "\\p", 2) != 0 && strncmp(bare, "\\P", 2) != 0;
    piece->negated = strncmp(bare, "[^", 2) == 0;
    for (int32_t code = 0; code < 128; code++)
        if (takes(piece, code)) piece->ascii[code >> 6] |= UINT64_C(1) << (code & 63);
    return piece;
}

void hone_pattern_piece_free(struct hone_pattern_piece *piece) {
    if (!piece) return;
    onig_free(piece->regex);
    for (size_t i = 0; i < sizeof piece->pages / sizeof *piece->pages; i++) hone_free(piece->pages[i]);
    hone_free(piece->text);
    hone_free(piece);
}

int64_t hone_pattern_piece_match(const struct hone_pattern_piece *piece, const char *text, size_t n, size_t at) {
    return match(piece->regex, text, n, at);
}

bool hone_pattern_page_has(struct hone_pattern_piece *piece, int32_t code) {
    uint64_t *_Atomic *place = &piece->pages[code / PAGE];
    uint64_t *page = atomic_load_explicit(place, memory_order_acquire);
    if (!page) {
        uint64_t *made = hone_calloc(PAGE / 64, sizeof *made, "a class of characters");
        for (int32_t i = 0, first = code / PAGE * PAGE; i < PAGE; i++)
            if (takes(piece, first + i)) made[i / 64] |= UINT64_C(1) << i % 64;
        if (atomic_compare_exchange_strong(place, &page, made))
            page = made;
        else
            hone_free(made); /* another thread was faster; its page is in `page` now */
    }
    return page[code % PAGE / 64] >> code % 64 & 1;
}

bool hone_pattern_piece_takes_several(const struct hone_pattern_piece *piece) {
    for (size_t i = 0; i < several_n; i++)
        if (piece->folds && !piece->negated && takes(piece, several[i].equal)) return true;
    return false;
}

char *hone_pattern_piece_several(const struct hone_pattern_piece *piece, int letters) {
    struct hone_text out = {0};
    for (size_t i = 0; i < several_n; i++) {
        if (several[i].n != letters || !takes(piece, several[i].equal)) continue;
        hone_text_append(&out, "|", out.length > 0);
        for (int k = 0; k < letters; k++) {
            char text[4];
            hone_text_append(&out, text, (size_t)hone_utf8_encode(text, several[i].codes[k]));
        }
    }
    return out.bytes;
}

bool hone_pattern_pieces_may_join(const struct hone_pattern_piece *left, const struct hone_pattern_piece *right) {
    for (size_t i = 0; i < several_n; i++)
        for (int k = 0; k + 1 < several[i].n; k++)
            if (takes(left, several[i].codes[k]) && takes(right, several[i].codes[k + 1])) return true;
    return false;
}
