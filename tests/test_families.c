/* Folders of BERT, RoBERTa and DistilBERT with each head, as Transformers saved them: what goes in comes out again, bit
 * for bit and under the same names; tied weights in every form that files have. Fixtures: test_bert.c's. */
#include <string.h>

#include "base/io.h"
#include "base/log.h"
#include "recipes/model_folder.h"
#include "tests/graph.h"
#include "tests/tiny.h"

#define BERT    "tests/fixtures/bert/"
#define SAPIENS "../shared/data/models/sapiens-"

struct fixture {
    const char *folder, *prefix;
    enum hone_head head;
    const char *ties[2][2]; /* alias, own name */
};
#define ROBERTA_TIES                                                                                                   \
    {                                                                                                                  \
        {"lm_head.decoder.weight", "roberta.embeddings.word_embeddings.weight"}, {                                     \
            "lm_head.decoder.bias", "lm_head.bias"                                                                     \
        }                                                                                                              \
    }
static const struct fixture fixtures[] = {
    {BERT "gelu", "bert.", HONE_HEAD_SEQUENCE_CLASSIFICATION, {{NULL}}},
    {BERT "bert_tokens", "bert.", HONE_HEAD_TOKEN_CLASSIFICATION, {{NULL}}},
    {BERT "bert_masked",
     "bert.",
     HONE_HEAD_MASKED_LM,
     {{"cls.predictions.decoder.weight", "bert.embeddings.word_embeddings.weight"},
      {"cls.predictions.decoder.bias", "cls.predictions.bias"}}},
    {BERT "roberta_sequences", "roberta.", HONE_HEAD_SEQUENCE_CLASSIFICATION, {{NULL}}},
    {BERT "roberta_tokens", "roberta.", HONE_HEAD_TOKEN_CLASSIFICATION, {{NULL}}},
    {BERT "roberta_masked", "roberta.", HONE_HEAD_MASKED_LM, ROBERTA_TIES},
    {BERT "distilbert_sequences", "distilbert.", HONE_HEAD_SEQUENCE_CLASSIFICATION, {{NULL}}},
    {BERT "distilbert_tokens", "distilbert.", HONE_HEAD_TOKEN_CLASSIFICATION, {{NULL}}},
    {BERT "distilbert_masked",
     "distilbert.",
     HONE_HEAD_MASKED_LM,
     {{"vocab_projector.weight", "distilbert.embeddings.word_embeddings.weight"}}},
};
enum { N_FIXTURES = sizeof fixtures / sizeof *fixtures };

/* Real weights of RoBERTas over amino acids, whose files hold what is tied twice. */
static const struct fixture sapiens[] = {{SAPIENS "vh", "roberta.", HONE_HEAD_MASKED_LM, ROBERTA_TIES},
                                         {SAPIENS "vl", "roberta.", HONE_HEAD_MASKED_LM, ROBERTA_TIES}};

/* The folder's tensors and configuration, open to changes. */
static void read_model(struct tiny_model *model, const char *folder) {
    struct hone_safetensors weights;
    *model = (struct tiny_model){.n = 0};
    TEST_OK(hone_json_read(&model->config, tiny_path(folder, "config.json"), HONE_JSON_CONFIG_LIMIT));
    TEST_OK(hone_safetensors_open(&weights, folder));
    for (size_t i = 0; i < weights.n; i++) {
        const struct hone_tensor_entry *entry = &weights.tensors[i];
        tiny_add(model, entry->name, entry->shape[0], entry->n_dims == 2 ? entry->shape[1] : 0, 0, 1);
        TEST_OK(hone_safetensors_read_f32(&weights, entry, tiny_find(model, entry->name)->values));
    }
    hone_safetensors_close(&weights);
}

/* The folder with a tokenizer that fits into the fixtures' vocabulary. */
static const char *write_model(struct tiny_model *model, const char *name) {
    const char *folder = tiny_path(test_scratch(), name);
    tiny_write(model, folder);
    tiny_file(folder, "vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nfilm\n");
    return folder;
}

static enum hone_status open_model(struct hone_model_folder *out, const char *folder, enum hone_head head) {
    struct hone_model_folder_options options = {.head = head, .training = true, .seed = 3};
    TEST_OK(hone_device_open(&options.device, "cpu"));
    return hone_model_folder_open(out, folder, options);
}

/* What a name that is left out stands for. */
static const char *own_name(const struct fixture *fixture, const char *alias) {
    for (int k = 0; k < 2 && fixture->ties[k][0]; k++)
        if (strcmp(fixture->ties[k][0], alias) == 0) return fixture->ties[k][1];
    fail_msg("%s is missing", alias);
    return NULL;
}

/* Loads the folder and saves it: tensors and names must be the fixture's, of tied ones one name. */
static void check_round_trip(const struct fixture *fixture, const char *folder) {
    struct hone_model_folder opened;
    TEST_OK(open_model(&opened, folder, fixture->head));
    const char *saved = tiny_path(test_scratch(), "saved");
    TEST_OK(hone_remove_folder(saved));
    TEST_OK(hone_make_folders(saved));
    TEST_OK(hone_model_folder_save(&opened, saved, 16, NULL));
    TEST_OK(hone_model_folder_reload(&opened, saved));
    hone_model_folder_close(&opened);
    struct hone_safetensors want, got;
    TEST_OK(hone_safetensors_open(&want, fixture->folder));
    TEST_OK(hone_safetensors_open(&got, saved));
    size_t tied = 0;
    for (size_t i = 0; i < want.n; i++) {
        const char *name = want.tensors[i].name, *saved_as = name;
        if (!hone_safetensors_find(&got, name)) {
            saved_as = own_name(fixture, name);
            tied++;
        }
        assert_non_null(hone_safetensors_find(&got, saved_as));
        int64_t n, m;
        float *a = fixture_f32(&want, name, &n), *b = fixture_f32(&got, saved_as, &m);
        assert_int_equal(n, m);
        test_same_bits(name, b, a, (size_t)n * sizeof *a);
        hone_free(a);
        hone_free(b);
    }
    assert_int_equal(got.n, want.n - tied);
    hone_safetensors_close(&want);
    hone_safetensors_close(&got);
    json_t *before, *after;
    TEST_OK(hone_json_read(&before, tiny_path(fixture->folder, "config.json"), HONE_JSON_CONFIG_LIMIT));
    TEST_OK(hone_json_read(&after, tiny_path(saved, "config.json"), HONE_JSON_CONFIG_LIMIT));
    assert_true(json_equal(json_object_get(after, "architectures"), json_object_get(before, "architectures")));
    json_decref(before);
    json_decref(after);
}

static void what_goes_in_comes_out(void **state) {
    (void)state;
    for (int i = 0; i < N_FIXTURES; i++) {
        struct tiny_model model;
        read_model(&model, fixtures[i].folder);
        check_round_trip(&fixtures[i], write_model(&model, "whole"));
        for (size_t k = 0; k < model.n; k++) {
            char *name = model.tensors[k].name;
            size_t n = strlen(fixtures[i].prefix);
            if (strncmp(name, fixtures[i].prefix, n) == 0) memmove(name, name + n, strlen(name + n) + 1);
        }
        check_round_trip(&fixtures[i], write_model(&model, "bare"));
        tiny_free(&model);
    }
}

static void add_copy(struct tiny_model *model, const char *name, const char *of) {
    struct tiny_tensor source = *tiny_find(model, of);
    tiny_add(model, name, source.shape[0], source.n_dims == 2 ? source.shape[1] : 0, 0, 1);
    int64_t n = source.shape[0] * (source.n_dims == 2 ? source.shape[1] : 1);
    memcpy(tiny_find(model, name)->values, source.values, (size_t)n * sizeof(float));
}

static void tied_weights_have_two_names(void **state) {
    (void)state;
    for (int i = 0; i < N_FIXTURES; i++) {
        const struct fixture *fixture = &fixtures[i];
        for (int k = 0; k < 2 && fixture->ties[k][0]; k++) {
            const char *alias = fixture->ties[k][0], *own = fixture->ties[k][1];
            struct hone_model_folder opened;
            struct tiny_model model;
            read_model(&model, fixture->folder);
            add_copy(&model, alias, own);
            check_round_trip(fixture, write_model(&model, "both"));
            tiny_find(&model, alias)->values[3] += 0.5f;
            const char *parted = write_model(&model, "parted");
            test_expect_status(open_model(&opened, parted, fixture->head), HONE_BAD_INPUT,
                               "are one parameter but hold different values");
            assert_non_null(strstr(hone_error_message(), alias));
            /* Without the head there is nothing to be tied. */
            TEST_OK(open_model(&opened, parted, HONE_HEAD_TOKEN_CLASSIFICATION));
            hone_model_folder_close(&opened);
            tiny_find(&model, alias)->values[3] = tiny_find(&model, own)->values[3];
            tiny_remove(&model, own);
            check_round_trip(fixture, write_model(&model, "alias"));
            json_object_set_new(model.config, "tie_word_embeddings", json_false());
            test_expect_status(open_model(&opened, write_model(&model, "untied"), fixture->head), HONE_BAD_INPUT,
                               "tie_word_embeddings is false");
            tiny_free(&model);
        }
    }
}

static void a_masked_lm_has_no_labels(void **state) {
    (void)state;
    struct hone_model_folder opened;
    struct tiny_model model;
    read_model(&model, BERT "roberta_masked");
    TEST_OK(open_model(&opened, write_model(&model, "masked"), HONE_HEAD_MASKED_LM));
    assert_int_equal(opened.labels.n, 0);
    assert_int_equal(opened.model->n_labels, opened.model->vocabulary);
    hone_model_folder_close(&opened);
    tiny_free(&model);
}

/* From nothing, the same seed gives the same weights, and no tensor of the file is looked at. */
static void from_nothing(void **state) {
    (void)state;
    struct tiny_model model;
    read_model(&model, BERT "roberta_masked");
    const char *folder = write_model(&model, "nothing");
    tiny_file(folder, "model.safetensors", "no tensors");
    struct hone_model_folder_options options = {
        .head = HONE_HEAD_MASKED_LM, .training = true, .from_nothing = true, .seed = 3};
    TEST_OK(hone_device_open(&options.device, "cpu"));
    struct hone_model_folder opened;
    float first[2][20];
    for (int k = 0; k < 2; k++) {
        TEST_OK(hone_model_folder_open(&opened, folder, options));
        const struct hone_parameters *parameters = opened.model->parameters;
        int32_t word = hone_parameters_find(parameters, "roberta.embeddings.word_embeddings.weight");
        memcpy(first[k], hone_parameters_weights(parameters) + hone_parameters_get(parameters, word)->offset,
               sizeof first[k]);
        assert_true(first[k][0] != 0 && fabsf(first[k][0]) < 0.2f); /* initializer_range is 0.02 */
        hone_model_folder_close(&opened);
    }
    assert_memory_equal(first[0], first[1], sizeof first[0]);
    tiny_free(&model);
}

static enum hone_status create(const char *name, const char *key, json_t *value, struct hone_model **model) {
    struct hone_device *device;
    json_t *config;
    TEST_OK(hone_device_open(&device, "cpu"));
    TEST_OK(hone_json_read(&config, tiny_path(tiny_path(BERT, name), "config.json"), HONE_JSON_CONFIG_LIMIT));
    json_object_set_new(config, key, value);
    enum hone_status status = hone_model_create(model, config, "config.json", HONE_HEAD_MASKED_LM, 0, device);
    json_decref(config);
    return status;
}

static void configurations(void **state) {
    (void)state;
    struct hone_model *model;
    TEST_OK(create("roberta_masked", "pad_token_id", json_integer(0), &model));
    assert_int_equal(model->max_positions, 40);
    hone_model_free(model);
    TEST_OK(create("roberta_masked", "pad_token_id", json_integer(3), &model));
    assert_int_equal(model->max_positions, 37);
    hone_model_free(model);
    test_expect_status(create("roberta_masked", "pad_token_id", json_integer(40), &model), HONE_BAD_INPUT,
                       "positions begin at 41");
    test_expect_status(create("roberta_masked", "pad_token_id", json_integer(-1), &model), HONE_BAD_INPUT,
                       "pad_token_id");
    test_expect_status(create("distilbert_masked", "sinusoidal_pos_embds", json_true(), &model), HONE_BAD_INPUT,
                       "only learned positions");
    test_expect_status(create("distilbert_masked", "n_heads", json_integer(4), &model), HONE_BAD_INPUT,
                       "dim 21 is not a multiple of n_heads 4");
    TEST_OK(create("distilbert_masked", "type_vocab_size", json_integer(5), &model));
    assert_int_equal(model->n_types, 0);
    hone_model_free(model);
}

/* Logits of every token with real weights, by ids; their LM head's bias and output matrix are all used. */
static void check_real_weights(const struct fixture *fixture) {
    const char *name = fixture->folder + strlen("../shared/data/models/");
    struct rig rig;
    struct hone_model *model;
    struct hone_safetensors weights, expected;
    json_t *config;
    rig_open(&rig);
    TEST_OK(hone_json_read(&config, tiny_path(fixture->folder, "config.json"), HONE_JSON_CONFIG_LIMIT));
    TEST_OK(hone_model_create(&model, config, fixture->folder, fixture->head, 0, rig.device));
    json_decref(config);
    TEST_OK(hone_parameters_allocate(model->parameters, false));
    TEST_OK(hone_safetensors_open(&weights, fixture->folder));
    for (int32_t id = 0; id < hone_parameters_count(model->parameters); id++) {
        float *values = fixture_f32(&weights, hone_parameters_get(model->parameters, id)->name, NULL);
        TEST_OK(hone_parameters_write(model->parameters, id, values));
        hone_free(values);
    }
    hone_safetensors_close(&weights);
    char *path = hone_format(BERT "%s.safetensors", name);
    TEST_OK(hone_safetensors_open(&expected, path));
    hone_free(path);
    int64_t T, B;
    int32_t *ids = fixture_i32(&expected, "ids", &T), *lengths = fixture_i32(&expected, "lengths", &B);
    int32_t positions[512], cu_seqlens[8] = {0}, types[512] = {0};
    assert_true(T <= 512 && B < 8);
    for (int64_t b = 0; b < B; b++) {
        cu_seqlens[b + 1] = cu_seqlens[b] + lengths[b];
        for (int32_t p = 0; p < lengths[b]; p++) positions[cu_seqlens[b] + p] = p;
    }
    size_t tokens = (size_t)T * sizeof(int32_t);
    struct hone_model_inputs in = {.T = T, .B = B, .R = T, .max_len = model->max_positions};
    in.ids = rig_upload(&rig, ids, tokens);
    in.types = rig_upload(&rig, types, tokens);
    in.positions = rig_upload(&rig, positions, tokens);
    in.cu_seqlens = rig_upload(&rig, cu_seqlens, (size_t)(B + 1) * sizeof(int32_t));
    in.cu_rows = in.cu_seqlens;
    hone_tape_free(rig.tape);
    hone_parameters_free(rig.parameters);
    rig.parameters = model->parameters;
    rig.tape = hone_tape_create(rig.device, rig.parameters);
    hone_tape_begin(rig.tape, HONE_INFERENCE);
    hone_value logits = model->class->forward(model, rig.tape, &in);
    hone_tape_keep(rig.tape, logits);
    rig_run(&rig, NULL, NULL);
    int64_t n;
    float *got = rig_value(&rig, logits);
    double *want = fixture_f64(&expected, "logits", &n);
    assert_int_equal(n, T * model->n_labels);
    test_close(name, got, want, n, 0, 2e-5); /* as test_bert.c's */
    hone_free(got);
    hone_free(want);
    hone_free(ids);
    hone_free(lengths);
    hone_safetensors_close(&expected);
    rig.parameters = NULL;
    rig_close(&rig);
    hone_model_free(model);
}

static void real_weights(void **state) {
    (void)state;
    if (!hone_folder_exists(sapiens[0].folder)) skip();
    for (int i = 0; i < 2; i++) {
        struct tiny_model model;
        check_real_weights(&sapiens[i]);
        read_model(&model, sapiens[i].folder);
        check_round_trip(&sapiens[i], write_model(&model, "sapiens"));
        tiny_free(&model);
    }
}

int main(void) {
    tiny_in_memory();
    hone_log_set_level(HONE_LOG_QUIET);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_goes_in_comes_out),
        cmocka_unit_test(tied_weights_have_two_names),
        cmocka_unit_test(a_masked_lm_has_no_labels),
        cmocka_unit_test(from_nothing),
        cmocka_unit_test(configurations),
        cmocka_unit_test(real_weights),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
