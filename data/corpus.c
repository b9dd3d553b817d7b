/* A file is read in blocks of whole lines; the lines of a block are shared out between threads, each of which counts
 * words of its own. */
#include "data/corpus.h"

#include <omp.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "base/utf8.h"
#include "data/source.h"

#define BLOCK                  (4u << 20)
#define PLAIN_PROGRESS_SECONDS 10

struct counting {
    const struct hone_corpus *corpus;
    struct hone_strings words;
    struct hone_normalizing normalizing;
    struct hone_pre_tokenizing cutting;
};

static void count_characters(struct hone_strings *words, const struct hone_normalized *text) {
    for (size_t i = 0; i < text->n;) {
        size_t begin = i;
        hone_utf8_next(text->bytes, &i);
        hone_strings_add(words, text->bytes + begin, i - begin, 1);
    }
}

static void count_line(struct counting *counting, const char *text, size_t n) {
    hone_normalize(&counting->normalizing, counting->corpus->normalizer, text, n, 0);
    struct hone_normalized *normalized = &counting->normalizing.text, *cut = &counting->cutting.text;
    if (counting->corpus->characters) {
        count_characters(&counting->words, normalized);
        return;
    }
    struct hone_normalized other = *cut;
    *cut = *normalized;
    *normalized = other;
    hone_pre_tokenize(&counting->cutting, counting->corpus->pre_tokenizer);
    for (size_t i = 0; i < counting->cutting.words.n; i++) {
        struct hone_word word = counting->cutting.words.at[i];
        hone_strings_add(&counting->words, counting->cutting.text.bytes + word.begin, word.end - word.begin, 1);
    }
}

static void count_lines(struct counting *counting, const char *text, size_t n) {
    for (const char *at = text, *end = text + n; at < end;) {
        const char *newline = memchr(at, '\n', (size_t)(end - at)), *stop = newline ? newline + 1 : end;
        count_line(counting, at, (size_t)(stop - at));
        at = stop;
    }
}

/* End of the line that byte `at` of the text is in, or `at` at a line's beginning. */
static size_t line_end(const char *text, size_t n, size_t at) {
    if (at == 0 || at >= n || text[at - 1] == '\n') return at < n ? at : n;
    const char *newline = memchr(text + at, '\n', n - at);
    return newline ? (size_t)(newline - text) + 1 : n;
}

/* Counts the words of whole lines. */
static void count_block(struct hone_corpus *corpus, struct counting *threads, int n_threads, const char *text,
                        size_t n) {
#pragma omp parallel for num_threads(n_threads) schedule(static, 1)
    for (int i = 0; i < n_threads; i++) {
        size_t begin = line_end(text, n, n * (size_t)i / (size_t)n_threads);
        size_t end = line_end(text, n, n * (size_t)(i + 1) / (size_t)n_threads);
        if (begin < end) count_lines(&threads[i], text + begin, end - begin);
    }
    for (const char *at = text; (at = memchr(at, '\n', (size_t)(text + n - at))); at++) corpus->lines++;
    corpus->lines += n && text[n - 1] != '\n';
    corpus->bytes += (int64_t)n;
}

static enum hone_status check_utf8(const struct hone_corpus *corpus, const char *path, int64_t lines_before,
                                   const char *text, size_t n) {
    size_t valid = hone_utf8_valid_prefix(text, n);
    if (valid == n) return HONE_OK;
    int64_t line = corpus->lines - lines_before + 1;
    size_t begin = 0;
    for (size_t i = 0; i < valid; i++) {
        if (text[i] != '\n') continue;
        line++;
        begin = i + 1;
    }
    return hone_fail(HONE_BAD_INPUT, "%s:%lld: byte %zu: invalid UTF-8 (0x%02x), expected UTF-8 text", path,
                     (long long)line, valid - begin + 1, (unsigned char)text[valid]);
}

struct block {
    char *bytes;
    size_t n, capacity;
};

static enum hone_status add_blocks(struct hone_corpus *corpus, struct hone_source *source, const char *path,
                                   struct block *block, struct counting *threads, int n_threads) {
    int64_t lines_before = corpus->lines;
    for (size_t got = 1; got > 0;) {
        hone_reserve(&block->bytes, &block->capacity, block->n + BLOCK, 1, "text of a file");
        HONE_TRY(hone_source_read(source, block->bytes + block->n, block->capacity - block->n, &got));
        block->n += got;
        const char *last = memrchr(block->bytes, '\n', block->n);
        size_t whole = got == 0 ? block->n : last ? (size_t)(last - block->bytes) + 1 : 0;
        if (whole == 0 || (got > 0 && block->n < BLOCK)) continue;
        HONE_TRY(check_utf8(corpus, path, lines_before, block->bytes, whole));
        count_block(corpus, threads, n_threads, block->bytes, whole);
        block->n -= whole;
        memmove(block->bytes, block->bytes + whole, block->n);
        hone_progress(PLAIN_PROGRESS_SECONDS, "%s: %.0f MB of the file read", path,
                      (double)hone_source_bytes_read(source) / 1e6);
    }
    return HONE_OK;
}

enum hone_status hone_corpus_add(struct hone_corpus *corpus, const char *path) {
    struct hone_source *source;
    HONE_TRY(hone_source_open(&source, path));
    int n_threads = omp_get_max_threads();
    struct counting *threads = hone_calloc((size_t)n_threads, sizeof *threads, "words of a corpus");
    for (int i = 0; i < n_threads; i++) threads[i].corpus = corpus;
    struct block block = {0};
    enum hone_status status = add_blocks(corpus, source, path, &block, threads, n_threads);
    for (int i = 0; i < n_threads; i++) {
        const struct hone_strings *words = &threads[i].words;
        for (size_t w = 0; w < words->n; w++)
            hone_strings_add(&corpus->words, hone_strings_text(words, w), words->at[w].n, words->at[w].count);
        hone_strings_free(&threads[i].words);
        hone_normalizing_free(&threads[i].normalizing);
        hone_pre_tokenizing_free(&threads[i].cutting);
    }
    hone_progress_end();
    hone_free(block.bytes);
    hone_free(threads);
    hone_source_close(source);
    return status;
}

void hone_corpus_finish(struct hone_corpus *corpus) { hone_strings_sort(&corpus->words); }

void hone_corpus_free(struct hone_corpus *corpus) { hone_strings_free(&corpus->words); }
