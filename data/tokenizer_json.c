/* Reading tokenizer.json, version 1.0. What the reference accepts by luck (ids that contradict each other, templates
 * that name nothing) is refused here, each with its place in the file; keys that it ignores are ignored. */
#include <string.h>

#include "base/memory.h"
#include "base/utf8.h"
#include "data/tokenizer_parts.h"

#define MAX_ID (INT32_MAX - 1)

struct reader {
    struct hone_tokenizer *tokenizer;
    const char *path;
};

static enum hone_status fail_type(const char *where, const json_t *found, const char *expected) {
    static const char *const names[] = {
        [JSON_OBJECT] = "an object", [JSON_ARRAY] = "a list", [JSON_STRING] = "a string", [JSON_INTEGER] = "a number",
        [JSON_REAL] = "a number",    [JSON_TRUE] = "true",    [JSON_FALSE] = "false",     [JSON_NULL] = "null"};
    if (!found) return hone_fail(HONE_BAD_INPUT, "%s is missing, expected %s", where, expected);
    return hone_fail(HONE_BAD_INPUT, "%s is %s, expected %s", where, names[json_typeof(found)], expected);
}

/* A key that must be there, with its type. */
static enum hone_status need(const json_t **out, const json_t *object, const char *key, json_type type,
                             const char *where) {
    static const char *const names[] = {[JSON_OBJECT] = "an object",
                                        [JSON_ARRAY] = "a list",
                                        [JSON_STRING] = "a string",
                                        [JSON_INTEGER] = "an integer"};
    *out = json_object_get(object, key);
    if (*out && json_typeof(*out) == type) return HONE_OK;
    char *place = hone_format("%s.%s", where, key);
    enum hone_status status = fail_type(place, *out, names[type]);
    hone_free(place);
    return status;
}

static enum hone_status need_bool(bool *out, const json_t *object, const char *key, const char *where) {
    const json_t *value = json_object_get(object, key);
    if (json_is_boolean(value)) {
        *out = json_is_true(value);
        return HONE_OK;
    }
    char *place = hone_format("%s.%s", where, key);
    enum hone_status status = fail_type(place, value, "true or false");
    hone_free(place);
    return status;
}

static enum hone_status read_id(int32_t *out, const json_t *value, const char *where) {
    if (!json_is_integer(value)) return fail_type(where, value, "an id");
    json_int_t id = json_integer_value(value);
    if (id < 0 || id > MAX_ID)
        return hone_fail(HONE_BAD_INPUT, "%s is %lld, expected an id from 0 to %d", where, (long long)id, MAX_ID);
    *out = (int32_t)id;
    return HONE_OK;
}

static enum hone_status fail_unsupported(const char *where, const json_t *part, const char *supported) {
    const char *type = json_string_value(json_object_get(part, "type"));
    if (!json_is_object(part)) return fail_type(where, part, "an object");
    char *shown = hone_escape(type ? type : "", type ? strlen(type) : 0);
    enum hone_status status =
        type ? hone_fail(HONE_BAD_INPUT, "%s: type \"%s\" isn't supported, only %s", where, shown, supported)
             : hone_fail(HONE_BAD_INPUT, "%s.type is missing, expected %s", where, supported);
    hone_free(shown);
    return status;
}

static bool has_type(const json_t *part, const char *type) {
    const char *found = json_string_value(json_object_get(part, "type"));
    return found && strcmp(found, type) == 0;
}

static enum hone_status read_normalizer(struct reader *r, const json_t *part, const char *where) {
    struct hone_bert_normalizer *normalizer = &r->tokenizer->normalizer;
    if (!part || json_is_null(part)) return HONE_OK;
    if (!has_type(part, "BertNormalizer")) return fail_unsupported(where, part, "BertNormalizer");
    HONE_TRY(need_bool(&normalizer->clean_text, part, "clean_text", where));
    HONE_TRY(need_bool(&normalizer->handle_chinese_chars, part, "handle_chinese_chars", where));
    HONE_TRY(need_bool(&normalizer->lowercase, part, "lowercase", where));
    const json_t *strip = json_object_get(part, "strip_accents");
    normalizer->strip_accents = normalizer->lowercase;
    if (!strip || json_is_null(strip)) return HONE_OK;
    return need_bool(&normalizer->strip_accents, part, "strip_accents", where);
}

static enum hone_status read_pre_tokenizer(struct reader *r, const json_t *part, const char *where) {
    if (!part || json_is_null(part)) return HONE_OK;
    if (!has_type(part, "BertPreTokenizer")) return fail_unsupported(where, part, "BertPreTokenizer");
    r->tokenizer->bert_pre_tokenizer = true;
    return HONE_OK;
}

static enum hone_status read_decoder(struct reader *r, const json_t *part, const char *where) {
    if (!part || json_is_null(part)) return HONE_OK;
    if (!has_type(part, "WordPiece")) return fail_unsupported(where, part, "WordPiece");
    const json_t *prefix;
    HONE_TRY(need(&prefix, part, "prefix", JSON_STRING, where));
    HONE_TRY(need_bool(&r->tokenizer->cleanup, part, "cleanup", where));
    r->tokenizer->wordpiece_decoder = true;
    r->tokenizer->decoder_prefix = hone_strdup(json_string_value(prefix), "tokenizer decoder");
    return HONE_OK;
}

static enum hone_status read_vocabulary(struct reader *r, const json_t *part, const char *where) {
    struct hone_vocabulary_entries entries = {0};
    enum hone_status status = HONE_OK;
    const char *text;
    json_t *value;
    json_object_foreach((json_t *)part, text, value) {
        int32_t id = 0;
        if (!json_is_integer(value) || json_integer_value(value) < 0 || json_integer_value(value) > MAX_ID) {
            char *shown = hone_escape(text, strlen(text));
            char *place = hone_format("%s[\"%s\"]", where, shown);
            status = read_id(&id, value, place);
            hone_free(shown);
            hone_free(place);
            break;
        }
        hone_vocabulary_add(&entries, text, strlen(text), (int32_t)json_integer_value(value));
    }
    if (status == HONE_OK) return hone_vocabulary_finish(&r->tokenizer->vocabulary, &entries, false, where);
    hone_vocabulary_entries_free(&entries);
    return status;
}

static enum hone_status read_wordpiece(struct reader *r, const json_t *part, const char *where) {
    const json_t *unk, *prefix, *max_chars, *vocab;
    HONE_TRY(need(&unk, part, "unk_token", JSON_STRING, where));
    HONE_TRY(need(&prefix, part, "continuing_subword_prefix", JSON_STRING, where));
    HONE_TRY(need(&max_chars, part, "max_input_chars_per_word", JSON_INTEGER, where));
    HONE_TRY(need(&vocab, part, "vocab", JSON_OBJECT, where));
    if (json_integer_value(max_chars) < 0)
        return hone_fail(HONE_BAD_INPUT, "%s.max_input_chars_per_word is %lld, expected 0 or more", where,
                         (long long)json_integer_value(max_chars));
    char *vocab_where = hone_format("%s.vocab", where);
    enum hone_status status = read_vocabulary(r, vocab, vocab_where);
    hone_free(vocab_where);
    HONE_TRY(status);
    const char *text = json_string_value(unk);
    int32_t id = hone_trie_find(&r->tokenizer->vocabulary.trie, text, strlen(text));
    if (id < 0) {
        char *shown = hone_escape(text, strlen(text));
        status = hone_fail(HONE_BAD_INPUT, "%s.unk_token: \"%s\" isn't in %s.vocab", where, shown, where);
        hone_free(shown);
        return status;
    }
    r->tokenizer->size = r->tokenizer->vocabulary.size;
    r->tokenizer->model =
        hone_wordpiece_create(&r->tokenizer->vocabulary, id, json_string_value(prefix), json_integer_value(max_chars));
    return HONE_OK;
}

/* Old files have no type; the reference then takes the first model whose fields are all there, BPE before WordPiece. */
static enum hone_status read_model(struct reader *r, const json_t *part, const char *where) {
    if (!json_is_object(part)) return fail_type(where, part, "an object");
    bool typed = json_object_get(part, "type") != NULL;
    bool bpe = json_object_get(part, "vocab") && json_object_get(part, "merges");
    if (has_type(part, "WordPiece") || (!typed && !bpe && json_object_get(part, "max_input_chars_per_word")))
        return read_wordpiece(r, part, where);
    return fail_unsupported(where, part, "WordPiece");
}

/* ["[SEP]", 102] of BertProcessing. */
static enum hone_status read_bert_special(const char **text, int32_t *id, const json_t *part, const char *key,
                                          const char *where) {
    const json_t *pair = json_object_get(part, key);
    char *place = hone_format("%s.%s", where, key);
    enum hone_status status = HONE_OK;
    if (!json_is_array(pair) || json_array_size(pair) != 2 || !json_is_string(json_array_get(pair, 0)))
        status = fail_type(place, pair, "a list of a token and its id");
    else
        status = read_id(id, json_array_get(pair, 1), place);
    *text = json_string_value(json_array_get(pair, 0));
    hone_free(place);
    return status;
}

static enum hone_status read_bert_processing(struct reader *r, const json_t *part, const char *where) {
    const char *sep, *cls;
    int32_t sep_id = 0, cls_id = 0;
    HONE_TRY(read_bert_special(&sep, &sep_id, part, "sep", where));
    HONE_TRY(read_bert_special(&cls, &cls_id, part, "cls", where));
    hone_template_bert(r->tokenizer, cls, cls_id, sep, sep_id);
    return HONE_OK;
}

/* {"SpecialToken": {"id": "[CLS]", "type_id": 0}}: its ids and texts stand in special_tokens. */
static enum hone_status read_template_special(struct hone_template *out, const char *name, int32_t type_id,
                                              const json_t *specials, const char *where) {
    const json_t *special = json_object_get(specials, name), *ids, *tokens;
    if (!special) return hone_fail(HONE_BAD_INPUT, "%s: \"%s\" isn't among post_processor.special_tokens", where, name);
    HONE_TRY(need(&ids, special, "ids", JSON_ARRAY, where));
    HONE_TRY(need(&tokens, special, "tokens", JSON_ARRAY, where));
    if (json_array_size(ids) != json_array_size(tokens))
        return hone_fail(HONE_BAD_INPUT, "%s: \"%s\" has %zu ids but %zu tokens in post_processor.special_tokens",
                         where, name, json_array_size(ids), json_array_size(tokens));
    for (size_t i = 0; i < json_array_size(ids); i++) {
        int32_t id = -1;
        HONE_TRY(read_id(&id, json_array_get(ids, i), where));
        if (!json_is_string(json_array_get(tokens, i))) return fail_type(where, json_array_get(tokens, i), "a token");
        hone_template_add(out, -1, id, type_id, json_string_value(json_array_get(tokens, i)));
    }
    return HONE_OK;
}

static enum hone_status read_template_piece(struct hone_template *out, const json_t *piece, const json_t *specials,
                                            const char *where) {
    const json_t *sequence = json_object_get(piece, "Sequence"), *special = json_object_get(piece, "SpecialToken");
    const json_t *inner = sequence ? sequence : special, *id, *type_id;
    if (!json_is_object(inner)) return fail_type(where, piece, "{\"Sequence\": …} or {\"SpecialToken\": …}");
    HONE_TRY(need(&id, inner, "id", JSON_STRING, where));
    HONE_TRY(need(&type_id, inner, "type_id", JSON_INTEGER, where));
    json_int_t type = json_integer_value(type_id);
    if (type < 0 || type > UINT8_MAX)
        return hone_fail(HONE_BAD_INPUT, "%s.type_id is %lld, expected 0 to 255", where, (long long)type);
    const char *name = json_string_value(id);
    if (special) return read_template_special(out, name, (int32_t)type, specials, where);
    if (strcmp(name, "A") != 0 && strcmp(name, "B") != 0)
        return hone_fail(HONE_BAD_INPUT, "%s.id is \"%s\", expected \"A\" or \"B\"", where, name);
    hone_template_add(out, name[0] - 'A', -1, (int32_t)type, NULL);
    return HONE_OK;
}

/* Each of the `sequences` exactly once. */
static enum hone_status read_template(struct hone_template *out, const json_t *part, const char *key, int sequences,
                                      const char *where) {
    const json_t *pieces, *specials;
    HONE_TRY(need(&pieces, part, key, JSON_ARRAY, where));
    HONE_TRY(need(&specials, part, "special_tokens", JSON_OBJECT, where));
    int seen[2] = {0, 0};
    for (size_t i = 0; i < json_array_size(pieces); i++) {
        char *place = hone_format("%s.%s[%zu]", where, key, i);
        enum hone_status status = read_template_piece(out, json_array_get(pieces, i), specials, place);
        hone_free(place);
        HONE_TRY(status);
    }
    for (size_t i = 0; i < out->n; i++)
        if (out->at[i].sequence >= 0) seen[out->at[i].sequence]++;
    if (seen[0] == 1 && seen[1] == sequences - 1) return HONE_OK;
    return hone_fail(HONE_BAD_INPUT, "%s.%s has sequence A %d times and B %d times, expected %s", where, key, seen[0],
                     seen[1], sequences == 1 ? "A once and no B" : "each once");
}

static enum hone_status read_post_processor(struct reader *r, const json_t *part, const char *where) {
    if (!part || json_is_null(part)) return HONE_OK;
    if (has_type(part, "BertProcessing")) return read_bert_processing(r, part, where);
    if (!has_type(part, "TemplateProcessing"))
        return fail_unsupported(where, part, "TemplateProcessing and BertProcessing");
    HONE_TRY(read_template(&r->tokenizer->single, part, "single", 1, where));
    return read_template(&r->tokenizer->pair, part, "pair", 2, where);
}

static enum hone_status read_added_tokens(struct reader *r, const json_t *part, const char *where) {
    if (!part || json_is_null(part)) return HONE_OK;
    if (!json_is_array(part)) return fail_type(where, part, "a list");
    for (size_t i = 0; i < json_array_size(part); i++) {
        char *place = hone_format("%s[%zu]", where, i);
        struct hone_added_token token = {0};
        const json_t *object = json_array_get(part, i);
        int32_t id = -1;
        enum hone_status status = hone_added_token_read(&token, object, place);
        if (status == HONE_OK) status = read_id(&id, json_object_get(object, "id"), place);
        if (status == HONE_OK)
            status = hone_added_token_place(r->tokenizer, token, id, place);
        else
            hone_free(token.text);
        hone_free(place);
        HONE_TRY(status);
    }
    return HONE_OK;
}

enum hone_status hone_added_token_read(struct hone_added_token *out, const json_t *object, const char *where) {
    const json_t *content;
    if (!json_is_object(object)) return fail_type(where, object, "an object");
    HONE_TRY(need(&content, object, "content", JSON_STRING, where));
    *out = (struct hone_added_token){0};
    HONE_TRY(need_bool(&out->single_word, object, "single_word", where));
    HONE_TRY(need_bool(&out->lstrip, object, "lstrip", where));
    HONE_TRY(need_bool(&out->rstrip, object, "rstrip", where));
    HONE_TRY(need_bool(&out->normalized, object, "normalized", where));
    if (json_object_get(object, "special")) HONE_TRY(need_bool(&out->special, object, "special", where));
    out->n = strlen(json_string_value(content));
    if (out->n == 0) return hone_fail(HONE_BAD_INPUT, "%s.content is empty", where);
    out->text = hone_strdup(json_string_value(content), "added token");
    return HONE_OK;
}

enum hone_status hone_tokenizer_read_json(struct hone_tokenizer *tokenizer, const char *path) {
    static const struct {
        const char *key;
        enum hone_status (*read)(struct reader *, const json_t *, const char *);
    } parts[] = {
        {"normalizer", read_normalizer}, {"pre_tokenizer", read_pre_tokenizer},   {"model", read_model},
        {"decoder", read_decoder},       {"post_processor", read_post_processor}, {"added_tokens", read_added_tokens}};
    json_t *root;
    HONE_TRY(hone_json_read(&root, path, HONE_JSON_TOKENIZER_LIMIT));
    struct reader reader = {tokenizer, path};
    enum hone_status status = HONE_OK;
    const json_t *version = json_object_get(root, "version");
    if (version && (!json_is_string(version) || strcmp(json_string_value(version), "1.0") != 0))
        status = hone_fail(HONE_BAD_INPUT, "%s: version isn't \"1.0\"", path);
    for (size_t i = 0; status == HONE_OK && i < sizeof parts / sizeof *parts; i++) {
        char *where = hone_format("%s: %s", path, parts[i].key);
        status = parts[i].read(&reader, json_object_get(root, parts[i].key), where);
        hone_free(where);
    }
    json_decref(root);
    return status;
}
