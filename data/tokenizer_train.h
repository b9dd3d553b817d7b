/* Making a tokenizer from texts: a folder with tokenizer.json, which `tokenizers` loads, and tokenizer_config.json. The
 * same texts and options give the same bytes, whatever the number of threads. */
#ifndef HONE_DATA_TOKENIZER_TRAIN_H
#define HONE_DATA_TOKENIZER_TRAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

enum hone_train_kind {
    HONE_TRAIN_BPE,        /* byte level, as GPT-2's and RoBERTa's */
    HONE_TRAIN_CHARACTERS, /* each character is a token, white space and line ends too */
    HONE_TRAIN_UNIGRAM,    /* as T5's, on text in NFKC */
    HONE_TRAIN_WORDPIECE,  /* as BERT's */
    HONE_TRAIN_WORDS,      /* runs of letters and digits, and of other characters */
};

struct hone_train_options {
    enum hone_train_kind kind;
    size_t vocab_size;     /* tokens at most, special ones included; the alphabet may exceed it */
    int64_t min_frequency; /* what occurs less often makes no token (Unigram: is not used) */
    size_t alphabet;       /* the most frequent characters that are kept; 0: all */
    bool lowercase;
    /* Tokens with the first ids. Names give them their parts: [CLS] and [SEP] stand around texts as BERT's do, <s> and
     * </s> as RoBERTa's, </s> alone ends them as T5's; [UNK] or <unk> stands for what the model can't express. NULL: what
     * goes with the kind. */
    const char *const *special;
    size_t n_special;
};
/* The special tokens that go with a kind; *n their number. */
const char *const *hone_train_special(size_t *n, enum hone_train_kind kind);

struct hone_train_summary {
    int64_t lines, bytes, words, distinct_words, tokens;
};
/* Reads the texts (UTF-8, perhaps gzip or zstd; a line with its end is one text), and writes `folder`, which must not exist or be empty of
 * these files. Special tokens that the kind needs and that aren't there, or one given twice, are HONE_USAGE. */
enum hone_status hone_tokenizer_train(struct hone_train_summary *summary, const char *folder, const char *const *files,
                                      size_t n_files, const struct hone_train_options *options);

#endif
