/* AdamW. Decoupled weight decay: Loshchilov and Hutter 2019, arXiv 1711.05101; the arithmetic is torch.optim.AdamW's. */
#include <math.h>

#include "optim/classes.h"

static void describe(struct hone_optimizer_buffer buffers[HONE_OPTIMIZER_BUFFERS],
                     const struct hone_parameters *parameters, const struct hone_optimizer_settings *settings) {
    (void)settings;
    buffers[0].name = "first_moment";
    buffers[1].name = "second_moment";
    buffers[0].elements = buffers[1].elements = hone_parameters_trained(parameters);
}

static void begin(struct hone_step *step, const struct hone_optimizer_settings *settings) {
    double t = (double)step->step + 1;
    step->bias_correction1 = (float)(1 - pow(settings->beta1, t));
    step->bias_correction2 = (float)(1 - pow(settings->beta2, t));
}

static void apply(struct hone_optimizer *o, struct hone_stream *stream) {
    struct hone_adamw adamw = {
        .beta1 = (float)o->settings.beta1, .beta2 = (float)o->settings.beta2, .epsilon = (float)o->settings.epsilon};
    const uint8_t *marks = hone_optimizer_is_shared(o) ? NULL : hone_parameters_marks(o->parameters);
    void *copy = hone_optimizer_is_shared(o) ? NULL : hone_parameters_copy(o->parameters);
    o->device->ops->adamw(hone_parameters_weights(o->parameters) + o->begin, copy,
                          hone_parameters_copied(o->parameters), o->buffers[0].data, o->buffers[1].data,
                          o->gradients + o->begin, marks, o->segments, o->n_segments, &adamw, o->step, stream);
}

const struct hone_optimizer_class hone_adamw_class = {.title = "AdamW",
                                                      .describe = describe,
                                                      .segment_size = sizeof(struct hone_segment),
                                                      .find_segments = hone_optimizer_flat_segments,
                                                      .begin = begin,
                                                      .apply = apply,
                                                      .rounds = true};
