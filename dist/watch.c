#include "dist/watch.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/io.h"
#include "base/log.h"
#include "base/memory.h"

#define BEAT_SECONDS 1.0
/* Heartbeats come from a thread of their own, which no work of its rank keeps from it. */
#define SILENT_SECONDS 8.0
#define GRACE_SECONDS  5.0
/* Whose collective was given up is about to hear because of whom, and lets that be told. */
#define BLAME_SECONDS 2.0
#define LOOK_MS       250

static const char *const phases[] = {"starting", "at a step", "evaluating", "saving"};
static const double patience[] = {10, 1, 1, 10};

enum kind { BEAT = 1, LEAVE, ABORT };

struct message {
    int32_t kind, rank, phase, status;
    int64_t step, begun;
    double idle;  /* seconds since its last mark or collective */
    char now[48]; /* the collective that it is inside of; "" */
    char text[640];
};

/* What is known of a rank. */
struct known {
    struct message last;
    double heard;
    bool left;
};

struct hone_watch {
    const struct hone_meeting *meeting;
    struct hone_collectives *collectives;
    int rank, size;
    double seconds;
    struct known *known; /* [size] */
    pthread_t thread;
    int bell;        /* rung when this rank leaves */
    double deadline; /* for this rank to leave by itself; 0: none */

    _Atomic double marked;
    _Atomic int phase;
    _Atomic int64_t step;
    _Atomic int leaving; /* 1: with `leave_status` */
    enum hone_status leave_status;
    char leave_text[640];
};

static const struct hone_peer *peer(const struct hone_watch *w, int rank) { return &w->meeting->peers[rank]; }

/* Who leaves a collective has made progress: perhaps it waited there until another rank was given up, and is about to end. */
static double idle_seconds(const struct hone_watch *w) {
    double marked = atomic_load(&w->marked), left = atomic_load(&w->collectives->left);
    return hone_seconds() - (left > marked ? left : marked);
}

static struct message message_of(const struct hone_watch *w, enum kind kind) {
    const char *now = atomic_load(&w->collectives->now);
    struct message m = {.kind = kind,
                        .rank = w->rank,
                        .phase = atomic_load(&w->phase),
                        .step = atomic_load(&w->step),
                        .begun = atomic_load(&w->collectives->begun),
                        .idle = idle_seconds(w)};
    if (now) snprintf(m.now, sizeof m.now, "%s", now);
    return m;
}

static int connection_to(const struct hone_watch *w, int rank) {
    return w->meeting->connections[w->rank == 0 ? rank : 0];
}

static void tell(struct hone_watch *w, int rank, const struct message *m) {
    /* Who has left may still wait for this rank's own farewell; nobody listens to it otherwise. */
    (void)hone_connection_send(connection_to(w, rank), m, sizeof *m);
}

/* Rank 0 tells everybody, the others rank 0. */
static void tell_all(struct hone_watch *w, const struct message *m) {
    if (w->rank != 0) {
        tell(w, 0, m);
        return;
    }
    for (int r = 1; r < w->size; r++) {
        if (r != m->rank || m->kind == BEAT) tell(w, r, m);
    }
}

/* "rank 1 at a step 12, in all-reduce (number 345) for 3.1 s" of every rank, as last heard of. */
static void print_all(const struct hone_watch *w) {
    for (int r = 0; r < w->size; r++) {
        struct message m = r == w->rank ? message_of(w, BEAT) : w->known[r].last;
        if (!m.kind) continue;
        dprintf(STDERR_FILENO, "hone: rank %d on %s (process %lld) %s %s (step %lld), %s%s (number %lld), %.1f s\n", r,
                peer(w, r)->host, (long long)peer(w, r)->process, r == w->rank ? "is" : "was", phases[m.phase & 3],
                (long long)m.step, m.now[0] ? "in " : "in no collective", m.now, (long long)m.begun, m.idle);
    }
}

_Noreturn static void end(struct hone_watch *w, const char *text) {
    hone_progress_end();
    dprintf(STDERR_FILENO, "hone: rank %d: %s\n", w->rank, text);
    if (w->rank == 0) print_all(w);
    w->collectives->abort(w->collectives);
    hone_temporary_remove_all();
    _exit(HONE_RANK);
}

/* The job is over: tells the others, then ends. */
__attribute__((format(printf, 3, 4))) _Noreturn static void fail(struct hone_watch *w, int culprit, const char *format,
                                                                 ...) {
    struct message m = message_of(w, ABORT);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(m.text, sizeof m.text, format, arguments);
    va_end(arguments);
    m.rank = culprit;
    tell_all(w, &m);
    end(w, m.text);
}

static void take(struct hone_watch *w, struct message *m, int from) {
    int rank = w->rank == 0 ? from : m->rank;
    m->text[sizeof m->text - 1] = m->now[sizeof m->now - 1] = 0;
    if (rank < 0 || rank >= w->size) return;
    w->known[from].heard = hone_seconds();
    if (m->kind == ABORT) {
        if (w->rank == 0) {
            struct message on = *m;
            tell_all(w, &on);
        }
        end(w, m->text);
    }
    if (m->kind == LEAVE) {
        w->known[from].left = true;
        bool stops = m->status == HONE_OK || m->status == HONE_PREEMPTED || m->status == HONE_INTERRUPTED;
        /* A step that is not finite ends all ranks together: this one may be about to say so itself. */
        if (m->status == HONE_NUMERIC && w->deadline == 0) w->deadline = hone_seconds() + GRACE_SECONDS;
        if (!stops && m->status != HONE_NUMERIC)
            fail(w, from, "rank %d on %s (process %lld) ended: %s", from, peer(w, from)->host,
                 (long long)peer(w, from)->process, m->text);
    }
    if (m->kind == BEAT) w->known[from].last = *m;
}

static void hear(struct hone_watch *w, int from) {
    struct message m;
    if (hone_connection_receive(connection_to(w, from), &m, sizeof m)) {
        take(w, &m, from);
        return;
    }
    if (w->known[from].left) return;
    w->known[from].left = true;
    fail(w, from, "rank %d on %s (process %lld) is dead: its connection ended %s (step %lld)", from,
         peer(w, from)->host, (long long)peer(w, from)->process, phases[w->known[from].last.phase & 3],
         (long long)w->known[from].last.step);
}

/* Rank r, as far as m tells, is beyond its deadline, and nobody keeps it waiting. */
static bool is_overdue(const struct hone_watch *w, const struct message *m) {
    return m->kind == BEAT && !m->now[0] && m->idle > w->seconds * patience[m->phase & 3];
}

static void look(struct hone_watch *w) {
    double now = hone_seconds();
    if (w->deadline > 0 && now > w->deadline && !atomic_load(&w->leaving))
        fail(w, w->rank, "another rank ended at a number that is not finite, and rank %d goes on", w->rank);
    struct message mine = message_of(w, BEAT);
    bool all_wait = mine.now[0] && mine.idle > w->seconds * 10;
    if (!atomic_load(&w->leaving) && is_overdue(w, &mine))
        fail(w, w->rank, "rank %d on %s (process %lld) hangs: %s (step %lld) for %.0f s, in no collective", w->rank,
             peer(w, w->rank)->host, (long long)peer(w, w->rank)->process, phases[mine.phase & 3], (long long)mine.step,
             mine.idle);
    for (int r = 0; r < w->size; r++) {
        struct known *k = &w->known[r];
        if (r == w->rank || (w->rank != 0 && r != 0)) continue;
        all_wait = all_wait && k->last.now[0];
        if (!k->left && now - k->heard > SILENT_SECONDS)
            fail(w, r, "rank %d on %s (process %lld) is silent for %.0f s: stopped, or its machine is gone", r,
                 peer(w, r)->host, (long long)peer(w, r)->process, now - k->heard);
    }
    if (w->rank == 0 && all_wait)
        fail(w, 0, "all ranks wait in collectives for %.0f s: the transport (%s) hangs", mine.idle,
             w->collectives->name);
}

static bool all_left(const struct hone_watch *w) {
    for (int r = 0; r < w->size; r++) {
        if (r == w->rank || (w->rank != 0 && r != 0)) continue;
        if (!w->known[r].left) return false;
    }
    return true;
}

static void say_goodbye(struct hone_watch *w) {
    struct message m = message_of(w, LEAVE);
    m.status = (int32_t)w->leave_status;
    snprintf(m.text, sizeof m.text, "%s", w->leave_text);
    tell_all(w, &m);
}

static void *watch(void *argument) {
    struct hone_watch *w = argument;
    struct pollfd *ready = hone_alloc((size_t)w->size + 1, sizeof *ready, "connections of ranks");
    int *rank_of = hone_alloc((size_t)w->size + 1, sizeof *rank_of, "connections of ranks");
    double beat = 0, asked = 0;
    bool said = false;
    for (;;) {
        if (atomic_load(&w->leaving) && asked == 0) asked = hone_seconds();
        bool waits = asked > 0 && w->leave_status == HONE_RANK && hone_seconds() - asked < BLAME_SECONDS;
        if (asked > 0 && !said && !waits) {
            say_goodbye(w);
            said = true;
        }
        /* Rank 0 leaves last, so that it can tell the others of one that fails meanwhile. */
        if (said && (w->leave_status != HONE_OK || w->rank != 0 || all_left(w))) break;
        int n = 0;
        for (int r = 0; r < w->size; r++) {
            if (r == w->rank || (w->rank != 0 && r != 0) || w->known[r].left) continue;
            rank_of[n] = r;
            ready[n++] = (struct pollfd){.fd = connection_to(w, r), .events = POLLIN};
        }
        ready[n] = (struct pollfd){.fd = w->bell, .events = asked > 0 ? 0 : POLLIN};
        (void)poll(ready, (nfds_t)n + 1, LOOK_MS);
        for (int i = 0; i < n; i++) {
            if (ready[i].revents) hear(w, rank_of[i]);
        }
        if (hone_seconds() - beat >= BEAT_SECONDS) {
            struct message m = message_of(w, BEAT);
            beat = hone_seconds();
            tell_all(w, &m);
        }
        look(w);
    }
    hone_free(ready);
    hone_free(rank_of);
    return NULL;
}

enum hone_status hone_watch_start(struct hone_watch **out, const struct hone_meeting *meeting, int rank, int size,
                                  struct hone_collectives *collectives, double seconds) {
    struct hone_watch *w = hone_calloc(1, sizeof *w, "watch over ranks");
    w->meeting = meeting;
    w->collectives = collectives;
    w->rank = rank;
    w->size = size;
    w->seconds = seconds;
    w->known = hone_calloc((size_t)size, sizeof *w->known, "watch over ranks");
    for (int r = 0; r < size; r++) w->known[r].heard = hone_seconds();
    hone_watch_mark(w, HONE_PHASE_START, 0);
    w->bell = eventfd(0, EFD_CLOEXEC);
    if (w->bell >= 0 && pthread_create(&w->thread, NULL, watch, w) == 0) {
        *out = w;
        return HONE_OK;
    }
    int error = errno;
    if (w->bell >= 0) close(w->bell);
    hone_free(w->known);
    hone_free(w);
    return hone_fail(HONE_RANK, "no thread to watch the other ranks: %s", strerror(error));
}

void hone_watch_mark(struct hone_watch *w, enum hone_phase phase, int64_t step) {
    atomic_store(&w->phase, (int)phase);
    atomic_store(&w->step, step);
    atomic_store(&w->marked, hone_seconds());
}

void hone_watch_end(struct hone_watch *w, enum hone_status status) {
    if (!w) return;
    w->leave_status = status;
    if (status != HONE_OK) snprintf(w->leave_text, sizeof w->leave_text, "%s", hone_error_message());
    atomic_store(&w->leaving, 1);
    (void)!write(w->bell, &(uint64_t){1}, sizeof(uint64_t));
    pthread_join(w->thread, NULL);
    close(w->bell);
    hone_free(w->known);
    hone_free(w);
}
