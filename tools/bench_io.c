/* hone bench io FOLDER: the tensors of a model folder read with every check and converted to f32, and written as a new
 * file that is synced and renamed, in the folder that holds the model. hone bench io FILE COLUMN…: the records of a data
 * file, on one core. */
#include <string.h>

#include "base/io.h"
#include "base/log.h"
#include "base/memory.h"
#include "data/records.h"
#include "hub/safetensors.h"
#include "tools/bench.h"

enum { REPEATS = 7 };

struct tensors {
    struct hone_safetensors file;
    float **values;
    struct hone_tensor_source *sources;
    double bytes;
};

static enum hone_status read_all(struct tensors *t) {
    for (size_t i = 0; i < t->file.n; i++) {
        HONE_TRY(hone_safetensors_read_f32(&t->file, &t->file.tensors[i], t->values[i]));
    }
    return HONE_OK;
}

static enum hone_status give(void *bytes, int32_t id, void *user) {
    const struct tensors *t = user;
    memcpy(bytes, t->values[id], (size_t)hone_tensor_elements(&t->file.tensors[id]) * sizeof(float));
    return HONE_OK;
}

static void prepare(struct tensors *t) {
    t->values = hone_calloc(t->file.n, sizeof *t->values, "tensors");
    t->sources = hone_calloc(t->file.n, sizeof *t->sources, "tensors");
    for (size_t i = 0; i < t->file.n; i++) {
        const struct hone_tensor_entry *entry = &t->file.tensors[i];
        size_t n = (size_t)hone_tensor_elements(entry);
        t->values[i] = hone_alloc(n, sizeof(float), "tensor");
        t->sources[i] =
            (struct hone_tensor_source){.name = entry->name, .dtype = "F32", .n_dims = entry->n_dims, .id = (int32_t)i};
        memcpy(t->sources[i].shape, entry->shape, sizeof entry->shape);
        t->bytes += (double)n * sizeof(float);
    }
}

static enum hone_status measure(struct hone_bench *bench, struct tensors *t, const char *folder) {
    double rates[REPEATS];
    for (int r = -1; r < REPEATS; r++) {
        double begin = hone_seconds();
        HONE_TRY(read_all(t));
        if (r >= 0) rates[r] = t->bytes / (hone_seconds() - begin) / 1e9;
    }
    hone_bench_add(bench, "io: read safetensors as f32", "gigabytes_per_second", "GB/s", rates, REPEATS);
    hone_bench_note(bench, "bytes", t->bytes);
    char *target = hone_path_join(folder, "bench"), *temporary;
    enum hone_status status = hone_temporary_folder(&temporary, target);
    hone_free(target);
    HONE_TRY(status);
    char *path = hone_path_join(temporary, "model.safetensors");
    for (int r = -1; r < REPEATS && status == HONE_OK; r++) {
        double begin = hone_seconds();
        status = hone_safetensors_write(path, t->sources, t->file.n, give, t);
        if (r >= 0) rates[r] = t->bytes / (hone_seconds() - begin) / 1e9;
        if (status == HONE_OK) status = hone_remove_folder(path); /* the writer replaces nothing */
    }
    if (status == HONE_OK)
        hone_bench_add(bench, "io: write and sync safetensors", "gigabytes_per_second", "GB/s", rates, REPEATS);
    status = hone_discard_folder(temporary, status);
    hone_free(path);
    hone_free(temporary);
    return status;
}

/* Reads all of the file once; its bytes as they lie on the disk are what counts. */
static enum hone_status read_records(double *bytes, const char *path, struct hone_records_options options) {
    struct hone_records *records;
    struct hone_field text;
    bool more = true;
    HONE_TRY(hone_records_open(&records, path, options));
    enum hone_status status = HONE_OK;
    while (status == HONE_OK && (status = hone_records_next(records, &more)) == HONE_OK && more)
        for (size_t i = 0; i < options.n_columns && status == HONE_OK; i++)
            status = hone_records_text(&text, records, i);
    *bytes = (double)hone_records_bytes_read(records);
    hone_records_close(records);
    return status;
}

static enum hone_status bench_records(struct hone_bench *bench, const char *path, char **columns, int n) {
    enum hone_data_format format = hone_format_of(path, HONE_FORMAT_TEXT);
    static const char *const names[] = {[HONE_FORMAT_TSV] = "io: read TSV",
                                        [HONE_FORMAT_CSV] = "io: read CSV",
                                        [HONE_FORMAT_JSONL] = "io: read JSONL",
                                        [HONE_FORMAT_TEXT] = "io: read text"};
    struct hone_records_options options = {
        .format = format, .header = true, .columns = (const char *const *)columns, .n_columns = (size_t)n};
    double rates[REPEATS], bytes;
    for (int r = -1; r < REPEATS; r++) {
        double begin = hone_seconds();
        HONE_TRY(read_records(&bytes, path, options));
        if (r >= 0) rates[r] = bytes / (hone_seconds() - begin) / 1e6;
    }
    hone_bench_add(bench, names[format], "megabytes_per_second", "MB/s", rates, REPEATS);
    hone_bench_note(bench, "bytes", bytes);
    return HONE_OK;
}

enum hone_status hone_bench_io(struct hone_bench *bench, int argc, char **argv) {
    if (argc < 2) return hone_fail(HONE_USAGE, "bench io: give a model folder, or a data file and the columns to read");
    if (!hone_folder_exists(argv[1])) return bench_records(bench, argv[1], argv + 2, argc - 2);
    if (argc > 2) return hone_fail(HONE_USAGE, "bench io: a model folder has no columns");
    struct tensors t = {.values = NULL};
    HONE_TRY(hone_safetensors_open(&t.file, argv[1]));
    prepare(&t);
    enum hone_status status = measure(bench, &t, argv[1]);
    for (size_t i = 0; i < t.file.n; i++) hone_free(t.values[i]);
    hone_free(t.values);
    hone_free(t.sources);
    hone_safetensors_close(&t.file);
    return status;
}
