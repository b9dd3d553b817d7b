/* Cases of attention: lengths from none to long, head sizes that fill vectors and that don't, packed and separate
 * storage, causal, pruned query rows, dropout. */
#include <string.h>

#include "base/memory.h"
#include "tests/kernel_cases.h"
#include "tests/reference_ops.h"
#include "tests/support.h"

enum { F4 = sizeof(float) };

struct attention_case {
    int32_t lengths[6]; /* ends with -1 */
    int64_t H, D;
    bool packed, causal, pruned, dropout;
};

/* A matrix of n columns within rows of `stride`, everything else NaN; in f32, which becomes k->dtype when it is
 * copied to the device. */
static float *spread(const float *dense, int64_t rows, int64_t n, int64_t stride) {
    float *matrix = hone_alloc((size_t)(rows * stride), F4, "test matrix");
    memset(matrix, 0xFF, (size_t)(rows * stride) * F4);
    for (int64_t i = 0; i < rows && dense; i++) memcpy(matrix + i * stride, dense + i * n, (size_t)n * F4);
    return matrix;
}

/* Compares columns [from, from + n) of a device matrix; with `last` the columns behind it must still be NaN. */
static void compare_columns(struct kernel_buffers *k, const char *name, const void *matrix, enum hone_dtype dtype,
                            int64_t stride, const double *want, int64_t rows, int64_t n, bool last) {
    float *got = hone_alloc((size_t)(rows * n), F4, "test values");
    double *near = kernel_doubles(rows * n);
    float *all = hone_alloc((size_t)(rows * stride), F4, "test values");
    /* The matrix may start inside a packed one: its last row has only the columns up to n. */
    if (rows > 0) kernel_read_values(k, all, matrix, dtype, (rows - 1) * stride + n);
    for (int64_t i = 0; i < rows; i++) {
        memcpy(got + i * n, all + i * stride, (size_t)n * F4);
        for (int64_t c = n; last && i + 1 < rows && c < n + 2; c++) {
            uint32_t bits;
            memcpy(&bits, all + i * stride + c, F4);
            if (bits >> 16 != 0xFFFF) fail_msg("%s: column %lld behind it was written", name, (long long)(c - n));
        }
    }
    /* The gradient of a score is p (dp - sum of p dp): where a query sees one key that is 0, and what remains is the
     * rounding of two sums of up to 128 products of size 1, times keys of size 1; hence the absolute part. */
    double absolute = 4e-6, relative = 1e-5;
    /* A GPU's tensor cores take probabilities and gradients of scores in bf16, each off by 2^-9 at most; their sums are
     * over numbers some times larger than the result where signs differ. */
    if (dtype == HONE_BF16 && strcmp(k->device->name, "cpu") != 0) relative = 1.0 / 128;
    for (int64_t i = 0; i < rows * n; i++) near[i] = kernel_nearest(want[i], (double)got[i], dtype);
    test_close(name, got, near, rows * n, absolute, relative);
    hone_free(got), hone_free(all), hone_free(near);
}

static void attention_run(struct kernel_buffers *k, const struct attention_case *c) {
    int32_t cu_k[7] = {0}, cu_q[7] = {0}, B = 0;
    int64_t max_len = 0;
    for (; c->lengths[B] >= 0; B++) {
        cu_k[B + 1] = cu_k[B] + c->lengths[B];
        max_len = c->lengths[B] > max_len ? c->lengths[B] : max_len;
    }
    int64_t T = cu_k[B], R = 0, width = c->H * c->D;
    int32_t *rows = hone_alloc((size_t)T, sizeof(int32_t), "test rows");
    for (int32_t b = 0; b < B; b++) {
        /* All rows; or the first and each seventh, and none of the second sequence. */
        for (int32_t t = cu_k[b]; t < cu_k[b + 1]; t++)
            if (!c->pruned || ((t - cu_k[b]) % 7 == 0 && b != 1)) rows[R++] = t;
        cu_q[b + 1] = (int32_t)R;
    }
    size_t rows_bytes = (size_t)R * sizeof(int32_t), cu_bytes = (size_t)(B + 1) * sizeof(int32_t);
    struct kernel_dropout drop;
    kernel_dropout_make(&drop, k, T, c->pruned ? rows : NULL, R, false);
    const struct hone_dropout *drop_host = c->dropout ? &drop.host : NULL;
    const struct hone_dropout *drop_device = c->dropout ? &drop.device : NULL;
    struct hone_attention host = {cu_q, cu_k, c->pruned ? rows : NULL, B, R, T, max_len, c->H, c->D, 0.3f, c->causal};
    struct hone_attention a = host;
    a.cu_q = kernel_input(k, "cu_q", cu_q, cu_bytes);
    a.cu_k = kernel_input(k, "cu_k", cu_k, cu_bytes);
    a.row_of_q = kernel_input(k, "row_of_q", host.row_of_q, rows_bytes);

    struct kernel_noise q = kernel_values(k, R * width, 1, 1), key = kernel_values(k, T * width, 1, 2);
    struct kernel_noise v = kernel_values(k, T * width, 1, 3), dout = kernel_values(k, R * width, 1, 4);
    double *out = kernel_doubles(R * width), *lse = kernel_doubles(R * c->H), *dq = kernel_doubles(R * width);
    double *dk = kernel_doubles(T * width), *dv = kernel_doubles(T * width);
    reference_attention_forward(out, lse, q.d, key.d, v.d, &host, drop_host);
    reference_attention_backward(dq, dk, dv, dout.d, q.d, key.d, v.d, &host, drop_host);

    /* Packed: [q k v and some columns of nothing] in one matrix; pruned queries have their own with such columns. Rows
     * stay aligned to 16 bytes where the heads are. */
    int64_t gap = c->D % 8 == 0 ? 8 : 2, kv_stride = c->packed ? 3 * width + gap : width;
    int64_t q_stride = c->packed && !c->pruned ? kv_stride : width + gap;
    float *q_host = spread(q.f, R, width, q_stride), *k_host = spread(key.f, T, width, kv_stride);
    float *v_host = spread(v.f, T, width, kv_stride);
    void *q_d, *k_d, *v_d, *dq_d, *dk_d, *dv_d;
    int64_t q_size = R * q_stride, kv_size = T * kv_stride;
    size_t part = (size_t)width * hone_dtype_size(k->dtype);
    if (c->packed) {
        int64_t first = c->pruned ? 0 : width;
        for (int64_t t = 0; t < T; t++) {
            float *row = k_host + t * kv_stride;
            memmove(row + first, row, (size_t)width * F4);
            memcpy(row + first + width, v_host + t * kv_stride, (size_t)width * F4);
            if (!c->pruned) memcpy(row, q.f + t * width, (size_t)width * F4);
        }
        char *packed = kernel_input_values(k, "packed q k v", k_host, kv_size), *gradient;
        gradient = kernel_output_values(k, "packed gradients", kv_size);
        q_d = c->pruned ? kernel_input_values(k, "q", q_host, q_size) : packed;
        dq_d = c->pruned ? kernel_output_values(k, "dq", q_size) : gradient;
        k_d = packed + (c->pruned ? 0 : part), v_d = (char *)k_d + part;
        dk_d = gradient + (c->pruned ? 0 : part), dv_d = (char *)dk_d + part;
    } else {
        q_d = kernel_input_values(k, "q", q_host, q_size), dq_d = kernel_output_values(k, "dq", q_size);
        k_d = kernel_input_values(k, "k", k_host, kv_size), dk_d = kernel_output_values(k, "dk", kv_size);
        v_d = kernel_input_values(k, "v", v_host, kv_size), dv_d = kernel_output_values(k, "dv", kv_size);
    }
    void *out_d = kernel_output_values(k, "out", R * width);
    void *lse_d = kernel_output(k, "lse", (size_t)(R * c->H) * F4);
    void *dout_d = kernel_input_values(k, "dout", dout.f, R * width);
    void *workspace = kernel_output(k, "workspace", KERNEL(k, attention_workspace)(&a, k->dtype));
    KERNEL(k, attention_forward)
    (out_d, lse_d, q_d, q_stride, k_d, kv_stride, v_d, kv_stride, &a, drop_device, k->dtype, workspace, k->stream);
    compare_columns(k, "attention out", out_d, k->dtype, width, out, R, width, false);
    compare_columns(k, "attention lse", lse_d, HONE_F32, c->H, lse, R, c->H, false);
    KERNEL(k, attention_backward)
    (dq_d, dk_d, dv_d, dout_d, lse_d, q_d, q_stride, k_d, kv_stride, v_d, kv_stride, &a, drop_device, k->dtype,
     workspace, k->stream);
    compare_columns(k, "attention dq", dq_d, k->dtype, q_stride, dq, R, width, false);
    compare_columns(k, "attention dk", dk_d, k->dtype, kv_stride, dk, T, width, false);
    compare_columns(k, "attention dv", dv_d, k->dtype, kv_stride, dv, T, width, c->packed);
    kernel_finish(k);
    kernel_dropout_free(&drop);
    kernel_noise_free(&q), kernel_noise_free(&key), kernel_noise_free(&v), kernel_noise_free(&dout);
    hone_free(out), hone_free(lse), hone_free(dq), hone_free(dk), hone_free(dv), hone_free(rows);
    hone_free(q_host), hone_free(k_host), hone_free(v_host);
}

void kernel_cases_attention(struct kernel_buffers *k) {
    static const struct {
        int32_t lengths[6];
        int64_t H, D;
    } shapes[] = {
        {{1, -1}, 1, 1},           {{7, 0, 63, 1, 0, -1}, 3, 8},  {{23, 16, 17, 31, -1}, 12, 32},
        {{64, 0, 65, -1}, 2, 33},  {{48, 49, 96, 97, -1}, 2, 64}, {{5, 128, -1}, 1, 128},
        {{0, 0, -1}, 2, 16},       {{512, 3, -1}, 1, 40},         {{1, 1023, 7, -1}, 2, 7},
        {{1500, 0, 1, -1}, 1, 16}, {{4099, 2, -1}, 1, 8},
    };
    for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++)
        for (int options = 0; options < 16; options++) {
            /* The long ones with a few of the options only: they take the time. */
            int32_t longest = shapes[i].lengths[0] + shapes[i].lengths[1];
            if (longest > 1000 && options % (longest > 4000 ? 15 : 5) != 0) continue;
            if (k->light && (longest > 200 || (i > 1 && options % 5 != 0))) continue;
            struct attention_case c = {.H = shapes[i].H, .D = shapes[i].D};
            memcpy(c.lengths, shapes[i].lengths, sizeof(c.lengths));
            c.packed = options & 1, c.causal = options & 2, c.pruned = options & 4, c.dropout = options & 8;
            attention_run(k, &c);
        }
}
