/* UTF-8 (RFC 3629) for text from outside. */
#ifndef HONE_BASE_UTF8_H
#define HONE_BASE_UTF8_H

#include <stddef.h>
#include <stdint.h>

/* Offset of the first byte that does not belong to well-formed UTF-8, or n when all do. */
size_t hone_utf8_valid_prefix(const char *bytes, size_t n);

/* Decodes the code point at bytes[*i] of valid UTF-8 and advances *i. */
static inline int32_t hone_utf8_next(const char *bytes, size_t *i) {
    const unsigned char *b = (const unsigned char *)bytes + *i;
    if (b[0] < 0x80) {
        *i += 1;
        return b[0];
    }
    if (b[0] < 0xE0) {
        *i += 2;
        return (b[0] & 0x1F) << 6 | (b[1] & 0x3F);
    }
    if (b[0] < 0xF0) {
        *i += 3;
        return (b[0] & 0x0F) << 12 | (b[1] & 0x3F) << 6 | (b[2] & 0x3F);
    }
    *i += 4;
    return (b[0] & 0x07) << 18 | (b[1] & 0x3F) << 12 | (b[2] & 0x3F) << 6 | (b[3] & 0x3F);
}

/* Writes `code` as UTF-8 (1 to 4 bytes) and returns their number. */
int hone_utf8_encode(char *bytes, int32_t code);

/* Copy of `text` with control characters (C0, DEL, C1: what terminals obey) and invalid UTF-8 written as \xNN, for
 * messages; owned. */
char *hone_escape(const char *text, size_t n);
/* Same into out[capacity] (> 0), cut at a whole character where it does not fit, 0-terminated; returns the length. */
size_t hone_escape_into(char *out, size_t capacity, const char *text, size_t n);

#endif
