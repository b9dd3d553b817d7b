/* All ways to cut a word into pieces: expected numbers of pieces (forward and backward sums), and the best way. */
#include <math.h>

#include "base/utf8.h"
#include "data/train_unigram.h"

void hone_lattice_free(struct hone_lattice *lattice) {
    hone_free(lattice->forward);
    hone_free(lattice->backward);
    hone_free(lattice->back);
    hone_free(lattice->piece);
    *lattice = (struct hone_lattice){0};
}

static void reserve(struct hone_lattice *lattice, size_t n) {
    if (n + 1 <= lattice->capacity) return;
    lattice->capacity = 2 * (n + 1);
    lattice->forward = hone_realloc(lattice->forward, lattice->capacity, sizeof *lattice->forward, "lattice of a word");
    lattice->backward =
        hone_realloc(lattice->backward, lattice->capacity, sizeof *lattice->backward, "lattice of a word");
    lattice->back = hone_realloc(lattice->back, lattice->capacity, sizeof *lattice->back, "lattice of a word");
    lattice->piece = hone_realloc(lattice->piece, lattice->capacity, sizeof *lattice->piece, "lattice of a word");
}

static double add_logs(double a, double b) {
    if (a == -INFINITY) return b;
    if (b == -INFINITY) return a;
    return a > b ? a + log1p(exp(b - a)) : b + log1p(exp(a - b));
}

/* Walks over the pieces that begin at a place; `*length` is 0 before the first. Where no piece is one character long,
 * the last one given is that character, unknown (*piece -1). */
struct walk {
    const struct hone_pieces_model *model;
    const char *text;
    size_t n, length, character;
    int32_t node;
    bool met_character, ended;
};

static struct walk walk_begin(const struct hone_pieces_model *model, const char *text, size_t n) {
    size_t character = 0;
    hone_utf8_next(text, &character);
    return (struct walk){model, text, n, 0, character, 0, false, !model->trie.nodes};
}

static bool walk_next(struct walk *walk, int32_t *piece, double *score) {
    while (!walk->ended && walk->length < walk->n) {
        walk->node = hone_trie_step(&walk->model->trie, walk->node, (unsigned char)walk->text[walk->length]);
        if (walk->node < 0) break;
        walk->length++;
        *piece = walk->model->trie.nodes[walk->node].value;
        if (*piece < 0) continue;
        walk->met_character |= walk->length == walk->character;
        *score = walk->model->at[*piece].score;
        return true;
    }
    walk->ended = true;
    if (walk->met_character) return false;
    walk->met_character = true;
    walk->length = walk->character;
    *piece = -1;
    *score = walk->model->unknown;
    return true;
}

double hone_lattice_expect(double *expected, struct hone_lattice *lattice, const struct hone_pieces_model *model,
                           const char *word, size_t n, double count) {
    reserve(lattice, n);
    double *forward = lattice->forward, *backward = lattice->backward, score;
    int32_t piece;
    for (size_t i = 0; i <= n; i++) forward[i] = backward[i] = -INFINITY;
    forward[0] = backward[n] = 0;
    for (size_t i = 0; i < n; i++) {
        if (forward[i] == -INFINITY) continue;
        for (struct walk walk = walk_begin(model, word + i, n - i); walk_next(&walk, &piece, &score);)
            forward[i + walk.length] = add_logs(forward[i + walk.length], forward[i] + score);
    }
    for (size_t i = n; i-- > 0;) {
        if (forward[i] == -INFINITY) continue;
        for (struct walk walk = walk_begin(model, word + i, n - i); walk_next(&walk, &piece, &score);)
            backward[i] = add_logs(backward[i], backward[i + walk.length] + score);
    }
    for (size_t i = 0; i < n; i++) {
        if (forward[i] == -INFINITY) continue;
        for (struct walk walk = walk_begin(model, word + i, n - i); walk_next(&walk, &piece, &score);)
            if (piece >= 0) expected[piece] += count * exp(forward[i] + score + backward[i + walk.length] - forward[n]);
    }
    return forward[n];
}

double hone_lattice_best(struct hone_lattice *lattice, const struct hone_pieces_model *model, const char *word,
                         size_t n, int32_t without) {
    reserve(lattice, n);
    double *best = lattice->forward, score;
    int32_t piece;
    for (size_t i = 0; i <= n; i++) best[i] = -INFINITY;
    best[0] = 0;
    for (size_t i = 0; i < n; i++) {
        if (best[i] == -INFINITY) continue;
        for (struct walk walk = walk_begin(model, word + i, n - i); walk_next(&walk, &piece, &score);) {
            if (piece >= 0 && piece == without) continue;
            if (best[i] + score <= best[i + walk.length]) continue;
            best[i + walk.length] = best[i] + score;
            lattice->back[i + walk.length] = i;
            lattice->piece[i + walk.length] = piece;
        }
    }
    return best[n];
}
