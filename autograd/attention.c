/* Attention on columns of a packed matrix, or with queries of their own. Forward leaves lse [R, H]. */
#include "autograd/node.h"

struct attention {
    struct hone_attention shape;
    int64_t q_col, k_col, v_col;
    int64_t q_stride, kv_stride;
    bool drops;
    struct hone_dropout drop;
};

static const char *column(const void *matrix, int64_t col, enum hone_dtype dtype) {
    return (const char *)matrix + (size_t)col * hone_dtype_size(dtype);
}

static char *gradient_column(void *matrix, int64_t col, enum hone_dtype dtype) {
    return (char *)matrix + (size_t)col * hone_dtype_size(dtype);
}

/* Query's matrix is input 0; keys and values are in input 1, or in input 0 as well. */
static int kv_input(const struct hone_node *node) { return node->inputs[1] < 0 ? 0 : 1; }

static void forward(const struct hone_call *call) {
    const struct attention *a = (const void *)call->node->attributes;
    const void *q = call->inputs[0], *kv = call->inputs[kv_input(call->node)];
    call->ops->attention_forward(call->output, call->saved, column(q, a->q_col, call->node->dtype), a->q_stride,
                                 column(kv, a->k_col, call->node->dtype), a->kv_stride,
                                 column(kv, a->v_col, call->node->dtype), a->kv_stride, &a->shape,
                                 a->drops ? &a->drop : NULL, call->node->dtype, call->workspace, call->stream);
}

static void backward(const struct hone_call *call) {
    const struct attention *a = (const void *)call->node->attributes;
    int k = kv_input(call->node);
    const void *q = call->inputs[0], *kv = call->inputs[k];
    void *dq = call->dinputs[0], *dkv = call->dinputs[k];
    call->ops->attention_backward(
        gradient_column(dq, a->q_col, call->node->dtype), gradient_column(dkv, a->k_col, call->node->dtype),
        gradient_column(dkv, a->v_col, call->node->dtype), call->doutput, call->saved,
        column(q, a->q_col, call->node->dtype), a->q_stride, column(kv, a->k_col, call->node->dtype), a->kv_stride,
        column(kv, a->v_col, call->node->dtype), a->kv_stride, &a->shape, a->drops ? &a->drop : NULL, call->node->dtype,
        call->workspace, call->stream);
}

static const struct hone_op attention_op = {
    .name = "attention", .backward_name = "attention backward", .forward = forward, .backward = backward};

static bool apart(int64_t a, int64_t b, int64_t width) { return a + width <= b || b + width <= a; }

hone_value hone_attend(struct hone_tape *tape, hone_value q, int64_t q_col, hone_value kv, int64_t k_col, int64_t v_col,
                       struct hone_attention shape, struct hone_dropout_site drop) {
    int64_t C = shape.H * shape.D, q_cols = hone_value_cols(tape, q), kv_cols = hone_value_cols(tape, kv);
    HONE_CHECK(shape.H > 0 && shape.D > 0 && hone_value_rows(tape, q) == shape.R &&
                   hone_value_rows(tape, kv) == shape.T,
               "attention: q has %lld rows and kv %lld, the shape says R %lld, T %lld, H %lld, D %lld",
               (long long)hone_value_rows(tape, q), (long long)hone_value_rows(tape, kv), (long long)shape.R,
               (long long)shape.T, (long long)shape.H, (long long)shape.D);
    HONE_CHECK(q_col >= 0 && k_col >= 0 && v_col >= 0 && q_col + C <= q_cols && k_col + C <= kv_cols &&
                   v_col + C <= kv_cols,
               "attention: %lld columns from %lld of %lld, from %lld and %lld of %lld", (long long)C, (long long)q_col,
               (long long)q_cols, (long long)k_col, (long long)v_col, (long long)kv_cols);
    bool packed = q == kv;
    HONE_CHECK(apart(k_col, v_col, C) && (!packed || (apart(q_col, k_col, C) && apart(q_col, v_col, C))),
               "attention: columns of %lld from %lld, %lld and %lld overlap", (long long)C, (long long)q_col,
               (long long)k_col, (long long)v_col);
    HONE_CHECK(shape.row_of_q || shape.R == shape.T, "attention: %lld query rows for %lld tokens, and no row_of_q",
               (long long)shape.R, (long long)shape.T);
    struct attention a = {
        .shape = shape, .q_col = q_col, .k_col = k_col, .v_col = v_col, .q_stride = q_cols, .kv_stride = kv_cols};
    a.drops = hone_tape_dropout(&a.drop, tape, drop);
    bool q_whole = packed ? q_cols == 3 * C : q_cols == C, kv_whole = kv_cols == 2 * C;
    struct hone_node node = {.op = &attention_op,
                             .inputs = {q, packed ? -1 : kv},
                             .backward_reads = HONE_READS_BOTH | HONE_READS_SAVED,
                             .gradient = {q_whole ? HONE_GRADIENT_WRITES : HONE_GRADIENT_COLUMNS,
                                          kv_whole ? HONE_GRADIENT_WRITES : HONE_GRADIENT_COLUMNS},
                             .rows = shape.R,
                             .cols = C};
    node.dtype = hone_value_dtype(tape, q);
    HONE_CHECK(node.dtype == hone_value_dtype(tape, kv), "attention: q in %s, k and v in %s",
               hone_dtype_name(node.dtype), hone_dtype_name(hone_value_dtype(tape, kv)));
    node.forward_workspace = node.backward_workspace = tape->device->ops->attention_workspace(&shape, node.dtype);
    node.output = hone_tape_add_value(tape, shape.R, C, node.dtype);
    node.saved = hone_tape_add_value(tape, shape.R, shape.H, HONE_F32);
    hone_tape_add_node(tape, node, &a, sizeof a);
    return node.output;
}
