/* JSON of foreign files through jansson, made strict: duplicate keys refused, depth at most 64, size limits, UTF-8,
 * messages that name file and byte or line. Values are jansson's json_t: the caller json_decref()s the root only.
 * Numbers keep their kind; an integer beyond int64 becomes a real (Transformers writes int(1e30) for "no limit"), which
 * hone_json_int refuses and hone_json_number takes. */
#ifndef HONE_BASE_JSON_H
#define HONE_BASE_JSON_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/memory.h"
#include "base/status.h"

#define HONE_JSON_CONFIG_LIMIT    (64u << 20)
#define HONE_JSON_TOKENIZER_LIMIT (1u << 30)

/* Reads a file whose root must be an object. Faults are HONE_BAD_INPUT: "path:line:col: …", where
 * the column is that of the last character looked at. */
enum hone_status hone_json_read(json_t **out, const char *path, size_t limit);
/* Same from memory; `name` stands in messages. */
enum hone_status hone_json_parse(json_t **out, const char *bytes, size_t n, const char *name);
/* Writes with two-space indentation, keys in insertion order, a newline at the end, atomically. */
enum hone_status hone_json_write(const json_t *value, const char *path);
/* One line, keys in insertion order; owned text. Both writers give reals the fewest of 15 to 17 digits that read back
 * to the same value. */
char *hone_json_line(const json_t *value);
/* Appends a string in quotes: `n` bytes of valid UTF-8, as they stand but for what JSON escapes. */
void hone_json_append_string(struct hone_text *out, const char *bytes, size_t n);

/* Typed access: missing or null keys give the default (where one is given); another type or a value out of bounds is
 * HONE_BAD_INPUT naming file (`path`), key, found and expected; the default is not checked. Strings are borrowed from `object`. */
enum hone_status hone_json_int(int64_t *out, const json_t *object, const char *key, int64_t otherwise, int64_t low,
                               int64_t high, const char *path);
enum hone_status hone_json_number(double *out, const json_t *object, const char *key, double otherwise, double low,
                                  double high, const char *path);
enum hone_status hone_json_bool(bool *out, const json_t *object, const char *key, bool otherwise, const char *path);
enum hone_status hone_json_string(const char **out, const json_t *object, const char *key, const char *otherwise,
                                  const char *path);

#endif
