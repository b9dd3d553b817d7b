/* Tokenizers, from the files of a Hub folder: text to ids with character offsets and word ids, and back. One interface
 * for all kinds. What comes out equals the reference library `tokenizers`, offsets included; a part of tokenizer.json
 * that isn't supported is an error naming it. A tokenizer is constant once open and may be used by several threads,
 * each with its own struct hone_encoding. */
#ifndef HONE_DATA_TOKENIZER_H
#define HONE_DATA_TOKENIZER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

struct hone_tokenizer;

/* One encoded input. Grows as needed and is reused: start with {0}, free with hone_encoding_free. */
struct hone_encoding {
    size_t n, capacity;
    int32_t *ids;
    int32_t *type_ids;
    int32_t *starts, *ends; /* offsets in characters (code points) of the text the token is from; [0,0] for specials */
    int32_t *word_ids;      /* index of the word (or pre-split word) in its sequence; -1 for specials */
    int8_t *sequence_ids;   /* 0 first text, 1 second, -1 specials */
    bool *special;          /* added by the post-processor */
    size_t untruncated;     /* tokens that there were before truncation, specials included */
    struct hone_encoding_work *work; /* of the tokenizer, so that nothing is allocated a second time */
};
void hone_encoding_free(struct hone_encoding *encoding);

/* Text of token i as the reference's `tokens` has it: mostly that of its id, but an added token's is what matched (with
 * the spaces that lstrip and rstrip took, normalised where it is). Borrowed until the next encoding; *n its bytes. */
const char *hone_encoding_token(const struct hone_encoding *encoding, const struct hone_tokenizer *tokenizer, size_t i,
                                size_t *n);

/* Opens tokenizer.json in `folder`, else vocab.txt with tokenizer_config.json (and special_tokens_map.json). Faults are
 * HONE_BAD_INPUT naming file and part ("tokenizer.json: normalizer: type \"Precompiled\" isn't supported").
 * truncation and padding of tokenizer.json are never applied. */
enum hone_status hone_tokenizer_open(struct hone_tokenizer **out, const char *folder);
void hone_tokenizer_free(struct hone_tokenizer *tokenizer);

/* Text must be valid UTF-8 (callers check, so that they can name file and line) of less than 2^31 bytes (else
 * HONE_BAD_INPUT). `pair` may be NULL. max_length 0: no truncation; else longest_first, counting specials; one with no
 * room for the specials is HONE_USAGE. `add_special` has the post-processor add its special tokens. */
enum hone_status hone_tokenizer_encode(struct hone_encoding *out, const struct hone_tokenizer *tokenizer,
                                       const char *text, size_t n, const char *pair, size_t pair_n, size_t max_length,
                                       bool add_special);
/* Words given beforehand: word_ids are their indices, offsets count within each word. */
enum hone_status hone_tokenizer_encode_words(struct hone_encoding *out, const struct hone_tokenizer *tokenizer,
                                             const char *const *words, const size_t *lengths, size_t n_words,
                                             size_t max_length, bool add_special);
/* Owned text; ids that don't exist are left out. `skip_special`: without added tokens that are special. */
char *hone_tokenizer_decode(const struct hone_tokenizer *tokenizer, const int32_t *ids, size_t n, bool skip_special);

/* Entries, added tokens included: ids are below it. Text of an id (borrowed), NULL for a gap; id of a text or -1. */
int32_t hone_tokenizer_size(const struct hone_tokenizer *tokenizer);
const char *hone_tokenizer_token(const struct hone_tokenizer *tokenizer, int32_t id);
int32_t hone_tokenizer_id(const struct hone_tokenizer *tokenizer, const char *token);
/* Whether it is an added token that is special: no text of its own, as [MASK]. */
bool hone_tokenizer_special(const struct hone_tokenizer *tokenizer, int32_t id);
/* model_max_length of tokenizer_config.json, 0 when absent or absurd (1e30). */
int64_t hone_tokenizer_max_length(const struct hone_tokenizer *tokenizer);

#endif
