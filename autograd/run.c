/* Running a recording: forward in order, backward in reverse, gradients of values that are used several times. */
#include "autograd/node.h"
#include "kernels/profile.h"

static void *slot_address(const struct hone_tape *tape, int32_t slot) {
    return slot < 0 ? NULL : tape->arena + tape->slots[slot].offset;
}

static void *value_address(const struct hone_tape *tape, hone_value value) {
    return value < 0 ? NULL : slot_address(tape, tape->values[value].slot);
}

static struct hone_call prepare(const struct hone_tape *tape, const struct hone_node *node,
                                struct hone_stream *stream) {
    struct hone_call call = {
        .node = node,
        .ops = tape->device->ops,
        .stream = stream,
        .parameters = tape->parameters,
        .weights = hone_parameters_weights(tape->parameters),
        .copy = hone_parameters_copy(tape->parameters),
        .output = value_address(tape, node->output),
        .saved = value_address(tape, node->saved),
    };
    for (int k = 0; k < HONE_NODE_INPUTS; k++) call.inputs[k] = value_address(tape, node->inputs[k]);
    return call;
}

void hone_node_forward(const struct hone_tape *tape, const struct hone_node *node, struct hone_stream *stream) {
    struct hone_call call = prepare(tape, node, stream);
    call.workspace = slot_address(tape, node->forward_slot);
    double start = hone_profile_start();
    node->op->forward(&call);
    hone_profile_add(node->op->name, start);
}

void hone_tape_forward(struct hone_tape *tape, struct hone_stream *stream) {
    HONE_CHECK(tape->laid_out, "a tape of %d nodes runs before its layout", tape->n_nodes);
    for (int32_t i = 0; i < tape->n_nodes; i++) hone_node_forward(tape, &tape->nodes[i], stream);
}

/* Elements of the gradient of an input, without the rows that only GEMMs see. */
static int64_t gradient_elements(const struct hone_tape *tape, const struct hone_node *node, int k) {
    const struct hone_tape_value *input = &tape->values[node->inputs[k]];
    return input->rows * input->cols;
}

/* Where the kernel puts the gradient of input k, made ready for what it does there. */
static void prepare_gradient(const struct hone_tape *tape, struct hone_call *call, int k) {
    const struct hone_node *node = call->node;
    bool scratch = node->scratch[k] >= 0;
    bool fresh = node->first_writer[k] || scratch;
    int32_t slot = scratch ? node->scratch[k] : tape->values[node->inputs[k]].gradient_slot;
    call->dinputs[k] = slot_address(tape, slot);
    call->accumulate[k] = node->gradient[k] == HONE_GRADIENT_ACCUMULATES && !fresh;
    bool needs_zero = node->gradient[k] == HONE_GRADIENT_ADDS || node->gradient[k] == HONE_GRADIENT_COLUMNS;
    if (fresh && needs_zero) {
        size_t bytes = (size_t)gradient_elements(tape, node, k) * hone_dtype_size(tape->values[node->inputs[k]].dtype);
        tape->device->zero(call->dinputs[k], bytes, call->stream);
    }
}

void hone_node_backward(const struct hone_tape *tape, const struct hone_node *node, struct hone_stream *stream) {
    HONE_CHECK(node->op->backward, "%s cannot be differentiated", node->op->name);
    struct hone_call call = prepare(tape, node, stream);
    call.workspace = slot_address(tape, node->backward_slot);
    if (node->output >= 0) call.doutput = slot_address(tape, tape->values[node->output].gradient_slot);
    double start = hone_profile_start();
    for (int k = 0; k < HONE_NODE_INPUTS; k++) {
        if (!node->left_out[k]) prepare_gradient(tape, &call, k);
    }
    node->op->backward(&call);
    for (int k = 0; k < HONE_NODE_INPUTS; k++) {
        if (node->scratch[k] < 0) continue;
        const struct hone_tape_value *input = &tape->values[node->inputs[k]];
        call.ops->add(slot_address(tape, input->gradient_slot), call.dinputs[k], gradient_elements(tape, node, k),
                      input->dtype, stream);
    }
    hone_profile_add(node->op->backward_name, start);
}

void hone_tape_backward(struct hone_tape *tape, void (*on_gradient)(int32_t parameter, void *user), void *user,
                        struct hone_stream *stream) {
    HONE_CHECK(tape->laid_out && tape->mode == HONE_TRAINING, "backward needs a recording laid out for training");
    HONE_CHECK(hone_parameters_gradients_unmarked(tape->parameters),
               "backward needs parameters allocated for training");
    for (int32_t i = tape->n_nodes - 1; i >= 0; i--) {
        const struct hone_node *node = &tape->nodes[i];
        if (!node->active) continue;
        hone_node_backward(tape, node, stream);
        if (!on_gradient) continue;
        for (int k = 0; k < node->n_parameters; k++) {
            if (tape->last_use[node->parameters[k]] == i) on_gradient(node->parameters[k], user);
        }
    }
}
