/* The loss of several labels that may hold at once. Backward overwrites the logits unless they are kept. */
#include "autograd/node.h"

struct binary_cross_entropy {
    const float *targets, *weights;
    float focus;
    float scale;
    float *loss;
};

static void forward(const struct hone_call *call) {
    const struct hone_node *n = call->node;
    const struct binary_cross_entropy *a = (const void *)n->attributes;
    call->ops->binary_cross_entropy_forward(a->loss, call->inputs[0], a->targets, a->weights, a->focus, a->scale,
                                            n->rows, n->cols, n->dtype, call->stream);
}

static void backward(const struct hone_call *call) {
    const struct hone_node *n = call->node;
    const struct binary_cross_entropy *a = (const void *)n->attributes;
    call->ops->binary_cross_entropy_backward(call->dinputs[0], call->inputs[0], a->targets, a->weights, a->focus,
                                             a->scale, n->rows, n->cols, n->dtype, call->stream);
}

static const struct hone_op binary_cross_entropy_op = {.name = "binary_cross_entropy",
                                                       .backward_name = "binary_cross_entropy backward",
                                                       .forward = forward,
                                                       .backward = backward,
                                                       .gradient_in_place = true};

void hone_binary_cross_entropy(struct hone_tape *tape, hone_value logits, const float *targets, const float *weights,
                               float focus, float scale, float *loss) {
    struct binary_cross_entropy a = {
        .targets = targets, .weights = weights, .focus = focus, .scale = scale, .loss = loss};
    hone_tape_add_loss(tape, &binary_cross_entropy_op, logits, &a, sizeof a);
}
