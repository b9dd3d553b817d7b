/* Streaming metrics of a classifier: counts in integers, sums in double in the order of the calls, so the figures do
 * not depend on how rows were split into batches.
 *
 * Definitions follow scikit-learn: precision = tp / (tp + fp), recall = tp / (tp + fn), F1 = 2 tp / (2 tp + fp + fn),
 * each 0 where its denominator is 0 (zero_division=0); macro F1 is the plain mean over all classes. */
#ifndef HONE_RECIPES_METRICS_H
#define HONE_RECIPES_METRICS_H

#include <stdint.h>

/* Weighted mean of losses: sums and weights are added per batch (weight: samples, or label tokens). */
struct hone_loss_mean {
    double sum, weight;
};
void hone_loss_mean_add(struct hone_loss_mean *mean, double loss_sum, double weight);
/* sum / weight; 0 when nothing was added. */
double hone_loss_mean_value(const struct hone_loss_mean *mean);

/* counts[label * classes + prediction]. */
struct hone_confusion {
    int32_t classes;
    int64_t *counts;
    int64_t total;
};

struct hone_class_scores {
    double precision, recall, f1;
    int64_t support; /* rows whose label is the class */
};

/* classes >= 1. Free with hone_confusion_free. */
void hone_confusion_create(struct hone_confusion *out, int32_t classes);
void hone_confusion_free(struct hone_confusion *confusion);
/* label, prediction: in [0, classes). */
void hone_confusion_add(struct hone_confusion *confusion, int32_t label, int32_t prediction);
/* Adds n rows of logits [n, classes] f32: the prediction is the first largest value (a NaN counts as smallest). */
void hone_confusion_add_logits(struct hone_confusion *confusion, const float *logits, const int32_t *labels, int64_t n);
/* Share of right predictions; 0 of no rows. */
double hone_confusion_accuracy(const struct hone_confusion *confusion);
struct hone_class_scores hone_confusion_class(const struct hone_confusion *confusion, int32_t label);
double hone_confusion_macro_f1(const struct hone_confusion *confusion);
/* Log of the sum of exp of n >= 1 values, in f64. */
double hone_log_sum_exp(const float *values, int64_t n);
/* Index of the first largest of n >= 1 values; a NaN counts as smallest. */
int32_t hone_argmax(const float *values, int32_t n);

#endif
