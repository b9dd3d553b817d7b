/* Functions of their own, not inlined into cloned kernels: left to itself the compiler makes ten instructions of each
 * product of 32-bit words, for which AVX2 and AVX-512 have one. */
#include "kernels/cpu/philox.h"

#include "kernels/cpu/vector.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#define PLAIN
#define AVX2   __attribute__((target("avx2")))
#define AVX512 __attribute__((target("avx512f")))

typedef uint64_t lanes4 __attribute__((vector_size(32)));
typedef uint64_t lanes8 __attribute__((vector_size(64)));

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "two words lie in a lane, the first one lower");

/* Elements of two vectors by turns: of their lower halves, and of their upper ones. */
#define LOWER4(a, b) __builtin_shufflevector(a, b, 0, 4, 1, 5)
#define UPPER4(a, b) __builtin_shufflevector(a, b, 2, 6, 3, 7)
#define LOWER8(a, b) __builtin_shufflevector(a, b, 0, 8, 1, 9, 2, 10, 3, 11)
#define UPPER8(a, b) __builtin_shufflevector(a, b, 4, 12, 5, 13, 6, 14, 7, 15)

/* name(): the eight counters, as many at a time as `lanes` holds. product() multiplies the lower halves of lanes; upper
 * halves of c0 to c3 hold what is not wanted. */
/* NOLINTBEGIN(bugprone-macro-parentheses): a type and names. */
#define ROUNDS(target, name, lanes, product, lower, upper)                                                             \
    target static void name(uint32_t words[static 32], const struct hone_counters *c, uint32_t k0, uint32_t k1) {      \
        for (size_t part = 0; part < sizeof(hone_u64vec); part += sizeof(lanes)) {                                     \
            lanes c0, c1, c2, c3 = (lanes){0} + c->c3;                                                                 \
            memcpy(&c0, (const char *)&c->c0 + part, sizeof(c0));                                                      \
            memcpy(&c1, (const char *)&c->c1 + part, sizeof(c1));                                                      \
            memcpy(&c2, (const char *)&c->c2 + part, sizeof(c2));                                                      \
            uint32_t key0 = k0, key1 = k1;                                                                             \
            _Pragma("GCC unroll 10") for (int round = 0; round < 10; round++) {                                        \
                lanes p0 = product(c0, 0xD2511F53), p1 = product(c2, 0xCD9E8D57);                                      \
                c0 = p1 >> 32 ^ c1 ^ key0;                                                                             \
                c1 = p1;                                                                                               \
                c2 = p0 >> 32 ^ c3 ^ key1;                                                                             \
                c3 = p0;                                                                                               \
                key0 += 0x9E3779B9;                                                                                    \
                key1 += 0xBB67AE85;                                                                                    \
            }                                                                                                          \
            c0 = (c0 & 0xffffffff) | c1 << 32;                                                                         \
            c2 = (c2 & 0xffffffff) | c3 << 32;                                                                         \
            lanes first = lower(c0, c2), second = upper(c0, c2);                                                       \
            memcpy((char *)words + 2 * part, &first, sizeof(first));                                                   \
            memcpy((char *)words + 2 * part + sizeof(first), &second, sizeof(second));                                 \
        }                                                                                                              \
    }
/* NOLINTEND(bugprone-macro-parentheses) */

static inline lanes4 product_plain(lanes4 a, uint32_t b) { return (a & 0xffffffff) * b; }

ROUNDS(PLAIN, philox8_plain, lanes4, product_plain, LOWER4, UPPER4)

void hone_cpu_philox8_plain(uint32_t words[static 32], const struct hone_counters *c, uint32_t k0, uint32_t k1) {
    philox8_plain(words, c, k0, k1);
}

#if defined(__x86_64__)
AVX2 static inline lanes4 product_avx2(lanes4 a, uint32_t b) {
    return (lanes4)_mm256_mul_epu32((__m256i)a, _mm256_set1_epi64x(b));
}

AVX512 static inline lanes8 product_avx512(lanes8 a, uint32_t b) {
    return (lanes8)_mm512_mul_epu32((__m512i)a, _mm512_set1_epi64(b));
}

ROUNDS(AVX2, philox8_avx2, lanes4, product_avx2, LOWER4, UPPER4)
ROUNDS(AVX512, philox8_avx512, lanes8, product_avx512, LOWER8, UPPER8)
#endif

void hone_cpu_philox8(uint32_t words[static 32], const struct hone_counters *c, uint32_t k0, uint32_t k1) {
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512f")) {
        philox8_avx512(words, c, k0, k1);
        return;
    }
    if (__builtin_cpu_supports("avx2")) {
        philox8_avx2(words, c, k0, k1);
        return;
    }
#endif
    hone_cpu_philox8_plain(words, c, k0, k1);
}
