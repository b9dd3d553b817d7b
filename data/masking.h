/* Masked tokens for a masked language model (Devlin et al. 2018, arXiv 1810.04805, section 3.1): a share of the tokens is
 * to be told from the rest; 80 % of them are replaced by the mask token, 10 % by a random token, 10 % stay as they are.
 * Drawn anew in each pass over the data, by (seed, pass, sample, position) alone: neither batches nor ranks matter. */
#ifndef HONE_DATA_MASKING_H
#define HONE_DATA_MASKING_H

#include <stdbool.h>
#include <stdint.h>

/* What a token is to masking. */
enum hone_mark {
    HONE_MARK_NEVER, /* special tokens */
    HONE_MARK_BEGIN, /* first token of a word */
    HONE_MARK_GOES_ON
};

/* The pass of evaluations: one drawing, so that their figures can be compared. */
#define HONE_PASS_EVALUATION UINT32_MAX

struct hone_masking {
    uint32_t seed;
    double probability;
    bool whole_words; /* a word is masked or not as its first token would be; else each token by itself */
    int32_t mask_id;
    int32_t *replacements; /* [n_replacements], owned: ids to replace tokens by at random, all but special ones */
    int32_t n_replacements;
};

/* Masks the n tokens of a sample: places[] are those of the masked ones, ascending, labels[] what stood there, and ids
 * are replaced. Returns how many; with ids NULL only that, and places and labels are not looked at. */
int64_t hone_mask(int32_t *ids, int32_t *places, int32_t *labels, const struct hone_masking *masking,
                  const uint8_t *marks, int64_t n, int64_t sample, uint32_t pass);

#endif
