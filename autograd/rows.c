/* Selection of rows. */
#include "autograd/node.h"

struct gather {
    const int32_t *rows; /* device */
};

static void forward(const struct hone_call *call) {
    const struct hone_node *n = call->node;
    const struct gather *a = (const void *)n->attributes;
    call->ops->gather_rows(call->output, call->inputs[0], a->rows, n->rows, n->cols, n->dtype, call->stream);
}

static void backward(const struct hone_call *call) {
    const struct hone_node *n = call->node;
    const struct gather *a = (const void *)n->attributes;
    call->ops->scatter_rows_add(call->dinputs[0], call->doutput, a->rows, n->rows, n->cols, n->dtype, call->stream);
}

static const struct hone_op gather_rows_op = {
    .name = "gather_rows", .backward_name = "gather_rows backward", .forward = forward, .backward = backward};

hone_value hone_gather_rows(struct hone_tape *tape, hone_value x, const int32_t *rows, int64_t R) {
    HONE_CHECK(R <= hone_value_rows(tape, x), "gather_rows: %lld of %lld rows", (long long)R,
               (long long)hone_value_rows(tape, x));
    struct gather a = {.rows = rows};
    struct hone_node node = {
        .op = &gather_rows_op, .inputs = {x, -1}, .saved = -1, .gradient = {HONE_GRADIENT_ADDS}, .rows = R};
    node.cols = hone_value_cols(tape, x);
    node.dtype = hone_value_dtype(tape, x);
    node.output = hone_tape_add_value(tape, R, node.cols, node.dtype);
    hone_tape_add_node(tape, node, &a, sizeof a);
    return node.output;
}
