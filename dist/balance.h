/* Which rank takes which of a step's samples: such that all have about as many tokens. A function of the lengths and the
 * number of ranks alone, so every rank finds the same without asking. */
#ifndef HONE_DIST_BALANCE_H
#define HONE_DIST_BALANCE_H

#include <stdint.h>

/* Writes into share[n] which of n samples, of tokens[n] each, `rank` takes, in ascending order, and returns how many.
 * The longest is dealt first, each to the rank that has the fewest tokens so far (Graham 1969: at most 4/3 of the best),
 * so the ranks differ by less than the shortest of the last dealt. */
int64_t hone_balance_samples(int64_t *share, const int64_t *tokens, int64_t n, int rank, int size);

/* The same for leaves: runs of `leaf` samples that stay whole and in order. Rank `rank` takes samples *begin to *end - 1,
 * whole leaves, which may be none; ranges follow each other. */
void hone_balance_leaves(int64_t *begin, int64_t *end, const int64_t *tokens, int64_t n, int64_t leaf, int rank,
                         int size);

#endif
