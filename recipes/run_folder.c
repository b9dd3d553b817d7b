#include "recipes/run_folder.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "hub/model_card.h"

static bool has_file(const char *folder, const char *name) {
    char *path = hone_path_join(folder, name);
    bool found = hone_file_exists(path);
    hone_free(path);
    return found;
}

/* Compares the resolved recipe with the one that made the folder, line by line. */
static enum hone_status same_recipe(const struct hone_recipe *recipe) {
    char *path = hone_path_join(recipe->output, "recipe.yaml"), *there = NULL;
    size_t n;
    enum hone_status status = hone_read_file(&there, &n, path, 1 << 20);
    struct hone_text here = {0};
    hone_recipe_text(&here, recipe);
    if (status == HONE_OK && strcmp(there, here.bytes) != 0) {
        const char *a = there, *b = here.bytes;
        while (*a && strcspn(a, "\n") == strcspn(b, "\n") && strncmp(a, b, strcspn(a, "\n")) == 0) {
            a += strcspn(a, "\n") + (a[strcspn(a, "\n")] == '\n');
            b += strcspn(b, "\n") + (b[strcspn(b, "\n")] == '\n');
        }
        status = hone_fail(HONE_RESUME_MISMATCH,
                           "%s holds a complete run of another recipe (there: \"%.*s\", now: \"%.*s\"); choose another "
                           "output, or remove the folder",
                           recipe->output, (int)strcspn(a, "\n"), a, (int)strcspn(b, "\n"), b);
    }
    hone_text_free(&here);
    hone_free(there);
    hone_free(path);
    return status;
}

enum hone_status hone_run_folder_state(enum hone_run_state *out, const struct hone_recipe *recipe) {
    *out = HONE_RUN_NEW;
    if (!hone_folder_exists(recipe->output)) {
        if (!hone_file_exists(recipe->output)) return HONE_OK;
        return hone_fail(HONE_USAGE, "output: %s is a file, expected a folder", recipe->output);
    }
    if (has_file(recipe->output, "all_results.json")) {
        *out = HONE_RUN_COMPLETE;
        return same_recipe(recipe);
    }
    char **names;
    size_t n;
    HONE_TRY(hone_list_folder(&names, &n, recipe->output));
    hone_names_free(names, n);
    if (n && !has_file(recipe->output, "recipe.yaml")) {
        return hone_fail(HONE_USAGE, "output: %s is not empty and no run folder; choose a new folder", recipe->output);
    }
    return HONE_OK;
}

enum hone_status hone_run_folder_results(json_t **out, const char *path) {
    char *file = hone_path_join(path, "all_results.json");
    enum hone_status status = hone_json_read(out, file, HONE_JSON_CONFIG_LIMIT);
    hone_free(file);
    return status;
}

enum hone_status hone_run_folder_create(struct hone_run_folder *out, const struct hone_recipe *recipe) {
    *out = (struct hone_run_folder){.path = hone_strdup(recipe->output, "run folder")};
    char *recipe_path = hone_path_join(out->path, "recipe.yaml");
    char *metrics_path = hone_path_join(out->path, "metrics.jsonl");
    enum hone_status status;
    HONE_TRY_GOTO(hone_make_folders(out->path));
    HONE_TRY_GOTO(hone_recipe_write(recipe, recipe_path));
    HONE_TRY_GOTO(hone_file_create(&out->metrics, metrics_path, true));
done:
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
    struct hone_text text = {0};
    char *object = hone_json_line(line);
    hone_text_format(&text, "%s\n", object);
    enum hone_status status = hone_file_write(folder->metrics, text.bytes, text.length);
    hone_text_free(&text);
    hone_free(object);
    return status;
}

enum hone_status hone_run_folder_save_model(struct hone_run_folder *folder, const struct hone_run *run) {
    char *target = hone_path_join(folder->path, "model"), *temporary = NULL;
    enum hone_status status = hone_temporary_folder(&temporary, target);
    if (status == HONE_OK) status = hone_model_folder_save(&run->folder, temporary, run->recipe->data.max_length);
    if (status == HONE_OK) status = hone_merge_folder(temporary, folder->path, "model.safetensors");
    if (status != HONE_OK && temporary) {
        /* The first failure is the one to tell. */
        char *message = hone_strdup(hone_error_message(), "message");
        hone_remove_folder(temporary);
        hone_fail(status, "%s", message);
        hone_free(message);
    }
    hone_free(temporary);
    hone_free(target);
    return status;
}

#define SETTINGS 12

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

static void fill_settings(struct settings *settings, const struct hone_run *run, const json_t *results) {
    const struct hone_recipe *recipe = run->recipe;
    add_setting(settings, "optimizer", "AdamW (beta1 %g, beta2 %g, epsilon %g)", recipe->optimizer.beta1,
                recipe->optimizer.beta2, recipe->optimizer.epsilon);
    add_setting(settings, "learning rate", "%g", recipe->optimizer.lr);
    add_setting(settings, "weight decay", "%g", recipe->optimizer.weight_decay);
    add_setting(settings, "clip norm", "%g", recipe->optimizer.clip_norm);
    add_setting(settings, "schedule", "%s, %lld warm-up steps",
                hone_recipe_word("schedule.name", (int)recipe->schedule.name), (long long)run->warmup);
    add_setting(settings, "batch size", "%lld", (long long)recipe->training.batch_size);
    add_setting(settings, "steps", "%lld", (long long)json_integer_value(json_object_get(results, "steps")));
    add_setting(settings, "epochs", "%.4g", json_real_value(json_object_get(results, "epoch")));
    add_setting(settings, "seed", "%lld", (long long)recipe->training.seed);
    add_setting(settings, "precision", "%s", hone_recipe_word("precision", (int)recipe->precision));
}

/* The metrics "<prefix>_<name>" of results, but for those about time and counts. */
static size_t split_metrics(struct hone_card_metric *out, size_t capacity, const json_t *results, const char *prefix) {
    size_t n = 0, length = strlen(prefix);
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)results, key, value) {
        if (strncmp(key, prefix, length) != 0 || key[length] != '_' || !json_is_real(value)) continue;
        const char *name = key + length + 1;
        if (strstr(name, "runtime") || strstr(name, "per_second")) continue;
        if (n < capacity) out[n++] = (struct hone_card_metric){name, json_real_value(value)};
    }
    return n;
}

static int64_t file_bytes(const char *path) {
    struct hone_file *file;
    if (hone_file_open(&file, path) != HONE_OK) return -1;
    int64_t bytes = hone_file_size(file);
    hone_file_close(file);
    return bytes;
}

static enum hone_status write_card(const struct hone_run_folder *folder, const struct hone_run *run,
                                   const json_t *results) {
    const struct hone_recipe *recipe = run->recipe;
    struct {
        const char *name, *prefix;
        const struct hone_strings *files;
        const struct hone_samples *samples;
    } splits[] = {{"train", "train", &recipe->data.train, &run->train},
                  {"validation", "eval", &recipe->data.validation, &run->validation},
                  {"test", "test", &recipe->data.test, &run->test}};
    struct hone_card_metric metrics[3][8];
    struct hone_card_data data[3];
    size_t n_data = 0;
    for (size_t i = 0; i < 3; i++) {
        if (!splits[i].files->n) continue;
        size_t n = i == 0 ? 0 : split_metrics(metrics[i], 8, results, splits[i].prefix);
        data[n_data++] = (struct hone_card_data){.split = splits[i].name,
                                                 .file = splits[i].files->items[0],
                                                 .bytes = file_bytes(splits[i].files->items[0]),
                                                 .samples = splits[i].samples->n,
                                                 .metrics = metrics[i],
                                                 .n_metrics = n};
    }
    struct settings settings = {.n = 0};
    fill_settings(&settings, run, results);
    const char *slash = strrchr(recipe->output, '/');
    struct hone_card card = {
        .name = slash && slash[1] ? slash + 1 : recipe->output,
        .base_model = json_string_value(json_object_get(run->folder.config, "_name_or_path")),
        .task = run->task->pipeline_tag,
        .auto_class = run->task->auto_class,
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
    return hone_card_write(folder->path, &card);
}

enum hone_status hone_run_folder_finish(struct hone_run_folder *folder, const struct hone_run *run,
                                        const json_t *results) {
    HONE_TRY(write_card(folder, run, results));
    enum hone_status status = hone_file_sync(folder->metrics);
    if (status == HONE_OK) status = hone_file_close(folder->metrics);
    folder->metrics = NULL;
    HONE_TRY(status);
    char *path = hone_path_join(folder->path, "all_results.json");
    status = hone_json_write(results, path);
    hone_free(path);
    return status;
}
