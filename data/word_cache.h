/* Tokens of stretches of text that have been seen before, so that most words cost one look-up. Belongs to one thread;
 * its size is bounded: when it's full it starts anew. */
#ifndef HONE_DATA_WORD_CACHE_H
#define HONE_DATA_WORD_CACHE_H

#include <stddef.h>
#include <stdint.h>

#include "base/memory.h"
#include "data/model.h"

#define HONE_CACHED_BYTES 128 /* longer stretches aren't kept */

struct hone_word_cache {
    uint64_t owner; /* number of the tokenizer whose tokens these are */
    struct hone_cached {
        uint64_t hash;
        uint32_t key, tokens;            /* places in keys and tokens */
        uint16_t key_n, tokens_n, words; /* key_n 0: free */
    } * slots;
    size_t slots_n, used;
    struct hone_text keys;
    /* Offsets and words count from the beginning of the stretch; surfaces lie in `texts`. */
    struct hone_tokens tokens;
    struct hone_text texts;
};
void hone_word_cache_free(struct hone_word_cache *cache);
/* Empties a cache that belongs to another tokenizer. */
void hone_word_cache_claim(struct hone_word_cache *cache, uint64_t owner);

uint64_t hone_word_hash(const char *key, size_t n);
/* The entry of n > 0 bytes, or NULL. */
static inline const struct hone_cached *hone_word_cache_find(const struct hone_word_cache *cache, const char *key,
                                                             size_t n, uint64_t hash);
/* Remembers tokens of a stretch that isn't there yet, made relative to its first character and first word; their
 * surfaces lie in `matched`. */
void hone_word_cache_add(struct hone_word_cache *cache, const char *key, size_t n, uint64_t hash,
                         const struct hone_token *tokens, size_t tokens_n, int32_t first, int32_t word, int32_t words,
                         const struct hone_text *matched);

#include <string.h>
static inline const struct hone_cached *hone_word_cache_find(const struct hone_word_cache *cache, const char *key,
                                                             size_t n, uint64_t hash) {
    if (!cache->slots_n) return NULL;
    for (size_t i = hash & (cache->slots_n - 1);; i = (i + 1) & (cache->slots_n - 1)) {
        const struct hone_cached *slot = &cache->slots[i];
        if (slot->key_n == 0) return NULL;
        if (slot->hash == hash && slot->key_n == n && memcmp(cache->keys.bytes + slot->key, key, n) == 0) return slot;
    }
}

#endif
