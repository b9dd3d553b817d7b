/* What a run is: the options that decide its result and the contents of its data. A run that was interrupted goes on only
 * as the same one. */
#ifndef HONE_RECIPES_IDENTITY_H
#define HONE_RECIPES_IDENTITY_H

#include "base/json.h"
#include "base/sha256.h"
#include "data/batch.h"
#include "recipes/recipe.h"

struct hone_identity {
    json_t *facts; /* {"recipe": {"training.seed": "42", …}, "data": {"data/train.tsv": SHA-256, …}} */
    char recipe[HONE_SHA256_TEXT], data[HONE_SHA256_TEXT]; /* of the two, as one line each */
};

/* Hashes every file that the samples were read from, unless they know its hash. */
enum hone_status hone_identity_make(struct hone_identity *out, const struct hone_recipe *recipe,
                                    const struct hone_samples *train, const struct hone_samples *validation);
void hone_identity_free(struct hone_identity *identity);

/* SHA-256 of an object as one line. */
void hone_identity_hash(char out[HONE_SHA256_TEXT], const json_t *facts);
/* {name: SHA-256} of the files of a model folder that are read: configuration, tokenizer and with `weights` the weights;
 * owned. */
enum hone_status hone_identity_of_folder(json_t **out, const char *folder, bool weights);

/* HONE_RESUME_MISMATCH when `now` is not what `there` (facts of an earlier run, found in `where`) says: names every option
 * and file that differs, and the options that may. */
enum hone_status hone_identity_compare(const struct hone_identity *now, const json_t *there, const char *where);

#endif
