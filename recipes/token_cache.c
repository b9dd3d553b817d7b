#include "recipes/token_cache.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/io.h"
#include "base/lock.h"
#include "base/log.h"
#include "base/stop.h"
#include "recipes/identity.h"
#include "recipes/options.h"
#include "recipes/token_cache_files.h"

#define PROGRAM "/proc/self/exe"
/* Of a key, so much makes the folder's name. */
#define NAME_DIGITS 32

void hone_cache_entry_free(struct hone_cache_entry *entry) {
    hone_free(entry->path);
    *entry = (struct hone_cache_entry){0};
}

char *hone_cache_folder(const struct hone_recipe *recipe) {
    const char *path = recipe->data.cache, *home = getenv("HOME");
    if (!path || strcmp(path, "no") == 0) return NULL;
    if (strncmp(path, "~/", 2) != 0) return hone_strdup(path, "file name");
    return home && *home ? hone_path_join(home, path + 2) : NULL;
}

/* Options of data and task decide what tokens come out, but for these: which files there are (their contents are in the
 * key), the labels (their names are), and what is done with samples later on. */
static bool decides(const char *option) {
    static const char *const others[] = {"data.cache",
                                         "data.test",
                                         "data.train",
                                         "data.validation",
                                         "data.validation_mm",
                                         "data.weights",
                                         "task.class_weights",
                                         "task.focal_gamma",
                                         "task.label_smoothing",
                                         "task.labels",
                                         "task.mask_probability",
                                         "task.threshold",
                                         "task.whole_words"};
    if (strncmp(option, "data.", 5) != 0 && strncmp(option, "task.", 5) != 0) return false;
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (strcmp(option, others[i]) == 0) return false;
    return true;
}

static json_t *option_facts(const struct hone_recipe *recipe) {
    json_t *facts = json_object();
    for (size_t i = 0; i < hone_option_count; i++) {
        struct hone_text value = {0};
        if (!decides(hone_options[i].name)) continue;
        hone_option_print(&value, recipe, &hone_options[i]);
        json_object_set_new(facts, hone_options[i].name, json_stringn(value.bytes, value.length));
        hone_text_free(&value);
    }
    return facts;
}

static json_t *label_facts(const struct hone_labels *labels) {
    json_t *names = json_array();
    for (int64_t i = 0; i < labels->n; i++) json_array_append_new(names, json_string(labels->names[i]));
    return json_pack("{s:s, s:o}", "scheme", hone_recipe_word("task.scheme", (int)labels->scheme), "names", names);
}

/* What a file was when it was hashed; it must be the same when its samples have been read. */
struct state_of_file {
    dev_t device;
    ino_t inode;
    off_t size;
    struct timespec changed;
};

static bool look_at(struct state_of_file *out, const char *path) {
    struct stat about;
    if (stat(path, &about) != 0 || !S_ISREG(about.st_mode)) return false;
    *out = (struct state_of_file){about.st_dev, about.st_ino, about.st_size, about.st_mtim};
    return true;
}

static bool is_same(const struct state_of_file *a, const struct state_of_file *b) {
    return a->device == b->device && a->inode == b->inode && a->size == b->size &&
           a->changed.tv_sec == b->changed.tv_sec && a->changed.tv_nsec == b->changed.tv_nsec;
}

/* What is to be read, and what it follows from. */
struct request {
    const struct hone_task_class *task;
    const struct hone_recipe *recipe;
    enum hone_split split;
    const struct hone_model_folder *folder;
    struct hone_samples files; /* names and hashes of the data files alone */
    struct state_of_file *states;
    json_t *facts;
};

static void request_free(struct request *request) {
    hone_samples_free(&request->files);
    hone_free(request->states);
    json_decref(request->facts);
}

/* *usable is false for pipes and the like, whose contents come once. */
static enum hone_status hash_files(struct request *request, json_t *facts, bool *usable) {
    struct hone_samples *files = &request->files;
    enum hone_data_format otherwise = hone_dataset_format(request->recipe);
    request->states = hone_calloc(files->n_paths, sizeof *request->states, "data files");
    files->hashes = hone_calloc(files->n_paths, sizeof *files->hashes, "hashes of data files");
    *usable = true;
    for (size_t i = 0; i < files->n_paths && *usable; i++) {
        char hash[HONE_SHA256_TEXT];
        *usable = look_at(&request->states[i], files->paths[i]);
        if (!*usable) break;
        HONE_TRY(hone_sha256_file(hash, files->paths[i]));
        files->hashes[i] = hone_strdup(hash, "hash of a data file");
        const char *format = hone_recipe_word("data.format", (int)hone_format_of(files->paths[i], otherwise));
        json_array_append_new(facts, json_pack("{s:s, s:s}", "sha256", hash, "format", format));
    }
    return HONE_OK;
}

static enum hone_status make_request(struct request *request, bool *usable) {
    struct hone_dataset *dataset;
    char program[HONE_SHA256_TEXT];
    json_t *tokenizer, *files = json_array();
    HONE_TRY(hone_dataset_open(&dataset, request->recipe, request->split));
    hone_samples_name_files(&request->files, dataset);
    hone_dataset_close(dataset);
    enum hone_status status = hash_files(request, files, usable);
    if (status == HONE_OK) status = hone_sha256_file(program, PROGRAM);
    if (status == HONE_OK) status = hone_identity_of_folder(&tokenizer, request->folder->path, false);
    if (status != HONE_OK) {
        json_decref(files);
        return status;
    }
    request->facts =
        json_pack("{s:s, s:s, s:o, s:o, s:o, s:I, s:o}", "split", hone_split_name(request->split), "program", program,
                  "files", files, "tokenizer", tokenizer, "labels", label_facts(&request->folder->labels), "types",
                  (json_int_t)request->folder->model->n_types, "options", option_facts(request->recipe));
    return HONE_OK;
}

static char *path_of_entry(const struct request *request) {
    char key[HONE_SHA256_TEXT], *root = hone_cache_folder(request->recipe);
    hone_identity_hash(key, request->facts);
    key[NAME_DIGITS] = 0;
    char *path = hone_path_join(root, key);
    hone_free(root);
    return path;
}

/* Names, masking and the like, which no entry holds. */
static enum hone_status complete(struct hone_samples *samples, struct request *request) {
    samples->paths = request->files.paths;
    samples->sources = request->files.sources;
    samples->hashes = request->files.hashes;
    samples->n_paths = request->files.n_paths;
    request->files = (struct hone_samples){0};
    return request->task->complete ? request->task->complete(samples, request->recipe, request->folder) : HONE_OK;
}

static enum hone_status encode(struct hone_samples *out, const struct request *request) {
    HONE_TRY(request->task->encode(out, request->recipe, request->split, request->folder));
    for (size_t i = 0; request->states && i < request->files.n_paths; i++) {
        struct state_of_file now;
        if (look_at(&now, request->files.paths[i]) && is_same(&now, &request->states[i])) continue;
        hone_samples_free(out);
        return hone_fail(HONE_BAD_INPUT, "%s: was changed while it was read; run again when it stays as it is",
                         request->files.paths[i]);
    }
    return HONE_OK;
}

/* The entry, if it is there. HONE_OK without samples: it is not, or is damaged, which is told. */
static enum hone_status look_up(struct hone_samples *out, const struct hone_cache_entry *entry,
                                struct request *request) {
    *out = (struct hone_samples){0};
    if (!hone_token_cache_exists(entry->path)) return HONE_OK;
    if (hone_token_cache_open(out, entry->path, request->facts) != HONE_OK) {
        hone_warn("%s: is written anew: %s", entry->path, hone_error_message());
        return HONE_OK;
    }
    enum hone_status status = complete(out, request);
    if (status != HONE_OK) hone_samples_free(out);
    return status;
}

/* Takes the lock of the entry's folder, unless somebody else has finished the entry meanwhile: *lock NULL. */
static enum hone_status wait_for_lock(struct hone_lock **lock, const struct hone_cache_entry *entry) {
    for (bool told = false;; told = true) {
        enum hone_status status = hone_lock_take(lock, entry->path);
        if (status != HONE_BUSY) return status;
        if (!told) hone_info("waiting for the token cache: %s", hone_error_message());
        if (hone_token_cache_exists(entry->path)) return HONE_OK;
        enum hone_status asked = hone_stop_asked();
        if (asked != HONE_OK)
            return hone_fail(asked, "stopped by a signal while another process wrote %s", entry->path);
        nanosleep(&(struct timespec){.tv_nsec = 200000000}, NULL);
    }
}

/* What a process left that was killed while it wrote. */
static void sweep(const char *folder) {
    char **names;
    size_t n;
    if (hone_list_folder(&names, &n, folder) != HONE_OK) return;
    for (size_t i = 0; i < n; i++) {
        char *path = hone_path_join(folder, names[i]);
        if (!hone_lock_is_name(names[i]) && strstr(names[i], ".tmp-")) unlink(path);
        hone_free(path);
    }
    hone_names_free(names, n);
}

/* Encodes, and writes the entry with its lock held. *out has samples whenever encoding went well. */
static enum hone_status write_entry(struct hone_samples *out, struct hone_cache_entry *entry, struct request *request) {
    struct hone_samples written = {0};
    sweep(entry->path);
    HONE_TRY(encode(out, request));
    HONE_TRY(hone_token_cache_write(out, entry->path, request->facts));
    HONE_TRY(hone_token_cache_open(&written, entry->path, request->facts));
    hone_samples_free(out);
    *out = written;
    return complete(out, request);
}

static enum hone_status fill(struct hone_samples *out, struct hone_cache_entry *entry, struct request *request) {
    struct hone_lock *lock = NULL;
    HONE_TRY(hone_make_folders(entry->path));
    HONE_TRY(hone_token_cache_check_owner(entry->path));
    HONE_TRY(wait_for_lock(&lock, entry));
    enum hone_status status = look_up(out, entry, request);
    entry->found = out->n > 0;
    if (status == HONE_OK && !entry->found)
        status = lock ? write_entry(out, entry, request) : hone_fail(HONE_DISK, "%s: is damaged", entry->path);
    hone_lock_release(lock);
    return status;
}

static enum hone_status read_through(struct hone_samples *out, struct hone_cache_entry *entry, struct request *request,
                                     enum hone_cache_use use) {
    bool usable;
    HONE_TRY(make_request(request, &usable));
    if (!usable && use == HONE_CACHE_NEEDED)
        return hone_fail(HONE_BAD_INPUT, "%s: is no regular file, and only those are cached", request->files.paths[0]);
    if (!usable) return request->task->encode(out, request->recipe, request->split, request->folder);
    entry->path = path_of_entry(request);
    enum hone_status status = look_up(out, entry, request);
    entry->found = out->n > 0;
    if (status != HONE_OK || entry->found) return status;
    status = fill(out, entry, request);
    if (status == HONE_OK || use == HONE_CACHE_NEEDED) return status;
    /* A disk that is full or read-only is no reason not to train. */
    if (status != HONE_DISK) return status;
    hone_warn("no token cache is written: %s; data.cache=no turns it off", hone_error_message());
    hone_cache_entry_free(entry);
    return out->n > 0 ? HONE_OK : encode(out, request);
}

enum hone_status hone_tokens_read(struct hone_samples *out, struct hone_cache_entry *entry,
                                  const struct hone_task_class *task, const struct hone_recipe *recipe,
                                  enum hone_split split, const struct hone_model_folder *folder,
                                  enum hone_cache_use use) {
    *out = (struct hone_samples){0};
    *entry = (struct hone_cache_entry){0};
    char *root = hone_cache_folder(recipe);
    bool cached = root;
    hone_free(root);
    if (!cached && use == HONE_CACHE_NEEDED)
        return hone_fail(HONE_USAGE, "data.cache names no folder to keep tokens in, such as ~/.cache/hone/tokens");
    if (!cached) return task->encode(out, recipe, split, folder);
    struct request request = {.task = task, .recipe = recipe, .split = split, .folder = folder};
    enum hone_status status = read_through(out, entry, &request, use);
    request_free(&request);
    if (status != HONE_OK) hone_samples_free(out);
    return status;
}
