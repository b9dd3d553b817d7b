/* Sentences of CoNLL column files: a word a line with its columns, an empty line behind each sentence. */
#include <string.h>

#include "data/records_parts.h"

enum { LOOK_AHEAD = 1 << 20 }; /* bytes, for a word behind what may be comments */

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

static bool has_tab(const struct line *line) { return line->tab < line->begin + line->length; }

/* Columns stand between TABs where the line has any, else between spaces. Adds them to the fields. */
static size_t add_columns(struct hone_records *records, const struct line *line) {
    const char *text = records->bytes + records->begin;
    size_t end = line->begin + line->length, before = records->n_fields;
    bool tabs = has_tab(line);
    for (size_t at = line->begin, next = tabs ? line->tab : at; at <= end; at = next) {
        while (next < end && text[next] != (tabs ? '\t' : ' ')) next++;
        if (tabs || next > at) hone_records_add_field(records, at, next - at);
        next++;
    }
    return records->n_fields - before;
}

static size_t count_columns(struct hone_records *records, const struct line *line) {
    size_t before = records->n_fields, n = add_columns(records, line);
    records->n_fields = before;
    return n;
}

/* The columns of the file's first word that doesn't begin with #, from byte `at` of the record on; 0: none so near. */
static enum hone_status look_ahead(size_t *columns, bool *tabs, struct hone_records *records, size_t at) {
    struct line line;
    *columns = 0;
    for (bool there = true; *columns == 0 && at < LOOK_AHEAD; at += line.passed - line.begin) {
        HONE_TRY(find_line(&line, records, at, &there));
        if (!there) break;
        const char *text = records->bytes + records->begin + at;
        if (is_blank(text, line.length) || begins_document(text, line.length) || text[0] == '#') continue;
        *columns = count_columns(records, &line);
        *tabs = has_tab(&line);
    }
    return HONE_OK;
}

/* Of lines that begin with #, a comment is one without the columns of the others: words begin with it as well. */
static enum hone_status is_comment(bool *out, struct hone_records *records, const struct line *line) {
    *out = false;
    if (line->length == 0 || records->bytes[records->begin + line->begin] != '#') return HONE_OK;
    size_t columns = records->n_columns;
    bool tabs = records->tabs;
    if (records->none) HONE_TRY(look_ahead(&columns, &tabs, records, line->passed));
    if (columns == 0)
        *out = line->length > 1 && records->bytes[records->begin + line->begin + 1] == ' ' && !has_tab(line);
    else
        *out = has_tab(line) != tabs || count_columns(records, line) != columns;
    return HONE_OK;
}

static enum hone_status add_word(struct hone_records *records, const struct line *line) {
    size_t first = records->n_fields, n = add_columns(records, line);
    if (records->none && first == 0) {
        records->n_columns = n;
        records->tabs = has_tab(line);
    }
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
        bool comment;
        HONE_TRY(is_comment(&comment, records, &line));
        text = records->bytes + records->begin;
        if (!comment && !is_blank(text, line.length) && !begins_document(text, line.length)) break;
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
