#include "recipes/training_state.h"

#include <stdio.h>
#include <string.h>

#include "base/hdf5.h"
#include "base/memory.h"

#define LAYOUT 2

static size_t weights_bytes(const struct hone_run *run) {
    return (size_t)hone_parameters_elements(run->folder.model->parameters) * sizeof(float);
}

static enum hone_status copy_out(float **to, const float *from, size_t bytes, const struct hone_run *run,
                                 struct hone_stream *stream) {
    if (!*to) *to = hone_alloc(bytes, 1, "copy for checkpoints");
    run->device->copy_to_host(*to, from, bytes, stream);
    return run->device->stream_synchronize(stream);
}

enum hone_status hone_snapshot_take(struct hone_snapshot *snapshot, const struct hone_run *run,
                                    struct hone_optimizer *optimizer, struct hone_stream *stream) {
    const char *name;
    int64_t elements;
    HONE_TRY(copy_out(&snapshot->weights, hone_parameters_weights(run->folder.model->parameters), weights_bytes(run),
                      run, stream));
    for (int i = 0; hone_optimizer_buffer(optimizer, i, &name, &elements); i++) {
        HONE_CHECK(i < HONE_STATE_BUFFERS, "an optimizer has more than %d buffers", HONE_STATE_BUFFERS);
        float **to = &snapshot->buffers[i];
        if (!*to) *to = hone_alloc((size_t)hone_optimizer_whole(optimizer, i), sizeof **to, "copy for checkpoints");
        HONE_TRY(hone_optimizer_gather(*to, optimizer, i, stream));
    }
    return HONE_OK;
}

enum hone_status hone_snapshot_give(struct hone_optimizer *optimizer, struct hone_stream *stream) {
    const char *name;
    int64_t elements;
    if (!hone_optimizer_is_shared(optimizer)) return HONE_OK;
    for (int i = 0; hone_optimizer_buffer(optimizer, i, &name, &elements); i++)
        HONE_TRY(hone_optimizer_gather(NULL, optimizer, i, stream));
    return HONE_OK;
}

void hone_snapshot_free(struct hone_snapshot *snapshot) {
    for (int i = 0; i < HONE_STATE_BUFFERS; i++) hone_free(snapshot->buffers[i]);
    hone_free(snapshot->weights);
    *snapshot = (struct hone_snapshot){0};
}

/* Every attribute that is a number, once: for writing and reading. */
struct number {
    const char *name;
    int64_t *integer;
    double *real;
};

enum { NUMBERS = 14 };

static void list_numbers(struct number numbers[NUMBERS], struct hone_training_state *state, int64_t *has_best) {
    struct number all[NUMBERS] = {
        {"step", &state->step, NULL},
        {"skipped", &state->skipped, NULL},
        {"evaluated_step", &state->evaluated_step, NULL},
        {"samples", &state->samples, NULL},
        {"tokens", &state->tokens, NULL},
        {"micro_batch_tokens", &state->micro_batch_tokens, NULL},
        {"loss_sum", NULL, &state->loss_sum},
        {"log_loss", NULL, &state->log_loss},
        {"log_steps", &state->log_steps, NULL},
        {"log_tokens", &state->log_tokens, NULL},
        {"has_best", has_best, NULL},
        {"best_value", NULL, &state->best_value},
        {"best_step", &state->best_step, NULL},
        {"evaluations_without_gain", &state->evaluations_without_gain, NULL},
    };
    memcpy(numbers, all, sizeof all);
}

static void write_parameters(struct hone_hdf5 *file, const struct hone_parameters *parameters) {
    int32_t n = hone_parameters_count(parameters);
    const char **names = hone_alloc((size_t)n, sizeof *names, "names of parameters");
    int64_t *offsets = hone_alloc((size_t)n, sizeof *offsets, "offsets of parameters");
    int64_t *counts = hone_alloc((size_t)n, sizeof *counts, "sizes of parameters");
    for (int32_t i = 0; i < n; i++) {
        const struct hone_parameter *parameter = hone_parameters_get(parameters, i);
        names[i] = parameter->name;
        offsets[i] = parameter->offset;
        counts[i] = parameter->count;
    }
    hone_hdf5_write_texts(file, "parameters/name", n, names);
    hone_hdf5_write(file, "parameters/offset", HONE_HDF5_I64, n, offsets, "element");
    hone_hdf5_write(file, "parameters/count", HONE_HDF5_I64, n, counts, "element");
    hone_free(names);
    hone_free(offsets);
    hone_free(counts);
}

static void buffer_path(char path[64], const char *name) { snprintf(path, 64, "optimizer/%s", name); }

/* A buffer on its way from the device to the file. */
struct transfer {
    const struct hone_run *run;
    struct hone_stream *stream;
    const float *buffer;
};

static enum hone_status fetch(void *to, int64_t offset, int64_t count, void *user) {
    const struct transfer *t = user;
    t->run->device->copy_to_host(to, t->buffer + offset, (size_t)count * sizeof(float), t->stream);
    return t->run->device->stream_synchronize(t->stream);
}

static enum hone_status write_buffers(struct hone_hdf5 *file, const struct hone_run *run,
                                      struct hone_optimizer *optimizer, const struct hone_snapshot *snapshot) {
    struct transfer transfer = {.run = run};
    const char *name;
    int64_t elements;
    if (!snapshot) HONE_TRY(run->device->stream_create(run->device, &transfer.stream));
    for (int i = 0; (transfer.buffer = hone_optimizer_buffer(optimizer, i, &name, &elements)); i++) {
        char path[64];
        buffer_path(path, name);
        if (snapshot)
            hone_hdf5_write(file, path, HONE_HDF5_F32, hone_optimizer_whole(optimizer, i), snapshot->buffers[i], "1");
        else
            hone_hdf5_write_pieces(file, path, HONE_HDF5_F32, elements, 0, fetch, &transfer, "1");
    }
    if (transfer.stream) run->device->stream_destroy(transfer.stream);
    return HONE_OK;
}

enum hone_status hone_training_state_write(const char *path, const struct hone_training_state *state,
                                           const struct hone_run *run, struct hone_optimizer *optimizer,
                                           const struct hone_snapshot *snapshot) {
    struct hone_hdf5 *file;
    struct hone_training_state copy = *state;
    int64_t has_best = state->has_best;
    struct number numbers[NUMBERS];
    list_numbers(numbers, &copy, &has_best);
    HONE_TRY(hone_hdf5_create(&file, path));
    hone_hdf5_set_integer(file, "layout", LAYOUT);
    hone_hdf5_set_integer(file, "seed", run->recipe->training.seed);
    for (int i = 0; i < NUMBERS; i++) {
        if (numbers[i].integer)
            hone_hdf5_set_integer(file, numbers[i].name, *numbers[i].integer);
        else
            hone_hdf5_set_real(file, numbers[i].name, *numbers[i].real);
    }
    hone_hdf5_set_text(file, "recipe", run->identity.recipe);
    hone_hdf5_set_text(file, "data", run->identity.data);
    write_parameters(file, run->folder.model->parameters);
    enum hone_status status = write_buffers(file, run, optimizer, snapshot);
    enum hone_status closed = hone_hdf5_close(file);
    return status == HONE_OK ? closed : status;
}

static enum hone_status read_buffers(struct hone_hdf5 *file, const struct hone_run *run,
                                     struct hone_optimizer *optimizer) {
    struct hone_stream *stream = NULL;
    const char *name;
    int64_t elements;
    HONE_TRY(run->device->stream_create(run->device, &stream));
    enum hone_status status = HONE_OK;
    for (int i = 0; status == HONE_OK && hone_optimizer_buffer(optimizer, i, &name, &elements); i++) {
        char path[64];
        int64_t whole = hone_optimizer_whole(optimizer, i);
        float *staging = hone_alloc((size_t)whole, sizeof *staging, "optimizer buffer to be read");
        buffer_path(path, name);
        status = hone_hdf5_read(file, path, HONE_HDF5_F32, whole, staging);
        if (status == HONE_OK) status = hone_optimizer_take(optimizer, i, staging, stream);
        hone_free(staging);
    }
    run->device->stream_destroy(stream);
    return status;
}

enum hone_status hone_training_state_read(struct hone_training_state *state, const char *path,
                                          const struct hone_run *run, struct hone_optimizer *optimizer) {
    struct hone_hdf5 *file;
    HONE_TRY(hone_hdf5_open(&file, path));
    int64_t layout, has_best = 0;
    struct number numbers[NUMBERS];
    list_numbers(numbers, state, &has_best);
    enum hone_status status;
    HONE_TRY_GOTO(hone_hdf5_get_integer(file, "layout", &layout));
    if (layout != LAYOUT) {
        status = hone_fail(HONE_BAD_INPUT, "%s: layout %lld, expected %d", path, (long long)layout, LAYOUT);
        goto done;
    }
    for (int i = 0; i < NUMBERS; i++) {
        HONE_TRY_GOTO(numbers[i].integer ? hone_hdf5_get_integer(file, numbers[i].name, numbers[i].integer)
                                         : hone_hdf5_get_real(file, numbers[i].name, numbers[i].real));
    }
    state->has_best = has_best != 0;
    status = read_buffers(file, run, optimizer);
done:
    hone_hdf5_close(file);
    return status;
}

size_t hone_snapshot_bytes(const struct hone_run *run) {
    struct hone_optimizer_settings whole = run->optimizer;
    whole.parts = 0;
    return weights_bytes(run) + hone_optimizer_bytes(run->folder.model->parameters, &whole);
}
