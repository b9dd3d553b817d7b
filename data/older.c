#include "data/older.h"

#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "base/utf8.h"

/* NULL when there is no such file. */
static enum hone_status read_optional(json_t **out, const char *path) {
    *out = NULL;
    return hone_file_exists(path) ? hone_json_read(out, path, HONE_JSON_CONFIG_LIMIT) : HONE_OK;
}

enum hone_status hone_older_open(struct hone_older *out, const char *folder, const char *name) {
    *out = (struct hone_older){.vocab_path = hone_path_join(folder, name),
                               .config_path = hone_path_join(folder, "tokenizer_config.json"),
                               .map_path = hone_path_join(folder, "special_tokens_map.json"),
                               .added = json_array()};
    char *added = hone_path_join(folder, "added_tokens.json");
    enum hone_status status = HONE_OK;
    if (hone_file_exists(added))
        status = hone_fail(HONE_BAD_INPUT, "%s isn't supported beside %s, save the tokenizer as tokenizer.json", added,
                           name);
    hone_free(added);
    HONE_TRY(status);
    HONE_TRY(read_optional(&out->config, out->config_path));
    HONE_TRY(read_optional(&out->map, out->map_path));
    /* added_tokens_decoder, which newer files have, makes the map old news. */
    if (json_object_get(out->config, "added_tokens_decoder")) {
        json_decref(out->map);
        out->map = NULL;
    }
    return HONE_OK;
}

void hone_older_free(struct hone_older *older) {
    hone_free(older->vocab_path);
    hone_free(older->config_path);
    hone_free(older->map_path);
    json_decref(older->config);
    json_decref(older->map);
    json_decref(older->ids);
    json_decref(older->added);
    *older = (struct hone_older){0};
}

static bool is_added(const struct hone_older *older, const char *content) {
    size_t i;
    json_t *token;
    json_array_foreach(older->added, i, token) if (strcmp(json_string_value(json_object_get(token, "content")),
                                                          content) == 0) return true;
    return false;
}

static void add(struct hone_older *older, const struct hone_added_token *token) {
    if (is_added(older, token->text)) return;
    const json_t *known = json_object_get(older->ids, token->text);
    json_int_t id = known ? json_integer_value(known) : older->next++;
    json_array_append_new(older->added,
                          json_pack("{s:I,s:s,s:b,s:b,s:b,s:b,s:b}", "id", id, "content", token->text, "single_word",
                                    token->single_word, "lstrip", token->lstrip, "rstrip", token->rstrip, "normalized",
                                    token->normalized, "special", token->special));
}

void hone_older_add(struct hone_older *older, const char *content, bool special) {
    struct hone_added_token token = {.text = (char *)content, .special = special};
    add(older, &token);
}

static int compare_ids(const void *a, const void *b) {
    long long x = strtoll(*(const char *const *)a, NULL, 10), y = strtoll(*(const char *const *)b, NULL, 10);
    return (x > y) - (x < y);
}

/* {"0": {"content": "[PAD]", …}, …}, by id. */
enum hone_status hone_older_add_decoder(struct hone_older *older) {
    json_t *decoder = json_object_get(older->config, "added_tokens_decoder"), *value;
    if (!decoder || json_is_null(decoder)) return HONE_OK;
    if (!json_is_object(decoder))
        return hone_fail(HONE_BAD_INPUT, "%s: added_tokens_decoder isn't an object", older->config_path);
    const char **ids = hone_alloc(json_object_size(decoder), sizeof *ids, "added tokens"), *key;
    size_t n = 0;
    json_object_foreach(decoder, key, value) ids[n++] = key;
    qsort(ids, n, sizeof *ids, compare_ids);
    enum hone_status status = HONE_OK;
    for (size_t i = 0; status == HONE_OK && i < n; i++) {
        char *shown = hone_escape(ids[i], strlen(ids[i])), *end = NULL;
        char *where = hone_format("%s: added_tokens_decoder[\"%s\"]", older->config_path, shown);
        long long id = strtoll(ids[i], &end, 10);
        struct hone_added_token token = {0};
        if (*end || end == ids[i] || id < 0)
            status = hone_fail(HONE_BAD_INPUT, "%s: the key isn't an id", where);
        else
            status = hone_added_token_read(&token, json_object_get(decoder, ids[i]), where);
        if (status == HONE_OK) {
            const json_t *known = json_object_get(older->ids, token.text);
            long long due = known ? json_integer_value(known) : older->next;
            if (id != due)
                status = hone_fail(HONE_BAD_INPUT, "%s has id %lld, but %s %lld", where, id,
                                   known ? "the vocabulary gives its content" : "the next free one is", due);
            add(older, &token);
        }
        hone_free(token.text);
        hone_free(where);
        hone_free(shown);
    }
    hone_free(ids);
    return status;
}

/* A special token as a string, or as an object with content and flags. */
static enum hone_status read_special(struct hone_added_token *out, const json_t *value, const char *key,
                                     const char *path) {
    *out = (struct hone_added_token){0};
    if (json_is_string(value)) {
        if (!*json_string_value(value)) return hone_fail(HONE_BAD_INPUT, "%s: %s is empty", path, key);
        out->text = hone_strdup(json_string_value(value), "special token");
        out->special = true;
        return HONE_OK;
    }
    char *where = hone_format("%s: %s", path, key);
    enum hone_status status = hone_added_token_read(out, value, where);
    out->special = true;
    hone_free(where);
    return status;
}

enum hone_status hone_older_special(const char **text, int64_t *id, struct hone_older *older, const char *key,
                                    const char *usual, bool needed) {
    const json_t *value = json_object_get(older->map, key);
    const char *path = value ? older->map_path : older->config_path;
    if (!value) value = json_object_get(older->config, key);
    bool given = value && !json_is_null(value);
    struct hone_added_token token = {.special = true};
    if (given) HONE_TRY(read_special(&token, value, key, path));
    if (!given) token.text = hone_strdup(usual, "special token");
    const json_t *known = json_object_get(older->ids, token.text);
    *id = known ? json_integer_value(known) : -1;
    *text = given ? json_string_value(json_is_string(value) ? value : json_object_get(value, "content")) : usual;
    enum hone_status status = HONE_OK;
    if (known) {
        add(older, &token);
    } else if (needed) {
        char *shown = hone_escape(token.text, strlen(token.text));
        status = hone_fail(HONE_BAD_INPUT, "%s: the %s \"%s\" isn't in it", older->vocab_path, key, shown);
        hone_free(shown);
    }
    hone_free(token.text);
    return status;
}

static enum hone_status add_list(struct hone_older *older, const json_t *from, const char *key, const char *path) {
    size_t i;
    json_t *value;
    json_array_foreach(json_object_get(from, key), i, value) {
        struct hone_added_token token;
        HONE_TRY(read_special(&token, value, key, path));
        add(older, &token);
        hone_free(token.text);
    }
    return HONE_OK;
}

enum hone_status hone_older_add_extra(struct hone_older *older) {
    static const char *const lists[] = {"additional_special_tokens", "extra_special_tokens"};
    for (int i = 0; i < 2; i++) {
        HONE_TRY(add_list(older, older->config, lists[i], older->config_path));
        HONE_TRY(add_list(older, older->map, lists[i], older->map_path));
    }
    return HONE_OK;
}

static json_t *template_pieces(const char *words, const char *const *texts) {
    json_t *pieces = json_array();
    for (const char *word = words; *word; word += strcspn(word, " "), word += *word == ' ') {
        const char *id = word[0] == '$' ? (word[1] == 'A' ? "A" : "B") : texts[word[0] - '0'];
        int type = strchr(word, ':')[1] - '0';
        json_array_append_new(pieces, json_pack("{s:{s:s,s:i}}", word[0] == '$' ? "Sequence" : "SpecialToken", "id", id,
                                                "type_id", type));
    }
    return pieces;
}

json_t *hone_older_template(const char *single, const char *pair, const char *const *texts, const int64_t *ids,
                            size_t n) {
    json_t *specials = json_object();
    for (size_t i = 0; i < n; i++)
        json_object_set_new(
            specials, texts[i],
            json_pack("{s:s,s:[I],s:[s]}", "id", texts[i], "ids", (json_int_t)ids[i], "tokens", texts[i]));
    return json_pack("{s:s,s:o,s:o,s:o}", "type", "TemplateProcessing", "single", template_pieces(single, texts),
                     "pair", template_pieces(pair, texts), "special_tokens", specials);
}

void hone_older_finish(json_t **root, struct hone_older *older, json_t *normalizer, json_t *pre_tokenizer,
                       json_t *model, json_t *post_processor, json_t *decoder) {
    *root =
        json_pack("{s:O,s:o?,s:o,s:o,s:o,s:o}", "added_tokens", older->added, "normalizer", normalizer, "pre_tokenizer",
                  pre_tokenizer, "model", model, "post_processor", post_processor, "decoder", decoder);
    HONE_CHECK(*root, "a part of an older tokenizer is missing");
}
