/* The vocabulary of a tokenizer.json, which is nearly all of it, read straight from the text: a JSON value for each of
 * tens of thousands of entries takes longer than all the rest. What isn't as plain as it always is stays for the JSON
 * reader, which knows how to complain. */
#include <string.h>

#include "base/utf8.h"
#include "data/vocabulary.h"

/* "":0, */
#define SHORTEST_ENTRY 5

struct scan {
    const char *at, *end;
};

static void skip_white(struct scan *s) {
    while (s->at < s->end && (*s->at == ' ' || *s->at == '\n' || *s->at == '\r' || *s->at == '\t')) s->at++;
}

static bool take(struct scan *s, char c) {
    skip_white(s);
    if (s->at == s->end || *s->at != c) return false;
    s->at++;
    return true;
}

static bool hex4(uint32_t *out, const char *text) {
    *out = 0;
    for (int i = 0; i < 4; i++) {
        char c = text[i];
        int digit = c >= '0' && c <= '9' ? c - '0' : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10 : -1;
        if (digit < 0) return false;
        *out = *out << 4 | (uint32_t)digit;
    }
    return true;
}

/* \uXXXX, or two of them for one character; s->at is behind the u. */
static bool unescape_code(struct hone_text *out, struct scan *s) {
    uint32_t code, low;
    if (s->end - s->at < 4 || !hex4(&code, s->at)) return false;
    s->at += 4;
    if (code >= 0xD800 && code < 0xDC00) {
        if (s->end - s->at < 6 || s->at[0] != '\\' || s->at[1] != 'u' || !hex4(&low, s->at + 2)) return false;
        if (low < 0xDC00 || low > 0xDFFF) return false;
        code = 0x10000 + ((code - 0xD800) << 10 | (low - 0xDC00));
        s->at += 6;
    } else if (code == 0 || (code >= 0xDC00 && code <= 0xDFFF)) {
        return false;
    }
    char bytes[4];
    hone_text_append(out, bytes, (size_t)hone_utf8_encode(bytes, (int32_t)code));
    return true;
}

/* Appends the contents of a string. */
static bool take_string(struct hone_text *out, struct scan *s) {
    static const char escapes[] = "\"\\/bfnrt", meant[] = "\"\\/\b\f\n\r\t";
    if (!take(s, '"')) return false;
    for (;;) {
        const char *begin = s->at;
        while (s->at < s->end && *s->at != '"' && *s->at != '\\' && (unsigned char)*s->at >= ' ') s->at++;
        hone_text_append(out, begin, (size_t)(s->at - begin));
        if (s->end - s->at < 2 || (unsigned char)*s->at < ' ') return false;
        if (*s->at++ == '"') return true;
        const char *escape = *s->at ? strchr(escapes, *s->at) : NULL;
        if (!escape && *s->at != 'u') return false;
        s->at++;
        if (escape)
            hone_text_append(out, &meant[escape - escapes], 1);
        else if (!unescape_code(out, s))
            return false;
    }
}

static bool take_id(int32_t *out, struct scan *s) {
    int64_t id = 0;
    skip_white(s);
    const char *begin = s->at;
    for (; s->at < s->end && *s->at >= '0' && *s->at <= '9' && s->at - begin < 10; s->at++)
        id = id * 10 + (*s->at - '0');
    *out = (int32_t)id;
    if (s->at == begin || (*begin == '0' && s->at - begin > 1) || id >= INT32_MAX) return false;
    skip_white(s);
    return s->at < s->end && (*s->at == ',' || *s->at == '}');
}

/* Behind a value of any kind; it isn't checked. */
static bool skip_value(struct scan *s) {
    int depth = 0;
    for (skip_white(s); s->at < s->end; s->at++) {
        char c = *s->at;
        if (c == '"') {
            for (s->at++; s->at < s->end && *s->at != '"'; s->at++)
                if (*s->at == '\\') s->at++;
        } else if (c == '{' || c == '[') {
            depth++;
        } else if (c == '}' || c == ']') {
            if (depth-- == 0) return true;
        } else if (c == ',' && depth == 0) {
            return true;
        }
    }
    return false;
}

/* Goes to the value of a key of the object that begins here. */
static bool find_key(struct scan *s, const char *key) {
    struct hone_text text = {0};
    bool found = false, more = take(s, '{');
    while (more) {
        text.length = 0;
        more = take_string(&text, s) && take(s, ':');
        found = more && strcmp(text.bytes, key) == 0;
        if (found || !more) break;
        more = skip_value(s) && take(s, ',');
    }
    hone_text_free(&text);
    return found;
}

/* Room for all that the n bytes can hold, so that nothing moves; what isn't written to costs nothing. */
static void make_room(struct hone_vocabulary_entries *out, size_t n) {
    hone_reserve(&out->bytes.bytes, &out->bytes.capacity, n, 1, "tokenizer vocabulary");
    hone_reserve(&out->at, &out->capacity, n / SHORTEST_ENTRY + 1, sizeof *out->at, "tokenizer vocabulary");
}

static bool take_entries(struct hone_vocabulary_entries *out, struct scan *s) {
    bool good = take(s, '{'), more = good;
    make_room(out, (size_t)(s->end - s->at));
    while (more) {
        size_t begin = out->bytes.length;
        int32_t id;
        good = take_string(&out->bytes, s) && take(s, ':') && take_id(&id, s);
        if (good) hone_vocabulary_end(out, begin, id);
        more = good && take(s, ',');
    }
    return good && take(s, '}');
}

bool hone_vocabulary_scan(struct hone_vocabulary_entries *out, struct hone_text *rest, const char *bytes, size_t n) {
    struct scan s = {bytes, bytes + n};
    if (hone_utf8_valid_prefix(bytes, n) != n || !find_key(&s, "model") || !find_key(&s, "vocab")) return false;
    const char *begin = s.at;
    if (!take_entries(out, &s)) {
        hone_vocabulary_entries_free(out);
        return false;
    }
    hone_text_append(rest, bytes, (size_t)(begin - bytes));
    hone_text_append(rest, "{}", 2);
    hone_text_append(rest, s.at, (size_t)(s.end - s.at));
    return true;
}
