/* The vocabulary and the merges of a tokenizer.json, which are nearly all of it, read straight from the text: JSON values
 * for tens of thousands of entries take longer than all the rest. What isn't as plain as it always is stays for the JSON
 * reader, which knows how to complain. */
#ifndef HONE_DATA_MODEL_SCAN_H
#define HONE_DATA_MODEL_SCAN_H

#include "base/memory.h"
#include "data/vocabulary.h"

struct hone_model_scan {
    struct hone_vocabulary_entries entries; /* of model.vocab; ids of a list count up */
    double *scores;                         /* [entries.n] where it is a list, else NULL */
    struct hone_text texts;                 /* of merges, the right half right behind the left one */
    struct hone_halves {
        size_t left; /* in texts */
        uint32_t left_n, right_n;
    } * merges; /* NULL: there is no list of them */
    size_t merges_n;
};
/* Takes both out of the n bytes of a tokenizer.json; `rest` becomes what is left, with an empty object or list in their
 * place. False, and nothing taken, where they aren't plainly texts, ids, scores and pairs. */
bool hone_model_scan(struct hone_model_scan *out, struct hone_text *rest, const char *bytes, size_t n);
void hone_model_scan_free(struct hone_model_scan *scan);
/* A score from its n bytes, as the reference reads it: its serde_json divides the digits, taken as one integer, by a
 * power of ten, which may be off by a last bit or two. Of two ways to part a word with equal scores that decides which
 * one is taken. False for what isn't a number of at most 19 digits and powers of 300. */
bool hone_score_read(double *out, const char *text, size_t n);

#endif
