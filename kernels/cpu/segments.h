/* The walk over segments that optimizers of single elements share. */
#ifndef HONE_KERNELS_CPU_SEGMENTS_H
#define HONE_KERNELS_CPU_SEGMENTS_H

#include "kernels/cpu/cpu.h"

/* Calls visit(segment, at, n, user) for the chunks of all segments: elements at … at+n-1 of the flat buffers. Chunks
 * begin at fixed places; threads take them as they come. When step->finite is 0 the chunks of g are zeroed instead. */
void hone_cpu_segments(float *g, const struct hone_segment *segments, int64_t n_segments, const struct hone_step *step,
                       void (*visit)(const struct hone_segment *segment, int64_t at, int64_t n, void *user),
                       void *user);

#endif
