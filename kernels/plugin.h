/* Devices that come as shared libraries, opened when they are asked for: the seam between hone and libhone_cuda.so (or
 * the emulator of tests/simt, which is the same plug-in compiled for this machine's processor). A plug-in exports one
 * function, hone_plugin_open, and links nothing of hone: what it needs of the program it gets from struct hone_host. */
#ifndef HONE_KERNELS_PLUGIN_H
#define HONE_KERNELS_PLUGIN_H

#include "kernels/device.h"

/* What the program lends to a plug-in. HONE_ABI, from the build, is the hash of ops.h, device.h and this file: a plug-in
 * of another one must look at nothing behind `fail`. */
struct hone_host {
    const char *abi;
    enum hone_status (*fail)(enum hone_status status, const char *format, ...); /* hone_fail() */
    void *(*allocate)(size_t count, size_t size, const char *what);             /* hone_alloc(): zeroed by nobody */
    void (*release)(void *memory);                                              /* hone_free() */
};

/* Fills *device, or fails with the reason why it can't be used here. Entries of device->ops may be NULL. Both structs
 * live as long as the program. */
typedef enum hone_status hone_plugin_open_function(const struct hone_host *host, struct hone_device *device);

/* The device of a plug-in, opened once: HONE_DEVICE_LIBRARY names the library, else it is libhone_cuda.so beside the
 * executable. HONE_USAGE with the reason when it can't be used. An entry of its table that is NULL is a kernel that it
 * does not have: hone_plugin_missing() counts them. */
enum hone_status hone_plugin_device(struct hone_device **out);
int hone_plugin_missing(const struct hone_device *device);

#endif
