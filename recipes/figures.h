/* The figures of an evaluation: by the words of evaluation.metric, so one table says their names, and which way is
 * better. */
#ifndef HONE_RECIPES_FIGURES_H
#define HONE_RECIPES_FIGURES_H

#include <jansson.h>

#include "recipes/entity_scores.h"
#include "recipes/metrics.h"
#include "recipes/recipe.h"
#include "recipes/scores.h"

struct hone_figures {
    double values[HONE_METRICS];            /* NaN: not defined on these samples */
    bool known[HONE_METRICS];               /* the task has it */
    const struct hone_confusion *confusion; /* borrowed, as the next; NULL: none */
    const struct hone_entity_scores *entities;
};

/* "matthews_correlation". */
const char *hone_metric_name(enum hone_metric metric);
bool hone_metric_larger_is_better(enum hone_metric metric);
/* NaN is worse than anything. */
bool hone_metric_is_better(enum hone_metric metric, double value, double than);

void hone_figures_set(struct hone_figures *figures, enum hone_metric metric, double value);
/* All precisions, recalls and F1 of one way of averaging, whose F1 is `f1`. */
void hone_figures_set_scores(struct hone_figures *figures, enum hone_metric f1, struct hone_class_scores scores);
/* The areas under curves, means over several classes. */
void hone_figures_set_ranking(struct hone_figures *figures, const struct hone_scores *scores);
/* Sets "<prefix>_<name>" for all that are known, null for NaN, "<prefix>_confusion_matrix": a row for each label,
 * "<prefix>_entities": figures of each type, and "<prefix>_scheme", by which the strict ones are. */
void hone_figures_write(json_t *results, const struct hone_figures *figures, const char *prefix);

#endif
