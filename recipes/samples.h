/* Samples that grow: tokenized inputs put one behind the other, checked against the model that will read them. What finds
 * no room in memory waits in temporary files, so that any number of them can be written.
 *
 *     struct hone_samples_writer writer = {.what = "train"};
 *     HONE_TRY(hone_samples_append(&writer, &encoding, model, file, line));
 *     writer.label = 3;                        // of the sample appended last
 *     …
 *     HONE_TRY(hone_samples_finish(&samples, &writer)); */
#ifndef HONE_RECIPES_SAMPLES_H
#define HONE_RECIPES_SAMPLES_H

#include <stddef.h>

#include "base/hdf5.h"
#include "data/batch.h"
#include "data/tokenizer.h"
#include "models/model.h"
#include "recipes/dataset.h"

/* The arrays of struct hone_samples. */
enum hone_sample_array {
    HONE_SAMPLE_BEGINS,
    HONE_SAMPLE_LABELS,
    HONE_SAMPLE_TARGETS,
    HONE_SAMPLE_LINES,
    HONE_SAMPLE_FILES,
    HONE_SAMPLE_IDS, /* those of tokens, from here on */
    HONE_SAMPLE_TYPES,
    HONE_SAMPLE_MARKS,
    HONE_SAMPLE_TAGS,
    HONE_SAMPLE_ARRAYS
};
/* What each is called and holds in a file. */
struct hone_sample_array_about {
    const char *name;
    enum hone_hdf5_type type;
    size_t size; /* of an element */
    const char *unit;
};
extern const struct hone_sample_array_about hone_sample_arrays[HONE_SAMPLE_ARRAYS];
/* Elements of an array; 0: there is none. And where the pointer to its first one is. */
int64_t hone_sample_array_count(const struct hone_samples *samples, enum hone_sample_array array);
const void **hone_sample_array_at(struct hone_samples *samples, enum hone_sample_array array);

/* Starts as {0}. */
struct hone_samples_writer {
    const char *what;            /* is read, for the progress line; NULL: none */
    size_t memory;               /* that each array may take before it goes to a temporary file; 0: HONE_SPILL_MEMORY */
    struct hone_samples samples; /* all but the arrays */
    int32_t label;               /* of the sample appended last; 0 unless it is set */
    float *targets;
    int64_t last; /* tokens of it */
    uint8_t *types;
    size_t types_capacity;
    struct hone_spill *arrays[HONE_SAMPLE_ARRAYS];
};

/* Appends an encoded input. An input without tokens (a tokenizer that adds none to an empty text), and a type id that the
 * model has no embedding for, are HONE_BAD_INPUT. `file` and `line` are for messages. A signal that asks to stop ends it
 * (base/stop.h). After a failure the writer can only be abandoned. */
enum hone_status hone_samples_append(struct hone_samples_writer *writer, const struct hone_encoding *encoding,
                                     const struct hone_model *model, int32_t file, int64_t line);
/* The n targets of the sample appended last, to be filled: the same n for all. */
float *hone_samples_targets(struct hone_samples_writer *writer, int64_t n);
/* What stands beside each token of the sample appended last: every sample has such, or none. */
enum hone_status hone_samples_mark(struct hone_samples_writer *writer, const uint8_t *marks);
enum hone_status hone_samples_tag(struct hone_samples_writer *writer, const int16_t *tags);
/* The samples, which the caller frees; the writer can start anew. */
enum hone_status hone_samples_finish(struct hone_samples *out, struct hone_samples_writer *writer);
/* Frees what was written and not finished. */
void hone_samples_abandon(struct hone_samples_writer *writer);

/* Takes over the names of the files that the samples were read from; and the name of a sample's. */
void hone_samples_name_files(struct hone_samples *samples, const struct hone_dataset *dataset);
const char *hone_samples_path(const struct hone_samples *samples, int64_t sample);

#endif
