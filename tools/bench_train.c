/* hone bench train: optimizer steps of a recipe on its own data, everything from text to step counted, and the share
 * of time of each kind of op. Writes no file. */
#include <stdio.h>
#include <string.h>

#include "base/arith.h"
#include "base/log.h"
#include "base/memory.h"
#include "kernels/profile.h"
#include "optim/optimizer.h"
#include "recipes/train.h"
#include "tools/bench.h"
#include "tools/recipe_option.h"

/* Steps before the clock starts, and what is timed: repeats of so many steps. */
enum { WARM_UP_STEPS = 10, REPEATS = 7, STEPS = 20 };

static enum hone_status run_steps(struct hone_engine *engine, struct hone_optimizer *optimizer,
                                  const struct hone_run *run, struct hone_team *team, int64_t *step, int64_t n_steps,
                                  int64_t *chosen, int64_t *tokens, int64_t *samples) {
    for (int64_t i = 0; i < n_steps; i++, ++*step) {
        /* Past the end of the recipe's steps the learning rate is 0; start again instead. */
        int64_t at = *step % run->steps, n = hone_run_step_samples(run, at, chosen);
        struct hone_step result;
        struct hone_step_of one = {engine, optimizer, run, at, chosen, n, team};
        HONE_TRY(hone_train_step(&one, tokens));
        HONE_TRY(hone_optimizer_result(optimizer, &result, engine->stream));
        if (!result.finite) return hone_fail(HONE_NUMERIC, "step %lld: not finite", (long long)at);
        *samples += n;
    }
    return HONE_OK;
}

static void add_profile(struct hone_bench *bench, double seconds) {
    const char *name;
    double spent;
    long calls;
    for (int i = 0; hone_profile_row(i, &name, &spent, &calls); i++) {
        char row[96];
        double share = spent / seconds;
        snprintf(row, sizeof row, "train profile: %s", name);
        hone_bench_add(bench, row, "share_of_step", "1", &share, 1);
        hone_bench_note(bench, "calls", (double)calls);
    }
}

static enum hone_status measure(struct hone_bench *bench, const struct hone_run *run, struct hone_engine *engine,
                                struct hone_optimizer *optimizer, struct hone_team *team) {
    int64_t *chosen = hone_alloc((size_t)run->recipe->training.batch_size, sizeof *chosen, "samples of a step");
    double tokens_rate[REPEATS], samples_rate[REPEATS], seconds_sum = 0;
    double encode_per_token = run->encode_seconds / (double)run->tokens_per_epoch;
    int64_t step = 0, tokens = 0, samples = 0;
    enum hone_status status;
    HONE_TRY_GOTO(run_steps(engine, optimizer, run, team, &step, WARM_UP_STEPS, chosen, &tokens, &samples));
    hone_profile_enable(true);
    for (int r = 0; r < REPEATS; r++) {
        tokens = samples = 0;
        double begin = hone_seconds();
        HONE_TRY_GOTO(run_steps(engine, optimizer, run, team, &step, STEPS, chosen, &tokens, &samples));
        double in_steps = hone_seconds() - begin, seconds = in_steps + encode_per_token * (double)tokens;
        seconds_sum += seconds;
        tokens_rate[r] = (double)tokens / seconds;
        samples_rate[r] = (double)samples / seconds;
        hone_progress(0, "repeat %d of %d: %.0f tokens/s", r + 1, REPEATS, tokens_rate[r]);
    }
    hone_progress_end();
    hone_bench_add(bench, "train", "tokens_per_second", "1/s", tokens_rate, REPEATS);
    hone_bench_note(bench, "peak_memory_bytes", (double)hone_peak_resident_bytes());
    hone_bench_add(bench, "train", "samples_per_second", "1/s", samples_rate, REPEATS);
    add_profile(bench, seconds_sum);
done:
    hone_profile_enable(false);
    hone_free(chosen);
    return status;
}

enum hone_status hone_bench_train(struct hone_bench *bench, int argc, char **argv) {
    struct hone_recipe recipe;
    struct hone_run run;
    HONE_TRY(hone_tool_read_recipe(&recipe, argc - 1, argv));
    enum hone_status status = hone_run_open(&run, &recipe, HONE_RUN_WHOLE);
    if (status == HONE_OK) {
        struct hone_engine engine = {0};
        struct hone_optimizer *optimizer = NULL;
        struct hone_team team = {0};
        HONE_TRY_GOTO(
            hone_engine_create(&engine, run.folder.model, run.most_tokens, run.most_sequences, run.train.n_targets));
        HONE_TRY_GOTO(hone_tape_reserve(engine.tape, run.arena_bytes));
        HONE_TRY_GOTO(hone_train_optimizer(&optimizer, &run));
        HONE_TRY_GOTO(hone_team_create(&team, &run, engine.stream));
        status = measure(bench, &run, &engine, optimizer, &team);
    done:
        hone_team_free(&team);
        hone_optimizer_free(optimizer);
        hone_engine_free(&engine);
        hone_run_close(&run);
    }
    hone_recipe_free(&recipe);
    return status;
}
