/* What the files of Unigram's training share. */
#ifndef HONE_DATA_TRAIN_UNIGRAM_H
#define HONE_DATA_TRAIN_UNIGRAM_H

#include "data/train_models.h"
#include "data/trie.h"

/* Longest piece, as in the reference and in SentencePiece. */
#define HONE_PIECE_CHARACTERS 16

/* A substring of the words that may become a piece; it points into them. */
struct hone_piece_candidate {
    const char *bytes;
    size_t n;
    double weight; /* occurrences * characters */
};
/* Substrings of 2 to HONE_PIECE_CHARACTERS characters that occur twice at least and that no longer one stands for, the
 * heaviest first; owned. */
struct hone_piece_candidate *hone_piece_candidates(size_t *n, const struct hone_strings *words);

/* Pieces with their log probabilities, and where they match. */
struct hone_pieces_model {
    struct hone_piece_of_model {
        const char *bytes;
        size_t n;
        double score;
        bool character; /* one character: never pruned */
    } * at;
    size_t n;
    struct hone_trie trie; /* piece -> number */
    double unknown;        /* score of a character that is no piece */
};

/* Room for one word at a time. Start with {0}. */
struct hone_lattice {
    double *forward, *backward; /* [n + 1], log probabilities of all ways to and from a place */
    size_t *back;               /* [n + 1], best way: where its last piece begins */
    int32_t *piece;             /* and which it is, -1: unknown */
    size_t capacity;
};
void hone_lattice_free(struct hone_lattice *lattice);
/* Adds `count` times the probability of each piece at each place of the word to expected[piece]; returns the word's log
 * probability. */
double hone_lattice_expect(double *expected, struct hone_lattice *lattice, const struct hone_pieces_model *model,
                           const char *word, size_t n, double count);
/* Best way: pieces[0 … *n_pieces) backwards from the end (in lattice->piece and ->back); its score. The piece `without`
 * (-1: none) may not be used. */
double hone_lattice_best(struct hone_lattice *lattice, const struct hone_pieces_model *model, const char *word,
                         size_t n, int32_t without);

#endif
