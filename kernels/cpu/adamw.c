/* AdamW over the flat buffers in one pass: four streams read, four written, nothing else, since memory is its limit. Of
 * the rows of an embedding even less: a gradient that is marked as 0 is not read, nor are moments that are, and then only
 * decay touches the weights. Without marks the values are looked at. Weights are rounded while they are in the cache. */
#include "base/arith.h"
#include "kernels/cpu/segments.h"
#include "kernels/cpu/vector.h"

/* The numbers that are the same for a whole segment. */
struct update {
    float beta1, beta2, epsilon, clip, decay, step_size, inverse_root2;
};

/* Whether all bits of n values of each are 0. */
HONE_CLONES static bool are_zero(const float *g, const float *m, const float *v, int64_t n) {
    hone_ivec bits = {0};
    for (int64_t i = 0; i < n; i += HONE_LANES)
        bits |= (hone_ivec)vec_load_n(g + i, n - i) | (hone_ivec)vec_load_n(m + i, n - i) |
                (hone_ivec)vec_load_n(v + i, n - i);
    uint64_t words[4];
    memcpy(words, &bits, sizeof(words));
    return (words[0] | words[1] | words[2] | words[3]) == 0;
}

/* Moments below the smallest normal number become 0: decaying for ever, those of rows that get no gradient would
 * otherwise stay denormal, which many CPUs are slow at. Plain loop: the compiler knows how to take several roots. g NULL
 * is a gradient of 0. */
HONE_INLINE void update_range(float *restrict p, float *restrict m, float *restrict v, float *restrict g, int64_t n,
                              const struct update *u) {
    const float beta1 = u->beta1, beta2 = u->beta2, epsilon = u->epsilon, clip = u->clip, decay = u->decay;
    const float step_size = u->step_size, inverse_root2 = u->inverse_root2;
    for (int64_t i = 0; i < n; i++) {
        float gradient = g ? g[i] * clip : 0.0f;
        float m_new = m[i] + (gradient - m[i]) * (1.0f - beta1);
        float v_new = v[i] * beta2 + gradient * gradient * (1.0f - beta2);
        m_new = fabsf(m_new) < FLT_MIN ? 0.0f : m_new;
        v_new = v_new < FLT_MIN ? 0.0f : v_new;
        float root = sqrtf(v_new) * inverse_root2 + epsilon;
        p[i] = p[i] - (decay * p[i] + step_size * (m_new / root));
        m[i] = m_new;
        v[i] = v_new;
        if (g) g[i] = 0.0f;
    }
}

HONE_CLONES static void update_with(float *p, float *m, float *v, float *g, int64_t n, const struct update *u) {
    update_range(p, m, v, g, n, u);
}

HONE_CLONES static void update_without(float *p, float *m, float *v, int64_t n, const struct update *u) {
    update_range(p, m, v, NULL, n, u);
}

/* Gradient and moments are 0: the same bits as from update_with. */
HONE_CLONES static void decay_alone(float *p, int64_t n, const struct update *u) {
    for (int64_t i = 0; i < n; i++) p[i] = p[i] - (u->decay * p[i] + 0.0f);
}

struct buffers {
    float *p, *m, *v, *g;
    uint16_t *copy;
    int64_t copied;
    const uint8_t *marks;
    const struct hone_adamw *settings;
    const struct hone_step *step;
};

/* The mark of the elements from `at` on, up to the end of what it says or of the n elements; *count of them. */
static unsigned mark_of(int64_t *count, const struct buffers *b, int64_t at, int64_t n) {
    int64_t block = at / HONE_MARKED;
    *count = hone_min_i64(n, (block + 1) * HONE_MARKED - at);
    if (b->marks) return b->marks[block];
    return are_zero(b->g + at, b->m + at, b->v + at, *count) ? 0 : HONE_MARK_GRADIENT;
}

/* Elements from `at` on that one mark is for. */
static void update_marked(const struct buffers *b, unsigned mark, int64_t at, int64_t n, const struct update *u) {
    if (mark & HONE_MARK_GRADIENT)
        update_with(b->p + at, b->m + at, b->v + at, b->g + at, n, u);
    else if (mark)
        update_without(b->p + at, b->m + at, b->v + at, n, u);
    else if (u->decay != 0)
        decay_alone(b->p + at, n, u);
}

/* In stretches as long as can be. */
static void update_chunk(const struct buffers *b, int64_t at, int64_t n, const struct update *u) {
    unsigned mark = 0, next;
    int64_t begin = at;
    for (int64_t end = at + n, count; at < end; at += count) {
        next = mark_of(&count, b, at, end - at);
        if (next & HONE_MARK_GRADIENT) next = HONE_MARK_GRADIENT;
        if (next == mark) continue;
        update_marked(b, mark, begin, at - begin, u);
        begin = at;
        mark = next;
    }
    update_marked(b, mark, begin, at - begin, u);
}

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
    update_chunk(b, at, n, &update);
    if (b->copy && at < b->copied)
        hone_cpu_cast_range(b->copy + at, b->p + at, hone_min_i64(n, b->copied - at), HONE_BF16);
}

void hone_cpu_adamw(float *p, void *copy, int64_t copied, float *m, float *v, float *g, const uint8_t *marks,
                    const struct hone_segment *segments, int64_t n_segments, const struct hone_adamw *settings,
                    const struct hone_step *step, struct hone_stream *s) {
    (void)s;
    struct buffers buffers = {p, m, v, g, copy, copied, marks, settings, step};
    hone_cpu_segments(g, segments, n_segments, step, visit, &buffers);
}
