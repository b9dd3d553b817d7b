/* Records of parameters and their flat buffers. A parameter's offset is fixed when it is added; its buffers come with
 * hone_parameters_allocate. */
#include "autograd/parameters.h"

#include <string.h>

#include "base/arith.h"
#include "base/memory.h"
#include "base/random.h"

/* Elements: 64 bytes of f32, and of whole vectors in bf16. */
#define PARAMETER_ALIGNMENT 16

struct hone_parameters {
    struct hone_device *device;
    struct hone_stream *stream; /* of copies in and out */
    struct hone_parameter *records;
    size_t capacity;
    int32_t n;
    int64_t end;         /* elements used so far */
    int64_t trained_end; /* of them, with gradients */
    int64_t total;       /* without padding */
    enum hone_dtype precision;
    int64_t inner_end; /* elements up to the end of the last inner matrix */
    float *weights, *gradients;
    uint8_t *marks;  /* of gradients and moments; NULL where the host can't see what is written */
    bool all_marked; /* of the gradients */
    void *copy;
};

struct hone_parameters *hone_parameters_create(struct hone_device *device) {
    struct hone_parameters *p = hone_calloc(1, sizeof *p, "parameters");
    p->device = device;
    p->precision = HONE_F32;
    return p;
}

void hone_parameters_free(struct hone_parameters *p) {
    if (!p) return;
    for (int32_t i = 0; i < p->n; i++) hone_free(p->records[i].name);
    hone_free(p->records);
    if (p->weights) p->device->release(p->device, p->weights);
    if (p->gradients) p->device->release(p->device, p->gradients);
    hone_free(p->marks);
    if (p->copy) p->device->release(p->device, p->copy);
    if (p->stream) p->device->stream_destroy(p->stream);
    hone_free(p);
}

struct hone_device *hone_parameters_device(const struct hone_parameters *p) {
    return p->device;
}

int32_t hone_parameters_add(struct hone_parameters *p, struct hone_parameter record, bool joined) {
    HONE_CHECK(!p->weights, "%s is added after allocation", record.name);
    HONE_CHECK(record.shape[0] > 0 && record.shape[1] >= 0, "%s has shape [%lld, %lld]", record.name,
               (long long)record.shape[0], (long long)record.shape[1]);
    HONE_CHECK(hone_parameters_find(p, record.name) < 0, "%s is added twice", record.name);
    record.n_dims = record.shape[1] ? 2 : 1;
    if (!record.shape[1]) record.shape[1] = 1;
    record.joined = joined;
    record.offset = joined ? p->end : hone_round_up(p->end, PARAMETER_ALIGNMENT);
    bool fits = hone_mul_i64(&record.count, record.shape[0], record.shape[1]) &&
                hone_add_i64(&p->end, record.offset, record.count) && p->end <= INT64_MAX / 16;
    HONE_CHECK(fits, "%s of shape [%lld, %lld] is too large", record.name, (long long)record.shape[0],
               (long long)record.shape[1]);
    p->trained_end = p->end;
    p->total += record.count;
    if (record.inner) p->inner_end = p->end;
    record.name = hone_strdup(record.name, "parameter name");
    hone_reserve(&p->records, &p->capacity, (size_t)p->n + 1, sizeof *p->records, "parameter records");
    p->records[p->n] = record;
    return p->n++;
}

int32_t hone_parameters_count(const struct hone_parameters *p) { return p->n; }

const struct hone_parameter *hone_parameters_get(const struct hone_parameters *p, int32_t id) {
    HONE_CHECK(id >= 0 && id < p->n, "parameter %d of %d", id, p->n);
    return &p->records[id];
}

int32_t hone_parameters_find(const struct hone_parameters *p, const char *name) {
    for (int32_t i = 0; i < p->n; i++) {
        if (strcmp(p->records[i].name, name) == 0) return i;
    }
    return -1;
}

int64_t hone_parameters_elements(const struct hone_parameters *p) { return hone_round_up(p->end, PARAMETER_ALIGNMENT); }

int64_t hone_parameters_total(const struct hone_parameters *p) { return p->total; }

void hone_parameters_set_precision(struct hone_parameters *p, enum hone_dtype precision) {
    HONE_CHECK(!p->weights, "the precision is set after allocation");
    HONE_CHECK(precision == HONE_F32 || precision == HONE_BF16, "parameters in %s", hone_dtype_name(precision));
    p->precision = precision;
}

enum hone_dtype hone_parameters_precision(const struct hone_parameters *p) { return p->precision; }

int64_t hone_parameters_copied(const struct hone_parameters *p) {
    return p->precision == HONE_BF16 ? hone_round_up(p->inner_end, PARAMETER_ALIGNMENT) : 0;
}

size_t hone_parameters_bytes(const struct hone_parameters *p) {
    return (size_t)hone_parameters_elements(p) * sizeof(float) +
           (size_t)hone_parameters_copied(p) * hone_dtype_size(HONE_BF16);
}

int64_t hone_parameters_trained(const struct hone_parameters *p) {
    return hone_round_up(p->trained_end, PARAMETER_ALIGNMENT);
}

int64_t hone_parameters_end(const struct hone_parameters *p, int32_t id) {
    const struct hone_parameter *record = hone_parameters_get(p, id);
    bool joined = id + 1 < p->n && p->records[id + 1].joined;
    int64_t end = record->offset + record->count;
    return joined ? end : hone_round_up(end, PARAMETER_ALIGNMENT);
}

/* The first record behind those that are joined to the one at `begin`. */
static int32_t joined_end(const struct hone_parameters *p, int32_t begin) {
    int32_t end = begin + 1;
    while (end < p->n && p->records[end].joined) end++;
    return end;
}

/* Places all groups of joined parameters that are frozen as a whole, or all others, from p->end on. */
static void place(struct hone_parameters *p, bool frozen) {
    for (int32_t begin = 0, end; begin < p->n; begin = end) {
        end = joined_end(p, begin);
        bool whole = true;
        for (int32_t i = begin; i < end; i++) whole &= p->records[i].frozen;
        if (whole != frozen) continue;
        p->end = hone_round_up(p->end, PARAMETER_ALIGNMENT);
        for (int32_t i = begin; i < end; i++) {
            p->records[i].offset = p->end;
            p->end += p->records[i].count;
            if (p->records[i].inner) p->inner_end = p->end;
        }
    }
}

void hone_parameters_freeze(struct hone_parameters *p, const bool *frozen) {
    HONE_CHECK(!p->weights, "parameters are frozen after allocation");
    for (int32_t i = 0; i < p->n; i++) p->records[i].frozen = frozen[i];
    p->end = p->inner_end = 0;
    place(p, false);
    p->trained_end = p->end;
    place(p, true);
}

static size_t marks_of(const struct hone_parameters *p) {
    return (size_t)((hone_parameters_trained(p) + HONE_MARKED - 1) / HONE_MARKED);
}

enum hone_status hone_parameters_allocate(struct hone_parameters *p, bool training) {
    HONE_CHECK(!p->weights, "parameters are allocated twice");
    struct hone_device *device = p->device;
    size_t bytes = (size_t)hone_parameters_elements(p) * sizeof(float);
    HONE_TRY(device->stream_create(device, &p->stream));
    HONE_TRY(device->allocate(device, (void **)&p->weights, bytes, "weights"));
    device->zero(p->weights, bytes, p->stream);
    if (p->precision == HONE_BF16) {
        size_t copy_bytes = (size_t)hone_parameters_copied(p) * hone_dtype_size(HONE_BF16);
        HONE_TRY(device->allocate(device, &p->copy, copy_bytes, "weights in bf16"));
        device->zero(p->copy, copy_bytes, p->stream);
    }
    if (training) {
        bytes = (size_t)hone_parameters_trained(p) * sizeof(float);
        HONE_TRY(device->allocate(device, (void **)&p->gradients, bytes, "gradients"));
        device->zero(p->gradients, bytes, p->stream);
        if (device->host_memory) p->marks = hone_calloc(marks_of(p), sizeof *p->marks, "marks of the gradients");
    }
    return device->stream_synchronize(p->stream);
}

float *hone_parameters_weights(const struct hone_parameters *p) { return p->weights; }
void *hone_parameters_copy(const struct hone_parameters *p) { return p->copy; }

static void mark(struct hone_parameters *p, int64_t offset, int64_t count) {
    if (!p->marks || count == 0) return;
    for (int64_t i = offset / HONE_MARKED; i <= (offset + count - 1) / HONE_MARKED; i++)
        p->marks[i] |= HONE_MARK_GRADIENT;
}

float *hone_parameters_gradients_unmarked(const struct hone_parameters *p) { return p->gradients; }

float *hone_parameters_gradients(struct hone_parameters *p) {
    if (p->marks) p->all_marked = true;
    return p->gradients;
}

float *hone_parameters_gradient(struct hone_parameters *p, int64_t offset, int64_t count) {
    mark(p, offset, count);
    return p->gradients + offset;
}

float *hone_parameters_gradient_rows(struct hone_parameters *p, int64_t offset, const int32_t *rows, int64_t n,
                                     int64_t C) {
    for (int64_t i = 0; p->marks && i < n; i++) mark(p, offset + rows[i] * C, C);
    return p->gradients + offset;
}

const uint8_t *hone_parameters_marks(const struct hone_parameters *p) {
    return p->marks && !p->all_marked ? p->marks : NULL;
}

void hone_parameters_updated(struct hone_parameters *p, bool moments) {
    _Static_assert(HONE_MARK_MOMENTS == HONE_MARK_GRADIENT << 1, "a shift makes the one of the other");
    uint8_t all = p->all_marked ? HONE_MARK_GRADIENT : 0;
    for (size_t i = 0; p->marks && i < marks_of(p); i++) {
        uint8_t had = moments ? (uint8_t)((p->marks[i] | all) << 1) : 0;
        p->marks[i] = (p->marks[i] | had) & HONE_MARK_MOMENTS;
    }
    p->all_marked = false;
}

void hone_parameters_unmark_moments(struct hone_parameters *p) {
    for (size_t i = 0; p->marks && i < marks_of(p); i++) p->marks[i] &= HONE_MARK_GRADIENT;
}

void hone_parameters_mark_moments(struct hone_parameters *p, const float *moments) {
    for (int64_t i = 0; p->marks && i < hone_parameters_trained(p); i++)
        if (moments[i] != 0) p->marks[i / HONE_MARKED] |= HONE_MARK_MOMENTS;
}

void hone_parameters_round(const struct hone_parameters *p, struct hone_stream *stream) {
    if (p->copy) p->device->ops->cast(p->copy, p->weights, hone_parameters_copied(p), HONE_BF16, stream);
}

enum hone_status hone_parameters_write(struct hone_parameters *p, int32_t id, const float *values) {
    const struct hone_parameter *record = hone_parameters_get(p, id);
    HONE_CHECK(p->weights, "%s is written before allocation", record->name);
    p->device->copy_to_device(p->weights + record->offset, values, (size_t)record->count * sizeof(float), p->stream);
    if (p->copy && record->inner) {
        char *copy = (char *)p->copy + (size_t)record->offset * hone_dtype_size(HONE_BF16);
        p->device->ops->cast(copy, p->weights + record->offset, record->count, HONE_BF16, p->stream);
    }
    return p->device->stream_synchronize(p->stream);
}

enum hone_status hone_parameters_read(const struct hone_parameters *p, int32_t id, float *values) {
    const struct hone_parameter *record = hone_parameters_get(p, id);
    HONE_CHECK(p->weights, "%s is read before allocation", record->name);
    p->device->copy_to_host(values, p->weights + record->offset, (size_t)record->count * sizeof(float), p->stream);
    return p->device->stream_synchronize(p->stream);
}

/* FNV-1a: a parameter's initial numbers depend on its name, not on which others the model has. */
static uint32_t name_hash(const char *name) {
    uint32_t hash = 2166136261u;
    for (; *name; name++) hash = (hash ^ (unsigned char)*name) * 16777619u;
    return hash;
}

enum hone_status hone_parameters_initialize(struct hone_parameters *p, int32_t id, uint64_t seed) {
    const struct hone_parameter *record = hone_parameters_get(p, id);
    float *values = hone_alloc((size_t)record->count, sizeof *values, "initial values of a parameter");
    uint32_t stream = name_hash(record->name);
    for (int64_t i = 0; i < record->count; i++) {
        switch (record->init) {
        case HONE_INIT_NORMAL:
            values[i] = record->init_std * (float)hone_random_normal(seed, HONE_RANDOM_INIT, stream, (uint64_t)i);
            break;
        case HONE_INIT_ZERO:
            values[i] = 0;
            break;
        case HONE_INIT_ONE:
            values[i] = 1;
            break;
        }
    }
    enum hone_status status = hone_parameters_write(p, id, values);
    hone_free(values);
    return status;
}
