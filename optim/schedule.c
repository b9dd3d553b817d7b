/* Learning-rate schedules. Each is written as in Transformers, operation for operation, so that factors agree to the
 * last digits. */
#include "optim/schedule.h"

#include <math.h>

static const double pi = 3.14159265358979323846;

static double at_least_1(int64_t n) { return (double)(n > 1 ? n : 1); }

/* Share of the steps behind the warm-up that are done. */
static double progress(const struct hone_schedule *s, int64_t step) {
    return (double)(step - s->warmup) / at_least_1(s->total - s->warmup);
}

static double cosine(double cycles, double progress) { return 0.5 * (1 + cos(pi * cycles * 2 * progress)); }

static double restarts(const struct hone_schedule *s, int64_t step) {
    double done = progress(s, step);
    return done >= 1 ? 0 : 0.5 * (1 + cos(pi * fmod(s->num_cycles * done, 1)));
}

static double polynomial(const struct hone_schedule *s, int64_t step) {
    if (step > s->total) return s->end_ratio;
    double remaining = 1 - (double)(step - s->warmup) / at_least_1(s->total - s->warmup);
    return (1 - s->end_ratio) * pow(remaining, s->power) + s->end_ratio;
}

static double inverse_sqrt(const struct hone_schedule *s, int64_t step) {
    int64_t scale = s->timescale ? s->timescale : s->warmup ? s->warmup : 10000;
    return 1 / sqrt((double)(step + scale - s->warmup) / (double)scale);
}

static double rise(enum hone_curve curve, double done) {
    if (curve == HONE_CURVE_COSINE) return 0.5 * (1 - cos(pi * done));
    return curve == HONE_CURVE_LINEAR ? done : 1 - sqrt(1 - done);
}

static double fall(enum hone_curve curve, double cycles, double done) {
    if (curve == HONE_CURVE_COSINE) return cosine(cycles, done);
    return curve == HONE_CURVE_LINEAR ? 1 - done : 1 - sqrt(done);
}

static double warmup_stable_decay(const struct hone_schedule *s, int64_t step) {
    double factor;
    int64_t decay_begin = s->warmup + s->stable;
    if (step < s->warmup) {
        factor = rise(s->warmup_curve, (double)step / at_least_1(s->warmup));
    } else if (step < decay_begin) {
        return 1;
    } else if (step < decay_begin + s->decay) {
        factor = fall(s->decay_curve, s->num_cycles, (double)(step - decay_begin) / at_least_1(s->decay));
    } else {
        return s->min_ratio;
    }
    return factor * (1 - s->min_ratio) + s->min_ratio;
}

static double after_warmup(const struct hone_schedule *s, int64_t step) {
    switch (s->name) {
    case HONE_SCHEDULE_LINEAR:
        return (double)(s->total - step) / at_least_1(s->total - s->warmup);
    case HONE_SCHEDULE_COSINE:
        return cosine(s->num_cycles, progress(s, step));
    case HONE_SCHEDULE_COSINE_WITH_MIN_LR:
        return cosine(s->num_cycles, progress(s, step)) * (1 - s->min_ratio) + s->min_ratio;
    case HONE_SCHEDULE_COSINE_WITH_RESTARTS:
        return restarts(s, step);
    case HONE_SCHEDULE_POLYNOMIAL:
        return polynomial(s, step);
    case HONE_SCHEDULE_INVERSE_SQRT:
        return inverse_sqrt(s, step);
    case HONE_SCHEDULE_CONSTANT:
    case HONE_SCHEDULE_CONSTANT_WITH_WARMUP:
    case HONE_SCHEDULE_WARMUP_STABLE_DECAY:
        break;
    }
    return 1;
}

double hone_schedule_factor(const struct hone_schedule *s, int64_t step) {
    double factor;
    if (s->name == HONE_SCHEDULE_CONSTANT) return 1;
    if (s->name == HONE_SCHEDULE_WARMUP_STABLE_DECAY) {
        factor = warmup_stable_decay(s, step);
    } else if (step < s->warmup) {
        factor = (double)step / at_least_1(s->warmup);
    } else {
        factor = after_warmup(s, step);
    }
    return factor > 0 ? factor : 0;
}

double hone_schedule_relative_step(int64_t step, bool warmup) {
    double t = (double)step + 1;
    return fmin(warmup ? 1e-6 * t : 1e-2, 1 / sqrt(t));
}

int64_t hone_schedule_steps(double ratio, int64_t total) { return (int64_t)ceil(ratio * (double)total); }
