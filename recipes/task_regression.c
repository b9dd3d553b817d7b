/* Regression: one or several numbers for a text, from a column each, or from a list of numbers in one. Loss: the mean
 * squared difference over samples and outputs (Transformers' MSELoss); prediction: the numbers. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/utf8.h"
#include "recipes/scores.h"
#include "recipes/task.h"
#include "recipes/texts.h"

/* Number i of an example's targets: of its columns, or of the list in its only one. */
static struct hone_field field_at(const struct hone_dataset *dataset, int64_t columns, int64_t i) {
    const struct hone_value *value = hone_dataset_value(dataset, columns > 1 ? (size_t)i : 0);
    size_t item = columns > 1 ? 0 : (size_t)i;
    bool readable = columns > 1 ? value->n == 1 : item < value->n;
    return readable ? value->items[item] : (struct hone_field){"", 0};
}

/* A finite decimal number that f32 can hold, and nothing around it. */
static bool parse_number(float *out, struct hone_field f) {
    char text[64], *end;
    if (f.n == 0 || f.n >= sizeof text) return false;
    for (size_t i = 0; i < f.n; i++)
        if (!strchr("+-.0123456789eE", f.bytes[i]) || f.bytes[i] == 0) return false;
    memcpy(text, f.bytes, f.n);
    text[f.n] = 0;
    *out = strtof(text, &end);
    return *end == 0 && isfinite(*out);
}

struct collector {
    struct hone_labels *labels;
    int64_t outputs;
};

/* The first example says how many numbers a list has. */
static enum hone_status collect(void *user, const struct hone_dataset *dataset, const struct hone_example *example) {
    struct collector *c = user;
    (void)example;
    const struct hone_value *value = hone_dataset_value(dataset, 0);
    if (c->outputs == 0) c->outputs = value->kind == HONE_VALUE_LIST && value->n ? (int64_t)value->n : 1;
    return HONE_OK;
}

static enum hone_status collect_labels(struct hone_labels *labels, const struct hone_recipe *recipe) {
    struct collector c = {labels, 0};
    if (recipe->data.label.n == 1) HONE_TRY(hone_texts_each(recipe, HONE_SPLIT_TRAIN, collect, &c));
    if (c.outputs > 1) {
        hone_labels_number(labels, c.outputs);
    } else {
        hone_labels_of_columns(labels, &recipe->data.label);
    }
    return HONE_OK;
}

static enum hone_status set_label(struct hone_samples_writer *samples, const struct hone_dataset *dataset,
                                  const struct hone_example *example, const struct hone_model_folder *folder) {
    int64_t n = folder->labels.n, columns = (int64_t)hone_dataset_recipe(dataset)->data.label.n;
    float *targets = hone_samples_targets(samples, n);
    size_t given = hone_dataset_value(dataset, 0)->n;
    if (columns == 1 && given > 1 && (int64_t)given != n)
        return hone_texts_fail(dataset, example, "a list of %zu numbers, expected %lld", given, (long long)n);
    for (int64_t i = 0; i < n; i++) {
        struct hone_field f = field_at(dataset, columns, i);
        if (parse_number(&targets[i], f)) continue;
        char *shown = hone_escape(f.bytes, f.n < 80 ? f.n : 80);
        enum hone_status status =
            hone_texts_fail(dataset, example, "the label \"%s\" is no number, such as 3.8 or -1e2", shown);
        hone_free(shown);
        return status;
    }
    return HONE_OK;
}

static enum hone_status encode(struct hone_samples *out, const struct hone_recipe *recipe, enum hone_split split,
                               const struct hone_model_folder *folder) {
    return hone_texts_encode(out, recipe, split, folder, set_label);
}

static void record_loss(struct hone_tape *tape, hone_value logits, const struct hone_batch *batch,
                        const struct hone_objective *objective, float scale, float *loss) {
    (void)objective;
    hone_squared_error(tape, logits, batch->targets, scale, loss);
}

/* Of each output; ranks need all values: 8 bytes a sample are kept. */
struct output {
    struct hone_agreement agreement;
    float *values, *targets;
};

struct hone_measure {
    int64_t n, samples;
    size_t room;
    struct output *outputs;
};

static struct hone_measure *measure_create(const struct hone_model_folder *folder, const struct hone_samples *samples) {
    (void)samples;
    struct hone_measure *measure = hone_calloc(1, sizeof *measure, "metrics");
    measure->n = folder->labels.n;
    measure->outputs = hone_calloc((size_t)measure->n, sizeof *measure->outputs, "metrics");
    return measure;
}

static void measure_free(struct hone_measure *measure) {
    if (!measure) return;
    for (int64_t i = 0; i < measure->n; i++) {
        hone_free(measure->outputs[i].values);
        hone_free(measure->outputs[i].targets);
    }
    hone_free(measure->outputs);
    hone_free(measure);
}

static void reserve(struct hone_measure *measure) {
    if ((size_t)measure->samples < measure->room) return;
    measure->room = measure->room ? 2 * measure->room : 1024;
    for (int64_t i = 0; i < measure->n; i++) {
        struct output *o = &measure->outputs[i];
        o->values = hone_realloc(o->values, measure->room, sizeof *o->values, "values to be ranked");
        o->targets = hone_realloc(o->targets, measure->room, sizeof *o->targets, "values to be ranked");
    }
}

static void measure_add(struct hone_measure *measure, const struct hone_batch *batch, const float *logits) {
    for (int64_t r = 0; r < batch->R; r++) {
        reserve(measure);
        for (int64_t i = 0; i < measure->n; i++) {
            struct output *o = &measure->outputs[i];
            float y = logits[r * measure->n + i], t = batch->targets[r * measure->n + i];
            hone_agreement_add(&o->agreement, (double)y, (double)t);
            o->values[measure->samples] = y;
            o->targets[measure->samples] = t;
        }
        measure->samples++;
    }
}

/* Pearson's correlation of the average ranks. */
static double spearman(const struct output *output, int64_t n) {
    struct hone_agreement ranks = {0};
    double *y = hone_alloc((size_t)n, sizeof *y, "ranks"), *t = hone_alloc((size_t)n, sizeof *t, "ranks");
    hone_average_ranks(y, output->values, n);
    hone_average_ranks(t, output->targets, n);
    for (int64_t i = 0; i < n; i++) hone_agreement_add(&ranks, y[i], t[i]);
    hone_free(y);
    hone_free(t);
    return hone_agreement_pearson(&ranks);
}

/* Means over the outputs. */
static void measure_report(const struct hone_measure *measure, struct hone_figures *figures) {
    double squares = 0, distances = 0, pearson = 0, ranks = 0, r2 = 0, outputs = (double)measure->n;
    double values = outputs * (double)measure->samples;
    for (int64_t i = 0; i < measure->n; i++) {
        const struct hone_agreement *agreement = &measure->outputs[i].agreement;
        squares += agreement->squares;
        distances += agreement->distances;
        pearson += hone_agreement_pearson(agreement);
        ranks += spearman(&measure->outputs[i], measure->samples);
        r2 += hone_agreement_r2(agreement);
    }
    double mse = values > 0 ? squares / values : 0;
    hone_figures_set(figures, HONE_METRIC_LOSS, mse);
    hone_figures_set(figures, HONE_METRIC_MSE, mse);
    hone_figures_set(figures, HONE_METRIC_MAE, values > 0 ? distances / values : 0);
    hone_figures_set(figures, HONE_METRIC_R2, r2 / outputs);
    hone_figures_set(figures, HONE_METRIC_PEARSON, pearson / outputs);
    hone_figures_set(figures, HONE_METRIC_SPEARMAN, ranks / outputs);
    hone_figures_set(figures, HONE_METRIC_COMBINED, (pearson + ranks) / (2 * outputs));
}

static void predict(struct hone_prediction *out, const float *logits, int64_t n) {
    out->best = 0;
    memcpy(out->scores, logits, (size_t)n * sizeof *out->scores);
}

const struct hone_task_class hone_task_regression = {
    .type = HONE_TASK_SEQUENCE_CLASSIFICATION,
    .problem = HONE_REGRESSION,
    .head = HONE_HEAD_SEQUENCE_CLASSIFICATION,
    .pipeline_tag = "text-classification",
    .auto_class = "AutoModelForSequenceClassification",
    .metric = HONE_METRIC_LOSS,
    .metrics = HONE_BIT(LOSS) | HONE_BIT(MSE) | HONE_BIT(MAE) | HONE_BIT(R2) | HONE_BIT(PEARSON) | HONE_BIT(SPEARMAN) |
               HONE_BIT(COMBINED),
    .headline = HONE_BIT(MSE) | HONE_BIT(MAE) | HONE_BIT(R2) | HONE_BIT(PEARSON) | HONE_BIT(SPEARMAN),
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
