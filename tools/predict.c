/* hone predict --model DIR [--text S | --input F] [--output F] */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/utf8.h"
#include "recipes/embedder.h"
#include "recipes/predictor.h"
#include "tools/recipe_option.h"
#include "tools/tools.h"

static const char help[] =
    "usage: hone predict --model DIR [--text TEXT | --input FILE] [--column C] [--pair C] [--output FILE]\n"
    "                    [--keep C,C…] [--top K] [--logits] [--aggregation A]\n"
    "       hone predict --model DIR [--input FILE] … --output-embeddings FILE [--pooling cls|mean]\n\n"
    "Predicts with a fine-tuned model folder and prints one row for each input, in order; as JSONL:\n"
    "  {\"label\":…,\"score\":…,\"scores\":{…}}   one label\n"
    "  {\"labels\":[…],\"scores\":{…}}           any number of labels: those that reach the model's threshold\n"
    "  {\"value\":…} or {\"values\":{…}}         regression\n"
    "  {\"entities\":[{\"entity_group\":…,\"score\":…,\"start\":…,\"end\":…,\"word\":…},…]}\n"
    "                                       entities, from a model that labels words; start and end count\n"
    "                                       characters. On a terminal: the text with its entities coloured\n\n"
    "  --model DIR    model folder with a task head, such as the output folder of hone train, or org/name[@revision]\n"
    "  --text TEXT    predict this one text\n"
    "  --input FILE   .tsv, .csv: a column of each row; .jsonl: a field of each object; each also packed with gzip or\n"
    "                 zstd; anything else: UTF-8 text, one input a line. Without --text and --input: standard input\n"
    "                 For a model that labels words also .conll, a line for each word and an empty one behind each\n"
    "                 sentence, and lists of words in .jsonl: the words are taken as they are given, and start and\n"
    "                 end count in the sentence with a space between words\n"
    "  --input-format tsv|csv|jsonl|conll|text   whatever the input's name says\n"
    "  --column C     .tsv, .csv, .conll: the column, by name (the first row is then a header and not an input) or by "
    "0-based\n"
    "                 number (default 0); .jsonl: the field, or a dotted path to it (default \"text\")\n"
    "  --pair C       column or field of the second text, for a model trained on pairs\n"
    "  --keep C,C…    columns or fields of the input that go with each prediction: under \"input\" in JSONL, as\n"
    "                 columns \"input.<name>\" in a table; \"all\" keeps all of them\n"
    "  --top K        only the K labels with the highest scores, in their order\n"
    "  --logits       scores as the model's last layer gives them, no probabilities\n"
    "  --aggregation none|simple|first|average|max   of entities: every token by itself; joined where neighbours\n"
    "                 have one type; or by whole words, which have the label of their first token (default, as in\n"
    "                 training), of the mean of their scores, or of the highest\n"
    "  --output FILE  write there, atomically, instead of to standard output: .csv and .tsv as tables, else JSONL;\n"
    "                 of entities .conll, a line for each word with its label\n"
    "  --format jsonl|csv|tsv   whatever the output's name says; of entities jsonl, conll or text (coloured)\n"
    "  --precision P  f32 (default), bf16, or auto: bf16 where this machine has it\n"
    "  --output-embeddings FILE   instead of predictions, vectors from the model's last layer, in f32: the tensor\n"
    "                 \"embeddings\" [inputs, hidden] of a .safetensors file, or the dataset of a .h5 or .hdf5\n"
    "                 file; the folder needs no task head\n"
    "  --pooling cls|mean   the first token's vector (default), or the mean over all tokens\n";

enum { KEPT_MOST = 256 };

struct predict {
    const char *model, *text, *input, *input_format, *column, *pair, *keep, *top, *output_path, *format;
    const char *precision_word, *embeddings, *pooling, *aggregation;
    enum hone_precision precision;
    struct hone_predictor predictor;
    struct hone_embedder embedder; /* instead, with --output-embeddings */
    struct hone_records *records;
    struct hone_output output;
    char *kept_names;
    const char *columns[KEPT_MOST + 2];
    size_t n_texts, n_columns; /* of the columns: text and pair come first */
    struct hone_text out;
    struct hone_file *file;
    long long done;
    double begin;
};

static void show_progress(const struct predict *p) {
    double seconds = hone_seconds() - p->begin;
    char memory[16], left[16];
    if (seconds < 2) return;
    double read = p->records ? (double)hone_records_bytes_read(p->records) : 0;
    double size = p->records ? (double)hone_records_size(p->records) : 0;
    hone_bytes(memory, (double)hone_resident_bytes());
    if (size > 0 && read > 0 && read <= size)
        hone_progress(10, "%lld predicted, %.0f a second  %.1f %%  %s  %s left", p->done, (double)p->done / seconds,
                      100 * read / size, memory, hone_duration(left, seconds * (size - read) / read));
    else
        hone_progress(10, "%lld predicted, %.0f a second  %s", p->done, (double)p->done / seconds, memory);
}

static enum hone_status write_out(struct predict *p) {
    enum hone_status status =
        p->file ? hone_file_write(p->file, p->out.bytes, p->out.length) : hone_tool_print(p->out.bytes, p->out.length);
    p->out.length = 0;
    return status;
}

static enum hone_status flush_predictions(struct predict *p) {
    p->done += p->embeddings ? p->embedder.pending.samples.n : p->predictor.waiting;
    enum hone_status status =
        p->embeddings ? hone_embedder_run(&p->embedder) : hone_predictor_run(&p->predictor, &p->out, &p->output);
    if (status != HONE_OK) return p->records ? hone_fail_prefix(status, "%s", hone_records_path(p->records)) : status;
    if (!p->embeddings) HONE_TRY(write_out(p));
    show_progress(p);
    return HONE_OK;
}

static enum hone_status predict_record(struct predict *p, bool *full) {
    struct hone_field text = {0}, pair = {0};
    const struct hone_value *words = hone_records_value(p->records, 0);
    bool given = !p->embeddings && hone_predictor_tags(&p->predictor) && words->kind == HONE_VALUE_LIST;
    if (!given) HONE_TRY(hone_records_text(&text, p->records, 0));
    if (p->pair) HONE_TRY(hone_records_text(&pair, p->records, 1));
    HONE_TRY(hone_output_keep(&p->predictor.kept, &p->output, p->records, p->n_texts));
    long long line = (long long)hone_records_line(p->records);
    enum hone_status status = p->embeddings ? hone_embedder_add(&p->embedder, text, pair, line, full)
                              : given       ? hone_predictor_add_words(&p->predictor, words, line, full)
                                            : hone_predictor_add(&p->predictor, text, pair, line, full);
    return status == HONE_OK ? status : hone_fail_prefix(status, "%s:%lld", hone_records_path(p->records), line);
}

static bool is_number(const char *text) {
    return *text && strlen(text) < 10 && strspn(text, "0123456789") == strlen(text);
}

/* The format of an option: of the word that was given, else of the name, else `otherwise`; one of the `allowed`. */
static enum hone_status format_of(enum hone_data_format *out, const char *option, const char *word, const char *path,
                                  enum hone_data_format otherwise, const char *allowed) {
    static const char *const words[] = {[HONE_FORMAT_TSV] = "tsv",
                                        [HONE_FORMAT_CSV] = "csv",
                                        [HONE_FORMAT_JSONL] = "jsonl",
                                        [HONE_FORMAT_TEXT] = "text",
                                        [HONE_FORMAT_CONLL] = "conll"};
    *out = path ? hone_format_of(path, otherwise) : otherwise;
    if (!word) word = words[*out];
    for (int i = HONE_FORMAT_TSV; i <= HONE_FORMAT_CONLL; i++) {
        if (strcmp(words[i], word) != 0) continue;
        *out = (enum hone_data_format)i;
        if (strstr(allowed, words[i])) return HONE_OK;
    }
    return hone_fail(HONE_USAGE, "predict: %s: found \"%s\", expected %s", option, word, allowed);
}

/* Cuts --keep at its commas. */
static enum hone_status add_kept(struct predict *p) {
    p->kept_names = hone_strdup(p->keep, "columns to keep");
    for (char *at = p->kept_names; at;) {
        char *comma = strchr(at, ',');
        if (comma) *comma++ = 0;
        if (!*at) return hone_fail(HONE_USAGE, "predict: --keep: a name between commas is empty");
        if (p->n_columns == KEPT_MOST + 2) return hone_fail(HONE_USAGE, "predict: --keep: more than 256 columns");
        p->columns[p->n_columns++] = at;
        at = comma;
    }
    return HONE_OK;
}

static enum hone_status open_records(struct predict *p) {
    struct hone_records_options options = {.columns = p->columns};
    bool words = !p->embeddings && hone_predictor_tags(&p->predictor);
    HONE_TRY(format_of(&options.format, "--input-format", p->input_format, p->input, HONE_FORMAT_TEXT,
                       words ? "tsv, csv, jsonl, conll or text" : "tsv, csv, jsonl or text"));
    bool jsonl = options.format == HONE_FORMAT_JSONL, all = p->keep && strcmp(p->keep, "all") == 0;
    if ((p->column || p->pair || p->keep) && options.format == HONE_FORMAT_TEXT)
        return hone_fail(HONE_USAGE,
                         "predict: --column, --pair and --keep are for .tsv, .csv and .jsonl; lines of text "
                         "have no columns");
    p->columns[p->n_columns++] = p->column ? p->column : jsonl ? "text" : "0";
    if (p->pair) p->columns[p->n_columns++] = p->pair;
    p->n_texts = p->n_columns;
    if (p->keep && !all) HONE_TRY(add_kept(p));
    for (size_t i = 0; i < p->n_columns; i++) options.header = options.header || !is_number(p->columns[i]);
    options.header = options.header || all;
    options.n_columns = p->n_columns;
    options.all = all;
    p->output.keep_all = all && jsonl;
    if (p->output.keep_all && p->output.format != HONE_FORMAT_JSONL)
        return hone_fail(HONE_USAGE, "predict: --keep all of JSONL into a table: name the fields");
    HONE_TRY(hone_records_open(&p->records, p->input, options));
    size_t n_names = 0;
    const struct hone_field *names = hone_records_names(&n_names, p->records);
    p->output.n_kept = all ? n_names : p->n_columns - p->n_texts;
    p->output.kept = hone_calloc(p->output.n_kept, sizeof *p->output.kept, "columns to keep");
    for (size_t i = 0; i < p->output.n_kept; i++)
        p->output.kept[i] = (char *)(all ? names[i].bytes : p->columns[p->n_texts + i]);
    return HONE_OK;
}

static enum hone_status predict_records(struct predict *p) {
    bool more, full;
    HONE_TRY(open_records(p));
    if (!p->embeddings) {
        hone_output_header(&p->out, &p->output);
        HONE_TRY(write_out(p));
    }
    for (;;) {
        HONE_TRY(hone_records_next(p->records, &more));
        if (!more) return flush_predictions(p);
        HONE_TRY(predict_record(p, &full));
        if (full) HONE_TRY(flush_predictions(p));
    }
}

static enum hone_status predict_text(struct predict *p) {
    struct hone_field text = {p->text, strlen(p->text)}, pair = {0};
    size_t valid = hone_utf8_valid_prefix(text.bytes, text.n);
    bool full;
    if (valid < text.n) return hone_fail(HONE_BAD_INPUT, "--text: byte %zu: invalid UTF-8", valid + 1);
    hone_output_header(&p->out, &p->output);
    HONE_TRY(hone_predictor_add(&p->predictor, text, pair, 1, &full));
    return flush_predictions(p);
}

static enum hone_status read_top(struct predict *p) {
    int64_t n = p->predictor.folder.labels.n;
    if (!p->top) return HONE_OK;
    if (hone_predictor_tags(&p->predictor))
        return hone_fail(HONE_USAGE, "predict: --top: %s labels words, each of which has one label", p->model);
    if (p->predictor.task->problem == HONE_REGRESSION)
        return hone_fail(HONE_USAGE, "predict: --top: %s is a regression, which has no scores", p->model);
    if (is_number(p->top)) p->output.top = strtol(p->top, NULL, 10);
    if (p->output.top < 1)
        return hone_fail(HONE_USAGE, "predict: --top: found \"%s\", expected a number from 1", p->top);
    if (p->output.top > n) p->output.top = n;
    return HONE_OK;
}

static enum hone_status read_logits(struct predict *p) {
    if (!p->output.logits) return HONE_OK;
    if (hone_predictor_tags(&p->predictor))
        return hone_fail(HONE_USAGE, "predict: --logits: %s labels words, by several scores each", p->model);
    if (p->predictor.task->problem == HONE_REGRESSION)
        return hone_fail(HONE_USAGE, "predict: --logits: %s is a regression, whose values are its outputs", p->model);
    p->output.threshold = log(p->output.threshold / (1 - p->output.threshold));
    return HONE_OK;
}

/* What is only for models that label words, or not for them. */
static enum hone_status read_tagging(struct predict *p) {
    bool tags = hone_predictor_tags(&p->predictor);
    enum hone_aggregation *aggregation = &p->predictor.tagger.aggregator.aggregation;
    const char *option = p->format || !p->output_path ? "--format" : "--output";
    bool shown = tags && !p->output_path && !p->keep && isatty(STDOUT_FILENO);
    HONE_TRY(format_of(&p->output.format, option, p->format, p->output_path,
                       shown ? HONE_FORMAT_TEXT : HONE_FORMAT_JSONL,
                       tags ? "jsonl, conll or text, as the model labels words" : "tsv, csv or jsonl"));
    if (!tags && p->aggregation) return hone_fail(HONE_USAGE, "predict: --aggregation: %s labels no words", p->model);
    if (!tags) return HONE_OK;
    if (p->pair) return hone_fail(HONE_USAGE, "predict: --pair: %s labels the words of single texts", p->model);
    if (p->keep && p->output.format != HONE_FORMAT_JSONL)
        return hone_fail(HONE_USAGE, "predict: --keep: only JSONL has room for it beside entities");
    if (p->aggregation && !hone_aggregation_read(aggregation, p->aggregation))
        return hone_fail(HONE_USAGE,
                         "predict: --aggregation: found \"%s\", expected none, simple, first, average or max",
                         p->aggregation);
    if (*aggregation <= HONE_AGGREGATION_SIMPLE && p->output.format == HONE_FORMAT_CONLL)
        return hone_fail(HONE_USAGE, "predict: --aggregation: CoNLL has a line for each word: first, average or max");
    return HONE_OK;
}

static enum hone_status embed(struct predict *p) {
    bool mean = p->pooling && strcmp(p->pooling, "mean") == 0;
    bool hdf5 = hone_ends_with(p->embeddings, ".h5") || hone_ends_with(p->embeddings, ".hdf5");
    if (!hdf5 && !hone_ends_with(p->embeddings, ".safetensors"))
        return hone_fail(HONE_USAGE,
                         "predict: --output-embeddings: expected a name that ends in .safetensors, .h5 or .hdf5");
    if (p->pooling && !mean && strcmp(p->pooling, "cls") != 0)
        return hone_fail(HONE_USAGE, "predict: --pooling: found \"%s\", expected cls or mean", p->pooling);
    enum hone_status status = hone_embedder_open(&p->embedder, p->model, mean ? HONE_POOL_MEAN : HONE_POOL_CLS);
    p->begin = hone_seconds();
    if (status == HONE_OK) status = predict_records(p);
    if (status == HONE_OK)
        status = hdf5 ? hone_embedder_write_hdf5(&p->embedder, p->embeddings)
                      : hone_embedder_write_safetensors(&p->embedder, p->embeddings);
    hone_progress_end();
    hone_free(p->output.kept);
    hone_records_close(p->records);
    hone_embedder_close(&p->embedder);
    return status;
}

static enum hone_status predict(struct predict *p) {
    char *temporary = NULL;
    enum hone_status status;
    HONE_TRY_GOTO(hone_predictor_open(&p->predictor, p->model, p->precision));
    HONE_TRY_GOTO(read_tagging(p));
    p->output.labels = &p->predictor.folder.labels;
    p->output.problem = p->predictor.task->problem;
    p->output.threshold = p->predictor.folder.threshold;
    HONE_TRY_GOTO(read_top(p));
    HONE_TRY_GOTO(read_logits(p));
    if (p->output_path) status = hone_file_replace(&p->file, &temporary, p->output_path);
    p->begin = hone_seconds();
    if (status == HONE_OK) status = p->text ? predict_text(p) : predict_records(p);
    if (p->output_path) {
        status = hone_file_replace_end(p->file, temporary, p->output_path, status);
    } else if (status == HONE_OK) {
        status = hone_tool_flush();
    }
done:
    hone_progress_end();
    hone_text_free(&p->out);
    hone_free(p->output.kept);
    hone_free(p->kept_names);
    hone_records_close(p->records);
    hone_predictor_close(&p->predictor);
    return status;
}

int hone_tool_predict(int argc, char **argv) {
    struct predict p = {0};
    int n_positional;
    bool helped;
    struct hone_tool_option options[] = {{"--aggregation", &p.aggregation, NULL},
                                         {"--column", &p.column, NULL},
                                         {"--format", &p.format, NULL},
                                         {"--input", &p.input, NULL},
                                         {"--input-format", &p.input_format, NULL},
                                         {"--keep", &p.keep, NULL},
                                         {"--logits", NULL, &p.output.logits},
                                         {"--model", &p.model, NULL},
                                         {"--output", &p.output_path, NULL},
                                         {"--output-embeddings", &p.embeddings, NULL},
                                         {"--pair", &p.pair, NULL},
                                         {"--pooling", &p.pooling, NULL},
                                         {"--precision", &p.precision_word, NULL},
                                         {"--text", &p.text, NULL},
                                         {"--top", &p.top, NULL},
                                         {0}};
    enum hone_status status = hone_tool_parse(argc, argv, options, help, &n_positional, &helped);
    if (status == HONE_OK && helped) return hone_tool_end(hone_tool_flush());
    if (status == HONE_OK && n_positional) {
        status = hone_fail(HONE_USAGE, "predict: unexpected \"%s\"; see hone predict --help", argv[1]);
    } else if (status == HONE_OK && !p.model) {
        status = hone_fail(HONE_USAGE, "predict: --model DIR is needed; see hone predict --help");
    } else if (status == HONE_OK && p.text && p.input) {
        status = hone_fail(HONE_USAGE, "predict: give --text or --input, not both");
    } else if (status == HONE_OK && p.text && (p.column || p.pair || p.keep || p.input_format)) {
        status =
            hone_fail(HONE_USAGE, "predict: --column, --pair, --keep and --input-format are for files, not for --text");
    } else if (status == HONE_OK && p.embeddings &&
               (p.text || p.keep || p.top || p.output.logits || p.output_path || p.format || p.precision_word ||
                p.aggregation)) {
        status = hone_fail(HONE_USAGE, "predict: --output-embeddings goes with neither --text nor --keep, --top, "
                                       "--logits, --aggregation, --output and --format");
    } else if (status == HONE_OK && p.pooling && !p.embeddings) {
        status = hone_fail(HONE_USAGE, "predict: --pooling is for --output-embeddings");
    }
    if (status == HONE_OK) status = hone_tool_precision(&p.precision, p.precision_word);
    if (status == HONE_OK) status = p.embeddings ? embed(&p) : predict(&p);
    return hone_tool_end(status);
}
