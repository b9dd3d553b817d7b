/* Building goes from the root down: the keys below a node are one range of their order, which their next byte parts into
 * the ranges of its children. Their first bytes lie beside their places in that order, as a number: going to the text of
 * a key costs more than all else that is done with it. */
#include "data/trie.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/status.h"

/* A base is never below 1 and children never lie in the first 256 slots, so base + byte needs no test against 0. */
#define FIRST_SLOT 256
/* So many times 64 bases are tried for a node's children before they go behind everything: bounds the time. */
#define WINDOWS 4
/* Bytes of a key that lie beside its place. */
#define FRONT 8
/* So many slots more than are needed are set up at once. */
#define SET_UP 1024
/* Words that a window over the last slots reaches into. */
#define BEYOND 6
/* There is memory for at most so many slots before they are needed. */
#define FORESEEN (1 << 22)

struct place {
    uint64_t front; /* the first byte is the highest, zeros behind the last */
    uint32_t key, n;
};
struct span {
    uint32_t begin, end, depth;
    int32_t node;
};

struct builder {
    struct hone_trie_node *nodes;
    uint64_t *taken;       /* a bit a slot, and BEYOND more words */
    size_t size, capacity; /* slots that are set up, that there is memory for; all beyond `used` are free */
    size_t used, first_free;
    const struct hone_trie_key *keys;
    struct place *places; /* of the keys, in their order */
    struct span *stack;
    size_t depth, stack_capacity;
    int32_t *duplicate;
};

/* Memory for n slots. */
static void reserve(struct builder *b, size_t n) {
    size_t words = b->taken ? b->capacity / 64 + BEYOND : 0;
    if (n <= b->capacity) return;
    hone_reserve(&b->nodes, &b->capacity, (n + 63) / 64 * 64, sizeof *b->nodes, "trie");
    size_t all = b->capacity / 64 + BEYOND;
    b->taken = hone_realloc(b->taken, all, sizeof *b->taken, "trie");
    memset(b->taken + words, 0, (all - words) * sizeof *b->taken);
}

/* Slots for every base + byte with base < n. */
static void make_room(struct builder *b, size_t n) {
    size_t needed = n + 256;
    if (needed <= b->size) return;
    needed += SET_UP;
    HONE_CHECK(needed < INT32_MAX, "a trie of %zu slots", needed);
    reserve(b, needed);
    for (; b->size < needed; b->size++) b->nodes[b->size] = (struct hone_trie_node){1, -1, -1};
}

/* The first free slot from `slot` on, at most `used`. */
static size_t next_free(const struct builder *b, size_t slot) {
    while (slot < b->used) {
        uint64_t open = ~b->taken[slot / 64] >> slot % 64;
        if (open) return slot + (size_t)__builtin_ctzll(open);
        slot = (slot / 64 + 1) * 64;
    }
    return b->used;
}

/* Bits of the 64 slots from `slot` on that are free. */
static uint64_t free_from(const struct builder *b, size_t slot) {
    const uint64_t *word = &b->taken[slot / 64];
    unsigned shift = slot % 64;
    return ~(shift ? word[0] >> shift | word[1] << (64 - shift) : word[0]);
}

/* A base that leaves every child's slot free: 64 of them are looked at together. */
static size_t find_base(struct builder *b, const unsigned char *bytes, size_t n) {
    /* NOLINTNEXTLINE(clang-analyzer-core.UndefinedBinaryOperatorResult): a node that is placed has a child. */
    size_t base = (b->first_free = next_free(b, b->first_free)) - bytes[0];
    for (int window = 0; window < WINDOWS && base + bytes[0] < b->used; window++, base += 64) {
        uint64_t open = ~UINT64_C(0);
        for (size_t i = 0; i < n && open; i++) open &= free_from(b, base + bytes[i]);
        if (open) return base + (size_t)__builtin_ctzll(open);
    }
    return b->used - bytes[0];
}

/* The byte of a key at a depth that it is longer than. */
static unsigned char byte_of(const struct builder *b, const struct place *place, size_t depth) {
    return depth < FRONT ? (unsigned char)(place->front >> 8 * (FRONT - 1 - depth))
                         : (unsigned char)b->keys[place->key].bytes[depth];
}

/* For places of the same front. */
static int compare_rests(const void *a, const void *b, void *keys) {
    const struct place *x = a, *y = b;
    size_t n = x->n < y->n ? x->n : y->n;
    const struct hone_trie_key *all = keys;
    int rest = n > FRONT ? memcmp(all[x->key].bytes + FRONT, all[y->key].bytes + FRONT, n - FRONT) : 0;
    return rest ? rest : (x->n > y->n) - (x->n < y->n);
}

static uint64_t front_of(const struct hone_trie_key *key) {
    uint64_t front = 0;
    for (size_t i = 0; i < FRONT; i++) front = front << 8 | (i < key->n ? (unsigned char)key->bytes[i] : 0);
    return front;
}

/* The keys in their order: by their fronts, a byte after the other from the last one on; then those that share them. */
static struct place *order(struct hone_trie_key *keys, size_t n) {
    struct place *from = hone_alloc(n, sizeof *from, "trie"), *to = hone_alloc(n, sizeof *to, "trie");
    uint32_t counts[FRONT][256] = {0};
    for (size_t i = 0; i < n; i++) {
        uint64_t front = front_of(&keys[i]);
        from[i] = (struct place){front, (uint32_t)i, keys[i].n};
        for (size_t k = 0; k < FRONT; k++) counts[k][front >> 8 * k & 255]++;
    }
    for (size_t k = 0; k < FRONT; k++) {
        if (counts[k][from->front >> 8 * k & 255] == n) continue;
        for (uint32_t byte = 0, begin = 0; byte < 256; byte++) {
            uint32_t count = counts[k][byte];
            counts[k][byte] = begin;
            begin += count;
        }
        for (size_t i = 0; i < n; i++) to[counts[k][from[i].front >> 8 * k & 255]++] = from[i];
        struct place *swap = from;
        from = to;
        to = swap;
    }
    hone_free(to);
    for (size_t i = 0, end; i < n; i = end) {
        for (end = i + 1; end < n && from[end].front == from[i].front; end++) continue;
        if (end - i > 1) qsort_r(from + i, end - i, sizeof *from, compare_rests, keys);
    }
    return from;
}

static void push(struct builder *b, struct span span) {
    hone_reserve(&b->stack, &b->stack_capacity, b->depth + 1, sizeof *b->stack, "trie");
    b->stack[b->depth++] = span;
}

/* The node of a slot that was found for it. */
static void take_slot(struct builder *b, size_t slot, int32_t parent) {
    b->nodes[slot].parent = parent;
    b->taken[slot / 64] |= UINT64_C(1) << slot % 64;
    if (slot >= b->used) b->used = slot + 1;
}

/* The rest of the only key of a range, a node a byte: most nodes of a vocabulary. */
static void place_tail(struct builder *b, struct span at) {
    const struct hone_trie_key *key = &b->keys[b->places[at.begin].key];
    for (size_t depth = at.depth; depth < key->n; depth++) {
        unsigned char byte = (unsigned char)key->bytes[depth];
        size_t slot = b->first_free = next_free(b, b->first_free);
        make_room(b, slot - byte + 256);
        b->nodes[at.node].base = (int32_t)(slot - byte);
        take_slot(b, slot, at.node);
        at.node = (int32_t)slot;
    }
    b->nodes[at.node].value = key->value;
}

/* The children of a node, whose keys are in order. */
static void place_children(struct builder *b, struct span at) {
    unsigned char bytes[256];
    uint32_t begins[257], n = 0;
    for (uint32_t i = at.begin; i < at.end; i++) {
        unsigned char byte = byte_of(b, &b->places[i], at.depth);
        if (n && bytes[n - 1] == byte) continue;
        bytes[n] = byte;
        begins[n++] = i;
    }
    begins[n] = at.end;
    size_t base = find_base(b, bytes, n);
    make_room(b, base + 256);
    b->nodes[at.node].base = (int32_t)base;
    for (size_t i = 0; i < n; i++) take_slot(b, base + bytes[i], at.node);
    for (size_t i = n; i-- > 0;)
        push(b, (struct span){begins[i], begins[i + 1], at.depth + 1, (int32_t)(base + bytes[i])});
}

/* The key that ends at a node, the first one of its range in order, goes out of it; false when two do. */
static bool take_ending(struct builder *b, struct span *at) {
    const struct place *first = &b->places[at->begin];
    if (first->n > at->depth) return true;
    int32_t value = b->nodes[at->node].value = b->keys[first->key].value;
    if (++at->begin == at->end || first[1].n > at->depth) return true;
    int32_t other = b->keys[first[1].key].value;
    b->duplicate[0] = value < other ? value : other;
    b->duplicate[1] = value < other ? other : value;
    return false;
}

bool hone_trie_build(struct hone_trie *out, struct hone_trie_key *keys, size_t n, int32_t duplicate[2]) {
    *out = (struct hone_trie){0};
    if (n == 0) return true;
    HONE_CHECK(n < INT32_MAX, "a trie of %zu keys", n);
    struct builder b = {.used = FIRST_SLOT, .first_free = FIRST_SLOT, .keys = keys, .duplicate = duplicate};
    bool unique = true;
    size_t bytes = 0;
    for (size_t i = 0; i < n; i++) bytes += keys[i].n;
    b.places = order(keys, n);
    reserve(&b, FIRST_SLOT + (bytes < FORESEEN ? bytes : FORESEEN)); /* what isn't set up costs nothing */
    make_room(&b, 0);
    push(&b, (struct span){.end = (uint32_t)n});
    while (unique && b.depth > 0) {
        struct span at = b.stack[--b.depth];
        unique = take_ending(&b, &at);
        uint32_t left = unique ? at.end - at.begin : 0;
        if (left == 1)
            place_tail(&b, at);
        else if (left)
            place_children(&b, at);
    }
    hone_free(b.places);
    hone_free(b.stack);
    hone_free(b.taken);
    if (unique)
        out->nodes = b.nodes;
    else
        hone_free(b.nodes);
    return unique;
}

void hone_trie_free(struct hone_trie *trie) {
    hone_free(trie->nodes);
    trie->nodes = NULL;
}

int32_t hone_trie_node_of(const struct hone_trie *trie, const char *bytes, size_t n) {
    if (!trie->nodes) return -1;
    int32_t node = 0;
    for (size_t i = 0; i < n && node >= 0; i++) node = hone_trie_step(trie, node, (unsigned char)bytes[i]);
    return node;
}

int32_t hone_trie_find(const struct hone_trie *trie, const char *bytes, size_t n) {
    int32_t node = hone_trie_node_of(trie, bytes, n);
    return node < 0 ? -1 : trie->nodes[node].value;
}

int32_t hone_trie_longest(size_t *length, const struct hone_trie *trie, int32_t node, const char *bytes, size_t n) {
    int32_t value = -1;
    *length = 0;
    if (!trie->nodes) return -1;
    for (size_t i = 0; i < n; i++) {
        node = hone_trie_step(trie, node, (unsigned char)bytes[i]);
        if (node < 0) break;
        if (trie->nodes[node].value >= 0) {
            value = trie->nodes[node].value;
            *length = i + 1;
        }
    }
    return value;
}
