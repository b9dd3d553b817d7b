/* Tokenizers without tokenizer.json: BERT's vocab.txt (one token a line, its number from 0 is its id) with
 * tokenizer_config.json and special_tokens_map.json, put together as Transformers' BertTokenizer does. */
#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "base/memory.h"
#include "base/utf8.h"
#include "data/tokenizer_parts.h"

#define VOCAB_LIMIT (1u << 30)

enum special { UNK, SEP, PAD, CLS, MASK, SPECIALS };
static const struct {
    const char *key, *text;
    bool needed;
} specials[SPECIALS] = {
    [UNK] = {"unk_token", "[UNK]", true},     [SEP] = {"sep_token", "[SEP]", true},
    [PAD] = {"pad_token", "[PAD]", false},    [CLS] = {"cls_token", "[CLS]", true},
    [MASK] = {"mask_token", "[MASK]", false},
};

static enum hone_status read_lines(struct hone_tokenizer *tokenizer, const char *path) {
    char *bytes;
    size_t n;
    HONE_TRY(hone_read_file(&bytes, &n, path, VOCAB_LIMIT));
    struct hone_vocabulary_entries entries = {0};
    size_t valid = hone_utf8_valid_prefix(bytes, n);
    const char *zero = memchr(bytes, 0, n);
    if (zero && (size_t)(zero - bytes) < valid) valid = (size_t)(zero - bytes);
    int32_t id = 0;
    enum hone_status status = HONE_OK;
    for (size_t i = 0; status == HONE_OK && i < n; id++) {
        const char *end = memchr(bytes + i, '\n', n - i);
        size_t stop = end ? (size_t)(end - bytes) : n;
        if (valid < stop)
            status = hone_fail(HONE_BAD_INPUT, "%s:%d: byte %zu: 0x%02x isn't UTF-8 text", path, id + 1, valid - i + 1,
                               (unsigned char)bytes[valid]);
        else
            hone_vocabulary_add(&entries, bytes + i, stop - i - (stop > i && bytes[stop - 1] == '\r'), id);
        i = stop + 1;
    }
    if (status == HONE_OK && id == 0) status = hone_fail(HONE_BAD_INPUT, "%s: the file is empty", path);
    hone_free(bytes);
    if (status == HONE_OK) {
        status = hone_vocabulary_finish(&tokenizer->vocabulary, &entries, true, path);
        tokenizer->size = tokenizer->vocabulary.size;
        return status;
    }
    hone_vocabulary_entries_free(&entries);
    return status;
}

/* A special token as a string, or as an object with content and flags. */
static enum hone_status read_special(struct hone_added_token *out, const json_t *value, const char *key,
                                     const char *path) {
    if (json_is_string(value)) {
        *out = (struct hone_added_token){.text = hone_strdup(json_string_value(value), "special token"),
                                         .n = strlen(json_string_value(value)),
                                         .special = true};
        if (out->n) return HONE_OK;
        hone_free(out->text);
        return hone_fail(HONE_BAD_INPUT, "%s: %s is empty", path, key);
    }
    char *where = hone_format("%s: %s", path, key);
    enum hone_status status = hone_added_token_read(out, value, where);
    out->special = true;
    hone_free(where);
    return status;
}

static bool is_placed(const struct hone_tokenizer *tokenizer, const char *text) {
    for (size_t i = 0; i < tokenizer->added.n; i++)
        if (strcmp(tokenizer->added.at[i].text, text) == 0) return true;
    return false;
}

/* Takes over the token. */
static enum hone_status place(struct hone_tokenizer *tokenizer, struct hone_added_token token, int64_t id,
                              const char *where) {
    if (!is_placed(tokenizer, token.text)) return hone_added_token_place(tokenizer, token, id, where);
    hone_free(token.text);
    return HONE_OK;
}

static int compare_ids(const void *a, const void *b) {
    long long x = strtoll(*(const char *const *)a, NULL, 10), y = strtoll(*(const char *const *)b, NULL, 10);
    return (x > y) - (x < y);
}

/* {"0": {"content": "[PAD]", …}, …}, by id. */
static enum hone_status read_decoder(struct hone_tokenizer *tokenizer, const json_t *decoder, const char *path) {
    if (!decoder || json_is_null(decoder)) return HONE_OK;
    if (!json_is_object(decoder)) return hone_fail(HONE_BAD_INPUT, "%s: added_tokens_decoder isn't an object", path);
    const char **ids = hone_alloc(json_object_size(decoder), sizeof *ids, "added tokens"), *key;
    json_t *value;
    size_t n = 0;
    json_object_foreach((json_t *)decoder, key, value) ids[n++] = key;
    qsort(ids, n, sizeof *ids, compare_ids);
    enum hone_status status = HONE_OK;
    for (size_t i = 0; status == HONE_OK && i < n; i++) {
        char *shown = hone_escape(ids[i], strlen(ids[i])), *end = NULL;
        char *where = hone_format("%s: added_tokens_decoder[\"%s\"]", path, shown);
        long long id = strtoll(ids[i], &end, 10);
        struct hone_added_token token = {0};
        if (*end || end == ids[i] || id < 0)
            status = hone_fail(HONE_BAD_INPUT, "%s: the key isn't an id", where);
        else
            status = hone_added_token_read(&token, json_object_get(decoder, ids[i]), where);
        if (status == HONE_OK) status = place(tokenizer, token, id, where);
        hone_free(where);
        hone_free(shown);
    }
    hone_free(ids);
    return status;
}

/* Special tokens that the files name beside the five. */
static enum hone_status read_extra(struct hone_tokenizer *tokenizer, const json_t *list, const char *key,
                                   const char *path) {
    for (size_t i = 0; i < json_array_size(list); i++) {
        struct hone_added_token token = {0};
        HONE_TRY(read_special(&token, json_array_get(list, i), key, path));
        HONE_TRY(place(tokenizer, token, -1, path));
    }
    return HONE_OK;
}

static enum hone_status read_options(struct hone_tokenizer *tokenizer, const json_t *config, const char *path) {
    struct hone_bert_normalizer *normalizer = &tokenizer->normalizer;
    normalizer->clean_text = true;
    HONE_TRY(hone_json_bool(&normalizer->lowercase, config, "do_lower_case", true, path));
    HONE_TRY(hone_json_bool(&normalizer->handle_chinese_chars, config, "tokenize_chinese_chars", true, path));
    HONE_TRY(hone_json_bool(&normalizer->strip_accents, config, "strip_accents", normalizer->lowercase, path));
    tokenizer->bert_pre_tokenizer = tokenizer->wordpiece_decoder = tokenizer->cleanup = true;
    tokenizer->decoder_prefix = hone_strdup("##", "tokenizer decoder");
    return HONE_OK;
}

/* The tokens that mean something: names from the map, else from the configuration, else BERT's. The configuration's
 * added_tokens_decoder, which newer files have, makes the map old news. */
static enum hone_status read_specials(struct hone_tokenizer *tokenizer, const json_t *config, const char *config_path,
                                      const json_t *map, const char *map_path, const char *vocab_path) {
    const json_t *decoder = json_object_get(config, "added_tokens_decoder");
    HONE_TRY(read_decoder(tokenizer, decoder, config_path));
    if (decoder) map = NULL;
    int32_t ids[SPECIALS] = {0};
    char *texts[SPECIALS] = {NULL};
    enum hone_status status = HONE_OK;
    for (int i = 0; status == HONE_OK && i < SPECIALS; i++) {
        const json_t *value = json_object_get(map, specials[i].key);
        const char *path = value ? map_path : config_path;
        if (!value) value = json_object_get(config, specials[i].key);
        struct hone_added_token token = {0};
        json_t *usual = json_string(specials[i].text);
        status = read_special(&token, value && !json_is_null(value) ? value : usual, specials[i].key, path);
        json_decref(usual);
        if (status != HONE_OK) break;
        texts[i] = hone_strdup(token.text, "special token");
        ids[i] = hone_trie_find(&tokenizer->vocabulary.trie, token.text, token.n);
        if (ids[i] >= 0) {
            status = place(tokenizer, token, -1, path);
            continue;
        }
        if (specials[i].needed) {
            char *shown = hone_escape(token.text, token.n);
            status = hone_fail(HONE_BAD_INPUT, "%s: the %s \"%s\" isn't in it", vocab_path, specials[i].key, shown);
            hone_free(shown);
        }
        hone_free(token.text);
    }
    if (status == HONE_OK) {
        hone_template_bert(tokenizer, texts[CLS], ids[CLS], texts[SEP], ids[SEP]);
        tokenizer->model = hone_wordpiece_create(&tokenizer->vocabulary, ids[UNK], "##", 100);
    }
    for (int i = 0; i < SPECIALS; i++) hone_free(texts[i]);
    HONE_TRY(status);
    static const char *const lists[] = {"additional_special_tokens", "extra_special_tokens"};
    for (int i = 0; i < 2; i++) {
        HONE_TRY(read_extra(tokenizer, json_object_get(config, lists[i]), lists[i], config_path));
        HONE_TRY(read_extra(tokenizer, json_object_get(map, lists[i]), lists[i], map_path));
    }
    return HONE_OK;
}

/* NULL when there is no such file. */
static enum hone_status read_optional(json_t **out, const char *path) {
    *out = NULL;
    return hone_file_exists(path) ? hone_json_read(out, path, HONE_JSON_CONFIG_LIMIT) : HONE_OK;
}

enum hone_status hone_tokenizer_read_vocab(struct hone_tokenizer *tokenizer, const char *folder) {
    char *vocab = hone_path_join(folder, "vocab.txt"), *config_path = hone_path_join(folder, "tokenizer_config.json");
    char *map_path = hone_path_join(folder, "special_tokens_map.json");
    char *added = hone_path_join(folder, "added_tokens.json");
    json_t *config = NULL, *map = NULL;
    enum hone_status status = HONE_OK;
    if (hone_file_exists(added))
        status = hone_fail(HONE_BAD_INPUT, "%s isn't supported beside vocab.txt, save the tokenizer as tokenizer.json",
                           added);
    if (status == HONE_OK) status = read_optional(&config, config_path);
    if (status == HONE_OK) status = read_optional(&map, map_path);
    if (status == HONE_OK) status = read_lines(tokenizer, vocab);
    if (status == HONE_OK) status = read_options(tokenizer, config, config_path);
    if (status == HONE_OK) status = read_specials(tokenizer, config, config_path, map, map_path, vocab);
    json_decref(config);
    json_decref(map);
    hone_free(vocab);
    hone_free(config_path);
    hone_free(map_path);
    hone_free(added);
    return status;
}
