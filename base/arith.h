/* Checked arithmetic for every size that comes from outside. Each returns false on overflow and leaves *out as it is. */
#ifndef HONE_BASE_ARITH_H
#define HONE_BASE_ARITH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

static inline bool hone_mul_size(size_t *out, size_t a, size_t b) {
    size_t result;
    if (__builtin_mul_overflow(a, b, &result)) return false;
    *out = result;
    return true;
}

static inline bool hone_add_size(size_t *out, size_t a, size_t b) {
    size_t result;
    if (__builtin_add_overflow(a, b, &result)) return false;
    *out = result;
    return true;
}

static inline bool hone_mul_i64(int64_t *out, int64_t a, int64_t b) {
    int64_t result;
    if (__builtin_mul_overflow(a, b, &result)) return false;
    *out = result;
    return true;
}

static inline bool hone_add_i64(int64_t *out, int64_t a, int64_t b) {
    int64_t result;
    if (__builtin_add_overflow(a, b, &result)) return false;
    *out = result;
    return true;
}

/* n rounded up to a multiple of `unit` (> 0); n and the result fit in int64_t. */
static inline int64_t hone_round_up(int64_t n, int64_t unit) { return (n + unit - 1) / unit * unit; }

static inline int64_t hone_min_i64(int64_t a, int64_t b) { return a < b ? a : b; }
static inline int64_t hone_max_i64(int64_t a, int64_t b) { return a > b ? a : b; }

#endif
