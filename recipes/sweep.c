#include "recipes/sweep.h"

#include <stdio.h>
#include <string.h>

#include "base/io.h"
#include "base/utf8.h"
#include "recipes/dataset.h"
#include "recipes/options.h"
#include "recipes/train.h"

#define MOST_RUNS 10000

/* Axes. */

/* A value as it would stand on the command line. */
static void write_value(struct hone_text *text, const struct hone_yaml *value) {
    if (value->kind == HONE_YAML_SCALAR) {
        if (!value->quoted) {
            hone_text_format(text, "%s", value->text);
            return;
        }
        hone_text_append(text, "\"", 1);
        for (const char *p = value->text; *p; p++) hone_text_format(text, "%s%c", strchr("\"\\", *p) ? "\\" : "", *p);
        hone_text_append(text, "\"", 1);
        return;
    }
    bool map = value->kind == HONE_YAML_MAP;
    hone_text_append(text, map ? "{" : "[", 1);
    for (size_t i = 0; i < value->n; i++) {
        hone_text_format(text, "%s", i ? ", " : "");
        if (map) hone_text_format(text, "%s: ", value->keys[i]);
        write_value(text, value->items[i]);
    }
    hone_text_append(text, map ? "}" : "]", 1);
}

static void axis_add(struct hone_axis *axis, char *owned) {
    struct hone_strings *v = &axis->values;
    v->items = hone_realloc(v->items, v->n + 1, sizeof *v->items, "values of a sweep");
    v->items[v->n++] = owned;
}

static bool takes_list(const char *key) {
    const struct hone_option *option = hone_option_find(key);
    if (!option) return false;
    return option->type == HONE_OPTION_PATHS || option->type == HONE_OPTION_NAMES ||
           option->type == HONE_OPTION_NUMBERS || option->type == HONE_OPTION_PATTERNS ||
           option->type == HONE_OPTION_GROUPS;
}

static bool is_axis(const char *key, const struct hone_yaml *value) {
    if (value->kind != HONE_YAML_LIST) return false;
    if (!takes_list(key)) return true;
    for (size_t i = 0; i < value->n; i++) {
        if (value->items[i]->kind != HONE_YAML_LIST) return false;
    }
    return value->n > 0;
}

static enum hone_status add_axis(struct hone_sweep *sweep, const char *key, const struct hone_yaml *list) {
    if (list->n == 0) return hone_fail(HONE_USAGE, "%s: an empty list, expected values to try", key);
    for (size_t i = 0; i < sweep->n_axes; i++) {
        if (strcmp(sweep->axes[i].key, key) == 0) return hone_fail(HONE_USAGE, "%s: given twice", key);
    }
    sweep->axes = hone_realloc(sweep->axes, sweep->n_axes + 1, sizeof *sweep->axes, "axes of a sweep");
    struct hone_axis *axis = &sweep->axes[sweep->n_axes++];
    *axis = (struct hone_axis){.key = hone_strdup(key, "key of a sweep")};
    for (size_t i = 0; i < list->n; i++) {
        struct hone_text text = {0};
        write_value(&text, list->items[i]);
        if (!text.bytes) text.bytes = hone_strdup("", "value of a sweep");
        axis_add(axis, text.bytes);
        for (size_t j = 0; j < i; j++) {
            if (strcmp(axis->values.items[j], text.bytes) == 0)
                return hone_fail(HONE_USAGE, "%s: %s is given twice", key, text.bytes);
        }
    }
    return HONE_OK;
}

static enum hone_status sort_override(struct hone_sweep *sweep, char *override) {
    const char *equals = strchr(override, '=');
    struct hone_yaml *value = NULL;
    enum hone_status status = HONE_OK;
    bool axis = false;
    if (equals && equals != override && hone_yaml_parse(&value, equals + 1, strlen(equals + 1), "value") == HONE_OK) {
        char *key = hone_strndup(override, (size_t)(equals - override), "key of a sweep");
        axis = is_axis(key, value);
        if (axis) status = add_axis(sweep, key, value);
        hone_free(key);
    }
    hone_yaml_free(value);
    /* What is wrong with the others is told with the recipe's mistakes. */
    if (!axis) sweep->overrides[sweep->n_overrides++] = override;
    return status;
}

enum hone_status hone_sweep_grid(struct hone_sweep *out, const char *recipe, char **overrides, int n) {
    *out = (struct hone_sweep){.recipe = recipe, .overrides = overrides};
    enum hone_status status = HONE_OK;
    for (int i = 0; i < n && status == HONE_OK; i++) status = sort_override(out, overrides[i]);
    if (status == HONE_OK && out->n_axes == 0)
        status = hone_fail(HONE_USAGE, "nothing varies: give an option several values, as optimizer.lr=[1e-5, 3e-5]");
    if (status != HONE_OK) hone_sweep_free(out);
    return status;
}

enum hone_status hone_sweep_seeds(struct hone_sweep *out, const char *recipe, char **overrides, int n_overrides,
                                  int64_t n) {
    *out = (struct hone_sweep){.recipe = recipe, .overrides = overrides, .n_overrides = n_overrides};
    struct hone_recipe first;
    struct hone_text mistakes = {0};
    int64_t seed = 0;
    /* A recipe with mistakes is told by hone_sweep_run. */
    if (hone_recipe_read(&first, recipe, overrides, n_overrides, &mistakes) == HONE_OK) {
        seed = first.training.seed;
        hone_recipe_free(&first);
    }
    hone_text_free(&mistakes);
    out->axes = hone_calloc(1, sizeof *out->axes, "axes of a sweep");
    out->axes[out->n_axes++] = (struct hone_axis){.key = hone_strdup("training.seed", "key of a sweep")};
    for (int64_t i = seed; i < seed + n; i++) axis_add(out->axes, hone_format("%lld", (long long)i));
    return HONE_OK;
}

void hone_sweep_free(struct hone_sweep *sweep) {
    for (size_t i = 0; i < sweep->n_axes; i++) {
        struct hone_strings *values = &sweep->axes[i].values;
        for (size_t k = 0; k < values->n; k++) hone_free(values->items[k]);
        hone_free(values->items);
        hone_free(sweep->axes[i].key);
    }
    hone_free(sweep->axes);
    *sweep = (struct hone_sweep){0};
}

/* Runs. */

struct plan {
    struct hone_recipe *recipes;
    char **names;
    size_t n;
};

/* The value of axis `axis` in run `run`; the last axis varies fastest. */
static const char *value_of(const struct hone_sweep *sweep, size_t run, size_t axis) {
    for (size_t i = sweep->n_axes - 1; i > axis; i--) run /= sweep->axes[i].values.n;
    return sweep->axes[axis].values.items[run % sweep->axes[axis].values.n];
}

/* "optimizer.lr=1e-5,training.epochs=2", without what file names had better not hold. */
static char *name_of(const struct hone_sweep *sweep, const struct plan *plan, size_t run) {
    enum { LONGEST = 180 };
    struct hone_text text = {0};
    for (size_t i = 0; i < sweep->n_axes; i++)
        hone_text_format(&text, "%s%s=%s", i ? "," : "", sweep->axes[i].key, value_of(sweep, run, i));
    for (size_t i = 0; i < text.length; i++) {
        char *p = &text.bytes[i];
        if (!strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._=,+-", *p)) *p = '_';
    }
    bool taken = text.length > LONGEST;
    for (size_t i = 0; i < run; i++) taken |= strcmp(plan->names[i], text.bytes) == 0;
    if (taken) {
        char *shorter = hone_format("%.*s-%zu", LONGEST, text.bytes, run + 1);
        hone_text_free(&text);
        return shorter;
    }
    return text.bytes;
}

static enum hone_status read_run(struct plan *plan, const struct hone_sweep *sweep, size_t run,
                                 struct hone_text *mistakes) {
    size_t n = (size_t)sweep->n_overrides;
    char **overrides = hone_calloc(n + sweep->n_axes, sizeof *overrides, "overrides of a sweep");
    for (size_t i = 0; i < n; i++) overrides[i] = sweep->overrides[i];
    for (size_t i = 0; i < sweep->n_axes; i++)
        overrides[n + i] = hone_format("%s=%s", sweep->axes[i].key, value_of(sweep, run, i));
    struct hone_recipe *recipe = &plan->recipes[run];
    enum hone_status status = hone_recipe_read(recipe, sweep->recipe, overrides, (int)(n + sweep->n_axes), mistakes);
    for (size_t i = 0; i < sweep->n_axes; i++) hone_free(overrides[n + i]);
    hone_free(overrides);
    HONE_TRY(status);
    plan->names[run] = name_of(sweep, plan, run);
    plan->n++;
    return HONE_OK;
}

static void plan_free(struct plan *plan) {
    for (size_t i = 0; i < plan->n; i++) {
        hone_recipe_free(&plan->recipes[i]);
        hone_free(plan->names[i]);
    }
    hone_free(plan->recipes);
    hone_free(plan->names);
}

static enum hone_status plan_runs(struct plan *plan, const struct hone_sweep *sweep, struct hone_text *mistakes) {
    size_t n = 1;
    for (size_t i = 0; i < sweep->n_axes && n <= MOST_RUNS; i++) n *= sweep->axes[i].values.n;
    if (n > MOST_RUNS) return hone_fail(HONE_USAGE, "more than %d runs: give fewer values", MOST_RUNS);
    plan->recipes = hone_calloc(n, sizeof *plan->recipes, "recipes of a sweep");
    plan->names = hone_calloc(n, sizeof *plan->names, "names of runs");
    for (size_t run = 0; run < n; run++) HONE_TRY(read_run(plan, sweep, run, mistakes));
    return HONE_OK;
}

static json_t *values_json(const struct hone_sweep *sweep, size_t run) {
    json_t *values = json_object();
    for (size_t i = 0; i < sweep->n_axes; i++)
        json_object_set_new(values, sweep->axes[i].key, json_string(value_of(sweep, run, i)));
    return values;
}

/* Mean, deviation and interval of every metric that all successful runs have. */
static json_t *summarize(const json_t *runs) {
    json_t *summary = json_object(), *first = NULL, *run, *value;
    size_t i, n = 0;
    double *values = hone_calloc(json_array_size(runs) + 1, sizeof *values, "metrics of a sweep");
    json_array_foreach(runs, i, run) {
        if (!first) first = json_object_get(run, "results");
    }
    const char *key;
    json_object_foreach(first, key, value) {
        bool in_all = json_is_real(value);
        n = 0;
        json_array_foreach(runs, i, run) {
            const json_t *results = json_object_get(run, "results"), *figure = json_object_get(results, key);
            if (results && !json_is_real(figure)) in_all = false;
            if (json_is_real(figure)) values[n++] = json_real_value(figure);
        }
        if (!in_all) continue;
        double mean, deviation, half;
        hone_interval(&mean, &deviation, &half, values, n);
        json_object_set_new(summary, key,
                            json_pack("{s:f, s:f, s:[f, f], s:I}", "mean", mean, "standard_deviation", deviation,
                                      "interval_95", mean - half, mean + half, "n", (json_int_t)n));
    }
    hone_free(values);
    return summary;
}

/* Somebody wants the program to end. The run goes on where it was, when the sweep is started again. */
static bool is_stop(enum hone_status status) { return status == HONE_PREEMPTED || status == HONE_INTERRUPTED; }

static enum hone_status run_all(json_t *runs, const struct plan *plan, const struct hone_sweep *sweep) {
    enum hone_status first = HONE_OK;
    char *message = NULL;
    for (size_t i = 0; i < plan->n && !is_stop(first); i++) {
        json_t *results = NULL;
        hone_info("run %zu of %zu: %s", i + 1, plan->n, plan->names[i]);
        enum hone_status status = hone_train(&results, &plan->recipes[i], hone_world_alone());
        json_t *entry = json_pack("{s:s, s:s, s:o}", "name", plan->names[i], "output", plan->recipes[i].output,
                                  "values", values_json(sweep, i));
        if (status == HONE_OK) {
            json_object_set_new(entry, "results", results);
        } else {
            hone_warn("%s failed: %s", plan->names[i], hone_error_message());
            json_object_set_new(entry, "error", json_string(hone_error_message()));
            json_object_set_new(entry, "exit_code", json_integer(status));
            if (first == HONE_OK || is_stop(status)) {
                hone_free(message);
                first = status;
                message = hone_format("%s: %s", plan->names[i], hone_error_message());
            }
        }
        json_array_append_new(runs, entry);
    }
    if (first != HONE_OK) hone_fail(first, "%s", message);
    hone_free(message);
    return first;
}

enum hone_status hone_sweep_run(json_t **out, const struct hone_sweep *sweep, struct hone_text *mistakes) {
    struct plan plan = {.n = 0};
    char *base = NULL, *file = NULL;
    *out = NULL;
    enum hone_status status, written;
    HONE_TRY_GOTO(plan_runs(&plan, sweep, mistakes));
    base = hone_strdup(plan.recipes[0].output, "folder of a sweep");
    for (size_t i = 0; i < plan.n; i++) {
        struct hone_recipe *recipe = &plan.recipes[i];
        char *output = hone_path_join(recipe->output, plan.names[i]);
        hone_free(recipe->output);
        recipe->output = output;
    }
    hone_log_set_level(plan.recipes[0].logging.level);
    HONE_TRY_GOTO(hone_make_folders(base));
    json_t *runs = json_array();
    const struct hone_recipe *recipe = &plan.recipes[0];
    const char *prefix = hone_dataset_exists(recipe, HONE_SPLIT_VALIDATION) ? "eval" : "test";
    char *metric = hone_format("%s_%s", prefix, hone_recipe_word("evaluation.metric", (int)recipe->evaluation.metric));
    *out = json_pack("{s:s, s:o}", "metric", metric, "runs", runs);
    hone_free(metric);
    status = run_all(runs, &plan, sweep);
    json_object_set_new(*out, "summary", summarize(runs));
    file = hone_path_join(base, "sweep.json");
    written = HONE_OK;
    if (status == HONE_OK) {
        written = hone_json_write(*out, file);
    } else {
        /* The first failure is the one to tell. */
        char *message = hone_strdup(hone_error_message(), "message");
        if (hone_json_write(*out, file) != HONE_OK) hone_warn("%s", hone_error_message());
        hone_fail(status, "%s", message);
        hone_free(message);
    }
    if (status == HONE_OK) status = written;
done:
    plan_free(&plan);
    hone_free(base);
    hone_free(file);
    return status;
}
