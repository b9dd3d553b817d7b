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
    "usage: hone predict --model DIR [--text TEXT | --input FILE] [--column C] [--pair C] [--output FILE]\n\n"
    "Predicts with a fine-tuned model folder and prints one JSON object for each input, in order:\n"
    "  {\"label\":…,\"score\":…,\"scores\":{…}}\n\n"
    "  --model DIR    model folder with a task head, such as the output folder of hone train\n"
    "  --text TEXT    predict this one text\n"
    "  --input FILE   .tsv: a column of each line; .jsonl: a field of each object; anything else: UTF-8 text, one\n"
    "                 input a line. Without --text and --input: text from standard input\n"
    "  --column C     .tsv: the column, by name (the first line is then a header and not an input) or by 0-based\n"
    "                 number (default 0); .jsonl: the field (default \"text\")\n"
    "  --pair C       .tsv, .jsonl: column or field of the second text, for a model trained on pairs; --column and\n"
    "                 --pair are both names or both numbers\n"
    "  --output FILE  write there, atomically, instead of to standard output\n";

struct predict {
    const char *model, *text, *input, *column, *pair, *output;
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
    enum hone_status status = hone_predictor_run(&p->predictor, &p->out);
    if (status != HONE_OK) return p->lines.name ? hone_fail_prefix(status, "%s", p->lines.name) : status;
    status =
        p->file ? hone_file_write(p->file, p->out.bytes, p->out.length) : hone_tool_print(p->out.bytes, p->out.length);
    p->out.length = 0;
    HONE_TRY(status);
    double seconds = hone_seconds() - p->begin;
    if (seconds > 2) hone_progress(10, "%lld predicted, %.0f a second", p->done, (double)p->done / seconds);
    return HONE_OK;
}

static enum hone_status add(struct predict *p, const char *text, size_t n, const char *pair, size_t pair_n,
                            bool *full) {
    enum hone_status status = hone_predictor_add(&p->predictor, text, n, pair, pair_n, p->lines.line, full);
    if (status == HONE_OK) return HONE_OK;
    return hone_fail_prefix(status, "%s:%lld", p->lines.name, (long long)p->lines.line);
}

/* An input, or the second text of one, borrowed from the line or the object. */
struct piece {
    const char *bytes;
    size_t n;
};

/* Field number `column` of a line of TAB-separated fields. */
static enum hone_status pick_field(struct piece *out, const struct predict *p, struct piece line, size_t column) {
    const char *at = line.bytes, *end = line.bytes + line.n;
    for (size_t i = 0;; i++) {
        const char *tab = memchr(at, '\t', (size_t)(end - at));
        if (i == column) {
            *out = (struct piece){at, (size_t)((tab ? tab : end) - at)};
            return HONE_OK;
        }
        if (!tab) {
            return hone_fail(HONE_BAD_INPUT, "%s:%lld: %zu column%s, expected at least %zu", p->lines.name,
                             (long long)p->lines.line, i + 1, i ? "s" : "", column + 1);
        }
        at = tab + 1;
    }
}

/* Where the named column stands in the header line. */
static enum hone_status find_column(size_t *column, const struct predict *p, struct piece header, const char *name) {
    const char *at = header.bytes, *end = header.bytes + header.n;
    size_t wanted = strlen(name);
    for (size_t i = 0;; i++) {
        const char *tab = memchr(at, '\t', (size_t)(end - at));
        size_t length = (size_t)((tab ? tab : end) - at);
        if (length == wanted && memcmp(at, name, wanted) == 0) {
            *column = i;
            return HONE_OK;
        }
        if (!tab) break;
        at = tab + 1;
    }
    return hone_fail(HONE_BAD_INPUT, "%s:1: no column \"%s\" in the header \"%.*s\"", p->lines.name, name,
                     (int)(header.n < 200 ? header.n : 200), header.bytes);
}

/* The next line; the byte order mark that some editors put in front of a table is no part of it. */
static enum hone_status next_line(struct piece *out, struct predict *p, bool table, bool *more) {
    HONE_TRY(hone_lines_next(&p->lines, &out->bytes, &out->n, more));
    if (!*more || !table || p->lines.line != 1 || out->n < 3 || memcmp(out->bytes, "\xEF\xBB\xBF", 3) != 0)
        return HONE_OK;
    out->bytes += 3;
    out->n -= 3;
    return HONE_OK;
}

static bool is_number(const char *text) {
    return *text && strlen(text) < 10 && strspn(text, "0123456789") == strlen(text);
}

/* Column numbers; names are looked up in the first line. */
static enum hone_status find_columns(size_t *column, size_t *pair, struct predict *p) {
    const char *given[] = {p->column ? p->column : "0", p->pair};
    size_t *numbers[] = {column, pair};
    struct piece header = {0};
    bool more = true;
    if (p->pair && is_number(given[0]) != is_number(p->pair))
        return hone_fail(HONE_USAGE, "predict: --column and --pair: give two names, or two numbers");
    for (int i = 0; i < 2 && given[i]; i++) {
        if (is_number(given[i])) {
            *numbers[i] = strtoul(given[i], NULL, 10);
            continue;
        }
        if (!header.bytes) HONE_TRY(next_line(&header, p, true, &more));
        if (!more) return hone_fail(HONE_BAD_INPUT, "%s: the file is empty, expected a header line", p->lines.name);
        HONE_TRY(find_column(numbers[i], p, header, given[i]));
    }
    return HONE_OK;
}

static enum hone_status predict_table(struct predict *p) {
    size_t column = 0, pair_column = 0;
    struct piece line, text, pair = {0};
    bool more, full;
    HONE_TRY(find_columns(&column, &pair_column, p));
    for (;;) {
        HONE_TRY(next_line(&line, p, true, &more));
        if (!more) return flush_predictions(p);
        HONE_TRY(pick_field(&text, p, line, column));
        if (p->pair) HONE_TRY(pick_field(&pair, p, line, pair_column));
        HONE_TRY(add(p, text.bytes, text.n, pair.bytes, pair.n, &full));
        if (full) HONE_TRY(flush_predictions(p));
    }
}

static enum hone_status pick_string(struct piece *out, const struct predict *p, const json_t *object, const char *key) {
    const json_t *value = json_object_get(object, key);
    if (!json_is_string(value)) {
        return hone_fail(HONE_BAD_INPUT, "%s:%lld: no string in field \"%s\"; name the fields with --column and --pair",
                         p->lines.name, (long long)p->lines.line, key);
    }
    *out = (struct piece){json_string_value(value), json_string_length(value)};
    return HONE_OK;
}

static enum hone_status predict_object(struct predict *p, struct piece line, bool *full) {
    struct piece text, pair = {0};
    json_t *object = NULL;
    char *name = hone_format("%s:%lld", p->lines.name, (long long)p->lines.line);
    enum hone_status status = hone_json_parse(&object, line.bytes, line.n, name);
    hone_free(name);
    if (status == HONE_OK) status = pick_string(&text, p, object, p->column ? p->column : "text");
    if (status == HONE_OK && p->pair) status = pick_string(&pair, p, object, p->pair);
    if (status == HONE_OK) status = add(p, text.bytes, text.n, pair.bytes, pair.n, full);
    json_decref(object);
    return status;
}

static enum hone_status predict_lines(struct predict *p) {
    bool tsv = p->input && ends_with(p->input, ".tsv"), jsonl = p->input && ends_with(p->input, ".jsonl");
    struct piece line;
    bool more, full;
    if (p->input && ends_with(p->input, ".csv")) {
        return hone_fail(HONE_USAGE, "%s: CSV is not read; give a .tsv, .jsonl or text file", p->input);
    }
    if ((p->column || p->pair) && !tsv && !jsonl) {
        return hone_fail(HONE_USAGE, "predict: --column and --pair are for .tsv and .jsonl; lines of text have none");
    }
    HONE_TRY(hone_lines_open(&p->lines, p->input));
    if (tsv) return predict_table(p);
    for (;;) {
        HONE_TRY(next_line(&line, p, jsonl, &more));
        if (!more) return flush_predictions(p);
        HONE_TRY(jsonl ? predict_object(p, line, &full) : add(p, line.bytes, line.n, NULL, 0, &full));
        if (full) HONE_TRY(flush_predictions(p));
    }
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
    struct hone_tool_option options[] = {{"--column", &p.column, NULL},
                                         {"--input", &p.input, NULL},
                                         {"--model", &p.model, NULL},
                                         {"--output", &p.output, NULL},
                                         {"--pair", &p.pair, NULL},
                                         {"--text", &p.text, NULL},
                                         {0}};
    enum hone_status status = hone_tool_parse(argc, argv, options, help, &n_positional, &helped);
    if (status == HONE_OK && helped) return hone_tool_end(hone_tool_flush());
    if (status == HONE_OK && n_positional) {
        status = hone_fail(HONE_USAGE, "predict: unexpected \"%s\"; see hone predict --help", argv[1]);
    } else if (status == HONE_OK && !p.model) {
        status = hone_fail(HONE_USAGE, "predict: --model DIR is needed; see hone predict --help");
    } else if (status == HONE_OK && p.text && p.input) {
        status = hone_fail(HONE_USAGE, "predict: give --text or --input, not both");
    } else if (status == HONE_OK && p.text && (p.column || p.pair)) {
        status = hone_fail(HONE_USAGE, "predict: --column and --pair are for files, not for --text");
    }
    return hone_tool_end(status == HONE_OK ? predict(&p) : status);
}
