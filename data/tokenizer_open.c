/* Opening a tokenizer: which files, and what all kinds need once they are read. */
#include <string.h>

#include "base/io.h"
#include "base/memory.h"
#include "base/utf8.h"
#include "data/encoding.h"
#include "data/tokenizer_parts.h"
#include "data/unicode.h"

enum hone_status hone_added_token_place(struct hone_tokenizer *tokenizer, struct hone_added_token token, int64_t stated,
                                        const char *where) {
    struct hone_added_tokens *added = &tokenizer->added;
    const struct hone_vocabulary *vocabulary = &tokenizer->vocabulary;
    token.id = hone_trie_find(&vocabulary->trie, token.text, token.n);
    bool is_new = token.id < 0;
    if (is_new) token.id = tokenizer->size;
    hone_reserve(&added->at, &added->capacity, added->n + 1, sizeof *added->at, "added tokens");
    added->at[added->n++] = token;
    if (stated >= 0 && stated != token.id)
        return hone_fail(HONE_BAD_INPUT, "%s has id %lld, but %s %d", where, (long long)stated,
                         is_new ? "the next free one is" : "the vocabulary gives its content", token.id);
    if (is_new && vocabulary->entries != vocabulary->size)
        return hone_fail(HONE_BAD_INPUT,
                         "%s is new, but the vocabulary's ids have gaps: %d entries, the largest id is %d", where,
                         vocabulary->entries, vocabulary->size - 1);
    tokenizer->size += is_new;
    return HONE_OK;
}

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

/* The reference's own when there is no post-processor. */
static void use_plain_templates(struct hone_tokenizer *tokenizer) {
    hone_template_add(&tokenizer->single, 0, -1, 0, NULL);
    hone_template_add(&tokenizer->pair, 0, -1, 0, NULL);
    hone_template_add(&tokenizer->pair, 1, -1, 1, NULL);
}

static void fill_tables(struct hone_tokenizer *tokenizer) {
    for (int byte = 0; byte < 256; byte++) {
        uint8_t flags = tokenizer->flags[byte];
        tokenizer->lower[byte] = (char)byte;
        if (byte >= 0x80 || (tokenizer->normalizer.clean_text && (flags & HONE_CODE_CONTROL)))
            tokenizer->kinds[byte] = HONE_BYTE_OTHER;
        else if (flags & HONE_CODE_WHITE)
            tokenizer->kinds[byte] = HONE_BYTE_SPACE;
        else if (flags & HONE_CODE_PUNCTUATION)
            tokenizer->kinds[byte] = HONE_BYTE_PUNCTUATION;
        if (byte >= 'A' && byte <= 'Z' && tokenizer->normalizer.lowercase) tokenizer->lower[byte] = (char)(byte + 32);
    }
}

enum hone_status hone_tokenizer_finish(struct hone_tokenizer *tokenizer, const char *path) {
    struct hone_vocabulary *vocabulary = &tokenizer->vocabulary;
    if (tokenizer->single.n == 0) use_plain_templates(tokenizer);
    HONE_TRY(check_template(&tokenizer->single, tokenizer, path));
    HONE_TRY(check_template(&tokenizer->pair, tokenizer, path));
    vocabulary->texts =
        hone_realloc(vocabulary->texts, (size_t)tokenizer->size, sizeof *vocabulary->texts, "tokenizer vocabulary");
    for (size_t i = 0; i < tokenizer->added.n; i++)
        vocabulary->texts[tokenizer->added.at[i].id] = tokenizer->added.at[i].text;
    char *where = hone_format("%s: added_tokens", path);
    enum hone_status status =
        hone_added_tokens_finish(&tokenizer->added, &tokenizer->normalizer, tokenizer->flags, where);
    hone_free(where);
    fill_tables(tokenizer);
    return status;
}

/* Absurdly large stands for "none" in Transformers' files. */
static enum hone_status read_max_length(struct hone_tokenizer *tokenizer, const char *folder) {
    char *path = hone_path_join(folder, "tokenizer_config.json");
    json_t *config = NULL;
    enum hone_status status = HONE_OK;
    if (hone_file_exists(path)) status = hone_json_read(&config, path, HONE_JSON_CONFIG_LIMIT);
    const json_t *value = json_object_get(config, "model_max_length");
    double length = json_is_number(value) ? json_number_value(value) : 0;
    if (status == HONE_OK && value && !json_is_null(value) && (!json_is_number(value) || length < 1))
        status = hone_fail(HONE_BAD_INPUT, "%s: model_max_length isn't a positive number", path);
    tokenizer->max_length = length < INT32_MAX ? (int64_t)length : 0;
    json_decref(config);
    hone_free(path);
    return status;
}

static enum hone_status open_files(struct hone_tokenizer *tokenizer, const char *folder, const char *json,
                                   const char *vocab) {
    bool from_json = hone_file_exists(json);
    if (!from_json && !hone_file_exists(vocab))
        return hone_fail(HONE_BAD_INPUT, "%s: neither tokenizer.json nor vocab.txt is there", folder);
    HONE_TRY(from_json ? hone_tokenizer_read_json(tokenizer, json) : hone_tokenizer_read_vocab(tokenizer, folder));
    HONE_TRY(hone_tokenizer_finish(tokenizer, from_json ? json : vocab));
    return read_max_length(tokenizer, folder);
}

enum hone_status hone_tokenizer_open(struct hone_tokenizer **out, const char *folder) {
    *out = NULL;
    struct hone_tokenizer *tokenizer = hone_calloc(1, sizeof *tokenizer, "tokenizer");
    tokenizer->flags = hone_unicode_flags();
    char *json = hone_path_join(folder, "tokenizer.json"), *vocab = hone_path_join(folder, "vocab.txt");
    enum hone_status status = open_files(tokenizer, folder, json, vocab);
    hone_free(json);
    hone_free(vocab);
    if (status == HONE_OK)
        *out = tokenizer;
    else
        hone_tokenizer_free(tokenizer);
    return status;
}

void hone_tokenizer_free(struct hone_tokenizer *tokenizer) {
    if (!tokenizer) return;
    if (tokenizer->model) tokenizer->model->free(tokenizer->model);
    hone_vocabulary_free(&tokenizer->vocabulary);
    hone_added_tokens_free(&tokenizer->added);
    hone_template_free(&tokenizer->single);
    hone_template_free(&tokenizer->pair);
    hone_free(tokenizer->flags);
    hone_free(tokenizer->decoder_prefix);
    hone_free(tokenizer);
}
