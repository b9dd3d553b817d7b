#include "data/older.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "base/utf8.h"

/* In the order in which Transformers adds what is missing. */
static const char *const keys[HONE_OLDER_PARTS] = {"bos_token", "eos_token", "unk_token", "sep_token",
                                                   "pad_token", "cls_token", "mask_token"};
static const char *const extra_lists[] = {"additional_special_tokens", "extra_special_tokens"};
enum { EXTRA_LISTS = sizeof extra_lists / sizeof *extra_lists };

/* NULL when there is no such file. */
static enum hone_status read_optional(json_t **out, const char *path) {
    *out = NULL;
    return hone_file_exists(path) ? hone_json_read(out, path, HONE_JSON_CONFIG_LIMIT) : HONE_OK;
}

enum hone_status hone_older_open(struct hone_older *out, const char *folder, const char *name, int64_t limit) {
    *out = (struct hone_older){.limit = limit,
                               .vocab_path = hone_path_join(folder, name),
                               .config_path = hone_path_join(folder, "tokenizer_config.json"),
                               .map_path = hone_path_join(folder, "special_tokens_map.json"),
                               .listed_path = hone_path_join(folder, "added_tokens.json"),
                               .added = json_array()};
    HONE_TRY(read_optional(&out->config, out->config_path));
    /* added_tokens_decoder, which newer files have, makes the others old news. */
    if (json_object_get(out->config, "added_tokens_decoder")) return HONE_OK;
    HONE_TRY(read_optional(&out->map, out->map_path));
    return read_optional(&out->listed, out->listed_path);
}

void hone_older_free(struct hone_older *older) {
    hone_free(older->vocab_path);
    hone_free(older->config_path);
    hone_free(older->map_path);
    hone_free(older->listed_path);
    json_decref(older->config);
    json_decref(older->map);
    json_decref(older->listed);
    json_decref(older->ids);
    json_decref(older->added);
    *older = (struct hone_older){0};
}

/* -1 for a text that isn't added. */
static int64_t added_id(const struct hone_older *older, const char *content) {
    size_t i;
    json_t *token;
    json_array_foreach(older->added, i, token) {
        if (strcmp(json_string_value(json_object_get(token, "content")), content) == 0)
            return json_integer_value(json_object_get(token, "id"));
    }
    return -1;
}

static void add(struct hone_older *older, const struct hone_added_token *token) {
    if (added_id(older, token->text) >= 0) return;
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

static const char *text_of(const json_t *token) {
    return json_string_value(json_is_object(token) ? json_object_get(token, "content") : token);
}

static bool is_listed(const json_t *list, const char *text) {
    size_t i;
    json_t *token;
    json_array_foreach(list, i, token) if (text_of(token) && strcmp(text_of(token), text) == 0) return true;
    return false;
}

/* Whether the map or the configuration has the text among the special tokens. */
static bool is_named(const struct hone_older *older, const char *text) {
    for (int i = 0; i < HONE_OLDER_PARTS; i++) {
        const json_t *value = json_object_get(older->map, keys[i]);
        if (!value) value = json_object_get(older->config, keys[i]);
        if (text_of(value) && strcmp(text_of(value), text) == 0) return true;
    }
    for (int i = 0; i < EXTRA_LISTS; i++)
        if (is_listed(json_object_get(older->config, extra_lists[i]), text) ||
            is_listed(json_object_get(older->map, extra_lists[i]), text))
            return true;
    return false;
}

/* What added_tokens_decoder would have for added_tokens.json. */
static enum hone_status decoder_of_listed(json_t **out, const struct hone_older *older) {
    const char *text;
    json_t *id;
    *out = json_object();
    json_object_foreach(older->listed, text, id) {
        char key[24];
        bool special = is_named(older, text);
        if (!json_is_integer(id)) {
            char *shown = hone_escape(text, strlen(text));
            enum hone_status status = hone_fail(HONE_BAD_INPUT, "%s: \"%s\" has no id", older->listed_path, shown);
            hone_free(shown);
            return status;
        }
        snprintf(key, sizeof key, "%lld", (long long)json_integer_value(id));
        json_object_set_new(*out, key,
                            json_pack("{s:s, s:b, s:b, s:b, s:b, s:b}", "content", text, "single_word", 0, "lstrip", 0,
                                      "rstrip", 0, "normalized", !special, "special", special));
    }
    return HONE_OK;
}

/* {"0": {"content": "[PAD]", …}, …}, by id; `name` and `path` of it are for messages. */
static enum hone_status add_decoder(struct hone_older *older, json_t *decoder, const char *name, const char *path) {
    json_t *value;
    if (!decoder || json_is_null(decoder)) return HONE_OK;
    if (!json_is_object(decoder)) return hone_fail(HONE_BAD_INPUT, "%s: %s isn't an object", path, name);
    const char **ids = hone_alloc(json_object_size(decoder), sizeof *ids, "added tokens"), *key;
    size_t n = 0;
    json_object_foreach(decoder, key, value) ids[n++] = key;
    qsort(ids, n, sizeof *ids, compare_ids);
    enum hone_status status = HONE_OK;
    for (size_t i = 0; status == HONE_OK && i < n; i++) {
        char *shown = hone_escape(ids[i], strlen(ids[i])), *end = NULL;
        char *where = hone_format("%s: %s[\"%s\"]", path, name, shown);
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

enum hone_status hone_older_add_decoder(struct hone_older *older) {
    static const char name[] = "added_tokens_decoder";
    if (!older->listed) return add_decoder(older, json_object_get(older->config, name), name, older->config_path);
    json_t *decoder;
    enum hone_status status = decoder_of_listed(&decoder, older);
    if (status == HONE_OK) status = add_decoder(older, decoder, "the token of id ", older->listed_path);
    json_decref(decoder);
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

/* Whether `next` is free in the model, too: a vocabulary whose ids have gaps can't be added to. */
static bool has_room(const struct hone_older *older) {
    size_t i, fresh = 0;
    json_t *token;
    json_array_foreach(older->added, i, token) fresh += !json_object_get(older->ids, text_of(token));
    return older->next < older->limit && (size_t)older->next == json_object_size(older->ids) + fresh;
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
    *id = known ? json_integer_value(known) : added_id(older, token.text);
    *text = given ? json_string_value(json_is_string(value) ? value : json_object_get(value, "content")) : usual;
    enum hone_status status = HONE_OK;
    if (*id < 0 && !needed && has_room(older)) *id = older->next;
    if (*id >= 0) {
        add(older, &token);
    } else if (needed) {
        char *shown = hone_escape(token.text, strlen(token.text));
        status = hone_fail(HONE_BAD_INPUT, "%s: the %s \"%s\" isn't in it", older->vocab_path, key, shown);
        hone_free(shown);
    }
    hone_free(token.text);
    return status;
}

enum hone_status hone_older_add_named(struct hone_older *older, const char *const usual[HONE_OLDER_PARTS]) {
    for (int i = 0; i < HONE_OLDER_PARTS; i++) {
        const char *text;
        int64_t id;
        const json_t *map = json_object_get(older->map, keys[i]), *config = json_object_get(older->config, keys[i]);
        bool given = (map && !json_is_null(map)) || (!map && config && !json_is_null(config));
        if (given || usual[i]) HONE_TRY(hone_older_special(&text, &id, older, keys[i], usual[i], false));
    }
    return HONE_OK;
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
    for (int i = 0; i < EXTRA_LISTS; i++) {
        HONE_TRY(add_list(older, older->config, extra_lists[i], older->config_path));
        HONE_TRY(add_list(older, older->map, extra_lists[i], older->map_path));
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
