/* Tokens kept from one run to the next. An entry holds one split as it was encoded: <data.cache>/<key>/tokens.h5, an array
 * for each of struct hone_samples, which is mapped when it is read, and manifest.json, written last, with what the tokens
 * follow from and the SHA-256 of each 16 MiB of the file. The key is the hash of what they follow from: the contents of the
 * data files and of the tokenizer's, the options that decide what is read and how, the labels, and this program. Any
 * difference is another entry; one that is damaged, or was not finished, is written anew. One process writes an entry,
 * others that want it wait. Only entries in folders of this user are opened. */
#ifndef HONE_RECIPES_TOKEN_CACHE_H
#define HONE_RECIPES_TOKEN_CACHE_H

#include "recipes/task.h"

enum hone_cache_use {
    HONE_CACHE_AUTO,  /* as the recipe says; a cache that cannot be written costs a warning */
    HONE_CACHE_NEEDED /* it has to be there in the end */
};

/* Where the samples of a split came from. */
struct hone_cache_entry {
    char *path; /* owned; NULL: no cache */
    bool found; /* it was there already */
};
void hone_cache_entry_free(struct hone_cache_entry *entry);

/* The samples of a split as task->encode gives them, from the cache where it has them, else encoded and put there. `entry`
 * is freed by the caller in every case. */
enum hone_status hone_tokens_read(struct hone_samples *out, struct hone_cache_entry *entry,
                                  const struct hone_task_class *task, const struct hone_recipe *recipe,
                                  enum hone_split split, const struct hone_model_folder *folder,
                                  enum hone_cache_use use);

/* The folder that data.cache names, "~/" being $HOME; owned. NULL: none, as "no" says. */
char *hone_cache_folder(const struct hone_recipe *recipe);

#endif
