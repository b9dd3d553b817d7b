/* What a loss needs beside logits and labels: class weights, found in the recipe or in the training data, smoothing and
 * focusing. */
#ifndef HONE_RECIPES_OBJECTIVE_H
#define HONE_RECIPES_OBJECTIVE_H

#include "autograd/ops.h"
#include "data/batch.h"
#include "kernels/device.h"
#include "recipes/labels.h"
#include "recipes/recipe.h"

struct hone_objective {
    float *weights;                  /* [labels]; NULL: 1 each */
    struct hone_class_loss settings; /* its weights lie on the device */
    struct hone_device *device;
};

/* Weights by name, 1 for labels that are not named; a name that is no label is HONE_USAGE. `balanced`, of n samples, or labelled tokens: for
 * one label each n / (labels * samples that have it), as scikit-learn's compute_class_weight; for several labels what a
 * label's presence counts against its absence, samples without it / samples with it; a label that no training sample
 * has is HONE_USAGE. Free with hone_objective_free. */
enum hone_status hone_objective_create(struct hone_objective *out, const struct hone_recipe *recipe,
                                       const struct hone_labels *labels, const struct hone_samples *train,
                                       struct hone_device *device);
void hone_objective_free(struct hone_objective *objective);

/* Records the cross entropy of a batch's rows, times scale, added to *loss (device). batch: its pointers, on the device. */
void hone_objective_record(struct hone_tape *tape, hone_value logits, const struct hone_batch *batch,
                           const struct hone_objective *objective, float scale, float *loss);

#endif
