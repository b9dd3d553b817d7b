/* Which of a step's samples a rank takes: a function of the step alone, so every rank, and a plan, finds the same. */
#ifndef HONE_RECIPES_SHARE_H
#define HONE_RECIPES_SHARE_H

#include "recipes/run.h"

struct hone_share {
    const int64_t *chosen; /* [n] */
    int64_t n, first;      /* place of the first in the step, of leaves */
};

/* Of the step's samples chosen[n], those of rank `rank` of the run's world. `room` is [2 * n], which the share may point
 * into, as it may into `chosen`. */
struct hone_share hone_share_find(int64_t *room, const struct hone_run *run, const int64_t *chosen, int64_t n,
                                  int rank);

#endif
