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
};

/* The run was opened with `outline`. `measure` times a GEMM of the model's size for a fraction of a second. */
enum hone_status hone_plan_make(struct hone_plan *out, const struct hone_run *run, bool measure);

#endif
