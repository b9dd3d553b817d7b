/* Training beside a second loop, put together here from the pieces that other tests prove one by one: order of samples,
 * schedule, dropout of the step, AdamW. Both must arrive at the same bits. And the rule of early stopping, applied here
 * to the losses of a run that had none. */
#include <string.h>

#include "base/io.h"
#include "base/memory.h"
#include "base/random.h"
#include "optim/optimizer.h"
#include "recipes/train.h"
#include "tests/support.h"
#include "tests/tiny.h"

static const char *const names[2] = {"neg", "pos"};

enum { ROWS = 20, BATCH = 8, STEPS_PER_EPOCH = 3, STEPS = 9, WARMUP = 3, SEED = 11 };

/* One optimizer step over samples begin … end-1 of the epoch's order, in one piece. */
static double step_by_hand(struct hone_engine *engine, struct hone_optimizer *optimizer,
                           const struct hone_samples *samples, int step) {
    int epoch = step / STEPS_PER_EPOCH, begin = step % STEPS_PER_EPOCH * BATCH;
    int n = begin + BATCH < ROWS ? BATCH : ROWS - begin;
    int64_t chosen[BATCH];
    for (int i = 0; i < n; i++) chosen[i] = hone_permute(begin + i, ROWS, SEED, (uint32_t)epoch);
    double factor = step < WARMUP ? step / (double)WARMUP : (STEPS - step) / (double)(STEPS - WARMUP);
    struct hone_step result, *state = hone_optimizer_step_state(optimizer);
    TEST_OK(hone_optimizer_begin(optimizer, SEED, (uint32_t)step, 1e-3 * factor, engine->stream));
    hone_batch_fill(&engine->batch, samples, chosen, n, (uint32_t)epoch);
    struct hone_model_inputs in = hone_engine_upload(engine, state);
    hone_tape_begin(engine->tape, HONE_TRAINING);
    hone_value logits = engine->model->class->forward(engine->model, engine->tape, &in);
    hone_cross_entropy(engine->tape, logits, engine->on_device.labels, NULL, (float)(1.0 / n), &state->loss);
    TEST_OK(hone_tape_layout(engine->tape));
    hone_tape_forward(engine->tape, engine->stream);
    hone_tape_backward(engine->tape, NULL, NULL, engine->stream);
    TEST_OK(hone_optimizer_apply(optimizer, engine->stream));
    TEST_OK(hone_optimizer_result(optimizer, &result, engine->stream));
    return (double)result.loss;
}

static void expect_weights(const struct hone_parameters *parameters, const char *path) {
    struct hone_safetensors file;
    TEST_OK(hone_safetensors_open(&file, path));
    assert_int_equal(file.n, hone_parameters_count(parameters));
    for (int32_t id = 0; id < hone_parameters_count(parameters); id++) {
        const struct hone_parameter *p = hone_parameters_get(parameters, id);
        const struct hone_tensor_entry *entry = hone_safetensors_find(&file, p->name);
        assert_non_null(entry);
        float *here = hone_alloc((size_t)p->count, sizeof *here, "test");
        float *there = hone_alloc((size_t)p->count, sizeof *there, "test");
        TEST_OK(hone_parameters_read(parameters, id, here));
        TEST_OK(hone_safetensors_read_f32(&file, entry, there));
        test_same_bits(p->name, there, here, (size_t)p->count * sizeof *here);
        hone_free(here);
        hone_free(there);
    }
    hone_safetensors_close(&file);
}

/* Three epochs of two whole batches and a smaller one, warm-up, clipping, decay, dropout. */
static void same_weights_as_by_hand(void **state) {
    (void)state;
    const char *folder = test_scratch();
    tiny_folder(tiny_path(folder, "model"), 2, 1);
    tiny_tsv(tiny_path(folder, "train.tsv"), 7, ROWS, names);
    const char *const *overrides =
        TINY_OVERRIDES("data.validation=null", "training.epochs=3", "training.seed=11", "schedule.warmup=3",
                       "optimizer.weight_decay=0.05", "optimizer.clip_norm=0.5", "task.labels=[neg, pos]");
    TEST_OK(tiny_train(NULL, folder, overrides));
    double losses[STEPS];
    assert_int_equal(tiny_metrics(losses, STEPS, tiny_path(folder, "out"), "train", "loss"), STEPS);

    struct hone_recipe recipe;
    tiny_recipe(&recipe, folder, overrides);
    struct hone_device *device;
    struct hone_model_folder model;
    struct hone_samples samples;
    struct hone_engine engine = {0};
    struct hone_optimizer *optimizer;
    struct hone_labels labels = {.n = 2, .names = (char *[]){"neg", "pos"}};
    TEST_OK(hone_device_open(&device, "cpu"));
    TEST_OK(hone_model_folder_open(
        &model, tiny_path(folder, "model"),
        (struct hone_model_folder_options){
            .device = device, .head = HONE_HEAD_SEQUENCE_CLASSIFICATION, .labels = &labels, .training = true}));
    TEST_OK(hone_task_find(recipe.task.type, recipe.task.problem_type)
                ->encode(&samples, &recipe, HONE_SPLIT_TRAIN, &model));
    assert_int_equal(samples.n, ROWS);
    TEST_OK(hone_engine_create(&engine, model.model, BATCH * samples.longest, BATCH, 0));
    TEST_OK(hone_optimizer_create(
        &optimizer, model.model->parameters,
        (struct hone_optimizer_settings){
            .weight_decay = 0.05, .beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8, .clip_norm = 0.5}));
    for (int step = 0; step < STEPS; step++) {
        double loss = step_by_hand(&engine, optimizer, &samples, step);
        if (loss != losses[step]) fail_msg("step %d: loss %.9g, by hand %.9g", step + 1, losses[step], loss);
    }
    expect_weights(model.model->parameters, tiny_path(folder, "out/model.safetensors"));
    hone_optimizer_free(optimizer);
    hone_engine_free(&engine);
    hone_samples_free(&samples);
    hone_model_folder_close(&model);
    hone_recipe_free(&recipe);
}

/* The evaluation after which a run stops: `patience` of them in a row without a smaller loss. n: none. */
static size_t stop_after(const double *losses, size_t n, int patience, bool in_a_row) {
    double best = losses[0];
    int without = 0;
    for (size_t i = 1; i < n; i++) {
        bool gain = losses[i] < best;
        if (gain) best = losses[i];
        if (gain && in_a_row) without = 0;
        without += !gain;
        if (without >= patience) return i + 1;
    }
    return n;
}

/* A rate that is too high makes the validation loss go up and down. */
static void a_gain_starts_patience_anew(void **state) {
    (void)state;
    enum { EVALUATIONS = 40 };
    static const char *const patience[] = {"training.early_stopping=4", "training.early_stopping=6",
                                           "training.early_stopping=8"};
    const char *folder = test_scratch();
    tiny_folder(tiny_path(folder, "model"), 0, 1);
    tiny_tsv(tiny_path(folder, "train.tsv"), 7, 40, names);
    tiny_tsv(tiny_path(folder, "validation.tsv"), 8, 21, names);
    double losses[EVALUATIONS];
    int told_apart = 0;
    for (int i = -1; i < 3; i++) {
        json_t *results;
        TEST_OK(tiny_train(&results, folder,
                           TINY_OVERRIDES("evaluation.every=1", "evaluation.metric=loss", "training.epochs=8",
                                          "optimizer.lr=2e-2", i < 0 ? "training.early_stopping=null" : patience[i])));
        int64_t steps = json_integer_value(json_object_get(results, "steps"));
        json_decref(results);
        if (i < 0) {
            assert_int_equal(steps, EVALUATIONS);
            assert_int_equal(tiny_metrics(losses, EVALUATIONS, tiny_path(folder, "out"), "validation", "loss"),
                             EVALUATIONS);
        } else {
            size_t expected = stop_after(losses, EVALUATIONS, 4 + 2 * i, true);
            assert_int_equal(steps, expected);
            told_apart += expected != stop_after(losses, EVALUATIONS, 4 + 2 * i, false);
        }
        TEST_OK(hone_remove_folder(tiny_path(folder, "out")));
    }
    assert_true(told_apart > 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_weights_as_by_hand),
        cmocka_unit_test(a_gain_starts_patience_anew),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
