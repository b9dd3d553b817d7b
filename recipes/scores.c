#include "recipes/scores.h"

#include <math.h>
#include <stdlib.h>

#include "base/memory.h"

void hone_scores_create(struct hone_scores *out, int64_t classes) { *out = (struct hone_scores){.classes = classes}; }

void hone_scores_free(struct hone_scores *scores) {
    hone_free(scores->scores);
    hone_free(scores->positives);
    *scores = (struct hone_scores){0};
}

double *hone_scores_add(struct hone_scores *scores, uint8_t **positives) {
    size_t row = (size_t)scores->classes;
    if ((size_t)scores->n == scores->room) {
        scores->room = scores->room ? 2 * scores->room : 1024;
        scores->scores = hone_realloc(scores->scores, scores->room * row, sizeof *scores->scores, "scores");
        scores->positives = hone_realloc(scores->positives, scores->room * row, 1, "scores");
    }
    size_t at = (size_t)scores->n++ * row;
    for (size_t i = 0; i < row; i++) scores->positives[at + i] = 0;
    *positives = scores->positives + at;
    return scores->scores + at;
}

struct scored {
    double score;
    int64_t what; /* whether it is positive; its place */
};

static int downwards(const void *a, const void *b) {
    double x = ((const struct scored *)a)->score, y = ((const struct scored *)b)->score;
    return (x < y) - (x > y);
}

/* End of the run of equal scores that begins at i. */
static int64_t end_of_ties(const struct scored *sorted, int64_t i, int64_t n) {
    int64_t end = i + 1;
    while (end < n && sorted[end].score == sorted[i].score) end++;
    return end;
}

struct hone_ranking hone_scores_rank(const struct hone_scores *scores, int64_t class) {
    int64_t n = scores->n, positives = 0, above = 0, seen = 0;
    struct scored *sorted = hone_alloc((size_t)n, sizeof *sorted, "ranking");
    for (int64_t i = 0; i < n; i++) {
        int64_t at = i * scores->classes + class;
        sorted[i] = (struct scored){scores->scores[at], scores->positives[at]};
        positives += scores->positives[at];
    }
    if (n) qsort(sorted, (size_t)n, sizeof *sorted, downwards);
    /* Pairs of a positive below a negative sample, and of equal ones, counted twice to stay whole. */
    double wrong = 0, precision = 0;
    for (int64_t i = 0, end; i < n; i = end) {
        int64_t hits = 0;
        end = end_of_ties(sorted, i, n);
        for (int64_t k = i; k < end; k++) hits += sorted[k].what;
        int64_t misses = end - i - hits;
        wrong += (double)hits * (double)(2 * (seen - above) + misses);
        above += hits;
        seen = end;
        precision += (double)hits * ((double)above / (double)seen);
    }
    hone_free(sorted);
    int64_t negatives = n - positives;
    return (struct hone_ranking){
        .roc_auc = positives && negatives ? 1 - wrong / (2 * (double)positives * (double)negatives) : NAN,
        .average_precision = positives ? precision / (double)positives : 0,
        .positives = positives};
}

struct hone_ranking hone_scores_macro(const struct hone_scores *scores, double *weighted_roc_auc) {
    struct hone_ranking mean = {0};
    double weighted = 0;
    for (int64_t c = 0; c < scores->classes; c++) {
        struct hone_ranking one = hone_scores_rank(scores, c);
        mean.roc_auc += one.roc_auc;
        mean.average_precision += one.average_precision;
        mean.positives += one.positives;
        weighted += one.roc_auc * (double)one.positives;
    }
    mean.roc_auc /= (double)scores->classes;
    mean.average_precision /= (double)scores->classes;
    *weighted_roc_auc = mean.positives ? weighted / (double)mean.positives : NAN;
    return mean;
}

void hone_average_ranks(double *ranks, const float *values, int64_t n) {
    struct scored *sorted = hone_alloc((size_t)n, sizeof *sorted, "ranking");
    for (int64_t i = 0; i < n; i++) sorted[i] = (struct scored){-(double)values[i], i};
    if (n) qsort(sorted, (size_t)n, sizeof *sorted, downwards);
    for (int64_t i = 0, end; i < n; i = end) {
        end = end_of_ties(sorted, i, n);
        for (int64_t k = i; k < end; k++) ranks[sorted[k].what] = 0.5 * (double)(i + 1 + end);
    }
    hone_free(sorted);
}
