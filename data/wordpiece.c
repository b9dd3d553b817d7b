#include <string.h>

#include "base/memory.h"
#include "data/model.h"

struct wordpiece {
    struct hone_tokenizer_model model;
    const struct hone_trie *trie;
    int32_t unk;
    int32_t inside; /* node behind the prefix, from which pieces inside a word are looked up; -1: there are none */
    int64_t max_chars;
};

static bool is_longer(const char *word, size_t n, int64_t max_chars) {
    if ((int64_t)n <= max_chars) return false;
    int64_t chars = 0;
    for (size_t i = 0; i < n; i++) chars += (word[i] & 0xC0) != 0x80;
    return chars > max_chars;
}

static enum hone_status tokenize(struct hone_tokens *out, struct hone_model_work *work,
                                 const struct hone_tokenizer_model *model, const char *word, size_t n) {
    (void)work;
    const struct wordpiece *wordpiece = (const struct wordpiece *)model;
    size_t before = out->n;
    bool known = !is_longer(word, n, wordpiece->max_chars);
    hone_tokens_reserve(out, known ? n : 1);
    int32_t node = 0;
    for (size_t i = 0; known && i < n; node = wordpiece->inside) {
        size_t length = 0;
        int32_t id = node < 0 ? -1 : hone_trie_longest(&length, wordpiece->trie, node, word + i, n - i);
        known = id >= 0;
        if (known) hone_tokens_push(out, id, i, i + length);
        i += length;
    }
    if (known) return HONE_OK;
    out->n = before;
    hone_tokens_push(out, wordpiece->unk, 0, n);
    return HONE_OK;
}

static void destroy(struct hone_tokenizer_model *model) { hone_free(model); }

struct hone_tokenizer_model *hone_wordpiece_create(const struct hone_vocabulary *vocabulary, int32_t unk,
                                                   const char *prefix, int64_t max_input_chars_per_word) {
    struct wordpiece *wordpiece = hone_alloc(1, sizeof *wordpiece, "WordPiece");
    *wordpiece = (struct wordpiece){.model = {.tokenize = tokenize, .free = destroy},
                                    .trie = &vocabulary->trie,
                                    .unk = unk,
                                    .inside = hone_trie_node_of(&vocabulary->trie, prefix, strlen(prefix)),
                                    .max_chars = max_input_chars_per_word};
    return &wordpiece->model;
}
