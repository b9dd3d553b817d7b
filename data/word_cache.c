#include "data/word_cache.h"

#define FIRST_SLOTS ((size_t)1 << 12)
#define MOST_SLOTS  ((size_t)1 << 16)
#define MOST_TOKENS ((size_t)1 << 20)

void hone_word_cache_free(struct hone_word_cache *cache) {
    hone_free(cache->slots);
    hone_text_free(&cache->keys);
    hone_free(cache->tokens.at);
    hone_text_free(&cache->texts);
    *cache = (struct hone_word_cache){0};
}

static void clear(struct hone_word_cache *cache) {
    if (cache->slots_n) memset(cache->slots, 0, cache->slots_n * sizeof *cache->slots);
    cache->used = cache->keys.length = cache->tokens.n = cache->texts.length = 0;
}

void hone_word_cache_claim(struct hone_word_cache *cache, uint64_t owner) {
    if (cache->owner != owner) clear(cache);
    cache->owner = owner;
}

static uint64_t load(const char *bytes, size_t n) {
    uint64_t value = 0;
    uint32_t low, high;
    if (n >= 8) {
        memcpy(&value, bytes, 8);
    } else if (n >= 4) {
        memcpy(&low, bytes, 4);
        memcpy(&high, bytes + n - 4, 4);
        value = (uint64_t)high << 32 | low;
    } else if (n > 0) {
        value = (uint64_t)(unsigned char)bytes[0] << 16 | (uint64_t)(unsigned char)bytes[n / 2] << 8 |
                (unsigned char)bytes[n - 1];
    }
    return value;
}

uint64_t hone_word_hash(const char *key, size_t n) {
    const uint64_t odd = UINT64_C(0x9E3779B97F4A7C15);
    uint64_t hash = n * odd;
    for (size_t i = 0; i + 8 < n; i += 8) {
        hash = (hash ^ load(key + i, 8)) * odd;
        hash ^= hash >> 29;
    }
    hash = (hash ^ load(n > 8 ? key + n - 8 : key, n > 8 ? 8 : n)) * odd;
    return hash ^ hash >> 32;
}

static void insert(struct hone_cached *slots, size_t n, struct hone_cached entry) {
    size_t i = entry.hash & (n - 1);
    while (slots[i].key_n) i = (i + 1) & (n - 1);
    slots[i] = entry;
}

/* Makes room for one more entry. */
static void grow(struct hone_word_cache *cache) {
    if (cache->used < cache->slots_n / 4 * 3 && cache->tokens.n < MOST_TOKENS) return;
    if (cache->slots_n >= MOST_SLOTS || cache->tokens.n >= MOST_TOKENS) {
        clear(cache);
        return;
    }
    size_t n = cache->slots_n ? cache->slots_n * 4 : FIRST_SLOTS;
    struct hone_cached *slots = hone_calloc(n, sizeof *slots, "words seen before");
    for (size_t i = 0; i < cache->slots_n; i++)
        if (cache->slots[i].key_n) insert(slots, n, cache->slots[i]);
    hone_free(cache->slots);
    cache->slots = slots;
    cache->slots_n = n;
}

void hone_word_cache_add(struct hone_word_cache *cache, const char *key, size_t n, uint64_t hash,
                         const struct hone_token *tokens, size_t tokens_n, int32_t first, int32_t word, int32_t words,
                         const struct hone_text *matched) {
    if (n == 0 || n > HONE_CACHED_BYTES || tokens_n > UINT16_MAX) return;
    grow(cache);
    struct hone_cached entry = {.hash = hash,
                                .key = (uint32_t)cache->keys.length,
                                .tokens = (uint32_t)cache->tokens.n,
                                .key_n = (uint16_t)n,
                                .tokens_n = (uint16_t)tokens_n,
                                .words = (uint16_t)words};
    hone_text_append(&cache->keys, key, n);
    hone_tokens_reserve(&cache->tokens, tokens_n);
    for (size_t i = 0; i < tokens_n; i++) {
        struct hone_token token = tokens[i];
        token.begin -= first;
        token.end -= first;
        token.word -= word;
        if (token.surface >= 0) {
            size_t length;
            const char *text = hone_surface_text(matched, token.surface, &length);
            token.surface = hone_surface_add(&cache->texts, text, length);
        }
        cache->tokens.at[cache->tokens.n++] = token;
    }
    insert(cache->slots, cache->slots_n, entry);
    cache->used++;
}
