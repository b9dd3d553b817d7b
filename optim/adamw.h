/* AdamW over a model's flat buffers: moments, the device's segments of decayed and undecayed parameters, and the
 * struct hone_step that dropout, loss and AdamW itself read from device memory.
 *
 *     hone_optimizer_begin(o, seed, step, rate, s);      once a step, before its first micro-batch
 *     … forward and backward of every micro-batch, loss at &hone_optimizer_step_state(o)->loss …
 *     hone_optimizer_apply(o, s);
 *     HONE_TRY(hone_optimizer_result(o, &result, s));    loss, gradient norm, finite
 *
 * Decoupled weight decay: Loshchilov and Hutter 2019, arXiv 1711.05101; the arithmetic is torch.optim.AdamW's after
 * torch.nn.utils.clip_grad_norm_. */
#ifndef HONE_OPTIM_ADAMW_H
#define HONE_OPTIM_ADAMW_H

#include "autograd/parameters.h"

struct hone_optimizer_settings {
    double weight_decay, beta1, beta2, epsilon;
    double clip_norm; /* 0: no clipping */
};

struct hone_optimizer;

/* Allocates moments (zero) and the rest on the parameters' device; they must have been allocated with gradients. They
 * are borrowed. */
enum hone_status hone_optimizer_create(struct hone_optimizer **out, struct hone_parameters *parameters,
                                       struct hone_optimizer_settings settings);
void hone_optimizer_free(struct hone_optimizer *optimizer);

/* Device address. */
struct hone_step *hone_optimizer_step_state(struct hone_optimizer *optimizer);
/* Flat moment buffers on the device, hone_parameters_elements() long. */
float *hone_optimizer_first_moments(struct hone_optimizer *optimizer);
float *hone_optimizer_second_moments(struct hone_optimizer *optimizer);

/* Uploads dropout's seed, the step (from 0), its learning rate and bias corrections, and zeroes the loss. Waits for
 * what the stream still had to do. */
enum hone_status hone_optimizer_begin(struct hone_optimizer *optimizer, uint32_t seed, uint32_t step,
                                      double learning_rate, struct hone_stream *stream);
/* Gradient norm, clip scale and finite flag, then AdamW, which also zeroes the gradients. */
void hone_optimizer_apply(struct hone_optimizer *optimizer, struct hone_stream *stream);
/* Waits for the stream and copies the step's state to the host. */
enum hone_status hone_optimizer_result(struct hone_optimizer *optimizer, struct hone_step *out,
                                       struct hone_stream *stream);

/* Bytes of device memory that create allocates. */
size_t hone_optimizer_bytes(const struct hone_parameters *parameters);

#endif
