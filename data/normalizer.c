/* The normalizers that need no file of their own, and the list of all. */
#include "data/normalizer.h"

#include <string.h>

#include "base/memory.h"
#include "base/utf8.h"
#include "data/byte_level.h"
#include "data/unicode.h"

void hone_normalizing_free(struct hone_normalizing *work) {
    hone_normalized_free(&work->text);
    hone_normalized_free(&work->next);
    hone_free(work->run);
    hone_free(work->sorted);
    hone_free(work->sources);
    *work = (struct hone_normalizing){0};
}

void hone_normalizer_free(struct hone_normalizer *normalizer) {
    for (size_t i = 0; i < normalizer->n; i++) {
        hone_pattern_free(&normalizer->at[i].pattern);
        hone_charsmap_free(&normalizer->at[i].map);
        hone_free(normalizer->at[i].content);
    }
    hone_free(normalizer->at);
    *normalizer = (struct hone_normalizer){0};
}

static bool has_flag(const struct hone_normalized *text, uint16_t flag) {
    const struct hone_unicode_flags *flags = hone_unicode_flags();
    for (size_t i = 0; i < text->n;)
        if (hone_code_flags(flags, hone_utf8_next(text->bytes, &i)) & flag) return true;
    return false;
}

static void lowercase(struct hone_normalizing *work) {
    if (!has_flag(&work->text, HONE_CODE_UPPER)) return;
    const struct hone_unicode_flags *flags = hone_unicode_flags();
    struct hone_rewrite rewrite;
    hone_rewrite_begin(&rewrite, &work->next, &work->text, 0);
    for (size_t i = 0; i < work->text.n;) {
        int32_t lower[2] = {hone_utf8_next(work->text.bytes, &i)};
        int n = hone_code_flags(flags, lower[0]) & HONE_CODE_UPPER ? hone_unicode_lower(lower, lower[0]) : 1;
        for (int k = 0; k < n; k++) hone_rewrite_put(&rewrite, lower[k], k);
    }
    hone_rewrite_end(&rewrite);
    hone_normalizing_swap(work);
}

/* Keeps the characters for which `keep` is true; `map` then changes each. */
static void filter(struct hone_normalizing *work, bool (*keep)(int32_t), int32_t (*map)(int32_t)) {
    const struct hone_normalized *text = &work->text;
    size_t removed = 0, i = 0;
    for (size_t at = 0; at < text->n && !keep(hone_utf8_next(text->bytes, &at)); i = at) removed++;
    struct hone_rewrite rewrite;
    hone_rewrite_begin(&rewrite, &work->next, text, removed);
    while (i < text->n) {
        int32_t code = hone_utf8_next(text->bytes, &i);
        int64_t change = 0;
        for (size_t at = i; at < text->n && !keep(hone_utf8_next(text->bytes, &at)); i = at) change--;
        hone_rewrite_put(&rewrite, map ? map(code) : code, change);
    }
    hone_rewrite_end(&rewrite);
    hone_normalizing_swap(work);
}

static bool is_no_accent(int32_t code) { return !(hone_code_flags(hone_unicode_flags(), code) & HONE_CODE_ACCENT); }

static bool nmt_keeps(int32_t code) {
    return !((code >= 1 && code <= 8) || code == 0xB || (code >= 0xE && code <= 0x1F) || code == 0x7F || code == 0x8F ||
             code == 0x9F);
}

static int32_t nmt_maps(int32_t code) {
    bool space = code == 9 || code == 0xA || code == 0xC || code == 0xD || code == 0x1680 ||
                 (code >= 0x200B && code <= 0x200F) || code == 0x2028 || code == 0x2029 || code == 0x2581 ||
                 code == 0xFEFF || code == 0xFFFD;
    return space ? ' ' : code;
}

static void strip(struct hone_normalizing *work, bool left, bool right) {
    const struct hone_normalized *text = &work->text;
    const struct hone_unicode_flags *flags = hone_unicode_flags();
    size_t leading = 0, trailing = 0;
    for (size_t i = 0;
         left && i < text->n && (hone_code_flags(flags, hone_utf8_next(text->bytes, &i)) & HONE_CODE_WHITE);)
        leading++;
    for (size_t end = text->n; right && end > 0; trailing++) {
        size_t at = end - 1;
        while ((text->bytes[at] & 0xC0) == 0x80) at--;
        size_t next = at;
        if (!(hone_code_flags(flags, hone_utf8_next(text->bytes, &next)) & HONE_CODE_WHITE)) break;
        end = at;
    }
    if (!leading && !trailing) return;
    size_t keep = (size_t)hone_count_characters(text->bytes, text->n), k = 0;
    keep = keep > trailing ? keep - trailing : 0;
    struct hone_rewrite rewrite;
    hone_rewrite_begin(&rewrite, &work->next, text, leading);
    for (size_t i = 0; i < text->n; k++) {
        int32_t code = hone_utf8_next(text->bytes, &i);
        if (k < leading || k >= keep) continue;
        hone_rewrite_put(&rewrite, code, k + 1 == keep ? -(int64_t)trailing : 0);
    }
    hone_rewrite_end(&rewrite);
    hone_normalizing_swap(work);
}

/* What replaces a match takes the source of the character that the match ends with. */
static void replace(struct hone_normalizing *work, const struct hone_normalizer_step *step) {
    struct hone_normalized *text = &work->text, *next = &work->next;
    struct hone_matches matches = hone_matches_in(&step->pattern, text->bytes, text->n);
    size_t done = 0;
    next->n = 0;
    next->first = text->first;
    while (hone_matches_next(&matches)) {
        hone_normalized_copy(next, text, done, matches.begin);
        struct hone_source from =
            matches.end ? text->from[matches.end - 1] : (struct hone_source){text->first, text->first};
        hone_normalized_reserve(next, next->n + step->content_n);
        for (size_t i = 0; i < step->content_n; i++) {
            next->bytes[next->n] = step->content[i];
            next->from[next->n++] = from;
        }
        done = matches.end;
    }
    if (done == 0 && next->n == 0) return;
    hone_normalized_copy(next, text, done, text->n);
    hone_normalizing_swap(work);
}

static void prepend(struct hone_normalizing *work, const struct hone_normalizer_step *step) {
    struct hone_normalized *text = &work->text, *next = &work->next;
    if (text->n == 0) return;
    /* The reference takes the first character for one that was added, where nothing was. */
    for (size_t i = 0, n = hone_character_bytes(text->bytes[0]); !step->content_n && i < n; i++)
        text->from[i] = (struct hone_source){text->first, text->first};
    if (step->content_n == 0) return;
    next->n = 0;
    next->first = text->first;
    hone_normalized_reserve(next, step->content_n + text->n);
    for (size_t i = 0; i < step->content_n; i++) {
        next->bytes[next->n] = step->content[i];
        next->from[next->n++] = text->from[0];
    }
    hone_normalized_copy(next, text, 0, text->n);
    hone_normalizing_swap(work);
}

static void byte_level(struct hone_normalizing *work) {
    const struct hone_normalized *text = &work->text;
    if (text->n == 0) return;
    struct hone_rewrite rewrite;
    hone_rewrite_begin(&rewrite, &work->next, text, 0);
    for (size_t i = 0; i < text->n; i++)
        hone_rewrite_put(&rewrite, hone_byte_level_code((unsigned char)text->bytes[i]),
                         (text->bytes[i] & 0xC0) == 0x80);
    hone_rewrite_end(&rewrite);
    hone_normalizing_swap(work);
}

static void run(struct hone_normalizing *work, const struct hone_normalizer_step *step) {
    switch (step->kind) {
    case HONE_NORMALIZER_BERT:
        hone_bert_normalize(work, &step->bert);
        break;
    case HONE_NORMALIZER_BYTE_LEVEL:
        byte_level(work);
        break;
    case HONE_NORMALIZER_LOWERCASE:
        lowercase(work);
        break;
    case HONE_NORMALIZER_NFC:
        hone_normalize_form(work, false, true);
        break;
    case HONE_NORMALIZER_NFD:
        hone_normalize_form(work, false, false);
        break;
    case HONE_NORMALIZER_NFKC:
        hone_normalize_form(work, true, true);
        break;
    case HONE_NORMALIZER_NFKD:
        hone_normalize_form(work, true, false);
        break;
    case HONE_NORMALIZER_NMT:
        filter(work, nmt_keeps, nmt_maps);
        break;
    case HONE_NORMALIZER_PRECOMPILED:
        hone_normalize_charsmap(work, &step->map);
        break;
    case HONE_NORMALIZER_PREPEND:
        prepend(work, step);
        break;
    case HONE_NORMALIZER_REPLACE:
        replace(work, step);
        break;
    case HONE_NORMALIZER_STRIP:
        strip(work, step->left, step->right);
        break;
    case HONE_NORMALIZER_STRIP_ACCENTS:
        if (has_flag(&work->text, HONE_CODE_ACCENT)) filter(work, is_no_accent, NULL);
        break;
    }
}

void hone_normalize(struct hone_normalizing *work, const struct hone_normalizer *normalizer, const char *text, size_t n,
                    int32_t first) {
    work->drifted = false;
    hone_normalized_set(&work->text, text, n, first);
    for (size_t i = 0; i < normalizer->n; i++) run(work, &normalizer->at[i]);
}
