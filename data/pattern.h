/* What Split and Replace look for: a string, or a regular expression in the reference's dialect, Oniguruma's for Ruby.
 * Expressions take time in proportion to the text, whatever they are: of all ways through an expression, those are left out
 * that have been found to lead nowhere from the same place (Davis et al. 2021, "Using Selective Memoization to Defeat
 * Regular Expression Denial of Service"). What remains is what backtracking finds. */
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
    struct hone_pattern_program *program; /* NULL for a string */
    bool gpt2;                            /* the expression is GPT-2's, which has an automaton of its own */
};
#define HONE_GPT2_PATTERN "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+"

/* {"String": …} or {"Regex": …}. An expression that Oniguruma refuses, or that can't be run in linear time (back
 * references, repetition without end inside look-around, atomic groups, of what may be empty), is HONE_BAD_INPUT naming
 * `where`. */
enum hone_status hone_pattern_read(struct hone_pattern *out, const json_t *part, const char *where);
void hone_pattern_free(struct hone_pattern *pattern);

/* Walks over the matches in valid UTF-8: leftmost, none overlaps another. */
struct hone_matches {
    const struct hone_pattern *pattern;
    const char *text;
    size_t n, at;
    size_t last_end;   /* of the latest match; SIZE_MAX: none yet */
    size_t begin, end; /* of the match, bytes */
    int64_t work;      /* steps taken so far */
    uint64_t *marks;   /* of each place, those steps of the program that were tried from it */
    struct hone_way {
        int32_t step;
        size_t from, at; /* to be tried from `at`, then from each character back to `from` */
    } * ways;            /* not tried yet */
    size_t ways_n, ways_capacity;
};
struct hone_matches hone_matches_in(const struct hone_pattern *pattern, const char *text, size_t n);
/* Whether there is one more. When there is none, what the walk took is freed. */
bool hone_matches_next(struct hone_matches *matches);

#endif
