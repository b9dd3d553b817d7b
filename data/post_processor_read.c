/* Post-processors, as tokenizer.json has them. */
#include <string.h>

#include "base/utf8.h"
#include "data/tokenizer_parts.h"

/* ["[SEP]", 102] of BertProcessing. */
static enum hone_status read_bert_special(const char **text, int32_t *id, const json_t *part, const char *key,
                                          const char *where) {
    const json_t *pair = json_object_get(part, key);
    char *place = hone_format("%s.%s", where, key);
    enum hone_status status = HONE_OK;
    if (!json_is_array(pair) || json_array_size(pair) != 2 || !json_is_string(json_array_get(pair, 0)))
        status = hone_part_fail_type(place, pair, "a list of a token and its id");
    else
        status = hone_part_id(id, json_array_get(pair, 1), place);
    *text = json_string_value(json_array_get(pair, 0));
    hone_free(place);
    return status;
}

static enum hone_status read_bert_processing(struct hone_post_processor *to, const json_t *part, bool roberta,
                                             const char *where) {
    const char *sep, *cls;
    int32_t sep_id = 0, cls_id = 0;
    HONE_TRY(read_bert_special(&sep, &sep_id, part, "sep", where));
    HONE_TRY(read_bert_special(&cls, &cls_id, part, "cls", where));
    if (roberta) {
        HONE_TRY(hone_part_bool(&to->trims, part, "trim_offsets", where));
        HONE_TRY(hone_part_bool(&to->trims_prefix_space, part, "add_prefix_space", where));
    }
    hone_template_bert(to, cls, cls_id, sep, sep_id, roberta);
    return HONE_OK;
}

/* {"SpecialToken": {"id": "[CLS]", "type_id": 0}}: its ids and texts stand in special_tokens. */
static enum hone_status read_template_special(struct hone_template *out, const char *name, int32_t type_id,
                                              const json_t *specials, const char *where) {
    const json_t *special = json_object_get(specials, name), *ids, *tokens;
    if (!special) return hone_fail(HONE_BAD_INPUT, "%s: \"%s\" isn't among post_processor.special_tokens", where, name);
    HONE_TRY(hone_part_need(&ids, special, "ids", JSON_ARRAY, where));
    HONE_TRY(hone_part_need(&tokens, special, "tokens", JSON_ARRAY, where));
    if (json_array_size(ids) != json_array_size(tokens))
        return hone_fail(HONE_BAD_INPUT, "%s: \"%s\" has %zu ids but %zu tokens in post_processor.special_tokens",
                         where, name, json_array_size(ids), json_array_size(tokens));
    for (size_t i = 0; i < json_array_size(ids); i++) {
        int32_t id = -1;
        HONE_TRY(hone_part_id(&id, json_array_get(ids, i), where));
        if (!json_is_string(json_array_get(tokens, i)))
            return hone_part_fail_type(where, json_array_get(tokens, i), "a token");
        hone_template_add(out, -1, id, type_id, json_string_value(json_array_get(tokens, i)));
    }
    return HONE_OK;
}

static enum hone_status read_template_piece(struct hone_template *out, const json_t *piece, const json_t *specials,
                                            const char *where) {
    const json_t *sequence = json_object_get(piece, "Sequence"), *special = json_object_get(piece, "SpecialToken");
    const json_t *inner = sequence ? sequence : special, *id, *type_id;
    if (!json_is_object(inner)) return hone_part_fail_type(where, piece, "{\"Sequence\": …} or {\"SpecialToken\": …}");
    HONE_TRY(hone_part_need(&id, inner, "id", JSON_STRING, where));
    HONE_TRY(hone_part_need(&type_id, inner, "type_id", JSON_INTEGER, where));
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
    HONE_TRY(hone_part_need(&pieces, part, key, JSON_ARRAY, where));
    HONE_TRY(hone_part_need(&specials, part, "special_tokens", JSON_OBJECT, where));
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

static enum hone_status read_layout(struct hone_post_processor *to, const json_t *part, const char *type,
                                    const char *where) {
    if (to->given)
        return hone_fail(HONE_BAD_INPUT, "%s: a second processor that lays out sequences isn't supported", where);
    to->given = true;
    if (strcmp(type, "TemplateProcessing") != 0)
        return read_bert_processing(to, part, strcmp(type, "RobertaProcessing") == 0, where);
    HONE_TRY(read_template(&to->single, part, "single", 1, where));
    return read_template(&to->pair, part, "pair", 2, where);
}

static enum hone_status read_byte_level(struct hone_post_processor *to, const json_t *part, const char *where) {
    bool trims, prefix_space;
    HONE_TRY(hone_part_bool(&trims, part, "trim_offsets", where));
    HONE_TRY(hone_part_bool(&prefix_space, part, "add_prefix_space", where));
    if (!trims) return HONE_OK;
    if (to->trims || to->given)
        return hone_fail(HONE_BAD_INPUT, "%s: ByteLevel with trim_offsets is only supported once, and first", where);
    to->trims = true;
    to->trims_prefix_space = prefix_space;
    return HONE_OK;
}

static enum hone_status read_one(void *to, const json_t *part, const char *where) {
    const char *type;
    HONE_TRY(hone_part_type(&type, part, where));
    if (strcmp(type, "Sequence") == 0) return hone_part_each(to, part, "processors", where, read_one);
    if (strcmp(type, "ByteLevel") == 0) return read_byte_level(to, part, where);
    if (strcmp(type, "TemplateProcessing") == 0 || strcmp(type, "BertProcessing") == 0 ||
        strcmp(type, "RobertaProcessing") == 0)
        return read_layout(to, part, type, where);
    return hone_part_fail_unsupported(where, type,
                                      "BertProcessing, ByteLevel, RobertaProcessing, Sequence and TemplateProcessing");
}

enum hone_status hone_post_processor_read(struct hone_post_processor *to, const json_t *part, const char *where) {
    return !part || json_is_null(part) ? HONE_OK : read_one(to, part, where);
}
