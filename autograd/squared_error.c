/* The loss of regression. Backward overwrites the predictions unless they are kept. */
#include "autograd/node.h"

struct squared_error {
    const float *targets;
    float scale;
    float *loss;
};

static void forward(const struct hone_call *call) {
    const struct hone_node *n = call->node;
    const struct squared_error *a = (const void *)n->attributes;
    call->ops->squared_error_forward(a->loss, call->inputs[0], a->targets, a->scale, n->rows, n->cols, n->dtype,
                                     call->stream);
}

static void backward(const struct hone_call *call) {
    const struct hone_node *n = call->node;
    const struct squared_error *a = (const void *)n->attributes;
    call->ops->squared_error_backward(call->dinputs[0], call->inputs[0], a->targets, a->scale, n->rows, n->cols,
                                      n->dtype, call->stream);
}

static const struct hone_op squared_error_op = {.name = "squared_error",
                                                .backward_name = "squared_error backward",
                                                .forward = forward,
                                                .backward = backward,
                                                .gradient_in_place = true};

void hone_squared_error(struct hone_tape *tape, hone_value y, const float *targets, float scale, float *loss) {
    struct squared_error a = {.targets = targets, .scale = scale, .loss = loss};
    hone_tape_add_loss(tape, &squared_error_op, y, &a, sizeof a);
}
