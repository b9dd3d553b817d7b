/* What finding checkpoints and writing them share. */
#ifndef HONE_RECIPES_CHECKPOINT_FILES_H
#define HONE_RECIPES_CHECKPOINT_FILES_H

#include "base/json.h"
#include "base/memory.h"
#include "base/utf8.h"

#define HONE_CHECKPOINT_FORMAT "hone checkpoint 1"

/* "<run folder>/checkpoints"; owned. */
char *hone_checkpoints_folder(const char *run_folder);
/* 200 of "step-000200"; -1 for other names. */
int64_t hone_checkpoint_step(const char *name);
/* Names of the checkpoints in `folder`, newest first; free with hone_names_free. No such folder: none. */
enum hone_status hone_checkpoint_list(char ***names, size_t *n, const char *folder);
/* Reads the manifest and holds every file to it. The message does not name the folder. */
enum hone_status hone_checkpoint_verify(json_t **manifest, const char *folder);

#endif
