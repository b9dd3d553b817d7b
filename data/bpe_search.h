/* Byte-level byte pair encoding without merging. Where every token has one merge, whose halves are bytes or made by
 * earlier merges, what merging gives for a text is the only way to part it into tokens so that (a) merging the bytes of
 * each token gives that token and (b) merging those of each two neighbours gives these two: a merge across their border
 * would have come up between the two alone, too. That way is searched for, longest tokens first. Whether two neighbours
 * stay apart shows in the pairs that ever stood at their border: the right edge of one's tree of merges, the left edge
 * of the other's. */
#ifndef HONE_DATA_BPE_SEARCH_H
#define HONE_DATA_BPE_SEARCH_H

#include "data/merges.h"

/* NULL where the merges aren't so. bytes: the token of each byte. Everything is borrowed. */
struct hone_bpe_search *hone_bpe_search_create(const struct hone_vocabulary *vocabulary,
                                               const struct hone_merges *merges, const struct hone_merge *list,
                                               const int32_t bytes[256]);
void hone_bpe_search_free(struct hone_bpe_search *search);
/* Words that are one token, those of early merges first where there is no room for all. */
const struct hone_word_cache *hone_bpe_search_words(const struct hone_bpe_search *search);
/* Appends the tokens of n bytes. Linear in n: no place is looked at again once it led nowhere. */
void hone_bpe_search_word(struct hone_tokens *out, struct hone_model_work *work, const struct hone_bpe_search *search,
                          const char *word, size_t n);

#endif
