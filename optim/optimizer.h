/* The optimizer over a model's flat buffers: what it remembers from step to step, the device's segments of parameters
 * that are treated alike, and the struct hone_step that dropout, loss and the optimizer itself read from device memory.
 *
 *     hone_optimizer_begin(o, seed, step, rate, s);      once a step, before its first micro-batch
 *     … forward and backward of every micro-batch, loss at &hone_optimizer_step_state(o)->loss …
 *     hone_optimizer_apply(o, s);
 *     HONE_TRY(hone_optimizer_result(o, &result, s));    loss, gradient norm, finite
 *
 * A new optimizer is one file that fills a struct hone_optimizer_class (optim/classes.h), one row of the registry in
 * optimizer.c, its word in the option table. */
#ifndef HONE_OPTIM_OPTIMIZER_H
#define HONE_OPTIM_OPTIMIZER_H

#include "autograd/parameters.h"
#include "kernels/collectives.h"

/* In the order of the words in the option table. */
enum hone_optimizer_name { HONE_OPTIMIZER_ADAMW, HONE_OPTIMIZER_SGD, HONE_OPTIMIZER_ADAFACTOR };

/* What is special about one parameter. */
struct hone_parameter_group {
    double learning_rate_scale; /* of the step's rate */
    double weight_decay;
};

struct hone_optimizer_settings {
    enum hone_optimizer_name name;
    const struct hone_parameter_group *groups; /* one per parameter, read by create and bytes; NULL: scale 1, and */
    double weight_decay; /* of parameters with `decay`; decoupled for AdamW and Adafactor, coupled for SGD */
    double beta1;        /* AdamW; Adafactor: of its first moment, 0: none */
    double beta2;        /* AdamW */
    double epsilon;      /* AdamW: added to the root; Adafactor: to squared gradients */
    double momentum;     /* SGD; 0: none */
    bool nesterov;       /* SGD */
    double decay_rate;   /* Adafactor: beta2 of step t from 1 is 1 - t^decay_rate */
    double clip_threshold, scale_epsilon; /* Adafactor: largest root mean square of an update; least scale */
    bool scale_parameter;                 /* Adafactor: rates are relative to a parameter's root mean square */
    double clip_norm;                     /* longest gradient; 0: no clipping */
    double ema_decay;                     /* of the average of the weights; 0: none is kept */
    double clip_value;                    /* largest element of a gradient; 0: no clipping */
    /* ZeRO-1 (Rajbhandari et al. 2020, arXiv 1910.02054): of `parts` equal parts of the flat buffers this rank remembers
     * and updates number `part` alone, and the weights are gathered after each update, to the same bits. Not Adafactor,
     * whose updates reach over a matrix. parts 0 or 1: all here. */
    int part, parts;
    struct hone_collectives *collectives; /* with parts: of the ranks 0 … parts-1; borrowed, not read by bytes */
};

struct hone_optimizer;

/* Allocates what it remembers (zero) and the rest on the parameters' device; they must have been allocated with
 * gradients. They are borrowed, and have one optimizer at a time: the marks of moments are its. */
enum hone_status hone_optimizer_create(struct hone_optimizer **out, struct hone_parameters *parameters,
                                       struct hone_optimizer_settings settings);
void hone_optimizer_free(struct hone_optimizer *optimizer);

/* Device address. */
struct hone_step *hone_optimizer_step_state(struct hone_optimizer *optimizer);
/* All that an optimizer remembers here from step to step, besides their number: flat buffers on the device, i from 0, with
 * a name and a number of elements each ("first_moment"); NULL past the end. */
float *hone_optimizer_buffer(const struct hone_optimizer *optimizer, int i, const char **name, int64_t *elements);
/* Buffer i with the parts of all ranks: its elements; into `whole`, host memory, on rank 0, for which every rank calls
 * this, the others with NULL; and from `whole`, of which each rank takes what is its part. */
int64_t hone_optimizer_whole(const struct hone_optimizer *optimizer, int i);
enum hone_status hone_optimizer_gather(float *whole, struct hone_optimizer *optimizer, int i,
                                       struct hone_stream *stream);
enum hone_status hone_optimizer_take(struct hone_optimizer *optimizer, int i, const float *whole,
                                     struct hone_stream *stream);
/* Whether other ranks have parts. */
bool hone_optimizer_is_shared(const struct hone_optimizer *optimizer);

/* Uploads dropout's seed, the step (from 0), its learning rate and what depends on the step, and zeroes the loss. Waits
 * for what the stream still had to do. */
enum hone_status hone_optimizer_begin(struct hone_optimizer *optimizer, uint32_t seed, uint32_t step,
                                      double learning_rate, struct hone_stream *stream);
/* Gradient norm, clip scale and finite flag, then the update, which also zeroes the gradients. With parts every rank calls
 * it, with the same gradients, and HONE_RANK is what can fail. */
enum hone_status hone_optimizer_apply(struct hone_optimizer *optimizer, struct hone_stream *stream);
/* In the place of apply: the gradients are zeroed and nothing else changes (an average of the weights, if it is to begin
 * with this step, begins). */
void hone_optimizer_skip(struct hone_optimizer *optimizer, struct hone_stream *stream);
/* Waits for the stream and copies the step's state to the host. */
enum hone_status hone_optimizer_result(struct hone_optimizer *optimizer, struct hone_step *out,
                                       struct hone_stream *stream);

/* Exchanges the weights that are trained with their exponential moving average, for evaluating and saving, and back; no
 * average, no change. The average begins as the weights after the first step and follows them by 1 - ema_decay of the
 * difference a step, as torch.optim.swa_utils.get_ema_multi_avg_fn has it. With parts every rank calls it. */
enum hone_status hone_optimizer_exchange(struct hone_optimizer *optimizer, struct hone_stream *stream);

/* Bytes of device memory that create allocates. */
size_t hone_optimizer_bytes(const struct hone_parameters *parameters, const struct hone_optimizer_settings *settings);

/* Name for people: "AdamW". */
const char *hone_optimizer_title(enum hone_optimizer_name name);

#endif
