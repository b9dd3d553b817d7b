/* One optimizer step, and the same step once more, op by op, to find what was not finite in it. */
#include <stdio.h>

#include "autograd/finite.h"
#include "base/log.h"
#include "recipes/run_folder.h"
#include "recipes/samples.h"
#include "recipes/share.h"
#include "recipes/train.h"

/* A step's numbers before its first micro-batch; *scale is that of each sample's loss. */
static enum hone_status begin_step(const struct hone_step_of *s, float *scale) {
    const struct hone_run *run = s->run;
    uint32_t pass = hone_run_epoch(run, s->step);
    HONE_TRY(hone_samples_need(&run->train, s->chosen, s->n));
    *scale = (float)(1.0 / run->task->denominator(&run->train, s->chosen, s->n, pass, &run->objective));
    return hone_optimizer_begin(s->optimizer, (uint32_t)run->recipe->training.seed, (uint32_t)s->step,
                                hone_train_rate(run, s->step), s->engine->stream);
}

/* What this rank does of a step. */
static struct hone_share share_of(const struct hone_step_of *s) {
    return hone_share_find(s->team->room, s->run, s->chosen, s->n, s->run->world->rank);
}

/* Uploads, records and lays out the micro-batch that starts at sample `begin` of the share; *count samples. */
static enum hone_status record(int64_t *count, const struct hone_step_of *s, const struct hone_share *share,
                               int64_t begin, float scale) {
    const struct hone_run *run = s->run;
    struct hone_engine *engine = s->engine;
    const struct hone_model *model = engine->model;
    struct hone_step *state = hone_optimizer_step_state(s->optimizer);
    *count = hone_run_micro_batch(run, share->chosen, begin, share->n);
    hone_world_mark(run->world, HONE_PHASE_STEP, s->step);
    /* The batch that the last micro-batch reads must not change under it. */
    HONE_TRY(engine->device->stream_synchronize(engine->stream));
    HONE_TRY(hone_batch_fill(&engine->batch, &run->train, share->chosen + begin, *count, hone_run_epoch(run, s->step)));
    struct hone_model_inputs in = hone_engine_upload(engine, state);
    hone_tape_begin(engine->tape, HONE_TRAINING);
    hone_value logits = model->class->forward(model, engine->tape, &in);
    run->task->record_loss(engine->tape, logits, &engine->on_device, &run->objective, scale, &state->loss);
    return hone_tape_layout(engine->tape);
}

/* Gradients and loss of the whole step, on every rank. */
static enum hone_status sum_over_ranks(const struct hone_step_of *s) {
    struct hone_step *state = hone_optimizer_step_state(s->optimizer);
    struct hone_collectives *c = s->run->world->collectives;
    struct hone_stream *stream = s->engine->stream;
    if (s->team->leaves) {
        int64_t leaf = s->run->recipe->distributed.leaf;
        return hone_leaves_finish(s->team->leaves, (s->n + leaf - 1) / leaf, &state->loss, stream);
    }
    HONE_TRY(hone_buckets_finish(s->team->buckets));
    return c->all_reduce(c, &state->loss, 1, HONE_F32, HONE_SUM, stream);
}

static int64_t tokens_of(const struct hone_run *run, const int64_t *chosen, int64_t n) {
    int64_t tokens = 0;
    for (int64_t i = 0; i < n; i++) tokens += run->train.begins[chosen[i] + 1] - run->train.begins[chosen[i]];
    return tokens;
}

enum hone_status hone_train_step(const struct hone_step_of *s, int64_t *tokens) {
    struct hone_engine *engine = s->engine;
    struct hone_team *team = s->team;
    struct hone_share share = share_of(s);
    float scale;
    double start = hone_seconds();
    HONE_TRY(begin_step(s, &scale));
    hone_buckets_begin(team->buckets);
    for (int64_t begin = 0, count; begin < share.n; begin += count) {
        HONE_TRY(record(&count, s, &share, begin, scale));
        hone_tape_forward(engine->tape, engine->stream);
        bool complete = team->buckets && begin + count == share.n;
        hone_tape_backward(engine->tape, complete ? hone_buckets_on_gradient : NULL, team->buckets, engine->stream);
        if (team->leaves)
            HONE_TRY(hone_leaves_add(team->leaves, (share.first + begin) / s->run->recipe->distributed.leaf,
                                     &hone_optimizer_step_state(s->optimizer)->loss, engine->stream));
    }
    struct hone_own_work own = {hone_seconds() - start, tokens_of(s->run, share.chosen, share.n)};
    HONE_TRY(sum_over_ranks(s));
    HONE_TRY(hone_pace_step(&team->pace, own, s->run->world));
    HONE_TRY(hone_optimizer_apply(s->optimizer, engine->stream));
    *tokens += tokens_of(s->run, s->chosen, s->n);
    return HONE_OK;
}

/* "train.tsv:3, train.tsv:9" */
static void add_samples(struct hone_text *text, const struct hone_samples *samples, const int64_t *chosen, int64_t n) {
    enum { LISTED = 8 };
    for (int64_t i = 0; i < n && i < LISTED; i++) {
        hone_text_format(text, "%s%s:%lld", i ? ", " : "", hone_samples_path(samples, chosen[i]),
                         (long long)samples->lines[chosen[i]]);
    }
    if (n > LISTED) hone_text_format(text, ", … (%lld lines)", (long long)n);
}

static void describe(struct hone_text *text, const struct hone_not_finite *found, const struct hone_step_of *s,
                     const struct hone_share *share, int64_t begin, int64_t count) {
    const struct hone_samples *samples = &s->run->train;
    const struct hone_batch *batch = &s->engine->batch;
    hone_text_format(text, "; the first to give such a number is %s", found->op);
    if (found->parameter) hone_text_format(text, found->own ? " (%s)" : " (after %s)", found->parameter);
    hone_text_format(text, ": %g at row %lld, column %lld of %s%s", (double)found->value, (long long)found->row,
                     (long long)found->col, found->gradient ? "the gradient of " : "",
                     found->gradient   ? found->gradient
                     : found->backward ? "its input's gradient"
                                       : "its output");
    if (found->culprit) hone_text_format(text, ", and %s holds such numbers itself", found->culprit);
    if (!found->backward && found->rows == batch->T) {
        int64_t b = 0;
        while (batch->cu_seqlens[b + 1] <= found->row) b++;
        hone_text_format(text, "; the sample is ");
        add_samples(text, samples, &share->chosen[begin + b], 1);
    }
    hone_text_format(text, "; its micro-batch is ");
    add_samples(text, samples, share->chosen + begin, count);
}

/* What the first rank that found something says, on every rank; nothing when none did. */
static enum hone_status share_finding(struct hone_text *text, struct hone_world *world) {
    struct hone_collectives *c = world->collectives;
    char said[4096] = "";
    int64_t first = text->length ? world->size - world->rank : 0;
    HONE_TRY(hone_world_largest(&first, world));
    if (world->size == 1 || first == 0) return HONE_OK;
    int rank = world->size - (int)first;
    if (rank == world->rank) snprintf(said, sizeof said, " on rank %d%s", rank, text->bytes);
    HONE_TRY(c->broadcast(c, said, sizeof said, rank, NULL));
    said[sizeof said - 1] = 0;
    text->length = 0;
    hone_text_format(text, "%s", said);
    return HONE_OK;
}

enum hone_status hone_train_explain(struct hone_text *text, const struct hone_step_of *s) {
    const float *loss = &hone_optimizer_step_state(s->optimizer)->loss;
    struct hone_not_finite found = {.op = NULL};
    struct hone_text finding = {0};
    struct hone_share share = share_of(s);
    float scale;
    enum hone_status status;
    HONE_TRY(begin_step(s, &scale));
    for (int64_t begin = 0, count; begin < share.n && !found.op; begin += count) {
        HONE_TRY_GOTO(record(&count, s, &share, begin, scale));
        HONE_TRY_GOTO(hone_tape_find_not_finite(&found, s->engine->tape, loss, s->engine->stream));
        if (found.op) describe(&finding, &found, s, &share, begin, count);
    }
    HONE_TRY_GOTO(share_finding(&finding, s->run->world));
    if (finding.length) {
        hone_text_format(text, "%s", finding.bytes);
    } else {
        hone_text_format(text,
                         "; every number by itself is finite, but the gradient is too long for f32; the step is ");
        add_samples(text, &s->run->train, s->chosen, s->n);
    }
    hone_optimizer_skip(s->optimizer, s->engine->stream);
    status = s->engine->device->stream_synchronize(s->engine->stream);
done:
    hone_text_free(&finding);
    return status;
}
