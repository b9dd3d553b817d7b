/* What is said about recipes whose options of optimizer, schedule and freezing don't fit together, word for word; and
 * that such options survive in the resolved recipe. */
#include <stdio.h>
#include <string.h>

#include "base/io.h"
#include "base/memory.h"
#include "recipes/options.h"
#include "tests/support.h"

#define ALL                                                                                                            \
    "model: {path: m}\ntask: {type: sequence_classification}\ndata: {train: a.tsv, text: t, label: l}\noutput: o\n"
#define NONE                                                                                                           \
    { NULL }

static const struct {
    const char *recipe, *mistakes;
    const char *overrides[2];
} golden[] = {
    {ALL "schedule: {power: 2}\n",
     "r.yaml:5:19: schedule.power: schedule.name is linear, and this works with polynomial only: remove it, or set it "
     "to "
     "null\n",
     NONE},
    {ALL "schedule: {name: cosine}\n",
     "command line: schedule.decay=3: schedule.name is cosine, and this works with warmup_stable_decay only: remove "
     "it, "
     "or set it to null\n",
     {"schedule.decay=3", NULL}},
    {ALL "schedule: {name: constant, warmup: 0}\n",
     "r.yaml:5:36: schedule.warmup: schedule.name is constant, and this works with linear cosine cosine_with_min_lr "
     "cosine_with_restarts polynomial constant_with_warmup inverse_sqrt warmup_stable_decay only: remove it, or set it "
     "to null\n",
     NONE},
    {ALL "schedule: {name: cosin, power: 2}\n",
     "r.yaml:5:18: schedule.name: found \"cosin\" (did you mean \"cosine\"?), expected linear, cosine, "
     "cosine_with_min_lr, cosine_with_restarts, "
     "polynomial, constant, constant_with_warmup, inverse_sqrt or warmup_stable_decay\n",
     NONE},
    {ALL "schedule: {name: polynomial, lr_end: 5e-5}\n", "r.yaml:5:38: schedule.lr_end: must be below optimizer.lr\n",
     NONE},
    {ALL "optimizer: {momentum: 0.5}\n",
     "r.yaml:5:23: optimizer.momentum: optimizer.name is adamw, and this works with sgd only: remove it, or set it to "
     "null\n",
     NONE},
    {ALL "optimizer: {name: sgd, beta1: 0.9, momentum: 0, nesterov: true}\n",
     "r.yaml:5:31: optimizer.beta1: optimizer.name is sgd, and this works with adamw adafactor only: remove it, or set "
     "it "
     "to null\n"
     "r.yaml:5:59: optimizer.nesterov: needs optimizer.momentum above 0\n",
     NONE},
    {ALL "optimizer: {name: adafactor, relative_step: true, lr: 1e-3}\nschedule: {name: cosine}\n",
     "r.yaml:5:55: optimizer.lr: excluded by optimizer.relative_step, which is true: remove it, or set it to null\n"
     "r.yaml:6:18: schedule.name: excluded by optimizer.relative_step, which is true: remove it, or set it to null\n",
     NONE},
    {ALL "optimizer: {name: adafactor, warmup_init: true}\n",
     "r.yaml:5:43: optimizer.warmup_init: needs optimizer.relative_step\n", NONE},
    {ALL "optimizer: {clip_norm: 1, clip_value: 0.5}\n",
     "r.yaml:5:39: optimizer.clip_value: excludes optimizer.clip_norm, which is given too: set that to 0, or this to "
     "null\n",
     NONE},
    {ALL "freeze: {layers: -1, patterns: [], embeddings: 1}\n",
     "r.yaml:5:18: freeze.layers: found \"-1\", expected a whole number from 0 to 1000000\n"
     "r.yaml:5:32: freeze.patterns: found an empty list, expected a pattern or a list of patterns\n"
     "r.yaml:5:48: freeze.embeddings: found \"1\", expected true or false\n",
     NONE},
    {ALL "freeze: {patterns: [a, 3]}\n",
     "r.yaml:5:24: freeze.patterns: found \"3\", expected a pattern (put it in quotes)\n", NONE},
    {ALL "optimizer: {groups: {pattern: a, lr: 1}}\n",
     "r.yaml:5:21: optimizer.groups: found keys and values, expected a list of {pattern: ..., lr: ..., weight_decay: "
     "...}\n",
     NONE},
    {ALL "optimizer: {groups: [a]}\n",
     "r.yaml:5:22: optimizer.groups: found \"a\", expected {pattern: ..., lr: ..., weight_decay: ...}\n", NONE},
    {ALL "optimizer: {groups: [{lr: 1}]}\n", "r.yaml:5:22: optimizer.groups: a group without a pattern\n", NONE},
    {ALL "optimizer: {groups: [{pattern: a}]}\n",
     "r.yaml:5:22: optimizer.groups: a group with neither lr nor weight_decay\n", NONE},
    {ALL "optimizer: {groups: [{pattern: a, rate: 1}]}\n",
     "r.yaml:5:41: optimizer.groups: unknown key \"rate\" in a group, expected pattern, lr or weight_decay\n", NONE},
    {ALL "optimizer: {groups: [{pattern: a, lr: 0}]}\n",
     "r.yaml:5:39: optimizer.groups: found \"0\", expected a number above 0\n", NONE},
    {ALL "optimizer: {name: adafactor, relative_step: true, groups: [{pattern: a, lr: 1}]}\n",
     "r.yaml:5:59: optimizer.groups: lr in a group excludes optimizer.relative_step\n", NONE},
};

/* "r.yaml" in the current directory is a scratch file; messages name it so. */
static enum hone_status read_text(struct hone_recipe *recipe, struct hone_text *mistakes, const char *text,
                                  const char *override) {
    char *path = hone_path_join(test_scratch(), "r.yaml"), *overrides[1] = {(char *)(uintptr_t) override};
    TEST_OK(hone_write_file(path, text, strlen(text)));
    enum hone_status status = hone_recipe_read(recipe, path, overrides, override ? 1 : 0, mistakes);
    hone_free(path);
    return status;
}

/* The lines without the folder of r.yaml. */
static void without_folder(struct hone_text *out, const char *lines) {
    for (const char *at = lines; *at;) {
        const char *end = strchr(at, '\n') + 1, *name = strstr(at, "r.yaml:");
        if (name && name < end) at = name;
        hone_text_append(out, at, (size_t)(end - at));
        at = end;
    }
}

static void mistakes(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof golden / sizeof *golden; i++) {
        struct hone_recipe recipe;
        struct hone_text lines = {0}, shown = {0};
        test_expect_status(read_text(&recipe, &lines, golden[i].recipe, golden[i].overrides[0]), HONE_USAGE, "mistake");
        assert_non_null(lines.bytes);
        without_folder(&shown, lines.bytes);
        assert_string_equal(shown.bytes, golden[i].mistakes);
        hone_text_free(&lines);
        hone_text_free(&shown);
    }
}

/* The resolved recipe reads back, as itself, whatever the optimizer and schedule. */
static void resolved(void **state) {
    (void)state;
    static const char *const texts[] = {
        "optimizer: {name: sgd, nesterov: true}\nschedule: {name: polynomial, lr_end: 0}\n",
        "optimizer: {name: adafactor, relative_step: true, warmup_init: true, clip_value: 0.5}\n",
        "optimizer: {name: adafactor, beta1: 0.9, lr: 1e-3}\nschedule: {name: constant}\n",
        "optimizer: {layer_decay: 0.9, groups: [{pattern: 'a b*', lr: 1e-5}, {pattern: c, lr: 2, weight_decay: 0}]}\n",
        "freeze: {layers: 3, patterns: ['*.bias', b]}\nschedule: {name: warmup_stable_decay, decay: 0.1, warmup: 7}\n",
        "freeze: {layers: 3, embeddings: false, patterns: x}\nschedule: {name: cosine_with_restarts, num_cycles: 4}\n"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct hone_recipe recipe, again;
        struct hone_text lines = {0}, first = {0}, second = {0};
        char *text = hone_format("%s%s", ALL, texts[i]);
        TEST_OK(read_text(&recipe, &lines, text, NULL));
        hone_recipe_text(&first, &recipe);
        TEST_OK(read_text(&again, &lines, first.bytes, NULL));
        hone_recipe_text(&second, &again);
        assert_string_equal(first.bytes, second.bytes);
        hone_recipe_free(&recipe);
        hone_recipe_free(&again);
        hone_text_free(&first);
        hone_text_free(&second);
        hone_free(text);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mistakes),
        cmocka_unit_test(resolved),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
