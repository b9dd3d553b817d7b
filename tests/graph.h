/* For tests that record and run graphs: a device with parameters and a tape, arrays in device memory, values out of
 * fixtures, and gradients back. Everything is freed by rig_close. */
#ifndef HONE_TESTS_GRAPH_H
#define HONE_TESTS_GRAPH_H

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "autograd/node.h"
#include "base/memory.h"
#include "hub/safetensors.h"
#include "tests/support.h"

struct rig {
    struct hone_device *device;
    struct hone_stream *stream;
    struct hone_parameters *parameters;
    struct hone_tape *tape;
    struct hone_step *step; /* device */
    void *memory[256];      /* device */
    int n_memory;
};

/* Device memory holding a copy of `values`. */
static inline void *rig_upload(struct rig *rig, const void *values, size_t bytes) {
    void *memory;
    assert_true(rig->n_memory < (int)(sizeof rig->memory / sizeof *rig->memory));
    TEST_OK(rig->device->allocate(rig->device, &memory, bytes + 1, "test"));
    rig->memory[rig->n_memory++] = memory;
    rig->device->copy_to_device(memory, values, bytes, rig->stream);
    TEST_OK(rig->device->stream_synchronize(rig->stream));
    return memory;
}

static inline void rig_download(struct rig *rig, void *values, const void *memory, size_t bytes) {
    rig->device->copy_to_host(values, memory, bytes, rig->stream);
    TEST_OK(rig->device->stream_synchronize(rig->stream));
}

static inline void rig_set_step(struct rig *rig, struct hone_step step) {
    rig->device->copy_to_device(rig->step, &step, sizeof step, rig->stream);
    TEST_OK(rig->device->stream_synchronize(rig->stream));
}

static inline struct hone_step rig_get_step(struct rig *rig) {
    struct hone_step step;
    rig_download(rig, &step, rig->step, sizeof step);
    return step;
}

static inline void rig_open(struct rig *rig) {
    *rig = (struct rig){0};
    TEST_OK(hone_device_open(&rig->device, "cpu"));
    TEST_OK(rig->device->stream_create(rig->device, &rig->stream));
    rig->parameters = hone_parameters_create(rig->device);
    rig->tape = hone_tape_create(rig->device, rig->parameters);
    struct hone_step step = {.seed = 5, .step = 3};
    rig->step = rig_upload(rig, &step, sizeof step);
}

static inline void rig_close(struct rig *rig) {
    for (int i = 0; i < rig->n_memory; i++) rig->device->release(rig->device, rig->memory[i]);
    hone_tape_free(rig->tape);
    hone_parameters_free(rig->parameters);
    rig->device->stream_destroy(rig->stream);
}

/* Adds an undecayed parameter by shape; cols 0 makes a vector. */
static inline int32_t rig_parameter(struct rig *rig, const char *name, int64_t rows, int64_t cols, bool joined) {
    char copy[128];
    snprintf(copy, sizeof copy, "%s", name);
    return hone_parameters_add(rig->parameters, (struct hone_parameter){.name = copy, .shape = {rows, cols}}, joined);
}

/* The gradients of one parameter; owned. */
static inline float *rig_gradient(struct rig *rig, int32_t id) {
    const struct hone_parameter *p = hone_parameters_get(rig->parameters, id);
    float *values = hone_alloc((size_t)p->count, sizeof *values, "test");
    rig_download(rig, values, hone_parameters_gradients(rig->parameters) + p->offset,
                 (size_t)p->count * sizeof *values);
    return values;
}

static inline void rig_clear_gradients(struct rig *rig) {
    size_t bytes = (size_t)hone_parameters_elements(rig->parameters) * sizeof(float);
    rig->device->zero(hone_parameters_gradients(rig->parameters), bytes, rig->stream);
    TEST_OK(rig->device->stream_synchronize(rig->stream));
}

/* Fills the arena with NaN, so that whatever is read before it was written is seen. */
static inline void rig_poison(struct rig *rig) {
    size_t n = rig->tape->arena_bytes / sizeof(float);
    float *values = hone_alloc(n, sizeof *values, "test");
    for (size_t i = 0; i < n; i++) values[i] = NAN;
    if (n > 0) rig->device->copy_to_device(rig->tape->arena, values, n * sizeof *values, rig->stream);
    TEST_OK(rig->device->stream_synchronize(rig->stream));
    hone_free(values);
}

/* Lays out, poisons, runs forward and, when training, backward. */
static inline void rig_run(struct rig *rig, void (*on_gradient)(int32_t, void *), void *user) {
    TEST_OK(hone_tape_layout(rig->tape));
    rig_poison(rig);
    hone_tape_forward(rig->tape, rig->stream);
    if (hone_tape_mode(rig->tape) == HONE_TRAINING) hone_tape_backward(rig->tape, on_gradient, user, rig->stream);
    TEST_OK(rig->device->stream_synchronize(rig->stream));
}

/* A kept value after the run; owned. */
static inline float *rig_value(struct rig *rig, hone_value value) {
    size_t n = (size_t)(hone_value_rows(rig->tape, value) * hone_value_cols(rig->tape, value));
    float *values = hone_alloc(n, sizeof *values, "test");
    rig_download(rig, values, hone_tape_data(rig->tape, value), n * sizeof *values);
    return values;
}

/* Tensors of a fixture; owned, n may be NULL. A tensor that isn't there fails the test. */
static inline const struct hone_tensor_entry *fixture_entry(const struct hone_safetensors *file, const char *name,
                                                            int64_t *n) {
    const struct hone_tensor_entry *entry = hone_safetensors_find(file, name);
    if (!entry) fail_msg("the fixture has no %s", name);
    if (n) *n = hone_tensor_elements(entry);
    return entry;
}

static inline float *fixture_f32(struct hone_safetensors *file, const char *name, int64_t *n) {
    const struct hone_tensor_entry *entry = fixture_entry(file, name, n);
    float *values = hone_alloc((size_t)hone_tensor_elements(entry), sizeof *values, "test");
    TEST_OK(hone_safetensors_read_f32(file, entry, values));
    return values;
}

/* Of F64 and F32 tensors. */
static inline double *fixture_f64(struct hone_safetensors *file, const char *name, int64_t *n) {
    int64_t count;
    const struct hone_tensor_entry *entry = fixture_entry(file, name, &count);
    double *values = hone_alloc((size_t)count, sizeof *values, "test");
    if (strcmp(entry->dtype, "F64") == 0) {
        TEST_OK(hone_safetensors_read(file, entry, values));
    } else {
        float *narrow = fixture_f32(file, name, NULL);
        for (int64_t i = 0; i < count; i++) values[i] = (double)narrow[i];
        hone_free(narrow);
    }
    if (n) *n = count;
    return values;
}

static inline int32_t *fixture_i32(struct hone_safetensors *file, const char *name, int64_t *n) {
    const struct hone_tensor_entry *entry = fixture_entry(file, name, n);
    assert_string_equal(entry->dtype, "I32");
    int32_t *values = hone_alloc((size_t)hone_tensor_elements(entry), sizeof *values, "test");
    TEST_OK(hone_safetensors_read(file, entry, values));
    return values;
}

/* Runs act(user) in a child and fails unless it aborts as HONE_CHECK does, with `part` in what it prints. */
static inline void expect_abort(void (*act)(void *user), void *user, const char *part) {
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        dup2(ends[1], STDERR_FILENO);
        act(user);
        _exit(0);
    }
    close(ends[1]);
    char text[4096];
    size_t n = 0;
    for (ssize_t got; n + 1 < sizeof text && (got = read(ends[0], text + n, sizeof text - 1 - n)) > 0;)
        n += (size_t)got;
    text[n] = 0;
    close(ends[0]);
    int status;
    waitpid(child, &status, 0);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != HONE_INTERNAL) fail_msg("not aborted: \"%s\"", text);
    if (!strstr(text, part)) fail_msg("\"%s\", expected \"%s\" in it", text, part);
}

#endif
