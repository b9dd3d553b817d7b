/* hone bench tokenizer --tokenizer DIR --input FILE: encodes every line of a text file, a line being one document. */
#include <omp.h>
#include <string.h>

#include "base/arith.h"
#include "base/log.h"
#include "base/memory.h"
#include "data/records.h"
#include "data/tokenizer.h"
#include "tools/bench.h"

enum { REPEATS = 7 };

struct documents {
    struct hone_text bytes;
    struct document {
        size_t begin, n;
    } * at;
    size_t n, capacity;
};

/* The whole file in memory, checked line by line, so that the clock sees the tokenizer alone. */
static enum hone_status read_documents(struct documents *out, const char *path) {
    struct hone_records *lines;
    const char *const column = "0";
    HONE_TRY(hone_records_open(
        &lines, path, (struct hone_records_options){.format = HONE_FORMAT_TEXT, .columns = &column, .n_columns = 1}));
    enum hone_status status;
    for (;;) {
        struct hone_field text;
        bool more;
        HONE_TRY_GOTO(hone_records_next(lines, &more));
        if (!more) break;
        HONE_TRY_GOTO(hone_records_text(&text, lines, 0));
        hone_reserve(&out->at, &out->capacity, out->n + 1, sizeof *out->at, "documents");
        out->at[out->n++] = (struct document){out->bytes.length, text.n};
        hone_text_append(&out->bytes, text.bytes, text.n);
    }
    if (!out->bytes.length) status = hone_fail(HONE_BAD_INPUT, "%s: the file is empty, expected lines of text", path);
done:
    hone_records_close(lines);
    return status;
}

/* Everything once: ids, offsets and word ids of each document. What threads remember of words begins empty. */
static enum hone_status encode_all(const struct hone_tokenizer *tokenizer, const struct documents *documents,
                                   double *tokens) {
    const struct hone_encode_options options = {.add_special = true};
    enum hone_status failed = HONE_OK;
    char *message = NULL;
    int64_t count = 0;
    /* Short documents by the dozen; few long ones one by one, so that no thread goes without. */
    /* NOLINTNEXTLINE(clang-analyzer-deadcode.DeadStores): the loop's schedule reads it. */
    int chunk = (int)hone_max_i64(hone_min_i64((int64_t)documents->n / (8 * omp_get_max_threads()), 16), 1);
#pragma omp parallel reduction(+ : count)
    {
        struct hone_encoding encoding = {0};
#pragma omp for schedule(dynamic, chunk)
        for (size_t i = 0; i < documents->n; i++) {
            const struct document *document = &documents->at[i];
            enum hone_status status = hone_tokenizer_encode(
                &encoding, tokenizer, documents->bytes.bytes + document->begin, document->n, NULL, 0, &options);
            count += (int64_t)encoding.n;
            if (status == HONE_OK) continue;
#pragma omp critical
            {
                failed = status;
                hone_free(message);
                message = hone_strdup(hone_error_message(), "message");
            }
        }
        hone_encoding_free(&encoding);
    }
    *tokens = (double)count;
    if (failed != HONE_OK) hone_fail(failed, "%s", message);
    hone_free(message);
    return failed;
}

enum hone_status hone_bench_tokenizer(struct hone_bench *bench, int argc, char **argv) {
    hone_memory_keep_freed(); /* as hone tokenize does */
    const char *folder = bench->tokenizer, *input = bench->input;
    int next = 1;
    if (!folder && next < argc) folder = argv[next++];
    if (!input && next < argc) input = argv[next++];
    if (!folder || !input || next < argc)
        return hone_fail(HONE_USAGE, "bench tokenizer: give --tokenizer DIR and --input FILE");
    struct hone_tokenizer *tokenizer = NULL;
    struct documents documents = {0};
    double rates[REPEATS], tokens = 0, begin = hone_seconds();
    enum hone_status status;
    HONE_TRY_GOTO(hone_tokenizer_open(&tokenizer, folder));
    double load = hone_seconds() - begin;
    HONE_TRY_GOTO(read_documents(&documents, input));
    for (int r = -1; r < REPEATS; r++) {
        begin = hone_seconds();
        HONE_TRY_GOTO(encode_all(tokenizer, &documents, &tokens));
        if (r >= 0) rates[r] = (double)documents.bytes.length / (hone_seconds() - begin) / 1e6;
    }
    hone_bench_add(bench, "tokenizer", "megabytes_per_second", "MB/s", rates, REPEATS);
    hone_bench_note(bench, "bytes", (double)documents.bytes.length);
    hone_bench_note(bench, "documents", (double)documents.n);
    hone_bench_note(bench, "tokens", tokens);
    hone_bench_note(bench, "load_ms", 1000 * load);
    hone_bench_note(bench, "threads", omp_get_max_threads());
done:
    hone_text_free(&documents.bytes);
    hone_free(documents.at);
    hone_tokenizer_free(tokenizer);
    return status;
}
