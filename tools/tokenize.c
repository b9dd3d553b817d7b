/* hone tokenize --tokenizer DIR [--input F] */
#include <string.h>

#include "base/memory.h"
#include "data/records.h"
#include "data/tokenizer.h"
#include "hub/cache.h"
#include "tools/tools.h"

static const char help[] =
    "usage: hone tokenize --tokenizer DIR [--input FILE]\n\n"
    "Tokenizes UTF-8 text, one input a line, and prints one JSON object a line:\n"
    "  {\"ids\":[…],\"type_ids\":[…],\"tokens\":[…],\"offsets\":[[start,end],…],\"word_ids\":[…]}\n"
    "Special tokens are added with offset [0,0] and word_id null; offsets count characters. Nothing is truncated or\n"
    "padded, whatever tokenizer.json says.\n\n"
    "  --tokenizer DIR  a model folder (tokenizer.json, or vocab.txt)\n"
    "  --input FILE     text to read; standard input without it\n";

static void append_numbers(struct hone_text *out, const char *key, const int32_t *values, size_t n, bool null_below_0) {
    hone_text_format(out, "\"%s\":[", key);
    for (size_t i = 0; i < n; i++) {
        if (i) hone_text_append(out, ",", 1);
        if (null_below_0 && values[i] < 0) {
            hone_text_append(out, "null", 4);
        } else {
            hone_text_format(out, "%d", values[i]);
        }
    }
    hone_text_append(out, "]", 1);
}

static void append_string(struct hone_text *out, const char *text, size_t n) {
    json_t *value = json_stringn(text, n);
    char *quoted = json_dumps(value, JSON_ENCODE_ANY);
    hone_text_append(out, quoted, strlen(quoted));
    hone_free(quoted);
    json_decref(value);
}

static void append_encoding(struct hone_text *out, const struct hone_tokenizer *tokenizer,
                            const struct hone_encoding *encoding) {
    hone_text_append(out, "{", 1);
    append_numbers(out, "ids", encoding->ids, encoding->n, false);
    hone_text_append(out, ",", 1);
    append_numbers(out, "type_ids", encoding->type_ids, encoding->n, false);
    hone_text_format(out, ",\"tokens\":[");
    for (size_t i = 0; i < encoding->n; i++) {
        if (i) hone_text_append(out, ",", 1);
        size_t n;
        const char *token = hone_encoding_token(encoding, tokenizer, i, &n);
        append_string(out, token, n);
    }
    hone_text_format(out, "],\"offsets\":[");
    for (size_t i = 0; i < encoding->n; i++) {
        hone_text_format(out, "%s[%d,%d]", i ? "," : "", encoding->starts[i], encoding->ends[i]);
    }
    hone_text_format(out, "],");
    append_numbers(out, "word_ids", encoding->word_ids, encoding->n, true);
    hone_text_append(out, "}\n", 2);
}

static enum hone_status tokenize(const char *folder, const char *input) {
    char *found = NULL;
    struct hone_tokenizer *tokenizer = NULL;
    struct hone_encoding encoding = {0};
    struct hone_records *lines = NULL;
    const char *const column = "0";
    struct hone_records_options options = {.format = HONE_FORMAT_TEXT, .columns = &column, .n_columns = 1};
    struct hone_text out = {0};
    const struct hone_encode_options how = {.add_special = true};
    enum hone_status status;
    HONE_TRY_GOTO(hone_hub_find(&found, folder));
    HONE_TRY_GOTO(hone_tokenizer_open(&tokenizer, found));
    HONE_TRY_GOTO(hone_records_open(&lines, input, options));
    for (;;) {
        struct hone_field text;
        bool more;
        HONE_TRY_GOTO(hone_records_next(lines, &more));
        if (!more) break;
        HONE_TRY_GOTO(hone_records_text(&text, lines, 0));
        HONE_TRY_GOTO(hone_tokenizer_encode(&encoding, tokenizer, text.bytes, text.n, NULL, 0, &how));
        out.length = 0;
        append_encoding(&out, tokenizer, &encoding);
        HONE_TRY_GOTO(hone_tool_print(out.bytes, out.length));
    }
    status = hone_tool_flush();
done:
    hone_text_free(&out);
    hone_records_close(lines);
    hone_encoding_free(&encoding);
    hone_tokenizer_free(tokenizer);
    hone_free(found);
    return status;
}

int hone_tool_tokenize(int argc, char **argv) {
    const char *folder = NULL, *input = NULL;
    int n_positional;
    bool helped;
    struct hone_tool_option options[] = {{"--input", &input, NULL}, {"--tokenizer", &folder, NULL}, {0}};
    enum hone_status status = hone_tool_parse(argc, argv, options, help, &n_positional, &helped);
    if (status == HONE_OK && helped) return hone_tool_end(hone_tool_flush());
    if (status == HONE_OK && n_positional) {
        status = hone_fail(HONE_USAGE, "tokenize: unexpected \"%s\"; see hone tokenize --help", argv[1]);
    }
    if (status == HONE_OK && !folder) {
        status = hone_fail(HONE_USAGE, "tokenize: --tokenizer DIR is needed; see hone tokenize --help");
    }
    return hone_tool_end(status == HONE_OK ? tokenize(folder, input) : status);
}
