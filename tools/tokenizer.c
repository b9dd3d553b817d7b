/* hone tokenizer train --model KIND --output DIR FILE… */
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "base/suggest.h"
#include "data/tokenizer_train.h"
#include "tools/tools.h"

static const char help[] =
    "usage: hone tokenizer train --model KIND --output DIR [options] FILE…\n\n"
    "Makes a tokenizer from text files (UTF-8, a text a line): DIR/tokenizer.json and DIR/tokenizer_config.json, "
    "which\n"
    "Transformers and `hone tokenize` load. The same texts and options give the same files.\n\n"
    "  --model KIND       bpe         byte-level BPE, as GPT-2's and RoBERTa's\n"
    "                     characters  each character is a token\n"
    "                     unigram     pieces with probabilities, as T5's, on text in NFKC\n"
    "                     wordpiece   as BERT's\n"
    "                     words       whole words and runs of punctuation\n"
    "  --output DIR       folder to write\n"
    "  --vocab-size N     tokens at most, special ones included (default 30000; unigram 8000)\n"
    "  --min-frequency N  what occurs less often makes no token (default 2; words 1; not for unigram, characters)\n"
    "  --alphabet N       keep the N most frequent characters (default: all; wordpiece 1000; not for bpe, words)\n"
    "  --lowercase        lowercase the text (wordpiece: strip accents, too)\n"
    "  --special A,B,…    tokens with the first ids. [CLS] and [SEP] stand around texts as BERT's do, <s> and </s> as\n"
    "                     RoBERTa's, </s> alone ends them as T5's; [UNK] or <unk> stands for unknown text. Default:\n"
    "                     [PAD],[UNK],[CLS],[SEP],[MASK]; bpe <|endoftext|>; unigram <pad>,</s>,<unk>\n";

static const struct {
    const char *name;
    enum hone_train_kind kind;
    int64_t vocab_size, min_frequency, alphabet; /* defaults */
    bool takes_frequency, takes_alphabet;
} kinds[] = {
    {"bpe", HONE_TRAIN_BPE, 30000, 2, 0, true, false},
    {"characters", HONE_TRAIN_CHARACTERS, 30000, 1, 0, false, true},
    {"unigram", HONE_TRAIN_UNIGRAM, 8000, 1, 0, false, true},
    {"wordpiece", HONE_TRAIN_WORDPIECE, 30000, 2, 1000, true, true},
    {"words", HONE_TRAIN_WORDS, 30000, 1, 0, true, false},
};
enum { N_KINDS = sizeof kinds / sizeof *kinds };

static enum hone_status find_kind(int *out, const char *name) {
    const char *names[N_KINDS];
    for (int i = 0; i < N_KINDS; i++) {
        names[i] = kinds[i].name;
        if (strcmp(name, kinds[i].name) == 0) {
            *out = i;
            return HONE_OK;
        }
    }
    const char *near = hone_suggest(name, names, N_KINDS);
    return hone_fail(HONE_USAGE, "tokenizer: unknown model \"%s\"%s%s%s; see hone tokenizer --help", name,
                     near ? " (did you mean \"" : "", near ? near : "", near ? "\"?)" : "");
}

/* Cuts `text` at its commas, in place. */
static const char **split(size_t *n, char *text) {
    *n = 1;
    for (const char *at = text; (at = strchr(at, ',')); at++) ++*n;
    const char **out = hone_alloc(*n, sizeof *out, "special tokens");
    for (size_t i = 0; i < *n; i++) {
        char *comma = strchr(text, ',');
        out[i] = text;
        if (comma) *comma = '\0';
        text = comma ? comma + 1 : text;
    }
    return out;
}

struct arguments {
    const char *model, *output, *vocab_size, *min_frequency, *alphabet, *special;
    bool lowercase;
};

static enum hone_status train(const struct arguments *a, const char *const *files, size_t n_files) {
    int kind = 0;
    if (!a->model) return hone_fail(HONE_USAGE, "tokenizer: --model KIND is needed; see hone tokenizer --help");
    HONE_TRY(find_kind(&kind, a->model));
    if (!a->output) return hone_fail(HONE_USAGE, "tokenizer: --output DIR is needed; see hone tokenizer --help");
    if (!n_files) return hone_fail(HONE_USAGE, "tokenizer: give text files to train on; see hone tokenizer --help");
    const char *unused = a->min_frequency && !kinds[kind].takes_frequency ? "--min-frequency"
                         : a->alphabet && !kinds[kind].takes_alphabet     ? "--alphabet"
                                                                          : NULL;
    if (unused) return hone_fail(HONE_USAGE, "tokenizer: %s has no meaning for --model %s", unused, a->model);
    int64_t vocab_size = kinds[kind].vocab_size, min_frequency = kinds[kind].min_frequency,
            alphabet = kinds[kind].alphabet;
    HONE_TRY(hone_tool_whole_number(&vocab_size, "tokenizer: --vocab-size", a->vocab_size, 1, INT32_MAX));
    HONE_TRY(hone_tool_whole_number(&min_frequency, "tokenizer: --min-frequency", a->min_frequency, 1, INT64_MAX));
    HONE_TRY(hone_tool_whole_number(&alphabet, "tokenizer: --alphabet", a->alphabet, 1, INT32_MAX));
    struct hone_train_options options = {.kind = kinds[kind].kind,
                                         .vocab_size = (size_t)vocab_size,
                                         .min_frequency = min_frequency,
                                         .alphabet = (size_t)alphabet,
                                         .lowercase = a->lowercase};
    char *special = a->special ? hone_strdup(a->special, "special tokens") : NULL;
    const char **list = special ? split(&options.n_special, special) : NULL;
    options.special = list;
    struct hone_train_summary summary;
    enum hone_status status = hone_tokenizer_train(&summary, a->output, files, n_files, &options);
    if (status == HONE_OK)
        hone_info("%s: %lld tokens from %lld words (%lld distinct) in %lld lines", a->output, (long long)summary.tokens,
                  (long long)summary.words, (long long)summary.distinct_words, (long long)summary.lines);
    hone_free(list);
    hone_free(special);
    return status;
}

int hone_tool_tokenizer(int argc, char **argv) {
    struct arguments a = {0};
    int n_positional;
    bool helped;
    struct hone_tool_option options[] = {{"--alphabet", &a.alphabet, NULL},
                                         {"--lowercase", NULL, &a.lowercase},
                                         {"--min-frequency", &a.min_frequency, NULL},
                                         {"--model", &a.model, NULL},
                                         {"--output", &a.output, NULL},
                                         {"--special", &a.special, NULL},
                                         {"--vocab-size", &a.vocab_size, NULL},
                                         {0}};
    enum hone_status status = hone_tool_parse(argc, argv, options, help, &n_positional, &helped);
    if (status == HONE_OK && helped) return hone_tool_end(hone_tool_flush());
    if (status == HONE_OK && (!n_positional || strcmp(argv[1], "train") != 0)) {
        status = hone_fail(HONE_USAGE, "tokenizer: say what to do: train; see hone tokenizer --help");
    }
    if (status == HONE_OK) status = train(&a, (const char *const *)argv + 2, (size_t)n_positional - 1);
    return hone_tool_end(status);
}
