/* First-fit of intervals, and the cache of its results. */
#include "autograd/layout.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/status.h"

/* A cache line, and what the widest vector loads want. */
#define SLOT_ALIGNMENT 64
#define CACHE_ENTRIES  64

struct layout {
    struct hone_slot *slots; /* the key is all but the offsets */
    int32_t n;
    uint64_t hash;
    size_t arena;
    long used; /* moment of the last use */
};

struct hone_layout_cache {
    struct layout layouts[CACHE_ENTRIES];
    int n;
    long moment, hits;
};

/* Largest first: a large piece placed late would open a new stretch of arena, a small one fits into what is left.
 * Then by address within the array, so that the order is total. */
static int by_size(const void *a, const void *b) {
    const struct hone_slot *x = *(struct hone_slot *const *)a, *y = *(struct hone_slot *const *)b;
    if (x->bytes != y->bytes) return x->bytes > y->bytes ? -1 : 1;
    return (x > y) - (x < y);
}

size_t hone_layout_place(struct hone_slot *slots, int32_t n) {
    struct hone_slot **todo = hone_alloc((size_t)n, sizeof *todo, "layout");
    struct hone_slot **placed = hone_alloc((size_t)n, sizeof *placed, "layout"); /* by offset */
    for (int32_t i = 0; i < n; i++) {
        HONE_CHECK(slots[i].first <= slots[i].last, "slot %d lives from %d to %d", i, slots[i].first, slots[i].last);
        todo[i] = &slots[i];
    }
    qsort(todo, (size_t)n, sizeof *todo, by_size);
    size_t arena = 0;
    for (int32_t i = 0; i < n; i++) {
        struct hone_slot *slot = todo[i];
        size_t offset = 0;
        for (int32_t k = 0; k < i; k++) {
            const struct hone_slot *other = placed[k];
            if (other->last < slot->first || slot->last < other->first) continue;
            if (offset + slot->bytes <= other->offset) break;
            size_t end = (other->offset + other->bytes + SLOT_ALIGNMENT - 1) / SLOT_ALIGNMENT * SLOT_ALIGNMENT;
            if (end > offset) offset = end;
        }
        slot->offset = offset;
        if (offset + slot->bytes > arena) arena = offset + slot->bytes;
        int32_t place = i;
        for (; place > 0 && placed[place - 1]->offset > offset; place--) placed[place] = placed[place - 1];
        placed[place] = slot;
    }
    hone_free(todo);
    hone_free(placed);
    return (arena + SLOT_ALIGNMENT - 1) / SLOT_ALIGNMENT * SLOT_ALIGNMENT;
}

struct hone_layout_cache *hone_layout_cache_create(void) {
    return hone_calloc(1, sizeof(struct hone_layout_cache), "layout cache");
}

void hone_layout_cache_free(struct hone_layout_cache *cache) {
    if (!cache) return;
    for (int i = 0; i < cache->n; i++) hone_free(cache->layouts[i].slots);
    hone_free(cache);
}

long hone_layout_hits(const struct hone_layout_cache *cache) { return cache->hits; }

static uint64_t hash_slots(const struct hone_slot *slots, int32_t n) {
    uint64_t hash = 0x9E3779B97F4A7C15u;
    for (int32_t i = 0; i < n; i++) {
        uint64_t words[2] = {(uint64_t)(uint32_t)slots[i].first << 32 | (uint32_t)slots[i].last, slots[i].bytes};
        for (int w = 0; w < 2; w++) {
            hash = (hash ^ words[w]) * 0xFF51AFD7ED558CCDu;
            hash ^= hash >> 32;
        }
    }
    return hash;
}

static bool same_slots(const struct hone_slot *a, const struct hone_slot *b, int32_t n) {
    for (int32_t i = 0; i < n; i++) {
        if (a[i].first != b[i].first || a[i].last != b[i].last || a[i].bytes != b[i].bytes) return false;
    }
    return true;
}

size_t hone_layout_cached(struct hone_layout_cache *cache, struct hone_slot *slots, int32_t n) {
    uint64_t hash = hash_slots(slots, n);
    cache->moment++;
    struct layout *oldest = &cache->layouts[0];
    for (int i = 0; i < cache->n; i++) {
        struct layout *layout = &cache->layouts[i];
        if (layout->hash == hash && layout->n == n && same_slots(layout->slots, slots, n)) {
            for (int32_t k = 0; k < n; k++) slots[k].offset = layout->slots[k].offset;
            layout->used = cache->moment;
            cache->hits++;
            return layout->arena;
        }
        if (layout->used < oldest->used) oldest = layout;
    }
    struct layout *layout = cache->n < CACHE_ENTRIES ? &cache->layouts[cache->n++] : oldest;
    layout->arena = hone_layout_place(slots, n);
    layout->hash = hash;
    layout->n = n;
    layout->used = cache->moment;
    layout->slots = hone_realloc(layout->slots, (size_t)n, sizeof *slots, "layout cache");
    if (n > 0) memcpy(layout->slots, slots, (size_t)n * sizeof *slots);
    return layout->arena;
}
