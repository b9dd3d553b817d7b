/* The buffers that kernels are measured on, in sets that are used in turn, and the checks of results. */
#include <math.h>
#include <string.h>

#include "base/arith.h"
#include "base/memory.h"
#include "base/random.h"
#include "tools/bench_kernels.h"

/* Prime, so that no buffer repeats another. */
enum { NOISE_LENGTH = 1000003, NOISE_STEP = 7919, MOST_SETS = 4096 };

void kernel_buffer(struct kernel_bench *b, enum kernel_fill fill, int64_t floats) {
    HONE_CHECK(b->n_buffers < KERNEL_BUFFERS, "%s: more than %d buffers", b->name, KERNEL_BUFFERS);
    b->buffers[b->n_buffers].floats = (size_t)floats;
    b->buffers[b->n_buffers++].fill = fill;
}

void kernel_shared_buffer(struct kernel_bench *b, enum kernel_fill fill, int64_t floats) {
    kernel_buffer(b, fill, floats);
    b->buffers[b->n_buffers - 1].shared = true;
}

void kernel_workspace(struct kernel_bench *b, size_t bytes) {
    kernel_buffer(b, KERNEL_UNSET, (int64_t)((bytes + sizeof(float) - 1) / sizeof(float)));
}

void kernel_check(struct kernel_bench *b, const char *what, int64_t i, double got, double want, double magnitude) {
    double tolerance = 1e-5 * magnitude;
    if (b->status != HONE_OK || fabs(got - want) <= tolerance) return;
    b->status = hone_fail(HONE_INTERNAL, "bench: %s is wrong: %s[%lld] is %.9g, expected %.9g within %.2g", b->name,
                          what, (long long)i, got, want, tolerance);
}

int64_t kernel_sample(int i, int64_t n) { return i * (n - 1) / (KERNEL_SAMPLES - 1); }

double kernel_initial(const struct kernel_bench *b, int buffer, int64_t i) {
    double value = b->noise[(i + (int64_t)buffer * NOISE_STEP) % NOISE_LENGTH];
    return b->buffers[buffer].fill == KERNEL_POSITIVE ? fabs(value) : value;
}

double kernel_dropout_factor(const struct kernel_bench *b, int64_t row, int64_t element) {
    if (!b->drop) return 1;
    uint64_t key = (uint64_t)b->row_key[row];
    uint32_t words[4], counter[4] = {(uint32_t)(element / 8), (uint32_t)key, (uint32_t)(key >> 32), b->dropout.site};
    hone_philox(words, counter, (uint32_t[2]){b->step.seed, b->step.step});
    uint32_t field = words[element % 8 / 2] >> (element % 2 * 16) & 0xffff;
    return field >= b->dropout.threshold ? (double)b->dropout.scale : 0;
}

static void fill_buffer(float *to, size_t n, enum kernel_fill fill, const float *noise, size_t start) {
    if (fill == KERNEL_ZERO || fill == KERNEL_UNSET) {
        memset(to, fill == KERNEL_ZERO ? 0 : 0xff, n * sizeof *to); /* 0xffffffff is a NaN */
        return;
    }
    for (size_t done = 0; done < n;) {
        size_t from = (start + done) % NOISE_LENGTH, some = n - done;
        if (some > NOISE_LENGTH - from) some = NOISE_LENGTH - from;
        memcpy(to + done, noise + from, some * sizeof *to);
        done += some;
    }
    for (size_t i = 0; fill == KERNEL_POSITIVE && i < n; i++) to[i] = fabsf(to[i]);
}

enum hone_status kernel_memory_open(struct kernel_memory *out) {
    *out = (struct kernel_memory){0};
    HONE_TRY(hone_device_open(&out->device, "cpu"));
    HONE_TRY(out->device->stream_create(out->device, &out->stream));
    out->noise = hone_alloc(NOISE_LENGTH, sizeof *out->noise, "noise");
    for (size_t i = 0; i < NOISE_LENGTH; i++)
        out->noise[i] = (float)((double)hone_random_u64(1, HONE_RANDOM_INIT, 0, i) * 0x1p-63 - 1);
    return HONE_OK;
}

void kernel_memory_close(struct kernel_memory *memory) {
    if (memory->arena) memory->device->release(memory->device, memory->arena);
    if (memory->stream) memory->device->stream_destroy(memory->stream);
    hone_free(memory->noise);
}

static void select_set(struct kernel_bench *b, const struct kernel_sets *sets, size_t set) {
    for (int i = 0; i < b->n_buffers; i++) {
        char *base = b->buffers[i].shared ? sets->shared : sets->base + set * sets->bytes;
        b->at[i] = (float *)(void *)(base + b->buffers[i].offset);
    }
    b->ids = b->all_ids + set % KERNEL_ID_SETS * (size_t)b->shape.T;
}

/* Gives each buffer its offset; returns the bytes of those that are shared, and those of a set. */
static size_t place_buffers(struct kernel_bench *b, size_t *set_bytes) {
    size_t bytes[2] = {0, 0};
    for (int i = 0; i < b->n_buffers; i++) {
        size_t *end = &bytes[b->buffers[i].shared];
        b->buffers[i].offset = *end;
        *end += (size_t)hone_round_up((int64_t)(b->buffers[i].floats * sizeof(float)), 64);
    }
    *set_bytes = bytes[0] ? bytes[0] : 64; /* all shared: a set still counts as something */
    return bytes[1];
}

enum hone_status kernel_sets_open(struct kernel_sets *out, struct kernel_memory *memory, struct kernel_bench *b,
                                  const struct kernel_op *op) {
    *out = (struct kernel_sets){0};
    size_t shared_bytes = place_buffers(b, &out->bytes);
    out->n = hone_bench_beyond_caches() / out->bytes + 1;
    if (out->n > MOST_SETS) out->n = MOST_SETS;
    out->next = 1 % out->n; /* the first has had its run when the second's turn comes */
    size_t bytes = shared_bytes + out->n * out->bytes;
    if (bytes > memory->arena_bytes) {
        if (memory->arena) memory->device->release(memory->device, memory->arena);
        memory->arena = NULL;
        memory->arena_bytes = bytes;
        HONE_TRY(memory->device->allocate(memory->device, &memory->arena, bytes, "benchmark buffers"));
    }
    out->shared = memory->arena;
    out->base = out->shared + shared_bytes;
    for (size_t set = out->n; set-- > 0;) {
        select_set(b, out, set);
        for (int i = 0; i < b->n_buffers; i++) {
            if (b->buffers[i].shared && set > 0) continue;
            size_t start = (set * KERNEL_BUFFERS + (size_t)i) * NOISE_STEP;
            fill_buffer(b->at[i], b->buffers[i].floats, b->buffers[i].fill, b->noise, start);
        }
        if (op->prepare) op->prepare(b);
    }
    return memory->device->stream_synchronize(memory->stream);
}

void kernel_sets_advance(struct kernel_sets *sets, struct kernel_bench *b) {
    select_set(b, sets, sets->next);
    sets->next = (sets->next + 1) % sets->n;
}
