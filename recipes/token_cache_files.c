#include "recipes/token_cache_files.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/memory.h"

#define FORMAT "hone tokens 1"

bool hone_token_cache_exists(const char *folder) {
    char *path = hone_path_join(folder, "manifest.json");
    bool exists = hone_file_exists(path);
    hone_free(path);
    return exists;
}

enum hone_status hone_token_cache_check_owner(const char *folder) {
    struct stat about;
    if (stat(folder, &about) == 0 && about.st_uid == geteuid()) return HONE_OK;
    return hone_fail(HONE_DISK, "%s: is another user's folder; name one of your own in data.cache", folder);
}

/* Reading. */

struct store {
    struct hone_samples_store public;
    struct hone_mapping *mapping;
    char *manifest; /* its path */
};

static enum hone_status need(struct store *store, int64_t offset, size_t n) {
    enum hone_status status = hone_mapping_need(store->mapping, offset, n);
    if (status == HONE_OK) return HONE_OK;
    unlink(store->manifest);
    return hone_fail(status, "%s; run again, and the tokens are written anew", hone_error_message());
}

static enum hone_status store_need(struct hone_samples_store *public, const void *at, size_t n) {
    struct store *store = (struct store *)public;
    return need(store, (const char *)at - hone_mapping_bytes(store->mapping), n);
}

static void store_free(struct hone_samples_store *public) {
    struct store *store = (struct store *)public;
    hone_mapping_close(store->mapping);
    hone_free(store->manifest);
    hone_free(store);
}

static enum hone_status check_numbers(const struct hone_samples *samples, const char *path) {
    if (samples->n > 0 && samples->n < INT64_MAX && samples->n_tokens > 0 && samples->n_targets >= 0 &&
        samples->n_targets <= INT64_MAX / samples->n)
        return HONE_OK;
    return hone_fail(HONE_BAD_INPUT, "%s: holds %lld samples", path, (long long)samples->n);
}

/* Points the samples' arrays into the mapping. Those of samples are checked as a whole, those of tokens as they come. */
static enum hone_status place_arrays(struct hone_samples *out, struct store *store, struct hone_hdf5 *file,
                                     const char *path) {
    int64_t marked, tagged;
    HONE_TRY(hone_hdf5_get_integer(file, "samples", &out->n));
    HONE_TRY(hone_hdf5_get_integer(file, "tokens", &out->n_tokens));
    HONE_TRY(hone_hdf5_get_integer(file, "targets", &out->n_targets));
    HONE_TRY(hone_hdf5_get_integer(file, "longest", &out->longest));
    HONE_TRY(hone_hdf5_get_integer(file, "truncated", &out->truncated));
    HONE_TRY(hone_hdf5_get_integer(file, "marked", &marked));
    HONE_TRY(hone_hdf5_get_integer(file, "tagged", &tagged));
    HONE_TRY(check_numbers(out, path));
    for (int i = 0; i < HONE_SAMPLE_ARRAYS; i++) {
        const struct hone_sample_array_about *about = &hone_sample_arrays[i];
        int64_t n = hone_sample_array_count(out, (enum hone_sample_array)i), offset;
        if (i == HONE_SAMPLE_MARKS) n = marked ? out->n_tokens : 0;
        if (i == HONE_SAMPLE_TAGS) n = tagged ? out->n_tokens : 0;
        if (n == 0) continue;
        HONE_TRY(hone_hdf5_locate(file, about->name, about->type, n, &offset));
        if (i < HONE_SAMPLE_IDS) HONE_TRY(need(store, offset, (size_t)n * about->size));
        *hone_sample_array_at(out, (enum hone_sample_array)i) = hone_mapping_bytes(store->mapping) + offset;
    }
    return HONE_OK;
}

static enum hone_status open_mapped(struct hone_samples *out, const json_t *manifest, const char *folder) {
    char *path = hone_path_join(folder, "tokens.h5");
    struct hone_mapping *mapping;
    struct hone_hdf5 *file;
    enum hone_status status = hone_mapping_open(&mapping, path, json_integer_value(json_object_get(manifest, "size")),
                                                json_object_get(manifest, "blocks"));
    if (status != HONE_OK) goto done;
    struct store *store = hone_calloc(1, sizeof *store, "token cache");
    store->public = (struct hone_samples_store){.need = store_need, .free = store_free};
    store->mapping = mapping;
    store->manifest = hone_path_join(folder, "manifest.json");
    out->store = &store->public;
    status = hone_hdf5_open_mapped(&file, mapping, path);
    if (status != HONE_OK) goto done;
    status = place_arrays(out, store, file, path);
    enum hone_status closed = hone_hdf5_close(file);
    if (status == HONE_OK) status = closed;
done:
    hone_free(path);
    return status;
}

enum hone_status hone_token_cache_open(struct hone_samples *out, const char *folder, const json_t *facts) {
    *out = (struct hone_samples){0};
    HONE_TRY(hone_token_cache_check_owner(folder));
    char *path = hone_path_join(folder, "manifest.json");
    json_t *manifest = NULL;
    enum hone_status status = hone_json_read(&manifest, path, HONE_JSON_CONFIG_LIMIT);
    const char *format = json_string_value(json_object_get(manifest, "format"));
    if (status == HONE_OK &&
        (!format || strcmp(format, FORMAT) != 0 || !json_equal(json_object_get(manifest, "made_from"), facts)))
        status = hone_fail(HONE_BAD_INPUT, "%s: is not that of these tokens", path);
    if (status == HONE_OK) status = open_mapped(out, manifest, folder);
    json_decref(manifest);
    hone_free(path);
    if (status != HONE_OK) hone_samples_free(out);
    return status;
}

/* Writing. */

struct piece {
    const struct hone_samples *samples;
    const char *from;
    size_t size;
};

static enum hone_status fill(void *to, int64_t offset, int64_t count, void *user) {
    const struct piece *piece = user;
    const char *from = piece->from + (size_t)offset * piece->size;
    size_t n = (size_t)count * piece->size;
    HONE_TRY(piece->samples->store->need(piece->samples->store, from, n));
    memcpy(to, from, n);
    return HONE_OK;
}

static enum hone_status write_arrays(const struct hone_samples *samples, const char *path) {
    struct hone_hdf5 *file;
    struct hone_samples arrays = *samples;
    HONE_TRY(hone_hdf5_replace_mapped(&file, path));
    hone_hdf5_set_text(file, "format", FORMAT);
    hone_hdf5_set_integer(file, "samples", samples->n);
    hone_hdf5_set_integer(file, "tokens", samples->n_tokens);
    hone_hdf5_set_integer(file, "targets", samples->n_targets);
    hone_hdf5_set_integer(file, "longest", samples->longest);
    hone_hdf5_set_integer(file, "truncated", samples->truncated);
    hone_hdf5_set_integer(file, "marked", samples->marks ? 1 : 0);
    hone_hdf5_set_integer(file, "tagged", samples->tags ? 1 : 0);
    for (int i = 0; i < HONE_SAMPLE_ARRAYS; i++) {
        const struct hone_sample_array_about *about = &hone_sample_arrays[i];
        int64_t n = hone_sample_array_count(samples, (enum hone_sample_array)i);
        struct piece piece = {samples, *hone_sample_array_at(&arrays, (enum hone_sample_array)i), about->size};
        if (n > 0) hone_hdf5_write_pieces(file, about->name, about->type, n, 0, fill, &piece, about->unit);
    }
    return hone_hdf5_close(file);
}

enum hone_status hone_token_cache_write(const struct hone_samples *samples, const char *folder, const json_t *facts) {
    char *path = hone_path_join(folder, "tokens.h5"), *manifest = hone_path_join(folder, "manifest.json");
    json_t *blocks = NULL;
    int64_t size = 0;
    /* The old manifest, of a file that is damaged, must not speak for the new one. */
    enum hone_status status = unlink(manifest) == 0 || !hone_file_exists(manifest)
                                  ? HONE_OK
                                  : hone_fail(HONE_DISK, "%s: cannot be removed", manifest);
    if (status == HONE_OK) status = write_arrays(samples, path);
    if (status == HONE_OK) status = hone_mapping_hash(&blocks, &size, path);
    if (status == HONE_OK) {
        json_t *object = json_pack("{s:s, s:O, s:I, s:o}", "format", FORMAT, "made_from", facts, "size",
                                   (json_int_t)size, "blocks", blocks);
        status = hone_json_write(object, manifest);
        json_decref(object);
    }
    hone_free(path);
    hone_free(manifest);
    return status;
}
