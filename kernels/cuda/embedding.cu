/* Sums of table rows, and their gradients without atomics: tokens are sorted by their index, stably; a block adds 32
 * neighbours in that order to the rows of the table that no other block has, and keeps the sums of the runs that reach
 * over its edges for a second kernel, which adds those of a run. A row's sum thus goes in the order of tokens, in pieces
 * that depend on the indices alone. */
#include "kernels/cuda/cuda.cuh"
#include "kernels/cuda/values.cuh"

static constexpr int RANK_THREADS = 128, PIECE = 32, PIECE_THREADS = 128, SUM_WARPS = 8;

struct tables {
    const float *word, *position, *type; /* the last two may be NULL, with their indices */
    const int32_t *ids, *positions, *types;
};

static __global__ void __launch_bounds__(EIGHTS_THREADS)
    embedding_forward_kernel(float *y, tables in, int64_t T_, int64_t C) {
    int64_t eights = (C + 7) / 8, i = own_eight() / 8, t = i / eights, c = i % eights * 8;
    if (t >= T_) return;
    float sum[8], v[8];
    read8(sum, in.word + in.ids[t] * C + c, C - c);
    if (in.position) {
        read8(v, in.position + in.positions[t] * C + c, C - c);
#pragma unroll
        for (int k = 0; k < 8; k++) sum[k] += v[k];
    }
    if (in.type) {
        read8(v, in.type + in.types[t] * C + c, C - c);
#pragma unroll
        for (int k = 0; k < 8; k++) sum[k] += v[k];
    }
    write8(y + t * C + c, sum, C - c);
}

void hone_cuda_embedding_forward(float *y, const float *word, const int32_t *ids, const float *position,
                                 const int32_t *positions, const float *type, const int32_t *types, int64_t T_,
                                 int64_t C, struct hone_stream *s) {
    launch(s, "embedding_forward", embedding_forward_kernel, blocks_of(T_ * blocks_of(C, 8) * 8, EIGHTS),
           EIGHTS_THREADS, 0, y, tables{word, position, type, ids, positions, types}, T_, C);
}

/* order[rank of token t] = t. A token's rank is the number of those before it: each thread looks at all of them, which
 * for a batch's tokens is less work than a sort in passes. */
static __global__ void __launch_bounds__(RANK_THREADS)
    embedding_rank_kernel(int32_t *order, const int32_t *indices, int64_t T_) {
    int32_t *tile = (int32_t *)shared_memory(); /* [RANK_THREADS] */
    int64_t t = (int64_t)blockIdx.x * RANK_THREADS + threadIdx.x;
    int32_t own = t < T_ ? indices[t] : 0, rank = 0;
    for (int64_t from = 0; from < T_; from += RANK_THREADS) {
        int n = (int)(T_ - from < RANK_THREADS ? T_ - from : RANK_THREADS);
        if ((int)threadIdx.x < n) tile[threadIdx.x] = indices[from + threadIdx.x];
        __syncthreads();
        int64_t before = t - from; /* of equal ones, those with i < before come first */
        for (int i = 0; i < n; i++) rank += tile[i] < own || (tile[i] == own && i < before);
        __syncthreads();
    }
    if (t < T_) order[rank] = (int32_t)t;
}

/* partial: [blocks, 2, C]: a block's part of the run that began before it, and of the one that goes on behind it. */
static __global__ void __launch_bounds__(PIECE_THREADS)
    embedding_piece_kernel(float *table, float *partial, const int32_t *order, const int32_t *indices, const float *dy,
                           int64_t T_, int64_t C) {
    int32_t *tokens = (int32_t *)shared_memory(), *index = tokens + PIECE + 2; /* with a neighbour on either side */
    int64_t from = (int64_t)blockIdx.x * PIECE;
    int n = (int)(T_ - from < PIECE ? T_ - from : PIECE);
    if (threadIdx.x < PIECE + 2) {
        int64_t k = from - 1 + threadIdx.x;
        bool there = k >= 0 && k < T_;
        tokens[threadIdx.x] = there ? order[k] : 0;
        index[threadIdx.x] = there ? indices[order[k]] : -1;
    }
    __syncthreads();
    for (int64_t c = threadIdx.x; c < C; c += PIECE_THREADS) {
        float sum = 0;
        bool whole = index[1] != index[0];
        for (int k = 1; k <= n; k++) {
            sum += dy[tokens[k] * C + c];
            if (index[k + 1] == index[k] && k < n) continue;
            bool ends = index[k + 1] != index[k];
            if (whole && ends)
                table[index[k] * C + c] += sum;
            else
                partial[((int64_t)blockIdx.x * 2 + whole) * C + c] = sum;
            sum = 0;
            whole = true;
        }
    }
}

/* A block for each piece that a run begins in which goes on, and 32 columns: its warps take every eighth piece. */
static __global__ void __launch_bounds__(SUM_WARPS *LANES)
    embedding_sum_kernel(float *table, const float *partial, const int32_t *order, const int32_t *indices, int64_t T_,
                         int64_t C) {
    int64_t tiles = (C + LANES - 1) / LANES, piece = blockIdx.x / tiles, end = (piece + 1) * PIECE;
    int32_t id = end < T_ ? indices[order[end - 1]] : -1;
    if (end >= T_ || indices[order[end]] != id) return;
    int64_t begin = piece * PIECE;
    if (begin > 0 && indices[order[begin - 1]] == id && indices[order[begin]] == id) return; /* began before */
    float *shared = (float *)shared_memory();
    int lane = (int)threadIdx.x % LANES, warp = (int)threadIdx.x / LANES;
    int64_t c = blockIdx.x % tiles * LANES + lane;
    float sum = 0;
    for (int64_t j = piece + 1 + warp; c < C && j * PIECE < T_ && indices[order[j * PIECE]] == id; j += SUM_WARPS)
        sum += partial[j * 2 * C + c];
    shared[threadIdx.x] = sum;
    __syncthreads();
    if (warp > 0 || c >= C) return;
    float total = partial[(piece * 2 + 1) * C + c];
    for (int w = 0; w < SUM_WARPS; w++) total += shared[w * LANES + lane];
    table[id * C + c] += total;
}

static void add_table(float *table, const int32_t *indices, const float *dy, int64_t T_, int64_t C, void *workspace,
                      struct hone_stream *s) {
    int64_t pieces = blocks_of(T_, PIECE);
    float *partial = (float *)workspace;
    int32_t *order = (int32_t *)(partial + pieces * 2 * C);
    const char *op = "embedding_backward";
    if (!table) return;
    launch(s, op, embedding_rank_kernel, blocks_of(T_, RANK_THREADS), RANK_THREADS, RANK_THREADS * sizeof(int32_t),
           order, indices, T_);
    launch(s, op, embedding_piece_kernel, pieces, PIECE_THREADS, 2 * (PIECE + 2) * sizeof(int32_t), table, partial,
           (const int32_t *)order, indices, dy, T_, C);
    launch(s, op, embedding_sum_kernel, pieces * blocks_of(C, LANES), SUM_WARPS * LANES,
           SUM_WARPS * LANES * sizeof(float), table, (const float *)partial, (const int32_t *)order, indices, T_, C);
}

void hone_cuda_embedding_backward(float *dword, const int32_t *ids, float *dposition, const int32_t *positions,
                                  float *dtype_table, const int32_t *types, const float *dy, int64_t T_, int64_t C,
                                  void *workspace, struct hone_stream *s) {
    add_table(dword, ids, dy, T_, C, workspace, s);
    add_table(dposition, positions, dy, T_, C, workspace, s);
    add_table(dtype_table, types, dy, T_, C, workspace, s);
}

size_t hone_cuda_embedding_backward_workspace(int64_t T_, int64_t C) {
    return (size_t)(blocks_of(T_, PIECE) * 2 * C + T_) * sizeof(float);
}
