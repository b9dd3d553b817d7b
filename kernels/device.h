/* A device: memory, streams, and its table of kernels. The CPU is compiled in and is the default; others are plug-ins
 * that fill the same struct.
 *
 *     struct hone_device *cpu;
 *     HONE_TRY(hone_device_open(&cpu, "cpu"));
 *     HONE_TRY(cpu->allocate(cpu, &x, bytes, "activations"));
 *     cpu->ops->activation_forward(y, x, HONE_RELU, n, HONE_F32, s);
 *     HONE_TRY(cpu->stream_synchronize(s)); */
#ifndef HONE_KERNELS_DEVICE_H
#define HONE_KERNELS_DEVICE_H

#include "base/status.h"
#include "kernels/ops.h"

struct hone_device {
    const char *name;      /* "cpu" */
    char description[160]; /* for people: processor, instruction set used, threads */
    const struct hone_ops *ops;
    char gemm[96];            /* what multiplies matrices: its version and what it chooses by; bits depend on it */
    const char *bf16_why_not; /* NULL: kernels compute in bf16 as fast as they should; else the reason */
    bool host_memory;         /* its memory is the host's, and what is enqueued is done at once */

    /* Aligned to 64 bytes at least, contents undefined. HONE_OUT_OF_MEMORY names bytes and `what`. */
    enum hone_status (*allocate)(struct hone_device *device, void **out, size_t bytes, const char *what);
    void (*release)(struct hone_device *device, void *memory);
    /* Host memory that copies to and from this device are fastest with. */
    enum hone_status (*allocate_pinned)(struct hone_device *device, void **out, size_t bytes, const char *what);
    void (*release_pinned)(struct hone_device *device, void *memory);

    enum hone_status (*stream_create)(struct hone_device *device, struct hone_stream **out);
    void (*stream_destroy)(struct hone_stream *stream);
    /* Waits for everything enqueued and returns the first failure since the last call (op, shapes, text). */
    enum hone_status (*stream_synchronize)(struct hone_stream *stream);

    /* Enqueued on the stream. Host memory stays the caller's and untouched until the stream has been synchronized. */
    void (*copy_to_device)(void *device_memory, const void *host, size_t bytes, struct hone_stream *stream);
    void (*copy_to_host)(void *host, const void *device_memory, size_t bytes, struct hone_stream *stream);
    void (*zero)(void *device_memory, size_t bytes, struct hone_stream *stream);
};

/* The device named "cpu" or "cuda", or "auto" (the CPU). Devices live as long as the program; nothing to
 * close. An unknown or absent one is HONE_USAGE with the reason. */
enum hone_status hone_device_open(struct hone_device **out, const char *name);

/* All known devices in a fixed order, for `hone devices`: i from 0; false past the end. `why_not` is NULL for a device
 * that can be used, else the reason. */
struct hone_device_report {
    const char *name;
    const char *description;
    const char *why_not;      /* valid until the next failure */
    const char *bf16_why_not; /* as in struct hone_device */
};
bool hone_device_report(struct hone_device_report *out, int i);

#endif
