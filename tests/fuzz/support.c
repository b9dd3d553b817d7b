#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "base/memory.h"
#include "base/utf8.h"
#include "tests/fuzz/fuzz.h"
#include "tests/support.h"

/* Stands for _exit where libFuzzer runs (tests/CMakeLists.txt). */
_Noreturn void __wrap__exit(int status);
_Noreturn void __wrap__exit(int status) {
    (void)status;
    abort();
}

struct fuzz_piece fuzz_next(const uint8_t **bytes, size_t *n) {
    const uint8_t *end = *n ? memchr(*bytes, 0, *n) : NULL;
    struct fuzz_piece piece = {(const char *)*bytes, end ? (size_t)(end - *bytes) : *n};
    size_t taken = piece.n + (end != NULL);
    if (taken) *bytes += taken;
    *n -= taken;
    return piece;
}

size_t fuzz_choice(const uint8_t **bytes, size_t *n, size_t among) {
    if (*n == 0) return 0;
    size_t choice = **bytes % among;
    ++*bytes;
    --*n;
    return choice;
}

const char *fuzz_folder(void) {
    static const char *folder;
    if (!folder) folder = test_scratch();
    return folder;
}

const char *fuzz_write(const char *name, const void *bytes, size_t n) {
    static char *path;
    hone_free(path);
    path = hone_path_join(fuzz_folder(), name);
    struct hone_file *file;
    HONE_CHECK(hone_file_create(&file, path, true) == HONE_OK, "%s", hone_error_message());
    HONE_CHECK(hone_file_write(file, bytes, n) == HONE_OK, "%s", hone_error_message());
    HONE_CHECK(hone_file_close(file) == HONE_OK, "%s", hone_error_message());
    return path;
}

static void check(const struct hone_encoding *e, const struct hone_tokenizer *tokenizer) {
    for (size_t i = 0; i < e->n; i++) {
        size_t n;
        HONE_CHECK(e->ids[i] >= 0 && e->ids[i] < hone_tokenizer_size(tokenizer), "id %d", (int)e->ids[i]);
        /* Bytes of a BPE suffix may lie behind the text, as the reference has it. */
        HONE_CHECK(e->starts[i] >= 0 && e->starts[i] <= e->ends[i], "offsets %d to %d", (int)e->starts[i],
                   (int)e->ends[i]);
        HONE_CHECK(hone_encoding_token(e, tokenizer, i, &n), "no text");
    }
}

static void decode(const struct hone_tokenizer *tokenizer, const struct hone_encoding *e) {
    struct hone_decode_stream stream = {.tokenizer = tokenizer};
    struct hone_text whole = {0}, streamed = {0}, rest = {0};
    for (size_t i = 0; i < e->n; i++) {
        const char *text;
        size_t n;
        hone_decode_stream_next(&text, &n, &stream, e->ids[i]);
        hone_text_append(&streamed, text, n);
    }
    hone_decode_stream_end(&rest, &stream);
    hone_text_append(&streamed, rest.bytes, rest.length);
    hone_tokenizer_decode(&whole, tokenizer, e->ids, e->n, &(struct hone_decode_options){.clean_up = false});
    HONE_CHECK(hone_utf8_valid_prefix(whole.bytes, whole.length) == whole.length, "not UTF-8");
    HONE_CHECK(hone_utf8_valid_prefix(streamed.bytes, streamed.length) == streamed.length, "not UTF-8");
    hone_text_free(&whole);
    hone_text_free(&streamed);
    hone_text_free(&rest);
}

void fuzz_encode(const struct hone_tokenizer *tokenizer, struct fuzz_piece text) {
    static const struct hone_encode_options ways[] = {
        {.add_special = true}, {.add_special = true, .max_length = 8, .stride = 2}, {.max_length = 3}};
    size_t n = hone_utf8_valid_prefix(text.bytes, text.n), before = 0;
    struct hone_encoding e = {0};
    for (size_t i = 0; i < 2; i++) /* the second time from what was remembered */
        if (hone_tokenizer_encode(&e, tokenizer, text.bytes, n, NULL, 0, &ways[0]) == HONE_OK) {
            check(&e, tokenizer);
            HONE_CHECK(i == 0 || e.n == before, "%zu tokens, then %zu", before, e.n);
            before = e.n;
            decode(tokenizer, &e);
        }
    for (size_t way = 0; way < sizeof ways / sizeof *ways; way++) {
        if (hone_tokenizer_encode(&e, tokenizer, text.bytes, n, text.bytes, n, &ways[way]) != HONE_OK) continue;
        size_t windows = hone_encoding_windows(&e);
        for (size_t w = 0; w < windows && w < 100; w++) {
            hone_encoding_show(&e, tokenizer, w);
            check(&e, tokenizer);
            HONE_CHECK(!ways[way].max_length || e.n <= ways[way].max_length, "%zu tokens", e.n);
        }
    }
    hone_encoding_free(&e);
}

void fuzz_tokenizer(struct fuzz_piece text) {
    struct hone_tokenizer *tokenizer;
    if (hone_tokenizer_open(&tokenizer, fuzz_folder()) == HONE_OK)
        fuzz_encode(tokenizer, text);
    else
        HONE_CHECK(!tokenizer && *hone_error_message(), "refused without a word");
    hone_tokenizer_free(tokenizer);
}
