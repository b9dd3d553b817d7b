/* The feed-forward block: y = activation(x w1^T + b1) w2^T + b2. One node, so that an activation is applied where a
 * product has just been made: forward's in the first product, its slope in backward's product through w2.
 *
 * Backward needs what comes before the activation and behind it, and in bf16 x rounded; they lie behind each other in
 * what forward saves. */
#include "autograd/node.h"
#include "base/arith.h"

struct feed_forward {
    int64_t weights[2], biases[2];   /* elements from the start of the flat buffers */
    int64_t dweights[2], dbiases[2]; /* of the gradients; -1: none */
    int64_t inner;
    enum hone_activation kind;
    enum hone_dtype input_dtype;
    bool keeps_before; /* there is a backward pass */
    size_t scratch;    /* of backward's workspace: the gradient before the activation */
};

/* What forward saves. */
struct saved {
    void *behind, *before, *x; /* before: NULL where it is not kept; x in the node's dtype */
};

static struct saved saved_of(const struct hone_call *call) {
    const struct hone_node *n = call->node;
    const struct feed_forward *a = (const void *)n->attributes;
    size_t bytes = (size_t)(hone_rows(n->rows) * a->inner) * hone_dtype_size(n->dtype);
    char *next = call->saved;
    struct saved saved = {.behind = next, .x = call->inputs[0]};
    next += bytes;
    if (a->keeps_before) {
        saved.before = next;
        next += bytes;
    }
    if (a->input_dtype != n->dtype) saved.x = next;
    return saved;
}

static void forward(const struct hone_call *call) {
    const struct hone_node *n = call->node;
    const struct feed_forward *a = (const void *)n->attributes;
    struct saved saved = saved_of(call);
    int64_t T = n->rows, C = n->cols, F = a->inner, K = n->inner;
    if (saved.x != call->inputs[0]) call->ops->cast(saved.x, call->inputs[0], T * K, n->dtype, call->stream);
    call->ops->linear_activation_forward(saved.behind, saved.before, saved.x, hone_call_weights(call, a->weights[0]),
                                         call->weights + a->biases[0], a->kind, T, F, K, n->dtype, call->workspace,
                                         call->stream);
    call->ops->linear_forward(call->output, saved.behind, hone_call_weights(call, a->weights[1]),
                              call->weights + a->biases[1], T, C, F, n->dtype, call->workspace, call->stream);
}

/* The gradients of the weights and biases of one of the two layers of [N, K]. */
static void parameters_backward(const struct hone_call *call, int layer, void *dy, void *x, int64_t N, int64_t K) {
    const struct hone_node *n = call->node;
    const struct feed_forward *a = (const void *)n->attributes;
    float *dweight = hone_call_gradient(call, a->dweights[layer], N * K);
    float *dbias = hone_call_gradient(call, a->dbiases[layer], N);
    if (!dweight && !dbias) return;
    call->ops->linear_backward_weight(dweight, dbias, dy, x, n->rows, N, K, n->dtype, call->workspace, call->stream);
}

static void backward(const struct hone_call *call) {
    const struct hone_node *n = call->node;
    const struct feed_forward *a = (const void *)n->attributes;
    struct saved saved = saved_of(call);
    int64_t T = n->rows, C = n->cols, F = a->inner, K = n->inner;
    struct hone_call inner = *call;
    void *dbefore = call->workspace;
    inner.workspace = (char *)call->workspace + a->scratch;
    parameters_backward(&inner, 1, call->doutput, saved.behind, C, F);
    if (a->dweights[0] < 0 && a->dbiases[0] < 0 && !call->dinputs[0]) return;
    call->ops->linear_activation_backward_input(dbefore, call->doutput, hone_call_weights(call, a->weights[1]),
                                                saved.before, a->kind, T, C, F, n->dtype, inner.workspace,
                                                call->stream);
    parameters_backward(&inner, 0, dbefore, saved.x, F, K);
    if (!call->dinputs[0]) return;
    call->ops->linear_backward_input(call->dinputs[0], a->input_dtype, dbefore, hone_call_weights(call, a->weights[0]),
                                     call->accumulate[0], T, F, K, n->dtype, inner.workspace, call->stream);
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
    struct feed_forward a = {.inner = F,
                             .kind = kind,
                             .input_dtype = hone_value_dtype(tape, x),
                             .keeps_before = hone_tape_mode(tape) == HONE_TRAINING};
    struct hone_node node = {.op = &feed_forward_op,
                             .inputs = {x, -1},
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
    if (!casts && a.dweights[0] >= 0) node.backward_reads |= HONE_READS_INPUT;
    const struct hone_ops *ops = tape->device->ops;
    size_t first = ops->linear_workspace(T, F, K, node.dtype), second = ops->linear_workspace(T, C, F, node.dtype);
    a.scratch = (size_t)hone_round_up((int64_t)((size_t)(hone_rows(T) * F) * hone_dtype_size(node.dtype)), 64);
    node.forward_workspace = first > second ? first : second;
    node.backward_workspace = a.scratch + node.forward_workspace;
    node.output = hone_tape_add_value(tape, T, C, node.dtype);
    node.saved = hone_tape_add_value(tape, T, (a.keeps_before ? 2 : 1) * F + (casts ? K : 0), node.dtype);
    hone_tape_add_node(tape, node, &a, sizeof a);
    return node.output;
}
