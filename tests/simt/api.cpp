/* The part of the CUDA runtime that kernels/cuda/device.cu calls: one GPU, with streams that run at once. */
#include <stdio.h>
#include <stdlib.h>

#include "tests/simt/runtime.h"

const char *cudaGetErrorString(cudaError_t error) {
    static char text[sizeof simt_message];
    switch (error) {
    case cudaSuccess:
        return "no error";
    case cudaErrorInvalidValue:
        return "invalid argument";
    case cudaErrorMemoryAllocation:
        return "out of memory";
    case cudaErrorInsufficientDriver:
        return "CUDA driver version is insufficient for CUDA runtime version";
    case cudaErrorNoDevice:
        return "no CUDA-capable device is detected";
    case cudaErrorLaunchFailure:
        break;
    }
    memcpy(text, simt_message, sizeof text);
    simt_message[0] = 0;
    return text;
}

cudaError_t cudaGetLastError() { return simt_message[0] ? cudaErrorLaunchFailure : cudaSuccess; }

/* HONE_SIMT_DRIVER: the version of the driver that is there, 0 for none; HONE_SIMT_DEVICES: GPUs. */
static int setting(const char *name, int otherwise) {
    const char *text = getenv(name);
    return text ? atoi(text) : otherwise;
}

cudaError_t cudaDriverGetVersion(int *version) {
    *version = setting("HONE_SIMT_DRIVER", 13000);
    return cudaSuccess;
}

cudaError_t cudaRuntimeGetVersion(int *version) {
    *version = 13000;
    return cudaSuccess;
}

cudaError_t cudaGetDeviceCount(int *n) {
    *n = 0;
    if (setting("HONE_SIMT_DRIVER", 13000) < 13000) return cudaErrorInsufficientDriver;
    *n = setting("HONE_SIMT_DEVICES", 1);
    return *n > 0 ? cudaSuccess : cudaErrorNoDevice;
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp *out, int) {
    *out = {};
    snprintf(out->name, sizeof out->name, "emulated GPU, no device");
    out->major = setting("HONE_SIMT_ARCHITECTURE", 80) / 10;
    out->minor = setting("HONE_SIMT_ARCHITECTURE", 80) % 10;
    out->multiProcessorCount = 2;
    out->totalGlobalMem = (size_t)1 << 30;
    return cudaSuccess;
}

/* HONE_SIMT_MEMORY: bytes that there are. */
cudaError_t cudaMalloc(void **out, size_t bytes) {
    const char *limit = getenv("HONE_SIMT_MEMORY");
    *out = limit && bytes > strtoull(limit, nullptr, 10) ? nullptr : simt_memory_add(bytes);
    return *out ? cudaSuccess : cudaErrorMemoryAllocation;
}

cudaError_t cudaFree(void *memory) {
    return !memory || simt_memory_remove(memory) ? cudaSuccess : cudaErrorInvalidValue;
}

cudaError_t cudaMallocHost(void **out, size_t bytes) {
    return posix_memalign(out, 4096, bytes) == 0 ? cudaSuccess : cudaErrorMemoryAllocation;
}

cudaError_t cudaFreeHost(void *memory) {
    free(memory);
    return cudaSuccess;
}

cudaError_t cudaMemcpyAsync(void *to, const void *from, size_t bytes, cudaMemcpyKind kind, cudaStream_t) {
    if (bytes == 0) return cudaSuccess;
    bool both = kind == cudaMemcpyDeviceToDevice;
    if ((both || kind == cudaMemcpyHostToDevice) && !simt_memory_holds(to, bytes)) return cudaErrorInvalidValue;
    if ((both || kind == cudaMemcpyDeviceToHost) && !simt_memory_holds(from, bytes)) return cudaErrorInvalidValue;
    simt_memory_open(true);
    memcpy(to, from, bytes);
    simt_memory_open(false);
    return cudaSuccess;
}

cudaError_t cudaMemsetAsync(void *to, int byte, size_t bytes, cudaStream_t) {
    if (bytes == 0) return cudaSuccess;
    if (!simt_memory_holds(to, bytes)) return cudaErrorInvalidValue;
    simt_memory_open(true);
    memset(to, byte, bytes);
    simt_memory_open(false);
    return cudaSuccess;
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t *out, unsigned) {
    *out = nullptr;
    return cudaSuccess;
}

cudaError_t cudaStreamDestroy(cudaStream_t) { return cudaSuccess; }
cudaError_t cudaStreamSynchronize(cudaStream_t) { return cudaSuccess; }
