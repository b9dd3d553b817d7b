/* What a struct hone_encoding keeps between texts: all memory that encoding needs, so that a thread allocates only when
 * a text is longer than those before. */
#ifndef HONE_DATA_ENCODING_H
#define HONE_DATA_ENCODING_H

#include "data/tokenizer_parts.h"

struct hone_encoding_work {
    struct hone_tokens tokens[2]; /* of the two sequences */
    /* Further tokens of each. The reference stops after the word that reaches max_length, which decides which of two
     * long sequences counts as the longer one. */
    size_t beyond[2];
    struct hone_normalized normalized;
    struct hone_pieces raw, inner;
    char *word;
    size_t word_capacity;
    struct hone_text matched; /* texts of added tokens that differ from their ids' texts, 0-terminated */
    int64_t *surfaces;        /* of token i, as in struct hone_token; -2 - k: of piece k of the template */
    const struct hone_template *template;
};

#endif
