/* y = x w^T + b, with one weight or several that lie behind each other (query, key and value). Inner weights are
 * multiplied in the parameters' precision, others in f32. An x of f32 is rounded for bf16 first and kept so for
 * backward; its gradient comes out of the GEMM in f32. */
#include "autograd/node.h"

struct linear {
    int64_t weight, bias;   /* elements from the start of the flat buffers; bias -1: none */
    int64_t dweight, dbias; /* of the gradients; -1: none */
    enum hone_dtype input_dtype;
};

/* x in the node's dtype. */
static void *input(const struct hone_call *call) { return call->node->saved < 0 ? call->inputs[0] : call->saved; }

static void forward(const struct hone_call *call) {
    const struct hone_node *n = call->node;
    const struct linear *a = (const void *)n->attributes;
    const float *bias = a->bias < 0 ? NULL : call->weights + a->bias;
    if (n->saved >= 0) call->ops->cast(call->saved, call->inputs[0], n->rows * n->inner, n->dtype, call->stream);
    call->ops->linear_forward(call->output, input(call), hone_call_weights(call, a->weight), bias, n->rows, n->cols,
                              n->inner, n->dtype, call->workspace, call->stream);
}

static void backward(const struct hone_call *call) {
    const struct hone_node *n = call->node;
    const struct linear *a = (const void *)n->attributes;
    float *dweight = hone_call_gradient(call, a->dweight, n->cols * n->inner);
    float *dbias = hone_call_gradient(call, a->dbias, n->cols);
    if (dweight || dbias) {
        call->ops->linear_backward_weight(dweight, dbias, call->doutput, dweight ? input(call) : NULL, n->rows, n->cols,
                                          n->inner, n->dtype, call->workspace, call->stream);
    }
    if (!call->dinputs[0]) return;
    call->ops->linear_backward_input(call->dinputs[0], a->input_dtype, call->doutput,
                                     hone_call_weights(call, a->weight), call->accumulate[0], n->rows, n->cols,
                                     n->inner, n->dtype, call->workspace, call->stream);
}

static const struct hone_op linear_op = {
    .name = "linear", .backward_name = "linear backward", .forward = forward, .backward = backward, .leaves_out = true};

/* Offset of `joined` parameters that lie directly behind each other; *rows gets the sum of their rows. */
static int64_t joined_offset(const struct hone_tape *tape, struct hone_node *node, int32_t id, int joined, int64_t cols,
                             int64_t *rows) {
    int64_t offset = 0, end = 0;
    *rows = 0;
    for (int32_t k = id; k < id + joined; k++) {
        const struct hone_parameter *p = hone_tape_parameter(tape, "linear", k, -1, cols);
        HONE_CHECK(k == id || p->offset == end, "linear: %s does not lie behind the parameter before it", p->name);
        if (k == id) offset = p->offset;
        end = p->offset + p->count;
        *rows += p->shape[0];
        hone_node_add_parameter(node, k);
    }
    return offset;
}

/* Of the first of `joined` gradients, when one of them is wanted: they are made together. */
static int64_t joined_gradient(const struct hone_tape *tape, int32_t id, int joined) {
    for (int32_t k = id; k < id + joined; k++) {
        if (hone_tape_gradient(tape, k) >= 0) return hone_parameters_get(tape->parameters, id)->offset;
    }
    return -1;
}

hone_value hone_linear(struct hone_tape *tape, hone_value x, int32_t weight, int32_t bias, int joined) {
    HONE_CHECK(joined >= 1, "linear: %d joined parameters", joined);
    int64_t T = hone_value_rows(tape, x), K = hone_value_cols(tape, x), N, bias_rows;
    struct hone_node node = {.op = &linear_op,
                             .inputs = {x, -1},
                             .saved = -1,
                             .dtype = hone_tape_precision(tape, weight),
                             .gradient = {HONE_GRADIENT_ACCUMULATES}};
    struct linear a = {.bias = -1,
                       .dweight = joined_gradient(tape, weight, joined),
                       .dbias = -1,
                       .input_dtype = hone_value_dtype(tape, x)};
    HONE_CHECK(a.input_dtype == node.dtype || a.input_dtype == HONE_F32, "linear: x is %s, the weight %s",
               hone_dtype_name(a.input_dtype), hone_dtype_name(node.dtype));
    a.weight = joined_offset(tape, &node, weight, joined, K, &N);
    if (bias >= 0) {
        a.bias = joined_offset(tape, &node, bias, joined, 0, &bias_rows);
        a.dbias = joined_gradient(tape, bias, joined);
        HONE_CHECK(bias_rows == N, "linear: bias has %lld elements, expected %lld", (long long)bias_rows, (long long)N);
    }
    if (a.dweight >= 0) node.backward_reads = HONE_READS_INPUT;
    node.rows = T;
    node.cols = N;
    node.inner = K;
    node.forward_workspace = node.backward_workspace = tape->device->ops->linear_workspace(T, N, K, node.dtype);
    node.output = hone_tape_add_value(tape, T, N, node.dtype);
    if (a.input_dtype != node.dtype) {
        node.saved = hone_tape_add_value(tape, T, K, node.dtype);
        if (a.dweight >= 0) node.backward_reads = HONE_READS_SAVED;
    }
    hone_tape_add_node(tape, node, &a, sizeof a);
    return node.output;
}
