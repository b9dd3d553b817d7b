/* Data goes through the memory in pieces. For each piece every rank copies its part into its own place, all meet, and
 * then each reads what it needs; the places are two, used in turn, so a rank may fill the next one while others still
 * read. At each meeting ranks compare what they are doing: calls in another order or of another size are told apart at
 * once instead of mixing data up. */
#include "dist/shared_memory.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/arith.h"
#include "base/memory.h"
#include "dist/call.h"

#define PIECE      (512 << 10) /* bytes; two of each rank fit into the caches nearby */
#define MAIL       (64 << 10)
#define SPINS      2000 /* looks before a rank sleeps: some 20 us, the time that equal work differs by */
#define NAP_NS     100000000
#define LINE       64
#define ALIGN_LINE _Alignas(LINE)

struct desk { /* of one rank */
    ALIGN_LINE struct hone_call calls[2];
};

struct header {
    ALIGN_LINE int64_t size;
    ALIGN_LINE _Atomic uint32_t arrived;
    ALIGN_LINE _Atomic uint32_t generation;
    ALIGN_LINE _Atomic uint32_t aborted;
    ALIGN_LINE struct desk desks[HONE_SHARED_MEMORY_RANKS];
};

struct mail { /* from one rank to one other */
    ALIGN_LINE _Atomic uint32_t full;
    ALIGN_LINE char data[MAIL];
};

struct shared {
    struct hone_collectives table; /* first: the table's address is ours */
    struct header *header;
    char *pieces, *results; /* [size][2][PIECE], [2][PIECE] */
    struct mail *mails;     /* [size][size] */
    size_t bytes;
    int turn; /* which of the two places is next */
};

static size_t without_mail(int size) { return sizeof(struct header) + ((size_t)size + 1) * 2 * PIECE; }

/* Training sends mail to rank 0 alone; the pages of other boxes are never touched. */
size_t hone_shared_memory_bytes(int size) { return without_mail(size) + (size_t)size * sizeof(struct mail); }

static size_t bytes_for(int size) { return without_mail(size) + (size_t)size * (size_t)size * sizeof(struct mail); }

enum hone_status hone_shared_memory_create(int *descriptor, int size) {
    if (size > HONE_SHARED_MEMORY_RANKS)
        return hone_fail(HONE_USAGE, "%d ranks on one machine, at most %d share memory", size,
                         HONE_SHARED_MEMORY_RANKS);
    int fd = memfd_create("hone", MFD_CLOEXEC);
    if (fd < 0) return hone_fail(HONE_RANK, "memory to share between ranks: %s", strerror(errno));
    if (ftruncate(fd, (off_t)bytes_for(size)) != 0) {
        int error = errno;
        close(fd);
        return hone_fail(HONE_OUT_OF_MEMORY, "%zu bytes to share between ranks: %s", bytes_for(size), strerror(error));
    }
    *descriptor = fd;
    return HONE_OK;
}

enum hone_status hone_shared_memory_find(int *descriptor, int64_t process, int its_descriptor) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%lld/fd/%d", (long long)process, its_descriptor);
    *descriptor = open(path, O_RDWR | O_CLOEXEC);
    if (*descriptor >= 0) return HONE_OK;
    return hone_fail(HONE_RANK,
                     "the memory of rank 0 (process %lld) cannot be opened: %s; ranks that share memory run on one "
                     "machine, in one container, by one user",
                     (long long)process, strerror(errno));
}

static void futex(_Atomic uint32_t *word, int operation, uint32_t value, const struct timespec *time) {
    syscall(SYS_futex, word, operation, value, time, NULL, 0);
}

static void wake_all(_Atomic uint32_t *word) { futex(word, FUTEX_WAKE, INT32_MAX, NULL); }

static void pause_briefly(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
}

/* Until *word is no longer `value`. */
static enum hone_status wait_while(struct shared *m, _Atomic uint32_t *word, uint32_t value) {
    const struct timespec nap = {.tv_nsec = NAP_NS};
    for (int i = 0; atomic_load_explicit(word, memory_order_acquire) == value; i++) {
        if (atomic_load_explicit(&m->header->aborted, memory_order_relaxed))
            return hone_fail(HONE_RANK, "rank %d: another rank gave up", m->table.rank);
        if (i < SPINS)
            pause_briefly();
        else
            futex(word, FUTEX_WAIT, value, &nap);
    }
    return HONE_OK;
}

static enum hone_status meet_all(struct shared *m) {
    struct header *h = m->header;
    if (atomic_load(&h->aborted)) return hone_fail(HONE_RANK, "rank %d: another rank gave up", m->table.rank);
    uint32_t generation = atomic_load_explicit(&h->generation, memory_order_acquire);
    if (atomic_fetch_add(&h->arrived, 1) + 1 < (uint32_t)m->table.size)
        return wait_while(m, &h->generation, generation);
    atomic_store(&h->arrived, 0);
    atomic_store_explicit(&h->generation, generation + 1, memory_order_release);
    wake_all(&h->generation);
    return HONE_OK;
}

/* All ranks have put their parts into place `m->turn`, which they may read now; the next place is to be filled next. */
static enum hone_status exchange(struct shared *m, const struct hone_call *call) {
    struct desk *desks = m->header->desks;
    int turn = m->turn;
    desks[m->table.rank].calls[turn] = *call;
    HONE_TRY(meet_all(m));
    m->turn = !turn;
    for (int r = 0; r < m->table.size; r++) HONE_TRY(hone_call_compare(call, m->table.rank, &desks[r].calls[turn], r));
    return HONE_OK;
}

static char *piece_of(const struct shared *m, int rank, int turn) {
    return m->pieces + ((size_t)rank * 2 + (size_t)turn) * PIECE;
}

static void copy(void *to, const void *from, int64_t bytes) {
    if (bytes > 0) memcpy(to, from, (size_t)bytes);
}

/* to[n]: elements from `begin` on of all ranks' pieces, rank after rank. */
static void reduce(const struct shared *m, void *to, int turn, int64_t begin, int64_t n, enum hone_dtype dtype,
                   enum hone_reduction reduction) {
    size_t size = hone_dtype_size(dtype);
    copy(to, piece_of(m, 0, turn) + (size_t)begin * size, n * (int64_t)size);
    for (int r = 1; r < m->table.size; r++) {
        hone_reduce_next(to, piece_of(m, r, turn) + (size_t)begin * size, n, dtype, reduction);
    }
}

static enum hone_status reduce_pieces(struct shared *m, char *data, int64_t n, enum hone_dtype dtype,
                                      enum hone_reduction reduction) {
    int64_t size = (int64_t)hone_dtype_size(dtype), most = PIECE / size, ranks = m->table.size;
    struct hone_call call = {HONE_CALL_ALL_REDUCE, n * size, dtype, reduction, 0};
    for (int64_t at = 0; at < n; at += most) {
        int64_t count = hone_min_i64(most, n - at), share = hone_round_up((count + ranks - 1) / ranks, LINE / size);
        int64_t begin = hone_min_i64(count, share * m->table.rank), end = hone_min_i64(count, begin + share);
        int turn = m->turn;
        char *result = m->results + (size_t)turn * PIECE;
        copy(piece_of(m, m->table.rank, turn), data + at * size, count * size);
        HONE_TRY(exchange(m, &call));
        reduce(m, result + begin * size, turn, begin, end - begin, dtype, reduction);
        HONE_TRY(meet_all(m));
        copy(data + at * size, result, count * size);
    }
    return HONE_OK;
}

static enum hone_status all_reduce(struct hone_collectives *c, void *data, int64_t n, enum hone_dtype dtype,
                                   enum hone_reduction reduction, struct hone_stream *s) {
    (void)s;
    hone_call_check(dtype);
    struct shared *m = (struct shared *)c;
    hone_call_enter(c, hone_call_names[HONE_CALL_ALL_REDUCE]);
    return hone_call_leave(c, reduce_pieces(m, data, n, dtype, reduction));
}

static enum hone_status scatter_pieces(struct shared *m, char *out, const char *in, int64_t n, enum hone_dtype dtype,
                                       enum hone_reduction reduction) {
    int64_t size = (int64_t)hone_dtype_size(dtype), ranks = m->table.size, most = PIECE / size / ranks;
    struct hone_call call = {HONE_CALL_REDUCE_SCATTER, n * size, dtype, reduction, 0};
    for (int64_t at = 0; at < n; at += most) {
        int64_t count = hone_min_i64(most, n - at);
        int turn = m->turn;
        for (int64_t r = 0; r < ranks; r++)
            copy(piece_of(m, m->table.rank, turn) + r * count * size, in + (r * n + at) * size, count * size);
        HONE_TRY(exchange(m, &call));
        reduce(m, out + at * size, turn, m->table.rank * count, count, dtype, reduction);
    }
    return HONE_OK;
}

static enum hone_status reduce_scatter(struct hone_collectives *c, void *out, const void *in, int64_t n,
                                       enum hone_dtype dtype, enum hone_reduction reduction, struct hone_stream *s) {
    (void)s;
    hone_call_check(dtype);
    struct shared *m = (struct shared *)c;
    hone_call_enter(c, hone_call_names[HONE_CALL_REDUCE_SCATTER]);
    return hone_call_leave(c, scatter_pieces(m, out, in, n, dtype, reduction));
}

static enum hone_status gather_pieces(struct shared *m, char *out, const char *in, int64_t bytes) {
    struct hone_call call = {HONE_CALL_ALL_GATHER, bytes, 0, 0, 0};
    for (int64_t at = 0; at < bytes; at += PIECE) {
        int64_t count = hone_min_i64(PIECE, bytes - at);
        int turn = m->turn;
        copy(piece_of(m, m->table.rank, turn), in + at, count);
        HONE_TRY(exchange(m, &call));
        for (int r = 0; r < m->table.size; r++) copy(out + r * bytes + at, piece_of(m, r, turn), count);
    }
    return HONE_OK;
}

static enum hone_status all_gather(struct hone_collectives *c, void *out, const void *in, int64_t bytes,
                                   struct hone_stream *s) {
    (void)s;
    struct shared *m = (struct shared *)c;
    hone_call_enter(c, hone_call_names[HONE_CALL_ALL_GATHER]);
    return hone_call_leave(c, gather_pieces(m, out, in, bytes));
}

static enum hone_status cast_pieces(struct shared *m, char *data, int64_t bytes, int root) {
    struct hone_call call = {HONE_CALL_BROADCAST, bytes, 0, 0, root};
    for (int64_t at = 0; at < bytes; at += PIECE) {
        int64_t count = hone_min_i64(PIECE, bytes - at);
        int turn = m->turn;
        if (m->table.rank == root) copy(piece_of(m, root, turn), data + at, count);
        HONE_TRY(exchange(m, &call));
        if (m->table.rank != root) copy(data + at, piece_of(m, root, turn), count);
    }
    return HONE_OK;
}

static enum hone_status broadcast(struct hone_collectives *c, void *data, int64_t bytes, int root,
                                  struct hone_stream *s) {
    (void)s;
    HONE_CHECK(root >= 0 && root < c->size, "a broadcast of rank %d of %d", root, c->size);
    struct shared *m = (struct shared *)c;
    hone_call_enter(c, hone_call_names[HONE_CALL_BROADCAST]);
    return hone_call_leave(c, cast_pieces(m, data, bytes, root));
}

static struct mail *mail_of(const struct shared *m, int from, int to) {
    HONE_CHECK(from != to && from >= 0 && to >= 0 && from < m->table.size && to < m->table.size,
               "mail from rank %d to rank %d of %d", from, to, m->table.size);
    return &m->mails[(size_t)from * (size_t)m->table.size + (size_t)to];
}

/* The box is to be `full` or not: waits for it. */
static enum hone_status wait_for_mail(struct shared *m, struct mail *mail, bool full) {
    if (atomic_load(&m->header->aborted)) return hone_fail(HONE_RANK, "rank %d: another rank gave up", m->table.rank);
    return wait_while(m, &mail->full, !full);
}

static void set_mail(struct mail *mail, bool full) {
    atomic_store_explicit(&mail->full, full, memory_order_release);
    wake_all(&mail->full);
}

static enum hone_status send_pieces(struct shared *m, const char *data, int64_t bytes, struct mail *mail) {
    for (int64_t at = 0; at < bytes; at += MAIL) {
        HONE_TRY(wait_for_mail(m, mail, false));
        copy(mail->data, data + at, hone_min_i64(MAIL, bytes - at));
        set_mail(mail, true);
    }
    return HONE_OK;
}

static enum hone_status send_to(struct hone_collectives *c, const void *data, int64_t bytes, int to,
                                struct hone_stream *s) {
    (void)s;
    struct shared *m = (struct shared *)c;
    hone_call_enter(c, "send");
    return hone_call_leave(c, send_pieces(m, data, bytes, mail_of(m, c->rank, to)));
}

static enum hone_status receive_pieces(struct shared *m, char *data, int64_t bytes, struct mail *mail) {
    for (int64_t at = 0; at < bytes; at += MAIL) {
        HONE_TRY(wait_for_mail(m, mail, true));
        copy(data + at, mail->data, hone_min_i64(MAIL, bytes - at));
        set_mail(mail, false);
    }
    return HONE_OK;
}

static enum hone_status receive(struct hone_collectives *c, void *data, int64_t bytes, int from,
                                struct hone_stream *s) {
    (void)s;
    struct shared *m = (struct shared *)c;
    hone_call_enter(c, "receive");
    return hone_call_leave(c, receive_pieces(m, data, bytes, mail_of(m, from, c->rank)));
}

static enum hone_status barrier(struct hone_collectives *c, struct hone_stream *s) {
    (void)s;
    struct shared *m = (struct shared *)c;
    hone_call_enter(c, hone_call_names[HONE_CALL_BARRIER]);
    return hone_call_leave(c, exchange(m, &(struct hone_call){HONE_CALL_BARRIER, 0, 0, 0, 0}));
}

static void give_up(struct hone_collectives *c) {
    struct header *h = ((struct shared *)c)->header;
    atomic_store(&h->aborted, 1);
    wake_all(&h->generation);
}

static void close_memory(struct hone_collectives *c) {
    struct shared *m = (struct shared *)c;
    munmap(m->header, m->bytes);
    hone_free(m);
}

enum hone_status hone_shared_memory_open(struct hone_collectives **out, int descriptor, int rank, int size) {
    HONE_CHECK(rank >= 0 && rank < size, "rank %d of %d", rank, size);
    size_t bytes = bytes_for(size);
    struct stat about;
    if (fstat(descriptor, &about) != 0 || about.st_size != (off_t)bytes)
        return hone_fail(HONE_RANK, "rank %d: what rank 0 shares is no memory for %d ranks", rank, size);
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
    if (memory == MAP_FAILED)
        return hone_fail(HONE_OUT_OF_MEMORY, "%zu bytes to share between ranks: %s", bytes, strerror(errno));
    struct shared *m = hone_calloc(1, sizeof *m, "collectives");
    m->table = (struct hone_collectives){.name = "shared memory",
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
                                         .close = close_memory};
    m->header = memory;
    m->pieces = (char *)memory + sizeof(struct header);
    m->results = m->pieces + (size_t)size * 2 * PIECE;
    m->mails = (struct mail *)(m->results + 2 * PIECE);
    m->bytes = bytes;
    *out = &m->table;
    return HONE_OK;
}
