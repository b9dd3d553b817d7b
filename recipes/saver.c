/* Writing checkpoints: a temporary folder, every file synced, the manifest last, one rename, the parent synced; then the
 * new one is read back and verified before an older one goes. */
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/io.h"
#include "base/log.h"
#include "recipes/checkpoint.h"
#include "recipes/checkpoint_files.h"

struct hone_saver {
    struct hone_run *run;
    struct hone_optimizer *optimizer;
    char *folder; /* of checkpoints */

    struct hone_snapshot snapshot;
    struct hone_training_state state; /* being saved; its best_results are a copy of our own */
    bool at_work;                     /* the thread has to be joined */
    pthread_t thread;
    enum hone_status status; /* of the thread's save, once joined */
    char *message;
    double stall;
    int64_t saves;
};

struct hone_saver *hone_saver_create(struct hone_run *run, struct hone_optimizer *optimizer, const char *run_folder) {
    struct hone_saver *saver = hone_calloc(1, sizeof *saver, "checkpoint saver");
    saver->run = run;
    saver->optimizer = optimizer;
    saver->folder = hone_checkpoints_folder(run_folder);
    return saver;
}

static void copy_state(struct hone_training_state *to, const struct hone_training_state *from) {
    json_decref(to->best_results);
    *to = *from;
    to->best_results = from->best_results ? json_deep_copy(from->best_results) : NULL;
}

static enum hone_status add_file(json_t *files, const char *folder, const char *name) {
    char *path = hone_path_join(folder, name), hash[HONE_SHA256_TEXT];
    struct hone_file *file;
    int64_t bytes = 0;
    enum hone_status status = hone_sha256_file(hash, path);
    if (status == HONE_OK) status = hone_file_open(&file, path);
    if (status == HONE_OK) {
        bytes = hone_file_size(file);
        hone_file_close(file);
        json_object_set_new(files, name, json_pack("{s:I, s:s}", "size", (json_int_t)bytes, "sha256", hash));
    }
    hone_free(path);
    return status;
}

static enum hone_status write_manifest(const char *folder, const struct hone_training_state *state,
                                       const struct hone_run *run) {
    char **names;
    size_t n;
    HONE_TRY(hone_list_folder(&names, &n, folder));
    json_t *files = json_object();
    enum hone_status status = HONE_OK;
    for (size_t i = 0; i < n && status == HONE_OK; i++) status = add_file(files, folder, names[i]);
    hone_names_free(names, n);
    json_t *clock = json_pack("{s:f, s:f, s:f}", "run_seconds", state->run_seconds, "step_seconds", state->step_seconds,
                              "log_seconds", state->log_seconds);
    json_t *manifest =
        json_pack("{s:s, s:I, s:O, s:o, s:I, s:O?, s:o}", "format", HONE_CHECKPOINT_FORMAT, "step",
                  (json_int_t)state->step, "identity", run->identity.facts, "clock", clock, "metrics_bytes",
                  (json_int_t)state->metrics_bytes, "best_results", state->best_results, "files", files);
    char *path = hone_path_join(folder, "manifest.json");
    if (status == HONE_OK) status = hone_json_write(manifest, path);
    hone_free(path);
    json_decref(manifest);
    return status;
}

/* A rename first, so that what is left of a removal that is cut short looks like no checkpoint. */
static enum hone_status remove_checkpoint(const char *folder, const char *name) {
    char *path = hone_path_join(folder, name), *doomed = NULL;
    enum hone_status status = hone_temporary_folder(&doomed, path);
    if (status == HONE_OK) {
        char *inside = hone_path_join(doomed, name);
        status = hone_rename(path, inside);
        hone_free(inside);
        enum hone_status removed = hone_remove_folder(doomed);
        if (status == HONE_OK) status = removed;
    }
    hone_free(doomed);
    hone_free(path);
    return status;
}

static enum hone_status prune(const char *folder, const struct hone_training_state *state, int64_t keep) {
    char **names;
    size_t n;
    HONE_TRY(hone_checkpoint_list(&names, &n, folder));
    enum hone_status status = HONE_OK;
    int64_t kept = 0;
    for (size_t i = 0; i < n && status == HONE_OK; i++) {
        int64_t step = hone_checkpoint_step(names[i]);
        bool best = state->has_best && step == state->best_step;
        /* One beyond the present step is a damaged one of an earlier attempt. */
        if (step <= state->step && (best || kept < keep)) {
            kept += !best;
            continue;
        }
        status = remove_checkpoint(folder, names[i]);
    }
    hone_names_free(names, n);
    return status;
}

static enum hone_status save(struct hone_saver *saver, const struct hone_snapshot *snapshot) {
    const struct hone_training_state *state = &saver->state;
    const struct hone_run *run = saver->run;
    char name[32];
    snprintf(name, sizeof name, "step-%06lld", (long long)state->step);
    char *path = hone_path_join(saver->folder, name), *temporary = NULL, *state_path = NULL;
    json_t *manifest = NULL;
    enum hone_status status;
    /* Not ours to write twice: equal training, equal bytes. In the way is a damaged one, and one that a signal asked for
     * before the evaluation at its step, which has been logged since. */
    bool in_the_way = hone_folder_exists(path);
    if (in_the_way && hone_checkpoint_verify(&manifest, path) == HONE_OK &&
        json_integer_value(json_object_get(manifest, "metrics_bytes")) == state->metrics_bytes)
        goto committed;
    HONE_TRY_GOTO(hone_temporary_folder(&temporary, path));
    HONE_TRY_GOTO(hone_model_folder_save(&run->folder, temporary, run->recipe->data.max_length,
                                         snapshot ? snapshot->weights : NULL));
    state_path = hone_path_join(temporary, "state.h5");
    HONE_TRY_GOTO(hone_training_state_write(state_path, state, run, saver->optimizer, snapshot));
    HONE_TRY_GOTO(write_manifest(temporary, state, run));
    if (in_the_way) HONE_TRY_GOTO(remove_checkpoint(saver->folder, name));
    HONE_TRY_GOTO(hone_commit_folder(temporary, path));
    json_decref(manifest);
    status = hone_checkpoint_verify(&manifest, path);
    if (status != HONE_OK) {
        status = hone_fail(HONE_DISK, "%s was written, but reading it back failed: %s", path, hone_error_message());
        goto done;
    }
committed:
    status = prune(saver->folder, state, run->recipe->checkpoint.keep);
done:
    if (status != HONE_OK) hone_discard_folder(temporary, status);
    json_decref(manifest);
    hone_free(temporary);
    hone_free(state_path);
    hone_free(path);
    return status;
}

static void *save_beside(void *argument) {
    struct hone_saver *saver = argument;
    saver->status = save(saver, &saver->snapshot);
    if (saver->status != HONE_OK) saver->message = hone_strdup(hone_error_message(), "message");
    return NULL;
}

enum hone_status hone_saver_wait(struct hone_saver *saver) {
    if (!saver || !saver->at_work) return HONE_OK;
    pthread_join(saver->thread, NULL);
    saver->at_work = false;
    if (saver->status == HONE_OK) return HONE_OK;
    enum hone_status status = hone_fail(saver->status, "%s", saver->message);
    hone_free(saver->message);
    saver->message = NULL;
    return status;
}

enum hone_status hone_saver_save(struct hone_saver *saver, const struct hone_training_state *state,
                                 struct hone_stream *stream, bool wait) {
    double begin = hone_seconds();
    HONE_TRY(hone_saver_wait(saver));
    copy_state(&saver->state, state);
    enum hone_status status = HONE_OK;
    /* What other ranks have parts of is put together in it, too. */
    bool copies = !wait || hone_optimizer_is_shared(saver->optimizer);
    if (copies) status = hone_snapshot_take(&saver->snapshot, saver->run, saver->optimizer, stream);
    if (status == HONE_OK) {
        /* Without a thread to be had, here. */
        if (!wait && pthread_create(&saver->thread, NULL, save_beside, saver) == 0)
            saver->at_work = true;
        else
            status = save(saver, copies ? &saver->snapshot : NULL);
    }
    /* Training goes on behind a copy alone. */
    if (!wait) {
        saver->stall += hone_seconds() - begin;
        saver->saves++;
    }
    return status;
}

double hone_saver_stall(const struct hone_saver *saver, int64_t *saves) {
    *saves = saver ? saver->saves : 0;
    return saver ? saver->stall : 0;
}

void hone_saver_free(struct hone_saver *saver) {
    if (!saver) return;
    (void)hone_saver_wait(saver); /* its failure was asked for before, or another one is being told */
    json_decref(saver->state.best_results);
    hone_snapshot_free(&saver->snapshot);
    hone_free(saver->folder);
    hone_free(saver);
}
