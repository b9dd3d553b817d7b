/* A set of byte strings with a number each, as a double-array trie (Aoe, IEEE TSE 15(9), 1989): one array look-up a byte,
 * so the longest entry at a place is found in the time that it takes to read it. */
#ifndef HONE_DATA_TRIE_H
#define HONE_DATA_TRIE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct hone_trie_node {
    int32_t base;   /* the child by byte c is at base + c */
    int32_t parent; /* -1: the slot is free */
    int32_t value;  /* -1: no entry ends here */
};
struct hone_trie {
    struct hone_trie_node *nodes; /* the root is node 0; NULL: the set is empty */
};
struct hone_trie_key {
    const char *bytes;
    uint32_t n;
    int32_t value; /* >= 0 */
};

/* Builds from n keys. A string given twice: false, with the two values in duplicate[2]. */
bool hone_trie_build(struct hone_trie *out, struct hone_trie_key *keys, size_t n, int32_t duplicate[2]);
void hone_trie_free(struct hone_trie *trie);

/* The node behind `node` by a byte, or -1. Every base + byte lies inside the array. */
static inline int32_t hone_trie_step(const struct hone_trie *trie, int32_t node, unsigned char byte) {
    int32_t next = trie->nodes[node].base + byte;
    return trie->nodes[next].parent == node ? next : -1;
}

/* The node reached from the root by a string, or -1. */
int32_t hone_trie_node_of(const struct hone_trie *trie, const char *bytes, size_t n);
/* Value of a string, or -1. */
int32_t hone_trie_find(const struct hone_trie *trie, const char *bytes, size_t n);
/* Longest non-empty entry, from `node` on, that begins `bytes`: its value (or -1), its length in *length. */
int32_t hone_trie_longest(size_t *length, const struct hone_trie *trie, int32_t node, const char *bytes, size_t n);

#endif
