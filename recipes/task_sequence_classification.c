/* Sequence classification: one label for a text or a pair of texts. Loss: mean cross entropy over samples; metrics:
 * accuracy, macro F1; prediction: the label and the softmax over all labels. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/utf8.h"
#include "recipes/metrics.h"
#include "recipes/samples.h"
#include "recipes/task.h"

/* The label of an example: no class is called by nothing, or by what ends a C string. */
static enum hone_status label_of(struct hone_field *out, const struct hone_dataset *dataset, int64_t line) {
    HONE_TRY(hone_dataset_label(out, dataset));
    if (out->n > 0 && !memchr(out->bytes, 0, out->n)) return HONE_OK;
    return hone_fail(HONE_BAD_INPUT, "%s:%lld: the label %s, expected a name", hone_dataset_path(dataset),
                     (long long)line, out->n ? "holds a NUL" : "is empty");
}

/* Adds the label of each example until there are more than `limit`. */
static enum hone_status collect_from(struct hone_labels *labels, struct hone_dataset *dataset, int64_t limit) {
    struct hone_example example;
    struct hone_field label;
    bool more;
    for (;;) {
        HONE_TRY(hone_dataset_next(dataset, &example, &more));
        if (!more) return HONE_OK;
        HONE_TRY(label_of(&label, dataset, example.line));
        hone_labels_collect(labels, label.bytes, label.n);
        if (labels->n > limit)
            return hone_fail(HONE_BAD_INPUT, "%s: more than %lld different labels; is data.label the right column?",
                             hone_dataset_path(dataset), (long long)limit);
    }
}

static enum hone_status collect_labels(struct hone_labels *labels, const struct hone_recipe *recipe) {
    /* A column of free text taken for labels would make a class of every row. */
    const int64_t limit = 10000;
    struct hone_dataset *dataset;
    HONE_TRY(hone_dataset_open(&dataset, recipe, HONE_SPLIT_TRAIN));
    enum hone_status status = collect_from(labels, dataset, limit);
    if (status == HONE_OK && labels->n < 2) {
        size_t n;
        char *list = hone_labels_list(labels);
        status = hone_fail(HONE_BAD_INPUT,
                           "%s: only one label (%s) in the training data, expected two or more; name all of "
                           "them in task.labels",
                           hone_dataset_paths(&n, dataset)[0], list);
        hone_free(list);
    }
    hone_dataset_close(dataset);
    return status;
}

static enum hone_status unknown_label(const struct hone_dataset *dataset, int64_t line, struct hone_field label,
                                      const struct hone_labels *labels) {
    char *shown = hone_escape(label.bytes, label.n < 80 ? label.n : 80), *list = hone_labels_list(labels);
    enum hone_status status = hone_fail(HONE_BAD_INPUT, "%s:%lld: unknown label \"%s\", expected one of %s",
                                        hone_dataset_path(dataset), (long long)line, shown, list);
    hone_free(shown);
    hone_free(list);
    return status;
}

/* Encodes one example behind the others. */
static enum hone_status encode_example(struct hone_samples *out, struct hone_samples_room *room,
                                       struct hone_encoding *encoding, const struct hone_recipe *recipe,
                                       const struct hone_dataset *dataset, const struct hone_example *example,
                                       const struct hone_model_folder *folder) {
    struct hone_field label;
    HONE_TRY(hone_dataset_label(&label, dataset));
    int32_t index = hone_labels_find(&folder->labels, label.bytes, label.n);
    if (index < 0) return unknown_label(dataset, example->line, label, &folder->labels);
    const struct hone_encode_options options = {.add_special = true, .max_length = (size_t)recipe->data.max_length};
    enum hone_status status =
        hone_tokenizer_encode(encoding, folder->tokenizer, example->text.bytes, example->text.n,
                              example->has_pair ? example->pair.bytes : NULL, example->pair.n, &options);
    if (status == HONE_OK)
        status = hone_samples_append(out, room, encoding, folder->model, index, example->file, example->line);
    if (status == HONE_OK) return HONE_OK;
    return hone_fail_prefix(status, "%s:%lld", hone_dataset_path(dataset), (long long)example->line);
}

static enum hone_status encode(struct hone_samples *out, const struct hone_recipe *recipe, enum hone_split split,
                               const struct hone_model_folder *folder) {
    *out = (struct hone_samples){0};
    struct hone_samples_room room = {0};
    struct hone_encoding encoding = {0};
    struct hone_dataset *dataset = NULL;
    struct hone_example example;
    enum hone_status status = HONE_OK;
    bool more;
    HONE_TRY(hone_dataset_open(&dataset, recipe, split));
    for (;;) {
        HONE_TRY_GOTO(hone_dataset_next(dataset, &example, &more));
        if (!more) break;
        HONE_TRY_GOTO(encode_example(out, &room, &encoding, recipe, dataset, &example, folder));
    }
    hone_samples_name_files(out, dataset);
done:
    hone_dataset_close(dataset);
    hone_encoding_free(&encoding);
    if (status != HONE_OK) hone_samples_free(out);
    return status;
}

static double denominator(const struct hone_samples *samples, const int64_t *chosen, int64_t n, uint32_t pass) {
    (void)samples;
    (void)chosen;
    (void)pass;
    return (double)n;
}

static void record_loss(struct hone_tape *tape, hone_value logits, const int32_t *labels, float scale, float *loss) {
    hone_cross_entropy(tape, logits, labels, NULL, scale, loss);
}

struct hone_measure {
    struct hone_confusion confusion;
    struct hone_loss_mean loss;
};

static struct hone_measure *measure_create(const struct hone_labels *labels, int64_t n_logits) {
    (void)n_logits;
    struct hone_measure *measure = hone_calloc(1, sizeof *measure, "metrics");
    hone_confusion_create(&measure->confusion, (int32_t)labels->n);
    return measure;
}

static void measure_free(struct hone_measure *measure) {
    if (!measure) return;
    hone_confusion_free(&measure->confusion);
    hone_free(measure);
}

static void measure_add(struct hone_measure *measure, const struct hone_batch *batch, const float *logits) {
    int64_t n = measure->confusion.classes;
    hone_confusion_add_logits(&measure->confusion, logits, batch->labels, batch->R);
    for (int64_t r = 0; r < batch->R; r++) {
        const float *row = logits + r * n;
        hone_loss_mean_add(&measure->loss, hone_log_sum_exp(row, n) - row[batch->labels[r]], 1);
    }
}

static void measure_report(const struct hone_measure *measure, json_t *results, const char *prefix) {
    hone_result_set(results, prefix, "loss", hone_loss_mean_value(&measure->loss));
    hone_result_set(results, prefix, "accuracy", hone_confusion_accuracy(&measure->confusion));
    hone_result_set(results, prefix, "f1_macro", hone_confusion_macro_f1(&measure->confusion));
}

static double measure_value(const struct hone_measure *measure, enum hone_metric metric, bool *larger) {
    *larger = metric != HONE_METRIC_LOSS;
    if (metric == HONE_METRIC_LOSS) return hone_loss_mean_value(&measure->loss);
    return hone_confusion_accuracy(&measure->confusion);
}

static void predict(struct hone_prediction *out, const struct hone_labels *labels, const float *logits) {
    double total = hone_log_sum_exp(logits, labels->n);
    out->best = hone_argmax(logits, (int32_t)labels->n);
    for (int64_t i = 0; i < labels->n; i++) out->scores[i] = (float)exp(logits[i] - total);
}

const struct hone_task_class hone_task_sequence_classification = {
    .type = "sequence_classification",
    .id = HONE_TASK_SEQUENCE_CLASSIFICATION,
    .head = HONE_HEAD_SEQUENCE_CLASSIFICATION,
    .pipeline_tag = "text-classification",
    .auto_class = "AutoModelForSequenceClassification",
    .collect_labels = collect_labels,
    .encode = encode,
    .denominator = denominator,
    .record_loss = record_loss,
    .measure_create = measure_create,
    .measure_add = measure_add,
    .measure_report = measure_report,
    .measure_value = measure_value,
    .measure_free = measure_free,
    .predict = predict,
};
