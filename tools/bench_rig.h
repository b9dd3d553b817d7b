/* A recipe made ready to be trained, for benchmarks of its steps and of what goes on beside them. */
#ifndef HONE_TOOLS_BENCH_RIG_H
#define HONE_TOOLS_BENCH_RIG_H

#include "optim/optimizer.h"
#include "recipes/train.h"

struct hone_bench_rig {
    struct hone_recipe recipe;
    struct hone_run run;
    struct hone_engine engine;
    struct hone_optimizer *optimizer;
    struct hone_team team;
    int64_t *chosen; /* [batch_size]: the samples of a step */
    int64_t step;    /* steps taken */
};

/* argv[1] is the recipe, what follows are overrides. The rig stays where it is until it is closed. */
enum hone_status hone_bench_rig_open(struct hone_bench_rig *rig, int n_positional, char **argv);
void hone_bench_rig_close(struct hone_bench_rig *rig);
/* The next n steps; adds what they were fed. */
enum hone_status hone_bench_rig_steps(struct hone_bench_rig *rig, int64_t n, int64_t *tokens, int64_t *samples);

#endif
