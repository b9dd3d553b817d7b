/* Sequence classification with one label for a text or a pair of texts. Loss: cross entropy, with class weights divided
 * by the sum of the labels' weights as PyTorch's CrossEntropyLoss(weight), else the mean over samples; prediction: the
 * label and the softmax over all labels. */
#include <math.h>
#include <string.h>

#include "recipes/scores.h"
#include "recipes/task.h"
#include "recipes/texts.h"

static enum hone_status collect(void *labels, const struct hone_dataset *dataset, const struct hone_example *example) {
    struct hone_field label;
    HONE_TRY(hone_dataset_label(&label, dataset));
    return hone_texts_collect_label(labels, dataset, example, label);
}

static enum hone_status collect_labels(struct hone_labels *labels, const struct hone_recipe *recipe) {
    HONE_TRY(hone_texts_each(recipe, HONE_SPLIT_TRAIN, collect, labels));
    hone_labels_sort(labels);
    if (labels->n >= 2) return HONE_OK;
    char *list = hone_labels_list(labels);
    enum hone_status status = hone_fail(HONE_BAD_INPUT,
                                        "%s: only one label (%s) in the training data, expected two or more; name all "
                                        "of them in task.labels",
                                        recipe->data.train.items[0], list);
    hone_free(list);
    return status;
}

static enum hone_status set_label(struct hone_samples_writer *samples, const struct hone_dataset *dataset,
                                  const struct hone_example *example, const struct hone_model_folder *folder) {
    struct hone_field label;
    HONE_TRY(hone_dataset_label(&label, dataset));
    int32_t index = hone_labels_find(&folder->labels, label.bytes, label.n);
    if (index < 0) return hone_texts_unknown_label(dataset, example, label, &folder->labels);
    samples->label = index;
    return HONE_OK;
}

static enum hone_status encode(struct hone_samples *out, const struct hone_recipe *recipe, enum hone_split split,
                               const struct hone_model_folder *folder) {
    return hone_texts_encode(out, recipe, split, folder, set_label);
}

static double denominator(const struct hone_samples *samples, const int64_t *chosen, int64_t n, uint32_t pass,
                          const struct hone_objective *objective) {
    (void)pass;
    if (!objective->weights) return (double)n;
    double sum = 0;
    for (int64_t i = 0; i < n; i++) sum += (double)objective->weights[samples->labels[chosen[i]]];
    return sum;
}

struct hone_measure {
    struct hone_confusion confusion;
    struct hone_loss_mean loss;
    struct hone_calibration calibration;
    struct hone_scores scores; /* of two labels the second's alone; none of too many */
};

static struct hone_measure *measure_create(const struct hone_model_folder *folder, const struct hone_samples *samples) {
    (void)samples;
    struct hone_measure *measure = hone_calloc(1, sizeof *measure, "metrics");
    int64_t n = folder->labels.n;
    hone_confusion_create(&measure->confusion, (int32_t)n);
    hone_scores_create(&measure->scores, n == 2 ? 1 : n <= HONE_MOST_RANKED ? n : 0);
    return measure;
}

static void measure_free(struct hone_measure *measure) {
    if (!measure) return;
    hone_confusion_free(&measure->confusion);
    hone_scores_free(&measure->scores);
    hone_free(measure);
}

/* log of the sum of exp over all but one, in f64. */
static double log_sum_exp_but(const float *logits, int64_t n, int64_t left_out) {
    double largest = -INFINITY, sum = 0;
    for (int64_t i = 0; i < n; i++)
        if (i != left_out && (double)logits[i] > largest) largest = (double)logits[i];
    for (int64_t i = 0; i < n; i++) sum += i == left_out ? 0 : exp((double)logits[i] - largest);
    return largest + log(sum);
}

/* Scores are log(p / (1 - p)): in the order of the probabilities p, but apart where those would round to 1; rounded, so
 * that equal probabilities stay equal however their sums were rounded. */
static void add_scores(struct hone_scores *scores, const float *row, int64_t n, int32_t label) {
    uint8_t *positives;
    if (scores->classes == 0) return;
    double *out = hone_scores_add(scores, &positives);
    int64_t first = n - scores->classes;
    if (n > 1 && scores->classes == 1) first = 1;
    for (int64_t i = 0; i < scores->classes; i++) {
        int64_t class = first + i;
        out[i] = (double)(float)((double)row[class] - log_sum_exp_but(row, n, class));
        positives[i] = class == label;
    }
}

static void measure_add(struct hone_measure *measure, const struct hone_batch *batch, const float *logits) {
    int64_t n = measure->confusion.classes;
    hone_confusion_add_logits(&measure->confusion, logits, batch->labels, batch->R);
    for (int64_t r = 0; r < batch->R; r++) {
        const float *row = logits + r * n;
        int32_t label = batch->labels[r], best = hone_argmax(row, (int32_t)n);
        double total = hone_log_sum_exp(row, n);
        hone_loss_mean_add(&measure->loss, total - (double)row[label], 1);
        hone_calibration_add(&measure->calibration, exp((double)row[best] - total), best == label);
        add_scores(&measure->scores, row, n, label);
    }
}

static void measure_report(const struct hone_measure *measure, struct hone_figures *figures) {
    const struct hone_confusion *confusion = &measure->confusion;
    struct hone_averages averages = hone_confusion_averages(confusion);
    hone_figures_set(figures, HONE_METRIC_LOSS, hone_loss_mean_value(&measure->loss));
    hone_figures_set(figures, HONE_METRIC_ACCURACY, hone_confusion_accuracy(confusion));
    hone_figures_set_scores(figures, HONE_METRIC_F1_MICRO, averages.micro);
    hone_figures_set_scores(figures, HONE_METRIC_F1_MACRO, averages.macro);
    hone_figures_set_scores(figures, HONE_METRIC_F1_WEIGHTED, averages.weighted);
    hone_figures_set(figures, HONE_METRIC_MATTHEWS, hone_confusion_matthews(confusion));
    hone_figures_set(figures, HONE_METRIC_CALIBRATION, hone_calibration_error(&measure->calibration));
    if (confusion->classes == 2) {
        struct hone_class_scores second = hone_class_scores(hone_confusion_class(confusion, 1));
        struct hone_ranking ranking = hone_scores_rank(&measure->scores, 0);
        hone_figures_set_scores(figures, HONE_METRIC_F1, second);
        hone_figures_set(figures, HONE_METRIC_COMBINED, (hone_confusion_accuracy(confusion) + second.f1) / 2);
        hone_figures_set(figures, HONE_METRIC_ROC_AUC, ranking.roc_auc);
        hone_figures_set(figures, HONE_METRIC_AVERAGE_PRECISION, ranking.average_precision);
    } else if (measure->scores.classes > 0) {
        hone_figures_set_ranking(figures, &measure->scores);
    }
    if (confusion->classes <= HONE_MOST_RANKED) figures->confusion = confusion;
}

static void predict(struct hone_prediction *out, const float *logits, int64_t n) {
    double total = hone_log_sum_exp(logits, n);
    out->best = hone_argmax(logits, (int32_t)n);
    for (int64_t i = 0; i < n; i++) out->scores[i] = (float)exp((double)logits[i] - total);
}

const struct hone_task_class hone_task_single_label = {
    .type = HONE_TASK_SEQUENCE_CLASSIFICATION,
    .problem = HONE_SINGLE_LABEL,
    .head = HONE_HEAD_SEQUENCE_CLASSIFICATION,
    .pipeline_tag = "text-classification",
    .auto_class = "AutoModelForSequenceClassification",
    .scores = "the softmax of the model's outputs",
    .metric = HONE_METRIC_ACCURACY,
    .metrics = HONE_CLASS_METRICS | HONE_BIT(F1) | HONE_BIT(PRECISION) | HONE_BIT(RECALL) | HONE_BIT(MATTHEWS) |
               HONE_BIT(COMBINED) | HONE_BIT(CALIBRATION),
    .headline = HONE_BIT(ACCURACY) | HONE_BIT(LOSS) | HONE_BIT(F1) | HONE_BIT(F1_MACRO) | HONE_BIT(MATTHEWS) |
                HONE_BIT(ROC_AUC) | HONE_BIT(CALIBRATION),
    .collect_labels = collect_labels,
    .encode = encode,
    .denominator = denominator,
    .record_loss = hone_objective_record,
    .measure_create = measure_create,
    .measure_add = measure_add,
    .measure_report = measure_report,
    .measure_free = measure_free,
    .predict = predict,
};
