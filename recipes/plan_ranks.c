/* What a run of several ranks will take: what one of them holds, how evenly they work, and what of their communication
 * is left when backward ends. */
#include <string.h>

#include "base/arith.h"
#include "base/memory.h"
#include "dist/buckets.h"
#include "dist/leaves.h"
#include "dist/shared_memory.h"
#include "recipes/plan.h"
#include "recipes/share.h"

/* A run of more samples is looked at in so many of them, spread over all its steps. */
#define SAMPLES_TO_WALK (1 << 20)
/* Backward's share of a step's products: two of each three. */
#define BACKWARD_SHARE (2.0 / 3.0)

enum hone_status hone_plan_imagine(struct hone_run *run, struct hone_world *world, int ranks) {
    *world = (struct hone_world){.size = ranks, .collectives = hone_collectives_alone()};
    run->world = world;
    return ranks == 1 ? HONE_OK : hone_run_replan(run, run->micro_batch_tokens);
}

static int64_t micro_batches(const struct hone_run *run, const struct hone_share *share) {
    int64_t n = 0;
    for (int64_t begin = 0; begin < share->n; n++) begin += hone_run_micro_batch(run, share->chosen, begin, share->n);
    return n;
}

size_t hone_plan_moments(const struct hone_run *run, int parts) {
    struct hone_optimizer_settings settings = run->optimizer;
    settings.part = 0;
    settings.parts = parts;
    return hone_optimizer_bytes(run->folder.model->parameters, &settings);
}

/* Sums over the steps looked at. */
struct walk {
    double work, longest; /* FLOPs of all ranks; of the rank that has most, times their number */
    int64_t steps, micro_batches, blocks;
};

static void walk_step(struct walk *walk, const struct hone_run *run, const int64_t *chosen, int64_t n, int64_t *room) {
    bool leaves = run->recipe->distributed.reproducible == HONE_REPRODUCIBLE_WORLD;
    double most = 0;
    int64_t cut = 0;
    for (int r = 0; r < run->world->size; r++) {
        struct hone_share share = hone_share_find(room, run, chosen, n, r);
        double flops = 0;
        for (int64_t i = 0; i < share.n; i++) flops += hone_plan_sample_flops(run, share.chosen[i]);
        walk->work += flops;
        most = flops > most ? flops : most;
        cut = hone_max_i64(cut, micro_batches(run, &share));
        if (!leaves) continue;
        int64_t leaf = run->recipe->distributed.leaf;
        int64_t blocks = hone_leaves_blocks(share.first / leaf, (share.n + leaf - 1) / leaf);
        walk->blocks = hone_max_i64(walk->blocks, blocks);
    }
    walk->longest += most * run->world->size;
    walk->micro_batches += cut;
    walk->steps++;
}

static struct walk walk_steps(const struct hone_run *run) {
    struct walk walk = {0};
    int64_t batch_size = run->recipe->training.batch_size, stride = 1;
    if (run->steps > SAMPLES_TO_WALK / batch_size) stride = run->steps * batch_size / SAMPLES_TO_WALK + 1;
    int64_t *chosen = hone_alloc((size_t)batch_size, sizeof *chosen, "samples of a step");
    int64_t *room = hone_alloc(2 * (size_t)batch_size, sizeof *room, "samples of a rank");
    for (int64_t step = 0; step < run->steps; step += stride) {
        int64_t n = hone_run_step_samples(run, step, chosen);
        walk_step(&walk, run, chosen, n, room);
    }
    hone_free(chosen);
    hone_free(room);
    return walk;
}

/* Products that backward has to compute until the parameter's gradient is complete, behind those before it. */
static double backward_work(const struct hone_parameter *p, bool trained_below) {
    if (p->n_dims < 2 || p->layer == 0) return 0;
    return (double)p->count * (trained_below + !p->frozen);
}

static int32_t last_trained(const struct hone_parameters *parameters) {
    int32_t last = -1;
    for (int32_t i = 0; i < hone_parameters_count(parameters); i++)
        if (!hone_parameters_get(parameters, i)->frozen) last = i;
    return last;
}

/* Elements that go by their marks in a step of so many tokens: at most a row of each table for each, but all of one that
 * is a decoder, too. */
static double marked_elements(const struct hone_model *model, double tokens) {
    const struct hone_parameters *parameters = model->parameters;
    int64_t tables = hone_buckets_tables(parameters);
    double marked = 0;
    for (int32_t i = 0; i < hone_parameters_count(parameters); i++) {
        const struct hone_parameter *p = hone_parameters_get(parameters, i);
        int64_t end = hone_min_i64(hone_parameters_trained(parameters), hone_parameters_end(parameters, i));
        double n = (double)(end - hone_max_i64(p->offset, tables)), rows = tokens * (double)p->shape[1];
        if (n <= 0) continue;
        bool decodes = model->head == HONE_HEAD_MASKED_LM;
        marked += p->n_dims < 2 || decodes || n < rows ? n : rows;
    }
    return marked;
}

/* Seconds from the end of a backward pass of `backward` seconds until the last bucket is sent, of `per_element` seconds
 * an element: buckets go one after the other, none before its gradients are complete. */
static double left_after_backward(const struct hone_parameters *parameters, double backward, double per_element) {
    int32_t n = hone_parameters_count(parameters), last = last_trained(parameters);
    double total = 0, done = 0, sent = 0;
    int64_t begin = 0, elements = hone_buckets_tables(parameters);
    for (int32_t i = 0; i < n; i++) total += backward_work(hone_parameters_get(parameters, i), i < last);
    for (int32_t i = 0; i < n; i++) {
        const struct hone_parameter *p = hone_parameters_get(parameters, i);
        done += backward_work(p, i < last);
        if (p->frozen) continue;
        int64_t end = i == last ? elements : hone_min_i64(elements, hone_parameters_end(parameters, i));
        double ready = total > 0 && i < last ? backward * done / total : backward;
        while (end - begin >= HONE_BUCKET || (i == last && begin < end)) {
            int64_t bucket = hone_min_i64(HONE_BUCKET, end - begin);
            sent = (sent > ready ? sent : ready) + (double)bucket * per_element;
            begin += bucket;
        }
    }
    return sent > backward ? sent - backward : 0;
}

/* Rings: each rank sends and receives (size-1)/size of the buffer twice to sum it, and all other ranks' blocks to gather
 * them. */
static void predict_communication(struct hone_plan *plan, const struct hone_run *run, const struct walk *walk,
                                  double link) {
    const struct hone_parameters *parameters = run->folder.model->parameters;
    double others = run->world->size - 1, elements = (double)hone_parameters_trained(parameters);
    double micro_batch = plan->step_seconds * (double)walk->steps / (double)hone_max_i64(walk->micro_batches, 1);
    if (run->recipe->distributed.reproducible == HONE_REPRODUCIBLE_WORLD) {
        plan->exposed_seconds = (double)walk->blocks * others * elements * sizeof(float) / link;
        plan->communication_seconds = plan->exposed_seconds;
    } else {
        double per_element = 2 * others / run->world->size * sizeof(float) / link;
        double behind = marked_elements(run->folder.model, (double)plan->tokens / (double)run->steps) * per_element;
        behind += (double)hone_buckets_mark_bytes(parameters) * others / link;
        plan->communication_seconds = (double)hone_buckets_tables(parameters) * per_element + behind;
        plan->exposed_seconds = left_after_backward(parameters, micro_batch * BACKWARD_SHARE, per_element) + behind;
    }
    /* ZeRO-1 sends weights besides, all of them behind the update. */
    if (run->optimizer.parts > 1) {
        double gather = others / run->world->size * elements * sizeof(float) / link;
        plan->communication_seconds += gather;
        plan->exposed_seconds += gather;
    }
    plan->step_seconds += plan->exposed_seconds;
}

void hone_plan_ranks(struct hone_plan *plan, const struct hone_run *run, double link) {
    struct walk walk = walk_steps(run);
    int size = run->world->size;
    plan->ranks = size;
    plan->imbalance = walk.work > 0 ? walk.longest / walk.work : 1;
    /* `auto` is taken for one machine; what an MPI library needs for itself is not known here. */
    if (size > 1 && run->recipe->distributed.transport != HONE_TRANSPORT_MPI)
        plan->shared_bytes = hone_shared_memory_bytes(size);
    if (size > 1 && run->optimizer.name != HONE_OPTIMIZER_ADAFACTOR) plan->sharded_bytes = hone_plan_moments(run, size);
    if (walk.blocks)
        plan->leaves_bytes =
            hone_leaves_bytes(run->folder.model->parameters, walk.blocks, run->recipe->training.batch_size, size);
    else if (size > 1)
        plan->buckets_bytes = hone_buckets_bytes(run->folder.model->parameters, size);
    plan->peak_bytes += plan->shared_bytes + plan->leaves_bytes + plan->buckets_bytes;
    plan->seconds *= plan->imbalance / size;
    plan->step_seconds = plan->seconds / (double)run->steps;
    if (link <= 0 || size == 1) return;
    predict_communication(plan, run, &walk, link);
    plan->seconds = plan->step_seconds * (double)run->steps;
}
