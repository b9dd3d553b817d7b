/* Who keeps the others waiting. Ranks take each step together, so all seem equally slow; what tells them apart is how long
 * each needs for its own share before they meet. Shares have equally many tokens. */
#ifndef HONE_DIST_PACE_H
#define HONE_DIST_PACE_H

#include "dist/world.h"

/* Zero at first. */
struct hone_pace {
    double seconds; /* of this rank's own work since the ranks compared last */
    int steps;
    bool named; /* a straggler was told of and has not caught up since */
};

/* After a step, for every rank: its own work took so long. Every 20 steps rank 0 warns of a rank that took half as long
 * again as the median of the others, if it is by more than 5 ms a step; once until it has caught up. */
enum hone_status hone_pace_step(struct hone_pace *pace, double seconds, struct hone_world *world);

/* The rank that is slow by these times of all, [size], size >= 2, with the median of the others; -1: none. */
int hone_pace_straggler(double *median, const double *seconds, int size, int steps);

#endif
