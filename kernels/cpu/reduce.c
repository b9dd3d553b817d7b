/* The global norm of the gradients: squares in f32 within chunks of 4,096 elements, chunks in f64 in order. Leaving out
 * zeros changes none of these sums. */
#include "base/arith.h"
#include "kernels/cpu/cpu.h"
#include "kernels/cpu/vector.h"

enum { CHUNK = 4096 };

HONE_INLINE void add_squares(hone_vec sums[4], const float *x, int64_t n) {
    int64_t i = 0;
    for (; i + 4 * HONE_LANES <= n; i += 4 * HONE_LANES)
        for (int j = 0; j < 4; j++) {
            hone_vec v = vec_load(x + i + j * HONE_LANES);
            sums[j] += v * v;
        }
    for (; i < n; i += HONE_LANES) {
        hone_vec v = vec_load_n(x + i, n - i);
        sums[0] += v * v;
    }
}

HONE_CLONES static double sum_of_squares(const float *x, const uint8_t *marks, int64_t n) {
    hone_vec sums[4] = {0};
    for (int64_t i = 0, end; i < n; i = end) {
        end = marks ? hone_min_i64(n, i + HONE_MARKED) : n;
        if (!marks || marks[i / HONE_MARKED] & HONE_MARK_GRADIENT) add_squares(sums, x + i, end - i);
    }
    return (double)vec_sum((sums[0] + sums[1]) + (sums[2] + sums[3]));
}

void hone_cpu_gradient_norm(struct hone_step *step, const float *gradients, const uint8_t *marks, int64_t n,
                            float clip_norm, void *workspace, struct hone_stream *s) {
    (void)s;
    double *partial = workspace, sum = 0;
    int64_t chunks = (n + CHUNK - 1) / CHUNK;
#pragma omp parallel for schedule(static, 16) if (n > HONE_CPU_PARALLEL)
    for (int64_t i = 0; i < chunks; i++)
        partial[i] = sum_of_squares(gradients + i * CHUNK, marks ? marks + i * (CHUNK / HONE_MARKED) : NULL,
                                    hone_min_i64(n - i * CHUNK, CHUNK));
    for (int64_t i = 0; i < chunks; i++) sum += partial[i];
    float norm = (float)sqrt(sum), clip = clip_norm / (norm + 1e-6f);
    step->gradient_norm = norm;
    step->clip_scale = clip_norm > 0 && clip < 1 ? clip : 1;
    step->finite = isfinite(norm) && isfinite(step->loss);
}

size_t hone_cpu_gradient_norm_workspace(int64_t n) { return (size_t)((n + CHUNK - 1) / CHUNK) * sizeof(double); }
