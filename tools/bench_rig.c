#include "tools/bench_rig.h"

#include "base/memory.h"
#include "tools/recipe_option.h"

static enum hone_status open_engine(struct hone_bench_rig *rig) {
    const struct hone_run *run = &rig->run;
    HONE_TRY(hone_engine_create(&rig->engine, run->folder.model, run->most_tokens, run->most_sequences,
                                run->train.n_targets));
    HONE_TRY(hone_tape_reserve(rig->engine.tape, run->arena_bytes));
    HONE_TRY(hone_train_optimizer(&rig->optimizer, run));
    return hone_team_create(&rig->team, run, rig->engine.stream);
}

enum hone_status hone_bench_rig_open(struct hone_bench_rig *rig, int n_positional, char **argv) {
    *rig = (struct hone_bench_rig){.step = 0};
    HONE_TRY(hone_tool_read_recipe(&rig->recipe, n_positional, argv));
    enum hone_status status = hone_run_open(&rig->run, &rig->recipe, HONE_RUN_WHOLE);
    if (status != HONE_OK) {
        hone_recipe_free(&rig->recipe);
        return status;
    }
    rig->chosen = hone_alloc((size_t)rig->recipe.training.batch_size, sizeof *rig->chosen, "samples of a step");
    status = open_engine(rig);
    if (status != HONE_OK) hone_bench_rig_close(rig);
    return status;
}

void hone_bench_rig_close(struct hone_bench_rig *rig) {
    hone_free(rig->chosen);
    hone_team_free(&rig->team);
    hone_optimizer_free(rig->optimizer);
    hone_engine_free(&rig->engine);
    hone_run_close(&rig->run);
    hone_recipe_free(&rig->recipe);
}

enum hone_status hone_bench_rig_steps(struct hone_bench_rig *rig, int64_t n, int64_t *tokens, int64_t *samples) {
    for (int64_t i = 0; i < n; i++, rig->step++) {
        /* Past the end of the recipe's steps the learning rate is 0; start again instead. */
        int64_t at = rig->step % rig->run.steps, count = hone_run_step_samples(&rig->run, at, rig->chosen);
        struct hone_step result;
        struct hone_step_of one = {&rig->engine, rig->optimizer, &rig->run, at, rig->chosen, count, &rig->team};
        HONE_TRY(hone_train_step(&one, tokens));
        HONE_TRY(hone_optimizer_result(rig->optimizer, &result, rig->engine.stream));
        if (!result.finite) return hone_fail(HONE_NUMERIC, "step %lld: not finite", (long long)at);
        *samples += count;
    }
    return HONE_OK;
}
