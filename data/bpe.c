/* Byte pair encoding: of all pairs of neighbours that have a merge, the one with the lowest rank, leftmost, is joined
 * first. Short words look through their pairs each time; long ones keep the places of pairs in a list for each rank, so
 * that a word of a megabyte takes time in proportion, or in a heap, where what a merge makes can be half of an earlier
 * one. Bytes with merges as they always are need neither: see data/bpe_search.h. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "data/bpe_search.h"
#include "data/byte_level.h"
#include "data/normalized.h"

#define SHORT_WORD      48 /* symbols */
#define PLACES_OF_CHUNK 14
#define AHEAD           8 /* places whose symbols are fetched before they are needed */
#define LONG_WORD       "merges of a long word"

struct bpe {
    struct hone_tokenizer_model model;
    const struct hone_vocabulary *vocabulary;
    struct hone_merges merges;
    struct hone_bpe_search *search; /* NULL: not for this vocabulary and these merges */
    int32_t inside;                 /* trie node behind the prefix, -1: nothing begins with it */
    char *prefix, *suffix;
    size_t prefix_n, suffix_n;
    int32_t unk;
    bool fuse_unk, falls_back, ignore_merges;
    bool in_order;         /* no merge makes a half of an earlier one */
    int32_t fallback[256]; /* <0x00>…, -1: there is none */
    int32_t bytes[256];    /* of byte-level characters */
    int32_t *byte_ranks; /* [256, 256] of merges of two of them, INT32_MAX: of none; NULL: not all of them are there */
};

static inline int32_t rank_of(const struct bpe *bpe, int32_t left, int32_t right) {
    return hone_merges_rank(&bpe->merges, left, right);
}

/* Places of pairs by the rank of their merge; the lowest rank that has any is found through bits. Or, where lower ranks
 * come up on the way, a heap of them. */
struct hone_merge_queue {
    int32_t *first, *last; /* [ranks]: chunks of places; first -1: none */
    uint64_t *bits[4];     /* a bit for each rank, each word of it, …; the last level is one word */
    int levels;
    struct chunk {
        int32_t n, next;
        int32_t places[PLACES_OF_CHUNK]; /* so that it fills a cache line */
    } * chunks;
    size_t chunks_n, chunks_capacity;
    int32_t unused;  /* chunks that are empty again */
    int32_t *places; /* of the rank at work */
    size_t places_capacity, ranks;
    struct link { /* a symbol of the word; rank: of the pair that it begins, INT32_MAX: of none, -1: it is gone */
        int32_t id, rank, previous, next;
    } * links;
    size_t links_capacity;
    bool is_heap;
    uint64_t *heap; /* rank << 32 | place; none is above its children, which are at 2 i + 1 and 2 i + 2 */
    size_t heap_n, heap_capacity;
};

void hone_merge_queue_free(struct hone_merge_queue *queue) {
    if (!queue) return;
    hone_free(queue->first);
    hone_free(queue->last);
    for (int i = 0; i < queue->levels; i++) hone_free(queue->bits[i]);
    hone_free(queue->chunks);
    hone_free(queue->places);
    hone_free(queue->links);
    hone_free(queue->heap);
    hone_free(queue);
}

static struct hone_merge_queue *queue_create(size_t ranks) {
    struct hone_merge_queue *queue = hone_calloc(1, sizeof *queue, LONG_WORD);
    queue->ranks = ranks;
    queue->unused = -1;
    queue->first = hone_alloc(ranks, sizeof *queue->first, LONG_WORD);
    queue->last = hone_alloc(ranks, sizeof *queue->last, LONG_WORD);
    for (size_t i = 0; i < ranks; i++) queue->first[i] = -1;
    for (size_t words = ranks; queue->levels == 0 || words > 1;) {
        words = (words + 63) / 64;
        queue->bits[queue->levels++] = hone_calloc(words, sizeof(uint64_t), LONG_WORD);
    }
    return queue;
}

static int32_t new_chunk(struct hone_merge_queue *queue) {
    int32_t chunk = queue->unused;
    if (chunk >= 0) {
        queue->unused = queue->chunks[chunk].next;
    } else {
        hone_reserve(&queue->chunks, &queue->chunks_capacity, queue->chunks_n + 1, sizeof *queue->chunks, LONG_WORD);
        chunk = (int32_t)queue->chunks_n++;
    }
    queue->chunks[chunk].n = 0;
    queue->chunks[chunk].next = -1;
    return chunk;
}

static void queue_push(struct hone_merge_queue *queue, int32_t rank, int32_t place) {
    if (queue->first[rank] < 0) {
        queue->first[rank] = queue->last[rank] = new_chunk(queue);
        size_t bit = (size_t)rank;
        for (int i = 0; i < queue->levels; i++, bit /= 64) queue->bits[i][bit / 64] |= UINT64_C(1) << bit % 64;
    } else if (queue->chunks[queue->last[rank]].n == PLACES_OF_CHUNK) {
        int32_t chunk = new_chunk(queue);
        queue->chunks[queue->last[rank]].next = chunk;
        queue->last[rank] = chunk;
    }
    struct chunk *chunk = &queue->chunks[queue->last[rank]];
    chunk->places[chunk->n++] = place;
}

/* Lowest rank that has places, or -1. */
static int32_t queue_lowest(const struct hone_merge_queue *queue) {
    size_t at = 0;
    for (int i = queue->levels - 1; i >= 0; i--) {
        if (queue->bits[i][at] == 0) return -1;
        at = at * 64 + (size_t)__builtin_ctzll(queue->bits[i][at]);
    }
    return (int32_t)at;
}

static void heap_push(struct hone_merge_queue *queue, uint64_t key) {
    hone_reserve(&queue->heap, &queue->heap_capacity, queue->heap_n + 1, sizeof *queue->heap, LONG_WORD);
    size_t i = queue->heap_n++;
    for (; i > 0 && queue->heap[(i - 1) / 2] > key; i = (i - 1) / 2) queue->heap[i] = queue->heap[(i - 1) / 2];
    queue->heap[i] = key;
}

static uint64_t heap_pop(struct hone_merge_queue *queue) {
    uint64_t *heap = queue->heap, lowest = heap[0], last = heap[--queue->heap_n];
    size_t n = queue->heap_n, i = 0;
    for (size_t child; (child = 2 * i + 1) < n; i = child) {
        child += child + 1 < n && heap[child + 1] < heap[child];
        if (heap[child] >= last) break;
        heap[i] = heap[child];
    }
    heap[i] = last;
    return lowest;
}

static int compare_places(const void *a, const void *b) {
    int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
    return (x > y) - (x < y);
}

/* Takes out the places of a rank, in order; returns how many. */
static size_t queue_take(struct hone_merge_queue *queue, int32_t rank) {
    size_t n = 0;
    bool sorted = true;
    for (int32_t at = queue->first[rank]; at >= 0; at = queue->chunks[at].next) {
        const struct chunk *chunk = &queue->chunks[at];
        hone_reserve(&queue->places, &queue->places_capacity, n + PLACES_OF_CHUNK, sizeof *queue->places, LONG_WORD);
        for (int32_t i = 0; i < chunk->n; i++, n++) {
            queue->places[n] = chunk->places[i];
            sorted &= n == 0 || queue->places[n - 1] <= queue->places[n];
        }
    }
    if (!sorted) qsort(queue->places, n, sizeof *queue->places, compare_places);
    queue->chunks[queue->last[rank]].next = queue->unused;
    queue->unused = queue->first[rank];
    queue->first[rank] = -1;
    size_t bit = (size_t)rank;
    for (int i = 0; i < queue->levels; i++, bit /= 64) {
        queue->bits[i][bit / 64] &= ~(UINT64_C(1) << bit % 64);
        if (queue->bits[i][bit / 64]) break;
    }
    return n;
}

/* The pair that begins at `left`. */
static void push_pair(struct hone_merge_queue *queue, const struct bpe *bpe, int32_t left) {
    if (left < 0) return;
    struct link *link = &queue->links[left];
    link->rank = link->next < 0 ? INT32_MAX : rank_of(bpe, link->id, queue->links[link->next].id);
    if (link->rank == INT32_MAX) return;
    if (queue->is_heap)
        heap_push(queue, (uint64_t)link->rank << 32 | (uint32_t)left);
    else
        queue_push(queue, link->rank, left);
}

/* A place whose symbol is gone, or whose pair is another one by now, is passed over. */
static void merge_at(struct hone_merge_queue *queue, const struct bpe *bpe, int32_t at, int32_t rank) {
    struct link *left = &queue->links[at];
    if (left->rank != rank) return;
    struct link *right = &queue->links[left->next];
    left->id = bpe->merges.ids[rank];
    left->next = right->next;
    right->rank = -1;
    if (left->next >= 0) queue->links[left->next].previous = at;
    push_pair(queue, bpe, left->previous);
    push_pair(queue, bpe, at);
}

static void fill_queue(struct hone_merge_queue *queue, const struct bpe *bpe, const struct hone_symbol *symbols,
                       size_t n) {
    hone_reserve(&queue->links, &queue->links_capacity, n, sizeof *queue->links, LONG_WORD);
    for (size_t i = 0; i < n; i++)
        queue->links[i] = (struct link){symbols[i].id, INT32_MAX, (int32_t)i - 1, i + 1 < n ? (int32_t)i + 1 : -1};
    for (size_t i = 0; i + 1 < n; i++) push_pair(queue, bpe, (int32_t)i);
}

/* As merge_short. */
static size_t merge_long(struct hone_model_work *work, const struct bpe *bpe, size_t n) {
    if (work->queue && work->queue->ranks != bpe->merges.n) {
        hone_merge_queue_free(work->queue);
        work->queue = NULL;
    }
    if (!work->queue) work->queue = queue_create(bpe->merges.n);
    struct hone_merge_queue *queue = work->queue;
    queue->is_heap = !bpe->in_order;
    fill_queue(queue, bpe, work->symbols, n);
    while (queue->heap_n) {
        uint64_t lowest = heap_pop(queue);
        merge_at(queue, bpe, (int32_t)(uint32_t)lowest, (int32_t)(lowest >> 32));
    }
    for (int32_t rank; (rank = queue_lowest(queue)) >= 0;) {
        size_t places = queue_take(queue, rank);
        for (size_t i = 0; i < places; i++) {
            if (i + AHEAD < places) __builtin_prefetch(&queue->links[queue->places[i + AHEAD]], 1);
            merge_at(queue, bpe, queue->places[i], rank);
        }
    }
    size_t kept = 0;
    for (size_t i = 0; i < n;) {
        size_t next = queue->links[i].next < 0 ? n : (size_t)queue->links[i].next;
        struct hone_symbol whole = {queue->links[i].id, 0};
        for (; i < next; i++) whole.length += work->symbols[i].length;
        work->symbols[kept++] = whole;
    }
    return kept;
}

/* Rank and place, so that of equal ranks the leftmost is the lowest. */
static inline uint64_t ranked(const int32_t *ranks, size_t i) { return (uint64_t)ranks[i] << 32 | i; }
static inline uint64_t lower(uint64_t a, uint64_t b) { return a < b ? a : b; }

/* ranks[i]: of the pair that symbol i begins. Returns how many symbols are left. */
static size_t merge_short(struct hone_symbol *symbols, int32_t *ranks, const struct bpe *bpe, size_t n) {
    uint64_t lowest = (uint64_t)INT32_MAX << 32;
    for (size_t i = 0; i + 1 < n; i++) lowest = lower(lowest, ranked(ranks, i));
    while (lowest >> 32 != INT32_MAX) {
        size_t at = (uint32_t)lowest;
        symbols[at].id = bpe->merges.ids[lowest >> 32];
        symbols[at].length += symbols[at + 1].length;
        n--;
        if (at > 0) ranks[at - 1] = rank_of(bpe, symbols[at - 1].id, symbols[at].id);
        ranks[at] = at + 1 < n ? rank_of(bpe, symbols[at].id, symbols[at + 2].id) : INT32_MAX;
        lowest = ranked(ranks, at);
        for (size_t i = 0; i < at; i++) lowest = lower(lowest, ranked(ranks, i));
        for (size_t i = at + 1; i < n; i++) {
            symbols[i] = symbols[i + 1];
            ranks[i] = ranks[i + 1];
            lowest = lower(lowest, ranked(ranks, i));
        }
    }
    return n;
}

/* n symbols of a word; `bytes` are those that they are, or NULL. */
static void merge(struct hone_tokens *out, struct hone_model_work *work, const struct bpe *bpe, const char *bytes,
                  size_t n) {
    struct hone_symbol *symbols = work->symbols;
    if (n > SHORT_WORD) {
        if (bpe->merges.n) n = merge_long(work, bpe, n);
    } else if (n > 1) {
        int32_t ranks[SHORT_WORD];
        ranks[n - 1] = INT32_MAX;
        for (size_t i = 0; i + 1 < n; i++)
            ranks[i] = bytes ? bpe->byte_ranks[(unsigned char)bytes[i] << 8 | (unsigned char)bytes[i + 1]]
                             : rank_of(bpe, symbols[i].id, symbols[i + 1].id);
        n = merge_short(symbols, ranks, bpe, n);
    }
    hone_tokens_reserve(out, n);
    size_t at = 0;
    for (size_t i = 0; i < n; i++) {
        size_t length = (size_t)work->symbols[i].length;
        hone_tokens_push(out, work->symbols[i].id, at, at + length);
        at += length;
    }
}

/* Id of a character as it stands in a word, or -1. */
static int32_t character_id(const struct bpe *bpe, const char *bytes, size_t n, bool first, bool last) {
    const struct hone_trie *trie = &bpe->vocabulary->trie;
    int32_t node = first ? 0 : bpe->inside;
    if (!trie->nodes) return -1;
    for (size_t i = 0; i < n && node >= 0; i++) node = hone_trie_step(trie, node, (unsigned char)bytes[i]);
    for (size_t i = 0; last && i < bpe->suffix_n && node >= 0; i++)
        node = hone_trie_step(trie, node, (unsigned char)bpe->suffix[i]);
    return node < 0 ? -1 : trie->nodes[node].value;
}

static void add_symbol(struct hone_model_work *work, size_t *n, int32_t id, size_t length) {
    work->symbols[(*n)++] = (struct hone_symbol){.id = id, .length = (int32_t)length};
}

/* Tokens of the bytes of a character that isn't in the vocabulary, prefix and suffix included; false when one of them
 * has no token. */
static bool add_bytes(struct hone_model_work *work, size_t *n, const struct bpe *bpe, const char *bytes,
                      size_t length) {
    for (size_t i = 0; i < length; i++)
        if (bpe->fallback[(unsigned char)bytes[i]] < 0) return false;
    for (size_t i = 0; i < length; i++) add_symbol(work, n, bpe->fallback[(unsigned char)bytes[i]], 1);
    return true;
}

static bool fall_back(struct hone_model_work *work, size_t *n, const struct bpe *bpe, const char *character,
                      size_t length, bool first, bool last) {
    size_t before = *n;
    bool known = bpe->falls_back && (first || add_bytes(work, n, bpe, bpe->prefix, bpe->prefix_n)) &&
                 add_bytes(work, n, bpe, character, length) &&
                 (!last || add_bytes(work, n, bpe, bpe->suffix, bpe->suffix_n));
    if (!known) *n = before;
    return known;
}

static enum hone_status tokenize(struct hone_tokens *out, struct hone_model_work *work,
                                 const struct hone_tokenizer_model *model, const char *word, size_t n) {
    const struct bpe *bpe = (const struct bpe *)model;
    if (bpe->ignore_merges) {
        int32_t whole = hone_vocabulary_id(bpe->vocabulary, word, n);
        if (whole >= 0) {
            hone_tokens_reserve(out, 1);
            hone_tokens_push(out, whole, 0, n);
            return HONE_OK;
        }
    }
    size_t most = n + bpe->suffix_n + (bpe->falls_back ? n * bpe->prefix_n : 0);
    hone_reserve(&work->symbols, &work->symbols_capacity, most, sizeof *work->symbols, "a word");
    size_t symbols = 0, unknown = 0; /* unknown: bytes of the unknown token that waits to be added */
    for (size_t i = 0, length; i < n; i += length) {
        length = hone_character_bytes(word[i]);
        bool last = i + length == n;
        int32_t id = character_id(bpe, word + i, length, i == 0, last);
        if (id < 0 && (fall_back(work, &symbols, bpe, word + i, length, i == 0, last) || bpe->unk < 0)) continue;
        if (unknown && (id >= 0 || !bpe->fuse_unk)) {
            add_symbol(work, &symbols, bpe->unk, unknown);
            unknown = 0;
        }
        if (id >= 0)
            add_symbol(work, &symbols, id, length);
        else
            unknown += length;
    }
    if (unknown) add_symbol(work, &symbols, bpe->unk, unknown);
    merge(out, work, bpe, NULL, symbols);
    return HONE_OK;
}

static enum hone_status tokenize_bytes(struct hone_tokens *out, struct hone_model_work *work,
                                       const struct hone_tokenizer_model *model, const char *word, size_t n) {
    const struct bpe *bpe = (const struct bpe *)model;
    if (bpe->ignore_merges) {
        work->mapped.length = 0;
        for (size_t i = 0; i < n; i++) {
            char bytes[4];
            int length = hone_utf8_encode(bytes, hone_byte_level_code((unsigned char)word[i]));
            hone_text_append(&work->mapped, bytes, (size_t)length);
        }
        int32_t whole = hone_vocabulary_id(bpe->vocabulary, work->mapped.bytes, work->mapped.length);
        if (whole >= 0) {
            hone_tokens_reserve(out, 1);
            hone_tokens_push(out, whole, 0, n);
            return HONE_OK;
        }
    }
    if (bpe->search && n > SHORT_WORD) {
        hone_bpe_search_word(out, work, bpe->search, word, n);
        return HONE_OK;
    }
    hone_reserve(&work->symbols, &work->symbols_capacity, n, sizeof *work->symbols, "a word");
    for (size_t i = 0; i < n; i++)
        work->symbols[i] = (struct hone_symbol){.id = bpe->bytes[(unsigned char)word[i]], .length = 1};
    merge(out, work, bpe, word, n);
    return HONE_OK;
}

/* Whether no merge makes a half of an earlier one. */
static bool are_in_order(const struct hone_vocabulary *vocabulary, const struct hone_merge *merges, size_t n) {
    size_t i = 0;
    bool *is_half = hone_calloc((size_t)vocabulary->size, sizeof *is_half, "merges");
    while (i < n && !is_half[merges[i].id]) {
        is_half[merges[i].left] = is_half[merges[i].right] = true;
        i++;
    }
    hone_free(is_half);
    return i == n;
}

static void destroy(struct hone_tokenizer_model *model) {
    struct bpe *bpe = (struct bpe *)model;
    hone_free(bpe->byte_ranks);
    hone_bpe_search_free(bpe->search);
    hone_merges_free(&bpe->merges);
    hone_free(bpe->prefix);
    hone_free(bpe->suffix);
    hone_free(bpe);
}

struct hone_tokenizer_model *hone_bpe_create(const struct hone_vocabulary *vocabulary, const struct hone_merge *merges,
                                             size_t n, const struct hone_bpe_options *options) {
    struct bpe *bpe = hone_alloc(1, sizeof *bpe, "BPE");
    *bpe = (struct bpe){.model = {.tokenize = tokenize,
                                  .free = destroy,
                                  .outside = options->byte_fallback && (*options->prefix || *options->suffix)},
                        .vocabulary = vocabulary,
                        .inside = hone_trie_node_of(&vocabulary->trie, options->prefix, strlen(options->prefix)),
                        .prefix = hone_strdup(options->prefix, "BPE"),
                        .prefix_n = strlen(options->prefix),
                        .suffix = hone_strdup(options->suffix, "BPE"),
                        .suffix_n = strlen(options->suffix),
                        .unk = options->unk,
                        .fuse_unk = options->fuse_unk,
                        .falls_back = options->byte_fallback,
                        .ignore_merges = options->ignore_merges};
    hone_merges_create(&bpe->merges, merges, n);
    bpe->in_order = are_in_order(vocabulary, merges, n);
    bool all_bytes = !*options->prefix && !*options->suffix;
    for (int byte = 0; byte < 256; byte++) {
        char text[8];
        int length = snprintf(text, sizeof text, "<0x%02X>", byte);
        bpe->fallback[byte] = hone_vocabulary_id(vocabulary, text, (size_t)length);
        length = hone_utf8_encode(text, hone_byte_level_code((unsigned char)byte));
        bpe->bytes[byte] = hone_vocabulary_id(vocabulary, text, (size_t)length);
        all_bytes &= bpe->bytes[byte] >= 0;
    }
    if (all_bytes) {
        bpe->model.tokenize_bytes = tokenize_bytes;
        bpe->byte_ranks = hone_alloc((size_t)256 * 256, sizeof *bpe->byte_ranks, "merges");
        for (int i = 0; i < 256 * 256; i++) bpe->byte_ranks[i] = rank_of(bpe, bpe->bytes[i >> 8], bpe->bytes[i & 255]);
        bpe->search = hone_bpe_search_create(vocabulary, &bpe->merges, merges, bpe->bytes);
        if (bpe->search) bpe->model.words = hone_bpe_search_words(bpe->search);
    }
    return &bpe->model;
}
