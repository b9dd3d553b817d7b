#include "dist/balance.h"

#include <stdlib.h>

#include "base/arith.h"
#include "base/memory.h"

struct entry {
    int64_t tokens, at;
};

/* The longest first; of equal ones the earlier. */
static int compare(const void *a, const void *b) {
    const struct entry *x = a, *y = b;
    if (x->tokens != y->tokens) return x->tokens < y->tokens ? 1 : -1;
    return x->at < y->at ? -1 : 1;
}

static int lightest(const int64_t *loads, int size) {
    int best = 0;
    for (int r = 1; r < size; r++) {
        if (loads[r] < loads[best]) best = r;
    }
    return best;
}

int64_t hone_balance_samples(int64_t *share, const int64_t *tokens, int64_t n, int rank, int size) {
    struct entry *entries = hone_alloc((size_t)n, sizeof *entries, "samples of ranks");
    int64_t *loads = hone_calloc((size_t)size, sizeof *loads, "samples of ranks");
    int *owners = hone_alloc((size_t)n, sizeof *owners, "samples of ranks");
    for (int64_t i = 0; i < n; i++) entries[i] = (struct entry){tokens[i], i};
    if (n > 1) qsort(entries, (size_t)n, sizeof *entries, compare);
    for (int64_t i = 0; i < n; i++) {
        int owner = lightest(loads, size);
        owners[entries[i].at] = owner;
        loads[owner] += entries[i].tokens;
    }
    int64_t count = 0;
    for (int64_t i = 0; i < n; i++) {
        if (owners[i] == rank) share[count++] = i;
    }
    hone_free(entries);
    hone_free(loads);
    hone_free(owners);
    return count;
}

void hone_balance_leaves(int64_t *begin, int64_t *end, const int64_t *tokens, int64_t n, int64_t leaf, int rank,
                         int size) {
    int64_t all = 0, before = 0;
    for (int64_t i = 0; i < n; i++) all += tokens[i];
    *begin = *end = -1;
    for (int64_t at = 0; at < n; at += leaf) {
        int64_t inside = 0;
        for (int64_t i = at; i < hone_min_i64(n, at + leaf); i++) inside += tokens[i];
        /* The rank whose part of all tokens the leaf's middle lies in. */
        int owner = (int)((2 * before + inside) * size / (2 * all));
        if (owner >= rank && *begin < 0) *begin = at;
        if (owner > rank && *end < 0) *end = at;
        before += inside;
    }
    if (*begin < 0) *begin = n;
    if (*end < 0) *end = n;
}
