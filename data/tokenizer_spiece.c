/* SentencePiece's spiece.model: ALBERT's, XLNet's or T5's, put together as Transformers does. */
#include <string.h>

#include "base/io.h"
#include "base/utf8.h"
#include "data/older.h"
#include "data/sentencepiece.pb-c.h"

#define MODEL_LIMIT (1u << 30)
#define MARK        "\xE2\x96\x81" /* U+2581, stands for a space */
enum piece_type { PIECE_CONTROL = 3, PIECE_USER_DEFINED = 4 };
enum { MODEL_UNIGRAM = 1 };

static void *give(void *data, size_t n) {
    (void)data;
    return hone_alloc_small(n, "SentencePiece model");
}
static void take(void *data, void *pointer) {
    (void)data;
    hone_free(pointer);
}
static ProtobufCAllocator allocator = {.alloc = give, .free = take};

/* base64 (RFC 4648, section 4). */
static char *encode(const unsigned char *bytes, size_t n) {
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char *text = hone_alloc((n + 2) / 3 * 4 + 1, 1, "precompiled_charsmap"), *at = text;
    for (size_t i = 0; i < n; i += 3) {
        uint32_t word = 0;
        for (size_t k = 0; k < 3; k++) word = word << 8 | (i + k < n ? bytes[i + k] : 0);
        for (size_t k = 0; k < 4; k++) *at++ = i + k <= n ? alphabet[word >> (18 - 6 * k) & 63] : '=';
    }
    *at = 0;
    return text;
}

static json_t *no_content(const char *type) { return json_pack("{s:s}", "type", type); }

static json_t *quote(const char *from) {
    return json_pack("{s:s,s:{s:s},s:s}", "type", "Replace", "pattern", "String", from, "content", "\"");
}

/* ALBERT and XLNet: what the model's own map is preceded by. */
static json_t *normalizers(bool keep_accents, bool lower) {
    json_t *steps = json_array();
    json_array_append_new(steps, quote("``"));
    json_array_append_new(steps, quote("''"));
    if (!keep_accents) {
        json_array_append_new(steps, no_content("NFKD"));
        json_array_append_new(steps, no_content("StripAccents"));
    }
    if (lower) json_array_append_new(steps, no_content("Lowercase"));
    return steps;
}

static void add_charsmap(json_t *steps, const Hone__SentencepieceModel *model) {
    const Hone__SentencepieceModel__Normalizer *spec = model->normalizer_spec;
    if (!spec || !spec->has_precompiled_charsmap || spec->precompiled_charsmap.len == 0) return;
    char *map = encode(spec->precompiled_charsmap.data, spec->precompiled_charsmap.len);
    json_array_append_new(steps, json_pack("{s:s,s:s}", "type", "Precompiled", "precompiled_charsmap", map));
    hone_free(map);
}

static enum hone_status read_vocab(json_t **vocab, struct hone_older *older, const Hone__SentencepieceModel *model) {
    *vocab = json_array();
    older->ids = json_object();
    for (size_t i = 0; i < model->n_pieces; i++) {
        const char *text = model->pieces[i]->piece ? model->pieces[i]->piece : "";
        if (hone_utf8_valid_prefix(text, strlen(text)) != strlen(text) || !*text)
            return hone_fail(HONE_BAD_INPUT, "%s: pieces[%zu] isn't UTF-8 text", older->vocab_path, i);
        json_array_append_new(*vocab, json_pack("[s,f]", text, (double)model->pieces[i]->score));
        json_object_set_new(older->ids, text, json_integer((json_int_t)i));
    }
    older->next = (int64_t)model->n_pieces;
    return HONE_OK;
}

/* T5's sentinels, the last one first. */
static enum hone_status add_sentinels(json_t *vocab, struct hone_older *older) {
    int64_t n;
    HONE_TRY(hone_json_int(&n, older->config, "extra_ids", 100, 0, 1000000, older->config_path));
    for (int64_t i = n - 1; i >= 0; i--) {
        char *text = hone_format("<extra_id_%lld>", (long long)i);
        if (!json_object_get(older->ids, text)) {
            json_array_append_new(vocab, json_pack("[s,f]", text, 0.0));
            json_object_set_new(older->ids, text, json_integer(older->next++));
        }
        hone_older_add(older, text, true);
        hone_free(text);
    }
    return HONE_OK;
}

static void add_pieces(struct hone_older *older, const Hone__SentencepieceModel *model, int64_t unk) {
    for (size_t i = 0; i < model->n_pieces; i++) {
        int32_t type = model->pieces[i]->type;
        bool special = type == PIECE_CONTROL || (int64_t)i == unk;
        if (special || type == PIECE_USER_DEFINED) hone_older_add(older, model->pieces[i]->piece, special);
    }
}

enum family { ALBERT, XLNET, T5 };

/* The configuration's class, else what the vocabulary looks like. */
static enum family family_of(const struct hone_older *older) {
    const char *name = json_string_value(json_object_get(older->config, "tokenizer_class"));
    if (name && strncmp(name, "Albert", 6) == 0) return ALBERT;
    if (name && strncmp(name, "XLNet", 5) == 0) return XLNET;
    if (name && strncmp(name, "T5", 2) == 0) return T5;
    if (json_object_get(older->ids, "[CLS]") && json_object_get(older->ids, "[SEP]")) return ALBERT;
    return json_object_get(older->ids, "<cls>") && json_object_get(older->ids, "<sep>") ? XLNET : T5;
}

static enum hone_status read_post(json_t **out, struct hone_older *older, enum family family) {
    const char *texts[2];
    int64_t ids[2];
    if (family == T5) {
        HONE_TRY(hone_older_special(&texts[0], &ids[0], older, "eos_token", "</s>", true));
        *out = hone_older_template("$A:0 0:0", "$A:0 0:0 $B:0 0:0", texts, ids, 1);
        return HONE_OK;
    }
    bool albert = family == ALBERT;
    HONE_TRY(hone_older_special(&texts[0], &ids[0], older, "cls_token", albert ? "[CLS]" : "<cls>", true));
    HONE_TRY(hone_older_special(&texts[1], &ids[1], older, "sep_token", albert ? "[SEP]" : "<sep>", true));
    *out = albert ? hone_older_template("0:0 $A:0 1:0", "0:0 $A:0 1:0 $B:1 1:1", texts, ids, 2)
                  : hone_older_template("$A:0 1:0 0:2", "$A:0 1:0 $B:1 1:1 0:2", texts, ids, 2);
    return HONE_OK;
}

static json_t *metaspace(void) {
    return json_pack("{s:s,s:s,s:s,s:b}", "type", "Metaspace", "replacement", MARK, "prepend_scheme", "always", "split",
                     true);
}

static enum hone_status read_parts(json_t **root, struct hone_older *older, const Hone__SentencepieceModel *model) {
    const Hone__SentencepieceModel__Trainer *trainer = model->trainer_spec;
    int64_t unk = trainer ? trainer->unk_id : 0;
    json_t *vocab = NULL, *post = NULL;
    bool lower, accents;
    enum hone_status status = HONE_OK;
    if (trainer && trainer->model_type != MODEL_UNIGRAM)
        return hone_fail(HONE_BAD_INPUT, "%s: trainer_spec.model_type is %d, only 1 (unigram) is supported",
                         older->vocab_path, trainer->model_type);
    if (model->n_pieces == 0) return hone_fail(HONE_BAD_INPUT, "%s: there are no pieces in it", older->vocab_path);
    HONE_TRY_GOTO(read_vocab(&vocab, older, model));
    enum family family = family_of(older);
    HONE_TRY_GOTO(hone_older_add_decoder(older));
    add_pieces(older, model, unk);
    if (family == T5) HONE_TRY_GOTO(add_sentinels(vocab, older));
    HONE_TRY_GOTO(hone_older_add_named(older, (const char *const[HONE_OLDER_PARTS]){0}));
    HONE_TRY_GOTO(read_post(&post, older, family));
    HONE_TRY_GOTO(hone_older_add_extra(older));
    HONE_TRY_GOTO(hone_json_bool(&lower, older->config, "do_lower_case", family == ALBERT, older->config_path));
    HONE_TRY_GOTO(hone_json_bool(&accents, older->config, "keep_accents", false, older->config_path));
    json_t *steps = family == T5 ? json_array() : normalizers(accents && family == ALBERT, lower);
    add_charsmap(steps, model);
    hone_older_finish(
        root, older, json_pack("{s:s,s:o}", "type", "Sequence", "normalizers", steps),
        json_pack("{s:s,s:[o,o]}", "type", "Sequence", "pretokenizers", no_content("WhitespaceSplit"), metaspace()),
        json_pack("{s:s,s:I,s:o}", "type", "Unigram", "unk_id", (json_int_t)unk, "vocab", vocab), post, metaspace());
    return HONE_OK;
done:
    json_decref(vocab);
    json_decref(post);
    return status;
}

static enum hone_status read_file(json_t **root, struct hone_older *older) {
    char *bytes;
    size_t n;
    HONE_TRY(hone_read_file(&bytes, &n, older->vocab_path, MODEL_LIMIT));
    Hone__SentencepieceModel *model = hone__sentencepiece_model__unpack(&allocator, n, (const uint8_t *)bytes);
    enum hone_status status = model ? read_parts(root, older, model)
                                    : hone_fail(HONE_BAD_INPUT, "%s isn't a SentencePiece model", older->vocab_path);
    if (model) hone__sentencepiece_model__free_unpacked(model, &allocator);
    hone_free(bytes);
    return status;
}

enum hone_status hone_tokenizer_read_spiece(json_t **root, char **path, const char *folder, int64_t limit) {
    static const char *const names[] = {"spiece.model", "sentencepiece.model"};
    for (int i = 0; i < 2; i++) {
        hone_free(*path);
        *path = hone_path_join(folder, names[i]);
        if (!hone_file_exists(*path)) continue;
        struct hone_older older = {0};
        enum hone_status status = hone_older_open(&older, folder, names[i], limit);
        if (status == HONE_OK) status = read_file(root, &older);
        hone_older_free(&older);
        return status;
    }
    return HONE_OK;
}
