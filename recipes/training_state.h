/* All that training must know to go on as if it had never stopped, and the file state.h5 that keeps it (the weights
 * themselves are in the checkpoint's model.safetensors).
 *
 * state.h5, layout 2. Attributes of the root: "layout" (integer 2); "step" optimizer steps taken; "skipped" of them
 * those without an update; "evaluated_step" the
 * step last evaluated at; "samples", "tokens" fed so far; "seed", the key of dropout, shuffling and new weights (numbers
 * are counted from it, so there is no other state of a generator); "micro_batch_tokens"; "loss_sum" over all steps;
 * "log_loss", "log_steps", "log_tokens" since the last line of metrics.jsonl; "has_best", "best_value", "best_step",
 * "evaluations_without_gain"; "recipe", "data" SHA-256 of what may not change. Group "optimizer": one array for each flat
 * buffer of the optimizer (AdamW: first_moment, second_moment), f32, unit "1". Group "parameters": names, and offset and
 * count of each in those buffers, unit "element". The position in the data follows from step and seed. Nothing in it is a
 * time or a speed: equal training gives equal bytes. */
#ifndef HONE_RECIPES_TRAINING_STATE_H
#define HONE_RECIPES_TRAINING_STATE_H

#include "optim/optimizer.h"
#include "recipes/run.h"

struct hone_training_state {
    int64_t step;           /* optimizer steps taken */
    int64_t skipped;        /* of them, not applied: something was not finite */
    int64_t evaluated_step; /* the step at which the last evaluation took place */
    int64_t samples, tokens;
    int64_t micro_batch_tokens;
    double loss_sum;
    double log_loss; /* since the last line of metrics.jsonl, like the next two */
    int64_t log_steps, log_tokens;
    bool has_best;
    double best_value;
    int64_t best_step, evaluations_without_gain;

    /* Of clocks and files; kept in the manifest, not in state.h5. */
    double run_seconds, step_seconds, log_seconds;
    int64_t metrics_bytes; /* of metrics.jsonl that belong to the steps taken */
    json_t *best_results;  /* eval_* of the best model, or NULL */
};

/* More than any optimizer has. */
#define HONE_STATE_BUFFERS 8

/* Flat buffers of a training in host memory: what was live at one moment. */
struct hone_snapshot {
    float *weights;
    float *buffers[HONE_STATE_BUFFERS]; /* of the optimizer, in its order; NULL behind the last */
};

/* Allocated at the first call, reused at later ones. */
enum hone_status hone_snapshot_take(struct hone_snapshot *snapshot, const struct hone_run *run,
                                    struct hone_optimizer *optimizer, struct hone_stream *stream);
/* What a rank does that has a part of the optimizer (ZeRO-1) while rank 0 takes the snapshot; else nothing. */
enum hone_status hone_snapshot_give(struct hone_optimizer *optimizer, struct hone_stream *stream);
void hone_snapshot_free(struct hone_snapshot *snapshot);
size_t hone_snapshot_bytes(const struct hone_run *run);

/* Writes the new file `path`. Buffers come from the snapshot, or, when it is NULL, from the device, one after the other. */
enum hone_status hone_training_state_write(const char *path, const struct hone_training_state *state,
                                           const struct hone_run *run, struct hone_optimizer *optimizer,
                                           const struct hone_snapshot *snapshot);
/* Reads what write wrote, for the same model and optimizer: state (but for the manifest's part) and optimizer. */
enum hone_status hone_training_state_read(struct hone_training_state *state, const char *path,
                                          const struct hone_run *run, struct hone_optimizer *optimizer);

#endif
