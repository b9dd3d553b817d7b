/* SHA-256 as FIPS 180-4 has it: section 4.1.2 (functions), 4.2.2 (constants), 5.1.1 (padding), 6.2 (computation). */
#include "base/sha256.h"

#include <string.h>

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
        add_block(hash->state, hash->block);
    }
    for (; n >= 64; next += 64, n -= 64) add_block(hash->state, next);
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
