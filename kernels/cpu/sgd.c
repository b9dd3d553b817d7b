/* SGD with momentum over the flat buffers in one pass; its limit is memory. */
#include "kernels/cpu/segments.h"
#include "kernels/cpu/vector.h"

struct buffers {
    float *p, *m, *g;
    const struct hone_sgd *settings;
    const struct hone_step *step;
};

/* Momentum below the smallest normal number becomes 0, as AdamW's moments do. */
HONE_CLONES static void update_chunk(float *restrict p, float *restrict m, float *restrict g, int64_t n, float rate,
                                     float decay, float clip, const struct hone_sgd *settings) {
    const float momentum = settings->momentum, ahead = settings->nesterov ? momentum : 0.0f;
    const bool nesterov = settings->nesterov;
    for (int64_t i = 0; i < n; i++) {
        float d = g[i] * clip + decay * p[i], m_new = momentum * m[i] + d;
        m_new = fabsf(m_new) < FLT_MIN ? 0.0f : m_new;
        p[i] -= rate * (nesterov ? d + ahead * m_new : m_new);
        m[i] = m_new;
        g[i] = 0.0f;
    }
}

HONE_CLONES static void update_plain(float *restrict p, float *restrict g, int64_t n, float rate, float decay,
                                     float clip) {
    for (int64_t i = 0; i < n; i++) {
        p[i] -= rate * (g[i] * clip + decay * p[i]);
        g[i] = 0.0f;
    }
}

static void visit(const struct hone_segment *segment, int64_t at, int64_t n, void *user) {
    const struct buffers *b = user;
    float rate = b->step->learning_rate * segment->learning_rate_scale, clip = b->step->clip_scale;
    if (b->settings->momentum == 0) {
        update_plain(b->p + at, b->g + at, n, rate, segment->weight_decay, clip);
    } else {
        update_chunk(b->p + at, b->m + at, b->g + at, n, rate, segment->weight_decay, clip, b->settings);
    }
}

void hone_cpu_sgd(float *p, float *m, float *g, const struct hone_segment *segments, int64_t n_segments,
                  const struct hone_sgd *settings, const struct hone_step *step, struct hone_stream *s) {
    (void)s;
    struct buffers buffers = {p, m, g, settings, step};
    hone_cpu_segments(g, segments, n_segments, step, visit, &buffers);
}
