/* Checkpoints of a run: folders checkpoints/step-000200 in the run folder, each a model folder as the Hub has it, with
 * state.h5 (recipes/training_state.h) and, written last, manifest.json. A checkpoint counts only when its manifest
 * verifies, so a half-written or damaged one is never taken for whole.
 *
 * manifest.json: {"format": "hone checkpoint 1", "step", "identity" (recipes/identity.h), "clock": seconds so far,
 * "metrics_bytes" of metrics.jsonl that belong to these steps, "best_results", "files": {name: {"size", "sha256"}}}. */
#ifndef HONE_RECIPES_CHECKPOINT_H
#define HONE_RECIPES_CHECKPOINT_H

#include "recipes/training_state.h"

struct hone_checkpoint {
    char *path; /* NULL: there is none */
    json_t *manifest;
};

/* The newest checkpoint of the run folder whose manifest verifies. Those that don't are named in a warning, or, with
 * `strict`, HONE_RESUME_MISMATCH. */
enum hone_status hone_checkpoint_find(struct hone_checkpoint *out, const char *run_folder, bool strict);
void hone_checkpoint_close(struct hone_checkpoint *checkpoint);
/* Loads weights, optimizer and state. One of another run is HONE_RESUME_MISMATCH. state->best_results becomes the caller's
 * to json_decref. */
enum hone_status hone_checkpoint_load(struct hone_training_state *state, const struct hone_checkpoint *checkpoint,
                                      struct hone_run *run, struct hone_optimizer *optimizer);
/* Removes all of them, and what killed runs left among them. */
enum hone_status hone_checkpoint_remove_all(const char *run_folder);

/* Saves beside the training: a copy in memory, written by a thread. */
struct hone_saver;
struct hone_saver *hone_saver_create(struct hone_run *run, struct hone_optimizer *optimizer, const char *run_folder);
/* Ends a save under way first. */
void hone_saver_free(struct hone_saver *saver);
/* Saves `state` (copied). Waits for an earlier save to end and returns its failure, if it had one. With `wait` this save
 * has ended on return, and no copy is made, unless other ranks have parts of the optimizer (hone_snapshot_give()). Older
 * checkpoints than checkpoint.keep says, except the best model's, go once the new one has been read back and verified. A
 * step that is there already is not written again, unless there was an evaluation since. */
enum hone_status hone_saver_save(struct hone_saver *saver, const struct hone_training_state *state,
                                 struct hone_stream *stream, bool wait);
/* Waits for the save under way; its failure, if any. NULL is allowed. */
enum hone_status hone_saver_wait(struct hone_saver *saver);
/* Seconds that training stood still for saves beside it, and how many those were, so far. */
double hone_saver_stall(const struct hone_saver *saver, int64_t *saves);

#endif
