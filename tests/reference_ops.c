/* Plain f64 versions of the kernels; see reference_ops.h. */
#include "tests/reference_ops.h"

#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "base/random.h"

double reference_dropout_factor(const struct hone_dropout *drop, int64_t row, int64_t element) {
    if (!drop) return 1;
    uint64_t key = (uint64_t)drop->row_key[drop->rows ? drop->rows[row] : row];
    uint32_t counter[4] = {(uint32_t)(element / 8), (uint32_t)key, (uint32_t)(key >> 32), drop->site};
    uint32_t keys[2] = {drop->step->seed, drop->step->step}, words[4];
    hone_philox(words, counter, keys);
    uint32_t word = words[element % 8 / 2], field = element % 2 ? word >> 16 : word & 0xffff;
    return field >= drop->threshold ? (double)drop->scale : 0;
}

void reference_dropout_factors(double *factors, const struct hone_dropout *drop, int64_t T, int64_t C) {
    for (int64_t t = 0; t < T; t++)
        for (int64_t c = 0; c < C; c++) factors[t * C + c] = reference_dropout_factor(drop, t, c);
}

void reference_linear_forward(double *y, const double *x, const double *w, const double *bias, int64_t T, int64_t N,
                              int64_t K) {
    for (int64_t t = 0; t < T; t++)
        for (int64_t n = 0; n < N; n++) {
            double sum = bias ? bias[n] : 0;
            for (int64_t k = 0; k < K; k++) sum += x[t * K + k] * w[n * K + k];
            y[t * N + n] = sum;
        }
}

void reference_linear_backward(double *dx, double *dw, double *dbias, const double *dy, const double *x,
                               const double *w, int64_t T, int64_t N, int64_t K) {
    memset(dx, 0, (size_t)(T * K) * sizeof(*dx));
    memset(dw, 0, (size_t)(N * K) * sizeof(*dw));
    memset(dbias, 0, (size_t)N * sizeof(*dbias));
    for (int64_t t = 0; t < T; t++)
        for (int64_t n = 0; n < N; n++) {
            double d = dy[t * N + n];
            dbias[n] += d;
            for (int64_t k = 0; k < K; k++) {
                dx[t * K + k] += d * w[n * K + k];
                dw[n * K + k] += d * x[t * K + k];
            }
        }
}

static const double pi = 3.14159265358979323846;

double reference_activation(double x, enum hone_activation kind) {
    switch (kind) {
    case HONE_GELU_ERF:
        return 0.5 * x * erfc(-x / sqrt(2));
    case HONE_GELU_TANH:
        return 0.5 * x * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x * x * x)));
    case HONE_RELU:
        return x > 0 ? x : 0;
    case HONE_TANH:
        return tanh(x);
    }
    return NAN;
}

double reference_activation_slope(double x, enum hone_activation kind) {
    double t;
    switch (kind) {
    case HONE_GELU_ERF:
        return 0.5 * erfc(-x / sqrt(2)) + x * exp(-0.5 * x * x) / sqrt(2 * pi);
    case HONE_GELU_TANH:
        t = tanh(sqrt(2 / pi) * (x + 0.044715 * x * x * x));
        return 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * sqrt(2 / pi) * (1 + 3 * 0.044715 * x * x);
    case HONE_RELU:
        return x > 0 ? 1 : 0;
    case HONE_TANH:
        return 1 - tanh(x) * tanh(x);
    }
    return NAN;
}

static double factor(const double *factors, int64_t i) { return factors ? factors[i] : 1; }

static double residual(const double *x, const double *r, const double *factors, int64_t i) {
    return r ? x[i] + r[i] * factor(factors, i) : x[i];
}

static void statistics(double *mean, double *rstd, const double *x, const double *r, double eps, const double *factors,
                       int64_t t, int64_t C) {
    double sum = 0, squares = 0;
    for (int64_t c = 0; c < C; c++) sum += residual(x, r, factors, t * C + c);
    *mean = sum / (double)C;
    for (int64_t c = 0; c < C; c++) squares += pow(residual(x, r, factors, t * C + c) - *mean, 2);
    *rstd = 1 / sqrt(squares / (double)C + eps);
}

void reference_layer_norm_forward(double *y, double *mean, double *rstd, const double *x, const double *r,
                                  const double *gamma, const double *beta, double eps, const double *factors, int64_t T,
                                  int64_t C) {
    for (int64_t t = 0; t < T; t++) {
        statistics(&mean[t], &rstd[t], x, r, eps, factors, t, C);
        for (int64_t c = 0; c < C; c++)
            y[t * C + c] = (residual(x, r, factors, t * C + c) - mean[t]) * rstd[t] * gamma[c] + beta[c];
    }
}

void reference_layer_norm_backward(double *dx, double *dr, double *dgamma, double *dbeta, const double *dy,
                                   const double *x, const double *r, const double *gamma, double eps,
                                   const double *factors, int64_t T, int64_t C) {
    memset(dgamma, 0, (size_t)C * sizeof(*dgamma));
    memset(dbeta, 0, (size_t)C * sizeof(*dbeta));
    for (int64_t t = 0; t < T; t++) {
        double mean, rstd, sum = 0, sum_xhat = 0;
        statistics(&mean, &rstd, x, r, eps, factors, t, C);
        for (int64_t c = 0; c < C; c++) {
            double xhat = (residual(x, r, factors, t * C + c) - mean) * rstd, d = dy[t * C + c];
            sum += d * gamma[c];
            sum_xhat += d * gamma[c] * xhat;
            dgamma[c] += d * xhat;
            dbeta[c] += d;
        }
        for (int64_t c = 0; c < C; c++) {
            int64_t i = t * C + c;
            double xhat = (residual(x, r, factors, i) - mean) * rstd;
            dx[i] = rstd * (dy[i] * gamma[c] - sum / (double)C - xhat * sum_xhat / (double)C);
            if (r) dr[i] = dx[i] * factor(factors, i);
        }
    }
}

static int64_t visible_keys(const struct hone_attention *a, int64_t b, int64_t row) {
    int64_t keys = a->cu_k[b + 1] - a->cu_k[b], token = a->row_of_q ? a->row_of_q[row] : row;
    return a->causal && token - a->cu_k[b] + 1 < keys ? token - a->cu_k[b] + 1 : keys;
}

/* p[keys]: softmax of one query row and head, no dropout; returns log of the sum of exp. */
static double probabilities(double *p, const double *q, const double *k, const struct hone_attention *a, int64_t first,
                            int64_t keys) {
    int64_t width = a->H * a->D;
    double top = -INFINITY, sum = 0;
    for (int64_t j = 0; j < keys; j++) {
        p[j] = 0;
        for (int64_t d = 0; d < a->D; d++) p[j] += (double)a->scale * q[d] * k[(first + j) * width + d];
        top = fmax(top, p[j]);
    }
    for (int64_t j = 0; j < keys; j++) sum += exp(p[j] - top);
    for (int64_t j = 0; j < keys; j++) p[j] = exp(p[j] - top) / sum;
    return top + log(sum);
}

void reference_attention_forward(double *out, double *lse, const double *q, const double *k, const double *v,
                                 const struct hone_attention *a, const struct hone_dropout *drop) {
    int64_t width = a->H * a->D;
    double *p = hone_alloc((size_t)a->max_len, sizeof(*p), "reference attention");
    for (int64_t b = 0; b < a->B; b++)
        for (int64_t row = a->cu_q[b]; row < a->cu_q[b + 1]; row++)
            for (int64_t h = 0; h < a->H; h++) {
                int64_t keys = visible_keys(a, b, row), first = a->cu_k[b];
                const double *head_v = v + h * a->D;
                double *head_out = out + row * width + h * a->D;
                lse[row * a->H + h] = probabilities(p, q + row * width + h * a->D, k + h * a->D, a, first, keys);
                for (int64_t d = 0; d < a->D; d++) head_out[d] = 0;
                for (int64_t j = 0; j < keys; j++) {
                    double dropped = p[j] * reference_dropout_factor(drop, row, h * (1 << 20) + j);
                    for (int64_t d = 0; d < a->D; d++) head_out[d] += dropped * head_v[(first + j) * width + d];
                }
            }
    hone_free(p);
}

void reference_attention_backward(double *dq, double *dk, double *dv, const double *dout, const double *q,
                                  const double *k, const double *v, const struct hone_attention *a,
                                  const struct hone_dropout *drop) {
    int64_t width = a->H * a->D;
    memset(dq, 0, (size_t)(a->R * width) * sizeof(*dq));
    memset(dk, 0, (size_t)(a->T * width) * sizeof(*dk));
    memset(dv, 0, (size_t)(a->T * width) * sizeof(*dv));
    double *p = hone_alloc((size_t)a->max_len, sizeof(*p), "reference attention");
    double *dp = hone_alloc((size_t)a->max_len, sizeof(*dp), "reference attention");
    for (int64_t b = 0; b < a->B; b++)
        for (int64_t row = a->cu_q[b]; row < a->cu_q[b + 1]; row++)
            for (int64_t h = 0; h < a->H; h++) {
                int64_t keys = visible_keys(a, b, row), first = a->cu_k[b], at = row * width + h * a->D;
                double mean = 0;
                probabilities(p, q + at, k + h * a->D, a, first, keys);
                for (int64_t j = 0; j < keys; j++) {
                    int64_t key = (first + j) * width + h * a->D;
                    double f = reference_dropout_factor(drop, row, h * (1 << 20) + j);
                    dp[j] = 0;
                    for (int64_t d = 0; d < a->D; d++) {
                        dp[j] += f * dout[at + d] * v[key + d];
                        dv[key + d] += p[j] * f * dout[at + d];
                    }
                    mean += p[j] * dp[j];
                }
                for (int64_t j = 0; j < keys; j++) {
                    int64_t key = (first + j) * width + h * a->D;
                    double ds = p[j] * (dp[j] - mean) * (double)a->scale;
                    for (int64_t d = 0; d < a->D; d++) {
                        dq[at + d] += ds * k[key + d];
                        dk[key + d] += ds * q[at + d];
                    }
                }
            }
    hone_free(p);
    hone_free(dp);
}

static double log_sum(const double *logits, int64_t V) {
    double top = -INFINITY, sum = 0;
    for (int64_t v = 0; v < V; v++) top = fmax(top, logits[v]);
    for (int64_t v = 0; v < V; v++) sum += exp(logits[v] - top);
    return top + log(sum);
}

double reference_cross_entropy(const double *logits, const int32_t *labels, const double *weights, double scale,
                               int64_t R, int64_t V) {
    double loss = 0;
    for (int64_t r = 0; r < R; r++)
        if (labels[r] != -100)
            loss += (weights ? weights[r] : 1) * (log_sum(logits + r * V, V) - logits[r * V + labels[r]]);
    return scale * loss;
}

void reference_cross_entropy_backward(double *dlogits, const double *logits, const int32_t *labels,
                                      const double *weights, double scale, int64_t R, int64_t V) {
    for (int64_t r = 0; r < R; r++) {
        double lse = log_sum(logits + r * V, V), weight = labels[r] == -100 ? 0 : weights ? weights[r] : 1;
        for (int64_t v = 0; v < V; v++)
            dlogits[r * V + v] = scale * weight * (exp(logits[r * V + v] - lse) - (v == labels[r]));
    }
}

/* -log(1 - p[v]) by the sum over the other classes. */
static double log_of_others(const double *logits, int64_t v, int64_t V) {
    double top = -INFINITY, sum = 0;
    for (int64_t u = 0; u < V; u++) top = u == v ? top : fmax(top, logits[u]);
    for (int64_t u = 0; u < V; u++) sum += u == v ? 0 : exp(logits[u] - top);
    return V == 1 ? -INFINITY : top + log(sum) - log_sum(logits, V);
}

static double target_of(int64_t v, int32_t label, const double *weights, double smoothing, int64_t V) {
    return (smoothing / (double)V + (v == label ? 1 - smoothing : 0)) * (weights ? weights[v] : 1);
}

double reference_class_loss(const double *logits, const int32_t *labels, const double *weights, double smoothing,
                            double focus, double scale, int64_t R, int64_t V) {
    double loss = 0;
    for (int64_t i = 0; i < R * V; i++) {
        const double *row = logits + i / V * V;
        int64_t v = i % V;
        double target = target_of(v, labels[i / V], weights, smoothing, V);
        if (labels[i / V] == -100 || target == 0) continue;
        double focused = focus > 0 ? exp(focus * log_of_others(row, v, V)) : 1;
        loss += target * focused * (log_sum(row, V) - row[v]);
    }
    return scale * loss;
}

/* Through the probabilities: dp[v]/dx[k] = p[v] ((v == k) - p[k]). */
void reference_class_loss_backward(double *dlogits, const double *logits, const int32_t *labels, const double *weights,
                                   double smoothing, double focus, double scale, int64_t R, int64_t V) {
    for (int64_t r = 0; r < R; r++) {
        const double *row = logits + r * V;
        double lse = log_sum(row, V);
        for (int64_t k = 0; k < V; k++) dlogits[r * V + k] = 0;
        for (int64_t v = 0; v < V && labels[r] != -100; v++) {
            double p = exp(row[v] - lse), others = log_of_others(row, v, V), slope = -1;
            if (focus > 0) slope = -exp(focus * others) - focus * exp((focus - 1) * others) * p * (lse - row[v]);
            if (V == 1) slope = 0;
            slope *= scale * target_of(v, labels[r], weights, smoothing, V);
            for (int64_t k = 0; k < V; k++) dlogits[r * V + k] += slope * (k == v ? exp(others) : -exp(row[k] - lse));
        }
    }
}

static double softplus(double x) { return fmax(x, 0) + log1p(exp(-fabs(x))); }

double reference_binary_cross_entropy(const double *logits, const double *targets, const double *weights, double focus,
                                      double scale, int64_t R, int64_t V) {
    double loss = 0;
    for (int64_t i = 0; i < R * V; i++) {
        double x = logits[i], yes = targets[i] * (weights ? weights[i % V] : 1), no = 1 - targets[i];
        loss += yes * exp(-focus * softplus(x)) * softplus(-x) + no * exp(-focus * softplus(-x)) * softplus(x);
    }
    return scale * loss;
}

void reference_binary_cross_entropy_backward(double *dlogits, const double *logits, const double *targets,
                                             const double *weights, double focus, double scale, int64_t R, int64_t V) {
    for (int64_t i = 0; i < R * V; i++) {
        double x = logits[i], yes = targets[i] * (weights ? weights[i % V] : 1), no = 1 - targets[i];
        double p = exp(-softplus(-x)), q = exp(-softplus(x));
        dlogits[i] = scale * (no * exp(focus * -softplus(-x)) * (p + focus * q * softplus(x)) -
                              yes * exp(focus * -softplus(x)) * (q + focus * p * softplus(-x)));
    }
}

double reference_squared_error(const double *y, const double *targets, double scale, int64_t n) {
    double sum = 0;
    for (int64_t i = 0; i < n; i++) sum += scale * (y[i] - targets[i]) * (y[i] - targets[i]);
    return sum;
}

void reference_squared_error_backward(double *dy, const double *y, const double *targets, double scale, int64_t n) {
    for (int64_t i = 0; i < n; i++) dy[i] = 2 * scale * (y[i] - targets[i]);
}

void reference_adamw(double *p, double *m, double *v, double g, const struct hone_segment *segment,
                     const struct hone_adamw *settings, const struct hone_step *step) {
    double beta1 = (double)settings->beta1, beta2 = (double)settings->beta2;
    double rate = (double)step->learning_rate * (double)segment->learning_rate_scale;
    g *= (double)step->clip_scale;
    *m = beta1 * *m + (1 - beta1) * g;
    *v = beta2 * *v + (1 - beta2) * g * g;
    double mhat = *m / (double)step->bias_correction1, vhat = *v / (double)step->bias_correction2;
    *p -= rate * ((double)segment->weight_decay * *p + mhat / (sqrt(vhat) + (double)settings->epsilon));
}
