/* The global norm of the gradients: squares in f32 within chunks of 4,096 elements, chunks in f64 in order. */
#include "base/arith.h"
#include "kernels/cpu/cpu.h"
#include "kernels/cpu/vector.h"

enum { CHUNK = 4096 };

HONE_CLONES static double sum_of_squares(const float *x, int64_t n) {
    hone_vec sums[4] = {0};
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
    return (double)vec_sum((sums[0] + sums[1]) + (sums[2] + sums[3]));
}

void hone_cpu_gradient_norm(struct hone_step *step, const float *gradients, int64_t n, float clip_norm, void *workspace,
                            struct hone_stream *s) {
    (void)s;
    double *partial = workspace, sum = 0;
    int64_t chunks = (n + CHUNK - 1) / CHUNK;
#pragma omp parallel for schedule(static) if (n > HONE_CPU_PARALLEL)
    for (int64_t i = 0; i < chunks; i++)
        partial[i] = sum_of_squares(gradients + i * CHUNK, hone_min_i64(n - i * CHUNK, CHUNK));
    for (int64_t i = 0; i < chunks; i++) sum += partial[i];
    float norm = (float)sqrt(sum), clip = clip_norm / (norm + 1e-6f);
    step->gradient_norm = norm;
    step->clip_scale = clip_norm > 0 && clip < 1 ? clip : 1;
    step->finite = isfinite(norm) && isfinite(step->loss);
}

size_t hone_cpu_gradient_norm_workspace(int64_t n) { return (size_t)((n + CHUNK - 1) / CHUNK) * sizeof(double); }
