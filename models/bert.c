/* BERT, RoBERTa and DistilBERT as Transformers' modeling_*.py have them: post-layer-norm encoder, learned absolute
 * positions, heads for sequences, tokens and masked tokens. The last layer computes keys and values of every token and
 * all the rest only of the rows that the head reads. */
#include "models/bert.h"

#include <math.h>

#include "base/memory.h"
#include "models/classes.h"

/* Dropout sites: embeddings, then three a layer, then the head's two. */
enum { SITE_EMBEDDINGS = 0, SITE_LAYERS = 1, SITES_PER_LAYER = 3 };
enum { SITE_ATTENTION, SITE_ATTENTION_OUTPUT, SITE_OUTPUT };

static void count_flops(struct hone_model *model) {
    const struct bert *b = model->details;
    double C = (double)b->C, F = (double)b->F, full = (double)(b->L - 1);
    model->flops_per_token = full * (8 * C * C + 4 * C * F) + 4 * C * C;
    model->flops_per_token_length = full * 4 * C;
    model->flops_per_row = 4 * C * C + 4 * C * F + 2 * C * (double)model->n_labels;
    if (model->head == HONE_HEAD_SEQUENCE_CLASSIFICATION || model->head == HONE_HEAD_MASKED_LM) {
        model->flops_per_row += 2 * C * C;
    }
}

static enum hone_status configure(struct hone_model *model, const json_t *config, const char *path) {
    struct bert *b = hone_calloc(1, sizeof *b, "BERT");
    model->details = b;
    b->family = model->class->family;
    HONE_TRY(hone_bert_read_config(model, b, config, path));
    hone_bert_add_parameters(model, b);
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
    double attention_output_dropout = b->family->attention_without_output_dropout ? 0 : b->hidden_dropout;
    struct hone_dropout_site after_attention =
        dropout_at(in, attention_output_dropout, site + SITE_ATTENTION_OUTPUT, pruned);
    struct hone_dropout_site after_output = dropout_at(in, b->hidden_dropout, site + SITE_OUTPUT, pruned);
    hone_value residual;
    hone_value y = attend(b, layer, tape, x, &residual, in, site, pruned);
    y = hone_linear(tape, y, layer->attention_weight, layer->attention_weight + 1, 1);
    x = hone_residual_layer_norm(tape, residual, y, layer->attention_gamma, layer->attention_gamma + 1, b->eps,
                                 after_attention);
    const int32_t weights[2] = {layer->inner_weight, layer->output_weight};
    const int32_t biases[2] = {layer->inner_weight + 1, layer->output_weight + 1};
    y = hone_feed_forward(tape, x, weights, biases, b->activation);
    return hone_residual_layer_norm(tape, x, y, layer->output_gamma, layer->output_gamma + 1, b->eps, after_output);
}

static hone_value record_head(const struct hone_model *model, struct hone_tape *tape, hone_value x,
                              const struct hone_model_inputs *in) {
    const struct bert *b = model->details;
    const struct bert_family *f = b->family;
    uint32_t site = SITE_LAYERS + SITES_PER_LAYER * (uint32_t)b->L;
    struct hone_dropout_site drop = dropout_at(in, b->classifier_dropout, site, in->rows != NULL);
    switch (model->head) {
    case HONE_HEAD_SEQUENCE_CLASSIFICATION:
        if (f->dropout_before_dense) {
            x = hone_dropout_rows(tape, x, dropout_at(in, b->classifier_dropout, site + 1, in->rows != NULL));
        }
        x = hone_linear(tape, x, b->dense_weight, b->dense_weight + 1, 1);
        x = hone_dropout_rows(tape, hone_activate(tape, x, f->dense_activation), drop);
        return hone_linear(tape, x, b->output_weight, b->output_weight + 1, 1);
    case HONE_HEAD_TOKEN_CLASSIFICATION:
        x = hone_dropout_rows(tape, x, drop);
        return hone_linear(tape, x, b->output_weight, b->output_weight + 1, 1);
    case HONE_HEAD_MASKED_LM:
        x = hone_linear(tape, x, b->dense_weight, b->dense_weight + 1, 1);
        x = hone_activate(tape, x, f->language_model_gelu ? HONE_GELU_ERF : b->activation);
        x = hone_residual_layer_norm(tape, x, -1, b->language_model_gamma, b->language_model_gamma + 1, b->eps,
                                     (struct hone_dropout_site){0});
        return hone_linear(tape, x, b->word, b->language_model_bias, 1);
    default:
        return x;
    }
}

static hone_value forward(const struct hone_model *model, struct hone_tape *tape, const struct hone_model_inputs *in) {
    const struct bert *b = model->details;
    HONE_CHECK(in->rows || in->R == in->T, "%lld rows of %lld tokens, and none named", (long long)in->R,
               (long long)in->T);
    HONE_CHECK(in->max_len <= model->max_positions, "a sequence of %lld tokens in a model of %lld positions",
               (long long)in->max_len, (long long)model->max_positions);
    hone_value x = hone_embedding(tape, in->T, b->word, in->ids, b->position, b->first_position, in->positions, b->type,
                                  in->types);
    x = hone_residual_layer_norm(tape, x, -1, b->embedding_gamma, b->embedding_gamma + 1, b->eps,
                                 (struct hone_dropout_site){0});
    x = hone_dropout_rows(tape, x, dropout_at(in, b->hidden_dropout, SITE_EMBEDDINGS, false));
    for (int i = 0; i < b->L; i++) x = record_layer(b, i, tape, x, in);
    return record_head(model, tape, x, in);
}

/* The families. */

#define BERT_KEYS                                                                                                      \
    {                                                                                                                  \
        .hidden = "hidden_size", .layers = "num_hidden_layers", .heads = "num_attention_heads",                        \
        .inner = "intermediate_size", .activation = "hidden_act", .hidden_dropout = "hidden_dropout_prob",             \
        .attention_dropout = "attention_probs_dropout_prob", .sequence_dropout = "classifier_dropout",                 \
        .token_dropout = "classifier_dropout", .epsilon = "layer_norm_eps", .types = "type_vocab_size"                 \
    }
#define BERT_LAYER                                                                                                     \
    .query = "attention.self.query", .key = "attention.self.key", .value = "attention.self.value",                     \
    .attention_output = "attention.output.dense", .attention_norm = "attention.output.LayerNorm",                      \
    .inner = "intermediate.dense", .output = "output.dense", .output_norm = "output.LayerNorm"

static const struct bert_family bert = {
    .keys = BERT_KEYS,
    .vocabulary = 30522,
    .n_layers = 12,
    .sequence_dropout = -1,
    .dense_activation = HONE_TANH,
    .names = {.embeddings = "bert.embeddings",
              .layers = "bert.encoder.layer",
              BERT_LAYER,
              .sequence_dense = "bert.pooler.dense",
              .sequence_output = "classifier",
              .token_output = "classifier",
              .language_model_dense = "cls.predictions.transform.dense",
              .language_model_norm = "cls.predictions.transform.LayerNorm",
              .language_model_bias = "cls.predictions.bias",
              .decoder_weight = "cls.predictions.decoder.weight",
              .decoder_bias = "cls.predictions.decoder.bias"},
};

static const struct bert_family roberta = {
    .keys = BERT_KEYS,
    .vocabulary = 50265,
    .n_layers = 12,
    .pad = 1,
    .sequence_dropout = -1,
    .positions_behind_pad = true,
    .dropout_before_dense = true,
    .language_model_gelu = true,
    .dense_activation = HONE_TANH,
    .names = {.embeddings = "roberta.embeddings",
              .layers = "roberta.encoder.layer",
              BERT_LAYER,
              .sequence_dense = "classifier.dense",
              .sequence_output = "classifier.out_proj",
              .token_output = "classifier",
              .language_model_dense = "lm_head.dense",
              .language_model_norm = "lm_head.layer_norm",
              .language_model_bias = "lm_head.bias",
              .decoder_weight = "lm_head.decoder.weight",
              .decoder_bias = "lm_head.decoder.bias"},
};

static const struct bert_family distilbert = {
    .keys = {.hidden = "dim",
             .layers = "n_layers",
             .heads = "n_heads",
             .inner = "hidden_dim",
             .activation = "activation",
             .hidden_dropout = "dropout",
             .attention_dropout = "attention_dropout",
             .sequence_dropout = "seq_classif_dropout"},
    .vocabulary = 30522,
    .n_layers = 6,
    .sequence_dropout = 0.2,
    .attention_without_output_dropout = true,
    .dense_activation = HONE_RELU,
    .names = {.embeddings = "distilbert.embeddings",
              .layers = "distilbert.transformer.layer",
              .query = "attention.q_lin",
              .key = "attention.k_lin",
              .value = "attention.v_lin",
              .attention_output = "attention.out_lin",
              .attention_norm = "sa_layer_norm",
              .inner = "ffn.lin1",
              .output = "ffn.lin2",
              .output_norm = "output_layer_norm",
              .sequence_dense = "pre_classifier",
              .sequence_output = "classifier",
              .token_output = "classifier",
              .language_model_dense = "vocab_transform",
              .language_model_norm = "vocab_layer_norm",
              .language_model_bias = "vocab_projector.bias",
              .decoder_weight = "vocab_projector.weight"},
};

const struct hone_model_class hone_bert_class = {
    .model_type = "bert",
    .base_prefix = "bert.",
    .tokenizer_class = "BertTokenizer",
    .configure = configure,
    .forward = forward,
    .architectures = {[HONE_HEAD_NONE] = "BertModel",
                      [HONE_HEAD_SEQUENCE_CLASSIFICATION] = "BertForSequenceClassification",
                      [HONE_HEAD_TOKEN_CLASSIFICATION] = "BertForTokenClassification",
                      [HONE_HEAD_MASKED_LM] = "BertForMaskedLM"},
    .rename = hone_bert_rename,
    .free_details = free_details,
    .family = &bert,
};

const struct hone_model_class hone_distilbert_class = {
    .model_type = "distilbert",
    .base_prefix = "distilbert.",
    .tokenizer_class = "DistilBertTokenizer",
    .configure = configure,
    .forward = forward,
    .architectures = {[HONE_HEAD_NONE] = "DistilBertModel",
                      [HONE_HEAD_SEQUENCE_CLASSIFICATION] = "DistilBertForSequenceClassification",
                      [HONE_HEAD_TOKEN_CLASSIFICATION] = "DistilBertForTokenClassification",
                      [HONE_HEAD_MASKED_LM] = "DistilBertForMaskedLM"},
    .rename = hone_bert_rename,
    .free_details = free_details,
    .family = &distilbert,
};

const struct hone_model_class hone_roberta_class = {
    .model_type = "roberta",
    .base_prefix = "roberta.",
    .tokenizer_class = "RobertaTokenizer",
    .configure = configure,
    .forward = forward,
    .architectures = {[HONE_HEAD_NONE] = "RobertaModel",
                      [HONE_HEAD_SEQUENCE_CLASSIFICATION] = "RobertaForSequenceClassification",
                      [HONE_HEAD_TOKEN_CLASSIFICATION] = "RobertaForTokenClassification",
                      [HONE_HEAD_MASKED_LM] = "RobertaForMaskedLM"},
    .rename = hone_bert_rename,
    .free_details = free_details,
    .family = &roberta,
};
