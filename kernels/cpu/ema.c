/* The exponential moving average of weights. */
#include "base/arith.h"
#include "kernels/cpu/cpu.h"
#include "kernels/cpu/vector.h"

enum { CHUNK = 16384 };

HONE_CLONES static void average_chunk(float *restrict average, const float *restrict p, int64_t n, float weight) {
    for (int64_t i = 0; i < n; i++) average[i] += weight * (p[i] - average[i]);
}

void hone_cpu_ema(float *average, const float *p, int64_t n, float weight, const struct hone_step *step,
                  struct hone_stream *s) {
    (void)s;
    if (!step->finite) return;
#pragma omp parallel for schedule(static) if (n > HONE_CPU_PARALLEL)
    for (int64_t at = 0; at < n; at += CHUNK) average_chunk(average + at, p + at, hone_min_i64(n - at, CHUNK), weight);
}
