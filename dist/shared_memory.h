/* Collectives of ranks on one machine through memory that they share. The memory has no name, so it is gone with the
 * last rank, however that ended: rank 0 makes it, and the others open it through rank 0's descriptor. */
#ifndef HONE_DIST_SHARED_MEMORY_H
#define HONE_DIST_SHARED_MEMORY_H

#include "kernels/collectives.h"

#define HONE_SHARED_MEMORY_RANKS 256 /* at most */

/* Bytes of the machine's memory that collectives of `size` ranks come to use. */
size_t hone_shared_memory_bytes(int size);

/* A descriptor of new memory for `size` ranks; the caller's to close. */
enum hone_status hone_shared_memory_create(int *descriptor, int size);
/* The same memory in another process, from what rank 0's process calls it. HONE_RANK: not to be reached from here. */
enum hone_status hone_shared_memory_find(int *descriptor, int64_t process, int its_descriptor);
/* Joins as one of the ranks; the descriptor may be closed then. Freed with close(). */
enum hone_status hone_shared_memory_open(struct hone_collectives **out, int descriptor, int rank, int size);

#endif
