/* Entities given as ranges of characters of a text: in JSONL a list of objects {"start": 0, "end": 5, "label": "PER"} (or
 * "entity_group" for "label", as hone predict writes them; other keys are passed over) or of lists [0, 5, "PER"]. Characters are code points,
 * `end` is not among them. */
#ifndef HONE_RECIPES_TEXT_SPANS_H
#define HONE_RECIPES_TEXT_SPANS_H

#include "data/records.h"
#include "recipes/tags.h"
#include "recipes/words.h"

struct hone_text_span {
    int64_t start, end;
    const char *label;
};
/* Start with {0}; reading again reuses it. */
struct hone_text_spans {
    struct hone_text_span *at; /* in the order of the text */
    size_t n, capacity;
    json_t *json; /* holds the labels */
};
void hone_text_spans_free(struct hone_text_spans *spans);

/* What a wanted column (options.nested) holds for a text. No such list, a range that is empty or outside of the text, a
 * label that is no name, and overlapping ranges are HONE_BAD_INPUT, without the place. */
enum hone_status hone_text_spans_read(struct hone_text_spans *out, const struct hone_value *value,
                                      struct hone_field text);

/* The entities among the n words that lie at these characters (start -1: such a word has no tokens): each covers the words
 * that it has a part of. types[i]: of span i. Returns how many begin or end inside a word, or have none. */
int64_t hone_text_spans_find(struct hone_entities *out, const struct hone_text_spans *spans, const int32_t *types,
                             const struct hone_word_range *words, size_t n);

#endif
