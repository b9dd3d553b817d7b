/* From texts to a folder: the parts of tokenizer.json around the model, which also cut the texts that it is trained on,
 * and the model as JSON. */
#include "data/tokenizer_train.h"

#include <string.h>

#include "base/io.h"
#include "base/json.h"
#include "base/memory.h"
#include "data/corpus.h"
#include "data/train_models.h"

#define MODEL_INPUT_MOST 100 /* characters of a word, as in the reference */

static const char *const of_bert[] = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"};
static const char *const of_gpt2[] = {"<|endoftext|>"};
static const char *const of_t5[] = {"<pad>", "</s>", "<unk>"};

const char *const *hone_train_special(size_t *n, enum hone_train_kind kind) {
    const char *const *special = kind == HONE_TRAIN_BPE ? of_gpt2 : kind == HONE_TRAIN_UNIGRAM ? of_t5 : of_bert;
    *n = kind == HONE_TRAIN_BPE       ? sizeof of_gpt2 / sizeof *of_gpt2
         : kind == HONE_TRAIN_UNIGRAM ? sizeof of_t5 / sizeof *of_t5
                                      : sizeof of_bert / sizeof *of_bert;
    return special;
}

/* What a name makes of a special token, in Transformers' words. */
static const struct {
    const char *name, *key;
} roles[] = {
    {"<mask>", "mask_token"},       {"<pad>", "pad_token"},         {"<s>", "bos_token"},     {"<s>", "cls_token"},
    {"<unk>", "unk_token"},         {"[CLS]", "cls_token"},         {"[MASK]", "mask_token"}, {"[PAD]", "pad_token"},
    {"[SEP]", "sep_token"},         {"[UNK]", "unk_token"},         {"</s>", "eos_token"},    {"</s>", "sep_token"},
    {"<|endoftext|>", "bos_token"}, {"<|endoftext|>", "eos_token"},
};

struct making {
    const struct hone_train_options *options;
    const char *const *special;
    size_t n_special;
    struct hone_trained trained;
    json_t *normalizer, *pre_tokenizer; /* null of JSON: none */
};

static int special_id(const struct making *m, const char *name) {
    for (size_t i = 0; i < m->n_special; i++)
        if (strcmp(m->special[i], name) == 0) return (int)i;
    return -1;
}

static const char *unknown_token(const struct making *m) {
    return special_id(m, "[UNK]") >= 0 ? "[UNK]" : special_id(m, "<unk>") >= 0 ? "<unk>" : NULL;
}

static enum hone_status check_special(const struct making *m) {
    for (size_t i = 0; i < m->n_special; i++) {
        if (!*m->special[i]) return hone_fail(HONE_USAGE, "a special token is empty");
        for (size_t j = 0; j < i; j++)
            if (strcmp(m->special[i], m->special[j]) == 0)
                return hone_fail(HONE_USAGE, "special token \"%s\" is given twice", m->special[i]);
    }
    if (m->options->kind != HONE_TRAIN_BPE && !unknown_token(m))
        return hone_fail(HONE_USAGE, "no special token stands for unknown text: add [UNK] or <unk>");
    if ((special_id(m, "[CLS]") >= 0) != (special_id(m, "[SEP]") >= 0))
        return hone_fail(HONE_USAGE, "of the special tokens [CLS] and [SEP] only one is there, expected both or none");
    if (m->options->vocab_size <= m->n_special)
        return hone_fail(HONE_USAGE, "a vocabulary of %zu leaves no room besides %zu special tokens",
                         m->options->vocab_size, m->n_special);
    return HONE_OK;
}

static json_t *lowercased(bool lowercase, json_t *first, json_t *second) {
    json_t *steps = json_array();
    if (first) json_array_append_new(steps, first);
    if (second) json_array_append_new(steps, second);
    if (lowercase) json_array_append_new(steps, json_pack("{s:s}", "type", "Lowercase"));
    if (json_array_size(steps)) return json_pack("{s:s, s:o}", "type", "Sequence", "normalizers", steps);
    json_decref(steps);
    return json_null();
}

static json_t *metaspace(void) {
    return json_pack("{s:s, s:s, s:s, s:b}", "type", "Metaspace", "replacement", "▁", "prepend_scheme", "always",
                     "split", 1);
}

static json_t *byte_level(void) {
    return json_pack("{s:s, s:b, s:b, s:b}", "type", "ByteLevel", "add_prefix_space", 0, "trim_offsets", 1, "use_regex",
                     1);
}

/* What stands before the model. */
static void make_front(struct making *m) {
    bool lowercase = m->options->lowercase;
    m->pre_tokenizer = json_null();
    switch (m->options->kind) {
    case HONE_TRAIN_BPE:
        m->normalizer = lowercased(lowercase, NULL, NULL);
        m->pre_tokenizer = byte_level();
        return;
    case HONE_TRAIN_CHARACTERS:
        m->normalizer = lowercased(lowercase, NULL, NULL);
        return;
    case HONE_TRAIN_UNIGRAM:
        m->normalizer = lowercased(lowercase, json_pack("{s:s}", "type", "Nmt"), json_pack("{s:s}", "type", "NFKC"));
        m->pre_tokenizer = json_pack("{s:s, s:[{s:s}, o]}", "type", "Sequence", "pretokenizers", "type",
                                     "WhitespaceSplit", metaspace());
        return;
    case HONE_TRAIN_WORDPIECE:
        m->normalizer = json_pack("{s:s, s:b, s:b, s:n, s:b}", "type", "BertNormalizer", "clean_text", 1,
                                  "handle_chinese_chars", 1, "strip_accents", "lowercase", (int)lowercase);
        m->pre_tokenizer = json_pack("{s:s}", "type", "BertPreTokenizer");
        return;
    case HONE_TRAIN_WORDS:
        m->normalizer = lowercased(lowercase, NULL, NULL);
        m->pre_tokenizer = json_pack("{s:s}", "type", "Whitespace");
        return;
    }
}

static json_t *decoder(enum hone_train_kind kind) {
    switch (kind) {
    case HONE_TRAIN_BPE:
        return byte_level();
    case HONE_TRAIN_CHARACTERS:
        return json_pack("{s:s}", "type", "Fuse");
    case HONE_TRAIN_UNIGRAM:
        return metaspace();
    case HONE_TRAIN_WORDPIECE:
        return json_pack("{s:s, s:s, s:b}", "type", "WordPiece", "prefix", "##", "cleanup", 1);
    case HONE_TRAIN_WORDS:
        break;
    }
    return json_null();
}

/* One piece of a TemplateProcessing: "A", "B", or a special token. */
static void add_piece(json_t *pieces, const char *name, int type_id) {
    const char *kind = strcmp(name, "A") == 0 || strcmp(name, "B") == 0 ? "Sequence" : "SpecialToken";
    json_array_append_new(pieces, json_pack("{s:{s:s, s:i}}", kind, "id", name, "type_id", type_id));
}

static json_t *template_of(const struct making *m, const char *begin, const char *end) {
    json_t *single = json_array(), *pair = json_array(), *tokens = json_object();
    const char *names[] = {begin, end};
    for (int i = 0; i < 2; i++)
        if (names[i])
            json_object_set_new(
                tokens, names[i],
                json_pack("{s:s, s:[i], s:[s]}", "id", names[i], "ids", special_id(m, names[i]), "tokens", names[i]));
    if (begin) add_piece(single, begin, 0);
    if (begin) add_piece(pair, begin, 0);
    add_piece(single, "A", 0);
    add_piece(pair, "A", 0);
    add_piece(single, end, 0);
    add_piece(pair, end, 0);
    /* T5 knows no type ids. */
    add_piece(pair, "B", begin ? 1 : 0);
    add_piece(pair, end, begin ? 1 : 0);
    return json_pack("{s:s, s:o, s:o, s:o}", "type", "TemplateProcessing", "single", single, "pair", pair,
                     "special_tokens", tokens);
}

static json_t *post_processor(const struct making *m) {
    int end = special_id(m, "</s>"), begin = special_id(m, "<s>");
    if (special_id(m, "[CLS]") >= 0) return template_of(m, "[CLS]", "[SEP]");
    if (begin >= 0 && end >= 0)
        return json_pack("{s:s, s:[si], s:[si], s:b, s:b}", "type", "RobertaProcessing", "sep", "</s>", end, "cls",
                         "<s>", begin, "trim_offsets", 1, "add_prefix_space", 0);
    if (end >= 0) return template_of(m, NULL, "</s>");
    if (m->options->kind != HONE_TRAIN_BPE) return json_null();
    json_t *part = byte_level();
    json_object_set_new(part, "trim_offsets", json_false());
    return part;
}

static json_t *text_of(const struct hone_trained *trained, size_t i) {
    return json_stringn_nocheck(hone_strings_text(&trained->tokens, i), trained->tokens.at[i].n);
}

static json_t *vocabulary(const struct hone_trained *trained) {
    json_t *out = json_object();
    for (size_t i = 0; i < trained->tokens.n; i++)
        json_object_setn_new_nocheck(out, hone_strings_text(&trained->tokens, i), trained->tokens.at[i].n,
                                     json_integer((json_int_t)i));
    return out;
}

static json_t *scored_vocabulary(const struct hone_trained *trained) {
    json_t *out = json_array();
    for (size_t i = 0; i < trained->tokens.n; i++)
        json_array_append_new(out, json_pack("[o, f]", text_of(trained, i), trained->scores[i]));
    return out;
}

static json_t *model(const struct making *m) {
    const struct hone_trained *trained = &m->trained;
    json_t *merges;
    switch (m->options->kind) {
    case HONE_TRAIN_WORDPIECE:
        return json_pack("{s:s, s:s, s:s, s:i, s:o}", "type", "WordPiece", "unk_token", unknown_token(m),
                         "continuing_subword_prefix", "##", "max_input_chars_per_word", MODEL_INPUT_MOST, "vocab",
                         vocabulary(trained));
    case HONE_TRAIN_WORDS:
        return json_pack("{s:s, s:o, s:s}", "type", "WordLevel", "vocab", vocabulary(trained), "unk_token",
                         unknown_token(m));
    case HONE_TRAIN_UNIGRAM:
        return json_pack("{s:s, s:i, s:o, s:b}", "type", "Unigram", "unk_id", special_id(m, unknown_token(m)), "vocab",
                         scored_vocabulary(trained), "byte_fallback", 0);
    case HONE_TRAIN_BPE:
    case HONE_TRAIN_CHARACTERS:
        break;
    }
    merges = json_array();
    for (size_t i = 0; i < trained->n_merges; i++)
        json_array_append_new(merges, json_pack("[o, o]", text_of(trained, (size_t)trained->merges[i].a),
                                                text_of(trained, (size_t)trained->merges[i].b)));
    const char *unknown = m->options->kind == HONE_TRAIN_CHARACTERS ? unknown_token(m) : NULL;
    return json_pack("{s:s, s:n, s:s?, s:n, s:n, s:b, s:b, s:b, s:o, s:o}", "type", "BPE", "dropout", "unk_token",
                     unknown, "continuing_subword_prefix", "end_of_word_suffix", "fuse_unk", 0, "byte_fallback", 0,
                     "ignore_merges", 0, "vocab", vocabulary(trained), "merges", merges);
}

static json_t *tokenizer_json(const struct making *m) {
    json_t *added = json_array();
    for (size_t i = 0; i < m->n_special; i++) {
        /* RoBERTa's mask takes the space before it. */
        int lstrip = strcmp(m->special[i], "<mask>") == 0;
        json_array_append_new(added, json_pack("{s:i, s:s, s:b, s:b, s:b, s:b, s:b}", "id", (int)i, "content",
                                               m->special[i], "single_word", 0, "lstrip", lstrip, "rstrip", 0,
                                               "normalized", 0, "special", 1));
    }
    return json_pack("{s:s, s:n, s:n, s:o, s:O, s:O, s:o, s:o, s:o}", "version", "1.0", "truncation", "padding",
                     "added_tokens", added, "normalizer", m->normalizer, "pre_tokenizer", m->pre_tokenizer,
                     "post_processor", post_processor(m), "decoder", decoder(m->options->kind), "model", model(m));
}

/* With a class that leaves everything to tokenizer.json. */
static json_t *tokenizer_config(const struct making *m) {
    json_t *out =
        json_pack("{s:s, s:b}", "tokenizer_class", "PreTrainedTokenizerFast", "clean_up_tokenization_spaces", 0);
    for (size_t i = 0; i < sizeof roles / sizeof *roles; i++)
        if (special_id(m, roles[i].name) >= 0) json_object_set_new(out, roles[i].key, json_string(roles[i].name));
    return out;
}

static enum hone_status train(struct making *m, struct hone_train_summary *summary, const char *const *files,
                              size_t n_files) {
    struct hone_normalizer normalizer = {0};
    struct hone_pre_tokenizer pre_tokenizer = {0};
    struct hone_corpus corpus = {.normalizer = &normalizer,
                                 .pre_tokenizer = &pre_tokenizer,
                                 .characters = m->options->kind == HONE_TRAIN_CHARACTERS};
    struct hone_train_limits limits = {.vocab_size = m->options->vocab_size,
                                       .min_frequency = m->options->min_frequency,
                                       .alphabet = m->options->alphabet,
                                       .byte_alphabet = m->options->kind == HONE_TRAIN_BPE,
                                       .prefix = m->options->kind == HONE_TRAIN_WORDPIECE ? "##" : NULL,
                                       .special = m->special,
                                       .n_special = m->n_special};
    enum hone_status status;
    make_front(m);
    HONE_TRY_GOTO(hone_normalizer_read(&normalizer, m->normalizer, "normalizer"));
    HONE_TRY_GOTO(hone_pre_tokenizer_read(&pre_tokenizer, m->pre_tokenizer, "pre_tokenizer"));
    for (size_t i = 0; i < n_files; i++) HONE_TRY_GOTO(hone_corpus_add(&corpus, files[i]));
    hone_corpus_finish(&corpus);
    if (!corpus.words.n) {
        status = hone_fail(HONE_BAD_INPUT, "%s: no words in %s, expected text to train on", files[0],
                           n_files > 1 ? "the files" : "the file");
        goto done;
    }
    summary->lines = corpus.lines;
    summary->bytes = corpus.bytes;
    summary->distinct_words = (int64_t)corpus.words.n;
    for (size_t i = 0; i < corpus.words.n; i++) summary->words += corpus.words.at[i].count;
    switch (m->options->kind) {
    case HONE_TRAIN_BPE:
    case HONE_TRAIN_WORDPIECE:
        hone_train_bpe(&m->trained, &corpus.words, &limits);
        break;
    case HONE_TRAIN_CHARACTERS:
        hone_train_alphabet(&m->trained, &corpus.words, &limits);
        break;
    case HONE_TRAIN_UNIGRAM:
        hone_train_unigram(&m->trained, &corpus.words, &limits);
        break;
    case HONE_TRAIN_WORDS:
        hone_train_words(&m->trained, &corpus.words, &limits);
        break;
    }
    summary->tokens = (int64_t)m->trained.tokens.n;
done:
    hone_normalizer_free(&normalizer);
    hone_pre_tokenizer_free(&pre_tokenizer);
    hone_corpus_free(&corpus);
    return status;
}

static enum hone_status write_file(json_t *value, const char *folder, const char *name) {
    char *path = hone_path_join(folder, name);
    enum hone_status status = hone_json_write(value, path);
    hone_free(path);
    json_decref(value);
    return status;
}

enum hone_status hone_tokenizer_train(struct hone_train_summary *summary, const char *folder, const char *const *files,
                                      size_t n_files, const struct hone_train_options *options) {
    HONE_CHECK(n_files > 0, "no files");
    struct making m = {.options = options, .special = options->special, .n_special = options->n_special};
    if (!m.special) m.special = hone_train_special(&m.n_special, options->kind);
    *summary = (struct hone_train_summary){0};
    HONE_TRY(check_special(&m));
    enum hone_status status;
    char *temporary = NULL;
    HONE_TRY_GOTO(train(&m, summary, files, n_files));
    HONE_TRY_GOTO(hone_temporary_folder(&temporary, folder));
    status = write_file(tokenizer_config(&m), temporary, "tokenizer_config.json");
    if (status == HONE_OK) status = write_file(tokenizer_json(&m), temporary, "tokenizer.json");
    if (status == HONE_OK) status = hone_merge_folder(temporary, folder, "tokenizer.json");
done:
    if (status != HONE_OK) hone_discard_folder(temporary, status);
    hone_free(temporary);
    hone_trained_free(&m.trained);
    json_decref(m.normalizer);
    json_decref(m.pre_tokenizer);
    return status;
}
