#include "data/word_cache.h"

#define FIRST_SLOTS ((size_t)1 << 12)
#define MOST_SLOTS  ((size_t)1 << 17)
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

static void insert(struct hone_cached *slots, size_t n, struct hone_cached entry) {
    size_t i = hone_word_place(entry.first, entry.last, entry.key_n, n);
    while (slots[i].key_n) i = (i + 1) & (n - 1);
    slots[i] = entry;
}

/* Entries that so many slots hold. */
static size_t most_of(size_t slots) { return slots / 8 * 5; }

size_t hone_word_cache_reserve(struct hone_word_cache *cache, size_t n) {
    size_t slots = FIRST_SLOTS;
    while (slots < MOST_SLOTS && most_of(slots) < n) slots *= 2;
    cache->slots = hone_calloc(slots, sizeof *cache->slots, "words of one token");
    cache->slots_n = slots;
    return most_of(slots) < n ? most_of(slots) : n;
}

/* Makes room for one more entry. */
static void grow(struct hone_word_cache *cache) {
    if (cache->used < most_of(cache->slots_n) && cache->tokens.n < MOST_TOKENS) return;
    if (cache->slots_n >= MOST_SLOTS || cache->tokens.n >= MOST_TOKENS) {
        clear(cache);
        return;
    }
    size_t n = cache->slots_n ? cache->slots_n * 2 : FIRST_SLOTS;
    struct hone_cached *slots = hone_calloc(n, sizeof *slots, "words seen before");
    for (size_t i = 0; i < cache->slots_n; i++)
        if (cache->slots[i].key_n) insert(slots, n, cache->slots[i]);
    hone_free(cache->slots);
    cache->slots = slots;
    cache->slots_n = n;
}

void hone_word_cache_add(struct hone_word_cache *cache, const struct hone_word_key *key,
                         const struct hone_token *tokens, size_t tokens_n, int32_t first, int32_t word, int32_t words,
                         const struct hone_text *matched) {
    if (key->n > HONE_CACHED_BYTES || tokens_n > UINT16_MAX || words > UINT8_MAX) return;
    grow(cache);
    struct hone_cached entry = {.first = key->first,
                                .last = key->last,
                                .key_n = (uint8_t)key->n,
                                .words = (uint8_t)words,
                                .tokens_n = (uint16_t)tokens_n,
                                .end = -1};
    if (key->n <= HONE_SHORT_KEY && tokens_n == 1 && words == 1 && tokens->begin == first && tokens->surface < 0) {
        entry.id = tokens->id;
        entry.end = tokens->end - first;
    } else {
        hone_tokens_reserve(&cache->tokens, tokens_n + 1);
        if (key->n > HONE_SHORT_KEY) {
            hone_tokens_push(&cache->tokens, -1, cache->keys.length, 0);
            hone_text_append(&cache->keys, key->bytes, key->n);
        }
        entry.at = (uint32_t)cache->tokens.n;
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
    }
    insert(cache->slots, cache->slots_n, entry);
    cache->used++;
}
