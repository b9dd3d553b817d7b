/* What a run will take, before it: record and layout of its largest micro-batch without the run, by the same code. */
#ifndef HONE_RECIPES_PLAN_H
#define HONE_RECIPES_PLAN_H

#include "recipes/run.h"

struct hone_plan {
    int64_t parameters, steps, steps_per_epoch, warmup;
    int64_t samples, tokens; /* of the whole training */
    int64_t micro_batch_tokens, most_tokens, most_sequences;
    double flops; /* of the whole training: forward and backward */
    size_t weights_bytes, gradients_bytes, moments_bytes, arena_bytes, batch_bytes;
    size_t
        snapshot_bytes; /* the copy that a checkpoint is written from beside training; 0: none before the last step */
    size_t transfer_bytes; /* one tensor on its way to or from a file */
    size_t program_bytes;  /* resident now: program, libraries, data, tokenizer */
    size_t kernels_bytes;  /* what the GEMM library makes at run time */
    size_t peak_bytes;     /* resident at the peak */
    size_t disk_bytes;     /* of the output folder, checkpoints, and what is replaced while it is, included */
    double gemm_rate;      /* FLOP/s, measured just now; 0: not measured */
    double seconds;        /* estimate of training alone; 0: not measured */

    /* Of ranks; 1 of them until hone_plan_ranks(). All sizes are those of the first, which alone keeps snapshot_bytes. */
    int ranks;
    size_t shared_bytes; /* of the memory that they share: counted once on the machine, in each one's peak */
    /* Of the optimizer, whole and as a rank's part of ZeRO-1; one of them is moments_bytes. sharded 0: not to be had. */
    size_t whole_bytes, sharded_bytes;
    size_t leaves_bytes;          /* sums of leaves, of distributed.reproducible: world */
    size_t buckets_bytes;         /* of gradients on their way between ranks, otherwise */
    double imbalance;             /* work of the rank that has most in a step, over the mean */
    double step_seconds;          /* 0: not measured */
    double communication_seconds; /* of gradients, and weights with ZeRO-1, a step; 0: no link given */
    double exposed_seconds;       /* of them those behind backward, which step_seconds holds */
};

/* The run was opened with `outline`. `measure` times a GEMM of the model's size for a fraction of a second. */
enum hone_status hone_plan_make(struct hone_plan *out, const struct hone_run *run, bool measure);

/* Before hone_plan_make(): as if the run, opened alone, were one rank of `ranks`. `world` is filled in, and outlives it. */
enum hone_status hone_plan_imagine(struct hone_run *run, struct hone_world *world, int ranks);
/* After it, for the run's world: adds what ranks share and wait for. A rank computes with as much as has been measured and
 * sends and receives `link` bytes a second at once, by rings; 0: takes no time to do so. */
void hone_plan_ranks(struct hone_plan *plan, const struct hone_run *run, double link);

/* Bytes of the optimizer on rank 0 when each of `parts` ranks keeps a part. */
size_t hone_plan_moments(const struct hone_run *run, int parts);
/* FLOPs of a training sample, forward and backward, with nothing frozen. */
double hone_plan_sample_flops(const struct hone_run *run, int64_t sample);

#endif
