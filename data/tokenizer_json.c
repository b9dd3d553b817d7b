/* Reading tokenizer.json, version 1.0. What the reference accepts by luck (ids that contradict each other, templates
 * that name nothing) is refused here, each with its place in the file; keys that it ignores are ignored. */
#include <string.h>

#include "base/utf8.h"
#include "data/tokenizer_parts.h"

static enum hone_status read_normalizer(struct hone_tokenizer *t, const json_t *part, const char *where) {
    return hone_normalizer_read(&t->normalizer, part, where);
}
static enum hone_status read_pre_tokenizer(struct hone_tokenizer *t, const json_t *part, const char *where) {
    return hone_pre_tokenizer_read(&t->pre_tokenizer, part, where);
}
static enum hone_status read_decoder(struct hone_tokenizer *t, const json_t *part, const char *where) {
    return hone_decoder_read(&t->decoder, part, where);
}
static enum hone_status read_post_processor(struct hone_tokenizer *t, const json_t *part, const char *where) {
    return hone_post_processor_read(&t->post_processor, part, where);
}

/* Gives the token the id of its text in the vocabulary, else the next free one, and takes it over. */
static enum hone_status add_token(struct hone_tokenizer *tokenizer, struct hone_added_token token, int32_t stated,
                                  const char *where) {
    struct hone_added_tokens *added = &tokenizer->added;
    const struct hone_vocabulary *vocabulary = &tokenizer->vocabulary;
    token.id = hone_vocabulary_id(vocabulary, token.text, token.n);
    bool is_new = token.id < 0;
    if (is_new) token.id = tokenizer->size;
    hone_reserve(&added->at, &added->capacity, added->n + 1, sizeof *added->at, "added tokens");
    added->at[added->n++] = token;
    if (stated != token.id)
        return hone_fail(HONE_BAD_INPUT, "%s has id %d, but %s %d", where, stated,
                         is_new ? "the next free one is" : "the vocabulary gives its content", token.id);
    if (is_new && vocabulary->entries != vocabulary->size)
        return hone_fail(HONE_BAD_INPUT,
                         "%s is new, but the vocabulary's ids have gaps: %d entries, the largest id is %d", where,
                         vocabulary->entries, vocabulary->size - 1);
    tokenizer->size += is_new;
    return HONE_OK;
}

static enum hone_status read_added_token(struct hone_tokenizer *to, const json_t *part, const char *where) {
    struct hone_added_token token = {0};
    int32_t id = -1;
    HONE_TRY(hone_added_token_read(&token, part, where));
    enum hone_status status = hone_part_id(&id, json_object_get(part, "id"), where);
    if (status == HONE_OK) return add_token(to, token, id, where);
    hone_free(token.text);
    return status;
}

static enum hone_status read_added_tokens(struct hone_tokenizer *tokenizer, const json_t *part, const char *where) {
    if (!part || json_is_null(part)) return HONE_OK;
    if (!json_is_array(part)) return hone_part_fail_type(where, part, "a list");
    for (size_t i = 0; i < json_array_size(part); i++) {
        char *place = hone_format("%s[%zu]", where, i);
        enum hone_status status = read_added_token(tokenizer, json_array_get(part, i), place);
        hone_free(place);
        HONE_TRY(status);
    }
    return HONE_OK;
}

enum hone_status hone_added_token_read(struct hone_added_token *out, const json_t *object, const char *where) {
    const json_t *content;
    if (!json_is_object(object)) return hone_part_fail_type(where, object, "an object");
    HONE_TRY(hone_part_need(&content, object, "content", JSON_STRING, where));
    *out = (struct hone_added_token){0};
    HONE_TRY(hone_part_bool(&out->single_word, object, "single_word", where));
    HONE_TRY(hone_part_bool(&out->lstrip, object, "lstrip", where));
    HONE_TRY(hone_part_bool(&out->rstrip, object, "rstrip", where));
    HONE_TRY(hone_part_bool(&out->normalized, object, "normalized", where));
    if (json_object_get(object, "special")) HONE_TRY(hone_part_bool(&out->special, object, "special", where));
    out->n = strlen(json_string_value(content));
    if (out->n == 0) return hone_fail(HONE_BAD_INPUT, "%s.content is empty", where);
    out->text = hone_strdup(json_string_value(content), "added token");
    return HONE_OK;
}

enum hone_status hone_tokenizer_read_json(struct hone_tokenizer *tokenizer, const json_t *root, const char *path) {
    static const struct {
        const char *key;
        enum hone_status (*read)(struct hone_tokenizer *, const json_t *, const char *);
    } parts[] = {
        {"normalizer", read_normalizer}, {"pre_tokenizer", read_pre_tokenizer},   {"model", hone_model_read},
        {"decoder", read_decoder},       {"post_processor", read_post_processor}, {"added_tokens", read_added_tokens}};
    const json_t *version = json_object_get(root, "version");
    if (version && (!json_is_string(version) || strcmp(json_string_value(version), "1.0") != 0))
        return hone_fail(HONE_BAD_INPUT, "%s: version isn't \"1.0\"", path);
    enum hone_status status = HONE_OK;
    for (size_t i = 0; status == HONE_OK && i < sizeof parts / sizeof *parts; i++) {
        char *where = hone_format("%s: %s", path, parts[i].key);
        status = parts[i].read(tokenizer, json_object_get(root, parts[i].key), where);
        hone_free(where);
    }
    return status;
}
