/* One step once more, from a checkpoint, looking at what every op gives: what to do about numbers that stopped a run. */
#include <string.h>

#include "base/io.h"
#include "recipes/checkpoint.h"
#include "recipes/checkpoint_files.h"
#include "recipes/samples.h"
#include "recipes/train.h"

/* The checkpoint that the file is of, verified. */
static enum hone_status open_checkpoint(struct hone_checkpoint *out, const char *file) {
    const char *slash = strrchr(file, '/'), *name = slash ? slash + 1 : file;
    *out = (struct hone_checkpoint){0};
    if (strcmp(name, "state.h5") != 0)
        return hone_fail(HONE_USAGE, "replay: %s: expected the state.h5 of a checkpoint", file);
    char *folder = slash ? hone_strndup(file, (size_t)(slash - file), "file name") : hone_strdup(".", "file name");
    enum hone_status status = hone_checkpoint_verify(&out->manifest, folder);
    if (status != HONE_OK) status = hone_fail(HONE_BAD_INPUT, "%s is damaged: %s", folder, hone_error_message());
    out->path = folder;
    return status;
}

/* Names the step's samples and numbers, or what was not finite (HONE_NUMERIC). */
static enum hone_status take_step(json_t **results, const struct hone_step_of *step) {
    struct hone_step result;
    int64_t tokens = 0;
    HONE_TRY(hone_train_step(step, &tokens));
    HONE_TRY(hone_optimizer_result(step->optimizer, &result, step->engine->stream));
    if (!result.finite) {
        struct hone_text why = {0};
        hone_text_format(&why, "step %lld: the loss is %g and the gradient's norm %g", (long long)step->step + 1,
                         (double)result.loss, (double)result.gradient_norm);
        enum hone_status status = hone_train_explain(&why, step);
        if (status == HONE_OK) status = hone_fail(HONE_NUMERIC, "%s", why.bytes);
        hone_text_free(&why);
        return status;
    }
    json_t *samples = json_array();
    for (int64_t i = 0; i < step->n; i++) {
        char *place = hone_format("%s:%lld", hone_samples_path(&step->run->train, step->chosen[i]),
                                  (long long)step->run->train.lines[step->chosen[i]]);
        json_array_append_new(samples, json_string(place));
        hone_free(place);
    }
    *results = json_pack("{s:I, s:f, s:f, s:I, s:o}", "step", (json_int_t)step->step + 1, "loss", (double)result.loss,
                         "grad_norm", (double)result.gradient_norm, "tokens", (json_int_t)tokens, "samples", samples);
    return HONE_OK;
}

static enum hone_status replay(json_t **results, struct hone_run *run, const struct hone_checkpoint *checkpoint) {
    struct hone_training_state state = {0};
    struct hone_optimizer *optimizer = NULL;
    struct hone_engine engine = {0};
    struct hone_team team = {0};
    int64_t T, B, *chosen = NULL;
    enum hone_status status;
    HONE_TRY(
        hone_identity_compare(&run->identity, json_object_get(checkpoint->manifest, "identity"), checkpoint->path));
    HONE_TRY_GOTO(hone_train_optimizer(&optimizer, run));
    HONE_TRY_GOTO(hone_checkpoint_load(&state, checkpoint, run, optimizer));
    if (state.micro_batch_tokens != run->micro_batch_tokens)
        HONE_TRY_GOTO(hone_run_replan(run, state.micro_batch_tokens));
    if (state.step >= run->steps) {
        status = hone_fail(HONE_USAGE, "replay: %s is the run's last state, step %lld: there is none behind it",
                           checkpoint->path, (long long)state.step);
        goto done;
    }
    hone_run_capacity(&T, &B, run);
    HONE_TRY_GOTO(hone_engine_create(&engine, run->folder.model, T, B, run->train.n_targets));
    HONE_TRY_GOTO(hone_team_create(&team, run, engine.stream));
    chosen = hone_alloc((size_t)run->recipe->training.batch_size, sizeof *chosen, "samples of a step");
    struct hone_step_of step = {.engine = &engine,
                                .optimizer = optimizer,
                                .run = run,
                                .step = state.step,
                                .chosen = chosen,
                                .n = hone_run_step_samples(run, state.step, chosen),
                                .team = &team};
    status = take_step(results, &step);
done:
    hone_free(chosen);
    hone_team_free(&team);
    json_decref(state.best_results);
    hone_optimizer_free(optimizer);
    hone_engine_free(&engine);
    return status;
}

enum hone_status hone_train_replay(json_t **results, const struct hone_recipe *recipe, const char *file) {
    struct hone_checkpoint checkpoint;
    struct hone_run run;
    *results = NULL;
    enum hone_status status = open_checkpoint(&checkpoint, file);
    if (status == HONE_OK) status = hone_run_open(&run, recipe, HONE_RUN_WHOLE);
    if (status == HONE_OK) {
        status = replay(results, &run, &checkpoint);
        hone_run_close(&run);
    }
    hone_checkpoint_close(&checkpoint);
    return status;
}
