/* Inside of the tape: nodes, values and what an op sees when it runs. For the files of this room, and for tests.
 *
 * Times. Of n nodes, node i runs forward at time i and backward at time 2n - 1 - i. A value lives from its producer to
 * its last reader, a gradient from its first writer to its producer's backward, a workspace at one moment.
 * Gradients. Backward meets the readers of a value last recorded first. The first writer of its gradient writes; later
 * ones accumulate as their kernel can (enum hone_gradient_use). Nodes that lead to no loss, or that nothing trained leads
 * to, are passive: they have no gradient, don't run backward, and keep nothing for it. */
#ifndef HONE_AUTOGRAD_NODE_H
#define HONE_AUTOGRAD_NODE_H

#include "autograd/layout.h"
#include "autograd/ops.h"
#include "autograd/tape.h"

#define HONE_NODE_INPUTS     2
#define HONE_NODE_PARAMETERS 6
#define HONE_NODE_ATTRIBUTES 192

/* What a node's backward reads of forward's values; inputs are bits 0 and 1. */
enum { HONE_READS_INPUT = 1, HONE_READS_BOTH = 3, HONE_READS_OUTPUT = 4, HONE_READS_SAVED = 8 };

/* What a backward kernel does to the gradient of an input. Input 1 only WRITES or COLUMNS: when it is the same value as
 * input 0, one kernel must not write both into one place. */
enum hone_gradient_use {
    HONE_GRADIENT_WRITES,      /* overwrites all of it; a later writer goes through a scratch gradient */
    HONE_GRADIENT_ACCUMULATES, /* overwrites or adds, as call->accumulate says */
    HONE_GRADIENT_ADDS,        /* only adds: the tape zeroes it for the first writer */
    HONE_GRADIENT_COLUMNS,     /* overwrites some columns: zeroed first, and later writers through a zeroed scratch */
};

/* One run of one node: addresses of everything, all on the device. */
struct hone_call {
    const struct hone_node *node;
    const struct hone_ops *ops;
    struct hone_stream *stream;
    struct hone_parameters *parameters;
    float *weights; /* their flat buffer */
    void *copy;     /* of the weights, in bf16 */
    void *inputs[HONE_NODE_INPUTS];
    void *output;
    void *saved;
    void *workspace;
    void *doutput; /* backward only, these three */
    void *dinputs[HONE_NODE_INPUTS];
    bool accumulate[HONE_NODE_INPUTS];
};

struct hone_op {
    const char *name, *backward_name; /* literals, for the profile */
    void (*forward)(const struct hone_call *call);
    void (*backward)(const struct hone_call *call); /* NULL: cannot be differentiated */
    bool output_in_place;                           /* output may be input 0's storage */
    bool gradient_in_place; /* input 0's gradient may be the output's gradient (no output: input 0 itself) */
    bool leaves_out;        /* backward takes NULL for a gradient that nobody wants; others get a place to write it */
};

struct hone_node {
    const struct hone_op *op;
    hone_value inputs[HONE_NODE_INPUTS]; /* -1: none */
    hone_value output;                   /* -1: a loss */
    hone_value saved;                    /* what forward leaves to backward; -1: none */
    enum hone_dtype dtype;               /* that kernels are told; the op's choice */
    unsigned backward_reads;
    enum hone_gradient_use gradient[HONE_NODE_INPUTS];
    int32_t parameters[HONE_NODE_PARAMETERS]; /* in ascending order */
    int n_parameters;
    int64_t rows, cols, inner; /* sizes of the kernel, as the op means them */
    size_t forward_workspace, backward_workspace;

    /* Found by the layout. */
    bool active;                         /* leads to a loss, and something that is trained leads to it */
    bool left_out[HONE_NODE_INPUTS];     /* no gradient of this input */
    bool first_writer[HONE_NODE_INPUTS]; /* of the input's gradient */
    int32_t scratch[HONE_NODE_INPUTS];   /* slots; -1: none */
    int32_t forward_slot, backward_slot;

    _Alignas(16) unsigned char attributes[HONE_NODE_ATTRIBUTES]; /* the op's own, copied in */
};

struct hone_tape_value {
    int64_t rows, cols;
    enum hone_dtype dtype;
    int32_t producer;
    bool kept;
    bool trains; /* something that is trained leads to it */
    /* Found by the layout. */
    int32_t last;                /* time of the last reader */
    int32_t slot, gradient_slot; /* -1: none */
};

/* A place of dropout and the tokens that it was applied to. */
struct hone_tape_site {
    uint32_t site;
    const int64_t *row_key;
};

struct hone_tape {
    struct hone_device *device;
    struct hone_parameters *parameters;
    enum hone_mode mode;
    struct hone_node *nodes;
    size_t node_capacity;
    int32_t n_nodes;
    struct hone_tape_value *values;
    size_t value_capacity;
    int32_t n_values;

    struct hone_slot *slots;
    size_t slot_capacity;
    int32_t n_slots;
    int32_t *last_use; /* [parameters]: the node whose backward finishes the parameter; -1: not used */
    size_t last_use_capacity;
    struct hone_tape_site *sites; /* where dropout has been recorded */
    size_t site_capacity;
    int32_t n_sites;
    size_t needed; /* bytes of the present layout */
    bool laid_out;
    struct hone_layout_cache *cache;

    char *arena; /* device */
    size_t arena_bytes;
};

/* Recording, for the ops. The value's storage has hone_rows(rows) rows; its gradient is of the same dtype. */
hone_value hone_tape_add_value(struct hone_tape *tape, int64_t rows, int64_t cols, enum hone_dtype dtype);
/* Appends a node (copied) whose attributes are the n bytes given; inputs, output and saved are to be set, to -1 where
 * there is none. */
void hone_tape_add_node(struct hone_tape *tape, struct hone_node node, const void *attributes, size_t n);
/* Appends the node of a loss over the rows of a value: no output, and backward writes the value's gradient, from the
 * value, over it unless it is kept. */
void hone_tape_add_loss(struct hone_tape *tape, const struct hone_op *op, hone_value of, const void *attributes,
                        size_t n);
/* Names a parameter that the node's backward adds to; -1 is none. */
void hone_node_add_parameter(struct hone_node *node, int32_t id);
/* A parameter's record after checking its shape ([rows] with cols 0); rows or cols -1: any. */
const struct hone_parameter *hone_tape_parameter(const struct hone_tape *tape, const char *op, int32_t id, int64_t rows,
                                                 int64_t cols);
/* The dtype of the products with a weight. */
enum hone_dtype hone_tape_precision(const struct hone_tape *tape, int32_t weight);
/* The weights from there on, in elements from the start of the flat buffers, in the node's dtype. */
static inline const void *hone_call_weights(const struct hone_call *call, int64_t offset) {
    if (call->node->dtype == HONE_F32) return call->weights + offset;
    return (const char *)call->copy + (size_t)offset * hone_dtype_size(call->node->dtype);
}
/* Where a parameter's gradient lies, in elements from the start of the flat buffer; -1 when it is frozen (or id is -1). */
int64_t hone_tape_gradient(const struct hone_tape *tape, int32_t id);
/* The gradient of `count` elements from there on, to be added to; NULL for -1. */
static inline float *hone_call_gradient(const struct hone_call *call, int64_t offset, int64_t count) {
    return offset < 0 ? NULL : hone_parameters_gradient(call->parameters, offset, count);
}
/* The kernels' form of a dropout place; false when nothing is to be dropped here. A site that drops twice of the same
 * tokens in one recording, and so twice by one mask, aborts. */
bool hone_tape_dropout(struct hone_dropout *out, struct hone_tape *tape, struct hone_dropout_site site);

/* Runs one node of a tape that is laid out. */
void hone_node_forward(const struct hone_tape *tape, const struct hone_node *node, struct hone_stream *stream);
void hone_node_backward(const struct hone_tape *tape, const struct hone_node *node, struct hone_stream *stream);

/* Finds lives and slots of the recording and places them; sets tape->needed. */
void hone_tape_plan(struct hone_tape *tape);

#endif
