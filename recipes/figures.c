#include "recipes/figures.h"

#include <math.h>
#include <stdio.h>

const char *hone_metric_name(enum hone_metric metric) { return hone_recipe_word("evaluation.metric", (int)metric); }

bool hone_metric_larger_is_better(enum hone_metric metric) {
    return metric != HONE_METRIC_LOSS && metric != HONE_METRIC_MSE && metric != HONE_METRIC_MAE &&
           metric != HONE_METRIC_CALIBRATION && metric != HONE_METRIC_PERPLEXITY;
}

bool hone_metric_is_better(enum hone_metric metric, double value, double than) {
    if (isnan(value) || isnan(than)) return !isnan(value);
    return hone_metric_larger_is_better(metric) ? value > than : value < than;
}

void hone_figures_set(struct hone_figures *figures, enum hone_metric metric, double value) {
    figures->values[metric] = value;
    figures->known[metric] = true;
}

/* The words come in the same order for each of the three. */
_Static_assert(HONE_METRIC_F1_WEIGHTED - HONE_METRIC_F1 == HONE_METRIC_PRECISION_WEIGHTED - HONE_METRIC_PRECISION &&
                   HONE_METRIC_F1_WEIGHTED - HONE_METRIC_F1 == HONE_METRIC_RECALL_WEIGHTED - HONE_METRIC_RECALL,
               "order of metrics");

void hone_figures_set_scores(struct hone_figures *figures, enum hone_metric f1, struct hone_class_scores scores) {
    int how = (int)f1 - HONE_METRIC_F1;
    hone_figures_set(figures, f1, scores.f1);
    hone_figures_set(figures, (enum hone_metric)(HONE_METRIC_PRECISION + how), scores.precision);
    hone_figures_set(figures, (enum hone_metric)(HONE_METRIC_RECALL + how), scores.recall);
}

void hone_figures_set_ranking(struct hone_figures *figures, const struct hone_scores *scores) {
    double weighted;
    struct hone_ranking mean = hone_scores_macro(scores, &weighted);
    hone_figures_set(figures, HONE_METRIC_ROC_AUC, mean.roc_auc);
    hone_figures_set(figures, HONE_METRIC_ROC_AUC_WEIGHTED, weighted);
    hone_figures_set(figures, HONE_METRIC_AVERAGE_PRECISION, mean.average_precision);
}

static json_t *matrix_of(const struct hone_confusion *confusion) {
    json_t *rows = json_array();
    for (int32_t i = 0; i < confusion->classes; i++) {
        json_t *row = json_array();
        for (int32_t j = 0; j < confusion->classes; j++)
            json_array_append_new(row, json_integer(confusion->counts[(int64_t)i * confusion->classes + j]));
        json_array_append_new(rows, row);
    }
    return rows;
}

void hone_figures_write(json_t *results, const struct hone_figures *figures, const char *prefix) {
    char key[64];
    for (int m = HONE_METRIC_AUTO + 1; m < HONE_METRICS; m++) {
        if (!figures->known[m]) continue;
        double value = figures->values[m];
        snprintf(key, sizeof key, "%s_%s", prefix, hone_metric_name((enum hone_metric)m));
        json_object_set_new(results, key, isfinite(value) ? json_real(value) : json_null());
    }
    if (figures->confusion) {
        snprintf(key, sizeof key, "%s_confusion_matrix", prefix);
        json_object_set_new(results, key, matrix_of(figures->confusion));
    }
    if (figures->entities) {
        const char *scheme = hone_recipe_word("task.scheme", (int)figures->entities->tags->scheme);
        snprintf(key, sizeof key, "%s_scheme", prefix);
        json_object_set_new(results, key, json_string(scheme));
        snprintf(key, sizeof key, "%s_entities", prefix);
        json_object_set_new(results, key, hone_entity_scores_by_type(figures->entities));
    }
}
