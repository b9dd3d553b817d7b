#include "kernels/cpu/segments.h"

#include <string.h>

#include "base/arith.h"

enum { CHUNK = 16384 };

void hone_cpu_segments(float *g, const struct hone_segment *segments, int64_t n_segments, const struct hone_step *step,
                       void (*visit)(const struct hone_segment *segment, int64_t at, int64_t n, void *user),
                       void *user) {
    int64_t chunks = 0;
    for (int64_t i = 0; i < n_segments; i++) chunks += (segments[i].count + CHUNK - 1) / CHUNK;
        /* As threads come for them: in some, of embeddings, there is little to be done. */
#pragma omp parallel for schedule(dynamic, 2) if (chunks > 1)
    for (int64_t chunk = 0; chunk < chunks; chunk++) {
        const struct hone_segment *segment = segments;
        int64_t done = chunk * CHUNK;
        for (; done >= segment->count; segment++) done -= hone_round_up(segment->count, CHUNK);
        int64_t at = segment->offset + done, n = hone_min_i64(segment->count - done, CHUNK);
        if (step->finite)
            visit(segment, at, n, user);
        else
            memset(g + at, 0, (size_t)n * sizeof(float));
    }
}
