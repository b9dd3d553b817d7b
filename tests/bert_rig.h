/* The models of tests/fixtures/bert (tests/reference/make_reference.py) for tests that run them: opened with their
 * weights, batches of the fixtures' sequences, outputs and gradients. */
#ifndef HONE_TESTS_BERT_RIG_H
#define HONE_TESTS_BERT_RIG_H

#include "base/json.h"
#include "models/model.h"
#include "tests/graph.h"

static const struct fixture {
    const char *name;
    enum hone_head head;
} models[] = {{"gelu", HONE_HEAD_SEQUENCE_CLASSIFICATION},
              {"gelu_new", HONE_HEAD_SEQUENCE_CLASSIFICATION},
              {"relu", HONE_HEAD_SEQUENCE_CLASSIFICATION},
              {"bert_tokens", HONE_HEAD_TOKEN_CLASSIFICATION},
              {"bert_masked", HONE_HEAD_MASKED_LM},
              {"roberta_sequences", HONE_HEAD_SEQUENCE_CLASSIFICATION},
              {"roberta_tokens", HONE_HEAD_TOKEN_CLASSIFICATION},
              {"roberta_masked", HONE_HEAD_MASKED_LM},
              {"distilbert_sequences", HONE_HEAD_SEQUENCE_CLASSIFICATION},
              {"distilbert_tokens", HONE_HEAD_TOKEN_CLASSIFICATION},
              {"distilbert_masked", HONE_HEAD_MASKED_LM}};
enum { N_MODELS = sizeof models / sizeof *models, MAX_T = 128, MAX_B = 16 };

struct bert_rig {
    struct rig rig; /* its parameters are the model's */
    struct hone_model *model;
    struct hone_safetensors fixture;
    int64_t n, T, R; /* sequences of the fixture, tokens, and rows that the head reads */
    int32_t lengths[MAX_B], begins[MAX_B + 1];
    int32_t row_begins[MAX_B + 1]; /* of the sequences' rows */
    int32_t *ids, *types, *rows, *labels;
};

/* The model of a fixture in a precision. `dropout` replaces all probabilities. */
static inline void bert_open_in(struct bert_rig *b, enum hone_dtype precision, const char *name, enum hone_head head,
                                double dropout) {
    *b = (struct bert_rig){0};
    char *path = hone_format("tests/fixtures/bert/%s/config.json", name);
    json_t *config;
    TEST_OK(hone_json_read(&config, path, HONE_JSON_CONFIG_LIMIT));
    static const char *const probabilities[] = {"hidden_dropout_prob", "attention_probs_dropout_prob", "dropout",
                                                "attention_dropout", "seq_classif_dropout"};
    for (size_t i = 0; i < sizeof probabilities / sizeof *probabilities; i++) {
        json_object_set_new(config, probabilities[i], json_real(dropout));
    }
    rig_open(&b->rig);
    TEST_OK(hone_model_create(&b->model, config, path, head, 0, b->rig.device));
    json_decref(config);
    hone_free(path);
    hone_tape_free(b->rig.tape);
    hone_parameters_free(b->rig.parameters);
    b->rig.parameters = b->model->parameters;
    b->rig.tape = hone_tape_create(b->rig.device, b->rig.parameters);
    hone_parameters_set_precision(b->rig.parameters, precision);
    TEST_OK(hone_parameters_allocate(b->rig.parameters, true));
    path = hone_format("tests/fixtures/bert/%s/model.safetensors", name);
    struct hone_safetensors weights;
    TEST_OK(hone_safetensors_open(&weights, path));
    for (int32_t id = 0; id < hone_parameters_count(b->rig.parameters); id++) {
        float *values = fixture_f32(&weights, hone_parameters_get(b->rig.parameters, id)->name, NULL);
        TEST_OK(hone_parameters_write(b->rig.parameters, id, values));
        hone_free(values);
    }
    hone_safetensors_close(&weights);
    hone_free(path);
    path = hone_format("tests/fixtures/bert/%s/expected.safetensors", name);
    TEST_OK(hone_safetensors_open(&b->fixture, path));
    hone_free(path);
    int32_t *lengths = fixture_i32(&b->fixture, "lengths", &b->n);
    b->labels = fixture_i32(&b->fixture, "labels", NULL);
    b->rows = fixture_i32(&b->fixture, "rows", &b->R);
    b->ids = fixture_i32(&b->fixture, "ids", &b->T);
    b->types = fixture_i32(&b->fixture, "types", NULL);
    assert_true(b->n <= MAX_B && b->T <= MAX_T);
    for (int64_t i = 0; i < b->n; i++) {
        b->lengths[i] = lengths[i];
        b->begins[i + 1] = b->begins[i] + lengths[i];
        int32_t r = b->row_begins[i];
        while (r < b->R && b->rows[r] < b->begins[i + 1]) r++;
        b->row_begins[i + 1] = r;
    }
    assert_int_equal(b->row_begins[b->n], b->R);
    hone_free(lengths);
}

static inline void bert_open(struct bert_rig *b, const char *name, enum hone_head head, double dropout) {
    bert_open_in(b, HONE_F32, name, head, dropout);
}

static inline void bert_close(struct bert_rig *b) {
    hone_free(b->ids);
    hone_free(b->types);
    hone_free(b->rows);
    hone_free(b->labels);
    hone_safetensors_close(&b->fixture);
    b->rig.parameters = NULL;
    rig_close(&b->rig);
    hone_model_free(b->model);
}

struct packed {
    struct hone_model_inputs in;
    const int32_t *labels;
};

/* A batch of the fixture's sequences named by `which`; `pruned`: the head reads the fixture's rows, else all. */
static inline struct packed pack(struct bert_rig *b, const int *which, int64_t n, bool pruned) {
    int32_t ids[MAX_T], types[MAX_T], positions[MAX_T], cu_seqlens[MAX_B + 1] = {0}, rows[MAX_T];
    int32_t cu_rows[MAX_B + 1] = {0}, labels[MAX_T], max_len = 0, T = 0, R = 0;
    int64_t row_key[MAX_T];
    for (int64_t i = 0; i < n; i++) {
        int s = which[i];
        for (int32_t r = b->row_begins[s]; r < b->row_begins[s + 1]; r++, R++) {
            rows[R] = T + b->rows[r] - b->begins[s];
            labels[R] = b->labels[r];
        }
        cu_rows[i + 1] = R;
        for (int32_t p = 0; p < b->lengths[s]; p++, T++) {
            ids[T] = b->ids[b->begins[s] + p];
            types[T] = b->types[b->begins[s] + p];
            positions[T] = p;
            row_key[T] = ((int64_t)s + 7) * (1 << 20) + p;
        }
        cu_seqlens[i + 1] = T;
        if (b->lengths[s] > max_len) max_len = b->lengths[s];
    }
    size_t tokens = (size_t)T * sizeof(int32_t), sequences = (size_t)n * sizeof(int32_t);
    size_t read = (size_t)R * sizeof(int32_t);
    struct packed packed = {.in = {.T = T, .B = n, .R = pruned ? R : T, .max_len = max_len, .step = b->rig.step}};
    packed.in.ids = rig_upload(&b->rig, ids, tokens);
    packed.in.types = rig_upload(&b->rig, types, tokens);
    packed.in.positions = rig_upload(&b->rig, positions, tokens);
    packed.in.row_key = rig_upload(&b->rig, row_key, 2 * tokens);
    packed.in.cu_seqlens = rig_upload(&b->rig, cu_seqlens, sequences + sizeof(int32_t));
    packed.in.cu_rows = rig_upload(&b->rig, cu_rows, sequences + sizeof(int32_t));
    packed.in.rows = pruned ? rig_upload(&b->rig, rows, read) : NULL;
    packed.labels = rig_upload(&b->rig, labels, read);
    return packed;
}

static inline struct packed pack_all(struct bert_rig *b, bool pruned) {
    int which[MAX_B];
    for (int i = 0; i < b->n; i++) which[i] = i;
    return pack(b, which, b->n, pruned);
}

/* Output of the model's forward pass; owned. */
static inline float *outputs(struct bert_rig *b, const struct packed *p, enum hone_mode mode) {
    hone_tape_begin(b->rig.tape, mode);
    hone_value y = b->model->class->forward(b->model, b->rig.tape, &p->in);
    hone_tape_keep(b->rig.tape, y);
    rig_run(&b->rig, NULL, NULL);
    return rig_value(&b->rig, y);
}

static inline void set_step(struct bert_rig *b) { rig_set_step(&b->rig, (struct hone_step){.seed = 21, .step = 4}); }

/* Adds the gradients of the batch's loss, times scale. */
static inline void differentiate(struct bert_rig *b, const struct packed *p, float scale,
                                 void (*on_gradient)(int32_t, void *), void *user) {
    hone_tape_begin(b->rig.tape, HONE_TRAINING);
    hone_value y = b->model->class->forward(b->model, b->rig.tape, &p->in);
    hone_cross_entropy(b->rig.tape, y, p->labels, NULL, scale, &b->rig.step->loss);
    rig_run(&b->rig, on_gradient, user);
}

static inline float *all_gradients(struct bert_rig *b) {
    size_t n = (size_t)hone_parameters_elements(b->rig.parameters);
    float *values = hone_alloc(n, sizeof *values, "test");
    rig_download(&b->rig, values, hone_parameters_gradients(b->rig.parameters), n * sizeof *values);
    return values;
}

#endif
