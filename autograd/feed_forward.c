/* The feed-forward block: y = activation(x w1^T + b1) w2^T + b2. One node, so that an activation is applied where a
 * product has just been made: forward's in the first product, its slope in backward's product through w2.
 *
 * Backward needs what comes before the activation, and for the weights' gradients what comes behind it, and in bf16 x
 * rounded; they lie one after the other in what forward saves. */
#include "autograd/node.h"

struct feed_forward {
    int64_t weights[2], biases[2];   /* elements from the start of the flat buffers */
    int64_t dweights[2], dbiases[2]; /* of the gradients; -1: none */
    int64_t inner;
    enum hone_activation kind;
    enum hone_dtype input_dtype;
    bool saves_before, saves_behind, saves_x; /* for backward; else it lies in forward's workspace, or nowhere */
};

/* The matrices between the two products, and x in the node's dtype. */
struct between {
    void *before, *behind, *x;
    void *workspace; /* what is left of it */
};

static size_t matrix_bytes(const struct hone_node *n, int64_t cols) {
    return (size_t)(hone_rows(n->rows) * cols) * hone_dtype_size(n->dtype);
}

static void *take(char **from, size_t bytes) {
    void *taken = *from;
    *from += bytes;
    return taken;
}

static struct between between(const struct hone_call *call, bool backward) {
    const struct hone_node *n = call->node;
    const struct feed_forward *a = (const void *)n->attributes;
    size_t F = matrix_bytes(n, a->inner), K = matrix_bytes(n, n->inner);
    char *saved = call->saved, *workspace = call->workspace;
    struct between m = {.x = call->inputs[0]};
    if (a->saves_before) m.before = take(&saved, F);
    if (a->saves_behind || !backward) m.behind = take(a->saves_behind ? &saved : &workspace, F);
    if (a->input_dtype != n->dtype && (a->saves_x || !backward)) m.x = take(a->saves_x ? &saved : &workspace, K);
    m.workspace = workspace;
    return m;
}

static void forward(const struct hone_call *call) {
    const struct hone_node *n = call->node;
    const struct feed_forward *a = (const void *)n->attributes;
    struct between m = between(call, false);
    int64_t T = n->rows, C = n->cols, F = a->inner, K = n->inner;
    if (a->input_dtype != n->dtype) call->ops->cast(m.x, call->inputs[0], T * K, n->dtype, call->stream);
    call->ops->linear_activation_forward(m.behind, m.before, m.x, hone_call_weights(call, a->weights[0]),
                                         call->weights + a->biases[0], a->kind, T, F, K, n->dtype, m.workspace,
                                         call->stream);
    call->ops->linear_forward(call->output, m.behind, hone_call_weights(call, a->weights[1]),
                              call->weights + a->biases[1], T, C, F, n->dtype, m.workspace, call->stream);
}

/* The gradients of the weights and biases of one of the two layers of [N, K]. */
static void parameters_backward(const struct hone_call *call, int layer, void *dy, void *x, int64_t N, int64_t K,
                                void *workspace) {
    const struct hone_node *n = call->node;
    const struct feed_forward *a = (const void *)n->attributes;
    float *dweight = hone_call_gradient(call, a->dweights[layer], N * K);
    float *dbias = hone_call_gradient(call, a->dbiases[layer], N);
    if (!dweight && !dbias) return;
    call->ops->linear_backward_weight(dweight, dbias, dy, dweight ? x : NULL, n->rows, N, K, n->dtype, workspace,
                                      call->stream);
}

static void backward(const struct hone_call *call) {
    const struct hone_node *n = call->node;
    const struct feed_forward *a = (const void *)n->attributes;
    struct between m = between(call, true);
    int64_t T = n->rows, C = n->cols, F = a->inner, K = n->inner;
    char *workspace = m.workspace;
    void *dbefore = take(&workspace, matrix_bytes(n, F));
    parameters_backward(call, 1, call->doutput, m.behind, C, F, workspace);
    if (a->dweights[0] < 0 && a->dbiases[0] < 0 && !call->dinputs[0]) return;
    call->ops->linear_activation_backward_input(dbefore, call->doutput, hone_call_weights(call, a->weights[1]),
                                                m.before, a->kind, T, C, F, n->dtype, workspace, call->stream);
    parameters_backward(call, 0, dbefore, m.x, F, K, workspace);
    if (!call->dinputs[0]) return;
    call->ops->linear_backward_input(call->dinputs[0], a->input_dtype, dbefore, hone_call_weights(call, a->weights[0]),
                                     call->accumulate[0], T, F, K, n->dtype, workspace, call->stream);
}

static const struct hone_op feed_forward_op = {.name = "feed forward",
                                               .backward_name = "feed forward backward",
                                               .forward = forward,
                                               .backward = backward,
                                               .leaves_out = true};

hone_value hone_feed_forward(struct hone_tape *tape, hone_value x, const int32_t weights[2], const int32_t biases[2],
                             enum hone_activation kind) {
    HONE_CHECK(kind != HONE_TANH, "a feed-forward block with tanh, whose slope is taken from its output");
    int64_t T = hone_value_rows(tape, x), K = hone_value_cols(tape, x);
    int64_t F = hone_parameters_get(tape->parameters, weights[0])->shape[0];
    int64_t C = hone_parameters_get(tape->parameters, weights[1])->shape[0];
    bool training = hone_tape_mode(tape) == HONE_TRAINING;
    struct feed_forward a = {
        .inner = F, .kind = kind, .input_dtype = hone_value_dtype(tape, x), .saves_before = training};
    struct hone_node node = {.op = &feed_forward_op,
                             .inputs = {x, -1},
                             .saved = -1,
                             .dtype = hone_tape_precision(tape, weights[0]),
                             .backward_reads = HONE_READS_SAVED,
                             .gradient = {HONE_GRADIENT_ACCUMULATES},
                             .rows = T,
                             .cols = C,
                             .inner = K};
    HONE_CHECK(node.dtype == hone_tape_precision(tape, weights[1]), "feed forward: weights of two precisions");
    HONE_CHECK(a.input_dtype == node.dtype || a.input_dtype == HONE_F32, "feed forward: x is %s, the weights %s",
               hone_dtype_name(a.input_dtype), hone_dtype_name(node.dtype));
    for (int i = 0; i < 2; i++) {
        a.weights[i] = hone_tape_parameter(tape, "feed forward", weights[i], i ? C : F, i ? F : K)->offset;
        a.biases[i] = hone_tape_parameter(tape, "feed forward", biases[i], i ? C : F, 0)->offset;
        a.dweights[i] = hone_tape_gradient(tape, weights[i]);
        a.dbiases[i] = hone_tape_gradient(tape, biases[i]);
        hone_node_add_parameter(&node, weights[i]);
        hone_node_add_parameter(&node, biases[i]);
    }
    bool casts = a.input_dtype != node.dtype;
    a.saves_behind = training && a.dweights[1] >= 0;
    a.saves_x = training && casts && a.dweights[0] >= 0;
    if (!casts && a.dweights[0] >= 0) node.backward_reads |= HONE_READS_INPUT;
    const struct hone_ops *ops = tape->device->ops;
    size_t first = ops->linear_workspace(T, F, K, node.dtype), second = ops->linear_workspace(T, C, F, node.dtype);
    node.forward_workspace = node.backward_workspace = first > second ? first : second;
    node.backward_workspace += matrix_bytes(&node, F);
    if (!a.saves_behind) node.forward_workspace += matrix_bytes(&node, F);
    if (casts && !a.saves_x) node.forward_workspace += matrix_bytes(&node, K);
    node.output = hone_tape_add_value(tape, T, C, node.dtype);
    if (training)
        node.saved = hone_tape_add_value(tape, T, (a.saves_behind ? 2 : 1) * F + (a.saves_x ? K : 0), node.dtype);
    hone_tape_add_node(tape, node, &a, sizeof a);
    return node.output;
}
