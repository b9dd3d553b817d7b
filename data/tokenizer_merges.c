/* vocab.json with merges.txt: RoBERTa's when <s> and </s> are in the vocabulary, else GPT-2's, put together as
 * Transformers does. */
#include <string.h>

#include "base/io.h"
#include "base/utf8.h"
#include "data/older.h"

#define MERGES_LIMIT (1u << 30)

/* A merge a line, two tokens and a space between them; lines that begin with #version are none. */
static enum hone_status read_merges(json_t **out, const char *path) {
    char *bytes;
    size_t n;
    HONE_TRY(hone_read_file(&bytes, &n, path, MERGES_LIMIT));
    size_t valid = hone_utf8_valid_prefix(bytes, n), line = 1;
    const char *zero = memchr(bytes, 0, n);
    if (zero && (size_t)(zero - bytes) < valid) valid = (size_t)(zero - bytes);
    enum hone_status status = HONE_OK;
    *out = json_array();
    for (size_t i = 0; status == HONE_OK && i < n; line++) {
        char *end = memchr(bytes + i, '\n', n - i);
        size_t stop = end ? (size_t)(end - bytes) : n, last = stop - (stop > i && bytes[stop - 1] == '\r');
        bytes[last] = 0;
        const char *text = bytes + i, *space = strchr(text, ' ');
        if (valid < stop)
            status = hone_fail(HONE_BAD_INPUT, "%s:%zu: byte %zu: 0x%02x isn't UTF-8 text", path, line, valid - i + 1,
                               (unsigned char)bytes[valid]);
        else if (last > i && strncmp(text, "#version", 8) != 0 && (!space || strchr(space + 1, ' ')))
            status = hone_fail(HONE_BAD_INPUT, "%s:%zu: expected two tokens and a space between them", path, line);
        else if (last > i && strncmp(text, "#version", 8) != 0)
            json_array_append_new(*out, json_string(text));
        i = stop + 1;
    }
    hone_free(bytes);
    return status;
}

static enum hone_status read_vocab(struct hone_older *older) {
    HONE_TRY(hone_json_read(&older->ids, older->vocab_path, HONE_JSON_TOKENIZER_LIMIT));
    const char *text;
    json_t *id;
    json_object_foreach(older->ids, text, id) {
        if (!json_is_integer(id)) {
            char *shown = hone_escape(text, strlen(text));
            enum hone_status status = hone_fail(HONE_BAD_INPUT, "%s: \"%s\" has no id", older->vocab_path, shown);
            hone_free(shown);
            return status;
        }
        if (json_integer_value(id) >= older->next && json_integer_value(id) < INT32_MAX)
            older->next = json_integer_value(id) + 1;
    }
    return HONE_OK;
}

static enum hone_status read_roberta(json_t **post, struct hone_older *older, bool prefix_space) {
    static const char *const keys[] = {"bos_token", "eos_token", "unk_token", "sep_token",
                                       "pad_token", "cls_token", "mask_token"};
    static const char *const usual[] = {"<s>", "</s>", "<unk>", "</s>", "<pad>", "<s>", "<mask>"};
    enum { SEP = 3, CLS = 5, ALL = 7 };
    const char *texts[ALL];
    int64_t ids[ALL];
    bool trims;
    for (int i = 0; i < ALL; i++)
        HONE_TRY(hone_older_special(&texts[i], &ids[i], older, keys[i], usual[i], i == SEP || i == CLS));
    HONE_TRY(hone_json_bool(&trims, older->config, "trim_offsets", true, older->config_path));
    *post =
        json_pack("{s:s,s:[s,I],s:[s,I],s:b,s:b}", "type", "RobertaProcessing", "sep", texts[SEP], (json_int_t)ids[SEP],
                  "cls", texts[CLS], (json_int_t)ids[CLS], "trim_offsets", trims, "add_prefix_space", prefix_space);
    return HONE_OK;
}

static enum hone_status read_gpt2(json_t **post, struct hone_older *older) {
    static const char *const keys[] = {"bos_token", "eos_token", "unk_token", "pad_token"};
    const char *texts[4];
    int64_t ids[4];
    bool bos, eos;
    HONE_TRY(hone_json_bool(&bos, older->config, "add_bos_token", false, older->config_path));
    HONE_TRY(hone_json_bool(&eos, older->config, "add_eos_token", false, older->config_path));
    for (int i = 0; i < 4; i++)
        HONE_TRY(hone_older_special(&texts[i], &ids[i], older, keys[i], "<|endoftext|>",
                                    (i == 0 && bos) || (i == 1 && eos)));
    static const char *const singles[] = {"$A:0", "0:0 $A:0", "$A:0 1:0", "0:0 $A:0 1:0"};
    static const char *const pairs[] = {"$A:0 $B:1", "0:0 $A:0 0:1 $B:1", "$A:0 1:0 $B:1 1:1",
                                        "0:0 $A:0 1:0 0:1 $B:1 1:1"};
    int which = bos + 2 * eos;
    *post = hone_older_template(singles[which], pairs[which], texts, ids, which ? 2 : 0);
    return HONE_OK;
}

static enum hone_status read_parts(json_t **root, struct hone_older *older, const char *merges_path) {
    HONE_TRY(read_vocab(older));
    bool prefix_space, roberta = json_object_get(older->ids, "<s>") && json_object_get(older->ids, "</s>");
    HONE_TRY(hone_json_bool(&prefix_space, older->config, "add_prefix_space", false, older->config_path));
    HONE_TRY(hone_older_add_decoder(older));
    static const char *const usual[2][HONE_OLDER_PARTS] = {
        {"<|endoftext|>", "<|endoftext|>", "<|endoftext|>", NULL, NULL, NULL, NULL},
        {NULL, NULL, "<unk>", NULL, "<pad>", NULL, "<mask>"}};
    HONE_TRY(hone_older_add_named(older, usual[roberta]));
    json_t *post = NULL, *merges = NULL;
    HONE_TRY(roberta ? read_roberta(&post, older, prefix_space) : read_gpt2(&post, older));
    enum hone_status status = hone_older_add_extra(older);
    if (status == HONE_OK) status = read_merges(&merges, merges_path);
    if (status != HONE_OK) {
        json_decref(post);
        json_decref(merges);
        return status;
    }
    static const char byte_level[] = "{s:s,s:b,s:b,s:b}";
    hone_older_finish(
        root, older, NULL,
        json_pack(byte_level, "type", "ByteLevel", "add_prefix_space", prefix_space, "trim_offsets", true, "use_regex",
                  true),
        json_pack("{s:s,s:O,s:o}", "type", "BPE", "vocab", older->ids, "merges", merges), post,
        json_pack(byte_level, "type", "ByteLevel", "add_prefix_space", true, "trim_offsets", true, "use_regex", true));
    return HONE_OK;
}

enum hone_status hone_tokenizer_read_merges(json_t **root, char **path, const char *folder, int64_t limit) {
    *path = hone_path_join(folder, "vocab.json");
    char *merges = hone_path_join(folder, "merges.txt");
    struct hone_older older = {0};
    enum hone_status status = HONE_OK;
    if (hone_file_exists(*path) && hone_file_exists(merges)) {
        status = hone_older_open(&older, folder, "vocab.json", limit);
        if (status == HONE_OK) status = read_parts(root, &older, merges);
        hone_older_free(&older);
    }
    hone_free(merges);
    return status;
}
