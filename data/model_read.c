/* Models, as tokenizer.json has them. */
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "data/tokenizer_parts.h"

static enum hone_status read_vocabulary(struct hone_tokenizer *tokenizer, const json_t *part, const char *model) {
    enum hone_status status = HONE_OK;
    const json_t *vocab;
    const char *text;
    json_t *value;
    HONE_TRY(hone_part_need(&vocab, part, "vocab", JSON_OBJECT, model));
    struct hone_vocabulary_entries entries = tokenizer->scanned.entries;
    tokenizer->scanned.entries = (struct hone_vocabulary_entries){0};
    char *where = hone_format("%s.vocab", model);
    json_object_foreach((json_t *)vocab, text, value) {
        int32_t id = 0;
        if (!json_is_integer(value) || json_integer_value(value) < 0 || json_integer_value(value) >= INT32_MAX) {
            char *shown = hone_escape(text, strlen(text));
            char *place = hone_format("%s[\"%s\"]", where, shown);
            status = hone_part_id(&id, value, place);
            hone_free(shown);
            hone_free(place);
            break;
        }
        hone_vocabulary_add(&entries, text, strlen(text), (int32_t)json_integer_value(value));
    }
    if (status == HONE_OK)
        status = hone_vocabulary_finish(&tokenizer->vocabulary, &entries, HONE_REPEATED_REFUSED, where);
    hone_vocabulary_entries_free(&entries);
    hone_free(where);
    tokenizer->size = tokenizer->vocabulary.size;
    return status;
}

/* *id: of the text under `key`; -1 without one. A text that isn't in the vocabulary is refused. */
static enum hone_status read_token(int32_t *id, const struct hone_tokenizer *tokenizer, const json_t *part,
                                   const char *key, const char *where) {
    const char *text;
    *id = -1;
    HONE_TRY(hone_part_string_or(&text, part, key, NULL, where));
    if (!text) return HONE_OK;
    *id = hone_vocabulary_id(&tokenizer->vocabulary, text, strlen(text));
    if (*id >= 0) return HONE_OK;
    char *shown = hone_escape(text, strlen(text));
    enum hone_status status = hone_fail(HONE_BAD_INPUT, "%s.%s: \"%s\" isn't in %s.vocab", where, key, shown, where);
    hone_free(shown);
    return status;
}

static enum hone_status read_wordpiece(struct hone_tokenizer *tokenizer, const json_t *part, const char *where) {
    const json_t *unk, *prefix, *max_chars;
    HONE_TRY(hone_part_need(&unk, part, "unk_token", JSON_STRING, where));
    HONE_TRY(hone_part_need(&prefix, part, "continuing_subword_prefix", JSON_STRING, where));
    HONE_TRY(hone_part_need(&max_chars, part, "max_input_chars_per_word", JSON_INTEGER, where));
    if (json_integer_value(max_chars) < 0)
        return hone_fail(HONE_BAD_INPUT, "%s.max_input_chars_per_word is %lld, expected 0 or more", where,
                         (long long)json_integer_value(max_chars));
    HONE_TRY(read_vocabulary(tokenizer, part, where));
    int32_t id;
    HONE_TRY(read_token(&id, tokenizer, part, "unk_token", where));
    tokenizer->model =
        hone_wordpiece_create(&tokenizer->vocabulary, id, json_string_value(prefix), json_integer_value(max_chars));
    tokenizer->unk = id;
    tokenizer->subword_prefix = json_string_length(prefix) > 0;
    return HONE_OK;
}

static enum hone_status read_word_level(struct hone_tokenizer *tokenizer, const json_t *part, const char *where) {
    const json_t *unk;
    HONE_TRY(hone_part_need(&unk, part, "unk_token", JSON_STRING, where));
    HONE_TRY(read_vocabulary(tokenizer, part, where));
    /* Without it, a word that isn't in the vocabulary is an error when it comes. */
    const char *text = json_string_value(unk);
    int32_t id = hone_vocabulary_id(&tokenizer->vocabulary, text, strlen(text));
    tokenizer->model = hone_word_level_create(&tokenizer->vocabulary, id);
    tokenizer->unk = id;
    return HONE_OK;
}

/* The two halves of a merge: ["a", "b"], or "a b" in older files. */
static bool cut_merge(const json_t *merge, const char *halves[2], size_t lengths[2]) {
    if (json_is_array(merge) && json_array_size(merge) == 2) {
        for (size_t i = 0; i < 2; i++) {
            halves[i] = json_string_value(json_array_get(merge, i));
            if (!halves[i]) return false;
            lengths[i] = strlen(halves[i]);
        }
        return true;
    }
    const char *text = json_string_value(merge), *space = text ? strchr(text, ' ') : NULL;
    if (!space || strchr(space + 1, ' ')) return false;
    halves[0] = text;
    halves[1] = space + 1;
    lengths[0] = (size_t)(space - text);
    lengths[1] = strlen(halves[1]);
    return true;
}

static enum hone_status fail_merge(const char *where, size_t i, const char *text, size_t n, const char *wrong) {
    char *shown = hone_escape(text, n);
    enum hone_status status = hone_fail(HONE_BAD_INPUT, "%s.merges[%zu]: \"%s\" %s", where, i, shown, wrong);
    hone_free(shown);
    return status;
}

/* `whole` is work space. */
static enum hone_status read_merge(struct hone_merge *out, struct hone_text *whole,
                                   const struct hone_vocabulary *vocabulary, const char *const halves[2],
                                   const size_t lengths[2], size_t prefix_n, size_t i, const char *where) {
    int32_t ids[2];
    for (int k = 0; k < 2; k++) {
        ids[k] = hone_vocabulary_id(vocabulary, halves[k], lengths[k]);
        if (ids[k] < 0) return fail_merge(where, i, halves[k], lengths[k], "isn't in the vocabulary");
    }
    if (lengths[1] < prefix_n || (lengths[1] > prefix_n && (halves[1][prefix_n] & 0xC0) == 0x80))
        return fail_merge(where, i, halves[1], lengths[1], "is shorter than continuing_subword_prefix");
    whole->length = 0;
    hone_text_append(whole, halves[0], lengths[0]);
    hone_text_append(whole, halves[1] + prefix_n, lengths[1] - prefix_n);
    *out = (struct hone_merge){ids[0], ids[1], hone_vocabulary_id(vocabulary, whole->bytes, whole->length)};
    if (out->id < 0) return fail_merge(where, i, whole->bytes, whole->length, "isn't in the vocabulary");
    if (out->id != out->left && out->id != out->right) return HONE_OK;
    return fail_merge(where, i, whole->bytes, whole->length, "is one of its own halves");
}

static enum hone_status read_merges(struct hone_tokenizer *tokenizer, const json_t *list,
                                    const struct hone_bpe_options *options, const char *where) {
    const struct hone_model_scan *scanned = &tokenizer->scanned;
    size_t n = 0, most = json_array_size(list) + scanned->merges_n, prefix_n = strlen(options->prefix);
    struct hone_merge *read = hone_alloc(most, sizeof *read, "merges");
    struct hone_text whole = {0};
    enum hone_status status = HONE_OK;
    for (size_t i = 0; status == HONE_OK && i < most; i++) {
        const char *halves[2];
        size_t lengths[2];
        if (i < scanned->merges_n) {
            const struct hone_halves *scan = &scanned->merges[i];
            halves[0] = scanned->texts.bytes + scan->left;
            halves[1] = halves[0] + (lengths[0] = scan->left_n);
            lengths[1] = scan->right_n;
        } else {
            const json_t *merge = json_array_get(list, i - scanned->merges_n);
            if (json_is_string(merge) && strncmp(json_string_value(merge), "#version", 8) == 0) continue;
            if (!cut_merge(merge, halves, lengths)) {
                status = hone_fail(HONE_BAD_INPUT, "%s.merges[%zu] isn't a pair of tokens", where, i);
                break;
            }
        }
        status = read_merge(&read[n++], &whole, &tokenizer->vocabulary, halves, lengths, prefix_n, i, where);
    }
    if (status == HONE_OK) tokenizer->model = hone_bpe_create(&tokenizer->vocabulary, read, n, options);
    hone_text_free(&whole);
    hone_free(read);
    return status;
}

static enum hone_status read_bpe(struct hone_tokenizer *tokenizer, const json_t *part, const char *where) {
    struct hone_bpe_options options;
    const json_t *merges, *dropout = json_object_get(part, "dropout");
    if (dropout && !json_is_null(dropout) && (!json_is_number(dropout) || json_number_value(dropout) != 0))
        return hone_fail(HONE_BAD_INPUT, "%s.dropout isn't supported: the same text would get other tokens each time",
                         where);
    HONE_TRY(hone_part_string_or(&options.prefix, part, "continuing_subword_prefix", "", where));
    HONE_TRY(hone_part_string_or(&options.suffix, part, "end_of_word_suffix", "", where));
    HONE_TRY(hone_part_bool_or(&options.fuse_unk, part, "fuse_unk", false, where));
    HONE_TRY(hone_part_bool_or(&options.byte_fallback, part, "byte_fallback", false, where));
    HONE_TRY(hone_part_bool_or(&options.ignore_merges, part, "ignore_merges", false, where));
    HONE_TRY(hone_part_need(&merges, part, "merges", JSON_ARRAY, where));
    HONE_TRY(read_vocabulary(tokenizer, part, where));
    HONE_TRY(read_token(&options.unk, tokenizer, part, "unk_token", where));
    tokenizer->unk = options.unk;
    tokenizer->subword_prefix = *options.prefix;
    return read_merges(tokenizer, merges, &options, where);
}

static enum hone_status read_pieces(struct hone_vocabulary_entries *entries, double *scores, const json_t *vocab,
                                    const char *where) {
    for (size_t i = 0; i < json_array_size(vocab); i++) {
        const json_t *entry = json_array_get(vocab, i), *text = json_array_get(entry, 0);
        const json_t *score = json_array_get(entry, 1);
        if (json_array_size(entry) != 2 || !json_is_string(text) || !json_is_number(score))
            return hone_fail(HONE_BAD_INPUT, "%s.vocab[%zu] isn't a list of a token and its score", where, i);
        scores[i] = json_number_value(score);
        hone_vocabulary_add(entries, json_string_value(text), strlen(json_string_value(text)), (int32_t)i);
    }
    return HONE_OK;
}

static enum hone_status read_unigram(struct hone_tokenizer *tokenizer, const json_t *part, const char *where) {
    const json_t *vocab, *unk_id = json_object_get(part, "unk_id");
    bool byte_fallback;
    HONE_TRY(hone_part_bool_or(&byte_fallback, part, "byte_fallback", false, where));
    HONE_TRY(hone_part_need(&vocab, part, "vocab", JSON_ARRAY, where));
    struct hone_model_scan *scanned = &tokenizer->scanned;
    size_t n = scanned->scores ? scanned->entries.n : json_array_size(vocab);
    int32_t unk = -1;
    char *place = hone_format("%s.unk_id", where);
    enum hone_status status = unk_id && !json_is_null(unk_id) ? hone_part_id(&unk, unk_id, place) : HONE_OK;
    if (status == HONE_OK && unk >= 0 && (size_t)unk >= n)
        status = hone_fail(HONE_BAD_INPUT, "%s is %d, but vocab has %zu entries", place, unk, n);
    hone_free(place);
    HONE_TRY(status);
    struct hone_vocabulary_entries entries = {0};
    double *scores = scanned->scores;
    if (scores) {
        entries = scanned->entries;
        scanned->entries = (struct hone_vocabulary_entries){0};
        scanned->scores = NULL;
    } else {
        scores = hone_alloc(n, sizeof *scores, "Unigram");
        status = read_pieces(&entries, scores, vocab, where);
    }
    if (status == HONE_OK) status = hone_vocabulary_finish(&tokenizer->vocabulary, &entries, HONE_REPEATED_KEPT, where);
    hone_vocabulary_entries_free(&entries);
    tokenizer->size = tokenizer->vocabulary.size;
    tokenizer->unk = unk;
    if (status == HONE_OK)
        tokenizer->model = hone_unigram_create(&tokenizer->vocabulary, scores, unk, byte_fallback);
    else
        hone_free(scores);
    return status;
}

/* Old files have no type; the reference then takes the first model whose fields are all there. */
static const char *type_of(const json_t *part) {
    const json_t *type = json_object_get(part, "type");
    if (type) return json_is_string(type) ? json_string_value(type) : "";
    if (json_object_get(part, "vocab") && json_object_get(part, "merges")) return "BPE";
    if (json_object_get(part, "max_input_chars_per_word")) return "WordPiece";
    return json_is_array(json_object_get(part, "vocab")) ? "Unigram" : "WordLevel";
}

enum hone_status hone_model_read(struct hone_tokenizer *tokenizer, const json_t *part, const char *where) {
    static const struct {
        const char *type;
        enum hone_status (*read)(struct hone_tokenizer *, const json_t *, const char *);
    } kinds[] = {
        {"BPE", read_bpe}, {"Unigram", read_unigram}, {"WordLevel", read_word_level}, {"WordPiece", read_wordpiece}};
    if (!json_is_object(part)) return hone_part_fail_type(where, part, "an object");
    const char *type = type_of(part);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strcmp(type, kinds[i].type) == 0) return kinds[i].read(tokenizer, part, where);
    return hone_part_fail_unsupported(where, type, "BPE, Unigram, WordLevel and WordPiece");
}
