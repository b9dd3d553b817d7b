/* Which devices there are, and the dtypes' sizes and names. */
#include "kernels/device.h"

#include <string.h>

#include "kernels/cpu/device.h"

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

enum hone_status hone_device_open(struct hone_device **out, const char *name) {
    if (strcmp(name, "cpu") == 0 || strcmp(name, "auto") == 0) {
        *out = hone_cpu_device();
        return HONE_OK;
    }
    return hone_fail(HONE_USAGE, "device '%s' is not known here, expected cpu or auto (`hone devices` lists them)",
                     name);
}

bool hone_device_report(struct hone_device_report *out, int i) {
    if (i != 0) return false;
    struct hone_device *cpu = hone_cpu_device();
    *out = (struct hone_device_report){cpu->name, cpu->description, NULL, cpu->bf16_why_not};
    return true;
}
