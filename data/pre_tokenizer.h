/* Pre-tokenizers of tokenizer.json: a list of steps that cut text into words, or change it on the way. */
#ifndef HONE_DATA_PRE_TOKENIZER_H
#define HONE_DATA_PRE_TOKENIZER_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "data/normalized.h"
#include "data/pattern.h"

enum hone_pre_tokenizer_kind {
    HONE_PRE_TOKENIZER_BERT,
    HONE_PRE_TOKENIZER_BYTE_LEVEL,
    HONE_PRE_TOKENIZER_DELIMITER,
    HONE_PRE_TOKENIZER_DIGITS,
    HONE_PRE_TOKENIZER_METASPACE,
    HONE_PRE_TOKENIZER_PUNCTUATION,
    HONE_PRE_TOKENIZER_SCRIPTS,
    HONE_PRE_TOKENIZER_SPLIT,
    HONE_PRE_TOKENIZER_WHITESPACE,
    HONE_PRE_TOKENIZER_WHITESPACE_SPLIT,
};
/* What becomes of the matches. */
enum hone_split_behavior {
    HONE_SPLIT_REMOVED,
    HONE_SPLIT_ISOLATED,
    HONE_SPLIT_MERGED_WITH_PREVIOUS,
    HONE_SPLIT_MERGED_WITH_NEXT,
    HONE_SPLIT_CONTIGUOUS,
};
enum hone_prepend_scheme { HONE_PREPEND_ALWAYS, HONE_PREPEND_NEVER, HONE_PREPEND_FIRST };

struct hone_pre_tokenizer_step {
    enum hone_pre_tokenizer_kind kind;
    enum hone_split_behavior behavior; /* Split, Punctuation, Digits */
    struct hone_pattern pattern;       /* Split */
    bool invert;
    bool add_prefix_space, use_regex; /* ByteLevel */
    int32_t code;                     /* Metaspace's replacement, CharDelimiterSplit's delimiter */
    enum hone_prepend_scheme scheme;  /* Metaspace */
    bool split;
};
struct hone_pre_tokenizer {
    struct hone_pre_tokenizer_step *at;
    size_t n, capacity;
};
/* Appends the steps that a pre-tokenizer of tokenizer.json stands for (null: none). */
enum hone_status hone_pre_tokenizer_read(struct hone_pre_tokenizer *to, const json_t *part, const char *where);
void hone_pre_tokenizer_free(struct hone_pre_tokenizer *pre_tokenizer);

struct hone_word {
    size_t begin, end; /* bytes of the text */
    int32_t origin;    /* character of the given text at which the reference sees it begin */
};
struct hone_words {
    struct hone_word *at;
    size_t n, capacity;
};
struct hone_match {
    size_t begin, end;
    bool is_match;
};
/* The text that is being cut, and memory for it. `text` and `other` change places when a step rewrites. */
struct hone_pre_tokenizing {
    struct hone_normalized text, other;
    struct hone_words words, next;
    struct hone_match *matches;
    size_t matches_n, matches_capacity;
};
void hone_pre_tokenizing_free(struct hone_pre_tokenizing *work);
/* Cuts work->text; work->words are non-empty parts of what work->text becomes. */
void hone_pre_tokenize(struct hone_pre_tokenizing *work, const struct hone_pre_tokenizer *pre_tokenizer);

#endif
