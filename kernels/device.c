/* Which devices there are, and the dtypes' sizes and names. */
#include "kernels/device.h"

#include <string.h>

#include "kernels/cpu/device.h"
#include "kernels/plugin.h"

size_t hone_dtype_size(enum hone_dtype dtype) {
    switch (dtype) {
    case HONE_BF16:
        return 2;
    case HONE_F32:
    case HONE_I32:
        return 4;
    case HONE_I64:
        return 8;
    }
    HONE_CHECK(false, "dtype %d", (int)dtype);
}

const char *hone_dtype_name(enum hone_dtype dtype) {
    switch (dtype) {
    case HONE_F32:
        return "f32";
    case HONE_BF16:
        return "bf16";
    case HONE_I32:
        return "i32";
    case HONE_I64:
        return "i64";
    }
    HONE_CHECK(false, "dtype %d", (int)dtype);
}

/* The plug-in's device, when it can be used and has every kernel. */
static enum hone_status open_cuda(struct hone_device **out) {
    HONE_TRY(hone_plugin_device(out));
    int missing = hone_plugin_missing(*out);
    if (missing == 0) return HONE_OK;
    return hone_fail(HONE_USAGE, "%s was found, but %d kernels are not written for it yet", (*out)->description,
                     missing);
}

enum hone_status hone_device_open(struct hone_device **out, const char *name) {
    if (strcmp(name, "cuda") == 0) {
        enum hone_status status = open_cuda(out);
        return status == HONE_OK ? status : hone_fail_prefix(status, "device 'cuda'");
    }
    /* Kernels that no GPU has run yet are for those who ask for them. */
    if (strcmp(name, "auto") == 0 || strcmp(name, "cpu") == 0) {
        *out = hone_cpu_device();
        return HONE_OK;
    }
    return hone_fail(HONE_USAGE,
                     "device '%s' is not known here, expected cpu, cuda or auto (`hone devices` lists them)", name);
}

bool hone_device_report(struct hone_device_report *out, int i) {
    if (i == 0) {
        struct hone_device *cpu = hone_cpu_device();
        *out = (struct hone_device_report){cpu->name, cpu->description, NULL, cpu->bf16_why_not};
        return true;
    }
    if (i != 1) return false;
    struct hone_device *cuda;
    enum hone_status status = open_cuda(&cuda);
    *out = (struct hone_device_report){"cuda", cuda->description, status == HONE_OK ? NULL : hone_error_message(),
                                       cuda->bf16_why_not};
    return true;
}
