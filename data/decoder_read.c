/* Decoders, as tokenizer.json has them. */
#include <string.h>

#include "base/utf8.h"
#include "data/tokenizer_parts.h"

static enum hone_status read_text(char **out, const json_t *part, const char *key, const char *where) {
    const json_t *text;
    HONE_TRY(hone_part_need(&text, part, key, JSON_STRING, where));
    *out = hone_strdup(json_string_value(text), "tokenizer decoder");
    return HONE_OK;
}

static enum hone_status read_word_piece(struct hone_decoder_step *step, const json_t *part, const char *where) {
    HONE_TRY(read_text(&step->text, part, "prefix", where));
    return hone_part_bool(&step->cleanup, part, "cleanup", where);
}

static enum hone_status read_bpe(struct hone_decoder_step *step, const json_t *part, const char *where) {
    HONE_TRY(read_text(&step->text, part, "suffix", where));
    return *step->text ? HONE_OK : hone_fail(HONE_BAD_INPUT, "%s.suffix is empty", where);
}

static enum hone_status read_ctc(struct hone_decoder_step *step, const json_t *part, const char *where) {
    HONE_TRY(read_text(&step->text, part, "pad_token", where));
    HONE_TRY(read_text(&step->delimiter, part, "word_delimiter_token", where));
    return hone_part_bool(&step->cleanup, part, "cleanup", where);
}

static enum hone_status read_metaspace(struct hone_decoder_step *step, const json_t *part, const char *where) {
    const char *scheme;
    bool adds;
    HONE_TRY(hone_part_character(&step->code, part, "replacement", where));
    HONE_TRY(hone_part_string_or(&scheme, part, "prepend_scheme", "always", where));
    HONE_TRY(hone_part_bool_or(&adds, part, "add_prefix_space", true, where));
    if (strcmp(scheme, "always") != 0 && strcmp(scheme, "never") != 0 && strcmp(scheme, "first") != 0)
        return hone_fail(HONE_BAD_INPUT, "%s.prepend_scheme isn't always, never or first", where);
    step->drops_first = strcmp(scheme, "never") != 0;
    return adds || !step->drops_first
               ? HONE_OK
               : hone_fail(HONE_BAD_INPUT, "%s.add_prefix_space is false, but prepend_scheme is %s", where, scheme);
}

static enum hone_status read_replace(struct hone_decoder_step *step, const json_t *part, const char *where) {
    char *place = hone_format("%s.pattern", where);
    enum hone_status status = hone_pattern_read(&step->pattern, json_object_get(part, "pattern"), place);
    hone_free(place);
    return status == HONE_OK ? read_text(&step->text, part, "content", where) : status;
}

static enum hone_status read_count(int64_t *out, const json_t *part, const char *key, const char *where) {
    const json_t *count;
    HONE_TRY(hone_part_need(&count, part, key, JSON_INTEGER, where));
    *out = json_integer_value(count);
    return *out >= 0 ? HONE_OK : hone_fail(HONE_BAD_INPUT, "%s.%s is below 0", where, key);
}

static enum hone_status read_strip(struct hone_decoder_step *step, const json_t *part, const char *where) {
    HONE_TRY(hone_part_character(&step->code, part, "content", where));
    HONE_TRY(read_count(&step->start, part, "start", where));
    return read_count(&step->stop, part, "stop", where);
}

static const struct {
    const char *type;
    enum hone_decoder_kind kind;
    enum hone_status (*read)(struct hone_decoder_step *, const json_t *, const char *);
} kinds[] = {
    {"BPEDecoder", HONE_DECODER_BPE, read_bpe},
    {"ByteFallback", HONE_DECODER_BYTE_FALLBACK, NULL},
    {"ByteLevel", HONE_DECODER_BYTE_LEVEL, NULL},
    {"CTC", HONE_DECODER_CTC, read_ctc},
    {"Fuse", HONE_DECODER_FUSE, NULL},
    {"Metaspace", HONE_DECODER_METASPACE, read_metaspace},
    {"Replace", HONE_DECODER_REPLACE, read_replace},
    {"Strip", HONE_DECODER_STRIP, read_strip},
    {"WordPiece", HONE_DECODER_WORDPIECE, read_word_piece},
};

static enum hone_status read_one(void *to, const json_t *part, const char *where) {
    struct hone_decoder *decoder = to;
    const char *type;
    HONE_TRY(hone_part_type(&type, part, where));
    if (strcmp(type, "Sequence") == 0) return hone_part_each(to, part, "decoders", where, read_one);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (strcmp(type, kinds[i].type) != 0) continue;
        hone_reserve(&decoder->at, &decoder->capacity, decoder->n + 1, sizeof *decoder->at, "tokenizer decoder");
        struct hone_decoder_step *step = &decoder->at[decoder->n++];
        *step = (struct hone_decoder_step){.kind = kinds[i].kind};
        return kinds[i].read ? kinds[i].read(step, part, where) : HONE_OK;
    }
    return hone_part_fail_unsupported(
        where, type,
        "BPEDecoder, ByteFallback, ByteLevel, CTC, Fuse, Metaspace, Replace, Sequence, Strip and WordPiece");
}

enum hone_status hone_decoder_read(struct hone_decoder *to, const json_t *part, const char *where) {
    if (!part || json_is_null(part)) return HONE_OK;
    to->given = true;
    return read_one(to, part, where);
}
