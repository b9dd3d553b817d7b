/* y = LayerNorm(x + dropout(r)), f32 but for r. Forward leaves mean and rstd of every row, T of one and then T of the other. */
#include "autograd/node.h"

struct layer_norm {
    int64_t gamma, beta;   /* elements from the start of the flat buffers */
    int64_t dgamma, dbeta; /* of the gradients; -1: none */
    float eps;
    bool drops;
    struct hone_dropout drop;
};

static void forward(const struct hone_call *call) {
    const struct hone_node *n = call->node;
    const struct layer_norm *a = (const void *)n->attributes;
    float *mean = call->saved, *rstd = mean + n->rows;
    call->ops->residual_layer_norm_forward(call->output, mean, rstd, call->inputs[0], call->inputs[1],
                                           call->weights + a->gamma, call->weights + a->beta, a->eps,
                                           a->drops ? &a->drop : NULL, n->rows, n->cols, n->dtype, call->stream);
}

static void backward(const struct hone_call *call) {
    const struct hone_node *n = call->node;
    const struct layer_norm *a = (const void *)n->attributes;
    const float *mean = call->saved, *rstd = mean + n->rows;
    call->ops->residual_layer_norm_backward(
        call->dinputs[0], call->dinputs[1], hone_call_gradient(call, a->dgamma, n->cols),
        hone_call_gradient(call, a->dbeta, n->cols), call->doutput, call->inputs[0], call->inputs[1], mean, rstd,
        call->weights + a->gamma, call->accumulate[0], a->drops ? &a->drop : NULL, n->rows, n->cols, n->dtype,
        call->workspace, call->stream);
}

static const struct hone_op residual_layer_norm_op = {.name = "residual_layer_norm",
                                                      .backward_name = "residual_layer_norm backward",
                                                      .forward = forward,
                                                      .backward = backward};

hone_value hone_residual_layer_norm(struct hone_tape *tape, hone_value x, hone_value r, int32_t gamma, int32_t beta,
                                    float eps, struct hone_dropout_site drop) {
    int64_t T = hone_value_rows(tape, x), C = hone_value_cols(tape, x);
    if (r >= 0) {
        HONE_CHECK(hone_value_rows(tape, r) == T && hone_value_cols(tape, r) == C,
                   "residual_layer_norm: x is [%lld, %lld], r is [%lld, %lld]", (long long)T, (long long)C,
                   (long long)hone_value_rows(tape, r), (long long)hone_value_cols(tape, r));
    }
    HONE_CHECK(hone_value_dtype(tape, x) == HONE_F32, "residual_layer_norm: x is %s, expected f32",
               hone_dtype_name(hone_value_dtype(tape, x)));
    struct layer_norm a = {
        .eps = eps, .dgamma = hone_tape_gradient(tape, gamma), .dbeta = hone_tape_gradient(tape, beta)};
    a.gamma = hone_tape_parameter(tape, "residual_layer_norm", gamma, C, 0)->offset;
    a.beta = hone_tape_parameter(tape, "residual_layer_norm", beta, C, 0)->offset;
    a.drops = r >= 0 && hone_tape_dropout(&a.drop, tape, drop);
    struct hone_node node = {.op = &residual_layer_norm_op,
                             .inputs = {x, r},
                             .backward_reads = HONE_READS_BOTH | HONE_READS_SAVED,
                             .gradient = {HONE_GRADIENT_ACCUMULATES, HONE_GRADIENT_WRITES},
                             .dtype = r >= 0 ? hone_value_dtype(tape, r) : HONE_F32,
                             .rows = T,
                             .cols = C};
    node.backward_workspace = tape->device->ops->residual_layer_norm_backward_workspace(T, C);
    hone_node_add_parameter(&node, gamma);
    hone_node_add_parameter(&node, beta);
    node.output = hone_tape_add_value(tape, T, C, HONE_F32);
    node.saved = hone_tape_add_value(tape, T, 2, HONE_F32);
    hone_tape_add_node(tape, node, &a, sizeof a);
    return node.output;
}
