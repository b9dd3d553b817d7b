/* What an expression becomes, for data/pattern*.c alone: a program that is run over a text. Which characters a class takes,
 * and what \b and the like mean, is asked of Oniguruma piece by piece, so that no table of Unicode stands here a second
 * time. */
#ifndef HONE_DATA_PATTERN_PARTS_H
#define HONE_DATA_PATTERN_PARTS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "data/pattern.h"

/* A piece of an expression that Oniguruma knows: one character or class, or something without a repetition in it. */
struct hone_pattern_piece {
    char *text; /* as it stands in the expression, inside its options */
    void *regex;
    bool folds;                      /* upper and lower case are one */
    bool negated;                    /* [^…] */
    uint64_t ascii[2];               /* a bit for each code point below 128 */
    uint64_t *_Atomic pages[0x1100]; /* the same for each 256, made when one of them is met */
};
struct hone_pattern_options {
    bool folds, dot_takes_line_ends;
};
/* What Oniguruma says against an expression, NULL: nothing. Valid until the thread asks again. */
const char *hone_pattern_refusal(const char *expression);
/* text[n] inside its options, owned. */
char *hone_pattern_piece_text(const char *text, size_t n, struct hone_pattern_options options);
/* Takes over what that gave; NULL where Oniguruma refuses it. */
struct hone_pattern_piece *hone_pattern_piece_create(char *text, bool folds);
void hone_pattern_piece_free(struct hone_pattern_piece *piece);
/* Bytes that a piece takes of text[n] at a place, -1 where it doesn't match. */
int64_t hone_pattern_piece_match(const struct hone_pattern_piece *piece, const char *text, size_t n, size_t at);
bool hone_pattern_page_has(struct hone_pattern_piece *piece, int32_t code);
/* Whether a piece of one character takes `code`. */
static inline bool hone_pattern_piece_has(struct hone_pattern_piece *piece, int32_t code) {
    if (code < 128) return piece->ascii[code >> 6] >> (code & 63) & 1;
    return hone_pattern_page_has(piece, code);
}
/* Regardless of case some characters are equal to two or three (ß and ss). Whether a piece takes one of them, and so may
 * take several; an expression for those several of `letters`, owned, NULL: none; whether what `left` and then `right` take
 * may be part of several. */
bool hone_pattern_piece_takes_several(const struct hone_pattern_piece *piece);
char *hone_pattern_piece_several(const struct hone_pattern_piece *piece, int letters);
bool hone_pattern_pieces_may_join(const struct hone_pattern_piece *left, const struct hone_pattern_piece *right);

enum hone_pattern_kind {
    HONE_PATTERN_CHARACTER, /* one that `piece` takes */
    HONE_PATTERN_TEXT,      /* what `piece` takes: one length at any place */
    HONE_PATTERN_ASSERT,    /* `piece` holds here, and takes nothing */
    HONE_PATTERN_AHEAD,     /* the next character is one that `piece` takes */
    HONE_PATTERN_NOT_AHEAD, /* there is none, or it isn't */
    HONE_PATTERN_MANY,      /* any number of characters that `piece` takes, as many as lead to a match */
    HONE_PATTERN_ALL,       /* as many as there are, `most` at most (-1: no end), and no fewer */
    HONE_PATTERN_SPLIT,     /* go on here, or else at `to`; the other way round if `lazy` */
    HONE_PATTERN_JUMP,      /* to `to` */
    HONE_PATTERN_FOUND,
};
struct hone_pattern_step {
    enum hone_pattern_kind kind;
    bool lazy;
    int32_t piece, to, most;
    int32_t mark; /* number of the bit that says whether a place was tried from here; -1: none is needed */
};
struct hone_pattern_program {
    struct hone_pattern_step *steps;
    struct hone_pattern_piece **pieces;
    size_t steps_n, steps_capacity, pieces_n, pieces_capacity;
    int32_t marks;
};
/* Reads an expression that Oniguruma accepts. Returns why it isn't supported, or NULL. */
const char *hone_pattern_program_read(struct hone_pattern_program *out, const char *expression);
void hone_pattern_program_free(struct hone_pattern_program *program);

/* An expression with classes of characters as the reference has them, owned. */
char *hone_pattern_mend_classes(const char *pattern);
/* The other case of a letter that Debian's Oniguruma doesn't know to have one; -1: not such a letter. */
int32_t hone_pattern_newer_case(int32_t code);

/* The leftmost match that begins at or behind `at`; of those that begin there, the one that backtracking comes to first. */
bool hone_pattern_search(struct hone_matches *matches);

#endif
