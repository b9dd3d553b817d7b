/* Elementwise activations. */
#include "autograd/node.h"

struct activation {
    enum hone_activation kind;
};

static void forward(const struct hone_call *call) {
    const struct activation *a = (const void *)call->node->attributes;
    call->ops->activation_forward(call->output, call->inputs[0], a->kind, call->node->rows * call->node->cols,
                                  call->node->dtype, call->stream);
}

static void backward(const struct hone_call *call) {
    const struct activation *a = (const void *)call->node->attributes;
    const void *read = a->kind == HONE_TANH ? call->output : call->inputs[0];
    call->ops->activation_backward(call->dinputs[0], call->doutput, read, a->kind, call->node->rows * call->node->cols,
                                   call->node->dtype, call->stream);
}

static const struct hone_op activation_op = {
    .name = "activation", .backward_name = "activation backward", .forward = forward, .backward = backward};

hone_value hone_activate(struct hone_tape *tape, hone_value x, enum hone_activation kind) {
    struct activation a = {.kind = kind};
    struct hone_node node = {.op = &activation_op,
                             .inputs = {x, -1},
                             .saved = -1,
                             .backward_reads = kind == HONE_TANH ? HONE_READS_OUTPUT : HONE_READS_INPUT,
                             .gradient = {HONE_GRADIENT_WRITES}};
    node.rows = hone_value_rows(tape, x);
    node.cols = hone_value_cols(tape, x);
    node.dtype = hone_value_dtype(tape, x);
    node.output = hone_tape_add_value(tape, node.rows, node.cols, node.dtype);
    hone_tape_add_node(tape, node, &a, sizeof a);
    return node.output;
}
