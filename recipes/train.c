#include "recipes/train.h"

#include <math.h>
#include <stdio.h>

#include "base/log.h"
#include "recipes/run_folder.h"
#include "recipes/samples.h"

/* Seconds between plain progress lines when stderr is no terminal. */
#define PLAIN_PROGRESS_SECONDS 5.0

struct trainer {
    struct hone_run *run;
    struct hone_engine engine;
    struct hone_optimizer *optimizer;
    struct hone_run_folder folder;

    int64_t step, tokens, samples;
    double begin, step_seconds; /* start of the run; time inside steps alone */
    double loss_sum;            /* of all steps */
    /* Since the last line of metrics.jsonl. */
    double log_loss, log_seconds;
    int64_t log_steps, log_tokens;
    double gradient_norm, learning_rate;

    bool has_best;
    double best_value;
    int64_t best_step, evaluations_without_gain;
    json_t *best_results; /* eval_* of the best model */
};

enum hone_status hone_train_optimizer(struct hone_optimizer **out, const struct hone_run *run) {
    return hone_optimizer_create(out, run->folder.model->parameters, run->optimizer);
}

static double learning_rate_at(const struct hone_run *run, int64_t step) {
    const struct hone_recipe *recipe = run->recipe;
    if (recipe->optimizer.relative_step) return hone_schedule_relative_step(step, recipe->optimizer.warmup_init);
    return recipe->optimizer.lr * hone_schedule_factor(&run->schedule, step);
}

enum hone_status hone_train_step(struct hone_engine *engine, struct hone_optimizer *optimizer,
                                 const struct hone_run *run, int64_t step, const int64_t *chosen, int64_t n,
                                 int64_t *tokens) {
    const struct hone_model *model = engine->model;
    struct hone_step *state = hone_optimizer_step_state(optimizer);
    uint32_t pass = hone_run_epoch(run, step);
    float scale = (float)(1.0 / run->task->denominator(&run->train, chosen, n, pass));
    HONE_TRY(hone_optimizer_begin(optimizer, (uint32_t)run->recipe->training.seed, (uint32_t)step,
                                  learning_rate_at(run, step), engine->stream));
    for (int64_t begin = 0; begin < n;) {
        int64_t count = hone_micro_batch(&run->train, chosen, begin, n, run->micro_batch_tokens);
        /* The batch that the last micro-batch reads must not change under it. */
        HONE_TRY(engine->device->stream_synchronize(engine->stream));
        HONE_TRY(hone_batch_fill(&engine->batch, &run->train, chosen + begin, count, pass));
        struct hone_model_inputs in = hone_engine_upload(engine, state);
        hone_tape_begin(engine->tape, HONE_TRAINING);
        hone_value logits = model->class->forward(model, engine->tape, &in);
        run->task->record_loss(engine->tape, logits, engine->on_device.labels, scale, &state->loss);
        HONE_TRY(hone_tape_layout(engine->tape));
        hone_tape_forward(engine->tape, engine->stream);
        hone_tape_backward(engine->tape, NULL, NULL, engine->stream);
        *tokens += engine->batch.T;
        begin += count;
    }
    hone_optimizer_apply(optimizer, engine->stream);
    return HONE_OK;
}

/* Nothing was applied: the message names the samples to look at. */
static enum hone_status not_finite(const struct trainer *trainer, const struct hone_step *result, const int64_t *chosen,
                                   int64_t n) {
    enum { LISTED = 8 };
    const struct hone_samples *samples = &trainer->run->train;
    struct hone_text lines = {0};
    for (int64_t i = 0; i < n && i < LISTED; i++) {
        hone_text_format(&lines, "%s%s:%lld", i ? ", " : "", hone_samples_path(samples, chosen[i]),
                         (long long)samples->lines[chosen[i]]);
    }
    if (n > LISTED) hone_text_format(&lines, ", … (%lld lines)", (long long)n);
    enum hone_status status = hone_fail(
        HONE_NUMERIC,
        "step %lld: the loss is %g and the gradient's norm %g, so nothing was applied; the batch was %s; lower "
        "optimizer.lr, or look for weights that are not finite with hone inspect --stats",
        (long long)trainer->step + 1, (double)result->loss, (double)result->gradient_norm, lines.bytes);
    hone_text_free(&lines);
    return status;
}

static double epoch_of(const struct trainer *trainer) {
    const struct hone_run *run = trainer->run;
    return (double)trainer->step / (double)run->steps_per_epoch;
}

static enum hone_status log_step(struct trainer *trainer) {
    double loss = trainer->log_loss / (double)trainer->log_steps;
    json_t *line =
        json_pack("{s:I, s:f, s:s, s:f, s:f, s:f, s:f}", "step", (json_int_t)trainer->step, "epoch", epoch_of(trainer),
                  "split", "train", "loss", loss, "lr", trainer->learning_rate, "grad_norm", trainer->gradient_norm,
                  "tokens_per_second", (double)trainer->log_tokens / trainer->log_seconds);
    enum hone_status status = hone_run_folder_log(&trainer->folder, line);
    json_decref(line);
    trainer->log_loss = trainer->log_seconds = 0;
    trainer->log_steps = trainer->log_tokens = 0;
    return status;
}

static void show_progress(const struct trainer *trainer, double loss) {
    const struct hone_run *run = trainer->run;
    double elapsed = hone_seconds() - trainer->begin;
    char memory[16], left[16];
    double remaining = elapsed / (double)trainer->step * (double)(run->steps - trainer->step);
    hone_progress(PLAIN_PROGRESS_SECONDS, "step %lld/%lld  loss %.4f  lr %.2e  grad %.2f  %.0f tokens/s  %s  %s left",
                  (long long)trainer->step, (long long)run->steps, loss, trainer->learning_rate, trainer->gradient_norm,
                  (double)trainer->tokens / trainer->step_seconds, hone_bytes(memory, (double)hone_resident_bytes()),
                  hone_duration(left, remaining));
}

static enum hone_status run_step(struct trainer *trainer, int64_t *chosen) {
    struct hone_run *run = trainer->run;
    double begin = hone_seconds();
    int64_t tokens = 0, n = hone_run_step_samples(run, trainer->step, chosen);
    struct hone_step result;
    trainer->learning_rate = learning_rate_at(run, trainer->step);
    HONE_TRY(hone_train_step(&trainer->engine, trainer->optimizer, run, trainer->step, chosen, n, &tokens));
    HONE_TRY(hone_optimizer_result(trainer->optimizer, &result, trainer->engine.stream));
    if (!result.finite) return not_finite(trainer, &result, chosen, n);
    double seconds = hone_seconds() - begin;
    trainer->step++;
    trainer->tokens += tokens;
    trainer->samples += n;
    trainer->step_seconds += seconds;
    trainer->loss_sum += (double)result.loss;
    trainer->log_loss += (double)result.loss;
    trainer->log_seconds += seconds;
    trainer->log_tokens += tokens;
    trainer->log_steps++;
    trainer->gradient_norm = (double)result.gradient_norm;
    show_progress(trainer, (double)result.loss);
    if (trainer->step % run->recipe->logging.every == 0 || trainer->step == run->steps) return log_step(trainer);
    return HONE_OK;
}

static enum hone_status log_evaluation(struct trainer *trainer, const json_t *results) {
    json_t *line = json_pack("{s:I, s:f, s:s}", "step", (json_int_t)trainer->step, "epoch", epoch_of(trainer), "split",
                             "validation");
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)results, key, value) { json_object_set(line, key + sizeof "eval_" - 1, value); }
    enum hone_status status = hone_run_folder_log(&trainer->folder, line);
    json_decref(line);
    return status;
}

static enum hone_status evaluate(struct trainer *trainer) {
    struct hone_run *run = trainer->run;
    json_t *results = json_object();
    double value;
    bool larger;
    enum hone_status status = hone_evaluate(results, &value, &larger, &trainer->engine, run->task, &run->folder.labels,
                                            &run->validation, run->recipe->evaluation.metric, "eval");
    if (status == HONE_OK) status = log_evaluation(trainer, results);
    if (status != HONE_OK) {
        json_decref(results);
        return status;
    }
    bool better = !trainer->has_best || (larger ? value > trainer->best_value : value < trainer->best_value);
    hone_info("epoch %.2f, step %lld: eval_loss %.4f, eval_accuracy %.4f%s", epoch_of(trainer),
              (long long)trainer->step, json_real_value(json_object_get(results, "eval_loss")),
              json_real_value(json_object_get(results, "eval_accuracy")), better ? " (best so far, saved)" : "");
    if (!better) {
        trainer->evaluations_without_gain++;
        json_decref(results);
        return HONE_OK;
    }
    trainer->has_best = true;
    trainer->best_value = value;
    trainer->best_step = trainer->step;
    trainer->evaluations_without_gain = 0;
    json_decref(trainer->best_results);
    trainer->best_results = results;
    return hone_run_folder_save_model(&trainer->folder, run);
}

static bool evaluation_is_due(const struct trainer *trainer) {
    const struct hone_run *run = trainer->run;
    int64_t every = run->recipe->evaluation.every;
    if (!run->validation.n || every == HONE_NEVER) return false;
    if (trainer->step == run->steps) return true;
    return trainer->step % (every == HONE_EVERY_EPOCH ? run->steps_per_epoch : every) == 0;
}

static enum hone_status train_steps(struct trainer *trainer) {
    struct hone_run *run = trainer->run;
    int64_t patience = run->recipe->training.early_stopping;
    int64_t *chosen = hone_alloc((size_t)run->recipe->training.batch_size, sizeof *chosen, "samples of a step");
    enum hone_status status = HONE_OK;
    while (trainer->step < run->steps) {
        HONE_TRY_GOTO(run_step(trainer, chosen));
        if (!evaluation_is_due(trainer)) continue;
        HONE_TRY_GOTO(evaluate(trainer));
        if (patience && trainer->evaluations_without_gain >= patience) {
            hone_info("stopping early: %lld evaluations without a better %s", (long long)patience,
                      hone_recipe_word("evaluation.metric", (int)run->recipe->evaluation.metric));
            break;
        }
    }
    hone_progress_end();
    if (trainer->log_steps) HONE_TRY_GOTO(log_step(trainer));
    if (!trainer->has_best) HONE_TRY_GOTO(hone_run_folder_save_model(&trainer->folder, run));
done:
    hone_free(chosen);
    return status;
}

static enum hone_status test_best(struct trainer *trainer, json_t *results) {
    struct hone_run *run = trainer->run;
    if (!run->test.n) return HONE_OK;
    if (trainer->has_best && trainer->best_step != trainer->step) {
        HONE_TRY(hone_model_folder_reload(&run->folder, trainer->folder.path));
    }
    return hone_evaluate(results, NULL, NULL, &trainer->engine, run->task, &run->folder.labels, &run->test,
                         run->recipe->evaluation.metric, "test");
}

static json_t *training_results(const struct trainer *trainer, double runtime) {
    double fed_seconds = trainer->run->encode_seconds + trainer->step_seconds;
    json_t *results =
        json_pack("{s:f, s:I, s:I, s:f, s:f, s:I, s:f, s:f, s:f, s:I}", "epoch", epoch_of(trainer), "steps",
                  (json_int_t)trainer->step, "tokens", (json_int_t)trainer->tokens, "train_loss",
                  trainer->loss_sum / (double)trainer->step, "train_runtime", runtime, "train_samples",
                  (json_int_t)trainer->run->train.n, "train_samples_per_second", (double)trainer->samples / runtime,
                  "train_steps_per_second", (double)trainer->step / runtime, "train_tokens_per_second",
                  (double)trainer->tokens / fed_seconds, "peak_memory_bytes", (json_int_t)hone_peak_resident_bytes());
    if (trainer->has_best) json_object_set_new(results, "best_step", json_integer(trainer->best_step));
    if (trainer->best_results) json_object_update(results, trainer->best_results);
    return results;
}

static enum hone_status train(struct trainer *trainer, json_t **results) {
    struct hone_run *run = trainer->run;
    int64_t T, B;
    hone_run_capacity(&T, &B, run);
    HONE_TRY(hone_engine_create(&trainer->engine, run->folder.model, T, B));
    HONE_TRY(hone_tape_reserve(trainer->engine.tape, run->arena_bytes));
    HONE_TRY(hone_train_optimizer(&trainer->optimizer, run));
    HONE_TRY(hone_run_folder_create(&trainer->folder, run->recipe));
    char frozen[40] = "";
    int64_t parameters = hone_parameters_total(run->folder.model->parameters);
    if (run->trained < parameters) snprintf(frozen, sizeof frozen, " of %lld", (long long)parameters);
    hone_info(
        "training %lld%s parameters on %s: %lld steps of up to %lld sequences, micro-batches of at most %lld tokens",
        (long long)run->trained, frozen, run->device->description, (long long)run->steps,
        (long long)run->recipe->training.batch_size, (long long)run->micro_batch_tokens);
    trainer->begin = hone_seconds();
    HONE_TRY(train_steps(trainer));
    *results = training_results(trainer, hone_seconds() - trainer->begin);
    HONE_TRY(test_best(trainer, *results));
    return hone_run_folder_finish(&trainer->folder, run, *results);
}

enum hone_status hone_train(json_t **results, const struct hone_recipe *recipe) {
    *results = NULL;
    enum hone_run_state state;
    HONE_TRY(hone_run_folder_state(&state, recipe));
    if (state == HONE_RUN_COMPLETE) {
        hone_info("%s: this run is complete; its results:", recipe->output);
        return hone_run_folder_results(results, recipe->output);
    }
    struct hone_run run;
    HONE_TRY(hone_run_open(&run, recipe, false));
    struct trainer trainer = {.run = &run};
    enum hone_status status = train(&trainer, results);
    if (status != HONE_OK) {
        json_decref(*results);
        *results = NULL;
    }
    json_decref(trainer.best_results);
    hone_run_folder_close(&trainer.folder);
    hone_optimizer_free(trainer.optimizer);
    hone_engine_free(&trainer.engine);
    hone_run_close(&run);
    return status;
}
