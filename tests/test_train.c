/* Training by a recipe: the bits of a run, and the mathematics of its steps (accumulation, the last smaller batch,
 * epochs and steps, schedule, clipping). */
#include <math.h>
#include <omp.h>
#include <string.h>

#include "base/io.h"
#include "base/memory.h"
#include "recipes/train.h"
#include "tests/support.h"
#include "tests/tiny.h"

static const char *const names[2] = {"neg", "pos"};

/* A scratch folder with a model of two labels, a training file and a validation file. */
static const char *new_folder(uint64_t rows) {
    const char *folder = test_scratch();
    tiny_folder(tiny_path(folder, "model"), 0, 1);
    tiny_tsv(tiny_path(folder, "train.tsv"), 7, rows, names);
    tiny_tsv(tiny_path(folder, "validation.tsv"), 8, 21, names);
    return folder;
}

/* model.safetensors of folder/out; owned. */
static char *model_bytes(size_t *n, const char *folder) {
    char *bytes;
    TEST_OK(hone_read_file(&bytes, n, tiny_path(folder, "out/model.safetensors"), 1 << 24));
    return bytes;
}

static void expect_same_model(const char *what, const char *a, const char *b) {
    size_t n, m;
    char *x = model_bytes(&n, a), *y = model_bytes(&m, b);
    assert_int_equal(n, m);
    test_same_bits(what, x, y, n);
    hone_free(x);
    hone_free(y);
}

static bool same_model(const char *a, const char *b) {
    size_t n, m;
    char *x = model_bytes(&n, a), *y = model_bytes(&m, b);
    bool same = n == m && memcmp(x, y, n) == 0;
    hone_free(x);
    hone_free(y);
    return same;
}

static size_t values_of(double *values, const char *folder, const char *key) {
    return tiny_metrics(values, 512, tiny_path(folder, "out"), "train", key);
}

/* Dropout, micro-batches, evaluation and saving included. */
static void bits_hold_for_runs_and_threads(void **state) {
    (void)state;
    static const int threads[] = {1, 1, 2, 3, 8};
    int before = omp_get_max_threads();
    const char *first = NULL;
    for (size_t i = 0; i < sizeof threads / sizeof *threads; i++) {
        const char *folder = new_folder(60);
        omp_set_num_threads(threads[i]);
        TEST_OK(tiny_train(NULL, folder, TINY_OVERRIDES("training.epochs=2", "training.micro_batch_tokens=200")));
        if (!first) {
            first = folder;
        } else {
            expect_same_model("model.safetensors", first, folder);
        }
    }
    omp_set_num_threads(before);
}

static void other_seed_is_another_run(void **state) {
    (void)state;
    const char *a = new_folder(24), *b = new_folder(24);
    TEST_OK(tiny_train(NULL, a, NULL));
    TEST_OK(tiny_train(NULL, b, TINY_OVERRIDES("training.seed=43")));
    assert_false(same_model(a, b));
}

/* f32 sums in another order: relative 1e-5 of a loss near 1, while a small learning rate keeps AdamW from blowing such
 * differences up in weights whose gradient is nearly 0. */
static void micro_batches_do_not_change_the_mathematics(void **state) {
    (void)state;
    static const char *const budgets[] = {"training.micro_batch_tokens=auto", "training.micro_batch_tokens=100",
                                          "training.micro_batch_tokens=33", "training.micro_batch_tokens=1"};
    double loss[4][512], norm[4][512];
    size_t n[4];
    for (int i = 0; i < 4; i++) {
        const char *folder = new_folder(45);
        TEST_OK(tiny_train(NULL, folder, TINY_OVERRIDES(budgets[i], "optimizer.lr=1e-5", "training.epochs=2")));
        n[i] = values_of(loss[i], folder, "loss");
        assert_int_equal(n[i], values_of(norm[i], folder, "grad_norm"));
        assert_int_equal(n[i], 12);
        for (size_t k = 0; k < n[i]; k++) {
            assert_true(fabs(loss[i][k] - loss[0][k]) <= 1e-5 * loss[0][k]);
            assert_true(fabs(norm[i][k] - norm[0][k]) <= 1e-4 * norm[0][k]);
        }
    }
}

/* Replaces the folder's model by one with two labels that drops nothing. */
static void drop_nothing(const char *folder) {
    struct tiny_model model;
    tiny_make(&model, 2, 1);
    json_object_set_new(model.config, "hidden_dropout_prob", json_real(0));
    json_object_set_new(model.config, "attention_probs_dropout_prob", json_real(0));
    TEST_OK(hone_remove_folder(tiny_path(folder, "model")));
    tiny_write(&model, tiny_path(folder, "model"));
    tiny_free(&model);
}

/* Every epoch takes each row once, in an order of its own: the same sum of losses from other batches. */
static void epochs_are_shuffled_anew(void **state) {
    (void)state;
    const char *folder = new_folder(24);
    drop_nothing(folder);
    TEST_OK(tiny_train(NULL, folder, TINY_OVERRIDES("optimizer.lr=1e-30", "training.epochs=3")));
    double loss[512], sums[3] = {0};
    assert_int_equal(values_of(loss, folder, "loss"), 9);
    for (int i = 0; i < 9; i++) sums[i / 3] += loss[i];
    for (int epoch = 1; epoch < 3; epoch++) {
        assert_true(fabs(sums[epoch] - sums[0]) <= 1e-5 * sums[0]);
        for (int i = 0; i < 3; i++) assert_true(fabs(loss[3 * epoch + i] - loss[i]) > 1e-4);
    }
}

/* What is dropped differs from step to step when everything else is the same. */
static void dropout_differs_from_step_to_step(void **state) {
    (void)state;
    const char *folder = new_folder(8);
    tiny_file(folder, "train.tsv", "label\tsentence\nneg\tthe film was very bright and long\n");
    double loss[512], other[512];
    TEST_OK(tiny_train(NULL, folder,
                       TINY_OVERRIDES("task.labels=[neg, pos]", "optimizer.lr=1e-30", "training.max_steps=5")));
    assert_int_equal(values_of(loss, folder, "loss"), 5);
    for (int i = 1; i < 5; i++) assert_true(fabs(loss[i] - loss[0]) > 1e-5);
    TEST_OK(hone_remove_folder(tiny_path(folder, "out")));
    drop_nothing(folder);
    TEST_OK(tiny_train(NULL, folder,
                       TINY_OVERRIDES("task.labels=[neg, pos]", "optimizer.lr=1e-30", "training.max_steps=5")));
    values_of(other, folder, "loss");
    for (int i = 1; i < 5; i++) assert_true(other[i] == other[0]);
}

/* 10 rows in batches of 4: each step's loss is the mean over its own rows, the last two included, and its gradient that
 * of a batch of just these rows. Nothing moves at this learning rate, and nothing is dropped. */
static void last_smaller_batch_is_averaged_over_its_own_rows(void **state) {
    (void)state;
    const char *folder = new_folder(10);
    drop_nothing(folder);
    static const char *const still = "optimizer.lr=1e-30";
    json_t *results;
    TEST_OK(tiny_train(&results, folder,
                       TINY_OVERRIDES(still, "training.batch_size=4", "training.seed=5", "optimizer.weight_decay=0")));
    double loss[512], norm[512], alone[512], alone_norm[512];
    assert_int_equal(values_of(loss, folder, "loss"), 3);
    assert_int_equal(values_of(norm, folder, "grad_norm"), 3);
    /* Trainer's train_loss is the mean over steps. */
    assert_true(fabs(json_real_value(json_object_get(results, "train_loss")) - (loss[0] + loss[1] + loss[2]) / 3) <
                1e-12);
    json_decref(results);
    struct hone_samples order = {.n = 10};
    for (int step = 0; step < 3; step++) {
        /* The same rows as one batch of their own. */
        int n = step < 2 ? 4 : 2;
        struct hone_text text = {0};
        hone_text_format(&text, "label\tsentence\n");
        double mean = 0;
        for (int i = 0; i < n; i++) {
            int label;
            char *sentence = tiny_text(&label, 7, (uint64_t)hone_sample_at(&order, 4 * step + i, 5, 0));
            hone_text_format(&text, "%s\t%s\n", names[label], sentence);
            char *line = hone_format("label\tsentence\n%s\t%s\n", names[label], sentence);
            tiny_file(folder, "one.tsv", line);
            TEST_OK(hone_remove_folder(tiny_path(folder, "out")));
            char *train = hone_format("data.train=%s", tiny_path(folder, "one.tsv"));
            TEST_OK(tiny_train(NULL, folder, TINY_OVERRIDES(still, train, "task.labels=[neg, pos]")));
            assert_int_equal(values_of(alone, folder, "loss"), 1);
            mean += alone[0] / n;
            hone_free(train);
            hone_free(line);
            hone_free(sentence);
        }
        tiny_file(folder, "batch.tsv", text.bytes);
        hone_text_free(&text);
        TEST_OK(hone_remove_folder(tiny_path(folder, "out")));
        char *train = hone_format("data.train=%s", tiny_path(folder, "batch.tsv"));
        TEST_OK(tiny_train(NULL, folder, TINY_OVERRIDES(still, train, "task.labels=[neg, pos]")));
        hone_free(train);
        values_of(alone, folder, "loss");
        values_of(alone_norm, folder, "grad_norm");
        assert_true(fabs(loss[step] - mean) <= 1e-5 * mean);
        assert_true(fabs(loss[step] - alone[0]) <= 1e-5 * mean);
        assert_true(fabs(norm[step] - alone_norm[0]) <= 1e-4 * norm[step]);
    }
}

static void epochs_and_steps(void **state) {
    (void)state;
    static const struct {
        const char *length;
        int steps;
        double epoch;
    } cases[] = {{"training.epochs=2", 6, 2},           {"training.max_steps=6", 6, 2},
                 {"training.epochs=1.5", 5, 5.0 / 3},   {"training.epochs=0.01", 1, 1.0 / 3},
                 {"training.max_steps=1", 1, 1.0 / 3},  {"training.max_steps=7", 7, 7.0 / 3},
                 {"training.epochs=1.3333", 4, 4.0 / 3}};
    const char *folders[sizeof cases / sizeof *cases];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        folders[i] = new_folder(10);
        json_t *results;
        TEST_OK(tiny_train(&results, folders[i], TINY_OVERRIDES(cases[i].length, "training.batch_size=4")));
        assert_int_equal(json_integer_value(json_object_get(results, "steps")), cases[i].steps);
        assert_true(fabs(json_real_value(json_object_get(results, "epoch")) - cases[i].epoch) < 1e-12);
        json_decref(results);
        double lr[512], epoch[512];
        assert_int_equal(values_of(lr, folders[i], "lr"), cases[i].steps);
        values_of(epoch, folders[i], "epoch");
        for (int k = 0; k < cases[i].steps; k++) {
            assert_true(fabs(lr[k] - 1e-3 * (cases[i].steps - k) / cases[i].steps) < 1e-15);
            assert_true(fabs(epoch[k] - (k + 1) / 3.0) < 1e-12);
        }
    }
    expect_same_model("two epochs and their steps", folders[0], folders[1]);
}

static void warmup_shows_in_the_learning_rate(void **state) {
    (void)state;
    /* 10 steps; ceil(0.25 * 10) = 3. */
    static const char *const warmups[] = {"schedule.warmup=3", "schedule.warmup=0.25"};
    static const double factors[] = {0, 1.0 / 3, 2.0 / 3, 1, 6.0 / 7, 5.0 / 7, 4.0 / 7, 3.0 / 7, 2.0 / 7, 1.0 / 7};
    const char *folders[2];
    for (int i = 0; i < 2; i++) {
        folders[i] = new_folder(40);
        TEST_OK(tiny_train(NULL, folders[i], TINY_OVERRIDES(warmups[i], "training.epochs=2")));
        double lr[512];
        assert_int_equal(values_of(lr, folders[i], "lr"), 10);
        for (int k = 0; k < 10; k++) assert_true(fabs(lr[k] - 1e-3 * factors[k]) < 1e-15);
    }
    expect_same_model("warm-up as steps and as a share", folders[0], folders[1]);
}

/* Two recipes whose rates are 0 and 2.5e-4, and two in the first step of their warm-up, whatever the highest rate. */
static void the_rate_that_is_logged_is_the_one_used(void **state) {
    (void)state;
    const char *a = new_folder(16), *b = new_folder(16), *c = new_folder(16), *d = new_folder(16);
    TEST_OK(tiny_train(NULL, a, TINY_OVERRIDES("optimizer.lr=1e-3", "schedule.warmup=4", "training.max_steps=2")));
    TEST_OK(tiny_train(NULL, b, TINY_OVERRIDES("optimizer.lr=2.5e-4", "schedule.warmup=1", "training.max_steps=2")));
    expect_same_model("rates 0 and 2.5e-4", a, b);
    TEST_OK(tiny_train(NULL, c, TINY_OVERRIDES("optimizer.lr=1", "schedule.warmup=5", "training.max_steps=1")));
    TEST_OK(tiny_train(NULL, d, TINY_OVERRIDES("optimizer.lr=2", "schedule.warmup=5", "training.max_steps=1")));
    expect_same_model("rate 0", c, d);
    assert_false(same_model(a, c));
}

/* The norm that is logged is the one before clipping; a bound that is never reached changes no bit. */
static void clipping(void **state) {
    (void)state;
    static const char *const bounds[] = {"optimizer.clip_norm=0", "optimizer.clip_norm=1e9",
                                         "optimizer.clip_norm=1e-7"};
    const char *folders[3];
    double norm[3][512];
    for (int i = 0; i < 3; i++) {
        folders[i] = new_folder(24);
        TEST_OK(tiny_train(NULL, folders[i], TINY_OVERRIDES(bounds[i])));
        assert_int_equal(values_of(norm[i], folders[i], "grad_norm"), 3);
        assert_true(norm[i][0] > 1e-3);
    }
    expect_same_model("no clipping and a bound out of reach", folders[0], folders[1]);
    assert_false(same_model(folders[0], folders[2]));
    assert_true(norm[2][0] == norm[0][0]);
}

static void every_optimizer_learns(void **state) {
    (void)state;
    static const char *const recipes[][4] = {
        {"optimizer.name=sgd", "optimizer.lr=0.05", "schedule.name=cosine", "optimizer.clip_value=0.5"},
        {"optimizer.name=sgd", "optimizer.lr=0.2", "optimizer.momentum=0", "schedule.name=constant"},
        {"optimizer.name=adafactor", "optimizer.lr=5e-3", "schedule.warmup=0.1", "optimizer.beta1=0.5"},
        {"optimizer.name=adafactor", "optimizer.lr=null", "optimizer.relative_step=true",
         "optimizer.scale_parameter=true"}};
    for (size_t i = 0; i < sizeof recipes / sizeof *recipes; i++) {
        const char *folder = new_folder(60);
        TEST_OK(tiny_train(NULL, folder,
                           TINY_OVERRIDES(recipes[i][0], recipes[i][1], recipes[i][2], recipes[i][3],
                                          "training.epochs=8", "data.validation=null")));
        double loss[512], lr[512], first = 0, last = 0;
        size_t n = values_of(loss, folder, "loss");
        assert_int_equal(n, 64);
        assert_int_equal(values_of(lr, folder, "lr"), n);
        for (int k = 0; k < 8; k++) first += loss[k], last += loss[n - 8 + (size_t)k];
        if (!(last < 0.6 * first)) fail_msg("%s: loss from %g to %g", recipes[i][0], first / 8, last / 8);
        if (i == 3) assert_true(lr[0] == 0.01 && lr[63] == 0.01);
    }
}

/* A bound that no element reaches changes no bit. */
static void clipping_by_value(void **state) {
    (void)state;
    static const char *const bounds[] = {"optimizer.clip_norm=0", "optimizer.clip_value=1e9",
                                         "optimizer.clip_value=1e-3"};
    const char *folders[3];
    for (int i = 0; i < 3; i++) {
        folders[i] = new_folder(24);
        TEST_OK(tiny_train(NULL, folders[i], TINY_OVERRIDES(bounds[i])));
    }
    expect_same_model("no clipping and a bound out of reach", folders[0], folders[1]);
    assert_false(same_model(folders[0], folders[2]));
}

/* After the first step the average is the weights; after the second a share of both. It is what is evaluated and saved,
 * and training goes on as it would without. */
static void average_of_weights(void **state) {
    (void)state;
    static const char *const steps[] = {"training.max_steps=1", "training.max_steps=2"};
    const char *folders[4];
    for (int i = 0; i < 4; i++) {
        folders[i] = new_folder(16);
        char *test = hone_format("data.test=%s", tiny_path(folders[i], "validation.tsv"));
        json_t *results;
        TEST_OK(tiny_train(&results, folders[i],
                           TINY_OVERRIDES(steps[i % 2], "schedule.name=constant", "evaluation.every=no", test,
                                          i < 2 ? "training.ema_decay=null" : "training.ema_decay=0.25")));
        json_decref(results);
        hone_free(test);
    }
    expect_same_model("the first average", folders[0], folders[2]);
    struct hone_safetensors files[4];
    for (int i = 0; i < 4; i++) TEST_OK(hone_safetensors_open(&files[i], tiny_path(folders[i], "out")));
    for (size_t k = 0; k < files[0].n; k++) {
        int64_t n = hone_tensor_elements(&files[0].tensors[k]);
        float *values[4];
        double *want = hone_alloc((size_t)n, sizeof *want, "test");
        for (int i = 0; i < 4; i++) {
            values[i] = hone_alloc((size_t)n, sizeof(float), "test");
            TEST_OK(hone_safetensors_read_f32(&files[i], &files[i].tensors[k], values[i]));
        }
        for (int64_t e = 0; e < n; e++) want[e] = 0.25 * (double)values[0][e] + 0.75 * (double)values[1][e];
        test_close(files[0].tensors[k].name, values[3], want, n, 1e-7, 1e-7);
        for (int i = 0; i < 4; i++) hone_free(values[i]);
        hone_free(want);
    }
    for (int i = 0; i < 4; i++) hone_safetensors_close(&files[i]);
    /* What was evaluated is what was saved, and is loaded for the test. */
    const char *folder = new_folder(40);
    char *test = hone_format("data.test=%s", tiny_path(folder, "validation.tsv"));
    json_t *results;
    TEST_OK(tiny_train(&results, folder, TINY_OVERRIDES("evaluation.every=1", test, "training.ema_decay=0.5")));
    assert_true(json_real_value(json_object_get(results, "eval_loss")) ==
                json_real_value(json_object_get(results, "test_loss")));
    json_decref(results);
    hone_free(test);
    const char *without = new_folder(40);
    TEST_OK(tiny_train(NULL, without, TINY_OVERRIDES("evaluation.every=1")));
    double ours[512], theirs[512];
    size_t n = values_of(ours, folder, "loss");
    assert_true(n > 2 && values_of(theirs, without, "loss") == n);
    for (size_t i = 0; i < n; i++) assert_true(ours[i] == theirs[i]);
}

/* logging.every gathers steps: losses and tokens are means over them, and the last line holds the rest. */
static void logging_gathers_steps(void **state) {
    (void)state;
    const char *each = new_folder(40), *some = new_folder(40);
    TEST_OK(tiny_train(NULL, each, NULL));
    TEST_OK(tiny_train(NULL, some, TINY_OVERRIDES("logging.every=2")));
    double a[512], b[512], step[512];
    assert_int_equal(values_of(a, each, "loss"), 5);
    assert_int_equal(values_of(b, some, "loss"), 3);
    values_of(step, some, "step");
    for (int i = 0; i < 3; i++) {
        double mean = i < 2 ? (a[2 * i] + a[2 * i + 1]) / 2 : a[4];
        assert_true(fabs(b[i] - mean) < 1e-12);
        assert_int_equal(step[i], i < 2 ? 2 * i + 2 : 5);
    }
    expect_same_model("logging changes nothing", each, some);
}

/* What a run allocates it frees. */
static void nothing_is_kept_after_a_run(void **state) {
    (void)state;
    const char *folder = new_folder(24);
    TEST_OK(tiny_train(NULL, folder, NULL)); /* kernels made once stay */
    TEST_OK(hone_remove_folder(tiny_path(folder, "out")));
    struct hone_recipe recipe;
    tiny_recipe(&recipe, folder, TINY_OVERRIDES("training.max_steps=40"));
    size_t before = hone_memory_in_use();
    json_t *results;
    TEST_OK(hone_train(&results, &recipe, hone_world_alone()));
    json_decref(results);
    assert_int_equal(hone_memory_in_use(), before);
    hone_recipe_free(&recipe);
}

int main(void) {
    tiny_in_memory();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bits_hold_for_runs_and_threads),
        cmocka_unit_test(other_seed_is_another_run),
        cmocka_unit_test(micro_batches_do_not_change_the_mathematics),
        cmocka_unit_test(epochs_are_shuffled_anew),
        cmocka_unit_test(dropout_differs_from_step_to_step),
        cmocka_unit_test(last_smaller_batch_is_averaged_over_its_own_rows),
        cmocka_unit_test(epochs_and_steps),
        cmocka_unit_test(warmup_shows_in_the_learning_rate),
        cmocka_unit_test(the_rate_that_is_logged_is_the_one_used),
        cmocka_unit_test(average_of_weights),
        cmocka_unit_test(clipping),
        cmocka_unit_test(clipping_by_value),
        cmocka_unit_test(every_optimizer_learns),
        cmocka_unit_test(logging_gathers_steps),
        cmocka_unit_test(nothing_is_kept_after_a_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
