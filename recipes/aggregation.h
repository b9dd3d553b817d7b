/* Entities of running text from what a model says of its tokens, as Transformers' token-classification pipeline has them
 * (pipelines/token_classification.py of 5.23), with its aggregation strategies under their names:
 *
 *   none      every token by itself
 *   simple    neighbouring tokens of one type are an entity
 *   first     a word has the label of its first token; neighbouring words of one type are an entity
 *   average   a word has the label of the highest mean score of its tokens
 *   max       a word has the label of its token with the highest score
 *
 * B- begins an entity, everything else goes on with the one before if that is of its type; what is of type O is none. In
 * IOBES, which the pipeline does not know, S- begins one, too, and none goes on behind E- and S-.
 * What a word is, the tokenizer says where it marks tokens inside words (##); else words stand between spaces; unless the
 * text was given as words. */
#ifndef HONE_RECIPES_AGGREGATION_H
#define HONE_RECIPES_AGGREGATION_H

#include "data/records.h"
#include "data/tokenizer.h"
#include "recipes/labels.h"

enum hone_aggregation {
    HONE_AGGREGATION_NONE,
    HONE_AGGREGATION_SIMPLE,
    HONE_AGGREGATION_FIRST,
    HONE_AGGREGATION_AVERAGE,
    HONE_AGGREGATION_MAX,
};
/* From its name; false: it is none. */
bool hone_aggregation_read(enum hone_aggregation *out, const char *name);

struct hone_text_token {
    int32_t id, start, end; /* characters of the text */
    int32_t word;           /* of those that the text was given as; -1: it was not */
};

/* A token, word or entity. */
struct hone_span {
    int32_t label, start, end; /* of an entity the first word's label; characters of the text */
    float score;
    size_t first, n; /* its tokens; of an entity its words, or for the simple strategy its tokens */
};
struct hone_spans {
    struct hone_span *at;
    size_t n, capacity;
};

/* Start with the members of the first two lines; borrowed. What was found is that of the last text. */
struct hone_aggregator {
    const struct hone_tokenizer *tokenizer;
    const struct hone_labels *labels;
    enum hone_aggregation aggregation;
    struct hone_spans words;    /* with none and simple: tokens */
    struct hone_spans entities; /* with none: tokens that are labelled */
    /* Of the text: its bytes, where its characters begin and it ends, its tokens. */
    struct hone_field text;
    size_t *characters, n_characters, characters_capacity;
    const struct hone_text_token *tokens;
    float *mean;
};
void hone_aggregator_free(struct hone_aggregator *aggregator);

/* Finds words and entities of a text (valid UTF-8) from the scores [n, labels] (softmax) of its n tokens. Text and tokens
 * are borrowed until the next one. */
void hone_aggregate(struct hone_aggregator *aggregator, struct hone_field text, const struct hone_text_token *tokens,
                    const float *scores, size_t n);

/* What the pipeline calls one: of an entity the type, "PER"; of a token or word the label, "B-PER". Borrowed. */
const char *hone_span_type(const struct hone_aggregator *aggregator, const struct hone_span *span);
const char *hone_span_label(const struct hone_aggregator *aggregator, const struct hone_span *span);
/* The bytes of the text that it stands over. */
struct hone_field hone_span_slice(const struct hone_aggregator *aggregator, const struct hone_span *span);
/* *out becomes the "word" of one of the entities, owned: its tokens, joined by the tokenizer's decoder. */
void hone_span_word(struct hone_text *out, const struct hone_aggregator *aggregator, const struct hone_span *entity);

#endif
