/* A step is recorded, laid out, run. Ops append nodes with shapes and value ids and compute nothing; hone_tape_layout
 * gives each value, gradient and workspace an offset in one arena from its first and last use, backward included
 * (interval first-fit, cached by the shapes recorded); then kernels run forward in order and backward in reverse.
 *
 *     hone_tape_begin(tape, HONE_TRAINING);
 *     hone_value x = hone_embedding(tape, …), y = hone_linear(tape, x, …);
 *     hone_cross_entropy(tape, y, …);
 *     HONE_TRY(hone_tape_layout(tape));
 *     hone_tape_forward(tape, stream);
 *     hone_tape_backward(tape, NULL, NULL, stream);
 *     HONE_TRY(device->stream_synchronize(stream)); */
#ifndef HONE_AUTOGRAD_TAPE_H
#define HONE_AUTOGRAD_TAPE_H

#include "autograd/parameters.h"

typedef int32_t hone_value; /* id of a value on the tape: a matrix of rows x cols; -1: none */

enum hone_mode {
    HONE_INFERENCE, /* forward only: storage is reused as soon as a value's last reader has run; no dropout */
    HONE_TRAINING
};

struct hone_tape;

/* Device and parameters are borrowed. */
struct hone_tape *hone_tape_create(struct hone_device *device, struct hone_parameters *parameters);
void hone_tape_free(struct hone_tape *tape);
struct hone_device *hone_tape_device(const struct hone_tape *tape);
struct hone_parameters *hone_tape_parameters(const struct hone_tape *tape);
enum hone_mode hone_tape_mode(const struct hone_tape *tape);

/* Forgets the nodes of the last recording and starts a new one. */
void hone_tape_begin(struct hone_tape *tape, enum hone_mode mode);

int64_t hone_value_rows(const struct hone_tape *tape, hone_value value);
int64_t hone_value_cols(const struct hone_tape *tape, hone_value value);
enum hone_dtype hone_value_dtype(const struct hone_tape *tape, hone_value value);
/* Keeps a value's storage to the end of the run, so that it can be read after it. */
void hone_tape_keep(struct hone_tape *tape, hone_value value);

/* Bytes that the recording needs; computes the layout and allocates nothing. For `hone plan`. */
size_t hone_tape_measure(struct hone_tape *tape);
/* Lays out and makes sure that the arena is large enough (it grows, never shrinks). */
enum hone_status hone_tape_layout(struct hone_tape *tape);
/* Makes the arena at least this large now. */
enum hone_status hone_tape_reserve(struct hone_tape *tape, size_t bytes);
size_t hone_tape_arena_bytes(const struct hone_tape *tape);

/* Device address of a value, after layout: valid while its storage lives (after the run: kept values only). */
void *hone_tape_data(const struct hone_tape *tape, hone_value value);

void hone_tape_forward(struct hone_tape *tape, struct hone_stream *stream);
/* Adds to the gradients of all parameters that were used. on_gradient (may be NULL) is called in a fixed order when a
 * parameter's last gradient has been enqueued, once each. A node without backward aborts with its op's name. */
void hone_tape_backward(struct hone_tape *tape, void (*on_gradient)(int32_t parameter, void *user), void *user,
                        struct hone_stream *stream);

#endif
