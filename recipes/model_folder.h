/* Joins a model folder as the Hub has it with a model's parameters: config.json, safetensors, tokenizer in and out. */
#ifndef HONE_RECIPES_MODEL_FOLDER_H
#define HONE_RECIPES_MODEL_FOLDER_H

#include "data/tokenizer.h"
#include "hub/safetensors.h"
#include "models/model.h"
#include "recipes/labels.h"
#include "recipes/recipe.h"

struct hone_model_folder {
    char *path;
    json_t *config; /* owned */
    struct hone_model *model;
    struct hone_tokenizer *tokenizer;
    struct hone_labels labels; /* id2label of config.json, or the ones given; none for a masked LM */
    struct hone_safetensors weights;
    enum hone_problem problem; /* of a classifier of sequences */
    double threshold;          /* from which probability on one of several labels holds */
    bool training, from_nothing, new_head, finite;
    bool prefix_space; /* the tokenizer was made to add one before given words, and is saved so */
    uint64_t seed;
};

struct hone_model_folder_options {
    struct hone_device *device;
    enum hone_head head;
    bool given_words;    /* labels of tokens are those of given words, before each of which a space stands */
    bool head_of_config; /* instead: labels of tokens if config.json says so, else of sequences */
    enum hone_precision precision;
    const struct hone_labels *labels; /* of the data, with problem and threshold; NULL: those of config.json */
    enum hone_problem problem;
    double threshold;
    bool training;     /* gradients too; a head that the folder lacks is initialised from `seed` */
    bool from_nothing; /* no weights are read: config.json says the sizes, `seed` the values */
    json_t *config;    /* values that stand in place of those of config.json, which must have them; may be NULL */
    bool new_head;     /* tensors with a row for each label aren't read, but initialised from `seed` */
    bool finite;       /* weights that are not finite are HONE_BAD_INPUT, not only warned of */
    uint64_t seed;
};

/* Opens the folder, given by its path or its name on the Hub (hub/cache.h): config, tokenizer, the model with its parameters recorded. Every tensor's name and shape in the
 * files is checked, no weight is read and nothing allocated: a wrong shape, a body tensor that is missing, two tensors
 * for one parameter, a tokenizer larger than the vocabulary are HONE_BAD_INPUT with the tensor's name, found and
 * expected. Without `training` a missing head is HONE_BAD_INPUT too. A precision that the device lacks is
 * HONE_USAGE. */
enum hone_status hone_model_folder_outline(struct hone_model_folder *out, const char *path,
                                           struct hone_model_folder_options options);
/* Allocates the parameters and fills them from the files, new ones as the model says from the seed. New and unused
 * tensors are named in the log, weights that are not finite warned of. */
enum hone_status hone_model_folder_load(struct hone_model_folder *folder);
/* Both. */
enum hone_status hone_model_folder_open(struct hone_model_folder *out, const char *path,
                                        struct hone_model_folder_options options);
void hone_model_folder_close(struct hone_model_folder *folder);

/* Writes config.json, model.safetensors and the tokenizer's files into the existing folder `to`, synced. max_length
 * goes into tokenizer_config.json. The weights are the present ones, or those of `weights` (host, a copy of the flat
 * buffer) when it is not NULL. A weight that is not finite is HONE_NUMERIC with the tensor's name. */
enum hone_status hone_model_folder_save(const struct hone_model_folder *folder, const char *to, int64_t max_length,
                                        const float *weights);

/* Loads the weights of `from`, a folder written by hone_model_folder_save of this same model. */
enum hone_status hone_model_folder_reload(struct hone_model_folder *folder, const char *from);

#endif
