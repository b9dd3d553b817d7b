/* BERT (Devlin et al. 2018, arXiv 1810.04805) as Transformers' modeling_bert.py has it: post-layer-norm encoder,
 * learned absolute positions, tanh pooler over the first token. The last layer computes keys and values of every token
 * and all the rest only of the rows that the head reads. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/utf8.h"
#include "models/classes.h"

/* Ids of the first of each weight and bias, LayerNorm gamma and beta; the others follow them. */
struct bert_layer {
    int32_t qkv_weight, qkv_bias; /* three each, joined */
    int32_t attention_weight, attention_bias, attention_gamma, attention_beta;
    int32_t inner_weight, inner_bias, output_weight, output_bias, output_gamma, output_beta;
};

struct bert {
    int64_t C, H, L, F;
    enum hone_activation activation;
    float eps;
    double hidden_dropout, attention_dropout, classifier_dropout;
    float init_std;
    struct bert_layer *layers; /* [L] */
    int32_t word, position, type, gamma, beta;
    int32_t pooler_weight, pooler_bias, classifier_weight, classifier_bias;
};

/* Dropout sites: embeddings, then three a layer, then the classifier. */
enum { SITE_EMBEDDINGS = 0, SITE_LAYERS = 1, SITES_PER_LAYER = 3 };
enum { SITE_ATTENTION, SITE_ATTENTION_OUTPUT, SITE_OUTPUT };

/* Configuration. */

static enum hone_status refuse(const char *path, const char *key, const char *found, const char *expected) {
    char *shown = hone_escape(found, strlen(found));
    enum hone_status status = hone_fail(HONE_BAD_INPUT, "%s: %s is \"%s\", expected %s", path, key, shown, expected);
    hone_free(shown);
    return status;
}

static enum hone_status read_activation(enum hone_activation *out, const json_t *config, const char *path) {
    static const struct {
        const char *name;
        enum hone_activation kind;
    } known[] = {{"gelu", HONE_GELU_ERF},
                 {"gelu_new", HONE_GELU_TANH},
                 {"gelu_pytorch_tanh", HONE_GELU_TANH},
                 {"relu", HONE_RELU}};
    const char *name;
    HONE_TRY(hone_json_string(&name, config, "hidden_act", "gelu", path));
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (strcmp(name, known[i].name) == 0) {
            *out = known[i].kind;
            return HONE_OK;
        }
    }
    return refuse(path, "hidden_act", name, "gelu, gelu_new, gelu_pytorch_tanh or relu");
}

static enum hone_status refuse_unsupported(const json_t *config, const char *path) {
    const char *positions;
    HONE_TRY(hone_json_string(&positions, config, "position_embedding_type", "absolute", path));
    if (strcmp(positions, "absolute") != 0) return refuse(path, "position_embedding_type", positions, "absolute");
    static const char *const flags[] = {"is_decoder", "add_cross_attention"};
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++) {
        bool set;
        HONE_TRY(hone_json_bool(&set, config, flags[i], false, path));
        if (set) {
            return hone_fail(HONE_BAD_INPUT, "%s: %s is true, expected false: only BERT as an encoder is supported",
                             path, flags[i]);
        }
    }
    return HONE_OK;
}

/* Bounds are far above any model and keep every product of two sizes within int64_t. A row key leaves 2^20 places for a
 * position. */
static enum hone_status read_config(struct hone_model *model, struct bert *b, const json_t *config, const char *path) {
    HONE_TRY(refuse_unsupported(config, path));
    HONE_TRY(read_activation(&b->activation, config, path));
    HONE_TRY(hone_json_int(&model->vocabulary, config, "vocab_size", 30522, 1, 1 << 28, path));
    HONE_TRY(hone_json_int(&b->C, config, "hidden_size", 768, 1, 1 << 20, path));
    HONE_TRY(hone_json_int(&b->L, config, "num_hidden_layers", 12, 1, 1 << 10, path));
    HONE_TRY(hone_json_int(&b->H, config, "num_attention_heads", 12, 1, 1 << 11, path));
    HONE_TRY(hone_json_int(&b->F, config, "intermediate_size", 3072, 1, 1 << 22, path));
    HONE_TRY(hone_json_int(&model->max_positions, config, "max_position_embeddings", 512, 1, 1 << 20, path));
    HONE_TRY(hone_json_int(&model->n_types, config, "type_vocab_size", 2, 1, 1 << 20, path));
    if (b->C % b->H != 0) {
        return hone_fail(HONE_BAD_INPUT, "%s: hidden_size %lld is not a multiple of num_attention_heads %lld", path,
                         (long long)b->C, (long long)b->H);
    }
    double eps, init_std, below_one = nextafter(1, 0);
    HONE_TRY(hone_json_number(&eps, config, "layer_norm_eps", 1e-12, 0, 1, path));
    HONE_TRY(hone_json_number(&init_std, config, "initializer_range", 0.02, 0, 1e3, path));
    HONE_TRY(hone_json_number(&b->hidden_dropout, config, "hidden_dropout_prob", 0.1, 0, below_one, path));
    HONE_TRY(hone_json_number(&b->attention_dropout, config, "attention_probs_dropout_prob", 0.1, 0, below_one, path));
    HONE_TRY(
        hone_json_number(&b->classifier_dropout, config, "classifier_dropout", b->hidden_dropout, 0, below_one, path));
    b->eps = (float)eps;
    b->init_std = (float)init_std;
    return HONE_OK;
}

/* Parameters, in the order in which backward finishes them. */

static int32_t add_matrix(struct hone_model *model, int layer, int64_t rows, int64_t cols, bool joined,
                          const char *name) {
    const struct bert *b = model->details;
    return hone_parameters_add(model->parameters,
                               (struct hone_parameter){.name = (char *)(uintptr_t)name,
                                                       .shape = {rows, cols},
                                                       .layer = layer,
                                                       .decay = true,
                                                       .init = HONE_INIT_NORMAL,
                                                       .init_std = b->init_std},
                               joined);
}

static int32_t add_vector(struct hone_model *model, int layer, int64_t n, enum hone_init init, bool joined,
                          const char *name) {
    return hone_parameters_add(
        model->parameters,
        (struct hone_parameter){.name = (char *)(uintptr_t)name, .shape = {n, 0}, .layer = layer, .init = init},
        joined);
}

/* "<module>.weight" and "<module>.bias"; returns the weight's id, the bias' is the next. */
static int32_t add_dense(struct hone_model *model, int layer, int64_t N, int64_t K, const char *module) {
    char name[128];
    snprintf(name, sizeof name, "%s.weight", module);
    int32_t weight = add_matrix(model, layer, N, K, false, name);
    snprintf(name, sizeof name, "%s.bias", module);
    add_vector(model, layer, N, HONE_INIT_ZERO, false, name);
    return weight;
}

static int32_t add_layer_norm(struct hone_model *model, int layer, int64_t C, const char *module) {
    char name[128];
    snprintf(name, sizeof name, "%s.LayerNorm.weight", module);
    int32_t gamma = add_vector(model, layer, C, HONE_INIT_ONE, false, name);
    snprintf(name, sizeof name, "%s.LayerNorm.bias", module);
    add_vector(model, layer, C, HONE_INIT_ZERO, false, name);
    return gamma;
}

static void add_layer(struct hone_model *model, int i) {
    static const char *const parts[] = {"query", "key", "value"};
    const struct bert *b = model->details;
    struct bert_layer *layer = &b->layers[i];
    int64_t C = b->C;
    char module[96];
    snprintf(module, sizeof module, "bert.encoder.layer.%d.output", i);
    layer->output_gamma = add_layer_norm(model, i + 1, C, module);
    snprintf(module, sizeof module, "bert.encoder.layer.%d.output.dense", i);
    layer->output_weight = add_dense(model, i + 1, C, b->F, module);
    snprintf(module, sizeof module, "bert.encoder.layer.%d.intermediate.dense", i);
    layer->inner_weight = add_dense(model, i + 1, b->F, C, module);
    snprintf(module, sizeof module, "bert.encoder.layer.%d.attention.output", i);
    layer->attention_gamma = add_layer_norm(model, i + 1, C, module);
    snprintf(module, sizeof module, "bert.encoder.layer.%d.attention.output.dense", i);
    layer->attention_weight = add_dense(model, i + 1, C, C, module);
    for (int k = 0; k < 3; k++) {
        snprintf(module, sizeof module, "bert.encoder.layer.%d.attention.self.%s.weight", i, parts[k]);
        int32_t id = add_matrix(model, i + 1, C, C, k > 0, module);
        if (k == 0) layer->qkv_weight = id;
    }
    for (int k = 0; k < 3; k++) {
        snprintf(module, sizeof module, "bert.encoder.layer.%d.attention.self.%s.bias", i, parts[k]);
        int32_t id = add_vector(model, i + 1, C, HONE_INIT_ZERO, k > 0, module);
        if (k == 0) layer->qkv_bias = id;
    }
    layer->output_beta = layer->output_gamma + 1;
    layer->output_bias = layer->output_weight + 1;
    layer->inner_bias = layer->inner_weight + 1;
    layer->attention_beta = layer->attention_gamma + 1;
    layer->attention_bias = layer->attention_weight + 1;
}

static void add_parameters(struct hone_model *model) {
    struct bert *b = model->details;
    int head = (int)b->L + 1;
    if (model->head == HONE_HEAD_SEQUENCE_CLASSIFICATION) {
        b->classifier_weight = add_dense(model, head, model->n_labels, b->C, "classifier");
        b->classifier_bias = b->classifier_weight + 1;
        b->pooler_weight = add_dense(model, head, b->C, b->C, "bert.pooler.dense");
        b->pooler_bias = b->pooler_weight + 1;
    }
    for (int i = (int)b->L - 1; i >= 0; i--) add_layer(model, i);
    b->gamma = add_layer_norm(model, 0, b->C, "bert.embeddings");
    b->beta = b->gamma + 1;
    b->word = add_matrix(model, 0, model->vocabulary, b->C, false, "bert.embeddings.word_embeddings.weight");
    b->position = add_matrix(model, 0, model->max_positions, b->C, false, "bert.embeddings.position_embeddings.weight");
    b->type = add_matrix(model, 0, model->n_types, b->C, false, "bert.embeddings.token_type_embeddings.weight");
}

static void count_flops(struct hone_model *model) {
    const struct bert *b = model->details;
    double C = (double)b->C, F = (double)b->F, full = (double)(b->L - 1);
    model->flops_per_token = full * (8 * C * C + 4 * C * F) + 4 * C * C;
    model->flops_per_token_length = full * 4 * C;
    model->flops_per_row = 4 * C * C + 4 * C * F;
    if (model->head == HONE_HEAD_SEQUENCE_CLASSIFICATION) {
        model->flops_per_row += 2 * C * C + 2 * C * (double)model->n_labels;
    }
}

static enum hone_status configure(struct hone_model *model, const json_t *config, const char *path) {
    struct bert *b = hone_calloc(1, sizeof *b, "BERT");
    model->details = b;
    HONE_TRY(read_config(model, b, config, path));
    model->n_layers = b->L;
    model->hidden = b->C;
    b->layers = hone_calloc((size_t)b->L, sizeof *b->layers, "BERT layers");
    add_parameters(model);
    count_flops(model);
    return HONE_OK;
}

static void free_details(void *details) {
    struct bert *b = details;
    hone_free(b->layers);
    hone_free(b);
}

/* The forward pass. */

static struct hone_dropout_site dropout_at(const struct hone_model_inputs *in, double p, uint32_t site, bool pruned) {
    return (struct hone_dropout_site){
        .p = p, .site = site, .step = in->step, .row_key = in->row_key, .rows = pruned ? in->rows : NULL};
}

/* Self-attention of x; with `pruned` only for the rows that the head reads, which are then gathered into *residual. */
static hone_value attend(const struct bert *b, const struct bert_layer *layer, struct hone_tape *tape, hone_value x,
                         hone_value *residual, const struct hone_model_inputs *in, uint32_t site, bool pruned) {
    int64_t C = b->C, D = C / b->H;
    struct hone_attention shape = {.cu_q = pruned ? in->cu_rows : in->cu_seqlens,
                                   .cu_k = in->cu_seqlens,
                                   .row_of_q = pruned ? in->rows : NULL,
                                   .B = in->B,
                                   .R = pruned ? in->R : in->T,
                                   .T = in->T,
                                   .max_len = in->max_len,
                                   .H = b->H,
                                   .D = D,
                                   .scale = (float)(1 / sqrt((double)D))};
    struct hone_dropout_site drop = dropout_at(in, b->attention_dropout, site + SITE_ATTENTION, pruned);
    *residual = x;
    if (!pruned) {
        hone_value qkv = hone_linear(tape, x, layer->qkv_weight, layer->qkv_bias, 3);
        return hone_attend(tape, qkv, 0, qkv, C, 2 * C, shape, drop);
    }
    /* The gather stands first so that in backward it comes last and adds to a gradient that is already there. */
    *residual = hone_gather_rows(tape, x, in->rows, in->R);
    hone_value q = hone_linear(tape, *residual, layer->qkv_weight, layer->qkv_bias, 1);
    hone_value kv = hone_linear(tape, x, layer->qkv_weight + 1, layer->qkv_bias + 1, 2);
    return hone_attend(tape, q, 0, kv, 0, C, shape, drop);
}

static hone_value record_layer(const struct bert *b, int i, struct hone_tape *tape, hone_value x,
                               const struct hone_model_inputs *in) {
    const struct bert_layer *layer = &b->layers[i];
    bool pruned = i == b->L - 1 && in->rows;
    uint32_t site = SITE_LAYERS + SITES_PER_LAYER * (uint32_t)i;
    struct hone_dropout_site after_attention = dropout_at(in, b->hidden_dropout, site + SITE_ATTENTION_OUTPUT, pruned);
    struct hone_dropout_site after_output = dropout_at(in, b->hidden_dropout, site + SITE_OUTPUT, pruned);
    hone_value residual;
    hone_value y = attend(b, layer, tape, x, &residual, in, site, pruned);
    y = hone_linear(tape, y, layer->attention_weight, layer->attention_bias, 1);
    x = hone_residual_layer_norm(tape, residual, y, layer->attention_gamma, layer->attention_beta, b->eps,
                                 after_attention);
    y = hone_linear(tape, x, layer->inner_weight, layer->inner_bias, 1);
    y = hone_activate(tape, y, b->activation);
    y = hone_linear(tape, y, layer->output_weight, layer->output_bias, 1);
    return hone_residual_layer_norm(tape, x, y, layer->output_gamma, layer->output_beta, b->eps, after_output);
}

static hone_value forward(const struct hone_model *model, struct hone_tape *tape, const struct hone_model_inputs *in) {
    const struct bert *b = model->details;
    HONE_CHECK(in->rows || in->R == in->T, "%lld rows of %lld tokens, and none named", (long long)in->R,
               (long long)in->T);
    HONE_CHECK(in->max_len <= model->max_positions, "a sequence of %lld tokens in a model of %lld positions",
               (long long)in->max_len, (long long)model->max_positions);
    hone_value x = hone_embedding(tape, in->T, b->word, in->ids, b->position, in->positions, b->type, in->types);
    x = hone_residual_layer_norm(tape, x, -1, b->gamma, b->beta, b->eps, (struct hone_dropout_site){0});
    x = hone_dropout_rows(tape, x, dropout_at(in, b->hidden_dropout, SITE_EMBEDDINGS, false));
    for (int i = 0; i < b->L; i++) x = record_layer(b, i, tape, x, in);
    if (model->head == HONE_HEAD_NONE) return x;
    x = hone_linear(tape, x, b->pooler_weight, b->pooler_bias, 1);
    x = hone_activate(tape, x, HONE_TANH);
    uint32_t site = SITE_LAYERS + SITES_PER_LAYER * (uint32_t)b->L;
    x = hone_dropout_rows(tape, x, dropout_at(in, b->classifier_dropout, site, in->rows != NULL));
    return hone_linear(tape, x, b->classifier_weight, b->classifier_bias, 1);
}

/* Names. */

static const char *architecture(enum hone_head head) {
    return head == HONE_HEAD_SEQUENCE_CLASSIFICATION ? "BertForSequenceClassification" : "BertModel";
}

static bool ends_with(const char *name, size_t n, const char *end) {
    size_t m = strlen(end);
    return n >= m && memcmp(name + n - m, end, m) == 0;
}

/* Files from before 2019 name LayerNorm's parameters as TensorFlow did. */
static const char *rename_tensor(char text[512], const char *name) {
    static const char *const old[] = {"LayerNorm.gamma", "LayerNorm.beta"}, *const new[] = {"weight", "bias"};
    size_t n = strlen(name);
    if (ends_with(name, n, "embeddings.position_ids")) return NULL;
    for (int i = 0; i < 2; i++) {
        if (!ends_with(name, n, old[i]) || n + 8 > 512) continue;
        size_t kept = n - strlen(old[i]) + strlen("LayerNorm.");
        snprintf(text, 512, "%.*s%s", (int)kept, name, new[i]);
        return text;
    }
    return name;
}

const struct hone_model_class hone_bert_class = {
    .model_type = "bert",
    .base_prefix = "bert.",
    .tokenizer_class = "BertTokenizer",
    .configure = configure,
    .forward = forward,
    .architecture = architecture,
    .rename = rename_tensor,
    .free_details = free_details,
};
