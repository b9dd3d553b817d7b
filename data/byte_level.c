#include "data/byte_level.h"

#include "base/utf8.h"
#include "data/unicode.h"

/* Bytes that stand for themselves: printable ones of Latin-1; the others count up from 256. */
static bool stands_for_itself(int byte) {
    return (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte <= 0xFF && byte != 0xAD);
}

int32_t hone_byte_level_code(unsigned char byte) {
    if (stands_for_itself(byte)) return byte;
    if (byte <= ' ') return 256 + byte;
    if (byte <= 0xA0) return 256 + 33 + (byte - 0x7F);
    return 256 + 67;
}

int hone_byte_level_byte(int32_t code) {
    if (code < 256) return code >= 0 && stands_for_itself(code) ? code : -1;
    if (code <= 256 + ' ') return code - 256;
    if (code <= 256 + 33 + (0xA0 - 0x7F)) return code - 256 - 33 + 0x7F;
    return code == 256 + 67 ? 0xAD : -1;
}

enum kind { OTHER, LETTER, NUMBER, SPACE };

static inline enum kind kind_of(const struct hone_unicode_flags *flags, int32_t code) {
    if (code < 0x80) {
        if ((uint32_t)((code | 32) - 'a') < 26) return LETTER;
        return code == ' ' || (code >= 9 && code <= 13) ? SPACE : (uint32_t)(code - '0') < 10 ? NUMBER : OTHER;
    }
    uint16_t flag = hone_code_flags(flags, code);
    return flag & HONE_CODE_LETTER ? LETTER : flag & HONE_CODE_NUMBER ? NUMBER : flag & HONE_CODE_SPACE ? SPACE : OTHER;
}

/* End of the run of one kind that begins at `at`. */
static size_t run_end(const struct hone_unicode_flags *flags, const char *text, size_t n, size_t at, enum kind kind) {
    if (kind == LETTER)
        while (at < n && (uint32_t)((text[at] | 32) - 'a') < 26) at++;
    while (at < n) {
        size_t next = at;
        if (kind_of(flags, hone_utf8_next(text, &next)) != kind) break;
        at = next;
    }
    return at;
}

/* 's 't 're 've 'm 'll 'd: bytes of the one that `text` begins with, or 0. */
static size_t contraction(const char *text, size_t n) {
    if (n < 2) return 0;
    char a = text[1], b = n > 2 ? text[2] : 0;
    if (a == 's' || a == 't' || a == 'm' || a == 'd') return 2;
    return (a == 'r' && b == 'e') || (a == 'v' && b == 'e') || (a == 'l' && b == 'l') ? 3 : 0;
}

size_t hone_gpt2_match(const char *text, size_t n, size_t at) {
    const struct hone_unicode_flags *flags = hone_unicode_flags();
    size_t i = at;
    if (text[at] == '\'') {
        size_t length = contraction(text + at, n - at);
        if (length) return at + length;
    }
    if (text[at] == ' ' && ++i == n) return n;
    size_t begin = i;
    enum kind kind = kind_of(flags, hone_utf8_next(text, &i));
    if (kind != SPACE) return run_end(flags, text, n, i, kind);
    /* Spaces: all but the last one, which belongs to what follows; a single one, or those at the end, whole. */
    size_t last = begin;
    while (i < n) {
        size_t next = i;
        if (kind_of(flags, hone_utf8_next(text, &next)) != SPACE) break;
        last = i;
        i = next;
    }
    return i == n || last == at ? i : last;
}
