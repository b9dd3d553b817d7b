/* The JSON walker. Nothing here recurses: depth is counted, so no text can exhaust the stack. */
#include "hub/json_scan.h"

#include <stdio.h>
#include <string.h>

#include "base/utf8.h"

enum hone_status hone_scan_fail(const struct hone_scan *scan, size_t at, const char *expected) {
    char found[24];
    if (at >= scan->n) {
        snprintf(found, sizeof found, "the end of the text");
    } else {
        unsigned char byte = (unsigned char)scan->bytes[at];
        if (byte > 0x20 && byte < 0x7F) {
            snprintf(found, sizeof found, "'%c'", byte);
        } else {
            snprintf(found, sizeof found, "byte 0x%02X", byte);
        }
    }
    return hone_fail(HONE_BAD_INPUT, "%s: byte %zu: found %s, expected %s", scan->path, scan->origin + at, found,
                     expected);
}

void hone_scan_space(struct hone_scan *scan) {
    while (scan->at < scan->n) {
        char c = scan->bytes[scan->at];
        if (c != ' ' && c != '\n' && c != '\t' && c != '\r') break;
        scan->at++;
    }
}

bool hone_scan_take(struct hone_scan *scan, char c) {
    hone_scan_space(scan);
    if (scan->at >= scan->n || scan->bytes[scan->at] != c) return false;
    scan->at++;
    return true;
}

enum hone_status hone_scan_expect(struct hone_scan *scan, char c, const char *expected) {
    if (!hone_scan_take(scan, c)) return hone_scan_fail(scan, scan->at, expected);
    return HONE_OK;
}

/* Four hexadecimal digits at `at`, or -1. */
static int32_t hex4(const struct hone_scan *scan, size_t at) {
    if (at > scan->n || scan->n - at < 4) return -1;
    int32_t value = 0;
    for (size_t i = at; i < at + 4; i++) {
        char c = scan->bytes[i];
        int digit;
        if (c >= '0' && c <= '9') {
            digit = c - '0';
        } else if (c >= 'a' && c <= 'f') {
            digit = c - 'a' + 10;
        } else if (c >= 'A' && c <= 'F') {
            digit = c - 'A' + 10;
        } else {
            return -1;
        }
        value = value * 16 + digit;
    }
    return value;
}

/* The code point of the \u escape whose 'u' stands at scan->at; moves behind it. */
static enum hone_status unicode_escape(int32_t *code, struct hone_scan *scan) {
    size_t start = scan->at - 1;
    int32_t unit = hex4(scan, scan->at + 1);
    if (unit < 0) return hone_scan_fail(scan, start, "an escape with four hexadecimal digits");
    scan->at += 5;
    if (unit >= 0xD800 && unit < 0xE000) {
        bool pair = unit < 0xDC00 && scan->n - scan->at >= 6 && memcmp(scan->bytes + scan->at, "\\u", 2) == 0;
        int32_t low = pair ? hex4(scan, scan->at + 2) : -1;
        if (low < 0xDC00 || low > 0xDFFF) return hone_scan_fail(scan, start, "a surrogate pair, not half of one");
        scan->at += 6;
        unit = 0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00);
    }
    if (unit == 0) return hone_scan_fail(scan, start, "text without U+0000");
    *code = unit;
    return HONE_OK;
}

/* Passes over a string from its opening quote; with `out` it also writes the unescaped text there (never longer than
 * the escaped one, so it may be the string itself) and moves `*out` behind it. */
static enum hone_status walk_string(struct hone_scan *scan, char **out) {
    size_t start = scan->at++;
    for (;;) {
        if (scan->at >= scan->n) return hone_scan_fail(scan, scan->n, "the closing quote of a string");
        unsigned char c = (unsigned char)scan->bytes[scan->at];
        if (c == '"') break;
        if (c < 0x20) return hone_scan_fail(scan, scan->at, "control characters to be escaped");
        int32_t code = c;
        int length = 1;
        char encoded[4] = {(char)c, 0, 0, 0};
        scan->at++;
        if (c == '\\') {
            char kind = scan->at < scan->n ? scan->bytes[scan->at] : 0;
            static const char kinds[] = "\"\\/bfnrt", values[] = "\"\\/\b\f\n\r\t";
            const char *known = kind ? strchr(kinds, kind) : NULL;
            if (kind == 'u') {
                HONE_TRY(unicode_escape(&code, scan));
                length = hone_utf8_encode(encoded, code);
            } else if (known) {
                encoded[0] = values[known - kinds];
                scan->at++;
            } else {
                return hone_scan_fail(scan, scan->at, "one of the escapes \" \\ / b f n r t u");
            }
        }
        if (out) {
            memmove(*out, encoded, (size_t)length);
            *out += length;
        }
    }
    scan->at++;
    HONE_CHECK(scan->at > start + 1, "a string ends behind its start");
    return HONE_OK;
}

enum hone_status hone_scan_string(char **text, struct hone_scan *scan, const char *expected) {
    hone_scan_space(scan);
    if (scan->at >= scan->n || scan->bytes[scan->at] != '"') return hone_scan_fail(scan, scan->at, expected);
    char *start = scan->bytes + scan->at + 1, *end = start;
    HONE_TRY(walk_string(scan, &end));
    *end = 0; /* at the closing quote or before it */
    *text = start;
    return HONE_OK;
}

static bool is_digit(const struct hone_scan *scan) {
    return scan->at < scan->n && scan->bytes[scan->at] >= '0' && scan->bytes[scan->at] <= '9';
}

enum hone_status hone_scan_count(int64_t *out, struct hone_scan *scan, int64_t limit, const char *expected) {
    hone_scan_space(scan);
    size_t start = scan->at;
    int64_t value = 0;
    for (; is_digit(scan); scan->at++) {
        int digit = scan->bytes[scan->at] - '0';
        if (value > (limit - digit) / 10) return hone_scan_fail(scan, start, "a smaller number");
        value = value * 10 + digit;
    }
    size_t digits = scan->at - start;
    if (digits == 0 || (digits > 1 && scan->bytes[start] == '0')) return hone_scan_fail(scan, start, expected);
    if (scan->at < scan->n && strchr(".eE", scan->bytes[scan->at]) && scan->bytes[scan->at]) {
        return hone_scan_fail(scan, scan->at, expected);
    }
    *out = value;
    return HONE_OK;
}

static enum hone_status skip_digits(struct hone_scan *scan) {
    if (!is_digit(scan)) return hone_scan_fail(scan, scan->at, "a digit");
    while (is_digit(scan)) scan->at++;
    return HONE_OK;
}

static enum hone_status skip_number(struct hone_scan *scan) {
    if (scan->bytes[scan->at] == '-') scan->at++;
    if (scan->at < scan->n && scan->bytes[scan->at] == '0') {
        scan->at++;
    } else {
        HONE_TRY(skip_digits(scan));
    }
    if (scan->at < scan->n && scan->bytes[scan->at] == '.') {
        scan->at++;
        HONE_TRY(skip_digits(scan));
    }
    if (scan->at < scan->n && (scan->bytes[scan->at] == 'e' || scan->bytes[scan->at] == 'E')) {
        scan->at++;
        if (scan->at < scan->n && (scan->bytes[scan->at] == '+' || scan->bytes[scan->at] == '-')) scan->at++;
        HONE_TRY(skip_digits(scan));
    }
    return HONE_OK;
}

static enum hone_status skip_scalar(struct hone_scan *scan) {
    char c = scan->at < scan->n ? scan->bytes[scan->at] : 0;
    if (c == '"') return walk_string(scan, NULL);
    if (c == '-' || is_digit(scan)) return skip_number(scan);
    static const char *const words[] = {"true", "false", "null"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        size_t length = strlen(words[i]);
        if (scan->n - scan->at >= length && memcmp(scan->bytes + scan->at, words[i], length) == 0) {
            scan->at += length;
            return HONE_OK;
        }
    }
    return hone_scan_fail(scan, scan->at, "a value");
}

static enum hone_status skip_key(struct hone_scan *scan) {
    hone_scan_space(scan);
    if (scan->at >= scan->n || scan->bytes[scan->at] != '"') return hone_scan_fail(scan, scan->at, "a key in quotes");
    HONE_TRY(walk_string(scan, NULL));
    return hone_scan_expect(scan, ':', "':' behind the key");
}

enum hone_status hone_scan_skip(struct hone_scan *scan) {
    char closers[HONE_SCAN_MAX_DEPTH];
    int depth = 0;
    do {
        hone_scan_space(scan);
        size_t opener = scan->at;
        bool object = hone_scan_take(scan, '{');
        if (object || hone_scan_take(scan, '[')) {
            if (depth == HONE_SCAN_MAX_DEPTH) return hone_scan_fail(scan, opener, "at most 64 levels");
            closers[depth++] = object ? '}' : ']';
            if (!hone_scan_take(scan, closers[depth - 1])) {
                if (object) HONE_TRY(skip_key(scan));
                continue;
            }
            depth--;
        } else {
            HONE_TRY(skip_scalar(scan));
        }
        while (depth > 0 && !hone_scan_take(scan, ',')) {
            if (!hone_scan_take(scan, closers[depth - 1])) return hone_scan_fail(scan, scan->at, "',' or a bracket");
            depth--;
        }
        if (depth > 0 && closers[depth - 1] == '}') HONE_TRY(skip_key(scan));
    } while (depth > 0);
    return HONE_OK;
}
