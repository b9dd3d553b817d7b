/* A model: reads config.json's fields, names its parameters as the Hub does, builds the forward pass from autograd's
 * ops. A new model is one file, one row of the registry, one fixture. */
#ifndef HONE_MODELS_MODEL_H
#define HONE_MODELS_MODEL_H

#include "autograd/ops.h"
#include "base/json.h"

/* One packed micro-batch in device memory: T real tokens of B sequences, no padding. `rows` are the tokens that the
 * head reads, R of them, ascending, cu_rows[B+1] where each sequence's begin; the last layer computes those alone.
 * rows NULL: the head reads every token, R is T. Which of the two is chosen may change the last bits of a result. */
struct hone_model_inputs {
    int64_t T, B, R, max_len;
    const int32_t *ids, *types, *positions; /* [T]; positions from 0 */
    const int64_t *row_key;                 /* [T] */
    const int32_t *cu_seqlens;              /* [B+1] */
    const int32_t *rows, *cu_rows;          /* [R], [B+1] */
    const struct hone_step *step;
};

enum hone_head {
    HONE_HEAD_NONE,                    /* the last layer's hidden states of the rows */
    HONE_HEAD_SEQUENCE_CLASSIFICATION, /* rows: each sequence's first token */
    HONE_HEAD_TOKEN_CLASSIFICATION,    /* rows: the labelled tokens */
    HONE_HEAD_MASKED_LM,               /* rows: the masked tokens */
    HONE_HEADS
};

/* Another name of a parameter in files: weights that Transformers ties are one parameter here. Saving leaves the alias
 * out, as Transformers does; loading takes either name, and both when their values are the same. */
struct hone_tie {
    const char *alias; /* literal */
    int32_t parameter;
};

struct hone_model_class;

struct hone_model {
    const struct hone_model_class *class;
    struct hone_parameters *parameters; /* owned */
    enum hone_head head;
    int64_t n_labels; /* columns of the head's logits: labels, or the vocabulary of a masked LM */
    struct hone_tie ties[2];
    int n_ties;
    int64_t vocabulary, n_layers, hidden;
    int64_t max_positions; /* tokens of the longest sequence */
    int64_t n_types;       /* 0: the model has no such embedding and types are not looked at */
    /* Forward's floating-point operations with pruned rows, for plans: for each token, for each row that the head
     * reads, and for each token times its sequence's length. Backward is twice as many. */
    double flops_per_token, flops_per_row, flops_per_token_length;
    void *details; /* the class's own, owned */
};

struct hone_model_class {
    const char *model_type;      /* as in config.json */
    const char *base_prefix;     /* "bert." of tensor names; folders may lack it */
    const char *tokenizer_class; /* tokenizer_config.json's, for a folder that lacks it: "BertTokenizer" */
    /* Reads `config` (file name `path` for messages) and adds the parameters; head and n_labels are set before, but
     * n_labels of a masked LM is set here. Values that no Transformers model can have (heads that don't divide, sizes
     * below 1), and those that are not supported, are HONE_BAD_INPUT naming the key. */
    enum hone_status (*configure)(struct hone_model *model, const json_t *config, const char *path);
    /* Records the forward pass up to the head's logits [R, n_labels], or hidden states [R, hidden], and returns them. */
    hone_value (*forward)(const struct hone_model *model, struct hone_tape *tape, const struct hone_model_inputs *in);
    /* Architecture names for config.json, by head: "BertForSequenceClassification". */
    const char *architectures[HONE_HEADS];
    /* Present name for a tensor name of an old file (LayerNorm.gamma), in `text`, or the name itself; NULL for buffers
     * to be ignored (embeddings.position_ids). */
    const char *(*rename)(char text[512], const char *name);
    void (*free_details)(void *details);
    const void *family; /* constants of a class that shares its functions with others */
};

/* Makes a model of the type that config names, parameters recorded but not allocated. An unknown type is
 * HONE_BAD_INPUT listing the known ones. n_labels 0 takes the number from config (id2label, num_labels, else 2). */
enum hone_status hone_model_create(struct hone_model **out, const json_t *config, const char *path, enum hone_head head,
                                   int64_t n_labels, struct hone_device *device);
void hone_model_free(struct hone_model *model);

/* Registry, sorted by model_type; i from 0, NULL past the end. */
const struct hone_model_class *hone_model_class_at(int i);

#endif
