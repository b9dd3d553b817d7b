/* What Split and Replace look for: a string, or a regular expression in the reference's dialect, Oniguruma's. */
#ifndef HONE_DATA_PATTERN_H
#define HONE_DATA_PATTERN_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

struct hone_pattern {
    char *text; /* the string, or the expression */
    size_t n;
    void *regex; /* Oniguruma's, NULL for a string */
    bool gpt2;   /* the expression is GPT-2's, which has an automaton of its own */
};
#define HONE_GPT2_PATTERN "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+"

/* {"String": …} or {"Regex": …}. An expression that Oniguruma refuses, or whose time can't be bounded (nested
 * repetition, repetition inside look-around or atomic groups, back references), is HONE_BAD_INPUT naming `where`. */
enum hone_status hone_pattern_read(struct hone_pattern *out, const json_t *part, const char *where);
void hone_pattern_free(struct hone_pattern *pattern);
/* An expression with classes of characters as the reference has them, owned. */
char *hone_pattern_mend_classes(const char *pattern);

/* Walks over the matches in a text: leftmost, none overlaps another. The steps that an expression may take are linear
 * in the text. */
struct hone_matches {
    const struct hone_pattern *pattern;
    const char *text;
    size_t n, at;
    size_t last_end; /* of the latest match; SIZE_MAX: none yet */
    int64_t budget;
    size_t begin, end; /* of the match, bytes */
};
struct hone_matches hone_matches_in(const struct hone_pattern *pattern, const char *text, size_t n);
/* *found: there is one. HONE_BAD_INPUT when the expression takes too many steps. */
enum hone_status hone_matches_next(struct hone_matches *matches, bool *found);

#endif
