/* The parts that a tokenizer is put together from, for data/ itself and its tests. A text goes
 *     added tokens that match raw text -> normalizer -> added tokens that match normalised text -> words -> model
 *     -> truncation and special tokens.
 * Kinds of model differ in one small table of functions; the rest of the way is the same for all. */
#ifndef HONE_DATA_TOKENIZER_PARTS_H
#define HONE_DATA_TOKENIZER_PARTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/json.h"
#include "base/memory.h"
#include "base/status.h"
#include "data/normalizer.h"
#include "data/tokenizer.h"
#include "data/trie.h"

/* Tokens of one text before the post-processor. */
struct hone_token {
    int32_t id;
    int32_t begin, end; /* bytes of the word while the model works, then characters of the text */
    int32_t word;
    int64_t surface; /* place of the text that matched, where it isn't the id's own, or -1 */
};
struct hone_tokens {
    struct hone_token *at;
    size_t n, capacity;
};
static inline void hone_tokens_push(struct hone_tokens *tokens, int32_t id, size_t begin, size_t end) {
    tokens->at[tokens->n++] = (struct hone_token){id, (int32_t)begin, (int32_t)end, 0, -1};
}
/* Room for n more. */
void hone_tokens_reserve(struct hone_tokens *tokens, size_t n);

/* Texts of ids. */
struct hone_vocabulary {
    int32_t entries, size; /* tokens; largest id + 1 */
    const char **texts;    /* [size], 0-terminated; NULL in a gap */
    uint32_t *lengths;     /* [size] */
    char *bytes;           /* what texts point into */
    struct hone_trie trie; /* text -> id */
};
/* Collects entries; `finish` makes the vocabulary of them and empties the collection. */
struct hone_vocabulary_entries {
    struct hone_text bytes;
    struct hone_vocabulary_entry {
        size_t begin, n; /* in bytes */
        int32_t id;
    } * at;
    size_t n, capacity;
};
void hone_vocabulary_add(struct hone_vocabulary_entries *entries, const char *text, size_t n, int32_t id);
/* `where` ("…/tokenizer.json: model.vocab") stands in messages. Ids must differ and leave only so many gaps. Of entries
 * with the same text the one with the largest id counts, as in the reference's reading of vocab.txt, or else it is an
 * error. */
enum hone_status hone_vocabulary_finish(struct hone_vocabulary *out, struct hone_vocabulary_entries *entries,
                                        bool last_counts, const char *where);
void hone_vocabulary_entries_free(struct hone_vocabulary_entries *entries);
void hone_vocabulary_free(struct hone_vocabulary *vocabulary);

/* A model: words to tokens. */
struct hone_tokenizer_model {
    /* Appends the tokens of one non-empty normalised word, with byte ranges in it. */
    void (*tokenize)(struct hone_tokens *out, const struct hone_tokenizer_model *model, const char *word, size_t n);
    void (*free)(struct hone_tokenizer_model *model);
};
/* WordPiece (Wu et al. 2016, arXiv 1609.08144, section 4.1, as in BERT: greedy, longest piece first). The vocabulary is
 * borrowed; unk must be in it. */
struct hone_tokenizer_model *hone_wordpiece_create(const struct hone_vocabulary *vocabulary, int32_t unk,
                                                   const char *prefix, int64_t max_input_chars_per_word);

/* A token that is looked for in the text itself. */
struct hone_added_token {
    char *text;
    size_t n;
    int32_t id;
    bool single_word, lstrip, rstrip, normalized, special;
    char *normalized_text; /* of one that is `normalized`: what is looked for, and what decoding gives */
    bool skipped;          /* by decoding without special tokens */
};
struct hone_added_tokens {
    struct hone_added_token *at;
    size_t n, capacity;
    struct hone_trie texts, raw, normalized; /* values are places in `at` */
    bool raw_begins[256], normalized_begins[256];
    int raw_only_begin; /* the one byte with which all of `raw` begin, or -1 */
};
/* A piece of text: an added token, or (-1) what lies between. */
struct hone_piece {
    size_t begin, end;
    int32_t added;
};
struct hone_pieces {
    struct hone_piece *at;
    size_t n, capacity;
};
/* Takes over n tokens, their texts owned, ids set. Two that look for the same: HONE_BAD_INPUT naming `where`. */
enum hone_status hone_added_tokens_finish(struct hone_added_tokens *added,
                                          const struct hone_bert_normalizer *normalizer, const uint8_t *flags,
                                          const char *where);
/* Cuts n bytes of text where added tokens match, those for raw or for normalised text. */
void hone_added_tokens_split(struct hone_pieces *out, const struct hone_added_tokens *added, bool normalized,
                             const uint8_t *flags, const char *text, size_t n);
void hone_added_tokens_free(struct hone_added_tokens *added);

/* What the post-processor lays out: sequences and special tokens, in order. */
struct hone_template_piece {
    int32_t sequence; /* 0, 1, or -1: a special token */
    int32_t id, type_id;
    char *text; /* special token: its text, as the post-processor gives it */
};
struct hone_template {
    struct hone_template_piece *at;
    size_t n, capacity, added; /* added: special tokens among them */
};
void hone_template_add(struct hone_template *to, int32_t sequence, int32_t id, int32_t type_id, const char *text);
void hone_template_free(struct hone_template *of);
struct hone_tokenizer;
/* BERT's: [CLS] A [SEP], [CLS] A [SEP] B [SEP] with type 1 from B on. */
void hone_template_bert(struct hone_tokenizer *tokenizer, const char *cls, int32_t cls_id, const char *sep,
                        int32_t sep_id);

/* What a byte of raw text is to the quick path for ASCII. */
enum hone_byte_kind { HONE_BYTE_WORD, HONE_BYTE_SPACE, HONE_BYTE_PUNCTUATION, HONE_BYTE_OTHER };

struct hone_tokenizer {
    struct hone_vocabulary vocabulary;
    uint8_t *flags; /* hone_unicode_flags() */
    struct hone_bert_normalizer normalizer;
    bool bert_pre_tokenizer; /* else a piece of text is one word */
    struct hone_tokenizer_model *model;
    struct hone_added_tokens added;
    int32_t size;
    struct hone_template single, pair; /* without post-processor: just the sequences */
    bool wordpiece_decoder;            /* else decoding joins with spaces */
    char *decoder_prefix;
    bool cleanup;
    int64_t max_length;
    uint8_t kinds[256]; /* enum hone_byte_kind of each byte */
    char lower[256];    /* its lowercase form, where text is lowercased */
};

/* The files. Each fills what it reads into a zeroed tokenizer; hone_tokenizer_open frees it after a failure. */
enum hone_status hone_tokenizer_read_json(struct hone_tokenizer *tokenizer, const char *path);
enum hone_status hone_tokenizer_read_vocab(struct hone_tokenizer *tokenizer, const char *folder);
/* Reads added_tokens and the like: one object with content and flags. Ids are given by hone_added_token_place. */
enum hone_status hone_added_token_read(struct hone_added_token *out, const json_t *object, const char *where);
/* Gives the token the id of its text in the vocabulary, else the next free one, and appends it. `stated`: the id that
 * the file gives, -1 if none; another one than due is HONE_BAD_INPUT. */
enum hone_status hone_added_token_place(struct hone_tokenizer *tokenizer, struct hone_added_token token, int64_t stated,
                                        const char *where);
/* After everything is read: ids of templates checked, added tokens, tables for the quick path. */
enum hone_status hone_tokenizer_finish(struct hone_tokenizer *tokenizer, const char *path);
/* The post-processor: truncation to max_length (0: none) and special tokens. `b` may be NULL. */
enum hone_status hone_post_process(struct hone_encoding *out, const struct hone_tokenizer *tokenizer, size_t max_length,
                                   bool add_special, bool pair);
char *hone_wordpiece_decode(const struct hone_tokenizer *tokenizer, const char *const *texts, size_t n);

#endif
