/* The case table of kernels: each function runs one family of ops over its awkward sizes on one device and compares
 * with tests/reference_ops.h. Tolerances are relative to the largest value of the array; f32 has a unit roundoff of
 * 6e-8, and sums of n terms in any sensible order stay within sqrt(n) or so of that, hence 1e-5 unless stated. In bf16
 * inputs are rounded first, and a result may be off by half a unit of bf16 more. */
#ifndef HONE_TESTS_KERNEL_CASES_H
#define HONE_TESTS_KERNEL_CASES_H

#include "tests/kernel_buffers.h"

/* The same n standard normal numbers times scale in both precisions; owned. */
struct kernel_noise {
    float *f;
    double *d;
};
struct kernel_noise kernel_noise(int64_t n, double scale, uint32_t seed);
void kernel_noise_free(struct kernel_noise *noise);
/* The same rounded to k->dtype. */
struct kernel_noise kernel_values(const struct kernel_buffers *k, int64_t n, double scale, uint32_t seed);
/* Buffers of n values in k->dtype, as kernel_input() and the others make them. */
void *kernel_input_values(struct kernel_buffers *k, const char *name, const float *values, int64_t n);
void *kernel_inout_values(struct kernel_buffers *k, const char *name, const float *values, int64_t n);
void *kernel_output_values(struct kernel_buffers *k, const char *name, int64_t n);
/* n values of `dtype` from the device as f32. */
void kernel_read_values(struct kernel_buffers *k, float *values, const void *device_memory, enum hone_dtype dtype,
                        int64_t n);
/* Round to nearest even, written for f32 arithmetic alone: independent of the kernels' way by bits. */
float kernel_round_bf16(float x);
/* An f64 array, owned by the caller. */
double *kernel_doubles(int64_t n);
/* Reads n f32 values from the device and compares them. An absolute tolerance is for results that cancel to less than
 * the rounding of their terms. */
void kernel_compare_within(struct kernel_buffers *k, const char *name, const void *device_memory, const double *want,
                           int64_t n, double absolute, double relative);
void kernel_compare(struct kernel_buffers *k, const char *name, const void *device_memory, const double *want,
                    int64_t n, double relative);
/* want moved towards got by what rounding to dtype may do: half a unit of bf16, 2^-8 of it at most. */
double kernel_nearest(double want, double got, enum hone_dtype dtype);
/* The same for values of a dtype, each want moved by kernel_nearest() first. */
void kernel_compare_values(struct kernel_buffers *k, const char *name, const void *device_memory, enum hone_dtype dtype,
                           const double *want, int64_t n, double absolute, double relative);

/* Dropout with p = 0.1 (0.5 with `half`) for T rows of which `rows` may be a selection; host copies for the reference,
 * device ones for the kernel. Everything lives until kernel_finish() and kernel_dropout_free(). */
struct kernel_dropout {
    struct hone_dropout host, device;
    struct hone_step step;
    int64_t *keys;
};
void kernel_dropout_make(struct kernel_dropout *drop, struct kernel_buffers *k, int64_t tokens, const int32_t *rows,
                         int64_t R, bool half);
void kernel_dropout_free(struct kernel_dropout *drop);

/* Runs every family that the device has kernels for, or the one named `only`, in f32 and then in bf16; the number of
 * runs. */
int kernel_cases_run(struct kernel_buffers *k, const char *only);

void kernel_cases_activation(struct kernel_buffers *k);
void kernel_cases_adafactor(struct kernel_buffers *k);
void kernel_cases_adamw(struct kernel_buffers *k);
void kernel_cases_attention(struct kernel_buffers *k);
void kernel_cases_binary_cross_entropy(struct kernel_buffers *k);
void kernel_cases_class_loss(struct kernel_buffers *k);
void kernel_cases_clip_values(struct kernel_buffers *k);
void kernel_cases_cross_entropy(struct kernel_buffers *k);
void kernel_cases_dropout(struct kernel_buffers *k);
void kernel_cases_ema(struct kernel_buffers *k);
void kernel_cases_embedding(struct kernel_buffers *k);
void kernel_cases_gradient_norm(struct kernel_buffers *k);
void kernel_cases_linear(struct kernel_buffers *k);
void kernel_cases_linear_activation(struct kernel_buffers *k);
void kernel_cases_residual_layer_norm(struct kernel_buffers *k);
void kernel_cases_rows(struct kernel_buffers *k);
void kernel_cases_squared_error(struct kernel_buffers *k);
void kernel_cases_sgd(struct kernel_buffers *k);

#endif
