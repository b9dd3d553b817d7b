#include "recipes/labels.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/utf8.h"

void hone_labels_copy(struct hone_labels *out, char *const *names, size_t n) {
    out->n = (int64_t)n;
    out->names = hone_alloc(n, sizeof *out->names, "labels");
    for (size_t i = 0; i < n; i++) out->names[i] = hone_strdup(names[i], "labels");
}

void hone_labels_free(struct hone_labels *labels) {
    for (int64_t i = 0; i < labels->n; i++) hone_free(labels->names[i]);
    hone_free(labels->names);
    *labels = (struct hone_labels){0};
}

void hone_labels_number(struct hone_labels *labels, int64_t n) {
    labels->names = hone_alloc((size_t)n, sizeof *labels->names, "labels");
    for (labels->n = 0; labels->n < n; labels->n++) {
        labels->names[labels->n] = hone_format("LABEL_%lld", (long long)labels->n);
    }
}

void hone_labels_of_columns(struct hone_labels *labels, const struct hone_columns *columns) {
    for (size_t i = 0; i < columns->n; i++) {
        if (columns->items[i].name) continue;
        hone_labels_number(labels, (int64_t)columns->n);
        return;
    }
    for (size_t i = 0; i < columns->n; i++)
        hone_labels_collect(labels, columns->items[i].name, strlen(columns->items[i].name));
}

static int64_t find_name(const struct hone_labels *labels, const char *text, size_t n) {
    for (int64_t i = 0; i < labels->n; i++) {
        const char *name = labels->names[i];
        if (n > 0 && name[0] != text[0]) continue;
        if (strlen(name) == n && memcmp(name, text, n) == 0) return i;
    }
    return -1;
}

int32_t hone_labels_collect(struct hone_labels *labels, const char *name, size_t n) {
    int64_t found = find_name(labels, name, n);
    if (found >= 0) return (int32_t)found;
    labels->names = hone_realloc(labels->names, (size_t)labels->n + 1, sizeof *labels->names, "labels");
    labels->names[labels->n++] = hone_strndup(name, n, "labels");
    return (int32_t)labels->n - 1;
}

/* Decimal digits with an optional sign that fit in int64. */
static bool parse_integer(int64_t *out, const char *text) {
    const char *digits = text + (*text == '-');
    if (!*digits || strspn(digits, "0123456789") != strlen(digits)) return false;
    errno = 0;
    *out = strtoll(text, NULL, 10);
    return errno == 0;
}

static int compare(const void *a, const void *b) {
    const char *left = *(char *const *)a, *right = *(char *const *)b;
    int64_t x = 0, y = 0;
    bool left_is = parse_integer(&x, left), right_is = parse_integer(&y, right);
    if (left_is != right_is) return left_is ? -1 : 1;
    if (left_is && x != y) return x < y ? -1 : 1;
    return strcmp(left, right);
}

void hone_labels_sort(struct hone_labels *labels) {
    if (labels->n) qsort(labels->names, (size_t)labels->n, sizeof *labels->names, compare);
}

int32_t hone_labels_find(const struct hone_labels *labels, const char *text, size_t n) {
    int64_t index = find_name(labels, text, n);
    if (index >= 0) return (int32_t)index;
    if (n == 0 || n > 18) return -1;
    index = 0;
    for (size_t i = 0; i < n; i++) {
        if (text[i] < '0' || text[i] > '9') return -1;
        index = index * 10 + (text[i] - '0');
    }
    return index < labels->n ? (int32_t)index : -1;
}

char *hone_labels_list(const struct hone_labels *labels) {
    struct hone_text text = {0};
    hone_text_append(&text, "", 0);
    for (int64_t i = 0; i < labels->n && i < 10; i++) {
        char *shown = hone_escape(labels->names[i], strlen(labels->names[i]));
        hone_text_format(&text, "%s\"%s\"", i ? ", " : "", shown);
        hone_free(shown);
    }
    if (labels->n > 10) hone_text_format(&text, ", … (%lld in all)", (long long)labels->n);
    return text.bytes;
}
