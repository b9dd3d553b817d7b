#include "recipes/identity.h"

#include <string.h>

#include "base/io.h"
#include "recipes/options.h"

static json_t *recipe_facts(const struct hone_recipe *recipe) {
    json_t *facts = json_object();
    for (size_t i = 0; i < hone_option_count; i++) {
        const struct hone_option *option = &hone_options[i];
        if (option->may_change) continue;
        struct hone_text value = {0};
        hone_option_print(&value, recipe, option);
        json_object_set_new(facts, option->name, json_stringn(value.bytes, value.length));
        hone_text_free(&value);
    }
    return facts;
}

static enum hone_status add_files(json_t *facts, const struct hone_samples *samples) {
    for (size_t i = 0; i < samples->n_paths; i++) {
        const char *path = samples->paths[i];
        char hash[HONE_SHA256_TEXT];
        if (json_object_get(facts, path)) continue;
        if (!samples->hashes) HONE_TRY(hone_sha256_file(hash, path));
        json_object_set_new(facts, path, json_string(samples->hashes ? samples->hashes[i] : hash));
    }
    return HONE_OK;
}

void hone_identity_hash(char out[HONE_SHA256_TEXT], const json_t *facts) {
    char *line = hone_json_line(facts);
    struct hone_sha256 hash;
    hone_sha256_begin(&hash);
    hone_sha256_add(&hash, line, strlen(line));
    hone_sha256_end(out, &hash);
    hone_free(line);
}

enum hone_status hone_identity_make(struct hone_identity *out, const struct hone_recipe *recipe,
                                    const struct hone_samples *train, const struct hone_samples *validation) {
    json_t *options = recipe_facts(recipe), *data = json_object();
    *out = (struct hone_identity){.facts = json_pack("{s:o, s:o}", "recipe", options, "data", data)};
    HONE_TRY(add_files(data, train));
    HONE_TRY(add_files(data, validation));
    hone_identity_hash(out->recipe, options);
    hone_identity_hash(out->data, data);
    return HONE_OK;
}

/* What of a model folder is read: configuration, tokenizer, weights. */
static bool is_read(const char *name, bool weights) {
    return hone_ends_with(name, ".json") || hone_ends_with(name, ".model") || hone_ends_with(name, ".txt") ||
           (weights && hone_ends_with(name, ".safetensors"));
}

enum hone_status hone_identity_of_folder(json_t **out, const char *folder, bool weights) {
    char **names;
    size_t n;
    *out = NULL;
    HONE_TRY(hone_list_folder(&names, &n, folder));
    json_t *hashes = json_object();
    enum hone_status status = HONE_OK;
    for (size_t i = 0; i < n && status == HONE_OK; i++) {
        char *path = hone_path_join(folder, names[i]), hash[HONE_SHA256_TEXT];
        if (is_read(names[i], weights) && hone_file_exists(path)) {
            status = hone_sha256_file(hash, path);
            if (status == HONE_OK) json_object_set_new(hashes, names[i], json_string(hash));
        }
        hone_free(path);
    }
    hone_names_free(names, n);
    if (status == HONE_OK)
        *out = hashes;
    else
        json_decref(hashes);
    return status;
}

void hone_identity_free(struct hone_identity *identity) {
    json_decref(identity->facts);
    *identity = (struct hone_identity){0};
}

static const char *text_of(const json_t *object, const char *key) {
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "not set";
}

/* Appends "key (there …, now …)" for every key of either that differs. */
static void add_differences(struct hone_text *text, const json_t *now, const json_t *there) {
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)now, key, value) {
        const char *before = text_of(there, key);
        if (strcmp(json_string_value(value), before) == 0) continue;
        hone_text_format(text, "%s%s (there %s, now %s)", text->length ? "; " : "", key, before,
                         json_string_value(value));
    }
    json_object_foreach((json_t *)there, key, value) {
        if (json_object_get(now, key) || !json_is_string(value)) continue;
        hone_text_format(text, "%s%s (there %s, now not set)", text->length ? "; " : "", key, json_string_value(value));
    }
}

enum hone_status hone_identity_compare(const struct hone_identity *now, const json_t *there, const char *where) {
    struct hone_text differences = {0}, allowed = {0};
    add_differences(&differences, json_object_get(now->facts, "recipe"), json_object_get(there, "recipe"));
    add_differences(&differences, json_object_get(now->facts, "data"), json_object_get(there, "data"));
    enum hone_status status = HONE_OK;
    if (differences.length) {
        for (size_t i = 0; i < hone_option_count; i++) {
            if (!hone_options[i].may_change) continue;
            hone_text_format(&allowed, "%s%s", allowed.length ? ", " : "", hone_options[i].name);
        }
        status = hone_fail(HONE_RESUME_MISMATCH,
                           "%s is of another run: %s; only these may change: %s; give the old values, choose another "
                           "output, or start over with checkpoint.resume=never",
                           where, differences.bytes, allowed.bytes);
    }
    hone_text_free(&differences);
    hone_text_free(&allowed);
    return status;
}
