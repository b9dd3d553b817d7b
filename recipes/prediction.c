#include "recipes/prediction.h"

#include <string.h>

#include "base/json.h"
#include "base/utf8.h"

static bool is_jsonl(const struct hone_output *output) { return output->format == HONE_FORMAT_JSONL; }

static bool is_table(const struct hone_output *output) {
    return output->format == HONE_FORMAT_CSV || output->format == HONE_FORMAT_TSV;
}

static const char *separator(const struct hone_output *output) {
    return output->format == HONE_FORMAT_CSV ? "," : "\t";
}

static void append_cell(struct hone_text *out, const struct hone_output *output, const char *bytes, size_t n) {
    bool quoted = false;
    for (size_t i = 0; i < n && output->format == HONE_FORMAT_CSV && !quoted; i++)
        quoted = bytes[i] == ',' || bytes[i] == '"' || bytes[i] == '\n' || bytes[i] == '\r';
    if (!quoted) {
        hone_text_append(out, bytes, n);
        return;
    }
    hone_text_append(out, "\"", 1);
    for (const char *end = bytes + n, *quote; bytes < end; bytes = quote) {
        quote = memchr(bytes, '"', (size_t)(end - bytes));
        quote = quote ? quote + 1 : end;
        hone_text_append(out, bytes, (size_t)(quote - bytes));
        if (quote[-1] == '"') hone_text_append(out, "\"", 1);
    }
    hone_text_append(out, "\"", 1);
}

static void append_name(struct hone_text *out, const struct hone_output *output, const char *prefix, const char *name) {
    char *text = hone_format("%s%s", prefix, name);
    if (out->length) hone_text_append(out, separator(output), 1);
    append_cell(out, output, text, strlen(text));
    hone_free(text);
}

static void append_value_names(struct hone_text *line, const struct hone_output *output) {
    const struct hone_labels *labels = output->labels;
    if (labels->n == 1) append_name(line, output, "value", "");
    for (int64_t i = 0; labels->n > 1 && i < labels->n; i++) append_name(line, output, "value.", labels->names[i]);
}

static void append_label_names(struct hone_text *line, const struct hone_output *output) {
    bool several = output->problem == HONE_MULTI_LABEL;
    append_name(line, output, several ? "labels" : "label", "");
    if (!several) append_name(line, output, "score", "");
    for (int64_t i = several ? 0 : 1; i < output->top; i++) {
        char number[32];
        snprintf(number, sizeof number, "%lld", (long long)i + 1);
        append_name(line, output, "label_", number);
        append_name(line, output, "score_", number);
    }
    for (int64_t i = 0; !output->top && i < output->labels->n; i++)
        append_name(line, output, "score.", output->labels->names[i]);
}

void hone_output_header(struct hone_text *out, const struct hone_output *output) {
    if (!is_table(output)) return;
    struct hone_text line = {0};
    for (size_t i = 0; i < output->n_kept; i++) append_name(&line, output, "input.", output->kept[i]);
    if (output->problem == HONE_REGRESSION) {
        append_value_names(&line, output);
    } else {
        append_label_names(&line, output);
    }
    hone_text_append(out, line.bytes, line.length);
    hone_text_append(out, "\n", 1);
    hone_text_free(&line);
}

static void append_json_item(struct hone_text *out, enum hone_value_kind kind, struct hone_field item) {
    if (kind == HONE_VALUE_STRING)
        hone_json_append_string(out, item.bytes, item.n);
    else
        hone_text_append(out, item.bytes, item.n);
}

static void append_json_list(struct hone_text *out, const struct hone_value *value) {
    hone_text_append(out, "[", 1);
    for (size_t i = 0; i < value->n; i++) {
        if (i) hone_text_append(out, ",", 1);
        append_json_item(out, value->kinds[i], value->items[i]);
    }
    hone_text_append(out, "]", 1);
}

static enum hone_status cannot_keep(const struct hone_output *output, const struct hone_records *records, size_t i,
                                    const char *why) {
    char *name = hone_escape(output->kept[i], strlen(output->kept[i]));
    enum hone_status status = hone_fail(HONE_BAD_INPUT, "%s:%lld: \"%s\" %s", hone_records_path(records),
                                        (long long)hone_records_line(records), name, why);
    hone_free(name);
    return status;
}

static enum hone_status keep_json(struct hone_text *out, const struct hone_output *output,
                                  const struct hone_records *records, size_t first) {
    if (output->keep_all) {
        struct hone_field raw = hone_records_raw(records);
        hone_text_append(out, "\"input\":", 8);
        hone_text_append(out, raw.bytes, raw.n);
        hone_text_append(out, ",", 1);
        return HONE_OK;
    }
    if (!output->n_kept) return HONE_OK;
    hone_text_append(out, "\"input\":{", 9);
    for (size_t i = 0; i < output->n_kept; i++) {
        const struct hone_value *value = hone_records_value(records, first + i);
        if (value->kind == HONE_VALUE_OTHER)
            return cannot_keep(output, records, i, "is an object: keep all, or a path");
        if (i) hone_text_append(out, ",", 1);
        hone_json_append_string(out, output->kept[i], strlen(output->kept[i]));
        hone_text_append(out, ":", 1);
        if (value->kind == HONE_VALUE_LIST)
            append_json_list(out, value);
        else if (value->n == 0)
            hone_text_append(out, "null", 4);
        else
            append_json_item(out, value->kind, value->items[0]);
    }
    hone_text_append(out, "},", 2);
    return HONE_OK;
}

enum hone_status hone_output_keep(struct hone_text *out, const struct hone_output *output,
                                  const struct hone_records *records, size_t first) {
    if (is_jsonl(output)) return keep_json(out, output, records, first);
    for (size_t i = 0; i < output->n_kept; i++) {
        const struct hone_value *value = hone_records_value(records, first + i);
        struct hone_text list = {0};
        struct hone_field cell =
            value->n == 1 && value->kind != HONE_VALUE_LIST ? value->items[0] : (struct hone_field){0};
        if (value->kind == HONE_VALUE_OTHER)
            return cannot_keep(output, records, i, "is an object, which a table has no place for");
        if (value->kind == HONE_VALUE_LIST) {
            append_json_list(&list, value);
            cell = (struct hone_field){list.bytes, list.length};
        }
        for (size_t k = 0; k < cell.n && output->format == HONE_FORMAT_TSV; k++) {
            if (cell.bytes[k] != '\t' && cell.bytes[k] != '\n' && cell.bytes[k] != '\r') continue;
            hone_text_free(&list);
            return cannot_keep(output, records, i, "holds a TAB or line end, which TSV cannot: write CSV or JSONL");
        }
        append_cell(out, output, cell.bytes ? cell.bytes : "", cell.n);
        hone_text_append(out, separator(output), 1);
        hone_text_free(&list);
    }
    return HONE_OK;
}

/* The label with the highest score of those behind (score, index) in the order; -1 when there is none. Equal scores
 * stand in the order of the labels. */
static int64_t next_best(const struct hone_prediction *prediction, int64_t n, int64_t behind) {
    int64_t best = -1;
    for (int64_t i = 0; i < n; i++) {
        float score = prediction->scores[i];
        if (behind >= 0 && (score > prediction->scores[behind] || (score == prediction->scores[behind] && i <= behind)))
            continue;
        if (best < 0 || score > prediction->scores[best]) best = i;
    }
    return best;
}

static void append_score(struct hone_text *out, float score) { hone_text_format(out, "%.9g", (double)score); }

static bool holds(const struct hone_output *output, const struct hone_prediction *prediction, int64_t label) {
    return (double)prediction->scores[label] >= output->threshold;
}

/* "name":score of all, or of the highest ones. */
static void append_json_scores(struct hone_text *out, const struct hone_output *output,
                               const struct hone_prediction *prediction, const char *key) {
    const struct hone_labels *labels = output->labels;
    hone_text_format(out, "\"%s\":{", key);
    int64_t shown = output->top ? output->top : labels->n;
    for (int64_t i = 0, at = -1; i < shown; i++) {
        at = output->top ? next_best(prediction, labels->n, at) : i;
        if (i) hone_text_append(out, ",", 1);
        hone_json_append_string(out, labels->names[at], strlen(labels->names[at]));
        hone_text_append(out, ":", 1);
        append_score(out, prediction->scores[at]);
    }
    hone_text_append(out, "}}", 2);
}

static void append_json_row(struct hone_text *out, const struct hone_output *output,
                            const struct hone_prediction *prediction) {
    const struct hone_labels *labels = output->labels;
    if (output->problem == HONE_REGRESSION && labels->n == 1) {
        hone_text_append(out, "\"value\":", 8);
        append_score(out, prediction->scores[0]);
        hone_text_append(out, "}", 1);
    } else if (output->problem == HONE_REGRESSION) {
        append_json_scores(out, output, prediction, "values");
    } else if (output->problem == HONE_MULTI_LABEL) {
        hone_text_append(out, "\"labels\":[", 10);
        for (int64_t i = 0, n = 0; i < labels->n; i++) {
            if (!holds(output, prediction, i)) continue;
            if (n++) hone_text_append(out, ",", 1);
            hone_json_append_string(out, labels->names[i], strlen(labels->names[i]));
        }
        hone_text_append(out, "],", 2);
        append_json_scores(out, output, prediction, "scores");
    } else {
        hone_text_append(out, "\"label\":", 8);
        hone_json_append_string(out, labels->names[prediction->best], strlen(labels->names[prediction->best]));
        hone_text_append(out, ",\"score\":", 9);
        append_score(out, prediction->scores[prediction->best]);
        hone_text_append(out, ",", 1);
        append_json_scores(out, output, prediction, "scores");
    }
}

static void append_held_labels(struct hone_text *out, const struct hone_output *output,
                               const struct hone_prediction *prediction) {
    struct hone_text names = {0};
    hone_text_append(&names, "", 0);
    for (int64_t i = 0; i < output->labels->n; i++)
        if (holds(output, prediction, i))
            hone_text_format(&names, "%s%s", names.length ? "," : "", output->labels->names[i]);
    append_cell(out, output, names.bytes, names.length);
    hone_text_free(&names);
}

static void append_table_row(struct hone_text *out, const struct hone_output *output,
                             const struct hone_prediction *prediction) {
    const struct hone_labels *labels = output->labels;
    bool values = output->problem == HONE_REGRESSION, several = output->problem == HONE_MULTI_LABEL;
    int64_t at = prediction->best, pairs = output->top ? output->top : !values && !several;
    if (several) append_held_labels(out, output, prediction);
    for (int64_t i = 0; i < pairs; i++) {
        if (i || several) hone_text_append(out, separator(output), 1);
        append_cell(out, output, labels->names[at], strlen(labels->names[at]));
        hone_text_append(out, separator(output), 1);
        append_score(out, prediction->scores[at]);
        if (i + 1 < pairs) at = next_best(prediction, labels->n, at);
    }
    for (int64_t i = 0; !output->top && i < labels->n; i++) {
        if (i || !values) hone_text_append(out, separator(output), 1);
        append_score(out, prediction->scores[i]);
    }
}

void hone_output_row(struct hone_text *out, const struct hone_output *output, struct hone_field kept,
                     const struct hone_prediction *prediction) {
    if (is_jsonl(output)) hone_text_append(out, "{", 1);
    hone_text_append(out, kept.bytes, kept.n);
    if (is_jsonl(output))
        append_json_row(out, output, prediction);
    else
        append_table_row(out, output, prediction);
    hone_text_append(out, "\n", 1);
}
