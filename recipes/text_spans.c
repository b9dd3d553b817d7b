#include "recipes/text_spans.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/memory.h"
#include "base/utf8.h"

void hone_text_spans_free(struct hone_text_spans *spans) {
    json_decref(spans->json);
    hone_free(spans->at);
    *spans = (struct hone_text_spans){0};
}

static int64_t count_characters(struct hone_field text) {
    int64_t n = 0;
    for (size_t i = 0; i < text.n; n++) hone_utf8_next(text.bytes, &i);
    return n;
}

static int by_start(const void *a, const void *b) {
    int64_t first = ((const struct hone_text_span *)a)->start, second = ((const struct hone_text_span *)b)->start;
    return (first > second) - (first < second);
}

static enum hone_status read_span(struct hone_text_span *out, const json_t *item, size_t number, int64_t characters) {
    const json_t *start, *end, *label;
    if (json_is_array(item) && json_array_size(item) == 3) {
        start = json_array_get(item, 0);
        end = json_array_get(item, 1);
        label = json_array_get(item, 2);
    } else {
        start = json_object_get(item, "start");
        end = json_object_get(item, "end");
        label = json_object_get(item, "label");
        if (!label) label = json_object_get(item, "entity_group");
    }
    if (!json_is_integer(start) || !json_is_integer(end) || !json_is_string(label))
        return hone_fail(
            HONE_BAD_INPUT,
            "entity %zu: expected {\"start\": number, \"end\": number, \"label\": name} or [start, end, label]",
            number);
    *out = (struct hone_text_span){json_integer_value(start), json_integer_value(end), json_string_value(label)};
    if (out->start < 0 || out->start >= out->end || out->end > characters)
        return hone_fail(HONE_BAD_INPUT, "entity %zu: characters %lld to %lld, expected some of the text's %lld",
                         number, (long long)out->start, (long long)out->end, (long long)characters);
    struct hone_labels types = {0};
    struct hone_tag tag;
    char *name = hone_format("B-%s", out->label);
    bool good = *out->label && hone_tag_read(&tag, &types, name, strlen(name));
    hone_free(name);
    hone_labels_free(&types);
    if (good) return HONE_OK;
    return hone_fail(HONE_BAD_INPUT, "entity %zu: its label is empty or has a dash at an end, expected a name", number);
}

/* As the only member of an object. */
static enum hone_status parse(json_t **out, struct hone_field raw) {
    struct hone_text text = {0};
    hone_text_format(&text, "{\"entities\":");
    hone_text_append(&text, raw.bytes, raw.n);
    hone_text_append(&text, "}", 1);
    enum hone_status status = hone_json_parse(out, text.bytes, text.length, "entities");
    hone_text_free(&text);
    return status;
}

enum hone_status hone_text_spans_read(struct hone_text_spans *out, const struct hone_value *value,
                                      struct hone_field text) {
    json_decref(out->json);
    out->json = NULL;
    out->n = 0;
    if (value->kind == HONE_VALUE_LIST && value->n == 0) return HONE_OK;
    if (value->kind == HONE_VALUE_OTHER) HONE_TRY(parse(&out->json, value->raw));
    const json_t *items = json_object_get(out->json, "entities");
    if (!json_is_array(items))
        return hone_fail(HONE_BAD_INPUT, "no list of entities for a text, expected [{\"start\": number, \"end\": "
                                         "number, \"label\": name}, …]");
    int64_t characters = count_characters(text);
    size_t n = json_array_size(items);
    hone_reserve(&out->at, &out->capacity, n, sizeof *out->at, "entities of a text");
    for (size_t i = 0; i < n; i++) HONE_TRY(read_span(&out->at[i], json_array_get(items, i), i + 1, characters));
    out->n = n;
    qsort(out->at, n, sizeof *out->at, by_start);
    for (size_t i = 1; i < n; i++) {
        if (out->at[i].start >= out->at[i - 1].end) continue;
        return hone_fail(HONE_BAD_INPUT, "the entities at characters %lld to %lld and %lld to %lld overlap",
                         (long long)out->at[i - 1].start, (long long)out->at[i - 1].end, (long long)out->at[i].start,
                         (long long)out->at[i].end);
    }
    return HONE_OK;
}

int64_t hone_text_spans_find(struct hone_entities *out, const struct hone_text_spans *spans, const int32_t *types,
                             const struct hone_word_range *words, size_t n) {
    int64_t moved = 0;
    out->n = 0;
    for (size_t i = 0, w = 0; i < spans->n; i++) {
        const struct hone_text_span *span = &spans->at[i];
        while (w < n && (words[w].start < 0 || words[w].end <= span->start)) w++;
        size_t begin = w, last = w;
        for (; w < n && (words[w].start < 0 || words[w].start < span->end); w++)
            if (words[w].start >= 0) last = w;
        bool none = begin == w;
        moved += none || words[begin].start < span->start || words[last].end > span->end;
        w = none ? begin : last + 1;
        if (none) continue;
        hone_reserve(&out->at, &out->capacity, out->n + 1, sizeof *out->at, "entities");
        out->at[out->n++] = (struct hone_entity){(int64_t)begin, (int64_t)w, types[i]};
    }
    return moved;
}
