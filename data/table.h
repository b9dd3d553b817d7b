/* Rows of a delimited text file held in memory, each field borrowed from it, with the line for messages. TSV: fields
 * between TABs, no quoting, LF or CRLF, an optional final newline; a byte order mark at the beginning is skipped; empty
 * lines are errors except the last. */
#ifndef HONE_DATA_TABLE_H
#define HONE_DATA_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

struct hone_field {
    const char *bytes;
    size_t n;
};

struct hone_table {
    char *path;
    size_t n_rows, n_columns;
    struct hone_field *fields; /* n_rows * n_columns */
    int64_t *lines;            /* of each row, from 1 */
    struct hone_field *header; /* n_columns, NULL without a header */
    char *bytes;               /* the file */
};

/* Reads a TSV. Invalid UTF-8, a row with another number of columns than line 1, no rows: HONE_BAD_INPUT with file:line
 * (and for UTF-8 the byte in that line, from 1). `out` is empty then. */
enum hone_status hone_table_read_tsv(struct hone_table *out, const char *path, bool header);
void hone_table_free(struct hone_table *table);
/* Index of a column by name (header needed) or by 0-based number in text; HONE_BAD_INPUT lists what there is. */
enum hone_status hone_table_column(size_t *out, const struct hone_table *table, const char *column);

#endif
