#include "dist/world.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/memory.h"
#include "dist/mpi.h"
#include "dist/shared_memory.h"

struct hone_world *hone_world_alone(void) {
    static struct hone_world alone = {.size = 1};
    alone.collectives = hone_collectives_alone();
    return &alone;
}

/* The first rank that is on another machine than rank 0; 0: none. */
static int first_elsewhere(const struct hone_world *world) {
    const struct hone_peer *peers = world->meeting.peers;
    for (int r = 1; r < world->size; r++)
        if (strcmp(peers[r].host, peers[0].host) != 0) return r;
    return 0;
}

/* `memory` is rank 0's, or -1 elsewhere, where the descriptor comes to be in it. */
static enum hone_status open_transport(struct hone_world *world, enum hone_transport transport, int *memory) {
    const struct hone_peer *peers = world->meeting.peers;
    int elsewhere = first_elsewhere(world);
    if (transport == HONE_TRANSPORT_MPI || (transport == HONE_TRANSPORT_AUTO && elsewhere))
        return hone_mpi_collectives(&world->collectives, world->rank, world->size);
    if (elsewhere)
        return hone_fail(HONE_RANK, "rank %d is on %s and rank 0 on %s: shared memory joins ranks of one machine only",
                         elsewhere, peers[elsewhere].host, peers[0].host);
    if (world->rank > 0) HONE_TRY(hone_shared_memory_find(memory, peers[0].process, (int)world->meeting.token));
    return hone_shared_memory_open(&world->collectives, *memory, world->rank, world->size);
}

static enum hone_status join(struct hone_world *world, const struct hone_place *place, enum hone_transport transport,
                             double seconds) {
    int memory = -1;
    enum hone_status status = HONE_OK;
    if (place->rank == 0 && transport != HONE_TRANSPORT_MPI) HONE_TRY(hone_shared_memory_create(&memory, place->size));
    HONE_TRY_GOTO(hone_rendezvous(&world->meeting, place, 10 * seconds, memory));
    HONE_TRY_GOTO(open_transport(world, transport, &memory));
    HONE_TRY_GOTO(
        hone_watch_start(&world->watch, &world->meeting, place->rank, place->size, world->collectives, seconds));
    /* Rank 0 closes its descriptor when all have opened it. */
    status = world->collectives->barrier(world->collectives, NULL);
done:
    if (memory >= 0) close(memory);
    return status;
}

/* Goes when the launcher goes, also if that is gone already. */
static void follow_launcher(void) {
    const char *launcher = getenv(HONE_LAUNCHER);
    if (!launcher) return;
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (strtol(launcher, NULL, 10) != (long)getppid()) raise(SIGTERM);
}

enum hone_status hone_world_join(struct hone_world **out, enum hone_transport transport, double seconds) {
    struct hone_place place;
    *out = NULL;
    HONE_TRY(hone_place_find(&place));
    struct hone_world *world = hone_calloc(1, sizeof *world, "ranks");
    world->rank = place.rank;
    world->size = place.size;
    world->collectives = hone_collectives_alone();
    follow_launcher();
    enum hone_status status = place.size == 1 ? HONE_OK : join(world, &place, transport, seconds);
    if (status == HONE_OK)
        *out = world;
    else
        hone_world_leave(world, status);
    return status;
}

void hone_world_leave(struct hone_world *world, enum hone_status status) {
    if (!world) return;
    hone_watch_end(world->watch, status);
    world->collectives->close(world->collectives);
    hone_meeting_close(&world->meeting);
    hone_free(world);
}

void hone_world_mark(struct hone_world *world, enum hone_phase phase, int64_t step) {
    if (world->watch) hone_watch_mark(world->watch, phase, step);
}

enum hone_status hone_world_largest(int64_t *value, struct hone_world *world) {
    return world->collectives->all_reduce(world->collectives, value, 1, HONE_I64, HONE_MAX, NULL);
}

enum hone_status hone_world_share(int64_t *value, struct hone_world *world) {
    return world->collectives->broadcast(world->collectives, value, sizeof *value, 0, NULL);
}

enum hone_status hone_world_compare(struct hone_world *world, const struct hone_fact *facts, int n) {
    enum { VALUE = sizeof facts->value };
    size_t bytes = (size_t)n * VALUE;
    char *mine = hone_calloc(bytes, 1, "facts of ranks");
    char *all = hone_alloc((size_t)world->size, bytes, "facts of ranks");
    for (int i = 0; i < n; i++) memcpy(mine + (size_t)i * VALUE, facts[i].value, strnlen(facts[i].value, VALUE - 1));
    enum hone_status status = world->collectives->all_gather(world->collectives, all, mine, (int64_t)bytes, NULL);
    for (int r = 1; r < world->size && status == HONE_OK; r++) {
        for (int i = 0; i < n && status == HONE_OK; i++) {
            const char *its = all + (size_t)r * bytes + (size_t)i * VALUE, *first = all + (size_t)i * VALUE;
            if (memcmp(its, first, VALUE) != 0)
                status = hone_fail(HONE_RANK, "rank %d on %s has another %s than rank 0: %.*s, rank 0 has %.*s", r,
                                   world->meeting.peers[r].host, facts[i].name, VALUE - 1, its, VALUE - 1, first);
        }
    }
    hone_free(mine);
    hone_free(all);
    return status;
}
