/* Models by their name on the Hub, in the cache that Hugging Face's libraries share:
 * <cache>/models--org--name/{refs/<revision>, snapshots/<commit>/…}. Nothing is downloaded. */
#ifndef HONE_HUB_CACHE_H
#define HONE_HUB_CACHE_H

#include "base/status.h"

/* The folder that `name` means; owned. A folder that is there is itself. Else org/name[@revision] (or a plain name, as
 * old models have) is looked up: revision a branch, tag or commit, `main` by default; the cache is HF_HUB_CACHE, else
 * HF_HOME/hub, else XDG_CACHE_HOME/huggingface/hub, else ~/.cache/huggingface/hub. What is not there is HONE_BAD_INPUT
 * saying what was looked for, where, and what to run. */
enum hone_status hone_hub_find(char **out, const char *name);

#endif
