/* AdamW over the flat buffers in one pass: four streams read, four written, nothing else, since memory is its limit. Of
 * the rows of an embedding that had no gradient yet even less: their moments are read, and only decay touches them. */
#include "kernels/cpu/segments.h"
#include "kernels/cpu/vector.h"

/* The numbers that are the same for a whole segment. */
struct update {
    float beta1, beta2, epsilon, clip, decay, step_size, inverse_root2;
};

enum { BLOCK = 64 };

/* Whether all bits are 0. */
HONE_INLINE bool is_zero(const float *x) {
    hone_ivec bits = {0};
    for (int i = 0; i < BLOCK; i += HONE_LANES) bits |= (hone_ivec)vec_load(x + i);
    uint64_t words[4];
    memcpy(words, &bits, sizeof(words));
    return (words[0] | words[1] | words[2] | words[3]) == 0;
}

/* Moments below the smallest normal number become 0: decaying for ever, those of rows that get no gradient would
 * otherwise stay denormal, which many CPUs are slow at. Plain loop: the compiler knows how to take several roots. */
HONE_INLINE void update_block(float *restrict p, float *restrict m, float *restrict v, float *restrict g, int64_t n,
                              const struct update *u) {
    const float beta1 = u->beta1, beta2 = u->beta2, epsilon = u->epsilon, clip = u->clip, decay = u->decay;
    const float step_size = u->step_size, inverse_root2 = u->inverse_root2;
    for (int64_t i = 0; i < n; i++) {
        float gradient = g[i] * clip;
        float m_new = m[i] + (gradient - m[i]) * (1.0f - beta1);
        float v_new = v[i] * beta2 + gradient * gradient * (1.0f - beta2);
        m_new = fabsf(m_new) < FLT_MIN ? 0.0f : m_new;
        v_new = v_new < FLT_MIN ? 0.0f : v_new;
        float root = sqrtf(v_new) * inverse_root2 + epsilon;
        p[i] = p[i] - (decay * p[i] + step_size * (m_new / root));
        m[i] = m_new;
        v[i] = v_new;
        g[i] = 0.0f;
    }
}

HONE_CLONES static void update_chunk(float *restrict p, float *restrict m, float *restrict v, float *restrict g,
                                     int64_t n, const struct update *u) {
    int64_t i = 0;
    for (; i + BLOCK <= n; i += BLOCK) {
        if (!is_zero(g + i) || !is_zero(m + i) || !is_zero(v + i))
            update_block(p + i, m + i, v + i, g + i, BLOCK, u);
        else if (u->decay != 0)
            for (int64_t j = i; j < i + BLOCK; j++) p[j] = p[j] - (u->decay * p[j] + 0.0f); /* the same bits */
    }
    update_block(p + i, m + i, v + i, g + i, n - i, u);
}

struct buffers {
    float *p, *m, *v, *g;
    const struct hone_adamw *settings;
    const struct hone_step *step;
};

static void visit(const struct hone_segment *segment, int64_t at, int64_t n, void *user) {
    const struct buffers *b = user;
    const struct hone_step *step = b->step;
    float rate = step->learning_rate * segment->learning_rate_scale;
    struct update update = {b->settings->beta1,
                            b->settings->beta2,
                            b->settings->epsilon,
                            step->clip_scale,
                            rate * segment->weight_decay,
                            rate / step->bias_correction1,
                            1.0f / sqrtf(step->bias_correction2)};
    update_chunk(b->p + at, b->m + at, b->v + at, b->g + at, n, &update);
}

void hone_cpu_adamw(float *p, float *m, float *v, float *g, const struct hone_segment *segments, int64_t n_segments,
                    const struct hone_adamw *settings, const struct hone_step *step, struct hone_stream *s) {
    (void)s;
    struct buffers buffers = {p, m, v, g, settings, step};
    hone_cpu_segments(g, segments, n_segments, step, visit, &buffers);
}
