/* YAML of recipes through libyaml as a tree of nodes that remember their place. Refused, with line and column:
 * anchors and aliases, tags, more than one document, duplicate keys, keys that are not scalars, depth over 32,
 * more than 1 MB. */
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
    struct hone_yaml **items; /* list or map: n values */
    size_t n;
};

/* `name` stands in messages. Faults are HONE_USAGE. An empty document is an empty map. */
enum hone_status hone_yaml_parse(struct hone_yaml **out, const char *bytes, size_t n, const char *name);
enum hone_status hone_yaml_read(struct hone_yaml **out, const char *path);
void hone_yaml_free(struct hone_yaml *node);
/* Value of a key in a map, NULL when absent. */
const struct hone_yaml *hone_yaml_get(const struct hone_yaml *map, const char *key);
/* Plain (unquoted) null, ~, Null, NULL or empty (YAML 1.2 core schema, section 10.3). */
bool hone_yaml_is_null(const struct hone_yaml *node);

#endif
