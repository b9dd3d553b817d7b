/* When a run evaluates, which model it keeps, when it stops early, and what a complete model says of single texts: the
 * same whatever else is in the batch. */
#include <math.h>
#include <omp.h>
#include <string.h>

#include "base/io.h"
#include "base/memory.h"
#include "recipes/predictor.h"
#include "recipes/train.h"
#include "tests/support.h"
#include "tests/tiny.h"

static const char *const names[2] = {"neg", "pos"}, *const wrong_names[2] = {"pos", "neg"};

static const char *new_folder(uint64_t rows) {
    const char *folder = test_scratch();
    tiny_folder(tiny_path(folder, "model"), 0, 1);
    tiny_tsv(tiny_path(folder, "train.tsv"), 7, rows, names);
    tiny_tsv(tiny_path(folder, "validation.tsv"), 8, 21, names);
    return folder;
}

static size_t evaluations(double *values, const char *folder, const char *key) {
    return tiny_metrics(values, 512, tiny_path(folder, "out"), "validation", key);
}

static double number(const json_t *results, const char *key) {
    const json_t *value = json_object_get(results, key);
    if (!json_is_number(value)) fail_msg("no number \"%s\" in the results", key);
    return json_number_value(value);
}

static void evaluations_come_when_asked_for(void **state) {
    (void)state;
    /* 20 rows in batches of 4: 5 steps an epoch, 10 in all. */
    static const struct {
        const char *every;
        int n, steps[10];
    } cases[] = {{"evaluation.every=epoch", 2, {5, 10}}, {"evaluation.every=3", 4, {3, 6, 9, 10}},
                 {"evaluation.every=5", 2, {5, 10}},     {"evaluation.every=100", 1, {10}},
                 {"evaluation.every=no", 0, {0}},        {"evaluation.every=null", 0, {0}},
                 {"data.validation=null", 0, {0}}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *folder = new_folder(20);
        json_t *results;
        TEST_OK(
            tiny_train(&results, folder, TINY_OVERRIDES(cases[i].every, "training.batch_size=4", "training.epochs=2")));
        double steps[512];
        assert_int_equal(evaluations(steps, folder, "step"), cases[i].n);
        for (int k = 0; k < cases[i].n; k++) assert_int_equal(steps[k], cases[i].steps[k]);
        assert_int_equal(json_object_get(results, "eval_accuracy") != NULL, cases[i].n > 0);
        assert_int_equal(json_object_get(results, "best_step") != NULL, cases[i].n > 0);
        assert_true(hone_file_exists(tiny_path(folder, "out/model.safetensors")));
        json_decref(results);
    }
}

/* Validation labels are the training labels turned round: the better the model learns, the worse it does there, so the
 * first evaluation is the best one. */
static void later_worse_models_do_not_replace_the_best(void **state) {
    (void)state;
    const char *folder = new_folder(40);
    tiny_tsv(tiny_path(folder, "validation.tsv"), 7, 40, wrong_names);
    char *test = hone_format("data.test=%s/validation.tsv", folder);
    json_t *results;
    TEST_OK(tiny_train(&results, folder,
                       TINY_OVERRIDES("evaluation.every=5", "evaluation.metric=loss", "training.epochs=8", test)));
    hone_free(test);
    double losses[512];
    size_t n = evaluations(losses, folder, "loss");
    assert_int_equal(n, 8);
    assert_true(losses[n - 1] > losses[0] + 0.1);
    size_t best = 0;
    for (size_t i = 0; i < n; i++) best = losses[i] < losses[best] ? i : best;
    assert_int_equal(number(results, "best_step"), 5 * (best + 1));
    assert_true(number(results, "eval_loss") == losses[best]);
    /* The test used the best model, and the folder holds it: same figures to the last bit. */
    assert_true(number(results, "test_loss") == losses[best]);
    struct hone_device *device;
    struct hone_model_folder saved;
    struct hone_engine engine;
    struct hone_samples samples;
    struct hone_recipe recipe;
    json_t *again = json_object();
    tiny_recipe(&recipe, folder, NULL);
    TEST_OK(hone_device_open(&device, "cpu"));
    TEST_OK(hone_model_folder_open(
        &saved, tiny_path(folder, "out"),
        (struct hone_model_folder_options){.device = device, .head = HONE_HEAD_SEQUENCE_CLASSIFICATION}));
    const struct hone_task_class *task = hone_task_of_folder(&saved);
    TEST_OK(task->encode(&samples, &recipe, HONE_SPLIT_VALIDATION, &saved));
    TEST_OK(hone_engine_create(&engine, saved.model, 1024, 64, 0));
    double value;
    assert_ptr_equal(task, hone_task_find(recipe.task.type, recipe.task.problem_type));
    TEST_OK(hone_evaluate(again, &value, &engine, task, &saved, &samples, HONE_METRIC_LOSS, "eval"));
    assert_true(value == losses[best] && number(again, "eval_loss") == losses[best]);
    hone_engine_free(&engine);
    hone_samples_free(&samples);
    hone_model_folder_close(&saved);
    hone_recipe_free(&recipe);
    json_decref(again);
    json_decref(results);
}

/* A later evaluation as good as the best is no gain. */
static void patience(void **state) {
    (void)state;
    const char *folder = new_folder(40);
    json_t *results;
    TEST_OK(tiny_train(&results, folder,
                       TINY_OVERRIDES("optimizer.lr=1e-30", "training.early_stopping=2", "evaluation.every=2",
                                      "training.epochs=10", "logging.every=5")));
    double steps[512];
    assert_int_equal(evaluations(steps, folder, "step"), 3);
    assert_int_equal(number(results, "steps"), 6);
    assert_int_equal(number(results, "best_step"), 2);
    json_decref(results);
    /* The step after the last line of every five is logged all the same. */
    size_t n = tiny_metrics(steps, 512, tiny_path(folder, "out"), "train", "step");
    assert_int_equal(n, 2);
    assert_int_equal(steps[1], 6);
}

static void learning_is_seen(void **state) {
    (void)state;
    const char *folder = new_folder(200);
    json_t *results;
    TEST_OK(tiny_train(&results, folder,
                       TINY_OVERRIDES("training.epochs=12", "optimizer.lr=3e-3", "evaluation.metric=loss")));
    assert_true(number(results, "eval_accuracy") > 0.95);
    assert_true(number(results, "eval_loss") < 0.2);
    json_decref(results);
}

/* Predictions. */

struct logits {
    float values[64][2];
};

static void take_logits(const struct hone_batch *batch, const float *logits, void *user) {
    struct logits *out = user;
    for (int64_t r = 0; r < batch->R; r++) memcpy(out->values[batch->sample_of[r]], logits + 2 * r, 2 * sizeof(float));
}

/* Logits of 64 texts, alone and in batches of every size, with 1 to 8 threads. */
static void logits_do_not_depend_on_the_batch(void **state) {
    (void)state;
    const char *folder = test_scratch();
    tiny_folder(tiny_path(folder, "model"), 2, 3);
    struct hone_predictor predictor;
    TEST_OK(hone_predictor_open(&predictor, tiny_path(folder, "model"), HONE_PRECISION_F32));
    for (uint64_t i = 0; i < 64; i++) {
        int label;
        bool full;
        char *text = tiny_text(&label, 11, i);
        TEST_OK(
            hone_predictor_add(&predictor, (struct hone_field){text, strlen(text)}, (struct hone_field){0}, 1, &full));
        hone_free(text);
    }
    struct hone_samples samples;
    TEST_OK(hone_samples_finish(&samples, &predictor.pending));
    static const int64_t budgets[] = {1, 65, 100, 333, 1024};
    static const int threads[] = {1, 2, 3, 8};
    struct logits first = {0}, other = {0};
    int before = omp_get_max_threads();
    for (size_t i = 0; i < 5; i++) {
        for (size_t t = 0; t < 4; t++) {
            struct logits *out = i + t ? &other : &first;
            omp_set_num_threads(threads[t]);
            TEST_OK(hone_engine_infer(&predictor.engine, &samples, 0, 64, budgets[i], take_logits, out));
            if (out == &other) test_same_bits("logits", other.values, first.values, sizeof first.values);
        }
    }
    omp_set_num_threads(before);
    assert_true(first.values[0][0] != first.values[1][0]);
    hone_samples_free(&samples);
    hone_predictor_close(&predictor);
}

/* The lines that are printed for the texts, in this order; owned. */
static char *predict(struct hone_predictor *predictor, const uint64_t *order, int n) {
    struct hone_text out = {0};
    struct hone_output output = {.format = HONE_FORMAT_JSONL, .labels = &predictor->folder.labels};
    for (int i = 0; i < n; i++) {
        int label;
        bool full;
        char *text = tiny_text(&label, 11, order[i]);
        TEST_OK(hone_predictor_add(predictor, (struct hone_field){text, strlen(text)}, (struct hone_field){0}, i + 1,
                                   &full));
        hone_free(text);
        if (full) TEST_OK(hone_predictor_run(predictor, &out, &output));
    }
    TEST_OK(hone_predictor_run(predictor, &out, &output));
    return out.bytes;
}

/* More than wait at most, in two orders: line i belongs to input i. */
static void predictions_keep_the_order_of_inputs(void **state) {
    (void)state;
    enum { N = HONE_PREDICTOR_PENDING + 77 };
    const char *folder = test_scratch();
    tiny_folder(tiny_path(folder, "model"), 3, 3);
    struct hone_predictor predictor;
    TEST_OK(hone_predictor_open(&predictor, tiny_path(folder, "model"), HONE_PRECISION_F32));
    static uint64_t straight[N], turned[N];
    for (uint64_t i = 0; i < N; i++) straight[i] = turned[N - 1 - i] = i;
    char *a = predict(&predictor, straight, N), *b = predict(&predictor, turned, N);
    static char *lines[N];
    int n = 0;
    for (char *line = strtok(a, "\n"); line; line = strtok(NULL, "\n")) lines[n++] = line;
    assert_int_equal(n, N);
    for (char *line = strtok(b, "\n"); line; line = strtok(NULL, "\n")) assert_string_equal(line, lines[--n]);
    assert_int_equal(n, 0);
    json_t *object;
    TEST_OK(hone_json_parse(&object, lines[5], strlen(lines[5]), "prediction"));
    const char *key, *label = json_string_value(json_object_get(object, "label"));
    json_t *value;
    double sum = 0, largest = 0;
    int count = 0;
    json_object_foreach(json_object_get(object, "scores"), key, value) {
        char expected[24];
        snprintf(expected, sizeof expected, "class %d", count++);
        assert_string_equal(key, expected);
        sum += json_real_value(value);
        largest = fmax(largest, json_real_value(value));
    }
    assert_int_equal(count, 3);
    assert_true(fabs(sum - 1) < 1e-6);
    assert_true(json_real_value(json_object_get(object, "score")) == largest);
    assert_true(json_real_value(json_object_get(json_object_get(object, "scores"), label)) == largest);
    json_decref(object);
    hone_free(a);
    hone_free(b);
    hone_predictor_close(&predictor);
}

int main(void) {
    tiny_in_memory();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(evaluations_come_when_asked_for),
        cmocka_unit_test(later_worse_models_do_not_replace_the_best),
        cmocka_unit_test(patience),
        cmocka_unit_test(learning_is_seen),
        cmocka_unit_test(logits_do_not_depend_on_the_batch),
        cmocka_unit_test(predictions_keep_the_order_of_inputs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
