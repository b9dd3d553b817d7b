/* Building goes over the sorted keys: the keys below a node are one range, its children are the runs of one byte in it. */
#include "data/trie.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/status.h"

/* A base is never below 1 and children never lie in the first 256 slots, so base + byte needs no test against 0. */
#define FIRST_SLOT 256
/* Free slots that are tried for a node of several children before it goes behind everything: bounds the time. */
#define TRIES 64

struct span {
    size_t begin, end, depth;
    int32_t node;
};

struct builder {
    struct hone_trie_node *nodes;
    size_t size, capacity; /* slots that exist; all beyond `used` are free */
    size_t used, first_free;
    struct span *stack;
    size_t depth, stack_capacity;
};

/* A key in sorting: its first eight bytes decide nearly always. */
struct sorted_key {
    uint64_t prefix;
    const struct hone_trie_key *key;
};

static int compare_bytes(const struct hone_trie_key *a, const struct hone_trie_key *b) {
    size_t n = a->n < b->n ? a->n : b->n;
    int order = n ? memcmp(a->bytes, b->bytes, n) : 0;
    return order ? order : (a->n > b->n) - (a->n < b->n);
}

static int compare_keys(const void *a, const void *b) {
    const struct sorted_key *x = a, *y = b;
    if (x->prefix != y->prefix) return x->prefix < y->prefix ? -1 : 1;
    return compare_bytes(x->key, y->key);
}

static void sort_keys(struct hone_trie_key *keys, size_t n) {
    struct sorted_key *order = hone_alloc(n, sizeof *order, "trie");
    struct hone_trie_key *copy = hone_alloc(n, sizeof *copy, "trie");
    memcpy(copy, keys, n * sizeof *copy);
    for (size_t i = 0; i < n; i++) {
        order[i] = (struct sorted_key){0, &copy[i]};
        for (size_t j = 0; j < 8; j++)
            order[i].prefix = order[i].prefix << 8 | (j < copy[i].n ? (unsigned char)copy[i].bytes[j] : 0);
    }
    qsort(order, n, sizeof *order, compare_keys);
    for (size_t i = 0; i < n; i++) keys[i] = *order[i].key;
    hone_free(order);
    hone_free(copy);
}

/* Slots for every base + byte with base < n. */
static void make_room(struct builder *b, size_t n) {
    size_t needed = n + 256;
    HONE_CHECK(needed < INT32_MAX, "a trie of %zu slots", needed);
    if (needed <= b->size) return;
    hone_reserve(&b->nodes, &b->capacity, needed, sizeof *b->nodes, "trie");
    for (size_t i = b->size; i < b->capacity; i++) b->nodes[i] = (struct hone_trie_node){1, -1, -1};
    b->size = b->capacity;
}

static bool is_free(const struct builder *b, size_t slot) { return slot >= b->used || b->nodes[slot].parent < 0; }

/* A base that leaves every child's slot free. */
static size_t find_base(struct builder *b, const unsigned char *bytes, size_t n) {
    while (b->first_free < b->used && b->nodes[b->first_free].parent >= 0) b->first_free++;
    size_t slot = b->first_free;
    for (int tries = 0; tries < TRIES && slot < b->used; slot++) {
        if (!is_free(b, slot)) continue;
        tries++;
        size_t base = slot - bytes[0], i = 1;
        while (i < n && is_free(b, base + bytes[i])) i++;
        if (i == n) return base;
    }
    return b->used - bytes[0];
}

static void push(struct builder *b, struct span span) {
    hone_reserve(&b->stack, &b->stack_capacity, b->depth + 1, sizeof *b->stack, "trie");
    b->stack[b->depth++] = span;
}

static void place_children(struct builder *b, const struct hone_trie_key *keys, struct span at) {
    unsigned char bytes[256];
    size_t begins[257], n = 0;
    for (size_t i = at.begin; i < at.end; i++) {
        unsigned char byte = (unsigned char)keys[i].bytes[at.depth];
        if (n && bytes[n - 1] == byte) continue;
        bytes[n] = byte;
        begins[n++] = i;
    }
    begins[n] = at.end;
    size_t base = find_base(b, bytes, n);
    make_room(b, base + 256);
    b->nodes[at.node].base = (int32_t)base;
    for (size_t i = 0; i < n; i++) {
        size_t slot = base + bytes[i];
        b->nodes[slot].parent = at.node;
        if (slot >= b->used) b->used = slot + 1;
    }
    for (size_t i = n; i-- > 0;)
        push(b, (struct span){begins[i], begins[i + 1], at.depth + 1, (int32_t)(base + bytes[i])});
}

bool hone_trie_build(struct hone_trie *out, struct hone_trie_key *keys, size_t n, int32_t duplicate[2]) {
    *out = (struct hone_trie){0};
    if (n == 0) return true;
    sort_keys(keys, n);
    for (size_t i = 1; i < n; i++) {
        if (compare_bytes(&keys[i - 1], &keys[i]) != 0) continue;
        duplicate[0] = keys[i - 1].value < keys[i].value ? keys[i - 1].value : keys[i].value;
        duplicate[1] = keys[i - 1].value < keys[i].value ? keys[i].value : keys[i - 1].value;
        return false;
    }
    struct builder b = {.used = FIRST_SLOT, .first_free = FIRST_SLOT};
    make_room(&b, FIRST_SLOT);
    push(&b, (struct span){0, n, 0, 0});
    while (b.depth > 0) {
        struct span at = b.stack[--b.depth];
        if (keys[at.begin].n == at.depth) b.nodes[at.node].value = keys[at.begin++].value;
        if (at.begin < at.end) place_children(&b, keys, at);
    }
    hone_free(b.stack);
    out->nodes = hone_realloc(b.nodes, b.used + 256, sizeof *b.nodes, "trie");
    return true;
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
