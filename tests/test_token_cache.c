/* The token cache: samples come back as they were encoded, any difference makes other ones, what is damaged or half
 * finished is made anew, and training doesn't tell. */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fault.h"
#include "base/io.h"
#include "base/memory.h"
#include "recipes/run.h"
#include "recipes/token_cache_files.h"
#include "tests/support.h"
#include "tests/tiny.h"

static const char *const names[] = {"no", "yes"};

static const char *new_folder(void) {
    const char *folder = test_scratch();
    tiny_folder(tiny_path(folder, "model"), 0, 3);
    tiny_tsv(tiny_path(folder, "train.tsv"), 1, 200, names);
    tiny_tsv(tiny_path(folder, "validation.tsv"), 2, 40, names);
    return folder;
}

/* A run on the folder's data with its cache in "<folder>/cache". */
struct opened {
    struct hone_recipe recipe;
    struct hone_run run;
};
static const char *planned; /* faults, from when the recipe has been read */
static enum hone_status run_open(struct opened *o, const char *folder, const char *override,
                                 enum hone_run_depth depth) {
    char *cache = hone_format("data.cache=%s/cache", folder);
    tiny_recipe(&o->recipe, folder, TINY_OVERRIDES(cache, override));
    hone_free(cache);
    hone_fault_plan(planned);
    enum hone_status status = hone_run_open(&o->run, &o->recipe, depth);
    if (status != HONE_OK) hone_recipe_free(&o->recipe);
    return status;
}
static void run_close(struct opened *o) {
    hone_run_close(&o->run);
    hone_recipe_free(&o->recipe);
}

static void same_samples(const struct hone_samples *got, const struct hone_samples *want) {
    struct hone_samples a = *got, b = *want;
    assert_int_equal(got->n, want->n);
    assert_int_equal(got->longest, want->longest);
    assert_int_equal(got->truncated, want->truncated);
    assert_int_equal(got->n_paths, want->n_paths);
    for (size_t i = 0; i < got->n_paths; i++) assert_string_equal(got->paths[i], want->paths[i]);
    for (int i = 0; i < HONE_SAMPLE_ARRAYS; i++) {
        int64_t n = hone_sample_array_count(got, (enum hone_sample_array)i);
        assert_int_equal(n, hone_sample_array_count(want, (enum hone_sample_array)i));
        if (n == 0) continue;
        test_same_bits(hone_sample_arrays[i].name, *hone_sample_array_at(&a, (enum hone_sample_array)i),
                       *hone_sample_array_at(&b, (enum hone_sample_array)i), (size_t)n * hone_sample_arrays[i].size);
    }
}

/* Whether the training data was found. */
static bool found(const char *folder, const char *override) {
    struct opened o;
    TEST_OK(run_open(&o, folder, override, HONE_RUN_TOKENS));
    bool was = o.run.entries[HONE_SPLIT_TRAIN].found;
    run_close(&o);
    return was;
}

static void come_back(void **state) {
    (void)state;
    static const char *const tasks[] = {"evaluation.metric=auto", "task.problem_type=multi_label_classification",
                                        "data.max_samples=7", "data.validation_fraction=0.3", "data.max_length=5"};
    for (size_t t = 0; t < sizeof tasks / sizeof *tasks; t++) {
        const char *folder = new_folder();
        struct hone_recipe plain;
        struct hone_run want;
        struct opened first, second;
        bool held_out = strstr(tasks[t], "fraction");
        const char *others = held_out ? "data.validation=null" : NULL;
        tiny_recipe(&plain, folder, TINY_OVERRIDES(tasks[t], others));
        TEST_OK(hone_run_open(&want, &plain, HONE_RUN_OUTLINE));
        char *cache = hone_format("data.cache=%s/cache", folder);
        tiny_recipe(&first.recipe, folder, TINY_OVERRIDES(cache, tasks[t], others));
        tiny_recipe(&second.recipe, folder, TINY_OVERRIDES(cache, tasks[t], others));
        hone_free(cache);
        TEST_OK(hone_run_open(&first.run, &first.recipe, HONE_RUN_OUTLINE));
        TEST_OK(hone_run_open(&second.run, &second.recipe, HONE_RUN_OUTLINE));
        assert_false(first.run.entries[HONE_SPLIT_TRAIN].found);
        assert_true(second.run.entries[HONE_SPLIT_TRAIN].found && second.run.entries[HONE_SPLIT_VALIDATION].found);
        same_samples(&first.run.train, &want.train);
        same_samples(&second.run.train, &want.train);
        same_samples(&second.run.validation, &want.validation);
        hone_run_close(&want);
        hone_recipe_free(&plain);
        run_close(&first);
        run_close(&second);
    }
}

static void any_difference(void **state) {
    (void)state;
    static const char *const options[] = {"data.max_length=63", "data.max_samples=199", "task.labels=[yes, no]"};
    const char *folder = new_folder();
    assert_false(found(folder, NULL));
    assert_true(found(folder, NULL));
    /* What has no part in the tokens. */
    assert_true(found(folder, "training.seed=7"));
    assert_true(found(folder, "task.label_smoothing=0.1"));
    for (size_t i = 0; i < sizeof options / sizeof *options; i++) {
        assert_false(found(folder, options[i]));
        assert_true(found(folder, options[i]));
    }
    /* One byte of the data: "no" becomes "yo" in the third line. */
    char *bytes;
    size_t n;
    const char *path = tiny_path(folder, "train.tsv");
    TEST_OK(hone_read_file(&bytes, &n, path, 1 << 20));
    char *place = strstr(bytes, " film");
    assert_non_null(place);
    place[1] = 'g';
    TEST_OK(hone_write_file(path, bytes, n));
    assert_false(found(folder, NULL));
    place[1] = 'f';
    TEST_OK(hone_write_file(path, bytes, n));
    assert_true(found(folder, NULL)); /* the contents count, not the time */
    hone_free(bytes);
    /* The tokenizer. */
    tiny_file(tiny_path(folder, "model"), "tokenizer_config.json",
              "{\"do_lower_case\": false, \"model_max_length\": 64}\n");
    assert_false(found(folder, NULL));
    assert_true(found(folder, NULL));
}

static char *entry_of(const char *folder) {
    struct opened o;
    TEST_OK(run_open(&o, folder, NULL, HONE_RUN_TOKENS));
    char *path = hone_strdup(o.run.entries[HONE_SPLIT_TRAIN].path, "test");
    run_close(&o);
    return path;
}

static void flip(const char *path, int64_t at) {
    char *bytes;
    size_t n;
    TEST_OK(hone_read_file(&bytes, &n, path, 1 << 24));
    bytes[at < 0 ? (int64_t)n + at : at] ^= 16;
    TEST_OK(hone_write_file(path, bytes, n));
    hone_free(bytes);
}

static void damage(void **state) {
    (void)state;
    const char *folder = new_folder();
    char *entry = entry_of(folder), *tokens = hone_path_join(entry, "tokens.h5");
    char *manifest = hone_path_join(entry, "manifest.json"), *bytes;
    size_t n;
    assert_true(found(folder, NULL));
    for (int64_t at = 0; at < 6000; at += 397) {
        flip(tokens, at);
        assert_false(found(folder, NULL));
        assert_true(found(folder, NULL));
    }
    flip(tokens, -1);
    assert_false(found(folder, NULL));
    TEST_OK(hone_read_file(&bytes, &n, tokens, 1 << 24));
    TEST_OK(hone_write_file(tokens, bytes, n - 1));
    assert_false(found(folder, NULL));
    hone_free(bytes);
    TEST_OK(hone_remove_folder(tokens));
    assert_false(found(folder, NULL));
    TEST_OK(hone_remove_folder(manifest)); /* as if killed before the end */
    TEST_OK(hone_write_file(tokens, "x", 1));
    assert_false(found(folder, NULL));
    TEST_OK(hone_write_file(manifest, "{}", 2));
    assert_false(found(folder, NULL));
    assert_true(found(folder, NULL));
    /* A link is no file of ours. */
    char *elsewhere = hone_path_join(folder, "elsewhere");
    TEST_OK(hone_rename(tokens, elsewhere));
    assert_int_equal(symlink(elsewhere, tokens), 0);
    assert_false(found(folder, NULL));
    hone_free(elsewhere);
    hone_free(entry);
    hone_free(tokens);
    hone_free(manifest);
}

/* A block that goes bad while the entry is in use: the read fails, and the entry is made anew the next time. */
static void damage_in_use(void **state) {
    (void)state;
    const char *folder = new_folder();
    enum { ROWS = 60000 };
    struct hone_text text = {0};
    hone_text_format(&text, "label\tsentence\n");
    for (int i = 0; i < ROWS; i++) {
        hone_text_format(&text, "%s\t", names[i % 2]);
        for (int w = 0; w < 60; w++) hone_text_format(&text, "%s ", tiny_word((uint64_t)i + (uint64_t)w));
        hone_text_format(&text, "\n");
    }
    TEST_OK(hone_write_file(tiny_path(folder, "train.tsv"), text.bytes, text.length));
    hone_text_free(&text);
    char *entry = entry_of(folder), *tokens = hone_path_join(entry, "tokens.h5");
    struct stat about;
    assert_int_equal(stat(tokens, &about), 0);
    assert_true(about.st_size > (off_t)17 << 20); /* more than one block */
    FILE *file = fopen(tokens, "r+");
    assert_non_null(file);
    fseek(file, -5, SEEK_END);
    fputc(77, file);
    fclose(file);
    struct opened o;
    enum hone_status status = run_open(&o, folder, NULL, HONE_RUN_TOKENS);
    assert_int_equal(status, HONE_OK);
    assert_true(o.run.entries[HONE_SPLIT_TRAIN].found);
    int64_t last = ROWS - 1;
    test_expect_status(hone_samples_need(&o.run.train, &last, 1), HONE_BAD_INPUT, "are not those that were written");
    run_close(&o);
    assert_false(found(folder, NULL));
    assert_true(found(folder, NULL));
    hone_free(tokens);
    hone_free(entry);
}

/* Every call that can fail, one after the other: the samples are there all the same, and afterwards the entry can be
 * made. hone prepare says what failed. */
static void disk_that_fails(void **state) {
    (void)state;
    static const char *const sites[] = {"open", "write", "fsync", "rename", "mkdir", "map", "close"};
    const char *folder = new_folder();
    char *cache = hone_path_join(folder, "cache");
    struct opened want, o;
    TEST_OK(run_open(&want, folder, NULL, HONE_RUN_OUTLINE));
    for (size_t s = 0; s < sizeof sites / sizeof *sites; s++) {
        bool fired = true;
        for (int n = 1; fired; n++) {
            bool needed = n % 2;
            char *plan = hone_format("%s:%d", sites[s], n);
            TEST_OK(hone_remove_folder(cache));
            planned = plan;
            enum hone_status status = run_open(&o, folder, NULL, needed ? HONE_RUN_TOKENS : HONE_RUN_OUTLINE);
            fired = hone_fault_fired();
            planned = NULL;
            hone_fault_plan(NULL);
            hone_free(plan);
            /* A failure to read model or data ends both; one to write is a warning, or hone prepare's failure. */
            assert_true(status == HONE_OK || status == HONE_DISK || status == HONE_BAD_INPUT);
            if (status == HONE_OK) {
                same_samples(&o.run.train, &want.run.train);
                run_close(&o);
            }
            found(folder, NULL);
            assert_true(found(folder, NULL));
        }
    }
    run_close(&want);
    hone_free(cache);
}

/* Eight processes at once: one writes, all have it. */
static void written_by_one(void **state) {
    (void)state;
    enum { PROCESSES = 8 };
    const char *folder = new_folder();
    pid_t children[PROCESSES];
    for (int i = 0; i < PROCESSES; i++) {
        children[i] = fork();
        assert_true(children[i] >= 0);
        if (children[i] == 0) _exit(found(folder, NULL) ? 1 : 0);
    }
    int wrote = 0;
    for (int i = 0; i < PROCESSES; i++) {
        int how;
        assert_int_equal(waitpid(children[i], &how, 0), children[i]);
        assert_true(WIFEXITED(how) && WEXITSTATUS(how) <= 1);
        wrote += WEXITSTATUS(how) == 0;
    }
    assert_int_equal(wrote, 1);
    char *entry = entry_of(folder);
    char **left;
    size_t n;
    TEST_OK(hone_list_folder(&left, &n, entry));
    assert_int_equal(n, 2);
    hone_names_free(left, n);
    hone_free(entry);
}

static void training_does_not_tell(void **state) {
    (void)state;
    const char *folder = new_folder();
    char *model, *with, *cache = hone_format("data.cache=%s/cache", folder);
    size_t n, m;
    TEST_OK(tiny_train(NULL, folder, TINY_OVERRIDES("training.max_steps=9", "training.epochs=null")));
    TEST_OK(hone_read_file(&model, &n, tiny_path(folder, "out/model.safetensors"), 1 << 24));
    for (int round = 0; round < 2; round++) {
        TEST_OK(hone_remove_folder(tiny_path(folder, "out")));
        TEST_OK(tiny_train(NULL, folder, TINY_OVERRIDES("training.max_steps=9", "training.epochs=null", cache)));
        TEST_OK(hone_read_file(&with, &m, tiny_path(folder, "out/model.safetensors"), 1 << 24));
        assert_int_equal(n, m);
        test_same_bits("model", with, model, n);
        hone_free(with);
    }
    hone_free(model);
    hone_free(cache);
}

static void no_folder(void **state) {
    (void)state;
    const char *folder = new_folder();
    struct opened o;
    tiny_recipe(&o.recipe, folder, NULL); /* which says data.cache: no */
    test_expect_status(hone_run_open(&o.run, &o.recipe, HONE_RUN_TOKENS), HONE_USAGE, "data.cache names no folder");
    hone_recipe_free(&o.recipe);
    setenv("HOME", folder, 1);
    tiny_recipe(&o.recipe, folder, TINY_OVERRIDES("data.cache=~/there"));
    TEST_OK(hone_run_open(&o.run, &o.recipe, HONE_RUN_TOKENS));
    run_close(&o);
    assert_true(hone_folder_exists(tiny_path(folder, "there")));
}

int main(void) {
    tiny_in_memory();
    const struct CMUnitTest tests[] = {cmocka_unit_test(come_back),
                                       cmocka_unit_test(any_difference),
                                       cmocka_unit_test(damage),
                                       cmocka_unit_test(damage_in_use),
                                       cmocka_unit_test(disk_that_fails),
                                       cmocka_unit_test(written_by_one),
                                       cmocka_unit_test(training_does_not_tell),
                                       cmocka_unit_test(no_folder)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
