/* The examples of one split of a recipe: its files one after the other, patterns expanded in byte order of the names,
 * in the recipe's columns. A split without rows, and a file without, are HONE_BAD_INPUT. */
#ifndef HONE_RECIPES_DATASET_H
#define HONE_RECIPES_DATASET_H

#include "data/records.h"
#include "recipes/recipe.h"

enum hone_split { HONE_SPLIT_TRAIN, HONE_SPLIT_VALIDATION, HONE_SPLIT_TEST, HONE_SPLIT_VALIDATION_MM, HONE_SPLITS };

/* "train", "validation", … as in the recipe. */
const char *hone_split_name(enum hone_split split);

struct hone_example {
    struct hone_field text, pair;
    const struct hone_value *words; /* given one by one, instead of a text; NULL: a text */
    bool has_pair;
    int32_t file; /* which of hone_dataset_paths */
    int64_t line;
};

struct hone_dataset;

/* The format of a file whose name doesn't tell: lines of text for a masked LM, sentences for a tagger of
 * words, else TSV. */
enum hone_data_format hone_dataset_format(const struct hone_recipe *recipe);

/* Whether the recipe has the split: files, or for validation a share of the training data. */
bool hone_dataset_exists(const struct hone_recipe *recipe, enum hone_split split);
/* Finds the files. The recipe is borrowed. On failure *out is NULL. */
enum hone_status hone_dataset_open(struct hone_dataset **out, const struct hone_recipe *recipe, enum hone_split split);
/* The next example, borrowed until the next call; *more is false at the end. With data.validation_fraction, examples of
 * the training files belong to one of the two splits by a hash of their texts; data.max_samples ends the training
 * split. */
enum hone_status hone_dataset_next(struct hone_dataset *dataset, struct hone_example *example, bool *more);
/* A number that depends on the texts alone, the same in every build: equal texts have equal ones. */
uint64_t hone_example_hash(const struct hone_example *example);
/* The example's only value of the first label column; HONE_BAD_INPUT with file, line and what was found when there are
 * none or several. */
enum hone_status hone_dataset_label(struct hone_field *out, const struct hone_dataset *dataset);
/* The list of tags, which may be as long as that of the words or not. */
enum hone_status hone_dataset_tags(const struct hone_value **out, const struct hone_dataset *dataset);
/* What the example has in label column i of the recipe, as the file has it: a list has several items, null and a missing
 * key none. */
const struct hone_value *hone_dataset_value(const struct hone_dataset *dataset, size_t i);
/* Rows that data.ragged_rows passed over in the files that are read to their end, and where the first one is. */
int64_t hone_dataset_ragged(const struct hone_dataset *dataset, const char **path, int64_t *line);
const struct hone_recipe *hone_dataset_recipe(const struct hone_dataset *dataset);
/* Line of word `word` of the example: sentences lie in one line of JSONL, or have a line for each word. */
int64_t hone_dataset_word_line(const struct hone_dataset *dataset, const struct hone_example *example, size_t word);
/* Path of the file that the example is from. */
const char *hone_dataset_path(const struct hone_dataset *dataset);
/* All files, and the item of data.train, … that each comes from. */
char *const *hone_dataset_paths(size_t *n, const struct hone_dataset *dataset);
const size_t *hone_dataset_items(const struct hone_dataset *dataset);
void hone_dataset_close(struct hone_dataset *dataset); /* NULL is allowed */

#endif
