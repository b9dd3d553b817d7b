/* Samples that grow: tokenized inputs put one behind the other, checked against the model that will read them. */
#ifndef HONE_RECIPES_SAMPLES_H
#define HONE_RECIPES_SAMPLES_H

#include <stddef.h>

#include "data/batch.h"
#include "data/tokenizer.h"
#include "models/model.h"
#include "recipes/dataset.h"

/* What the arrays of the samples have room for; starts as {0}. most_tokens: so many are kept in memory, the rest in a
 * temporary file; 0 stands for as many as a quarter of the memory holds that is free when the first is appended. */
struct hone_samples_room {
    size_t rows, tokens;
    int64_t most_tokens;
};

/* Appends an encoded input; `samples` started as {0}. An input without tokens (a tokenizer that adds none to an empty
 * text), and a type id that the model has no embedding for, are HONE_BAD_INPUT. `file` and `line` are for messages. */
enum hone_status hone_samples_append(struct hone_samples *samples, struct hone_samples_room *room,
                                     const struct hone_encoding *encoding, const struct hone_model *model,
                                     int32_t label, int32_t file, int64_t line);

/* The n targets of the sample appended last, to be filled: the same n for all. */
float *hone_samples_targets(struct hone_samples *samples, const struct hone_samples_room *room, int64_t n);

/* Takes over the names of the files that the samples were read from; and the name of a sample's. */
void hone_samples_name_files(struct hone_samples *samples, const struct hone_dataset *dataset);
const char *hone_samples_path(const struct hone_samples *samples, int64_t sample);

#endif
