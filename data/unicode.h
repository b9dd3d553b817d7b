/* What code points are, exactly as `tokenizers` sees them (data/unicode_tables.h), one byte of flags each. Canonical
 * decompositions and combining classes are utf8proc's, asked only for code points for which the reference has one:
 * those never change between Unicode versions (Unicode Standard Annex 15, section 3). */
#ifndef HONE_DATA_UNICODE_H
#define HONE_DATA_UNICODE_H

#include <stdint.h>

enum hone_code_flag {
    HONE_CODE_CONTROL = 1,     /* removed by clean_text */
    HONE_CODE_WHITE = 2,       /* White_Space */
    HONE_CODE_MARK = 4,        /* nonspacing mark */
    HONE_CODE_PUNCTUATION = 8, /* a word of its own */
    HONE_CODE_CANONICAL = 16,  /* has a canonical decomposition or a combining class */
    HONE_CODE_UPPER = 32,      /* has a lowercase form */
    HONE_CODE_WORD = 64,       /* \w */
    HONE_CODE_IDEOGRAPH = 128, /* set apart by handle_chinese_chars */
};

#define HONE_CODES 0x110000

/* Flags of every code point [HONE_CODES], owned by the caller. */
uint8_t *hone_unicode_flags(void);
/* Lowercase form of a code point flagged UPPER: 1 or 2 code points; returns their number. */
int hone_unicode_lower(int32_t out[2], int32_t code);
/* Full canonical decomposition of a code point flagged CANONICAL (itself where it has none); returns their number. */
int hone_unicode_decompose(int32_t out[4], int32_t code);
/* Canonical combining class of a code point flagged CANONICAL. */
int hone_unicode_combining_class(int32_t code);

#endif
