#include "base/utf8.h"
#include "data/model.h"

struct word_level {
    struct hone_tokenizer_model model;
    const struct hone_vocabulary *vocabulary;
    int32_t unk;
};

static enum hone_status tokenize(struct hone_tokens *out, struct hone_model_work *work,
                                 const struct hone_tokenizer_model *model, const char *word, size_t n) {
    (void)work;
    const struct word_level *level = (const struct word_level *)model;
    int32_t id = hone_vocabulary_id(level->vocabulary, word, n);
    if (id < 0) id = level->unk;
    if (id < 0) {
        char shown[64];
        hone_escape_into(shown, sizeof shown, word, n);
        return hone_fail(HONE_BAD_INPUT, "\"%s\" isn't in the tokenizer's vocabulary, which has no unknown token",
                         shown);
    }
    hone_tokens_reserve(out, 1);
    hone_tokens_push(out, id, 0, n);
    return HONE_OK;
}

static void destroy(struct hone_tokenizer_model *model) { hone_free(model); }

struct hone_tokenizer_model *hone_word_level_create(const struct hone_vocabulary *vocabulary, int32_t unk) {
    struct word_level *level = hone_alloc(1, sizeof *level, "WordLevel");
    *level = (struct word_level){{.tokenize = tokenize, .free = destroy}, vocabulary, unk};
    return &level->model;
}
