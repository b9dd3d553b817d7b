/* A task: how rows of a data file become samples, what the loss is, what is measured and what a prediction looks like.
 * A task is one file, one row of the registry in recipes/task.c, one YAML recipe. */
#ifndef HONE_RECIPES_TASK_H
#define HONE_RECIPES_TASK_H

#include "data/batch.h"
#include "recipes/dataset.h"
#include "recipes/labels.h"
#include "recipes/model_folder.h"
#include "recipes/prediction.h"
#include "recipes/recipe.h"

struct hone_measure; /* what a task counts during an evaluation */

struct hone_task_class {
    const char *type; /* task.type in a recipe */
    enum hone_task_type id;
    enum hone_head head;
    const char *pipeline_tag; /* on the Hub */
    const char *auto_class;   /* of Transformers, for the model card */

    /* NULL: the task has no labels. Adds the labels found in the training data to `labels` (they are sorted by the caller). One that cannot be a name
     * is HONE_BAD_INPUT with file:line. */
    enum hone_status (*collect_labels)(struct hone_labels *labels, const struct hone_recipe *recipe);
    /* Reads and encodes a split into samples, in file order, for the folder's tokenizer, model and labels. Everything
     * wrong with a row is HONE_BAD_INPUT with file:line, found and expected. */
    enum hone_status (*encode)(struct hone_samples *out, const struct hone_recipe *recipe, enum hone_split split,
                               const struct hone_model_folder *folder);

    /* What the summed losses of these samples are divided by in this pass over the data: one optimizer step's global
     * denominator. */
    double (*denominator)(const struct hone_samples *samples, const int64_t *chosen, int64_t n, uint32_t pass);
    /* Records the loss of a micro-batch, times scale, added to *loss (device). labels: device, [R]. */
    void (*record_loss)(struct hone_tape *tape, hone_value logits, const int32_t *labels, float scale, float *loss);

    struct hone_measure *(*measure_create)(const struct hone_labels *labels, int64_t n_logits);
    void (*measure_add)(struct hone_measure *measure, const struct hone_batch *batch, const float *logits);
    /* Sets "<prefix>_loss", "<prefix>_accuracy", … in `results`. */
    void (*measure_report)(const struct hone_measure *measure, json_t *results, const char *prefix);
    /* The figure that evaluation.metric names; larger is better when *larger. */
    double (*measure_value)(const struct hone_measure *measure, enum hone_metric metric, bool *larger);
    void (*measure_free)(struct hone_measure *measure);

    /* Fills a prediction from one row of logits; its scores have room for all labels. NULL: hone predict doesn't do this
     * task. */
    void (*predict)(struct hone_prediction *out, const struct hone_labels *labels, const float *logits);
};

extern const struct hone_task_class hone_task_masked_lm, hone_task_sequence_classification;

/* Sets "<prefix>_<name>" in `results`; null when the value is not finite. */
void hone_result_set(json_t *results, const char *prefix, const char *name, double value);

/* NULL when there is none. */
const struct hone_task_class *hone_task_find(enum hone_task_type type);
/* The task that a model folder's head is for, from config.json's architectures; NULL when it names none. */
const struct hone_task_class *hone_task_of_config(const json_t *config);

#endif
