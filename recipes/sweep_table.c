/* A sweep's results for people. */
#include <stdlib.h>
#include <string.h>

#include "recipes/sweep.h"

/* Figures about time and size are no metrics. */
static bool is_metric(const char *key, const json_t *value) {
    if (!json_is_real(value) || strstr(key, "runtime") || strstr(key, "per_second")) return false;
    return strncmp(key, "eval_", 5) == 0 || strncmp(key, "test_", 5) == 0 || strcmp(key, "train_loss") == 0;
}

static bool smaller_is_better(const char *metric) {
    return hone_ends_with(metric, "_loss") || hone_ends_with(metric, "_mse") || hone_ends_with(metric, "_mae") ||
           hone_ends_with(metric, "_error") || hone_ends_with(metric, "_perplexity");
}

struct row {
    const json_t *run;
    bool failed;
    double figure; /* larger is better */
    size_t place;
};

static int by_figure(const void *a, const void *b) {
    const struct row *x = a, *y = b;
    if (x->failed != y->failed) return x->failed ? 1 : -1;
    if (!x->failed && x->figure != y->figure) return x->figure > y->figure ? -1 : 1;
    return (x->place > y->place) - (x->place < y->place);
}

static void summary_table(struct hone_text *text, const json_t *results) {
    const char *key;
    json_t *value;
    hone_text_format(text, "%-28s %10s %10s   %s\n", "", "mean", "std", "95 % interval of the mean");
    json_object_foreach(json_object_get(results, "summary"), key, value) {
        if (!is_metric(key, json_object_get(value, "mean"))) continue;
        const json_t *interval = json_object_get(value, "interval_95");
        hone_text_format(text, "%-28s %10.4f %10.4f   %.4f to %.4f\n", key,
                         json_real_value(json_object_get(value, "mean")),
                         json_real_value(json_object_get(value, "standard_deviation")),
                         json_real_value(json_array_get(interval, 0)), json_real_value(json_array_get(interval, 1)));
    }
}

/* Columns of metrics: those of the first run that did not fail, the deciding one first. */
static size_t find_columns(const char **columns, size_t capacity, const json_t *runs, const char *metric) {
    size_t i, n = 0;
    json_t *run, *value;
    const char *key;
    json_array_foreach(runs, i, run) {
        json_t *figures = json_object_get(run, "results");
        if (!figures) continue;
        if (json_is_real(json_object_get(figures, metric))) columns[n++] = metric;
        json_object_foreach(figures, key, value) {
            if (is_metric(key, value) && strcmp(key, metric) != 0 && n < capacity) columns[n++] = key;
        }
        return n;
    }
    return 0;
}

static void runs_table(struct hone_text *text, const json_t *results) {
    enum { COLUMNS = 6 };
    const char *columns[COLUMNS], *metric = json_string_value(json_object_get(results, "metric"));
    const json_t *runs = json_object_get(results, "runs");
    size_t n = json_array_size(runs), n_columns = find_columns(columns, COLUMNS, runs, metric), longest = 4, i;
    json_t *run;
    struct row *rows = hone_calloc(n, sizeof *rows, "rows of a table");
    /* Without validation and test data there is the training loss alone. */
    const char *deciding = n_columns ? columns[0] : metric;
    json_array_foreach(runs, i, run) {
        const json_t *figures = json_object_get(run, "results");
        double figure = json_number_value(json_object_get(figures, deciding));
        rows[i] = (struct row){run, !figures, smaller_is_better(deciding) ? -figure : figure, i};
        size_t length = strlen(json_string_value(json_object_get(run, "name")));
        if (length > longest) longest = length;
    }
    qsort(rows, n, sizeof *rows, by_figure);
    hone_text_format(text, "%-*s", (int)longest, "run");
    for (size_t c = 0; c < n_columns; c++) hone_text_format(text, "  %14s", columns[c]);
    hone_text_format(text, "\n");
    for (size_t r = 0; r < n; r++) {
        hone_text_format(text, "%-*s", (int)longest, json_string_value(json_object_get(rows[r].run, "name")));
        if (rows[r].failed) {
            hone_text_format(text, "  failed: %s\n", json_string_value(json_object_get(rows[r].run, "error")));
            continue;
        }
        const json_t *figures = json_object_get(rows[r].run, "results");
        for (size_t c = 0; c < n_columns; c++)
            hone_text_format(text, "  %14.4f", json_number_value(json_object_get(figures, columns[c])));
        hone_text_format(text, "\n");
    }
    hone_free(rows);
}

void hone_sweep_table(struct hone_text *text, const json_t *results, bool summary) {
    runs_table(text, results);
    if (!summary) return;
    hone_text_format(text, "\n");
    summary_table(text, results);
}
