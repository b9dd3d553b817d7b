/* BERT, RoBERTa and DistilBERT with each head against Transformers in float64 (tests/reference/make_reference.py):
 * logits, loss, every gradient; and what must not matter: neighbours in a batch, pruning, packing, threads. */
#include <omp.h>

#include "optim/optimizer.h"
#include "tests/bert_rig.h"

/* f32 against f64 through 1 to 3 layers: forward rounds each of a few hundred terms to 6e-8, LayerNorm and softmax pass
 * that on; a gradient tensor meets it twice. */
static const double LOGITS = 2e-5, GRADIENTS = 1e-4;

/* Where a key's bias begins in its name; NULL: another parameter. */
static const char *key_bias(const char *name) {
    const char *found = strstr(name, "key.bias");
    return found ? found : strstr(name, "k_lin.bias");
}

static double *widen(const float *values, int64_t n) {
    double *wide = hone_alloc((size_t)n, sizeof *wide, "test");
    for (int64_t i = 0; i < n; i++) wide[i] = (double)values[i];
    return wide;
}

/* A key's bias moves all scores of a query alike, so its exact gradient is 0: it is held against the query bias'. */
static void check_gradient(struct bert_rig *b, int32_t id) {
    char name[160], query[160];
    const char *parameter = hone_parameters_get(b->rig.parameters, id)->name;
    int64_t n;
    snprintf(name, sizeof name, "grad.%s", parameter);
    double *want = fixture_f64(&b->fixture, name, &n), absolute = 0;
    if (key_bias(name)) {
        snprintf(query, sizeof query, "%.*s%s", (int)(key_bias(name) - name), name,
                 strstr(name, "k_lin") ? "q_lin.bias" : "query.bias");
        double *scale = fixture_f64(&b->fixture, query, &n);
        for (int64_t k = 0; k < n; k++) absolute = fmax(absolute, GRADIENTS * fabs(scale[k]));
        hone_free(scale);
    }
    float *got = rig_gradient(&b->rig, id);
    test_close(name, got, want, n, absolute, GRADIENTS);
    hone_free(got);
    hone_free(want);
}

static void test_parity(void **state) {
    (void)state;
    for (int m = 0; m < N_MODELS; m++) {
        struct bert_rig b;
        bert_open(&b, models[m].name, models[m].head, 0);
        struct packed all = pack_all(&b, true);
        int64_t n;
        double *want = fixture_f64(&b.fixture, "logits", &n);
        assert_int_equal(n, b.R * b.model->n_labels);
        float *trained = outputs(&b, &all, HONE_TRAINING), *inferred = outputs(&b, &all, HONE_INFERENCE);
        test_close(models[m].name, trained, want, n, 0, LOGITS);
        test_same_bits(models[m].name, inferred, trained, (size_t)n * sizeof *trained);
        hone_free(trained);
        hone_free(inferred);
        hone_free(want);
        set_step(&b);
        differentiate(&b, &all, 1 / (float)b.R, NULL, NULL);
        want = fixture_f64(&b.fixture, "loss", NULL);
        float loss = rig_get_step(&b.rig).loss;
        test_close("loss", &loss, want, 1, 0, LOGITS);
        hone_free(want);
        for (int32_t id = 0; id < hone_parameters_count(b.rig.parameters); id++) check_gradient(&b, id);
        bert_close(&b);
    }
}

/* The base model: hidden states of every token, and of the rows alone. */
static void test_hidden_states(void **state) {
    (void)state;
    for (int m = 0; m < N_MODELS; m++) {
        struct bert_rig b;
        bert_open(&b, models[m].name, HONE_HEAD_NONE, 0);
        assert_int_equal(b.model->n_labels, 0);
        assert_int_equal(hone_parameters_find(b.rig.parameters, "bert.pooler.dense.weight"), -1);
        struct packed whole = pack_all(&b, false), pruned = pack_all(&b, true);
        int64_t n, C = b.model->hidden;
        double *want = fixture_f64(&b.fixture, "hidden", &n);
        assert_int_equal(n, b.T * C);
        float *all = outputs(&b, &whole, HONE_INFERENCE), *rows = outputs(&b, &pruned, HONE_INFERENCE);
        test_close("hidden states", all, want, n, 0, LOGITS);
        for (int64_t i = 0; i < b.R; i++) {
            test_close("rows", rows + i * C, want + b.rows[i] * C, C, 0, LOGITS);
            double *unpruned = widen(all + b.rows[i] * C, C);
            test_close("rows of all", rows + i * C, unpruned, C, 0, 1e-6);
            hone_free(unpruned);
        }
        hone_free(all);
        hone_free(rows);
        hone_free(want);
        bert_close(&b);
    }
}

/* Logits of a sequence, alone or in any batch, in training with dropout as well: the same bits. */
static void check_neighbours(const struct fixture *model, enum hone_mode mode, double dropout) {
    static const int batches[][4] = {{2, 0, 1, 3}, {5, 4, 6, 2}, {3, 3, 3, 3}, {6, 1, 0, 4}, {0, 1, 2, 3}};
    struct bert_rig b;
    bert_open(&b, model->name, model->head, dropout);
    size_t row = (size_t)b.model->n_labels * sizeof(float);
    set_step(&b);
    struct packed all = pack_all(&b, true);
    float *together = outputs(&b, &all, mode);
    for (int i = 0; i < b.n; i++) {
        struct packed one = pack(&b, &i, 1, true);
        float *alone = outputs(&b, &one, mode);
        test_same_bits("alone", alone, together + b.row_begins[i] * b.model->n_labels, (size_t)one.in.R * row);
        hone_free(alone);
    }
    for (size_t k = 0; k < sizeof batches / sizeof *batches; k++) {
        struct packed some = pack(&b, batches[k], 4, true);
        float *values = outputs(&b, &some, mode), *at = values;
        for (int i = 0; i < 4; i++) {
            const int32_t *rows = &b.row_begins[batches[k][i]];
            test_same_bits("some", at, together + rows[0] * b.model->n_labels, (size_t)(rows[1] - rows[0]) * row);
            at += (rows[1] - rows[0]) * b.model->n_labels;
        }
        hone_free(values);
    }
    hone_free(together);
    bert_close(&b);
}

static void test_neighbours(void **state) {
    (void)state;
    for (int m = 0; m < N_MODELS; m++) {
        check_neighbours(&models[m], HONE_INFERENCE, 0);
        check_neighbours(&models[m], HONE_TRAINING, 0.3);
    }
}

/* With dropout, computing the last layer for all tokens and for the rows alone drops the same elements. */
static void test_pruned_dropout(void **state) {
    (void)state;
    for (int m = 0; m < N_MODELS; m++) {
        struct bert_rig b;
        bert_open(&b, models[m].name, models[m].head, 0.3);
        int64_t V = b.model->n_labels;
        struct packed whole = pack_all(&b, false), pruned = pack_all(&b, true);
        set_step(&b);
        float *all = outputs(&b, &whole, HONE_TRAINING), *rows = outputs(&b, &pruned, HONE_TRAINING);
        float *plain = outputs(&b, &pruned, HONE_INFERENCE);
        double differs = 0;
        for (int64_t i = 0; i < b.R; i++) {
            double *want = widen(all + b.rows[i] * V, V);
            test_close("rows", rows + i * V, want, V, 0, 5e-6);
            differs = fmax(differs, fabs(want[0] - (double)plain[i * V]));
            hone_free(want);
        }
        assert_true(differs > 1e-2);
        hone_free(all);
        hone_free(rows);
        hone_free(plain);
        bert_close(&b);
    }
}

/* Where there is dropout, as in Transformers' modules: embeddings, in each layer attention and two outputs (DistilBERT:
 * one), and before a classifier's output (RoBERTa's sequences: before its dense layer, too). */
static void test_dropout_places(void **state) {
    (void)state;
    static const int places[N_MODELS] = {8, 5, 11, 8, 7, 9, 5, 7, 6, 6, 5};
    for (int m = 0; m < N_MODELS; m++) {
        struct bert_rig b;
        bert_open(&b, models[m].name, models[m].head, 0.3);
        struct packed all = pack_all(&b, true);
        set_step(&b);
        hone_free(outputs(&b, &all, HONE_TRAINING));
        assert_int_equal(b.rig.tape->n_sites, places[m]);
        bert_close(&b);
    }
}

/* Gradients with dropout, packed and one sequence at a time: the same masks, so the same sums up to their order. */
static void check_packing(const struct fixture *model) {
    struct bert_rig b;
    bert_open(&b, model->name, model->head, 0.2);
    struct packed all = pack_all(&b, true);
    set_step(&b);
    differentiate(&b, &all, 1 / (float)b.R, NULL, NULL);
    float *packed = all_gradients(&b);
    rig_clear_gradients(&b.rig);
    for (int i = 0; i < b.n; i++) {
        struct packed one = pack(&b, &i, 1, true);
        differentiate(&b, &one, 1 / (float)b.R, NULL, NULL);
    }
    float *single = all_gradients(&b);
    for (int32_t id = 0; id < hone_parameters_count(b.rig.parameters); id++) {
        const struct hone_parameter *p = hone_parameters_get(b.rig.parameters, id);
        double *want = widen(single + p->offset, p->count);
        test_close(p->name, packed + p->offset, want, p->count, key_bias(p->name) ? 1e-6 : 0, 1e-5);
        hone_free(want);
    }
    hone_free(packed);
    hone_free(single);
    bert_close(&b);
}

static void test_packing_gradients(void **state) {
    (void)state;
    for (int m = 0; m < N_MODELS; m++) check_packing(&models[m]);
}

/* After a backward pass all gradients that are not 0 are marked, and not all are. */
static void check_marks(struct hone_parameters *parameters) {
    const uint8_t *marks = hone_parameters_marks(parameters);
    const float *gradients = hone_parameters_gradients_unmarked(parameters);
    int64_t trained = hone_parameters_trained(parameters), left_out = 0;
    for (int64_t i = 0; i < trained; i++) {
        bool marked = marks[i / HONE_MARKED] & HONE_MARK_GRADIENT;
        assert_true(marked || gradients[i] == 0);
        left_out += !marked;
    }
    assert_true(left_out > 0);
}

/* Weights after three steps of AdamW, with dropout, on this many threads; owned. */
static float *train(int threads, size_t *bytes) {
    static const int batches[3][4] = {{2, 0, 1, 3}, {5, 4, 6, 2}, {6, 1, 0, 4}};
    omp_set_num_threads(threads);
    struct bert_rig b;
    bert_open(&b, "relu", HONE_HEAD_SEQUENCE_CLASSIFICATION, 0.1);
    struct hone_optimizer *optimizer;
    struct hone_optimizer_settings settings = {
        .weight_decay = 0.01, .beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8, .clip_norm = 1};
    TEST_OK(hone_optimizer_create(&optimizer, b.rig.parameters, settings));
    for (uint32_t step = 0; step < 3; step++) {
        struct packed batch = pack(&b, batches[step], 4, true);
        struct hone_step *on_device = hone_optimizer_step_state(optimizer), result;
        batch.in.step = on_device;
        TEST_OK(hone_optimizer_begin(optimizer, 1, step, 1e-3, b.rig.stream));
        hone_tape_begin(b.rig.tape, HONE_TRAINING);
        hone_value y = b.model->class->forward(b.model, b.rig.tape, &batch.in);
        hone_cross_entropy(b.rig.tape, y, batch.labels, NULL, 0.25f, &on_device->loss);
        rig_run(&b.rig, NULL, NULL);
        check_marks(b.rig.parameters);
        TEST_OK(hone_optimizer_apply(optimizer, b.rig.stream));
        TEST_OK(hone_optimizer_result(optimizer, &result, b.rig.stream));
        assert_true(result.finite && result.loss > 0 && result.gradient_norm > 0);
    }
    *bytes = (size_t)hone_parameters_elements(b.rig.parameters) * sizeof(float);
    float *weights = hone_alloc(*bytes, 1, "test");
    rig_download(&b.rig, weights, hone_parameters_weights(b.rig.parameters), *bytes);
    hone_optimizer_free(optimizer);
    bert_close(&b);
    return weights;
}

static void test_threads(void **state) {
    (void)state;
    static const int threads[] = {1, 2, 3, 8};
    size_t bytes;
    float *one = train(1, &bytes);
    for (int i = 0; i < 4; i++) {
        float *weights = train(threads[i], &bytes);
        test_same_bits("weights", weights, one, bytes);
        hone_free(weights);
    }
    hone_free(one);
}

struct order {
    const struct hone_parameters *parameters;
    int n, last_layer;
    bool seen[128];
};

static void note_gradient(int32_t parameter, void *user) {
    struct order *order = user;
    int layer = hone_parameters_get(order->parameters, parameter)->layer;
    assert_false(order->seen[parameter]);
    assert_true(layer <= order->last_layer);
    order->seen[parameter] = true;
    order->last_layer = layer;
    order->n++;
}

/* Records: layers go down as backward does, so a layer's gradients are one range that is complete before the next. */
static void test_parameters(void **state) {
    (void)state;
    struct bert_rig b;
    bert_open(&b, "relu", HONE_HEAD_SEQUENCE_CLASSIFICATION, 0);
    const struct hone_parameters *p = b.rig.parameters;
    int32_t n = hone_parameters_count(p);
    assert_int_equal(n, 4 + 3 * 16 + 5);
    for (int32_t id = 0; id < n; id++) {
        const struct hone_parameter *record = hone_parameters_get(p, id);
        bool norm = strstr(record->name, "LayerNorm") != NULL, bias = strstr(record->name, ".bias") != NULL;
        assert_int_equal(record->decay, !norm && !bias);
        assert_int_equal(record->n_dims, norm || bias ? 1 : 2);
        assert_int_equal(record->init, bias ? HONE_INIT_ZERO : norm ? HONE_INIT_ONE : HONE_INIT_NORMAL);
        if (record->init == HONE_INIT_NORMAL) assert_true(record->init_std == 0.02f);
        if (id > 0) assert_true(record->layer <= hone_parameters_get(p, id - 1)->layer);
        const char *number = strstr(record->name, "layer.");
        int layer = number ? atoi(number + 6) + 1 : strstr(record->name, "embeddings") ? 0 : 4;
        assert_int_equal(record->layer, layer);
    }
    int32_t query = hone_parameters_find(p, "bert.encoder.layer.1.attention.self.query.weight");
    for (int32_t k = 1; k < 3; k++) {
        assert_int_equal(hone_parameters_get(p, query + k)->offset,
                         hone_parameters_get(p, query)->offset + k * 40 * 40);
    }
    struct order order = {.parameters = p, .last_layer = 99};
    struct packed all = pack_all(&b, true);
    differentiate(&b, &all, 1, note_gradient, &order);
    assert_int_equal(order.n, n);
    bert_close(&b);
}

/* Creates a model from the "gelu" configuration with one key replaced (value NULL: removed). */
static enum hone_status create_with(const char *key, json_t *value, enum hone_head head, int64_t *n_labels) {
    struct hone_device *device;
    struct hone_model *model = NULL;
    json_t *config;
    TEST_OK(hone_device_open(&device, "cpu"));
    TEST_OK(hone_json_read(&config, "tests/fixtures/bert/gelu/config.json", HONE_JSON_CONFIG_LIMIT));
    if (value) {
        json_object_set_new(config, key, value);
    } else {
        json_object_del(config, key);
    }
    enum hone_status status = hone_model_create(&model, config, "the/config.json", head, *n_labels, device);
    if (status == HONE_OK) *n_labels = model->n_labels;
    if (status != HONE_OK) assert_null(model);
    hone_model_free(model);
    json_decref(config);
    return status;
}

static void expect_refused(const char *key, json_t *value, const char *part) {
    int64_t n_labels = 2;
    test_expect_status(create_with(key, value, HONE_HEAD_SEQUENCE_CLASSIFICATION, &n_labels), HONE_BAD_INPUT, part);
    assert_non_null(strstr(hone_error_message(), "the/config.json"));
}

static void expect_labels(const char *key, json_t *value, int64_t asked, int64_t expected) {
    TEST_OK(create_with(key, value, HONE_HEAD_SEQUENCE_CLASSIFICATION, &asked));
    assert_int_equal(asked, expected);
}

static void test_config(void **state) {
    (void)state;
    expect_refused("model_type", NULL, "no model_type; the models there are: bert, distilbert, roberta");
    expect_refused("model_type", json_string("gpt\n5"), "gpt\\x0a5");
    expect_refused("model_type", json_integer(3), "model_type");
    expect_refused("hidden_act", json_string("silu"), "hidden_act is \"silu\", expected gelu, gelu_new");
    expect_refused("position_embedding_type", json_string("relative_key"), "position_embedding_type");
    expect_refused("is_decoder", json_true(), "is_decoder");
    expect_refused("add_cross_attention", json_true(), "add_cross_attention");
    expect_refused("num_attention_heads", json_integer(5), "hidden_size 24 is not a multiple");
    static const char *const sizes[] = {
        "vocab_size",      "hidden_size",        "num_hidden_layers", "intermediate_size", "max_position_embeddings",
        "type_vocab_size", "num_attention_heads"};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        expect_refused(sizes[i], json_integer(0), sizes[i]);
        expect_refused(sizes[i], json_integer(-3), sizes[i]);
        expect_refused(sizes[i], json_integer(INT64_MAX), sizes[i]);
        expect_refused(sizes[i], json_string("12"), sizes[i]);
    }
    expect_refused("hidden_dropout_prob", json_real(1), "hidden_dropout_prob");
    expect_refused("attention_probs_dropout_prob", json_real(-0.1), "attention_probs_dropout_prob");
    expect_refused("layer_norm_eps", json_string("tiny"), "layer_norm_eps");
    expect_labels("classifier_dropout", json_real(0), 0, 3);
    expect_labels("id2label", json_null(), 0, 2);
    expect_labels("id2label", NULL, 7, 7);
    json_t *labels = json_object();
    for (int i = 0; i < 4; i++) {
        char key[8];
        snprintf(key, sizeof key, "%d", i);
        json_object_set_new(labels, key, json_string("a"));
    }
    expect_labels("id2label", labels, 0, 4);
    int64_t none = 0;
    test_expect_status(create_with("id2label", json_object(), HONE_HEAD_SEQUENCE_CLASSIFICATION, &none), HONE_BAD_INPUT,
                       "id2label");
    expect_labels("hidden_act", json_string("gelu_pytorch_tanh"), 2, 2);
    expect_labels("hidden_act", NULL, 2, 2);
}

static void test_names(void **state) {
    (void)state;
    static const char *const renamed[][2] = {
        {"bert.embeddings.LayerNorm.gamma", "bert.embeddings.LayerNorm.weight"},
        {"encoder.layer.11.output.LayerNorm.beta", "encoder.layer.11.output.LayerNorm.bias"},
        {"bert.pooler.dense.weight", "bert.pooler.dense.weight"},
        {"LayerNorm.gammas", "LayerNorm.gammas"},
        {"", ""},
    };
    char text[512], longest[600];
    const struct hone_model_class *class = hone_model_class_at(0);
    for (size_t i = 0; i < sizeof renamed / sizeof *renamed; i++) {
        assert_string_equal(class->rename(text, renamed[i][0]), renamed[i][1]);
    }
    assert_null(class->rename(text, "bert.embeddings.position_ids"));
    assert_null(class->rename(text, "embeddings.position_ids"));
    memset(longest, 'x', sizeof longest);
    memcpy(longest + sizeof longest - 16, "LayerNorm.gamma", 16);
    assert_ptr_equal(class->rename(text, longest), longest);
    for (int i = 0; hone_model_class_at(i + 1); i++) {
        assert_true(strcmp(hone_model_class_at(i)->model_type, hone_model_class_at(i + 1)->model_type) < 0);
    }
    assert_null(hone_model_class_at(-1));
    for (int i = 0; (class = hone_model_class_at(i)); i++) {
        for (int head = 0; head < HONE_HEADS; head++) assert_non_null(class->architectures[head]);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parity),         cmocka_unit_test(test_hidden_states),
        cmocka_unit_test(test_neighbours),     cmocka_unit_test(test_pruned_dropout),
        cmocka_unit_test(test_dropout_places), cmocka_unit_test(test_packing_gradients),
        cmocka_unit_test(test_threads),        cmocka_unit_test(test_parameters),
        cmocka_unit_test(test_config),         cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
