/* The window over a data file, and what is the same for all formats. */
#include "data/records.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/utf8.h"
#include "data/records_parts.h"

#define READ_BYTES   ((size_t)256 << 10)
#define RECORD_LIMIT ((size_t)1 << 30)
#define SPARE        ((size_t)64) /* bytes behind the window that scanners may look at or write */

static bool ends_with(const char *text, size_t n, const char *end) {
    size_t m = strlen(end);
    return n > m && strncasecmp(text + n - m, end, m) == 0;
}

enum hone_data_format hone_format_of(const char *path, enum hone_data_format otherwise) {
    size_t n = strlen(path);
    if (ends_with(path, n, ".gz")) n -= 3;
    if (ends_with(path, n, ".zst")) n -= 4;
    if (ends_with(path, n, ".tsv")) return HONE_FORMAT_TSV;
    if (ends_with(path, n, ".csv")) return HONE_FORMAT_CSV;
    if (ends_with(path, n, ".jsonl") || ends_with(path, n, ".ndjson")) return HONE_FORMAT_JSONL;
    if (ends_with(path, n, ".conll")) return HONE_FORMAT_CONLL;
    return otherwise;
}

static bool is_table(const struct hone_records *records) {
    return records->options.format == HONE_FORMAT_TSV || records->options.format == HONE_FORMAT_CSV;
}

enum hone_status hone_records_fill(struct hone_records *records, bool *more) {
    size_t held = records->end - records->begin, got;
    if (records->begin > 0) memmove(records->bytes, records->bytes + records->begin, held);
    records->begin = 0;
    records->end = held;
    hone_reserve(&records->bytes, &records->capacity, held + READ_BYTES + SPARE, 1, "records of a file");
    if (held > RECORD_LIMIT)
        return hone_fail(HONE_BAD_INPUT, "%s:%lld: a record of more than 1 GiB%s", hone_records_path(records),
                         (long long)records->line,
                         records->options.format == HONE_FORMAT_CSV ? "; is a quote left open?" : "");
    HONE_TRY(hone_source_read(records->source, records->bytes + held, records->capacity - held - SPARE, &got));
    records->end += got;
    records->at_end = got == 0;
    *more = got > 0;
    return HONE_OK;
}

enum hone_status hone_records_fail_at(const struct hone_records *records, size_t at, const char *format, ...) {
    const char *bytes = records->bytes + records->begin;
    long long line = records->line;
    size_t line_begin = 0;
    for (size_t i = 0; i < at; i++) {
        if (bytes[i] != '\n') continue;
        line++;
        line_begin = i + 1;
    }
    char why[400];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(why, sizeof why, format, arguments);
    va_end(arguments);
    return hone_fail(HONE_BAD_INPUT, "%s:%lld: byte %zu: %s", hone_records_path(records), line, at - line_begin + 1,
                     why);
}

enum hone_status hone_records_check_utf8(struct hone_records *records, size_t n) {
    const char *bytes = records->bytes + records->begin;
    size_t valid = hone_utf8_valid_prefix(bytes, n);
    if (valid == n) return HONE_OK;
    unsigned char found = (unsigned char)bytes[valid];
    bool utf16 = records->line == 1 && valid == 0 && (found == 0xFF || found == 0xFE);
    return hone_records_fail_at(records, valid, "invalid UTF-8 (0x%02X)%s, save the file as UTF-8", found,
                                utf16 ? ", which begins UTF-16" : "");
}

enum hone_status hone_records_find_lf(size_t *end, bool *found, struct hone_records *records, size_t at) {
    for (bool more = true; more;) {
        size_t held = records->end - records->begin;
        const char *begin = records->bytes + records->begin, *lf = memchr(begin + at, '\n', held - at);
        *found = lf != NULL;
        *end = lf ? (size_t)(lf - begin) : held;
        if (lf) break;
        at = held;
        HONE_TRY(hone_records_fill(records, &more));
    }
    return HONE_OK;
}

enum hone_status hone_records_find_line(struct hone_records *records) {
    bool found;
    HONE_TRY(hone_records_find_lf(&records->length, &found, records, 0));
    const char *begin = records->bytes + records->begin;
    records->passed = records->length + (found ? 1 : 0);
    records->next_line = records->line + 1;
    if (records->length > 0 && begin[records->length - 1] == '\r' &&
        (found || records->options.format != HONE_FORMAT_TEXT))
        records->length--;
    return hone_records_check_utf8(records, records->length);
}

static void reserve_items(struct hone_wanted_value *value, size_t n) {
    size_t kinds = value->capacity;
    hone_reserve(&value->items, &value->capacity, n, sizeof *value->items, "items of a value");
    hone_reserve(&value->kinds, &kinds, value->capacity, sizeof *value->kinds, "items of a value");
    value->value.items = value->items;
    value->value.kinds = value->kinds;
}

void hone_value_add(struct hone_wanted_value *value, struct hone_field item, enum hone_value_kind kind) {
    reserve_items(value, value->value.n + 1);
    value->items[value->value.n] = item;
    value->kinds[value->value.n++] = kind;
}

static enum hone_status cut_text(struct hone_records *records) {
    HONE_TRY(hone_records_find_line(records));
    hone_records_add_field(records, 0, records->length);
    return HONE_OK;
}

static enum hone_status check_columns(struct hone_records *records) {
    size_t n = records->n_fields, expected = records->n_columns;
    if (records->none) records->n_columns = n;
    if (records->none || n == expected) return HONE_OK;
    records->ragged = records->options.skip_ragged;
    if (records->ragged) return HONE_OK;
    return hone_fail(HONE_BAD_INPUT, "%s:%lld: %zu column%s, expected %zu as in line 1", hone_records_path(records),
                     (long long)records->line, n, n == 1 ? "" : "s", expected);
}

/* Cuts the next record if there is one; fields are pointers then. */
static enum hone_status cut(struct hone_records *records, bool *more) {
    records->begin += records->passed;
    records->passed = records->length = 0;
    records->n_fields = 0;
    records->ragged = false;
    records->line = records->next_line;
    *more = records->begin < records->end;
    if (!*more && !records->at_end) HONE_TRY(hone_records_fill(records, more));
    if (!*more) return HONE_OK;
    switch (records->options.format) {
    case HONE_FORMAT_AUTO:
        break;
    case HONE_FORMAT_TSV:
        HONE_TRY(hone_records_cut_tsv(records));
        break;
    case HONE_FORMAT_CSV:
        HONE_TRY(hone_records_cut_csv(records));
        break;
    case HONE_FORMAT_JSONL:
        HONE_TRY(hone_records_cut_jsonl(records));
        break;
    case HONE_FORMAT_TEXT:
        HONE_TRY(cut_text(records));
        break;
    case HONE_FORMAT_CONLL:
        HONE_TRY(hone_records_cut_conll(records, more));
        if (!*more) return HONE_OK;
        break;
    }
    if (records->length == 0 && records->options.format != HONE_FORMAT_TEXT &&
        records->options.format != HONE_FORMAT_CONLL) {
        bool after = records->begin + records->passed < records->end;
        if (!after && !records->at_end) HONE_TRY(hone_records_fill(records, &after));
        if (!after && !records->none) {
            records->begin = records->end;
            records->passed = 0;
            *more = false;
            return HONE_OK;
        }
        records->ragged = records->options.skip_ragged && is_table(records) && !records->none;
        if (records->ragged) return HONE_OK;
        return hone_fail(HONE_BAD_INPUT, "%s:%lld: the line is empty, expected a row; remove it",
                         hone_records_path(records), (long long)records->line);
    }
    if (is_table(records)) HONE_TRY(check_columns(records));
    const char *base = records->bytes + records->begin;
    for (size_t i = 0; i < records->n_fields; i++) records->fields[i].bytes = base + (size_t)records->fields[i].bytes;
    records->none = false;
    return HONE_OK;
}

static enum hone_status cut_whole(struct hone_records *records, bool *more) {
    for (;;) {
        HONE_TRY(cut(records, more));
        if (!*more || !records->ragged) return HONE_OK;
        if (records->n_ragged++ == 0) records->first_ragged = records->line;
    }
}

int64_t hone_records_ragged(const struct hone_records *records, int64_t *first_line) {
    *first_line = records->first_ragged;
    return records->n_ragged;
}

/* A sentence's columns as lists. */
static void list_columns(struct hone_records *records) {
    size_t n = records->n_fields / records->n_columns;
    for (size_t i = 0; i < records->options.n_columns; i++) {
        struct hone_wanted_value *list = &records->values[i];
        reserve_items(list, n);
        list->value.kind = HONE_VALUE_LIST;
        list->value.n = n;
        for (size_t word = 0; word < n; word++) {
            list->items[word] = records->fields[word * records->n_columns + records->column_at[i]];
            list->kinds[word] = HONE_VALUE_STRING;
        }
    }
}

enum hone_status hone_records_next(struct hone_records *records, bool *more) {
    *more = true;
    if (!records->held) HONE_TRY(cut_whole(records, more));
    records->held = false;
    if (!*more || records->options.format == HONE_FORMAT_JSONL) return HONE_OK;
    if (records->options.format == HONE_FORMAT_CONLL) {
        list_columns(records);
        return HONE_OK;
    }
    for (size_t i = 0; i < records->options.n_columns; i++)
        records->values[i].items[0] = records->fields[records->column_at[i]];
    return HONE_OK;
}

static enum hone_status fail_column(const struct hone_records *records, const char *column, const char *problem) {
    struct hone_text names = {0};
    for (size_t i = 0; records->names && i < records->n_columns; i++) {
        char *name = hone_escape(records->names[i].bytes, records->names[i].n);
        hone_text_format(&names, "%s\"%s\"", i ? ", " : "", name);
        hone_free(name);
    }
    char *shown = hone_escape(column, strlen(column));
    enum hone_status status =
        names.length ? hone_fail(HONE_BAD_INPUT, "%s: %s column \"%s\"; the columns are %s", hone_records_path(records),
                                 problem, shown, names.bytes)
                     : hone_fail(HONE_BAD_INPUT, "%s: %s column \"%s\"; without a header columns are numbers, 0 to %zu",
                                 hone_records_path(records), problem, shown, records->n_columns - 1);
    hone_free(shown);
    hone_text_free(&names);
    return status;
}

static enum hone_status find_column(size_t *out, const struct hone_records *records, const char *column) {
    size_t n = strlen(column), found = 0, number = 0;
    for (size_t i = 0; records->names && i < records->n_columns; i++)
        if (records->names[i].n == n && memcmp(records->names[i].bytes, column, n) == 0) {
            *out = i;
            found++;
        }
    if (found == 1) return HONE_OK;
    if (found > 1) return fail_column(records, column, "more than one");
    if (records->options.format == HONE_FORMAT_CONLL && strcmp(column, HONE_LAST_COLUMN) == 0) {
        *out = records->n_columns - 1;
        return HONE_OK;
    }
    if (n == 0 || n > 9 || strspn(column, "0123456789") != n) return fail_column(records, column, "no");
    for (size_t i = 0; i < n; i++) number = number * 10 + (size_t)(column[i] - '0');
    if (number >= records->n_columns) return fail_column(records, column, "no");
    *out = number;
    return HONE_OK;
}

/* One more wanted column; where it stands among them. */
static size_t add_column(struct hone_records *records, const char *name) {
    size_t at = records->options.n_columns++, n = at + 1;
    records->columns = hone_realloc(records->columns, n, sizeof *records->columns, "wanted columns");
    records->column_at = hone_realloc(records->column_at, n, sizeof *records->column_at, "wanted columns");
    records->values = hone_realloc(records->values, n, sizeof *records->values, "wanted columns");
    records->columns[at] = hone_strdup(name, "wanted column");
    records->column_at[at] = at;
    records->values[at] = (struct hone_wanted_value){.value.kind = HONE_VALUE_STRING};
    hone_value_add(&records->values[at], (struct hone_field){0}, HONE_VALUE_STRING);
    return at;
}

/* All paths, each once, are wanted in the outermost object. */
static void want_paths(struct hone_records *records) {
    size_t n = records->options.n_columns;
    records->wanted = hone_calloc(n * (HONE_JSON_DEPTH + 1), sizeof *records->wanted, "wanted columns");
    for (size_t i = 0; i < n; i++)
        if (records->column_at[i] == i) records->wanted[records->n_wanted++].column = i;
}

/* Keeps the header, or holds the first row for the first hone_records_next. */
static enum hone_status find_columns(struct hone_records *records) {
    bool more;
    HONE_TRY(cut(records, &more));
    if (!more) return HONE_OK;
    records->held = !(is_table(records) && records->options.header);
    if (!records->held) {
        records->names = hone_calloc(records->n_fields, sizeof *records->names, "header of a table");
        for (size_t i = 0; i < records->n_fields; i++) {
            struct hone_field field = records->fields[i]; /* which may hold a NUL, too */
            char *name = hone_calloc(field.n + 1, 1, "header of a table");
            memcpy(name, field.bytes, field.n);
            records->names[i] = (struct hone_field){name, field.n};
        }
    }
    if (records->options.format == HONE_FORMAT_TEXT) records->n_columns = 1;
    for (size_t i = 0; i < records->options.n_columns; i++)
        HONE_TRY(find_column(&records->column_at[i], records, records->columns[i]));
    for (size_t i = 0; records->options.all && records->names && i < records->n_columns; i++) {
        size_t at = add_column(records, records->names[i].bytes);
        records->column_at[at] = i;
    }
    return HONE_OK;
}

static enum hone_status open_parts(struct hone_records *records, const char *path) {
    bool more = true;
    HONE_TRY(hone_source_open(&records->source, path));
    while (more && records->end < 3) HONE_TRY(hone_records_fill(records, &more));
    if (records->end >= 3 && memcmp(records->bytes, "\xEF\xBB\xBF", 3) == 0) records->begin = 3;
    return records->options.format == HONE_FORMAT_JSONL ? HONE_OK : find_columns(records);
}

enum hone_status hone_records_open(struct hone_records **out, const char *path, struct hone_records_options options) {
    struct hone_records *records = hone_calloc(1, sizeof *records, "data file");
    HONE_CHECK(options.format != HONE_FORMAT_AUTO, "the format of %s is not decided", path ? path : "standard input");
    records->options = options;
    records->options.n_columns = 0;
    records->none = true;
    records->line = records->next_line = 1;
    for (size_t i = 0; i < options.n_columns; i++) {
        size_t at = add_column(records, options.columns[i]), same = 0;
        while (strcmp(options.columns[same], options.columns[i]) != 0) same++;
        records->column_at[at] = same;
    }
    want_paths(records);
    *out = NULL;
    enum hone_status status = open_parts(records, path);
    if (status == HONE_OK)
        *out = records;
    else
        hone_records_close(records);
    return status;
}

void hone_records_close(struct hone_records *records) {
    if (!records) return;
    for (size_t i = 0; records->names && i < records->n_columns; i++) hone_free((char *)records->names[i].bytes);
    for (size_t i = 0; i < records->options.n_columns; i++) {
        hone_free(records->columns[i]);
        hone_free(records->values[i].items);
        hone_free(records->values[i].kinds);
    }
    hone_source_close(records->source);
    hone_free(records->columns);
    hone_free(records->bytes);
    hone_free(records->fields);
    hone_free(records->names);
    hone_free(records->column_at);
    hone_free(records->values);
    hone_free(records->wanted);
    hone_free(records->unescaped);
    hone_free(records);
}

const struct hone_value *hone_records_value(const struct hone_records *records, size_t i) {
    HONE_CHECK(i < records->options.n_columns, "column %zu of %zu", i, records->options.n_columns);
    return &records->values[records->options.format == HONE_FORMAT_JSONL ? records->column_at[i] : i].value;
}

static enum hone_status fail_value(const struct hone_records *records, size_t i, const char *expected) {
    static const char *const found[] = {
        [HONE_VALUE_MISSING] = "missing", [HONE_VALUE_NULL] = "null",          [HONE_VALUE_STRING] = "a string",
        [HONE_VALUE_NUMBER] = "a number", [HONE_VALUE_BOOL] = "true or false", [HONE_VALUE_OTHER] = "an object"};
    const struct hone_value *value = hone_records_value(records, i);
    const char *path = hone_records_path(records);
    long long line = (long long)records->line;
    char *name = hone_escape(records->columns[i], strlen(records->columns[i]));
    struct hone_text keys = {0};
    bool nested = value->kind == HONE_VALUE_OTHER && value->raw.n && value->raw.bytes[0] == '[';
    if (value->kind == HONE_VALUE_MISSING) hone_records_keys(&keys, records);
    enum hone_status status =
        value->kind == HONE_VALUE_MISSING ? hone_fail(HONE_BAD_INPUT, "%s:%lld: no field \"%s\"; the object has %s",
                                                      path, line, name, keys.length ? keys.bytes : "none")
        : value->kind == HONE_VALUE_LIST
            ? hone_fail(HONE_BAD_INPUT, "%s:%lld: the field \"%s\" is a list of %zu, expected one value", path, line,
                        name, value->n)
            : hone_fail(HONE_BAD_INPUT, "%s:%lld: the field \"%s\" is %s, expected %s", path, line, name,
                        nested ? "a list of lists or objects" : found[value->kind], expected);
    hone_text_free(&keys);
    hone_free(name);
    return status;
}

enum hone_status hone_records_text(struct hone_field *out, const struct hone_records *records, size_t i) {
    const struct hone_value *value = hone_records_value(records, i);
    if (value->kind == HONE_VALUE_LIST || value->n != 1) return fail_value(records, i, "a value");
    *out = value->items[0];
    return HONE_OK;
}

enum hone_status hone_records_list(const struct hone_value **out, const struct hone_records *records, size_t i) {
    *out = hone_records_value(records, i);
    return (*out)->kind == HONE_VALUE_LIST ? HONE_OK : fail_value(records, i, "a list");
}

const char *hone_records_path(const struct hone_records *records) { return hone_source_path(records->source); }

int64_t hone_records_line(const struct hone_records *records) { return records->line; }

int64_t hone_records_bytes_read(const struct hone_records *records) { return hone_source_bytes_read(records->source); }

struct hone_field hone_records_raw(const struct hone_records *records) {
    return (struct hone_field){records->bytes + records->begin, records->length};
}

const struct hone_field *hone_records_names(size_t *n, const struct hone_records *records) {
    *n = records->names ? records->n_columns : 0;
    return records->names;
}

int64_t hone_records_size(const struct hone_records *records) { return hone_source_size(records->source); }
