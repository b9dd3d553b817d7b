/* Sentences of CoNLL column files: a word a line with its columns, an empty line behind each sentence. */
#include <string.h>

#include "data/records_parts.h"

struct line {
    size_t begin, length, passed; /* of the record's bytes: without line end, and behind it */
    size_t tab;                   /* the first one; SIZE_MAX: none */
};

/* The line from byte `at` of the record on; false in *there at the end of the file. Lines are a few bytes long, so one
 * loop looks for all that matters in them; a line end behind the window stops it. */
static enum hone_status find_line(struct line *out, struct hone_records *records, size_t at, bool *there) {
    size_t end = at, tab = SIZE_MAX, held;
    char *begin;
    for (bool more = true;;) {
        held = records->end - records->begin;
        begin = records->bytes + records->begin;
        begin[held] = '\n';
        for (;; end++) {
            while ((unsigned char)begin[end] > ' ') end++;
            if (begin[end] == '\n') break;
            if (begin[end] == '\t' && tab == SIZE_MAX) tab = end;
        }
        if (end < held || !more) break;
        HONE_TRY(hone_records_fill(records, &more));
    }
    *there = end < held || end > at;
    *out = (struct line){.begin = at, .length = end - at, .passed = end + (end < held ? 1 : 0), .tab = tab};
    if (end > at && begin[end - 1] == '\r') out->length--;
    return HONE_OK;
}

static bool is_blank(const char *text, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (text[i] != ' ' && text[i] != '\t') return false;
    return true;
}

static bool begins_document(const char *text, size_t n) {
    static const char word[] = "-DOCSTART-";
    size_t length = sizeof word - 1;
    return n >= length && memcmp(text, word, length) == 0 &&
           (n == length || text[length] == ' ' || text[length] == '\t');
}

/* Columns stand between TABs where the line has any, else between spaces. Adds them to the fields. */
static size_t add_columns(struct hone_records *records, const struct line *line) {
    const char *text = records->bytes + records->begin;
    size_t end = line->begin + line->length, before = records->n_fields;
    bool tabs = line->tab < end;
    for (size_t at = line->begin, next = tabs ? line->tab : at; at <= end; at = next) {
        while (next < end && text[next] != (tabs ? '\t' : ' ')) next++;
        if (tabs || next > at) hone_records_add_field(records, at, next - at);
        next++;
    }
    return records->n_fields - before;
}

/* Of lines that begin with #, a comment is one without the columns of the others: words begin with it as well. */
static bool is_comment(struct hone_records *records, const struct line *line) {
    const char *text = records->bytes + records->begin + line->begin;
    if (line->length == 0 || text[0] != '#') return false;
    if (line->length == 1) return true;
    if (text[1] != ' ' || line->tab < line->begin + line->length) return false;
    size_t before = records->n_fields, n = add_columns(records, line);
    records->n_fields = before;
    return records->none || n != records->n_columns;
}

static enum hone_status add_word(struct hone_records *records, const struct line *line) {
    size_t first = records->n_fields, n = add_columns(records, line);
    if (records->none && first == 0) records->n_columns = n;
    if (n != records->n_columns)
        return hone_records_fail_at(records, line->begin, "found %zu column%s, expected %zu as in the lines before", n,
                                    n == 1 ? "" : "s", records->n_columns);
    for (size_t i = first; i < first + n; i++)
        if (records->fields[i].n == 0)
            return hone_records_fail_at(records, (size_t)records->fields[i].bytes,
                                        "column %zu is empty, expected something between two TABs", i - first);
    return HONE_OK;
}

/* Passes the line, which belongs to no sentence. */
static enum hone_status pass(struct hone_records *records, const struct line *line) {
    HONE_TRY(hone_records_check_utf8(records, line->length));
    records->begin += line->passed;
    records->line = ++records->next_line;
    return HONE_OK;
}

enum hone_status hone_records_cut_conll(struct hone_records *records, bool *more) {
    struct line line;
    const char *text;
    for (;;) {
        HONE_TRY(find_line(&line, records, 0, more));
        if (!*more) return HONE_OK;
        text = records->bytes + records->begin;
        bool word = !is_blank(text, line.length) && !begins_document(text, line.length) && !is_comment(records, &line);
        if (word) break;
        HONE_TRY(pass(records, &line));
    }
    for (bool goes_on = true; goes_on;) {
        records->length = line.begin + line.length;
        records->passed = line.passed;
        HONE_TRY(add_word(records, &line));
        records->next_line++;
        HONE_TRY(find_line(&line, records, line.passed, &goes_on));
        text = records->bytes + records->begin + line.begin;
        goes_on = goes_on && !is_blank(text, line.length) && !begins_document(text, line.length);
    }
    return hone_records_check_utf8(records, records->length);
}
