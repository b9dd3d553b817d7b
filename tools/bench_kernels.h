/* One kernel on one shape, as `hone bench kernels` measures it on the CPU, whose memory the host can read. A kernel says
 * which buffers it wants; the driver makes as many sets of them as are needed to fall out of the caches and hands
 * them out in turn. Checks compare with plain f64 loops of the bench's own. */
#ifndef HONE_TOOLS_BENCH_KERNELS_H
#define HONE_TOOLS_BENCH_KERNELS_H

#include "kernels/device.h"
#include "tools/bench.h"

/* Sizes as in kernels/ops.h; those that a kernel does not have are 0. S is the longest sequence, n elements. */
struct kernel_shape {
    const char *label;
    int64_t T, B, S, H, C, F, N, K, R, V, n;
    bool dropout; /* with p = 0.1 */
};

/* What a buffer holds before the first call: noise in (-1, 1), its absolute value, 0, or NaN, so that an element that
 * a kernel forgets is seen. */
enum kernel_fill { KERNEL_NOISE, KERNEL_POSITIVE, KERNEL_ZERO, KERNEL_UNSET };

enum { KERNEL_BUFFERS = 13, KERNEL_SEGMENTS = 100, KERNEL_ID_SETS = 64 };

struct kernel_bench {
    const char *name; /* of the row */
    const struct hone_ops *ops;
    struct hone_stream *stream;
    struct kernel_shape shape;
    double work; /* floating-point operations, or bytes that must move at least, of a call */

    struct {
        size_t floats, offset;
        enum kernel_fill fill;
        bool shared; /* one for all sets */
    } buffers[KERNEL_BUFFERS];
    int n_buffers;
    float *at[KERNEL_BUFFERS]; /* the buffers of the present set */

    /* Small arrays that all sets share. Sequence lengths lie between 2 T/B - S and S. */
    int32_t *all_ids, *positions, *types, *cu_seqlens, *rows, *labels; /* -, [T], [T], [B+1], [R] distinct, [R] */
    int64_t *row_key;                                                  /* [T] */
    const int32_t *ids;                                                /* [T] of the present set */
    struct hone_segment segments[KERNEL_SEGMENTS];                     /* of n elements */
    struct hone_adamw adamw;
    struct hone_step step;
    struct hone_dropout dropout;
    const struct hone_dropout *drop; /* NULL without dropout */
    struct hone_attention attention;

    const float *noise;
    enum hone_status status; /* the first check that failed */
};

/* What a kernel is held against: multiply-adds (it is measured in GFLOP/s), or one of three ways to stream through
 * memory (GB/s): it mostly reads, writes to other memory than it reads, or to the memory that it read. */
enum kernel_bound { KERNEL_MULTIPLIES, KERNEL_READS, KERNEL_COPIES, KERNEL_UPDATES, KERNEL_BOUNDS };

struct kernel_op {
    const char *name; /* entry of struct hone_ops */
    enum kernel_bound bound;
    void (*plan)(struct kernel_bench *b);
    void (*prepare)(struct kernel_bench *b); /* of each set, after filling; or NULL */
    void (*run)(struct kernel_bench *b);
    void (*verify)(struct kernel_bench *b); /* after one run on the first set */
};

/* Defines kernel_<name> from <name>_plan, _run, _verify. */
#define KERNEL_OP(name, bound, prepare)                                                                                \
    const struct kernel_op kernel_##name = {#name, bound, name##_plan, prepare, name##_run, name##_verify}

/* GELU's erf form, and its slope, which is 1.13 at most. */
double kernel_gelu(double x);
double kernel_gelu_slope(double x);

extern const struct kernel_op kernel_activation_backward, kernel_activation_forward, kernel_adafactor, kernel_adamw,
    kernel_add, kernel_attention_backward, kernel_attention_forward, kernel_binary_cross_entropy_backward,
    kernel_binary_cross_entropy_forward, kernel_cast, kernel_class_loss_backward, kernel_class_loss_forward,
    kernel_clip_values, kernel_cross_entropy_backward, kernel_cross_entropy_forward, kernel_dropout, kernel_ema,
    kernel_embedding_backward, kernel_embedding_forward, kernel_gather_rows, kernel_gradient_norm,
    kernel_linear_activation_backward_input, kernel_linear_activation_forward, kernel_linear_backward_input,
    kernel_linear_backward_weight, kernel_linear_forward, kernel_residual_layer_norm_backward,
    kernel_residual_layer_norm_forward, kernel_scatter_rows_add, kernel_sgd, kernel_squared_error_backward,
    kernel_squared_error_forward;

/* Device memory that grows to what the largest kernel needs, and the noise that fills it. */
struct kernel_memory {
    struct hone_device *device;
    struct hone_stream *stream;
    void *arena;
    size_t arena_bytes;
    float *noise;
};
enum hone_status kernel_memory_open(struct kernel_memory *out);
void kernel_memory_close(struct kernel_memory *memory);

/* All sets of one kernel's buffers, in kernel_memory. */
struct kernel_sets {
    char *shared, *base;   /* buffers that all sets share, then the sets */
    size_t bytes, n, next; /* of a set; their number; the next one to be used */
};
/* Places b's buffers, fills and prepares all sets; the first is selected. */
enum hone_status kernel_sets_open(struct kernel_sets *out, struct kernel_memory *memory, struct kernel_bench *b,
                                  const struct kernel_op *op);
/* Makes b->at the next set. */
void kernel_sets_advance(struct kernel_sets *sets, struct kernel_bench *b);

/* For plan(): the next buffer of b->at. */
void kernel_buffer(struct kernel_bench *b, enum kernel_fill fill, int64_t floats);
void kernel_shared_buffer(struct kernel_bench *b, enum kernel_fill fill, int64_t floats);
void kernel_workspace(struct kernel_bench *b, size_t bytes);

/* For verify(). A result must lie within 1e-5 of the sum of the absolute terms it was made from (`magnitude`): f32 has
 * 6e-8, its sums of some thousand terms stay below 1e-6 of that, and mistakes are far larger. */
void kernel_check(struct kernel_bench *b, const char *what, int64_t i, double got, double want, double magnitude);
/* i-th of KERNEL_SAMPLES places spread over 0 … n-1, both ends among them; places repeat when n is small. */
enum { KERNEL_SAMPLES = 8 };
int64_t kernel_sample(int i, int64_t n);
/* What buffer `buffer` of the first set held at i before the run (KERNEL_NOISE, KERNEL_POSITIVE). */
double kernel_initial(const struct kernel_bench *b, int buffer, int64_t i);
/* Dropout's factor of an element of a row, 0 or the scale, by the rule in kernels/ops.h; 1 without dropout. */
double kernel_dropout_factor(const struct kernel_bench *b, int64_t row, int64_t element);

/* More bytes than the last cache holds, by enough that what was read last is gone. */
size_t hone_bench_beyond_caches(void);
/* What this machine can do with these threads, in GFLOP/s and GB/s; each is a row too. */
void hone_bench_measure_ceilings(struct hone_bench *bench, double out[static KERNEL_BOUNDS]);

#endif
