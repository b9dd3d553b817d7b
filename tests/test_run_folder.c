/* The folder of a run: what is in it, what becomes of a folder that is there already, and that a failing disk or a loss
 * that is not finite never leaves half a model under its final name. */
#include <math.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fault.h"
#include "base/io.h"
#include "base/memory.h"
#include "base/sha256.h"
#include "recipes/run_folder.h"
#include "recipes/train.h"
#include "tests/support.h"
#include "tests/tiny.h"

static const char *const names[2] = {"neg", "pos"};

static const char *new_folder(uint64_t rows) {
    const char *folder = test_scratch();
    tiny_folder(tiny_path(folder, "model"), 0, 1);
    tiny_tsv(tiny_path(folder, "train.tsv"), 7, rows, names);
    tiny_tsv(tiny_path(folder, "validation.tsv"), 8, 11, names);
    return folder;
}

/* Names and contents of the folder's files as one text; owned. */
static char *fingerprint(const char *path) {
    char **files;
    size_t n;
    struct hone_text text = {0};
    TEST_OK(hone_list_folder(&files, &n, path));
    for (size_t i = 0; i < n; i++) {
        const char *inner = tiny_path(path, files[i]);
        char digest[HONE_SHA256_TEXT] = "";
        if (hone_folder_exists(inner)) {
            char *contents = fingerprint(inner);
            hone_text_format(&text, "%s:\n%s", files[i], contents);
            hone_free(contents);
            continue;
        }
        TEST_OK(hone_sha256_file(digest, inner));
        hone_text_format(&text, "%s %s\n", files[i], digest);
    }
    hone_names_free(files, n);
    return text.bytes;
}

static void expect_no_leftovers(const char *path) {
    char **files;
    size_t n;
    TEST_OK(hone_list_folder(&files, &n, path));
    for (size_t i = 0; i < n; i++) {
        if (strstr(files[i], ".tmp") || strstr(files[i], ".lock")) fail_msg("%s is left in %s", files[i], path);
        if (strcmp(files[i], "checkpoints") == 0) expect_no_leftovers(tiny_path(path, files[i]));
    }
    hone_names_free(files, n);
}

static bool has(const char *folder, const char *name) { return hone_file_exists(tiny_path(folder, name)); }

static void everything_is_there(void **state) {
    (void)state;
    const char *folder = new_folder(20), *out = tiny_path(folder, "out");
    char *test = hone_format("data.test=%s/validation.tsv", folder);
    json_t *results;
    TEST_OK(tiny_train(&results, folder, TINY_OVERRIDES(test, "training.epochs=2")));
    hone_free(test);
    static const char *const files[] = {"README.md",   "all_results.json",      "checkpoints",
                                        "config.json", "metrics.jsonl",         "model.safetensors",
                                        "recipe.yaml", "tokenizer_config.json", "vocab.txt"};
    char **found;
    size_t n;
    TEST_OK(hone_list_folder(&found, &n, out));
    assert_int_equal(n, sizeof files / sizeof *files);
    for (size_t i = 0; i < n; i++) assert_string_equal(found[i], files[i]);
    hone_names_free(found, n);
    static const struct {
        const char *key;
        double low, high;
    } keys[] = {{"epoch", 2, 2},
                {"steps", 6, 6},
                {"tokens", 200, 2000},
                {"best_step", 3, 6},
                {"checkpoint_stall_runtime", 1e-7, 60},
                {"train_loss", 0.1, 2},
                {"train_runtime", 1e-4, 60},
                {"train_samples", 20, 20},
                {"train_samples_per_second", 1, 1e7},
                {"train_steps_per_second", 0.1, 1e6},
                {"train_tokens_per_second", 10, 1e9},
                {"peak_memory_bytes", 1e6, 4e9},
                {"eval_loss", 0.1, 2},
                {"eval_accuracy", 0, 1},
                {"eval_f1_macro", 0, 1},
                {"eval_samples", 11, 11},
                {"eval_runtime", 1e-6, 60},
                {"eval_samples_per_second", 1, 1e8},
                {"test_loss", 0.1, 2},
                {"test_accuracy", 0, 1},
                {"test_f1_macro", 0, 1},
                {"test_samples", 11, 11},
                {"test_runtime", 1e-6, 60},
                {"test_samples_per_second", 1, 1e8}};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        const json_t *value = json_object_get(results, keys[i].key);
        double number = json_number_value(value);
        if (!json_is_number(value) || number < keys[i].low || number > keys[i].high)
            fail_msg("%s is %g, expected %g to %g", keys[i].key, number, keys[i].low, keys[i].high);
    }
    char model[HONE_SHA256_TEXT];
    TEST_OK(hone_sha256_file(model, tiny_path(folder, "out/model.safetensors")));
    const json_t *certificate = json_object_get(results, "certificate");
    assert_string_equal(json_string_value(json_object_get(certificate, "model")), model);
    /* And all else is a figure of these three, or what a matrix holds. */
    const char *key;
    json_t *value;
    json_object_foreach(results, key, value) {
        bool known = value == certificate || strncmp(key, "eval_", 5) == 0 || strncmp(key, "test_", 5) == 0;
        for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) known = known || strcmp(keys[i].key, key) == 0;
        if (!known) fail_msg("%s was not expected", key);
        if (strstr(key, "confusion_matrix")) assert_int_equal(json_array_size(value), 2);
    }
    json_t *stored;
    TEST_OK(hone_run_folder_results(&stored, out));
    assert_true(json_equal(stored, results));
    json_decref(stored);
    json_decref(results);
    double values[64];
    assert_int_equal(tiny_metrics(values, 64, out, "train", "tokens_per_second"), 6);
    assert_int_equal(tiny_metrics(values, 64, out, "validation", "accuracy"), 2);
    assert_int_equal(tiny_metrics(values, 64, out, "validation", "samples_per_second"), 2);
    /* recipe.yaml is the same recipe. */
    struct hone_recipe again;
    struct hone_text mistakes = {0}, first = {0};
    TEST_OK(hone_recipe_read(&again, tiny_path(out, "recipe.yaml"), NULL, 0, &mistakes));
    hone_recipe_text(&first, &again);
    char *there;
    TEST_OK(hone_read_file(&there, &n, tiny_path(out, "recipe.yaml"), 1 << 20));
    assert_string_equal(first.bytes, there);
    hone_free(there);
    hone_text_free(&first);
    hone_recipe_free(&again);
}

static void complete_run_is_left_alone(void **state) {
    (void)state;
    const char *folder = new_folder(20), *out = tiny_path(folder, "out");
    json_t *first, *second;
    TEST_OK(tiny_train(&first, folder, NULL));
    char *before = fingerprint(out);
    TEST_OK(tiny_train(&second, folder, NULL));
    assert_true(json_equal(first, second));
    test_expect_status(tiny_train(NULL, folder, TINY_OVERRIDES("optimizer.lr=2e-3")), HONE_RESUME_MISMATCH,
                       "holds a complete run of another recipe (there: \"  lr: 0.001\", now: \"  lr: 0.002\")");
    char *after = fingerprint(out);
    assert_string_equal(after, before);
    hone_free(before);
    hone_free(after);
    json_decref(first);
    json_decref(second);
}

static void folders_of_others_are_not_touched(void **state) {
    (void)state;
    static const struct {
        const char *file, *text;
    } cases[] = {{"thesis.txt", "years of work\n"},
                 {"all_results.json", "{\"eval_accuracy\": 0.9}\n"},
                 {"recipe.yaml", "model: {path: mine}\n"},
                 {"notes.tmp-1-0123456789ab", "process 1 lives\n"},
                 {"model.tmp-x", "no process\n"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *folder = new_folder(20), *out = tiny_path(folder, "out");
        TEST_OK(hone_make_folders(out));
        tiny_file(out, cases[i].file, cases[i].text);
        char *before = fingerprint(out);
        test_expect_status(tiny_train(NULL, folder, NULL), HONE_USAGE, "choose a new folder");
        char *after = fingerprint(out);
        assert_string_equal(after, before);
        hone_free(before);
        hone_free(after);
    }
    const char *folder = new_folder(20);
    tiny_file(folder, "out", "a file");
    test_expect_status(tiny_train(NULL, folder, NULL), HONE_USAGE, "is a file, expected a folder");
}

/* A process that was, for names of what it left. */
static pid_t dead_process(void) {
    pid_t child = fork();
    if (child == 0) _exit(0);
    assert_true(child > 0);
    int status;
    while (waitpid(child, &status, 0) < 0) {}
    return child;
}

static void what_a_killed_run_left_is_replaced(void **state) {
    (void)state;
    const char *folder = new_folder(20), *other = new_folder(20), *out = tiny_path(folder, "out");
    /* Killed before it had a recipe, and while it saved a model over an older one. */
    for (int late = 0; late < 2; late++) {
        if (late) {
            TEST_OK(tiny_train(NULL, folder, TINY_OVERRIDES("training.seed=1")));
            assert_int_equal(unlink(tiny_path(out, "all_results.json")), 0);
        }
        char *half = hone_format("%s/model.tmp-%ld-0123456789ab", out, (long)dead_process());
        TEST_OK(hone_make_folders(half));
        tiny_file(half, "model.safetensors", "half");
        char *file = hone_format("recipe.yaml.tmp-%ld-ba9876543210", (long)dead_process());
        tiny_file(out, file, "half");
        hone_free(file);
        hone_free(half);
        TEST_OK(tiny_train(NULL, folder, TINY_OVERRIDES("checkpoint.resume=never")));
        expect_no_leftovers(out);
        if (!late) TEST_OK(hone_remove_folder(out));
    }
    TEST_OK(tiny_train(NULL, other, NULL));
    char *a, *b;
    size_t n, m;
    TEST_OK(hone_read_file(&a, &n, tiny_path(out, "model.safetensors"), 1 << 24));
    TEST_OK(hone_read_file(&b, &m, tiny_path(other, "out/model.safetensors"), 1 << 24));
    assert_int_equal(n, m);
    test_same_bits("model.safetensors", a, b, n);
    hone_free(a);
    hone_free(b);
}

static void card_names_all_files(void **state) {
    (void)state;
    const char *folder = new_folder(20);
    char *files = hone_format("data.train=[%s/train.tsv, %s/validation.tsv]", folder, folder);
    char *output = hone_format("output=%s/runs/good_name//", folder);
    TEST_OK(tiny_train(NULL, folder, TINY_OVERRIDES(files, output)));
    char *text;
    size_t n;
    TEST_OK(hone_read_file(&text, &n, tiny_path(folder, "runs/good_name/README.md"), 1 << 20));
    assert_non_null(strstr(text, "\n# good\\_name\n"));
    assert_non_null(strstr(text, "/train.tsv, "));
    assert_non_null(strstr(text, "/validation.tsv`"));
    hone_free(text);
    hone_free(files);
    hone_free(output);
}

/* Loss and gradients that are not finite. */

static void losses_that_are_not_finite_stop_the_run(void **state) {
    (void)state;
    static const float values[] = {NAN, INFINITY, 3e38f};
    for (int i = 0; i < 3; i++) {
        const char *folder = new_folder(20);
        struct tiny_model model;
        tiny_make(&model, 0, 1);
        tiny_find(&model, "bert.encoder.layer.0.output.dense.weight")->values[7] = values[i];
        TEST_OK(hone_remove_folder(tiny_path(folder, "model")));
        tiny_write(&model, tiny_path(folder, "model"));
        tiny_free(&model);
        test_expect_status(tiny_train(NULL, folder, TINY_OVERRIDES("training.batch_size=20")), HONE_NUMERIC,
                           "step 1: ");
        assert_non_null(strstr(hone_error_message(), "/train.tsv:"));
        assert_non_null(strstr(hone_error_message(), "… (20 lines)"));
        assert_false(has(folder, "out/model.safetensors"));
        assert_false(has(folder, "out/all_results.json"));
        expect_no_leftovers(tiny_path(folder, "out"));
    }
}

/* Weights run away: whichever finds it first, the loss, the evaluation or the saving, the best model stays. */
static void a_run_that_diverges_keeps_its_best_model(void **state) {
    (void)state;
    const char *folder = new_folder(20), *model = tiny_path(folder, "out/model.safetensors");
    enum hone_status status = tiny_train(NULL, folder,
                                         TINY_OVERRIDES("optimizer.lr=1e37", "schedule.warmup=2", "evaluation.every=1",
                                                        "training.max_steps=30", "training.batch_size=20"));
    assert_int_equal(status, HONE_NUMERIC);
    assert_false(has(folder, "out/all_results.json"));
    expect_no_leftovers(tiny_path(folder, "out"));
    /* The first step has the learning rate 0: a good model. */
    struct hone_safetensors saved;
    TEST_OK(hone_safetensors_open(&saved, model));
    for (size_t i = 0; i < saved.n; i++) {
        int64_t n = hone_tensor_elements(&saved.tensors[i]);
        float *values = hone_alloc((size_t)n, sizeof *values, "tensor");
        TEST_OK(hone_safetensors_read_f32(&saved, &saved.tensors[i], values));
        for (int64_t k = 0; k < n; k++) assert_true(isfinite(values[k]));
        hone_free(values);
    }
    hone_safetensors_close(&saved);
}

/* Failing disks. */

/* Whatever stands under a final name is whole. */
static void expect_whole_files(const char *out) {
    static const char *const jsons[] = {"config.json", "all_results.json", "tokenizer_config.json"};
    if (!hone_folder_exists(out)) return;
    expect_no_leftovers(out);
    for (int i = 0; i < 3; i++) {
        json_t *value;
        if (!has(out, jsons[i])) continue;
        TEST_OK(hone_json_read(&value, tiny_path(out, jsons[i]), 1 << 24));
        json_decref(value);
    }
    if (has(out, "all_results.json")) assert_true(has(out, "model.safetensors") && has(out, "README.md"));
    if (!has(out, "model.safetensors")) return;
    assert_true(has(out, "config.json") && has(out, "vocab.txt") && has(out, "tokenizer_config.json"));
    struct hone_safetensors saved;
    TEST_OK(hone_safetensors_open(&saved, tiny_path(out, "model.safetensors")));
    hone_safetensors_close(&saved);
}

/* Every call of the site fails in its turn during three steps with an evaluation, a test and both saved. */
static void walk(const char *site, bool reading) {
    const char *folder = new_folder(20), *out = tiny_path(folder, "out");
    char *test = hone_format("data.test=%s/validation.tsv", folder);
    const char *const overrides[] = {test, "training.max_steps=3", "evaluation.every=2", "evaluation.metric=loss",
                                     NULL};
    struct hone_recipe recipe;
    tiny_recipe(&recipe, folder, overrides);
    json_t *whole;
    TEST_OK(hone_train(&whole, &recipe, hone_world_alone()));
    double loss = json_real_value(json_object_get(whole, "test_loss"));
    json_decref(whole);
    int refused = 0;
    for (long n = 1;; n++) {
        TEST_OK(hone_remove_folder(out));
        char *plan = hone_format("%s:%ld", site, n);
        hone_fault_plan(plan);
        hone_free(plan);
        hone_fail(HONE_OK, "%s", "");
        json_t *results;
        enum hone_status status = hone_train(&results, &recipe, hone_world_alone());
        bool fired = hone_fault_fired();
        hone_fault_plan(NULL);
        if (status == HONE_OK) {
            /* A file of the data that cannot be measured any more is missing in the card alone. */
            assert_true(results && has(out, "all_results.json"));
            json_decref(results);
        } else {
            refused++;
            assert_true(fired && !results);
            if (status != HONE_DISK && !(reading && status == HONE_BAD_INPUT))
                fail_msg("%s:%ld: status %d: %s", site, n, (int)status, hone_error_message());
            assert_true(strlen(hone_error_message()) > 10);
            /* What can fail once all_results.json has its name is the sync of the folder, which is opened for that. */
            bool syncs = strcmp(site, "fsync") == 0 || strcmp(site, "open") == 0;
            if (!syncs) assert_false(has(out, "all_results.json"));
        }
        expect_whole_files(out);
        expect_no_leftovers(folder);
        if (!fired) break;
        /* The next run goes through, over what is there. */
        if (n % 16 == 0 && !has(out, "all_results.json")) {
            TEST_OK(hone_train(&results, &recipe, hone_world_alone()));
            assert_true(json_real_value(json_object_get(results, "test_loss")) == loss);
            json_decref(results);
            expect_whole_files(out);
        }
    }
    assert_true(refused > 0);
    hone_recipe_free(&recipe);
    hone_free(test);
}

static void every_write_may_fail(void **state) {
    (void)state;
    walk("write", false);
}
static void every_fsync_may_fail(void **state) {
    (void)state;
    walk("fsync", false);
}
static void every_rename_close_and_mkdir_may_fail(void **state) {
    (void)state;
    walk("rename", false);
    walk("close", false);
    walk("mkdir", false);
}
static void every_open_and_read_may_fail(void **state) {
    (void)state;
    walk("open", true);
    walk("read", true);
}

int main(void) {
    tiny_in_memory();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_is_there),
        cmocka_unit_test(complete_run_is_left_alone),
        cmocka_unit_test(folders_of_others_are_not_touched),
        cmocka_unit_test(what_a_killed_run_left_is_replaced),
        cmocka_unit_test(card_names_all_files),
        cmocka_unit_test(losses_that_are_not_finite_stop_the_run),
        cmocka_unit_test(a_run_that_diverges_keeps_its_best_model),
        cmocka_unit_test(every_write_may_fail),
        cmocka_unit_test(every_fsync_may_fail),
        cmocka_unit_test(every_rename_close_and_mkdir_may_fail),
        cmocka_unit_test(every_open_and_read_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
