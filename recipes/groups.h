/* Which parameters of a model are trained, and how each: freezing, layer-wise decay of the learning rate, and what is given
 * by name. */
#ifndef HONE_RECIPES_GROUPS_H
#define HONE_RECIPES_GROUPS_H

#include "models/model.h"
#include "optim/optimizer.h"
#include "recipes/recipe.h"

/* Freezes the parameters as the recipe says and gives each its learning rate and weight decay: *out has one per
 * parameter and is the caller's to hone_free. Before the parameters' allocation. A pattern that matches no parameter (or,
 * for a group, none that is trained), more layers than the model has, and nothing left to train are HONE_USAGE.
 *
 * Rates. Layer l of L (embeddings 0, head L + 1) has optimizer.lr * layer_decay^(L + 1 - l), as BEiT (Bao et al. 2021)
 * has it, unless the first group that matches gives a rate of its own. */
enum hone_status hone_groups_apply(struct hone_parameter_group **out, struct hone_model *model,
                                   const struct hone_recipe *recipe);

#endif
