/* What all optimizers share: buffers, segments, the step's state, clipping. */
#include "optim/optimizer.h"

#include "base/arith.h"
#include "base/memory.h"
#include "kernels/profile.h"
#include "optim/classes.h"

/* By enum hone_optimizer_name. */
static const struct hone_optimizer_class *const classes[] = {&hone_adamw_class, &hone_sgd_class, &hone_adafactor_class};

const char *hone_optimizer_title(enum hone_optimizer_name name) { return classes[name]->title; }

struct hone_parameter_group hone_optimizer_group(const struct hone_parameters *parameters, int32_t id,
                                                 const struct hone_optimizer_settings *settings) {
    if (settings->groups) return settings->groups[id];
    bool decay = hone_parameters_get(parameters, id)->decay;
    return (struct hone_parameter_group){.learning_rate_scale = 1, .weight_decay = decay ? settings->weight_decay : 0};
}

static bool continues(const struct hone_segment *a, const struct hone_segment *b) {
    return a->offset + a->count == b->offset && a->learning_rate_scale == b->learning_rate_scale &&
           a->weight_decay == b->weight_decay;
}

int64_t hone_optimizer_flat_segments(void *segments, const struct hone_parameters *parameters,
                                     const struct hone_optimizer_settings *settings) {
    struct hone_segment *all = segments;
    int64_t count = 0;
    for (int32_t i = 0; i < hone_parameters_count(parameters); i++) {
        const struct hone_parameter *p = hone_parameters_get(parameters, i);
        if (p->frozen) continue;
        struct hone_parameter_group group = hone_optimizer_group(parameters, i, settings);
        struct hone_segment segment = {.offset = p->offset,
                                       .count = hone_parameters_end(parameters, i) - p->offset,
                                       .learning_rate_scale = (float)group.learning_rate_scale,
                                       .weight_decay = (float)group.weight_decay};
        if (count > 0 && continues(&all[count - 1], &segment)) {
            all[count - 1].count += segment.count;
        } else {
            all[count++] = segment;
        }
    }
    return count;
}

/* Leaves what of them lies in the part, counted from its begin; returns how many. */
static int64_t cut_segments(struct hone_segment *segments, int64_t n, const struct hone_parameters *parameters,
                            const struct hone_optimizer_settings *settings) {
    int64_t begin, end, kept = 0;
    hone_optimizer_part(&begin, &end, hone_parameters_trained(parameters), settings->part, settings->parts);
    for (int64_t i = 0; i < n; i++) {
        struct hone_segment cut = segments[i];
        int64_t from = hone_max_i64(cut.offset, begin), to = hone_min_i64(cut.offset + cut.count, end);
        if (from >= to) continue;
        cut.offset = from - begin;
        cut.count = to - from;
        segments[kept++] = cut;
    }
    return kept;
}

/* Host memory of the class's segments, the caller's to free. */
static void *make_segments(int64_t *n, const struct hone_optimizer_class *class,
                           const struct hone_parameters *parameters, const struct hone_optimizer_settings *settings) {
    void *segments =
        hone_alloc((size_t)hone_parameters_count(parameters) + 1, class->segment_size, "optimizer segments");
    *n = class->find_segments(segments, parameters, settings);
    if (settings->parts > 1) *n = cut_segments(segments, *n, parameters, settings);
    return segments;
}

static void describe(struct hone_optimizer_buffer buffers[HONE_OPTIMIZER_BUFFERS],
                     const struct hone_optimizer_class *class, const struct hone_parameters *parameters,
                     const struct hone_optimizer_settings *settings) {
    int64_t trained = hone_parameters_trained(parameters), begin, end;
    class->describe(buffers, parameters, settings);
    if (settings->ema_decay > 0) {
        buffers[HONE_OPTIMIZER_AVERAGE].name = "average";
        buffers[HONE_OPTIMIZER_AVERAGE].elements = trained;
    }
    if (settings->parts <= 1) return;
    HONE_CHECK(class->find_segments == hone_optimizer_flat_segments, "%s in parts", class->title);
    hone_optimizer_part(&begin, &end, trained, settings->part, settings->parts);
    for (int i = 0; i < HONE_OPTIMIZER_BUFFERS; i++)
        if (buffers[i].name) buffers[i].elements = end - begin;
}

static enum hone_status upload_segments(struct hone_optimizer *o, const void *segments) {
    struct hone_device *device = o->device;
    struct hone_stream *stream = NULL;
    enum hone_status status;
    HONE_TRY_GOTO(device->stream_create(device, &stream));
    for (int i = 0; i < HONE_OPTIMIZER_BUFFERS; i++) {
        struct hone_optimizer_buffer *buffer = &o->buffers[i];
        if (buffer->name) device->zero(buffer->data, (size_t)buffer->elements * sizeof(float), stream);
    }
    device->zero(o->step, sizeof *o->step, stream);
    device->copy_to_device(o->segments, segments, (size_t)o->n_segments * o->class->segment_size, stream);
    status = device->stream_synchronize(stream);
done:
    if (stream) device->stream_destroy(stream);
    return status;
}

static enum hone_status allocate(struct hone_optimizer *o, const void *segments) {
    struct hone_device *device = o->device;
    for (int i = 0; i < HONE_OPTIMIZER_BUFFERS; i++) {
        struct hone_optimizer_buffer *buffer = &o->buffers[i];
        if (!buffer->name) continue;
        size_t bytes = (size_t)buffer->elements * sizeof(float);
        HONE_TRY(device->allocate(device, (void **)&buffer->data, bytes, buffer->name));
    }
    size_t bytes = (size_t)o->n_segments * o->class->segment_size;
    HONE_TRY(device->allocate(device, &o->segments, bytes, "optimizer segments"));
    HONE_TRY(device->allocate(device, (void **)&o->step, sizeof *o->step, "step state"));
    HONE_TRY(device->allocate_pinned(device, (void **)&o->upload, sizeof *o->upload, "step state"));
    bytes = device->ops->gradient_norm_workspace(hone_parameters_trained(o->parameters));
    HONE_TRY(device->allocate(device, &o->norm_workspace, bytes, "workspace of the gradient norm"));
    if (!o->class->workspace) return HONE_OK;
    bytes = o->class->workspace(segments, o->n_segments, device);
    return device->allocate(device, &o->workspace, bytes, "workspace of the optimizer");
}

enum hone_status hone_optimizer_create(struct hone_optimizer **out, struct hone_parameters *parameters,
                                       struct hone_optimizer_settings settings) {
    struct hone_optimizer *o = hone_calloc(1, sizeof *o, "optimizer");
    o->gradients = hone_parameters_gradients_unmarked(parameters);
    HONE_CHECK(o->gradients, "an optimizer needs parameters allocated for training");
    hone_parameters_unmark_moments(parameters);
    o->class = classes[settings.name];
    o->device = hone_parameters_device(parameters);
    o->parameters = parameters;
    o->settings = settings;
    hone_optimizer_part(&o->begin, &o->end, hone_parameters_trained(parameters), settings.part, settings.parts);
    describe(o->buffers, o->class, parameters, &settings);
    void *segments = make_segments(&o->n_segments, o->class, parameters, &settings);
    enum hone_status status = allocate(o, segments);
    if (status == HONE_OK) status = upload_segments(o, segments);
    hone_free(segments);
    if (status == HONE_OK) {
        *out = o;
    } else {
        hone_optimizer_free(o);
    }
    return status;
}

void hone_optimizer_free(struct hone_optimizer *o) {
    if (!o) return;
    void *memory[] = {o->segments, o->step, o->norm_workspace, o->workspace};
    for (size_t i = 0; i < sizeof memory / sizeof *memory; i++) {
        if (memory[i]) o->device->release(o->device, memory[i]);
    }
    for (int i = 0; i < HONE_OPTIMIZER_BUFFERS; i++) {
        if (o->buffers[i].data) o->device->release(o->device, o->buffers[i].data);
    }
    if (o->upload) o->device->release_pinned(o->device, o->upload);
    hone_free(o);
}

struct hone_step *hone_optimizer_step_state(struct hone_optimizer *o) {
    return o->step;
}

float *hone_optimizer_buffer(const struct hone_optimizer *o, int i, const char **name, int64_t *elements) {
    for (int k = 0; k < HONE_OPTIMIZER_BUFFERS; k++) {
        if (!o->buffers[k].name || i-- > 0) continue;
        *name = o->buffers[k].name;
        *elements = o->buffers[k].elements;
        return o->buffers[k].data;
    }
    return NULL;
}

enum hone_status hone_optimizer_begin(struct hone_optimizer *o, uint32_t seed, uint32_t step, double learning_rate,
                                      struct hone_stream *stream) {
    HONE_TRY(o->device->stream_synchronize(stream));
    *o->upload = (struct hone_step){
        .seed = seed, .step = step, .learning_rate = (float)learning_rate, .clip_scale = 1, .finite = 1};
    if (o->class->begin) o->class->begin(o->upload, &o->settings);
    o->device->copy_to_device(o->step, o->upload, sizeof *o->step, stream);
    return HONE_OK;
}

/* Frozen parts of joined matrices got a gradient with the others; it must not count in the norm. */
static void zero_frozen(struct hone_optimizer *o, struct hone_stream *stream) {
    for (int32_t i = 0; i < hone_parameters_count(o->parameters); i++) {
        const struct hone_parameter *p = hone_parameters_get(o->parameters, i);
        if (!p->frozen || p->offset >= hone_parameters_trained(o->parameters)) continue;
        o->device->zero(o->gradients + p->offset, (size_t)p->count * sizeof *o->gradients, stream);
    }
}

/* The average goes towards the weights by this share of the difference. */
static void follow(struct hone_optimizer *o, float share, struct hone_stream *stream) {
    o->device->ops->ema(o->buffers[HONE_OPTIMIZER_AVERAGE].data, hone_parameters_weights(o->parameters) + o->begin,
                        o->end - o->begin, share, o->step, stream);
}

/* The gradients of other parts, which their kernels zero on other ranks alone. */
static void zero_others(struct hone_optimizer *o, struct hone_stream *stream) {
    int64_t behind = hone_parameters_trained(o->parameters) - o->end;
    o->device->zero(o->gradients, (size_t)o->begin * sizeof *o->gradients, stream);
    o->device->zero(o->gradients + o->end, (size_t)behind * sizeof *o->gradients, stream);
}

enum hone_status hone_optimizer_apply(struct hone_optimizer *o, struct hone_stream *stream) {
    const struct hone_ops *ops = o->device->ops;
    int64_t elements = hone_parameters_trained(o->parameters);
    double start = hone_profile_start();
    zero_frozen(o, stream);
    ops->gradient_norm(o->step, o->gradients, hone_parameters_marks(o->parameters), elements,
                       (float)o->settings.clip_norm, o->norm_workspace, stream);
    if (o->settings.clip_value > 0)
        ops->clip_values(o->gradients + o->begin, o->end - o->begin, (float)o->settings.clip_value, stream);
    hone_profile_add("gradient norm", start);
    start = hone_profile_start();
    o->class->apply(o, stream);
    if (hone_optimizer_is_shared(o)) {
        zero_others(o, stream);
        HONE_TRY(hone_optimizer_gather_weights(o, stream));
    }
    hone_parameters_updated(o->parameters, true);
    if (hone_optimizer_is_shared(o) || !o->class->rounds) hone_parameters_round(o->parameters, stream);
    hone_profile_add(o->class->title, start);
    if (o->settings.ema_decay == 0) return HONE_OK;
    start = hone_profile_start();
    follow(o, o->upload->step == 0 ? 1 : (float)(1 - o->settings.ema_decay), stream);
    hone_profile_add("ema", start);
    return HONE_OK;
}

void hone_optimizer_skip(struct hone_optimizer *o, struct hone_stream *stream) {
    size_t bytes = (size_t)hone_parameters_trained(o->parameters) * sizeof(float);
    o->device->zero(o->gradients, bytes, stream);
    hone_parameters_updated(o->parameters, false);
    if (o->settings.ema_decay == 0 || o->upload->step > 0) return;
    /* The flag of the step that is skipped would keep the average from following. */
    o->upload->finite = 1;
    o->device->copy_to_device(o->step, o->upload, sizeof *o->step, stream);
    follow(o, 1, stream);
}

enum hone_status hone_optimizer_result(struct hone_optimizer *o, struct hone_step *out, struct hone_stream *stream) {
    o->device->copy_to_host(out, o->step, sizeof *out, stream);
    return o->device->stream_synchronize(stream);
}

enum hone_status hone_optimizer_exchange(struct hone_optimizer *o, struct hone_stream *stream) {
    enum { PIECE = 1 << 18 };
    float *average = o->buffers[HONE_OPTIMIZER_AVERAGE].data;
    float *weights = hone_parameters_weights(o->parameters) + o->begin;
    if (!average) return HONE_OK;
    float *piece = hone_alloc(2 * (size_t)PIECE, sizeof *piece, "piece of the weights");
    int64_t n = o->end - o->begin;
    enum hone_status status = HONE_OK;
    for (int64_t at = 0; at < n && status == HONE_OK; at += PIECE) {
        size_t bytes = (size_t)(n - at < PIECE ? n - at : PIECE) * sizeof *piece;
        o->device->copy_to_host(piece, weights + at, bytes, stream);
        o->device->copy_to_host(piece + PIECE, average + at, bytes, stream);
        o->device->copy_to_device(weights + at, piece + PIECE, bytes, stream);
        o->device->copy_to_device(average + at, piece, bytes, stream);
        status = o->device->stream_synchronize(stream);
    }
    hone_free(piece);
    if (status == HONE_OK && hone_optimizer_is_shared(o)) status = hone_optimizer_gather_weights(o, stream);
    hone_parameters_round(o->parameters, stream);
    return status;
}

size_t hone_optimizer_bytes(const struct hone_parameters *parameters, const struct hone_optimizer_settings *settings) {
    const struct hone_optimizer_class *class = classes[settings->name];
    const struct hone_device *device = hone_parameters_device(parameters);
    struct hone_optimizer_buffer buffers[HONE_OPTIMIZER_BUFFERS] = {0};
    describe(buffers, class, parameters, settings);
    int64_t n;
    void *segments = make_segments(&n, class, parameters, settings);
    size_t bytes = (size_t)n * class->segment_size + sizeof(struct hone_step) +
                   device->ops->gradient_norm_workspace(hone_parameters_trained(parameters));
    for (int i = 0; i < HONE_OPTIMIZER_BUFFERS; i++) bytes += (size_t)buffers[i].elements * sizeof(float);
    if (class->workspace) bytes += class->workspace(segments, n, device);
    hone_free(segments);
    return bytes;
}
