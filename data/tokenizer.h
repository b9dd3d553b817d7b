/* Tokenizers, from the files of a Hub folder: text to ids with character offsets and word ids, and back. One interface
 * for all kinds. What comes out equals the reference library `tokenizers`, offsets included; a part of tokenizer.json
 * that isn't supported is an error naming it. A tokenizer is constant once open and may be used by several threads,
 * each with its own struct hone_encoding. */
#ifndef HONE_DATA_TOKENIZER_H
#define HONE_DATA_TOKENIZER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/memory.h"
#include "base/status.h"

struct hone_tokenizer;

/* One encoded input. Grows as needed and is reused, and remembers words for the next one: start with {0}, free with
 * hone_encoding_free. */
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
 * the spaces that lstrip and rstrip took, normalised where it is), and Unigram's unknown one's what it stands for.
 * Borrowed until the next encoding; *n its bytes. */
const char *hone_encoding_token(const struct hone_encoding *encoding, const struct hone_tokenizer *tokenizer, size_t i,
                                size_t *n);

/* Opens what a folder has: tokenizer.json; else vocab.txt (BERT); else spiece.model (ALBERT, XLNet or T5) or vocab.json
 * with merges.txt (RoBERTa or GPT-2), each with tokenizer_config.json, special_tokens_map.json and added_tokens.json.
 * Special tokens that these name, or that the family has, get ids behind the vocabulary's if they lack one. Faults are
 * HONE_BAD_INPUT naming file and part ("tokenizer.json: normalizer: type \"Foo\" isn't supported"). truncation and
 * padding of tokenizer.json are never applied. */
enum hone_status hone_tokenizer_open(struct hone_tokenizer **out, const char *folder);
/* The same for a model with `limit` ids: special tokens that would get one from there on are none. */
enum hone_status hone_tokenizer_open_within(struct hone_tokenizer **out, const char *folder, int64_t limit);
void hone_tokenizer_free(struct hone_tokenizer *tokenizer);

/* Which sequence gives way when there are too many tokens. */
enum hone_truncation { HONE_LONGEST_FIRST, HONE_ONLY_FIRST, HONE_ONLY_SECOND };
struct hone_encode_options {
    bool add_special;  /* the post-processor adds its special tokens */
    size_t max_length; /* tokens, specials included; 0: no truncation */
    enum hone_truncation truncation;
    size_t stride; /* tokens that a window repeats of the one before */
};
/* Text must be valid UTF-8 (callers check, so that they can name file and line) of less than 2^31 bytes (else
 * HONE_BAD_INPUT); so is one that the model can't express. `pair` may be NULL. A max_length with no room for the
 * specials, for a token or for more than the stride, or that the sequence to be cut can't reach, is HONE_USAGE. */
enum hone_status hone_tokenizer_encode(struct hone_encoding *out, const struct hone_tokenizer *tokenizer,
                                       const char *text, size_t n, const char *pair, size_t pair_n,
                                       const struct hone_encode_options *options);
/* Words given beforehand: word_ids are their indices, offsets count within each word. */
struct hone_given_words {
    const char *const *words;
    const size_t *lengths;
    size_t n;
};
/* `pair` may be NULL. */
enum hone_status hone_tokenizer_encode_words(struct hone_encoding *out, const struct hone_tokenizer *tokenizer,
                                             const struct hone_given_words *words, const struct hone_given_words *pair,
                                             const struct hone_encode_options *options);
/* Truncation leaves windows; encoding shows the first. The others follow in the reference's order: further windows of
 * the sequence that the post-processor has first, each with every one of the other, then its first one with further ones
 * of the other. They cover everything (`tokenizers` 0.23 loses the end of long inputs here: its issue 2091). As there, a
 * sequence has the post-processor's type ids in its first window only, in further ones 0 or 1 (0 with the special tokens
 * of RobertaProcessing). `show` fills the arrays with window i. */
size_t hone_encoding_windows(const struct hone_encoding *encoding);
void hone_encoding_show(struct hone_encoding *encoding, const struct hone_tokenizer *tokenizer, size_t i);

struct hone_decode_options {
    bool skip_special; /* without added tokens that are special */
    bool clean_up;     /* no space before punctuation and English contractions, as Transformers' clean-up */
};
/* *out becomes the text, owned, which may hold zeros; ids that don't exist are left out. */
void hone_tokenizer_decode(struct hone_text *out, const struct hone_tokenizer *tokenizer, const int32_t *ids, size_t n,
                           const struct hone_decode_options *options);

/* *out becomes the text, owned, that n tokens' texts are joined to (Transformers' convert_tokens_to_string). */
void hone_tokenizer_join(struct hone_text *out, const struct hone_tokenizer *tokenizer, const char *const *tokens,
                         size_t n);

/* Decoding ids as they come: what is given out are whole characters, and altogether the text of all ids. Start with
 * {.tokenizer = …, .skip_special = …}. */
struct hone_decode_stream {
    const struct hone_tokenizer *tokenizer;
    bool skip_special;
    int32_t *ids;                    /* those that later ones may still change the text of */
    size_t n, capacity, read, shown; /* shown: bytes of the ids up to `read`, given out */
    struct hone_text text;           /* what `next` lends */
};
/* *text: what this id adds, *length bytes (0 while a character is not yet whole); borrowed until the next call. */
void hone_decode_stream_next(const char **text, size_t *length, struct hone_decode_stream *stream, int32_t id);
/* What is left in the end, broken characters as U+FFFD; then frees. *text is owned. */
void hone_decode_stream_end(struct hone_text *text, struct hone_decode_stream *stream);

/* Entries, added tokens included: ids are below it. Text of an id (borrowed), NULL for a gap; id of a text or -1. */
int32_t hone_tokenizer_size(const struct hone_tokenizer *tokenizer);
const char *hone_tokenizer_token(const struct hone_tokenizer *tokenizer, int32_t id);
int32_t hone_tokenizer_id(const struct hone_tokenizer *tokenizer, const char *token);
/* Whether it is an added token that is special: no text of its own, as [MASK]. */
bool hone_tokenizer_special(const struct hone_tokenizer *tokenizer, int32_t id);
/* The unknown token, as tokenizer_config.json or else the model has it; or -1. */
int32_t hone_tokenizer_unk(const struct hone_tokenizer *tokenizer);
/* Whether tokens inside a word begin with a mark, as WordPiece's "##". */
bool hone_tokenizer_marks_subwords(const struct hone_tokenizer *tokenizer);
/* Whether words given beforehand would be read as if no space stood before them, which in running text is part of their
 * tokens: byte-level BPE without add_prefix_space. */
bool hone_tokenizer_drops_spaces(const struct hone_tokenizer *tokenizer);
/* Sets add_prefix_space where ByteLevel is all of the pre-tokenizer, so that it drops none; else false. Only right after
 * opening. */
bool hone_tokenizer_add_prefix_space(struct hone_tokenizer *tokenizer);
/* model_max_length of tokenizer_config.json, 0 when absent or absurd (1e30). */
int64_t hone_tokenizer_max_length(const struct hone_tokenizer *tokenizer);

#endif
