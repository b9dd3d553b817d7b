#include "recipes/metrics.h"

#include <math.h>
#include <stddef.h>

#include "base/memory.h"
#include "base/status.h"

void hone_loss_mean_add(struct hone_loss_mean *mean, double loss_sum, double weight) {
    mean->sum += loss_sum;
    mean->weight += weight;
}

double hone_loss_mean_value(const struct hone_loss_mean *mean) {
    return mean->weight > 0 ? mean->sum / mean->weight : 0;
}

void hone_confusion_create(struct hone_confusion *out, int32_t classes) {
    HONE_CHECK(classes >= 1, "%d classes", (int)classes);
    size_t n = (size_t)classes;
    *out = (struct hone_confusion){.classes = classes};
    out->counts = hone_calloc(n * n, sizeof *out->counts, "confusion counts");
}

void hone_confusion_free(struct hone_confusion *confusion) {
    hone_free(confusion->counts);
    *confusion = (struct hone_confusion){0};
}

static int64_t *cell(const struct hone_confusion *c, int32_t label, int32_t prediction) {
    return &c->counts[(size_t)label * (size_t)c->classes + (size_t)prediction];
}

void hone_confusion_add(struct hone_confusion *confusion, int32_t label, int32_t prediction) {
    HONE_CHECK(label >= 0 && label < confusion->classes && prediction >= 0 && prediction < confusion->classes,
               "label %d, prediction %d of %d classes", (int)label, (int)prediction, (int)confusion->classes);
    *cell(confusion, label, prediction) += 1;
    confusion->total++;
}

double hone_log_sum_exp(const float *values, int64_t n) {
    float largest = values[0];
    double sum = 0;
    for (int64_t i = 1; i < n; i++) largest = values[i] > largest ? values[i] : largest;
    for (int64_t i = 0; i < n; i++) sum += exp((double)values[i] - (double)largest);
    return (double)largest + log(sum);
}

int32_t hone_argmax(const float *values, int32_t n) {
    int32_t best = 0;
    for (int32_t i = 1; i < n; i++)
        if (values[i] > values[best] || (values[best] != values[best] && values[i] == values[i])) best = i;
    return best;
}

void hone_confusion_add_logits(struct hone_confusion *confusion, const float *logits, const int32_t *labels,
                               int64_t n) {
    for (int64_t i = 0; i < n; i++)
        hone_confusion_add(confusion, labels[i], hone_argmax(logits + i * confusion->classes, confusion->classes));
}

double hone_confusion_accuracy(const struct hone_confusion *confusion) {
    int64_t right = 0;
    for (int32_t i = 0; i < confusion->classes; i++) right += *cell(confusion, i, i);
    return confusion->total > 0 ? (double)right / (double)confusion->total : 0;
}

static double share(int64_t part, int64_t whole) { return whole > 0 ? (double)part / (double)whole : 0; }

struct hone_class_scores hone_class_scores(struct hone_class_counts c) {
    return (struct hone_class_scores){.precision = share(c.both, c.predicted),
                                      .recall = share(c.both, c.labelled),
                                      .f1 = share(2 * c.both, c.labelled + c.predicted)};
}

static void add_scores(struct hone_class_scores *sum, struct hone_class_scores one, double weight) {
    sum->precision += weight * one.precision;
    sum->recall += weight * one.recall;
    sum->f1 += weight * one.f1;
}

static struct hone_class_scores divided(struct hone_class_scores sum, double by) {
    if (by == 0) return (struct hone_class_scores){0};
    return (struct hone_class_scores){sum.precision / by, sum.recall / by, sum.f1 / by};
}

struct hone_averages hone_average_scores(const struct hone_class_counts *counts, int64_t n) {
    struct hone_averages out = {0};
    struct hone_class_counts all = {0};
    for (int64_t i = 0; i < n; i++) {
        struct hone_class_scores one = hone_class_scores(counts[i]);
        add_scores(&out.macro, one, 1);
        add_scores(&out.weighted, one, (double)counts[i].labelled);
        all.both += counts[i].both;
        all.labelled += counts[i].labelled;
        all.predicted += counts[i].predicted;
    }
    out.micro = hone_class_scores(all);
    out.macro = divided(out.macro, (double)n);
    out.weighted = divided(out.weighted, (double)all.labelled);
    return out;
}

struct hone_class_counts hone_confusion_class(const struct hone_confusion *confusion, int32_t label) {
    struct hone_class_counts out = {.both = *cell(confusion, label, label)};
    for (int32_t i = 0; i < confusion->classes; i++) {
        out.labelled += *cell(confusion, label, i);
        out.predicted += *cell(confusion, i, label);
    }
    return out;
}

struct hone_averages hone_confusion_averages(const struct hone_confusion *confusion) {
    struct hone_class_counts *counts = hone_alloc((size_t)confusion->classes, sizeof *counts, "counts of classes");
    for (int32_t i = 0; i < confusion->classes; i++) counts[i] = hone_confusion_class(confusion, i);
    struct hone_averages out = hone_average_scores(counts, confusion->classes);
    hone_free(counts);
    return out;
}

double hone_confusion_matthews(const struct hone_confusion *confusion) {
    double n = (double)confusion->total, right = 0, both = 0, labels = 0, predictions = 0;
    for (int32_t i = 0; i < confusion->classes; i++) {
        struct hone_class_counts c = hone_confusion_class(confusion, i);
        right += (double)c.both;
        both += (double)c.labelled * (double)c.predicted;
        labels += (double)c.labelled * (double)c.labelled;
        predictions += (double)c.predicted * (double)c.predicted;
    }
    double spread = (n * n - labels) * (n * n - predictions);
    return spread > 0 ? (right * n - both) / sqrt(spread) : 0;
}

void hone_calibration_add(struct hone_calibration *calibration, double confidence, bool right) {
    int bin = (int)(confidence * HONE_CALIBRATION_BINS);
    /* By the bins' own edges, wherever the product was rounded to. */
    while (bin > 0 && confidence <= (double)bin / HONE_CALIBRATION_BINS) bin--;
    while (bin + 1 < HONE_CALIBRATION_BINS && confidence > (double)(bin + 1) / HONE_CALIBRATION_BINS) bin++;
    calibration->n[bin]++;
    calibration->right[bin] += right;
    calibration->confidence[bin] += confidence;
}

double hone_calibration_error(const struct hone_calibration *calibration) {
    double sum = 0;
    int64_t n = 0;
    for (int i = 0; i < HONE_CALIBRATION_BINS; i++) {
        sum += fabs((double)calibration->right[i] - calibration->confidence[i]);
        n += calibration->n[i];
    }
    return n ? sum / (double)n : 0;
}

void hone_agreement_add(struct hone_agreement *a, double y, double t) {
    double n = (double)++a->n, dy = y - a->mean_y, dt = t - a->mean_t;
    a->squares += (y - t) * (y - t);
    a->distances += fabs(y - t);
    a->mean_y += dy / n;
    a->mean_t += dt / n;
    a->moment_yy += dy * (y - a->mean_y);
    a->moment_tt += dt * (t - a->mean_t);
    a->moment_yt += dy * (t - a->mean_t);
}

double hone_agreement_pearson(const struct hone_agreement *a) {
    if (a->n < 2 || a->moment_yy <= 0 || a->moment_tt <= 0) return NAN;
    return fmax(-1, fmin(1, a->moment_yt / (sqrt(a->moment_yy) * sqrt(a->moment_tt))));
}

double hone_agreement_r2(const struct hone_agreement *a) {
    if (a->n < 2) return NAN;
    if (a->moment_tt <= 0) return a->squares == 0;
    return 1 - a->squares / a->moment_tt;
}
