/* TSV in memory: the whole file is read and checked once, then cut; fields point into it. */
#include "data/table.h"

#include <string.h>

#include "base/io.h"
#include "base/memory.h"
#include "base/utf8.h"

#define FILE_LIMIT ((size_t)1 << 40)
#define BOM        "\xEF\xBB\xBF"

static int64_t line_of(const char *bytes, size_t at) {
    int64_t line = 1;
    for (const char *end; (end = memchr(bytes, '\n', at)); line++) {
        at -= (size_t)(end + 1 - bytes);
        bytes = end + 1;
    }
    return line;
}

static enum hone_status fail_utf8(const struct hone_table *table, size_t at) {
    const char *before = memrchr(table->bytes, '\n', at);
    size_t line_begin = before ? (size_t)(before + 1 - table->bytes) : 0;
    return hone_fail(HONE_BAD_INPUT, "%s:%lld: byte %zu: invalid UTF-8 (0x%02X), save the file as UTF-8", table->path,
                     (long long)line_of(table->bytes, at), at - line_begin + 1, (unsigned char)table->bytes[at]);
}

static size_t count_columns(const char *line, const char *end) {
    size_t n = 1;
    for (; (line = memchr(line, '\t', (size_t)(end - line))); line++) n++;
    return n;
}

/* Cuts a line into n_columns fields; false when it has another number. */
static bool cut_line(struct hone_field *out, size_t n_columns, const char *line, const char *end) {
    for (size_t i = 0; i < n_columns; i++) {
        const char *tab = memchr(line, '\t', (size_t)(end - line));
        if ((tab == NULL) != (i + 1 == n_columns)) return false;
        const char *stop = tab ? tab : end;
        out[i] = (struct hone_field){line, (size_t)(stop - line)};
        line = stop + 1;
    }
    return true;
}

static enum hone_status add_line(struct hone_table *table, size_t *capacity, const char *line, const char *end,
                                 int64_t number) {
    if (line == end) return hone_fail(HONE_BAD_INPUT, "%s:%lld: the line is empty", table->path, (long long)number);
    if (table->n_columns == 0) table->n_columns = count_columns(line, end);
    if (table->n_rows == *capacity) {
        size_t rows = *capacity, fields = *capacity * table->n_columns;
        hone_reserve(&table->lines, &rows, table->n_rows + 1, sizeof *table->lines, "rows of a table");
        hone_reserve(&table->fields, &fields, rows * table->n_columns, sizeof *table->fields, "rows of a table");
        *capacity = rows;
    }
    if (!cut_line(table->fields + table->n_rows * table->n_columns, table->n_columns, line, end)) {
        size_t found = count_columns(line, end);
        return hone_fail(HONE_BAD_INPUT, "%s:%lld: %zu column%s, expected %zu as in line 1", table->path,
                         (long long)number, found, found == 1 ? "" : "s", table->n_columns);
    }
    table->lines[table->n_rows++] = number;
    return HONE_OK;
}

static enum hone_status cut(struct hone_table *table, size_t n, bool header) {
    const char *at = table->bytes, *stop = at + n;
    if (n >= 3 && memcmp(at, BOM, 3) == 0) at += 3;
    if (at == stop) return hone_fail(HONE_BAD_INPUT, "%s: the file is empty", table->path);
    size_t capacity = 0;
    for (int64_t number = 1; at < stop; number++) {
        const char *newline = memchr(at, '\n', (size_t)(stop - at));
        const char *end = newline ? newline : stop, *next = newline ? newline + 1 : stop;
        if (end > at && end[-1] == '\r') end--;
        if (at == end && next == stop && number > 1) break;
        HONE_TRY(add_line(table, &capacity, at, end, number));
        if (header && !table->header) {
            table->header = hone_alloc(table->n_columns, sizeof *table->header, "header of a table");
            memcpy(table->header, table->fields, table->n_columns * sizeof *table->header);
            table->n_rows = 0;
        }
        at = next;
    }
    if (table->n_rows == 0) return hone_fail(HONE_BAD_INPUT, "%s: no rows after the header", table->path);
    return HONE_OK;
}

enum hone_status hone_table_read_tsv(struct hone_table *out, const char *path, bool header) {
    *out = (struct hone_table){0};
    size_t n;
    HONE_TRY(hone_read_file(&out->bytes, &n, path, FILE_LIMIT));
    out->path = hone_strdup(path, "name of a table");
    size_t valid = hone_utf8_valid_prefix(out->bytes, n);
    enum hone_status status = valid < n ? fail_utf8(out, valid) : cut(out, n, header);
    if (status != HONE_OK) hone_table_free(out);
    return status;
}

void hone_table_free(struct hone_table *table) {
    hone_free(table->path);
    hone_free(table->fields);
    hone_free(table->lines);
    hone_free(table->header);
    hone_free(table->bytes);
    *table = (struct hone_table){0};
}

/* "label, sentence" or "0 to 4", for messages. */
static enum hone_status fail_column(const struct hone_table *table, const char *column, const char *problem) {
    struct hone_text names = {0};
    for (size_t i = 0; table->header && i < table->n_columns; i++) {
        char *name = hone_escape(table->header[i].bytes, table->header[i].n);
        hone_text_format(&names, "%s\"%s\"", i ? ", " : "", name);
        hone_free(name);
    }
    char *shown = hone_escape(column, strlen(column));
    enum hone_status status =
        table->header
            ? hone_fail(HONE_BAD_INPUT, "%s: %s column \"%s\"; the columns are %s", table->path, problem, shown,
                        names.bytes)
            : hone_fail(HONE_BAD_INPUT, "%s: %s column \"%s\"; without a header columns are numbers, 0 to %zu",
                        table->path, problem, shown, table->n_columns - 1);
    hone_free(shown);
    hone_text_free(&names);
    return status;
}

enum hone_status hone_table_column(size_t *out, const struct hone_table *table, const char *column) {
    size_t n = strlen(column), found = 0;
    for (size_t i = 0; table->header && i < table->n_columns; i++)
        if (table->header[i].n == n && memcmp(table->header[i].bytes, column, n) == 0) {
            *out = i;
            found++;
        }
    if (found == 1) return HONE_OK;
    if (found > 1) return fail_column(table, column, "more than one");
    size_t number = 0;
    if (n == 0 || n > 9 || strspn(column, "0123456789") != n) return fail_column(table, column, "no");
    for (size_t i = 0; i < n; i++) number = number * 10 + (size_t)(column[i] - '0');
    if (number >= table->n_columns) return fail_column(table, column, "no");
    *out = number;
    return HONE_OK;
}
