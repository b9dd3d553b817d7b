/* Tokens of stretches of text that have been seen before, so that most words cost one look-up: a slot holds a short
 * stretch itself and the token of a stretch that is one, and fills half a cache line. Belongs to one thread; its size is
 * bounded: when it's full it starts anew. */
#ifndef HONE_DATA_WORD_CACHE_H
#define HONE_DATA_WORD_CACHE_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/memory.h"
#include "data/model.h"
#include "data/normalized.h"

#define HONE_CACHED_BYTES 128 /* longer stretches aren't kept */
#define HONE_SHORT_KEY    16  /* bytes that a slot has room for */

/* What a stretch is looked up by: up to HONE_SHORT_KEY bytes, these, with zeros behind them; of longer ones a hash. */
struct hone_word_key {
    const char *bytes;
    size_t n;
    uint64_t first, last;
};
struct hone_cached {
    uint64_t first, last;
    uint8_t key_n; /* 0: free */
    uint8_t words;
    uint16_t tokens_n;
    int32_t id;  /* of a single token, ... */
    int32_t end; /* ... which covers this many characters; -1: tokens lie in `tokens` */
    uint32_t at; /* where they begin there */
};
struct hone_word_cache {
    uint64_t owner; /* number of the tokenizer whose tokens these are */
    struct hone_cached *slots;
    size_t slots_n, used;
    struct hone_text keys; /* of long stretches */
    /* Offsets and words count from the beginning of the stretch; surfaces lie in `texts`. In front of the tokens of a
     * long stretch stands one whose begin is the place of its key. */
    struct hone_tokens tokens;
    struct hone_text texts;
};
void hone_word_cache_free(struct hone_word_cache *cache);
/* Room in an empty cache for n stretches; returns how many it takes without starting anew, n at most. */
size_t hone_word_cache_reserve(struct hone_word_cache *cache, size_t n);
/* Empties a cache that belongs to another tokenizer. */
void hone_word_cache_claim(struct hone_word_cache *cache, uint64_t owner);
/* Remembers tokens of a stretch that isn't there yet, made relative to its first character and first word; their
 * surfaces lie in `matched`. */
void hone_word_cache_add(struct hone_word_cache *cache, const struct hone_word_key *key,
                         const struct hone_token *tokens, size_t tokens_n, int32_t first, int32_t word, int32_t words,
                         const struct hone_text *matched);

static inline uint64_t hone_word_load(const char *bytes) {
    uint64_t value;
    memcpy(&value, bytes, 8);
    return value;
}
static inline uint64_t hone_word_mix(uint64_t a, uint64_t b) {
    uint64_t hash = (a ^ b * UINT64_C(0x9E3779B97F4A7C15)) * UINT64_C(0xBF58476D1CE4E5B9);
    return hash ^ hash >> 32;
}
/* Of n > 0 bytes, behind whose beginning `readable` >= n can be read. Short ones are looked up without a branch that
 * depends on their length, which no processor foresees. */
static inline struct hone_word_key hone_word_key(const char *bytes, size_t n, size_t readable) {
    struct hone_word_key key = {bytes, n, 0, 0};
    char copy[HONE_SHORT_KEY] = {0};
    size_t short_n = n < HONE_SHORT_KEY ? n : HONE_SHORT_KEY;
    const char *from = bytes;
    if (readable < HONE_SHORT_KEY) from = memcpy(copy, bytes, short_n);
    const uint64_t all = UINT64_MAX;
    size_t low = short_n < 8 ? short_n : 8, high = short_n < 8 ? 0 : short_n - 8;
    key.first = hone_word_load(from) & (low == 8 ? all : ~(all << 8 * (low & 7)));
    key.last = hone_word_load(from + 8) & (high == 8 ? all : ~(all << 8 * (high & 7)));
    for (size_t i = HONE_SHORT_KEY; n > HONE_SHORT_KEY && i + 8 <= n; i += 8)
        key.first = hone_word_mix(key.first, hone_word_load(bytes + i));
    if (n > HONE_SHORT_KEY) key.last = hone_word_mix(key.last, hone_word_load(bytes + n - 8));
    return key;
}
/* Characters of the bytes. */
static inline int32_t hone_word_characters(const struct hone_word_key *key) {
    if (key->n > HONE_SHORT_KEY) return hone_count_characters(key->bytes, key->n);
    /* A bit for each byte that goes on with a character: at most two in each byte of the sum. */
    const uint64_t bits = UINT64_C(0x0101010101010101);
    uint64_t goes_on = (key->first >> 7 & ~(key->first >> 6) & bits) + (key->last >> 7 & ~(key->last >> 6) & bits);
    return (int32_t)(key->n - (goes_on * bits >> 56));
}
static inline size_t hone_word_place(uint64_t first, uint64_t last, size_t n, size_t slots) {
    return hone_word_mix(first + n, last) & (slots - 1);
}
/* Has the entry's place brought from memory, for hone_word_cache_find a little later. Inlined always: to GCC 12 a call
 * that does nothing but that is one that does nothing. */
__attribute__((always_inline)) static inline void hone_word_cache_fetch(const struct hone_word_cache *cache,
                                                                        const struct hone_word_key *key) {
    if (cache->slots_n)
        __builtin_prefetch(&cache->slots[hone_word_place(key->first, key->last, key->n, cache->slots_n)]);
}
/* The entry of a stretch, or NULL. */
static inline const struct hone_cached *hone_word_cache_find(const struct hone_word_cache *cache,
                                                             const struct hone_word_key *key) {
    if (!cache->slots_n || key->n > HONE_CACHED_BYTES) return NULL;
    for (size_t i = hone_word_place(key->first, key->last, key->n, cache->slots_n);;
         i = (i + 1) & (cache->slots_n - 1)) {
        const struct hone_cached *slot = &cache->slots[i];
        if (slot->key_n == 0) return NULL;
        if (slot->first != key->first || slot->last != key->last || slot->key_n != key->n) continue;
        if (key->n <= HONE_SHORT_KEY) return slot;
        if (memcmp(cache->keys.bytes + cache->tokens.at[slot->at - 1].begin, key->bytes, key->n) == 0) return slot;
    }
}

#endif
