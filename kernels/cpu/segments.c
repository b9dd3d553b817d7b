#include "kernels/cpu/segments.h"

#include <omp.h>
#include <string.h>

#include "base/arith.h"

enum { CHUNK = 16384 };

void hone_cpu_segments(float *g, const struct hone_segment *segments, int64_t n_segments, const struct hone_step *step,
                       void (*visit)(const struct hone_segment *segment, int64_t at, int64_t n, void *user),
                       void *user) {
    int64_t chunks = 0;
    for (int64_t i = 0; i < n_segments; i++) chunks += (segments[i].count + CHUNK - 1) / CHUNK;
#pragma omp parallel if (chunks > 1)
    {
        /* By turns: long stretches, of embeddings, may have little to be done. */
        int64_t thread = omp_get_thread_num(), threads = omp_get_num_threads(), chunk = 0;
        for (int64_t i = 0; i < n_segments; i++) {
            for (int64_t done = 0; done < segments[i].count; done += CHUNK, chunk++) {
                if (chunk % threads != thread) continue;
                int64_t at = segments[i].offset + done, n = hone_min_i64(segments[i].count - done, CHUNK);
                if (step->finite)
                    visit(&segments[i], at, n, user);
                else
                    memset(g + at, 0, (size_t)n * sizeof(float));
            }
        }
    }
}
