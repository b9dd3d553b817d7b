/* The two files of an entry of the token cache (recipes/token_cache.h). */
#ifndef HONE_RECIPES_TOKEN_CACHE_FILES_H
#define HONE_RECIPES_TOKEN_CACHE_FILES_H

#include "base/json.h"
#include "recipes/samples.h"

/* Whether the folder has a manifest, so that an entry was finished there. */
bool hone_token_cache_exists(const char *folder);
/* HONE_DISK unless the folder is this user's own. */
enum hone_status hone_token_cache_check_owner(const char *folder);
/* Maps the arrays of an entry into samples that lack names of files and masking. What is not as it was written is
 * HONE_BAD_INPUT here, or for tokens where they are first needed; the manifest goes then, so that the next run writes the
 * entry anew. */
enum hone_status hone_token_cache_open(struct hone_samples *out, const char *folder, const json_t *facts);
/* Writes the entry; its folder's lock is held. */
enum hone_status hone_token_cache_write(const struct hone_samples *samples, const char *folder, const json_t *facts);

#endif
