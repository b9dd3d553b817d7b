/* From a recording to slots: which nodes lead to a loss, who writes a gradient first, when each piece of memory is
 * first and last touched, and what may share storage. */
#include <string.h>

#include "autograd/node.h"
#include "base/memory.h"

static int32_t backward_time(const struct hone_tape *tape, int32_t node) { return 2 * tape->n_nodes - 1 - node; }

static size_t value_bytes(const struct hone_tape_value *v) {
    return (size_t)hone_rows(v->rows) * (size_t)v->cols * hone_dtype_size(v->dtype);
}

static int32_t add_slot(struct hone_tape *tape, int32_t first, int32_t last, size_t bytes) {
    hone_reserve(&tape->slots, &tape->slot_capacity, (size_t)tape->n_slots + 1, sizeof *tape->slots, "tape slots");
    tape->slots[tape->n_slots] = (struct hone_slot){.first = first, .last = last, .bytes = bytes};
    return tape->n_slots++;
}

static bool is_frozen(const struct hone_tape *tape, int32_t parameter) {
    return hone_parameters_get(tape->parameters, parameter)->frozen;
}

/* Marks the values that something trained leads to, and gives whether it does to the node. */
static bool find_trained(struct hone_tape *tape, const struct hone_node *node) {
    bool trains = false;
    for (int k = 0; k < node->n_parameters; k++) trains |= !is_frozen(tape, node->parameters[k]);
    for (int k = 0; k < HONE_NODE_INPUTS; k++) {
        if (node->inputs[k] >= 0) trains |= tape->values[node->inputs[k]].trains;
    }
    if (node->output >= 0) tape->values[node->output].trains = trains;
    return trains;
}

/* Marks the nodes that run backward, the first writer of each gradient, and the node that finishes each parameter. */
static void find_writers(struct hone_tape *tape) {
    size_t n_parameters = (size_t)hone_parameters_count(tape->parameters);
    hone_reserve(&tape->last_use, &tape->last_use_capacity, n_parameters + 1, sizeof *tape->last_use, "tape");
    for (size_t p = 0; p < n_parameters; p++) tape->last_use[p] = -1;
    for (int32_t v = 0; v < tape->n_values; v++) tape->values[v].gradient_slot = -1;
    for (int32_t i = 0; i < tape->n_nodes; i++) tape->nodes[i].active = find_trained(tape, &tape->nodes[i]);
    for (int32_t i = tape->n_nodes - 1; i >= 0; i--) {
        struct hone_node *node = &tape->nodes[i];
        bool wanted = node->output < 0 || tape->values[node->output].gradient_slot >= 0;
        node->active &= tape->mode == HONE_TRAINING && wanted;
        for (int k = 0; k < HONE_NODE_INPUTS; k++) {
            node->scratch[k] = -1;
            node->first_writer[k] = false;
            node->left_out[k] = true;
            if (!node->active || node->inputs[k] < 0) continue;
            struct hone_tape_value *input = &tape->values[node->inputs[k]];
            node->left_out[k] = node->op->leaves_out && !input->trains;
            if (node->left_out[k]) continue;
            node->first_writer[k] = input->gradient_slot < 0;
            input->gradient_slot = 0; /* there will be one */
        }
        if (!node->active) continue;
        for (int k = 0; k < node->n_parameters; k++) {
            if (!is_frozen(tape, node->parameters[k])) tape->last_use[node->parameters[k]] = i;
        }
    }
}

static void read_at(struct hone_tape *tape, hone_value value, int32_t time) {
    if (value >= 0 && tape->values[value].last < time) tape->values[value].last = time;
}

static void find_last_readers(struct hone_tape *tape) {
    for (int32_t v = 0; v < tape->n_values; v++) tape->values[v].last = tape->values[v].producer;
    for (int32_t i = 0; i < tape->n_nodes; i++) {
        const struct hone_node *node = &tape->nodes[i];
        for (int k = 0; k < HONE_NODE_INPUTS; k++) {
            read_at(tape, node->inputs[k], i);
            if (node->active && node->backward_reads & (unsigned)HONE_READS_INPUT << k) {
                read_at(tape, node->inputs[k], backward_time(tape, i));
            }
        }
        if (!node->active) continue;
        if (node->backward_reads & HONE_READS_OUTPUT) read_at(tape, node->output, backward_time(tape, i));
        if (node->backward_reads & HONE_READS_SAVED) read_at(tape, node->saved, backward_time(tape, i));
    }
    for (int32_t v = 0; v < tape->n_values; v++) {
        if (tape->values[v].kept) tape->values[v].last = 2 * tape->n_nodes;
    }
}

/* Slot `slot` also holds what lives until `last`. */
static int32_t share(struct hone_tape *tape, int32_t slot, int32_t last) {
    if (tape->slots[slot].last < last) tape->slots[slot].last = last;
    return slot;
}

static void add_value_slots(struct hone_tape *tape) {
    for (int32_t i = 0; i < tape->n_nodes; i++) {
        struct hone_node *node = &tape->nodes[i];
        node->forward_slot = node->forward_workspace ? add_slot(tape, i, i, node->forward_workspace) : -1;
        if (node->output >= 0) {
            struct hone_tape_value *output = &tape->values[node->output];
            const struct hone_tape_value *input = node->inputs[0] >= 0 ? &tape->values[node->inputs[0]] : NULL;
            if (node->op->output_in_place && input && input->last == i && value_bytes(input) == value_bytes(output)) {
                output->slot = share(tape, input->slot, output->last);
            } else {
                /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): a tape with a node has values. */
                output->slot = add_slot(tape, i, output->last, value_bytes(output));
            }
        }
        if (node->saved >= 0) {
            struct hone_tape_value *saved = &tape->values[node->saved];
            saved->slot = add_slot(tape, i, saved->last, value_bytes(saved));
        }
    }
}

/* The gradient of input k, whose first writer this node is. It lives until its producer's backward. */
static int32_t first_gradient_slot(struct hone_tape *tape, const struct hone_node *node, int k, int32_t now) {
    const struct hone_tape_value *input = &tape->values[node->inputs[k]];
    int32_t last = backward_time(tape, input->producer);
    bool whole = node->gradient[k] == HONE_GRADIENT_WRITES || node->gradient[k] == HONE_GRADIENT_ACCUMULATES;
    if (k == 0 && node->op->gradient_in_place && whole) {
        if (node->output >= 0) {
            const struct hone_tape_value *output = &tape->values[node->output];
            if (value_bytes(output) == value_bytes(input)) return share(tape, output->gradient_slot, last);
        } else if (input->last == now) {
            return share(tape, input->slot, last);
        }
    }
    return add_slot(tape, now, last, value_bytes(input));
}

static void add_gradient_slots(struct hone_tape *tape) {
    for (int32_t i = tape->n_nodes - 1; i >= 0; i--) {
        struct hone_node *node = &tape->nodes[i];
        node->backward_slot = -1;
        if (!node->active) continue;
        int32_t now = backward_time(tape, i);
        if (node->backward_workspace) node->backward_slot = add_slot(tape, now, now, node->backward_workspace);
        for (int k = 0; k < HONE_NODE_INPUTS; k++) {
            if (node->left_out[k]) continue;
            struct hone_tape_value *input = &tape->values[node->inputs[k]];
            if (node->first_writer[k]) {
                input->gradient_slot = first_gradient_slot(tape, node, k, now);
                continue;
            }
            if (node->gradient[k] == HONE_GRADIENT_WRITES || node->gradient[k] == HONE_GRADIENT_COLUMNS) {
                node->scratch[k] = add_slot(tape, now, now, value_bytes(input));
            }
        }
    }
}

void hone_tape_plan(struct hone_tape *tape) {
    tape->n_slots = 0;
    find_writers(tape);
    find_last_readers(tape);
    add_value_slots(tape);
    add_gradient_slots(tape);
    tape->needed = hone_layout_cached(tape->cache, tape->slots, tape->n_slots);
}
