/* A BERT folder small enough to train in milliseconds, and data files of awkward texts for it: what the tests of the
 * recipes start from. Everything follows from the seeds. */
#ifndef HONE_TESTS_TINY_H
#define HONE_TESTS_TINY_H

#include <stddef.h>
#include <stdint.h>

#include "base/json.h"
#include "hub/safetensors.h"
#include "recipes/recipe.h"

enum { TINY_HIDDEN = 32, TINY_LAYERS = 2, TINY_HEADS = 4, TINY_INNER = 64, TINY_POSITIONS = 64, TINY_TENSORS = 96 };

struct tiny_tensor {
    char name[160];
    int n_dims;
    int64_t shape[2];
    float *values;
};

/* Open to changes between making and writing. */
struct tiny_model {
    struct tiny_tensor tensors[TINY_TENSORS];
    size_t n;
    json_t *config;
};

/* Puts scratch folders into memory where that can be had: runs sync every file. For main(). */
void tiny_in_memory(void);

/* n_labels 0: the body with its pooler, architecture BertModel; else with a classifier. */
void tiny_make(struct tiny_model *model, int n_labels, uint32_t seed);
struct tiny_tensor *tiny_find(struct tiny_model *model, const char *name);
void tiny_remove(struct tiny_model *model, const char *name);
/* A tensor of normal noise. */
void tiny_add(struct tiny_model *model, const char *name, int64_t rows, int64_t cols, double mean, double scale);
void tiny_free(struct tiny_model *model);
/* config.json, model.safetensors, vocab.txt and tokenizer_config.json into the folder, which is made if need be. */
void tiny_write(struct tiny_model *model, const char *folder);
/* The tensors from `begin` to `end` as one safetensors file. */
void tiny_write_tensors(struct tiny_model *model, const char *path, size_t begin, size_t end);
/* All three at once. */
void tiny_folder(const char *folder, int n_labels, uint32_t seed);

/* Words of the vocabulary, for texts; i from 0 on, any. */
const char *tiny_word(uint64_t i);
/* Row number `i` of a generated set: a text of 0 to 70 words, among them empty, one-word, non-ASCII and over-long ones;
 * owned. *label is 0 or 1 and can be learned from the text. */
char *tiny_text(int *label, uint32_t seed, uint64_t i);
/* A TSV of `rows` such rows with the header "label", "sentence"; `names` are those of the two labels. */
void tiny_tsv(const char *path, uint32_t seed, uint64_t rows, const char *const names[2]);

/* Writes text into "<folder>/<name>" and returns that path, owned by the support code until the program ends. */
const char *tiny_file(const char *folder, const char *name, const char *text);
/* "<folder>/<name>", owned as above. */
const char *tiny_path(const char *folder, const char *name);

/* A recipe from scratch files: model, train.tsv, validation.tsv (and not more) of `folder`, output "<folder>/out",
 * quiet, logging every step; `overrides` are "key=value", NULL at the end. Fails the test on mistakes. */
void tiny_recipe(struct hone_recipe *recipe, const char *folder, const char *const *overrides);
/* Reads the recipe as above and trains; *results (may be NULL) is the caller's. */
enum hone_status tiny_train(json_t **results, const char *folder, const char *const *overrides);
#define TINY_OVERRIDES(...)                                                                                            \
    (const char *const[]) { __VA_ARGS__, NULL }

/* Member `key` of each line of <out>/metrics.jsonl whose split is `split`, into values[capacity]; how many there are. */
size_t tiny_metrics(double *values, size_t capacity, const char *out, const char *split, const char *key);

#endif
