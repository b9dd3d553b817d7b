#include "data/bpe_search.h"

#include <string.h>

#include "base/utf8.h"
#include "data/byte_level.h"
#include "data/word_cache.h"

#define MOST_WORDS 40000 /* known beforehand: what is rarer isn't worth the time to open the tokenizer */

enum { NONE = -2, BYTE = -1 }; /* ranks of ids that no merge makes */

struct hone_bpe_search {
    const struct hone_trie *trie;
    const struct hone_merges *merges;
    struct piece {
        int32_t left, right, rank;
        uint32_t bytes;           /* 0: merging doesn't give this token */
    } * pieces;                   /* [ids] */
    uint64_t *whole;              /* a bit for each id that has bytes, as most nodes of the trie have none */
    struct hone_word_cache words; /* those that are one token */
    unsigned char codes[256][2];  /* each byte as it stands in the vocabulary's texts; the second 0: there is none */
};

/* Whether merging those of a rank below `limit` leaves two neighbours apart; from the last merge of either backwards. Of
 * equal merges the leftmost comes first, so a merge over the border precedes that of its right side. */
static bool stay_apart(const struct hone_bpe_search *search, int32_t left, int32_t right, int32_t limit) {
    for (;;) {
        if (hone_merges_rank(search->merges, left, right) < limit) return false;
        struct piece a = search->pieces[left], b = search->pieces[right];
        bool first = a.rank > b.rank; /* no branch, as none could foresee it */
        limit = first ? a.rank : b.rank + 1;
        left = first ? a.right : left;
        right = first ? right : b.left;
        if (limit <= 0) return true;
    }
}

static void set_piece(struct hone_bpe_search *search, int32_t id, struct piece piece) {
    search->pieces[id] = piece;
    if (piece.bytes) search->whole[id / 64] |= UINT64_C(1) << id % 64;
}

static bool is_whole(const struct hone_bpe_search *search, int32_t id) { return search->whole[id / 64] >> id % 64 & 1; }

static bool add_piece(struct hone_bpe_search *search, const struct hone_merge *merge, int32_t rank) {
    const struct piece *left = &search->pieces[merge->left], *right = &search->pieces[merge->right];
    if (left->rank == NONE || right->rank == NONE || search->pieces[merge->id].rank != NONE) return false;
    bool whole = left->bytes && right->bytes && stay_apart(search, merge->left, merge->right, rank);
    set_piece(search, merge->id,
              (struct piece){merge->left, merge->right, rank, whole ? left->bytes + right->bytes : 0});
    return true;
}

/* Remembers a word that is one token, unless it is long or no text of its own. */
static void add_word(struct hone_bpe_search *search, const struct hone_vocabulary *vocabulary, int32_t id) {
    char bytes[HONE_SHORT_KEY];
    size_t n = search->pieces[id].bytes, at = 0;
    if (n == 0 || n > sizeof bytes) return;
    for (size_t i = 0; i < n; i++) bytes[i] = (char)hone_byte_level_byte(hone_utf8_next(vocabulary->texts[id], &at));
    if (hone_utf8_valid_prefix(bytes, n) != n) return;
    const struct hone_word_key key = hone_word_key(bytes, n, n);
    const struct hone_token token = {id, 0, hone_word_characters(&key), 0, -1};
    hone_word_cache_add(&search->words, &key, &token, 1, 0, 0, 1, NULL);
}

struct hone_bpe_search *hone_bpe_search_create(const struct hone_vocabulary *vocabulary,
                                               const struct hone_merges *merges, const struct hone_merge *list,
                                               const int32_t bytes[256]) {
    struct hone_bpe_search *search = hone_alloc(1, sizeof *search, "BPE");
    *search = (struct hone_bpe_search){.trie = &vocabulary->trie, .merges = merges};
    search->pieces = hone_alloc((size_t)vocabulary->size, sizeof *search->pieces, "BPE");
    search->whole = hone_calloc((size_t)vocabulary->size / 64 + 1, sizeof *search->whole, "BPE");
    for (int32_t id = 0; id < vocabulary->size; id++) search->pieces[id] = (struct piece){-1, -1, NONE, 0};
    for (int byte = 0; byte < 256; byte++) {
        char code[4];
        if (hone_utf8_encode(code, hone_byte_level_code((unsigned char)byte)) == 1) code[1] = 0;
        memcpy(search->codes[byte], code, 2);
        set_piece(search, bytes[byte], (struct piece){-1, -1, BYTE, 1});
    }
    for (size_t i = 0; i < merges->n; i++) {
        if (add_piece(search, &list[i], (int32_t)i)) continue;
        hone_bpe_search_free(search);
        return NULL;
    }
    size_t most = hone_word_cache_reserve(&search->words, merges->n < MOST_WORDS ? merges->n + 256 : MOST_WORDS);
    for (int byte = 0; byte < 256; byte++) add_word(search, vocabulary, bytes[byte]);
    for (size_t i = 0; i < merges->n && search->words.used < most; i++) add_word(search, vocabulary, merges->ids[i]);
    return search;
}

const struct hone_word_cache *hone_bpe_search_words(const struct hone_bpe_search *search) { return &search->words; }

void hone_bpe_search_free(struct hone_bpe_search *search) {
    if (!search) return;
    hone_free(search->pieces);
    hone_free(search->whole);
    hone_word_cache_free(&search->words);
    hone_free(search);
}

static bool is_token(const struct hone_bpe_search *search, int32_t node) {
    int32_t id = search->trie->nodes[node].value;
    return id >= 0 && is_whole(search, id);
}

/* Node of the longest token at the front of n >= 1 bytes. */
static int32_t longest(const struct hone_bpe_search *search, const char *bytes, size_t n) {
    int32_t found = 0, node = 0;
    for (size_t i = 0; i < n; i++) {
        const unsigned char *code = search->codes[(unsigned char)bytes[i]];
        node = hone_trie_step(search->trie, node, code[0]);
        if (node >= 0 && code[1]) node = hone_trie_step(search->trie, node, code[1]);
        if (node < 0) break;
        if (is_token(search, node)) found = node;
    }
    return found;
}

/* Node of the longest token that a node's text begins with and isn't, or 0. */
static int32_t shorter(const struct hone_bpe_search *search, int32_t node) {
    do node = search->trie->nodes[node].parent;
    while (node > 0 && !is_token(search, node));
    return node > 0 ? node : 0;
}

void hone_bpe_search_word(struct hone_tokens *out, struct hone_model_work *work, const struct hone_bpe_search *search,
                          const char *word, size_t n) {
    const struct hone_trie_node *nodes = search->trie->nodes;
    size_t at = 0, tokens = 0, words = n / 64 + 1;
    hone_reserve(&work->symbols, &work->symbols_capacity, n, sizeof *work->symbols, "a word");
    hone_reserve(&work->dead, &work->dead_capacity, words, sizeof *work->dead, "a word");
    memset(work->dead, 0, words * sizeof *work->dead);
    struct hone_symbol *taken = work->symbols; /* ids are nodes until the end */
    for (int32_t node = 0; at < n;) {
        if (!node) node = longest(search, word + at, n - at);
        for (; node; node = shorter(search, node)) {
            int32_t id = nodes[node].value;
            size_t end = at + search->pieces[id].bytes;
            if (work->dead[end / 64] >> end % 64 & 1) continue;
            if (tokens == 0 || stay_apart(search, nodes[taken[tokens - 1].id].value, id, INT32_MAX)) break;
        }
        if (node) {
            int32_t bytes = (int32_t)search->pieces[nodes[node].value].bytes;
            taken[tokens++] = (struct hone_symbol){node, bytes};
            at += (size_t)bytes;
            node = 0;
        } else { /* back: the token before must be shorter */
            HONE_CHECK(tokens > 0, "no way through a word of %zu bytes", n);
            work->dead[at / 64] |= UINT64_C(1) << at % 64;
            node = taken[--tokens].id;
            at -= (size_t)taken[tokens].length;
        }
    }
    hone_tokens_reserve(out, tokens);
    at = 0;
    for (size_t i = 0; i < tokens; i++) {
        size_t end = at + (size_t)taken[i].length;
        hone_tokens_push(out, nodes[taken[i].id].value, at, end);
        at = end;
    }
}
