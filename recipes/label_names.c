/* The names in one column of several labels: a JSON array, or text with a separator between them. */
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/memory.h"
#include "recipes/texts.h"

struct visit {
    const struct hone_dataset *dataset;
    const struct hone_example *example;
    hone_see_name see;
    void *user;
};

static enum hone_status see(const struct visit *visit, struct hone_field name) {
    return visit->see(visit->user, visit->dataset, visit->example, name);
}

static struct hone_field trimmed(struct hone_field f) {
    while (f.n && (*f.bytes == ' ' || *f.bytes == '\t')) f.bytes++, f.n--;
    while (f.n && (f.bytes[f.n - 1] == ' ' || f.bytes[f.n - 1] == '\t')) f.n--;
    return f;
}

/* A JSON array inside a field, as CSV files have them. */
static enum hone_status see_array(const struct visit *visit, struct hone_field text) {
    char *wrapped = hone_format("{\"labels\": %.*s}", (int)text.n, text.bytes);
    json_t *object = NULL;
    enum hone_status status = hone_json_parse(&object, wrapped, strlen(wrapped), "label");
    hone_free(wrapped);
    const json_t *array = json_object_get(object, "labels");
    if (status != HONE_OK || !json_is_array(array) || json_object_size(object) != 1) {
        json_decref(object);
        return hone_texts_fail(visit->dataset, visit->example,
                               "the label begins with [ but is no JSON array, expected [\"name\", …]");
    }
    for (size_t i = 0; i < json_array_size(array) && status == HONE_OK; i++) {
        const json_t *item = json_array_get(array, i);
        char number[32];
        snprintf(number, sizeof number, "%lld", (long long)json_integer_value(item));
        if (!json_is_string(item) && !json_is_integer(item)) {
            status = hone_texts_fail(visit->dataset, visit->example,
                                     "item %zu of the labels is neither text nor a whole number", i + 1);
        } else {
            const char *name = json_is_string(item) ? json_string_value(item) : number;
            status = see(visit, (struct hone_field){name, strlen(name)});
        }
    }
    json_decref(object);
    return status;
}

/* Names between separators; blanks around them don't count, and no text is no label. */
static enum hone_status see_names(const struct visit *visit, struct hone_field text, const char *separator) {
    size_t length = strlen(separator);
    text = trimmed(text);
    if (text.n == 0) return HONE_OK;
    if (*text.bytes == '[') return see_array(visit, text);
    for (;;) {
        const char *end = memmem(text.bytes, text.n, separator, length);
        struct hone_field name = {text.bytes, end ? (size_t)(end - text.bytes) : text.n};
        HONE_TRY(see(visit, trimmed(name)));
        if (!end) return HONE_OK;
        text.n -= name.n + length;
        text.bytes = end + length;
    }
}

enum hone_status hone_texts_each_name(const struct hone_dataset *dataset, const struct hone_example *example,
                                      hone_see_name see_name, void *user) {
    const struct visit visit = {dataset, example, see_name, user};
    const struct hone_value *value = hone_dataset_value(dataset, 0);
    if (value->kind == HONE_VALUE_NULL) return HONE_OK;
    if (value->kind != HONE_VALUE_LIST) {
        struct hone_field text;
        HONE_TRY(hone_dataset_label(&text, dataset));
        return see_names(&visit, text, hone_dataset_recipe(dataset)->data.label_separator);
    }
    for (size_t i = 0; i < value->n; i++) HONE_TRY(see(&visit, value->items[i]));
    return HONE_OK;
}
