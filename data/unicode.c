#include "data/unicode.h"

#include <stddef.h>
#include <utf8proc.h>

#include "base/memory.h"
#include "base/status.h"
#include "data/unicode_tables.h"

#define LENGTH(array) (sizeof(array) / sizeof *(array))

static void mark(uint8_t *flags, enum hone_code_flag flag, const struct hone_code_range *ranges, size_t n) {
    for (size_t i = 0; i < n; i++)
        for (int32_t code = ranges[i].first; code <= ranges[i].last; code++) flags[code] |= (uint8_t)flag;
}

uint8_t *hone_unicode_flags(void) {
    uint8_t *flags = hone_calloc(HONE_CODES, 1, "properties of code points");
    mark(flags, HONE_CODE_CONTROL, control_ranges, LENGTH(control_ranges));
    mark(flags, HONE_CODE_WHITE, white_ranges, LENGTH(white_ranges));
    mark(flags, HONE_CODE_MARK, mark_ranges, LENGTH(mark_ranges));
    mark(flags, HONE_CODE_PUNCTUATION, punctuation_ranges, LENGTH(punctuation_ranges));
    mark(flags, HONE_CODE_CANONICAL, canonical_ranges, LENGTH(canonical_ranges));
    mark(flags, HONE_CODE_WORD, word_ranges, LENGTH(word_ranges));
    mark(flags, HONE_CODE_IDEOGRAPH, ideograph_ranges, LENGTH(ideograph_ranges));
    for (size_t i = 0; i < LENGTH(lower_runs); i++)
        for (int32_t code = lower_runs[i].first; code <= lower_runs[i].last; code += lower_runs[i].step)
            flags[code] |= HONE_CODE_UPPER;
    flags[0x130] |= HONE_CODE_UPPER;
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

int hone_unicode_decompose(int32_t out[4], int32_t code) {
    int boundary = 0;
    utf8proc_ssize_t n = utf8proc_decompose_char(code, out, 4, UTF8PROC_DECOMPOSE, &boundary);
    HONE_CHECK(n >= 1 && n <= 4, "U+%04X has a decomposition of %ld", (unsigned)code, (long)n);
    return (int)n;
}

int hone_unicode_combining_class(int32_t code) { return utf8proc_get_property(code)->combining_class; }
