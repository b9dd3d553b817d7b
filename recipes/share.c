#include "recipes/share.h"

#include "dist/balance.h"

struct hone_share hone_share_find(int64_t *room, const struct hone_run *run, const int64_t *chosen, int64_t n,
                                  int rank) {
    struct hone_share share = {.chosen = chosen, .n = n};
    int64_t *lengths = room, *taken = room + n, end;
    if (run->world->size == 1) return share;
    for (int64_t i = 0; i < n; i++) lengths[i] = run->train.begins[chosen[i] + 1] - run->train.begins[chosen[i]];
    if (run->recipe->distributed.reproducible == HONE_REPRODUCIBLE_WORLD) {
        hone_balance_leaves(&share.first, &end, lengths, n, run->recipe->distributed.leaf, rank, run->world->size);
        share.chosen = chosen + share.first;
        share.n = end - share.first;
        return share;
    }
    share.n = hone_balance_samples(taken, lengths, n, rank, run->world->size);
    for (int64_t i = 0; i < share.n; i++) taken[i] = chosen[taken[i]];
    share.chosen = taken;
    return share;
}
