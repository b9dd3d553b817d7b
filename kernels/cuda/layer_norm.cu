/* LayerNorm of x + dropout(r). A warp has a row, eight elements to a lane at a time, all of it in registers; statistics
 * take two passes over them. Rows that are longer, or no multiple of eight, go to kernels with a block to a row, which
 * read again what they don't keep. Backward sums the gradients of gamma and beta over 32 rows to a block, in the order
 * of rows within a warp and of warps within the block, into the workspace, which a second kernel sums in order. */
#include "kernels/cuda/cuda.cuh"
#include "kernels/cuda/dropout.cuh"
#include "kernels/cuda/values.cuh"

static constexpr int WARPS = 4, THREADS = WARPS * LANES, ROWS = 32, ROWS_OF_WARP = ROWS / WARPS;

/* What both directions read. */
template <typename T> struct rows {
    const float *x;
    const T *r; /* or NULL */
    drop_site drop;
    int64_t T_, C;
};

/* z = x + dropout(r) of eight elements from column c on; factors are dropout's. */
template <typename T>
__device__ __forceinline__ void residual8(float z[8], float factors[8], const rows<T> &in, int64_t row, int64_t key,
                                          int c) {
    load8(z, in.x + row * in.C + c);
    if (!in.r) return;
    float branch[8];
    load8(branch, in.r + row * in.C + c);
    if (in.drop.on) drop_factors(factors, in.drop, key, (uint32_t)c / 8);
#pragma unroll
    for (int i = 0; i < 8; i++) z[i] += in.drop.on ? branch[i] * factors[i] : branch[i];
}

template <typename T>
__device__ __forceinline__ float residual(float *factor, const rows<T> &in, int64_t row, int64_t key, int64_t c) {
    *factor = in.drop.on ? drop_factor(in.drop, key, (uint32_t)c) : 1.0f;
    float z = in.x[row * in.C + c];
    return in.r ? z + to_float(in.r[row * in.C + c]) * *factor : z;
}

/* N: eights to a lane. */
template <typename T, int N>
__global__ void __launch_bounds__(THREADS) layer_norm_forward_kernel(float *y, float *mean, float *rstd, rows<T> in,
                                                                     const float *gamma, const float *beta, float eps) {
    int64_t row = (int64_t)blockIdx.x * WARPS + threadIdx.x / LANES;
    int lane = (int)threadIdx.x % LANES, C = (int)in.C;
    if (row >= in.T_) return; /* all lanes of a warp together */
    int64_t key = in.drop.on ? drop_row_key(in.drop, row) : 0;
    float z[N][8], factors[8], sum = 0, squares = 0;
#pragma unroll
    for (int n = 0; n < N; n++) {
        int c = (n * LANES + lane) * 8;
        if (c >= C) continue;
        residual8(z[n], factors, in, row, key, c);
#pragma unroll
        for (int i = 0; i < 8; i++) sum += z[n][i];
    }
    float m = warp_sum(sum) / (float)C;
#pragma unroll
    for (int n = 0; n < N; n++) {
        if ((n * LANES + lane) * 8 >= C) continue;
#pragma unroll
        for (int i = 0; i < 8; i++) squares += (z[n][i] - m) * (z[n][i] - m);
    }
    float scale = 1.0f / sqrtf(warp_sum(squares) / (float)C + eps);
#pragma unroll
    for (int n = 0; n < N; n++) {
        int c = (n * LANES + lane) * 8;
        if (c >= C) continue;
        float g[8], b[8], out[8];
        load8(g, gamma + c);
        load8(b, beta + c);
#pragma unroll
        for (int i = 0; i < 8; i++) out[i] = (z[n][i] - m) * scale * g[i] + b[i];
        store8(y + row * C + c, out);
    }
    if (lane == 0) mean[row] = m, rstd[row] = scale;
}

/* Any C: a block has a row, y keeps z. */
template <typename T>
__global__ void __launch_bounds__(THREADS)
    layer_norm_forward_any_kernel(float *y, float *mean, float *rstd, rows<T> in, const float *gamma, const float *beta,
                                  float eps) {
    float *scratch = (float *)shared_memory();
    int64_t row = blockIdx.x, key = in.drop.on ? drop_row_key(in.drop, row) : 0;
    float *z = y + row * in.C, factor, sum = 0, squares = 0;
    for (int64_t c = threadIdx.x; c < in.C; c += THREADS) {
        z[c] = residual(&factor, in, row, key, c);
        sum += z[c];
    }
    float m = block_sum(sum, scratch) / (float)in.C;
    for (int64_t c = threadIdx.x; c < in.C; c += THREADS) squares += (z[c] - m) * (z[c] - m);
    float scale = 1.0f / sqrtf(block_sum(squares, scratch) / (float)in.C + eps);
    for (int64_t c = threadIdx.x; c < in.C; c += THREADS) z[c] = (z[c] - m) * scale * gamma[c] + beta[c];
    if (threadIdx.x == 0) mean[row] = m, rstd[row] = scale;
}

template <typename T> struct gradients {
    float *dx;
    T *dr; /* or NULL */
    const float *dy, *mean, *rstd, *gamma;
    float *partial; /* [blocks, 2, C]: sums for gamma, then for beta */
    bool accumulate;
};

template <typename T, int N>
__global__ void __launch_bounds__(THREADS) layer_norm_backward_kernel(gradients<T> to, rows<T> in) {
    int warp = (int)threadIdx.x / LANES, lane = (int)threadIdx.x % LANES, C = (int)in.C;
    float *shared = (float *)shared_memory(); /* [WARPS, 2, C] */
    float dgamma[N][8] = {}, dbeta[N][8] = {};
    for (int k = 0; k < ROWS_OF_WARP; k++) {
        int64_t row = (int64_t)blockIdx.x * ROWS + warp * ROWS_OF_WARP + k;
        if (row >= in.T_) break;
        int64_t key = in.drop.on ? drop_row_key(in.drop, row) : 0;
        float m = to.mean[row], scale = to.rstd[row], h[N][8], dh[N][8], factors[N][8], sum = 0, sum_h = 0;
#pragma unroll
        for (int n = 0; n < N; n++) {
            int c = (n * LANES + lane) * 8;
            if (c >= C) continue;
            float g[8];
            residual8(h[n], factors[n], in, row, key, c);
            load8(dh[n], to.dy + row * C + c);
            load8(g, to.gamma + c);
#pragma unroll
            for (int i = 0; i < 8; i++) {
                h[n][i] = (h[n][i] - m) * scale;
                dgamma[n][i] += dh[n][i] * h[n][i];
                dbeta[n][i] += dh[n][i];
                dh[n][i] *= g[i];
                sum += dh[n][i];
                sum_h += dh[n][i] * h[n][i];
            }
        }
        sum = warp_sum(sum) / (float)C;
        sum_h = warp_sum(sum_h) / (float)C;
#pragma unroll
        for (int n = 0; n < N; n++) {
            int c = (n * LANES + lane) * 8;
            if (c >= C) continue;
            float dz[8], old[8];
#pragma unroll
            for (int i = 0; i < 8; i++) dz[i] = (dh[n][i] - sum - h[n][i] * sum_h) * scale;
            if (to.dr) {
                float dr[8];
#pragma unroll
                for (int i = 0; i < 8; i++) dr[i] = in.drop.on ? dz[i] * factors[n][i] : dz[i];
                store8(to.dr + row * C + c, dr);
            }
            if (to.accumulate) {
                load8(old, to.dx + row * C + c);
#pragma unroll
                for (int i = 0; i < 8; i++) dz[i] += old[i];
            }
            store8(to.dx + row * C + c, dz);
        }
    }
#pragma unroll
    for (int n = 0; n < N; n++) {
        int c = (n * LANES + lane) * 8;
        if (c >= C) continue;
        store8(shared + warp * 2 * C + c, dgamma[n]);
        store8(shared + (warp * 2 + 1) * C + c, dbeta[n]);
    }
    __syncthreads();
    for (int c = (int)threadIdx.x; c < 2 * C; c += THREADS) {
        float total = 0;
        for (int w = 0; w < WARPS; w++) total += shared[w * 2 * C + c];
        to.partial[(int64_t)blockIdx.x * 2 * C + c] = total;
    }
}

/* Any C: a block has 32 rows, one after the other; a thread's columns are its own in the workspace. */
template <typename T>
__global__ void __launch_bounds__(THREADS, 1) layer_norm_backward_any_kernel(gradients<T> to, rows<T> in) {
    float *scratch = (float *)shared_memory(), factor;
    float *dgamma = to.partial + (int64_t)blockIdx.x * 2 * in.C, *dbeta = dgamma + in.C;
    for (int64_t c = threadIdx.x; c < in.C; c += THREADS) dgamma[c] = dbeta[c] = 0;
    for (int64_t row = (int64_t)blockIdx.x * ROWS; row < in.T_ && row < ((int64_t)blockIdx.x + 1) * ROWS; row++) {
        int64_t key = in.drop.on ? drop_row_key(in.drop, row) : 0;
        float m = to.mean[row], scale = to.rstd[row], sum = 0, sum_h = 0;
        for (int64_t c = threadIdx.x; c < in.C; c += THREADS) {
            float h = (residual(&factor, in, row, key, c) - m) * scale, dy = to.dy[row * in.C + c];
            dgamma[c] += dy * h;
            dbeta[c] += dy;
            sum += dy * to.gamma[c];
            sum_h += dy * to.gamma[c] * h;
        }
        sum = block_sum(sum, scratch) / (float)in.C;
        sum_h = block_sum(sum_h, scratch) / (float)in.C;
        for (int64_t c = threadIdx.x; c < in.C; c += THREADS) {
            int64_t at = row * in.C + c;
            float h = (residual(&factor, in, row, key, c) - m) * scale;
            float dz = (to.dy[at] * to.gamma[c] - sum - h * sum_h) * scale;
            if (to.dr) store(to.dr + at, dz * factor);
            to.dx[at] = to.accumulate ? to.dx[at] + dz : dz;
        }
    }
}

/* A block adds 32 of the 2 C columns: its eight warps take every eighth of the blocks' sums, then the warps are added. */
static constexpr int SUM_WARPS = 8;
static __global__ void layer_norm_sum_kernel(float *dgamma, float *dbeta, const float *partial, int64_t blocks,
                                             int64_t C) {
    float *shared = (float *)shared_memory(); /* [SUM_WARPS, LANES] */
    int lane = (int)threadIdx.x % LANES, warp = (int)threadIdx.x / LANES;
    int64_t column = (int64_t)blockIdx.x * LANES + lane;
    float sum = 0;
    for (int64_t b = warp; b < blocks && column < 2 * C; b += SUM_WARPS) sum += partial[b * 2 * C + column];
    shared[threadIdx.x] = sum;
    __syncthreads();
    if (warp > 0 || column >= 2 * C) return;
    for (int w = 1; w < SUM_WARPS; w++) sum += shared[w * LANES + lane];
    if (column < C && dgamma) dgamma[column] += sum;
    if (column >= C && dbeta) dbeta[column - C] += sum;
}

/* Calls f(N) with N eights to a lane, enough for a row of C, as a constant; 0: the row goes to the kernels for any C. */
template <typename F> static void by_width(int64_t C, const F &f) {
    int64_t eights = C % 8 == 0 ? blocks_of(C / 8, LANES) : 9;
    if (eights <= 1) return f(std::integral_constant<int, 1>());
    if (eights <= 2) return f(std::integral_constant<int, 2>());
    if (eights <= 3) return f(std::integral_constant<int, 3>());
    if (eights <= 4) return f(std::integral_constant<int, 4>());
    f(std::integral_constant<int, 0>());
}

template <typename T>
static void forward(float *y, float *mean, float *rstd, const rows<T> &in, const float *gamma, const float *beta,
                    float eps, struct hone_stream *s) {
    by_width(in.C, [&](auto n) {
        constexpr int N = decltype(n)::value;
        const char *op = "residual_layer_norm_forward";
        if constexpr (N > 0)
            launch(s, op, layer_norm_forward_kernel<T, N>, blocks_of(in.T_, WARPS), THREADS, 0, y, mean, rstd, in,
                   gamma, beta, eps);
        else
            launch(s, op, layer_norm_forward_any_kernel<T>, in.T_, THREADS, WARPS * sizeof(float), y, mean, rstd, in,
                   gamma, beta, eps);
    });
}

void hone_cuda_residual_layer_norm_forward(float *y, float *mean, float *rstd, const float *x, const void *r,
                                           const float *gamma, const float *beta, float eps,
                                           const struct hone_dropout *drop, int64_t tokens, int64_t C,
                                           enum hone_dtype dtype, struct hone_stream *s) {
    HONE_CUDA_BY_DTYPE(dtype, (forward<T>(y, mean, rstd, {x, (const T *)r, drop_site_of(r ? drop : NULL), tokens, C},
                                          gamma, beta, eps, s)));
}

template <typename T>
static void backward(const gradients<T> &to, const rows<T> &in, float *dgamma, float *dbeta, struct hone_stream *s) {
    const char *op = "residual_layer_norm_backward";
    int64_t blocks = blocks_of(in.T_, ROWS);
    by_width(in.C, [&](auto n) {
        constexpr int N = decltype(n)::value;
        if constexpr (N > 0)
            launch(s, op, layer_norm_backward_kernel<T, N>, blocks, THREADS, WARPS * 2 * (size_t)in.C * sizeof(float),
                   to, in);
        else
            launch(s, op, layer_norm_backward_any_kernel<T>, blocks, THREADS, WARPS * sizeof(float), to, in);
    });
    if (dgamma || dbeta)
        launch(s, op, layer_norm_sum_kernel, blocks_of(2 * in.C, LANES), SUM_WARPS * LANES,
               SUM_WARPS * LANES * sizeof(float), dgamma, dbeta, (const float *)to.partial, blocks, in.C);
}

void hone_cuda_residual_layer_norm_backward(float *dx, void *dr, float *dgamma, float *dbeta, const float *dy,
                                            const float *x, const void *r, const float *mean, const float *rstd,
                                            const float *gamma, bool accumulate, const struct hone_dropout *drop,
                                            int64_t tokens, int64_t C, enum hone_dtype dtype, void *workspace,
                                            struct hone_stream *s) {
    HONE_CUDA_BY_DTYPE(dtype,
                       (backward<T>({dx, (T *)dr, dy, mean, rstd, gamma, (float *)workspace, accumulate},
                                    {x, (const T *)r, drop_site_of(r ? drop : NULL), tokens, C}, dgamma, dbeta, s)));
}

size_t hone_cuda_residual_layer_norm_backward_workspace(int64_t tokens, int64_t C) {
    return (size_t)(blocks_of(tokens, ROWS) * 2 * C) * sizeof(float);
}
