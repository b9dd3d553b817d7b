#include "data/unicode.h"

#include <pthread.h>
#include <stddef.h>
#include <utf8proc.h>

#include "base/status.h"
#include "data/unicode_tables.h"

#define LENGTH(array) (sizeof(array) / sizeof *(array))

static uint16_t flags[HONE_CODES];

static void mark(enum hone_code_flag flag, const struct hone_code_range *ranges, size_t n) {
    for (size_t i = 0; i < n; i++)
        for (int32_t code = ranges[i].first; code <= ranges[i].last; code++) flags[code] |= (uint16_t)flag;
}

static void make_flags(void) {
    mark(HONE_CODE_CONTROL, control_ranges, LENGTH(control_ranges));
    mark(HONE_CODE_WHITE, white_ranges, LENGTH(white_ranges));
    mark(HONE_CODE_MARK, mark_ranges, LENGTH(mark_ranges));
    mark(HONE_CODE_PUNCTUATION, punctuation_ranges, LENGTH(punctuation_ranges));
    mark(HONE_CODE_CANONICAL, canonical_ranges, LENGTH(canonical_ranges));
    mark(HONE_CODE_WORD, word_ranges, LENGTH(word_ranges));
    mark(HONE_CODE_IDEOGRAPH, ideograph_ranges, LENGTH(ideograph_ranges));
    mark(HONE_CODE_LETTER, letter_ranges, LENGTH(letter_ranges));
    mark(HONE_CODE_NUMBER, number_ranges, LENGTH(number_ranges));
    mark(HONE_CODE_SPACE, space_ranges, LENGTH(space_ranges));
    mark(HONE_CODE_NUMERIC, numeric_ranges, LENGTH(numeric_ranges));
    mark(HONE_CODE_COMPATIBLE, compatible_ranges, LENGTH(compatible_ranges));
    mark(HONE_CODE_COMPOSING, composing_ranges, LENGTH(composing_ranges));
    mark(HONE_CODE_ACCENT, accent_ranges, LENGTH(accent_ranges));
    mark(HONE_CODE_JOINING, joining_ranges, LENGTH(joining_ranges));
    for (size_t i = 0; i < LENGTH(lower_runs); i++)
        for (int32_t code = lower_runs[i].first; code <= lower_runs[i].last; code += lower_runs[i].step)
            flags[code] |= HONE_CODE_UPPER;
    flags[0x130] |= HONE_CODE_UPPER;
}

const uint16_t *hone_unicode_flags(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, make_flags);
    return flags;
}

int hone_unicode_lower(int32_t out[2], int32_t code) {
    if (code == 0x130) { /* I with dot above: the only one that becomes two, i and the dot */
        out[0] = 'i';
        out[1] = 0x307;
        return 2;
    }
    size_t low = 0, high = LENGTH(lower_runs);
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (lower_runs[middle].first <= code)
            low = middle;
        else
            high = middle;
    }
    out[0] = code + lower_runs[low].delta;
    return 1;
}

int hone_unicode_decompose(int32_t out[HONE_DECOMPOSITION], int32_t code, int compatible) {
    int boundary = 0, options = compatible ? UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT : UTF8PROC_DECOMPOSE;
    utf8proc_ssize_t n = utf8proc_decompose_char(code, out, HONE_DECOMPOSITION, (utf8proc_option_t)options, &boundary);
    HONE_CHECK(n >= 1 && n <= HONE_DECOMPOSITION, "U+%04X has a decomposition of %ld", (unsigned)code, (long)n);
    return (int)n;
}

int hone_unicode_combining_class(int32_t code) { return utf8proc_get_property(code)->combining_class; }

int32_t hone_unicode_compose(int32_t a, int32_t b) {
    if (!(hone_unicode_flags()[b] & HONE_CODE_COMPOSING)) return -1;
    utf8proc_int32_t pair[2] = {a, b};
    utf8proc_ssize_t n = utf8proc_normalize_utf32(pair, 2, UTF8PROC_COMPOSE | UTF8PROC_STABLE);
    return n == 1 && (flags[pair[0]] & HONE_CODE_CANONICAL) ? pair[0] : -1;
}

int32_t hone_unicode_script(int32_t code) {
    size_t low = 0, high = LENGTH(script_runs);
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (script_runs[middle].first <= code)
            low = middle;
        else
            high = middle;
    }
    return script_runs[low].last >= code ? script_runs[low].number : 0;
}

enum hone_cluster hone_unicode_cluster(int32_t code) {
    switch (utf8proc_get_property(code)->boundclass) {
    case UTF8PROC_BOUNDCLASS_CR:
    case UTF8PROC_BOUNDCLASS_LF:
    case UTF8PROC_BOUNDCLASS_CONTROL:
        return HONE_CLUSTER_CONTROL;
    case UTF8PROC_BOUNDCLASS_PREPEND:
        return HONE_CLUSTER_PREPEND;
    default:
        return HONE_CLUSTER_OTHER;
    }
}
