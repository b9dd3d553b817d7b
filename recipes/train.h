/* Training: the loop that joins data, model, optimizer, evaluation and run folder. */
#ifndef HONE_RECIPES_TRAIN_H
#define HONE_RECIPES_TRAIN_H

#include "recipes/run.h"

/* Runs the recipe to its end and returns what all_results.json holds (the caller's to json_decref). A folder whose run
 * is complete is left as it is and its results are returned. A loss or gradient that is not finite is never applied
 * and ends the run with HONE_NUMERIC naming step and samples. */
enum hone_status hone_train(json_t **results, const struct hone_recipe *recipe);

/* One optimizer step's forward, backward and AdamW over the given samples, cut into micro-batches. The optimizer's step
 * state holds loss, gradient norm and the finite flag afterwards. Adds the tokens fed to *tokens. */
struct hone_optimizer;
enum hone_status hone_train_step(struct hone_engine *engine, struct hone_optimizer *optimizer,
                                 const struct hone_run *run, int64_t step, const int64_t *chosen, int64_t n,
                                 int64_t *tokens);
/* The optimizer that the recipe asks for; parameters must be loaded for training. */
enum hone_status hone_train_optimizer(struct hone_optimizer **out, const struct hone_run *run);

#endif
