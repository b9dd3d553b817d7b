#include "kernels/plugin.h"

#include <dlfcn.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"

/* The library's path, owned. */
static char *library_path(void) {
    const char *named = getenv("HONE_DEVICE_LIBRARY");
    if (named) return hone_strdup(named, "path of the device library");
    char program[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", program, sizeof program - 1);
    if (n <= 0) return hone_strdup("libhone_cuda.so", "path of the device library");
    program[n] = 0;
    *(strrchr(program, '/') + 1) = 0;
    return hone_format("%slibhone_cuda.so", program);
}

static enum hone_status open_library(struct hone_device *device, const char *path) {
    static const struct hone_host host = {HONE_ABI, hone_fail, hone_alloc, hone_free};
    if (access(path, F_OK) != 0)
        return hone_fail(HONE_USAGE, "%s is not there%s", path,
                         getenv("HONE_DEVICE_LIBRARY") ? "" : " (it is built where nvcc is)");
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!library) return hone_fail(HONE_USAGE, "%s cannot be loaded: %s", path, dlerror());
    /* POSIX's way from an object pointer to a function. */
    hone_plugin_open_function *open = NULL;
    *(void **)&open = dlsym(library, "hone_plugin_open");
    if (!open) return hone_fail(HONE_USAGE, "%s is no device library: it has no hone_plugin_open", path);
    return open(&host, device);
}

enum hone_status hone_plugin_device(struct hone_device **out) {
    static struct hone_device device;
    static enum hone_status status = HONE_OK;
    static char *why_not;
    if (!device.ops && status == HONE_OK) {
        char *path = library_path();
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
