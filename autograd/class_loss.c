/* Classification with class weights, label smoothing and focusing. Backward overwrites the logits unless they are kept. */
#include "autograd/node.h"

struct class_loss {
    const int32_t *labels;
    struct hone_class_loss settings;
    float scale;
    float *loss;
};

static void forward(const struct hone_call *call) {
    const struct hone_node *n = call->node;
    const struct class_loss *a = (const void *)n->attributes;
    call->ops->class_loss_forward(a->loss, call->inputs[0], a->labels, &a->settings, a->scale, n->rows, n->cols,
                                  n->dtype, call->stream);
}

static void backward(const struct hone_call *call) {
    const struct hone_node *n = call->node;
    const struct class_loss *a = (const void *)n->attributes;
    call->ops->class_loss_backward(call->dinputs[0], call->inputs[0], a->labels, &a->settings, a->scale, n->rows,
                                   n->cols, n->dtype, call->stream);
}

static const struct hone_op class_loss_op = {.name = "class_loss",
                                             .backward_name = "class_loss backward",
                                             .forward = forward,
                                             .backward = backward,
                                             .gradient_in_place = true};

void hone_class_loss(struct hone_tape *tape, hone_value logits, const int32_t *labels, struct hone_class_loss settings,
                     float scale, float *loss) {
    struct class_loss a = {.labels = labels, .settings = settings, .scale = scale, .loss = loss};
    hone_tape_add_loss(tape, &class_loss_op, logits, &a, sizeof a);
}
