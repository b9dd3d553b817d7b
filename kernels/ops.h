/* The table of kernels: one struct of function pointers that every device fills. Raw device pointers, sizes and dtype
 * explicit, the stream last. Functions enqueue and return void; the first failure stays on its stream and
 * stream_synchronize() returns it. Sizes: T tokens, B sequences, R rows that are read, S longest, C hidden, F inner,
 * N and K the sides of a weight, H heads, D head size, V classes. Weights are [out, in] as torch.nn.Linear has them.
 *
 * Rows. A buffer of T rows that a linear_* kernel reads or writes has room for hone_rows(T) rows. linear_* kernels may
 * write anything into the rows from T on; no other kernel looks at them.
 * Gradients. What is named d<parameter> is f32 and is added to (+=). What is named d<value> is written (=), except
 * where a parameter `accumulate` says otherwise.
 * Precision. In every precision f32: the residual stream (what embedding, LayerNorm and sums of those make), biases,
 * statistics, losses, and gradients of parameters. `dtype`, f32 or bf16, is that of what GEMMs read and write; sums are
 * f32 inside each kernel, and a bf16 result is rounded once, to nearest even. PyTorch's autocast does the same.
 * Bits. A row of a result depends on that row's inputs alone, never on T, its neighbours or the number of threads.
 * Sums over tokens go in the order of tokens in chunks of fixed size, so they don't depend on threads either. */
#ifndef HONE_KERNELS_OPS_H
#define HONE_KERNELS_OPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct hone_stream;

enum hone_dtype { HONE_F32, HONE_BF16, HONE_I32, HONE_I64 };
size_t hone_dtype_size(enum hone_dtype dtype);
const char *hone_dtype_name(enum hone_dtype dtype);

/* Rows of storage behind a value of T rows: GEMMs work on whole blocks of 32 rows. */
#define HONE_ROW_BLOCK 32
static inline int64_t hone_rows(int64_t T) { return (T + HONE_ROW_BLOCK - 1) / HONE_ROW_BLOCK * HONE_ROW_BLOCK; }

enum hone_activation { HONE_GELU_ERF, HONE_GELU_TANH, HONE_RELU, HONE_TANH };

/* What changes from step to step, kept in device memory so that a recorded run can be replayed. The host writes the
 * first group before a step; gradient_norm() and the loss write the second. */
struct hone_step {
    uint32_t seed; /* of dropout */
    uint32_t step; /* optimizer step, from 0 */
    float learning_rate;
    float bias_correction1; /* 1 - beta1^t, t from 1 */
    float bias_correction2; /* 1 - beta2^t */
    float loss;             /* sum over the step's micro-batches, already divided by the global denominator */
    float gradient_norm;    /* global L2 norm before clipping */
    float clip_scale;       /* min(1, clip_norm / (gradient_norm + 1e-6)); 1 without clipping */
    int32_t finite;         /* 0: a loss or gradient was not finite, so the optimizer must change nothing */
};

/* Dropout recomputed wherever it is needed, never stored: element e of the row with key k is kept when the 16-bit
 * field e % 8 of Philox4x32-10(counter {e / 8, low(k), high(k), site}, key {step->seed, step->step}) is >= threshold
 * (fields in order: low then high half of word 0, of word 1, …). threshold = round(p * 65536), scale =
 * 65536 / (65536 - threshold). In rows of C the element is the column; in attention it is head * 2^20 + key position
 * and the row is the query's token. A NULL struct hone_dropout means no dropout. */
struct hone_dropout {
    uint32_t threshold;
    float scale;
    uint32_t site;                /* distinct for each place in the model */
    const struct hone_step *step; /* device */
    const int64_t *row_key;       /* device: [T], sample id * 2^20 + position */
    const int32_t *rows;          /* device: [R] when the rows are a selection: row r has row_key[rows[r]]; else NULL */
};

/* q, k, v and their gradients may be columns of one packed matrix: the pointer goes to the first element, the stride
 * counts elements between rows. Sequence b owns query rows cu_q[b] … cu_q[b+1]-1 and key rows cu_k[b] … cu_k[b+1]-1.
 * row_of_q[r] is the token (a key row) that query row r belongs to; NULL: query row r is token r. */
struct hone_attention {
    const int32_t *cu_q, *cu_k; /* device: [B+1] */
    const int32_t *row_of_q;    /* device: [R], or NULL */
    int64_t B, R, T;            /* sequences, query rows, key rows */
    int64_t max_len;            /* longest sequence in keys */
    int64_t H, D;
    float scale; /* of q·k, 1/sqrt(D) for BERT */
    bool causal; /* key position <= query position */
};

/* A stretch of a flat parameter buffer that an optimizer treats alike. */
struct hone_segment {
    int64_t offset, count; /* elements */
    float learning_rate_scale;
    float weight_decay;
};

/* Marks say, a byte for each HONE_MARKED elements of a flat buffer, which of its values may be other than 0; the rest
 * need not be read. Memory is what bounds an optimizer, and most of a large vocabulary has no gradient in a step. */
enum { HONE_MARKED = 64, HONE_MARK_GRADIENT = 1, HONE_MARK_MOMENTS = 2 };

struct hone_adamw {
    float beta1, beta2, epsilon;
};

/* How a loss of classes departs from plain cross entropy. */
struct hone_class_loss {
    const float *weights; /* device, [V]; NULL: 1 */
    float smoothing, focus;
};

struct hone_sgd {
    float momentum; /* 0: none */
    bool nesterov;
};

/* One parameter, for Adafactor: a matrix, or a vector of cols elements with rows 0. */
struct hone_adafactor_tensor {
    int64_t offset, rows, cols;
    int64_t state; /* elements from the start of the state buffer: rows and then cols of a matrix, else cols */
    float learning_rate_scale;
    float weight_decay;
};

struct hone_adafactor {
    float beta1; /* 0: no first moment */
    float epsilon, scale_epsilon, clip_threshold, decay_rate;
    bool scale_parameter;
};

struct hone_ops {
    /* y[T,N] = x[T,K] w[N,K]^T + bias[N]; bias f32, may be NULL. */
    void (*linear_forward)(void *y, const void *x, const void *w, const float *bias, int64_t T, int64_t N, int64_t K,
                           enum hone_dtype dtype, void *workspace, struct hone_stream *s);
    /* dx[T,K] = dy[T,N] w[N,K], or += with accumulate. dx is of dx_dtype: dtype, or f32 where x is a copy of f32. */
    void (*linear_backward_input)(void *dx, enum hone_dtype dx_dtype, const void *dy, const void *w, bool accumulate,
                                  int64_t T, int64_t N, int64_t K, enum hone_dtype dtype, void *workspace,
                                  struct hone_stream *s);
    /* dw[N,K] += dy[T,N]^T x[T,K]; dbias[N] += sum over T of dy; either may be NULL. For dw it may zero the rows of dy and
     * x from T on; without it x is not touched and may be NULL. */
    void (*linear_backward_weight)(float *dw, float *dbias, void *dy, void *x, int64_t T, int64_t N, int64_t K,
                                   enum hone_dtype dtype, void *workspace, struct hone_stream *s);
    /* Bytes of workspace that are enough for each of the three, and for the two with an activation below. */
    size_t (*linear_workspace)(int64_t T, int64_t N, int64_t K, enum hone_dtype dtype);

    /* y = activation(x), dx = dy activation'(x), n elements; y may be x, dx may be dy. GELU: Hendrycks and Gimpel 2016,
     * arXiv 1606.08415; erf form, or the tanh form of its section 2. For HONE_TANH backward takes y in place of x. */
    void (*activation_forward)(void *y, const void *x, enum hone_activation kind, int64_t n, enum hone_dtype dtype,
                               struct hone_stream *s);
    void (*activation_backward)(void *dx, const void *dy, const void *x, enum hone_activation kind, int64_t n,
                                enum hone_dtype dtype, struct hone_stream *s);

    /* The two together, where a product meets an activation. y = activation(x w^T + bias), and before = x w^T + bias unless
     * it is NULL; y, before: [T,N]. A product in bf16 is rounded before its activation, as it is in two steps. y and
     * before are apart. The kind is not HONE_TANH. */
    void (*linear_activation_forward)(void *y, void *before, const void *x, const void *w, const float *bias,
                                      enum hone_activation kind, int64_t T, int64_t N, int64_t K, enum hone_dtype dtype,
                                      void *workspace, struct hone_stream *s);
    /* dbefore[T,K] = (dy[T,N] w[N,K]) activation'(before[T,K]), of a layer w whose input is activation(before);
     * dbefore and before are apart. */
    void (*linear_activation_backward_input)(void *dbefore, const void *dy, const void *w, const void *before,
                                             enum hone_activation kind, int64_t T, int64_t N, int64_t K,
                                             enum hone_dtype dtype, void *workspace, struct hone_stream *s);

    /* y = LayerNorm(x + dropout(r)) over rows of C. x, r, y: [T,C]; x, y f32, r of dtype or NULL; gamma, beta: [C];
     * mean, rstd: [T], kept for backward. eps as in config.json (BERT 1e-12). Ba et al. 2016, arXiv 1607.06450. */
    void (*residual_layer_norm_forward)(float *y, float *mean, float *rstd, const float *x, const void *r,
                                        const float *gamma, const float *beta, float eps,
                                        const struct hone_dropout *drop, int64_t T, int64_t C, enum hone_dtype dtype,
                                        struct hone_stream *s);
    /* dx[T,C] (+= with accumulate) and dr[T,C] (=, of dtype, NULL when r is NULL) from dy, x, r, mean and rstd.
     * dgamma and dbeta may each be NULL. */
    void (*residual_layer_norm_backward)(float *dx, void *dr, float *dgamma, float *dbeta, const float *dy,
                                         const float *x, const void *r, const float *mean, const float *rstd,
                                         const float *gamma, bool accumulate, const struct hone_dropout *drop,
                                         int64_t T, int64_t C, enum hone_dtype dtype, void *workspace,
                                         struct hone_stream *s);
    size_t (*residual_layer_norm_backward_workspace)(int64_t T, int64_t C);

    /* y = dropout(x) over rows of C; y may be x. Its backward is itself on the gradient. */
    void (*dropout)(void *y, const void *x, const struct hone_dropout *drop, int64_t T, int64_t C,
                    enum hone_dtype dtype, struct hone_stream *s);

    /* y[T,C] = word[ids] + position[positions] + type[types]. position and type may be NULL with their indices. */
    void (*embedding_forward)(float *y, const float *word, const int32_t *ids, const float *position,
                              const int32_t *positions, const float *type, const int32_t *types, int64_t T, int64_t C,
                              struct hone_stream *s);
    /* Adds dy's rows to those of the tables' gradients, token after token. Each table may be NULL. */
    void (*embedding_backward)(float *dword, const int32_t *ids, float *dposition, const int32_t *positions,
                               float *dtype_table, const int32_t *types, const float *dy, int64_t T, int64_t C,
                               void *workspace, struct hone_stream *s);
    size_t (*embedding_backward_workspace)(int64_t T, int64_t C);

    /* out[R, H*D] = dropout(softmax(scale q k^T)) v for each head within each sequence; lse[R, H] f32: log of the sum
     * of exp of the scaled scores. Empty sequences are allowed. Vaswani et al. 2017; Dao 2023, arXiv 2307.08691. */
    void (*attention_forward)(void *out, float *lse, const void *q, int64_t q_stride, const void *k, int64_t k_stride,
                              const void *v, int64_t v_stride, const struct hone_attention *a,
                              const struct hone_dropout *drop, enum hone_dtype dtype, void *workspace,
                              struct hone_stream *s);
    /* dq, dk, dv have the strides of q, k, v. */
    void (*attention_backward)(void *dq, void *dk, void *dv, const void *dout, const float *lse, const void *q,
                               int64_t q_stride, const void *k, int64_t k_stride, const void *v, int64_t v_stride,
                               const struct hone_attention *a, const struct hone_dropout *drop, enum hone_dtype dtype,
                               void *workspace, struct hone_stream *s);
    size_t (*attention_workspace)(const struct hone_attention *a, enum hone_dtype dtype);

    /* y[r] = x[rows[r]]; dx[rows[r]] += dy[r], rows distinct. Rows of C. */
    void (*gather_rows)(void *y, const void *x, const int32_t *rows, int64_t R, int64_t C, enum hone_dtype dtype,
                        struct hone_stream *s);
    void (*scatter_rows_add)(void *dx, const void *dy, const int32_t *rows, int64_t R, int64_t C, enum hone_dtype dtype,
                             struct hone_stream *s);
    /* y += x, n elements. */
    void (*add)(void *y, const void *x, int64_t n, enum hone_dtype dtype, struct hone_stream *s);
    /* y = x in dtype, n elements. */
    void (*cast)(void *y, const float *x, int64_t n, enum hone_dtype dtype, struct hone_stream *s);

    /* *loss += scale * sum over r of weights[r] * (lse(logits[r]) - logits[r][labels[r]]), rows summed in order.
     * logits [R,V]; labels [R], -100: the row counts nothing; weights [R] f32 or NULL for 1. */
    void (*cross_entropy_forward)(float *loss, const void *logits, const int32_t *labels, const float *weights,
                                  float scale, int64_t R, int64_t V, enum hone_dtype dtype, struct hone_stream *s);
    /* dlogits[r] = scale * weights[r] * (softmax(logits[r]) - onehot(labels[r])); dlogits may be logits. */
    void (*cross_entropy_backward)(void *dlogits, const void *logits, const int32_t *labels, const float *weights,
                                   float scale, int64_t R, int64_t V, enum hone_dtype dtype, struct hone_stream *s);

    /* Cross entropy with class weights w, label smoothing e and focusing g: with t = (1 - e) onehot(label) + e / V,
     * *loss += scale * sum over r, v of t[v] w[v] (1 - p[v])^g (-log p[v]), p = softmax(logits[r]). g 0 is PyTorch's
     * CrossEntropyLoss(weight, label_smoothing) without its division; e 0 the focal loss of Lin et al. 2017, arXiv
     * 1708.02002. Logits [R,V] and labels [R] as in cross_entropy; w [V] f32 or NULL for 1; 0 <= e <= 1, g >= 0. */
    void (*class_loss_forward)(float *loss, const void *logits, const int32_t *labels,
                               const struct hone_class_loss *settings, float scale, int64_t R, int64_t V,
                               enum hone_dtype dtype, struct hone_stream *s);
    /* dlogits may be logits. */
    void (*class_loss_backward)(void *dlogits, const void *logits, const int32_t *labels,
                                const struct hone_class_loss *settings, float scale, int64_t R, int64_t V,
                                enum hone_dtype dtype, struct hone_stream *s);
    /* Binary cross entropy of each logit x with its target y in [0, 1]:
     * *loss += scale * sum of w[v] y (1 - p)^g (-log p) + (1 - y) p^g (-log(1 - p)), p = 1 / (1 + exp(-x)). w [V] f32 or
     * NULL for 1 (PyTorch's pos_weight); g >= 0, 0 is BCEWithLogitsLoss. logits, targets (f32): [R,V]. */
    void (*binary_cross_entropy_forward)(float *loss, const void *logits, const float *targets, const float *w, float g,
                                         float scale, int64_t R, int64_t V, enum hone_dtype dtype,
                                         struct hone_stream *s);
    /* dlogits may be logits. */
    void (*binary_cross_entropy_backward)(void *dlogits, const void *logits, const float *targets, const float *w,
                                          float g, float scale, int64_t R, int64_t V, enum hone_dtype dtype,
                                          struct hone_stream *s);
    /* *loss += scale * sum of (y - target)^2. y, targets (f32): [R,V]. */
    void (*squared_error_forward)(float *loss, const void *y, const float *targets, float scale, int64_t R, int64_t V,
                                  enum hone_dtype dtype, struct hone_stream *s);
    /* dy = 2 scale (y - target); dy may be y. */
    void (*squared_error_backward)(void *dy, const void *y, const float *targets, float scale, int64_t R, int64_t V,
                                   enum hone_dtype dtype, struct hone_stream *s);

    /* Writes gradient_norm, clip_scale and finite (of the norm and of step->loss) of a flat f32 buffer. clip_norm 0:
     * no clipping. Squares are summed in f32 within fixed chunks and the chunks in f64 in order. marks: see
     * HONE_MARKED; NULL: anything may be anywhere. */
    void (*gradient_norm)(struct hone_step *step, const float *gradients, const uint8_t *marks, int64_t n,
                          float clip_norm, void *workspace, struct hone_stream *s);
    size_t (*gradient_norm_workspace)(int64_t n);
    /* One decoupled AdamW step (Loshchilov and Hutter 2019, arXiv 1711.05101) over segments of the flat buffers, with
     * g scaled by clip_scale; then g = 0, so that the next step can add. When step->finite is 0 only g = 0 happens.
     * p -= lr * (weight_decay * p + mhat / (sqrt(vhat) + epsilon)), as torch.optim.AdamW. marks as for gradient_norm.
     * What of the segments lies before element `copied` of p is written to copy, too, in bf16 (none when step->finite is
     * 0); copy NULL: nothing is. */
    void (*adamw)(float *p, void *copy, int64_t copied, float *m, float *v, float *g, const uint8_t *marks,
                  const struct hone_segment *segments, int64_t n_segments, const struct hone_adamw *settings,
                  const struct hone_step *step, struct hone_stream *s);
    /* One step of SGD as torch.optim.SGD without dampening, clip_scale, g = 0 and finite as for adamw: with
     * d = g + weight_decay * p, m = momentum * m + d, p -= lr * m, or lr * (d + momentum * m) with nesterov. m is NULL
     * when momentum is 0: p -= lr * d. */
    void (*sgd)(float *p, float *m, float *g, const struct hone_segment *segments, int64_t n_segments,
                const struct hone_sgd *settings, const struct hone_step *step, struct hone_stream *s);
    /* One step of Adafactor (Shazeer and Stern 2018, arXiv 1804.04235) as transformers.optimization.Adafactor without
     * relative_step, clip_scale, g = 0 and finite as for adamw. With t = step->step + 1, beta2 = 1 - t^decay_rate and
     * q = g^2 + epsilon: a vector's v = beta2 v + (1 - beta2) q and u = g / sqrt(v); a matrix keeps the means r of q's
     * rows and c of its columns in the same way, and u = g / sqrt(r c / mean(r)). Then u is divided by
     * max(1, rms(u) / clip_threshold) and multiplied by lr, which is that of the step, with scale_parameter times
     * max(scale_epsilon, rms(p)); with beta1, m = beta1 m + (1 - beta1) u takes u's place; and
     * p -= lr * weight_decay * p + u. m may be NULL when beta1 is 0. Sums over a tensor are taken in blocks of fixed
     * size, f32 within a row of a block and f64 between blocks. */
    void (*adafactor)(float *p, float *m, float *state, float *g, const struct hone_adafactor_tensor *tensors,
                      int64_t n_tensors, const struct hone_adafactor *settings, const struct hone_step *step,
                      void *workspace, struct hone_stream *s);
    /* Tensors in host memory. */
    size_t (*adafactor_workspace)(const struct hone_adafactor_tensor *tensors, int64_t n_tensors);
    /* g = min(max(g, -bound), bound), n elements; NaN stays. */
    void (*clip_values)(float *g, int64_t n, float bound, struct hone_stream *s);
    /* average += weight * (p - average), n elements; nothing when step->finite is 0. */
    void (*ema)(float *average, const float *p, int64_t n, float weight, const struct hone_step *step,
                struct hone_stream *s);
};

/* Every entry of the table; every device has each, as hone_cpu_x, hone_cuda_x. */
#define HONE_OPS(X)                                                                                                    \
    X(linear_forward)                                                                                                  \
    X(linear_backward_input)                                                                                           \
    X(linear_backward_weight)                                                                                          \
    X(linear_workspace)                                                                                                \
    X(activation_forward)                                                                                              \
    X(activation_backward)                                                                                             \
    X(linear_activation_forward)                                                                                       \
    X(linear_activation_backward_input)                                                                                \
    X(residual_layer_norm_forward)                                                                                     \
    X(residual_layer_norm_backward)                                                                                    \
    X(residual_layer_norm_backward_workspace)                                                                          \
    X(dropout)                                                                                                         \
    X(embedding_forward)                                                                                               \
    X(embedding_backward)                                                                                              \
    X(embedding_backward_workspace)                                                                                    \
    X(attention_forward)                                                                                               \
    X(attention_backward)                                                                                              \
    X(attention_workspace)                                                                                             \
    X(gather_rows)                                                                                                     \
    X(scatter_rows_add)                                                                                                \
    X(add)                                                                                                             \
    X(cast)                                                                                                            \
    X(cross_entropy_forward)                                                                                           \
    X(cross_entropy_backward)                                                                                          \
    X(class_loss_forward)                                                                                              \
    X(class_loss_backward)                                                                                             \
    X(binary_cross_entropy_forward)                                                                                    \
    X(binary_cross_entropy_backward)                                                                                   \
    X(squared_error_forward)                                                                                           \
    X(squared_error_backward)                                                                                          \
    X(gradient_norm)                                                                                                   \
    X(gradient_norm_workspace)                                                                                         \
    X(adamw)                                                                                                           \
    X(sgd)                                                                                                             \
    X(adafactor)                                                                                                       \
    X(adafactor_workspace)                                                                                             \
    X(ema)                                                                                                             \
    X(clip_values)

#endif
