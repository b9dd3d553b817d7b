/* What a struct hone_encoding keeps between texts: all memory that encoding needs, so that a thread allocates only when
 * a text is longer than those before. */
#ifndef HONE_DATA_ENCODING_H
#define HONE_DATA_ENCODING_H

#include "data/tokenizer_parts.h"
#include "data/word_cache.h"

/* Tokens [begin, end) of each sequence; whether they aren't the first ones of it. */
struct hone_window {
    size_t begin[2], end[2];
    bool further[2];
};
struct hone_encoding_work {
    struct hone_tokens tokens[2]; /* of the two sequences */
    /* How many of each the reference knows of: it stops after the word that reaches max_length, which decides which of
     * two long sequences counts as the longer one. */
    size_t known[2];
    struct hone_normalizing normalizing;
    struct hone_pre_tokenizing words;
    struct hone_pieces raw, inner;
    struct hone_model_work model;
    struct hone_word_cache stretches, given; /* of texts; whole words that were given */
    struct hone_text word;
    struct hone_text matched; /* surfaces */
    int64_t *surfaces;        /* of token i, as in struct hone_token; -2 - k: of piece k of the template */
    const struct hone_template *template;
    bool add_special;
    struct hone_window *windows;
    size_t windows_n, windows_capacity;
};

#endif
