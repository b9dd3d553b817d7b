/* SHA-256 as FIPS 180-4 has it: section 4.1.2 (functions), 4.2.2 (constants), 5.1.1 (padding), 6.2 (computation). */
#include "base/sha256.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>
#endif

#include "base/io.h"
#include "base/memory.h"

#define CHUNK_BYTES (1 << 20)

static const uint32_t constants[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static uint32_t rotate(uint32_t x, int n) { return x >> n | x << (32 - n); }

static void add_block(uint32_t state[8], const unsigned char *block) {
    uint32_t w[64], s[8];
    for (int t = 0; t < 16; t++) {
        const unsigned char *b = block + 4 * t;
        w[t] = (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
    }
    for (int t = 16; t < 64; t++) {
        uint32_t low = rotate(w[t - 15], 7) ^ rotate(w[t - 15], 18) ^ w[t - 15] >> 3;
        uint32_t high = rotate(w[t - 2], 17) ^ rotate(w[t - 2], 19) ^ w[t - 2] >> 10;
        w[t] = high + w[t - 7] + low + w[t - 16];
    }
    memcpy(s, state, sizeof s);
    for (int t = 0; t < 64; t++) {
        uint32_t sum1 = rotate(s[4], 6) ^ rotate(s[4], 11) ^ rotate(s[4], 25);
        uint32_t choice = (s[4] & s[5]) ^ (~s[4] & s[6]);
        uint32_t t1 = s[7] + sum1 + choice + constants[t] + w[t];
        uint32_t sum0 = rotate(s[0], 2) ^ rotate(s[0], 13) ^ rotate(s[0], 22);
        uint32_t majority = (s[0] & s[1]) ^ (s[0] & s[2]) ^ (s[1] & s[2]);
        memmove(s + 1, s, 7 * sizeof *s);
        s[4] += t1;
        s[0] = t1 + sum0 + majority;
    }
    for (int i = 0; i < 8; i++) state[i] += s[i];
}

#if defined(__x86_64__)
#define SHA_INSTRUCTIONS __attribute__((target("sha,sse4.1")))

/* Four rounds with the words w of the message; the two halves of the state swap roles after two. */
SHA_INSTRUCTIONS static inline void four_rounds(__m128i *abef, __m128i *cdgh, __m128i w, int round) {
    __m128i sum = _mm_add_epi32(w, _mm_loadu_si128((const __m128i *)(constants + round)));
    *cdgh = _mm_sha256rnds2_epu32(*cdgh, *abef, sum);
    *abef = _mm_sha256rnds2_epu32(*abef, *cdgh, _mm_shuffle_epi32(sum, 0x0E));
}

/* The same with the processor's SHA instructions, several times as fast: those keep the state as a, b, e, f and c, d, g,
 * h, and make four words of the message schedule at a time. */
SHA_INSTRUCTIONS static void add_blocks_fast(uint32_t state[8], const unsigned char *block, size_t n) {
    const __m128i swap = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
    __m128i badc = _mm_shuffle_epi32(_mm_loadu_si128((const __m128i *)state), 0xB1);
    __m128i hgfe = _mm_shuffle_epi32(_mm_loadu_si128((const __m128i *)(state + 4)), 0x1B);
    __m128i abef = _mm_alignr_epi8(badc, hgfe, 8), cdgh = _mm_blend_epi16(hgfe, badc, 0xF0);
    for (; n > 0; n--, block += 64) {
        __m128i before_abef = abef, before_cdgh = cdgh, w[4];
        for (int i = 0; i < 4; i++) {
            w[i] = _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)(block + 16 * i)), swap);
            four_rounds(&abef, &cdgh, w[i], 4 * i);
        }
        for (int round = 16; round < 64; round += 4) {
            __m128i sum = _mm_add_epi32(_mm_sha256msg1_epu32(w[0], w[1]), _mm_alignr_epi8(w[3], w[2], 4));
            __m128i next = _mm_sha256msg2_epu32(sum, w[3]);
            w[0] = w[1], w[1] = w[2], w[2] = w[3], w[3] = next;
            four_rounds(&abef, &cdgh, next, round);
        }
        abef = _mm_add_epi32(abef, before_abef);
        cdgh = _mm_add_epi32(cdgh, before_cdgh);
    }
    __m128i feba = _mm_shuffle_epi32(abef, 0x1B), dchg = _mm_shuffle_epi32(cdgh, 0xB1);
    _mm_storeu_si128((__m128i *)state, _mm_blend_epi16(feba, dchg, 0xF0));
    _mm_storeu_si128((__m128i *)(state + 4), _mm_alignr_epi8(dchg, feba, 8));
}

/* SHA is bit 29 of EBX of leaf 7, SSE4.1 bit 19 of ECX of leaf 1. */
static bool has_instructions(void) {
    unsigned a, b, c, d;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c >> 19 & 1)) return false;
    return __get_cpuid_count(7, 0, &a, &b, &c, &d) && b >> 29 & 1;
}
#endif

static void add_blocks(uint32_t state[8], const unsigned char *block, size_t n) {
#if defined(__x86_64__)
    static atomic_int known; /* 0: not asked yet, 1: no, 2: yes */
    int answer = atomic_load_explicit(&known, memory_order_relaxed);
    if (answer == 0) atomic_store_explicit(&known, answer = has_instructions() ? 2 : 1, memory_order_relaxed);
    if (answer == 2) {
        add_blocks_fast(state, block, n);
        return;
    }
#endif
    for (; n > 0; n--, block += 64) add_block(state, block);
}

void hone_sha256_begin(struct hone_sha256 *hash) {
    static const uint32_t initial[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                        0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    memcpy(hash->state, initial, sizeof initial);
    hash->length = 0;
}

void hone_sha256_add(struct hone_sha256 *hash, const void *bytes, size_t n) {
    const unsigned char *next = bytes;
    size_t held = hash->length % 64;
    hash->length += n;
    if (held > 0) {
        size_t wanted = 64 - held < n ? 64 - held : n;
        memcpy(hash->block + held, next, wanted);
        next += wanted;
        n -= wanted;
        if (held + wanted < 64) return;
        add_blocks(hash->state, hash->block, 1);
    }
    add_blocks(hash->state, next, n / 64);
    next += n / 64 * 64;
    n %= 64;
    if (n > 0) memcpy(hash->block, next, n);
}

void hone_sha256_end(char text[HONE_SHA256_TEXT], struct hone_sha256 *hash) {
    static const char digits[] = "0123456789abcdef";
    uint64_t bits = hash->length * 8;
    unsigned char padding[72] = {0x80};
    size_t n = 1 + (119 - hash->length % 64) % 64; /* up to 8 bytes before a block's end */
    for (int i = 0; i < 8; i++) padding[n + (size_t)i] = (unsigned char)(bits >> (56 - 8 * i));
    hone_sha256_add(hash, padding, n + 8);
    for (int i = 0; i < 64; i++) text[i] = digits[hash->state[i / 8] >> (28 - 4 * (i % 8)) & 15];
    text[64] = 0;
}

enum hone_status hone_sha256_file(char text[HONE_SHA256_TEXT], const char *path) {
    struct hone_file *file;
    HONE_TRY(hone_file_open(&file, path));
    char *chunk = hone_alloc(CHUNK_BYTES, 1, "a chunk of a file to hash");
    struct hone_sha256 hash;
    hone_sha256_begin(&hash);
    size_t got;
    enum hone_status status;
    do {
        status = hone_file_read_some(file, chunk, CHUNK_BYTES, &got);
        if (status == HONE_OK) hone_sha256_add(&hash, chunk, got);
    } while (status == HONE_OK && got > 0);
    hone_sha256_end(text, &hash);
    hone_free(chunk);
    hone_file_close(file);
    return status;
}
