#include "kernels/plugin.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "kernels/library.h"

#define LIBRARY "HONE_DEVICE_LIBRARY"

static enum hone_status open_library(struct hone_device *device, const char *path) {
    static const struct hone_host host = {HONE_ABI, hone_fail, hone_alloc, hone_free};
    hone_plugin_open_function *open = NULL;
    HONE_TRY(
        hone_library_function(&open, path, "hone_plugin_open", getenv(LIBRARY) ? "" : " (it is built where nvcc is)"));
    return open(&host, device);
}

enum hone_status hone_plugin_device(struct hone_device **out) {
    static struct hone_device device;
    static enum hone_status status = HONE_OK;
    static char *why_not;
    if (!device.ops && status == HONE_OK) {
        char *path = hone_library_path(LIBRARY, "libhone_cuda.so");
        status = open_library(&device, path);
        if (status != HONE_OK) why_not = hone_strdup(hone_error_message(), "reason");
        hone_free(path);
    }
    *out = &device;
    return status == HONE_OK ? HONE_OK : hone_fail(status, "%s", why_not);
}

int hone_plugin_missing(const struct hone_device *device) {
    void *entries[sizeof(struct hone_ops) / sizeof(void *)];
    memcpy(entries, device->ops, sizeof entries);
    int missing = 0;
    for (size_t i = 0; i < sizeof entries / sizeof *entries; i++) missing += !entries[i];
    return missing;
}
