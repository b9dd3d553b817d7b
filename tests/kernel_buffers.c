/* Guarded buffers; see kernel_buffers.h. */
#include "tests/kernel_buffers.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "tests/support.h"

enum { GUARD = 256, GUARD_BYTE = 0xA5 };

void kernel_buffers_open(struct kernel_buffers *k, struct hone_device *device) {
    memset(k, 0, sizeof(*k));
    k->device = device;
    TEST_OK(device->stream_create(device, &k->stream));
}

void kernel_buffers_close(struct kernel_buffers *k) {
    assert_int_equal(k->n, 0);
    k->device->stream_destroy(k->stream);
}

static void *buffer_add(struct kernel_buffers *k, const char *name, const void *host, size_t bytes, bool input) {
    assert_true(k->n < (int)(sizeof(k->buffers) / sizeof(k->buffers[0])));
    struct kernel_buffer *buffer = &k->buffers[k->n++];
    *buffer = (struct kernel_buffer){.name = name, .bytes = bytes};
    void *memory;
    TEST_OK(k->device->allocate(k->device, &memory, bytes + 2 * GUARD, name));
    buffer->base = memory;
    char *image = hone_alloc(bytes + 2 * GUARD, 1, name);
    memset(image, GUARD_BYTE, bytes + 2 * GUARD);
    if (host)
        memcpy(image + GUARD, host, bytes);
    else
        memset(image + GUARD, 0xFF, bytes);
    k->device->copy_to_device(buffer->base, image, bytes + 2 * GUARD, k->stream);
    TEST_OK(k->device->stream_synchronize(k->stream));
    if (input)
        buffer->unchanged = image;
    else
        hone_free(image);
    return buffer->base + GUARD;
}

void *kernel_input(struct kernel_buffers *k, const char *name, const void *host, size_t bytes) {
    return host ? buffer_add(k, name, host, bytes, true) : NULL;
}

void *kernel_inout(struct kernel_buffers *k, const char *name, const void *host, size_t bytes) {
    return host ? buffer_add(k, name, host, bytes, false) : NULL;
}

void *kernel_output(struct kernel_buffers *k, const char *name, size_t bytes) {
    return buffer_add(k, name, NULL, bytes, false);
}

void kernel_read(struct kernel_buffers *k, void *host, const void *device_memory, size_t bytes) {
    k->device->copy_to_host(host, device_memory, bytes, k->stream);
    TEST_OK(k->device->stream_synchronize(k->stream));
}

void kernel_finish(struct kernel_buffers *k) {
    TEST_OK(k->device->stream_synchronize(k->stream));
    for (int i = 0; i < k->n; i++) {
        struct kernel_buffer *buffer = &k->buffers[i];
        unsigned char *image = hone_alloc(buffer->bytes + 2 * GUARD, 1, buffer->name);
        kernel_read(k, image, buffer->base, buffer->bytes + 2 * GUARD);
        for (size_t j = 0; j < GUARD; j++) {
            if (image[j] != GUARD_BYTE) fail_msg("%s: byte %zu before its start was written", buffer->name, GUARD - j);
            if (image[GUARD + buffer->bytes + j] != GUARD_BYTE)
                fail_msg("%s: byte %zu past its end was written", buffer->name, j);
        }
        if (buffer->unchanged && memcmp(buffer->unchanged, image, buffer->bytes + 2 * GUARD) != 0)
            fail_msg("%s: an input was changed", buffer->name);
        hone_free(image);
        hone_free(buffer->unchanged);
        k->device->release(k->device, buffer->base);
    }
    k->n = 0;
}
