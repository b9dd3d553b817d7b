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
    int told; /* the straggler that was told of and has not caught up since, counted from 1; 0: none */
};

/* After a step, for every rank: its own work in it. Every 20 steps rank 0 warns of the slowest rank when that took half as
 * long again for a token as the median of the others, and more than 5 ms a step longer for all; once until it has caught
 * up. */
enum hone_status hone_pace_step(struct hone_pace *pace, struct hone_own_work own, struct hone_world *world);

/* The rank that is slow, by the work [size] of all, and the seconds that its tokens take at the median of the others; -1:
 * none. Ranks without a token are left out. */
int hone_pace_straggler(double *at_median, const struct hone_own_work *work, int size, int steps);

#endif
