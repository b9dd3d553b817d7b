#include "data/mix.h"

#include <math.h>

#include "base/memory.h"
#include "base/random.h"
#include "base/status.h"

void hone_mix_create(struct hone_mix *out, const int64_t *sizes, const double *weights, size_t n_sources) {
    double total = 0, sum = 0;
    *out = (struct hone_mix){.n_sources = n_sources};
    out->begins = hone_calloc(n_sources + 1, sizeof *out->begins, "mixed sources");
    out->places = hone_calloc(n_sources + 1, sizeof *out->places, "mixed sources");
    for (size_t s = 0; s < n_sources; s++) {
        HONE_CHECK(sizes[s] > 0 && weights[s] > 0, "source %zu has %lld samples", s, (long long)sizes[s]);
        out->begins[s + 1] = out->begins[s] + sizes[s];
        total += weights[s];
    }
    for (size_t s = 0; s < n_sources; s++) {
        sum += weights[s];
        out->places[s + 1] = llround((double)out->begins[n_sources] * (sum / total));
    }
    out->places[n_sources] = out->begins[n_sources];
}

void hone_mix_free(struct hone_mix *mix) {
    hone_free(mix->begins);
    hone_free(mix->places);
    *mix = (struct hone_mix){0};
}

int64_t hone_mix_at(const struct hone_mix *mix, int64_t i, uint64_t seed, uint32_t epoch) {
    int64_t place = hone_permute(i, mix->begins[mix->n_sources], seed, epoch);
    size_t s = 0;
    while (place >= mix->places[s + 1]) s++;
    int64_t size = mix->begins[s + 1] - mix->begins[s], share = mix->places[s + 1] - mix->places[s];
    int64_t taken = (int64_t)epoch * share + place - mix->places[s];
    /* Sources must not shuffle alike, nor like the places. */
    uint64_t key = seed ^ (s + 1) * UINT64_C(0x9E3779B97F4A7C15);
    return mix->begins[s] + hone_permute(taken % size, size, key, (uint32_t)(taken / size));
}
