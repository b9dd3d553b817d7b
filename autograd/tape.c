/* Recording, and the arena. */
#include "autograd/tape.h"

#include <math.h>
#include <string.h>

#include "autograd/node.h"
#include "base/arith.h"
#include "base/memory.h"

struct hone_tape *hone_tape_create(struct hone_device *device, struct hone_parameters *parameters) {
    struct hone_tape *tape = hone_calloc(1, sizeof *tape, "tape");
    tape->device = device;
    tape->parameters = parameters;
    tape->cache = hone_layout_cache_create();
    return tape;
}

void hone_tape_free(struct hone_tape *tape) {
    if (!tape) return;
    if (tape->arena) tape->device->release(tape->device, tape->arena);
    hone_layout_cache_free(tape->cache);
    hone_free(tape->nodes);
    hone_free(tape->values);
    hone_free(tape->slots);
    hone_free(tape->last_use);
    hone_free(tape->sites);
    hone_free(tape);
}

struct hone_device *hone_tape_device(const struct hone_tape *tape) {
    return tape->device;
}
struct hone_parameters *hone_tape_parameters(const struct hone_tape *tape) {
    return tape->parameters;
}
enum hone_mode hone_tape_mode(const struct hone_tape *tape) { return tape->mode; }
size_t hone_tape_arena_bytes(const struct hone_tape *tape) { return tape->arena_bytes; }

void hone_tape_begin(struct hone_tape *tape, enum hone_mode mode) {
    tape->mode = mode;
    tape->n_nodes = 0;
    tape->n_values = 0;
    tape->n_slots = 0;
    tape->n_sites = 0;
    tape->laid_out = false;
}

static const struct hone_tape_value *value_at(const struct hone_tape *tape, hone_value value) {
    HONE_CHECK(value >= 0 && value < tape->n_values, "value %d of %d", value, tape->n_values);
    return &tape->values[value];
}

int64_t hone_value_rows(const struct hone_tape *tape, hone_value value) { return value_at(tape, value)->rows; }
int64_t hone_value_cols(const struct hone_tape *tape, hone_value value) { return value_at(tape, value)->cols; }
enum hone_dtype hone_value_dtype(const struct hone_tape *tape, hone_value value) {
    return value_at(tape, value)->dtype;
}

void hone_tape_keep(struct hone_tape *tape, hone_value value) {
    HONE_CHECK(value >= 0 && value < tape->n_values, "value %d of %d", value, tape->n_values);
    HONE_CHECK(!tape->laid_out, "value %d is kept after the layout", value);
    tape->values[value].kept = true;
}

hone_value hone_tape_add_value(struct hone_tape *tape, int64_t rows, int64_t cols, enum hone_dtype dtype) {
    HONE_CHECK(!tape->laid_out, "an op is recorded after the layout: begin a new recording");
    HONE_CHECK(rows >= 0 && cols > 0 && rows < INT64_MAX / 64 / cols, "a value of shape [%lld, %lld]", (long long)rows,
               (long long)cols);
    hone_reserve(&tape->values, &tape->value_capacity, (size_t)tape->n_values + 1, sizeof *tape->values, "tape values");
    tape->values[tape->n_values] = (struct hone_tape_value){.rows = rows, .cols = cols, .dtype = dtype, .producer = -1};
    return tape->n_values++;
}

void hone_tape_add_node(struct hone_tape *tape, struct hone_node node, const void *attributes, size_t n) {
    HONE_CHECK(!tape->laid_out, "%s is recorded after the layout: begin a new recording", node.op->name);
    HONE_CHECK(n <= HONE_NODE_ATTRIBUTES, "%s has %zu bytes of attributes", node.op->name, n);
    if (n > 0) memcpy(node.attributes, attributes, n);
    for (int i = 0; i < HONE_NODE_INPUTS; i++) {
        HONE_CHECK(node.inputs[i] >= -1 && node.inputs[i] < tape->n_values, "%s reads value %d of %d", node.op->name,
                   node.inputs[i], tape->n_values);
    }
    HONE_CHECK(node.gradient[1] == HONE_GRADIENT_WRITES || node.gradient[1] == HONE_GRADIENT_COLUMNS,
               "%s cannot add to the gradient of its second input", node.op->name);
    if (node.output >= 0) tape->values[node.output].producer = tape->n_nodes;
    if (node.saved >= 0) tape->values[node.saved].producer = tape->n_nodes;
    hone_reserve(&tape->nodes, &tape->node_capacity, (size_t)tape->n_nodes + 1, sizeof *tape->nodes, "tape nodes");
    tape->nodes[tape->n_nodes++] = node;
}

void hone_tape_add_loss(struct hone_tape *tape, const struct hone_op *op, hone_value of, const void *attributes,
                        size_t n) {
    struct hone_node node = {.op = op,
                             .inputs = {of, -1},
                             .output = -1,
                             .saved = -1,
                             .backward_reads = HONE_READS_INPUT,
                             .gradient = {HONE_GRADIENT_WRITES}};
    node.rows = hone_value_rows(tape, of);
    node.cols = hone_value_cols(tape, of);
    node.dtype = hone_value_dtype(tape, of);
    hone_tape_add_node(tape, node, attributes, n);
}

void hone_node_add_parameter(struct hone_node *node, int32_t id) {
    if (id < 0) return;
    int place = node->n_parameters;
    for (; place > 0 && node->parameters[place - 1] >= id; place--) {
        if (node->parameters[place - 1] == id) return;
    }
    HONE_CHECK(node->n_parameters < HONE_NODE_PARAMETERS, "%s has too many parameters", node->op->name);
    for (int k = node->n_parameters++; k > place; k--) node->parameters[k] = node->parameters[k - 1];
    node->parameters[place] = id;
}

const struct hone_parameter *hone_tape_parameter(const struct hone_tape *tape, const char *op, int32_t id, int64_t rows,
                                                 int64_t cols) {
    const struct hone_parameter *p = hone_parameters_get(tape->parameters, id);
    int64_t found_cols = p->n_dims == 2 ? p->shape[1] : 0;
    HONE_CHECK((rows < 0 || rows == p->shape[0]) && (cols < 0 || cols == found_cols),
               "%s: %s has shape [%lld, %lld], expected [%lld, %lld] (0: a vector, -1: any)", op, p->name,
               (long long)p->shape[0], (long long)found_cols, (long long)rows, (long long)cols);
    return p;
}

enum hone_dtype hone_tape_precision(const struct hone_tape *tape, int32_t weight) {
    bool inner = hone_parameters_get(tape->parameters, weight)->inner;
    return inner ? hone_parameters_precision(tape->parameters) : HONE_F32;
}

int64_t hone_tape_gradient(const struct hone_tape *tape, int32_t id) {
    if (id < 0) return -1;
    const struct hone_parameter *p = hone_parameters_get(tape->parameters, id);
    return p->frozen ? -1 : p->offset;
}

static void note_site(struct hone_tape *tape, struct hone_dropout_site site) {
    for (int32_t i = 0; i < tape->n_sites; i++) {
        const struct hone_tape_site *other = &tape->sites[i];
        HONE_CHECK(other->site != site.site || other->row_key != site.row_key, "dropout site %u is used twice",
                   site.site);
    }
    hone_reserve(&tape->sites, &tape->site_capacity, (size_t)tape->n_sites + 1, sizeof *tape->sites, "dropout sites");
    tape->sites[tape->n_sites++] = (struct hone_tape_site){.site = site.site, .row_key = site.row_key};
}

bool hone_tape_dropout(struct hone_dropout *out, struct hone_tape *tape, struct hone_dropout_site site) {
    HONE_CHECK(site.p >= 0 && site.p < 1, "dropout with probability %g at site %u", site.p, site.site);
    *out = (struct hone_dropout){0};
    if (tape->mode == HONE_INFERENCE) return false;
    uint32_t threshold = (uint32_t)lround(site.p * 65536);
    if (threshold == 0) return false;
    if (threshold > 65535) threshold = 65535;
    HONE_CHECK(site.step && site.row_key, "dropout at site %u without step or row keys", site.site);
    note_site(tape, site);
    *out = (struct hone_dropout){.threshold = threshold,
                                 .scale = (float)(65536.0 / (65536 - threshold)),
                                 .site = site.site,
                                 .step = site.step,
                                 .row_key = site.row_key,
                                 .rows = site.rows};
    return true;
}

size_t hone_tape_measure(struct hone_tape *tape) {
    hone_tape_plan(tape);
    return tape->needed;
}

enum hone_status hone_tape_reserve(struct hone_tape *tape, size_t bytes) {
    if (bytes <= tape->arena_bytes) return HONE_OK;
    /* Released first: the old arena holds nothing that a new run reads, and both at once might not fit. */
    if (tape->arena) tape->device->release(tape->device, tape->arena);
    tape->arena = NULL;
    tape->arena_bytes = 0;
    void *arena;
    HONE_TRY(tape->device->allocate(tape->device, &arena, bytes, "activations"));
    tape->arena = arena;
    tape->arena_bytes = bytes;
    return HONE_OK;
}

enum hone_status hone_tape_layout(struct hone_tape *tape) {
    hone_tape_plan(tape);
    /* At least something, so that values without rows have an address too. */
    HONE_TRY(hone_tape_reserve(tape, tape->needed ? tape->needed : 1));
    tape->laid_out = true;
    return HONE_OK;
}

void *hone_tape_data(const struct hone_tape *tape, hone_value value) {
    const struct hone_tape_value *v = value_at(tape, value);
    HONE_CHECK(tape->laid_out, "value %d has no address before the layout", value);
    return tape->arena + tape->slots[v->slot].offset;
}
