#include "data/unicode.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <utf8proc.h>

#include "base/status.h"
#include "data/unicode_tables.h"

#define LENGTH(array) (sizeof(array) / sizeof *(array))
#define RANGES(of)    of##_ranges, LENGTH(of##_ranges)
/* So many blocks whose code points all have the same flags are remembered; a further one would only be there twice. */
#define MOST_WHOLE 32

static const struct kind {
    enum hone_code_flag flag;
    const struct hone_code_range *ranges;
    size_t n;
} kinds[] = {
    {HONE_CODE_CONTROL, RANGES(control)},     {HONE_CODE_WHITE, RANGES(white)},
    {HONE_CODE_MARK, RANGES(mark)},           {HONE_CODE_PUNCTUATION, RANGES(punctuation)},
    {HONE_CODE_CANONICAL, RANGES(canonical)}, {HONE_CODE_WORD, RANGES(word)},
    {HONE_CODE_IDEOGRAPH, RANGES(ideograph)}, {HONE_CODE_LETTER, RANGES(letter)},
    {HONE_CODE_NUMBER, RANGES(number)},       {HONE_CODE_SPACE, RANGES(space)},
    {HONE_CODE_NUMERIC, RANGES(numeric)},     {HONE_CODE_COMPATIBLE, RANGES(compatible)},
    {HONE_CODE_COMPOSING, RANGES(composing)}, {HONE_CODE_ACCENT, RANGES(accent)},
    {HONE_CODE_JOINING, RANGES(joining)},
};

static struct hone_unicode_flags flags;

/* Where the ranges of every kind, and the runs with lowercase forms, go on behind what was done. */
struct done {
    size_t ranges[LENGTH(kinds)], runs;
};

/* Flags every step-th code point from `begin` to `end` that lies in the block from `first` on; false: those are all. */
static bool mark(uint16_t *block, int32_t first, int32_t begin, int32_t end, int32_t step, enum hone_code_flag flag) {
    int32_t last = first + HONE_CODE_BLOCK - 1;
    if (step == 1 && begin <= first && end >= last) {
        for (size_t i = 0; i < HONE_CODE_BLOCK; i++) block[i] |= (uint16_t)flag;
        return false;
    }
    if (begin < first) begin = first + (step - (first - begin) % step) % step;
    if (end > last) end = last;
    for (int32_t code = begin; code <= end; code += step) block[code - first] |= (uint16_t)flag;
    return true;
}

/* Makes the flags of the block from `first` on; false where all are the same. */
static bool make_block(uint16_t *block, int32_t first, struct done *done) {
    int32_t behind = first + HONE_CODE_BLOCK;
    bool mixed = false;
    for (size_t k = 0; k < LENGTH(kinds); k++) {
        const struct kind *kind = &kinds[k];
        for (size_t *i = &done->ranges[k]; *i < kind->n && kind->ranges[*i].first < behind; ++*i) {
            mixed |= mark(block, first, kind->ranges[*i].first, kind->ranges[*i].last, 1, kind->flag);
            if (kind->ranges[*i].last >= behind) break;
        }
    }
    for (size_t *i = &done->runs; *i < LENGTH(lower_runs) && lower_runs[*i].first < behind; ++*i) {
        const struct hone_lower_run *run = &lower_runs[*i];
        mixed |= mark(block, first, run->first, run->last, run->step, HONE_CODE_UPPER);
        if (run->last >= behind) break;
    }
    return mixed;
}

static void make_flags(void) {
    struct done done = {0};
    size_t n = 0, whole_n = 0, whole[MOST_WHOLE] = {0};
    for (size_t b = 0; b < LENGTH(flags.blocks); b++) {
        HONE_CHECK(n < HONE_CODE_BLOCKS, "Unicode has more than %zu different blocks", n);
        uint16_t *block = flags.at[n];
        bool mixed = make_block(block, (int32_t)(b * HONE_CODE_BLOCK), &done);
        size_t same = 0;
        while (!mixed && same < whole_n && flags.at[whole[same]][0] != *block) same++;
        if (!mixed && same < whole_n) {
            flags.blocks[b] = (uint16_t)whole[same];
            if (*block) memset(block, 0, sizeof flags.at[n]);
            continue;
        }
        if (!mixed && whole_n < MOST_WHOLE) whole[whole_n++] = n;
        flags.blocks[b] = (uint16_t)n++;
    }
    flags.at[flags.blocks[0x130 / HONE_CODE_BLOCK]][0x130 % HONE_CODE_BLOCK] |= HONE_CODE_UPPER;
}

const struct hone_unicode_flags *hone_unicode_flags(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, make_flags);
    return &flags;
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
    if (!(hone_code_flags(hone_unicode_flags(), b) & HONE_CODE_COMPOSING)) return -1;
    utf8proc_int32_t pair[2] = {a, b};
    utf8proc_ssize_t n = utf8proc_normalize_utf32(pair, 2, UTF8PROC_COMPOSE | UTF8PROC_STABLE);
    return n == 1 && (hone_code_flags(&flags, pair[0]) & HONE_CODE_CANONICAL) ? pair[0] : -1;
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
