/* Precision, recall and F1 of entities, as seqeval 1.2.2 counts them in its default and its strict mode: an entity is
 * found when one of the same type, first and last word is predicted. */
#ifndef HONE_RECIPES_ENTITY_SCORES_H
#define HONE_RECIPES_ENTITY_SCORES_H

#include <jansson.h>

#include "recipes/metrics.h"
#include "recipes/tags.h"

enum hone_entity_mode { HONE_ENTITIES_LENIENT, HONE_ENTITIES_STRICT, HONE_ENTITY_MODES };

struct hone_entity_scores {
    const struct hone_tags *tags;                        /* borrowed */
    struct hone_class_counts *counts[HONE_ENTITY_MODES]; /* [types] */
    struct hone_tag *line;
    size_t line_capacity;
    struct hone_entities labelled, predicted;
};

/* The tags have a scheme. Free with hone_entity_scores_free. */
void hone_entity_scores_create(struct hone_entity_scores *out, const struct hone_tags *tags);
void hone_entity_scores_free(struct hone_entity_scores *scores);
/* A whole sentence: labels of its n words, and those predicted. */
void hone_entity_scores_add(struct hone_entity_scores *scores, const int32_t *labels, const int32_t *predictions,
                            int64_t n);
/* Macro and weighted means are over the types that any sentence has or gets,
 * macro ones NaN of none. */
struct hone_averages hone_entity_averages(const struct hone_entity_scores *scores, enum hone_entity_mode mode);
/* {"PER": {"precision", "recall", "f1", "support", "precision_strict", …}} of the types that occur. Owned. */
json_t *hone_entity_scores_by_type(const struct hone_entity_scores *scores);

#endif
