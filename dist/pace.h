/* Who keeps the others waiting. Ranks take each step together, so all seem equally slow; what tells them apart is how long
 * each needs for a token of its own share before they meet. */
#ifndef HONE_DIST_PACE_H
#define HONE_DIST_PACE_H

#include "dist/world.h"

/* What a rank has done by itself in some steps. Of a device that works beside the host, seconds are those of the host. */
struct hone_own_work {
    double seconds;
    int64_t tokens;
};

/* Zero at first. */
struct hone_pace {
    struct hone_own_work work; /* since the ranks compared last */
    int steps;
    uint64_t told; /* bit r % 64: rank r was told of as a straggler and has not caught up since */
};

/* After a step, for every rank: its own work in it. Every 20 steps rank 0 warns of the stragglers, once of each until it has
 * caught up. */
enum hone_status hone_pace_step(struct hone_pace *pace, struct hone_own_work own, struct hone_world *world);

/* Whether the rank is a straggler by the work [size] of all: it took half as long again as its tokens take at the pace of
 * the others' middle token, which is *at_median seconds, and more than 5 ms a step longer; and longer than half of the
 * others took, so that they wait for it. Ranks without tokens are left out. */
bool hone_pace_is_slow(double *at_median, const struct hone_own_work *work, int size, int rank, int steps);

#endif
