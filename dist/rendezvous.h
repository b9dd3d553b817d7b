/* Ranks find each other: every rank connects to rank 0 by TCP, tells who it is and is told who the others are. The
 * connections stay open: they are how ranks watch each other (dist/watch.h). */
#ifndef HONE_DIST_RENDEZVOUS_H
#define HONE_DIST_RENDEZVOUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dist/place.h"

struct hone_peer {
    int64_t process;
    char host[64];
};

struct hone_meeting {
    struct hone_peer *peers; /* [size] */
    /* Rank 0: a connection to each rank, -1 for itself. Others: connections[0], to rank 0. */
    int *connections;
    int n_connections;
    int64_t token; /* what rank 0 gave to hand on */
};

/* Waits up to `seconds` for all. `token` is rank 0's, for the others. HONE_RANK names the ranks that did not come, or
 * what is wrong with one that did. Freed with hone_meeting_close. */
enum hone_status hone_rendezvous(struct hone_meeting *out, const struct hone_place *place, double seconds,
                                 int64_t token);
void hone_meeting_close(struct hone_meeting *meeting);

/* n bytes over a connection, all of them; false when it is closed or breaks, or takes longer than its time limit. */
bool hone_connection_send(int connection, const void *bytes, size_t n);
bool hone_connection_receive(int connection, void *bytes, size_t n);

#endif
