/* A rank that connects sends a hello of fixed size. Rank 0 answers it at once when it is wrong, with a reason; the right
 * ones when all are there. Strangers that connect to the port are hung up on. */
#include "dist/rendezvous.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/memory.h"

#define HELLO   "hone-r1" /* with its 0: 8 bytes, which the version of all this is in */
#define WELCOME "hone-w1"
/* A stranger that says nothing may keep others waiting for so long. */
#define STRANGER_SECONDS 2
#define RETRY_NS         50000000

struct hello {
    char magic[8];
    char job[HONE_SHA256_TEXT + 7];
    int32_t rank, size;
    struct hone_peer self;
};

struct welcome {
    char magic[8];
    int32_t refused, size;
    int64_t token;
    char reason[512];
}; /* and struct hone_peer[size] when not refused */

bool hone_connection_send(int connection, const void *bytes, size_t n) {
    const char *at = bytes;
    while (n > 0) {
        ssize_t sent = send(connection, at, n, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR) continue;
        if (sent <= 0) return false;
        at += sent;
        n -= (size_t)sent;
    }
    return true;
}

bool hone_connection_receive(int connection, void *bytes, size_t n) {
    char *at = bytes;
    while (n > 0) {
        ssize_t got = recv(connection, at, n, 0);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) return false;
        at += got;
        n -= (size_t)got;
    }
    return true;
}

static void set_time_limit(int connection, double seconds) {
    struct timeval time = {.tv_sec = (time_t)seconds, .tv_usec = (suseconds_t)((seconds - (time_t)seconds) * 1e6)};
    if (seconds > 0 && time.tv_sec == 0 && time.tv_usec == 0) time.tv_usec = 1;
    setsockopt(connection, SOL_SOCKET, SO_RCVTIMEO, &time, sizeof time);
    setsockopt(connection, SOL_SOCKET, SO_SNDTIMEO, &time, sizeof time);
}

static void make_prompt(int connection) {
    int on = 1;
    setsockopt(connection, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

static struct hone_peer describe_self(void) {
    struct hone_peer self = {.process = getpid()};
    gethostname(self.host, sizeof self.host - 1);
    return self;
}

static enum hone_status resolve(struct addrinfo **out, const struct hone_place *place) {
    char port[16];
    snprintf(port, sizeof port, "%d", place->port);
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    int error = getaddrinfo(place->address, port, &hints, out);
    if (error == 0) return HONE_OK;
    return hone_fail(HONE_RANK, "rank %d: the address of rank 0, \"%s\", is not known here: %s", place->rank,
                     place->address, gai_strerror(error));
}

/* Of the machine alone when the address is its own inner one; else of every address that it has. */
static enum hone_status listen_at(int *out, const struct hone_place *place) {
    struct addrinfo *list;
    HONE_TRY(resolve(&list, place));
    int error = EADDRNOTAVAIL, on = 1;
    *out = -1;
    for (struct addrinfo *at = list; at && *out < 0; at = at->ai_next) {
        int fd = socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd < 0) continue;
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
        struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = htons((uint16_t)place->port)};
        const struct sockaddr_in *v4 = (const void *)at->ai_addr;
        bool inner = at->ai_family != AF_INET || ntohl(v4->sin_addr.s_addr) >> 24 == 127;
        if ((inner ? bind(fd, at->ai_addr, at->ai_addrlen) : bind(fd, (struct sockaddr *)&any, sizeof any)) == 0 &&
            listen(fd, HONE_RANKS_MOST) == 0) {
            *out = fd;
        } else {
            error = errno;
            close(fd);
        }
    }
    freeaddrinfo(list);
    if (*out >= 0) return HONE_OK;
    return hone_fail(HONE_RANK,
                     "rank 0 cannot listen at %s:%d: %s; set MASTER_PORT to a free port, the same on every "
                     "rank",
                     place->address, place->port, strerror(error));
}

static void refuse(int connection, const char *reason) {
    struct welcome answer = {.magic = WELCOME, .refused = 1};
    snprintf(answer.reason, sizeof answer.reason, "%s", reason);
    (void)hone_connection_send(connection, &answer, sizeof answer);
    close(connection);
}

/* One connection: a rank that was awaited, or none, which is told why. */
static enum hone_status take(struct hone_meeting *meeting, int *come, int connection, const struct hone_place *place) {
    struct hello hello;
    char reason[512];
    set_time_limit(connection, STRANGER_SECONDS);
    make_prompt(connection);
    if (!hone_connection_receive(connection, &hello, sizeof hello) ||
        memcmp(hello.magic, HELLO, sizeof hello.magic) != 0) {
        close(connection);
        return HONE_OK;
    }
    hello.job[sizeof hello.job - 1] = hello.self.host[sizeof hello.self.host - 1] = 0;
    if (strcmp(hello.job, place->job) != 0) {
        refuse(connection, "it belongs to another job");
        return HONE_OK;
    }
    reason[0] = 0;
    int32_t rank = hello.rank;
    if (hello.size != place->size)
        snprintf(reason, sizeof reason, "rank %d on %s counts %d ranks, rank 0 counts %d", rank, hello.self.host,
                 hello.size, place->size);
    else if (rank < 1 || rank >= place->size)
        snprintf(reason, sizeof reason, "rank %d on %s of %d ranks", rank, hello.self.host, place->size);
    else if (meeting->connections[rank] >= 0)
        snprintf(reason, sizeof reason, "rank %d is there twice: process %lld on %s and process %lld on %s", rank,
                 (long long)meeting->peers[rank].process, meeting->peers[rank].host, (long long)hello.self.process,
                 hello.self.host);
    if (reason[0]) {
        refuse(connection, reason);
        return hone_fail(HONE_RANK, "%s", reason);
    }
    meeting->peers[rank] = hello.self;
    meeting->connections[rank] = connection;
    ++*come;
    return HONE_OK;
}

static enum hone_status not_all(const struct hone_meeting *meeting, double seconds) {
    struct hone_text names = {0};
    int listed = 0;
    for (int r = 1; r < meeting->n_connections; r++) {
        if (meeting->connections[r] < 0 && listed++ < 16)
            hone_text_format(&names, "%srank %d", names.length ? ", " : "", r);
    }
    enum hone_status status = hone_fail(HONE_RANK, "%d of %d ranks did not come within %.0f s: %s%s", listed,
                                        meeting->n_connections, seconds, names.bytes, listed > 16 ? ", …" : "");
    hone_text_free(&names);
    return status;
}

static enum hone_status gather(struct hone_meeting *meeting, int listening, const struct hone_place *place,
                               double seconds) {
    double until = hone_seconds() + seconds;
    int come = 1;
    while (come < place->size) {
        double left = until - hone_seconds();
        if (left <= 0) return not_all(meeting, seconds);
        struct pollfd ready = {.fd = listening, .events = POLLIN};
        if (poll(&ready, 1, (int)(left * 1000) + 1) <= 0) continue;
        int connection = accept4(listening, NULL, NULL, SOCK_CLOEXEC);
        if (connection >= 0) HONE_TRY(take(meeting, &come, connection, place));
    }
    return HONE_OK;
}

static enum hone_status welcome_all(const struct hone_meeting *meeting, const struct hone_place *place, int64_t token) {
    struct welcome answer = {.magic = WELCOME, .size = place->size, .token = token};
    for (int r = 1; r < place->size; r++) {
        if (!hone_connection_send(meeting->connections[r], &answer, sizeof answer) ||
            !hone_connection_send(meeting->connections[r], meeting->peers,
                                  (size_t)place->size * sizeof *meeting->peers))
            return hone_fail(HONE_RANK, "rank %d on %s went away at the start", r, meeting->peers[r].host);
        set_time_limit(meeting->connections[r], 0);
    }
    return HONE_OK;
}

static enum hone_status host(struct hone_meeting *meeting, const struct hone_place *place, double seconds,
                             int64_t token) {
    int listening;
    HONE_TRY(listen_at(&listening, place));
    meeting->peers[0] = describe_self();
    enum hone_status status = gather(meeting, listening, place, seconds);
    close(listening);
    if (status == HONE_OK) return welcome_all(meeting, place, token);
    /* Those who came are told, too. */
    for (int r = 1; r < place->size; r++) {
        if (meeting->connections[r] >= 0) refuse(meeting->connections[r], hone_error_message());
        meeting->connections[r] = -1;
    }
    return status;
}

static enum hone_status connect_to(int *out, const struct hone_place *place, double until) {
    const struct timespec pause = {.tv_nsec = RETRY_NS};
    int error = ECONNREFUSED;
    while (hone_seconds() < until) {
        struct addrinfo *list;
        HONE_TRY(resolve(&list, place));
        for (struct addrinfo *at = list; at; at = at->ai_next) {
            int fd = socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
            if (fd < 0) continue;
            set_time_limit(fd, until - hone_seconds());
            if (connect(fd, at->ai_addr, at->ai_addrlen) == 0) {
                freeaddrinfo(list);
                make_prompt(fd);
                *out = fd;
                return HONE_OK;
            }
            error = errno;
            close(fd);
        }
        freeaddrinfo(list);
        nanosleep(&pause, NULL);
    }
    return hone_fail(HONE_RANK, "rank %d cannot reach rank 0 at %s:%d: %s", place->rank, place->address, place->port,
                     strerror(error));
}

/* HONE_OK with *again when whoever listens there is not, or not yet, the rank 0 that is meant. */
static enum hone_status introduce(struct hone_meeting *meeting, bool *again, const struct hone_place *place,
                                  double until) {
    struct hello hello = {.magic = HELLO, .rank = place->rank, .size = place->size, .self = describe_self()};
    struct welcome answer;
    int connection = -1;
    HONE_TRY(connect_to(&connection, place, until));
    snprintf(hello.job, sizeof hello.job, "%s", place->job);
    double left = until - hone_seconds();
    /* Rank 0's own limit ends first: it knows who is missing. */
    set_time_limit(connection, (left > 0 ? left : 0) + 5);
    if (!hone_connection_send(connection, &hello, sizeof hello) ||
        !hone_connection_receive(connection, &answer, sizeof answer) ||
        memcmp(answer.magic, WELCOME, sizeof answer.magic) != 0) {
        close(connection);
        *again = true;
        return hone_fail(HONE_RANK, "rank %d: what listens at %s:%d is no rank 0 of hone, or went away", place->rank,
                         place->address, place->port);
    }
    answer.reason[sizeof answer.reason - 1] = 0;
    if (answer.refused || answer.size != place->size) {
        close(connection);
        return hone_fail(HONE_RANK, "rank %d was refused by rank 0 at %s:%d: %s", place->rank, place->address,
                         place->port, answer.refused ? answer.reason : "it counts other ranks");
    }
    if (!hone_connection_receive(connection, meeting->peers, (size_t)place->size * sizeof *meeting->peers)) {
        close(connection);
        return hone_fail(HONE_RANK, "rank 0 at %s:%d went away at the start", place->address, place->port);
    }
    for (int r = 0; r < place->size; r++) meeting->peers[r].host[sizeof meeting->peers[r].host - 1] = 0;
    set_time_limit(connection, 0);
    meeting->connections[0] = connection;
    meeting->token = answer.token;
    return HONE_OK;
}

static enum hone_status visit(struct hone_meeting *meeting, const struct hone_place *place, double seconds) {
    const struct timespec pause = {.tv_nsec = RETRY_NS};
    double until = hone_seconds() + seconds;
    for (;;) {
        bool again = false;
        enum hone_status status = introduce(meeting, &again, place, until);
        if (!again || hone_seconds() > until) return status;
        nanosleep(&pause, NULL);
    }
}

enum hone_status hone_rendezvous(struct hone_meeting *out, const struct hone_place *place, double seconds,
                                 int64_t token) {
    int n = place->rank == 0 ? place->size : 1;
    *out = (struct hone_meeting){.n_connections = n, .token = token};
    out->peers = hone_calloc((size_t)place->size, sizeof *out->peers, "names of ranks");
    out->connections = hone_alloc((size_t)n, sizeof *out->connections, "connections of ranks");
    for (int i = 0; i < n; i++) out->connections[i] = -1;
    enum hone_status status = place->rank == 0 ? host(out, place, seconds, token) : visit(out, place, seconds);
    if (status != HONE_OK) hone_meeting_close(out);
    return status;
}

void hone_meeting_close(struct hone_meeting *meeting) {
    for (int i = 0; i < meeting->n_connections; i++) {
        if (meeting->connections[i] >= 0) close(meeting->connections[i]);
    }
    hone_free(meeting->connections);
    hone_free(meeting->peers);
    *meeting = (struct hone_meeting){0};
}
