/* Adafactor (Shazeer and Stern 2018, arXiv 1804.04235) as transformers.optimization.Adafactor: second moments of a
 * matrix are kept as the means of its rows and of its columns. */
#include "optim/classes.h"

/* Elements of state of one parameter. */
static int64_t state_elements(const struct hone_parameter *p) {
    return p->n_dims == 2 ? p->shape[0] + p->shape[1] : p->count;
}

static void describe(struct hone_optimizer_buffer buffers[HONE_OPTIMIZER_BUFFERS],
                     const struct hone_parameters *parameters, const struct hone_optimizer_settings *settings) {
    buffers[0].name = "second_moment";
    for (int32_t i = 0; i < hone_parameters_count(parameters); i++) {
        const struct hone_parameter *p = hone_parameters_get(parameters, i);
        if (!p->frozen) buffers[0].elements += state_elements(p);
    }
    if (settings->beta1 == 0) return;
    buffers[1].name = "first_moment";
    buffers[1].elements = hone_parameters_trained(parameters);
}

static int64_t find_segments(void *segments, const struct hone_parameters *parameters,
                             const struct hone_optimizer_settings *settings) {
    struct hone_adafactor_tensor *tensors = segments;
    int64_t state = 0, n = 0;
    for (int32_t i = 0; i < hone_parameters_count(parameters); i++) {
        const struct hone_parameter *p = hone_parameters_get(parameters, i);
        if (p->frozen) continue;
        struct hone_parameter_group group = hone_optimizer_group(parameters, i, settings);
        tensors[n++] = (struct hone_adafactor_tensor){.offset = p->offset,
                                                      .rows = p->n_dims == 2 ? p->shape[0] : 0,
                                                      .cols = p->n_dims == 2 ? p->shape[1] : p->count,
                                                      .state = state,
                                                      .learning_rate_scale = (float)group.learning_rate_scale,
                                                      .weight_decay = (float)group.weight_decay};
        state += state_elements(p);
    }
    return n;
}

static size_t workspace(const void *segments, int64_t n, const struct hone_device *device) {
    return device->ops->adafactor_workspace(segments, n);
}

static void apply(struct hone_optimizer *o, struct hone_stream *stream) {
    const struct hone_optimizer_settings *s = &o->settings;
    struct hone_adafactor adafactor = {.beta1 = (float)s->beta1,
                                       .epsilon = (float)s->epsilon,
                                       .scale_epsilon = (float)s->scale_epsilon,
                                       .clip_threshold = (float)s->clip_threshold,
                                       .decay_rate = (float)s->decay_rate,
                                       .scale_parameter = s->scale_parameter};
    o->device->ops->adafactor(hone_parameters_weights(o->parameters), o->buffers[1].data, o->buffers[0].data,
                              o->gradients, o->segments, o->n_segments, &adafactor, o->step, o->workspace, stream);
}

const struct hone_optimizer_class hone_adafactor_class = {.title = "Adafactor",
                                                          .describe = describe,
                                                          .segment_size = sizeof(struct hone_adafactor_tensor),
                                                          .find_segments = find_segments,
                                                          .workspace = workspace,
                                                          .apply = apply};
