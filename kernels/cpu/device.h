/* The CPU device, for kernels/device.c. */
#ifndef HONE_KERNELS_CPU_DEVICE_H
#define HONE_KERNELS_CPU_DEVICE_H

#include <stdbool.h>

#include "kernels/device.h"

struct hone_device *hone_cpu_device(void);
/* Whether oneDNN multiplies bf16 with the CPU's own instructions (AVX512-BF16, AMX) and not by way of f32. */
bool hone_cpu_bf16_is_native(void);
/* The GEMM library with its version and the instruction sets that it chooses its code by. */
void hone_cpu_gemm_name(char *out, size_t n);

#endif
