/* Byte pair encoding: which pairs to merge.
 *
 * Words are symbols, the same symbol string for all occurrences of a word. A queue holds pairs by count; an entry knows
 * the words in which its pair came about. Counts go stale while an entry waits: one that comes out with another count
 * than the pair has now goes back with the new one. A pair may have several entries, for words in which it came about at
 * different times (a token that is made in two ways brings its neighbours' pairs anew), and its count isn't lowered by
 * its own merge: both decide the order of merges, so they are as in the reference. */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/status.h"
#include "base/utf8.h"
#include "data/train_models.h"

#define PLAIN_PROGRESS_SECONDS 10

struct places {
    uint32_t *words;
    size_t n, capacity;
};
struct pair {
    uint64_t key; /* a << 32 | b */
    int64_t count;
    struct places fresh; /* where it came about since its last entry */
};
struct pairs {
    struct pair *at;
    size_t n, capacity;
    uint32_t *slots; /* number + 1, 0: free */
    size_t n_slots;
};
struct entry {
    int64_t count;
    uint64_t key, age;
    uint32_t pair;
    struct places places;
};
struct queue {
    struct entry *at;
    size_t n, capacity;
    uint64_t age;
};
struct word {
    int32_t *symbols;
    size_t n;
    int64_t count;
};
struct training {
    struct hone_trained *out;
    const struct hone_train_limits *limits;
    struct word *words;
    size_t n_words;
    int32_t *symbols; /* of all words */
    struct pairs pairs;
    struct queue queue;
    uint32_t *touched; /* pairs with fresh places */
    size_t n_touched, touched_capacity;
};

static size_t slot_of(const struct pairs *pairs, uint64_t key) {
    uint64_t mixed = (key ^ key >> 32) * 0x9E3779B97F4A7C15u;
    size_t slot = (size_t)(mixed ^ mixed >> 32) & (pairs->n_slots - 1);
    while (pairs->slots[slot] && pairs->at[pairs->slots[slot] - 1].key != key) slot = (slot + 1) & (pairs->n_slots - 1);
    return slot;
}

/* Number of the pair, which is added where it is new. */
static uint32_t pair_of(struct pairs *pairs, int32_t a, int32_t b) {
    if (2 * pairs->n >= pairs->n_slots) {
        hone_free(pairs->slots);
        pairs->n_slots = pairs->n_slots ? 2 * pairs->n_slots : 1 << 16;
        pairs->slots = hone_calloc(pairs->n_slots, sizeof *pairs->slots, "pairs of symbols");
        for (size_t i = 0; i < pairs->n; i++) pairs->slots[slot_of(pairs, pairs->at[i].key)] = (uint32_t)(i + 1);
    }
    uint64_t key = (uint64_t)(uint32_t)a << 32 | (uint32_t)b;
    size_t slot = slot_of(pairs, key);
    if (!pairs->slots[slot]) {
        HONE_CHECK(pairs->n < UINT32_MAX - 1, "%zu pairs", pairs->n);
        hone_reserve(&pairs->at, &pairs->capacity, pairs->n + 1, sizeof *pairs->at, "pairs of symbols");
        pairs->at[pairs->n++] = (struct pair){.key = key};
        pairs->slots[slot] = (uint32_t)pairs->n;
    }
    return pairs->slots[slot] - 1;
}

/* One occurrence more (or less) in a word. */
static void count_pair(struct training *t, int32_t a, int32_t b, uint32_t word, int64_t change) {
    uint32_t number = pair_of(&t->pairs, a, b);
    struct pair *pair = &t->pairs.at[number];
    pair->count += change * t->words[word].count;
    if (change < 0) return;
    struct places *fresh = &pair->fresh;
    if (fresh->n && fresh->words[fresh->n - 1] == word) return;
    if (!fresh->n) {
        hone_reserve(&t->touched, &t->touched_capacity, t->n_touched + 1, sizeof *t->touched, "pairs of symbols");
        t->touched[t->n_touched++] = number;
    }
    hone_reserve(&fresh->words, &fresh->capacity, fresh->n + 1, sizeof *fresh->words, "places of a pair");
    fresh->words[fresh->n++] = word;
}

static bool goes_before(const struct entry *a, const struct entry *b) {
    if (a->count != b->count) return a->count > b->count;
    return a->key != b->key ? a->key < b->key : a->age < b->age;
}

static void queue_push(struct queue *queue, struct entry entry) {
    hone_reserve(&queue->at, &queue->capacity, queue->n + 1, sizeof *queue->at, "queue of pairs");
    size_t i = queue->n++;
    for (; i > 0 && goes_before(&entry, &queue->at[(i - 1) / 2]); i = (i - 1) / 2)
        queue->at[i] = queue->at[(i - 1) / 2];
    queue->at[i] = entry;
}

static struct entry queue_pop(struct queue *queue) {
    struct entry top = queue->at[0], last = queue->at[--queue->n];
    size_t i = 0;
    for (size_t child; (child = 2 * i + 1) < queue->n; i = child) {
        if (child + 1 < queue->n && goes_before(&queue->at[child + 1], &queue->at[child])) child++;
        if (!goes_before(&queue->at[child], &last)) break;
        queue->at[i] = queue->at[child];
    }
    queue->at[i] = last;
    return top;
}

/* Entries for the pairs that came about since the last call. */
static void queue_fresh(struct training *t) {
    for (size_t i = 0; i < t->n_touched; i++) {
        struct pair *pair = &t->pairs.at[t->touched[i]];
        if (pair->count > 0) {
            queue_push(&t->queue, (struct entry){pair->count, pair->key, t->queue.age++, t->touched[i], pair->fresh});
        } else {
            hone_free(pair->fresh.words);
        }
        pair->fresh = (struct places){0};
    }
    t->n_touched = 0;
}

/* Pieces inside words, in order of their characters. */
static void add_inner_pieces(struct training *t, const struct hone_strings *words) {
    struct hone_strings *tokens = &t->out->tokens, inner = {0};
    for (size_t w = 0; w < words->n; w++) {
        const char *text = hone_strings_text(words, w);
        size_t i = 0;
        if (words->at[w].n) hone_utf8_next(text, &i);
        while (i < words->at[w].n) {
            size_t begin = i;
            hone_utf8_next(text, &i);
            if (hone_strings_find(tokens, text + begin, i - begin) != SIZE_MAX)
                hone_strings_add(&inner, text + begin, i - begin, 0);
        }
    }
    hone_strings_sort(&inner);
    struct hone_text piece = {0};
    for (size_t i = 0; i < inner.n; i++) {
        piece.length = 0;
        hone_text_append(&piece, t->limits->prefix, strlen(t->limits->prefix));
        hone_text_append(&piece, hone_strings_text(&inner, i), inner.at[i].n);
        hone_strings_add(tokens, piece.bytes, piece.length, 0);
    }
    hone_text_free(&piece);
    hone_strings_free(&inner);
}

/* Words as symbols; characters that aren't in the alphabet are left out. */
static void make_words(struct training *t, const struct hone_strings *words) {
    struct hone_text piece = {0};
    size_t prefix_n = t->limits->prefix ? strlen(t->limits->prefix) : 0;
    t->n_words = words->n;
    t->words = hone_alloc(words->n, sizeof *t->words, "words");
    t->symbols = hone_alloc(words->bytes.length, sizeof *t->symbols, "words");
    int32_t *at = t->symbols;
    for (size_t w = 0; w < words->n; w++) {
        const char *text = hone_strings_text(words, w);
        t->words[w] = (struct word){at, 0, words->at[w].count};
        for (size_t i = 0; i < words->at[w].n;) {
            size_t begin = i;
            hone_utf8_next(text, &i);
            size_t id = hone_strings_find(&t->out->tokens, text + begin, i - begin);
            if (id == SIZE_MAX) continue;
            if (begin > 0 && prefix_n) {
                piece.length = 0;
                hone_text_append(&piece, t->limits->prefix, prefix_n);
                hone_text_append(&piece, text + begin, i - begin);
                id = hone_strings_find(&t->out->tokens, piece.bytes, piece.length);
            }
            *at++ = (int32_t)id;
            t->words[w].n++;
        }
    }
    hone_text_free(&piece);
}

/* Id of the token that a pair makes. */
static int32_t make_token(struct training *t, int32_t a, int32_t b) {
    struct hone_strings *tokens = &t->out->tokens;
    struct hone_text text = {0};
    size_t prefix_n = t->limits->prefix ? strlen(t->limits->prefix) : 0;
    struct hone_string left = tokens->at[a], right = tokens->at[b];
    const char *bytes = tokens->bytes.bytes;
    if (prefix_n && right.n >= prefix_n && memcmp(bytes + right.begin, t->limits->prefix, prefix_n) == 0) {
        right.begin += prefix_n;
        right.n -= prefix_n;
    }
    hone_text_append(&text, bytes + left.begin, left.n);
    hone_text_append(&text, bytes + right.begin, right.n);
    size_t id = hone_strings_add(tokens, text.bytes, text.length, 0);
    hone_text_free(&text);
    return (int32_t)id;
}

static void merge_in_word(struct training *t, uint32_t number, int32_t a, int32_t b, int32_t made) {
    struct word *word = &t->words[number];
    int32_t *s = word->symbols;
    size_t kept = 0;
    for (size_t i = 0; i < word->n; i++) {
        if (s[i] != a || i + 1 >= word->n || s[i + 1] != b) {
            s[kept++] = s[i];
            continue;
        }
        if (kept) {
            count_pair(t, s[kept - 1], a, number, -1);
            count_pair(t, s[kept - 1], made, number, 1);
        }
        if (i + 2 < word->n) {
            count_pair(t, b, s[i + 2], number, -1);
            count_pair(t, made, s[i + 2], number, 1);
        }
        s[kept++] = made;
        i++;
    }
    word->n = kept;
}

/* A pair that was merged twice counts where it came last, as in the reference's table of merges. */
static void drop_earlier(struct hone_trained *out) {
    struct hone_strings seen = {0};
    size_t to = out->n_merges;
    for (size_t i = out->n_merges; i-- > 0;) {
        size_t before = seen.n;
        hone_strings_add(&seen, (const char *)&out->merges[i], sizeof *out->merges, 1);
        if (seen.n > before) out->merges[--to] = out->merges[i];
    }
    out->n_merges -= to;
    if (out->n_merges) memmove(out->merges, out->merges + to, out->n_merges * sizeof *out->merges);
    hone_strings_free(&seen);
}

void hone_train_bpe(struct hone_trained *out, const struct hone_strings *words,
                    const struct hone_train_limits *limits) {
    struct training t = {.out = out, .limits = limits};
    hone_train_alphabet(out, words, limits);
    if (limits->prefix) add_inner_pieces(&t, words);
    make_words(&t, words);
    for (size_t w = 0; w < t.n_words; w++)
        for (size_t i = 0; i + 1 < t.words[w].n; i++)
            count_pair(&t, t.words[w].symbols[i], t.words[w].symbols[i + 1], (uint32_t)w, 1);
    queue_fresh(&t);
    while (out->tokens.n < limits->vocab_size && t.queue.n) {
        struct entry top = queue_pop(&t.queue);
        int64_t count = t.pairs.at[top.pair].count;
        if (top.count != count) {
            top.count = count;
            queue_push(&t.queue, top);
            continue;
        }
        if (top.count < 1 || top.count < limits->min_frequency) {
            hone_free(top.places.words);
            break;
        }
        int32_t a = (int32_t)(top.key >> 32), b = (int32_t)(uint32_t)top.key, made = make_token(&t, a, b);
        hone_reserve(&out->merges, &out->merges_capacity, out->n_merges + 1, sizeof *out->merges, "merges");
        out->merges[out->n_merges++] = (struct hone_trained_merge){a, b};
        for (size_t i = 0; i < top.places.n; i++) merge_in_word(&t, top.places.words[i], a, b, made);
        hone_free(top.places.words);
        queue_fresh(&t);
        if (out->n_merges % 256 == 0)
            hone_progress(PLAIN_PROGRESS_SECONDS, "%zu of %zu tokens", out->tokens.n, limits->vocab_size);
    }
    hone_progress_end();
    drop_earlier(out);
    for (size_t i = 0; i < t.queue.n; i++) hone_free(t.queue.at[i].places.words);
    hone_free(t.queue.at);
    hone_free(t.pairs.at);
    hone_free(t.pairs.slots);
    hone_free(t.touched);
    hone_free(t.words);
    hone_free(t.symbols);
}
