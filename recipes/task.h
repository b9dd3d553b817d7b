/* A task: how rows of a data file become samples, what the loss is, what is measured and what a prediction looks like.
 * A task is one file, one row of the registry in recipes/task.c, one YAML recipe. */
#ifndef HONE_RECIPES_TASK_H
#define HONE_RECIPES_TASK_H

#include "data/batch.h"
#include "recipes/dataset.h"
#include "recipes/figures.h"
#include "recipes/labels.h"
#include "recipes/model_folder.h"
#include "recipes/objective.h"
#include "recipes/prediction.h"
#include "recipes/recipe.h"

struct hone_measure; /* what a task counts during an evaluation */

/* Bits of hone_task_class.metrics. */
#define HONE_BIT(metric) (UINT64_C(1) << HONE_METRIC_##metric)
#define HONE_CLASS_METRICS                                                                                             \
    (HONE_BIT(LOSS) | HONE_BIT(ACCURACY) | HONE_BIT(F1_MICRO) | HONE_BIT(F1_MACRO) | HONE_BIT(F1_WEIGHTED) |           \
     HONE_BIT(PRECISION_MICRO) | HONE_BIT(PRECISION_MACRO) | HONE_BIT(PRECISION_WEIGHTED) | HONE_BIT(RECALL_MICRO) |   \
     HONE_BIT(RECALL_MACRO) | HONE_BIT(RECALL_WEIGHTED) | HONE_BIT(ROC_AUC) | HONE_BIT(ROC_AUC_WEIGHTED) |             \
     HONE_BIT(AVERAGE_PRECISION))
/* Rankings and confusion matrices are for this many labels at most: they hold every score of every sample. */
#define HONE_MOST_RANKED 64

struct hone_task_class {
    enum hone_task_type type;
    enum hone_problem problem;
    enum hone_head head;
    const char *pipeline_tag;   /* on the Hub */
    const char *auto_class;     /* of Transformers, for the model card */
    const char *scores;         /* what a prediction's scores are, for the model card; NULL: it has none */
    enum hone_metric metric;    /* that chooses the best model unless the recipe says so */
    uint64_t metrics, headline; /* that it has; that the model card shows */

    /* Adds the labels found in the training data to `labels`, in their order; NULL: the task has none. One that cannot be a name is
     * HONE_BAD_INPUT with file:line. */
    enum hone_status (*collect_labels)(struct hone_labels *labels, const struct hone_recipe *recipe);
    /* Reads and encodes a split into samples, in file order, for the folder's tokenizer, model and labels. Everything
     * wrong with a row is HONE_BAD_INPUT with file:line, found and expected. */
    enum hone_status (*encode)(struct hone_samples *out, const struct hone_recipe *recipe, enum hone_split split,
                               const struct hone_model_folder *folder);
    /* Gives samples that were encoded before what a token cache doesn't hold; encode() has done it. NULL: nothing. */
    enum hone_status (*complete)(struct hone_samples *samples, const struct hone_recipe *recipe,
                                 const struct hone_model_folder *folder);

    /* What the summed losses of these samples are divided by in this pass over the data: one optimizer step's global
     * denominator. */
    double (*denominator)(const struct hone_samples *samples, const int64_t *chosen, int64_t n, uint32_t pass,
                          const struct hone_objective *objective);
    /* Records the loss of a micro-batch, times scale, added to *loss (device). batch: its pointers, on the device. */
    void (*record_loss)(struct hone_tape *tape, hone_value logits, const struct hone_batch *batch,
                        const struct hone_objective *objective, float scale, float *loss);

    /* Evaluation's loss is the plain one: no class weights, smoothing or focusing, so runs can be compared. All
     * samples come, in their order. */
    struct hone_measure *(*measure_create)(const struct hone_model_folder *folder, const struct hone_samples *samples);
    void (*measure_add)(struct hone_measure *measure, const struct hone_batch *batch, const float *logits);
    /* Sets what it has; borrowed parts live as long as the measure. */
    void (*measure_report)(const struct hone_measure *measure, struct hone_figures *figures);
    void (*measure_free)(struct hone_measure *measure);

    /* Fills a prediction from one row of n logits. NULL: hone predict doesn't do this task. */
    void (*predict)(struct hone_prediction *out, const float *logits, int64_t n);
};

extern const struct hone_task_class hone_task_single_label, hone_task_multi_label, hone_task_regression,
    hone_task_masked_lm, hone_task_token_classification;

const struct hone_task_class *hone_task_find(enum hone_task_type type, enum hone_problem problem);
/* The task that a model folder's head is for, from config.json's architectures and problem_type; NULL when it names
 * none. */
const struct hone_task_class *hone_task_of_folder(const struct hone_model_folder *folder);

bool hone_metric_suits(const struct hone_task_class *task, enum hone_metric metric);
/* Whether it can be had of these labels: F1 and its like without a way of averaging are of the second of two, and of
 * tags that mark entities. Else
 * HONE_USAGE. */
enum hone_status hone_metric_check(const struct hone_task_class *task, enum hone_metric metric,
                                   const struct hone_labels *labels);

#endif
