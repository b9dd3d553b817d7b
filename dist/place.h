/* Where this process stands among the ranks of its job, from the environment that a launcher left: torchrun's variables
 * (hone launch sets the same), Open MPI's, those of MPICH and other PMI launchers, Slurm's. Without any it is alone. */
#ifndef HONE_DIST_PLACE_H
#define HONE_DIST_PLACE_H

#include "base/sha256.h"
#include "base/status.h"

#define HONE_RANKS_MOST 1024

struct hone_place {
    const char *launcher; /* "Open MPI"; NULL: nobody's variables */
    int rank, size;
    /* Where rank 0 listens, and what ranks of one job have in common and no other job has; with more than one rank. */
    char address[256];
    int port;
    char job[HONE_SHA256_TEXT];
};

/* HONE_USAGE when variables contradict each other, are no numbers, or don't say where rank 0 is. */
enum hone_status hone_place_find(struct hone_place *out);

/* Names of all variables that say which rank a process is, for a launcher to take out of what it hands on; NULL ends. */
extern const char *const hone_place_variables[];

#endif
