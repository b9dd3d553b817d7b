/* SHA-256 (FIPS 180-4), for telling files apart.
 *
 *     struct hone_sha256 hash;
 *     hone_sha256_begin(&hash);
 *     hone_sha256_add(&hash, bytes, n);     // any number of times
 *     hone_sha256_end(text, &hash);         // "e3b0c44298fc1c14…"
 */
#ifndef HONE_BASE_SHA256_H
#define HONE_BASE_SHA256_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

#define HONE_SHA256_TEXT 65 /* 64 hexadecimal digits and a 0 */

struct hone_sha256 {
    uint32_t state[8];
    uint64_t length;         /* bytes so far */
    unsigned char block[64]; /* the last length % 64 of them */
};

void hone_sha256_begin(struct hone_sha256 *hash);
void hone_sha256_add(struct hone_sha256 *hash, const void *bytes, size_t n);
void hone_sha256_end(char text[HONE_SHA256_TEXT], struct hone_sha256 *hash);

/* Of a whole file, read in pieces. */
enum hone_status hone_sha256_file(char text[HONE_SHA256_TEXT], const char *path);

#endif
