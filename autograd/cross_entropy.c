/* The loss of classification. Backward overwrites the logits with their gradient unless they are kept. */
#include "autograd/node.h"

struct cross_entropy {
    const int32_t *labels;
    const float *weights;
    float scale;
    float *loss;
};

static void forward(const struct hone_call *call) {
    const struct hone_node *n = call->node;
    const struct cross_entropy *a = (const void *)n->attributes;
    call->ops->cross_entropy_forward(a->loss, call->inputs[0], a->labels, a->weights, a->scale, n->rows, n->cols,
                                     n->dtype, call->stream);
}

static void backward(const struct hone_call *call) {
    const struct hone_node *n = call->node;
    const struct cross_entropy *a = (const void *)n->attributes;
    call->ops->cross_entropy_backward(call->dinputs[0], call->inputs[0], a->labels, a->weights, a->scale, n->rows,
                                      n->cols, n->dtype, call->stream);
}

static const struct hone_op cross_entropy_op = {.name = "cross_entropy",
                                                .backward_name = "cross_entropy backward",
                                                .forward = forward,
                                                .backward = backward,
                                                .gradient_in_place = true};

void hone_cross_entropy(struct hone_tape *tape, hone_value logits, const int32_t *labels, const float *weights,
                        float scale, float *loss) {
    struct cross_entropy a = {.labels = labels, .weights = weights, .scale = scale, .loss = loss};
    hone_tape_add_loss(tape, &cross_entropy_op, logits, &a, sizeof a);
}
