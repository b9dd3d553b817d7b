/* word[ids] + position[first_position + positions] + type[types]. */
#include "autograd/node.h"

struct embedding {
    int64_t word, position, type;    /* elements from the start of the flat buffers; -1: none */
    int64_t dword, dposition, dtype; /* of the gradients; -1: none */
    const int32_t *ids, *positions, *types;
};

static const float *table(const float *flat, int64_t offset) { return offset < 0 ? NULL : flat + offset; }

static void forward(const struct hone_call *call) {
    const struct hone_node *n = call->node;
    const struct embedding *a = (const void *)n->attributes;
    call->ops->embedding_forward(call->output, table(call->weights, a->word), a->ids, table(call->weights, a->position),
                                 a->positions, table(call->weights, a->type), a->types, n->rows, n->cols, call->stream);
}

static float *gradient(const struct hone_call *call, int64_t offset, const int32_t *rows) {
    if (offset < 0) return NULL;
    return hone_parameters_gradient_rows(call->parameters, offset, rows, call->node->rows, call->node->cols);
}

static void backward(const struct hone_call *call) {
    const struct hone_node *n = call->node;
    const struct embedding *a = (const void *)n->attributes;
    call->ops->embedding_backward(gradient(call, a->dword, a->ids), a->ids, gradient(call, a->dposition, a->positions),
                                  a->positions, gradient(call, a->dtype, a->types), a->types, call->doutput, n->rows,
                                  n->cols, call->workspace, call->stream);
}

static const struct hone_op embedding_op = {
    .name = "embedding", .backward_name = "embedding backward", .forward = forward, .backward = backward};

static int64_t table_offset(const struct hone_tape *tape, struct hone_node *node, int32_t id, int64_t C) {
    if (id < 0) return -1;
    hone_node_add_parameter(node, id);
    return hone_tape_parameter(tape, "embedding", id, -1, C)->offset;
}

hone_value hone_embedding(struct hone_tape *tape, int64_t T, int32_t word, const int32_t *ids, int32_t position,
                          int64_t first_position, const int32_t *positions, int32_t type, const int32_t *types) {
    int64_t C = hone_tape_parameter(tape, "embedding", word, -1, -1)->shape[1];
    struct hone_node node = {.op = &embedding_op, .inputs = {-1, -1}, .saved = -1, .rows = T, .cols = C};
    struct embedding a = {.ids = ids,
                          .positions = position < 0 ? NULL : positions,
                          .types = type < 0 ? NULL : types,
                          .word = table_offset(tape, &node, word, C),
                          .position = table_offset(tape, &node, position, C),
                          .type = table_offset(tape, &node, type, C),
                          .dword = hone_tape_gradient(tape, word),
                          .dposition = hone_tape_gradient(tape, position),
                          .dtype = hone_tape_gradient(tape, type)};
    if (position >= 0) a.position += first_position * C;
    if (a.dposition >= 0) a.dposition += first_position * C;
    node.output = hone_tape_add_value(tape, T, C, HONE_F32);
    node.backward_workspace = tape->device->ops->embedding_backward_workspace(T, C);
    hone_tape_add_node(tape, node, &a, sizeof a);
    return node.output;
}
