#include "dist/call.h"

#include <stdatomic.h>
#include <string.h>

#include "base/log.h"

const char *const hone_call_names[] = {"all-reduce", "reduce-scatter", "all-gather", "broadcast", "barrier"};

enum hone_status hone_call_compare(const struct hone_call *mine, int rank, const struct hone_call *its, int other) {
    if (memcmp(mine, its, sizeof *mine) == 0) return HONE_OK;
    return hone_fail(HONE_RANK,
                     "rank %d is in %s of %lld bytes (dtype %lld, reduction %lld, root %lld), rank %d in %s of %lld "
                     "bytes (dtype %lld, reduction %lld, root %lld)",
                     rank, hone_call_names[mine->kind], (long long)mine->bytes, (long long)mine->dtype,
                     (long long)mine->reduction, (long long)mine->root, other, hone_call_names[its->kind],
                     (long long)its->bytes, (long long)its->dtype, (long long)its->reduction, (long long)its->root);
}

void hone_call_enter(struct hone_collectives *c, const char *name) {
    atomic_store(&c->now, name);
    atomic_fetch_add(&c->begun, 1);
}

enum hone_status hone_call_leave(struct hone_collectives *c, enum hone_status status) {
    atomic_store(&c->left, hone_seconds());
    atomic_store(&c->now, NULL);
    return status;
}

void hone_call_check(enum hone_dtype dtype) {
    HONE_CHECK(dtype == HONE_F32 || dtype == HONE_I64, "a reduction of %s", hone_dtype_name(dtype));
}

static void sum_f32(float *restrict y, const float *restrict x, int64_t n) {
    for (int64_t i = 0; i < n; i++) y[i] += x[i];
}

/* NaN wins, as it does in a sum. */
static void max_f32(float *restrict y, const float *restrict x, int64_t n) {
    for (int64_t i = 0; i < n; i++) y[i] = x[i] > y[i] || x[i] != x[i] ? x[i] : y[i];
}

static void sum_i64(int64_t *restrict y, const int64_t *restrict x, int64_t n) {
    for (int64_t i = 0; i < n; i++) y[i] = (int64_t)((uint64_t)y[i] + (uint64_t)x[i]);
}

static void max_i64(int64_t *restrict y, const int64_t *restrict x, int64_t n) {
    for (int64_t i = 0; i < n; i++) y[i] = x[i] > y[i] ? x[i] : y[i];
}

void hone_reduce_next(void *y, const void *x, int64_t n, enum hone_dtype dtype, enum hone_reduction reduction) {
    if (dtype == HONE_F32)
        (reduction == HONE_SUM ? sum_f32 : max_f32)(y, x, n);
    else
        (reduction == HONE_SUM ? sum_i64 : max_i64)(y, x, n);
}
