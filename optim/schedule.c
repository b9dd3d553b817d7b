/* Learning-rate schedules. */
#include "optim/schedule.h"

#include <math.h>

double hone_schedule_linear(int64_t step, int64_t total, int64_t warmup) {
    if (step < warmup) return (double)step / (double)(warmup > 1 ? warmup : 1);
    int64_t decay = total - warmup;
    double factor = (double)(total - step) / (double)(decay > 1 ? decay : 1);
    return factor > 0 ? factor : 0;
}

int64_t hone_schedule_warmup_steps(double ratio, int64_t total) { return (int64_t)ceil(ratio * (double)total); }
