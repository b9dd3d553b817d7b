/* Learning-rate schedules: a factor of the peak rate for each optimizer step, as Transformers' get_scheduler has it
 * (transformers/optimization.py, release 5). */
#ifndef HONE_OPTIM_SCHEDULE_H
#define HONE_OPTIM_SCHEDULE_H

#include <stdbool.h>
#include <stdint.h>

/* In the order of the words in the option table. */
enum hone_schedule_name {
    HONE_SCHEDULE_LINEAR,
    HONE_SCHEDULE_COSINE,
    HONE_SCHEDULE_COSINE_WITH_MIN_LR,
    HONE_SCHEDULE_COSINE_WITH_RESTARTS,
    HONE_SCHEDULE_POLYNOMIAL,
    HONE_SCHEDULE_CONSTANT,
    HONE_SCHEDULE_CONSTANT_WITH_WARMUP,
    HONE_SCHEDULE_INVERSE_SQRT,
    HONE_SCHEDULE_WARMUP_STABLE_DECAY
};

/* How warm-up rises and decay falls in warmup_stable_decay. */
enum hone_curve { HONE_CURVE_LINEAR, HONE_CURVE_COSINE, HONE_CURVE_ONE_MINUS_SQRT };

struct hone_schedule {
    enum hone_schedule_name name;
    int64_t total, warmup;                     /* steps */
    double num_cycles;                         /* cosines: waves; restarts: how often the rate starts anew */
    double power;                              /* polynomial */
    double end_ratio;                          /* polynomial: last rate over peak rate, below 1 */
    double min_ratio;                          /* cosine_with_min_lr, warmup_stable_decay: lowest rate over peak rate */
    int64_t timescale;                         /* inverse_sqrt; 0: warmup, or 10,000 without */
    int64_t stable, decay;                     /* warmup_stable_decay: steps */
    enum hone_curve warmup_curve, decay_curve; /* of the same */
};

/* The factor at step 0, 1, …; never below 0. All but constant and warmup_stable_decay begin with step / max(1, warmup)
 * while step < warmup. */
double hone_schedule_factor(const struct hone_schedule *schedule, int64_t step);

/* Not a factor but the rate itself: Adafactor's relative step, min(0.01, 1 / sqrt(step + 1)), with warm-up
 * min(1e-6 (step + 1), …). */
double hone_schedule_relative_step(int64_t step, bool warmup);

/* Steps of a ratio of all steps: ceil(ratio * total), as Trainer has for the warm-up. */
int64_t hone_schedule_steps(double ratio, int64_t total);

#endif
