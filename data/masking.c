#include "data/masking.h"

#include <math.h>
#include <stddef.h>

#include "base/random.h"

/* Shares of the masked tokens, of 2^32. */
#define REPLACED 3435973837u /* 0.8: by the mask token */
#define RANDOM   3865470566u /* 0.9: up to here by a random one */

int64_t hone_mask(int32_t *ids, int32_t *places, int32_t *labels, const struct hone_masking *masking,
                  const uint8_t *marks, int64_t n, int64_t sample, uint32_t pass) {
    const uint32_t key[2] = {masking->seed, HONE_RANDOM_MASK};
    uint64_t threshold = (uint64_t)llround(masking->probability * 0x1p32);
    int64_t count = 0;
    bool chosen = false;
    for (int64_t t = 0; t < n; t++) {
        const uint32_t counter[4] = {(uint32_t)t, (uint32_t)sample, (uint32_t)((uint64_t)sample >> 32), pass};
        uint32_t draw[4];
        hone_philox(draw, counter, key);
        if (!masking->whole_words || marks[t] != HONE_MARK_GOES_ON || t == 0) chosen = draw[0] < threshold;
        if (marks[t] == HONE_MARK_NEVER) chosen = false;
        if (!chosen) continue;
        if (ids) {
            places[count] = (int32_t)t;
            labels[count] = ids[t];
            if (draw[1] < REPLACED) {
                ids[t] = masking->mask_id;
            } else if (draw[1] < RANDOM) {
                ids[t] = masking->replacements[(uint64_t)draw[2] * (uint64_t)masking->n_replacements >> 32];
            }
        }
        count++;
    }
    return count;
}
