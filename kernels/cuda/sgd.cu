/* SGD with and without momentum over the flat buffers in one launch. */
#include "kernels/cuda/segments.cuh"

static __global__ void __launch_bounds__(EIGHTS_THREADS)
    sgd_kernel(float *p, float *m, float *g, const struct hone_segment *segments, int64_t n_segments,
               struct hone_sgd settings, const struct hone_step *step) {
    float clip = step->clip_scale;
    for_segments(g, segments, n_segments, step, [&](const hone_segment &segment, int64_t at, int64_t left) {
        float rate = step->learning_rate * segment.learning_rate_scale, p8[8], m8[8] = {}, g8[8];
        read8(p8, p + at, left);
        if (m) read8(m8, m + at, left);
        read8(g8, g + at, left);
#pragma unroll
        for (int i = 0; i < 8; i++) {
            float d = g8[i] * clip + segment.weight_decay * p8[i];
            m8[i] = settings.momentum * m8[i] + d;
            p8[i] -= rate * (settings.nesterov ? d + settings.momentum * m8[i] : m8[i]);
        }
        write8(p + at, p8, left);
        if (m) write8(m + at, m8, left);
    });
}

void hone_cuda_sgd(float *p, float *m, float *g, const struct hone_segment *segments, int64_t n_segments,
                   const struct hone_sgd *settings, const struct hone_step *step, struct hone_stream *s) {
    launch(s, "sgd", sgd_kernel, 8 * hone_cuda_processors, EIGHTS_THREADS, 0, p, m, g, segments, n_segments, *settings,
           step);
}
