/* Collectives: what the ranks of a job, a process each, compute and move together. One struct of function pointers that
 * every transport fills: shared memory and MPI in dist/, NCCL beside the CUDA kernels. Every rank calls the same
 * functions in the same order with the same sizes, from one thread at a time.
 *
 *     HONE_TRY(c->all_reduce(c, gradients, n, HONE_F32, HONE_SUM, stream));
 *
 * Functions enqueue on the stream, the last argument; a transport whose memory is the host's ignores it and has ended on
 * return. HONE_RANK names what went wrong between the ranks. Bits: a sum is taken in one order, which depends on the
 * number of ranks alone, and is the same on every rank. */
#ifndef HONE_KERNELS_COLLECTIVES_H
#define HONE_KERNELS_COLLECTIVES_H

#include "base/status.h"
#include "kernels/ops.h"

enum hone_reduction { HONE_SUM, HONE_MAX };

struct hone_collectives {
    const char *name; /* "shared memory" */
    int rank, size;   /* 0 <= rank < size */
    /* What this rank is inside of now, a literal, or NULL; how many it has begun; and when it left the last one
     * (hone_seconds), which is to be read after `now`. For a watcher in another thread. */
    _Atomic(const char *) now;
    _Atomic int64_t begun;
    _Atomic double left;

    /* data[n], of f32 or i64: the sum (or largest) over all ranks, on every rank. */
    enum hone_status (*all_reduce)(struct hone_collectives *c, void *data, int64_t n, enum hone_dtype dtype,
                                   enum hone_reduction reduction, struct hone_stream *s);
    /* in[size * n]: out[n] of rank r is the sum (or largest) of everybody's in[r * n …]. */
    enum hone_status (*reduce_scatter)(struct hone_collectives *c, void *out, const void *in, int64_t n,
                                       enum hone_dtype dtype, enum hone_reduction reduction, struct hone_stream *s);
    /* out[size * bytes]: the in[bytes] of all ranks, one behind the other; `in` may be its own place there. */
    enum hone_status (*all_gather)(struct hone_collectives *c, void *out, const void *in, int64_t bytes,
                                   struct hone_stream *s);
    /* data[bytes] of rank `root` on every rank. */
    enum hone_status (*broadcast)(struct hone_collectives *c, void *data, int64_t bytes, int root,
                                  struct hone_stream *s);
    /* data[bytes] from one rank to another, which receives as many; only the two call. */
    enum hone_status (*send)(struct hone_collectives *c, const void *data, int64_t bytes, int to,
                             struct hone_stream *s);
    enum hone_status (*receive)(struct hone_collectives *c, void *data, int64_t bytes, int from, struct hone_stream *s);
    /* Returns when every rank has called it. */
    enum hone_status (*barrier)(struct hone_collectives *c, struct hone_stream *s);
    /* Ends what ranks wait for, here and elsewhere, with HONE_RANK; so do all later calls. From any thread. */
    void (*abort)(struct hone_collectives *c);
    void (*close)(struct hone_collectives *c);
};

/* Of a job of one rank: nothing to wait for, nothing to move but from `in` to `out` in host memory. Static. */
struct hone_collectives *hone_collectives_alone(void);

#endif
