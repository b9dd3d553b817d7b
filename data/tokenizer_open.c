/* Opening a tokenizer: which files, and what all kinds need once they are read. */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "base/utf8.h"
#include "data/tokenizer_parts.h"
#include "data/unicode.h"

static enum hone_status check_template(const struct hone_template *template, const struct hone_tokenizer *tokenizer,
                                       const char *path) {
    for (size_t i = 0; i < template->n; i++)
        if (template->at[i].sequence < 0 && template->at[i].id >= tokenizer->size) {
            char *shown = hone_escape(template->at[i].text, strlen(template->at[i].text));
            enum hone_status status =
                hone_fail(HONE_BAD_INPUT, "%s: post_processor: \"%s\" has id %d, but there are only %d", path, shown,
                          template->at[i].id, tokenizer->size);
            hone_free(shown);
            return status;
        }
    return HONE_OK;
}

static void fill_bytes(struct hone_tokenizer *tokenizer) {
    const struct hone_bert_normalizer *bert = tokenizer->normalizer.n ? &tokenizer->normalizer.at[0].bert : NULL;
    for (int byte = 0; byte < 256; byte++) {
        uint16_t flags = hone_code_flags(hone_unicode_flags(), byte);
        tokenizer->lower[byte] = (char)byte;
        if (byte >= 0x80 || (bert && bert->clean_text && (flags & HONE_CODE_CONTROL)))
            tokenizer->kinds[byte] = HONE_BYTE_OTHER;
        else if (flags & HONE_CODE_WHITE)
            tokenizer->kinds[byte] = HONE_BYTE_SPACE;
        else if (flags & HONE_CODE_PUNCTUATION)
            tokenizer->kinds[byte] = HONE_BYTE_PUNCTUATION;
        if (byte >= 'A' && byte <= 'Z' && bert && bert->lowercase) tokenizer->lower[byte] = (char)(byte + 32);
    }
}

/* Steps whose result in a stretch between ASCII spaces doesn't depend on what stands outside. */
static bool is_local(const struct hone_normalizer_step *step) {
    switch (step->kind) {
    case HONE_NORMALIZER_LOWERCASE:
    case HONE_NORMALIZER_NFC:
    case HONE_NORMALIZER_NFD:
    case HONE_NORMALIZER_NFKC:
    case HONE_NORMALIZER_NFKD:
    case HONE_NORMALIZER_STRIP_ACCENTS:
        return true;
    case HONE_NORMALIZER_PRECOMPILED:
        return !hone_charsmap_find(&step->map, " ", 1);
    case HONE_NORMALIZER_REPLACE:
        return !step->pattern.program && !step->pattern.gpt2 && step->pattern.n && !strchr(step->pattern.text, ' ');
    default:
        return false;
    }
}

static bool is_spaced(const struct hone_tokenizer *tokenizer) {
    const struct hone_pre_tokenizer *pre = &tokenizer->pre_tokenizer;
    if (!pre->n || pre->at[0].kind != HONE_PRE_TOKENIZER_WHITESPACE_SPLIT) return false;
    for (size_t i = 0; i < pre->n; i++)
        if (pre->at[i].kind == HONE_PRE_TOKENIZER_METASPACE && pre->at[i].scheme == HONE_PREPEND_FIRST) return false;
    for (size_t i = 0; i < tokenizer->normalizer.n; i++)
        if (!is_local(&tokenizer->normalizer.at[i])) return false;
    return true;
}

/* GPT-2's way, as one step or as two. */
static bool is_byte_level(const struct hone_pre_tokenizer *pre) {
    const struct hone_pre_tokenizer_step *first = pre->at, *last = pre->n ? &pre->at[pre->n - 1] : NULL;
    if (!last || last->kind != HONE_PRE_TOKENIZER_BYTE_LEVEL) return false;
    if (pre->n == 1) return last->use_regex;
    return pre->n == 2 && !last->use_regex && !last->add_prefix_space && first->kind == HONE_PRE_TOKENIZER_SPLIT &&
           first->pattern.gpt2 &&
           (first->behavior == HONE_SPLIT_ISOLATED || (first->invert && first->behavior == HONE_SPLIT_REMOVED));
}

static enum hone_stretches stretches_of(const struct hone_tokenizer *tokenizer) {
    const struct hone_normalizer *normalizer = &tokenizer->normalizer;
    const struct hone_pre_tokenizer *pre = &tokenizer->pre_tokenizer;
    if (tokenizer->added.normalized.nodes || tokenizer->model->outside) return HONE_STRETCHES_NONE;
    bool bert = pre->n == 1 && pre->at[0].kind == HONE_PRE_TOKENIZER_BERT;
    if (bert && (normalizer->n == 0 || (normalizer->n == 1 && normalizer->at[0].kind == HONE_NORMALIZER_BERT)))
        return HONE_STRETCHES_BERT;
    if (normalizer->n == 0 && is_byte_level(pre) && tokenizer->model->tokenize_bytes) return HONE_STRETCHES_BYTE_LEVEL;
    return is_spaced(tokenizer) ? HONE_STRETCHES_SPACES : HONE_STRETCHES_NONE;
}

bool hone_tokenizer_add_prefix_space(struct hone_tokenizer *tokenizer) {
    struct hone_pre_tokenizer *pre = &tokenizer->pre_tokenizer;
    if (pre->n != 1 || pre->at[0].kind != HONE_PRE_TOKENIZER_BYTE_LEVEL) return false;
    pre->at[0].add_prefix_space = true;
    tokenizer->post_processor.trims_prefix_space = true;
    tokenizer->prefix_space = tokenizer->stretches == HONE_STRETCHES_BYTE_LEVEL;
    return true;
}

static enum hone_status finish(struct hone_tokenizer *tokenizer, const char *path) {
    struct hone_vocabulary *vocabulary = &tokenizer->vocabulary;
    HONE_TRY(check_template(&tokenizer->post_processor.single, tokenizer, path));
    HONE_TRY(check_template(&tokenizer->post_processor.pair, tokenizer, path));
    if (tokenizer->size > vocabulary->size)
        vocabulary->texts =
            hone_realloc(vocabulary->texts, (size_t)tokenizer->size, sizeof *vocabulary->texts, "tokenizer vocabulary");
    for (size_t i = 0; i < tokenizer->added.n; i++)
        vocabulary->texts[tokenizer->added.at[i].id] = tokenizer->added.at[i].text;
    char *where = hone_format("%s: added_tokens", path);
    enum hone_status status = hone_added_tokens_finish(&tokenizer->added, &tokenizer->normalizer, where);
    hone_free(where);
    HONE_TRY(status);
    hone_post_processor_finish(&tokenizer->post_processor, vocabulary, tokenizer->size);
    tokenizer->stretches = stretches_of(tokenizer);
    tokenizer->prefix_space =
        tokenizer->stretches == HONE_STRETCHES_BYTE_LEVEL && tokenizer->pre_tokenizer.at[0].add_prefix_space;
    fill_bytes(tokenizer);
    return HONE_OK;
}

/* Absurdly large stands for "none" in Transformers' files. The unknown token is a text or an object with its text, and
 * else the model's. */
static enum hone_status read_config(struct hone_tokenizer *tokenizer, const char *folder) {
    char *path = hone_path_join(folder, "tokenizer_config.json");
    json_t *config = NULL;
    enum hone_status status = HONE_OK;
    if (hone_file_exists(path)) status = hone_json_read(&config, path, HONE_JSON_CONFIG_LIMIT);
    const json_t *value = json_object_get(config, "model_max_length");
    double length = json_is_number(value) ? json_number_value(value) : 0;
    if (status == HONE_OK && value && !json_is_null(value) && (!json_is_number(value) || length < 1))
        status = hone_fail(HONE_BAD_INPUT, "%s: model_max_length isn't a positive number", path);
    tokenizer->max_length = length < INT32_MAX ? (int64_t)length : 0;
    const json_t *unk = json_object_get(config, "unk_token");
    if (json_is_object(unk)) unk = json_object_get(unk, "content");
    if (json_is_string(unk)) tokenizer->unk = hone_tokenizer_id(tokenizer, json_string_value(unk));
    json_decref(config);
    hone_free(path);
    return status;
}

/* hone_score_read for a number that the JSON reader has read, from its shortest digits. */
static double score_of(double value) {
    char text[40];
    int digits = 0;
    double read;
    do snprintf(text, sizeof text, "%.*e", digits++, value);
    while (digits < 17 && strtod(text, NULL) != value);
    return hone_score_read(&read, text, strlen(text)) ? read : value;
}

static void read_scores(json_t *root) {
    size_t i;
    json_t *piece;
    json_array_foreach(json_object_get(json_object_get(root, "model"), "vocab"), i, piece) {
        json_t *score = json_array_get(piece, 1);
        if (json_is_real(score)) json_real_set(score, score_of(json_real_value(score)));
    }
}

static enum hone_status read_json(struct hone_tokenizer *tokenizer, json_t **root, char **path, const char *folder) {
    char *bytes;
    size_t n;
    *path = hone_path_join(folder, "tokenizer.json");
    if (!hone_file_exists(*path)) return HONE_OK;
    HONE_TRY(hone_read_file(&bytes, &n, *path, HONE_JSON_TOKENIZER_LIMIT));
    struct hone_text rest = {0};
    enum hone_status status = HONE_BAD_INPUT;
    if (hone_model_scan(&tokenizer->scanned, &rest, bytes, n))
        status = hone_json_parse(root, rest.bytes, rest.length, *path);
    if (status != HONE_OK) { /* what is wrong stands in its own place only in the whole */
        hone_model_scan_free(&tokenizer->scanned);
        status = hone_json_parse(root, bytes, n, *path);
    }
    if (status == HONE_OK) read_scores(*root);
    hone_text_free(&rest);
    hone_free(bytes);
    return status;
}

/* The first kind of file that is there. */
static enum hone_status read_files(struct hone_tokenizer *tokenizer, json_t **root, char **path, const char *folder,
                                   int64_t limit) {
    static enum hone_status (*const older[])(json_t **, char **, const char *, int64_t) = {
        hone_tokenizer_read_vocab, hone_tokenizer_read_spiece, hone_tokenizer_read_merges};
    HONE_TRY(read_json(tokenizer, root, path, folder));
    for (size_t i = 0; i < sizeof older / sizeof *older && !*root; i++) {
        hone_free(*path);
        *path = NULL;
        HONE_TRY(older[i](root, path, folder, limit));
    }
    if (*root) return HONE_OK;
    return hone_fail(HONE_BAD_INPUT,
                     "%s: neither tokenizer.json nor vocab.txt, spiece.model, or vocab.json with merges.txt is there",
                     folder);
}

enum hone_status hone_tokenizer_open(struct hone_tokenizer **out, const char *folder) {
    return hone_tokenizer_open_within(out, folder, INT32_MAX);
}

enum hone_status hone_tokenizer_open_within(struct hone_tokenizer **out, const char *folder, int64_t limit) {
    static atomic_uint_least64_t number;
    *out = NULL;
    struct hone_tokenizer *tokenizer = hone_calloc(1, sizeof *tokenizer, "tokenizer");
    tokenizer->number = atomic_fetch_add(&number, 1) + 1;
    json_t *root = NULL;
    char *path = NULL;
    enum hone_status status = read_files(tokenizer, &root, &path, folder, limit);
    if (status == HONE_OK) status = hone_tokenizer_read_json(tokenizer, root, path);
    if (status == HONE_OK) status = finish(tokenizer, path);
    if (status == HONE_OK) status = read_config(tokenizer, folder);
    json_decref(root);
    hone_free(path);
    if (status == HONE_OK)
        *out = tokenizer;
    else
        hone_tokenizer_free(tokenizer);
    return status;
}

void hone_tokenizer_free(struct hone_tokenizer *tokenizer) {
    if (!tokenizer) return;
    if (tokenizer->model) tokenizer->model->free(tokenizer->model);
    hone_model_scan_free(&tokenizer->scanned);
    hone_vocabulary_free(&tokenizer->vocabulary);
    hone_normalizer_free(&tokenizer->normalizer);
    hone_pre_tokenizer_free(&tokenizer->pre_tokenizer);
    hone_added_tokens_free(&tokenizer->added);
    hone_post_processor_free(&tokenizer->post_processor);
    hone_decoder_free(&tokenizer->decoder);
    hone_free(tokenizer);
}
