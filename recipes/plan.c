#include "recipes/plan.h"

#include "base/arith.h"
#include "base/log.h"
#include "base/memory.h"
#include "hub/safetensors.h"
#include "recipes/training_state.h"

/* oneDNN's own pages, and the code that it makes for each GEMM shape: about this much for a model of any size, since
 * rows come in four block sizes (measured on AVX-512 with hidden sizes of 24 and 384). */
#define GEMM_LIBRARY_BYTES (4u << 20)
/* Share of a step's time that GEMMs take in this program on a CPU, for the estimate of time. */
#define GEMM_SHARE 0.75

static enum hone_status measure_gemm(double *rate, const struct hone_run *run) {
    struct hone_device *device = run->device;
    enum hone_dtype dtype = hone_parameters_precision(run->folder.model->parameters);
    int64_t C = run->folder.model->hidden, T = 512, N = 4 * C;
    size_t bytes = hone_dtype_size(dtype);
    size_t sizes[] = {(size_t)(T * C) * bytes, (size_t)(N * C) * bytes, (size_t)(T * N) * bytes,
                      device->ops->linear_workspace(T, N, C, dtype)};
    void *buffers[4] = {NULL};
    struct hone_stream *stream = NULL;
    enum hone_status status = HONE_OK;
    HONE_TRY(device->stream_create(device, &stream));
    for (int i = 0; i < 4; i++) {
        HONE_TRY_GOTO(device->allocate(device, &buffers[i], sizes[i] + 64, "measuring GEMM"));
        device->zero(buffers[i], sizes[i], stream);
    }
    double best = 0, begin = hone_seconds();
    while (hone_seconds() - begin < 0.2) {
        double start = hone_seconds();
        device->ops->linear_forward(buffers[2], buffers[0], buffers[1], NULL, T, N, C, dtype, buffers[3], stream);
        HONE_TRY_GOTO(device->stream_synchronize(stream));
        double now = 2.0 * (double)T * (double)N * (double)C / (hone_seconds() - start);
        if (now > best) best = now;
    }
    *rate = best;
done:
    for (int i = 0; i < 4; i++) {
        if (buffers[i]) device->release(device, buffers[i]);
    }
    device->stream_destroy(stream);
    return status;
}

/* Share of the work that is left by what is frozen: of each matrix forward, the gradient of its input if something below
 * it is trained, its own if it is trained. */
static double work_share(const struct hone_parameters *parameters) {
    double all = 0, done = 0;
    bool below = false;
    for (int32_t i = hone_parameters_count(parameters) - 1; i >= 0; i--) {
        const struct hone_parameter *p = hone_parameters_get(parameters, i);
        if (p->n_dims == 2 && p->layer > 0) {
            all += 3 * (double)p->count;
            done += (double)p->count * (1 + below + !p->frozen);
        }
        below |= !p->frozen;
    }
    return all > 0 ? done / all : 1;
}

/* Forward costs once, backward twice. */
double hone_plan_sample_flops(const struct hone_run *run, int64_t sample) {
    const struct hone_model *model = run->folder.model;
    double length = (double)(run->train.begins[sample + 1] - run->train.begins[sample]);
    /* The head reads one row of each, or the masked tokens. */
    double rows = run->train.masking ? run->train.masking->probability * length : 1;
    return 3 *
           (length * (model->flops_per_token + length * model->flops_per_token_length) + rows * model->flops_per_row);
}

/* Adds the n samples `times` times. */
static void count(struct hone_plan *plan, const struct hone_run *run, const int64_t *chosen, int64_t n, int64_t times) {
    for (int64_t i = 0; i < n; i++) {
        int64_t sample = chosen ? chosen[i] : i;
        plan->samples += times;
        plan->tokens += times * (run->train.begins[sample + 1] - run->train.begins[sample]);
        plan->flops += (double)times * hone_plan_sample_flops(run, sample);
    }
}

/* Whole epochs take every sample once, unless sources are mixed; other steps are walked through. */
static void count_all(struct hone_plan *plan, const struct hone_run *run) {
    int64_t epochs = run->mix.n_sources ? 0 : run->steps / run->steps_per_epoch;
    int64_t *chosen = hone_alloc((size_t)run->recipe->training.batch_size, sizeof *chosen, "samples of a step");
    count(plan, run, NULL, run->train.n, epochs);
    for (int64_t step = epochs * run->steps_per_epoch; step < run->steps; step++) {
        int64_t n = hone_run_step_samples(run, step, chosen);
        count(plan, run, chosen, n, 1);
    }
    hone_free(chosen);
}

enum hone_status hone_plan_make(struct hone_plan *out, const struct hone_run *run, bool measure) {
    const struct hone_parameters *parameters = run->folder.model->parameters;
    size_t elements = (size_t)hone_parameters_elements(parameters);
    int64_t tokens, sequences;
    hone_run_capacity(&tokens, &sequences, run);
    *out = (struct hone_plan){.parameters = hone_parameters_total(parameters),
                              .steps = run->steps,
                              .steps_per_epoch = run->steps_per_epoch,
                              .warmup = run->schedule.warmup,
                              .micro_batch_tokens = run->micro_batch_tokens,
                              .most_tokens = run->most_tokens,
                              .most_sequences = run->most_sequences,
                              .weights_bytes = hone_parameters_bytes(parameters),
                              .gradients_bytes = (size_t)hone_parameters_trained(parameters) * sizeof(float),
                              .moments_bytes = hone_optimizer_bytes(parameters, &run->optimizer),
                              .whole_bytes = hone_plan_moments(run, 1),
                              .arena_bytes = run->arena_bytes,
                              .batch_bytes = 2 * hone_batch_bytes(tokens, sequences, run->train.n_targets),
                              .program_bytes = hone_resident_bytes(),
                              .kernels_bytes = GEMM_LIBRARY_BYTES,
                              .ranks = 1,
                              .imbalance = 1};
    for (int32_t id = 0; id < hone_parameters_count(parameters); id++) {
        size_t bytes = (size_t)hone_parameters_get(parameters, id)->count * sizeof(float);
        if (bytes > out->transfer_bytes) out->transfer_bytes = bytes;
    }
    struct hone_interval every = run->recipe->checkpoint.every;
    int64_t between = every.steps == HONE_EVERY_EPOCH ? run->steps_per_epoch : every.steps;
    bool saves = every.seconds > 0 || every.steps != HONE_NEVER;
    bool shared = run->optimizer.parts > 1;
    if (every.seconds > 0 || (saves && (between < run->steps || shared)))
        out->snapshot_bytes = hone_snapshot_bytes(run);
    out->peak_bytes = out->program_bytes + out->snapshot_bytes + out->weights_bytes + out->gradients_bytes +
                      out->moments_bytes + out->arena_bytes + out->batch_bytes + out->kernels_bytes +
                      out->transfer_bytes;
    /* The model and the one that replaces it; the checkpoints that stay, the best model's, and the one being written. */
    size_t models = 2, states = saves ? (size_t)run->recipe->checkpoint.keep + 2 : 0;
    size_t most = (size_t)(between > 0 ? run->steps / between + 1 : run->steps);
    if (states > most) states = most;
    out->disk_bytes = models * (elements * sizeof(float) + (4u << 20)) +
                      states * (elements * sizeof(float) + out->whole_bytes + (4u << 20));
    count_all(out, run);
    out->flops *= work_share(parameters);
    if (!measure) return HONE_OK;
    HONE_TRY(measure_gemm(&out->gemm_rate, run));
    out->seconds = out->flops / out->gemm_rate / GEMM_SHARE;
    return HONE_OK;
}
