/* Finding, verifying and loading checkpoints. Writing them is in saver.c. */
#include "recipes/checkpoint.h"

#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "base/log.h"
#include "recipes/checkpoint_files.h"

char *hone_checkpoints_folder(const char *run_folder) { return hone_path_join(run_folder, "checkpoints"); }

int64_t hone_checkpoint_step(const char *name) {
    static const char prefix[] = "step-";
    if (strncmp(name, prefix, sizeof prefix - 1) != 0) return -1;
    const char *digits = name + sizeof prefix - 1;
    size_t n = strspn(digits, "0123456789");
    return n >= 6 && n < 18 && digits[n] == 0 ? strtoll(digits, NULL, 10) : -1;
}

static int newest_first(const void *a, const void *b) {
    int64_t x = hone_checkpoint_step(*(char *const *)a), y = hone_checkpoint_step(*(char *const *)b);
    return (x < y) - (x > y);
}

enum hone_status hone_checkpoint_list(char ***names, size_t *n, const char *folder) {
    *names = NULL;
    *n = 0;
    if (!hone_folder_exists(folder)) return HONE_OK;
    size_t all, kept = 0;
    HONE_TRY(hone_list_folder(names, &all, folder));
    for (size_t i = 0; i < all; i++) {
        if (hone_checkpoint_step((*names)[i]) >= 0)
            (*names)[kept++] = (*names)[i];
        else
            hone_free((*names)[i]);
    }
    if (kept > 1) qsort(*names, kept, sizeof **names, newest_first);
    *n = kept;
    return HONE_OK;
}

static enum hone_status verify_file(const char *folder, const char *name, const json_t *facts) {
    const char *hash = json_string_value(json_object_get(facts, "sha256"));
    json_int_t size = json_integer_value(json_object_get(facts, "size"));
    if (!hone_name_is_plain(name) || !hash) {
        char *shown = hone_escape(name, strlen(name));
        enum hone_status status = hone_fail(HONE_BAD_INPUT, "its manifest is damaged at file \"%s\"", shown);
        hone_free(shown);
        return status;
    }
    char *path = hone_path_join(folder, name), found[HONE_SHA256_TEXT];
    struct hone_file *file;
    enum hone_status status = hone_file_open(&file, path);
    if (status == HONE_OK) {
        int64_t bytes = hone_file_size(file);
        hone_file_close(file);
        if (bytes != size)
            status = hone_fail(HONE_BAD_INPUT, "%s has %lld bytes, its manifest says %lld", name, (long long)bytes,
                               (long long)size);
    }
    if (status == HONE_OK) status = hone_sha256_file(found, path);
    if (status == HONE_OK && strcmp(found, hash) != 0)
        status = hone_fail(HONE_BAD_INPUT, "the contents of %s are not those that its manifest says", name);
    hone_free(path);
    return status;
}

enum hone_status hone_checkpoint_verify(json_t **manifest, const char *folder) {
    *manifest = NULL;
    char *path = hone_path_join(folder, "manifest.json");
    json_t *read = NULL;
    enum hone_status status = hone_json_read(&read, path, HONE_JSON_CONFIG_LIMIT);
    hone_free(path);
    HONE_TRY(status);
    const char *format = json_string_value(json_object_get(read, "format"));
    json_t *files = json_object_get(read, "files");
    if (!format || strcmp(format, HONE_CHECKPOINT_FORMAT) != 0 || !json_is_object(files) ||
        !json_object_get(files, "state.h5") || !json_object_get(files, "model.safetensors")) {
        status = hone_fail(HONE_BAD_INPUT, "its manifest.json is none of \"%s\"", HONE_CHECKPOINT_FORMAT);
    }
    const char *name;
    json_t *facts;
    json_object_foreach(files, name, facts) {
        if (status == HONE_OK) status = verify_file(folder, name, facts);
    }
    if (status == HONE_OK)
        *manifest = read;
    else
        json_decref(read);
    return status;
}

enum hone_status hone_checkpoint_find(struct hone_checkpoint *out, const char *run_folder, bool strict) {
    *out = (struct hone_checkpoint){0};
    char *folder = hone_checkpoints_folder(run_folder), **names;
    size_t n;
    enum hone_status status = hone_checkpoint_list(&names, &n, folder);
    for (size_t i = 0; status == HONE_OK && i < n && !out->path; i++) {
        char *path = hone_path_join(folder, names[i]);
        json_t *manifest;
        if (hone_checkpoint_verify(&manifest, path) == HONE_OK) {
            *out = (struct hone_checkpoint){path, manifest};
            continue;
        }
        if (strict) {
            status = hone_fail(HONE_RESUME_MISMATCH, "%s is damaged: %s; remove it, or use checkpoint.resume=auto",
                               path, hone_error_message());
        } else {
            hone_warn("%s is skipped: %s", path, hone_error_message());
        }
        hone_free(path);
    }
    hone_names_free(names, n);
    hone_free(folder);
    return status;
}

void hone_checkpoint_close(struct hone_checkpoint *checkpoint) {
    hone_free(checkpoint->path);
    json_decref(checkpoint->manifest);
    *checkpoint = (struct hone_checkpoint){0};
}

enum hone_status hone_checkpoint_load(struct hone_training_state *state, const struct hone_checkpoint *checkpoint,
                                      struct hone_run *run, struct hone_optimizer *optimizer) {
    const json_t *manifest = checkpoint->manifest, *clock = json_object_get(manifest, "clock");
    *state = (struct hone_training_state){0};
    HONE_TRY(hone_model_folder_reload(&run->folder, checkpoint->path));
    char *path = hone_path_join(checkpoint->path, "state.h5");
    enum hone_status status = hone_training_state_read(state, path, run, optimizer);
    hone_free(path);
    HONE_TRY(status);
    state->run_seconds = json_number_value(json_object_get(clock, "run_seconds"));
    state->step_seconds = json_number_value(json_object_get(clock, "step_seconds"));
    state->log_seconds = json_number_value(json_object_get(clock, "log_seconds"));
    state->metrics_bytes = json_integer_value(json_object_get(manifest, "metrics_bytes"));
    json_t *best = json_object_get(manifest, "best_results");
    state->best_results = json_is_object(best) ? json_incref(best) : NULL;
    return HONE_OK;
}

enum hone_status hone_checkpoint_remove_all(const char *run_folder) {
    char *folder = hone_checkpoints_folder(run_folder);
    enum hone_status status = hone_remove_folder(folder);
    hone_free(folder);
    return status;
}
