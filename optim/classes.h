/* What the optimizers have in common and what each brings; for the files of this room. */
#ifndef HONE_OPTIM_CLASSES_H
#define HONE_OPTIM_CLASSES_H

#include "optim/optimizer.h"

/* Two of the class, and the average of the weights. */
#define HONE_OPTIMIZER_BUFFERS 3
#define HONE_OPTIMIZER_AVERAGE 2

struct hone_optimizer_buffer {
    const char *name; /* NULL: not used */
    int64_t elements;
    float *data; /* device, zero at first */
};

struct hone_optimizer_class;

struct hone_optimizer {
    const struct hone_optimizer_class *class;
    struct hone_device *device;
    struct hone_parameters *parameters;
    float *gradients; /* of the parameters; to be read and zeroed */
    struct hone_optimizer_settings settings;
    int64_t begin, end; /* elements of the flat buffers that are updated here; those remembered begin with the first */
    struct hone_optimizer_buffer buffers[HONE_OPTIMIZER_BUFFERS];
    void *segments; /* device: n_segments of the class's kind */
    int64_t n_segments;
    struct hone_step *step;   /* device */
    struct hone_step *upload; /* pinned: must stay as it is until the stream has read it */
    void *norm_workspace, *workspace;
};

struct hone_optimizer_class {
    const char *title;
    /* Names and sizes of the buffers; data is left alone. */
    void (*describe)(struct hone_optimizer_buffer buffers[HONE_OPTIMIZER_BUFFERS],
                     const struct hone_parameters *parameters, const struct hone_optimizer_settings *settings);
    size_t segment_size;
    /* Fills `segments`, host memory with room for one per parameter, and returns their number. */
    int64_t (*find_segments)(void *segments, const struct hone_parameters *parameters,
                             const struct hone_optimizer_settings *settings);
    /* Bytes for the kernel; NULL: none. */
    size_t (*workspace)(const void *segments, int64_t n, const struct hone_device *device);
    /* Fills what the kernel reads of the step besides its number and rate; NULL: nothing. */
    void (*begin)(struct hone_step *step, const struct hone_optimizer_settings *settings);
    void (*apply)(struct hone_optimizer *optimizer, struct hone_stream *stream);
    bool rounds; /* apply writes the weights' copy in bf16, too, unless other ranks have parts */
};

extern const struct hone_optimizer_class hone_adamw_class, hone_sgd_class, hone_adafactor_class;

/* find_segments for kernels that treat elements alike: struct hone_segment, neighbours with the same rate and decay in
 * one. They cover what is trained, padding included: its gradient, weight and moments are 0, so an update leaves it 0. */
int64_t hone_optimizer_flat_segments(void *segments, const struct hone_parameters *parameters,
                                     const struct hone_optimizer_settings *settings);
/* begin and end of a part, of n elements in all: equal ones, multiples of 16 elements, but for the last. */
void hone_optimizer_part(int64_t *begin, int64_t *end, int64_t n, int part, int parts);
/* The weights that all ranks have updated, on all of them. */
enum hone_status hone_optimizer_gather_weights(struct hone_optimizer *optimizer, struct hone_stream *stream);
/* A parameter's learning rate and weight decay. */
struct hone_parameter_group hone_optimizer_group(const struct hone_parameters *parameters, int32_t id,
                                                 const struct hone_optimizer_settings *settings);

#endif
