/* BERT's vocab.txt: one token a line, its number from 0 is its id; put together as Transformers' BertTokenizer does. */
#include <string.h>

#include "base/io.h"
#include "base/utf8.h"
#include "data/older.h"

#define VOCAB_LIMIT (1u << 30)

/* Of lines with the same text the last one counts. */
static enum hone_status read_lines(struct hone_older *older) {
    const char *path = older->vocab_path;
    char *bytes;
    size_t n;
    HONE_TRY(hone_read_file(&bytes, &n, path, VOCAB_LIMIT));
    older->ids = json_object();
    size_t valid = hone_utf8_valid_prefix(bytes, n);
    const char *zero = memchr(bytes, 0, n);
    if (zero && (size_t)(zero - bytes) < valid) valid = (size_t)(zero - bytes);
    enum hone_status status = HONE_OK;
    for (size_t i = 0; status == HONE_OK && i < n; older->next++) {
        char *end = memchr(bytes + i, '\n', n - i);
        size_t stop = end ? (size_t)(end - bytes) : n, last = stop - (stop > i && bytes[stop - 1] == '\r');
        bytes[last] = 0;
        if (valid < stop)
            status = hone_fail(HONE_BAD_INPUT, "%s:%lld: byte %zu: 0x%02x isn't UTF-8 text", path,
                               (long long)older->next + 1, valid - i + 1, (unsigned char)bytes[valid]);
        else
            json_object_set_new(older->ids, bytes + i, json_integer(older->next));
        i = stop + 1;
    }
    if (status == HONE_OK && older->next == 0) status = hone_fail(HONE_BAD_INPUT, "%s: the file is empty", path);
    hone_free(bytes);
    return status;
}

static enum hone_status read_normalizer(json_t **out, const struct hone_older *older) {
    bool lower, chinese, strip;
    HONE_TRY(hone_json_bool(&lower, older->config, "do_lower_case", true, older->config_path));
    HONE_TRY(hone_json_bool(&chinese, older->config, "tokenize_chinese_chars", true, older->config_path));
    HONE_TRY(hone_json_bool(&strip, older->config, "strip_accents", lower, older->config_path));
    *out = json_pack("{s:s,s:b,s:b,s:b,s:b}", "type", "BertNormalizer", "clean_text", true, "handle_chinese_chars",
                     chinese, "strip_accents", strip, "lowercase", lower);
    return HONE_OK;
}

static enum hone_status read_parts(json_t **root, struct hone_older *older) {
    enum special { UNK, SEP, PAD, CLS, MASK, SPECIALS };
    static const struct {
        const char *key, *usual;
        bool needed;
    } specials[SPECIALS] = {
        [UNK] = {"unk_token", "[UNK]", true},     [SEP] = {"sep_token", "[SEP]", true},
        [PAD] = {"pad_token", "[PAD]", false},    [CLS] = {"cls_token", "[CLS]", true},
        [MASK] = {"mask_token", "[MASK]", false},
    };
    HONE_TRY(read_lines(older));
    HONE_TRY(hone_older_add_decoder(older));
    HONE_TRY(hone_older_add_named(older, (const char *const[]){NULL, NULL, NULL, NULL, "[PAD]", NULL, "[MASK]"}));
    const char *texts[SPECIALS];
    int64_t ids[SPECIALS];
    for (int i = 0; i < SPECIALS; i++)
        HONE_TRY(hone_older_special(&texts[i], &ids[i], older, specials[i].key, specials[i].usual, specials[i].needed));
    HONE_TRY(hone_older_add_extra(older));
    json_t *normalizer;
    HONE_TRY(read_normalizer(&normalizer, older));
    json_t *model = json_pack("{s:s,s:s,s:s,s:i,s:O}", "type", "WordPiece", "unk_token", texts[UNK],
                              "continuing_subword_prefix", "##", "max_input_chars_per_word", 100, "vocab", older->ids);
    json_t *post = json_pack("{s:s,s:[s,I],s:[s,I]}", "type", "BertProcessing", "sep", texts[SEP], (json_int_t)ids[SEP],
                             "cls", texts[CLS], (json_int_t)ids[CLS]);
    hone_older_finish(root, older, normalizer, json_pack("{s:s}", "type", "BertPreTokenizer"), model, post,
                      json_pack("{s:s,s:s,s:b}", "type", "WordPiece", "prefix", "##", "cleanup", true));
    return HONE_OK;
}

enum hone_status hone_tokenizer_read_vocab(json_t **root, char **path, const char *folder, int64_t limit) {
    struct hone_older older = {0};
    *path = hone_path_join(folder, "vocab.txt");
    if (!hone_file_exists(*path)) return HONE_OK;
    enum hone_status status = hone_older_open(&older, folder, "vocab.txt", limit);
    if (status == HONE_OK) status = read_parts(root, &older);
    hone_older_free(&older);
    return status;
}
