/* What the machine can do with the threads that kernels get. Arithmetic: chains of fused multiply-adds that never
 * leave the registers, which no matrix product can exceed. Memory: passes over much more than the caches hold, each
 * thread its share. How much a pass can move depends on what it does: writing to other memory than it reads, a store
 * first fetches what it overwrites or goes past the caches, and either costs; writing to what was just read is free of
 * that. So there is a ceiling each for reading, copying and updating in place. */
#include <omp.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/memory.h"
#include "kernels/cpu/tile.h"
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
DEFINE_CHAINS(narrow_chains, hone_vec)
DEFINE_CHAINS(wide_chains, hone_vec16)

static double multiply_add_rate(float (*run)(float factor), int lanes) {
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
    return 2.0 * CHAINS * ROUNDS * lanes * threads / seconds / 1e9;
}

/* A virtual machine may be told the cache of the whole package, of which it has a part, hence the upper limit. */
size_t hone_bench_beyond_caches(void) {
    const size_t least = (size_t)128 << 20, most = (size_t)256 << 20;
    long cache = sysconf(_SC_LEVEL3_CACHE_SIZE);
    size_t wanted = cache > 0 ? 3 * (size_t)cache : least;
    return wanted < least ? least : wanted > most ? most : wanted;
}

/* A pass over n floats, a multiple of 32. */
typedef void (*pass)(float *to, const float *from, size_t n);

HONE_CLONES static void pass_read(float *to, const float *from, size_t n) {
    hone_vec sum[4] = {0}, x;
    for (size_t i = 0; i < n; i += 32) {
        for (size_t j = 0; j < 4; j++) {
            memcpy(&x, from + i + 8 * j, sizeof x);
            sum[j] += x;
        }
    }
    sum[0] += sum[1] + sum[2] + sum[3];
    memcpy(to, sum, sizeof *sum);
}

static void pass_memcpy(float *to, const float *from, size_t n) { memcpy(to, from, n * sizeof *to); }

/* By vector, so that the compiler does not make a memcpy of it. */
HONE_CLONES static void pass_copy(float *to, const float *from, size_t n) {
    for (size_t i = 0; i < n; i += 8) {
        hone_vec x;
        memcpy(&x, from + i, sizeof x);
        x *= 0.5f;
        memcpy(to + i, &x, sizeof x);
    }
}

HONE_CLONES static void pass_update(float *to, const float *from, size_t n) {
    (void)from;
    for (size_t i = 0; i < n; i += 8) {
        hone_vec x;
        memcpy(&x, to + i, sizeof x);
        x *= 0.999f;
        memcpy(to + i, &x, sizeof x);
    }
}

static double pass_seconds(pass run, float *to, const float *from, size_t n) {
    double begin = hone_seconds();
#pragma omp parallel
    {
        size_t thread = (size_t)omp_get_thread_num(), threads = (size_t)omp_get_num_threads(), share = n / threads;
        share -= share % 32;
        run(to + thread * share, from + thread * share, share);
    }
    return hone_seconds() - begin;
}

/* GB/s of the fastest of some ways to make a pass that moves `moved` times its memory. */
static double measure_passes(struct hone_bench *bench, const char *name, double moved, const pass *passes, int n_passes,
                             float *to, const float *from, size_t n) {
    double best = 0, samples[SAMPLES], chosen[SAMPLES];
    for (int p = 0; p < n_passes; p++) {
        for (int i = -2; i < SAMPLES; i++) {
            double rate = moved * (double)(n * sizeof *to) / pass_seconds(passes[p], to, from, n) / 1e9;
            if (i >= 0) samples[i] = rate;
        }
        double sum = 0;
        for (int i = 0; i < SAMPLES; i++) sum += samples[i];
        if (sum <= best) continue;
        best = sum;
        memcpy(chosen, samples, sizeof chosen);
    }
    hone_bench_add(bench, name, "gigabytes_per_second", "GB/s", chosen, SAMPLES);
    hone_bench_note(bench, "bytes", (double)(n * sizeof *to));
    return chosen[SAMPLES / 2]; /* sorted by now */
}

void hone_bench_measure_ceilings(struct hone_bench *bench, double out[static KERNEL_BOUNDS]) {
    double narrow[SAMPLES], wide[SAMPLES], narrow_sum = 0, wide_sum = 0;
    for (int i = -3; i < SAMPLES; i++) {
        double a = multiply_add_rate(narrow_chains, 8);
        double b = multiply_add_rate(wide_chains, 16);
        if (i < 0) continue;
        narrow[i] = a, wide[i] = b;
        narrow_sum += a, wide_sum += b;
    }
    double *best = narrow_sum > wide_sum ? narrow : wide;
    hone_bench_add(bench, "ceiling: multiply-adds in registers", "gflop_per_second", "GFLOP/s", best, SAMPLES);
    out[KERNEL_MULTIPLIES] = best[SAMPLES / 2];

    size_t n = hone_bench_beyond_caches() / sizeof(float);
    float *from = hone_calloc(n, sizeof *from, "ceiling"), *to = hone_calloc(n, sizeof *to, "ceiling");
    for (size_t i = 0; i < n; i++) from[i] = to[i] = 1;
    const pass reads[] = {pass_read}, copies[] = {pass_memcpy, pass_copy}, updates[] = {pass_update};
    out[KERNEL_READS] = measure_passes(bench, "ceiling: read", 1, reads, 1, to, from, n);
    out[KERNEL_COPIES] = measure_passes(bench, "ceiling: copy, read and written", 2, copies, 2, to, from, n);
    out[KERNEL_UPDATES] =
        measure_passes(bench, "ceiling: update in place, read and written", 2, updates, 1, to, from, n);
    hone_free(from);
    hone_free(to);
}
