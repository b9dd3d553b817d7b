/* Building goes from the root down: the keys below a node are one range, which is parted by their next byte into the
 * ranges of its children. */
#include "data/trie.h"

#include <string.h>

#include "base/memory.h"
#include "base/status.h"

/* A base is never below 1 and children never lie in the first 256 slots, so base + byte needs no test against 0. */
#define FIRST_SLOT 256
/* So many times 64 bases are tried for a node's children before they go behind everything: bounds the time. */
#define WINDOWS 4
/* So many keys are parted by insertion. */
#define FEW 16
/* So many slots more than are needed are set up at once. */
#define SET_UP 1024
/* Words that a window over the last slots reaches into. */
#define BEYOND 6
/* There is memory for at most so many slots before they are needed. */
#define FORESEEN (1 << 22)

struct span {
    size_t begin, end, depth;
    int32_t node;
};

struct builder {
    struct hone_trie_node *nodes;
    uint64_t *taken;       /* a bit a slot, and BEYOND more words */
    size_t size, capacity; /* slots that are set up, that there is memory for; all beyond `used` are free */
    size_t used, first_free;
    struct hone_trie_key *keys;
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
    size_t base = (b->first_free = next_free(b, b->first_free)) - bytes[0];
    for (int window = 0; window < WINDOWS && base + bytes[0] < b->used; window++, base += 64) {
        uint64_t open = ~UINT64_C(0);
        for (size_t i = 0; i < n && open; i++) open &= free_from(b, base + bytes[i]);
        if (open) return base + (size_t)__builtin_ctzll(open);
    }
    return b->used - bytes[0];
}

static unsigned char byte_of(const struct hone_trie_key *key, size_t depth) { return (unsigned char)key->bytes[depth]; }

/* Orders n keys, all longer than `depth`, by their byte there. */
static void part(struct hone_trie_key *keys, size_t n, size_t depth) {
    if (n <= FEW) {
        for (size_t i = 1; i < n; i++) {
            struct hone_trie_key moved = keys[i];
            size_t j = i;
            for (; j > 0 && byte_of(&keys[j - 1], depth) > byte_of(&moved, depth); j--) keys[j] = keys[j - 1];
            keys[j] = moved;
        }
        return;
    }
    size_t next[256], ends[256] = {0};
    for (size_t i = 0; i < n; i++) ends[byte_of(&keys[i], depth)]++;
    for (size_t byte = 0, begin = 0; byte < 256; byte++) {
        next[byte] = begin;
        begin = ends[byte] += begin;
    }
    for (size_t byte = 0; byte < 256; byte++)
        while (next[byte] < ends[byte]) {
            struct hone_trie_key *key = &keys[next[byte]], moved = *key;
            size_t place = next[byte_of(key, depth)]++;
            *key = keys[place];
            keys[place] = moved;
        }
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
    const struct hone_trie_key *key = &b->keys[at.begin];
    for (size_t depth = at.depth; depth < key->n; depth++) {
        unsigned char byte = byte_of(key, depth);
        size_t slot = b->first_free = next_free(b, b->first_free);
        make_room(b, slot - byte + 256);
        b->nodes[at.node].base = (int32_t)(slot - byte);
        take_slot(b, slot, at.node);
        at.node = (int32_t)slot;
    }
    b->nodes[at.node].value = key->value;
}

static void place_children(struct builder *b, struct span at) {
    unsigned char bytes[256];
    size_t begins[257], n = 1;
    part(b->keys + at.begin, at.end - at.begin, at.depth);
    bytes[0] = byte_of(&b->keys[at.begin], at.depth);
    begins[0] = at.begin;
    for (size_t i = at.begin + 1; i < at.end; i++) {
        unsigned char byte = byte_of(&b->keys[i], at.depth);
        if (bytes[n - 1] == byte) continue;
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

/* The key that ends at a node goes to the front of its range and out of it; false when two do. */
static bool take_ending(struct builder *b, struct span *at) {
    int32_t *value = &b->nodes[at->node].value;
    for (size_t i = at->begin; i < at->end; i++) {
        struct hone_trie_key key = b->keys[i];
        if (key.n != at->depth) continue;
        if (*value >= 0) {
            b->duplicate[0] = *value < key.value ? *value : key.value;
            b->duplicate[1] = *value < key.value ? key.value : *value;
            return false;
        }
        *value = key.value;
        b->keys[i] = b->keys[at->begin];
        b->keys[at->begin++] = key;
    }
    return true;
}

bool hone_trie_build(struct hone_trie *out, struct hone_trie_key *keys, size_t n, int32_t duplicate[2]) {
    *out = (struct hone_trie){0};
    if (n == 0) return true;
    struct builder b = {.used = FIRST_SLOT, .first_free = FIRST_SLOT, .keys = keys, .duplicate = duplicate};
    bool unique = true;
    size_t bytes = 0;
    for (size_t i = 0; i < n; i++) bytes += keys[i].n;
    reserve(&b, FIRST_SLOT + (bytes < FORESEEN ? bytes : FORESEEN)); /* what isn't set up costs nothing */
    make_room(&b, 0);
    push(&b, (struct span){0, n, 0, 0});
    while (unique && b.depth > 0) {
        struct span at = b.stack[--b.depth];
        unique = take_ending(&b, &at);
        size_t left = unique ? at.end - at.begin : 0;
        if (left == 1)
            place_tail(&b, at);
        else if (left)
            place_children(&b, at);
    }
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
