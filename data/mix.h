/* Epochs over several sources by weights, in O(sources) memory: of the n places of an epoch, as many as there are
 * samples, each source has its share; the order of places, and of each source's samples, are keyed permutations. A source
 * goes on where the epoch before left off, so each of its samples comes once before any comes again. */
#ifndef HONE_DATA_MIX_H
#define HONE_DATA_MIX_H

#include <stddef.h>
#include <stdint.h>

struct hone_mix {
    size_t n_sources; /* 0: nothing is mixed */
    int64_t *begins;  /* [n_sources+1]: first sample of each source */
    int64_t *places;  /* [n_sources+1]: first place of each in an epoch, before shuffling */
};

/* sizes: samples of each source, > 0, which lie one source after the other; weights > 0, of any sum. */
void hone_mix_create(struct hone_mix *out, const int64_t *sizes, const double *weights, size_t n_sources);
void hone_mix_free(struct hone_mix *mix);
/* Sample number at place `i` of an epoch. */
int64_t hone_mix_at(const struct hone_mix *mix, int64_t i, uint64_t seed, uint32_t epoch);

#endif
