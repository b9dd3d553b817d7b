/* config.json and the tokenizer's files. A tokenizer_config.json is edited as bytes, not as a tree: Transformers writes
 * integers of 31 digits there, and whoever compares the folders should see one changed number. */
#include "hub/model_files.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "base/memory.h"
#include "base/utf8.h"
#include "hub/folder.h"
#include "hub/json_scan.h"

#define TRANSFORMERS_VERSION "4.57.0" /* whose conventions a config made here follows */
#define TOKENIZER_CONFIG     "tokenizer_config.json"

enum hone_status hone_config_read(json_t **out, const char *folder) {
    *out = NULL;
    if (!hone_folder_exists(folder)) {
        return hone_fail(HONE_BAD_INPUT, "%s: there is no such folder, expected a model folder as the Hub has it",
                         folder);
    }
    char *path = hone_path_join(folder, "config.json");
    enum hone_status status;
    if (hone_file_exists(path)) {
        status = hone_folder_check_file(folder, path);
        if (status == HONE_OK) status = hone_json_read(out, path, HONE_JSON_CONFIG_LIMIT);
    } else {
        status =
            hone_fail(HONE_BAD_INPUT, "%s: there is no config.json; is this a model folder as the Hub has it?", folder);
    }
    hone_free(path);
    return status;
}

enum hone_status hone_config_write(const json_t *config, const char *folder) {
    char *path = hone_path_join(folder, "config.json");
    enum hone_status status = hone_json_write(config, path);
    hone_free(path);
    return status;
}

static int compare_texts(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* HONE_BAD_INPUT when two of the names are equal. */
static enum hone_status check_distinct(char *const *names, size_t n, const char *path) {
    const char **sorted = hone_alloc(n, sizeof *sorted, "labels");
    for (size_t i = 0; i < n; i++) sorted[i] = names[i];
    if (n > 0) qsort(sorted, n, sizeof *sorted, compare_texts);
    enum hone_status status = HONE_OK;
    for (size_t i = 1; i < n && status == HONE_OK; i++) {
        if (strcmp(sorted[i - 1], sorted[i]) != 0) continue;
        char *shown = hone_escape(sorted[i], strnlen(sorted[i], 100));
        status =
            hone_fail(HONE_BAD_INPUT, "%s: id2label names \"%s\" twice, expected a name for each label", path, shown);
        hone_free(shown);
    }
    hone_free(sorted);
    return status;
}

enum hone_status hone_config_labels(char ***names, size_t *n, const json_t *config, const char *path) {
    *names = NULL;
    *n = 0;
    const json_t *map = json_object_get(config, "id2label");
    if (!map || json_is_null(map)) return HONE_OK;
    if (!json_is_object(map)) {
        return hone_fail(HONE_BAD_INPUT, "%s: id2label is no object, expected {\"0\": \"name\", …}", path);
    }
    size_t count = json_object_size(map);
    char **found = hone_calloc(count, sizeof *found, "labels");
    enum hone_status status = HONE_OK;
    for (size_t i = 0; i < count && status == HONE_OK; i++) {
        char key[24];
        snprintf(key, sizeof key, "%zu", i);
        const json_t *value = json_object_get(map, key);
        if (!json_is_string(value)) {
            status = hone_fail(HONE_BAD_INPUT,
                               "%s: id2label has %zu entries, but \"%s\" is %s; expected the keys "
                               "\"0\" to \"%zu\" with a name each",
                               path, count, key, value ? "no string" : "missing", count - 1);
        } else {
            found[i] = hone_strdup(json_string_value(value), "label");
        }
    }
    if (status == HONE_OK) status = check_distinct(found, count, path);
    if (status != HONE_OK) {
        hone_config_labels_free(found, count);
        return status;
    }
    *names = found;
    *n = count;
    return HONE_OK;
}

void hone_config_labels_free(char **names, size_t n) {
    for (size_t i = 0; names && i < n; i++) hone_free(names[i]);
    hone_free(names);
}

json_t *hone_config_for_head(const json_t *source, const struct hone_config_head *head) {
    json_t *config = json_deep_copy(source);
    json_object_set_new(config, "architectures", json_pack("[s]", head->architecture));
    json_object_set_new(config, "model_type", json_string(head->model_type));
    if (head->labels) {
        json_t *id2label = json_object(), *label2id = json_object();
        for (size_t i = 0; i < head->n_labels; i++) {
            char key[24];
            snprintf(key, sizeof key, "%zu", i);
            json_object_set_new(id2label, key, json_string(head->labels[i]));
            json_object_set_new(label2id, head->labels[i], json_integer((json_int_t)i));
        }
        HONE_CHECK(json_object_size(label2id) == head->n_labels, "labels are distinct and UTF-8");
        json_object_set_new(config, "id2label", id2label);
        json_object_set_new(config, "label2id", label2id);
        json_object_del(config, "num_labels");
        json_object_del(config, "_num_labels");
    }
    if (head->problem_type) json_object_set_new(config, "problem_type", json_string(head->problem_type));
    /* Version 4 of Transformers reads torch_dtype, version 5 either. */
    json_object_set_new(config, "torch_dtype", json_string(head->dtype));
    const char *dtype = json_string_value(json_object_get(config, "dtype"));
    if (!dtype || strcmp(dtype, head->dtype) != 0) json_object_del(config, "dtype");
    if (!json_is_string(json_object_get(config, "transformers_version"))) {
        json_object_set_new(config, "transformers_version", json_string(TRANSFORMERS_VERSION));
    }
    json_object_del(config, "_name_or_path");
    return config;
}

/* Where a key's value stands in the text of a JSON object, and where a new key would go. */
struct place {
    bool found;
    size_t begin, end;  /* of the value */
    size_t first, last; /* the first key's quote, the end of the last value; both behind the brace when empty */
    size_t brace;       /* the opening one */
    bool empty;
};

static enum hone_status find_key(struct place *place, const char *text, size_t n, const char *key, const char *path) {
    memset(place, 0, sizeof *place);
    /* The walk unescapes keys in place. */
    char *copy = hone_strndup(text, n, "tokenizer configuration");
    struct hone_scan scan = {.bytes = copy, .n = n, .path = path};
    enum hone_status status;
    size_t valid = hone_utf8_valid_prefix(text, n);
    if (valid < n) {
        status = hone_scan_fail(&scan, valid, "valid UTF-8");
        goto done;
    }
    HONE_TRY_GOTO(hone_scan_expect(&scan, '{', "'{' of an object"));
    place->brace = scan.at - 1;
    place->first = place->last = scan.at;
    place->empty = hone_scan_take(&scan, '}');
    if (!place->empty) {
        hone_scan_space(&scan);
        place->first = scan.at;
        do {
            char *name;
            hone_scan_space(&scan);
            size_t at = scan.at;
            HONE_TRY_GOTO(hone_scan_string(&name, &scan, "a key in quotes"));
            HONE_TRY_GOTO(hone_scan_expect(&scan, ':', "':' behind the key"));
            hone_scan_space(&scan);
            size_t begin = scan.at;
            HONE_TRY_GOTO(hone_scan_skip(&scan));
            place->last = scan.at;
            if (strcmp(name, key) != 0) continue;
            if (place->found) {
                status = hone_fail(HONE_BAD_INPUT, "%s: byte %zu: key \"%s\" is given twice", path, at, key);
                goto done;
            }
            place->found = true;
            place->begin = begin;
            place->end = scan.at;
        } while (hone_scan_take(&scan, ','));
        HONE_TRY_GOTO(hone_scan_expect(&scan, '}', "',' or '}'"));
    }
    hone_scan_space(&scan);
    if (scan.at < scan.n) status = hone_scan_fail(&scan, scan.at, "the end of the file");
done:
    hone_free(copy);
    return status;
}

/* Sets a key of the object that is the text to a value (JSON): its value replaced, or the key put behind the others in
 * the spacing that the first one has. */
static enum hone_status set_key(struct hone_text *text, const char *key, const char *value, const char *path) {
    struct place place;
    struct hone_text out = {0};
    HONE_TRY(find_key(&place, text->bytes, text->length, key, path));
    size_t cut = place.found ? place.begin : place.last, rest = place.found ? place.end : place.last;
    hone_text_append(&out, text->bytes, cut);
    if (!place.found) {
        const char *space = text->bytes + place.brace + 1;
        size_t width = place.empty ? 0 : place.first - place.brace - 1;
        if (!place.empty) hone_text_append(&out, ",", 1);
        if (!place.empty && width == 0) hone_text_append(&out, " ", 1);
        hone_text_append(&out, space, width);
        hone_text_format(&out, "\"%s\": ", key);
    }
    hone_text_append(&out, value, strlen(value));
    hone_text_append(&out, text->bytes + rest, text->length - rest);
    hone_text_free(text);
    *text = out;
    return HONE_OK;
}

static enum hone_status read_text(struct hone_text *out, const char *from, const char *path, size_t limit) {
    char *bytes;
    size_t n;
    HONE_TRY(hone_folder_check_file(from, path));
    HONE_TRY(hone_read_file(&bytes, &n, path, limit));
    hone_text_append(out, bytes, n);
    hone_free(bytes);
    return HONE_OK;
}

static enum hone_status write_tokenizer_config(const char *to, const char *from, int64_t max_length,
                                               const char *tokenizer_class, bool prefix_space) {
    char *source = hone_path_join(from, TOKENIZER_CONFIG), *target = hone_path_join(to, TOKENIZER_CONFIG), length[24];
    struct hone_text text = {0};
    enum hone_status status = HONE_OK;
    snprintf(length, sizeof length, "%" PRId64, max_length);
    if (hone_file_exists(source)) {
        HONE_TRY_GOTO(read_text(&text, from, source, HONE_JSON_CONFIG_LIMIT));
    } else {
        hone_text_format(&text, "{\n  \"model_max_length\": 0,\n  \"tokenizer_class\": \"%s\"\n}\n", tokenizer_class);
    }
    HONE_TRY_GOTO(set_key(&text, "model_max_length", length, source));
    if (prefix_space) HONE_TRY_GOTO(set_key(&text, "add_prefix_space", "true", source));
    status = hone_write_file(target, text.bytes, text.length);
done:
    hone_free(source);
    hone_free(target);
    hone_text_free(&text);
    return status;
}

/* Makes every "add_prefix_space": false in the value of a key true. In valid JSON a text with ':' behind it is a key. */
static enum hone_status set_prefix_space(struct hone_text *text, const char *key, const char *path) {
    static const char name[] = "\"add_prefix_space\"";
    struct place place;
    HONE_TRY(find_key(&place, text->bytes, text->length, key, path));
    struct hone_text out = {0};
    size_t done = 0;
    for (const char *at = text->bytes + place.begin; place.found && (at = strstr(at, name));) {
        at += strlen(name);
        const char *value = at + strspn(at, " \t\r\n");
        if (*value == ':') value += 1 + strspn(value + 1, " \t\r\n");
        size_t begin = (size_t)(value - text->bytes);
        if (begin >= place.end) break;
        if (strncmp(value, "false", 5) != 0) continue;
        hone_text_append(&out, text->bytes + done, begin - done);
        hone_text_append(&out, "true", 4);
        done = begin + 5;
    }
    hone_text_append(&out, text->bytes + done, text->length - done);
    hone_text_free(text);
    *text = out;
    return HONE_OK;
}

static enum hone_status copy_with_prefix_space(const char *target, const char *from, const char *source) {
    struct hone_text text = {0};
    enum hone_status status = read_text(&text, from, source, HONE_JSON_TOKENIZER_LIMIT);
    if (status == HONE_OK) status = set_prefix_space(&text, "pre_tokenizer", source);
    if (status == HONE_OK) status = set_prefix_space(&text, "post_processor", source);
    if (status == HONE_OK) status = hone_write_file(target, text.bytes, text.length);
    hone_text_free(&text);
    return status;
}

enum hone_status hone_tokenizer_files_copy(const char *to, const char *from, int64_t max_length,
                                           const char *tokenizer_class, bool prefix_space) {
    /* Those before the gap hold a vocabulary: one of them has to be there. */
    static const char *const names[] = {"tokenizer.json",   "vocab.txt",  "vocab.json",
                                        "spiece.model",     "merges.txt", "special_tokens_map.json",
                                        "added_tokens.json"};
    enum { N_VOCABULARIES = 4 };
    int vocabularies = 0;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char *source = hone_path_join(from, names[i]), *target = hone_path_join(to, names[i]);
        enum hone_status status = HONE_OK;
        if (hone_file_exists(source)) {
            status = hone_folder_check_file(from, source);
            if (status == HONE_OK && i == 0 && prefix_space)
                status = copy_with_prefix_space(target, from, source);
            else if (status == HONE_OK)
                status = hone_copy_file(target, source);
            vocabularies += i < N_VOCABULARIES;
        }
        hone_free(source);
        hone_free(target);
        HONE_TRY(status);
    }
    if (vocabularies == 0) {
        return hone_fail(HONE_BAD_INPUT,
                         "%s: no tokenizer here, expected tokenizer.json, vocab.txt, vocab.json or spiece.model", from);
    }
    return write_tokenizer_config(to, from, max_length, tokenizer_class, prefix_space);
}
