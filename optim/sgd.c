/* SGD with momentum, as torch.optim.SGD without dampening: weight decay is added to the gradient (coupled), momentum
 * gathers the sum. Nesterov: Sutskever et al. 2013, in torch's form. */
#include "optim/classes.h"

static void describe(struct hone_optimizer_buffer buffers[HONE_OPTIMIZER_BUFFERS],
                     const struct hone_parameters *parameters, const struct hone_optimizer_settings *settings) {
    if (settings->momentum == 0) return;
    buffers[0].name = "momentum";
    buffers[0].elements = hone_parameters_trained(parameters);
}

static void apply(struct hone_optimizer *o, struct hone_stream *stream) {
    struct hone_sgd sgd = {.momentum = (float)o->settings.momentum, .nesterov = o->settings.nesterov};
    o->device->ops->sgd(hone_parameters_weights(o->parameters) + o->begin, o->buffers[0].data, o->gradients + o->begin,
                        o->segments, o->n_segments, &sgd, o->step, stream);
}

const struct hone_optimizer_class hone_sgd_class = {.title = "SGD",
                                                    .describe = describe,
                                                    .segment_size = sizeof(struct hone_segment),
                                                    .find_segments = hone_optimizer_flat_segments,
                                                    .apply = apply};
