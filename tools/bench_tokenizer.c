/* hone bench tokenizer DIR FILE: encodes every line of a text file, one thread. */
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "data/records.h"
#include "data/tokenizer.h"
#include "tools/bench.h"

enum { REPEATS = 7 };

/* Bytes and tokens of one pass over the text, whose lines are valid UTF-8. */
static enum hone_status encode_all(const struct hone_tokenizer *tokenizer, struct hone_encoding *encoding,
                                   const char *text, size_t n, double *tokens) {
    *tokens = 0;
    const struct hone_encode_options options = {.add_special = true};
    for (const char *at = text, *end = text + n; at < end;) {
        const char *newline = memchr(at, '\n', (size_t)(end - at)), *stop = newline ? newline : end;
        HONE_TRY(hone_tokenizer_encode(encoding, tokenizer, at, (size_t)(stop - at), NULL, 0, &options));
        *tokens += (double)encoding->n;
        at = stop + 1;
    }
    return HONE_OK;
}

/* The whole file in memory, checked line by line, so that the clock sees the tokenizer alone. */
static enum hone_status read_text(struct hone_text *out, const char *path) {
    struct hone_records *lines;
    const char *const column = "0";
    struct hone_records_options options = {.format = HONE_FORMAT_TEXT, .columns = &column, .n_columns = 1};
    HONE_TRY(hone_records_open(&lines, path, options));
    enum hone_status status;
    for (;;) {
        struct hone_field text;
        bool more;
        HONE_TRY_GOTO(hone_records_next(lines, &more));
        if (!more) break;
        HONE_TRY_GOTO(hone_records_text(&text, lines, 0));
        hone_text_append(out, text.bytes, text.n);
        hone_text_append(out, "\n", 1);
    }
    if (!out->length) status = hone_fail(HONE_BAD_INPUT, "%s: the file is empty, expected lines of text", path);
done:
    hone_records_close(lines);
    return status;
}

enum hone_status hone_bench_tokenizer(struct hone_bench *bench, int argc, char **argv) {
    if (argc != 3) return hone_fail(HONE_USAGE, "bench tokenizer: give a model folder and a text file");
    struct hone_tokenizer *tokenizer = NULL;
    struct hone_encoding encoding = {0};
    struct hone_text text = {0};
    double rates[REPEATS], tokens = 0;
    enum hone_status status;
    HONE_TRY_GOTO(hone_tokenizer_open(&tokenizer, argv[1]));
    HONE_TRY_GOTO(read_text(&text, argv[2]));
    for (int r = -1; r < REPEATS; r++) {
        double begin = hone_seconds();
        HONE_TRY_GOTO(encode_all(tokenizer, &encoding, text.bytes, text.length, &tokens));
        if (r >= 0) rates[r] = (double)text.length / (hone_seconds() - begin) / 1e6;
    }
    hone_bench_add(bench, "tokenizer", "megabytes_per_second", "MB/s", rates, REPEATS);
    hone_bench_note(bench, "bytes", (double)text.length);
    hone_bench_note(bench, "tokens", tokens);
done:
    hone_text_free(&text);
    hone_encoding_free(&encoding);
    hone_tokenizer_free(tokenizer);
    return status;
}
