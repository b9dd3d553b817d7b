/* A walk over JSON text (RFC 8259) that knows the byte where it stands, for the two places where a parsed tree is not
 * enough: safetensors headers (messages with bytes, duplicates named, integers told from floats) and edits that must
 * leave every other byte of a file alone. Strings are unescaped in place, so `bytes` is the walker's own copy.
 * The text must be checked UTF-8. Faults are HONE_BAD_INPUT: "path: byte N: …". */
#ifndef HONE_HUB_JSON_SCAN_H
#define HONE_HUB_JSON_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

#define HONE_SCAN_MAX_DEPTH 64

struct hone_scan {
    char *bytes;
    size_t n, at;
    size_t origin;    /* file offset of bytes[0] */
    const char *path; /* for messages */
};

/* Fails at byte `at` of the text with what was expected there, and what stands there. */
enum hone_status hone_scan_fail(const struct hone_scan *scan, size_t at, const char *expected);
/* Skips white space. */
void hone_scan_space(struct hone_scan *scan);
/* Skips white space and takes `c` if it comes next. */
bool hone_scan_take(struct hone_scan *scan, char c);
enum hone_status hone_scan_expect(struct hone_scan *scan, char c, const char *expected);
/* A string without U+0000, unescaped in place and 0-terminated: *text points into the bytes. */
enum hone_status hone_scan_string(char **text, struct hone_scan *scan, const char *expected);
/* An integer 0 … limit without sign, fraction or exponent. */
enum hone_status hone_scan_count(int64_t *out, struct hone_scan *scan, int64_t limit, const char *expected);
/* Passes over any value, at most HONE_SCAN_MAX_DEPTH deep. */
enum hone_status hone_scan_skip(struct hone_scan *scan);

#endif
