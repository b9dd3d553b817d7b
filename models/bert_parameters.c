/* Parameters of BERT's family under the Hub's names, in the order in which backward finishes them. */
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "models/bert.h"

enum { MODULE_BYTES = 96, NAME_BYTES = MODULE_BYTES + 16 };

static int32_t add_matrix(struct hone_model *model, float init_std, int layer, int64_t rows, int64_t cols, bool joined,
                          const char *module) {
    char name[NAME_BYTES];
    snprintf(name, sizeof name, "%s.weight", module);
    return hone_parameters_add(model->parameters,
                               (struct hone_parameter){.name = name,
                                                       .shape = {rows, cols},
                                                       .layer = layer,
                                                       .decay = true,
                                                       .inner = layer >= 1 && layer <= model->n_layers,
                                                       .init = HONE_INIT_NORMAL,
                                                       .init_std = init_std},
                               joined);
}

static int32_t add_vector(struct hone_model *model, int layer, int64_t n, enum hone_init init, bool joined,
                          const char *module, const char *kind) {
    char name[NAME_BYTES];
    snprintf(name, sizeof name, "%s.%s", module, kind);
    return hone_parameters_add(model->parameters,
                               (struct hone_parameter){.name = name, .shape = {n, 0}, .layer = layer, .init = init},
                               joined);
}

/* "<module>.weight" and "<module>.bias"; returns the weight's id, the bias' is the next. */
static int32_t add_dense(struct hone_model *model, float init_std, int layer, int64_t N, int64_t K,
                         const char *module) {
    int32_t weight = add_matrix(model, init_std, layer, N, K, false, module);
    add_vector(model, layer, N, HONE_INIT_ZERO, false, module, "bias");
    return weight;
}

static int32_t add_layer_norm(struct hone_model *model, int layer, int64_t C, const char *module) {
    int32_t gamma = add_vector(model, layer, C, HONE_INIT_ONE, false, module, "weight");
    add_vector(model, layer, C, HONE_INIT_ZERO, false, module, "bias");
    return gamma;
}

static void add_layer(struct hone_model *model, struct bert *b, int i) {
    const struct bert_family *f = b->family;
    const char *const parts[] = {f->names.query, f->names.key, f->names.value};
    struct bert_layer *layer = &b->layers[i];
    int64_t C = b->C;
    char module[MODULE_BYTES];
    int n = snprintf(module, sizeof module, "%s.%d.", f->names.layers, i);
    char *part = module + n;
    size_t room = sizeof module - (size_t)n;
    snprintf(part, room, "%s", f->names.output_norm);
    layer->output_gamma = add_layer_norm(model, i + 1, C, module);
    snprintf(part, room, "%s", f->names.output);
    layer->output_weight = add_dense(model, b->init_std, i + 1, C, b->F, module);
    snprintf(part, room, "%s", f->names.inner);
    layer->inner_weight = add_dense(model, b->init_std, i + 1, b->F, C, module);
    snprintf(part, room, "%s", f->names.attention_norm);
    layer->attention_gamma = add_layer_norm(model, i + 1, C, module);
    snprintf(part, room, "%s", f->names.attention_output);
    layer->attention_weight = add_dense(model, b->init_std, i + 1, C, C, module);
    for (int k = 0; k < 3; k++) {
        snprintf(part, room, "%s", parts[k]);
        int32_t id = add_matrix(model, b->init_std, i + 1, C, C, k > 0, module);
        if (k == 0) layer->qkv_weight = id;
    }
    for (int k = 0; k < 3; k++) {
        snprintf(part, room, "%s", parts[k]);
        int32_t id = add_vector(model, i + 1, C, HONE_INIT_ZERO, k > 0, module, "bias");
        if (k == 0) layer->qkv_bias = id;
    }
}

/* A masked LM's head; its output matrix is the word embeddings, added last of all. */
static void add_language_model(struct hone_model *model, struct bert *b, int head) {
    const struct bert_family *f = b->family;
    b->language_model_bias =
        hone_parameters_add(model->parameters,
                            (struct hone_parameter){.name = (char *)(uintptr_t)f->names.language_model_bias,
                                                    .shape = {model->vocabulary, 0},
                                                    .layer = head,
                                                    .init = HONE_INIT_ZERO},
                            false);
    b->language_model_gamma = add_layer_norm(model, head, b->C, f->names.language_model_norm);
    b->dense_weight = add_dense(model, b->init_std, head, b->C, b->C, f->names.language_model_dense);
}

static void add_head(struct hone_model *model, struct bert *b) {
    const struct bert_family *f = b->family;
    int head = (int)b->L + 1;
    switch (model->head) {
    case HONE_HEAD_SEQUENCE_CLASSIFICATION:
        b->output_weight = add_dense(model, b->init_std, head, model->n_labels, b->C, f->names.sequence_output);
        b->dense_weight = add_dense(model, b->init_std, head, b->C, b->C, f->names.sequence_dense);
        break;
    case HONE_HEAD_TOKEN_CLASSIFICATION:
        b->output_weight = add_dense(model, b->init_std, head, model->n_labels, b->C, f->names.token_output);
        break;
    case HONE_HEAD_MASKED_LM:
        add_language_model(model, b, head);
        break;
    default:
        break;
    }
}

static void add_tie(struct hone_model *model, const char *alias, int32_t parameter) {
    model->ties[model->n_ties++] = (struct hone_tie){.alias = alias, .parameter = parameter};
}

void hone_bert_add_parameters(struct hone_model *model, struct bert *b) {
    const struct bert_family *f = b->family;
    char module[MODULE_BYTES];
    b->layers = hone_calloc((size_t)b->L, sizeof *b->layers, "BERT layers");
    add_head(model, b);
    for (int i = (int)b->L - 1; i >= 0; i--) add_layer(model, b, i);
    snprintf(module, sizeof module, "%s.LayerNorm", f->names.embeddings);
    b->embedding_gamma = add_layer_norm(model, 0, b->C, module);
    snprintf(module, sizeof module, "%s.word_embeddings", f->names.embeddings);
    b->word = add_matrix(model, b->init_std, 0, model->vocabulary, b->C, false, module);
    snprintf(module, sizeof module, "%s.position_embeddings", f->names.embeddings);
    b->position = add_matrix(model, b->init_std, 0, b->position_rows, b->C, false, module);
    snprintf(module, sizeof module, "%s.token_type_embeddings", f->names.embeddings);
    b->type = model->n_types ? add_matrix(model, b->init_std, 0, model->n_types, b->C, false, module) : -1;
    if (model->head != HONE_HEAD_MASKED_LM) return;
    add_tie(model, f->names.decoder_weight, b->word);
    if (f->names.decoder_bias) add_tie(model, f->names.decoder_bias, b->language_model_bias);
}

const char *hone_bert_rename(char text[512], const char *name) {
    static const char *const old[] = {"LayerNorm.gamma", "LayerNorm.beta"}, *const new[] = {"weight", "bias"};
    size_t n = strlen(name);
    if (hone_ends_with(name, "embeddings.position_ids") || hone_ends_with(name, "embeddings.token_type_ids"))
        return NULL;
    for (int i = 0; i < 2; i++) {
        if (!hone_ends_with(name, old[i]) || n + 8 > 512) continue;
        size_t kept = n - strlen(old[i]) + strlen("LayerNorm.");
        snprintf(text, 512, "%.*s%s", (int)kept, name, new[i]);
        return text;
    }
    return name;
}
