/* What all tasks on whole texts share: reading and encoding the examples of a split. */
#ifndef HONE_RECIPES_TEXTS_H
#define HONE_RECIPES_TEXTS_H

#include "recipes/dataset.h"
#include "recipes/model_folder.h"
#include "recipes/objective.h"
#include "recipes/samples.h"

/* Calls see(user, dataset, example) for each example of the split until one fails. */
enum hone_status hone_texts_each(const struct hone_recipe *recipe, enum hone_split split,
                                 enum hone_status (*see)(void *user, const struct hone_dataset *dataset,
                                                         const struct hone_example *example),
                                 void *user);

/* A sample was appended; its label or targets are to be set from the example. Failures say the place. Several label
 * columns, but not as many as the model has outputs, are HONE_USAGE. */
typedef enum hone_status (*hone_set_label)(struct hone_samples_writer *samples, const struct hone_dataset *dataset,
                                           const struct hone_example *example, const struct hone_model_folder *folder);
enum hone_status hone_texts_encode(struct hone_samples *out, const struct hone_recipe *recipe, enum hone_split split,
                                   const struct hone_model_folder *folder, hone_set_label set_label);

/* The denominator of a task whose loss is the mean over samples and targets. */
double hone_texts_targets(const struct hone_samples *samples, const int64_t *chosen, int64_t n, uint32_t pass,
                          const struct hone_objective *objective);

/* HONE_BAD_INPUT "file:line: <what>". */
__attribute__((format(printf, 3, 4))) enum hone_status
hone_texts_fail(const struct hone_dataset *dataset, const struct hone_example *example, const char *format, ...);
/* A label that is none of the folder's. */
enum hone_status hone_texts_unknown_label(const struct hone_dataset *dataset, const struct hone_example *example,
                                          struct hone_field label, const struct hone_labels *labels);
/* Adds a name found in the data. Nothing, and what ends a C string, is no name; more than 10,000 are a column of free
 * text taken for labels, which would make a class of every row. */
enum hone_status hone_texts_collect_label(struct hone_labels *labels, const struct hone_dataset *dataset,
                                          const struct hone_example *example, struct hone_field name);

/* Calls see(user, dataset, example, name) for each name in the example's first label column, until one fails: items of a
 * JSON list, or of a JSON array inside a field, or what stands between data.label_separator, without blanks around.
 * No text, and null, is no label. */
typedef enum hone_status (*hone_see_name)(void *user, const struct hone_dataset *dataset,
                                          const struct hone_example *example, struct hone_field name);
enum hone_status hone_texts_each_name(const struct hone_dataset *dataset, const struct hone_example *example,
                                      hone_see_name see, void *user);

#endif
