/* WordPiece: the model (greedy, longest piece first) and the decoder. */
#include <string.h>

#include "base/memory.h"
#include "data/tokenizer_parts.h"

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

static void tokenize(struct hone_tokens *out, const struct hone_tokenizer_model *model, const char *word, size_t n) {
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
    if (known) return;
    out->n = before;
    hone_tokens_push(out, wordpiece->unk, 0, n);
}

static void destroy(struct hone_tokenizer_model *model) { hone_free(model); }

struct hone_tokenizer_model *hone_wordpiece_create(const struct hone_vocabulary *vocabulary, int32_t unk,
                                                   const char *prefix, int64_t max_input_chars_per_word) {
    struct wordpiece *wordpiece = hone_alloc(1, sizeof *wordpiece, "WordPiece");
    *wordpiece = (struct wordpiece){.model = {tokenize, destroy},
                                    .trie = &vocabulary->trie,
                                    .unk = unk,
                                    .inside = hone_trie_node_of(&vocabulary->trie, prefix, strlen(prefix)),
                                    .max_chars = max_input_chars_per_word};
    return &wordpiece->model;
}

/* Replaces every `from` in place; `to` is never longer by more than a letter, so a copy with room is used. */
static void replace(struct hone_text *text, struct hone_text *spare, const char *from, const char *to) {
    const char *found = memmem(text->bytes, text->length, from, strlen(from));
    if (!found) return;
    spare->length = 0;
    const char *at = text->bytes, *end = text->bytes + text->length;
    for (; found; found = memmem(at, (size_t)(end - at), from, strlen(from))) {
        hone_text_append(spare, at, (size_t)(found - at));
        hone_text_append(spare, to, strlen(to));
        at = found + strlen(from);
    }
    hone_text_append(spare, at, (size_t)(end - at));
    struct hone_text swapped = *text;
    *text = *spare;
    *spare = swapped;
}

char *hone_wordpiece_decode(const struct hone_tokenizer *tokenizer, const char *const *texts, size_t n) {
    static const char *const cleanups[][2] = {{" .", "."},   {" ?", "?"},     {" !", "!"},    {" ,", ","},
                                              {" ' ", "'"},  {" n't", "n't"}, {" 'm", "'m"},  {" do not", " don't"},
                                              {" 's", "'s"}, {" 've", "'ve"}, {" 're", "'re"}};
    const char *prefix = tokenizer->decoder_prefix;
    size_t prefix_n = strlen(prefix);
    struct hone_text out = {0}, token = {0}, spare = {0};
    hone_text_append(&out, "", 0);
    for (size_t i = 0; i < n; i++) {
        const char *text = texts[i];
        token.length = 0;
        if (i > 0 && strncmp(text, prefix, prefix_n) == 0)
            text += prefix_n;
        else if (i > 0)
            hone_text_append(&token, " ", 1);
        hone_text_append(&token, text, strlen(text));
        for (size_t j = 0; tokenizer->cleanup && j < sizeof cleanups / sizeof *cleanups; j++)
            replace(&token, &spare, cleanups[j][0], cleanups[j][1]);
        hone_text_append(&out, token.bytes, token.length);
    }
    hone_text_free(&token);
    hone_text_free(&spare);
    return out.bytes;
}
