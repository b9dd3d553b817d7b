/* Before data moves, ranks tell each other what they call. Data goes in pieces. In a reduction rank r gets everybody's
 * r-th part of a piece and adds them up in the order of ranks, so that a sum has the same bits as through shared memory;
 * MPI's own reductions promise no order. */
#include "dist/mpi.h"

#include <stdatomic.h>
#include <string.h>
#include <time.h>

#include "base/arith.h"
#include "base/log.h"
#include "base/memory.h"
#include "dist/call.h"
#include "kernels/library.h"

#define PIECE (4 << 20) /* bytes */
/* Looks before a rank sleeps between two of them; and how often it looks for one that gave up. */
#define SPINS       4000
#define NAP_NS      20000
#define ALARM_LOOKS 64
/* For all ranks to come to the end. */
#define FAREWELL_SECONDS 5.0

struct over_mpi {
    struct hone_collectives table; /* first: the table's address is ours */
    struct hone_mpi mpi;
    _Atomic bool given_up;        /* by this rank, maybe in another thread; others are told in wait_for() */
    bool dead;                    /* nothing goes any more */
    struct hone_call *calls;      /* [size] */
    int64_t *parts;               /* [size] */
    int *bytes, *at, *all, *from; /* [size]: counts and places, of what comes and of what goes */
    char *sent, *received;        /* [PIECE] */
};

static enum hone_status fail(struct over_mpi *m, int error) {
    char text[256];
    m->mpi.describe(text, sizeof text, error);
    m->dead = true;
    return hone_fail(HONE_RANK, "rank %d: %s in %s: %s", m->table.rank, m->mpi.library, atomic_load(&m->table.now),
                     text);
}

static enum hone_status another_gave_up(struct over_mpi *m) {
    m->dead = true;
    return hone_fail(HONE_RANK, "rank %d: another rank gave up", m->table.rank);
}

/* Until what began with `error` has ended, at most `seconds`. */
static enum hone_status wait_for(struct over_mpi *m, int error, double seconds) {
    const struct timespec nap = {.tv_nsec = NAP_NS};
    double begin = hone_seconds();
    bool done = false;
    for (int i = 0; !error; i++) {
        error = m->mpi.done(&done);
        if (error || done) break;
        if (i % ALARM_LOOKS == 0) {
            if (atomic_load(&m->given_up)) m->mpi.give_up();
            if (atomic_load(&m->given_up) || m->mpi.is_given_up() || hone_seconds() - begin > seconds)
                return another_gave_up(m);
        }
        if (i > SPINS) nanosleep(&nap, NULL);
    }
    return error ? fail(m, error) : HONE_OK;
}

static enum hone_status finish(struct over_mpi *m, int error) { return wait_for(m, error, 1e18); }

/* Everything begins so. */
static enum hone_status exchange_calls(struct over_mpi *m, struct hone_call call) {
    if (m->dead) return another_gave_up(m);
    if (atomic_load(&m->given_up)) {
        m->mpi.give_up();
        return another_gave_up(m);
    }
    for (int r = 0; r < m->table.size; r++) {
        m->bytes[r] = sizeof call;
        m->at[r] = r * (int)sizeof call;
    }
    HONE_TRY(finish(m, m->mpi.all_gather(m->calls, m->bytes, m->at, &call)));
    for (int r = 0; r < m->table.size; r++) {
        enum hone_status status = hone_call_compare(&call, m->table.rank, &m->calls[r], r);
        m->dead = status != HONE_OK;
        HONE_TRY(status);
    }
    return HONE_OK;
}

/* m->sent has parts[r] elements for rank r, one rank behind the other: those for this rank, reduced in the order of ranks,
 * come to m->received. */
static enum hone_status reduce_parts(struct over_mpi *m, enum hone_dtype dtype, enum hone_reduction reduction) {
    int64_t size = (int64_t)hone_dtype_size(dtype), mine = m->parts[m->table.rank], at = 0;
    for (int r = 0; r < m->table.size; r++) {
        m->all[r] = (int)(m->parts[r] * size);
        m->from[r] = (int)(at * size);
        m->bytes[r] = (int)(mine * size);
        m->at[r] = (int)(r * mine * size);
        at += m->parts[r];
    }
    HONE_TRY(finish(m, m->mpi.all_to_all(m->received, m->bytes, m->at, m->sent, m->all, m->from)));
    for (int r = 1; r < m->table.size; r++)
        hone_reduce_next(m->received, m->received + m->at[r], mine, dtype, reduction);
    return HONE_OK;
}

static enum hone_status reduce_pieces(struct over_mpi *m, char *data, int64_t n, enum hone_dtype dtype,
                                      enum hone_reduction reduction) {
    int64_t size = (int64_t)hone_dtype_size(dtype), ranks = m->table.size, most = PIECE / size - ranks;
    HONE_TRY(exchange_calls(m, (struct hone_call){HONE_CALL_ALL_REDUCE, n * size, dtype, reduction, 0}));
    for (int64_t at = 0; at < n; at += most) {
        int64_t count = hone_min_i64(most, n - at), share = (count + ranks - 1) / ranks;
        for (int64_t r = 0; r < ranks; r++)
            m->parts[r] = hone_min_i64(count, (r + 1) * share) - hone_min_i64(count, r * share);
        memcpy(m->sent, data + at * size, (size_t)(count * size));
        HONE_TRY(reduce_parts(m, dtype, reduction));
        HONE_TRY(finish(m, m->mpi.all_gather(data + at * size, m->all, m->from, m->received)));
    }
    return HONE_OK;
}

static enum hone_status all_reduce(struct hone_collectives *c, void *data, int64_t n, enum hone_dtype dtype,
                                   enum hone_reduction reduction, struct hone_stream *s) {
    (void)s;
    hone_call_check(dtype);
    hone_call_enter(c, hone_call_names[HONE_CALL_ALL_REDUCE]);
    return hone_call_leave(c, reduce_pieces((struct over_mpi *)c, data, n, dtype, reduction));
}

static enum hone_status scatter_pieces(struct over_mpi *m, char *out, const char *in, int64_t n, enum hone_dtype dtype,
                                       enum hone_reduction reduction) {
    int64_t size = (int64_t)hone_dtype_size(dtype), ranks = m->table.size, most = PIECE / size / ranks;
    HONE_TRY(exchange_calls(m, (struct hone_call){HONE_CALL_REDUCE_SCATTER, n * size, dtype, reduction, 0}));
    for (int64_t at = 0; at < n; at += most) {
        int64_t count = hone_min_i64(most, n - at);
        for (int64_t r = 0; r < ranks; r++) {
            m->parts[r] = count;
            memcpy(m->sent + r * count * size, in + (r * n + at) * size, (size_t)(count * size));
        }
        HONE_TRY(reduce_parts(m, dtype, reduction));
        memcpy(out + at * size, m->received, (size_t)(count * size));
    }
    return HONE_OK;
}

static enum hone_status reduce_scatter(struct hone_collectives *c, void *out, const void *in, int64_t n,
                                       enum hone_dtype dtype, enum hone_reduction reduction, struct hone_stream *s) {
    (void)s;
    hone_call_check(dtype);
    hone_call_enter(c, hone_call_names[HONE_CALL_REDUCE_SCATTER]);
    return hone_call_leave(c, scatter_pieces((struct over_mpi *)c, out, in, n, dtype, reduction));
}

static enum hone_status gather_pieces(struct over_mpi *m, char *out, const char *in, int64_t bytes) {
    int64_t most = PIECE / m->table.size;
    HONE_TRY(exchange_calls(m, (struct hone_call){HONE_CALL_ALL_GATHER, bytes, 0, 0, 0}));
    for (int64_t at = 0; at < bytes; at += most) {
        int64_t count = hone_min_i64(most, bytes - at);
        for (int r = 0; r < m->table.size; r++) {
            m->bytes[r] = (int)count;
            m->at[r] = (int)(r * count);
        }
        memcpy(m->sent, in + at, (size_t)count);
        HONE_TRY(finish(m, m->mpi.all_gather(m->received, m->bytes, m->at, m->sent)));
        for (int r = 0; r < m->table.size; r++) memcpy(out + r * bytes + at, m->received + m->at[r], (size_t)count);
    }
    return HONE_OK;
}

static enum hone_status all_gather(struct hone_collectives *c, void *out, const void *in, int64_t bytes,
                                   struct hone_stream *s) {
    (void)s;
    hone_call_enter(c, hone_call_names[HONE_CALL_ALL_GATHER]);
    return hone_call_leave(c, gather_pieces((struct over_mpi *)c, out, in, bytes));
}

static enum hone_status cast_pieces(struct over_mpi *m, char *data, int64_t bytes, int root) {
    HONE_TRY(exchange_calls(m, (struct hone_call){HONE_CALL_BROADCAST, bytes, 0, 0, root}));
    for (int64_t at = 0; at < bytes; at += PIECE)
        HONE_TRY(finish(m, m->mpi.broadcast(data + at, (int)hone_min_i64(PIECE, bytes - at), root)));
    return HONE_OK;
}

static enum hone_status broadcast(struct hone_collectives *c, void *data, int64_t bytes, int root,
                                  struct hone_stream *s) {
    (void)s;
    HONE_CHECK(root >= 0 && root < c->size, "a broadcast of rank %d of %d", root, c->size);
    hone_call_enter(c, hone_call_names[HONE_CALL_BROADCAST]);
    return hone_call_leave(c, cast_pieces((struct over_mpi *)c, data, bytes, root));
}

static void check_other(const struct hone_collectives *c, int other) {
    HONE_CHECK(other != c->rank && other >= 0 && other < c->size, "mail between ranks %d and %d of %d", c->rank, other,
               c->size);
}

static enum hone_status send_pieces(struct over_mpi *m, const char *data, int64_t bytes, int to) {
    if (m->dead) return another_gave_up(m);
    for (int64_t at = 0; at < bytes; at += PIECE)
        HONE_TRY(finish(m, m->mpi.send(data + at, (int)hone_min_i64(PIECE, bytes - at), to)));
    return HONE_OK;
}

static enum hone_status send_to(struct hone_collectives *c, const void *data, int64_t bytes, int to,
                                struct hone_stream *s) {
    (void)s;
    check_other(c, to);
    hone_call_enter(c, "send");
    return hone_call_leave(c, send_pieces((struct over_mpi *)c, data, bytes, to));
}

static enum hone_status receive_pieces(struct over_mpi *m, char *data, int64_t bytes, int from) {
    if (m->dead) return another_gave_up(m);
    for (int64_t at = 0; at < bytes; at += PIECE)
        HONE_TRY(finish(m, m->mpi.receive(data + at, (int)hone_min_i64(PIECE, bytes - at), from)));
    return HONE_OK;
}

static enum hone_status receive(struct hone_collectives *c, void *data, int64_t bytes, int from,
                                struct hone_stream *s) {
    (void)s;
    check_other(c, from);
    hone_call_enter(c, "receive");
    return hone_call_leave(c, receive_pieces((struct over_mpi *)c, data, bytes, from));
}

static enum hone_status barrier(struct hone_collectives *c, struct hone_stream *s) {
    (void)s;
    hone_call_enter(c, hone_call_names[HONE_CALL_BARRIER]);
    return hone_call_leave(c, exchange_calls((struct over_mpi *)c, (struct hone_call){.kind = HONE_CALL_BARRIER}));
}

static void give_up(struct hone_collectives *c) { atomic_store(&((struct over_mpi *)c)->given_up, true); }

static void close_mpi(struct hone_collectives *c) {
    struct over_mpi *m = (struct over_mpi *)c;
    /* MPI's own end would wait for ever for a rank that is gone. */
    if (!m->dead && !atomic_load(&m->given_up) && wait_for(m, m->mpi.barrier(), FAREWELL_SECONDS) == HONE_OK)
        m->mpi.finalize();
    hone_free(m->calls);
    hone_free(m->parts);
    hone_free(m->bytes);
    hone_free(m->sent);
    hone_free(m->received);
    hone_free(m);
}

static enum hone_status open_plugin(struct hone_mpi *mpi, const char *path) {
    hone_mpi_open_function *open = NULL;
    HONE_TRY(hone_library_function(&open, path, "hone_mpi_open",
                                   "; it is built where cmake finds mpicc (-DHONE_MPICC=…), or named by "
                                   "HONE_MPI_LIBRARY"));
    const char *reason = open(mpi, HONE_MPI_VERSION);
    return reason ? hone_fail(HONE_USAGE, "%s: %s", path, reason) : HONE_OK;
}

enum hone_status hone_mpi_collectives(struct hone_collectives **out, int rank, int size) {
    struct hone_mpi mpi;
    char *path = hone_library_path("HONE_MPI_LIBRARY", "libhone_mpi.so");
    enum hone_status status = open_plugin(&mpi, path);
    if (status == HONE_OK && (mpi.rank != rank || mpi.size != size))
        status = hone_fail(HONE_USAGE,
                           "%s is of %s, for which this is rank %d of %d, but it was started as rank %d of %d: build "
                           "it with the mpicc of the MPI whose mpirun starts the ranks",
                           path, mpi.library, mpi.rank, mpi.size, rank, size);
    hone_free(path);
    HONE_TRY(status);
    struct over_mpi *m = hone_calloc(1, sizeof *m, "collectives");
    size_t n = (size_t)size;
    m->mpi = mpi;
    m->calls = hone_alloc(n, sizeof *m->calls, "collectives");
    m->parts = hone_alloc(n, sizeof *m->parts, "collectives");
    m->bytes = hone_alloc(4 * n, sizeof *m->bytes, "collectives");
    m->at = m->bytes + n;
    m->all = m->at + n;
    m->from = m->all + n;
    m->sent = hone_alloc(PIECE, 1, "collectives");
    m->received = hone_alloc(PIECE, 1, "collectives");
    m->table = (struct hone_collectives){.name = m->mpi.library,
                                         .rank = rank,
                                         .size = size,
                                         .all_reduce = all_reduce,
                                         .reduce_scatter = reduce_scatter,
                                         .all_gather = all_gather,
                                         .broadcast = broadcast,
                                         .send = send_to,
                                         .receive = receive,
                                         .barrier = barrier,
                                         .abort = give_up,
                                         .close = close_mpi};
    *out = &m->table;
    return HONE_OK;
}
