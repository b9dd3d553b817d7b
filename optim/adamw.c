/* AdamW over flat buffers. Segments cover the whole buffer, padding included: its gradient, weight and moments are 0, so
 * an update leaves it 0. */
#include "optim/adamw.h"

#include <math.h>

#include "base/memory.h"
#include "kernels/profile.h"

struct hone_optimizer {
    struct hone_device *device;
    struct hone_parameters *parameters;
    struct hone_optimizer_settings settings;
    float *first, *second;
    struct hone_segment *segments; /* device */
    int64_t n_segments;
    struct hone_step *step;   /* device */
    struct hone_step *upload; /* pinned: must stay as it is until the stream has read it */
    void *workspace;
};

/* Neighbours that are treated alike become one. Returns their number; `segments` has room for one per parameter. */
static int64_t find_segments(struct hone_segment *segments, const struct hone_parameters *parameters, double decay) {
    int32_t n = hone_parameters_count(parameters);
    int64_t count = 0;
    for (int32_t i = 0; i < n; i++) {
        const struct hone_parameter *p = hone_parameters_get(parameters, i);
        int64_t end = i + 1 < n ? hone_parameters_get(parameters, i + 1)->offset : hone_parameters_elements(parameters);
        float weight_decay = p->decay ? (float)decay : 0;
        if (count > 0 && segments[count - 1].weight_decay == weight_decay) {
            segments[count - 1].count = end - segments[count - 1].offset;
        } else {
            segments[count] = (struct hone_segment){
                .offset = p->offset, .count = end - p->offset, .learning_rate_scale = 1, .weight_decay = weight_decay};
            count++;
        }
    }
    return count;
}

static enum hone_status upload_segments(struct hone_optimizer *o) {
    size_t n = (size_t)hone_parameters_count(o->parameters);
    struct hone_segment *segments = hone_alloc(n, sizeof *segments, "optimizer segments");
    o->n_segments = find_segments(segments, o->parameters, o->settings.weight_decay);
    struct hone_stream *stream = NULL;
    enum hone_status status;
    HONE_TRY_GOTO(o->device->stream_create(o->device, &stream));
    size_t moment_bytes = (size_t)hone_parameters_elements(o->parameters) * sizeof(float);
    o->device->zero(o->first, moment_bytes, stream);
    o->device->zero(o->second, moment_bytes, stream);
    o->device->zero(o->step, sizeof *o->step, stream);
    o->device->copy_to_device(o->segments, segments, (size_t)o->n_segments * sizeof *segments, stream);
    status = o->device->stream_synchronize(stream);
done:
    if (stream) o->device->stream_destroy(stream);
    hone_free(segments);
    return status;
}

static size_t segment_bytes(const struct hone_parameters *parameters) {
    return (size_t)hone_parameters_count(parameters) * sizeof(struct hone_segment);
}

enum hone_status hone_optimizer_create(struct hone_optimizer **out, struct hone_parameters *parameters,
                                       struct hone_optimizer_settings settings) {
    HONE_CHECK(hone_parameters_gradients(parameters), "an optimizer needs parameters allocated for training");
    struct hone_optimizer *o = hone_calloc(1, sizeof *o, "optimizer");
    o->device = hone_parameters_device(parameters);
    o->parameters = parameters;
    o->settings = settings;
    struct hone_device *device = o->device;
    int64_t elements = hone_parameters_elements(parameters);
    size_t moment_bytes = (size_t)elements * sizeof(float);
    enum hone_status status;
    HONE_TRY_GOTO(device->allocate(device, (void **)&o->first, moment_bytes, "AdamW's first moments"));
    HONE_TRY_GOTO(device->allocate(device, (void **)&o->second, moment_bytes, "AdamW's second moments"));
    HONE_TRY_GOTO(device->allocate(device, (void **)&o->segments, segment_bytes(parameters), "optimizer segments"));
    HONE_TRY_GOTO(device->allocate(device, (void **)&o->step, sizeof *o->step, "step state"));
    HONE_TRY_GOTO(device->allocate_pinned(device, (void **)&o->upload, sizeof *o->upload, "step state"));
    size_t workspace = device->ops->gradient_norm_workspace(elements);
    HONE_TRY_GOTO(device->allocate(device, &o->workspace, workspace, "workspace of the gradient norm"));
    HONE_TRY_GOTO(upload_segments(o));
    *out = o;
    return HONE_OK;
done:
    hone_optimizer_free(o);
    return status;
}

void hone_optimizer_free(struct hone_optimizer *o) {
    if (!o) return;
    void *memory[] = {o->first, o->second, o->segments, o->step, o->workspace};
    for (size_t i = 0; i < sizeof memory / sizeof *memory; i++) {
        if (memory[i]) o->device->release(o->device, memory[i]);
    }
    if (o->upload) o->device->release_pinned(o->device, o->upload);
    hone_free(o);
}

struct hone_step *hone_optimizer_step_state(struct hone_optimizer *o) {
    return o->step;
}
float *hone_optimizer_first_moments(struct hone_optimizer *o) { return o->first; }
float *hone_optimizer_second_moments(struct hone_optimizer *o) { return o->second; }

enum hone_status hone_optimizer_begin(struct hone_optimizer *o, uint32_t seed, uint32_t step, double learning_rate,
                                      struct hone_stream *stream) {
    HONE_TRY(o->device->stream_synchronize(stream));
    double t = (double)step + 1;
    *o->upload = (struct hone_step){
        .seed = seed,
        .step = step,
        .learning_rate = (float)learning_rate,
        .bias_correction1 = (float)(1 - pow(o->settings.beta1, t)),
        .bias_correction2 = (float)(1 - pow(o->settings.beta2, t)),
        .clip_scale = 1,
        .finite = 1,
    };
    o->device->copy_to_device(o->step, o->upload, sizeof *o->step, stream);
    return HONE_OK;
}

void hone_optimizer_apply(struct hone_optimizer *o, struct hone_stream *stream) {
    const struct hone_ops *ops = o->device->ops;
    struct hone_adamw adamw = {
        .beta1 = (float)o->settings.beta1, .beta2 = (float)o->settings.beta2, .epsilon = (float)o->settings.epsilon};
    float *gradients = hone_parameters_gradients(o->parameters);
    double start = hone_profile_start();
    ops->gradient_norm(o->step, gradients, hone_parameters_elements(o->parameters), (float)o->settings.clip_norm,
                       o->workspace, stream);
    hone_profile_add("gradient norm", start);
    start = hone_profile_start();
    ops->adamw(hone_parameters_weights(o->parameters), o->first, o->second, gradients, o->segments, o->n_segments,
               &adamw, o->step, stream);
    hone_profile_add("adamw", start);
}

enum hone_status hone_optimizer_result(struct hone_optimizer *o, struct hone_step *out, struct hone_stream *stream) {
    o->device->copy_to_host(out, o->step, sizeof *out, stream);
    return o->device->stream_synchronize(stream);
}

size_t hone_optimizer_bytes(const struct hone_parameters *parameters) {
    int64_t elements = hone_parameters_elements(parameters);
    return 2 * (size_t)elements * sizeof(float) + segment_bytes(parameters) + sizeof(struct hone_step) +
           hone_parameters_device(parameters)->ops->gradient_norm_workspace(elements);
}
