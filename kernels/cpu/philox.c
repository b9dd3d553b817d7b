/* Functions of their own, not inlined into cloned kernels: left to itself the compiler makes ten instructions of each
 * product of 32-bit words, for which AVX2 has one. */
#include "kernels/cpu/philox.h"

#include "kernels/cpu/vector.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

/* Half of the counters: what a register of AVX2 holds. */
typedef uint64_t lanes __attribute__((vector_size(32)));

/* Products of the lower halves of lanes. */
static inline lanes product_plain(lanes a, uint32_t b) { return (a & 0xffffffff) * b; }

HONE_INLINE void rounds(uint32_t words[static 32], const struct hone_counters *c, uint32_t k0, uint32_t k1,
                        lanes (*product)(lanes a, uint32_t b)) {
    _Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "two words lie in a lane, the first one lower");
    for (size_t half = 0; half < sizeof(hone_u64vec); half += sizeof(lanes)) {
        lanes c0, c1, c2, c3 = (lanes){0} + c->c3;
        memcpy(&c0, (const char *)&c->c0 + half, sizeof(c0));
        memcpy(&c1, (const char *)&c->c1 + half, sizeof(c1));
        memcpy(&c2, (const char *)&c->c2 + half, sizeof(c2));
        uint32_t key0 = k0, key1 = k1;
#pragma GCC unroll 10
        for (int round = 0; round < 10; round++) { /* upper halves hold what is not wanted */
            lanes p0 = product(c0, 0xD2511F53), p1 = product(c2, 0xCD9E8D57);
            c0 = p1 >> 32 ^ c1 ^ key0;
            c1 = p1;
            c2 = p0 >> 32 ^ c3 ^ key1;
            c3 = p0;
            key0 += 0x9E3779B9;
            key1 += 0xBB67AE85;
        }
        c0 = (c0 & 0xffffffff) | c1 << 32;
        c2 = (c2 & 0xffffffff) | c3 << 32;
        lanes first = __builtin_shufflevector(c0, c2, 0, 4, 1, 5), second = __builtin_shufflevector(c0, c2, 2, 6, 3, 7);
        memcpy((char *)words + 2 * half, &first, sizeof(first));
        memcpy((char *)words + 2 * half + sizeof(first), &second, sizeof(second));
    }
}

void hone_cpu_philox8_plain(uint32_t words[static 32], const struct hone_counters *c, uint32_t k0, uint32_t k1) {
    rounds(words, c, k0, k1, product_plain);
}

#if defined(__x86_64__)
__attribute__((target("avx2"))) static inline lanes product_avx2(lanes a, uint32_t b) {
    return (lanes)_mm256_mul_epu32((__m256i)a, _mm256_set1_epi64x(b));
}

__attribute__((target("avx2"))) static void philox8_avx2(uint32_t words[static 32], const struct hone_counters *c,
                                                         uint32_t k0, uint32_t k1) {
    rounds(words, c, k0, k1, product_avx2);
}
#endif

void hone_cpu_philox8(uint32_t words[static 32], const struct hone_counters *c, uint32_t k0, uint32_t k1) {
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2")) {
        philox8_avx2(words, c, k0, k1);
        return;
    }
#endif
    hone_cpu_philox8_plain(words, c, k0, k1);
}
