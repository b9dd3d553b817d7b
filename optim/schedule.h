/* Learning-rate schedules: a factor of the peak rate for each optimizer step, as Transformers' optimization.py has it. */
#ifndef HONE_OPTIM_SCHEDULE_H
#define HONE_OPTIM_SCHEDULE_H

#include <stdint.h>

/* Factor at step 0, 1, … total-1: step / max(1, warmup) while step < warmup, then linearly from 1 at `warmup` to 0 at
 * `total` (get_linear_schedule_with_warmup). Never below 0. */
double hone_schedule_linear(int64_t step, int64_t total, int64_t warmup);

/* Warm-up steps of a ratio of all steps: ceil(ratio * total), as Trainer. */
int64_t hone_schedule_warmup_steps(double ratio, int64_t total);

#endif
