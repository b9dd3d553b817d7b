/* The differentiable ops. Each appends one node; forward and backward stand side by side in the op's own file
 * (autograd/linear.c, attention.c, layer_norm.c, …). Device arrays given here (ids, rows, cu_seqlens) are borrowed
 * and must hold their contents when the tape runs. Weights are parameter ids; -1 where "may be none" is said. */
#ifndef HONE_AUTOGRAD_OPS_H
#define HONE_AUTOGRAD_OPS_H

#include "autograd/tape.h"

/* Dropout at one place of a model; p 0 (or inference) is none. p is rounded to 1/65536. In one recording a site drops
 * only once of the same tokens. */
struct hone_dropout_site {
    double p;
    uint32_t site;
    const struct hone_step *step; /* device */
    const int64_t *row_key;       /* device, [T] */
    const int32_t *rows;          /* device, [R]: the rows are a selection of tokens; or NULL */
};

/* y[T, N] = x w^T + b. `joined` parameters from `weight` on (and from `bias` on; -1: none) act as one matrix. y is of
 * the parameters' precision when the weight is `inner`, else f32; x is of y's dtype or f32. */
hone_value hone_linear(struct hone_tape *tape, hone_value x, int32_t weight, int32_t bias, int joined);
hone_value hone_activate(struct hone_tape *tape, hone_value x, enum hone_activation kind);
/* y[T, C] = activation(x w1^T + b1) w2^T + b2, weights [F, K] and [C, F], both `inner` or neither; dtypes as in
 * hone_linear(). The kind is not HONE_TANH. */
hone_value hone_feed_forward(struct hone_tape *tape, hone_value x, const int32_t weights[2], const int32_t biases[2],
                             enum hone_activation kind);
/* LayerNorm(x + dropout(r)), f32; x f32, r of any precision, -1: none. */
hone_value hone_residual_layer_norm(struct hone_tape *tape, hone_value x, hone_value r, int32_t gamma, int32_t beta,
                                    float eps, struct hone_dropout_site drop);
hone_value hone_dropout_rows(struct hone_tape *tape, hone_value x, struct hone_dropout_site drop);
/* word[ids] + position[first_position + positions] + type[types] for T tokens; position and type -1: none. */
hone_value hone_embedding(struct hone_tape *tape, int64_t T, int32_t word, const int32_t *ids, int32_t position,
                          int64_t first_position, const int32_t *positions, int32_t type, const int32_t *types);
/* x[rows], rows distinct and ascending; device array [R]. */
hone_value hone_gather_rows(struct hone_tape *tape, hone_value x, const int32_t *rows, int64_t R);
/* Attention with q at column q_col of value q, k and v at columns of value kv (q and kv may be the same packed value).
 * Result [R, H*D]. */
hone_value hone_attend(struct hone_tape *tape, hone_value q, int64_t q_col, hone_value kv, int64_t k_col, int64_t v_col,
                       struct hone_attention shape, struct hone_dropout_site drop);
/* Adds scale * weighted cross entropy to *loss (device); ends the differentiable part. logits are destroyed by
 * backward unless kept. labels, weights: device, [R]; weights may be NULL. */
void hone_cross_entropy(struct hone_tape *tape, hone_value logits, const int32_t *labels, const float *weights,
                        float scale, float *loss);
/* The same with class weights, smoothed labels and focusing (kernels/ops.h, class_loss_forward). */
void hone_class_loss(struct hone_tape *tape, hone_value logits, const int32_t *labels, struct hone_class_loss settings,
                     float scale, float *loss);
/* Adds scale * binary cross entropy to *loss: targets [R,V], weights [V] of the positive ones or NULL, device. */
void hone_binary_cross_entropy(struct hone_tape *tape, hone_value logits, const float *targets, const float *weights,
                               float focus, float scale, float *loss);
/* Adds scale * the squared differences to targets [R,V], device. */
void hone_squared_error(struct hone_tape *tape, hone_value y, const float *targets, float scale, float *loss);

#endif
