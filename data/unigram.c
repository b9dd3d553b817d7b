/* Unigram: Viterbi over the pieces that the vocabulary's trie finds at each character, sums in the reference's order. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/utf8.h"
#include "data/model.h"
#include "data/normalized.h"

#define UNK_PENALTY 10.0

struct unigram {
    struct hone_tokenizer_model model;
    const struct hone_vocabulary *vocabulary;
    double *scores, unk_score;
    int32_t unk;
    bool falls_back;    /* to the tokens of single bytes */
    int32_t bytes[256]; /* -1: there is none */
};

static inline void reach(struct hone_path *to, double score, int32_t begin, int32_t id) {
    if (to->begin >= 0 && !(score > to->score)) return;
    *to = (struct hone_path){score, begin, id};
}

static void walk(struct hone_path *paths, const struct unigram *unigram, const char *word, size_t n) {
    const struct hone_trie *trie = &unigram->vocabulary->trie;
    for (size_t i = 0; i <= n; i++) paths[i] = (struct hone_path){0, -1, 0};
    for (size_t i = 0; i < n;) {
        double here = paths[i].score;
        size_t character = hone_character_bytes(word[i]);
        bool single = false;
        int32_t node = trie->nodes ? 0 : -1;
        for (size_t k = i; k < n && node >= 0;) {
            node = hone_trie_step(trie, node, (unsigned char)word[k++]);
            if (node < 0 || trie->nodes[node].value < 0) continue;
            int32_t id = trie->nodes[node].value;
            reach(&paths[k], unigram->scores[id] + here, (int32_t)i, id);
            single |= k - i == character;
        }
        if (!single) reach(&paths[i + character], unigram->unk_score + here, (int32_t)i, unigram->unk);
        i += character;
    }
}

static enum hone_status fail_unknown(const char *text, size_t n) {
    char shown[64];
    hone_escape_into(shown, sizeof shown, text, n);
    return hone_fail(HONE_BAD_INPUT, "\"%s\" isn't in the tokenizer's vocabulary, which has no unk_id", shown);
}

/* Text that no piece covers, maybe of several characters. */
static void add_unknown(struct hone_tokens *out, struct hone_model_work *work, const struct unigram *unigram,
                        const char *word, size_t begin, size_t end) {
    int32_t id = hone_vocabulary_id(unigram->vocabulary, word + begin, end - begin);
    if (id >= 0) {
        hone_tokens_push(out, id, begin, end);
        return;
    }
    bool falls_back = unigram->falls_back;
    for (size_t i = begin; falls_back && i < end; i++) falls_back = unigram->bytes[(unsigned char)word[i]] >= 0;
    if (falls_back) {
        hone_tokens_reserve(out, end - begin);
        for (size_t i = begin; i < end; i++) hone_tokens_push(out, unigram->bytes[(unsigned char)word[i]], begin, end);
        return;
    }
    hone_tokens_push(out, unigram->unk, begin, end);
    out->at[out->n - 1].surface = hone_surface_add(work->matched, word + begin, end - begin);
}

static enum hone_status tokenize(struct hone_tokens *out, struct hone_model_work *work,
                                 const struct hone_tokenizer_model *model, const char *word, size_t n) {
    const struct unigram *unigram = (const struct unigram *)model;
    hone_reserve(&work->paths, &work->paths_capacity, n + 1, sizeof *work->paths, "a word's pieces");
    struct hone_path *paths = work->paths;
    walk(paths, unigram, word, n);
    /* Backwards to the beginning: where each piece on the best way ends. */
    size_t pieces = 0;
    for (size_t end = n; end > 0; pieces++) {
        size_t begin = (size_t)paths[end].begin;
        if (paths[end].id < 0) return fail_unknown(word + begin, end - begin);
        paths[begin].score = (double)end; /* the way forward */
        end = begin;
    }
    hone_tokens_reserve(out, pieces + 1);
    for (size_t i = 0; i < n;) {
        size_t end = (size_t)paths[i].score, begin = i;
        int32_t id = paths[end].id;
        if (id == unigram->unk) {
            while (end < n && paths[(size_t)paths[end].score].id == id) end = (size_t)paths[end].score;
            add_unknown(out, work, unigram, word, begin, end);
            hone_tokens_reserve(out, pieces + 1);
        } else {
            hone_tokens_push(out, id, begin, end);
        }
        i = end;
    }
    return HONE_OK;
}

static void destroy(struct hone_tokenizer_model *model) {
    hone_free(((struct unigram *)model)->scores);
    hone_free(model);
}

struct hone_tokenizer_model *hone_unigram_create(const struct hone_vocabulary *vocabulary, double *scores, int32_t unk,
                                                 bool byte_fallback) {
    struct unigram *unigram = hone_alloc(1, sizeof *unigram, "Unigram");
    *unigram = (struct unigram){.model = {.tokenize = tokenize, .free = destroy},
                                .vocabulary = vocabulary,
                                .scores = scores,
                                .unk = unk,
                                .falls_back = byte_fallback};
    double lowest = INFINITY;
    for (int32_t id = 0; id < vocabulary->size; id++)
        if (scores[id] < lowest) lowest = scores[id];
    unigram->unk_score = lowest - UNK_PENALTY;
    for (int byte = 0; byte < 256; byte++) {
        char text[8];
        int n = snprintf(text, sizeof text, "<0x%02X>", byte);
        unigram->bytes[byte] = hone_vocabulary_id(vocabulary, text, (size_t)n);
    }
    return &unigram->model;
}
