/* UTF-8 by the table of well-formed sequences (Unicode 15, table 3-7): the second byte decides about overlong forms,
 * surrogates and what lies above U+10FFFF. */
#include "base/utf8.h"

#include <stdbool.h>
#include <string.h>

#include "base/memory.h"

/* Length of the well-formed character at bytes[0 … n-1], n > 0; 0 when there is none. */
static size_t character_length(const unsigned char *bytes, size_t n) {
    unsigned char lead = bytes[0];
    if (lead < 0x80) return 1;
    if (lead < 0xC2 || lead > 0xF4) return 0;
    size_t length = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
    if (n < length) return 0;
    unsigned char low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
    unsigned char high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
    if (bytes[1] < low || bytes[1] > high) return 0;
    for (size_t i = 2; i < length; i++)
        if ((bytes[i] & 0xC0) != 0x80) return 0;
    return length;
}

size_t hone_utf8_valid_prefix(const char *bytes, size_t n) {
    size_t i = 0;
    while (i < n) {
        /* Eight ASCII bytes at a time: most text is. */
        uint64_t word;
        if (n - i >= sizeof word) {
            memcpy(&word, bytes + i, sizeof word);
            if (!(word & UINT64_C(0x8080808080808080))) {
                i += sizeof word;
                continue;
            }
        }
        size_t length = character_length((const unsigned char *)bytes + i, n - i);
        if (length == 0) break;
        i += length;
    }
    return i;
}

int hone_utf8_encode(char *bytes, int32_t code) {
    if (code < 0x80) {
        bytes[0] = (char)code;
        return 1;
    }
    if (code < 0x800) {
        bytes[0] = (char)(0xC0 | code >> 6);
        bytes[1] = (char)(0x80 | (code & 0x3F));
        return 2;
    }
    if (code < 0x10000) {
        bytes[0] = (char)(0xE0 | code >> 12);
        bytes[1] = (char)(0x80 | (code >> 6 & 0x3F));
        bytes[2] = (char)(0x80 | (code & 0x3F));
        return 3;
    }
    bytes[0] = (char)(0xF0 | code >> 18);
    bytes[1] = (char)(0x80 | (code >> 12 & 0x3F));
    bytes[2] = (char)(0x80 | (code >> 6 & 0x3F));
    bytes[3] = (char)(0x80 | (code & 0x3F));
    return 4;
}

size_t hone_escape_into(char *out, size_t capacity, const char *text, size_t n) {
    static const char digits[] = "0123456789abcdef";
    size_t length = 0;
    for (size_t i = 0; i < n;) {
        const unsigned char *bytes = (const unsigned char *)text + i;
        size_t step = character_length(bytes, n - i);
        bool c1 = step == 2 && bytes[0] == 0xC2 && bytes[1] < 0xA0;
        bool plain = step > 0 && !c1 && bytes[0] >= 0x20 && bytes[0] != 0x7F;
        if (step == 0) step = 1;
        size_t needed = plain ? step : 4 * step;
        if (length + needed >= capacity) break;
        if (plain) {
            memcpy(out + length, bytes, step);
        } else {
            for (size_t j = 0; j < step; j++) {
                char *escape = out + length + 4 * j;
                escape[0] = '\\';
                escape[1] = 'x';
                escape[2] = digits[bytes[j] >> 4];
                escape[3] = digits[bytes[j] & 15];
            }
        }
        length += needed;
        i += step;
    }
    out[length] = 0;
    return length;
}

char *hone_escape(const char *text, size_t n) {
    size_t capacity = 4 * n + 1;
    char *out = hone_alloc(capacity, 1, "text of a message");
    hone_escape_into(out, capacity, text, n);
    return out;
}
