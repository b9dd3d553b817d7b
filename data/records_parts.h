/* What the formats of records share, inside data/: the window of bytes that holds the record, and its parts. */
#ifndef HONE_DATA_RECORDS_PARTS_H
#define HONE_DATA_RECORDS_PARTS_H

#include "base/memory.h"
#include "data/records.h"
#include "data/source.h"

#define HONE_JSON_DEPTH 64

/* A key of a wanted JSON path is still to be found below `at`, the byte of the path behind the keys that led here. */
struct hone_wanted {
    size_t column, at;
};

struct hone_wanted_value {
    struct hone_value value;
    struct hone_field *items;
    enum hone_value_kind *kinds;
    size_t capacity;
};

struct hone_records {
    struct hone_source *source;
    struct hone_records_options options; /* n_columns counts all wanted ones */
    char **columns;                      /* owned copies of their names */

    /* The window: bytes[begin … end-1] are read and not yet passed. The record lies at its beginning, so what points
     * into it is an offset from `begin` as long as more may be read. Some bytes behind `end` may be written. */
    char *bytes;
    size_t begin, end, capacity;
    bool at_end;

    int64_t line, next_line; /* of the record, and of the byte behind it */
    size_t length;           /* of the record, without line end */
    size_t passed;           /* of the record, with it */
    bool none;               /* no record was cut yet */
    bool held;               /* the record is cut and was not given yet */
    bool ragged;             /* the record is to be passed over */
    int64_t n_ragged, first_ragged;

    /* Tables: the fields of the record, the first row's number of them, the header, where wanted columns are. */
    struct hone_field *fields, *names;
    size_t n_fields, fields_capacity, n_columns;
    bool tabs;         /* between the columns of CoNLL */
    size_t *column_at; /* JSONL: the first of the wanted columns that is the same */

    struct hone_wanted_value *values; /* [n_columns wanted] */

    /* JSONL: wanted paths by depth, and room for what strings are unescaped to. */
    struct hone_wanted *wanted;
    size_t n_wanted; /* different ones */
    char *unescaped;
    size_t unescaped_n, unescaped_capacity;
};

/* Reads more behind the window; false in *more when there is none. Pointers into the window are void afterwards. */
enum hone_status hone_records_fill(struct hone_records *records, bool *more);
/* Offset in the record of the next LF from byte `at` on, reading on as needed; without one, of the end of the file. */
enum hone_status hone_records_find_lf(size_t *end, bool *found, struct hone_records *records, size_t at);
/* Sets length and passed by the next LF, reading on as needed. Not to be called at the end of everything. */
enum hone_status hone_records_find_line(struct hone_records *records);
/* HONE_BAD_INPUT at byte `at` of the record: "file:line: byte N: <text>". */
enum hone_status hone_records_fail_at(const struct hone_records *records, size_t at, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Checks that bytes up to `n` of the record are UTF-8. */
enum hone_status hone_records_check_utf8(struct hone_records *records, size_t n);
/* Adds a field of the record: its offset until the record is whole. */
static inline void hone_records_add_field(struct hone_records *records, size_t begin, size_t n) {
    hone_reserve(&records->fields, &records->fields_capacity, records->n_fields + 1, sizeof *records->fields,
                 "fields of a record");
    records->fields[records->n_fields++] = (struct hone_field){(const char *)begin, n};
}
void hone_value_add(struct hone_wanted_value *value, struct hone_field item, enum hone_value_kind kind);
/* Appends the keys of the object, quoted, at most ten, for a message. */
void hone_records_keys(struct hone_text *out, const struct hone_records *records);

/* Cuts the next record, which exists: fields for the first two, values for the third. */
enum hone_status hone_records_cut_tsv(struct hone_records *records);
enum hone_status hone_records_cut_csv(struct hone_records *records);
enum hone_status hone_records_cut_jsonl(struct hone_records *records);
/* The next sentence, if there is one: fields are the columns of one word behind the other. */
enum hone_status hone_records_cut_conll(struct hone_records *records, bool *more);

#endif
