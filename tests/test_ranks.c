/* Ranks of one job, a process each, that train together: a number that is not finite on one of them stops or skips the
 * step on all, and what they keep on the disk together is written by one. */
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/memory.h"
#include "recipes/train.h"
#include "tests/support.h"
#include "tests/tiny.h"

enum { MOST_RANKS = 3, TIMEOUT = 60, MESSAGE = 2048 };

static const char *const names[2] = {"neg", "pos"};

/* Runs work(user) in a process for each rank, which tells its result on: exit codes, and the messages of failures. */
static void run_ranks(int size, int codes[MOST_RANKS], char messages[MOST_RANKS][MESSAGE],
                      enum hone_status (*work)(int rank, void *user), void *user) {
    pid_t ranks[MOST_RANKS];
    int pipes[MOST_RANKS][2];
    char text[32];
    snprintf(text, sizeof text, "%d", size);
    setenv("WORLD_SIZE", text, 1);
    setenv("MASTER_ADDR", "127.0.0.1", 1);
    snprintf(text, sizeof text, "%d", 24000 + (int)getpid() % 6000);
    setenv("MASTER_PORT", text, 1);
    for (int r = 0; r < size; r++) {
        assert_int_equal(pipe(pipes[r]), 0);
        ranks[r] = fork();
        assert_true(ranks[r] >= 0);
        if (ranks[r] > 0) continue;
        snprintf(text, sizeof text, "%d", r);
        setenv("RANK", text, 1);
        enum hone_status status = work(r, user);
        const char *message = status == HONE_OK ? "" : hone_error_message();
        size_t n = strnlen(message, MESSAGE - 1);
        _exit(write(pipes[r][1], message, n) == (ssize_t)n ? (int)status : HONE_INTERNAL);
    }
    for (int r = 0; r < size; r++) {
        close(pipes[r][1]);
        size_t n = 0;
        for (ssize_t got = 1; got > 0 && n<MESSAGE - 1; n += got> 0 ? (size_t)got : 0)
            got = read(pipes[r][0], messages[r] + n, MESSAGE - 1 - n);
        messages[r][n] = 0;
        close(pipes[r][0]);
        int status;
        assert_int_equal(waitpid(ranks[r], &status, 0), ranks[r]);
        codes[r] = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    }
}

/* Line 3 of train.tsv alone has the word whose embedding's sum is not finite, so one rank alone computes with it. */
enum { ID_OF_WORD_2 = 5 + 2 * 26 + 2 };
static const char *one_bad_sample(void) {
    const char *folder = test_scratch();
    struct tiny_model model;
    tiny_make(&model, 2, 1);
    float *row =
        tiny_find(&model, "bert.embeddings.word_embeddings.weight")->values + (size_t)ID_OF_WORD_2 * TINY_HIDDEN;
    for (int i = 0; i < TINY_HIDDEN; i++) row[i] = 3e38f;
    tiny_write(&model, tiny_path(folder, "model"));
    tiny_free(&model);
    char *text = hone_format("label\tsentence\nneg\t%s\npos\t%s %s\nneg\t%s\npos\t%s\n", tiny_word(4), tiny_word(0),
                             tiny_word(2), tiny_word(5), tiny_word(0));
    tiny_file(folder, "train.tsv", text);
    hone_free(text);
    tiny_tsv(tiny_path(folder, "validation.tsv"), 8, 11, names);
    return folder;
}

struct training {
    const char *folder;
    const char *const *overrides;
};

static enum hone_status train(int rank, void *user) {
    const struct training *training = user;
    struct hone_recipe recipe;
    struct hone_world *world;
    json_t *results = NULL;
    (void)rank;
    tiny_recipe(&recipe, training->folder, training->overrides);
    HONE_TRY(hone_world_join(&world, HONE_TRANSPORT_AUTO, TIMEOUT));
    enum hone_status status = hone_train(&results, &recipe, world);
    hone_world_leave(world, status);
    json_decref(results);
    hone_recipe_free(&recipe);
    return status;
}

/* Every rank names the rank, the step, the layer and the sample, and none calls it another rank's failure. */
static void one_stops_all(void **state) {
    (void)state;
    static const char *const modes[] = {"distributed.zero_stage=0", "distributed.zero_stage=1",
                                        "distributed.reproducible=world"};
    for (size_t m = 0; m < sizeof modes / sizeof *modes; m++) {
        for (int size = 2; size <= MOST_RANKS; size++) {
            const char *folder = one_bad_sample();
            struct training training = {
                folder, TINY_OVERRIDES("training.batch_size=4", "evaluation.every=no", "data.cache=no", modes[m])};
            int codes[MOST_RANKS];
            char messages[MOST_RANKS][MESSAGE], *sample = hone_format("the sample is %s/train.tsv:3", folder);
            run_ranks(size, codes, messages, train, &training);
            for (int r = 0; r < size; r++) {
                assert_int_equal(codes[r], HONE_NUMERIC);
                const char *parts[] = {"step 1: ", " on rank ", "(bert.embeddings.", sample};
                for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
                    if (!strstr(messages[r], parts[i])) fail_msg("no \"%s\" in: %s", parts[i], messages[r]);
                assert_string_equal(messages[r], messages[0]);
            }
            hone_free(sample);
        }
    }
}

/* All leave the same steps out and end together. */
static void one_skips_on_all(void **state) {
    (void)state;
    const char *folder = one_bad_sample();
    struct training training = {folder,
                                TINY_OVERRIDES("training.batch_size=2", "training.epochs=3", "evaluation.every=no",
                                               "data.cache=no", "training.non_finite=skip")};
    int codes[MOST_RANKS];
    char messages[MOST_RANKS][MESSAGE];
    run_ranks(2, codes, messages, train, &training);
    for (int r = 0; r < 2; r++) {
        if (codes[r]) fail_msg("rank %d: %s", r, messages[r]);
    }
    double steps[9];
    assert_int_equal(tiny_metrics(steps, 9, tiny_path(folder, "out"), "skipped", "step"), 3);
    assert_int_equal(tiny_metrics(steps, 9, tiny_path(folder, "out"), "train", "step"), 3);
}

/* Exit code 1 for who wrote the entry. */
static enum hone_status read_tokens(int rank, void *user) {
    const char *folder = user;
    struct hone_recipe recipe;
    struct hone_run run;
    struct hone_world *world;
    (void)rank;
    char *cache = hone_format("data.cache=%s/cache", folder);
    tiny_recipe(&recipe, folder, TINY_OVERRIDES(cache));
    hone_free(cache);
    HONE_TRY(hone_world_join(&world, HONE_TRANSPORT_AUTO, TIMEOUT));
    /* All at once. */
    enum hone_status status = world->collectives->barrier(world->collectives, NULL);
    if (status == HONE_OK) status = hone_run_open(&run, &recipe, HONE_RUN_TOKENS);
    bool wrote = status == HONE_OK && !run.entries[HONE_SPLIT_TRAIN].found;
    if (status == HONE_OK) hone_run_close(&run);
    hone_world_leave(world, status);
    hone_recipe_free(&recipe);
    return wrote ? (enum hone_status)1 : status;
}

static void one_writes_the_token_cache(void **state) {
    (void)state;
    enum { ROUNDS = 5 };
    for (int round = 0; round < ROUNDS; round++) {
        const char *folder = test_scratch();
        int codes[MOST_RANKS], wrote = 0;
        char messages[MOST_RANKS][MESSAGE];
        tiny_folder(tiny_path(folder, "model"), 2, 3);
        tiny_tsv(tiny_path(folder, "train.tsv"), 1, 3000, names);
        tiny_tsv(tiny_path(folder, "validation.tsv"), 2, 40, names);
        for (int again = 0; again < 2; again++) {
            run_ranks(MOST_RANKS, codes, messages, read_tokens, (void *)(uintptr_t)folder);
            for (int r = 0; r < MOST_RANKS; r++) {
                if (codes[r] > 1) fail_msg("rank %d: %s", r, messages[r]);
                wrote += codes[r];
            }
            assert_int_equal(wrote, 1);
        }
    }
}

int main(void) {
    /* Threads of OpenMP do not live on in a fork. */
    omp_set_num_threads(1);
    tiny_in_memory();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_stops_all),
        cmocka_unit_test(one_skips_on_all),
        cmocka_unit_test(one_writes_the_token_cache),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
