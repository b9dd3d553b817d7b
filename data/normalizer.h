/* Text on its way to words: changed, with the place in the given text that each byte came from. */
#ifndef HONE_DATA_NORMALIZER_H
#define HONE_DATA_NORMALIZER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* UTF-8 with the character range [begins[i], ends[i]) of the given text for each byte i. Start with {0}. */
struct hone_normalized {
    char *bytes;
    int32_t *begins, *ends; /* [n] */
    size_t n, bytes_capacity, begins_capacity, ends_capacity;
    /* A run of combining characters that waits to be put into canonical order: what it becomes, and where it is from. */
    struct hone_combining {
        int32_t code;
        uint8_t class;
        bool inserted; /* a decomposition's second or later code point */
    } * run, *sorted;
    struct hone_source {
        int32_t begin, end;
    } * sources;
    size_t run_n, sources_n, run_capacity, sorted_capacity, sources_capacity;
    struct hone_source last; /* of the latest character given out */
};
void hone_normalized_free(struct hone_normalized *text);

/* BertNormalizer's switches; all false leaves text as it is. */
struct hone_bert_normalizer {
    bool clean_text, handle_chinese_chars, strip_accents, lowercase;
};

/* Replaces *out by the normalised form of n bytes of valid UTF-8, the first of which is character `first` of the text.
 * Gives what `tokenizers` gives, alignment included, for any piece that begins at a starter. `flags`:
 * hone_unicode_flags(). */
void hone_bert_normalize(struct hone_normalized *out, const struct hone_bert_normalizer *normalizer,
                         const uint8_t *flags, const char *text, size_t n, int32_t first);

#endif
