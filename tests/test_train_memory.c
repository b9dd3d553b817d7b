/* Memory does not grow with the number of steps: 2,000 steps on MR's own lengths, shuffled, with evaluation, logging and
 * saving. Skipped where the data is not there, and under the sanitizers, whose own memory grows. */
#include <omp.h>
#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "base/memory.h"
#include "optim/optimizer.h"
#include "recipes/run_folder.h"
#include "recipes/train.h"
#include "tests/support.h"
#include "tests/tiny.h"

#define DATA "../shared/data/sentiment/mr/train.tsv"

static const char *data(void) {
    const char *path = getenv("HONE_MR");
    return path ? path : DATA;
}

struct loop {
    struct hone_run run;
    struct hone_engine engine;
    struct hone_optimizer *optimizer;
    struct hone_run_folder folder;
    struct hone_team team;
};

/* What train.c does for a step, and every 250 for an evaluation. */
static void run_step(struct loop *loop, int64_t step, int64_t *chosen) {
    struct hone_step result;
    int64_t tokens = 0, n = hone_run_step_samples(&loop->run, step, chosen);
    struct hone_step_of one = {&loop->engine, loop->optimizer, &loop->run, step, chosen, n, &loop->team};
    TEST_OK(hone_train_step(&one, &tokens));
    TEST_OK(hone_optimizer_result(loop->optimizer, &result, loop->engine.stream));
    assert_true(result.finite);
    json_t *line =
        json_pack("{s:I, s:f, s:s}", "step", (json_int_t)step, "loss", (double)result.loss, "split", "train");
    if (step % 10 == 0) TEST_OK(hone_run_folder_log(&loop->folder, line));
    if (step % 250 == 50) {
        TEST_OK(hone_evaluate(line, NULL, &loop->engine, loop->run.task, &loop->run.folder, &loop->run.validation,
                              HONE_METRIC_LOSS, "eval"));
        TEST_OK(hone_run_folder_save_model(&loop->folder, &loop->run));
    }
    json_decref(line);
}

static void resident_memory_stays(void **state) {
    (void)state;
    if (TEST_SANITIZED || !hone_file_exists(data())) skip();
    omp_set_num_threads(1); /* so small a model only waits for more */
    const char *folder = test_scratch();
    tiny_folder(tiny_path(folder, "model"), 0, 1);
    tiny_tsv(tiny_path(folder, "validation.tsv"), 8, 200, (const char *const[]){"0", "1"});
    struct hone_recipe recipe;
    struct loop loop = {.optimizer = NULL};
    char *train = hone_format("data.train=%s", data());
    tiny_recipe(&recipe, folder, TINY_OVERRIDES(train, "training.max_steps=2000", "training.batch_size=5"));
    hone_free(train);
    TEST_OK(hone_run_open(&loop.run, &recipe, HONE_RUN_WHOLE));
    int64_t T, B;
    hone_run_capacity(&T, &B, &loop.run);
    TEST_OK(hone_engine_create(&loop.engine, loop.run.folder.model, T, B, 0));
    TEST_OK(hone_tape_reserve(loop.engine.tape, loop.run.arena_bytes));
    TEST_OK(hone_train_optimizer(&loop.optimizer, &loop.run));
    TEST_OK(hone_team_create(&loop.team, &loop.run, loop.engine.stream));
    TEST_OK(hone_make_folders(recipe.output));
    TEST_OK(hone_run_folder_open(&loop.folder, &recipe, 0));
    int64_t chosen[5];
    size_t early = 0, early_in_use = 0;
    for (int64_t step = 0; step < 2000; step++) {
        run_step(&loop, step, chosen);
        if (step != 99) continue;
        early = hone_resident_bytes();
        early_in_use = hone_memory_in_use();
    }
    size_t late = hone_resident_bytes(), late_in_use = hone_memory_in_use();
    print_message("resident after 100 steps %zu, after 2,000 %zu (%+.2f %%); allocated %zu and %zu\n", early, late,
                  100.0 * ((double)late / (double)early - 1), early_in_use, late_in_use);
    assert_true((double)late <= 1.01 * (double)early);
    /* The layouts that were met, which are kept for the next time, at most 64 of them. */
    assert_true(late_in_use <= early_in_use + (256 << 10));
    hone_run_folder_close(&loop.folder);
    hone_team_free(&loop.team);
    hone_optimizer_free(loop.optimizer);
    hone_engine_free(&loop.engine);
    hone_run_close(&loop.run);
    hone_recipe_free(&recipe);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(resident_memory_stays)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
