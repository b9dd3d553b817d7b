/* Normalizers, as tokenizer.json has them. */
#include <string.h>

#include "base/utf8.h"
#include "data/tokenizer_parts.h"

static enum hone_status read_bert(struct hone_normalizer_step *step, const json_t *part, const char *where) {
    HONE_TRY(hone_part_bool(&step->bert.clean_text, part, "clean_text", where));
    HONE_TRY(hone_part_bool(&step->bert.handle_chinese_chars, part, "handle_chinese_chars", where));
    HONE_TRY(hone_part_bool(&step->bert.lowercase, part, "lowercase", where));
    return hone_part_bool_or(&step->bert.strip_accents, part, "strip_accents", step->bert.lowercase, where);
}

static enum hone_status read_content(struct hone_normalizer_step *step, const json_t *part, const char *key,
                                     const char *where) {
    const json_t *content;
    HONE_TRY(hone_part_need(&content, part, key, JSON_STRING, where));
    step->content = hone_strdup(json_string_value(content), "normalizer");
    step->content_n = strlen(step->content);
    return HONE_OK;
}

static enum hone_status read_replace(struct hone_normalizer_step *step, const json_t *part, const char *where) {
    char *place = hone_format("%s.pattern", where);
    enum hone_status status = hone_pattern_read(&step->pattern, json_object_get(part, "pattern"), place);
    hone_free(place);
    return status == HONE_OK ? read_content(step, part, "content", where) : status;
}

static enum hone_status read_prepend(struct hone_normalizer_step *step, const json_t *part, const char *where) {
    return read_content(step, part, "prepend", where);
}

static enum hone_status read_strip(struct hone_normalizer_step *step, const json_t *part, const char *where) {
    HONE_TRY(hone_part_bool(&step->left, part, "strip_left", where));
    return hone_part_bool(&step->right, part, "strip_right", where);
}

static enum hone_status read_charsmap(struct hone_normalizer_step *step, const json_t *part, const char *where) {
    const json_t *map;
    HONE_TRY(hone_part_need(&map, part, "precompiled_charsmap", JSON_STRING, where));
    char *place = hone_format("%s.precompiled_charsmap", where);
    enum hone_status status = hone_charsmap_read(&step->map, json_string_value(map), place);
    hone_free(place);
    return status;
}

static const struct {
    const char *type;
    enum hone_normalizer_kind kind;
    enum hone_status (*read)(struct hone_normalizer_step *, const json_t *, const char *);
} kinds[] = {
    {"BertNormalizer", HONE_NORMALIZER_BERT, read_bert},
    {"ByteLevel", HONE_NORMALIZER_BYTE_LEVEL, NULL},
    {"Lowercase", HONE_NORMALIZER_LOWERCASE, NULL},
    {"NFC", HONE_NORMALIZER_NFC, NULL},
    {"NFD", HONE_NORMALIZER_NFD, NULL},
    {"NFKC", HONE_NORMALIZER_NFKC, NULL},
    {"NFKD", HONE_NORMALIZER_NFKD, NULL},
    {"Nmt", HONE_NORMALIZER_NMT, NULL},
    {"Precompiled", HONE_NORMALIZER_PRECOMPILED, read_charsmap},
    {"Prepend", HONE_NORMALIZER_PREPEND, read_prepend},
    {"Replace", HONE_NORMALIZER_REPLACE, read_replace},
    {"Strip", HONE_NORMALIZER_STRIP, read_strip},
    {"StripAccents", HONE_NORMALIZER_STRIP_ACCENTS, NULL},
};

static enum hone_status read_one(void *to, const json_t *part, const char *where) {
    struct hone_normalizer *normalizer = to;
    const char *type;
    HONE_TRY(hone_part_type(&type, part, where));
    if (strcmp(type, "Sequence") == 0) return hone_part_each(to, part, "normalizers", where, read_one);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (strcmp(type, kinds[i].type) != 0) continue;
        hone_reserve(&normalizer->at, &normalizer->capacity, normalizer->n + 1, sizeof *normalizer->at, "normalizer");
        struct hone_normalizer_step *step = &normalizer->at[normalizer->n++];
        *step = (struct hone_normalizer_step){.kind = kinds[i].kind};
        return kinds[i].read ? kinds[i].read(step, part, where) : HONE_OK;
    }
    return hone_part_fail_unsupported(where, type,
                                      "BertNormalizer, ByteLevel, Lowercase, NFC, NFD, NFKC, NFKD, Nmt, Precompiled, "
                                      "Prepend, Replace, Sequence, Strip and StripAccents");
}

enum hone_status hone_normalizer_read(struct hone_normalizer *to, const json_t *part, const char *where) {
    return !part || json_is_null(part) ? HONE_OK : read_one(to, part, where);
}
