/* The CPU as a device: memory from the one allocator, kernels that run at once, so a stream only keeps the first
 * failure. */
#include <omp.h>
#include <stdarg.h>
#include <stdio.h>
#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include <string.h>

#include "base/memory.h"
#include "kernels/cpu/cpu.h"
#include "kernels/cpu/device.h"
#include "kernels/cpu/gemm_amx.h"

static const struct hone_ops ops = {
#define ENTRY(name) .name = hone_cpu_##name,
    HONE_OPS(ENTRY)
#undef ENTRY
};

void hone_cpu_fail(struct hone_stream *s, enum hone_status status, const char *format, ...) {
    if (s->status != HONE_OK) return;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(s->message, sizeof(s->message), format, arguments);
    va_end(arguments);
    s->status = status;
}

static enum hone_status allocate(struct hone_device *device, void **out, size_t bytes, const char *what) {
    (void)device;
    *out = hone_alloc(bytes, 1, what);
    return HONE_OK;
}

static void release(struct hone_device *device, void *memory) {
    (void)device;
    hone_free(memory);
}

static enum hone_status stream_create(struct hone_device *device, struct hone_stream **out) {
    (void)device;
    *out = hone_calloc(1, sizeof(**out), "stream");
    return HONE_OK;
}

static void stream_destroy(struct hone_stream *stream) { hone_free(stream); }

static enum hone_status stream_synchronize(struct hone_stream *stream) {
    enum hone_status status = stream->status;
    if (status == HONE_OK) return HONE_OK;
    stream->status = HONE_OK;
    return hone_fail(status, "%s", stream->message);
}

static void copy(void *to, const void *from, size_t bytes, struct hone_stream *stream) {
    (void)stream;
    if (bytes > 0) memcpy(to, from, bytes);
}

static void zero(void *memory, size_t bytes, struct hone_stream *stream) {
    (void)stream;
    if (bytes > 0) memset(memory, 0, bytes);
}

static struct hone_device cpu = {
    .name = "cpu",
    .ops = &ops,
    .host_memory = true,
    .allocate = allocate,
    .release = release,
    .allocate_pinned = allocate,
    .release_pinned = release,
    .stream_create = stream_create,
    .stream_destroy = stream_destroy,
    .stream_synchronize = stream_synchronize,
    .copy_to_device = copy,
    .copy_to_host = copy,
    .zero = zero,
};

#if defined(__x86_64__)
/* The processor's name, from CPUID leaves 0x80000002 to 4 (Intel SDM volume 2, AMD APM volume 3). */
static void processor_name(char name[49]) {
    unsigned int words[12] = {0};
    for (unsigned int i = 0; i < 3; i++)
        __get_cpuid(0x80000002 + i, &words[4 * i], &words[4 * i + 1], &words[4 * i + 2], &words[4 * i + 3]);
    memcpy(name, words, 48);
    name[48] = 0;
    size_t n = strlen(name);
    while (n > 0 && name[n - 1] == ' ') name[--n] = 0;
}

static const char *instructions(void) {
    if (__builtin_cpu_supports("avx512vl")) return hone_gemm_amx_is_native() ? "AVX-512, AMX" : "AVX-512";
    return __builtin_cpu_supports("avx2") ? "AVX2" : "SSE2";
}
#else
static void processor_name(char name[49]) { strcpy(name, "CPU"); }
static const char *instructions(void) { return "portable C"; }
#endif

struct hone_device *hone_cpu_device(void) {
    char name[49];
    processor_name(name);
    int threads = omp_get_max_threads();
    snprintf(cpu.description, sizeof(cpu.description), "%s, %s, %d thread%s", name[0] ? name : "CPU", instructions(),
             threads, threads == 1 ? "" : "s");
    hone_cpu_gemm_name(cpu.gemm, sizeof cpu.gemm);
    if (!hone_cpu_bf16_is_native()) cpu.bf16_why_not = "this CPU has no bf16 instructions (AVX512-BF16 or AMX)";
    return &cpu;
}
