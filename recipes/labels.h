/* Class labels: names by index, and finding the index of what a data file says. */
#ifndef HONE_RECIPES_LABELS_H
#define HONE_RECIPES_LABELS_H

#include <stddef.h>
#include <stdint.h>

#include "recipes/recipe.h"

struct hone_labels {
    char **names;
    int64_t n;
    enum hone_scheme scheme; /* of tags of words */
};

/* Copies; free with hone_labels_free. */
void hone_labels_copy(struct hone_labels *out, char *const *names, size_t n);
void hone_labels_free(struct hone_labels *labels);

/* LABEL_0, LABEL_1, …: what Transformers calls n labels without names. `labels` was empty. */
void hone_labels_number(struct hone_labels *labels, int64_t n);

/* The columns' names; LABEL_0, … where one is given by number only. `labels` was empty. */
void hone_labels_of_columns(struct hone_labels *labels, const struct hone_columns *columns);

/* Adds a name unless it is there already; its index. */
int32_t hone_labels_collect(struct hone_labels *labels, const char *name, size_t n);
/* Sorts collected names: all integers by value, else integers by value first and the others in byte order after. */
void hone_labels_sort(struct hone_labels *labels);

/* Index of a label in a data file: a name as it stands, else an integer 0 … n-1 taken as the index; -1: neither. */
int32_t hone_labels_find(const struct hone_labels *labels, const char *text, size_t n);

/* `"negative", "positive"` for messages, at most ten; owned. */
char *hone_labels_list(const struct hone_labels *labels);

#endif
