#include "dist/pace.h"

#include <stdlib.h>

#include "base/log.h"
#include "base/memory.h"

enum { STEPS = 20 };
static const double factor = 1.5, least = 0.005; /* the latter seconds a step */

static int by_pace(const void *a, const void *b) {
    const struct hone_own_work *x = a, *y = b;
    double left = x->seconds * (double)y->tokens, right = y->seconds * (double)x->tokens;
    return (left > right) - (left < right);
}

bool hone_pace_is_slow(double *at_median, const struct hone_own_work *work, int size, int rank, int steps) {
    const struct hone_own_work *its = &work[rank];
    struct hone_own_work *others = hone_alloc((size_t)size, sizeof *others, "times of ranks");
    int64_t tokens = 0, seen = 0;
    int n = 0, middle = 0, shorter = 0;
    for (int r = 0; r < size; r++) {
        if (r == rank || work[r].tokens == 0) continue;
        others[n++] = work[r];
        tokens += work[r].tokens;
        shorter += work[r].seconds < its->seconds;
    }
    qsort(others, (size_t)n, sizeof *others, by_pace);
    while (middle < n - 1 && 2 * (seen += others[middle].tokens) < tokens) middle++;
    *at_median = n > 0 ? others[middle].seconds / (double)others[middle].tokens * (double)its->tokens : 0;
    hone_free(others);
    return n > 0 && its->tokens > 0 && 2 * shorter >= n && its->seconds > factor * *at_median &&
           its->seconds - *at_median > least * steps;
}

static void tell(struct hone_pace *pace, const struct hone_own_work *work, const struct hone_world *world) {
    for (int r = 0; r < world->size; r++) {
        const struct hone_peer *peer = &world->meeting.peers[r];
        uint64_t bit = UINT64_C(1) << (r % 64);
        double at_median;
        if (!hone_pace_is_slow(&at_median, work, world->size, r, pace->steps)) {
            pace->told &= ~bit;
            continue;
        }
        if (!(pace->told & bit))
            hone_warn(
                "rank %d on %s (process %lld) is slow: its share of %d steps took %.2f s, and takes %.2f s at the "
                "pace of the others, which wait for it",
                r, peer->host, (long long)peer->process, pace->steps, work[r].seconds, at_median);
        pace->told |= bit;
    }
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
