/* config.json of BERT's family. */
#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "base/utf8.h"
#include "models/bert.h"

static enum hone_status refuse(const char *path, const char *key, const char *found, const char *expected) {
    char *shown = hone_escape(found, strlen(found));
    enum hone_status status = hone_fail(HONE_BAD_INPUT, "%s: %s is \"%s\", expected %s", path, key, shown, expected);
    hone_free(shown);
    return status;
}

static enum hone_status read_activation(enum hone_activation *out, const json_t *config, const char *key,
                                        const char *path) {
    static const struct {
        const char *name;
        enum hone_activation kind;
    } known[] = {{"gelu", HONE_GELU_ERF},
                 {"gelu_new", HONE_GELU_TANH},
                 {"gelu_pytorch_tanh", HONE_GELU_TANH},
                 {"relu", HONE_RELU}};
    const char *name;
    HONE_TRY(hone_json_string(&name, config, key, "gelu", path));
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (strcmp(name, known[i].name) == 0) {
            *out = known[i].kind;
            return HONE_OK;
        }
    }
    return refuse(path, key, name, "gelu, gelu_new, gelu_pytorch_tanh or relu");
}

static enum hone_status refuse_unsupported(const struct hone_model *model, const json_t *config, const char *path) {
    const char *positions;
    HONE_TRY(hone_json_string(&positions, config, "position_embedding_type", "absolute", path));
    if (strcmp(positions, "absolute") != 0) return refuse(path, "position_embedding_type", positions, "absolute");
    static const struct {
        const char *key, *why;
    } flags[] = {{"is_decoder", "only the encoder is supported"},
                 {"add_cross_attention", "only the encoder is supported"},
                 {"sinusoidal_pos_embds", "only learned positions are supported"}};
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++) {
        bool set;
        HONE_TRY(hone_json_bool(&set, config, flags[i].key, false, path));
        if (set) {
            return hone_fail(HONE_BAD_INPUT, "%s: %s is true, expected false: %s", path, flags[i].key, flags[i].why);
        }
    }
    bool tied;
    HONE_TRY(hone_json_bool(&tied, config, "tie_word_embeddings", true, path));
    if (!tied && model->head == HONE_HEAD_MASKED_LM) {
        return hone_fail(HONE_BAD_INPUT,
                         "%s: tie_word_embeddings is false, expected true: a masked LM's output is the word embeddings",
                         path);
    }
    return HONE_OK;
}

/* Bounds are far above any model and keep every product of two sizes within int64_t. A row key leaves 2^20 places for a
 * position. */
static enum hone_status read_sizes(struct hone_model *model, struct bert *b, const json_t *config, const char *path) {
    const struct bert_family *f = b->family;
    HONE_TRY(hone_json_int(&model->vocabulary, config, "vocab_size", f->vocabulary, 1, 1 << 28, path));
    HONE_TRY(hone_json_int(&b->C, config, f->keys.hidden, 768, 1, 1 << 20, path));
    HONE_TRY(hone_json_int(&b->L, config, f->keys.layers, f->n_layers, 1, 1 << 10, path));
    HONE_TRY(hone_json_int(&b->H, config, f->keys.heads, 12, 1, 1 << 11, path));
    HONE_TRY(hone_json_int(&b->F, config, f->keys.inner, 3072, 1, 1 << 22, path));
    HONE_TRY(hone_json_int(&b->position_rows, config, "max_position_embeddings", 512, 1, 1 << 20, path));
    if (f->keys.types) HONE_TRY(hone_json_int(&model->n_types, config, f->keys.types, 2, 1, 1 << 20, path));
    if (b->C % b->H != 0) {
        return hone_fail(HONE_BAD_INPUT, "%s: %s %lld is not a multiple of %s %lld", path, f->keys.hidden,
                         (long long)b->C, f->keys.heads, (long long)b->H);
    }
    if (f->positions_behind_pad) {
        int64_t pad;
        HONE_TRY(hone_json_int(&pad, config, "pad_token_id", f->pad, 0, 1 << 28, path));
        b->first_position = pad + 1;
        if (b->first_position >= b->position_rows) {
            return hone_fail(HONE_BAD_INPUT,
                             "%s: max_position_embeddings is %lld, but positions begin at %lld (pad_token_id + 1)",
                             path, (long long)b->position_rows, (long long)b->first_position);
        }
    }
    model->max_positions = b->position_rows - b->first_position;
    return HONE_OK;
}

static enum hone_status read_dropout(double *out, const json_t *config, const char *key, double otherwise,
                                     const char *path) {
    *out = otherwise;
    return key ? hone_json_number(out, config, key, otherwise, 0, nextafter(1, 0), path) : HONE_OK;
}

enum hone_status hone_bert_read_config(struct hone_model *model, struct bert *b, const json_t *config,
                                       const char *path) {
    const struct bert_family *f = b->family;
    HONE_TRY(refuse_unsupported(model, config, path));
    HONE_TRY(read_activation(&b->activation, config, f->keys.activation, path));
    HONE_TRY(read_sizes(model, b, config, path));
    double eps = 1e-12, init_std;
    if (f->keys.epsilon) HONE_TRY(hone_json_number(&eps, config, f->keys.epsilon, 1e-12, 0, 1, path));
    HONE_TRY(hone_json_number(&init_std, config, "initializer_range", 0.02, 0, 1e3, path));
    HONE_TRY(read_dropout(&b->hidden_dropout, config, f->keys.hidden_dropout, 0.1, path));
    HONE_TRY(read_dropout(&b->attention_dropout, config, f->keys.attention_dropout, 0.1, path));
    double sequence = f->sequence_dropout < 0 ? b->hidden_dropout : f->sequence_dropout;
    if (model->head == HONE_HEAD_TOKEN_CLASSIFICATION) {
        HONE_TRY(read_dropout(&b->classifier_dropout, config, f->keys.token_dropout, b->hidden_dropout, path));
    } else {
        HONE_TRY(read_dropout(&b->classifier_dropout, config, f->keys.sequence_dropout, sequence, path));
    }
    b->eps = (float)eps;
    b->init_std = (float)init_std;
    model->n_layers = b->L;
    model->hidden = b->C;
    if (model->head == HONE_HEAD_MASKED_LM) model->n_labels = model->vocabulary;
    return HONE_OK;
}
