/* A step that is not finite: where it came from is named, nothing of it is applied, and the policy decides what is next. */
#include <math.h>
#include <string.h>

#include "base/io.h"
#include "base/memory.h"
#include "kernels/device.h"
#include "recipes/train.h"
#include "tests/support.h"
#include "tests/tiny.h"

static const char *const names[2] = {"neg", "pos"};

/* A folder with data whose model's tensor `tensor` has `n` values from `begin` on set to `value`. */
static const char *planted(const char *tensor, size_t begin, size_t n, float value) {
    const char *folder = test_scratch();
    struct tiny_model model;
    tiny_make(&model, 2, 1);
    for (size_t i = begin; i < begin + n; i++) tiny_find(&model, tensor)->values[i] = value;
    tiny_write(&model, tiny_path(folder, "model"));
    tiny_free(&model);
    tiny_tsv(tiny_path(folder, "train.tsv"), 7, 20, names);
    tiny_tsv(tiny_path(folder, "validation.tsv"), 8, 11, names);
    return folder;
}

static void expect_stop(const char *folder, const char *const *overrides, const char *const *parts) {
    assert_int_equal(tiny_train(NULL, folder, overrides), HONE_NUMERIC);
    for (; *parts; parts++) {
        if (!strstr(hone_error_message(), *parts)) fail_msg("no \"%s\" in: %s", *parts, hone_error_message());
    }
    assert_false(hone_file_exists(tiny_path(folder, "out/model.safetensors")));
}
#define PARTS(...)                                                                                                     \
    (const char *const[]) { __VA_ARGS__, NULL }

/* Every kind of weight of both layers, and the head: the op that reads it is the first. */
static void the_weight_that_holds_it_is_named(void **state) {
    (void)state;
    static const char *const tensors[] = {
        "bert.embeddings.LayerNorm.weight",
        "bert.encoder.layer.0.attention.self.query.weight",
        "bert.encoder.layer.1.attention.self.value.bias",
        "bert.encoder.layer.0.attention.output.dense.weight",
        "bert.encoder.layer.1.attention.output.LayerNorm.bias",
        "bert.encoder.layer.1.intermediate.dense.weight",
        "bert.encoder.layer.0.output.dense.weight",
        "bert.pooler.dense.weight",
        "classifier.weight",
    };
    for (size_t i = 0; i < sizeof tensors / sizeof *tensors; i++) {
        const char *folder = planted(tensors[i], 3, 1, i % 2 ? NAN : INFINITY);
        char *holder = hone_format("and %s holds such numbers itself", tensors[i]);
        expect_stop(folder, NULL, PARTS("step 1: ", "the first to give such a number is ", holder, "/train.tsv:"));
        hone_free(holder);
    }
}

/* In bf16 the layers' products are bf16. */
static void layers_in_bf16_are_looked_at(void **state) {
    (void)state;
    struct hone_device *device;
    TEST_OK(hone_device_open(&device, "cpu"));
    if (device->bf16_why_not) skip();
    const char *folder = planted("bert.encoder.layer.1.output.dense.weight", 0, 1, NAN);
    expect_stop(folder, TINY_OVERRIDES("precision=bf16"),
                PARTS("feed forward (bert.encoder.layer.1.output.dense.weight): nan at row 0, column 0 of its output"));
}

/* Word 2 stands in line 3 alone; its row is finite, its sum is not. */
enum { ID_OF_WORD_2 = 5 + 2 * 26 + 2 };
static const char *one_bad_sample(void) {
    const char *folder =
        planted("bert.embeddings.word_embeddings.weight", (size_t)ID_OF_WORD_2 * TINY_HIDDEN, TINY_HIDDEN, 3e38f);
    char *text = hone_format("label\tsentence\nneg\t%s\npos\t%s %s\nneg\t%s\npos\t%s\n", tiny_word(4), tiny_word(0),
                             tiny_word(2), tiny_word(5), tiny_word(0));
    tiny_file(folder, "train.tsv", text);
    hone_free(text);
    return folder;
}

static void the_sample_is_named(void **state) {
    (void)state;
    const char *folder = one_bad_sample();
    char *sample = hone_format("the sample is %s/train.tsv:3;", folder);
    expect_stop(folder, TINY_OVERRIDES("training.batch_size=4"),
                PARTS(sample, "(bert.embeddings.LayerNorm.weight)", " of its output"));
    hone_free(sample);
}

static void steps_are_skipped_up_to_the_limit(void **state) {
    (void)state;
    const char *folder = one_bad_sample();
    json_t *results;
    TEST_OK(tiny_train(&results, folder,
                       TINY_OVERRIDES("training.batch_size=1", "training.epochs=2", "training.non_finite=skip",
                                      "training.skip_limit=2", "checkpoint.every=1")));
    assert_int_equal(json_integer_value(json_object_get(results, "skipped_steps")), 2);
    assert_int_equal(json_integer_value(json_object_get(results, "steps")), 8);
    assert_true(isfinite(json_real_value(json_object_get(results, "train_loss"))));
    json_decref(results);
    double steps[9];
    assert_int_equal(tiny_metrics(steps, 9, tiny_path(folder, "out"), "skipped", "step"), 2);
    assert_int_equal(tiny_metrics(steps, 9, tiny_path(folder, "out"), "train", "step"), 6);

    folder = one_bad_sample();
    expect_stop(folder,
                TINY_OVERRIDES("training.batch_size=1", "training.epochs=2", "training.non_finite=skip",
                               "training.skip_limit=1", "evaluation.every=no", "checkpoint.every=1"),
                PARTS("training.skip_limit is 1", "/train.tsv:3"));
    /* Going on from the checkpoint does not begin to count anew. */
    expect_stop(folder,
                TINY_OVERRIDES("training.batch_size=1", "training.epochs=2", "training.non_finite=skip",
                               "training.skip_limit=1", "evaluation.every=no", "checkpoint.every=1"),
                PARTS("training.skip_limit is 1", "/train.tsv:3"));
}

/* The state before the step that stops a run is saved, and the step can be taken again from it. */
static void the_step_is_replayed(void **state) {
    (void)state;
    const char *folder = one_bad_sample();
    const char *const overrides[] = {"training.batch_size=1", "training.epochs=9",   "evaluation.every=no",
                                     "training.seed=2",       "checkpoint.every=no", NULL};
    expect_stop(folder, overrides, PARTS("state.h5 takes the step again"));
    char *message = hone_strdup(hone_error_message(), "test"), *file = strstr(message, "replay=");
    assert_non_null(file);
    file += strlen("replay=");
    file[strcspn(file, " ")] = 0;
    struct hone_recipe recipe;
    json_t *results;
    tiny_recipe(&recipe, folder, overrides);
    test_expect_status(hone_train_replay(&results, &recipe, file), HONE_NUMERIC, "/train.tsv:3;");
    assert_null(results);
    test_expect_status(hone_train_replay(&results, &recipe, "nowhere"), HONE_USAGE, "expected the state.h5");
    test_expect_status(hone_train_replay(&results, &recipe, "nowhere/state.h5"), HONE_BAD_INPUT, "nowhere is damaged");
    hone_recipe_free(&recipe);
    tiny_recipe(&recipe, folder, TINY_OVERRIDES("training.batch_size=2"));
    test_expect_status(hone_train_replay(&results, &recipe, file), HONE_RESUME_MISMATCH, "training.batch_size");
    hone_recipe_free(&recipe);
    /* The same run goes on from there without the step. */
    TEST_OK(tiny_train(NULL, folder,
                       TINY_OVERRIDES("training.batch_size=1", "training.epochs=9", "evaluation.every=no",
                                      "training.seed=2", "checkpoint.every=no", "training.non_finite=skip")));
    hone_free(message);
}

/* A step with nothing wrong in it: what it logged, from the checkpoint before it. */
static void a_good_step_is_replayed(void **state) {
    (void)state;
    const char *folder = planted("classifier.bias", 0, 1, 0);
    const char *const overrides[] = {"checkpoint.every=1", "checkpoint.keep=9", NULL};
    TEST_OK(tiny_train(NULL, folder, overrides));
    double losses[9];
    assert_int_equal(tiny_metrics(losses, 9, tiny_path(folder, "out"), "train", "loss"), 3);
    struct hone_recipe recipe;
    json_t *results;
    tiny_recipe(&recipe, folder, overrides);
    TEST_OK(hone_train_replay(&results, &recipe, tiny_path(folder, "out/checkpoints/step-000001/state.h5")));
    assert_true(json_real_value(json_object_get(results, "loss")) == losses[1]);
    assert_int_equal(json_integer_value(json_object_get(results, "step")), 2);
    assert_int_equal(json_array_size(json_object_get(results, "samples")), 8);
    json_decref(results);
    test_expect_status(hone_train_replay(&results, &recipe, tiny_path(folder, "out/checkpoints/step-000003/state.h5")),
                       HONE_USAGE, "there is none behind it");
    hone_recipe_free(&recipe);
}

/* A skipped step leaves no trace in what follows: weights of steps that apply nothing stay the model's. */
static void what_is_skipped_is_not_applied(void **state) {
    (void)state;
    const char *folder = one_bad_sample();
    TEST_OK(tiny_train(NULL, folder,
                       TINY_OVERRIDES("training.batch_size=4", "training.epochs=3", "training.non_finite=skip",
                                      "training.ema_decay=0.5", "evaluation.every=no")));
    struct hone_safetensors before, after;
    TEST_OK(hone_safetensors_open(&before, tiny_path(folder, "model/model.safetensors")));
    TEST_OK(hone_safetensors_open(&after, tiny_path(folder, "out/model.safetensors")));
    for (size_t i = 0; i < before.n; i++) {
        int64_t n = hone_tensor_elements(&before.tensors[i]);
        float *a = hone_alloc((size_t)n, sizeof *a, "tensor"), *b = hone_alloc((size_t)n, sizeof *b, "tensor");
        TEST_OK(hone_safetensors_read_f32(&before, &before.tensors[i], a));
        TEST_OK(hone_safetensors_read_f32(&after, hone_safetensors_find(&after, before.tensors[i].name), b));
        test_same_bits(before.tensors[i].name, a, b, (size_t)n * sizeof *a);
        hone_free(a);
        hone_free(b);
    }
    hone_safetensors_close(&before);
    hone_safetensors_close(&after);
}

/* Weights that ran away: some op is named, whichever it is, before anything of the step is applied. */
static void a_rate_that_is_too_high_is_told(void **state) {
    (void)state;
    const char *folder = planted("classifier.bias", 0, 1, 0);
    expect_stop(folder, TINY_OVERRIDES("optimizer.lr=1e37", "evaluation.every=no", "training.epochs=9"),
                PARTS("the first to give such a number is ", "(bert.", "lower optimizer.lr"));
}

int main(void) {
    tiny_in_memory();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_weight_that_holds_it_is_named),
        cmocka_unit_test(layers_in_bf16_are_looked_at),
        cmocka_unit_test(the_sample_is_named),
        cmocka_unit_test(steps_are_skipped_up_to_the_limit),
        cmocka_unit_test(the_step_is_replayed),
        cmocka_unit_test(a_good_step_is_replayed),
        cmocka_unit_test(what_is_skipped_is_not_applied),
        cmocka_unit_test(a_rate_that_is_too_high_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
