/* A run: everything that a recipe names, opened and checked (device, model folder, tokenizer, encoded samples), and the
 * arithmetic of its optimizer steps. Training, planning and benchmarks start from one. */
#ifndef HONE_RECIPES_RUN_H
#define HONE_RECIPES_RUN_H

#include "data/mix.h"
#include "dist/world.h"
#include "optim/optimizer.h"
#include "optim/schedule.h"
#include "recipes/engine.h"
#include "recipes/identity.h"
#include "recipes/model_folder.h"
#include "recipes/task.h"
#include "recipes/token_cache.h"

struct hone_run {
    const struct hone_recipe *recipe; /* borrowed */
    struct hone_identity identity;    /* not of an outline */
    const struct hone_task_class *task;
    struct hone_world *world; /* borrowed; alone after opening */
    struct hone_device *device;
    struct hone_model_folder folder;
    struct hone_samples train, validation, test, validation_mm; /* n == 0: none */
    struct hone_mix mix;                                        /* of the training samples, with data.weights */
    struct hone_objective objective;
    double encode_seconds; /* of the training samples */
    struct hone_cache_entry entries[HONE_SPLITS];

    int64_t steps_per_epoch, steps; /* optimizer steps */
    struct hone_schedule schedule;  /* of the learning rate over them */
    struct hone_optimizer_settings optimizer;
    struct hone_parameter_group *groups; /* one per parameter; optimizer.groups */
    int64_t trained;                     /* elements of the parameters that are not frozen */
    /* Micro-batches: the budget in tokens, and the largest that the run's order of samples really makes. */
    int64_t micro_batch_tokens, most_tokens, most_sequences;
    int64_t tokens_per_epoch;
    size_t arena_bytes; /* of the largest micro-batch, training or evaluation */
};

/* How far a run is opened. */
enum hone_run_depth {
    HONE_RUN_TOKENS,  /* its samples lie in the token cache (HONE_CACHE_NEEDED); nothing else can be asked */
    HONE_RUN_OUTLINE, /* without weights: it can be looked at only */
    HONE_RUN_WHOLE
};
/* Reads data before loading weights, so that mistakes in it show at once. */
enum hone_status hone_run_open(struct hone_run *run, const struct hone_recipe *recipe, enum hone_run_depth depth);
void hone_run_close(struct hone_run *run);

/* Plans with micro-batches of `tokens` tokens instead of what `auto` chose: those of the run that is continued, or of all
 * the ranks of its world. */
enum hone_status hone_run_replan(struct hone_run *run, int64_t tokens);

/* What an engine must have room for in training and evaluation. */
void hone_run_capacity(int64_t *tokens, int64_t *sequences, const struct hone_run *run);

/* The epoch, from 0, that optimizer step `step` is in: the pass over the training samples. */
uint32_t hone_run_epoch(const struct hone_run *run, int64_t step);
/* The samples of optimizer step `step` (from 0) in their order, into chosen[batch_size]; returns how many. */
int64_t hone_run_step_samples(const struct hone_run *run, int64_t step, int64_t *chosen);

/* How many of the samples of a step, or of a rank's share, from `begin` on make the next micro-batch: what its budget holds,
 * or, in distributed.reproducible: world, a leaf. */
int64_t hone_run_micro_batch(const struct hone_run *run, const int64_t *chosen, int64_t begin, int64_t n);

/* Evaluates samples and sets "<prefix>_loss", metrics, "<prefix>_samples", "<prefix>_runtime",
 * "<prefix>_samples_per_second" in `results`. *value (may be NULL) is the figure that `metric` names, NaN when the task
 * has it not. */
enum hone_status hone_evaluate(json_t *results, double *value, struct hone_engine *engine,
                               const struct hone_task_class *task, const struct hone_model_folder *folder,
                               const struct hone_samples *samples, enum hone_metric metric, const char *prefix);

#endif
