/* The GPU as a device: memory, streams, and the table of kernels. Compiled by nvcc it is the heart of libhone_cuda.so,
 * which holds the CUDA runtime and looks for the driver only when it is asked for a device. */
#include <stdio.h>
#include <string.h>

#include "kernels/cuda/cuda.cuh"

const struct hone_host *hone_cuda_host;
int hone_cuda_processors;

static enum hone_status fail(enum hone_status status, cudaError_t error, const char *what) {
    return hone_cuda_host->fail(status, "%s: CUDA error %d: %s", what, (int)error, cudaGetErrorString(error));
}

void hone_cuda_check(struct hone_stream *s, cudaError_t error, const char *what) {
    if (error == cudaSuccess) return;
    const char *text = cudaGetErrorString(error);
    if (s->status != HONE_OK) return;
    s->status = HONE_INTERNAL;
    snprintf(s->message, sizeof s->message, "%s: CUDA error %d: %s", what, (int)error, text);
}

static enum hone_status out_of_memory(cudaError_t error, size_t bytes, const char *what, const char *where) {
    (void)cudaGetLastError(); /* forget it: the next call is not to blame */
    if (error != cudaErrorMemoryAllocation) return fail(HONE_INTERNAL, error, what);
    return hone_cuda_host->fail(HONE_OUT_OF_MEMORY, "%zu bytes of %s for %s: there is no room", bytes, where, what);
}

static enum hone_status allocate(struct hone_device *, void **out, size_t bytes, const char *what) {
    cudaError_t error = cudaMalloc(out, bytes ? bytes : 1);
    return error == cudaSuccess ? HONE_OK : out_of_memory(error, bytes, what, "GPU memory");
}

static void release(struct hone_device *, void *memory) { (void)cudaFree(memory); }

static enum hone_status allocate_pinned(struct hone_device *, void **out, size_t bytes, const char *what) {
    cudaError_t error = cudaMallocHost(out, bytes ? bytes : 1);
    return error == cudaSuccess ? HONE_OK : out_of_memory(error, bytes, what, "pinned memory");
}

static void release_pinned(struct hone_device *, void *memory) { (void)cudaFreeHost(memory); }

static enum hone_status stream_create(struct hone_device *, struct hone_stream **out) {
    struct hone_stream *s = (struct hone_stream *)hone_cuda_host->allocate(1, sizeof *s, "stream");
    s->status = HONE_OK;
    cudaError_t error = cudaStreamCreateWithFlags(&s->stream, cudaStreamNonBlocking);
    if (error == cudaSuccess) {
        error = cudaMalloc((void **)&s->scratch, HONE_CUDA_SCRATCH * sizeof(float));
        if (error != cudaSuccess) (void)cudaStreamDestroy(s->stream);
    }
    if (error != cudaSuccess) {
        hone_cuda_host->release(s);
        return out_of_memory(error, HONE_CUDA_SCRATCH * sizeof(float), "a stream", "GPU memory");
    }
    *out = s;
    return HONE_OK;
}

static void stream_destroy(struct hone_stream *s) {
    (void)cudaFree(s->scratch);
    (void)cudaStreamDestroy(s->stream);
    hone_cuda_host->release(s);
}

static enum hone_status stream_synchronize(struct hone_stream *s) {
    hone_cuda_check(s, cudaStreamSynchronize(s->stream), "waiting for the GPU");
    enum hone_status status = s->status;
    s->status = HONE_OK;
    return status == HONE_OK ? HONE_OK : hone_cuda_host->fail(status, "%s", s->message);
}

static void copy_to_device(void *to, const void *host, size_t bytes, struct hone_stream *s) {
    hone_cuda_check(s, cudaMemcpyAsync(to, host, bytes, cudaMemcpyHostToDevice, s->stream), "a copy to the GPU");
}

static void copy_to_host(void *host, const void *from, size_t bytes, struct hone_stream *s) {
    hone_cuda_check(s, cudaMemcpyAsync(host, from, bytes, cudaMemcpyDeviceToHost, s->stream), "a copy from the GPU");
}

static void zero(void *memory, size_t bytes, struct hone_stream *s) {
    hone_cuda_check(s, cudaMemsetAsync(memory, 0, bytes, s->stream), "zeros");
}

/* The first GPU, or why there is none. */
static enum hone_status find_gpu(cudaDeviceProp *properties) {
    int n = 0, driver = 0, runtime = 0;
    cudaError_t error = cudaGetDeviceCount(&n);
    (void)cudaDriverGetVersion(&driver);
    (void)cudaRuntimeGetVersion(&runtime);
    (void)cudaGetLastError();
    if (driver == 0)
        return hone_cuda_host->fail(HONE_USAGE, "no NVIDIA driver is installed (libcuda.so.1 was not found)");
    if (error == cudaErrorInsufficientDriver)
        return hone_cuda_host->fail(HONE_USAGE, "the NVIDIA driver is for CUDA %d.%d, this needs one for CUDA %d.%d",
                                    driver / 1000, driver % 1000 / 10, runtime / 1000, runtime % 1000 / 10);
    if (error == cudaErrorNoDevice || (error == cudaSuccess && n == 0))
        return hone_cuda_host->fail(HONE_USAGE, "the NVIDIA driver finds no GPU (CUDA_VISIBLE_DEVICES may hide it)");
    if (error == cudaSuccess) error = cudaGetDeviceProperties(properties, 0);
    if (error != cudaSuccess) return fail(HONE_USAGE, error, "looking for a GPU");
    if (properties->major >= 8) return HONE_OK;
    return hone_cuda_host->fail(HONE_USAGE, "the GPU, %s, has compute capability %d.%d, the least is 8.0",
                                properties->name, properties->major, properties->minor);
}

extern "C" __attribute__((visibility("default"))) hone_plugin_open_function hone_plugin_open;

enum hone_status hone_plugin_open(const struct hone_host *host, struct hone_device *device) {
    static struct hone_ops ops;
    hone_cuda_host = host;
    if (strcmp(host->abi, HONE_ABI) != 0)
        return host->fail(HONE_USAGE, "the device library was built from another version of hone: build it again");
    cudaDeviceProp properties;
    enum hone_status status = find_gpu(&properties);
    if (status != HONE_OK) return status;
#define ENTRY(name) ops.name = hone_cuda_##name;
    HONE_OPS(ENTRY)
#undef ENTRY
    hone_cuda_processors = properties.multiProcessorCount;
    *device = {};
    device->name = "cuda";
    snprintf(device->description, sizeof device->description, "%.80s, compute capability %d.%d, %.1f GiB",
             properties.name, properties.major, properties.minor, (double)properties.totalGlobalMem / (1 << 30));
    device->ops = &ops;
    device->allocate = allocate;
    device->release = release;
    device->allocate_pinned = allocate_pinned;
    device->release_pinned = release_pinned;
    device->stream_create = stream_create;
    device->stream_destroy = stream_destroy;
    device->stream_synchronize = stream_synchronize;
    device->copy_to_device = copy_to_device;
    device->copy_to_host = copy_to_host;
    device->zero = zero;
    return HONE_OK;
}
