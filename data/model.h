/* Models: words to tokens. Each kind is one file and one table of functions; the vocabulary is borrowed throughout. */
#ifndef HONE_DATA_MODEL_H
#define HONE_DATA_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/memory.h"
#include "base/status.h"
#include "data/vocabulary.h"

struct hone_token {
    int32_t id;
    int32_t begin, end; /* bytes of the word while the model works, then characters of the text */
    int32_t word;
    int64_t surface; /* what it stands for where that isn't the id's own text, as hone_surface_add gave it; or -1 */
};
struct hone_tokens {
    struct hone_token *at;
    size_t n, capacity;
};
/* Room for n more. */
static inline void hone_tokens_reserve(struct hone_tokens *tokens, size_t n) {
    if (tokens->n + n > tokens->capacity)
        hone_reserve(&tokens->at, &tokens->capacity, tokens->n + n, sizeof *tokens->at, "tokens");
}
static inline void hone_tokens_push(struct hone_tokens *tokens, int32_t id, size_t begin, size_t end) {
    tokens->at[tokens->n++] = (struct hone_token){id, (int32_t)begin, (int32_t)end, 0, -1};
}

/* A text among others, 0-terminated and with its length; returns its place. */
int64_t hone_surface_add(struct hone_text *texts, const char *text, size_t n);
const char *hone_surface_text(const struct hone_text *texts, int64_t surface, size_t *n);

/* What models keep between words, so that nothing is allocated a second time. Start with {0}. */
struct hone_model_work {
    struct hone_text *matched; /* surfaces */
    struct hone_symbol {
        int32_t id, length;
    } * symbols; /* BPE */
    struct hone_merge_queue *queue;
    struct hone_path {
        double score; /* of the best way here */
        int32_t begin, id;
    } * paths;      /* Unigram */
    uint64_t *dead; /* byte-level BPE: a bit for each place that led nowhere */
    size_t symbols_capacity, paths_capacity, dead_capacity;
    struct hone_text mapped; /* a word as byte-level characters */
};
void hone_model_work_free(struct hone_model_work *work);
void hone_merge_queue_free(struct hone_merge_queue *queue);

struct hone_tokenizer_model {
    /* Appends the tokens of one non-empty word, with byte ranges in it. HONE_BAD_INPUT for a word that the model can't
     * express and has no unknown token for. */
    enum hone_status (*tokenize)(struct hone_tokens *out, struct hone_model_work *work,
                                 const struct hone_tokenizer_model *model, const char *word, size_t n);
    /* The same for a word as it is in front of ByteLevel, ranges counting its own bytes; NULL: not offered. */
    enum hone_status (*tokenize_bytes)(struct hone_tokens *out, struct hone_model_work *work,
                                       const struct hone_tokenizer_model *model, const char *word, size_t n);
    const struct hone_word_cache *words; /* some of which tokenize_bytes makes one token; may be NULL */
    void (*free)(struct hone_tokenizer_model *model);
    bool
        outside; /* tokens may lie behind their word (bytes of a BPE prefix or suffix), so that their offsets hang on the text */
};

/* WordPiece (Wu et al. 2016, arXiv 1609.08144, section 4.1, as in BERT: greedy, longest piece first); unk must be in
 * the vocabulary. */
struct hone_tokenizer_model *hone_wordpiece_create(const struct hone_vocabulary *vocabulary, int32_t unk,
                                                   const char *prefix, int64_t max_input_chars_per_word);
/* WordLevel: a word is a token. unk may be -1. */
struct hone_tokenizer_model *hone_word_level_create(const struct hone_vocabulary *vocabulary, int32_t unk);

/* Byte pair encoding (Sennrich et al. 2016, arXiv 1508.07909): merges[i] joins two ids into a third, lower i first. */
struct hone_merge {
    int32_t left, right, id;
};
struct hone_bpe_options {
    const char *prefix, *suffix; /* of characters inside a word, of a word's last one; "" for none; copied */
    int32_t unk;                 /* -1: what isn't in the vocabulary is left out */
    bool fuse_unk, byte_fallback, ignore_merges;
};
struct hone_tokenizer_model *hone_bpe_create(const struct hone_vocabulary *vocabulary, const struct hone_merge *merges,
                                             size_t n, const struct hone_bpe_options *options);

/* Unigram (Kudo 2018, arXiv 1804.10959): the most likely way. scores: log probability of each id, taken over; unk may
 * be -1. */
struct hone_tokenizer_model *hone_unigram_create(const struct hone_vocabulary *vocabulary, double *scores, int32_t unk,
                                                 bool byte_fallback);

#endif
