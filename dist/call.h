/* What transports that move host memory have in common: what a rank calls, compared with what the others call, so that
 * calls in another order or of another size are told apart at once instead of mixing data up; and reductions. */
#ifndef HONE_DIST_CALL_H
#define HONE_DIST_CALL_H

#include "kernels/collectives.h"

enum hone_call_kind {
    HONE_CALL_ALL_REDUCE,
    HONE_CALL_REDUCE_SCATTER,
    HONE_CALL_ALL_GATHER,
    HONE_CALL_BROADCAST,
    HONE_CALL_BARRIER
};
extern const char *const hone_call_names[];

struct hone_call {
    int64_t kind, bytes, dtype, reduction, root;
};

/* HONE_RANK names both calls when they differ. */
enum hone_status hone_call_compare(const struct hone_call *mine, int rank, const struct hone_call *its, int other);

/* Around every call: what a watcher sees. */
void hone_call_enter(struct hone_collectives *c, const char *name);
enum hone_status hone_call_leave(struct hone_collectives *c, enum hone_status status);

/* Aborts unless it is a dtype that is reduced. */
void hone_call_check(enum hone_dtype dtype);
/* y[n] = y + x, or the larger; NaN wins. Apart from each other. */
void hone_reduce_next(void *y, const void *x, int64_t n, enum hone_dtype dtype, enum hone_reduction reduction);

#endif
