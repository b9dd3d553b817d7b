#include "recipes/engine.h"

#include <math.h>

#include "base/memory.h"
#include "base/stop.h"

enum hone_status hone_engine_create(struct hone_engine *engine, const struct hone_model *model, int64_t T, int64_t B,
                                    int64_t n_targets) {
    struct hone_device *device = hone_parameters_device(model->parameters);
    *engine = (struct hone_engine){.model = model,
                                   .device = device,
                                   .world = hone_world_alone(),
                                   .batch_bytes = hone_batch_bytes(T, B, n_targets)};
    HONE_TRY(device->stream_create(device, &engine->stream));
    HONE_TRY(device->allocate_pinned(device, &engine->host_memory, engine->batch_bytes, "batch"));
    HONE_TRY(device->allocate(device, &engine->device_memory, engine->batch_bytes, "batch on the device"));
    hone_batch_place(&engine->batch, engine->host_memory, T, B, n_targets);
    hone_batch_place(&engine->on_device, engine->device_memory, T, B, n_targets);
    engine->tape = hone_tape_create(device, model->parameters);
    return HONE_OK;
}

void hone_engine_free(struct hone_engine *engine) {
    if (!engine->device) return;
    hone_tape_free(engine->tape);
    if (engine->device_memory) engine->device->release(engine->device, engine->device_memory);
    if (engine->host_memory) engine->device->release_pinned(engine->device, engine->host_memory);
    if (engine->stream) engine->device->stream_destroy(engine->stream);
    hone_free(engine->logits);
    hone_free(engine->gathered);
    *engine = (struct hone_engine){0};
}

static struct hone_model_inputs inputs_of(const struct hone_batch *sizes, const struct hone_batch *pointers,
                                          const struct hone_step *step) {
    return (struct hone_model_inputs){
        .T = sizes->T,
        .B = sizes->B,
        .R = sizes->R,
        .max_len = sizes->max_len,
        .ids = pointers->ids,
        .types = pointers->types,
        .positions = pointers->positions,
        .row_key = pointers->row_key,
        .cu_seqlens = pointers->cu_seqlens,
        .rows = pointers->rows,
        .cu_rows = pointers->cu_rows,
        .step = step,
    };
}

struct hone_model_inputs hone_engine_upload(struct hone_engine *engine, const struct hone_step *step) {
    engine->device->copy_to_device(engine->device_memory, engine->host_memory, engine->batch_bytes, engine->stream);
    return inputs_of(&engine->batch, &engine->on_device, step);
}

static enum hone_status infer_batch(struct hone_engine *engine) {
    const struct hone_model *model = engine->model;
    struct hone_model_inputs in = hone_engine_upload(engine, NULL);
    hone_tape_begin(engine->tape, HONE_INFERENCE);
    hone_value logits = model->class->forward(model, engine->tape, &in);
    hone_tape_keep(engine->tape, logits);
    HONE_TRY(hone_tape_layout(engine->tape));
    hone_tape_forward(engine->tape, engine->stream);
    size_t n = (size_t)(engine->batch.R * model->n_labels);
    hone_reserve(&engine->logits, &engine->logits_capacity, n, sizeof *engine->logits, "logits");
    engine->device->copy_to_host(engine->logits, hone_tape_data(engine->tape, logits), n * sizeof *engine->logits,
                                 engine->stream);
    return engine->device->stream_synchronize(engine->stream);
}

/* A model that overflows, or has such weights, must not look as if it had an opinion. */
static enum hone_status check_finite(const struct hone_engine *engine, const struct hone_samples *samples) {
    const struct hone_batch *batch = &engine->batch;
    int64_t n = engine->model->n_labels;
    int64_t b = 0;
    for (int64_t i = 0; i < batch->R * n; i++) {
        if (isfinite(engine->logits[i])) continue;
        while (batch->cu_rows[b + 1] <= i / n) b++;
        return hone_fail(HONE_NUMERIC,
                         "line %lld: the model's output is %f, not a finite number; look for such weights with hone "
                         "inspect --stats",
                         (long long)samples->lines[batch->sample_of[b]], (double)engine->logits[i]);
    }
    return HONE_OK;
}

/* One round: a micro-batch for each rank. */
struct round {
    const struct hone_samples *samples;
    int64_t *chosen; /* [size][B_capacity] */
    int64_t *counts; /* [size]; 0 behind the last samples */
};

/* Cuts the next micro-batches off the samples at..end-1; returns where they end. */
static int64_t cut_round(struct round *round, const struct hone_engine *engine, int64_t at, int64_t end,
                         int64_t tokens) {
    int64_t capacity = engine->batch.B_capacity;
    for (int r = 0; r < engine->world->size; r++) {
        int64_t *chosen = round->chosen + r * capacity, n = end - at < capacity ? end - at : capacity;
        for (int64_t i = 0; i < n; i++) chosen[i] = at + i;
        round->counts[r] = n ? hone_micro_batch(round->samples, chosen, 0, n, tokens) : 0;
        at += round->counts[r];
    }
    return at;
}

static enum hone_status fill(struct hone_engine *engine, const struct round *round, int rank) {
    return hone_batch_fill(&engine->batch, round->samples, round->chosen + rank * engine->batch.B_capacity,
                           round->counts[rank], HONE_PASS_EVALUATION);
}

static enum hone_status infer_own(struct hone_engine *engine, const struct round *round) {
    enum hone_status asked = hone_stop_asked();
    if (asked != HONE_OK) return hone_fail(asked, "stopped by a signal");
    if (!round->counts[engine->world->rank]) return HONE_OK;
    HONE_TRY(fill(engine, round, engine->world->rank));
    HONE_TRY(infer_batch(engine));
    return check_finite(engine, round->samples);
}

/* The logits of a rank's micro-batch, whose batch is filled, on every rank. */
static enum hone_status gather(const float **out, struct hone_engine *engine, int rank) {
    struct hone_world *world = engine->world;
    struct hone_collectives *c = world->collectives;
    size_t n = (size_t)(engine->batch.R * engine->model->n_labels);
    float *logits = engine->logits;
    if (rank != world->rank) {
        hone_reserve(&engine->gathered, &engine->gathered_capacity, n, sizeof *engine->gathered, "logits");
        logits = engine->gathered;
    }
    *out = logits;
    return c->broadcast(c, logits, (int64_t)(n * sizeof *logits), rank, NULL);
}

static enum hone_status infer_round(struct hone_engine *engine, const struct round *round,
                                    void (*sink)(const struct hone_batch *batch, const float *logits, void *user),
                                    void *user) {
    struct hone_world *world = engine->world;
    enum hone_status own = infer_own(engine, round);
    int64_t worst = own;
    HONE_TRY(hone_world_largest(&worst, world));
    if (own != HONE_OK) return own;
    if (worst != HONE_OK) return hone_fail((enum hone_status)worst, "another rank ended the evaluation");
    for (int r = 0; r < world->size && round->counts[r]; r++) {
        const float *logits;
        if (world->size > 1) HONE_TRY(fill(engine, round, r));
        HONE_TRY(gather(&logits, engine, r));
        sink(&engine->batch, logits, user);
    }
    return HONE_OK;
}

enum hone_status hone_engine_infer(struct hone_engine *engine, const struct hone_samples *samples, int64_t begin,
                                   int64_t end, int64_t tokens,
                                   void (*sink)(const struct hone_batch *batch, const float *logits, void *user),
                                   void *user) {
    enum hone_status status = HONE_OK;
    size_t size = (size_t)engine->world->size, capacity = (size_t)engine->batch.B_capacity;
    struct round round = {.samples = samples,
                          .chosen = hone_alloc(size * capacity, sizeof *round.chosen, "samples of a batch"),
                          .counts = hone_alloc(size, sizeof *round.counts, "samples of a batch")};
    for (int64_t at = begin; at < end && status == HONE_OK;) {
        hone_world_mark(engine->world, HONE_PHASE_EVALUATION, at);
        at = cut_round(&round, engine, at, end, tokens);
        status = infer_round(engine, &round, sink, user);
    }
    hone_free(round.chosen);
    hone_free(round.counts);
    return status;
}

size_t hone_engine_arena(const struct hone_model *model, enum hone_mode mode, int64_t T, int64_t B, int64_t R,
                         int64_t max_len) {
    /* Pointers are never followed while measuring; distinct ones keep NULL out of ops that check for it. */
    size_t bytes = hone_batch_bytes(T, B, 0);
    void *memory = hone_alloc(bytes, 1, "batch to measure");
    struct hone_batch batch;
    hone_batch_place(&batch, memory, T, B, 0);
    batch.T = T;
    batch.B = B;
    batch.R = R;
    batch.max_len = max_len;
    struct hone_step step = {0};
    struct hone_model_inputs in = inputs_of(&batch, &batch, mode == HONE_TRAINING ? &step : NULL);
    struct hone_tape *tape = hone_tape_create(hone_parameters_device(model->parameters), model->parameters);
    hone_tape_begin(tape, mode);
    hone_value logits = model->class->forward(model, tape, &in);
    if (mode == HONE_TRAINING) hone_cross_entropy(tape, logits, batch.labels, NULL, 1.0f, &step.loss);
    size_t arena = hone_tape_measure(tape);
    hone_tape_free(tape);
    hone_free(memory);
    return arena;
}
