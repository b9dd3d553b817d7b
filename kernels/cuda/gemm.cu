/* linear_* on this plug-in's own kernels, which need no library, round once and know every shape: in bf16 on tensor cores
 * where rows are aligned to 16 bytes, else, and in f32, without. A block has a tile of the result and goes over what is
 * summed in order, so bits depend on nothing but the shape. */
#include "kernels/cuda/cuda.cuh"
#include "kernels/cuda/tiles.cuh"

/* result[M, N] (+)= left right + bias, over K. A matrix's element (i, j) lies at i * row + j * column; one of the two is
 * 1. */
template <typename T> struct operand {
    const T *at;
    int64_t row, column;
};

template <typename T, typename Out> struct product {
    operand<T> left, right;
    Out *result;       /* rows of N */
    const float *bias; /* [N] or NULL */
    bool accumulate;
    int64_t M, N, K;
};

template <typename T, typename Out>
__device__ __forceinline__ void finish(const product<T, Out> &p, int64_t row, int64_t column, float sum) {
    Out *to = p.result + row * p.N + column;
    if (p.bias) sum += p.bias[column];
    store(to, p.accumulate ? to_float(*to) + sum : sum);
}

/* Any shape: tiles of 64 x 64, 4 x 4 elements to a thread. */
static constexpr int ANY_TILE = 64, ANY_STEP = 16, ANY_THREADS = 256, ANY_ROW = ANY_TILE + 4;

template <typename T, typename Out> __global__ void __launch_bounds__(ANY_THREADS) gemm_any_kernel(product<T, Out> p) {
    float *left = (float *)shared_memory(), *right = left + ANY_STEP * ANY_ROW; /* [ANY_STEP, ANY_ROW] each */
    int64_t tiles = (p.N + ANY_TILE - 1) / ANY_TILE;
    int64_t first_row = blockIdx.x / tiles * ANY_TILE, first_column = blockIdx.x % tiles * ANY_TILE;
    int x = (int)threadIdx.x % 16 * 4, y = (int)threadIdx.x / 16 * 4;
    float sum[4][4] = {};
    for (int64_t k = 0; k < p.K; k += ANY_STEP) {
        /* Neighbouring threads read neighbouring addresses. */
        for (int i = (int)threadIdx.x; i < ANY_TILE * ANY_STEP; i += ANY_THREADS) {
            int m = p.left.column == 1 ? i / ANY_STEP : i % ANY_TILE,
                km = p.left.column == 1 ? i % ANY_STEP : i / ANY_TILE;
            int n = p.right.row == 1 ? i / ANY_STEP : i % ANY_TILE, kn = p.right.row == 1 ? i % ANY_STEP : i / ANY_TILE;
            bool left_there = first_row + m < p.M && k + km < p.K;
            bool right_there = first_column + n < p.N && k + kn < p.K;
            left[km * ANY_ROW + m] =
                left_there ? to_float(p.left.at[(first_row + m) * p.left.row + (k + km) * p.left.column]) : 0.0f;
            right[kn * ANY_ROW + n] =
                right_there ? to_float(p.right.at[(k + kn) * p.right.row + (first_column + n) * p.right.column]) : 0.0f;
        }
        __syncthreads();
#pragma unroll
        for (int s = 0; s < ANY_STEP; s++) {
            float4 a = *(const float4 *)(left + s * ANY_ROW + y), b = *(const float4 *)(right + s * ANY_ROW + x);
            const float as[4] = {a.x, a.y, a.z, a.w}, bs[4] = {b.x, b.y, b.z, b.w};
#pragma unroll
            for (int i = 0; i < 4; i++)
#pragma unroll
                for (int j = 0; j < 4; j++) sum[i][j] += as[i] * bs[j];
        }
        __syncthreads();
    }
#pragma unroll
    for (int i = 0; i < 4; i++)
#pragma unroll
        for (int j = 0; j < 4; j++)
            if (first_row + y + i < p.M && first_column + x + j < p.N)
                finish(p, first_row + y + i, first_column + x + j, sum[i][j]);
}

/* Tensor cores: tiles of 128 x 128, 32 of K at a time, 32 x 64 to a warp. LEFT_K, RIGHT_K: the operand's rows go along
 * K. */
static constexpr int TILE = 128, STEP = 32, GEMM_THREADS = 256;

template <bool along_k>
__device__ __forceinline__ void copy_operand(bf16 *tile, const bf16 *at, int64_t stride, int64_t first, int64_t end,
                                             int64_t k, int64_t K) {
    if (along_k)
        tile_copy<TILE, STEP, GEMM_THREADS>(tile, at, stride, first, end, k, K);
    else
        tile_copy<STEP, TILE, GEMM_THREADS>(tile, at, stride, k, K, first, end);
}

template <bool LEFT_K, bool RIGHT_K, typename Out>
__global__ void __launch_bounds__(GEMM_THREADS) gemm_kernel(product<bf16, Out> p) {
    constexpr int SIZE =
        TILE * (STEP + TILE_GAP) > STEP * (TILE + TILE_GAP) ? TILE * (STEP + TILE_GAP) : STEP * (TILE + TILE_GAP);
    constexpr int LEFT = LEFT_K ? STEP : TILE, RIGHT = RIGHT_K ? STEP : TILE; /* columns of the tiles */
    bf16 *left = (bf16 *)shared_memory(), *right = left + 2 * SIZE;           /* two tiles each */
    int64_t tiles = (p.N + TILE - 1) / TILE;
    int64_t first_row = blockIdx.x / tiles * TILE, first_column = blockIdx.x % tiles * TILE;
    int64_t left_stride = LEFT_K ? p.left.row : p.left.column, right_stride = RIGHT_K ? p.right.column : p.right.row;
    int warp = (int)threadIdx.x / LANES, row = warp / 2 * 32, column = warp % 2 * 64, lane = (int)threadIdx.x % LANES;
    float sum[2][8][4] = {};
    copy_operand<LEFT_K>(left, p.left.at, left_stride, first_row, p.M, 0, p.K);
    copy_operand<RIGHT_K>(right, p.right.at, right_stride, first_column, p.N, 0, p.K);
    ptx_copy_commit();
    int turn = 0;
    for (int64_t k = 0; k < p.K; k += STEP, turn ^= 1) {
        ptx_copy_wait<0>();
        __syncthreads(); /* this step's tiles are there for all, and nobody reads the others any more */
        if (k + STEP < p.K) {
            copy_operand<LEFT_K>(left + (turn ^ 1) * SIZE, p.left.at, left_stride, first_row, p.M, k + STEP, p.K);
            copy_operand<RIGHT_K>(right + (turn ^ 1) * SIZE, p.right.at, right_stride, first_column, p.N, k + STEP,
                                  p.K);
            ptx_copy_commit();
        }
#pragma unroll
        for (int s = 0; s < STEP; s += 16) {
            uint32_t a[2][4], b[4];
#pragma unroll
            for (int m = 0; m < 2; m++) tile_left<LEFT, !LEFT_K>(a[m], left + turn * SIZE, row + m * 16, s);
#pragma unroll
            for (int n = 0; n < 8; n += 2) {
                tile_right<RIGHT, RIGHT_K>(b, right + turn * SIZE, s, column + n * 8);
#pragma unroll
                for (int m = 0; m < 2; m++) {
                    ptx_multiply(sum[m][n], a[m], b[0], b[1]);
                    ptx_multiply(sum[m][n + 1], a[m], b[2], b[3]);
                }
            }
        }
    }
    ptx_copy_wait<0>();
#pragma unroll
    for (int m = 0; m < 2; m++)
#pragma unroll
        for (int n = 0; n < 8; n++)
#pragma unroll
            for (int i = 0; i < 4; i++) {
                int64_t r = first_row + row + m * 16 + lane / 4 + i / 2 * 8;
                int64_t c = first_column + column + n * 8 + lane % 4 * 2 + i % 2;
                if (r < p.M && c < p.N) finish(p, r, c, sum[m][n][i]);
            }
}

static bool aligned(const operand<bf16> &o) {
    int64_t stride = o.row == 1 ? o.column : o.row;
    return (uintptr_t)o.at % 16 == 0 && stride % 8 == 0;
}

template <bool LEFT_K, bool RIGHT_K, typename T, typename Out>
static void multiply(const char *op, const product<T, Out> &p, struct hone_stream *s) {
    if constexpr (std::is_same_v<T, bf16>) {
        /* Copies of 16 bytes must not reach over the end of a row. */
        bool fits =
            aligned(p.left) && aligned(p.right) && (LEFT_K ? p.K : p.M) % 8 == 0 && (RIGHT_K ? p.K : p.N) % 8 == 0;
        if (fits) {
            constexpr size_t bytes = 4 * TILE * (STEP + TILE_GAP) * sizeof(bf16);
            launch(s, op, gemm_kernel<LEFT_K, RIGHT_K, Out>, blocks_of(p.M, TILE) * blocks_of(p.N, TILE), GEMM_THREADS,
                   bytes, p);
            return;
        }
    }
    launch(s, op, gemm_any_kernel<T, Out>, blocks_of(p.M, ANY_TILE) * blocks_of(p.N, ANY_TILE), ANY_THREADS,
           2 * ANY_STEP * ANY_ROW * sizeof(float), p);
}

void hone_cuda_linear_forward(void *y, const void *x, const void *w, const float *bias, int64_t tokens, int64_t N,
                              int64_t K, enum hone_dtype dtype, void *, struct hone_stream *s) {
    HONE_CUDA_BY_DTYPE(
        dtype, (multiply<true, true>(
                   "linear_forward",
                   product<T, T>{{(const T *)x, K, 1}, {(const T *)w, 1, K}, (T *)y, bias, false, tokens, N, K}, s)));
}

void hone_cuda_linear_backward_input(void *dx, enum hone_dtype dx_dtype, const void *dy, const void *w, bool accumulate,
                                     int64_t tokens, int64_t N, int64_t K, enum hone_dtype dtype, void *,
                                     struct hone_stream *s) {
    const char *op = "linear_backward_input";
    if (dtype == HONE_BF16 && dx_dtype == HONE_BF16)
        return multiply<true, false>(
            op,
            product<bf16, bf16>{
                {(const bf16 *)dy, N, 1}, {(const bf16 *)w, K, 1}, (bf16 *)dx, NULL, accumulate, tokens, K, N},
            s);
    HONE_CUDA_BY_DTYPE(
        dtype,
        (multiply<true, false>(
            op,
            product<T, float>{{(const T *)dy, N, 1}, {(const T *)w, K, 1}, (float *)dx, NULL, accumulate, tokens, K, N},
            s)));
}

/* dbias[n] += sum over tokens of dy. A block has 32 columns; its warps take every eighth token, then the warps are
 * added. */
static constexpr int BIAS_WARPS = 8;

template <typename T>
__global__ void __launch_bounds__(BIAS_WARPS *LANES)
    linear_bias_kernel(float *dbias, const T *dy, int64_t tokens, int64_t N) {
    float *shared = (float *)shared_memory(), sum = 0;
    int lane = (int)threadIdx.x % LANES, warp = (int)threadIdx.x / LANES;
    int64_t n = (int64_t)blockIdx.x * LANES + lane;
    for (int64_t t = warp; t < tokens && n < N; t += BIAS_WARPS) sum += to_float(dy[t * N + n]);
    shared[threadIdx.x] = sum;
    __syncthreads();
    if (warp > 0 || n >= N) return;
    for (int w = 1; w < BIAS_WARPS; w++) sum += shared[w * LANES + lane];
    dbias[n] += sum;
}

void hone_cuda_linear_backward_weight(float *dw, float *dbias, void *dy, void *x, int64_t tokens, int64_t N, int64_t K,
                                      enum hone_dtype dtype, void *, struct hone_stream *s) {
    const char *op = "linear_backward_weight";
    if (dw)
        HONE_CUDA_BY_DTYPE(
            dtype,
            (multiply<false, false>(
                op, product<T, float>{{(const T *)dy, 1, N}, {(const T *)x, K, 1}, dw, NULL, true, N, K, tokens}, s)));
    if (dbias)
        HONE_CUDA_BY_DTYPE(dtype, launch(s, op, linear_bias_kernel<T>, blocks_of(N, LANES), BIAS_WARPS * LANES,
                                         BIAS_WARPS * LANES * sizeof(float), dbias, (const T *)dy, tokens, N));
}

size_t hone_cuda_linear_workspace(int64_t, int64_t, int64_t, enum hone_dtype) { return 0; }
