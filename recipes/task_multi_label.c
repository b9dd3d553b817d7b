/* Sequence classification with any number of labels for a text. Labels come as a JSON array, as names with a separator
 * between them in one column, or as 0 and 1 in a column each. Loss: binary cross entropy, the mean over samples and labels
 * (Transformers' BCEWithLogitsLoss); prediction: the labels whose sigmoid reaches the threshold, and all sigmoids. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/memory.h"
#include "base/utf8.h"
#include "recipes/scores.h"
#include "recipes/task.h"
#include "recipes/texts.h"

static bool is(struct hone_field f, const char *text) { return f.n == strlen(text) && memcmp(f.bytes, text, f.n) == 0; }

static enum hone_status collect_name(void *user, const struct hone_dataset *dataset, const struct hone_example *example,
                                     struct hone_field name) {
    return hone_texts_collect_label(user, dataset, example, name);
}

static enum hone_status collect(void *user, const struct hone_dataset *dataset, const struct hone_example *example) {
    return hone_texts_each_name(dataset, example, collect_name, user);
}

static enum hone_status collect_labels(struct hone_labels *labels, const struct hone_recipe *recipe) {
    if (recipe->data.label.n > 1) {
        hone_labels_of_columns(labels, &recipe->data.label);
        return HONE_OK;
    }
    HONE_TRY(hone_texts_each(recipe, HONE_SPLIT_TRAIN, collect, labels));
    hone_labels_sort(labels);
    if (labels->n > 0) return HONE_OK;
    return hone_fail(HONE_BAD_INPUT, "%s: no sample of the training data has a label", recipe->data.train.items[0]);
}

struct aim {
    const struct hone_labels *labels;
    float *targets;
};

static enum hone_status set_name(void *user, const struct hone_dataset *dataset, const struct hone_example *example,
                                 struct hone_field name) {
    const struct aim *aim = user;
    int32_t index = hone_labels_find(aim->labels, name.bytes, name.n);
    if (index < 0) return hone_texts_unknown_label(dataset, example, name, aim->labels);
    aim->targets[index] = 1;
    return HONE_OK;
}

/* 0 or 1 in each column. */
static enum hone_status set_columns(float *targets, const struct hone_dataset *dataset,
                                    const struct hone_example *example, int64_t n) {
    for (int64_t i = 0; i < n; i++) {
        const struct hone_value *value = hone_dataset_value(dataset, (size_t)i);
        struct hone_field f = value->n == 1 ? value->items[0] : (struct hone_field){"", 0};
        bool one = is(f, "1") || is(f, "1.0") || is(f, "true");
        if (!one && !is(f, "0") && !is(f, "0.0") && !is(f, "false")) {
            char *shown = hone_escape(f.bytes, f.n < 80 ? f.n : 80);
            enum hone_status status = hone_texts_fail(
                dataset, example, "label column %lld holds \"%s\", expected 0 or 1", (long long)i + 1, shown);
            hone_free(shown);
            return status;
        }
        targets[i] = one ? 1 : 0;
    }
    return HONE_OK;
}

static enum hone_status set_label(struct hone_samples_writer *samples, const struct hone_dataset *dataset,
                                  const struct hone_example *example, const struct hone_model_folder *folder) {
    int64_t n = folder->labels.n;
    float *targets = hone_samples_targets(samples, n);
    const struct hone_recipe *recipe = hone_dataset_recipe(dataset);
    if (recipe->data.label.n > 1) return set_columns(targets, dataset, example, n);
    for (int64_t i = 0; i < n; i++) targets[i] = 0;
    struct aim aim = {&folder->labels, targets};
    return hone_texts_each_name(dataset, example, set_name, &aim);
}

static enum hone_status encode(struct hone_samples *out, const struct hone_recipe *recipe, enum hone_split split,
                               const struct hone_model_folder *folder) {
    return hone_texts_encode(out, recipe, split, folder, set_label);
}

static void record_loss(struct hone_tape *tape, hone_value logits, const struct hone_batch *batch,
                        const struct hone_objective *objective, float scale, float *loss) {
    hone_binary_cross_entropy(tape, logits, batch->targets, objective->settings.weights, objective->settings.focus,
                              scale, loss);
}

struct hone_measure {
    int64_t n;
    double threshold;
    struct hone_class_counts *counts;
    int64_t samples, right;
    struct hone_loss_mean loss;
    struct hone_scores scores; /* none of too many */
};

static struct hone_measure *measure_create(const struct hone_model_folder *folder, const struct hone_samples *samples) {
    (void)samples;
    struct hone_measure *measure = hone_calloc(1, sizeof *measure, "metrics");
    measure->n = folder->labels.n;
    measure->threshold = folder->threshold;
    measure->counts = hone_calloc((size_t)measure->n, sizeof *measure->counts, "counts of labels");
    hone_scores_create(&measure->scores, measure->n <= HONE_MOST_RANKED ? measure->n : 0);
    return measure;
}

static void measure_free(struct hone_measure *measure) {
    if (!measure) return;
    hone_scores_free(&measure->scores);
    hone_free(measure->counts);
    hone_free(measure);
}

static double sigmoid(float x) { return 1 / (1 + exp(-(double)x)); }

static void measure_add(struct hone_measure *measure, const struct hone_batch *batch, const float *logits) {
    int64_t n = measure->n;
    for (int64_t r = 0; r < batch->R; r++) {
        const float *row = logits + r * n, *targets = batch->targets + r * n;
        bool all = true;
        uint8_t *positives = NULL;
        double *scores = measure->scores.classes ? hone_scores_add(&measure->scores, &positives) : NULL;
        for (int64_t i = 0; i < n; i++) {
            double x = (double)row[i], y = (double)targets[i];
            bool has = y > 0, gets = sigmoid(row[i]) >= measure->threshold;
            measure->counts[i].both += has && gets;
            measure->counts[i].labelled += has;
            measure->counts[i].predicted += gets;
            all = all && has == gets;
            hone_loss_mean_add(&measure->loss, fmax(x, 0) - x * y + log1p(exp(-fabs(x))), 1);
            if (!scores) continue;
            scores[i] = x;
            positives[i] = has;
        }
        measure->samples++;
        measure->right += all;
    }
}

static void measure_report(const struct hone_measure *measure, struct hone_figures *figures) {
    struct hone_averages averages = hone_average_scores(measure->counts, measure->n);
    hone_figures_set(figures, HONE_METRIC_LOSS, hone_loss_mean_value(&measure->loss));
    hone_figures_set(figures, HONE_METRIC_ACCURACY,
                     measure->samples ? (double)measure->right / (double)measure->samples : 0);
    hone_figures_set_scores(figures, HONE_METRIC_F1_MICRO, averages.micro);
    hone_figures_set_scores(figures, HONE_METRIC_F1_MACRO, averages.macro);
    hone_figures_set_scores(figures, HONE_METRIC_F1_WEIGHTED, averages.weighted);
    if (measure->scores.classes > 0) hone_figures_set_ranking(figures, &measure->scores);
}

static void predict(struct hone_prediction *out, const float *logits, int64_t n) {
    out->best = hone_argmax(logits, (int32_t)n);
    for (int64_t i = 0; i < n; i++) out->scores[i] = (float)sigmoid(logits[i]);
}

const struct hone_task_class hone_task_multi_label = {
    .type = HONE_TASK_SEQUENCE_CLASSIFICATION,
    .problem = HONE_MULTI_LABEL,
    .head = HONE_HEAD_SEQUENCE_CLASSIFICATION,
    .pipeline_tag = "text-classification",
    .auto_class = "AutoModelForSequenceClassification",
    .scores = "the sigmoid of each of the model's outputs",
    .metric = HONE_METRIC_F1_MICRO,
    .metrics = HONE_CLASS_METRICS,
    .headline = HONE_BIT(ACCURACY) | HONE_BIT(LOSS) | HONE_BIT(F1_MICRO) | HONE_BIT(F1_MACRO) | HONE_BIT(ROC_AUC) |
                HONE_BIT(AVERAGE_PRECISION),
    .collect_labels = collect_labels,
    .encode = encode,
    .denominator = hone_texts_targets,
    .record_loss = record_loss,
    .measure_create = measure_create,
    .measure_add = measure_add,
    .measure_report = measure_report,
    .measure_free = measure_free,
    .predict = predict,
};
