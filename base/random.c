/* Streams are laid out so that none meet: key = (low half of the seed, use), counter = (i, id, high half of the seed). */
#include "base/random.h"

#include <math.h>

#include "base/status.h"

static void words_at(uint32_t words[4], uint64_t seed, uint32_t use, uint32_t id, uint64_t i) {
    const uint32_t key[2] = {(uint32_t)seed, use};
    const uint32_t counter[4] = {(uint32_t)i, (uint32_t)(i >> 32), id, (uint32_t)(seed >> 32)};
    hone_philox(words, counter, key);
}

uint64_t hone_random_u64(uint64_t seed, uint32_t use, uint32_t id, uint64_t i) {
    uint32_t words[4];
    words_at(words, seed, use, id, i);
    return (uint64_t)words[1] << 32 | words[0];
}

double hone_random_normal(uint64_t seed, uint32_t use, uint32_t id, uint64_t i) {
    uint32_t words[4];
    words_at(words, seed, use, id, i);
    /* The radius needs a number in (0, 1): the middle of each of 2^32 cells. */
    double u = ((double)words[0] + 0.5) * 0x1p-32, v = (double)words[1] * 0x1p-32;
    return sqrt(-2.0 * log(u)) * cos(2.0 * 3.14159265358979323846 * v);
}

int64_t hone_permute(int64_t i, int64_t n, uint64_t seed, uint32_t epoch) {
    /* Eight rounds: four suffice for long halves (Luby and Rackoff), halves of one or two bits need more to mix. */
    enum { ROUNDS = 8 };
    HONE_CHECK(n >= 1 && n <= INT64_C(1) << 62 && i >= 0 && i < n, "position %lld of %lld", (long long)i, (long long)n);
    int bits = 0;
    while (bits < 31 && INT64_C(1) << 2 * bits < n) bits++;
    uint32_t mask = (uint32_t)((UINT64_C(1) << bits) - 1);
    const uint32_t key[2] = {(uint32_t)seed, HONE_RANDOM_SHUFFLE};
    uint64_t x = (uint64_t)i;
    /* At most four positions of the network per wanted one, so the walk back into 0 … n-1 is short. */
    do {
        uint32_t left = (uint32_t)(x >> bits) & mask, right = (uint32_t)x & mask;
        for (uint32_t round = 0; round < ROUNDS; round++) {
            const uint32_t counter[4] = {right, round, epoch, (uint32_t)(seed >> 32)};
            uint32_t words[4];
            hone_philox(words, counter, key);
            uint32_t next = left ^ (words[0] & mask);
            left = right;
            right = next;
        }
        x = (uint64_t)left << bits | right;
    } while (x >= (uint64_t)n);
    return (int64_t)x;
}
