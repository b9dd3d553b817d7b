/* Text on its way to words: changed, with the place in the given text that each byte came from. Rewriting follows the
 * reference's bookkeeping, oddities included, since its offsets are what comes out in the end. */
#ifndef HONE_DATA_NORMALIZED_H
#define HONE_DATA_NORMALIZED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Characters [begin, end) of the given text. */
struct hone_source {
    int32_t begin, end;
};

/* UTF-8 with the source of each byte. Start with {0}. */
struct hone_normalized {
    char *bytes;
    struct hone_source *from; /* [n] */
    size_t n, bytes_capacity, from_capacity;
    int32_t first; /* the character that the piece of text begins with */
};
void hone_normalized_free(struct hone_normalized *text);
void hone_normalized_reserve(struct hone_normalized *text, size_t n);
/* Replaces *out by n bytes of text as they are, the first of which is character `first`. */
void hone_normalized_set(struct hone_normalized *out, const char *text, size_t n, int32_t first);
void hone_normalized_append(struct hone_normalized *out, int32_t code, struct hone_source from);
/* Bytes [begin, end) of `in`. */
void hone_normalized_copy(struct hone_normalized *out, const struct hone_normalized *in, size_t begin, size_t end);

/* Writes a new text character by character while walking through the old one. */
struct hone_rewrite {
    const struct hone_normalized *in;
    struct hone_normalized *out;
    size_t at;   /* byte of `in` that has been reached */
    size_t stop; /* behind what is rewritten */
};
/* Begins with `removed` characters left out. */
void hone_rewrite_begin(struct hone_rewrite *rewrite, struct hone_normalized *out, const struct hone_normalized *in,
                        size_t removed);
/* Next character: change 0 stands for the next one of `in`, -k for it and the k after it, above 0 for none (its source
 * is that of the character before). */
void hone_rewrite_put(struct hone_rewrite *rewrite, int32_t code, int64_t change);
/* Appends what lies behind the part that was to be rewritten. */
void hone_rewrite_end(struct hone_rewrite *rewrite);

/* Bytes of the character that begins with `byte`. */
static inline size_t hone_character_bytes(char byte) {
    unsigned char b = (unsigned char)byte;
    return b < 0xC0 ? 1 : b < 0xE0 ? 2 : b < 0xF0 ? 3 : 4;
}
/* Eight bytes at a time: continuation bytes are those with bit 7 but not bit 6. */
static inline int32_t hone_count_characters(const char *text, size_t n) {
    int32_t count = (int32_t)n;
    size_t i = 0;
    for (uint64_t word; i + 8 <= n; i += 8) {
        memcpy(&word, text + i, 8);
        count -= __builtin_popcountll(word & ~word << 1 & UINT64_C(0x8080808080808080));
    }
    for (; i < n; i++) count -= (text[i] & 0xC0) == 0x80;
    return count;
}

#endif
