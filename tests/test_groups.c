/* Freezing, layer-wise decay and parameter groups, end to end: one step of plain SGD with a rate of 1 shows the gradient
 * of each tensor as the difference of two model files, and everything else follows from it. */
#include <fnmatch.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/io.h"
#include "base/memory.h"
#include "recipes/plan.h"
#include "recipes/train.h"
#include "tests/support.h"
#include "tests/tiny.h"

static const char *const names[2] = {"class 0", "class 1"};
#define PLAIN                                                                                                          \
    "optimizer.name=sgd", "optimizer.momentum=0", "optimizer.clip_norm=0", "schedule.name=constant",                   \
        "training.max_steps=1", "data.validation=null", "training.batch_size=16"

static const char *folder; /* with a model of two labels and a training file */

static const char *train(const char *const *more) {
    const char *overrides[16] = {PLAIN};
    int n = 7;
    for (; more && *more; more++) overrides[n++] = *more;
    TEST_OK(hone_remove_folder(tiny_path(folder, "out")));
    TEST_OK(tiny_train(NULL, folder, overrides));
    return tiny_path(folder, "out");
}

/* All tensors of a model folder behind each other, in the order of the names; owned. */
struct weights {
    struct hone_safetensors file;
    float *values[TINY_TENSORS];
};

static void weights_read(struct weights *w, const char *path) {
    TEST_OK(hone_safetensors_open(&w->file, path));
    assert_true(w->file.n <= TINY_TENSORS);
    for (size_t i = 0; i < w->file.n; i++) {
        w->values[i] = hone_alloc((size_t)hone_tensor_elements(&w->file.tensors[i]), sizeof(float), "test");
        TEST_OK(hone_safetensors_read_f32(&w->file, &w->file.tensors[i], w->values[i]));
    }
}

static void weights_free(struct weights *w) {
    for (size_t i = 0; i < w->file.n; i++) hone_free(w->values[i]);
    hone_safetensors_close(&w->file);
}

static const float *weights_of(const struct weights *w, const char *name) {
    const struct hone_tensor_entry *entry = hone_safetensors_find(&w->file, name);
    assert_non_null(entry);
    return w->values[entry - w->file.tensors];
}

static struct weights start, all; /* before, and after a step with a rate of 1 over everything */

static int make(void **state) {
    (void)state;
    folder = test_scratch();
    tiny_folder(tiny_path(folder, "model"), 2, 1);
    tiny_tsv(tiny_path(folder, "train.tsv"), 7, 40, names);
    weights_read(&start, tiny_path(folder, "model"));
    weights_read(&all, train(TINY_OVERRIDES("optimizer.lr=1", "optimizer.weight_decay=0")));
    return 0;
}

static int drop(void **state) {
    (void)state;
    weights_free(&start);
    weights_free(&all);
    return 0;
}

/* Frozen tensors keep their bits, all others get the bits that they get without freezing; the norm is theirs. */
static void freezes(const char *const *overrides, bool (*frozen)(const char *name)) {
    const char *with[4] = {"optimizer.lr=1", "optimizer.weight_decay=0", overrides[0], overrides[1]};
    struct weights after;
    const char *out = train((const char *const[]){with[0], with[1], with[2], with[3], NULL});
    weights_read(&after, out);
    double squares = 0, norm;
    int n_frozen = 0;
    for (size_t i = 0; i < after.file.n; i++) {
        const struct hone_tensor_entry *entry = &after.file.tensors[i];
        size_t bytes = (size_t)hone_tensor_elements(entry) * sizeof(float);
        const float *before = weights_of(&start, entry->name), *trained = weights_of(&all, entry->name);
        if (frozen(entry->name)) {
            test_same_bits(entry->name, after.values[i], before, bytes);
            n_frozen++;
            continue;
        }
        test_same_bits(entry->name, after.values[i], trained, bytes);
        for (int64_t k = 0; k < hone_tensor_elements(entry); k++)
            squares += pow((double)before[k] - (double)trained[k], 2);
    }
    assert_true(n_frozen > 0);
    assert_int_equal(tiny_metrics(&norm, 1, out, "train", "grad_norm"), 1);
    /* The differences are rounded to a bit of weights near 1. */
    assert_true(fabs(norm - sqrt(squares)) <= 1e-4 * norm);
    weights_free(&after);
}

static bool in_embeddings(const char *name) { return strstr(name, "embeddings"); }
static bool in_first_layer(const char *name) { return in_embeddings(name) || strstr(name, "layer.0."); }
static bool in_layers(const char *name) { return in_first_layer(name) || strstr(name, "layer.1."); }
static bool in_first_layer_alone(const char *name) { return strstr(name, "layer.0."); }
static bool is_weight(const char *name) { return fnmatch("*.weight", name, 0) == 0; }
static bool is_bias(const char *name) { return fnmatch("*.bias", name, 0) == 0; }
static bool is_norm(const char *name) { return strstr(name, "LayerNorm"); }
static bool is_query(const char *name) { return strstr(name, ".query."); }
static bool is_words(const char *name) { return strstr(name, "word_embeddings") || strstr(name, "key.weight"); }
static bool in_body(const char *name) { return strncmp(name, "bert.", 5) == 0; }

static void freezing(void **state) {
    (void)state;
    freezes(TINY_OVERRIDES("freeze.embeddings=true"), in_embeddings);
    freezes(TINY_OVERRIDES("freeze.layers=1"), in_first_layer);
    freezes(TINY_OVERRIDES("freeze.layers=2"), in_layers);
    freezes(TINY_OVERRIDES("freeze.layers=1", "freeze.embeddings=false"), in_first_layer_alone);
    freezes(TINY_OVERRIDES("freeze.patterns='*.weight'"), is_weight);
    freezes(TINY_OVERRIDES("freeze.patterns='*.bias'"), is_bias);
    freezes(TINY_OVERRIDES("freeze.patterns=['*LayerNorm*']"), is_norm);
    freezes(TINY_OVERRIDES("freeze.patterns=['*.query.*']"), is_query);
    freezes(TINY_OVERRIDES("freeze.patterns=['*key.weight', '*word_embeddings*']"), is_words);
    freezes(TINY_OVERRIDES("freeze.patterns=bert.*"), in_body);
}

/* What is frozen never changes, whatever the optimizer and the precision. */
static void frozen_for_every_optimizer(void **state) {
    (void)state;
    static const char *const optimizers[] = {"optimizer.name=adamw", "optimizer.name=sgd", "optimizer.name=adafactor"};
    for (size_t i = 0; i < 6; i++) {
        struct weights after;
        TEST_OK(hone_remove_folder(tiny_path(folder, "out")));
        TEST_OK(tiny_train(NULL, folder,
                           TINY_OVERRIDES(optimizers[i % 3], i < 3 ? "precision=f32" : "precision=auto",
                                          "freeze.layers=1", "freeze.patterns='*query*'", "data.validation=null",
                                          "training.epochs=2", "optimizer.lr=0.01")));
        weights_read(&after, tiny_path(folder, "out"));
        for (size_t k = 0; k < after.file.n; k++) {
            const struct hone_tensor_entry *entry = &after.file.tensors[k];
            size_t bytes = (size_t)hone_tensor_elements(entry) * sizeof(float);
            bool same = memcmp(after.values[k], weights_of(&start, entry->name), bytes) == 0;
            /* Softmax doesn't see the bias of the keys, whose gradient is rounding at most. */
            if (strstr(entry->name, "key.bias") && !in_first_layer(entry->name)) continue;
            if (same != (in_first_layer(entry->name) || is_query(entry->name)))
                fail_msg("%s: %s is %s", optimizers[i % 3], entry->name, same ? "as it was" : "another");
        }
        weights_free(&after);
    }
}

/* p - rate * (g + decay * p) for each tensor. */
static void expect_rates(const char *const *overrides, double (*rate)(const char *name),
                         double (*decay)(const char *)) {
    struct weights after;
    weights_read(&after, train(overrides));
    for (size_t i = 0; i < after.file.n; i++) {
        const struct hone_tensor_entry *entry = &after.file.tensors[i];
        const float *p = weights_of(&start, entry->name), *trained = weights_of(&all, entry->name);
        double *want = hone_alloc((size_t)hone_tensor_elements(entry), sizeof *want, "test");
        for (int64_t k = 0; k < hone_tensor_elements(entry); k++) {
            double g = (double)p[k] - (double)trained[k];
            want[k] = (double)p[k] - rate(entry->name) * (g + decay(entry->name) * (double)p[k]);
        }
        /* Weights of about 1, of which both files hold roundings. */
        test_close(entry->name, after.values[i], want, hone_tensor_elements(entry), 1e-6, 0);
        hone_free(want);
    }
    weights_free(&after);
}

static double layered(const char *name) {
    double depth = in_embeddings(name) ? 3 : strstr(name, "layer.0.") ? 2 : strstr(name, "layer.1.") ? 1 : 0;
    return 0.5 * pow(0.6, depth);
}
static double no_decay(const char *name) {
    (void)name;
    return 0;
}
static double usual_decay(const char *name) { return is_norm(name) || is_bias(name) ? 0 : 0.1; }
static double grouped(const char *name) {
    if (strstr(name, "classifier")) return 0.75;
    return strstr(name, "layer.1.output") ? 0.125 : layered(name);
}
static double grouped_decay(const char *name) {
    if (fnmatch("*layer.1.output*.bias", name, 0) == 0) return 0.3;
    return strcmp(name, "classifier.weight") == 0 ? 0 : usual_decay(name);
}

static void rates_and_decays(void **state) {
    (void)state;
    expect_rates(TINY_OVERRIDES("optimizer.lr=0.5", "optimizer.weight_decay=0", "optimizer.layer_decay=0.6"), layered,
                 no_decay);
    static const char groups[] = "optimizer.groups=[{pattern: classifier.weight, weight_decay: 0}, "
                                 "{pattern: '*layer.1.output*.bias', weight_decay: 0.3}, "
                                 "{pattern: 'class*', lr: 0.75}, {pattern: '*.layer.1.output.*', lr: 0.125}, "
                                 "{pattern: classifier.weight, lr: 9}]";
    expect_rates(TINY_OVERRIDES("optimizer.lr=0.5", "optimizer.weight_decay=0.1", "optimizer.layer_decay=0.6", groups),
                 grouped, grouped_decay);
}

static void mistakes(void **state) {
    (void)state;
    static const struct {
        const char *override, *message;
    } cases[] = {
        {"freeze.patterns='*.wieght'",
         "freeze.patterns: \"*.wieght\" matches no parameter; hone inspect lists the names of a model folder"},
        {"freeze.layers=3", "freeze.layers is 3, but the model has 2 layers"},
        {"freeze.patterns='*'", "freeze: nothing is left to be trained"},
        {"optimizer.groups=[{pattern: head.*, lr: 1}]",
         "optimizer.groups: \"head.*\" matches no parameter that is trained; hone inspect lists the names of a model "
         "folder"},
        {"optimizer.groups=[{pattern: '*.0.*', lr: 1}]",
         "optimizer.groups: \"*.0.*\" matches no parameter that is trained"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        TEST_OK(hone_remove_folder(tiny_path(folder, "out")));
        const char *layers = i == 1 ? "logging.every=1" : "freeze.layers=1";
        test_expect_status(tiny_train(NULL, folder, TINY_OVERRIDES(layers, cases[i].override)), HONE_USAGE,
                           cases[i].message);
        assert_false(hone_folder_exists(tiny_path(folder, "out")));
    }
}

static struct hone_plan plan_of(const char *override) {
    struct hone_recipe recipe;
    struct hone_run run;
    struct hone_plan plan;
    tiny_recipe(&recipe, folder, TINY_OVERRIDES("data.validation=null", override));
    TEST_OK(hone_run_open(&run, &recipe, HONE_RUN_OUTLINE));
    TEST_OK(hone_plan_make(&plan, &run, false));
    hone_run_close(&run);
    hone_recipe_free(&recipe);
    return plan;
}

/* A plan knows what freezing saves: gradients, moments, kept activations, work. */
static void plans(void **state) {
    (void)state;
    struct hone_plan whole = plan_of("freeze.layers=0"), half = plan_of("freeze.layers=1"),
                     head = plan_of("freeze.layers=2");
    struct hone_plan biases = plan_of("freeze.patterns='*.weight'");
    assert_int_equal(whole.weights_bytes, half.weights_bytes);
    assert_int_equal(whole.gradients_bytes, whole.weights_bytes);
    assert_true(half.gradients_bytes < whole.gradients_bytes / 2 && head.gradients_bytes < half.gradients_bytes / 2);
    assert_true(half.moments_bytes < whole.moments_bytes && head.moments_bytes < half.moments_bytes);
    /* The last layer keeps little, as the head reads few rows: a product's workspace in the first may be the most. */
    assert_true(half.arena_bytes < whole.arena_bytes && head.arena_bytes <= half.arena_bytes);
    assert_true(biases.gradients_bytes < whole.gradients_bytes / 10 && biases.arena_bytes < whole.arena_bytes);
    assert_true(half.flops < 0.7 * whole.flops && head.flops < 0.5 * whole.flops && biases.flops < 0.7 * whole.flops);
}

int main(void) {
    tiny_in_memory();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(freezing),
        cmocka_unit_test(frozen_for_every_optimizer),
        cmocka_unit_test(rates_and_decays),
        cmocka_unit_test(mistakes),
        cmocka_unit_test(plans),
    };
    return cmocka_run_group_tests(tests, make, drop);
}
