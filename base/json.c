/* What jansson leaves to its callers is checked before it sees the text: depth (it recurses), the byte order mark, the
 * encoding, integers that it cannot hold. */
#include "base/json.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "base/memory.h"
#include "base/utf8.h"

#define DEPTH_LIMIT 64
/* An int64 has at most 19 digits; 17 make the double that stands for a longer one, and leave room for "e2". */
#define INTEGER_DIGITS 19
#define KEPT_DIGITS    17

static void *json_allocate(size_t size) { return hone_alloc_small(size, "JSON"); }

/* Before main(), so that no value made earlier by jansson's own malloc is ever freed through base/memory.h. */
__attribute__((constructor)) static void use_base_memory(void) { json_set_alloc_funcs(json_allocate, hone_free); }

struct place {
    size_t line, column; /* from 1; the column counts characters */
};

static struct place place_of(const char *bytes, size_t offset) {
    struct place place = {1, 1};
    for (size_t i = 0; i < offset; i++) {
        if (bytes[i] == '\n') {
            place.line++;
            place.column = 1;
        } else if ((bytes[i] & 0xC0) != 0x80) {
            place.column++;
        }
    }
    return place;
}

static enum hone_status fail_at(const char *bytes, size_t offset, const char *name, const char *text) {
    struct place place = place_of(bytes, offset);
    return hone_fail(HONE_BAD_INPUT, "%s:%zu:%zu: %s", name, place.line, place.column, text);
}

/* Rewrites an integer that int64 cannot hold as a real of the same length: its first digits, then "e" and the number of
 * the others, then spaces. */
static void integer_to_real(char *digits, size_t n) {
    char exponent[32];
    int length = snprintf(exponent, sizeof exponent, "e%zu", n - KEPT_DIGITS);
    memset(digits + KEPT_DIGITS, ' ', n - KEPT_DIGITS);
    memcpy(digits + KEPT_DIGITS, exponent, (size_t)length);
}

static bool overflows(const char *digits, size_t n, bool negative) {
    const char *limit = negative ? "9223372036854775808" : "9223372036854775807";
    return n > INTEGER_DIGITS || (n == INTEGER_DIGITS && memcmp(digits, limit, INTEGER_DIGITS) > 0);
}

/* Walks the text once outside its strings. *copy becomes an owned copy when something had to be rewritten. */
static enum hone_status prepare(char **copy, const char *bytes, size_t n, const char *name) {
    *copy = NULL;
    if (n >= 3 && memcmp(bytes, "\xEF\xBB\xBF", 3) == 0)
        return fail_at(bytes, 0, name, "a byte order mark (EF BB BF), expected '{'; save the file without it");
    size_t valid = hone_utf8_valid_prefix(bytes, n);
    if (valid < n) {
        struct place place = place_of(bytes, valid);
        return hone_fail(HONE_BAD_INPUT, "%s:%zu:%zu: byte 0x%02x at offset %zu is not UTF-8", name, place.line,
                         place.column, (unsigned char)bytes[valid], valid);
    }
    int depth = 0;
    for (size_t i = 0; i < n; i++) {
        char c = bytes[i];
        if (c == '"') {
            for (i++; i < n && bytes[i] != '"'; i++)
                if (bytes[i] == '\\') i++;
        } else if (c == '{' || c == '[') {
            if (++depth > DEPTH_LIMIT) {
                hone_free(*copy);
                return fail_at(bytes, i, name, "nested deeper than 64 levels");
            }
        } else if (c == '}' || c == ']') {
            depth--;
        } else if (c >= '0' && c <= '9') {
            size_t digits = i, end = i;
            while (end < n && bytes[end] >= '0' && bytes[end] <= '9') end++;
            bool whole = end == n || (bytes[end] != '.' && bytes[end] != 'e' && bytes[end] != 'E');
            if (whole && c != '0' && overflows(bytes + digits, end - digits, i > 0 && bytes[i - 1] == '-')) {
                if (!*copy) {
                    *copy = hone_alloc(n, 1, "JSON text");
                    memcpy(*copy, bytes, n);
                }
                integer_to_real(*copy + digits, end - digits);
            }
            /* The digits of a fraction or an exponent are not integers. */
            while (end < n && bytes[end] && strchr("0123456789.eE+-", bytes[end])) end++;
            i = end - 1;
        }
    }
    return HONE_OK;
}

enum hone_status hone_json_parse(json_t **out, const char *bytes, size_t n, const char *name) {
    *out = NULL;
    char *copy;
    HONE_TRY(prepare(&copy, bytes, n, name));
    json_error_t error;
    json_t *root = json_loadb(copy ? copy : bytes, n, JSON_REJECT_DUPLICATES, &error);
    hone_free(copy);
    if (!root) {
        const char *text = strstr(error.text, "JSON_ALLOW_NUL") ? "a string with \\u0000 in it" : error.text;
        return hone_fail(HONE_BAD_INPUT, "%s:%d:%d: %s", name, error.line > 0 ? error.line : 1,
                         error.column > 0 ? error.column : 1, text);
    }
    if (!json_is_object(root)) {
        json_decref(root);
        return hone_fail(HONE_BAD_INPUT, "%s:1:1: a list, expected an object ('{')", name);
    }
    *out = root;
    return HONE_OK;
}

enum hone_status hone_json_read(json_t **out, const char *path, size_t limit) {
    *out = NULL;
    char *bytes;
    size_t n;
    HONE_TRY(hone_read_file(&bytes, &n, path, limit));
    enum hone_status status = hone_json_parse(out, bytes, n, path);
    hone_free(bytes);
    return status;
}

static void write_string(struct hone_text *text, const char *bytes, size_t n) {
    hone_text_append(text, "\"", 1);
    for (size_t start = 0, i = 0; i <= n; i++) {
        unsigned char c = i < n ? (unsigned char)bytes[i] : 0;
        if (i < n && c >= 0x20 && c != '"' && c != '\\' && c != 0x7F) continue;
        hone_text_append(text, bytes + start, i - start);
        start = i + 1;
        if (i == n) break;
        static const char named[] = "\"\\\b\f\n\r\t", letters[] = "\"\\bfnrt";
        const char *at = c ? strchr(named, c) : NULL;
        if (at)
            hone_text_append(text, (const char[]){'\\', letters[at - named]}, 2);
        else
            hone_text_format(text, "\\u%04x", c);
    }
    hone_text_append(text, "\"", 1);
}

static void write_real(struct hone_text *text, double value) {
    char digits[40];
    for (int precision = 15; precision <= 17; precision++) {
        snprintf(digits, sizeof digits, "%.*g", precision, value);
        if (strtod(digits, NULL) == value) break;
    }
    hone_text_append(text, digits, strlen(digits));
    /* Without a point or an exponent it would come back as an integer. */
    if (!strpbrk(digits, ".e")) hone_text_append(text, ".0", 2);
}

/* Before an item of a list or object: a comma where one is due, then a new line, or a space on one line. */
static void write_gap(struct hone_text *text, bool comma, int depth, bool indented) {
    if (comma) hone_text_append(text, ",", 1);
    if (indented)
        hone_text_format(text, "\n%*s", 2 * depth, "");
    else if (comma)
        hone_text_append(text, " ", 1);
}

static void write_value(struct hone_text *text, const json_t *value, int depth, bool indented) {
    HONE_CHECK(depth <= DEPTH_LIMIT, "JSON to write is nested deeper than %d levels", DEPTH_LIMIT);
    bool any = false;
    switch (json_typeof(value)) {
    case JSON_OBJECT: {
        const char *key;
        json_t *item;
        hone_text_append(text, "{", 1);
        json_object_foreach((json_t *)value, key, item) {
            write_gap(text, any, depth + 1, indented);
            write_string(text, key, strlen(key));
            hone_text_append(text, ": ", 2);
            write_value(text, item, depth + 1, indented);
            any = true;
        }
        if (any) write_gap(text, false, depth, indented);
        hone_text_append(text, "}", 1);
        break;
    }
    case JSON_ARRAY:
        hone_text_append(text, "[", 1);
        for (size_t i = 0; i < json_array_size(value); i++) {
            write_gap(text, any, depth + 1, indented);
            write_value(text, json_array_get(value, i), depth + 1, indented);
            any = true;
        }
        if (any) write_gap(text, false, depth, indented);
        hone_text_append(text, "]", 1);
        break;
    case JSON_STRING:
        write_string(text, json_string_value(value), json_string_length(value));
        break;
    case JSON_INTEGER:
        hone_text_format(text, "%lld", (long long)json_integer_value(value));
        break;
    case JSON_REAL:
        write_real(text, json_real_value(value));
        break;
    case JSON_TRUE:
        hone_text_append(text, "true", 4);
        break;
    case JSON_FALSE:
        hone_text_append(text, "false", 5);
        break;
    case JSON_NULL:
        hone_text_append(text, "null", 4);
        break;
    }
}

enum hone_status hone_json_write(const json_t *value, const char *path) {
    struct hone_text text = {0};
    write_value(&text, value, 0, true);
    hone_text_append(&text, "\n", 1);
    enum hone_status status = hone_write_file(path, text.bytes, text.length);
    hone_text_free(&text);
    return status;
}

char *hone_json_line(const json_t *value) {
    struct hone_text text = {0};
    write_value(&text, value, 0, false);
    return text.bytes;
}

/* The value of a key, NULL when it is missing or null. */
static const json_t *present(const json_t *object, const char *key) {
    const json_t *value = json_object_get(object, key);
    return value && !json_is_null(value) ? value : NULL;
}

/* "path: key "k" is FOUND, expected EXPECTED" with a short form of what was found. */
static enum hone_status fail_value(const json_t *value, const char *key, const char *expected, const char *path) {
    struct hone_text found = {0};
    if (json_is_object(value))
        hone_text_append(&found, "an object", 9);
    else if (json_is_array(value))
        hone_text_append(&found, "a list", 6);
    else if (json_is_string(value) && json_string_length(value) > 60)
        hone_text_format(&found, "a string of %zu bytes", json_string_length(value));
    else
        write_value(&found, value, 0, false);
    enum hone_status status =
        hone_fail(HONE_BAD_INPUT, "%s: \"%s\" is %s, expected %s", path, key, found.bytes, expected);
    hone_text_free(&found);
    return status;
}

enum hone_status hone_json_int(int64_t *out, const json_t *object, const char *key, int64_t otherwise, int64_t low,
                               int64_t high, const char *path) {
    *out = otherwise;
    const json_t *value = present(object, key);
    if (!value) return HONE_OK;
    if (!json_is_integer(value) || json_integer_value(value) < low || json_integer_value(value) > high) {
        char expected[96];
        snprintf(expected, sizeof expected, "an integer from %lld to %lld", (long long)low, (long long)high);
        return fail_value(value, key, expected, path);
    }
    *out = json_integer_value(value);
    return HONE_OK;
}

enum hone_status hone_json_number(double *out, const json_t *object, const char *key, double otherwise, double low,
                                  double high, const char *path) {
    *out = otherwise;
    const json_t *value = present(object, key);
    if (!value) return HONE_OK;
    double number = json_number_value(value);
    if (!json_is_number(value) || !(number >= low && number <= high)) {
        char expected[96];
        snprintf(expected, sizeof expected, "a number from %g to %g", low, high);
        return fail_value(value, key, expected, path);
    }
    *out = number;
    return HONE_OK;
}

enum hone_status hone_json_bool(bool *out, const json_t *object, const char *key, bool otherwise, const char *path) {
    *out = otherwise;
    const json_t *value = present(object, key);
    if (!value) return HONE_OK;
    if (!json_is_boolean(value)) return fail_value(value, key, "true or false", path);
    *out = json_is_true(value);
    return HONE_OK;
}

enum hone_status hone_json_string(const char **out, const json_t *object, const char *key, const char *otherwise,
                                  const char *path) {
    *out = otherwise;
    const json_t *value = present(object, key);
    if (!value) return HONE_OK;
    if (!json_is_string(value)) return fail_value(value, key, "a string", path);
    *out = json_string_value(value);
    return HONE_OK;
}

void hone_json_append_string(struct hone_text *out, const char *bytes, size_t n) {
    static const char letters[] = "\b\f\n\r\t\"\\", escapes[] = "bfnrt\"\\";
    hone_text_append(out, "\"", 1);
    for (size_t i = 0, begin = 0; i <= n; i++) {
        unsigned char c = i < n ? (unsigned char)bytes[i] : 0;
        if (i < n && c >= 0x20 && c != '"' && c != '\\') continue;
        hone_text_append(out, bytes + begin, i - begin);
        begin = i + 1;
        const char *letter = c ? strchr(letters, c) : NULL;
        if (letter)
            hone_text_format(out, "\\%c", escapes[letter - letters]);
        else if (i < n)
            hone_text_format(out, "\\u%04X", c);
    }
    hone_text_append(out, "\"", 1);
}
