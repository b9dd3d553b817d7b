/* What moves data between ranks, by choice. */
#ifndef HONE_DIST_TRANSPORT_H
#define HONE_DIST_TRANSPORT_H

/* AUTO: shared memory on one machine, else MPI. */
enum hone_transport { HONE_TRANSPORT_AUTO, HONE_TRANSPORT_SHARED_MEMORY, HONE_TRANSPORT_MPI };

#endif
