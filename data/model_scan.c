#include "data/model_scan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"

/* "":0, and ["",0], and "a b", */
#define SHORTEST_ENTRY 5
#define SHORTEST_PIECE 7
#define SHORTEST_MERGE 6
#define MOST_DIGITS    19 /* that 64 bits hold whatever they are */
#define MOST_POWER     300

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

/* Appends n bytes that stand at `from`, eight at a time where both sides have room for that: a call for a few bytes each
 * would be most of the work. */
static inline void append(struct hone_text *out, const char *from, size_t n, const struct scan *s) {
    if (out->capacity - out->length < n + 8 || (size_t)(s->end - from) < n + 8) {
        hone_text_append(out, from, n);
        return;
    }
    char *to = out->bytes + out->length;
    for (size_t i = 0; i < n; i += 8) memcpy(to + i, from + i, 8);
    out->length += n;
    to[n] = 0;
}

/* Appends the contents of a string. */
static bool take_string(struct hone_text *out, struct scan *s) {
    static const char escapes[] = "\"\\/bfnrt", meant[] = "\"\\/\b\f\n\r\t";
    if (!take(s, '"')) return false;
    for (;;) {
        const char *begin = s->at;
        while (s->at < s->end && *s->at != '"' && *s->at != '\\' && (unsigned char)*s->at >= ' ') s->at++;
        append(out, begin, (size_t)(s->at - begin), s);
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

static char next_of(struct scan *s) {
    skip_white(s);
    return s->at < s->end ? *s->at : 0;
}

/* Room for all that the n bytes can hold, so that nothing moves; what isn't written to costs nothing. */
static void make_room(struct hone_vocabulary_entries *out, size_t n, size_t shortest) {
    hone_reserve(&out->bytes.bytes, &out->bytes.capacity, n, 1, "tokenizer vocabulary");
    hone_reserve(&out->at, &out->capacity, n / shortest + 1, sizeof *out->at, "tokenizer vocabulary");
}

/* An object of texts and ids. */
static bool take_entries(struct hone_model_scan *out, struct scan *s) {
    struct hone_vocabulary_entries *entries = &out->entries;
    bool good = take(s, '{'), more = good && next_of(s) != '}';
    make_room(entries, (size_t)(s->end - s->at), SHORTEST_ENTRY);
    while (more) {
        size_t begin = entries->bytes.length;
        int32_t id;
        good = take_string(&entries->bytes, s) && take(s, ':') && take_id(&id, s);
        if (good) hone_vocabulary_end(entries, begin, id);
        more = good && take(s, ',');
    }
    return good && take(s, '}');
}

static size_t take_digits(uint64_t *value, struct scan *s) {
    const char *begin = s->at;
    for (; s->at < s->end && *s->at >= '0' && *s->at <= '9'; s->at++) *value = *value * 10 + (uint64_t)(*s->at - '0');
    return (size_t)(s->at - begin);
}

/* Rounded to nearest, as the compiler's and the reference's constants are. */
static double power_of_ten(int64_t n) {
    static const double exact[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                   1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    if (n < (int64_t)(sizeof exact / sizeof *exact)) return exact[n];
    char text[8];
    snprintf(text, sizeof text, "1e%d", (int)n);
    return strtod(text, NULL);
}

static bool take_score(double *out, struct scan *s) {
    uint64_t digits = 0, power = 0;
    bool negative = take(s, '-');
    const char *begin = s->at;
    size_t whole = take_digits(&digits, s), fraction = 0;
    if (whole == 0 || (*begin == '0' && whole > 1)) return false;
    if (s->at < s->end && *s->at == '.') {
        s->at++;
        fraction = take_digits(&digits, s);
        if (fraction == 0) return false;
    }
    bool lower = false;
    if (s->at < s->end && (*s->at | 32) == 'e') {
        s->at++;
        lower = s->at < s->end && *s->at == '-';
        if (s->at < s->end && (*s->at == '-' || *s->at == '+')) s->at++;
        size_t n = take_digits(&power, s);
        if (n == 0 || n > 3) return false;
    }
    int64_t exponent = (lower ? -(int64_t)power : (int64_t)power) - (int64_t)fraction;
    if (whole + fraction > MOST_DIGITS || exponent < -MOST_POWER || exponent > MOST_POWER) return false;
    double value = (double)digits, scale = power_of_ten(exponent < 0 ? -exponent : exponent);
    value = exponent < 0 ? value / scale : value * scale;
    *out = negative ? -value : value;
    return true;
}

bool hone_score_read(double *out, const char *text, size_t n) {
    struct scan s = {text, text + n};
    return take_score(out, &s) && s.at == s.end;
}

/* A list of texts and scores; ids count up. */
static bool take_pieces(struct hone_model_scan *out, struct scan *s) {
    struct hone_vocabulary_entries *entries = &out->entries;
    bool good = take(s, '['), more = good && next_of(s) != ']';
    size_t most = (size_t)(s->end - s->at);
    make_room(entries, most, SHORTEST_PIECE);
    out->scores = hone_alloc(most / SHORTEST_PIECE + 1, sizeof *out->scores, "Unigram");
    while (more) {
        size_t begin = entries->bytes.length, n = entries->n;
        good = n < INT32_MAX && take(s, '[') && take_string(&entries->bytes, s) && take(s, ',') &&
               take_score(&out->scores[n], s) && take(s, ']');
        if (good) hone_vocabulary_end(entries, begin, (int32_t)n);
        more = good && take(s, ',');
    }
    return good && take(s, ']');
}

/* Cuts the text from `begin` on at its only space. */
static bool cut_halves(struct hone_text *text, struct hone_halves *halves) {
    char *left = text->bytes + halves->left;
    size_t n = text->length - halves->left;
    char *space = memchr(left, ' ', n);
    if (!space || memchr(space + 1, ' ', (size_t)(left + n - space - 1)) || strncmp(left, "#version", 8) == 0)
        return false;
    halves->left_n = (uint32_t)(space - left);
    halves->right_n = (uint32_t)(left + n - space - 1);
    memmove(space, space + 1, halves->right_n);
    text->length--;
    return true;
}

/* A list of "a b" or ["a", "b"]. */
static bool take_merges(struct hone_model_scan *out, struct scan *s) {
    struct hone_text *text = &out->texts;
    bool good = take(s, '['), more = good && next_of(s) != ']';
    size_t most = (size_t)(s->end - s->at);
    hone_reserve(&text->bytes, &text->capacity, most, 1, "merges");
    out->merges = hone_alloc(most / SHORTEST_MERGE + 1, sizeof *out->merges, "merges");
    while (more) {
        struct hone_halves halves = {.left = text->length};
        if (take(s, '[')) {
            good = take_string(text, s) && take(s, ',');
            halves.left_n = (uint32_t)(text->length - halves.left);
            good = good && take_string(text, s) && take(s, ']');
            halves.right_n = (uint32_t)(text->length - halves.left) - halves.left_n;
        } else {
            good = take_string(text, s) && cut_halves(text, &halves);
        }
        if (good) out->merges[out->merges_n++] = halves;
        more = good && take(s, ',');
    }
    return good && take(s, ']');
}

/* Copies what stands before `until` and wasn't yet. */
static void copy_rest(struct hone_text *rest, const char **from, const char *until) {
    hone_text_append(rest, *from, (size_t)(until - *from));
    *from = until;
}

/* The model's keys, from the first one on. */
static bool take_model(struct hone_model_scan *out, struct hone_text *rest, const char **from, struct scan *s) {
    struct hone_text key = {0};
    bool good = take(s, '{'), more = good, vocab = false;
    while (more) {
        key.length = 0;
        good = take_string(&key, s) && take(s, ':');
        char first = good ? next_of(s) : 0;
        const char *begin = s->at;
        bool is_vocab = good && strcmp(key.bytes, "vocab") == 0, is_merges = good && strcmp(key.bytes, "merges") == 0;
        if (is_vocab || (is_merges && first == '[')) {
            copy_rest(rest, from, begin);
            good = !(is_vocab ? vocab : out->merges != NULL) && (is_merges      ? take_merges(out, s)
                                                                 : first == '[' ? take_pieces(out, s)
                                                                                : take_entries(out, s));
            vocab |= is_vocab;
            hone_text_append(rest, first == '[' ? "[]" : "{}", 2);
            *from = s->at;
        } else {
            good = good && skip_value(s);
        }
        more = good && take(s, ',');
    }
    hone_text_free(&key);
    return good && vocab && take(s, '}');
}

bool hone_model_scan(struct hone_model_scan *out, struct hone_text *rest, const char *bytes, size_t n) {
    struct scan s = {bytes, bytes + n};
    *out = (struct hone_model_scan){0};
    if (hone_utf8_valid_prefix(bytes, n) == n && find_key(&s, "model") && take_model(out, rest, &bytes, &s)) {
        copy_rest(rest, &bytes, s.end);
        return true;
    }
    hone_model_scan_free(out);
    return false;
}

void hone_model_scan_free(struct hone_model_scan *scan) {
    hone_vocabulary_entries_free(&scan->entries);
    hone_free(scan->scores);
    hone_free(scan->merges);
    hone_text_free(&scan->texts);
    *scan = (struct hone_model_scan){0};
}
