/* Opening safetensors: one file, or a folder's shards. All that a header claims is checked before anything is allocated
 * for it or read from it; files are read, never mapped, and each read afterwards finds the file that was checked. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/io.h"
#include "base/json.h"
#include "base/memory.h"
#include "base/utf8.h"
#include "hub/folder.h"
#include "hub/safetensors_files.h"
#include "hub/safetensors_format.h"

#define MAX_SHARDS 1000 /* one descriptor each */

static const char remedy[] = "the file is damaged or no safetensors file: fetch it again or save it again";

/* The same message with what to do behind it. */
static enum hone_status with_remedy(enum hone_status status) {
    if (status != HONE_BAD_INPUT) return status;
    char *message = hone_strdup(hone_error_message(), "error message");
    status = hone_fail(status, "%s; %s", message, remedy);
    hone_free(message);
    return status;
}

enum hone_status hone_shard_check(const struct hone_shard *shard) {
    struct stat now;
    const char *path = hone_file_path(shard->file);
    if (stat(path, &now) != 0) {
        return hone_fail(HONE_BAD_INPUT, "%s: the file went away while it was read (%s)", path, strerror(errno));
    }
    const struct stat *then = &shard->identity;
    bool same = now.st_dev == then->st_dev && now.st_ino == then->st_ino && now.st_size == then->st_size &&
                now.st_mtim.tv_sec == then->st_mtim.tv_sec && now.st_mtim.tv_nsec == then->st_mtim.tv_nsec;
    if (!same) {
        return hone_fail(HONE_BAD_INPUT,
                         "%s: the file was replaced or changed while it was read; start again when "
                         "its writer has finished",
                         path);
    }
    return HONE_OK;
}

/* Pickles run code when loaded: they are told by their first bytes and never parsed. A .bin or .pt of PyTorch is a zip
 * archive ("PK") or, from before version 1.6, a bare pickle (0x80 and its protocol). */
static enum hone_status refuse_pickle(const char *path, const unsigned char *start) {
    bool zip = memcmp(start, "PK\3\4", 4) == 0, pickle = start[0] == 0x80 && start[1] >= 1 && start[1] <= 5;
    /* 0x80 opens a valid header length too; then a '{' follows at byte 8. */
    if (!zip && (!pickle || start[8] == '{')) return HONE_OK;
    return hone_fail(HONE_BAD_INPUT,
                     "%s: byte 0: this is a PyTorch pickle%s, which can run code and is never read here; convert to "
                     "safetensors first (in Transformers: load it where it is trusted, then save_pretrained)",
                     path, zip ? " archive" : "");
}

/* The header's bytes, owned, with their number and that of the data behind them. */
static enum hone_status read_header(char **header, size_t *n, int64_t *data_bytes, struct hone_file *file) {
    const char *path = hone_file_path(file);
    int64_t size = hone_file_size(file);
    if (size < 8) {
        return hone_fail(HONE_BAD_INPUT, "%s: byte 0: the file has %" PRId64 " bytes, expected at least 8; %s", path,
                         size, remedy);
    }
    unsigned char start[16] = {0};
    HONE_TRY(hone_file_read_at(file, start, (size_t)hone_min_i64(size, 16), 0));
    HONE_TRY(refuse_pickle(path, start));
    uint64_t length = 0;
    for (int i = 7; i >= 0; i--) length = length << 8 | start[i];
    if (length == 0 || length > HONE_SAFETENSORS_HEADER_LIMIT || (int64_t)length > size - 8) {
        return hone_fail(HONE_BAD_INPUT,
                         "%s: header length %" PRIu64 " at byte 0, expected 2 to %" PRId64 " in a file of %" PRId64
                         " bytes; %s",
                         path, length, hone_min_i64(size - 8, HONE_SAFETENSORS_HEADER_LIMIT), size, remedy);
    }
    *n = (size_t)length;
    *data_bytes = size - 8 - (int64_t)length;
    *header = hone_alloc(*n + 1, 1, "safetensors header");
    enum hone_status status = hone_file_read_at(file, *header, *n, 8);
    if (status != HONE_OK) {
        hone_free(*header);
        *header = NULL;
    }
    return status;
}

/* Opens one file and appends its tensors. What was opened is in `out` also on failure, for hone_safetensors_close. */
static enum hone_status open_file(struct hone_safetensors *out, size_t *capacity, const char *path) {
    struct hone_safetensors_private *own = out->private;
    struct hone_shard *shard = &own->shards[out->n_files];
    memset(shard, 0, sizeof *shard);
    struct stat identity;
    if (stat(path, &identity) == 0 && !S_ISREG(identity.st_mode)) {
        return hone_fail(HONE_BAD_INPUT, "%s: not a regular file, expected safetensors", path);
    }
    HONE_TRY(hone_file_open(&shard->file, path));
    out->paths[out->n_files] = hone_strdup(path, "path");
    int32_t index = out->n_files++;
    if (stat(path, &shard->identity) != 0 || shard->identity.st_size != hone_file_size(shard->file)) {
        return hone_fail(HONE_BAD_INPUT, "%s: the file was replaced or changed while it was opened", path);
    }
    size_t n = 0;
    int64_t data_bytes = 0;
    HONE_TRY(read_header(&shard->header, &n, &data_bytes, shard->file));
    HONE_TRY(with_remedy(
        hone_safetensors_parse(&out->tensors, &out->n, capacity, shard->header, n, data_bytes, index, path)));
    shard->data_start = 8 + (int64_t)n;
    out->total_bytes += data_bytes;
    return hone_shard_check(shard);
}

static void reserve_files(struct hone_safetensors *out, size_t n) {
    out->private = hone_calloc(1, sizeof *out->private, "safetensors");
    out->private->shards = hone_calloc(n, sizeof *out->private->shards, "safetensors shards");
    out->paths = hone_calloc(n, sizeof *out->paths, "safetensors shards");
}

static int compare_texts(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The distinct file names of a weight_map, sorted, borrowed from it; the array is owned. */
static enum hone_status shard_names(const char ***names, size_t *n, const json_t *map, const char *index_path) {
    size_t count = json_object_size(map), i = 0;
    const char **all = hone_alloc(count, sizeof *all, "safetensors index");
    const char *tensor;
    json_t *value;
    json_object_foreach((json_t *)map, tensor, value) {
        const char *name = json_string_value(value);
        if (!name || !hone_name_is_plain(name)) {
            char *shown = name ? hone_escape(name, strnlen(name, 200)) : hone_strdup("no string", "message");
            enum hone_status status =
                hone_tensor_fail(index_path, tensor, "weight_map says \"%s\", expected a plain file name", shown);
            hone_free(shown);
            hone_free(all);
            return status;
        }
        all[i++] = name;
    }
    qsort(all, count, sizeof *all, compare_texts);
    size_t distinct = 0;
    for (i = 0; i < count; i++) {
        if (distinct == 0 || strcmp(all[distinct - 1], all[i]) != 0) all[distinct++] = all[i];
    }
    *names = all;
    *n = distinct;
    if (distinct == 0 || distinct > MAX_SHARDS) {
        hone_free(all);
        *names = NULL;
        return hone_fail(HONE_BAD_INPUT, "%s: weight_map names %zu files, expected 1 to %d", index_path, distinct,
                         MAX_SHARDS);
    }
    return HONE_OK;
}

static const char *file_name(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static int compare_names(const void *a, const void *b) {
    const struct hone_tensor_entry *x = a, *y = b;
    int order = strcmp(x->name, y->name);
    return order != 0 ? order : (x->file > y->file) - (x->file < y->file);
}

/* Index and shards name the same tensors, each in the same file. The tensors are sorted by name. */
static enum hone_status check_index(const struct hone_safetensors *out, const json_t *map, const char *index_path) {
    for (size_t i = 0; i < out->n; i++) {
        const struct hone_tensor_entry *entry = &out->tensors[i];
        const char *path = out->paths[entry->file];
        if (i > 0 && strcmp(out->tensors[i - 1].name, entry->name) == 0) {
            return hone_tensor_fail(path, entry->name, "it stands in %s too, expected in one shard only",
                                    file_name(out->paths[out->tensors[i - 1].file]));
        }
        const char *expected = json_string_value(json_object_get(map, entry->name));
        if (!expected) {
            return hone_tensor_fail(path, entry->name, "it stands in this shard, but not in %s", index_path);
        }
        if (strcmp(expected, file_name(path)) != 0) {
            return hone_tensor_fail(path, entry->name, "it stands in this shard, but the index says %s", expected);
        }
    }
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)map, name, value) {
        if (!hone_safetensors_find(out, name)) {
            return hone_tensor_fail(index_path, name, "weight_map puts it into %s, which does not hold it",
                                    json_string_value(value));
        }
    }
    return HONE_OK;
}

static enum hone_status open_shards(struct hone_safetensors *out, size_t *capacity, const char *folder,
                                    const char *index_path) {
    json_t *index;
    HONE_TRY(hone_json_read(&index, index_path, HONE_JSON_CONFIG_LIMIT));
    const char **names = NULL;
    size_t n = 0;
    enum hone_status status;
    const json_t *map = json_object_get(index, "weight_map");
    if (!json_is_object(map)) {
        status = hone_fail(HONE_BAD_INPUT, "%s: no object \"weight_map\", expected {tensor: file}", index_path);
        goto done;
    }
    HONE_TRY_GOTO(shard_names(&names, &n, map, index_path));
    reserve_files(out, n);
    for (size_t i = 0; i < n; i++) {
        char *path = hone_path_join(folder, names[i]);
        status = hone_folder_check_file(folder, path);
        if (status == HONE_OK) status = open_file(out, capacity, path);
        hone_free(path);
        if (status != HONE_OK) goto done;
    }
    qsort(out->tensors, out->n, sizeof *out->tensors, compare_names);
    status = check_index(out, map, index_path);
done:
    hone_free(names);
    json_decref(index);
    return status;
}

static enum hone_status open_folder(struct hone_safetensors *out, size_t *capacity, const char *folder) {
    char *single = hone_path_join(folder, "model.safetensors");
    char *index = hone_path_join(folder, "model.safetensors.index.json");
    char *pickle = hone_path_join(folder, "pytorch_model.bin");
    char *pickles = hone_path_join(folder, "pytorch_model.bin.index.json");
    enum hone_status status;
    if (hone_file_exists(single)) {
        reserve_files(out, 1);
        status = open_file(out, capacity, single);
    } else if (hone_file_exists(index)) {
        status = open_shards(out, capacity, folder, index);
    } else if (hone_file_exists(pickle) || hone_file_exists(pickles)) {
        status = hone_fail(HONE_BAD_INPUT,
                           "%s: the weights are PyTorch pickles (pytorch_model.bin), which can run code and are never "
                           "read here; convert to safetensors first (in Transformers: load them where they are "
                           "trusted, then save_pretrained)",
                           folder);
    } else {
        status = hone_fail(HONE_BAD_INPUT,
                           "%s: neither model.safetensors nor model.safetensors.index.json is here; "
                           "is this a model folder as the Hub has it?",
                           folder);
    }
    hone_free(single);
    hone_free(index);
    hone_free(pickle);
    hone_free(pickles);
    return status;
}

enum hone_status hone_safetensors_open(struct hone_safetensors *out, const char *path) {
    memset(out, 0, sizeof *out);
    size_t capacity = 0;
    enum hone_status status;
    if (hone_folder_exists(path)) {
        status = open_folder(out, &capacity, path);
    } else {
        reserve_files(out, 1);
        status = open_file(out, &capacity, path);
    }
    if (status == HONE_OK && out->n > 0) qsort(out->tensors, out->n, sizeof *out->tensors, compare_names);
    if (status != HONE_OK) hone_safetensors_close(out);
    return status;
}

void hone_safetensors_close(struct hone_safetensors *file) {
    for (int32_t i = 0; i < file->n_files; i++) {
        hone_file_close(file->private->shards[i].file);
        hone_free(file->private->shards[i].header);
        hone_free(file->paths[i]);
    }
    if (file->private) hone_free(file->private->shards);
    hone_free(file->private);
    hone_free(file->paths);
    hone_free(file->tensors);
    memset(file, 0, sizeof *file);
}

const struct hone_tensor_entry *hone_safetensors_find(const struct hone_safetensors *file, const char *name) {
    size_t low = 0, high = file->n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(file->tensors[middle].name, name);
        if (order == 0) return &file->tensors[middle];
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return NULL;
}
