/* The parameters of a model: one record each with its Hub name, and flat device buffers for weights and gradients.
 * Parameters are added in the order in which backward finishes them (head first, embeddings last), so a stretch of
 * the gradient buffer is complete as soon as its last parameter is. Every parameter starts at a multiple of 16
 * elements, except one added with `joined`, which lies directly behind the one before: query, key and value are one
 * [3C, C] matrix to the GEMM and three tensors on the Hub.
 * What is frozen lies behind what is trained, outside the gradient buffer and all that an optimizer keeps; a frozen part
 * of a joined matrix that is trained otherwise keeps its place within.
 *
 * In bf16 the f32 weights are the masters, and the matrices marked `inner` have a bf16 copy that linear ops compute
 * with. It lies in a buffer with the same offsets, which ends with the last such matrix: embeddings come later. */
#ifndef HONE_AUTOGRAD_PARAMETERS_H
#define HONE_AUTOGRAD_PARAMETERS_H

#include "kernels/device.h"

enum hone_init { HONE_INIT_NORMAL, HONE_INIT_ZERO, HONE_INIT_ONE };

struct hone_parameter {
    char *name;       /* as on the Hub: "bert.encoder.layer.0.attention.self.query.weight" */
    int64_t shape[2]; /* [rows, cols]; a vector is [n, 1] with n_dims 1 */
    int n_dims;
    int64_t offset; /* elements, in every flat buffer */
    int64_t count;
    int layer;           /* 0 embeddings, 1 … L blocks, L+1 head */
    bool decay;          /* weight decay applies: matrices and embeddings, not biases and norms */
    bool inner;          /* a matrix of the layers, where the time goes: linear ops take it in the set's precision */
    bool frozen;         /* gets no gradient and never changes; set by hone_parameters_freeze() */
    bool joined;         /* lies directly behind the one before; filled in here, too */
    enum hone_init init; /* how to make one that the folder lacks */
    float init_std;      /* of HONE_INIT_NORMAL */
};

struct hone_parameters;

/* The device is borrowed. */
struct hone_parameters *hone_parameters_create(struct hone_device *device);
void hone_parameters_free(struct hone_parameters *parameters);
struct hone_device *hone_parameters_device(const struct hone_parameters *parameters);

/* Adds a record (name is copied) and returns its id, 0, 1, …; before allocation only. shape[1] 0 makes a vector.
 * n_dims, offset and count of the record are filled in here. */
int32_t hone_parameters_add(struct hone_parameters *parameters, struct hone_parameter record, bool joined);
int32_t hone_parameters_count(const struct hone_parameters *parameters);
const struct hone_parameter *hone_parameters_get(const struct hone_parameters *parameters, int32_t id);
/* -1 when there is none. */
int32_t hone_parameters_find(const struct hone_parameters *parameters, const char *name);
/* Elements of a flat buffer, padding included (padding is 0 and stays 0), and of the parameters alone. */
int64_t hone_parameters_elements(const struct hone_parameters *parameters);
int64_t hone_parameters_total(const struct hone_parameters *parameters);

/* Lays the buffers out anew with these frozen, [count]; before allocation only. Offsets found earlier are void. */
void hone_parameters_freeze(struct hone_parameters *parameters, const bool *frozen);
/* Elements at the front of the buffers that have gradients, padding included. */
int64_t hone_parameters_trained(const struct hone_parameters *parameters);
/* Where the padding behind a parameter ends. */
int64_t hone_parameters_end(const struct hone_parameters *parameters, int32_t id);

/* HONE_F32, which is what a new set has, or HONE_BF16; before allocation. */
void hone_parameters_set_precision(struct hone_parameters *parameters, enum hone_dtype precision);
enum hone_dtype hone_parameters_precision(const struct hone_parameters *parameters);
/* Elements of the bf16 copy, a multiple of 16; 0 in f32. */
int64_t hone_parameters_copied(const struct hone_parameters *parameters);

/* Of the weight buffer and its copy. */
size_t hone_parameters_bytes(const struct hone_parameters *parameters);

/* Allocates and zeroes the weight buffer and its copy, and with `training` the f32 gradient buffer. */
enum hone_status hone_parameters_allocate(struct hone_parameters *parameters, bool training);
float *hone_parameters_weights(const struct hone_parameters *parameters);
void *hone_parameters_copy(const struct hone_parameters *parameters); /* bf16; NULL in f32 */
/* hone_parameters_trained() long; NULL without training. To be written anywhere until the optimizer's next update: all of
 * it is marked. */
float *hone_parameters_gradients(struct hone_parameters *parameters);
/* The same to be read, and zeroed: nothing is marked. */
float *hone_parameters_gradients_unmarked(const struct hone_parameters *parameters);
/* To be added to: count elements from `offset` on, which are marked. Of the table of rows of C elements that begins at
 * `offset` only the n rows listed are; the list is read only where the device's memory is the host's. */
float *hone_parameters_gradient(struct hone_parameters *parameters, int64_t offset, int64_t count);
float *hone_parameters_gradient_rows(struct hone_parameters *parameters, int64_t offset, const int32_t *rows, int64_t n,
                                     int64_t C);
/* Marks (kernels/ops.h) for the optimizer and for sums over ranks, which leave out what is not marked: of gradients that were given out to be written and of moments; NULL where
 * anything may be anywhere: on devices with memory of their own, and while all gradients are marked. */
const uint8_t *hone_parameters_marks(const struct hone_parameters *parameters);
/* After an update, or in its place: no gradient is marked any more. With `moments`, the moments of every block that had
 * one are. */
void hone_parameters_updated(struct hone_parameters *parameters, bool moments);
/* No moment is marked; and, of hone_parameters_trained() moments in host memory, those other than 0 are. */
void hone_parameters_unmark_moments(struct hone_parameters *parameters);
void hone_parameters_mark_moments(struct hone_parameters *parameters, const float *moments);

/* Writes the copy anew after the weights have changed on the device; in f32 there is nothing to do. */
void hone_parameters_round(const struct hone_parameters *parameters, struct hone_stream *stream);

/* Host values in and out of one parameter (f32, its own shape). */
enum hone_status hone_parameters_write(struct hone_parameters *parameters, int32_t id, const float *values);
enum hone_status hone_parameters_read(const struct hone_parameters *parameters, int32_t id, float *values);
/* Fills one parameter as its record says; normal numbers keyed by (seed, id of the name's hash, element). */
enum hone_status hone_parameters_initialize(struct hone_parameters *parameters, int32_t id, uint64_t seed);

#endif
