/* AdamW over the flat buffers in one launch: four streams read, four written. As on the CPU, moments below the smallest
 * normal number become 0. */
#include <float.h>

#include "kernels/cuda/segments.cuh"

static __global__ void __launch_bounds__(EIGHTS_THREADS)
    adamw_kernel(float *p, bf16 *copy, int64_t copied, float *m, float *v, float *g,
                 const struct hone_segment *segments, int64_t n_segments, struct hone_adamw settings,
                 const struct hone_step *step) {
    float clip = step->clip_scale, inverse_root2 = 1.0f / sqrtf(step->bias_correction2);
    for_segments(g, segments, n_segments, step, [&](const hone_segment &segment, int64_t at, int64_t left) {
        float rate = step->learning_rate * segment.learning_rate_scale, decay = rate * segment.weight_decay;
        float step_size = rate / step->bias_correction1, p8[8], m8[8], v8[8], g8[8];
        read8(p8, p + at, left);
        read8(m8, m + at, left);
        read8(v8, v + at, left);
        read8(g8, g + at, left);
#pragma unroll
        for (int i = 0; i < 8; i++) {
            float gradient = g8[i] * clip;
            m8[i] += (gradient - m8[i]) * (1.0f - settings.beta1);
            v8[i] = v8[i] * settings.beta2 + gradient * gradient * (1.0f - settings.beta2);
            m8[i] = fabsf(m8[i]) < FLT_MIN ? 0.0f : m8[i];
            v8[i] = v8[i] < FLT_MIN ? 0.0f : v8[i];
            float root = sqrtf(v8[i]) * inverse_root2 + settings.epsilon;
            p8[i] = p8[i] - (decay * p8[i] + step_size * (m8[i] / root));
        }
        write8(p + at, p8, left);
        if (copy && at < copied) write8(copy + at, p8, copied - at < left ? copied - at : left);
        write8(m + at, m8, left);
        write8(v + at, v8, left);
    });
}

void hone_cuda_adamw(float *p, void *copy, int64_t copied, float *m, float *v, float *g, const uint8_t *marks,
                     const struct hone_segment *segments, int64_t n_segments, const struct hone_adamw *settings,
                     const struct hone_step *step, struct hone_stream *s) {
    (void)marks; /* in host memory: there are none */
    launch(s, "adamw", adamw_kernel, 8 * hone_cuda_processors, EIGHTS_THREADS, 0, p, (bf16 *)copy, copied, m, v, g,
           segments, n_segments, *settings, step);
}
