#include "recipes/train.h"

#include <math.h>
#include <stdio.h>

#include "base/arith.h"
#include "base/lock.h"
#include "base/log.h"
#include "base/stop.h"
#include "recipes/certificate.h"
#include "recipes/checkpoint.h"
#include "recipes/run_folder.h"
#include "recipes/samples.h"

/* Seconds between plain progress lines when stderr is no terminal. */
#define PLAIN_PROGRESS_SECONDS 5.0

struct trainer {
    struct hone_run *run;
    struct hone_engine engine;
    struct hone_optimizer *optimizer;
    struct hone_team team;
    struct hone_run_folder folder; /* of rank 0, like the saver; the others write nothing */
    struct hone_saver *saver;
    struct hone_replay *replay; /* of a run that is made again; else NULL */
    int64_t last_step;          /* to be taken: the run's, or the replay's */

    struct hone_training_state state;
    double begin, save_begin;            /* of this process's training; of the last save */
    int64_t first_step;                  /* of this process */
    double gradient_norm, learning_rate; /* of the last step */
};

enum hone_status hone_train_optimizer(struct hone_optimizer **out, const struct hone_run *run) {
    struct hone_optimizer_settings settings = run->optimizer;
    settings.collectives = run->world->collectives;
    return hone_optimizer_create(out, run->folder.model->parameters, settings);
}

double hone_train_rate(const struct hone_run *run, int64_t step) {
    const struct hone_recipe *recipe = run->recipe;
    if (recipe->optimizer.relative_step) return hone_schedule_relative_step(step, recipe->optimizer.warmup_init);
    return recipe->optimizer.lr * hone_schedule_factor(&run->schedule, step);
}

static double epoch_of(const struct trainer *trainer) {
    const struct hone_run *run = trainer->run;
    return (double)trainer->state.step / (double)run->steps_per_epoch;
}

static enum hone_status log_step(struct trainer *trainer) {
    double loss = trainer->state.log_loss / (double)trainer->state.log_steps;
    json_t *line = json_pack("{s:I, s:f, s:s, s:f, s:f, s:f, s:f}", "step", (json_int_t)trainer->state.step, "epoch",
                             epoch_of(trainer), "split", "train", "loss", loss, "lr", trainer->learning_rate,
                             "grad_norm", trainer->gradient_norm, "tokens_per_second",
                             (double)trainer->state.log_tokens / trainer->state.log_seconds);
    enum hone_status status = hone_run_folder_log(&trainer->folder, line);
    json_decref(line);
    trainer->state.log_loss = trainer->state.log_seconds = 0;
    trainer->state.log_steps = trainer->state.log_tokens = 0;
    return status;
}

static void show_progress(const struct trainer *trainer, double loss) {
    const struct hone_run *run = trainer->run;
    double elapsed = hone_seconds() - trainer->begin;
    char memory[16], left[16];
    double remaining =
        elapsed / (double)(trainer->state.step - trainer->first_step) * (double)(run->steps - trainer->state.step);
    hone_progress(PLAIN_PROGRESS_SECONDS, "step %lld/%lld  loss %.4f  lr %.2e  grad %.2f  %.0f tokens/s  %s  %s left",
                  (long long)trainer->state.step, (long long)run->steps, loss, trainer->learning_rate,
                  trainer->gradient_norm, (double)trainer->state.tokens / trainer->state.step_seconds,
                  hone_bytes(memory, (double)hone_resident_bytes()), hone_duration(left, remaining));
}

/* The state as it is between two steps; with `wait` it is on the disk on return. */
static enum hone_status save(struct trainer *trainer, bool wait) {
    struct hone_training_state state = trainer->state;
    bool shared = hone_optimizer_is_shared(trainer->optimizer);
    if (trainer->saver || shared) hone_world_mark(trainer->run->world, HONE_PHASE_SAVE, state.step);
    if (!trainer->saver) return hone_snapshot_give(trainer->optimizer, trainer->engine.stream);
    trainer->save_begin = hone_seconds();
    state.run_seconds += trainer->save_begin - trainer->begin;
    state.micro_batch_tokens = trainer->run->micro_batch_tokens;
    state.metrics_bytes = trainer->folder.metrics_bytes;
    HONE_TRY(hone_file_sync(trainer->folder.metrics)); /* as many bytes must be there after a power cut */
    return hone_saver_save(trainer->saver, &state, trainer->engine.stream, wait);
}

/* Saves the state before the step that stops the run, so that the step can be replayed, and says how. */
static void save_for_replay(struct trainer *trainer, struct hone_text *why) {
    char *state = NULL;
    /* Before the first step it is the model that the recipe names. */
    if (trainer->state.step == 0) return;
    if (save(trainer, true) != HONE_OK) {
        hone_warn("the state before step %lld could not be saved: %s", (long long)trainer->state.step + 1,
                  hone_error_message());
        return;
    }
    state = hone_format("%s/checkpoints/step-%06lld/state.h5", trainer->run->recipe->output,
                        (long long)trainer->state.step);
    hone_text_format(why, "; replay=%s takes the step again", state);
    hone_free(state);
}

/* Nothing was applied. Tells where it came from, and ends the run or goes on without this step, as the recipe says. */
static enum hone_status not_finite(struct trainer *trainer, const struct hone_step *result,
                                   const struct hone_step_of *step) {
    const struct hone_recipe *recipe = trainer->run->recipe;
    struct hone_text why = {0};
    hone_text_format(&why, "step %lld: the loss is %g and the gradient's norm %g, so nothing was applied",
                     (long long)step->step + 1, (double)result->loss, (double)result->gradient_norm);
    enum hone_status status = hone_train_explain(&why, step);
    bool skips = recipe->training.non_finite == HONE_NON_FINITE_SKIP;
    bool stops = !skips || trainer->state.skipped == recipe->training.skip_limit;
    if (status == HONE_OK && stops) {
        struct hone_collectives *c = trainer->run->world->collectives;
        save_for_replay(trainer, &why);
        /* No rank ends while rank 0 still saves. */
        status = c->barrier(c, NULL);
    }
    if (status == HONE_OK && !skips) {
        status = hone_fail(HONE_NUMERIC,
                           "%s; lower optimizer.lr, look for weights that are not finite with hone inspect --stats, or "
                           "go on without such steps by training.non_finite=skip",
                           why.bytes);
    } else if (status == HONE_OK && stops) {
        status = hone_fail(HONE_NUMERIC, "%s; training.skip_limit is %lld, and as many steps were left out before",
                           why.bytes, (long long)recipe->training.skip_limit);
    }
    if (status == HONE_OK) {
        trainer->state.step++;
        trainer->state.skipped++;
        hone_warn("%s; skipped (%lld of at most %lld)", why.bytes, (long long)trainer->state.skipped,
                  (long long)recipe->training.skip_limit);
        json_t *line = json_pack("{s:I, s:f, s:s, s:s}", "step", (json_int_t)trainer->state.step, "epoch",
                                 epoch_of(trainer), "split", "skipped", "reason", why.bytes);
        status = hone_run_folder_log(&trainer->folder, line);
        json_decref(line);
    }
    hone_text_free(&why);
    return status;
}

static enum hone_status run_step(struct trainer *trainer, int64_t *chosen) {
    struct hone_run *run = trainer->run;
    double begin = hone_seconds();
    int64_t tokens = 0, n = hone_run_step_samples(run, trainer->state.step, chosen);
    struct hone_step result;
    trainer->learning_rate = hone_train_rate(run, trainer->state.step);
    struct hone_step_of step = {.engine = &trainer->engine,
                                .optimizer = trainer->optimizer,
                                .run = run,
                                .step = trainer->state.step,
                                .chosen = chosen,
                                .n = n,
                                .team = &trainer->team};
    HONE_TRY(hone_train_step(&step, &tokens));
    HONE_TRY(hone_optimizer_result(trainer->optimizer, &result, trainer->engine.stream));
    if (!result.finite) return not_finite(trainer, &result, &step);
    double seconds = hone_seconds() - begin;
    trainer->state.step++;
    trainer->state.tokens += tokens;
    trainer->state.samples += n;
    trainer->state.step_seconds += seconds;
    trainer->state.loss_sum += (double)result.loss;
    trainer->state.log_loss += (double)result.loss;
    trainer->state.log_seconds += seconds;
    trainer->state.log_tokens += tokens;
    trainer->state.log_steps++;
    trainer->gradient_norm = (double)result.gradient_norm;
    show_progress(trainer, (double)result.loss);
    if (trainer->state.step % run->recipe->logging.every == 0 || trainer->state.step == run->steps)
        return log_step(trainer);
    return HONE_OK;
}

static enum hone_status log_evaluation(struct trainer *trainer, const json_t *results) {
    json_t *line = json_pack("{s:I, s:f, s:s}", "step", (json_int_t)trainer->state.step, "epoch", epoch_of(trainer),
                             "split", "validation");
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)results, key, value) { json_object_set(line, key + sizeof "eval_" - 1, value); }
    enum hone_status status = hone_run_folder_log(&trainer->folder, line);
    json_decref(line);
    return status;
}

static enum hone_status evaluate_weights(struct trainer *trainer) {
    struct hone_run *run = trainer->run;
    json_t *results = json_object();
    double value;
    enum hone_metric metric = run->recipe->evaluation.metric;
    enum hone_status status =
        hone_evaluate(results, &value, &trainer->engine, run->task, &run->folder, &run->validation, metric, "eval");
    if (status == HONE_OK) status = log_evaluation(trainer, results);
    if (status != HONE_OK) {
        json_decref(results);
        return status;
    }
    bool better = !trainer->state.has_best || hone_metric_is_better(metric, value, trainer->state.best_value);
    char chosen[64] = "";
    if (metric != HONE_METRIC_LOSS) snprintf(chosen, sizeof chosen, ", eval_%s %.4f", hone_metric_name(metric), value);
    hone_info("epoch %.2f, step %lld: eval_loss %.4f%s%s", epoch_of(trainer), (long long)trainer->state.step,
              json_real_value(json_object_get(results, "eval_loss")), chosen, better ? " (best so far, saved)" : "");
    trainer->state.evaluated_step = trainer->state.step;
    if (!better) {
        trainer->state.evaluations_without_gain++;
        json_decref(results);
        return HONE_OK;
    }
    trainer->state.has_best = true;
    trainer->state.best_value = value;
    trainer->state.best_step = trainer->state.step;
    trainer->state.evaluations_without_gain = 0;
    json_decref(trainer->state.best_results);
    trainer->state.best_results = results;
    return hone_run_folder_save_model(&trainer->folder, run);
}

/* Whether a signal asked any rank to stop: all stop at the same step then. */
static enum hone_status stop_asked(const struct trainer *trainer) {
    int64_t asked = hone_stop_asked();
    HONE_TRY(hone_world_largest(&asked, trainer->run->world));
    return (enum hone_status)asked;
}

static enum hone_status save_weights(struct trainer *trainer) {
    return hone_run_folder_save_model(&trainer->folder, trainer->run);
}

/* Works with the average of the weights in their place, where one is kept. */
static enum hone_status averaged(struct trainer *trainer, enum hone_status (*work)(struct trainer *trainer)) {
    HONE_TRY(hone_optimizer_exchange(trainer->optimizer, trainer->engine.stream));
    enum hone_status status = work(trainer);
    /* Also for what a signal cut short: the state that is saved then has the weights themselves. */
    enum hone_status back = hone_optimizer_exchange(trainer->optimizer, trainer->engine.stream);
    return status != HONE_OK ? status : back;
}

static bool evaluation_is_due(const struct trainer *trainer) {
    const struct hone_run *run = trainer->run;
    int64_t every = run->recipe->evaluation.every;
    if (!run->validation.n || every == HONE_NEVER || trainer->state.step == trainer->state.evaluated_step) return false;
    if (trainer->state.step == run->steps) return true;
    return trainer->state.step % (every == HONE_EVERY_EPOCH ? run->steps_per_epoch : every) == 0;
}

static bool save_is_due(const struct trainer *trainer) {
    const struct hone_run *run = trainer->run;
    struct hone_interval every = run->recipe->checkpoint.every;
    int64_t step = trainer->state.step;
    if (step == trainer->first_step) return false;
    if (every.seconds > 0) return step == run->steps || hone_seconds() - trainer->save_begin >= every.seconds;
    if (every.steps == HONE_NEVER) return false;
    return step == run->steps || step % (every.steps == HONE_EVERY_EPOCH ? run->steps_per_epoch : every.steps) == 0;
}

/* The same on all ranks where all take part in a save: rank 0's clock decides. */
static enum hone_status save_is_wanted(bool *out, const struct trainer *trainer) {
    int64_t due = save_is_due(trainer);
    bool by_clock = trainer->run->recipe->checkpoint.every.seconds > 0;
    if (by_clock && hone_optimizer_is_shared(trainer->optimizer)) HONE_TRY(hone_world_share(&due, trainer->run->world));
    *out = due != 0;
    return HONE_OK;
}

/* Saves what a signal interrupted and says how to go on; returns `asked`. */
static enum hone_status stop(struct trainer *trainer, enum hone_status asked) {
    hone_progress_end();
    if (trainer->state.step == 0) return hone_fail(asked, "stopped by a signal before the first step ended");
    HONE_TRY(save(trainer, true));
    return hone_fail(asked,
                     "stopped by a signal after step %lld of %lld; the state is saved in %s, and the same "
                     "command goes on from there",
                     (long long)trainer->state.step, (long long)trainer->run->steps, trainer->run->recipe->output);
}

static bool patience_is_over(const struct trainer *trainer) {
    int64_t patience = trainer->run->recipe->training.early_stopping;
    return patience && trainer->state.evaluations_without_gain >= patience;
}

/* Steps, evaluations and checkpoints from the present state on. A checkpoint is made after the evaluation at its step;
 * one that a signal asked for may come before, which `evaluated_step` remembers. */
static enum hone_status train_steps(struct trainer *trainer, int64_t *chosen) {
    struct hone_run *run = trainer->run;
    for (;;) {
        HONE_TRY(stop_asked(trainer));
        if (trainer->state.step > 0 && evaluation_is_due(trainer)) HONE_TRY(averaged(trainer, evaluate_weights));
        bool over = trainer->state.step == trainer->last_step || patience_is_over(trainer);
        bool due;
        HONE_TRY(save_is_wanted(&due, trainer));
        if (over || due) {
            bool wanted =
                run->recipe->checkpoint.every.seconds > 0 || run->recipe->checkpoint.every.steps != HONE_NEVER;
            if (wanted) HONE_TRY(save(trainer, over));
        }
        if (over) break;
        HONE_TRY(run_step(trainer, chosen));
    }
    hone_progress_end();
    if (trainer->state.step < trainer->last_step) {
        hone_info("stopping early: %lld evaluations without a better %s",
                  (long long)trainer->state.evaluations_without_gain,
                  hone_recipe_word("evaluation.metric", (int)run->recipe->evaluation.metric));
    }
    return HONE_OK;
}

/* A replay that ends where the run went on. */
static bool is_cut_short(const struct trainer *trainer) {
    return trainer->state.step == trainer->last_step && trainer->last_step < trainer->run->steps;
}

static enum hone_status train_to_end(struct trainer *trainer) {
    int64_t *chosen =
        hone_alloc((size_t)trainer->run->recipe->training.batch_size, sizeof *chosen, "samples of a step");
    enum hone_status status = train_steps(trainer, chosen);
    hone_free(chosen);
    if (status == HONE_PREEMPTED || status == HONE_INTERRUPTED) return stop(trainer, status);
    HONE_TRY(status);
    if (is_cut_short(trainer)) return hone_saver_wait(trainer->saver);
    if (trainer->state.log_steps) HONE_TRY(log_step(trainer));
    if (!trainer->state.has_best) HONE_TRY(averaged(trainer, save_weights));
    return hone_saver_wait(trainer->saver);
}

/* The second validation set: its figures are named as run_glue.py names those of MNLI's mismatched one. */
static enum hone_status evaluate_second(struct trainer *trainer, json_t *results) {
    const struct hone_run *run = trainer->run;
    json_t *figures = json_object(), *value;
    const char *key;
    enum hone_status status = hone_evaluate(figures, NULL, &trainer->engine, run->task, &run->folder,
                                            &run->validation_mm, run->recipe->evaluation.metric, "eval");
    if (status == HONE_OK) {
        json_object_foreach(figures, key, value) {
            char *name = hone_format("%s_mm", key);
            json_object_set(results, name, value);
            hone_free(name);
        }
    }
    json_decref(figures);
    return status;
}

/* What is evaluated once, with the best model. */
static enum hone_status evaluate_best(struct trainer *trainer, json_t *results) {
    struct hone_run *run = trainer->run;
    if (!run->test.n && !run->validation_mm.n) return HONE_OK;
    if (trainer->state.has_best && trainer->state.best_step != trainer->state.step) {
        /* Rank 0 has written it by then. */
        HONE_TRY(run->world->collectives->barrier(run->world->collectives, NULL));
        HONE_TRY(hone_model_folder_reload(&run->folder, run->recipe->output));
    } else {
        HONE_TRY(hone_optimizer_exchange(trainer->optimizer, trainer->engine.stream));
    }
    if (run->validation_mm.n) HONE_TRY(evaluate_second(trainer, results));
    if (!run->test.n) return HONE_OK;
    return hone_evaluate(results, NULL, &trainer->engine, run->task, &run->folder, &run->test,
                         run->recipe->evaluation.metric, "test");
}

static json_t *training_results(const struct trainer *trainer, double runtime) {
    double fed_seconds = trainer->run->encode_seconds + trainer->state.step_seconds;
    json_t *results = json_pack(
        "{s:f, s:I, s:I, s:f, s:f, s:I, s:f, s:f, s:f, s:I}", "epoch", epoch_of(trainer), "steps",
        (json_int_t)trainer->state.step, "tokens", (json_int_t)trainer->state.tokens, "train_loss",
        trainer->state.loss_sum / (double)hone_max_i64(trainer->state.step - trainer->state.skipped, 1),
        "train_runtime", runtime, "train_samples", (json_int_t)trainer->run->train.n, "train_samples_per_second",
        (double)trainer->state.samples / runtime, "train_steps_per_second", (double)trainer->state.step / runtime,
        "train_tokens_per_second", (double)trainer->state.tokens / fed_seconds, "peak_memory_bytes",
        (json_int_t)hone_peak_resident_bytes());
    if (trainer->state.skipped) json_object_set_new(results, "skipped_steps", json_integer(trainer->state.skipped));
    int64_t saves;
    double stall = hone_saver_stall(trainer->saver, &saves);
    if (saves) json_object_set_new(results, "checkpoint_stall_runtime", json_real(stall / (double)saves));
    if (trainer->state.has_best) json_object_set_new(results, "best_step", json_integer(trainer->state.best_step));
    if (trainer->state.best_results) json_object_update(results, trainer->state.best_results);
    return results;
}

/* Goes on from the newest whole checkpoint, if the recipe wants that and there is one. */
static enum hone_status resume(struct trainer *trainer) {
    struct hone_run *run = trainer->run;
    const struct hone_recipe *recipe = run->recipe;
    if (recipe->checkpoint.resume == HONE_RESUME_NEVER)
        return run->world->rank == 0 ? hone_checkpoint_remove_all(recipe->output) : HONE_OK;
    struct hone_checkpoint checkpoint;
    HONE_TRY(hone_checkpoint_find(&checkpoint, recipe->output, recipe->checkpoint.resume == HONE_RESUME_STRICT));
    if (!checkpoint.path) return HONE_OK;
    enum hone_status status =
        hone_identity_compare(&run->identity, json_object_get(checkpoint.manifest, "identity"), checkpoint.path);
    if (status == HONE_OK) status = hone_checkpoint_load(&trainer->state, &checkpoint, run, trainer->optimizer);
    if (status == HONE_OK && trainer->state.micro_batch_tokens != run->micro_batch_tokens)
        status = hone_run_replan(run, trainer->state.micro_batch_tokens);
    if (status == HONE_OK)
        hone_info("going on from %s: step %lld of %lld", checkpoint.path, (long long)trainer->state.step,
                  (long long)run->steps);
    hone_checkpoint_close(&checkpoint);
    return status;
}

/* A run whose ranks differ in what they were given would train on, to a result that nobody asked for. */
static enum hone_status compare_ranks(const struct trainer *trainer) {
    const struct hone_run *run = trainer->run;
    const struct hone_parameters *parameters = run->folder.model->parameters;
    struct hone_fact facts[] = {{"recipe", ""}, {"data", ""}, {"program", ""}, {"step", ""}, {"weights", ""}};
    enum { FACTS = sizeof facts / sizeof *facts };
    struct hone_sha256 hash;
    if (run->world->size == 1) return HONE_OK;
    snprintf(facts[0].value, sizeof facts[0].value, "%s", run->identity.recipe);
    snprintf(facts[1].value, sizeof facts[1].value, "%s", run->identity.data);
    HONE_TRY(hone_sha256_file(facts[2].value, "/proc/self/exe"));
    snprintf(facts[3].value, sizeof facts[3].value, "%lld", (long long)trainer->state.step);
    hone_sha256_begin(&hash);
    for (int32_t i = 0; i < hone_parameters_count(parameters); i++) {
        const struct hone_parameter *p = hone_parameters_get(parameters, i);
        float *values = hone_alloc((size_t)p->count, sizeof *values, "weights to compare");
        enum hone_status status = hone_parameters_read(parameters, i, values);
        hone_sha256_add(&hash, values, (size_t)p->count * sizeof *values);
        hone_free(values);
        HONE_TRY(status);
    }
    hone_sha256_end(facts[4].value, &hash);
    return hone_world_compare(run->world, facts, FACTS);
}

/* Micro-batches of the fewest tokens that any rank has room for. */
static enum hone_status agree_on_micro_batches(struct hone_run *run, struct hone_world *world) {
    run->world = world;
    if (world->size == 1) return HONE_OK;
    int64_t tokens = -run->micro_batch_tokens;
    HONE_TRY(hone_world_largest(&tokens, world));
    return hone_run_replan(run, -tokens);
}

/* The run is the one to be made again, cut into the same micro-batches. */
static enum hone_status begin_replay(const struct trainer *trainer, struct hone_replay *replay) {
    struct hone_run *run = trainer->run;
    HONE_TRY(hone_certificate_check(replay->certificate, run));
    HONE_TRY(hone_certificate_differences(&replay->differences, replay->certificate, run->device));
    int64_t tokens = json_integer_value(json_object_get(replay->certificate, "micro_batch_tokens"));
    if (tokens != run->micro_batch_tokens) HONE_TRY(hone_run_replan(run, tokens));
    replay->of = run->steps;
    replay->replayed = trainer->last_step;
    return HONE_OK;
}

static enum hone_status train(struct trainer *trainer, json_t **results) {
    struct hone_run *run = trainer->run;
    int64_t T, B;
    bool part = trainer->replay && trainer->replay->steps > 0;
    trainer->last_step = part ? hone_min_i64(trainer->replay->steps, run->steps) : run->steps;
    if (trainer->replay) HONE_TRY(begin_replay(trainer, trainer->replay));
    HONE_TRY(hone_train_optimizer(&trainer->optimizer, run));
    HONE_TRY(resume(trainer));
    HONE_TRY(compare_ranks(trainer));
    hone_run_capacity(&T, &B, run);
    HONE_TRY(hone_engine_create(&trainer->engine, run->folder.model, T, B, run->train.n_targets));
    HONE_TRY(hone_tape_reserve(trainer->engine.tape, run->arena_bytes));
    trainer->engine.world = run->world;
    HONE_TRY(hone_team_create(&trainer->team, run, trainer->engine.stream));
    if (run->world->rank == 0) {
        HONE_TRY(hone_run_folder_open(&trainer->folder, run->recipe, trainer->state.metrics_bytes));
        trainer->saver = hone_saver_create(run, trainer->optimizer, run->recipe->output);
    }
    trainer->first_step = trainer->state.step;
    char frozen[40] = "";
    int64_t parameters = hone_parameters_total(run->folder.model->parameters);
    if (run->trained < parameters) snprintf(frozen, sizeof frozen, " of %lld", (long long)parameters);
    hone_info(
        "training %lld%s parameters on %s: %lld steps of up to %lld sequences, micro-batches of at most %lld tokens",
        (long long)run->trained, frozen, run->device->description, (long long)run->steps,
        (long long)run->recipe->training.batch_size, (long long)run->micro_batch_tokens);
    trainer->begin = trainer->save_begin = hone_seconds();
    HONE_TRY(train_to_end(trainer));
    if (is_cut_short(trainer)) return HONE_OK;
    *results = training_results(trainer, trainer->state.run_seconds + hone_seconds() - trainer->begin);
    HONE_TRY(evaluate_best(trainer, *results));
    if (run->world->rank > 0) return HONE_OK;
    json_t *certificate;
    HONE_TRY(hone_certificate_make(&certificate, run, trainer->folder.path));
    json_object_set_new(*results, "certificate", certificate);
    return hone_run_folder_finish(&trainer->folder, run, *results);
}

static enum hone_status run_recipe(json_t **results, const struct hone_recipe *recipe, struct hone_replay *replay,
                                   struct hone_world *world) {
    struct hone_run run;
    HONE_TRY(hone_run_open(&run, recipe, HONE_RUN_WHOLE));
    struct trainer trainer = {.run = &run, .replay = replay};
    enum hone_status status = agree_on_micro_batches(&run, world);
    if (status == HONE_OK) status = train(&trainer, results);
    if (status != HONE_OK || world->rank > 0) {
        json_decref(*results);
        *results = NULL;
    }
    hone_saver_free(trainer.saver);
    json_decref(trainer.state.best_results);
    hone_run_folder_close(&trainer.folder);
    hone_team_free(&trainer.team);
    hone_optimizer_free(trainer.optimizer);
    hone_engine_free(&trainer.engine);
    hone_run_close(&run);
    return status;
}

/* Rank 0's answer to whether there is something to do, on every rank. */
static enum hone_status share_state(enum hone_run_state *state, struct hone_world *world) {
    int64_t value = *state;
    HONE_TRY(hone_world_share(&value, world));
    *state = (enum hone_run_state)value;
    return HONE_OK;
}

/* What a rank does that is not the first. */
static enum hone_status follow(json_t **results, const struct hone_recipe *recipe, struct hone_world *world) {
    enum hone_run_state state = HONE_RUN_NEW;
    HONE_TRY(share_state(&state, world));
    return state == HONE_RUN_NEW ? run_recipe(results, recipe, NULL, world) : HONE_OK;
}

enum hone_status hone_train(json_t **results, const struct hone_recipe *recipe, struct hone_world *world) {
    *results = NULL;
    enum hone_run_state state;
    if (world->rank > 0) return follow(results, recipe, world);
    struct hone_lock *lock;
    HONE_TRY(hone_run_folder_state(&state, recipe));
    bool new = !hone_folder_exists(recipe->output);
    if (state == HONE_RUN_NEW) {
        HONE_TRY(hone_make_folders(recipe->output));
        HONE_TRY(hone_lock_take(&lock, recipe->output));
        /* Another process may have ended it meanwhile. */
        enum hone_status status = hone_run_folder_state(&state, recipe);
        if (status == HONE_OK && state == HONE_RUN_NEW) {
            status = share_state(&state, world);
            if (status == HONE_OK) status = run_recipe(results, recipe, NULL, world);
            hone_lock_release(lock);
            if (status != HONE_OK && new) hone_remove_empty_folder(recipe->output);
            return status;
        }
        hone_lock_release(lock);
        HONE_TRY(status);
    }
    HONE_TRY(share_state(&state, world));
    hone_info("%s: this run is complete; its results:", recipe->output);
    return hone_run_folder_results(results, recipe->output);
}

enum hone_status hone_train_again(json_t **results, const struct hone_recipe *recipe, struct hone_replay *replay) {
    *results = NULL;
    return run_recipe(results, recipe, replay, hone_world_alone());
}
