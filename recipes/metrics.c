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

struct hone_class_scores hone_confusion_class(const struct hone_confusion *confusion, int32_t label) {
    int64_t both = *cell(confusion, label, label), labelled = 0, predicted = 0;
    for (int32_t i = 0; i < confusion->classes; i++) {
        labelled += *cell(confusion, label, i);
        predicted += *cell(confusion, i, label);
    }
    return (struct hone_class_scores){
        .precision = share(both, predicted),
        .recall = share(both, labelled),
        .f1 = share(2 * both, labelled + predicted),
        .support = labelled,
    };
}

double hone_confusion_macro_f1(const struct hone_confusion *confusion) {
    double sum = 0;
    for (int32_t i = 0; i < confusion->classes; i++) sum += hone_confusion_class(confusion, i).f1;
    return sum / confusion->classes;
}
