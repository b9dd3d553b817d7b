/* What the machine can do with the threads that kernels get. Arithmetic: chains of fused multiply-adds that never
 * leave the registers, which no matrix product can exceed. Memory: a copy much larger than the caches, each thread its
 * share, by memcpy, which writes such sizes past the caches. */
#include <omp.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/memory.h"
#include "kernels/cpu/vector.h"
#include "tools/bench_kernels.h"

enum { SAMPLES = 21, CHAINS = 12, ROUNDS = 1 << 18 };

/* Independent chains hide the latency. They start with different values, or the compiler makes one of them; all lanes
 * go to 2. The two widths are for CPUs whose peak needs whole AVX-512 registers and for those without. */
#define DEFINE_CHAINS(name, vector)                                                                                    \
    HONE_CLONES static float name(float factor) {                                                                      \
        vector sum[CHAINS], all = {0};                                                                                 \
        UNROLL for (int j = 0; j < CHAINS; j++) sum[j] = all + (float)j;                                               \
        for (int64_t i = 0; i < ROUNDS; i++) {                                                                         \
            UNROLL for (int j = 0; j < CHAINS; j++) sum[j] = sum[j] * factor + 1.0f;                                   \
        }                                                                                                              \
        UNROLL for (int j = 0; j < CHAINS; j++) all += sum[j];                                                         \
        return all[0];                                                                                                 \
    }
#define UNROLL _Pragma("GCC unroll 12")
DEFINE_CHAINS(narrow_chains, hone_vec8)
DEFINE_CHAINS(wide_chains, hone_vec)

static double multiply_add_rate(float (*run)(float factor), size_t vector_bytes) {
    int threads = 1;
    float sum = 0;
    double begin = hone_seconds();
#pragma omp parallel reduction(+ : sum)
    {
        sum += run(0.5f);
#pragma omp single
        threads = omp_get_num_threads();
    }
    double seconds = hone_seconds() - begin;
    /* Used, so that the compiler can't leave the chains out. */
    HONE_CHECK(sum == 2.0f * CHAINS * (float)threads, "chains of multiply-adds sum to %g", (double)sum);
    return 2.0 * CHAINS * ROUNDS * (double)(vector_bytes / sizeof(float)) * threads / seconds / 1e9;
}

size_t hone_bench_beyond_caches(void) {
    const size_t least = (size_t)128 << 20, most = (size_t)1 << 30;
    long cache = sysconf(_SC_LEVEL3_CACHE_SIZE);
    size_t wanted = cache > 0 ? 3 * (size_t)cache : least;
    return wanted < least ? least : wanted > most ? most : wanted;
}

static double copy_rate(char *to, const char *from, size_t bytes) {
    double begin = hone_seconds();
#pragma omp parallel
    {
        size_t thread = (size_t)omp_get_thread_num(), threads = (size_t)omp_get_num_threads();
        size_t first = bytes * thread / threads, end = bytes * (thread + 1) / threads;
        memcpy(to + first, from + first, end - first);
    }
    return 2.0 * (double)bytes / (hone_seconds() - begin) / 1e9;
}

void hone_bench_measure_ceilings(struct hone_bench *bench, struct hone_bench_ceilings *out) {
    double narrow[SAMPLES], wide[SAMPLES], copies[SAMPLES], narrow_sum = 0, wide_sum = 0;
    for (int i = -3; i < SAMPLES; i++) {
        double a = multiply_add_rate(narrow_chains, sizeof(hone_vec8));
        double b = multiply_add_rate(wide_chains, sizeof(hone_vec));
        if (i < 0) continue;
        narrow[i] = a, wide[i] = b;
        narrow_sum += a, wide_sum += b;
    }
    double *best = narrow_sum > wide_sum ? narrow : wide;
    hone_bench_add(bench, "ceiling: multiply-adds in registers", "gflop_per_second", "GFLOP/s", best, SAMPLES);
    out->gflop_per_second = best[SAMPLES / 2];

    size_t bytes = hone_bench_beyond_caches();
    char *from = hone_alloc(bytes, 1, "copy"), *to = hone_alloc(bytes, 1, "copy");
    memset(from, 1, bytes);
    memset(to, 2, bytes);
    for (int i = -2; i < SAMPLES; i++) {
        double rate = copy_rate(to, from, bytes);
        if (i >= 0) copies[i] = rate;
    }
    HONE_CHECK(memcmp(to, from, bytes) == 0, "a copy of %zu bytes differs", bytes);
    hone_free(from);
    hone_free(to);
    hone_bench_add(bench, "ceiling: copy, reads and writes", "gigabytes_per_second", "GB/s", copies, SAMPLES);
    out->gigabytes_per_second = copies[SAMPLES / 2];
}
