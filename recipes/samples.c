#include "recipes/samples.h"

#include "base/log.h"
#include "base/memory.h"
#include "base/spill.h"
#include "base/stop.h"

/* Samples between two looks at the clock and for signals. */
#define LOOK_EVERY 256

const struct hone_sample_array_about hone_sample_arrays[HONE_SAMPLE_ARRAYS] = {
    [HONE_SAMPLE_BEGINS] = {"begins", HONE_HDF5_I64, sizeof(int64_t), "token"},
    [HONE_SAMPLE_LABELS] = {"labels", HONE_HDF5_I32, sizeof(int32_t), "index of a label"},
    [HONE_SAMPLE_TARGETS] = {"targets", HONE_HDF5_F32, sizeof(float), "1"},
    [HONE_SAMPLE_LINES] = {"lines", HONE_HDF5_I64, sizeof(int64_t), "line from 1"},
    [HONE_SAMPLE_FILES] = {"files", HONE_HDF5_I32, sizeof(int32_t), "index of a file"},
    [HONE_SAMPLE_IDS] = {"ids", HONE_HDF5_I32, sizeof(int32_t), "token id"},
    [HONE_SAMPLE_TYPES] = {"types", HONE_HDF5_U8, sizeof(uint8_t), "token type id"},
    [HONE_SAMPLE_MARKS] = {"marks", HONE_HDF5_U8, sizeof(uint8_t), "0 begins a word, 1 goes on, 2 is never masked"},
    [HONE_SAMPLE_TAGS] = {"tags", HONE_HDF5_I16, sizeof(int16_t), "index of a label, -1 for none"},
};

int64_t hone_sample_array_count(const struct hone_samples *samples, enum hone_sample_array array) {
    switch (array) {
    case HONE_SAMPLE_BEGINS:
        return samples->n + 1;
    case HONE_SAMPLE_TARGETS:
        return samples->n * samples->n_targets;
    case HONE_SAMPLE_IDS:
    case HONE_SAMPLE_TYPES:
        return samples->n_tokens;
    case HONE_SAMPLE_MARKS:
        return samples->marks ? samples->n_tokens : 0;
    case HONE_SAMPLE_TAGS:
        return samples->tags ? samples->n_tokens : 0;
    default:
        return samples->n;
    }
}

const void **hone_sample_array_at(struct hone_samples *samples, enum hone_sample_array array) {
    const void *const at[HONE_SAMPLE_ARRAYS] = {
        [HONE_SAMPLE_BEGINS] = &samples->begins,   [HONE_SAMPLE_LABELS] = &samples->labels,
        [HONE_SAMPLE_TARGETS] = &samples->targets, [HONE_SAMPLE_LINES] = &samples->lines,
        [HONE_SAMPLE_FILES] = &samples->files,     [HONE_SAMPLE_IDS] = &samples->ids,
        [HONE_SAMPLE_TYPES] = &samples->types,     [HONE_SAMPLE_MARKS] = &samples->marks,
        [HONE_SAMPLE_TAGS] = &samples->tags};
    return (const void **)(uintptr_t)at[array];
}

static enum hone_status put(struct hone_samples_writer *writer, enum hone_sample_array array, const void *values,
                            int64_t n) {
    if (!writer->arrays[array])
        writer->arrays[array] = hone_spill_create(writer->memory ? writer->memory : HONE_SPILL_MEMORY);
    return hone_spill_append(writer->arrays[array], values, (size_t)n * hone_sample_arrays[array].size);
}

/* Where the tokens of the next sample begin; with it label and targets of the last one are complete. */
static enum hone_status close_sample(struct hone_samples_writer *writer) {
    struct hone_samples *samples = &writer->samples;
    if (samples->n > 0) {
        HONE_TRY(put(writer, HONE_SAMPLE_LABELS, &writer->label, 1));
        if (writer->targets) HONE_TRY(put(writer, HONE_SAMPLE_TARGETS, writer->targets, samples->n_targets));
    }
    writer->label = 0;
    return put(writer, HONE_SAMPLE_BEGINS, &samples->n_tokens, 1);
}

static enum hone_status look_around(const struct hone_samples_writer *writer) {
    const struct hone_samples *samples = &writer->samples;
    enum hone_status asked = hone_stop_asked();
    if (asked != HONE_OK)
        return hone_fail(asked, "stopped by a signal while %s was read, after %lld samples; run it again",
                         writer->what ? writer->what : "data", (long long)samples->n);
    if (writer->what)
        hone_progress(5, "%s: %lld samples, %lld tokens so far", writer->what, (long long)samples->n,
                      (long long)samples->n_tokens);
    return HONE_OK;
}

enum hone_status hone_samples_append(struct hone_samples_writer *writer, const struct hone_encoding *encoding,
                                     const struct hone_model *model, int32_t file, int64_t line) {
    struct hone_samples *samples = &writer->samples;
    if (encoding->n == 0) {
        return hone_fail(HONE_BAD_INPUT, "no tokens: the text is empty and the tokenizer adds no special ones");
    }
    if (samples->n % LOOK_EVERY == LOOK_EVERY - 1) HONE_TRY(look_around(writer));
    hone_reserve(&writer->types, &writer->types_capacity, encoding->n, 1, "token types");
    int64_t n = (int64_t)encoding->n;
    for (int64_t i = 0; i < n; i++) {
        int32_t type = model->n_types ? encoding->type_ids[i] : 0;
        if (type < 0 || type > UINT8_MAX || (type > 0 && type >= model->n_types)) {
            return hone_fail(HONE_BAD_INPUT,
                             "the tokenizer gives token %lld the type %d, but the model has types 0 to %lld only "
                             "(type_vocab_size in config.json)%s",
                             (long long)i + 1, type, (long long)model->n_types - 1,
                             encoding->sequence_ids[i] > 0 ? "; it was not made for pairs of texts" : "");
        }
        writer->types[i] = (uint8_t)type;
    }
    HONE_TRY(close_sample(writer));
    HONE_TRY(put(writer, HONE_SAMPLE_IDS, encoding->ids, n));
    HONE_TRY(put(writer, HONE_SAMPLE_TYPES, writer->types, n));
    HONE_TRY(put(writer, HONE_SAMPLE_LINES, &line, 1));
    HONE_TRY(put(writer, HONE_SAMPLE_FILES, &file, 1));
    samples->n++;
    samples->n_tokens += n;
    writer->last = n;
    if (n > samples->longest) samples->longest = n;
    if (encoding->untruncated > encoding->n) samples->truncated++;
    return HONE_OK;
}

float *hone_samples_targets(struct hone_samples_writer *writer, int64_t n) {
    if (!writer->targets) {
        writer->samples.n_targets = n;
        writer->targets = hone_alloc((size_t)n, sizeof *writer->targets, "targets");
    }
    HONE_CHECK(n == writer->samples.n_targets, "%lld targets, expected %lld", (long long)n,
               (long long)writer->samples.n_targets);
    return writer->targets;
}

enum hone_status hone_samples_mark(struct hone_samples_writer *writer, const uint8_t *marks) {
    return put(writer, HONE_SAMPLE_MARKS, marks, writer->last);
}

enum hone_status hone_samples_tag(struct hone_samples_writer *writer, const int16_t *tags) {
    return put(writer, HONE_SAMPLE_TAGS, tags, writer->last);
}

/* The arrays of finished samples, in memory or temporary files. */
struct store {
    struct hone_samples_store public;
    struct hone_spill *arrays[HONE_SAMPLE_ARRAYS];
    struct hone_mapping *mappings[HONE_SAMPLE_ARRAYS]; /* NULL: in memory */
};

static enum hone_status store_need(struct hone_samples_store *public, const void *at, size_t n) {
    struct store *store = (struct store *)public;
    for (int i = 0; i < HONE_SAMPLE_ARRAYS; i++) {
        struct hone_mapping *mapping = store->mappings[i];
        if (!mapping) continue;
        uintptr_t begin = (uintptr_t)hone_mapping_bytes(mapping);
        if ((uintptr_t)at < begin || (uintptr_t)at - begin >= (uintptr_t)hone_mapping_size(mapping)) continue;
        return hone_mapping_need(mapping, (int64_t)((uintptr_t)at - begin), n);
    }
    return HONE_OK;
}

static void store_free(struct hone_samples_store *public) {
    struct store *store = (struct store *)public;
    for (int i = 0; i < HONE_SAMPLE_ARRAYS; i++) hone_spill_free(store->arrays[i]);
    hone_free(store);
}

enum hone_status hone_samples_finish(struct hone_samples *out, struct hone_samples_writer *writer) {
    struct hone_samples *samples = &writer->samples;
    struct store *store = hone_calloc(1, sizeof *store, "samples");
    store->public = (struct hone_samples_store){.need = store_need, .free = store_free};
    samples->store = &store->public;
    enum hone_status status = close_sample(writer);
    for (int i = 0; i < HONE_SAMPLE_ARRAYS; i++) {
        store->arrays[i] = writer->arrays[i];
        writer->arrays[i] = NULL;
        if (status != HONE_OK || !store->arrays[i]) continue;
        status = hone_spill_show(hone_sample_array_at(samples, (enum hone_sample_array)i), &store->mappings[i],
                                 store->arrays[i]);
    }
    if (writer->what && samples->n >= LOOK_EVERY) hone_progress_end();
    *out = writer->samples;
    writer->samples = (struct hone_samples){0};
    hone_samples_abandon(writer);
    if (status != HONE_OK) hone_samples_free(out);
    return status;
}

void hone_samples_abandon(struct hone_samples_writer *writer) {
    for (int i = 0; i < HONE_SAMPLE_ARRAYS; i++) hone_spill_free(writer->arrays[i]);
    hone_samples_free(&writer->samples);
    hone_free(writer->targets);
    hone_free(writer->types);
    *writer = (struct hone_samples_writer){.what = writer->what, .memory = writer->memory};
}

void hone_samples_name_files(struct hone_samples *samples, const struct hone_dataset *dataset) {
    char *const *paths = hone_dataset_paths(&samples->n_paths, dataset);
    samples->paths = hone_alloc(samples->n_paths, sizeof *samples->paths, "names of data files");
    samples->sources = hone_alloc(samples->n_paths, sizeof *samples->sources, "names of data files");
    for (size_t i = 0; i < samples->n_paths; i++) samples->sources[i] = (int32_t)hone_dataset_items(dataset)[i];
    for (size_t i = 0; i < samples->n_paths; i++) samples->paths[i] = hone_strdup(paths[i], "name of a data file");
}

const char *hone_samples_path(const struct hone_samples *samples, int64_t sample) {
    return samples->paths[samples->files[sample]];
}
