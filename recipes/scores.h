/* Metrics of a whole ranking: they need every score, so 9 bytes are kept for each score of each sample, and 16 more for
 * each sample while one is worked out.
 *
 * Definitions follow scikit-learn (roc_auc_score, average_precision_score) and scipy (rankdata's average ranks); equal
 * scores count as one threshold. */
#ifndef HONE_RECIPES_SCORES_H
#define HONE_RECIPES_SCORES_H

#include <stddef.h>
#include <stdint.h>

struct hone_scores {
    int64_t n, classes;
    double *scores;     /* [n, classes] */
    uint8_t *positives; /* [n, classes], 0 or 1 */
    size_t room;        /* samples */
};

/* classes >= 1. Free with hone_scores_free. */
void hone_scores_create(struct hone_scores *out, int64_t classes);
void hone_scores_free(struct hone_scores *scores);
/* Room for one more sample: a row to be filled with finite scores, and one of zeros for which are positive. */
double *hone_scores_add(struct hone_scores *scores, uint8_t **positives);

struct hone_ranking {
    double roc_auc;           /* NaN unless there are positive and negative samples */
    double average_precision; /* 0 without positive ones */
    int64_t positives;
};
struct hone_ranking hone_scores_rank(const struct hone_scores *scores, int64_t class);
/* Means over classes; roc_auc NaN where one class has none. Weights are the classes' positives; NaN without any. */
struct hone_ranking hone_scores_macro(const struct hone_scores *scores, double *weighted_roc_auc);

/* Ranks of n values from 1, equal ones by their average. */
void hone_average_ranks(double *ranks, const float *values, int64_t n);

#endif
