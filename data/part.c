/* Access to the objects of tokenizer.json, with messages that name the place. */
#include <string.h>

#include "base/utf8.h"
#include "data/tokenizer_parts.h"

#define MAX_ID (INT32_MAX - 1)

enum hone_status hone_part_fail_type(const char *where, const json_t *found, const char *expected) {
    static const char *const names[] = {
        [JSON_OBJECT] = "an object", [JSON_ARRAY] = "a list", [JSON_STRING] = "a string", [JSON_INTEGER] = "a number",
        [JSON_REAL] = "a number",    [JSON_TRUE] = "true",    [JSON_FALSE] = "false",     [JSON_NULL] = "null"};
    if (!found) return hone_fail(HONE_BAD_INPUT, "%s is missing, expected %s", where, expected);
    return hone_fail(HONE_BAD_INPUT, "%s is %s, expected %s", where, names[json_typeof(found)], expected);
}

/* The same for a key of an object. */
static enum hone_status fail_key(const char *where, const char *key, const json_t *found, const char *expected) {
    char *place = hone_format("%s.%s", where, key);
    enum hone_status status = hone_part_fail_type(place, found, expected);
    hone_free(place);
    return status;
}

enum hone_status hone_part_need(const json_t **out, const json_t *object, const char *key, json_type type,
                                const char *where) {
    static const char *const names[] = {[JSON_OBJECT] = "an object",
                                        [JSON_ARRAY] = "a list",
                                        [JSON_STRING] = "a string",
                                        [JSON_INTEGER] = "an integer"};
    *out = json_object_get(object, key);
    return *out && json_typeof(*out) == type ? HONE_OK : fail_key(where, key, *out, names[type]);
}

enum hone_status hone_part_bool(bool *out, const json_t *object, const char *key, const char *where) {
    const json_t *value = json_object_get(object, key);
    if (!json_is_boolean(value)) return fail_key(where, key, value, "true or false");
    *out = json_is_true(value);
    return HONE_OK;
}

enum hone_status hone_part_bool_or(bool *out, const json_t *object, const char *key, bool otherwise,
                                   const char *where) {
    const json_t *value = json_object_get(object, key);
    *out = otherwise;
    return value && !json_is_null(value) ? hone_part_bool(out, object, key, where) : HONE_OK;
}

enum hone_status hone_part_string_or(const char **out, const json_t *object, const char *key, const char *otherwise,
                                     const char *where) {
    const json_t *value = json_object_get(object, key);
    *out = otherwise;
    if (!value || json_is_null(value)) return HONE_OK;
    if (!json_is_string(value)) return fail_key(where, key, value, "a string");
    *out = json_string_value(value);
    return HONE_OK;
}

enum hone_status hone_part_character(int32_t *out, const json_t *object, const char *key, const char *where) {
    const char *text = json_string_value(json_object_get(object, key));
    size_t i = 0, n = text ? strlen(text) : 0;
    if (n) *out = hone_utf8_next(text, &i);
    return n && i == n ? HONE_OK : fail_key(where, key, json_object_get(object, key), "one character");
}

enum hone_status hone_part_id(int32_t *out, const json_t *value, const char *where) {
    if (!json_is_integer(value)) return hone_part_fail_type(where, value, "an id");
    json_int_t id = json_integer_value(value);
    if (id < 0 || id > MAX_ID)
        return hone_fail(HONE_BAD_INPUT, "%s is %lld, expected an id from 0 to %d", where, (long long)id, MAX_ID);
    *out = (int32_t)id;
    return HONE_OK;
}

enum hone_status hone_part_type(const char **out, const json_t *part, const char *where) {
    const json_t *type = json_object_get(part, "type");
    if (!json_is_object(part)) return hone_part_fail_type(where, part, "an object");
    if (!json_is_string(type)) return fail_key(where, "type", type, "a string");
    *out = json_string_value(type);
    return HONE_OK;
}

enum hone_status hone_part_fail_unsupported(const char *where, const char *type, const char *supported) {
    char *shown = hone_escape(type, strlen(type));
    enum hone_status status =
        hone_fail(HONE_BAD_INPUT, "%s: type \"%s\" isn't supported, only %s", where, shown, supported);
    hone_free(shown);
    return status;
}

enum hone_status hone_part_each(void *to, const json_t *part, const char *key, const char *where,
                                enum hone_status (*read)(void *, const json_t *, const char *)) {
    const json_t *list;
    HONE_TRY(hone_part_need(&list, part, key, JSON_ARRAY, where));
    for (size_t i = 0; i < json_array_size(list); i++) {
        char *place = hone_format("%s.%s[%zu]", where, key, i);
        enum hone_status status = read(to, json_array_get(list, i), place);
        hone_free(place);
        HONE_TRY(status);
    }
    return HONE_OK;
}
