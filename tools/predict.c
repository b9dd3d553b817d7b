/* hone predict --model DIR [--text S | --input F] [--output F] */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/log.h"
#include "base/memory.h"
#include "base/utf8.h"
#include "recipes/predictor.h"
#include "tools/lines.h"
#include "tools/tools.h"

static const char help[] =
    "usage: hone predict --model DIR [--text TEXT | --input FILE] [--column C] [--output FILE]\n\n"
    "Predicts with a fine-tuned model folder and prints one JSON object for each input, in order:\n"
    "  {\"label\":…,\"score\":…,\"scores\":{…}}\n\n"
    "  --model DIR    model folder with a task head, such as the output folder of hone train\n"
    "  --text TEXT    predict this one text\n"
    "  --input FILE   .tsv: a column of each line; .jsonl: a field of each object; anything else: UTF-8 text, one\n"
    "                 input a line. Without --text and --input: text from standard input\n"
    "  --column C     .tsv: the column, by name (the first line is then a header and not an input) or by 0-based\n"
    "                 number (default 0); .jsonl: the field (default \"text\")\n"
    "  --output FILE  write there, atomically, instead of to standard output\n";

struct predict {
    const char *model, *text, *input, *column, *output;
    struct hone_predictor predictor;
    struct hone_lines lines;
    struct hone_text out;
    struct hone_file *file;
    long long done;
    double begin;
};

static bool ends_with(const char *text, const char *end) {
    size_t n = strlen(text), m = strlen(end);
    return n >= m && strcasecmp(text + n - m, end) == 0;
}

static enum hone_status flush_predictions(struct predict *p) {
    p->done += p->predictor.pending.n;
    HONE_TRY(hone_predictor_run(&p->predictor, &p->out));
    enum hone_status status =
        p->file ? hone_file_write(p->file, p->out.bytes, p->out.length) : hone_tool_print(p->out.bytes, p->out.length);
    p->out.length = 0;
    HONE_TRY(status);
    double seconds = hone_seconds() - p->begin;
    if (seconds > 2) hone_progress(10, "%lld predicted, %.0f a second", p->done, (double)p->done / seconds);
    return HONE_OK;
}

/* Field number `column` of a line of TAB-separated fields. */
static enum hone_status pick_field(const struct predict *p, const char **text, size_t *n, size_t column) {
    const char *at = *text, *end = *text + *n;
    for (size_t i = 0;; i++) {
        const char *tab = memchr(at, '\t', (size_t)(end - at));
        if (i == column) {
            *text = at;
            *n = (size_t)((tab ? tab : end) - at);
            return HONE_OK;
        }
        if (!tab) {
            return hone_fail(HONE_BAD_INPUT, "%s:%lld: %zu column%s, expected at least %zu for --column", p->lines.name,
                             (long long)p->lines.line, i + 1, i ? "s" : "", column + 1);
        }
        at = tab + 1;
    }
}

/* The byte order mark that some editors put in front of a table. */
static void skip_mark(const struct predict *p, const char **text, size_t *n) {
    if (p->lines.line != 1 || *n < 3 || memcmp(*text, "\xEF\xBB\xBF", 3) != 0) return;
    *text += 3;
    *n -= 3;
}

/* Where the named column stands in the header line. */
static enum hone_status find_header_column(struct predict *p, size_t *column) {
    const char *text;
    size_t n, wanted = strlen(p->column);
    bool more;
    HONE_TRY(hone_lines_next(&p->lines, &text, &n, &more));
    if (!more) return hone_fail(HONE_BAD_INPUT, "%s: the file is empty, expected a header line", p->lines.name);
    skip_mark(p, &text, &n);
    const char *at = text, *end = text + n;
    for (size_t i = 0;; i++) {
        const char *tab = memchr(at, '\t', (size_t)(end - at));
        size_t length = (size_t)((tab ? tab : end) - at);
        if (length == wanted && memcmp(at, p->column, wanted) == 0) {
            *column = i;
            return HONE_OK;
        }
        if (!tab) break;
        at = tab + 1;
    }
    char *header = hone_escape(text, n < 200 ? n : 200);
    enum hone_status status =
        hone_fail(HONE_BAD_INPUT, "%s:1: no column \"%s\" in the header \"%s\"", p->lines.name, p->column, header);
    hone_free(header);
    return status;
}

static enum hone_status pick_json(const struct predict *p, json_t **object, const char **text, size_t *n) {
    const char *key = p->column ? p->column : "text";
    char name[256];
    snprintf(name, sizeof name, "%.200s:%lld", p->lines.name, (long long)p->lines.line);
    HONE_TRY(hone_json_parse(object, *text, *n, name));
    json_t *value = json_object_get(*object, key);
    if (!json_is_string(value)) {
        json_decref(*object);
        return hone_fail(HONE_BAD_INPUT, "%s: no string in field \"%s\"; name the field with --column", name, key);
    }
    *text = json_string_value(value);
    *n = json_string_length(value);
    return HONE_OK;
}

static bool is_number(const char *text) { return *text && strspn(text, "0123456789") == strlen(text); }

static enum hone_status predict_lines(struct predict *p) {
    bool tsv = p->input && ends_with(p->input, ".tsv"), jsonl = p->input && ends_with(p->input, ".jsonl");
    size_t column = 0;
    if (p->input && ends_with(p->input, ".csv")) {
        return hone_fail(HONE_USAGE, "%s: CSV is not read; give a .tsv, .jsonl or text file", p->input);
    }
    HONE_TRY(hone_lines_open(&p->lines, p->input));
    if (tsv && p->column && !is_number(p->column)) HONE_TRY(find_header_column(p, &column));
    if (tsv && p->column && is_number(p->column)) column = strtoul(p->column, NULL, 10);
    for (;;) {
        const char *text;
        size_t n;
        bool more, full;
        json_t *object = NULL;
        HONE_TRY(hone_lines_next(&p->lines, &text, &n, &more));
        if (!more) break;
        if (tsv || jsonl) skip_mark(p, &text, &n);
        if (tsv) HONE_TRY(pick_field(p, &text, &n, column));
        if (jsonl) HONE_TRY(pick_json(p, &object, &text, &n));
        enum hone_status status = hone_predictor_add(&p->predictor, text, n, NULL, 0, p->lines.line, &full);
        json_decref(object);
        if (status != HONE_OK) return hone_fail_prefix(status, "%s:%lld", p->lines.name, (long long)p->lines.line);
        if (full) HONE_TRY(flush_predictions(p));
    }
    return flush_predictions(p);
}

static enum hone_status predict_text(struct predict *p) {
    size_t n = strlen(p->text), valid = hone_utf8_valid_prefix(p->text, n);
    bool full;
    if (valid < n) return hone_fail(HONE_BAD_INPUT, "--text: byte %zu: invalid UTF-8", valid + 1);
    HONE_TRY(hone_predictor_add(&p->predictor, p->text, n, NULL, 0, 1, &full));
    return flush_predictions(p);
}

static enum hone_status predict(struct predict *p) {
    char *temporary = NULL;
    enum hone_status status;
    HONE_TRY_GOTO(hone_predictor_open(&p->predictor, p->model));
    if (p->output) status = hone_file_replace(&p->file, &temporary, p->output);
    p->begin = hone_seconds();
    if (status == HONE_OK) status = p->text ? predict_text(p) : predict_lines(p);
    if (p->output) {
        status = hone_file_replace_end(p->file, temporary, p->output, status);
    } else if (status == HONE_OK) {
        status = hone_tool_flush();
    }
done:
    hone_progress_end();
    hone_text_free(&p->out);
    hone_lines_close(&p->lines);
    hone_predictor_close(&p->predictor);
    return status;
}

int hone_tool_predict(int argc, char **argv) {
    struct predict p = {0};
    int n_positional;
    bool helped;
    struct hone_tool_option options[] = {{"--column", &p.column, NULL}, {"--input", &p.input, NULL},
                                         {"--model", &p.model, NULL},   {"--output", &p.output, NULL},
                                         {"--text", &p.text, NULL},     {0}};
    enum hone_status status = hone_tool_parse(argc, argv, options, help, &n_positional, &helped);
    if (status == HONE_OK && helped) return hone_tool_end(hone_tool_flush());
    if (status == HONE_OK && n_positional) {
        status = hone_fail(HONE_USAGE, "predict: unexpected \"%s\"; see hone predict --help", argv[1]);
    } else if (status == HONE_OK && !p.model) {
        status = hone_fail(HONE_USAGE, "predict: --model DIR is needed; see hone predict --help");
    } else if (status == HONE_OK && p.text && p.input) {
        status = hone_fail(HONE_USAGE, "predict: give --text or --input, not both");
    }
    return hone_tool_end(status == HONE_OK ? predict(&p) : status);
}
