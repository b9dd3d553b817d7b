/* What code points are, exactly as `tokenizers` sees them (data/unicode_tables.h), a word of flags each. Decompositions,
 * compositions and combining classes are utf8proc's, asked only for code points for which the reference has one: those
 * never change between Unicode versions (Unicode Standard Annex 15, section 3). */
#ifndef HONE_DATA_UNICODE_H
#define HONE_DATA_UNICODE_H

#include <stdint.h>

enum hone_code_flag {
    HONE_CODE_CONTROL = 1,       /* removed by clean_text */
    HONE_CODE_WHITE = 2,         /* White_Space */
    HONE_CODE_MARK = 4,          /* nonspacing mark */
    HONE_CODE_PUNCTUATION = 8,   /* a word of its own */
    HONE_CODE_CANONICAL = 16,    /* has a canonical decomposition or a combining class */
    HONE_CODE_UPPER = 32,        /* has a lowercase form */
    HONE_CODE_WORD = 64,         /* \w of Rust */
    HONE_CODE_IDEOGRAPH = 128,   /* set apart by handle_chinese_chars */
    HONE_CODE_LETTER = 256,      /* \p{L} of Oniguruma */
    HONE_CODE_NUMBER = 512,      /* \p{N} */
    HONE_CODE_SPACE = 1024,      /* \s */
    HONE_CODE_NUMERIC = 2048,    /* set apart by Digits */
    HONE_CODE_COMPATIBLE = 4096, /* changed by NFKD */
    HONE_CODE_COMPOSING = 8192,  /* composes with a character before it */
    HONE_CODE_ACCENT = 16384,    /* removed by StripAccents */
    HONE_CODE_JOINING = 32768,   /* belongs to the grapheme cluster of the character before it */
};

#define HONE_CODES 0x110000
/* Most code points that one decomposes into. */
#define HONE_DECOMPOSITION 18

/* The flags of all code points, in blocks of which the many that are the same are there once. */
#define HONE_CODE_BLOCK  256
#define HONE_CODE_BLOCKS 192
struct hone_unicode_flags {
    uint16_t blocks[HONE_CODES / HONE_CODE_BLOCK]; /* which of `at` a block is */
    uint16_t at[HONE_CODE_BLOCKS][HONE_CODE_BLOCK];
};
/* Made once for the process, never freed. */
const struct hone_unicode_flags *hone_unicode_flags(void);
static inline uint16_t hone_code_flags(const struct hone_unicode_flags *flags, int32_t code) {
    return flags->at[flags->blocks[(uint32_t)code / HONE_CODE_BLOCK]][(uint32_t)code % HONE_CODE_BLOCK];
}
/* Lowercase form of a code point flagged UPPER: 1 or 2 code points; returns their number. */
int hone_unicode_lower(int32_t out[2], int32_t code);
/* Full canonical decomposition of a code point flagged CANONICAL (itself where it has none), or with `compatible` that
 * of NFKD for one flagged COMPATIBLE or CANONICAL; returns their number. */
int hone_unicode_decompose(int32_t out[HONE_DECOMPOSITION], int32_t code, int compatible);
/* Canonical combining class of a code point flagged CANONICAL. */
int hone_unicode_combining_class(int32_t code);
/* What a and b compose to in NFC, or -1. */
int32_t hone_unicode_compose(int32_t a, int32_t b);
/* Number of the script that UnicodeScripts sees a code point in; 0 goes with every script. */
int32_t hone_unicode_script(int32_t code);
/* A grapheme cluster never goes on behind a control character, and always behind a prepending one (Unicode Standard
 * Annex 29). */
enum hone_cluster { HONE_CLUSTER_OTHER, HONE_CLUSTER_CONTROL, HONE_CLUSTER_PREPEND };
enum hone_cluster hone_unicode_cluster(int32_t code);

#endif
