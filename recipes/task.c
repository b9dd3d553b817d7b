#include "recipes/task.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Sorted by type. */
static const struct hone_task_class *const tasks[] = {&hone_task_masked_lm, &hone_task_sequence_classification};
enum { n_tasks = sizeof tasks / sizeof *tasks };

void hone_result_set(json_t *results, const char *prefix, const char *name, double value) {
    char key[64];
    snprintf(key, sizeof key, "%s_%s", prefix, name);
    json_object_set_new(results, key, isfinite(value) ? json_real(value) : json_null());
}

const struct hone_task_class *hone_task_find(enum hone_task_type type) {
    for (int i = 0; i < n_tasks; i++) {
        if (tasks[i]->id == type) return tasks[i];
    }
    return NULL;
}

const struct hone_task_class *hone_task_of_config(const json_t *config) {
    const char *type = json_string_value(json_object_get(config, "model_type"));
    const char *architecture = json_string_value(json_array_get(json_object_get(config, "architectures"), 0));
    if (!type || !architecture) return NULL;
    for (int m = 0; hone_model_class_at(m); m++) {
        const struct hone_model_class *model = hone_model_class_at(m);
        if (strcmp(model->model_type, type) != 0) continue;
        for (int i = 0; i < n_tasks; i++) {
            if (strcmp(model->architectures[tasks[i]->head], architecture) == 0) return tasks[i];
        }
    }
    return NULL;
}
