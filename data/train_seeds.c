/* The first pieces of a Unigram model: the inner nodes of the suffix tree of the words, found in their sorted suffixes
 * (Abouelhoda et al. 2004, J. Discrete Algorithms 2(1)), no longer than a piece may be. */
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "data/train_unigram.h"

struct suffix {
    const char *begin, *end; /* end: of what counts of it */
    uint32_t word;
    uint8_t characters;
};

static int compare_suffixes(const void *a, const void *b) {
    const struct suffix *x = a, *y = b;
    size_t m = (size_t)(x->end - x->begin), n = (size_t)(y->end - y->begin);
    int order = memcmp(x->begin, y->begin, m < n ? m : n);
    if (order) return order;
    return m != n ? (m > n) - (m < n) : (x->word > y->word) - (x->word < y->word);
}

/* Characters that two suffixes share. */
static int shared(const struct suffix *a, const struct suffix *b) {
    size_t n = (size_t)(a->end - a->begin), other = (size_t)(b->end - b->begin), i = 0;
    if (other < n) n = other;
    int characters = 0;
    while (i < n && a->begin[i] == b->begin[i]) characters += (a->begin[i++] & 0xC0) != 0x80;
    /* A character that began alike but ends otherwise isn't shared. */
    bool whole = (i == (size_t)(a->end - a->begin) || (a->begin[i] & 0xC0) != 0x80) &&
                 (i == (size_t)(b->end - b->begin) || (b->begin[i] & 0xC0) != 0x80);
    return characters - (whole ? 0 : 1);
}

static struct suffix *sorted_suffixes(size_t *n, const struct hone_strings *words) {
    size_t count = 0;
    for (size_t i = 0; i < words->bytes.length; i++) count += (words->bytes.bytes[i] & 0xC0) != 0x80;
    struct suffix *at = hone_alloc(count, sizeof *at, "suffixes of words");
    *n = 0;
    for (size_t w = 0; w < words->n; w++) {
        const char *text = hone_strings_text(words, w);
        for (size_t i = 0; i < words->at[w].n;) {
            size_t begin = i, end = i;
            uint8_t characters = 0;
            for (; end < words->at[w].n && characters < HONE_PIECE_CHARACTERS; characters++) hone_utf8_next(text, &end);
            at[(*n)++] = (struct suffix){text + begin, text + end, (uint32_t)w, characters};
            hone_utf8_next(text, &i);
        }
    }
    if (*n) qsort(at, *n, sizeof *at, compare_suffixes);
    return at;
}

struct collector {
    struct hone_piece_candidate *at;
    size_t n, capacity;
};

static void collect(struct collector *to, const struct suffix *suffix, int characters, int64_t count) {
    if (characters < 2 || count < 2) return;
    size_t n = 0;
    for (int i = 0; i < characters; i++) hone_utf8_next(suffix->begin, &n);
    hone_reserve(&to->at, &to->capacity, to->n + 1, sizeof *to->at, "candidates for pieces");
    to->at[to->n++] = (struct hone_piece_candidate){suffix->begin, n, (double)count * characters};
}

static int compare_candidates(const void *a, const void *b) {
    const struct hone_piece_candidate *x = a, *y = b;
    if (x->weight != y->weight) return x->weight > y->weight ? -1 : 1;
    int order = memcmp(x->bytes, y->bytes, x->n < y->n ? x->n : y->n);
    return order ? order : (x->n > y->n) - (x->n < y->n);
}

struct hone_piece_candidate *hone_piece_candidates(size_t *n, const struct hone_strings *words) {
    size_t suffixes;
    struct suffix *at = sorted_suffixes(&suffixes, words);
    struct collector found = {0};
    /* Open intervals of suffixes that share `characters`; `before`: occurrences before the interval. */
    struct {
        size_t first;
        int64_t before;
        int characters;
    } open[HONE_PIECE_CHARACTERS + 1];
    int depth = 0;
    int64_t occurrences = 0;
    for (size_t i = 0; i < suffixes; i++) {
        int64_t count = words->at[at[i].word].count;
        int left = i ? shared(&at[i - 1], &at[i]) : 0, right = i + 1 < suffixes ? shared(&at[i], &at[i + 1]) : 0;
        if (left < at[i].characters && right < at[i].characters) collect(&found, &at[i], at[i].characters, count);
        size_t first = i;
        int64_t before = occurrences;
        occurrences += count;
        if (!depth || open[depth - 1].characters < right) {
            open[depth].first = first;
            open[depth].before = before;
            open[depth++].characters = right;
        }
        while (depth && open[depth - 1].characters > right) {
            depth--;
            first = open[depth].first;
            before = open[depth].before;
            collect(&found, &at[first], open[depth].characters, occurrences - before);
            if (right > 0 && (!depth || open[depth - 1].characters < right)) {
                open[depth].first = first;
                open[depth].before = before;
                open[depth++].characters = right;
            }
        }
    }
    hone_free(at);
    if (found.n) qsort(found.at, found.n, sizeof *found.at, compare_candidates);
    *n = found.n;
    return found.at;
}
