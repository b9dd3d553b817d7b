#include "autograd/finite.h"

#include <math.h>
#include <string.h>

#include "autograd/node.h"
#include "base/memory.h"

struct search {
    struct hone_tape *tape;
    struct hone_stream *stream;
    void *host;
    size_t capacity;
};

/* NOLINTBEGIN(clang-analyzer-core.NullDereference): where there is an element, there are values. */
static float element(const void *values, enum hone_dtype dtype, int64_t i) {
    if (dtype == HONE_F32) return ((const float *)values)[i];
    uint32_t bits = (uint32_t)((const uint16_t *)values)[i] << 16;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}
/* NOLINTEND(clang-analyzer-core.NullDereference) */

/* The first of n values on the device that is not finite: its place, or -1. */
static enum hone_status look(int64_t *at, float *value, struct search *s, const void *values, enum hone_dtype dtype,
                             int64_t n) {
    struct hone_device *device = s->tape->device;
    size_t bytes = (size_t)n * hone_dtype_size(dtype);
    *at = -1;
    if (n == 0) return HONE_OK;
    hone_reserve((char **)&s->host, &s->capacity, bytes, 1, "values to be looked at");
    device->copy_to_host(s->host, values, bytes, s->stream);
    HONE_TRY(device->stream_synchronize(s->stream));
    for (int64_t i = 0; i < n && *at < 0; i++) {
        float found = element(s->host, dtype, i);
        if (isfinite(found)) continue;
        *at = i;
        *value = found;
    }
    return HONE_OK;
}

static enum hone_status look_at_value(struct hone_not_finite *out, struct search *s, const char *op, hone_value value,
                                      int32_t slot) {
    const struct hone_tape_value *v = &s->tape->values[value];
    int64_t at;
    HONE_TRY(look(&at, &out->value, s, s->tape->arena + s->tape->slots[slot].offset, v->dtype, v->rows * v->cols));
    if (at < 0) return HONE_OK;
    out->op = op;
    out->row = at / v->cols;
    out->col = at % v->cols;
    out->rows = v->rows;
    return HONE_OK;
}

static enum hone_status look_at_loss(struct hone_not_finite *out, struct search *s, const struct hone_node *node,
                                     const float *loss) {
    int64_t at;
    HONE_TRY(look(&at, &out->value, s, loss, HONE_F32, 1));
    if (at < 0) return HONE_OK;
    out->op = node->op->name;
    out->rows = 1;
    return HONE_OK;
}

static enum hone_status look_at_gradients(struct hone_not_finite *out, struct search *s, const struct hone_node *node) {
    for (int k = 0; k < HONE_NODE_INPUTS && !out->op; k++) {
        if (node->inputs[k] < 0 || node->left_out[k]) continue;
        int32_t slot = s->tape->values[node->inputs[k]].gradient_slot;
        if (slot < 0) continue;
        HONE_TRY(look_at_value(out, s, node->op->backward_name, node->inputs[k], slot));
    }
    for (int k = 0; k < node->n_parameters && !out->op; k++) {
        const struct hone_parameter *p = hone_parameters_get(s->tape->parameters, node->parameters[k]);
        int64_t at;
        if (p->frozen) continue;
        const float *gradient = hone_parameters_gradients_unmarked(s->tape->parameters) + p->offset;
        HONE_TRY(look(&at, &out->value, s, gradient, HONE_F32, p->count));
        if (at < 0) continue;
        int64_t cols = p->n_dims == 2 ? p->shape[1] : 1;
        out->op = node->op->backward_name;
        out->gradient = p->name;
        out->row = at / cols;
        out->col = at % cols;
        out->rows = p->shape[0];
    }
    return HONE_OK;
}

/* The parameters that tell where in the model node i is. */
static enum hone_status name_place(struct hone_not_finite *out, struct search *s, int32_t i) {
    const struct hone_parameters *parameters = s->tape->parameters;
    const struct hone_node *node = &s->tape->nodes[i];
    for (int k = 0; k < node->n_parameters && !out->culprit; k++) {
        const struct hone_parameter *p = hone_parameters_get(parameters, node->parameters[k]);
        int64_t at;
        float value;
        HONE_TRY(look(&at, &value, s, hone_parameters_weights(parameters) + p->offset, HONE_F32, p->count));
        if (at >= 0) out->culprit = p->name;
    }
    out->own = node->n_parameters > 0;
    while (i > 0 && s->tape->nodes[i].n_parameters == 0) i--;
    node = &s->tape->nodes[i];
    if (node->n_parameters > 0) out->parameter = hone_parameters_get(parameters, node->parameters[0])->name;
    return HONE_OK;
}

static enum hone_status find(struct hone_not_finite *out, struct search *s, const float *loss) {
    struct hone_tape *tape = s->tape;
    for (int32_t i = 0; i < tape->n_nodes; i++) {
        const struct hone_node *node = &tape->nodes[i];
        hone_node_forward(tape, node, s->stream);
        HONE_TRY(node->output < 0
                     ? look_at_loss(out, s, node, loss)
                     : look_at_value(out, s, node->op->name, node->output, tape->values[node->output].slot));
        if (out->op) return name_place(out, s, i);
    }
    for (int32_t i = tape->n_nodes - 1; i >= 0; i--) {
        const struct hone_node *node = &tape->nodes[i];
        if (!node->active) continue;
        hone_node_backward(tape, node, s->stream);
        HONE_TRY(look_at_gradients(out, s, node));
        if (!out->op) continue;
        out->backward = true;
        return name_place(out, s, i);
    }
    return HONE_OK;
}

enum hone_status hone_tape_find_not_finite(struct hone_not_finite *out, struct hone_tape *tape, const float *loss,
                                           struct hone_stream *stream) {
    HONE_CHECK(tape->laid_out && tape->mode == HONE_TRAINING, "a search needs a recording laid out for training");
    struct search s = {.tape = tape, .stream = stream};
    *out = (struct hone_not_finite){.op = NULL};
    enum hone_status status = find(out, &s, loss);
    hone_free(s.host);
    return status;
}
