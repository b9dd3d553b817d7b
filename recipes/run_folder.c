#include "recipes/run_folder.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/lock.h"
#include "hub/model_card.h"

static bool has_file(const char *folder, const char *name) {
    char *path = hone_path_join(folder, name);
    bool found = hone_file_exists(path);
    hone_free(path);
    return found;
}

/* What a killed run leaves behind: "<name>.tmp-<process>-<12 hexadecimal digits>" of a process that is no more. */
static bool is_stale(const char *name) {
    const char *at = strstr(name, ".tmp-");
    if (!at) return false;
    at += strlen(".tmp-");
    size_t digits = strspn(at, "0123456789");
    const char *random = at + digits + 1;
    if (digits == 0 || digits > 9 || at[digits] != '-') return false;
    if (strlen(random) != 12 || strspn(random, "0123456789abcdef") != 12) return false;
    return !hone_process_lives(strtol(at, NULL, 10));
}

/* Removes such leftovers; *kept counts the folder's other names. */
static enum hone_status clean(size_t *kept, const char *path, bool remove) {
    char **names;
    size_t n;
    HONE_TRY(hone_list_folder(&names, &n, path));
    enum hone_status status = HONE_OK;
    *kept = 0;
    for (size_t i = 0; i < n && status == HONE_OK; i++) {
        if (hone_lock_is_name(names[i]) && !is_stale(names[i])) continue;
        if (!is_stale(names[i])) {
            ++*kept;
        } else if (remove) {
            char *stale = hone_path_join(path, names[i]);
            status = hone_remove_folder(stale);
            hone_free(stale);
        }
    }
    hone_names_free(names, n);
    return status;
}

static size_t line_length(const char *text) { return strcspn(text, "\n"); }

/* A run may lie elsewhere than where it was made: any two outputs are the same. */
static bool same_line(const char *a, const char *b) {
    static const char output[] = "output:";
    if (strncmp(a, output, sizeof output - 1) == 0 && strncmp(b, output, sizeof output - 1) == 0) return true;
    return line_length(a) == line_length(b) && strncmp(a, b, line_length(a)) == 0;
}

/* The first line that differs, in both; both at their end when there is none. */
static void first_difference(const char **a, const char **b) {
    while (**a && **b && same_line(*a, *b)) {
        *a += line_length(*a) + ((*a)[line_length(*a)] == '\n');
        *b += line_length(*b) + ((*b)[line_length(*b)] == '\n');
    }
}

/* A folder with files in it: of this recipe, of another one, or of somebody else. */
static enum hone_status compare_recipes(const struct hone_recipe *recipe, bool complete) {
    char *path = hone_path_join(recipe->output, "recipe.yaml"), *there = NULL;
    size_t n;
    struct hone_text here = {0};
    enum hone_status status = hone_read_file(&there, &n, path, 1 << 20);
    hone_free(path);
    HONE_TRY(status);
    hone_recipe_text(&here, recipe);
    const char *a = there, *b = here.bytes;
    /* A recipe.yaml without the resolved recipe's opening comment is somebody's own. */
    if (!same_line(a, b)) {
        status = hone_fail(HONE_USAGE,
                           "output: the recipe.yaml in %s was not written by a run, so this is no run folder; choose a "
                           "new folder",
                           recipe->output);
    } else if (complete) {
        first_difference(&a, &b);
        if (*a || *b) {
            status = hone_fail(HONE_RESUME_MISMATCH,
                               "%s holds a complete run of another recipe (there: \"%.*s\", now: \"%.*s\"); choose "
                               "another output, or remove the folder",
                               recipe->output, (int)line_length(a), a, (int)line_length(b), b);
        }
    }
    hone_text_free(&here);
    hone_free(there);
    return status;
}

enum hone_status hone_run_folder_state(enum hone_run_state *out, const struct hone_recipe *recipe) {
    *out = HONE_RUN_NEW;
    if (!hone_folder_exists(recipe->output)) {
        if (!hone_file_exists(recipe->output)) return HONE_OK;
        return hone_recipe_at(recipe, "output",
                              hone_fail(HONE_USAGE, "output: %s is a file, expected a folder", recipe->output));
    }
    size_t n;
    HONE_TRY(clean(&n, recipe->output, false));
    if (n == 0) return HONE_OK;
    if (!has_file(recipe->output, "recipe.yaml")) {
        return hone_recipe_at(
            recipe, "output",
            hone_fail(HONE_USAGE, "output: %s is not empty and no run folder; choose a new folder", recipe->output));
    }
    bool complete = has_file(recipe->output, "all_results.json");
    if (complete) *out = HONE_RUN_COMPLETE;
    return compare_recipes(recipe, complete);
}

enum hone_status hone_run_folder_results(json_t **out, const char *path) {
    char *file = hone_path_join(path, "all_results.json");
    enum hone_status status = hone_json_read(out, file, HONE_JSON_CONFIG_LIMIT);
    hone_free(file);
    return status;
}

enum hone_status hone_run_folder_open(struct hone_run_folder *out, const struct hone_recipe *recipe,
                                      int64_t metrics_bytes) {
    *out = (struct hone_run_folder){.path = hone_strdup(recipe->output, "run folder"), .metrics_bytes = metrics_bytes};
    char *checkpoints = hone_path_join(out->path, "checkpoints");
    char *recipe_path = hone_path_join(out->path, "recipe.yaml");
    char *metrics_path = hone_path_join(out->path, "metrics.jsonl");
    enum hone_status status;
    size_t kept;
    HONE_TRY_GOTO(clean(&kept, out->path, true));
    if (hone_folder_exists(checkpoints)) HONE_TRY_GOTO(clean(&kept, checkpoints, true));
    HONE_TRY_GOTO(hone_recipe_write(recipe, recipe_path));
    HONE_TRY_GOTO(metrics_bytes ? hone_file_continue(&out->metrics, metrics_path, metrics_bytes)
                                : hone_file_create(&out->metrics, metrics_path, true));
    /* A checkpoint tells how long metrics.jsonl is: its name has to outlive a power cut. */
    status = hone_sync_folder(out->path);
done:
    hone_free(checkpoints);
    hone_free(recipe_path);
    hone_free(metrics_path);
    return status;
}

void hone_run_folder_close(struct hone_run_folder *folder) {
    hone_file_close(folder->metrics);
    hone_free(folder->path);
    *folder = (struct hone_run_folder){0};
}

enum hone_status hone_run_folder_log(struct hone_run_folder *folder, const json_t *line) {
    if (!folder->path) return HONE_OK;
    struct hone_text text = {0};
    char *object = hone_json_line(line);
    hone_text_format(&text, "%s\n", object);
    enum hone_status status = hone_file_write(folder->metrics, text.bytes, text.length);
    folder->metrics_bytes += (int64_t)text.length;
    hone_text_free(&text);
    hone_free(object);
    return status;
}

enum hone_status hone_run_folder_save_model(struct hone_run_folder *folder, const struct hone_run *run) {
    if (!folder->path) return HONE_OK;
    char *target = hone_path_join(folder->path, "model"), *temporary = NULL;
    enum hone_status status = hone_temporary_folder(&temporary, target);
    if (status == HONE_OK) status = hone_model_folder_save(&run->folder, temporary, run->recipe->data.max_length, NULL);
    if (status == HONE_OK) status = hone_merge_folder(temporary, folder->path, "model.safetensors");
    if (status != HONE_OK) hone_discard_folder(temporary, status);
    hone_free(temporary);
    hone_free(target);
    return status;
}

#define SETTINGS 16

struct settings {
    struct hone_card_setting rows[SETTINGS];
    char text[SETTINGS][64];
    size_t n;
};

__attribute__((format(printf, 3, 4))) static void add_setting(struct settings *settings, const char *name,
                                                              const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(settings->text[settings->n], sizeof settings->text[0], format, arguments);
    va_end(arguments);
    settings->rows[settings->n] = (struct hone_card_setting){name, settings->text[settings->n]};
    settings->n++;
}

static void add_optimizer(struct settings *settings, const struct hone_recipe *recipe) {
    const char *title = hone_optimizer_title(recipe->optimizer.name);
    switch (recipe->optimizer.name) {
    case HONE_OPTIMIZER_ADAMW:
        add_setting(settings, "optimizer", "%s (beta1 %g, beta2 %g, epsilon %g)", title, recipe->optimizer.beta1,
                    recipe->optimizer.beta2, recipe->optimizer.epsilon);
        break;
    case HONE_OPTIMIZER_SGD:
        add_setting(settings, "optimizer", "%s (momentum %g%s)", title, recipe->optimizer.momentum,
                    recipe->optimizer.nesterov ? ", Nesterov" : "");
        break;
    case HONE_OPTIMIZER_ADAFACTOR:
        add_setting(settings, "optimizer", "%s (decay rate %g%s%s)", title, recipe->optimizer.decay_rate,
                    recipe->optimizer.scale_parameter ? ", parameters' scale" : "",
                    recipe->optimizer.relative_step ? ", relative step" : "");
        break;
    }
}

static void fill_settings(struct settings *settings, const struct hone_run *run, const json_t *results) {
    const struct hone_recipe *recipe = run->recipe;
    add_optimizer(settings, recipe);
    if (!recipe->optimizer.relative_step) {
        add_setting(settings, "learning rate", "%g", recipe->optimizer.lr);
        add_setting(settings, "schedule", "%s, %lld warm-up steps",
                    hone_recipe_word("schedule.name", (int)recipe->schedule.name), (long long)run->schedule.warmup);
    }
    add_setting(settings, "weight decay", "%g", recipe->optimizer.weight_decay);
    if (recipe->optimizer.clip_value > 0) {
        add_setting(settings, "clip value", "%g", recipe->optimizer.clip_value);
    } else {
        add_setting(settings, "clip norm", "%g", recipe->optimizer.clip_norm);
    }
    if (recipe->task.label_smoothing > 0) add_setting(settings, "label smoothing", "%g", recipe->task.label_smoothing);
    if (recipe->task.focal_gamma > 0) add_setting(settings, "focal gamma", "%g", recipe->task.focal_gamma);
    if (run->objective.weights)
        add_setting(settings, "class weights", recipe->task.class_weights.balanced ? "balanced" : "by name");
    add_setting(settings, "batch size", "%lld", (long long)recipe->training.batch_size);
    add_setting(settings, "steps", "%lld", (long long)json_integer_value(json_object_get(results, "steps")));
    add_setting(settings, "epochs", "%.4g", json_real_value(json_object_get(results, "epoch")));
    add_setting(settings, "seed", "%lld", (long long)recipe->training.seed);
    add_setting(settings, "precision", "%s", hone_recipe_word("precision", (int)recipe->precision));
}

/* The metrics "<prefix>_<name><suffix>" of results that the task puts first, and the one that chose the model. */
static size_t split_metrics(struct hone_card_metric out[HONE_METRICS], const json_t *results,
                            const struct hone_run *run, const char *prefix, const char *suffix) {
    size_t n = 0;
    for (int m = HONE_METRIC_AUTO + 1; m < HONE_METRICS; m++) {
        if (!(run->task->headline >> m & 1) && m != (int)run->recipe->evaluation.metric) continue;
        char key[64];
        snprintf(key, sizeof key, "%s_%s%s", prefix, hone_metric_name((enum hone_metric)m), suffix);
        const json_t *value = json_object_get(results, key);
        if (json_is_real(value))
            out[n++] = (struct hone_card_metric){hone_metric_name((enum hone_metric)m), json_real_value(value)};
    }
    return n;
}

/* Of all the files together; -1 when one is gone by now, which a finished training survives. */
static int64_t bytes_of(const struct hone_strings *files) {
    int64_t bytes = 0;
    for (size_t i = 0; i < files->n; i++) {
        struct hone_file *file;
        if (hone_file_open(&file, files->items[i]) != HONE_OK) return -1;
        bytes += hone_file_size(file);
        hone_file_close(file);
    }
    return bytes;
}

/* "a.tsv, b.tsv"; owned. */
static char *list_of(const struct hone_strings *files) {
    struct hone_text text = {0};
    for (size_t i = 0; i < files->n; i++) hone_text_format(&text, "%s%s", i ? ", " : "", files->items[i]);
    return text.bytes;
}

/* The last part of a path; owned. */
static char *name_of(const char *path) {
    size_t end = strlen(path);
    while (end > 1 && path[end - 1] == '/') end--;
    size_t begin = end;
    while (begin > 0 && path[begin - 1] != '/') begin--;
    return hone_strndup(path + begin, end - begin, "name of a model");
}

static enum hone_status write_card(const struct hone_run_folder *folder, const struct hone_run *run,
                                   const json_t *results) {
    const struct hone_recipe *recipe = run->recipe;
    struct {
        const char *name, *prefix, *suffix;
        const struct hone_strings *files;
        const struct hone_samples *samples;
    } splits[] = {{"train", "train", "", &recipe->data.train, &run->train},
                  {"validation", "eval", "", &recipe->data.validation, &run->validation},
                  {"validation_mm", "eval", "_mm", &recipe->data.validation_mm, &run->validation_mm},
                  {"test", "test", "", &recipe->data.test, &run->test}};
    enum { SPLITS = sizeof splits / sizeof *splits };
    struct hone_card_metric metrics[SPLITS][HONE_METRICS];
    struct hone_card_data data[SPLITS];
    char *lists[SPLITS] = {NULL}, *name = name_of(recipe->output);
    size_t n_data = 0;
    for (size_t i = 0; i < SPLITS; i++) {
        if (!splits[i].files->n) continue;
        lists[i] = list_of(splits[i].files);
        size_t n = i == 0 ? 0 : split_metrics(metrics[i], results, run, splits[i].prefix, splits[i].suffix);
        data[n_data++] = (struct hone_card_data){.split = splits[i].name,
                                                 .file = lists[i],
                                                 .bytes = bytes_of(splits[i].files),
                                                 .samples = splits[i].samples->n,
                                                 .metrics = metrics[i],
                                                 .n_metrics = n};
    }
    struct settings settings = {.n = 0};
    fill_settings(&settings, run, results);
    struct hone_card card = {
        .name = name,
        .base_model = json_string_value(json_object_get(run->folder.config, "_name_or_path")),
        .task = run->task->pipeline_tag,
        .auto_class = run->task->auto_class,
        .scores = run->task->scores,
        .metric = hone_recipe_word("evaluation.metric", (int)recipe->evaluation.metric),
        .labels = run->folder.labels.names,
        .n_labels = (size_t)run->folder.labels.n,
        .data = data,
        .n_data = n_data,
        .settings = settings.rows,
        .n_settings = settings.n,
        .parameters = hone_parameters_total(run->folder.model->parameters),
        .max_length = recipe->data.max_length,
        .version = HONE_VERSION,
    };
    enum hone_status status = hone_card_write(folder->path, &card);
    for (size_t i = 0; i < SPLITS; i++) hone_free(lists[i]);
    hone_free(name);
    return status;
}

enum hone_status hone_run_folder_finish(struct hone_run_folder *folder, const struct hone_run *run,
                                        const json_t *results) {
    HONE_TRY(write_card(folder, run, results));
    HONE_TRY(hone_file_sync(folder->metrics));
    enum hone_status status = hone_file_close(folder->metrics);
    folder->metrics = NULL;
    HONE_TRY(status);
    char *path = hone_path_join(folder->path, "all_results.json");
    status = hone_json_write(results, path);
    hone_free(path);
    return status;
}
