/* Models made from the words of a corpus and how often each occurs. What comes out depends on the words and counts alone,
 * not on their order or on the number of threads. */
#ifndef HONE_DATA_TRAIN_MODELS_H
#define HONE_DATA_TRAIN_MODELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "data/strings.h"

/* What training makes. Start with {0}. */
struct hone_trained {
    struct hone_strings tokens; /* a token's number is its id; special tokens come first */
    struct hone_trained_merge {
        int32_t a, b; /* ids of what is merged */
    } * merges;       /* BPE: in order of rank */
    size_t n_merges, merges_capacity;
    double *scores; /* Unigram: log probability of each token */
};
void hone_trained_free(struct hone_trained *trained);

struct hone_train_limits {
    size_t vocab_size;          /* tokens at most, special ones included; the alphabet may exceed it */
    int64_t min_frequency;      /* pairs (BPE, WordPiece) or words (word level) that occur less often make no token */
    size_t alphabet;            /* the most frequent characters that are kept; 0: all */
    bool byte_alphabet;         /* the 256 characters that stand for bytes (data/byte_level.h) are always kept */
    const char *prefix;         /* of pieces inside words ("##"); NULL: none */
    const char *const *special; /* tokens that get the first ids, in order */
    size_t n_special;
    const char *unknown; /* Unigram: which of the special tokens stands for unknown text */
};

/* Byte pair encoding (Sennrich et al. 2016, arXiv 1508.07909). Merges are those of the reference's trainer: the most
 * frequent pair first, of equally frequent ones that with the smaller ids; where the same token comes about in two
 * ways, the pairs it is part of are counted as the reference counts them. With a prefix, what it trains for WordPiece;
 * there the pieces inside words get their ids in order of their characters (the reference's order is random). */
void hone_train_bpe(struct hone_trained *out, const struct hone_strings *words, const struct hone_train_limits *limits);
/* Special tokens, then the characters of the words in order of code points: the beginning of BPE and Unigram, and all
 * of a model of characters. */
void hone_train_alphabet(struct hone_trained *out, const struct hone_strings *words,
                         const struct hone_train_limits *limits);
/* Special tokens, then the most frequent words; those that are equally frequent in order of their bytes. */
void hone_train_words(struct hone_trained *out, const struct hone_strings *words,
                      const struct hone_train_limits *limits);
/* Unigram language model (Kudo 2018, arXiv 1804.10959): frequent substrings of at most 16 characters, expectation
 * maximisation, and pruning of what the likelihood misses least until vocab_size is reached. */
void hone_train_unigram(struct hone_trained *out, const struct hone_strings *words,
                        const struct hone_train_limits *limits);

#endif
