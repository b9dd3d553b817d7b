/* Dropout over rows, in place where nobody else reads them. Its backward is itself on the gradient. */
#include "autograd/node.h"

static void forward(const struct hone_call *call) {
    const struct hone_node *n = call->node;
    call->ops->dropout(call->output, call->inputs[0], (const void *)n->attributes, n->rows, n->cols, n->dtype,
                       call->stream);
}

static void backward(const struct hone_call *call) {
    const struct hone_node *n = call->node;
    call->ops->dropout(call->dinputs[0], call->doutput, (const void *)n->attributes, n->rows, n->cols, n->dtype,
                       call->stream);
}

static const struct hone_op dropout_op = {.name = "dropout",
                                          .backward_name = "dropout backward",
                                          .forward = forward,
                                          .backward = backward,
                                          .output_in_place = true,
                                          .gradient_in_place = true};

hone_value hone_dropout_rows(struct hone_tape *tape, hone_value x, struct hone_dropout_site drop) {
    struct hone_dropout a;
    if (!hone_tape_dropout(&a, tape, drop)) return x;
    struct hone_node node = {.op = &dropout_op, .inputs = {x, -1}, .saved = -1, .gradient = {HONE_GRADIENT_WRITES}};
    node.rows = hone_value_rows(tape, x);
    node.cols = hone_value_cols(tape, x);
    node.dtype = hone_value_dtype(tape, x);
    node.output = hone_tape_add_value(tape, node.rows, node.cols, node.dtype);
    hone_tape_add_node(tape, node, &a, sizeof a);
    return node.output;
}
