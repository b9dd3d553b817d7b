/* The kernels of kernels/ops.h once more, in f64 and in the plainest way: what devices are compared with. Backward
 * functions are themselves compared with central differences of the forward ones (tests/test_kernels.c). All
 * gradients are written, not added. Dropout comes as a matrix of factors; NULL: none. */
#ifndef HONE_TESTS_REFERENCE_OPS_H
#define HONE_TESTS_REFERENCE_OPS_H

#include "kernels/ops.h"

/* The factor of element `element` in row `row`: scale or 0. Host memory behind all pointers. */
double reference_dropout_factor(const struct hone_dropout *drop, int64_t row, int64_t element);
/* factors[T, C] of rows of C. */
void reference_dropout_factors(double *factors, const struct hone_dropout *drop, int64_t T, int64_t C);

void reference_linear_forward(double *y, const double *x, const double *w, const double *bias, int64_t T, int64_t N,
                              int64_t K);
void reference_linear_backward(double *dx, double *dw, double *dbias, const double *dy, const double *x,
                               const double *w, int64_t T, int64_t N, int64_t K);

double reference_activation(double x, enum hone_activation kind);
/* At x, also for HONE_TANH. */
double reference_activation_slope(double x, enum hone_activation kind);

void reference_layer_norm_forward(double *y, double *mean, double *rstd, const double *x, const double *r,
                                  const double *gamma, const double *beta, double eps, const double *factors, int64_t T,
                                  int64_t C);
void reference_layer_norm_backward(double *dx, double *dr, double *dgamma, double *dbeta, const double *dy,
                                   const double *x, const double *r, const double *gamma, double eps,
                                   const double *factors, int64_t T, int64_t C);

/* q, k, v as dense rows of H*D; pointers in `a` and `drop` are host memory. */
void reference_attention_forward(double *out, double *lse, const double *q, const double *k, const double *v,
                                 const struct hone_attention *a, const struct hone_dropout *drop);
void reference_attention_backward(double *dq, double *dk, double *dv, const double *dout, const double *q,
                                  const double *k, const double *v, const struct hone_attention *a,
                                  const struct hone_dropout *drop);

double reference_cross_entropy(const double *logits, const int32_t *labels, const double *weights, double scale,
                               int64_t R, int64_t V);
void reference_cross_entropy_backward(double *dlogits, const double *logits, const int32_t *labels,
                                      const double *weights, double scale, int64_t R, int64_t V);

/* As the kernels define them; weights may be NULL. */
double reference_class_loss(const double *logits, const int32_t *labels, const double *weights, double smoothing,
                            double focus, double scale, int64_t R, int64_t V);
void reference_class_loss_backward(double *dlogits, const double *logits, const int32_t *labels, const double *weights,
                                   double smoothing, double focus, double scale, int64_t R, int64_t V);
double reference_binary_cross_entropy(const double *logits, const double *targets, const double *weights, double focus,
                                      double scale, int64_t R, int64_t V);
void reference_binary_cross_entropy_backward(double *dlogits, const double *logits, const double *targets,
                                             const double *weights, double focus, double scale, int64_t R, int64_t V);
double reference_squared_error(const double *y, const double *targets, double scale, int64_t n);
void reference_squared_error_backward(double *dy, const double *y, const double *targets, double scale, int64_t n);

/* One element of AdamW; g is not yet scaled by clip_scale. */
void reference_adamw(double *p, double *m, double *v, double g, const struct hone_segment *segment,
                     const struct hone_adamw *settings, const struct hone_step *step);

#endif
