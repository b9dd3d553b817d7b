/* hone tokenize --tokenizer DIR [--input F], and back with --decode. A batch of lines is read, shared out between the
 * threads a block at a time, and printed in order; memory holds one batch. */
#include <omp.h>
#include <string.h>

#include "base/memory.h"
#include "data/records.h"
#include "data/tokenizer.h"
#include "hub/cache.h"
#include "tools/encoding_json.h"
#include "tools/tools.h"

#define BATCH_BYTES (1u << 20)
#define BATCH_LINES (16u << 10)
#define BLOCK_BYTES (16u << 10)
#define BLOCK_LINES 256u

static const char help[] =
    "usage: hone tokenize --tokenizer DIR [--input FILE] [--max-length N [--stride N] [--truncation HOW]] "
    "[--no-special]\n"
    "       hone tokenize --tokenizer DIR --decode [--input FILE] [--skip-special] [--clean-up]\n\n"
    "Tokenizes UTF-8 text, one input a line, and prints one JSON object a line:\n"
    "  {\"ids\":[…],\"type_ids\":[…],\"tokens\":[…],\"offsets\":[[start,end],…],\"word_ids\":[…]}\n"
    "Special tokens are added with offset [0,0] and word_id null; offsets count characters. What tokenizer.json says "
    "of\n"
    "truncation and padding isn't applied. Threads: OMP_NUM_THREADS.\n\n"
    "  --tokenizer DIR  a model folder (tokenizer.json, or the older files)\n"
    "  --input FILE     text to read; standard input without it. .jsonl: objects with \"text\" and perhaps "
    "\"text_pair\",\n"
    "                   each a string, or a list of strings that are words already; \"sequence_ids\" and\n"
    "                   \"special_tokens_mask\" are printed, too\n"
    "  --max-length N   cut to N tokens, special ones included; further windows follow in \"overflowing\"\n"
    "  --stride N       tokens that a window repeats of the one before (default 0)\n"
    "  --truncation HOW longest_first (default), only_first or only_second: which text of a pair is cut\n"
    "  --no-special     add no special tokens\n"
    "  --decode         the other way: an array of ids a line ([101, 7592, 102]) to its text as a JSON string\n"
    "  --skip-special   leave out special tokens in decoding\n"
    "  --clean-up       no spaces before punctuation and English contractions, as Transformers' clean-up\n";

/* A text of a line: a string, or words, as fields of the batch. */
struct given {
    size_t first, n;
    bool there, is_words;
};
struct line {
    struct given text, pair;
    long long number;
};
struct place {
    size_t begin, n; /* bytes of the batch */
};
/* Lines that one thread takes at a time, and what became of them. */
struct block {
    size_t first, end; /* lines */
    struct hone_text out;
    enum hone_status status;
    char *message;
};
/* What a thread keeps from line to line. */
struct worker {
    struct hone_encoding encoding;
    const char **words[2];
    size_t *lengths[2];
    size_t capacities[2], length_capacities[2];
    int32_t *ids;
    size_t ids_capacity;
};
struct tokenizing {
    struct hone_tokenizer *tokenizer;
    struct hone_encode_options options;
    struct hone_decode_options decode_options;
    bool decode, objects;
    struct hone_records *records;
    struct hone_text batch;
    struct line *at;
    size_t n, capacity;
    struct place *places;
    size_t n_places, places_capacity;
    struct block *blocks;
    size_t n_blocks, blocks_capacity, outs; /* outs: blocks that have memory */
    struct worker *workers;
    int n_workers;
};

static struct hone_given_words words_of(const struct tokenizing *t, struct worker *worker, int which,
                                        struct given given) {
    hone_reserve(&worker->words[which], &worker->capacities[which], given.n, sizeof **worker->words, "words");
    hone_reserve(&worker->lengths[which], &worker->length_capacities[which], given.n, sizeof **worker->lengths,
                 "words");
    for (size_t i = 0; i < given.n; i++) {
        worker->words[which][i] = t->batch.bytes + t->places[given.first + i].begin;
        worker->lengths[which][i] = t->places[given.first + i].n;
    }
    return (struct hone_given_words){worker->words[which], worker->lengths[which], given.n};
}

static enum hone_status encode_line(const struct tokenizing *t, struct worker *worker, const struct line *line) {
    bool paired = line->pair.there;
    if (paired && line->text.is_words != line->pair.is_words)
        return hone_fail(HONE_BAD_INPUT, "one of \"text\" and \"text_pair\" is a string, the other a list");
    if (line->text.is_words) {
        struct hone_given_words first = words_of(t, worker, 0, line->text), second = {0};
        if (paired) second = words_of(t, worker, 1, line->pair);
        return hone_tokenizer_encode_words(&worker->encoding, t->tokenizer, &first, paired ? &second : NULL,
                                           &t->options);
    }
    struct place first = t->places[line->text.first], second = {0};
    if (paired) second = t->places[line->pair.first];
    return hone_tokenizer_encode(&worker->encoding, t->tokenizer, t->batch.bytes + first.begin, first.n,
                                 paired ? t->batch.bytes + second.begin : NULL, second.n, &t->options);
}

static const char *skip_white(const char *at, const char *end) {
    while (at < end && (*at == ' ' || *at == '\t')) at++;
    return at;
}

/* "[1, 2, 3]" */
static enum hone_status read_ids(struct worker *worker, size_t *count, const char *text, size_t n) {
    const char *at = skip_white(text, text + n), *end = text + n;
    size_t found = 0;
    bool good = at < end && *at++ == '[';
    at = skip_white(at, end);
    while (good && at < end && *at != ']') {
        int64_t id = 0;
        const char *digits = at;
        for (; at < end && *at >= '0' && *at <= '9' && id <= INT32_MAX; at++) id = 10 * id + (*at - '0');
        good = at > digits && id <= INT32_MAX;
        hone_reserve(&worker->ids, &worker->ids_capacity, found + 1, sizeof *worker->ids, "ids");
        worker->ids[found++] = (int32_t)id;
        at = skip_white(at, end);
        if (at < end && *at == ',') {
            at = skip_white(at + 1, end);
            good &= at < end && *at != ']';
        } else {
            good &= at < end && *at == ']';
        }
    }
    *count = found;
    if (good && at < end && skip_white(at + 1, end) == end) return HONE_OK;
    return hone_fail(HONE_BAD_INPUT, "byte %zu: expected an array of ids, as [101, 7592, 102]",
                     (size_t)(at - text) + 1);
}

static enum hone_status do_line(const struct tokenizing *t, struct worker *worker, struct hone_text *out,
                                const struct line *line) {
    if (t->decode) {
        size_t count;
        struct hone_text decoded;
        struct place text = t->places[line->text.first];
        HONE_TRY(read_ids(worker, &count, t->batch.bytes + text.begin, text.n));
        hone_tokenizer_decode(&decoded, t->tokenizer, worker->ids, count, &t->decode_options);
        hone_json_quote(out, decoded.bytes, decoded.length);
        hone_text_free(&decoded);
    } else {
        HONE_TRY(encode_line(t, worker, line));
        hone_encoding_json(out, t->tokenizer, &worker->encoding, t->objects);
    }
    hone_text_append(out, "\n", 1);
    return HONE_OK;
}

/* Up to the first line that fails; the message is kept for the thread that prints. */
static void do_block(const struct tokenizing *t, struct worker *worker, struct block *block) {
    for (size_t i = block->first; i < block->end && block->status == HONE_OK; i++) {
        const struct line *line = &t->at[i];
        block->status = do_line(t, worker, &block->out, line);
        if (block->status == HONE_OK) continue;
        /* What is wrong with the options is not the line's fault. */
        block->message = block->status == HONE_USAGE ? hone_strdup(hone_error_message(), "message")
                                                     : hone_format("%s:%lld: %s", hone_records_path(t->records),
                                                                   line->number, hone_error_message());
    }
}

static void add_block(struct tokenizing *t, size_t first, size_t end) {
    hone_reserve(&t->blocks, &t->blocks_capacity, t->n_blocks + 1, sizeof *t->blocks, "blocks of lines");
    struct hone_text out = t->n_blocks < t->outs ? t->blocks[t->n_blocks].out : (struct hone_text){0};
    if (t->n_blocks == t->outs) t->outs++;
    out.length = 0;
    t->blocks[t->n_blocks++] = (struct block){.first = first, .end = end, .out = out};
}

/* Column `column` of the record as a text of the batch. */
static enum hone_status take(struct given *out, struct tokenizing *t, size_t column, const char *name) {
    const struct hone_value *value = hone_records_value(t->records, column);
    *out = (struct given){t->n_places, value->n, true, value->kind == HONE_VALUE_LIST};
    bool good = value->kind == HONE_VALUE_STRING || value->kind == HONE_VALUE_LIST;
    for (size_t i = 0; good && i < value->n; i++) {
        good = value->kinds[i] == HONE_VALUE_STRING;
        hone_reserve(&t->places, &t->places_capacity, t->n_places + 1, sizeof *t->places, "texts");
        t->places[t->n_places++] = (struct place){t->batch.length, value->items[i].n};
        hone_text_append(&t->batch, value->items[i].bytes, value->items[i].n);
    }
    if (good) return HONE_OK;
    return hone_fail(HONE_BAD_INPUT, "%s:%lld: \"%s\" is neither a string nor a list of strings",
                     hone_records_path(t->records), (long long)hone_records_line(t->records), name);
}

static enum hone_status read_line(struct line *out, struct tokenizing *t, bool *more) {
    HONE_TRY(hone_records_next(t->records, more));
    if (!*more) return HONE_OK;
    *out = (struct line){.number = hone_records_line(t->records)};
    HONE_TRY(take(&out->text, t, 0, "text"));
    enum hone_value_kind pair = t->objects ? hone_records_value(t->records, 1)->kind : HONE_VALUE_MISSING;
    if (pair != HONE_VALUE_MISSING && pair != HONE_VALUE_NULL) HONE_TRY(take(&out->pair, t, 1, "text_pair"));
    return HONE_OK;
}

/* Reads lines into a batch; *more is false when there are none. A line that can't be read ends the batch: what stands
 * before it is done first. */
static enum hone_status read_batch(struct tokenizing *t, bool *more) {
    t->batch.length = t->n = t->n_blocks = t->n_places = 0;
    enum hone_status status = HONE_OK;
    size_t first = 0, block_begin = 0;
    *more = true;
    while (t->batch.length < BATCH_BYTES && t->n < BATCH_LINES) {
        struct line line;
        status = read_line(&line, t, more);
        if (status != HONE_OK || !*more) break;
        hone_reserve(&t->at, &t->capacity, t->n + 1, sizeof *t->at, "lines");
        t->at[t->n++] = line;
        if (t->batch.length - block_begin < BLOCK_BYTES && t->n - first < BLOCK_LINES) continue;
        add_block(t, first, t->n);
        first = t->n;
        block_begin = t->batch.length;
    }
    if (first < t->n) add_block(t, first, t->n);
    return status;
}

static enum hone_status do_batch(struct tokenizing *t) {
#pragma omp parallel for schedule(dynamic, 1) num_threads(t->n_workers)
    for (size_t i = 0; i < t->n_blocks; i++) do_block(t, &t->workers[omp_get_thread_num()], &t->blocks[i]);
    enum hone_status status = HONE_OK;
    for (size_t i = 0; i < t->n_blocks; i++) {
        struct block *block = &t->blocks[i];
        if (status == HONE_OK && block->out.length) status = hone_tool_print(block->out.bytes, block->out.length);
        if (status == HONE_OK && block->status != HONE_OK) status = hone_fail(block->status, "%s", block->message);
        hone_free(block->message);
    }
    return status;
}

static enum hone_status do_lines(struct tokenizing *t) {
    for (bool more = true; more;) {
        enum hone_status read = read_batch(t, &more);
        char *message = read == HONE_OK ? NULL : hone_strdup(hone_error_message(), "message");
        enum hone_status status = do_batch(t);
        if (status == HONE_OK && message) status = hone_fail(read, "%s", message);
        hone_free(message);
        HONE_TRY(status);
    }
    return hone_tool_flush();
}

static void free_worker(struct worker *worker) {
    hone_encoding_free(&worker->encoding);
    for (int i = 0; i < 2; i++) {
        hone_free(worker->words[i]);
        hone_free(worker->lengths[i]);
    }
    hone_free(worker->ids);
}

static enum hone_status tokenize(struct tokenizing *t, const char *folder, const char *input) {
    static const char *const line[] = {"0"}, *const fields[] = {"text", "text_pair"};
    char *found = NULL;
    enum hone_status status;
    t->objects = !t->decode && input && hone_format_of(input, HONE_FORMAT_TEXT) == HONE_FORMAT_JSONL;
    struct hone_records_options options = {.format = t->objects ? HONE_FORMAT_JSONL : HONE_FORMAT_TEXT,
                                           .columns = t->objects ? fields : line,
                                           .n_columns = t->objects ? 2 : 1};
    t->n_workers = omp_get_max_threads();
    t->workers = hone_calloc((size_t)t->n_workers, sizeof *t->workers, "threads' encodings");
    HONE_TRY_GOTO(hone_hub_find(&found, folder));
    HONE_TRY_GOTO(hone_tokenizer_open(&t->tokenizer, found));
    HONE_TRY_GOTO(hone_records_open(&t->records, input, options));
    status = do_lines(t);
done:
    for (int i = 0; i < t->n_workers; i++) free_worker(&t->workers[i]);
    hone_free(t->workers);
    for (size_t i = 0; i < t->outs; i++) hone_text_free(&t->blocks[i].out);
    hone_free(t->blocks);
    hone_free(t->at);
    hone_free(t->places);
    hone_text_free(&t->batch);
    hone_records_close(t->records);
    hone_tokenizer_free(t->tokenizer);
    hone_free(found);
    return status;
}

struct arguments {
    const char *folder, *input, *max_length, *stride, *truncation;
    bool no_special, decode, skip_special, clean_up;
};

static enum hone_status read_options(struct tokenizing *t, const struct arguments *a) {
    if (!a->folder) return hone_fail(HONE_USAGE, "tokenize: --tokenizer DIR is needed; see hone tokenize --help");
    if (a->decode && (a->max_length || a->stride || a->truncation || a->no_special))
        return hone_fail(HONE_USAGE, "tokenize: --decode goes with --input, --skip-special and --clean-up only");
    if ((a->skip_special || a->clean_up) && !a->decode)
        return hone_fail(HONE_USAGE, "tokenize: --skip-special and --clean-up go with --decode");
    if ((a->stride || a->truncation) && !a->max_length)
        return hone_fail(HONE_USAGE, "tokenize: %s goes with --max-length", a->stride ? "--stride" : "--truncation");
    int64_t max_length = 0, stride = 0;
    HONE_TRY(hone_tool_whole_number(&max_length, "tokenize: --max-length", a->max_length, 1, INT32_MAX));
    HONE_TRY(hone_tool_whole_number(&stride, "tokenize: --stride", a->stride, 0, INT32_MAX));
    static const char *const names[] = {
        [HONE_LONGEST_FIRST] = "longest_first", [HONE_ONLY_FIRST] = "only_first", [HONE_ONLY_SECOND] = "only_second"};
    int truncation = HONE_LONGEST_FIRST;
    while (a->truncation && truncation <= HONE_ONLY_SECOND && strcmp(a->truncation, names[truncation]) != 0)
        truncation++;
    if (truncation > HONE_ONLY_SECOND)
        return hone_fail(HONE_USAGE,
                         "tokenize: --truncation: found \"%s\", expected longest_first, only_first or only_second",
                         a->truncation);
    t->options = (struct hone_encode_options){.add_special = !a->no_special,
                                              .max_length = (size_t)max_length,
                                              .truncation = (enum hone_truncation)truncation,
                                              .stride = (size_t)stride};
    t->decode = a->decode;
    t->decode_options = (struct hone_decode_options){.skip_special = a->skip_special, .clean_up = a->clean_up};
    return HONE_OK;
}

int hone_tool_tokenize(int argc, char **argv) {
    hone_memory_keep_freed();
    struct arguments a = {0};
    struct tokenizing t = {0};
    int n_positional;
    bool helped;
    struct hone_tool_option options[] = {
        {"--clean-up", NULL, &a.clean_up},     {"--decode", NULL, &a.decode},
        {"--input", &a.input, NULL},           {"--max-length", &a.max_length, NULL},
        {"--no-special", NULL, &a.no_special}, {"--skip-special", NULL, &a.skip_special},
        {"--stride", &a.stride, NULL},         {"--tokenizer", &a.folder, NULL},
        {"--truncation", &a.truncation, NULL}, {0}};
    enum hone_status status = hone_tool_parse(argc, argv, options, help, &n_positional, &helped);
    if (status == HONE_OK && helped) return hone_tool_end(hone_tool_flush());
    if (status == HONE_OK && n_positional) {
        status = hone_fail(HONE_USAGE, "tokenize: unexpected \"%s\"; see hone tokenize --help", argv[1]);
    }
    if (status == HONE_OK) status = read_options(&t, &a);
    return hone_tool_end(status == HONE_OK ? tokenize(&t, a.folder, a.input) : status);
}
