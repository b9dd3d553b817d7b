/* Sums of table rows, and their gradients. Backward gives each thread a slice of columns and walks the tokens in
 * order, so tokens that share a row need no atomics and the order of the sums is fixed. */
#include "base/arith.h"
#include "kernels/cpu/cpu.h"
#include "kernels/cpu/vector.h"

enum { COLUMNS = 64 };

HONE_CLONES static void forward_row(float *y, const float *word, const float *position, const float *type, int64_t C) {
    for (int64_t c = 0; c < C; c += HONE_LANES) {
        hone_vec sum = vec_load_n(word + c, C - c);
        if (position) sum += vec_load_n(position + c, C - c);
        if (type) sum += vec_load_n(type + c, C - c);
        vec_store_n(y + c, sum, C - c);
    }
}

void hone_cpu_embedding_forward(float *y, const float *word, const int32_t *ids, const float *position,
                                const int32_t *positions, const float *type, const int32_t *types, int64_t T, int64_t C,
                                struct hone_stream *s) {
    (void)s;
#pragma omp parallel for schedule(static) if (T * C > HONE_CPU_PARALLEL)
    for (int64_t t = 0; t < T; t++)
        forward_row(y + t * C, word + ids[t] * C, position ? position + positions[t] * C : NULL,
                    type ? type + types[t] * C : NULL, C);
}

HONE_CLONES static void backward_columns(float *table, const int32_t *indices, const float *dy, int64_t T, int64_t C,
                                         int64_t from) {
    int64_t end = hone_min_i64(C, from + COLUMNS);
    for (int64_t t = 0; t < T; t++) {
        float *row = table + indices[t] * C;
        for (int64_t c = from; c < end; c += HONE_LANES)
            vec_store_n(row + c, vec_load_n(row + c, end - c) + vec_load_n(dy + t * C + c, end - c), end - c);
    }
}

void hone_cpu_embedding_backward(float *dword, const int32_t *ids, float *dposition, const int32_t *positions,
                                 float *dtype_table, const int32_t *types, const float *dy, int64_t T, int64_t C,
                                 void *workspace, struct hone_stream *s) {
    (void)workspace;
    (void)s;
#pragma omp parallel for schedule(static) if (T * C > HONE_CPU_PARALLEL)
    for (int64_t c = 0; c < C; c += COLUMNS) {
        if (dword) backward_columns(dword, ids, dy, T, C, c);
        if (dposition) backward_columns(dposition, positions, dy, T, C, c);
        if (dtype_table) backward_columns(dtype_table, types, dy, T, C, c);
    }
}

size_t hone_cpu_embedding_backward_workspace(int64_t T, int64_t C) {
    (void)T;
    (void)C;
    return 0;
}
