/* Philox4x32-10 (Salmon et al., SC 2011) on eight counters at a time; base/random.h has it for one. */
#ifndef HONE_KERNELS_CPU_PHILOX_H
#define HONE_KERNELS_CPU_PHILOX_H

#include <stdint.h>

typedef uint64_t hone_u64vec __attribute__((vector_size(64)));

/* Eight counters {c0, c1, c2, c3}: a 32-bit word to each 64-bit lane, whose upper half is 0. */
struct hone_counters {
    hone_u64vec c0, c1, c2;
    uint32_t c3;
};

/* The four words of each counter's result, one counter after the other, for the key {k0, k1}. */
void hone_cpu_philox8(uint32_t words[static 32], const struct hone_counters *c, uint32_t k0, uint32_t k1);

/* The same without AVX2's instructions: what hone_cpu_philox8 calls on CPUs that lack them. */
void hone_cpu_philox8_plain(uint32_t words[static 32], const struct hone_counters *c, uint32_t k0, uint32_t k1);

#endif
