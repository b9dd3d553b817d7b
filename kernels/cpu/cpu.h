/* What the files of the CPU device share: its stream, and the names of its kernels. Kernels run at once, on OpenMP's
 * threads; what they compute does not depend on their number. */
#ifndef HONE_KERNELS_CPU_CPU_H
#define HONE_KERNELS_CPU_CPU_H

#include "base/status.h"
#include "kernels/ops.h"

struct hone_stream {
    enum hone_status status; /* the first failure since the last synchronization */
    char message[512];
};

/* Keeps the first failure. */
void hone_cpu_fail(struct hone_stream *s, enum hone_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Losses: the logits of a head are f32 in every precision. */
#define HONE_CPU_F32(op, dtype)                                                                                        \
    HONE_CHECK((dtype) == HONE_F32, "%s on the CPU computes in f32, not in %s", op, hone_dtype_name(dtype))

/* The label of a row whose loss is left out. */
#define HONE_IGNORED (-100)

/* The label, which is checked to be one of V or HONE_IGNORED. */
static inline int32_t hone_cpu_label(int32_t label, int64_t row, int64_t V) {
    HONE_CHECK(label == HONE_IGNORED || (label >= 0 && label < V), "row %lld: label %d of %lld classes", (long long)row,
               (int)label, (long long)V);
    return label;
}

/* y = x in the dtype, n elements, on the thread that calls it. */
void hone_cpu_cast_range(void *y, const float *x, int64_t n, enum hone_dtype dtype);

/* Elements below which a loop isn't worth waking other threads for (about 5 us of work). */
#define HONE_CPU_PARALLEL 8192

/* The prototypes are taken from the table. */
#define HONE_CPU_DECLARE(name) __typeof__(*((struct hone_ops *)0)->name) hone_cpu_##name;
HONE_OPS(HONE_CPU_DECLARE)
#undef HONE_CPU_DECLARE

#endif
