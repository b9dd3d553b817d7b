/* YAML of recipes through libyaml as a tree of nodes that remember their place. Refused, with line and column:
 * anchors and aliases, tags, more than one document, keys that are not scalars, depth over 32, more than 1 MB. Keys that
 * are given twice are refused, too, or kept for a reader who tells all mistakes together. */
#ifndef HONE_BASE_YAML_H
#define HONE_BASE_YAML_H

#include <stdbool.h>
#include <stddef.h>

#include "base/status.h"

enum hone_yaml_kind { HONE_YAML_SCALAR, HONE_YAML_LIST, HONE_YAML_MAP };

struct hone_yaml {
    enum hone_yaml_kind kind;
    int line, column; /* of the value, from 1; 0 when it came from the command line */
    char *text;       /* scalar: its text */
    bool quoted;      /* scalar: was quoted, so it is a string whatever it looks like */
    char **keys;      /* map: n keys with their places */
    int *key_lines, *key_columns;
    int *first_lines;         /* map: the line of an earlier key with the same text, 0 where there is none */
    struct hone_yaml **items; /* list or map: n values */
    size_t n;
};

/* `name` stands in messages. Faults are HONE_USAGE. An empty document is an empty map. */
enum hone_status hone_yaml_parse(struct hone_yaml **out, const char *bytes, size_t n, const char *name);
/* The same of a file, in which keys that are given twice stay. */
enum hone_status hone_yaml_read(struct hone_yaml **out, const char *path);
/* Calls `tell` for each key of the tree that was given before, with its map and its number there. */
void hone_yaml_repeated(const struct hone_yaml *node,
                        void (*tell)(void *context, const struct hone_yaml *map, size_t i), void *context);
void hone_yaml_free(struct hone_yaml *node);
/* Value of a key in a map, NULL when absent. */
const struct hone_yaml *hone_yaml_get(const struct hone_yaml *map, const char *key);
/* Plain (unquoted) null, ~, Null, NULL or empty (YAML 1.2 core schema, section 10.3). */
bool hone_yaml_is_null(const struct hone_yaml *node);

#endif
