/* Collectives of host memory over MPI, which joins ranks of several machines. MPI comes as a plug-in, libhone_mpi.so,
 * that is opened when it is asked for: the program knows nothing of MPI, and the plug-in, dist/mpi/plugin.c, nothing of
 * the program but this file. The plug-in moves bytes; what they are, and sums in the order of ranks, is dist/mpi.c. */
#ifndef HONE_DIST_MPI_H
#define HONE_DIST_MPI_H

#include <stdbool.h>
#include <stddef.h>

#include "kernels/collectives.h"

/* Of this struct: a plug-in of another one must not be used. */
#define HONE_MPI_VERSION 1

/* Filled by the plug-in. Functions return 0 or MPI's error. One thing at a time is under way: the functions from
 * all_to_all to receive begin it, and memory stays as it is until done() says that it has ended. Bytes at most 1 << 30. */
struct hone_mpi {
    int rank, size;
    char library[64]; /* "Open MPI v4.1.4" */
    /* in_bytes[r] at in + in_at[r] go to rank r; out_bytes[r] from rank r come to out + out_at[r]. All [size]. */
    int (*all_to_all)(void *out, const int *out_bytes, const int *out_at, const void *in, const int *in_bytes,
                      const int *in_at);
    /* `in` of rank r, bytes[r], comes to out + at[r] on all. */
    int (*all_gather)(void *out, const int *bytes, const int *at, const void *in);
    int (*broadcast)(void *data, int bytes, int root);
    int (*barrier)(void);
    int (*send)(const void *data, int bytes, int to);
    int (*receive)(void *data, int bytes, int from);
    int (*done)(bool *done);
    /* Tells all others that this rank gives up; whether one of them has. */
    void (*give_up)(void);
    bool (*is_given_up)(void);
    void (*describe)(char *text, size_t size, int error);
    /* Only when all ranks come to it: MPI waits. */
    void (*finalize)(void);
};

/* "hone_mpi_open", all that a plug-in exports: starts MPI. NULL, or why it can't be used. */
typedef const char *hone_mpi_open_function(struct hone_mpi *out, int version);

/* Of the plug-in that HONE_MPI_LIBRARY names, else the one beside the executable, as one of the ranks of a launcher.
 * HONE_USAGE: it can't be used here, or is of another MPI than the launcher. Freed with close(), once for a process. */
enum hone_status hone_mpi_collectives(struct hone_collectives **out, int rank, int size);

#endif
