/* The ranks of this job as one thing: joined from the environment, watched, and left. A process that no launcher started
 * is a job of one rank, for which all of this does nothing.
 *
 *     HONE_TRY(hone_world_join(&world, 300));
 *     … world->collectives->all_reduce(…) …
 *     hone_world_leave(world, status); */
#ifndef HONE_DIST_WORLD_H
#define HONE_DIST_WORLD_H

#include "dist/transport.h"
#include "dist/watch.h"

/* Set by hone launch to its process: a rank ends (SIGTERM) when that is gone. */
#define HONE_LAUNCHER "HONE_LAUNCHER"

struct hone_world {
    int rank, size;
    struct hone_collectives *collectives;
    struct hone_meeting meeting;
    struct hone_watch *watch; /* NULL alone */
};

/* A job of one rank. Static; not to be left. */
struct hone_world *hone_world_alone(void);

/* Finds the other ranks and begins to watch them. `seconds`: hone_watch_start(), and for the others to come ten times as
 * long. */
enum hone_status hone_world_join(struct hone_world **out, enum hone_transport transport, double seconds);
/* Tells the others how this rank ended and frees; NULL is allowed. */
void hone_world_leave(struct hone_world *world, enum hone_status status);

void hone_world_mark(struct hone_world *world, enum hone_phase phase, int64_t step);
/* The largest of what the ranks give, the same on all. */
enum hone_status hone_world_largest(int64_t *value, struct hone_world *world);
/* Rank 0's value on every rank. */
enum hone_status hone_world_share(int64_t *value, struct hone_world *world);

/* Something that must be the same on every rank: HONE_RANK names the first rank and fact that differ from rank 0's. */
struct hone_fact {
    const char *name;
    char value[80];
};
enum hone_status hone_world_compare(struct hone_world *world, const struct hone_fact *facts, int n);

#endif
