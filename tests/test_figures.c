/* The metrics of every problem beside scikit-learn and scipy (tests/reference/make_metrics.py): random and awkward
 * labels, ties, one class only, no positives; and however rows fall into batches. */
#include <math.h>
#include <string.h>

#include "base/json.h"
#include "base/memory.h"
#include "recipes/task.h"
#include "tests/support.h"

/* Sums of some hundred doubles, and correlations of values near 1000. */
static const double tolerance = 1e-12;

static const json_t *member(const json_t *object, const char *key) {
    const json_t *value = json_object_get(object, key);
    if (!value) fail_msg("the fixture has no %s", key);
    return value;
}

static float *floats(const json_t *array) {
    size_t n = json_array_size(array);
    float *values = hone_alloc(n, sizeof *values, "test");
    for (size_t i = 0; i < n; i++) values[i] = (float)json_number_value(json_array_get(array, i));
    return values;
}

/* Feeds the rows in batches of `size`. */
static void feed(const struct hone_task_class *task, struct hone_measure *measure, float *logits, int32_t *labels,
                 float *targets, int64_t rows, int64_t n, int64_t size) {
    for (int64_t i = 0; i < rows; i += size) {
        int64_t some = rows - i < size ? rows - i : size;
        struct hone_batch batch = {.R = some,
                                   .B = some,
                                   .labels = labels ? labels + i : NULL,
                                   .targets = targets ? targets + i * n : NULL,
                                   .n_targets = targets ? n : 0};
        task->measure_add(measure, &batch, logits + i * n);
    }
}

static void check_figures(const char *file, size_t number, const json_t *results, const json_t *wanted) {
    const char *name;
    json_t *want;
    json_object_foreach((json_t *)wanted, name, want) {
        char key[80];
        snprintf(key, sizeof key, "eval_%s", name);
        const json_t *got = member(results, key);
        bool right = json_is_null(want)
                         ? json_is_null(got)
                         : json_is_real(got) && fabs(json_real_value(got) - json_number_value(want)) <= tolerance;
        if (!right)
            fail_msg("%s, case %zu, %s: found %.17g, expected %.17g", file, number, name, json_number_value(got),
                     json_number_value(want));
    }
    /* Nothing is reported that was not compared. */
    json_object_foreach((json_t *)results, name, want) {
        if (strcmp(name, "eval_confusion_matrix") == 0) continue;
        member(wanted, name + strlen("eval_"));
    }
}

static void check_case(const struct hone_task_class *task, const char *file, size_t number, const json_t *item) {
    bool single = task->problem == HONE_SINGLE_LABEL, regression = task->problem == HONE_REGRESSION;
    int64_t n = json_integer_value(member(item, regression ? "outputs" : "classes"));
    const json_t *rows_of = member(item, regression ? "values" : "logits");
    int64_t rows = (int64_t)json_array_size(rows_of) / n;
    float *logits = floats(rows_of), *targets = single ? NULL : floats(member(item, "targets"));
    int32_t *labels = hone_alloc((size_t)rows, sizeof *labels, "test");
    for (int64_t i = 0; single && i < rows; i++)
        labels[i] = (int32_t)json_integer_value(json_array_get(member(item, "labels"), (size_t)i));
    struct hone_model_folder folder = {.problem = task->problem};
    folder.threshold = json_number_value(json_object_get(item, "threshold"));
    hone_labels_number(&folder.labels, n);
    static const int64_t sizes[] = {1, 7, 1 << 20};
    for (int s = 0; s < 3; s++) {
        struct hone_measure *measure = task->measure_create(&folder, NULL);
        struct hone_figures figures = {.confusion = NULL};
        json_t *results = json_object();
        feed(task, measure, logits, labels, targets, rows, n, sizes[s]);
        task->measure_report(measure, &figures);
        hone_figures_write(results, &figures, "eval");
        check_figures(file, number, results, member(item, "figures"));
        assert_true(!single || json_equal(member(results, "eval_confusion_matrix"), member(item, "confusion")));
        json_decref(results);
        task->measure_free(measure);
    }
    hone_labels_free(&folder.labels);
    hone_free(logits);
    hone_free(targets);
    hone_free(labels);
}

static void check_file(const struct hone_task_class *task, const char *file) {
    json_t *cases = json_load_file(file, 0, NULL);
    assert_true(json_array_size(cases) > 5);
    for (size_t i = 0; i < json_array_size(cases); i++) check_case(task, file, i, json_array_get(cases, i));
    json_decref(cases);
}

static void test_single_label(void **state) {
    (void)state;
    check_file(&hone_task_single_label, "tests/fixtures/metrics/single_label.json");
}

static void test_multi_label(void **state) {
    (void)state;
    check_file(&hone_task_multi_label, "tests/fixtures/metrics/multi_label.json");
}

static void test_regression(void **state) {
    (void)state;
    check_file(&hone_task_regression, "tests/fixtures/metrics/regression.json");
}

/* Every word of evaluation.metric belongs to a task, and a task reports what it says it has. */
static void test_words(void **state) {
    (void)state;
    static const struct hone_task_class *const tasks[] = {&hone_task_single_label, &hone_task_multi_label,
                                                          &hone_task_regression};
    uint64_t all = 0;
    for (int t = 0; t < 3; t++) {
        all |= tasks[t]->metrics;
        assert_true(hone_metric_suits(tasks[t], tasks[t]->metric));
        assert_int_equal(tasks[t]->headline & ~tasks[t]->metrics, 0);
        for (int64_t n = 1; n <= 3; n++) {
            struct hone_model_folder folder = {.problem = tasks[t]->problem, .threshold = 0.5};
            struct hone_figures figures = {.confusion = NULL};
            hone_labels_number(&folder.labels, n);
            struct hone_measure *measure = tasks[t]->measure_create(&folder, NULL);
            tasks[t]->measure_report(measure, &figures);
            for (int m = HONE_METRIC_AUTO + 1; m < HONE_METRICS; m++) {
                if (figures.known[m]) assert_true(hone_metric_suits(tasks[t], (enum hone_metric)m));
                if (n == 1 || !hone_metric_suits(tasks[t], (enum hone_metric)m)) continue;
                bool can = hone_metric_check(tasks[t], (enum hone_metric)m, &folder.labels) == HONE_OK;
                if (can != figures.known[m]) fail_msg("%s of %d labels", hone_metric_name((enum hone_metric)m), (int)n);
            }
            tasks[t]->measure_free(measure);
            hone_labels_free(&folder.labels);
        }
    }
    all |= hone_task_masked_lm.metrics | hone_task_token_classification.metrics;
    for (int m = HONE_METRIC_AUTO + 1; m < HONE_METRICS; m++) assert_true(all >> m & 1);
    test_expect_status(hone_metric_check(tasks[0], HONE_METRIC_F1, &(struct hone_labels){.n = 3}), HONE_USAGE,
                       "take f1_macro");
    test_expect_status(hone_metric_check(tasks[1], HONE_METRIC_ROC_AUC, &(struct hone_labels){.n = 65}), HONE_USAGE,
                       "at most 64 labels");
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_single_label), cmocka_unit_test(test_multi_label),
                                       cmocka_unit_test(test_regression), cmocka_unit_test(test_words)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
