/* Gradients summed over all ranks while backward still computes others: the flat gradient buffer is cut into buckets,
 * and a thread sends each as soon as backward has finished it. The buffer lies in the order in which backward finishes
 * it, so a bucket is a range; buckets go in their order, on every rank the same, whatever was finished first. The tables
 * of embeddings come last, and most of their rows have no gradient in a step: of them only blocks that are marked on
 * some rank are summed, where the host has marks (kernels/ops.h). One that is a decoder, too, is marked whole.
 *
 *     hone_buckets_begin(buckets);
 *     hone_tape_backward(tape, hone_buckets_on_gradient, buckets, stream);
 *     HONE_TRY(hone_buckets_finish(buckets)); */
#ifndef HONE_DIST_BUCKETS_H
#define HONE_DIST_BUCKETS_H

#include "autograd/parameters.h"
#include "kernels/collectives.h"

/* Elements: large enough for a transport's full rate, small enough that the last one, which nothing hides, is short. */
#define HONE_BUCKET (1 << 20)

struct hone_buckets;

/* The first element that goes by its marks; where the gradients end on a device that has memory of its own, and no marks. */
int64_t hone_buckets_tables(const struct hone_parameters *parameters);
/* Bytes that each rank tells of its marks in a step. */
int64_t hone_buckets_mark_bytes(const struct hone_parameters *parameters);
/* Bytes of host memory that the buckets of so many ranks take. */
size_t hone_buckets_bytes(const struct hone_parameters *parameters, int size);

/* Of parameters allocated for training; both are borrowed. With one rank *out is NULL: there is nothing to sum. */
enum hone_status hone_buckets_create(struct hone_buckets **out, struct hone_parameters *parameters,
                                     struct hone_collectives *collectives);
void hone_buckets_free(struct hone_buckets *buckets);

/* A step begins: nothing is complete. NULL is allowed, here and in finish. */
void hone_buckets_begin(struct hone_buckets *buckets);
/* For hone_tape_backward: the parameter's gradient is complete on this rank. `user` is the buckets. */
void hone_buckets_on_gradient(int32_t parameter, void *user);
/* Nothing more comes in this step, complete or not needed: sends the rest and returns when all is summed, and marked as
 * that. Until then no other collectives. */
enum hone_status hone_buckets_finish(struct hone_buckets *buckets);

#endif
