/* A model at work on its device: one tape, one stream, one packed batch in host memory and its copy on the device.
 * Training, evaluation and prediction all run through it. */
#ifndef HONE_RECIPES_ENGINE_H
#define HONE_RECIPES_ENGINE_H

#include "data/batch.h"
#include "dist/world.h"
#include "models/model.h"

/* Token budget of micro-batches in evaluation and prediction. Our own products copy the weights for each: with half as
 * many tokens predicting takes a twelfth longer, twice as many only cost memory. */
#define HONE_INFERENCE_TOKENS    2048
#define HONE_INFERENCE_SEQUENCES 64

struct hone_engine {
    const struct hone_model *model;
    struct hone_device *device;
    struct hone_world *world; /* borrowed; alone after creating: who shares the work of inference */
    struct hone_stream *stream;
    struct hone_tape *tape;
    struct hone_batch batch;     /* host; fill it, then upload */
    struct hone_batch on_device; /* same layout in device memory; only its pointers are used */
    void *host_memory, *device_memory;
    size_t batch_bytes;
    float *logits; /* host: [rows of a batch, labels] of the last inference; grows */
    size_t logits_capacity;
    float *gathered; /* host: those of another rank; grows */
    size_t gathered_capacity;
};

/* Batches of at most T tokens and B sequences with n_targets (0: none) each. The model (allocated) is borrowed. */
enum hone_status hone_engine_create(struct hone_engine *engine, const struct hone_model *model, int64_t T, int64_t B,
                                    int64_t n_targets);
void hone_engine_free(struct hone_engine *engine);

/* Enqueues the copy of the batch and returns its device side for a model's forward pass. */
struct hone_model_inputs hone_engine_upload(struct hone_engine *engine, const struct hone_step *step);

/* Every rank of the world takes a share and calls sink for all, in the same order.
 *
 * Runs the model over samples begin … end-1 in their order, in micro-batches of at most `tokens` tokens, and calls
 * sink(batch, logits, user) for each: logits [batch->R, n_labels] in host memory, valid during the call. Logits that
 * are not finite are HONE_NUMERIC with the sample's line. Asked to stop (base/stop.h), it ends with that status. */
enum hone_status hone_engine_infer(struct hone_engine *engine, const struct hone_samples *samples, int64_t begin,
                                   int64_t end, int64_t tokens,
                                   void (*sink)(const struct hone_batch *batch, const float *logits, void *user),
                                   void *user);

/* Bytes of arena of a training step, or of inference, at a micro-batch of these sizes; computes nothing else. */
size_t hone_engine_arena(const struct hone_model *model, enum hone_mode mode, int64_t T, int64_t B, int64_t R,
                         int64_t max_len);

#endif
