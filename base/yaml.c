/* The tree is built from libyaml's events, so that what we refuse is refused where it stands, before anything is built
 * from it, and the depth of our recursion is ours to bound. */
#include "base/yaml.h"

#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "base/io.h"
#include "base/memory.h"
#include "base/utf8.h"

#define DEPTH_LIMIT 32
#define SIZE_LIMIT  ((size_t)1000000)

struct reader {
    yaml_parser_t parser;
    const char *bytes, *name;
    size_t n;
};

static enum hone_status fail_at(const struct reader *reader, yaml_mark_t mark, const char *text) {
    return hone_fail(HONE_USAGE, "%s:%zu:%zu: %s", reader->name, mark.line + 1, mark.column + 1, text);
}

/* The place of a byte, for what libyaml reports by offset only. */
static yaml_mark_t mark_of(const struct reader *reader, size_t offset) {
    yaml_mark_t mark = {.index = offset};
    for (size_t i = 0; i < offset && i < reader->n; i++) {
        if (reader->bytes[i] == '\n') {
            mark.line++;
            mark.column = 0;
        } else if ((reader->bytes[i] & 0xC0) != 0x80) {
            mark.column++;
        }
    }
    return mark;
}

static enum hone_status next_event(struct reader *reader, yaml_event_t *event) {
    yaml_parser_t *parser = &reader->parser;
    if (yaml_parser_parse(parser, event)) return HONE_OK;
    yaml_mark_t mark = parser->problem_mark;
    const char *problem = parser->problem ? parser->problem : "cannot be read";
    if (parser->error == YAML_MEMORY_ERROR) return hone_fail(HONE_OUT_OF_MEMORY, "out of memory for YAML");
    if (parser->error == YAML_READER_ERROR) mark = mark_of(reader, parser->problem_offset);
    if (mark.index < reader->n && parser->error == YAML_SCANNER_ERROR) {
        size_t offset = 0;
        /* The mark counts characters. */
        for (size_t i = 0; i < mark.index && offset < reader->n; i++) hone_utf8_next(reader->bytes, &offset);
        if (offset < reader->n && reader->bytes[offset] == '\t') return fail_at(reader, mark, "a tab, expected spaces");
    }
    /* A pattern such as *.bias. */
    if (parser->context && strcmp(parser->context, "while scanning an alias") == 0)
        return fail_at(reader, parser->context_mark, "a value that begins with * needs quotes");
    if (parser->context)
        return hone_fail(HONE_USAGE, "%s:%zu:%zu: %s %s (line %zu)", reader->name, mark.line + 1, mark.column + 1,
                         problem, parser->context, parser->context_mark.line + 1);
    return fail_at(reader, mark, problem);
}

static struct hone_yaml *node_new(enum hone_yaml_kind kind, yaml_mark_t mark) {
    struct hone_yaml *node = hone_calloc(1, sizeof *node, "YAML");
    node->kind = kind;
    node->line = (int)mark.line + 1;
    node->column = (int)mark.column + 1;
    return node;
}

void hone_yaml_free(struct hone_yaml *node) {
    if (!node) return;
    for (size_t i = 0; i < node->n; i++) {
        if (node->keys) hone_free(node->keys[i]);
        hone_yaml_free(node->items[i]);
    }
    hone_free(node->text);
    hone_free(node->keys);
    hone_free(node->key_lines);
    hone_free(node->key_columns);
    hone_free(node->first_lines);
    hone_free(node->items);
    hone_free(node);
}

static enum hone_status scalar_text(char **out, const struct reader *reader, const yaml_event_t *event) {
    const char *value = (const char *)event->data.scalar.value;
    size_t n = event->data.scalar.length;
    if (memchr(value, 0, n)) return fail_at(reader, event->start_mark, "text with a NUL character");
    *out = hone_strndup(value, n, "YAML text");
    return HONE_OK;
}

/* Anchors, aliases and tags, wherever they stand. */
static enum hone_status refuse_properties(const struct reader *reader, const yaml_event_t *event) {
    const yaml_char_t *anchor = NULL, *tag = NULL;
    switch (event->type) {
    case YAML_ALIAS_EVENT:
        return fail_at(reader, event->start_mark,
                       "aliases (*) are not allowed; write the value out, or put it in quotes");
    case YAML_SCALAR_EVENT:
        anchor = event->data.scalar.anchor, tag = event->data.scalar.tag;
        break;
    case YAML_SEQUENCE_START_EVENT:
        anchor = event->data.sequence_start.anchor, tag = event->data.sequence_start.tag;
        break;
    case YAML_MAPPING_START_EVENT:
        anchor = event->data.mapping_start.anchor, tag = event->data.mapping_start.tag;
        break;
    default:
        break;
    }
    if (anchor) return fail_at(reader, event->start_mark, "anchors (&) are not allowed; write the value out");
    if (tag) return fail_at(reader, event->start_mark, "tags (!) are not allowed; quote the value to make it a string");
    return HONE_OK;
}

struct ordered_key {
    const char *text;
    size_t position;
};

static int compare_keys(const void *a, const void *b) {
    const struct ordered_key *x = a, *y = b;
    int order = strcmp(x->text, y->text);
    return order ? order : x->position < y->position ? -1 : 1;
}

/* Sorts, so that a large map takes no quadratic time. */
static void find_repeated(struct hone_yaml *map) {
    if (map->n == 0) return;
    struct ordered_key *keys = hone_alloc(map->n, sizeof *keys, "keys of a YAML map");
    map->first_lines = hone_calloc(map->n, sizeof *map->first_lines, "YAML map");
    for (size_t i = 0; i < map->n; i++) keys[i] = (struct ordered_key){map->keys[i], i};
    qsort(keys, map->n, sizeof *keys, compare_keys);
    for (size_t i = 1, first = 0; i < map->n; i++) {
        if (strcmp(keys[i].text, keys[first].text) == 0)
            map->first_lines[keys[i].position] = map->key_lines[keys[first].position];
        else
            first = i;
    }
    hone_free(keys);
}

void hone_yaml_repeated(const struct hone_yaml *node,
                        void (*tell)(void *context, const struct hone_yaml *map, size_t i), void *context) {
    for (size_t i = 0; i < node->n; i++) {
        if (node->kind == HONE_YAML_MAP && node->first_lines[i]) tell(context, node, i);
        hone_yaml_repeated(node->items[i], tell, context);
    }
}

static enum hone_status read_node(struct hone_yaml **out, struct reader *reader, const yaml_event_t *event, int depth);

static enum hone_status read_list(struct hone_yaml *list, struct reader *reader, int depth) {
    size_t capacity = 0;
    for (;;) {
        yaml_event_t event;
        HONE_TRY(next_event(reader, &event));
        bool end = event.type == YAML_SEQUENCE_END_EVENT;
        struct hone_yaml *item = NULL;
        enum hone_status status = end ? HONE_OK : read_node(&item, reader, &event, depth);
        yaml_event_delete(&event);
        if (status != HONE_OK || end) return status;
        hone_reserve(&list->items, &capacity, list->n + 1, sizeof *list->items, "YAML list");
        list->items[list->n++] = item;
    }
}

static enum hone_status read_key(struct hone_yaml *map, const struct reader *reader, const yaml_event_t *event) {
    HONE_TRY(refuse_properties(reader, event));
    if (event->type != YAML_SCALAR_EVENT) return fail_at(reader, event->start_mark, "a key must be a plain word");
    map->key_lines[map->n] = (int)event->start_mark.line + 1;
    map->key_columns[map->n] = (int)event->start_mark.column + 1;
    return scalar_text(&map->keys[map->n], reader, event);
}

static enum hone_status read_map(struct hone_yaml *map, struct reader *reader, int depth) {
    size_t capacity[4] = {0};
    for (;;) {
        yaml_event_t event;
        HONE_TRY(next_event(reader, &event));
        if (event.type == YAML_MAPPING_END_EVENT) {
            yaml_event_delete(&event);
            find_repeated(map);
            return HONE_OK;
        }
        hone_reserve(&map->keys, &capacity[0], map->n + 1, sizeof *map->keys, "YAML map");
        hone_reserve(&map->key_lines, &capacity[1], map->n + 1, sizeof *map->key_lines, "YAML map");
        hone_reserve(&map->key_columns, &capacity[2], map->n + 1, sizeof *map->key_columns, "YAML map");
        hone_reserve(&map->items, &capacity[3], map->n + 1, sizeof *map->items, "YAML map");
        enum hone_status status = read_key(map, reader, &event);
        yaml_event_delete(&event);
        HONE_TRY(status);
        map->items[map->n++] = NULL;
        HONE_TRY(next_event(reader, &event));
        status = read_node(&map->items[map->n - 1], reader, &event, depth);
        yaml_event_delete(&event);
        HONE_TRY(status);
    }
}

/* The value that begins with `event`, which the caller deletes. */
static enum hone_status read_node(struct hone_yaml **out, struct reader *reader, const yaml_event_t *event, int depth) {
    *out = NULL;
    HONE_TRY(refuse_properties(reader, event));
    if (depth > DEPTH_LIMIT) return fail_at(reader, event->start_mark, "nested deeper than 32 levels");
    struct hone_yaml *node;
    enum hone_status status;
    if (event->type == YAML_SCALAR_EVENT) {
        node = node_new(HONE_YAML_SCALAR, event->start_mark);
        node->quoted = event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
        status = scalar_text(&node->text, reader, event);
    } else if (event->type == YAML_SEQUENCE_START_EVENT) {
        node = node_new(HONE_YAML_LIST, event->start_mark);
        status = read_list(node, reader, depth + 1);
    } else {
        HONE_CHECK(event->type == YAML_MAPPING_START_EVENT, "event %d of libyaml where a value begins", event->type);
        node = node_new(HONE_YAML_MAP, event->start_mark);
        status = read_map(node, reader, depth + 1);
    }
    if (status != HONE_OK) {
        hone_yaml_free(node);
        return status;
    }
    *out = node;
    return HONE_OK;
}

static enum hone_status read_stream(struct hone_yaml **out, struct reader *reader) {
    for (;;) {
        yaml_event_t event;
        HONE_TRY(next_event(reader, &event));
        enum hone_status status = HONE_OK;
        bool end = event.type == YAML_STREAM_END_EVENT;
        bool other = event.type == YAML_STREAM_START_EVENT || event.type == YAML_DOCUMENT_END_EVENT;
        if (event.type == YAML_DOCUMENT_START_EVENT) {
            if (*out) status = fail_at(reader, event.start_mark, "a second document, expected one");
        } else if (!end && !other) {
            status = read_node(out, reader, &event, 1);
        }
        yaml_event_delete(&event);
        if (status != HONE_OK || end) return status;
    }
}

static enum hone_status parse(struct hone_yaml **out, const char *bytes, size_t n, const char *name) {
    *out = NULL;
    struct reader reader = {.bytes = bytes, .name = name, .n = n};
    if (n > SIZE_LIMIT) return hone_fail(HONE_USAGE, "%s: has %zu bytes, at most %zu are allowed", name, n, SIZE_LIMIT);
    size_t valid = hone_utf8_valid_prefix(bytes, n);
    if (valid < n) return fail_at(&reader, mark_of(&reader, valid), "a byte that is not UTF-8");
    if (!yaml_parser_initialize(&reader.parser)) return hone_fail(HONE_OUT_OF_MEMORY, "out of memory for YAML");
    yaml_parser_set_encoding(&reader.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&reader.parser, (const unsigned char *)bytes, n);
    struct hone_yaml *root = NULL;
    enum hone_status status = read_stream(&root, &reader);
    yaml_parser_delete(&reader.parser);
    if (status != HONE_OK) {
        hone_yaml_free(root);
        return status;
    }
    if (!root || (root->kind == HONE_YAML_SCALAR && !root->quoted && !*root->text)) {
        hone_yaml_free(root);
        root = node_new(HONE_YAML_MAP, (yaml_mark_t){0});
    }
    *out = root;
    return HONE_OK;
}

struct refusal {
    const char *name;
    enum hone_status status;
};

static void refuse(void *context, const struct hone_yaml *map, size_t i) {
    struct refusal *refusal = context;
    if (refusal->status != HONE_OK) return;
    refusal->status = hone_fail(HONE_USAGE, "%s:%d:%d: key \"%s\" is given twice, first in line %d", refusal->name,
                                map->key_lines[i], map->key_columns[i], map->keys[i], map->first_lines[i]);
}

enum hone_status hone_yaml_parse(struct hone_yaml **out, const char *bytes, size_t n, const char *name) {
    struct refusal refusal = {.name = name};
    HONE_TRY(parse(out, bytes, n, name));
    hone_yaml_repeated(*out, refuse, &refusal);
    if (refusal.status == HONE_OK) return HONE_OK;
    hone_yaml_free(*out);
    *out = NULL;
    return refusal.status;
}

enum hone_status hone_yaml_read(struct hone_yaml **out, const char *path) {
    *out = NULL;
    char *bytes;
    size_t n;
    enum hone_status status = hone_read_file(&bytes, &n, path, SIZE_LIMIT);
    /* A recipe that is not there or too large is a mistake of the command line, not a bad input file. */
    if (status == HONE_BAD_INPUT) return HONE_USAGE;
    HONE_TRY(status);
    status = parse(out, bytes, n, path);
    hone_free(bytes);
    return status;
}

const struct hone_yaml *hone_yaml_get(const struct hone_yaml *map, const char *key) {
    if (map->kind != HONE_YAML_MAP) return NULL;
    for (size_t i = 0; i < map->n; i++)
        if (strcmp(map->keys[i], key) == 0) return map->items[i];
    return NULL;
}

bool hone_yaml_is_null(const struct hone_yaml *node) {
    if (node->kind != HONE_YAML_SCALAR || node->quoted) return false;
    static const char *const nulls[] = {"", "~", "null", "Null", "NULL"};
    for (size_t i = 0; i < sizeof nulls / sizeof *nulls; i++)
        if (strcmp(node->text, nulls[i]) == 0) return true;
    return false;
}
