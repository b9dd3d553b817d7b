/* The parts that a tokenizer is put together from, for data/ itself and its tests. A text goes
 *     added tokens that match raw text -> normalizer -> added tokens that match normalised text -> words -> model
 *     -> truncation and special tokens.
 * Each part is a list of steps with a file of its own; reading tokenizer.json fills the lists, and older folders are
 * turned into what their tokenizer.json would be and read the same way. */
#ifndef HONE_DATA_TOKENIZER_PARTS_H
#define HONE_DATA_TOKENIZER_PARTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/json.h"
#include "base/memory.h"
#include "base/status.h"
#include "data/decoder.h"
#include "data/model.h"
#include "data/model_scan.h"
#include "data/normalizer.h"
#include "data/pre_tokenizer.h"
#include "data/tokenizer.h"
#include "data/trie.h"
#include "data/vocabulary.h"

/* A token that is looked for in the text itself. */
struct hone_added_token {
    char *text;
    size_t n;
    int32_t id;
    bool single_word, lstrip, rstrip, normalized, special;
    char *normalized_text; /* of one that is `normalized`: what is looked for, and what decoding gives */
    bool skipped;          /* by decoding without special tokens */
};
struct hone_added_tokens {
    struct hone_added_token *at;
    size_t n, capacity;
    struct hone_trie texts, raw, normalized; /* values are places in `at` */
    bool raw_begins[256], normalized_begins[256];
    int raw_only_begin; /* the one byte with which all of `raw` begin, or -1 */
};
/* A piece of text: an added token, or (-1) what lies between. */
struct hone_piece {
    size_t begin, end;
    int32_t added;
};
struct hone_pieces {
    struct hone_piece *at;
    size_t n, capacity;
};
/* Takes over n tokens, their texts owned, ids set. Two that look for the same: HONE_BAD_INPUT naming `where`. */
enum hone_status hone_added_tokens_finish(struct hone_added_tokens *added, const struct hone_normalizer *normalizer,
                                          const char *where);
/* Cuts n bytes of text where added tokens match, those for raw or for normalised text. */
void hone_added_tokens_split(struct hone_pieces *out, const struct hone_added_tokens *added, bool normalized,
                             const char *text, size_t n);
void hone_added_tokens_free(struct hone_added_tokens *added);

/* What the post-processor lays out: sequences and special tokens, in order. */
struct hone_template_piece {
    int32_t sequence; /* 0, 1, or -1: a special token */
    int32_t id, type_id;
    char *text; /* special token: its text, as the post-processor gives it */
};
struct hone_template {
    struct hone_template_piece *at;
    size_t n, capacity, added; /* added: special tokens among them */
};
void hone_template_add(struct hone_template *to, int32_t sequence, int32_t id, int32_t type_id, const char *text);
void hone_template_free(struct hone_template *of);
struct hone_post_processor {
    bool given;   /* a processor that lays out, else the sequences follow one another */
    bool roberta; /* it is RobertaProcessing */
    struct hone_template single, pair;
    bool trims, trims_prefix_space; /* ByteLevel's trim_offsets, and its add_prefix_space */
    /* Spaces with which the text of each id begins and ends, for trimming; made when it is needed. */
    uint32_t *leading, *trailing;
};
/* BERT's: [CLS] A [SEP], [CLS] A [SEP] B [SEP] with type 1 from B on; RoBERTa's: <s> A </s>, <s> A </s> </s> B </s>,
 * type 0. */
void hone_template_bert(struct hone_post_processor *to, const char *cls, int32_t cls_id, const char *sep,
                        int32_t sep_id, bool roberta);
enum hone_status hone_post_processor_read(struct hone_post_processor *to, const json_t *part, const char *where);
void hone_post_processor_finish(struct hone_post_processor *post_processor, const struct hone_vocabulary *vocabulary,
                                int32_t size);
void hone_post_processor_free(struct hone_post_processor *post_processor);

/* Text is cut into stretches whose tokens don't depend on what stands around them, and which are remembered. */
enum hone_stretches {
    HONE_STRETCHES_NONE,       /* a piece of text is worked on as a whole */
    HONE_STRETCHES_BERT,       /* ASCII words, ASCII punctuation, and other text between ASCII spaces and punctuation */
    HONE_STRETCHES_BYTE_LEVEL, /* the words of GPT-2's expression */
    HONE_STRETCHES_SPACES,     /* between ASCII spaces */
};
/* What a byte of raw text is to HONE_STRETCHES_BERT. */
enum hone_byte_kind { HONE_BYTE_WORD, HONE_BYTE_SPACE, HONE_BYTE_PUNCTUATION, HONE_BYTE_OTHER };

struct hone_tokenizer {
    uint64_t number;                /* no two of a process have the same */
    struct hone_model_scan scanned; /* while it is read: what tokenizer.json's JSON doesn't hold */
    struct hone_vocabulary vocabulary;
    struct hone_normalizer normalizer;
    struct hone_pre_tokenizer pre_tokenizer;
    struct hone_tokenizer_model *model;
    struct hone_post_processor post_processor;
    struct hone_decoder decoder;
    struct hone_added_tokens added;
    int32_t size, unk; /* unk: the unknown token, or -1 */
    bool subword_prefix;
    int64_t max_length;
    enum hone_stretches stretches;
    bool prefix_space;  /* HONE_STRETCHES_BYTE_LEVEL: in front of a piece that begins with none */
    uint8_t kinds[256]; /* HONE_STRETCHES_BERT: enum hone_byte_kind of each byte */
    char lower[256];    /* its lowercase form, where text is lowercased */
};

/* Reads tokenizer.json, or what stands for it; `path` stands in messages. */
enum hone_status hone_tokenizer_read_json(struct hone_tokenizer *tokenizer, const json_t *root, const char *path);
/* Older folders: *root becomes what their tokenizer.json would be, `path` (owned) the file to name in messages.
 * HONE_OK with *root NULL when the folder has no such file. limit as in hone_tokenizer_open_within. */
enum hone_status hone_tokenizer_read_vocab(json_t **root, char **path, const char *folder, int64_t limit);
enum hone_status hone_tokenizer_read_merges(json_t **root, char **path, const char *folder, int64_t limit);
enum hone_status hone_tokenizer_read_spiece(json_t **root, char **path, const char *folder, int64_t limit);
/* Reads a model into tokenizer->vocabulary, ->model and ->size. */
enum hone_status hone_model_read(struct hone_tokenizer *tokenizer, const json_t *part, const char *where);

/* Access to tokenizer.json. `where` names the object, messages name where.key. */
enum hone_status hone_part_need(const json_t **out, const json_t *object, const char *key, json_type type,
                                const char *where);
enum hone_status hone_part_bool(bool *out, const json_t *object, const char *key, const char *where);
/* `otherwise` where the key is missing or null. */
enum hone_status hone_part_bool_or(bool *out, const json_t *object, const char *key, bool otherwise, const char *where);
enum hone_status hone_part_string_or(const char **out, const json_t *object, const char *key, const char *otherwise,
                                     const char *where);
/* One character. */
enum hone_status hone_part_character(int32_t *out, const json_t *object, const char *key, const char *where);
enum hone_status hone_part_id(int32_t *out, const json_t *value, const char *where);
enum hone_status hone_part_fail_type(const char *where, const json_t *found, const char *expected);
/* `type` of an object, or an error that says what is expected. */
enum hone_status hone_part_type(const char **out, const json_t *part, const char *where);
enum hone_status hone_part_fail_unsupported(const char *where, const char *type, const char *supported);
/* Calls `read` for each of a list of parts, with its place. */
enum hone_status hone_part_each(void *to, const json_t *part, const char *key, const char *where,
                                enum hone_status (*read)(void *, const json_t *, const char *));

/* Reads an added token: an object with content and flags, its text owned; the id isn't looked at. */
enum hone_status hone_added_token_read(struct hone_added_token *out, const json_t *object, const char *where);

/* Puts sequences and special tokens together, after truncation. */
enum hone_status hone_post_process(struct hone_encoding *out, const struct hone_tokenizer *tokenizer,
                                   const struct hone_encode_options *options, bool pair);

#endif
