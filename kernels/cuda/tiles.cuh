/* Tiles of bf16 matrices in shared memory, for tensor cores: rows of COLUMNS elements and a gap, which sends the eight
 * rows that ldmatrix reads at a time to different banks. Fragments (ptx.cuh): with g = lane / 4 and t = lane % 4 a lane has
 * rows g and g + 8 of 16, and columns 2t and 2t + 1 of each eight. */
#ifndef HONE_KERNELS_CUDA_TILES_CUH
#define HONE_KERNELS_CUDA_TILES_CUH

#include "kernels/cuda/values.cuh"

static constexpr int TILE_GAP = 8;
template <int COLUMNS> static constexpr int tile_row = COLUMNS + TILE_GAP;

/* Begins to copy rows from … from + ROWS - 1 and columns column … column + COLUMNS - 1 of a matrix into a tile, with
 * THREADS threads; what lies past `end` rows or past `columns` columns becomes 0. Addresses are multiples of 16 bytes. */
template <int ROWS, int COLUMNS, int THREADS>
__device__ __forceinline__ void tile_copy(bf16 *tile, const bf16 *matrix, int64_t stride, int64_t from, int64_t end,
                                          int64_t column, int64_t columns) {
    for (int i = (int)threadIdx.x; i < ROWS * (COLUMNS / 8); i += THREADS) {
        int row = i / (COLUMNS / 8), c = i % (COLUMNS / 8) * 8;
        bool valid = from + row < end && column + c < columns;
        ptx_copy_async(tile + row * tile_row<COLUMNS> + c, valid ? matrix + (from + row) * stride + column + c : matrix,
                       valid);
    }
}

/* The left operand of ptx_multiply, 16 x 16 from (row, column) on; `transposed`: of the tile's transpose. */
template <int COLUMNS, bool transposed>
__device__ __forceinline__ void tile_left(uint32_t a[4], const bf16 *tile, int row, int column) {
    int lane = (int)threadIdx.x % LANES;
    if (transposed)
        ptx_load_matrices<true>(a, tile + (column + lane / 16 * 8 + lane % 8) * tile_row<COLUMNS> + row +
                                       lane / 8 % 2 * 8);
    else
        ptx_load_matrices<false>(a, tile + (row + lane % 16) * tile_row<COLUMNS> + column + lane / 16 * 8);
}

/* The right operands of two ptx_multiply, 16 x 16 with rows k and columns n, the first eight columns in b[0] and b[1]:
 * from (k, n) on of a tile, or, `transposed`, of a tile whose rows are those columns. */
template <int COLUMNS, bool transposed>
__device__ __forceinline__ void tile_right(uint32_t b[4], const bf16 *tile, int k, int n) {
    int lane = (int)threadIdx.x % LANES;
    if (transposed)
        ptx_load_matrices<false>(b, tile + (n + lane / 16 * 8 + lane % 8) * tile_row<COLUMNS> + k + lane / 8 % 2 * 8);
    else
        ptx_load_matrices<true>(b, tile + (k + lane % 16) * tile_row<COLUMNS> + n + lane / 16 * 8);
}

#endif
