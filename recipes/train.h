/* Training: the loop that joins data, model, optimizer, evaluation and run folder. */
#ifndef HONE_RECIPES_TRAIN_H
#define HONE_RECIPES_TRAIN_H

#include "dist/buckets.h"
#include "dist/leaves.h"
#include "dist/pace.h"
#include "recipes/run.h"

/* Training by one rank of `world`; with several every rank calls it. Rank 0 alone writes the run folder and has results;
 * the others get NULL.
 *
 * Runs the recipe to its end and returns what all_results.json holds (the caller's to json_decref). A folder whose run
 * is complete is left as it is and its results are returned. A loss or gradient that is not finite is never applied:
 * the step, op, parameter and samples are named, and the run ends with HONE_NUMERIC or, with training.non_finite skip,
 * goes on without the step. */
enum hone_status hone_train(json_t **results, const struct hone_recipe *recipe, struct hone_world *world);

/* The first `steps` steps of a complete run once more (0: all of it), in the recipe's output, a new folder. Held to the
 * certificate of the run before the first step. With fewer steps than the run has there are no results. */
struct hone_replay {
    const json_t *certificate;
    int64_t steps;
    /* Filled in: */
    int64_t replayed, of;
    struct hone_text differences; /* hone_certificate_differences(); the caller's to free */
};
enum hone_status hone_train_again(json_t **results, const struct hone_recipe *recipe, struct hone_replay *replay);

/* The step behind a checkpoint once more, by the state.h5 in it, looking at what every op gives. Changes nothing on the
 * disk. HONE_NUMERIC names what was not finite, as hone_train does; else {"step", "loss", "grad_norm", "tokens", "samples":
 * ["train.tsv:3", …]}, the caller's. One of another run is HONE_RESUME_MISMATCH. */
enum hone_status hone_train_replay(json_t **results, const struct hone_recipe *recipe, const char *file);

/* How the ranks of a run work together in a step. */
struct hone_team {
    struct hone_buckets *buckets; /* NULL alone, and with leaves */
    struct hone_leaves *leaves;   /* of distributed.reproducible: world; else NULL */
    int64_t *room;                /* [2 * batch_size]: for hone_share_find() */
    struct hone_pace pace;
};
enum hone_status hone_team_create(struct hone_team *out, const struct hone_run *run, struct hone_stream *stream);
void hone_team_free(struct hone_team *team);

/* An optimizer step and all it takes. */
struct hone_step_of {
    struct hone_engine *engine;
    struct hone_optimizer *optimizer;
    const struct hone_run *run;
    int64_t step;          /* from 0 */
    const int64_t *chosen; /* [n]: its samples */
    int64_t n;
    struct hone_team *team;
};

double hone_train_rate(const struct hone_run *run, int64_t step);
/* Forward, backward and the optimizer over the samples, of which each rank takes a share, cut into micro-batches. The optimizer's step state holds loss,
 * gradient norm and the finite flag afterwards. Adds the tokens of all samples to *tokens. */
enum hone_status hone_train_step(const struct hone_step_of *step, int64_t *tokens);
/* After a step whose flag says that something was not finite: the same step once more, bit for bit, looking at what
 * every op gives. Appends "; the first to give such a number is linear (…): nan at …; its micro-batch is FILE:LINE, …".
 * Weights and what the optimizer remembers stay as they are. */
enum hone_status hone_train_explain(struct hone_text *text, const struct hone_step_of *step);
/* The optimizer that the recipe asks for; parameters must be loaded for training. */
enum hone_status hone_train_optimizer(struct hone_optimizer **out, const struct hone_run *run);

#endif
