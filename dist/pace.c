#include "dist/pace.h"

#include <stdlib.h>

#include "base/log.h"
#include "base/memory.h"

enum { STEPS = 20 };
static const double factor = 1.5, least = 0.005; /* the latter seconds a step */

static int by_size(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int hone_pace_straggler(double *at_median, const struct hone_own_work *work, int size, int steps) {
    int slowest = -1, n = 0;
    double *others = hone_alloc((size_t)size, sizeof *others, "times of ranks"), most = -1;
    for (int r = 0; r < size; r++) {
        double each = work[r].tokens > 0 ? work[r].seconds / (double)work[r].tokens : -1;
        if (each > most) {
            most = each;
            slowest = r;
        }
    }
    for (int r = 0; r < size; r++)
        if (r != slowest && work[r].tokens > 0) others[n++] = work[r].seconds / (double)work[r].tokens;
    qsort(others, (size_t)n, sizeof *others, by_size);
    double median = n == 0 ? most : n % 2 ? others[n / 2] : (others[n / 2 - 1] + others[n / 2]) / 2;
    hone_free(others);
    if (slowest < 0) return -1;
    *at_median = median * (double)work[slowest].tokens;
    bool slow = most > factor * median && work[slowest].seconds - *at_median > least * steps;
    return slow ? slowest : -1;
}

static void tell(struct hone_pace *pace, const struct hone_own_work *work, const struct hone_world *world) {
    double at_median;
    int rank = hone_pace_straggler(&at_median, work, world->size, pace->steps);
    if (rank >= 0 && pace->told != rank + 1) {
        const struct hone_peer *peer = &world->meeting.peers[rank];
        hone_warn(
            "rank %d on %s (process %lld) is slow: its share of %d steps took %.2f s, and takes %.2f s at the pace "
            "of the others, which wait for it",
            rank, peer->host, (long long)peer->process, pace->steps, work[rank].seconds, at_median);
    }
    pace->told = rank + 1;
}

enum hone_status hone_pace_step(struct hone_pace *pace, struct hone_own_work own, struct hone_world *world) {
    struct hone_collectives *c = world->collectives;
    if (world->size == 1) return HONE_OK;
    pace->work.seconds += own.seconds;
    pace->work.tokens += own.tokens;
    if (++pace->steps < STEPS) return HONE_OK;
    struct hone_own_work *all = hone_alloc((size_t)world->size, sizeof *all, "times of ranks");
    enum hone_status status = c->all_gather(c, all, &pace->work, sizeof *all, NULL);
    if (status == HONE_OK && world->rank == 0) tell(pace, all, world);
    hone_free(all);
    pace->work = (struct hone_own_work){0};
    pace->steps = 0;
    return status;
}
