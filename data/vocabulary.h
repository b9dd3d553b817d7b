/* Texts of ids, ids of texts. */
#ifndef HONE_DATA_VOCABULARY_H
#define HONE_DATA_VOCABULARY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/memory.h"
#include "base/status.h"
#include "data/trie.h"

struct hone_vocabulary {
    int32_t entries, size; /* tokens; largest id + 1 */
    const char **texts;    /* [size], 0-terminated; NULL in a gap */
    uint32_t *lengths;     /* [size] */
    char *bytes;           /* what texts point into */
    struct hone_trie trie; /* text -> id */
};
/* Collects entries; `finish` makes the vocabulary of them and empties the collection. */
struct hone_vocabulary_entries {
    struct hone_text bytes;
    struct hone_vocabulary_entry {
        size_t begin; /* in bytes */
        uint32_t n;
        int32_t id;
    } * at;
    size_t n, capacity;
};
void hone_vocabulary_add(struct hone_vocabulary_entries *entries, const char *text, size_t n, int32_t id);
/* The same, of a text that was appended to entries->bytes from `begin` on. */
void hone_vocabulary_end(struct hone_vocabulary_entries *entries, size_t begin, int32_t id);
/* Of entries with the same text: an error, or the one with the largest id counts and the others' ids stay (Unigram) or
 * become gaps (vocab.txt), as in the reference. */
enum hone_repeated { HONE_REPEATED_REFUSED, HONE_REPEATED_KEPT, HONE_REPEATED_DROPPED };
/* `where` ("…/tokenizer.json: model.vocab") stands in messages. Ids must differ and leave only so many gaps. */
enum hone_status hone_vocabulary_finish(struct hone_vocabulary *out, struct hone_vocabulary_entries *entries,
                                        enum hone_repeated repeated, const char *where);
void hone_vocabulary_entries_free(struct hone_vocabulary_entries *entries);
void hone_vocabulary_free(struct hone_vocabulary *vocabulary);

/* Id of a text, or -1. */
static inline int32_t hone_vocabulary_id(const struct hone_vocabulary *vocabulary, const char *text, size_t n) {
    return hone_trie_find(&vocabulary->trie, text, n);
}

#endif
