/* Buffers on a device with guard bytes on both sides, for tests of kernels. A buffer ends where its guard begins, so
 * an element too many is seen; results start as NaN, so an element too few is seen; inputs must stay as they were. */
#ifndef HONE_TESTS_KERNEL_BUFFERS_H
#define HONE_TESTS_KERNEL_BUFFERS_H

#include <stdbool.h>

#include "kernels/device.h"

struct kernel_buffer {
    const char *name;
    char *base;
    size_t bytes;
    char *unchanged; /* what an input held; NULL: may change */
};

struct kernel_buffers {
    struct hone_device *device;
    struct hone_stream *stream;
    enum hone_dtype dtype; /* that the cases run in */
    bool light;            /* leave out the largest cases: each access is looked at, which takes its time */
    struct kernel_buffer buffers[40];
    int n;
    bool covered[64]; /* entries of struct hone_ops that were called through KERNEL() */
};

/* The device's kernel, marked as covered. */
#define KERNEL(k, op) (*((k)->covered[offsetof(struct hone_ops, op) / sizeof(void *)] = true, &(k)->device->ops->op))

void kernel_buffers_open(struct kernel_buffers *k, struct hone_device *device);
void kernel_buffers_close(struct kernel_buffers *k);
/* A copy of host bytes that kernels must not change; NULL gives NULL. */
void *kernel_input(struct kernel_buffers *k, const char *name, const void *host, size_t bytes);
/* A copy that they may change. */
void *kernel_inout(struct kernel_buffers *k, const char *name, const void *host, size_t bytes);
/* Bytes of 0xFF: NaN in f32. */
void *kernel_output(struct kernel_buffers *k, const char *name, size_t bytes);
/* Waits, fails the test on an error, copies to the host. */
void kernel_read(struct kernel_buffers *k, void *host, const void *device_memory, size_t bytes);
/* Waits, checks guards and inputs, releases all buffers. */
void kernel_finish(struct kernel_buffers *k);

#endif
