/* Unigram: many pieces at first; then rounds of expectation maximisation, each followed by leaving out the pieces
 * without which the words' likelihood falls least, until as many are left as are wanted. Sums run over a fixed number of
 * parts of the words, whatever the number of threads. */
#include "data/train_unigram.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/status.h"
#include "base/utf8.h"

/* As in the reference and in SentencePiece. */
#define SEEDS                  1000000
#define ROUNDS                 2    /* of expectation maximisation before each pruning */
#define KEPT_SHARE             0.75 /* by a pruning */
#define LEAST_EXPECTED         0.5
#define MORE_AT_FIRST          1.1 /* pruning stops here; the rest goes by score */
#define UNKNOWN_BELOW_LEAST    10.0
#define PARTS                  8
#define PLAIN_PROGRESS_SECONDS 10

/* Derivative of log Γ for x > 0 (Abramowitz and Stegun 6.3.18 above 7, recurrence below); its error is below 1e-10. */
static double digamma(double x) {
    double result = 0;
    for (; x < 7; x++) result -= 1 / x;
    double square = 1 / (x * x);
    return result + log(x) - 0.5 / x - square * (1.0 / 12 - square * (1.0 / 120 - square * (1.0 / 252 - square / 240)));
}

static void build_trie(struct hone_pieces_model *model) {
    hone_trie_free(&model->trie);
    struct hone_trie_key *keys = hone_alloc(model->n, sizeof *keys, "pieces");
    double least = 0;
    for (size_t i = 0; i < model->n; i++) {
        keys[i] = (struct hone_trie_key){model->at[i].bytes, model->at[i].n, (int32_t)i};
        if (model->at[i].score < least) least = model->at[i].score;
    }
    model->unknown = least - UNKNOWN_BELOW_LEAST;
    int32_t duplicate[2];
    HONE_CHECK(hone_trie_build(&model->trie, keys, model->n, duplicate), "piece %d twice", duplicate[0]);
    hone_free(keys);
}

/* Characters, then the heaviest substrings that consist of them. */
static void seed(struct hone_pieces_model *model, const struct hone_trained *alphabet, size_t n_special,
                 const struct hone_piece_candidate *candidates, size_t n) {
    size_t characters = alphabet->tokens.n - n_special;
    if (n > SEEDS) n = SEEDS;
    model->at = hone_alloc(characters + n, sizeof *model->at, "pieces");
    double sum = 0;
    for (size_t i = 0; i < characters; i++) {
        const struct hone_string *token = &alphabet->tokens.at[n_special + i];
        model->at[model->n++] = (struct hone_piece_of_model){hone_strings_text(&alphabet->tokens, n_special + i),
                                                             token->n, (double)token->count, true};
    }
    for (size_t i = 0; i < n; i++) {
        bool known = true;
        for (size_t at = 0; known && at < candidates[i].n;) {
            size_t begin = at;
            hone_utf8_next(candidates[i].bytes, &at);
            size_t token = hone_strings_find(&alphabet->tokens, candidates[i].bytes + begin, at - begin);
            known = token != SIZE_MAX && token >= n_special;
        }
        if (known && hone_strings_find(&alphabet->tokens, candidates[i].bytes, candidates[i].n) == SIZE_MAX)
            model->at[model->n++] =
                (struct hone_piece_of_model){candidates[i].bytes, candidates[i].n, candidates[i].weight, false};
    }
    for (size_t i = 0; i < model->n; i++) sum += model->at[i].score;
    for (size_t i = 0; i < model->n; i++) model->at[i].score = log(model->at[i].score) - log(sum);
    build_trie(model);
}

/* Words [*begin, *end) of a part. */
static void part_of(size_t *begin, size_t *end, size_t n, int part) {
    *begin = n * (size_t)part / PARTS;
    *end = n * (size_t)(part + 1) / PARTS;
}

/* Sums over parts into the first one, in order. */
static void add_parts(double *sums, size_t n) {
    for (size_t part = 1; part < PARTS; part++)
        for (size_t i = 0; i < n; i++) sums[i] += sums[part * n + i];
}

/* With `drops`, pieces that are hardly expected go. */
static void maximise(struct hone_pieces_model *model, const struct hone_strings *words, bool drops) {
    size_t n = model->n;
    double *expected = hone_calloc(PARTS * n, sizeof *expected, "expected pieces");
#pragma omp parallel for schedule(dynamic, 1)
    for (int part = 0; part < PARTS; part++) {
        struct hone_lattice lattice = {0};
        size_t begin, end;
        part_of(&begin, &end, words->n, part);
        for (size_t w = begin; w < end; w++)
            hone_lattice_expect(expected + (size_t)part * n, &lattice, model, hone_strings_text(words, w),
                                words->at[w].n, (double)words->at[w].count);
        hone_lattice_free(&lattice);
    }
    add_parts(expected, n);
    double sum = 0;
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        double value = expected[i];
        if (value < LEAST_EXPECTED) {
            if (drops && !model->at[i].character) continue;
            value = LEAST_EXPECTED;
        }
        sum += value;
        model->at[kept] = model->at[i];
        model->at[kept++].score = value;
    }
    model->n = kept;
    for (size_t i = 0; i < kept; i++) model->at[i].score = digamma(model->at[i].score) - digamma(sum);
    hone_free(expected);
    build_trie(model);
}

struct loss {
    double value;
    size_t piece;
};

static int compare_losses(const void *a, const void *b) {
    const struct loss *x = a, *y = b;
    if (x->value != y->value) return x->value > y->value ? -1 : 1;
    return (x->piece > y->piece) - (x->piece < y->piece);
}

/* How often each piece is in the best ways of the words. */
static double *count_best(const struct hone_pieces_model *model, const struct hone_strings *words) {
    double *counts = hone_calloc(PARTS * model->n, sizeof *counts, "counts of pieces");
#pragma omp parallel for schedule(dynamic, 1)
    for (int part = 0; part < PARTS; part++) {
        struct hone_lattice lattice = {0};
        size_t begin, end;
        part_of(&begin, &end, words->n, part);
        for (size_t w = begin; w < end; w++) {
            hone_lattice_best(&lattice, model, hone_strings_text(words, w), words->at[w].n, -1);
            for (size_t at = words->at[w].n; at > 0; at = lattice.back[at])
                if (lattice.piece[at] >= 0)
                    counts[(size_t)part * model->n + (size_t)lattice.piece[at]] += (double)words->at[w].count;
        }
        hone_lattice_free(&lattice);
    }
    add_parts(counts, model->n);
    return counts;
}

/* What the log likelihood of a text's piece falls by when piece i, which occurs counts[i] times, is cut into others. */
static double loss_without(struct hone_lattice *lattice, const struct hone_pieces_model *model, const double *counts,
                           double sum, size_t i) {
    const struct hone_piece_of_model *piece = &model->at[i];
    double other = hone_lattice_best(lattice, model, piece->bytes, piece->n, (int32_t)i);
    if (counts[i] <= 0 || piece->score < other) return 0; /* it isn't used */
    double pieces = 0, alternatives = 0;
    for (size_t at = piece->n; at > 0; at = lattice->back[at]) pieces++;
    double log_sum = log(sum + counts[i] * (pieces - 1));
    for (size_t at = piece->n; at > 0; at = lattice->back[at])
        alternatives += log(counts[lattice->piece[at]] + counts[i]) - log_sum;
    return counts[i] / sum * (log(counts[i]) - log(sum) - alternatives);
}

static void prune(struct hone_pieces_model *model, const struct hone_strings *words, size_t wanted) {
    double *counts = count_best(model, words), sum = 0;
    struct loss *losses = hone_alloc(model->n, sizeof *losses, "losses of pieces");
    for (size_t i = 0; i < model->n; i++) sum += counts[i];
#pragma omp parallel
    {
        struct hone_lattice lattice = {0};
#pragma omp for schedule(dynamic, 1024)
        for (size_t i = 0; i < model->n; i++)
            losses[i] =
                (struct loss){model->at[i].character ? INFINITY : loss_without(&lattice, model, counts, sum, i), i};
        hone_lattice_free(&lattice);
    }
    qsort(losses, model->n, sizeof *losses, compare_losses);
    size_t share = (size_t)(KEPT_SHARE * (double)model->n), most = share > wanted ? share : wanted, n = 0;
    struct hone_piece_of_model *kept = hone_alloc(model->n, sizeof *kept, "pieces");
    for (size_t i = 0; i < model->n && (n < most || isinf(losses[i].value)) && losses[i].value > 0; i++)
        kept[n++] = model->at[losses[i].piece];
    hone_free(model->at);
    model->at = kept;
    model->n = n;
    hone_free(losses);
    hone_free(counts);
    build_trie(model);
}

static int compare_pieces(const void *a, const void *b) {
    const struct hone_piece_of_model *x = a, *y = b;
    if (x->score != y->score) return x->score > y->score ? -1 : 1;
    int order = memcmp(x->bytes, y->bytes, x->n < y->n ? x->n : y->n);
    return order ? order : (x->n > y->n) - (x->n < y->n);
}

/* Special tokens, then the pieces by score: all characters, and as many others as there is room for. */
static void finish(struct hone_trained *out, struct hone_pieces_model *model, const struct hone_train_limits *limits) {
    size_t characters = 0;
    for (size_t i = 0; i < model->n; i++) characters += model->at[i].character;
    size_t taken = limits->n_special + characters, room = limits->vocab_size > taken ? limits->vocab_size - taken : 0;
    qsort(model->at, model->n, sizeof *model->at, compare_pieces);
    out->scores = hone_calloc(limits->n_special + model->n, sizeof *out->scores, "scores of pieces");
    for (size_t i = 0; i < limits->n_special; i++)
        hone_strings_add(&out->tokens, limits->special[i], strlen(limits->special[i]), 0);
    for (size_t i = 0; i < model->n; i++) {
        const struct hone_piece_of_model *piece = &model->at[i];
        if (!piece->character && room == 0) continue;
        room -= !piece->character;
        out->scores[hone_strings_add(&out->tokens, piece->bytes, piece->n, 0)] = piece->score;
    }
}

void hone_train_unigram(struct hone_trained *out, const struct hone_strings *words,
                        const struct hone_train_limits *limits) {
    struct hone_trained alphabet = {0};
    struct hone_pieces_model model = {0};
    size_t n, wanted = (size_t)(MORE_AT_FIRST * (double)limits->vocab_size);
    hone_train_alphabet(&alphabet, words, limits);
    struct hone_piece_candidate *candidates = hone_piece_candidates(&n, words);
    seed(&model, &alphabet, limits->n_special, candidates, n);
    for (;;) {
        for (int round = 0; round < ROUNDS; round++) {
            maximise(&model, words, model.n > wanted);
            hone_progress(PLAIN_PROGRESS_SECONDS, "%zu pieces on the way to %zu", model.n, limits->vocab_size);
        }
        size_t before = model.n;
        if (model.n <= wanted) break;
        prune(&model, words, wanted);
        if (model.n == before) break; /* nothing but characters */
    }
    hone_progress_end();
    finish(out, &model, limits);
    hone_free(candidates);
    hone_free(model.at);
    hone_trie_free(&model.trie);
    hone_trained_free(&alphabet);
}
