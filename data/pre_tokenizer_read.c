/* Pre-tokenizers, as tokenizer.json has them. */
#include <string.h>

#include "base/utf8.h"
#include "data/tokenizer_parts.h"

/* `otherwise` where the key is missing; -1: it must be there. */
static enum hone_status read_behavior(enum hone_split_behavior *out, const json_t *part, int otherwise,
                                      const char *where) {
    static const char *const names[] = {[HONE_SPLIT_REMOVED] = "Removed",
                                        [HONE_SPLIT_ISOLATED] = "Isolated",
                                        [HONE_SPLIT_MERGED_WITH_PREVIOUS] = "MergedWithPrevious",
                                        [HONE_SPLIT_MERGED_WITH_NEXT] = "MergedWithNext",
                                        [HONE_SPLIT_CONTIGUOUS] = "Contiguous"};
    const json_t *behavior = json_object_get(part, "behavior");
    *out = otherwise < 0 ? HONE_SPLIT_REMOVED : (enum hone_split_behavior)otherwise;
    if (!behavior && otherwise >= 0) return HONE_OK;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (!json_is_string(behavior) || strcmp(json_string_value(behavior), names[i]) != 0) continue;
        *out = (enum hone_split_behavior)i;
        return HONE_OK;
    }
    return hone_fail(HONE_BAD_INPUT,
                     "%s.behavior isn't Removed, Isolated, MergedWithPrevious, MergedWithNext or Contiguous", where);
}

static enum hone_status read_byte_level(struct hone_pre_tokenizer_step *step, const json_t *part, const char *where) {
    bool trims; /* means something only in a post-processor */
    HONE_TRY(hone_part_bool(&step->add_prefix_space, part, "add_prefix_space", where));
    HONE_TRY(hone_part_bool(&trims, part, "trim_offsets", where));
    return hone_part_bool_or(&step->use_regex, part, "use_regex", true, where);
}

static enum hone_status read_metaspace(struct hone_pre_tokenizer_step *step, const json_t *part, const char *where) {
    const char *scheme;
    bool adds;
    HONE_TRY(hone_part_character(&step->code, part, "replacement", where));
    HONE_TRY(hone_part_string_or(&scheme, part, "prepend_scheme", "always", where));
    HONE_TRY(hone_part_bool_or(&adds, part, "add_prefix_space", true, where));
    HONE_TRY(hone_part_bool_or(&step->split, part, "split", true, where));
    if (strcmp(scheme, "always") != 0 && strcmp(scheme, "never") != 0 && strcmp(scheme, "first") != 0)
        return hone_fail(HONE_BAD_INPUT, "%s.prepend_scheme isn't always, never or first", where);
    step->scheme = scheme[0] == 'a' ? HONE_PREPEND_ALWAYS : scheme[0] == 'n' ? HONE_PREPEND_NEVER : HONE_PREPEND_FIRST;
    if (adds || step->scheme == HONE_PREPEND_NEVER) return HONE_OK;
    return hone_fail(HONE_BAD_INPUT, "%s.add_prefix_space is false, but prepend_scheme is %s", where, scheme);
}

static enum hone_status read_split(struct hone_pre_tokenizer_step *step, const json_t *part, const char *where) {
    char *place = hone_format("%s.pattern", where);
    enum hone_status status = hone_pattern_read(&step->pattern, json_object_get(part, "pattern"), place);
    hone_free(place);
    HONE_TRY(status);
    HONE_TRY(hone_part_bool(&step->invert, part, "invert", where));
    return read_behavior(&step->behavior, part, -1, where);
}

static enum hone_status read_punctuation(struct hone_pre_tokenizer_step *step, const json_t *part, const char *where) {
    return read_behavior(&step->behavior, part, HONE_SPLIT_ISOLATED, where);
}

static enum hone_status read_digits(struct hone_pre_tokenizer_step *step, const json_t *part, const char *where) {
    bool individual;
    HONE_TRY(hone_part_bool(&individual, part, "individual_digits", where));
    step->behavior = individual ? HONE_SPLIT_ISOLATED : HONE_SPLIT_CONTIGUOUS;
    return HONE_OK;
}

static enum hone_status read_delimiter(struct hone_pre_tokenizer_step *step, const json_t *part, const char *where) {
    return hone_part_character(&step->code, part, "delimiter", where);
}

static const struct {
    const char *type;
    enum hone_pre_tokenizer_kind kind;
    enum hone_status (*read)(struct hone_pre_tokenizer_step *, const json_t *, const char *);
} kinds[] = {
    {"BertPreTokenizer", HONE_PRE_TOKENIZER_BERT, NULL},
    {"ByteLevel", HONE_PRE_TOKENIZER_BYTE_LEVEL, read_byte_level},
    {"CharDelimiterSplit", HONE_PRE_TOKENIZER_DELIMITER, read_delimiter},
    {"Digits", HONE_PRE_TOKENIZER_DIGITS, read_digits},
    {"Metaspace", HONE_PRE_TOKENIZER_METASPACE, read_metaspace},
    {"Punctuation", HONE_PRE_TOKENIZER_PUNCTUATION, read_punctuation},
    {"Split", HONE_PRE_TOKENIZER_SPLIT, read_split},
    {"UnicodeScripts", HONE_PRE_TOKENIZER_SCRIPTS, NULL},
    {"Whitespace", HONE_PRE_TOKENIZER_WHITESPACE, NULL},
    {"WhitespaceSplit", HONE_PRE_TOKENIZER_WHITESPACE_SPLIT, NULL},
};

static enum hone_status read_one(void *to, const json_t *part, const char *where) {
    struct hone_pre_tokenizer *pre_tokenizer = to;
    const char *type;
    HONE_TRY(hone_part_type(&type, part, where));
    if (strcmp(type, "Sequence") == 0) return hone_part_each(to, part, "pretokenizers", where, read_one);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (strcmp(type, kinds[i].type) != 0) continue;
        hone_reserve(&pre_tokenizer->at, &pre_tokenizer->capacity, pre_tokenizer->n + 1, sizeof *pre_tokenizer->at,
                     "pre-tokenizer");
        struct hone_pre_tokenizer_step *step = &pre_tokenizer->at[pre_tokenizer->n++];
        *step = (struct hone_pre_tokenizer_step){.kind = kinds[i].kind};
        return kinds[i].read ? kinds[i].read(step, part, where) : HONE_OK;
    }
    return hone_part_fail_unsupported(where, type,
                                      "BertPreTokenizer, ByteLevel, CharDelimiterSplit, Digits, Metaspace, "
                                      "Punctuation, Sequence, Split, UnicodeScripts, Whitespace and WhitespaceSplit");
}

enum hone_status hone_pre_tokenizer_read(struct hone_pre_tokenizer *to, const json_t *part, const char *where) {
    return !part || json_is_null(part) ? HONE_OK : read_one(to, part, where);
}
