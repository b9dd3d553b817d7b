/* Inside of BERT's family: what a model is made of, and what tells BERT (Devlin et al. 2018, arXiv 1810.04805), RoBERTa
 * (Liu et al. 2019, arXiv 1907.11692) and DistilBERT (Sanh et al. 2019, arXiv 1910.01108) apart: keys of config.json,
 * names of tensors, and the few places where the computation differs, each as in Transformers' modeling_*.py. */
#ifndef HONE_MODELS_BERT_H
#define HONE_MODELS_BERT_H

#include "models/model.h"

struct bert_family {
    /* config.json. NULL: there is no such key and the default holds. */
    struct {
        const char *hidden, *layers, *heads, *inner, *activation;
        const char *hidden_dropout, *attention_dropout;
        const char *sequence_dropout, *token_dropout; /* of the two classifiers; absent or NULL: the hidden one */
        const char *epsilon, *types;
    } keys;
    int64_t vocabulary, n_layers, pad;     /* defaults */
    double sequence_dropout;               /* default; negative: the hidden one */
    bool positions_behind_pad;             /* the first position's row is that of pad_token_id, plus 1 */
    bool attention_without_output_dropout; /* none between attention's output and the residual */
    bool dropout_before_dense;             /* in the sequence classifier, besides the one behind it */
    bool language_model_gelu;              /* the masked LM's head has GELU whatever the body has */
    enum hone_activation dense_activation; /* of the sequence classifier */

    /* Names of modules. Those of a layer follow "<layers>.<i>.". */
    struct {
        const char *embeddings, *layers;
        const char *query, *key, *value, *attention_output, *attention_norm, *inner, *output, *output_norm;
        const char *sequence_dense, *sequence_output, *token_output;
        const char *language_model_dense, *language_model_norm;
        /* The bias as it is saved; and aliases: the weight, which is the word embeddings, and the bias (or NULL). */
        const char *language_model_bias, *decoder_weight, *decoder_bias;
    } names;
};

/* Ids of the first of each weight and bias, LayerNorm gamma and beta; the others follow them. */
struct bert_layer {
    int32_t qkv_weight, qkv_bias; /* three each, joined */
    int32_t attention_weight, attention_gamma, inner_weight, output_weight, output_gamma;
};

struct bert {
    const struct bert_family *family;
    int64_t C, H, L, F;
    int64_t position_rows, first_position;
    enum hone_activation activation;
    float eps;
    double hidden_dropout, attention_dropout, classifier_dropout;
    float init_std;
    struct bert_layer *layers;                     /* [L] */
    int32_t word, position, type, embedding_gamma; /* type -1: none */
    int32_t dense_weight, output_weight;           /* the head's; a masked LM's output is `word` and the next bias */
    int32_t language_model_gamma, language_model_bias;
};

/* Fills `bert` and the model's sizes from config.json. */
enum hone_status hone_bert_read_config(struct hone_model *model, struct bert *bert, const json_t *config,
                                       const char *path);
/* Adds the parameters in the order in which backward finishes them, and the ties; allocates bert->layers. */
void hone_bert_add_parameters(struct hone_model *model, struct bert *bert);
/* Of struct hone_model_class. Files from before 2019 name LayerNorm's parameters as TensorFlow did. */
const char *hone_bert_rename(char text[512], const char *name);

#endif
