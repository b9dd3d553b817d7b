/* Model folders: what is accepted, what is refused with which words, and what comes back after saving. */
#include <math.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/log.h"
#include "base/memory.h"
#include "recipes/model_folder.h"
#include "tests/support.h"
#include "tests/tiny.h"

#define QUERY "bert.encoder.layer.1.attention.self.query.weight"

static struct hone_model_folder_options options_for(bool training, const struct hone_labels *labels) {
    struct hone_model_folder_options options = {
        .head = HONE_HEAD_SEQUENCE_CLASSIFICATION, .labels = labels, .training = training, .seed = 3};
    TEST_OK(hone_device_open(&options.device, "cpu"));
    return options;
}

static enum hone_status open_folder(struct hone_model_folder *out, const char *path, bool training) {
    static char *names[] = {"no", "yes"};
    static const struct hone_labels labels = {.names = names, .n = 2};
    return hone_model_folder_open(out, path, options_for(training, training ? &labels : NULL));
}

/* Opening for training and for prediction must both fail with the part; outlining alone too. */
static void expect_refused(const char *path, const char *part) {
    struct hone_model_folder folder;
    test_expect_status(open_folder(&folder, path, true), HONE_BAD_INPUT, part);
    test_expect_status(open_folder(&folder, path, false), HONE_BAD_INPUT, part);
    test_expect_status(hone_model_folder_outline(&folder, path, options_for(false, NULL)), HONE_BAD_INPUT, part);
}

static void expect_opens(const char *path) {
    struct hone_model_folder folder;
    TEST_OK(open_folder(&folder, path, true));
    hone_model_folder_close(&folder);
    TEST_OK(open_folder(&folder, path, false));
    hone_model_folder_close(&folder);
}

/* All parameters as the model has them, one after the other; owned. */
static float *parameters_of(int64_t *n, const char *path, bool training) {
    struct hone_model_folder folder;
    TEST_OK(open_folder(&folder, path, training));
    const struct hone_parameters *parameters = folder.model->parameters;
    *n = hone_parameters_total(parameters);
    float *values = hone_alloc((size_t)*n, sizeof *values, "parameters"), *at = values;
    for (int32_t id = 0; id < hone_parameters_count(parameters); id++) {
        TEST_OK(hone_parameters_read(parameters, id, at));
        at += hone_parameters_get(parameters, id)->count;
    }
    hone_model_folder_close(&folder);
    return values;
}

static void expect_same_parameters(const char *a, const char *b, bool training) {
    int64_t n, m;
    float *x = parameters_of(&n, a, training), *y = parameters_of(&m, b, training);
    assert_int_equal(n, m);
    test_same_bits(b, y, x, (size_t)n * sizeof *x);
    hone_free(x);
    hone_free(y);
}

static void missing_tensors_are_named(void **state) {
    (void)state;
    const char *folder = test_scratch();
    struct tiny_model model;
    tiny_make(&model, 2, 1);
    tiny_remove(&model, QUERY);
    tiny_write(&model, tiny_path(folder, "one"));
    expect_refused(tiny_path(folder, "one"), "1 tensor that config.json asks for is missing: " QUERY);
    for (int i = 0; i < TINY_LAYERS; i++) {
        char name[120];
        static const char *const parts[] = {"attention.self.key.bias",     "attention.self.value.bias",
                                            "attention.self.value.weight", "intermediate.dense.bias",
                                            "output.dense.bias",           "output.dense.weight"};
        for (size_t k = 0; k < 6; k++) {
            snprintf(name, sizeof name, "bert.encoder.layer.%d.%s", i, parts[k]);
            tiny_remove(&model, name);
        }
    }
    tiny_write(&model, tiny_path(folder, "many"));
    expect_refused(tiny_path(folder, "many"), "13 tensors that config.json asks for are missing");
    expect_refused(tiny_path(folder, "many"), "… (13 in all)");
    tiny_free(&model);
}

static void wrong_shapes_are_named(void **state) {
    (void)state;
    const char *folder = test_scratch();
    struct tiny_model model;
    tiny_make(&model, 2, 1);
    tiny_remove(&model, QUERY);
    tiny_add(&model, QUERY, TINY_HIDDEN, TINY_HIDDEN - 1, 0, 1);
    tiny_write(&model, tiny_path(folder, "narrow"));
    expect_refused(tiny_path(folder, "narrow"),
                   "model.safetensors: tensor \"" QUERY "\" has shape [32, 31], expected [32, 32]");
    tiny_remove(&model, QUERY);
    tiny_add(&model, QUERY, TINY_HIDDEN * TINY_HIDDEN, 0, 0, 1);
    tiny_write(&model, tiny_path(folder, "flat"));
    expect_refused(tiny_path(folder, "flat"), "has shape [1024], expected [32, 32]");
    tiny_free(&model);
    /* What config.json says and what the file holds. */
    tiny_make(&model, 2, 1);
    json_object_set_new(model.config, "intermediate_size", json_integer(48));
    tiny_write(&model, tiny_path(folder, "inner"));
    expect_refused(tiny_path(folder, "inner"), "has shape [64], expected [48] by config.json");
    tiny_free(&model);
}

/* Three labels in config.json, two in the classifier; and the other way round for training on two. */
static void labels_and_classifier_must_agree(void **state) {
    (void)state;
    const char *folder = test_scratch();
    struct hone_model_folder opened;
    struct tiny_model model;
    tiny_make(&model, 2, 1);
    json_object_set_new(json_object_get(model.config, "id2label"), "2", json_string("third"));
    tiny_write(&model, tiny_path(folder, "three names"));
    test_expect_status(open_folder(&opened, tiny_path(folder, "three names"), false), HONE_BAD_INPUT,
                       "tensor \"classifier.bias\" has shape [2], expected [3] for 3 labels");
    TEST_OK(open_folder(&opened, tiny_path(folder, "three names"), true)); /* the data's two labels count */
    hone_model_folder_close(&opened);
    json_object_del(model.config, "id2label");
    json_object_set_new(model.config, "num_labels", json_integer(1 << 24));
    tiny_write(&model, tiny_path(folder, "many"));
    test_expect_status(open_folder(&opened, tiny_path(folder, "many"), false), HONE_BAD_INPUT, "expected [16777216]");
    json_object_del(model.config, "num_labels");
    tiny_write(&model, tiny_path(folder, "unnamed"));
    TEST_OK(open_folder(&opened, tiny_path(folder, "unnamed"), false));
    assert_int_equal(opened.labels.n, 2);
    assert_string_equal(opened.labels.names[1], "LABEL_1");
    hone_model_folder_close(&opened);
    json_object_set_new(model.config, "id2label", json_pack("{s:s, s:s}", "0", "same", "1", "same"));
    tiny_write(&model, tiny_path(folder, "twice"));
    test_expect_status(open_folder(&opened, tiny_path(folder, "twice"), false), HONE_BAD_INPUT, "\"same\" twice");
    json_object_set_new(model.config, "id2label", json_pack("{s:s, s:s}", "0", "a", "2", "b"));
    tiny_write(&model, tiny_path(folder, "gap"));
    test_expect_status(open_folder(&opened, tiny_path(folder, "gap"), false), HONE_BAD_INPUT, "\"1\" is missing");
    tiny_free(&model);
    tiny_folder(tiny_path(folder, "three"), 3, 1);
    test_expect_status(open_folder(&opened, tiny_path(folder, "three"), true), HONE_BAD_INPUT,
                       "has shape [3], expected [2] for 2 labels; with model.head: new");
}

/* The first label's weights as a folder with a new head or its own has them, and the word embeddings' first one. */
static void first_weights(float out[2], const char *path, bool new_head) {
    static char *names[] = {"no", "perhaps", "yes"};
    const struct hone_labels labels = {.names = names, .n = 3};
    struct hone_model_folder_options options = options_for(true, &labels);
    struct hone_model_folder opened;
    options.new_head = new_head;
    TEST_OK(hone_model_folder_open(&opened, path, options));
    const struct hone_parameters *parameters = opened.model->parameters;
    static const char *const of[] = {"classifier.weight", "bert.embeddings.word_embeddings.weight"};
    int found = 0;
    for (int32_t id = 0; id < hone_parameters_count(parameters); id++) {
        const struct hone_parameter *p = hone_parameters_get(parameters, id);
        float *values = hone_alloc((size_t)p->count, sizeof *values, "parameter");
        TEST_OK(hone_parameters_read(parameters, id, values));
        for (int k = 0; k < 2; k++) {
            if (strcmp(p->name, of[k]) != 0) continue;
            out[k] = values[0];
            found++;
        }
        hone_free(values);
    }
    assert_int_equal(found, 2);
    hone_model_folder_close(&opened);
}

/* It takes other labels, or the same ones anew; the body stays. */
static void a_head_can_start_anew(void **state) {
    (void)state;
    const char *folder = test_scratch(), *two = tiny_path(folder, "two"), *three = tiny_path(folder, "three");
    float own[2], anew[2], other[2];
    tiny_folder(two, 2, 1);
    tiny_folder(three, 3, 1);
    first_weights(own, three, false);
    first_weights(anew, three, true);
    first_weights(other, two, true);
    assert_true(anew[0] != own[0] && anew[0] == other[0]);
    assert_true(anew[1] == own[1]);
}

static void a_body_alone_can_only_be_trained(void **state) {
    (void)state;
    const char *folder = test_scratch(), *body = tiny_path(folder, "body");
    struct hone_model_folder opened;
    tiny_folder(body, 0, 1);
    test_expect_status(open_folder(&opened, body, false), HONE_BAD_INPUT,
                       "no head for this task (no classifier.weight");
    TEST_OK(open_folder(&opened, body, true));
    /* New: zeros and normal numbers of initializer_range, as Transformers makes them; the same for the same seed. */
    const struct hone_parameters *parameters = opened.model->parameters;
    float weight[2 * TINY_HIDDEN], bias[2];
    TEST_OK(hone_parameters_read(parameters, hone_parameters_find(parameters, "classifier.weight"), weight));
    TEST_OK(hone_parameters_read(parameters, hone_parameters_find(parameters, "classifier.bias"), bias));
    assert_true(bias[0] == 0 && bias[1] == 0);
    double squares = 0;
    for (int i = 0; i < 2 * TINY_HIDDEN; i++) squares += (double)weight[i] * weight[i];
    assert_true(fabs(sqrt(squares / (2 * TINY_HIDDEN)) - 0.02) < 0.007); /* 4 standard errors of 64 numbers */
    hone_model_folder_close(&opened);
    expect_same_parameters(body, body, true);
    /* A wrong tensor of the body is found first. */
    struct tiny_model model;
    tiny_make(&model, 0, 1);
    tiny_remove(&model, QUERY);
    tiny_write(&model, tiny_path(folder, "broken"));
    expect_refused(tiny_path(folder, "broken"), "is missing: " QUERY);
    tiny_free(&model);
}

/* Old names, no prefix, shards: the same parameters. */
static void names_of_other_times(void **state) {
    (void)state;
    const char *folder = test_scratch(), *plain = tiny_path(folder, "plain");
    struct tiny_model model;
    tiny_make(&model, 2, 1);
    tiny_write(&model, plain);
    for (size_t i = 0; i < model.n; i++) {
        char *name = model.tensors[i].name, *end = strstr(name, "LayerNorm.weight");
        if (end) strcpy(end, "LayerNorm.gamma");
        end = strstr(name, "LayerNorm.bias");
        if (end) strcpy(end, "LayerNorm.beta");
    }
    tiny_write(&model, tiny_path(folder, "gamma"));
    expect_same_parameters(plain, tiny_path(folder, "gamma"), false);
    for (size_t i = 0; i < model.n; i++) {
        char *name = model.tensors[i].name;
        if (strncmp(name, "bert.", 5) == 0) memmove(name, name + 5, strlen(name + 5) + 1);
    }
    tiny_write(&model, tiny_path(folder, "bare"));
    expect_same_parameters(plain, tiny_path(folder, "bare"), false);
    /* Two shards. */
    const char *shards = tiny_path(folder, "shards");
    tiny_write(&model, shards);
    assert_int_equal(unlink(tiny_path(shards, "model.safetensors")), 0);
    tiny_write_tensors(&model, tiny_path(shards, "model-00001-of-00002.safetensors"), 0, 20);
    tiny_write_tensors(&model, tiny_path(shards, "model-00002-of-00002.safetensors"), 20, model.n);
    json_t *map = json_object(), *index;
    for (size_t i = 0; i < model.n; i++) {
        json_object_set_new(
            map, model.tensors[i].name,
            json_string(i < 20 ? "model-00001-of-00002.safetensors" : "model-00002-of-00002.safetensors"));
    }
    index = json_pack("{s:{}, s:o}", "metadata", "weight_map", map);
    TEST_OK(hone_json_write(index, tiny_path(shards, "model.safetensors.index.json")));
    expect_same_parameters(plain, shards, false);
    assert_int_equal(truncate(tiny_path(shards, "model-00002-of-00002.safetensors"), 3000), 0);
    expect_refused(shards, "model-00002-of-00002.safetensors");
    assert_int_equal(unlink(tiny_path(shards, "model-00002-of-00002.safetensors")), 0);
    expect_refused(shards, "model-00002-of-00002.safetensors");
    json_decref(index);
    tiny_free(&model);
}

static void one_parameter_twice(void **state) {
    (void)state;
    const char *folder = test_scratch();
    struct tiny_model model;
    tiny_make(&model, 2, 1);
    tiny_add(&model, &QUERY[strlen("bert.")], TINY_HIDDEN, TINY_HIDDEN, 0, 1);
    tiny_write(&model, tiny_path(folder, "prefix"));
    expect_refused(tiny_path(folder, "prefix"), "\" are the same parameter");
    tiny_free(&model);
    tiny_make(&model, 2, 1);
    tiny_add(&model, "bert.embeddings.LayerNorm.gamma", TINY_HIDDEN, 0, 0, 1);
    tiny_write(&model, tiny_path(folder, "gamma"));
    expect_refused(tiny_path(folder, "gamma"), "bert.embeddings.LayerNorm.gamma");
    tiny_free(&model);
}

static void unused_tensors_and_buffers_do_no_harm(void **state) {
    (void)state;
    const char *folder = test_scratch(), *plain = tiny_path(folder, "plain"), *more = tiny_path(folder, "more");
    struct tiny_model model;
    tiny_make(&model, 2, 1);
    tiny_write(&model, plain);
    tiny_add(&model, "cls.predictions.bias", 7, 0, 0, 1);
    tiny_add(&model, "bert.embeddings.position_ids", 1, TINY_POSITIONS, 0, 1);
    tiny_add(&model, "bert.encoder.layer.2.output.dense.bias", TINY_HIDDEN, 0, 0, 1);
    tiny_write(&model, more);
    expect_same_parameters(plain, more, false);
    tiny_free(&model);
}

/* A warning, no refusal: training would stop at the first loss. */
static void weights_that_are_not_finite_can_be_looked_at(void **state) {
    (void)state;
    const char *folder = test_scratch(), *model_path = tiny_path(folder, "model"), *to = tiny_path(folder, "saved");
    struct tiny_model model;
    tiny_make(&model, 2, 1);
    tiny_find(&model, QUERY)->values[5] = NAN;
    tiny_write(&model, model_path);
    tiny_free(&model);
    struct hone_model_folder opened;
    TEST_OK(open_folder(&opened, model_path, true));
    /* They are not saved as a result. */
    TEST_OK(hone_make_folders(to));
    test_expect_status(hone_model_folder_save(&opened, to, 64, NULL), HONE_NUMERIC,
                       "weight 5 of \"" QUERY "\" has become");
    assert_false(hone_file_exists(tiny_path(to, "model.safetensors")));
    hone_model_folder_close(&opened);
    struct hone_model_folder_options options = options_for(false, NULL);
    options.finite = true;
    test_expect_status(hone_model_folder_open(&opened, model_path, options), HONE_BAD_INPUT,
                       "tensor \"" QUERY "\" holds");
}

static void tokenizer_and_positions(void **state) {
    (void)state;
    const char *folder = test_scratch();
    struct tiny_model model;
    tiny_make(&model, 2, 1);
    int64_t words = model.tensors[0].shape[0];
    model.tensors[0].shape[0] = words - 1;
    json_object_set_new(model.config, "vocab_size", json_integer(words - 1));
    tiny_write(&model, tiny_path(folder, "small"));
    char *part =
        hone_format("the tokenizer has %lld entries, but the model's vocabulary (vocab_size in config.json) only %lld",
                    (long long)words, (long long)words - 1);
    expect_refused(tiny_path(folder, "small"), part);
    hone_free(part);
    tiny_free(&model);
    /* More words than the tokenizer knows are fine: models pad their vocabularies. */
    tiny_make(&model, 2, 1);
    tiny_write(&model, tiny_path(folder, "short"));
    tiny_file(tiny_path(folder, "short"), "vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\ngood\n");
    expect_opens(tiny_path(folder, "short"));
    tiny_free(&model);
}

static void incomplete_folders(void **state) {
    (void)state;
    const char *folder = test_scratch(), *path = tiny_path(folder, "model");
    expect_refused(tiny_path(folder, "nowhere"), "nowhere: no such folder");
    static const struct {
        const char *file, *part;
    } cases[] = {{"config.json", "no config.json"},
                 {"model.safetensors", "model.safetensors"},
                 {"vocab.txt", "neither tokenizer.json nor vocab.txt"}};
    for (size_t i = 0; i < 3; i++) {
        tiny_folder(path, 2, 1);
        assert_int_equal(unlink(tiny_path(path, cases[i].file)), 0);
        expect_refused(path, cases[i].part);
        TEST_OK(hone_remove_folder(path));
    }
    static const struct {
        const char *file, *text, *part;
    } bad[] = {{"config.json", "", "config.json"},
               {"config.json", "[]", "config.json"},
               {"config.json", "{\"model_type\": \"gpt9\"}", "gpt9"},
               {"config.json", "{\"model_type\": \"bert\", \"hidden_size\": -1}", "hidden_size"},
               {"config.json", "{\"model_type\": \"bert\", \"model_type\": \"bert\"}", "model_type"},
               {"config.json", "{\"model_type\": \"b\xff\"}", "config.json"},
               {"vocab.txt", "", "vocab.txt"},
               {"vocab.txt", "[PAD]\n\xff\n", "vocab.txt"},
               {"tokenizer_config.json", "{", "tokenizer_config.json"},
               {"model.safetensors", "", "model.safetensors"},
               {"model.safetensors", "12345678", "model.safetensors"}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        tiny_folder(path, 2, 1);
        tiny_file(path, bad[i].file, bad[i].text);
        expect_refused(path, bad[i].part);
        TEST_OK(hone_remove_folder(path));
    }
    tiny_folder(path, 2, 1);
    struct hone_file *file;
    TEST_OK(hone_file_open(&file, tiny_path(path, "model.safetensors")));
    int64_t bytes = hone_file_size(file);
    hone_file_close(file);
    for (int64_t cut = 1; cut < bytes; cut = 3 * cut + 1) {
        assert_int_equal(truncate(tiny_path(path, "model.safetensors"), bytes - cut), 0);
        expect_refused(path, "model.safetensors");
    }
}

/* Saved and opened again: same bits, the labels, the longest input, the tokenizer's files byte for byte. */
static void saving(void **state) {
    (void)state;
    const char *folder = test_scratch(), *from = tiny_path(folder, "model"), *to = tiny_path(folder, "saved");
    tiny_folder(from, 0, 1);
    struct hone_model_folder trained, saved;
    TEST_OK(open_folder(&trained, from, true));
    TEST_OK(hone_make_folders(to));
    TEST_OK(hone_model_folder_save(&trained, to, 48, NULL));
    expect_same_parameters(from, to, true); /* the head is made from the seed here, and read there */
    TEST_OK(open_folder(&saved, to, false));
    assert_int_equal(saved.labels.n, 2);
    assert_string_equal(saved.labels.names[0], "no");
    assert_string_equal(saved.labels.names[1], "yes");
    assert_int_equal(hone_tokenizer_max_length(saved.tokenizer), 48);
    assert_string_equal(json_string_value(json_array_get(json_object_get(saved.config, "architectures"), 0)),
                        "BertForSequenceClassification");
    hone_model_folder_close(&saved);
    char *a, *b;
    size_t n, m;
    TEST_OK(hone_read_file(&a, &n, tiny_path(from, "vocab.txt"), 1 << 20));
    TEST_OK(hone_read_file(&b, &m, tiny_path(to, "vocab.txt"), 1 << 20));
    assert_int_equal(n, m);
    test_same_bits("vocab.txt", b, a, n);
    hone_free(a);
    hone_free(b);
    /* Reloading gives the saved weights back. */
    int32_t id = hone_parameters_find(trained.model->parameters, QUERY);
    float before[TINY_HIDDEN * TINY_HIDDEN], after[TINY_HIDDEN * TINY_HIDDEN];
    TEST_OK(hone_parameters_read(trained.model->parameters, id, before));
    memset(after, 0, sizeof after);
    TEST_OK(hone_parameters_write(trained.model->parameters, id, after));
    TEST_OK(hone_model_folder_reload(&trained, to));
    TEST_OK(hone_parameters_read(trained.model->parameters, id, after));
    test_same_bits(QUERY, after, before, sizeof before);
    /* Of another model it is refused. */
    tiny_folder(tiny_path(folder, "three"), 3, 1);
    test_expect_status(hone_model_folder_reload(&trained, tiny_path(folder, "three")), HONE_BAD_INPUT, "shape [3");
    test_expect_status(hone_model_folder_reload(&trained, from), HONE_BAD_INPUT, "\"classifier.weight\" is missing");
    hone_model_folder_close(&trained);
}

int main(void) {
    tiny_in_memory();
    hone_log_set_level(HONE_LOG_QUIET);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(missing_tensors_are_named),
        cmocka_unit_test(wrong_shapes_are_named),
        cmocka_unit_test(labels_and_classifier_must_agree),
        cmocka_unit_test(a_head_can_start_anew),
        cmocka_unit_test(a_body_alone_can_only_be_trained),
        cmocka_unit_test(names_of_other_times),
        cmocka_unit_test(one_parameter_twice),
        cmocka_unit_test(unused_tensors_and_buffers_do_no_harm),
        cmocka_unit_test(weights_that_are_not_finite_can_be_looked_at),
        cmocka_unit_test(tokenizer_and_positions),
        cmocka_unit_test(incomplete_folders),
        cmocka_unit_test(saving),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
