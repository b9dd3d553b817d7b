/* AdamW over the flat buffers in one pass: four streams read, four written, nothing else, since memory is its limit.
 * Segments are cut into chunks at fixed places; threads take stretches of chunks. */
#include <omp.h>

#include "base/arith.h"
#include "kernels/cpu/cpu.h"
#include "kernels/cpu/vector.h"

enum { CHUNK = 16384 };

/* The numbers that are the same for a whole segment. */
struct update {
    float beta1, beta2, epsilon, clip, decay, step_size, inverse_root2;
};

/* Moments below the smallest normal number become 0: decaying for ever, those of rows that get no gradient would
 * otherwise stay denormal, which many CPUs are slow at. Plain loop: the compiler knows how to take 16 roots. */
HONE_CLONES static void update_chunk(float *restrict p, float *restrict m, float *restrict v, float *restrict g,
                                     int64_t n, const struct update *u) {
    const float beta1 = u->beta1, beta2 = u->beta2, epsilon = u->epsilon, clip = u->clip, decay = u->decay;
    const float step_size = u->step_size, inverse_root2 = u->inverse_root2;
    for (int64_t i = 0; i < n; i++) {
        float gradient = g[i] * clip;
        float m_new = m[i] + (gradient - m[i]) * (1.0f - beta1);
        float v_new = v[i] * beta2 + gradient * gradient * (1.0f - beta2);
        m_new = fabsf(m_new) < FLT_MIN ? 0.0f : m_new;
        v_new = v_new < FLT_MIN ? 0.0f : v_new;
        float root = sqrtf(v_new) * inverse_root2 + epsilon;
        p[i] = p[i] - decay * p[i] - step_size * (m_new / root);
        m[i] = m_new;
        v[i] = v_new;
        g[i] = 0.0f;
    }
}

static struct update segment_update(const struct hone_segment *segment, const struct hone_adamw *settings,
                                    const struct hone_step *step) {
    float rate = step->learning_rate * segment->learning_rate_scale;
    return (struct update){settings->beta1,
                           settings->beta2,
                           settings->epsilon,
                           step->clip_scale,
                           rate * segment->weight_decay,
                           rate / step->bias_correction1,
                           1.0f / sqrtf(step->bias_correction2)};
}

void hone_cpu_adamw(float *p, float *m, float *v, float *g, const struct hone_segment *segments, int64_t n_segments,
                    const struct hone_adamw *settings, const struct hone_step *step, struct hone_stream *s) {
    (void)s;
    int64_t chunks = 0;
    for (int64_t i = 0; i < n_segments; i++) chunks += (segments[i].count + CHUNK - 1) / CHUNK;
#pragma omp parallel if (chunks > 1)
    {
        int64_t thread = omp_get_thread_num(), threads = omp_get_num_threads();
        int64_t from = chunks * thread / threads, to = chunks * (thread + 1) / threads, chunk = 0;
        for (int64_t i = 0; i < n_segments && chunk < to; i++) {
            struct update update = segment_update(&segments[i], settings, step);
            for (int64_t done = 0; done < segments[i].count; done += CHUNK, chunk++) {
                if (chunk < from || chunk >= to) continue;
                int64_t at = segments[i].offset + done, n = hone_min_i64(segments[i].count - done, CHUNK);
                if (step->finite)
                    update_chunk(p + at, m + at, v + at, g + at, n, &update);
                else
                    memset(g + at, 0, (size_t)n * sizeof(float));
            }
        }
    }
}
