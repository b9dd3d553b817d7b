/* Normalizers of tokenizer.json: a list of steps, each of which rewrites the text. */
#ifndef HONE_DATA_NORMALIZER_H
#define HONE_DATA_NORMALIZER_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "data/charsmap.h"
#include "data/normalized.h"
#include "data/pattern.h"

/* BertNormalizer's switches; all false leaves text as it is. */
struct hone_bert_normalizer {
    bool clean_text, handle_chinese_chars, strip_accents, lowercase;
};

enum hone_normalizer_kind {
    HONE_NORMALIZER_BERT,
    HONE_NORMALIZER_BYTE_LEVEL,
    HONE_NORMALIZER_LOWERCASE,
    HONE_NORMALIZER_NFC,
    HONE_NORMALIZER_NFD,
    HONE_NORMALIZER_NFKC,
    HONE_NORMALIZER_NFKD,
    HONE_NORMALIZER_NMT,
    HONE_NORMALIZER_PRECOMPILED,
    HONE_NORMALIZER_PREPEND,
    HONE_NORMALIZER_REPLACE,
    HONE_NORMALIZER_STRIP,
    HONE_NORMALIZER_STRIP_ACCENTS,
};
struct hone_normalizer_step {
    enum hone_normalizer_kind kind;
    struct hone_bert_normalizer bert;
    bool left, right; /* Strip */
    struct hone_pattern pattern;
    char *content; /* of Replace and Prepend */
    size_t content_n;
    struct hone_charsmap map;
};
struct hone_normalizer {
    struct hone_normalizer_step *at;
    size_t n, capacity;
};
/* Appends the steps that a normalizer of tokenizer.json stands for (null: none). */
enum hone_status hone_normalizer_read(struct hone_normalizer *to, const json_t *part, const char *where);
void hone_normalizer_free(struct hone_normalizer *normalizer);

/* A run of combining characters that waits to be put into canonical order. */
struct hone_combining {
    int32_t code;
    uint8_t class;
    bool inserted; /* a decomposition's second or later code point */
};
struct hone_normalizing {
    struct hone_normalized text, next; /* the text, and what the step at work writes */
    struct hone_combining *run, *sorted;
    struct hone_source *sources; /* of BertNormalizer's run */
    size_t run_n, sources_n, run_capacity, sorted_capacity, sources_capacity;
    struct hone_source last; /* of the latest character that BertNormalizer gave out */
    bool drifted;            /* sources went out of step with their characters for the rest of the text */
};
void hone_normalizing_free(struct hone_normalizing *work);
/* The latest step's result becomes the text. */
static inline void hone_normalizing_swap(struct hone_normalizing *work) {
    struct hone_normalized text = work->text;
    work->text = work->next;
    work->next = text;
}

/* Makes work->text the normalised form of n bytes of valid UTF-8, the first of which is character `first` of the text. */
void hone_normalize(struct hone_normalizing *work, const struct hone_normalizer *normalizer, const char *text, size_t n,
                    int32_t first);

/* The steps that have a file of their own; each leaves its result in work->text. */
void hone_bert_normalize(struct hone_normalizing *work, const struct hone_bert_normalizer *normalizer);
void hone_normalize_form(struct hone_normalizing *work, bool compatible, bool compose);
void hone_normalize_charsmap(struct hone_normalizing *work, const struct hone_charsmap *map);
/* Stable, by combining class. */
void hone_combining_sort(struct hone_normalizing *work);

#endif
