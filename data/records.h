/* Records of a data file, one after the other in constant memory: a row of TSV or CSV, an object of JSONL, a line of
 * text; each as it stands or packed with gzip or zstd (seen from its first bytes, whatever the name).
 *
 *   TSV    fields between TABs, no quoting; LF or CRLF
 *   CSV    RFC 4180: fields between commas, in double quotes where they hold commas, quotes (doubled) or line ends
 *   JSONL  an object a line (RFC 8259): string, number, true or false, or a list of those, at a dotted path
 *   text   a line is one field, column 0; its lines may be empty
 *   CoNLL  a sentence: a line for each word, whose columns stand between TABs, or between spaces where it has no TAB, as
 *          many on all lines; behind the sentence an empty line (which may hold spaces and TABs). A line -DOCSTART- ends
 *          a sentence, too. Between sentences, lines that begin with # and haven't the columns of the file's words are
 *          comments. A column is a list with an item for each word
 *
 * A byte order mark at the beginning is skipped, the last line needs no LF, an empty line at the end is none. All is
 * UTF-8. What is wrong is HONE_BAD_INPUT: "file:line: byte N: found, expected", the byte in that line from 1. */
#ifndef HONE_DATA_RECORDS_H
#define HONE_DATA_RECORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

/* In the order of the words of data.format. HONE_FORMAT_AUTO: by the name's ending, hone_format_of. */
enum hone_data_format {
    HONE_FORMAT_AUTO,
    HONE_FORMAT_TSV,
    HONE_FORMAT_CSV,
    HONE_FORMAT_JSONL,
    HONE_FORMAT_TEXT,
    HONE_FORMAT_CONLL
};

#define HONE_LAST_COLUMN "-1"

/* From .tsv, .csv, .jsonl, .ndjson or .conll, each also before .gz or .zst, in small or capital letters; else `otherwise`. */
enum hone_data_format hone_format_of(const char *path, enum hone_data_format otherwise);

struct hone_field {
    const char *bytes;
    size_t n;
};

enum hone_value_kind {
    HONE_VALUE_MISSING, /* no such key in this object */
    HONE_VALUE_NULL,
    HONE_VALUE_STRING, /* also any field of TSV, CSV, text */
    HONE_VALUE_NUMBER, /* as written */
    HONE_VALUE_BOOL,   /* "true", "false" */
    HONE_VALUE_LIST,   /* of strings, numbers, true and false */
    HONE_VALUE_OTHER,  /* an object; with options.nested also a list that holds objects or lists */
};

/* What a record holds in one of the wanted columns: one item, those of a list in order, or none. */
struct hone_value {
    enum hone_value_kind kind;
    const struct hone_field *items;
    const enum hone_value_kind *kinds; /* of the items: string, number or bool */
    size_t n;
    struct hone_field raw; /* HONE_VALUE_OTHER: its JSON, where it is read at all */
};

struct hone_records;

struct hone_records_options {
    enum hone_data_format format; /* not HONE_FORMAT_AUTO */
    bool header;                  /* TSV, CSV: the first row names the columns */
    /* Wanted columns: by the header's name, or by 0-based number in text; JSONL: a key, or a dotted path of them; CoNLL: by
     * number, HONE_LAST_COLUMN for the last. */
    const char *const *columns;
    size_t n_columns;
    bool all;         /* all columns of a table's header are wanted besides, behind those */
    bool nested;      /* JSONL: lists may hold objects and lists */
    bool skip_ragged; /* rows of a table with another number of columns than the first are passed over, not refused */
};

/* Opens a file (NULL: standard input) and finds the wanted columns in its header or first row, or says which there are.
 * An empty file is no error here: the first hone_records_next says that there is no more. On failure *out is NULL. */
enum hone_status hone_records_open(struct hone_records **out, const char *path, struct hone_records_options options);
void hone_records_close(struct hone_records *records); /* NULL is allowed */

/* The next record; *more is false at the end. What was given of the one before is gone. */
enum hone_status hone_records_next(struct hone_records *records, bool *more);
/* Wanted column i of the record. */
const struct hone_value *hone_records_value(const struct hone_records *records, size_t i);
/* Its only item. None or several: HONE_BAD_INPUT with file, line, column and what was found. */
enum hone_status hone_records_text(struct hone_field *out, const struct hone_records *records, size_t i);
/* The column as a list. Anything else: HONE_BAD_INPUT likewise. */
enum hone_status hone_records_list(const struct hone_value **out, const struct hone_records *records, size_t i);

const char *hone_records_path(const struct hone_records *records); /* "standard input" for NULL */
int64_t hone_records_line(const struct hone_records *records);     /* where the record begins, from 1 */
/* Rows that skip_ragged passed over so far, and the line of the first one. */
int64_t hone_records_ragged(const struct hone_records *records, int64_t *first_line);
/* Bytes read from the file so far, as it lies on the disk, and its size (0: a pipe), for progress. */
int64_t hone_records_bytes_read(const struct hone_records *records);
int64_t hone_records_size(const struct hone_records *records);
/* The record's bytes without its line end (not those of a CSV's quoted fields, which are unquoted in place), and the
 * names of all columns of a table: NULL without a header. */
struct hone_field hone_records_raw(const struct hone_records *records);
const struct hone_field *hone_records_names(size_t *n, const struct hone_records *records);

#endif
