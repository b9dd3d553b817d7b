/* Gradients and losses that don't depend on the number of ranks: a step's samples are cut into leaves of a fixed number,
 * in their order; the gradient of each is computed apart, and they are added by a binary tree over the leaves' numbers:
 * two neighbouring blocks of 2^k leaves that make one of 2^(k+1) are added as soon as both are there, and what is left at
 * the end is added from the last block to the first. Which rank computes which leaves decides nothing but who adds. */
#ifndef HONE_DIST_LEAVES_H
#define HONE_DIST_LEAVES_H

#include "autograd/parameters.h"
#include "kernels/collectives.h"

struct hone_leaves;

/* The most blocks that a rank keeps a sum of at a time when it takes the leaves first … first+count-1; and the bytes of
 * device memory that are taken for `blocks` of them, on the rank that has most, in steps of `most` leaves. */
int64_t hone_leaves_blocks(int64_t first, int64_t count);
size_t hone_leaves_bytes(const struct hone_parameters *parameters, int64_t blocks, int64_t most, int size);

/* For steps of at most `most` leaves. Parameters are allocated for training; they and the collectives are borrowed. */
enum hone_status hone_leaves_create(struct hone_leaves **out, struct hone_parameters *parameters,
                                    struct hone_collectives *collectives, int64_t most, struct hone_stream *stream);
void hone_leaves_free(struct hone_leaves *leaves);

/* The gradient buffer and *loss (device) hold what leaf number `leaf` gives alone: takes it and zeroes both. The leaves
 * of a rank are neighbours and come in their order. */
enum hone_status hone_leaves_add(struct hone_leaves *leaves, int64_t leaf, float *loss, struct hone_stream *stream);
/* All ranks have added theirs: leaves the sum of all n leaves in the gradient buffer and *loss, on every rank. */
enum hone_status hone_leaves_finish(struct hone_leaves *leaves, int64_t n, float *loss, struct hone_stream *stream);

#endif
