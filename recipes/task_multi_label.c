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

/* What is done with each label of an example. */
struct visit {
    const struct hone_dataset *dataset;
    const struct hone_example *example;
    enum hone_status (*see)(const struct visit *visit, struct hone_field name);
    struct hone_labels *collected;
    const struct hone_labels *labels;
    float *targets;
};

static bool is(struct hone_field f, const char *text) { return f.n == strlen(text) && memcmp(f.bytes, text, f.n) == 0; }

static struct hone_field trimmed(struct hone_field f) {
    while (f.n && (*f.bytes == ' ' || *f.bytes == '\t')) f.bytes++, f.n--;
    while (f.n && (f.bytes[f.n - 1] == ' ' || f.bytes[f.n - 1] == '\t')) f.n--;
    return f;
}

/* A JSON array inside a field, as CSV files have them. */
static enum hone_status see_array(const struct visit *visit, struct hone_field text) {
    char *wrapped = hone_format("{\"labels\": %.*s}", (int)text.n, text.bytes);
    json_t *object = NULL;
    enum hone_status status = hone_json_parse(&object, wrapped, strlen(wrapped), "label");
    hone_free(wrapped);
    const json_t *array = json_object_get(object, "labels");
    if (status != HONE_OK || !json_is_array(array) || json_object_size(object) != 1) {
        json_decref(object);
        return hone_texts_fail(visit->dataset, visit->example,
                               "the label begins with [ but is no JSON array, expected [\"name\", …]");
    }
    for (size_t i = 0; i < json_array_size(array) && status == HONE_OK; i++) {
        const json_t *item = json_array_get(array, i);
        char number[32];
        snprintf(number, sizeof number, "%lld", (long long)json_integer_value(item));
        if (!json_is_string(item) && !json_is_integer(item)) {
            status = hone_texts_fail(visit->dataset, visit->example,
                                     "item %zu of the labels is neither text nor a whole number", i + 1);
        } else {
            const char *name = json_is_string(item) ? json_string_value(item) : number;
            status = visit->see(visit, (struct hone_field){name, strlen(name)});
        }
    }
    json_decref(object);
    return status;
}

/* Names between separators; blanks around them don't count, and no text is no label. */
static enum hone_status see_names(const struct visit *visit, struct hone_field text, const char *separator) {
    size_t length = strlen(separator);
    text = trimmed(text);
    if (text.n == 0) return HONE_OK;
    if (*text.bytes == '[') return see_array(visit, text);
    for (;;) {
        const char *end = memmem(text.bytes, text.n, separator, length);
        struct hone_field name = {text.bytes, end ? (size_t)(end - text.bytes) : text.n};
        HONE_TRY(visit->see(visit, trimmed(name)));
        if (!end) return HONE_OK;
        text.n -= name.n + length;
        text.bytes = end + length;
    }
}

static enum hone_status see_column(const struct visit *visit, const char *separator) {
    const struct hone_value *value = hone_dataset_value(visit->dataset, 0);
    if (value->kind == HONE_VALUE_NULL) return HONE_OK;
    if (value->kind != HONE_VALUE_LIST) {
        struct hone_field text;
        HONE_TRY(hone_dataset_label(&text, visit->dataset));
        return see_names(visit, text, separator);
    }
    for (size_t i = 0; i < value->n; i++) HONE_TRY(visit->see(visit, value->items[i]));
    return HONE_OK;
}

static enum hone_status collect_name(const struct visit *visit, struct hone_field name) {
    return hone_texts_collect_label(visit->collected, visit->dataset, visit->example, name);
}

static enum hone_status set_name(const struct visit *visit, struct hone_field name) {
    int32_t index = hone_labels_find(visit->labels, name.bytes, name.n);
    if (index < 0) return hone_texts_unknown_label(visit->dataset, visit->example, name, visit->labels);
    visit->targets[index] = 1;
    return HONE_OK;
}

struct collector {
    struct hone_labels *labels;
    const char *separator;
};

static enum hone_status collect(void *user, const struct hone_dataset *dataset, const struct hone_example *example) {
    struct collector *c = user;
    struct visit visit = {.dataset = dataset, .example = example, .see = collect_name, .collected = c->labels};
    return see_column(&visit, c->separator);
}

static enum hone_status collect_labels(struct hone_labels *labels, const struct hone_recipe *recipe) {
    if (recipe->data.label.n > 1) {
        hone_labels_of_columns(labels, &recipe->data.label);
        return HONE_OK;
    }
    struct collector c = {labels, recipe->data.label_separator};
    HONE_TRY(hone_texts_each(recipe, HONE_SPLIT_TRAIN, collect, &c));
    hone_labels_sort(labels);
    if (labels->n > 0) return HONE_OK;
    return hone_fail(HONE_BAD_INPUT, "%s: no sample of the training data has a label", recipe->data.train.items[0]);
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

static enum hone_status set_label(struct hone_samples *samples, const struct hone_samples_room *room,
                                  const struct hone_dataset *dataset, const struct hone_example *example,
                                  const struct hone_model_folder *folder) {
    int64_t n = folder->labels.n;
    float *targets = hone_samples_targets(samples, room, n);
    const struct hone_recipe *recipe = hone_dataset_recipe(dataset);
    if (recipe->data.label.n > 1) return set_columns(targets, dataset, example, n);
    for (int64_t i = 0; i < n; i++) targets[i] = 0;
    struct visit visit = {
        .dataset = dataset, .example = example, .see = set_name, .labels = &folder->labels, .targets = targets};
    return see_column(&visit, recipe->data.label_separator);
}

static enum hone_status encode(struct hone_samples *out, const struct hone_recipe *recipe, enum hone_split split,
                               const struct hone_model_folder *folder) {
    int64_t columns = (int64_t)recipe->data.label.n;
    if (columns > 1 && columns != folder->labels.n)
        return hone_fail(HONE_USAGE, "%lld label columns, but the model has %lld labels", (long long)columns,
                         (long long)folder->labels.n);
    return hone_texts_encode(out, recipe, split, folder, set_label);
}

static double denominator(const struct hone_samples *samples, const int64_t *chosen, int64_t n, uint32_t pass,
                          const struct hone_objective *objective) {
    (void)pass;
    (void)chosen;
    (void)objective;
    return (double)(n * samples->n_targets);
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

static struct hone_measure *measure_create(const struct hone_model_folder *folder) {
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
    .denominator = denominator,
    .record_loss = record_loss,
    .measure_create = measure_create,
    .measure_add = measure_add,
    .measure_report = measure_report,
    .measure_free = measure_free,
    .predict = predict,
};
