/* Rows of TSV and CSV. */
#include <string.h>

#include "data/records_parts.h"

enum hone_status hone_records_cut_tsv(struct hone_records *records) {
    HONE_TRY(hone_records_find_line(records));
    const char *line = records->bytes + records->begin;
    for (size_t at = 0;;) {
        const char *tab = memchr(line + at, '\t', records->length - at);
        size_t end = tab ? (size_t)(tab - line) : records->length;
        hone_records_add_field(records, at, end - at);
        if (!tab) return HONE_OK;
        at = end + 1;
    }
}

/* Makes byte `at` of the record readable; false in *there when the file ends before it. */
static enum hone_status look_at(struct hone_records *records, size_t at, bool *there) {
    *there = true;
    while (*there && at >= records->end - records->begin) HONE_TRY(hone_records_fill(records, there));
    return HONE_OK;
}

/* Ends the record at byte `end`, before what follows it: LF, CR LF or the end of the file. */
static void end_record(struct hone_records *records, size_t end, size_t passed) {
    records->length = end;
    records->passed = passed;
}

/* One field without quotes from byte *at on, which is moved behind what ends it. */
static enum hone_status cut_bare(struct hone_records *records, size_t *at, bool *last) {
    size_t i = *at;
    bool there = true;
    unsigned char stop = 0;
    while (there) {
        const unsigned char *bytes = (const unsigned char *)records->bytes + records->begin;
        size_t n = records->end - records->begin;
        for (; i < n; i++) {
            stop = bytes[i];
            if (stop == ',' || stop == '\n' || stop == '"') break;
        }
        if (i < n) break;
        HONE_TRY(look_at(records, i, &there));
    }
    if (there && stop == '"')
        return hone_records_fail_at(records, i,
                                    "a quote inside a field without quotes, expected the whole field in quotes and "
                                    "the quote doubled (RFC 4180)");
    *last = !there || stop == '\n';
    size_t end = i;
    if (*last && end > *at && records->bytes[records->begin + end - 1] == '\r') end--;
    hone_records_add_field(records, *at, end - *at);
    if (*last) end_record(records, end, i + (there ? 1 : 0));
    *at = i + 1;
    return HONE_OK;
}

/* Offset of the quote that closes the field whose first byte is `begin`. */
static enum hone_status find_closing(struct hone_records *records, size_t begin, size_t *closing, bool *doubled) {
    for (size_t i = begin;;) {
        const char *bytes = records->bytes + records->begin;
        size_t n = records->end - records->begin;
        const char *quote = memchr(bytes + i, '"', n - i);
        bool there = true;
        if (!quote) {
            i = n;
            HONE_TRY(hone_records_fill(records, &there));
            if (!there) return hone_records_fail_at(records, begin - 1, "this quote is never closed");
            continue;
        }
        i = (size_t)(quote - bytes);
        HONE_TRY(look_at(records, i + 1, &there));
        if (!there || records->bytes[records->begin + i + 1] != '"') {
            *closing = i;
            return HONE_OK;
        }
        *doubled = true;
        i += 2;
    }
}

/* One field in quotes; *at is its opening one. */
static enum hone_status cut_quoted(struct hone_records *records, size_t *at, bool *last, bool *doubled) {
    size_t closing = 0;
    bool there, line_feed = false;
    HONE_TRY(find_closing(records, *at + 1, &closing, doubled));
    hone_records_add_field(records, *at + 1, closing - *at - 1);
    size_t after = closing + 1;
    HONE_TRY(look_at(records, after, &there));
    char next = there ? records->bytes[records->begin + after] : '\n';
    *at = after + 1;
    *last = next != ',';
    if (!*last) return HONE_OK;
    if (next == '\r') {
        HONE_TRY(look_at(records, after + 1, &line_feed));
        if (!line_feed || records->bytes[records->begin + after + 1] == '\n') next = '\n';
    }
    end_record(records, after, after + (there ? 1 : 0) + (line_feed ? 1 : 0));
    if (next == '\n') return HONE_OK;
    return hone_records_fail_at(records, after, "text behind a closing quote, expected a comma or the end of the line");
}

/* Two quotes inside a quoted field stand for one. */
static void undouble(struct hone_records *records) {
    char *base = records->bytes + records->begin;
    for (size_t f = 0; f < records->n_fields; f++) {
        size_t begin = (size_t)records->fields[f].bytes, n = records->fields[f].n, kept = begin;
        if (begin == 0 || base[begin - 1] != '"' || !memchr(base + begin, '"', n)) continue;
        for (size_t i = begin; i < begin + n; i++) {
            base[kept++] = base[i];
            i += base[i] == '"';
        }
        records->fields[f].n = kept - begin;
    }
}

enum hone_status hone_records_cut_csv(struct hone_records *records) {
    bool last = false, quoted = false, doubled = false, there;
    for (size_t at = 0; !last;) {
        HONE_TRY(look_at(records, at, &there));
        bool opens = there && records->bytes[records->begin + at] == '"';
        quoted = quoted || opens;
        HONE_TRY(opens ? cut_quoted(records, &at, &last, &doubled) : cut_bare(records, &at, &last));
    }
    records->next_line = records->line + 1;
    const char *base = records->bytes + records->begin, *end = base + records->length;
    for (const char *i = base; quoted && (i = memchr(i, '\n', (size_t)(end - i))); i++) records->next_line++;
    HONE_TRY(hone_records_check_utf8(records, records->length));
    if (doubled) undouble(records);
    return HONE_OK;
}
