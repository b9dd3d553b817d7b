/* Decoders of tokenizer.json: a list of steps over the texts of tokens, joined in the end. */
#ifndef HONE_DATA_DECODER_H
#define HONE_DATA_DECODER_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/memory.h"
#include "base/status.h"
#include "data/pattern.h"

enum hone_decoder_kind {
    HONE_DECODER_BPE,
    HONE_DECODER_BYTE_FALLBACK,
    HONE_DECODER_BYTE_LEVEL,
    HONE_DECODER_CTC,
    HONE_DECODER_FUSE,
    HONE_DECODER_METASPACE,
    HONE_DECODER_REPLACE,
    HONE_DECODER_STRIP,
    HONE_DECODER_WORDPIECE,
};
struct hone_decoder_step {
    enum hone_decoder_kind kind;
    char *text;          /* BPE's suffix, WordPiece's prefix, Replace's content, CTC's pad_token */
    char *delimiter;     /* CTC */
    bool cleanup;        /* WordPiece, CTC */
    int32_t code;        /* Metaspace's replacement, what Strip takes off */
    bool drops_first;    /* Metaspace: no space for a mark in the first token */
    int64_t start, stop; /* Strip */
    struct hone_pattern pattern;
};
struct hone_decoder {
    bool given; /* else texts are joined with spaces */
    struct hone_decoder_step *at;
    size_t n, capacity;
};
/* Appends the steps that a decoder of tokenizer.json stands for (null: none). */
enum hone_status hone_decoder_read(struct hone_decoder *to, const json_t *part, const char *where);
void hone_decoder_free(struct hone_decoder *decoder);

/* *out becomes the text, owned, joined from n texts of tokens. */
void hone_decode(struct hone_text *out, const struct hone_decoder *decoder, const char *const *texts, size_t n);
/* Transformers' clean_up_tokenization_spaces, or with `token` the WordPiece decoder's clean-up of one token. */
void hone_clean_up(struct hone_text *text, bool token);

#endif
