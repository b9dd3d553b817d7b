/* A model's body at work: text in, one vector for each out, in constant memory. */
#ifndef HONE_RECIPES_EMBEDDER_H
#define HONE_RECIPES_EMBEDDER_H

#include "base/spill.h"
#include "recipes/engine.h"
#include "recipes/model_folder.h"
#include "recipes/samples.h"

/* The last layer's hidden state of the first token, or the mean over all tokens, special ones included. */
enum hone_pooling { HONE_POOL_CLS, HONE_POOL_MEAN };

struct hone_embedder {
    struct hone_model_folder folder;
    struct hone_engine engine;
    enum hone_pooling pooling;
    int64_t max_length;
    struct hone_encoding encoding;
    struct hone_samples_writer pending; /* encoded and not yet embedded */
    float *hidden;                      /* [tokens of a batch, hidden] */
    float *vector;                      /* [hidden] */
    struct hone_spill *vectors;
    int64_t n; /* of them */
};

/* Any model folder, with a task head or without. Texts are cut as by hone_predictor_open. */
enum hone_status hone_embedder_open(struct hone_embedder *out, const char *folder, enum hone_pooling pooling);
void hone_embedder_close(struct hone_embedder *embedder);
/* As hone_predictor_add. */
enum hone_status hone_embedder_add(struct hone_embedder *embedder, struct hone_field text, struct hone_field pair,
                                   int64_t line, bool *full);
/* Embeds all that wait. A vector that is not finite is HONE_NUMERIC with the line. */
enum hone_status hone_embedder_run(struct hone_embedder *embedder);
/* Writes all vectors, in the order of the texts, as "embeddings" [n, hidden]: an F32 tensor of a safetensors file, or a
 * dataset of an HDF5 file. */
enum hone_status hone_embedder_write_safetensors(const struct hone_embedder *embedder, const char *path);
enum hone_status hone_embedder_write_hdf5(const struct hone_embedder *embedder, const char *path);

#endif
