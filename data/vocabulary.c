#include "data/vocabulary.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/utf8.h"

/* An id is a row of the embedding: a file whose ids leave more gaps than this is broken, and would ask for memory. */
#define GAPS_PER_ENTRY 3
#define GAPS_ALWAYS    65536

void hone_vocabulary_end(struct hone_vocabulary_entries *entries, size_t begin, int32_t id) {
    uint32_t n = (uint32_t)(entries->bytes.length - begin);
    hone_reserve(&entries->at, &entries->capacity, entries->n + 1, sizeof *entries->at, "tokenizer vocabulary");
    entries->at[entries->n++] = (struct hone_vocabulary_entry){begin, n, id};
    if (entries->bytes.length + 1 < entries->bytes.capacity)
        entries->bytes.bytes[entries->bytes.length++] = 0;
    else
        hone_text_append(&entries->bytes, "", 1);
}

void hone_vocabulary_add(struct hone_vocabulary_entries *entries, const char *text, size_t n, int32_t id) {
    size_t begin = entries->bytes.length;
    hone_text_append(&entries->bytes, text, n);
    hone_vocabulary_end(entries, begin, id);
}

static int compare_entries(const void *a, const void *b, void *bytes) {
    const struct hone_vocabulary_entry *x = a, *y = b;
    int order = strcmp((const char *)bytes + x->begin, (const char *)bytes + y->begin);
    return order ? order : (x->id > y->id) - (x->id < y->id);
}

/* Of entries with the same text only the one with the largest id stays. */
static void keep_last(const struct hone_vocabulary *vocabulary, struct hone_vocabulary_entries *entries) {
    const char *bytes = vocabulary->bytes;
    qsort_r(entries->at, entries->n, sizeof *entries->at, compare_entries, vocabulary->bytes);
    size_t kept = 0;
    for (size_t i = 0; i < entries->n; i++) {
        if (kept && strcmp(bytes + entries->at[kept - 1].begin, bytes + entries->at[i].begin) == 0) kept--;
        entries->at[kept++] = entries->at[i];
    }
    entries->n = kept;
}

static enum hone_status fail_same_id(const char *where, const char *a, const char *b, int32_t id) {
    char *first = hone_escape(a, strlen(a)), *second = hone_escape(b, strlen(b));
    enum hone_status status =
        hone_fail(HONE_BAD_INPUT, "%s[\"%s\"]: id %d is also that of \"%s\"", where, second, id, first);
    hone_free(first);
    hone_free(second);
    return status;
}

/* Places texts by id. */
static enum hone_status index_texts(struct hone_vocabulary *out, const struct hone_vocabulary_entries *entries,
                                    const char *where) {
    for (size_t i = 0; i < entries->n; i++)
        if (entries->at[i].id >= out->size) out->size = entries->at[i].id + 1;
    if (out->size > (int64_t)(GAPS_PER_ENTRY + 1) * out->entries + GAPS_ALWAYS)
        return hone_fail(HONE_BAD_INPUT, "%s: the largest id is %d, with only %d entries", where, out->size - 1,
                         out->entries);
    out->texts = hone_calloc((size_t)out->size, sizeof *out->texts, "tokenizer vocabulary");
    out->lengths = hone_calloc((size_t)out->size, sizeof *out->lengths, "tokenizer vocabulary");
    for (size_t i = 0; i < entries->n; i++) {
        const char *text = out->bytes + entries->at[i].begin;
        int32_t id = entries->at[i].id;
        if (out->texts[id]) return fail_same_id(where, out->texts[id], text, id);
        out->texts[id] = text;
        out->lengths[id] = entries->at[i].n;
    }
    return HONE_OK;
}

static bool build_trie(struct hone_vocabulary *out, int32_t twice[2]) {
    struct hone_trie_key *keys = hone_alloc((size_t)out->entries, sizeof *keys, "tokenizer vocabulary");
    size_t n = 0;
    for (int32_t id = 0; id < out->size; id++)
        if (out->texts[id]) keys[n++] = (struct hone_trie_key){out->texts[id], out->lengths[id], id};
    bool unique = hone_trie_build(&out->trie, keys, n, twice);
    hone_free(keys);
    return unique;
}

/* The trie of only the last of entries with the same text. */
static void build_last(struct hone_vocabulary *out, struct hone_vocabulary_entries *entries, bool drop) {
    if (drop) memset(out->texts, 0, (size_t)out->size * sizeof *out->texts);
    keep_last(out, entries);
    out->entries = (int32_t)entries->n;
    struct hone_trie_key *keys = hone_alloc(entries->n, sizeof *keys, "tokenizer vocabulary");
    for (size_t i = 0; i < entries->n; i++) {
        const struct hone_vocabulary_entry *entry = &entries->at[i];
        if (drop) out->texts[entry->id] = out->bytes + entry->begin;
        keys[i] = (struct hone_trie_key){out->bytes + entry->begin, entry->n, entry->id};
    }
    int32_t twice[2];
    HONE_CHECK(hone_trie_build(&out->trie, keys, entries->n, twice), "ids %d and %d", twice[0], twice[1]);
    hone_free(keys);
}

enum hone_status hone_vocabulary_finish(struct hone_vocabulary *out, struct hone_vocabulary_entries *entries,
                                        enum hone_repeated repeated, const char *where) {
    *out = (struct hone_vocabulary){.entries = (int32_t)entries->n, .bytes = entries->bytes.bytes};
    entries->bytes = (struct hone_text){0};
    enum hone_status status = index_texts(out, entries, where);
    int32_t twice[2];
    if (status == HONE_OK && !build_trie(out, twice)) {
        if (repeated == HONE_REPEATED_REFUSED) {
            char *text = hone_escape(out->texts[twice[0]], out->lengths[twice[0]]);
            status = hone_fail(HONE_BAD_INPUT, "%s[\"%s\"]: given twice, with ids %d and %d", where, text, twice[0],
                               twice[1]);
            hone_free(text);
        } else {
            build_last(out, entries, repeated == HONE_REPEATED_DROPPED);
        }
    }
    hone_vocabulary_entries_free(entries);
    return status;
}

void hone_vocabulary_entries_free(struct hone_vocabulary_entries *entries) {
    hone_text_free(&entries->bytes);
    hone_free(entries->at);
    *entries = (struct hone_vocabulary_entries){0};
}

void hone_vocabulary_free(struct hone_vocabulary *vocabulary) {
    hone_free(vocabulary->texts);
    hone_free(vocabulary->lengths);
    hone_free(vocabulary->bytes);
    hone_trie_free(&vocabulary->trie);
    *vocabulary = (struct hone_vocabulary){0};
}
