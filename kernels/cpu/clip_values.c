/* Clipping of a flat buffer by value. */
#include "base/arith.h"
#include "kernels/cpu/cpu.h"
#include "kernels/cpu/vector.h"

enum { CHUNK = 16384 };

HONE_CLONES static void clip_chunk(float *g, int64_t n, float bound) {
    for (int64_t i = 0; i < n; i++) g[i] = g[i] > bound ? bound : g[i] < -bound ? -bound : g[i];
}

void hone_cpu_clip_values(float *g, int64_t n, float bound, struct hone_stream *s) {
    (void)s;
#pragma omp parallel for schedule(static) if (n > HONE_CPU_PARALLEL)
    for (int64_t at = 0; at < n; at += CHUNK) clip_chunk(g + at, hone_min_i64(n - at, CHUNK), bound);
}
