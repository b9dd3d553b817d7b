#include "recipes/samples.h"

#include "base/memory.h"

/* Share of the free memory that the tokens of one split may take. */
#define MEMORY_SHARE 0.25

static void resize_targets(struct hone_samples *samples, size_t rows) {
    samples->targets =
        hone_realloc(samples->targets, rows * (size_t)samples->n_targets, sizeof *samples->targets, "targets");
}

static void reserve(struct hone_samples *samples, struct hone_samples_room *room, size_t more) {
    size_t used = samples->n ? (size_t)samples->begins[samples->n] : 0;
    if (!room->most_tokens) {
        double bytes = MEMORY_SHARE * (double)hone_available_bytes();
        room->most_tokens = 1 + (int64_t)(bytes / (sizeof *samples->ids + sizeof *samples->types));
    }
    if ((size_t)samples->n + 2 > room->rows) {
        size_t rows = room->rows ? 2 * room->rows : 1024;
        samples->begins = hone_realloc(samples->begins, rows, sizeof *samples->begins, "samples");
        samples->labels = hone_realloc(samples->labels, rows, sizeof *samples->labels, "samples");
        samples->lines = hone_realloc(samples->lines, rows, sizeof *samples->lines, "samples");
        samples->files = hone_realloc(samples->files, rows, sizeof *samples->files, "samples");
        samples->begins[samples->n] = (int64_t)used;
        if (samples->n_targets) resize_targets(samples, rows);
        room->rows = rows;
    }
    if (samples->spill) used = (size_t)samples->held;
    if (used + more > room->tokens) {
        size_t tokens = 2 * (used + more) + 4096, most = (size_t)room->most_tokens + more;
        if (tokens > most && most >= used + more) tokens = most;
        samples->ids = hone_realloc(samples->ids, tokens, sizeof *samples->ids, "tokens");
        samples->types = hone_realloc(samples->types, tokens, sizeof *samples->types, "tokens");
        room->tokens = tokens;
    }
}

enum hone_status hone_samples_append(struct hone_samples *samples, struct hone_samples_room *room,
                                     const struct hone_encoding *encoding, const struct hone_model *model,
                                     int32_t label, int32_t file, int64_t line) {
    if (encoding->n == 0) {
        return hone_fail(HONE_BAD_INPUT, "no tokens: the text is empty and the tokenizer adds no special ones");
    }
    reserve(samples, room, encoding->n);
    int64_t begin = samples->begins[samples->n], n = (int64_t)encoding->n;
    if (!samples->spill && begin + n > room->most_tokens) {
        HONE_TRY(hone_spill_create(&samples->spill));
        samples->held = begin;
    }
    /* What goes to the disk is put together behind the tokens that stay. */
    int64_t at = samples->spill ? samples->held : begin;
    for (int64_t i = 0; i < n; i++) {
        int32_t type = model->n_types ? encoding->type_ids[i] : 0;
        if (type < 0 || type > UINT8_MAX || (type > 0 && type >= model->n_types)) {
            return hone_fail(HONE_BAD_INPUT,
                             "the tokenizer gives token %lld the type %d, but the model has types 0 to %lld only "
                             "(type_vocab_size in config.json)%s",
                             (long long)i + 1, type, (long long)model->n_types - 1,
                             encoding->sequence_ids[i] > 0 ? "; it was not made for pairs of texts" : "");
        }
        samples->ids[at + i] = encoding->ids[i];
        samples->types[at + i] = (uint8_t)type;
    }
    if (samples->spill) {
        HONE_TRY(hone_spill_append(samples->spill, samples->ids + at, (size_t)n * sizeof *samples->ids));
        HONE_TRY(hone_spill_append(samples->spill, samples->types + at, (size_t)n));
    }
    samples->labels[samples->n] = label;
    samples->lines[samples->n] = line;
    samples->files[samples->n] = file;
    samples->begins[++samples->n] = begin + n;
    if (n > samples->longest) samples->longest = n;
    if (encoding->untruncated > encoding->n) samples->truncated++;
    return HONE_OK;
}

float *hone_samples_targets(struct hone_samples *samples, const struct hone_samples_room *room, int64_t n) {
    if (!samples->targets) {
        samples->n_targets = n;
        resize_targets(samples, room->rows);
    }
    HONE_CHECK(n == samples->n_targets, "%lld targets, expected %lld", (long long)n, (long long)samples->n_targets);
    return samples->targets + (samples->n - 1) * n;
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
