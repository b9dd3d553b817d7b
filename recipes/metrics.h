/* Streaming metrics: counts in integers, sums in double in the order of the calls, so the figures do not depend on how
 * rows were split into batches.
 *
 * Definitions follow scikit-learn: precision = tp / (tp + fp), recall = tp / (tp + fn), F1 = 2 tp / (2 tp + fp + fn),
 * each 0 where its denominator is 0 (zero_division=0); means are over all classes, also those that no row has. */
#ifndef HONE_RECIPES_METRICS_H
#define HONE_RECIPES_METRICS_H

#include <stdbool.h>
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

/* Of one class, or of one of several labels that a row may have. */
struct hone_class_counts {
    int64_t both, labelled, predicted; /* rows that have it and get it; that have it; that get it */
};

struct hone_class_scores {
    double precision, recall, f1;
};
struct hone_class_scores hone_class_scores(struct hone_class_counts counts);

/* Micro: of all counts together; macro: the mean over classes; weighted: by how many rows have each, 0 without any. */
struct hone_averages {
    struct hone_class_scores micro, macro, weighted;
};
struct hone_averages hone_average_scores(const struct hone_class_counts *counts, int64_t n);

/* classes >= 1. Free with hone_confusion_free. */
void hone_confusion_create(struct hone_confusion *out, int32_t classes);
void hone_confusion_free(struct hone_confusion *confusion);
/* label, prediction: in [0, classes). */
void hone_confusion_add(struct hone_confusion *confusion, int32_t label, int32_t prediction);
/* Adds n rows of logits [n, classes] f32: the prediction is the first largest value (a NaN counts as smallest). */
void hone_confusion_add_logits(struct hone_confusion *confusion, const float *logits, const int32_t *labels, int64_t n);
/* Share of right predictions; 0 of no rows. */
double hone_confusion_accuracy(const struct hone_confusion *confusion);
struct hone_class_counts hone_confusion_class(const struct hone_confusion *confusion, int32_t label);
struct hone_averages hone_confusion_averages(const struct hone_confusion *confusion);
/* Matthews' correlation of labels and predictions (Gorodkin 2004 for more than two classes); 0 where one is constant. */
double hone_confusion_matthews(const struct hone_confusion *confusion);
/* Log of the sum of exp of n >= 1 values, in f64. */
double hone_log_sum_exp(const float *values, int64_t n);
/* Index of the first largest of n >= 1 values; a NaN counts as smallest. */
int32_t hone_argmax(const float *values, int32_t n);

/* Expected calibration error (Guo et al. 2017, arXiv 1706.04599): confidences fall into 15 equal bins, each open below
 * and closed above; the mean distance of a bin's share of right predictions from its mean confidence, by its rows. */
enum { HONE_CALIBRATION_BINS = 15 };
struct hone_calibration {
    int64_t n[HONE_CALIBRATION_BINS], right[HONE_CALIBRATION_BINS];
    double confidence[HONE_CALIBRATION_BINS];
};
/* confidence: the prediction's probability, above 0 and at most 1. */
void hone_calibration_add(struct hone_calibration *calibration, double confidence, bool right);
/* 0 of no rows. */
double hone_calibration_error(const struct hone_calibration *calibration);

/* Errors and joint moments of predicted values y and targets t, updated as Welford 1962 does. */
struct hone_agreement {
    int64_t n;
    double squares, distances; /* sums of (y - t)^2 and |y - t| */
    double mean_y, mean_t, moment_yy, moment_tt, moment_yt;
};
void hone_agreement_add(struct hone_agreement *agreement, double y, double t);
/* As pearsonr of scipy: NaN for fewer than two pairs or a constant side. */
double hone_agreement_pearson(const struct hone_agreement *agreement);
/* As r2_score: NaN for fewer than two pairs; of constant targets 1 if all are met, else 0. */
double hone_agreement_r2(const struct hone_agreement *agreement);

#endif
