/* Objects of JSONL: one pass that checks everything (RFC 8259) and keeps only what is wanted. */
#include <string.h>

#include "base/utf8.h"
#include "data/records_parts.h"

/* A place in the line, which ends in a byte 0 that no token takes. */
struct scan {
    struct hone_records *records;
    const char *base, *at;
};

static enum hone_status skip_value(struct scan *scan, int depth);

static enum hone_status fail(const struct scan *scan, const char *at, const char *expected) {
    const struct hone_records *records = scan->records;
    size_t offset = (size_t)(at - scan->base);
    if (offset >= records->length)
        return hone_records_fail_at(records, offset, "the line ends here, expected %s", expected);
    size_t end = offset + 1;
    while (end < records->length && ((unsigned char)scan->base[end] & 0xC0) == 0x80) end++;
    if (*at == '"') return hone_records_fail_at(records, offset, "found a quote, expected %s", expected);
    char *found = hone_escape(at, end - offset);
    enum hone_status status = hone_records_fail_at(records, offset, "found \"%s\", expected %s", found, expected);
    hone_free(found);
    return status;
}

static inline void skip_space(struct scan *scan) {
    while (*scan->at == ' ' || *scan->at == '\t' || *scan->at == '\r' || *scan->at == '\n') scan->at++;
}

/* Behind the text of a string that begins at `at`: its closing quote, a backslash or a control character. */
static inline const char *plain_end(const char *at) {
    while ((unsigned char)*at >= 0x20 && *at != '"' && *at != '\\') at++;
    return at;
}

static int hex4(const char *at) {
    int value = 0;
    for (int i = 0; i < 4; i++) {
        char c = at[i];
        int digit = c >= '0' && c <= '9' ? c - '0' : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10 : -1;
        if (digit < 0) return -1;
        value = value * 16 + digit;
    }
    return value;
}

/* The escape at scan->at, a backslash: passes it and writes what it stands for, at most 4 bytes, into out. */
static enum hone_status take_escape(struct scan *scan, char *out, size_t *n) {
    static const char letters[] = "\"\\/bfnrt", bytes[] = "\"\\/\b\f\n\r\t";
    const char *begin = scan->at, *letter = begin[1] ? strchr(letters, begin[1]) : NULL;
    if (letter) {
        out[0] = bytes[letter - letters];
        *n = 1;
        scan->at += 2;
        return HONE_OK;
    }
    int32_t code = begin[1] == 'u' ? hex4(begin + 2) : -1;
    if (code < 0) return fail(scan, begin, "one of the escapes \\\" \\\\ \\/ \\b \\f \\n \\r \\t \\uXXXX");
    scan->at += 6;
    if (code >= 0xD800 && code < 0xDC00 && scan->at[0] == '\\' && scan->at[1] == 'u') {
        int32_t low = hex4(scan->at + 2);
        if (low >= 0xDC00 && low < 0xE000) {
            code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
            scan->at += 6;
        }
    }
    if (code >= 0xD800 && code < 0xE000) return fail(scan, begin, "a character (this is half a surrogate pair)");
    *n = (size_t)hone_utf8_encode(out, code);
    return HONE_OK;
}

/* A string, whose opening quote is scan->at. Without escapes it is borrowed from the line. */
static enum hone_status take_string(struct scan *scan, struct hone_field *out) {
    const char *begin = ++scan->at;
    scan->at = plain_end(begin);
    if (*scan->at == '"') {
        *out = (struct hone_field){begin, (size_t)(scan->at++ - begin)};
        return HONE_OK;
    }
    struct hone_records *records = scan->records;
    char *text = records->unescaped + records->unescaped_n;
    size_t n = 0, added = 0;
    for (;;) {
        memcpy(text + n, begin, (size_t)(scan->at - begin));
        n += (size_t)(scan->at - begin);
        if (*scan->at == '"') break;
        if (*scan->at != '\\')
            return fail(scan, scan->at, "a closing quote (control characters in strings are written as escapes)");
        HONE_TRY(take_escape(scan, text + n, &added));
        n += added;
        begin = scan->at;
        scan->at = plain_end(begin);
    }
    scan->at++;
    records->unescaped_n += n;
    *out = (struct hone_field){text, n};
    return HONE_OK;
}

static enum hone_status skip_string(struct scan *scan) {
    char bytes[4];
    size_t n;
    for (scan->at = plain_end(scan->at + 1); *scan->at != '"'; scan->at = plain_end(scan->at)) {
        if (*scan->at != '\\')
            return fail(scan, scan->at, "a closing quote (control characters in strings are written as escapes)");
        HONE_TRY(take_escape(scan, bytes, &n));
    }
    scan->at++;
    return HONE_OK;
}

static const char *skip_digits(const char *at) {
    while (*at >= '0' && *at <= '9') at++;
    return at;
}

static enum hone_status take_number(struct scan *scan) {
    const char *at = scan->at + (*scan->at == '-'), *digits = at;
    at = skip_digits(at);
    if (at == digits) return fail(scan, at, "a digit");
    if (*digits == '0' && at > digits + 1) return fail(scan, digits, "a number without a leading zero");
    if (*at == '.') {
        digits = ++at;
        at = skip_digits(at);
        if (at == digits) return fail(scan, at, "a digit");
    }
    if (*at == 'e' || *at == 'E') {
        at++;
        at += *at == '+' || *at == '-';
        digits = at;
        at = skip_digits(at);
        if (at == digits) return fail(scan, at, "a digit");
    }
    scan->at = at;
    return HONE_OK;
}

static enum hone_status take_word(struct scan *scan, const char *word) {
    size_t n = strlen(word);
    if (strncmp(scan->at, word, n) != 0) return fail(scan, scan->at, "a value");
    scan->at += n;
    return HONE_OK;
}

/* A string, number, true, false or null; anything else is a failure. */
static enum hone_status take_scalar(struct scan *scan, struct hone_field *out, enum hone_value_kind *kind) {
    const char *begin = scan->at;
    switch (*begin) {
    case '"':
        *kind = HONE_VALUE_STRING;
        return take_string(scan, out);
    case 't':
        *kind = HONE_VALUE_BOOL;
        HONE_TRY(take_word(scan, "true"));
        break;
    case 'f':
        *kind = HONE_VALUE_BOOL;
        HONE_TRY(take_word(scan, "false"));
        break;
    case 'n':
        *kind = HONE_VALUE_NULL;
        HONE_TRY(take_word(scan, "null"));
        break;
    default:
        if (*begin != '-' && (*begin < '0' || *begin > '9')) return fail(scan, begin, "a value");
        *kind = HONE_VALUE_NUMBER;
        HONE_TRY(take_number(scan));
    }
    *out = (struct hone_field){begin, (size_t)(scan->at - begin)};
    return HONE_OK;
}

/* Passes a comma, or the closing bracket: *more tells which. scan->at is behind an opening one if `first`. */
static enum hone_status next_item(struct scan *scan, char closing, bool first, bool *more) {
    skip_space(scan);
    *more = *scan->at != closing;
    if (!*more) {
        scan->at++;
        return HONE_OK;
    }
    if (first) return HONE_OK;
    if (*scan->at != ',') return fail(scan, scan->at, closing == '}' ? "a comma or }" : "a comma or ]");
    scan->at++;
    skip_space(scan);
    return HONE_OK;
}

static enum hone_status take_colon(struct scan *scan) {
    skip_space(scan);
    if (*scan->at != ':') return fail(scan, scan->at, "a colon");
    scan->at++;
    skip_space(scan);
    return HONE_OK;
}

static enum hone_status check_depth(const struct scan *scan, int depth) {
    if (depth < HONE_JSON_DEPTH) return HONE_OK;
    return fail(scan, scan->at, "at most 64 levels of lists and objects");
}

static enum hone_status skip_inside(struct scan *scan, int depth) {
    bool object = *scan->at == '{', more;
    HONE_TRY(check_depth(scan, depth));
    scan->at++;
    for (bool first = true;; first = false) {
        HONE_TRY(next_item(scan, object ? '}' : ']', first, &more));
        if (!more) return HONE_OK;
        if (object) {
            if (*scan->at != '"') return fail(scan, scan->at, "a key in quotes");
            HONE_TRY(skip_string(scan));
            HONE_TRY(take_colon(scan));
        }
        HONE_TRY(skip_value(scan, depth + 1));
    }
}

static enum hone_status skip_value(struct scan *scan, int depth) {
    struct hone_field text;
    enum hone_value_kind kind;
    if (*scan->at == '"') return skip_string(scan);
    if (*scan->at == '{' || *scan->at == '[') return skip_inside(scan, depth);
    return take_scalar(scan, &text, &kind);
}

static enum hone_status take_list(struct scan *scan, struct hone_wanted_value *out) {
    struct hone_field item;
    enum hone_value_kind kind;
    bool more;
    scan->at++;
    for (bool first = true;; first = false) {
        HONE_TRY(next_item(scan, ']', first, &more));
        if (!more) return HONE_OK;
        const char *begin = scan->at;
        if (*begin == '{' || *begin == '[')
            return fail(scan, begin, "a string, number, true or false in a list that is read");
        HONE_TRY(take_scalar(scan, &item, &kind));
        if (kind == HONE_VALUE_NULL) return fail(scan, begin, "a string, number, true or false in a list that is read");
        hone_value_add(out, item, kind);
    }
}

/* Whether the first item of the list is one itself, or an object. */
static bool is_nested(const struct scan *scan) {
    struct scan inside = {scan->records, scan->base, scan->at + 1};
    skip_space(&inside);
    return *inside.at == '{' || *inside.at == '[';
}

static enum hone_status take_value(struct scan *scan, struct hone_wanted_value *out, int depth) {
    struct hone_field item;
    if (*scan->at == '{' || (*scan->at == '[' && scan->records->options.nested && is_nested(scan))) {
        const char *begin = scan->at;
        out->value.kind = HONE_VALUE_OTHER;
        HONE_TRY(skip_value(scan, depth));
        out->value.raw = (struct hone_field){begin, (size_t)(scan->at - begin)};
        return HONE_OK;
    }
    if (*scan->at == '[') {
        out->value.kind = HONE_VALUE_LIST;
        return take_list(scan, out);
    }
    HONE_TRY(take_scalar(scan, &item, &out->value.kind));
    if (out->value.kind != HONE_VALUE_NULL) hone_value_add(out, item, out->value.kind);
    return HONE_OK;
}

static enum hone_status read_object(struct scan *scan, int depth, size_t n_wanted);

/* The value of a key: which of the wanted paths does it end, and which lead on into it? */
static enum hone_status read_member(struct scan *scan, const char *key_at, struct hone_field key, int depth,
                                    size_t n_wanted) {
    struct hone_records *records = scan->records;
    size_t n_columns = records->options.n_columns, inside = 0;
    const struct hone_wanted *wanted = records->wanted + (size_t)depth * n_columns;
    struct hone_wanted *next = records->wanted + (size_t)(depth + 1) * n_columns;
    struct hone_wanted_value *value = NULL;
    for (size_t i = 0; i < n_wanted; i++) {
        const char *path = records->columns[wanted[i].column] + wanted[i].at;
        if (strncmp(path, key.bytes, key.n) != 0 || memchr(key.bytes, 0, key.n)) continue;
        if (path[key.n] == '.') next[inside++] = (struct hone_wanted){wanted[i].column, wanted[i].at + key.n + 1};
        if (path[key.n] != 0) continue;
        struct hone_wanted_value *this = &records->values[wanted[i].column];
        if (this->value.kind != HONE_VALUE_MISSING)
            return hone_records_fail_at(records, (size_t)(key_at - scan->base), "this key is there twice");
        value = this;
        value->value.kind = HONE_VALUE_NULL;
    }
    if (inside && *scan->at == '{') {
        if (value) value->value.kind = HONE_VALUE_OTHER;
        HONE_TRY(check_depth(scan, depth + 1));
        return read_object(scan, depth + 1, inside);
    }
    return value ? take_value(scan, value, depth + 1) : skip_value(scan, depth + 1);
}

static enum hone_status read_object(struct scan *scan, int depth, size_t n_wanted) {
    struct hone_field key;
    bool more;
    scan->at++;
    for (bool first = true;; first = false) {
        HONE_TRY(next_item(scan, '}', first, &more));
        if (!more) return HONE_OK;
        const char *key_at = scan->at;
        if (*key_at != '"') return fail(scan, key_at, "a key in quotes");
        HONE_TRY(take_string(scan, &key));
        HONE_TRY(take_colon(scan));
        HONE_TRY(read_member(scan, key_at, key, depth, n_wanted));
    }
}

enum hone_status hone_records_cut_jsonl(struct hone_records *records) {
    HONE_TRY(hone_records_find_line(records));
    if (records->length == 0) return HONE_OK;
    char *base = records->bytes + records->begin;
    base[records->length] = 0;
    for (size_t i = 0; i < records->options.n_columns; i++) {
        records->values[i].value.kind = HONE_VALUE_MISSING;
        records->values[i].value.n = 0;
        records->values[i].value.raw = (struct hone_field){0};
    }
    records->unescaped_n = 0;
    hone_reserve(&records->unescaped, &records->unescaped_capacity, records->length + 4, 1, "strings of a record");
    struct scan scan = {records, base, base};
    skip_space(&scan);
    if (*scan.at != '{') return fail(&scan, scan.at, "an object in braces on each line");
    HONE_TRY(read_object(&scan, 0, records->n_wanted));
    skip_space(&scan);
    if (scan.at != base + records->length) return fail(&scan, scan.at, "the end of the line");
    return HONE_OK;
}

void hone_records_keys(struct hone_text *out, const struct hone_records *records) {
    enum { SHOWN = 10 };
    /* The record was read without a fault, so that what is left of its unescaped strings may be overwritten. */
    struct scan scan = {(struct hone_records *)records, records->bytes + records->begin,
                        records->bytes + records->begin};
    struct hone_field key = {0};
    bool more = true;
    skip_space(&scan);
    scan.at++;
    scan.records->unescaped_n = 0;
    for (int n = 0; next_item(&scan, '}', n == 0, &more) == HONE_OK && more; n++) {
        if (take_string(&scan, &key) != HONE_OK || take_colon(&scan) != HONE_OK) return;
        if (n == SHOWN) {
            hone_text_format(out, ", …");
            return;
        }
        char *shown = hone_escape(key.bytes, key.n < 60 ? key.n : 60);
        hone_text_format(out, "%s\"%s\"", n ? ", " : "", shown);
        hone_free(shown);
        if (skip_value(&scan, 1) != HONE_OK) return;
    }
}
