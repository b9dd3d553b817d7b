/* hone plan RECIPE [key=value]… */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "dist/shared_memory.h"
#include "recipes/plan.h"
#include "tools/recipe_option.h"
#include "tools/tools.h"

static const char help[] =
    "usage: hone plan RECIPE [key=value]… [--ranks N [--link GB/s]] [--json]\n\n"
    "Reads recipe, data and the model's shapes, lays out the largest micro-batch of the run with the code that "
    "trains,\n"
    "and prints what the run will take: steps, memory part by part, FLOPs, disk, time. Trains nothing.\n\n"
    "  --ranks N    as by hone launch --nproc N: the memory of each rank, how evenly they work, and the time when "
    "each\n"
    "               computes with the threads that this process has (OMP_NUM_THREADS)\n"
    "  --link GB/s  what a rank sends and receives at once, 1 GB being 1e9 bytes: the time of a step with "
    "communication\n"
    "               by rings, and the part of it that backward does not hide\n"
    "  --json       one JSON object, sizes in bytes\n";

static json_t *ranks_as_json(const struct hone_plan *p) {
    json_t *peaks = json_array();
    for (int r = 0; r < p->ranks; r++)
        json_array_append_new(peaks, json_integer((json_int_t)(p->peak_bytes - (r ? p->snapshot_bytes : 0))));
    return json_pack("{s:i, s:o, s:I, s:I, s:I, s:I, s:I, s:f, s:f, s:f, s:f}", "count", p->ranks, "peak_memory_bytes",
                     peaks, "shared_memory_bytes", (json_int_t)p->shared_bytes, "leaves_bytes",
                     (json_int_t)p->leaves_bytes, "buckets_bytes", (json_int_t)p->buckets_bytes, "whole_moments_bytes",
                     (json_int_t)p->whole_bytes, "sharded_moments_bytes", (json_int_t)p->sharded_bytes, "imbalance",
                     p->imbalance, "step_seconds", p->step_seconds, "communication_seconds", p->communication_seconds,
                     "exposed_seconds", p->exposed_seconds);
}

static json_t *as_json(const struct hone_plan *p) {
    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, "
                     "s:I, s:f, s:f, s:f}",
                     "parameters", (json_int_t)p->parameters, "steps", (json_int_t)p->steps, "steps_per_epoch",
                     (json_int_t)p->steps_per_epoch, "samples", (json_int_t)p->samples, "tokens", (json_int_t)p->tokens,
                     "micro_batch_tokens", (json_int_t)p->micro_batch_tokens, "largest_micro_batch_tokens",
                     (json_int_t)p->most_tokens, "largest_micro_batch_sequences", (json_int_t)p->most_sequences,
                     "warmup_steps", (json_int_t)p->warmup, "weights_bytes", (json_int_t)p->weights_bytes,
                     "gradients_bytes", (json_int_t)p->gradients_bytes, "moments_bytes", (json_int_t)p->moments_bytes,
                     "snapshot_bytes", (json_int_t)p->snapshot_bytes, "arena_bytes", (json_int_t)p->arena_bytes,
                     "transfer_bytes", (json_int_t)p->transfer_bytes, "kernels_bytes", (json_int_t)p->kernels_bytes,
                     "program_bytes", (json_int_t)p->program_bytes, "batch_bytes", (json_int_t)p->batch_bytes,
                     "peak_memory_bytes", (json_int_t)p->peak_bytes, "disk_bytes", (json_int_t)p->disk_bytes, "flops",
                     p->flops, "gemm_flops_per_second", p->gemm_rate, "train_seconds", p->seconds);
}

static void memory_row(struct hone_text *text, const char *name, size_t bytes) {
    char size[16];
    hone_text_format(text, "  %-42s %10s\n", name, hone_bytes(size, (double)bytes));
}

static void add_ranks(struct hone_text *text, const struct hone_plan *p) {
    char first[16], other[16];
    hone_text_format(text, "ranks       %d: peak %s on the first, %s on each other\n", p->ranks,
                     hone_bytes(first, (double)p->peak_bytes),
                     hone_bytes(other, (double)(p->peak_bytes - p->snapshot_bytes)));
    if (p->sharded_bytes)
        hone_text_format(text, "optimizer   %s a rank whole, %s sharded (distributed.zero_stage=1)\n",
                         hone_bytes(first, (double)p->whole_bytes), hone_bytes(other, (double)p->sharded_bytes));
    hone_text_format(text, "balance     the rank with most work of a step has %.1f %% more than the mean\n",
                     100 * (p->imbalance - 1));
    hone_text_format(text, "step        %.3g s", p->step_seconds);
    if (p->communication_seconds > 0)
        hone_text_format(text, ", %.3g s of it waiting for the other ranks, %.3g s of communication in all",
                         p->exposed_seconds, p->communication_seconds);
    hone_text_format(text, "\n");
}

static enum hone_status print_table(const struct hone_plan *p) {
    struct hone_text text = {0};
    char a[16], b[16];
    hone_text_format(&text, "parameters  %lld\n", (long long)p->parameters);
    hone_text_format(&text, "steps       %lld (%lld an epoch, %lld of warm-up)\n", (long long)p->steps,
                     (long long)p->steps_per_epoch, (long long)p->warmup);
    hone_text_format(&text, "tokens      %lld in %lld sequences, none of them padding\n", (long long)p->tokens,
                     (long long)p->samples);
    hone_text_format(&text, "largest micro-batch  %lld tokens, %lld sequences (budget %lld)\n",
                     (long long)p->most_tokens, (long long)p->most_sequences, (long long)p->micro_batch_tokens);
    hone_text_format(&text, "memory\n");
    memory_row(&text, "weights", p->weights_bytes);
    memory_row(&text, "gradients", p->gradients_bytes);
    memory_row(&text, "AdamW's moments", p->moments_bytes);
    if (p->snapshot_bytes) memory_row(&text, "copy for checkpoints", p->snapshot_bytes);
    if (p->leaves_bytes) memory_row(&text, "sums of leaves", p->leaves_bytes);
    if (p->buckets_bytes) memory_row(&text, "gradients between ranks", p->buckets_bytes);
    if (p->shared_bytes) memory_row(&text, "shared by all ranks", p->shared_bytes);
    memory_row(&text, "arena: activations, gradients, workspace", p->arena_bytes);
    memory_row(&text, "batch", p->batch_bytes);
    memory_row(&text, "one tensor while loading or saving", p->transfer_bytes);
    memory_row(&text, "GEMM library", p->kernels_bytes);
    memory_row(&text, "program, data, tokenizer", p->program_bytes);
    memory_row(&text, "peak", p->peak_bytes);
    hone_text_format(&text, "disk        %s at most\n", hone_bytes(a, (double)p->disk_bytes));
    hone_text_format(&text, "compute     %.3g FLOP, GEMM here %.0f GFLOP/s\n", p->flops, p->gemm_rate / 1e9);
    hone_text_format(&text, "time        about %s of training\n", hone_duration(b, p->seconds));
    if (p->ranks > 1) add_ranks(&text, p);
    enum hone_status status = hone_tool_print(text.bytes, text.length);
    hone_text_free(&text);
    return status == HONE_OK ? hone_tool_flush() : status;
}

struct wanted {
    int64_t ranks;
    double link; /* bytes/s; 0: not given */
    bool json;
};

static enum hone_status read_wanted(struct wanted *out, const char *ranks, const char *link) {
    out->ranks = 1;
    HONE_TRY(hone_tool_whole_number(&out->ranks, "plan: --ranks", ranks, 1, HONE_SHARED_MEMORY_RANKS));
    if (!link) return HONE_OK;
    if (!ranks) return hone_fail(HONE_USAGE, "plan: --link needs --ranks, between which it is");
    char *end;
    double value = strtod(link, &end);
    if (end == link || *end || !isfinite(value) || value <= 0)
        return hone_fail(HONE_USAGE, "plan: --link: found \"%s\", expected a number of GB/s above 0", link);
    out->link = value * 1e9;
    return HONE_OK;
}

static enum hone_status plan(int n_positional, char **argv, const struct wanted *wanted) {
    struct hone_recipe recipe;
    struct hone_run run;
    struct hone_world world;
    struct hone_plan made;
    HONE_TRY(hone_tool_read_recipe(&recipe, n_positional, argv));
    hone_log_set_level(HONE_LOG_WARNING);
    enum hone_status status = hone_run_open(&run, &recipe, HONE_RUN_OUTLINE);
    if (status == HONE_OK) {
        status = hone_plan_imagine(&run, &world, (int)wanted->ranks);
        if (status == HONE_OK) status = hone_plan_make(&made, &run, true);
        if (status == HONE_OK) hone_plan_ranks(&made, &run, wanted->link);
        hone_run_close(&run);
    }
    hone_recipe_free(&recipe);
    HONE_TRY(status);
    if (!wanted->json) return print_table(&made);
    json_t *object = as_json(&made);
    if (made.ranks > 1) json_object_set_new(object, "ranks", ranks_as_json(&made));
    status = hone_tool_print_json(object);
    json_decref(object);
    return status;
}

int hone_tool_plan(int argc, char **argv) {
    int n_positional;
    bool helped;
    const char *ranks = NULL, *link = NULL;
    struct wanted wanted = {.json = false};
    struct hone_tool_option options[] = {
        {"--json", NULL, &wanted.json}, {"--link", &link, NULL}, {"--ranks", &ranks, NULL}, {0}};
    enum hone_status status = hone_tool_parse(argc, argv, options, help, &n_positional, &helped);
    if (status == HONE_OK && !helped) status = read_wanted(&wanted, ranks, link);
    if (status == HONE_OK) status = helped ? hone_tool_flush() : plan(n_positional, argv, &wanted);
    return hone_tool_end(status);
}
