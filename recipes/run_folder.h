/* The folder of a run (`output` of the recipe): the best model as the Hub has it, recipe.yaml (resolved),
 * metrics.jsonl (a line per log or evaluation), and last of all all_results.json, which marks the run as complete. */
#ifndef HONE_RECIPES_RUN_FOLDER_H
#define HONE_RECIPES_RUN_FOLDER_H

#include "base/io.h"
#include "recipes/run.h"

enum hone_run_state {
    HONE_RUN_NEW,     /* nothing there, or a run that did not end */
    HONE_RUN_COMPLETE /* all_results.json is there, made by the same recipe */
};

struct hone_run_folder {
    char *path;
    struct hone_file *metrics;
    int64_t metrics_bytes; /* written so far, earlier processes included */
};

/* Looks at what is there and changes nothing. A complete run of another recipe is HONE_RESUME_MISMATCH naming the first
 * line that differs; a folder with somebody else's files in it, HONE_USAGE. What a killed run left counts as nothing. */
enum hone_status hone_run_folder_state(enum hone_run_state *out, const struct hone_recipe *recipe);
/* all_results.json of a complete run; the caller's to json_decref. */
enum hone_status hone_run_folder_results(json_t **out, const char *path);

/* Removes what a killed run left half-written, writes recipe.yaml, and starts metrics.jsonl, or goes on behind its first
 * `metrics_bytes` bytes. The folder exists. */
enum hone_status hone_run_folder_open(struct hone_run_folder *out, const struct hone_recipe *recipe,
                                      int64_t metrics_bytes);
void hone_run_folder_close(struct hone_run_folder *folder);
/* A folder that was not opened, a rank's that does not write ({0}), takes lines and models and leaves nothing. */
/* Appends one line; `line` is borrowed. */
enum hone_status hone_run_folder_log(struct hone_run_folder *folder, const json_t *line);
/* Replaces the folder's model by the present weights: written and synced in a temporary folder, moved in by rename,
 * model.safetensors last. */
enum hone_status hone_run_folder_save_model(struct hone_run_folder *folder, const struct hone_run *run);
/* Writes the model card, then all_results.json. */
enum hone_status hone_run_folder_finish(struct hone_run_folder *folder, const struct hone_run *run,
                                        const json_t *results);

#endif
