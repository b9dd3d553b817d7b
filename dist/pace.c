#include "dist/pace.h"

#include <stdlib.h>

#include "base/log.h"
#include "base/memory.h"

enum { STEPS = 20 };
static const double factor = 1.5, least = 0.005; /* seconds a step */

static int by_size(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int hone_pace_straggler(double *median, const double *seconds, int size, int steps) {
    int slowest = 0, n = 0;
    double *others = hone_alloc((size_t)size, sizeof *others, "times of ranks");
    for (int r = 1; r < size; r++)
        if (seconds[r] > seconds[slowest]) slowest = r;
    for (int r = 0; r < size; r++)
        if (r != slowest) others[n++] = seconds[r];
    qsort(others, (size_t)n, sizeof *others, by_size);
    *median = n % 2 ? others[n / 2] : (others[n / 2 - 1] + others[n / 2]) / 2;
    hone_free(others);
    bool slow = seconds[slowest] > factor * *median && seconds[slowest] - *median > least * steps;
    return slow ? slowest : -1;
}

static void tell(struct hone_pace *pace, const double *seconds, const struct hone_world *world) {
    double median;
    int rank = hone_pace_straggler(&median, seconds, world->size, pace->steps);
    if (rank >= 0 && !pace->named) {
        const struct hone_peer *peer = &world->meeting.peers[rank];
        hone_warn("rank %d on %s (process %lld) is slow: its share of %d steps took %.2f s, that of the others %.2f s "
                  "(median), and they wait for it",
                  rank, peer->host, (long long)peer->process, pace->steps, seconds[rank], median);
    }
    pace->named = rank >= 0;
}

enum hone_status hone_pace_step(struct hone_pace *pace, double seconds, struct hone_world *world) {
    struct hone_collectives *c = world->collectives;
    if (world->size == 1) return HONE_OK;
    pace->seconds += seconds;
    if (++pace->steps < STEPS) return HONE_OK;
    double *all = hone_alloc((size_t)world->size, sizeof *all, "times of ranks");
    enum hone_status status = c->all_gather(c, all, &pace->seconds, sizeof *all, NULL);
    if (status == HONE_OK && world->rank == 0) tell(pace, all, world);
    hone_free(all);
    pace->seconds = 0;
    pace->steps = 0;
    return status;
}
