#include "recipes/task.h"

#include <string.h>

#include "recipes/tags.h"

/* Sorted by type and problem. */
static const struct hone_task_class *const tasks[] = {&hone_task_single_label, &hone_task_multi_label,
                                                      &hone_task_regression, &hone_task_masked_lm,
                                                      &hone_task_token_classification};
enum { n_tasks = sizeof tasks / sizeof *tasks };

/* Problems are those of classifiers of sequences. */
static bool solves(const struct hone_task_class *task, enum hone_problem problem) {
    return task->type != HONE_TASK_SEQUENCE_CLASSIFICATION || task->problem == problem;
}

const struct hone_task_class *hone_task_find(enum hone_task_type type, enum hone_problem problem) {
    for (int i = 0; i < n_tasks; i++) {
        if (tasks[i]->type == type && solves(tasks[i], problem)) return tasks[i];
    }
    return NULL;
}

const struct hone_task_class *hone_task_of_folder(const struct hone_model_folder *folder) {
    const char *architecture = json_string_value(json_array_get(json_object_get(folder->config, "architectures"), 0));
    for (int i = 0; architecture && i < n_tasks; i++) {
        const char *expected = folder->model->class->architectures[tasks[i]->head];
        if (expected && strcmp(expected, architecture) == 0 && solves(tasks[i], folder->problem)) return tasks[i];
    }
    return NULL;
}

bool hone_metric_suits(const struct hone_task_class *task, enum hone_metric metric) {
    return task->metrics >> metric & 1;
}

enum hone_status hone_metric_check(const struct hone_task_class *task, enum hone_metric metric,
                                   const struct hone_labels *labels) {
    const uint64_t of_two = HONE_BIT(F1) | HONE_BIT(PRECISION) | HONE_BIT(RECALL) | HONE_BIT(COMBINED);
    const uint64_t ranked = HONE_BIT(ROC_AUC) | HONE_BIT(ROC_AUC_WEIGHTED) | HONE_BIT(AVERAGE_PRECISION);
    int64_t n_labels = labels->n;
    if (task->type == HONE_TASK_TOKEN_CLASSIFICATION) {
        bool plain = metric == HONE_METRIC_ACCURACY || metric == HONE_METRIC_LOSS;
        if (plain || hone_tags_scheme(labels) != HONE_SCHEME_NONE) return HONE_OK;
        return hone_fail(HONE_USAGE,
                         "evaluation.metric: %s is of entities, and these tags mark none: take accuracy or loss",
                         hone_metric_name(metric));
    }
    if (task->problem == HONE_REGRESSION) return HONE_OK;
    if (task->problem == HONE_SINGLE_LABEL && n_labels != 2 && of_two >> metric & 1)
        return hone_fail(HONE_USAGE,
                         "evaluation.metric: %s is of the second of two labels, and there are %lld: take f1_macro, "
                         "f1_micro or f1_weighted, and precision and recall likewise",
                         hone_metric_name(metric), (long long)n_labels);
    if (task->problem == HONE_SINGLE_LABEL && n_labels == 2 && metric == HONE_METRIC_ROC_AUC_WEIGHTED)
        return hone_fail(HONE_USAGE, "evaluation.metric: of two labels there is only one roc_auc, take that");
    if (n_labels > HONE_MOST_RANKED && ranked >> metric & 1)
        return hone_fail(HONE_USAGE, "evaluation.metric: %s is for at most %d labels, and there are %lld",
                         hone_metric_name(metric), HONE_MOST_RANKED, (long long)n_labels);
    return HONE_OK;
}
