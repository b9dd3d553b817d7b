/* Attention in bf16 on tensor cores (FlashAttention 2: Dao 2023, arXiv 2307.08691), for head sizes that are a multiple of
 * eight up to 128, in rows aligned to 16 bytes. A block has 64 rows of one head of one sequence, 16 to a warp, and goes
 * over the other side in tiles that cp.async brings while the one before is at work: over keys, in forward and for dq;
 * over queries, with scores transposed, for dk and dv. So each result has one owner, and sums go in order, with no
 * atomics. Scores and sums are f32; probabilities and their gradients are rounded to bf16 before they are multiplied
 * with v, k, q or dout. A query row's order of sums depends on its keys alone. */
#include "kernels/cuda/attention.cuh"
#include "kernels/cuda/tiles.cuh"

static constexpr int WARPS = 4, THREADS = WARPS * LANES, ROWS = 64;
static constexpr float LOG2_E = 1.44269504f, LN_2 = 0.693147181f;

/* c[n] += left right^T: 16 rows of `left`, from `row` on, with N rows of `right`, over D columns. */
template <int D, int N>
__device__ __forceinline__ void multiply_rows(float c[N / 8][4], const bf16 *left, int row, const bf16 *right) {
#pragma unroll
    for (int d = 0; d < D; d += 16) {
        uint32_t a[4];
        tile_left<D, false>(a, left, row, d);
#pragma unroll
        for (int n = 0; n < N; n += 16) {
            uint32_t b[4];
            tile_right<D, true>(b, right, d, n);
            ptx_multiply(c[n / 8], a, b[0], b[1]);
            ptx_multiply(c[n / 8 + 1], a, b[2], b[3]);
        }
    }
}

/* sum[d] += p m: p is 16 rows of N in fragments, rounded here; m has N rows of D in a tile. */
template <int D, int N>
__device__ __forceinline__ void multiply_fragments(float sum[D / 8][4], float p[N / 8][4], const bf16 *m) {
#pragma unroll
    for (int n = 0; n < N; n += 16) {
        const float *left = p[n / 8], *right = p[n / 8 + 1];
        const uint32_t a[4] = {ptx_pack_bf16(left[0], left[1]), ptx_pack_bf16(left[2], left[3]),
                               ptx_pack_bf16(right[0], right[1]), ptx_pack_bf16(right[2], right[3])};
#pragma unroll
        for (int d = 0; d < D; d += 16) {
            uint32_t b[4];
            tile_right<D, false>(b, m, n, d);
            ptx_multiply(sum[d / 8], a, b[0], b[1]);
            ptx_multiply(sum[d / 8 + 1], a, b[2], b[3]);
        }
    }
}

/* Rows first + g and first + g + 8 of a warp's 16 go to a matrix; what lies past `end` or past the columns stays. */
template <int D>
__device__ __forceinline__ void write_rows(bf16 *matrix, int64_t stride, int first, int end, int columns,
                                           float sum[D / 8][4], float scale, float scale8) {
    int lane = (int)threadIdx.x % LANES, row = first + lane / 4, column = 2 * (lane % 4);
#pragma unroll
    for (int d = 0; d < D; d += 8) {
        if (d >= columns) continue;
        if (row < end)
            *(uint32_t *)(matrix + row * stride + d + column) =
                ptx_pack_bf16(sum[d / 8][0] * scale, sum[d / 8][1] * scale);
        if (row + 8 < end)
            *(uint32_t *)(matrix + (row + 8) * stride + d + column) =
                ptx_pack_bf16(sum[d / 8][2] * scale8, sum[d / 8][3] * scale8);
    }
}

/* Which of eight elements dropout keeps, a bit each. */
__device__ __forceinline__ uint32_t kept(const drop_site &site, int64_t key, uint32_t element) {
    uint4 words = philox(element / 8, key, site.d.site, site.d.step->seed, site.d.step->step);
    const uint32_t word[4] = {words.x, words.y, words.z, words.w};
    uint32_t bits = 0;
#pragma unroll
    for (int i = 0; i < 4; i++) {
        bits |= (uint32_t)((word[i] & 0xffff) >= site.d.threshold) << (2 * i);
        bits |= (uint32_t)(word[i] >> 16 >= site.d.threshold) << (2 * i + 1);
    }
    return bits;
}

/* Dropout's factors of 16 query rows and N keys from position `from` on. The four lanes of a row need the same bits: each
 * works out every fourth eight of keys, for its two rows, and tells the others. */
template <int N>
__device__ __forceinline__ void drop_queries(float factors[N / 8][4], const drop_site &site, int64_t key, int64_t key8,
                                             int head, int from) {
    int lane = (int)threadIdx.x % LANES, t = lane % 4;
    uint32_t bits = 0;
#pragma unroll
    for (int m = 0; m < N / 32; m++) {
        uint32_t element = attention_element(head) + (uint32_t)(from + (4 * m + t) * 8);
        bits |= (kept(site, key, element) | kept(site, key8, element) << 8) << (16 * m);
    }
#pragma unroll
    for (int n = 0; n < N / 8; n++) {
        uint32_t own = __shfl_sync(ALL_LANES, bits, lane / 4 * 4 + n % 4) >> (n / 4 * 16);
#pragma unroll
        for (int i = 0; i < 4; i++) factors[n][i] = own >> (i / 2 * 8 + 2 * t + i % 2) & 1 ? site.d.scale : 0.0f;
    }
}

/* The same with keys as rows: 16 keys from position `from` on, and N query rows from row `query` on. A lane works out
 * the bits of one query and eight keys for every 16 queries. */
template <int N>
__device__ __forceinline__ void drop_keys(float factors[N / 8][4], const drop_site &site, int head, int from, int query,
                                          int end) {
    int lane = (int)threadIdx.x % LANES, g = lane / 4, t = lane % 4;
    uint32_t bits = 0;
#pragma unroll
    for (int m = 0; m < N / 16; m++) {
        int row = query + m * 16 + lane / 2;
        int64_t key = row < end ? drop_row_key(site, row) : 0;
        bits |= kept(site, key, attention_element(head) + (uint32_t)(from + lane % 2 * 8)) << (8 * m);
    }
#pragma unroll
    for (int n = 0; n < N / 8; n++)
#pragma unroll
        for (int i = 0; i < 4; i++) {
            int source = (n % 2 * 8 + 2 * t + i % 2) * 2 + i / 2;
            uint32_t other = __shfl_sync(ALL_LANES, bits, source) >> (n / 2 * 8);
            factors[n][i] = other >> g & 1 ? site.d.scale : 0.0f;
        }
}

/* A block's place: one head of one sequence, and the first of its 64 rows. */
struct block_place {
    int head, column, first_query, end_query, first_key, end_key, from;
};

__device__ __forceinline__ block_place place_of(const struct hone_attention &a) {
    int tiles = (int)((a.max_len + ROWS - 1) / ROWS), tile = (int)(blockIdx.x % tiles);
    int rest = (int)(blockIdx.x / tiles), head = (int)(rest % a.H);
    int64_t b = rest / a.H;
    return {head, (int)(head * a.D), a.cu_q[b], a.cu_q[b + 1], a.cu_k[b], a.cu_k[b + 1], tile * ROWS};
}

/* Over the four lanes of a row. */
__device__ __forceinline__ float row_sum(float x) {
    x += __shfl_xor_sync(ALL_LANES, x, 1);
    return x + __shfl_xor_sync(ALL_LANES, x, 2);
}

__device__ __forceinline__ float row_max(float x) {
    x = fmaxf(x, __shfl_xor_sync(ALL_LANES, x, 1));
    return fmaxf(x, __shfl_xor_sync(ALL_LANES, x, 2));
}

/* What a lane's two query rows are to a block: their rows, keys that they see, keys of dropout. */
struct query_rows {
    int row[2], visible[2];
    int64_t key[2];
    int most; /* keys that any row of the block sees */
};

template <typename C> __device__ __forceinline__ query_rows query_rows_of(const C &c, const block_place &at) {
    query_rows q;
    int keys = at.end_key - at.first_key, lane = (int)threadIdx.x % LANES;
    q.most = keys;
    if (c.a.causal) {
        int last = at.first_query + at.from + ROWS - 1;
        if (last >= at.end_query) last = at.end_query - 1;
        q.most = attention_visible(c.a, last, at.first_key, keys);
    }
#pragma unroll
    for (int i = 0; i < 2; i++) {
        q.row[i] = at.first_query + at.from + (int)threadIdx.x / LANES * 16 + lane / 4 + 8 * i;
        bool there = q.row[i] < at.end_query;
        q.visible[i] = there ? attention_visible(c.a, q.row[i], at.first_key, keys) : 0;
        q.key[i] = there && c.drop.on ? drop_row_key(c.drop, q.row[i]) : 0;
    }
    return q;
}

template <int D> __global__ void __launch_bounds__(THREADS, 1) attention_forward_kernel(attention<bf16> c) {
    constexpr int N = 64, TILE = N * tile_row<D>;
    block_place at = place_of(c.a);
    if (at.first_query + at.from >= at.end_query) return;
    bf16 *q = (bf16 *)shared_memory(), *k = q + ROWS * tile_row<D>, *v = k + 2 * TILE; /* two tiles each */
    int lane = (int)threadIdx.x % LANES, warp_row = (int)threadIdx.x / LANES * 16, columns = (int)c.a.D;
    query_rows own = query_rows_of(c, at);
    const bf16 *keys = c.k + at.column, *values = c.v + at.column;
    tile_copy<ROWS, D, THREADS>(q, c.q + at.column, c.q_stride, at.first_query + at.from, at.end_query, 0, columns);
    tile_copy<N, D, THREADS>(k, keys, c.k_stride, at.first_key, at.end_key, 0, columns);
    tile_copy<N, D, THREADS>(v, values, c.v_stride, at.first_key, at.end_key, 0, columns);
    ptx_copy_commit();
    float sum[D / 8][4] = {}, total[2] = {}, top[2] = {-INFINITY, -INFINITY}, factor = c.a.scale * LOG2_E;
    for (int from = 0, turn = 0; from < own.most; from += N, turn ^= 1) {
        ptx_copy_wait<0>();
        __syncthreads(); /* the tile is there for all, and nobody reads the other one any more */
        if (from + N < own.most) {
            int next = at.first_key + from + N;
            tile_copy<N, D, THREADS>(k + (turn ^ 1) * TILE, keys, c.k_stride, next, at.end_key, 0, columns);
            tile_copy<N, D, THREADS>(v + (turn ^ 1) * TILE, values, c.v_stride, next, at.end_key, 0, columns);
            ptx_copy_commit();
        }
        float p[N / 8][4] = {}, most[2] = {top[0], top[1]};
        multiply_rows<D, N>(p, q, warp_row, k + turn * TILE);
#pragma unroll
        for (int n = 0; n < N / 8; n++)
#pragma unroll
            for (int i = 0; i < 4; i++) {
                bool seen = from + n * 8 + 2 * (lane % 4) + i % 2 < own.visible[i / 2];
                p[n][i] = seen ? p[n][i] * factor : -INFINITY;
                most[i / 2] = fmaxf(most[i / 2], p[n][i]);
            }
        float shrink[2];
#pragma unroll
        for (int r = 0; r < 2; r++) {
            most[r] = row_max(most[r]);
            shrink[r] = most[r] == -INFINITY ? 1.0f : ptx_exp2(top[r] - most[r]);
            top[r] = most[r] == -INFINITY ? 0.0f : most[r];
            total[r] *= shrink[r];
        }
#pragma unroll
        for (int n = 0; n < N / 8; n++)
#pragma unroll
            for (int i = 0; i < 4; i++) {
                p[n][i] = ptx_exp2(p[n][i] - top[i / 2]);
                total[i / 2] += p[n][i];
            }
        if (c.drop.on) {
            float factors[N / 8][4];
            drop_queries<N>(factors, c.drop, own.key[0], own.key[1], at.head, from);
#pragma unroll
            for (int n = 0; n < N / 8; n++)
#pragma unroll
                for (int i = 0; i < 4; i++) p[n][i] *= factors[n][i];
        }
#pragma unroll
        for (int d = 0; d < D / 8; d++)
#pragma unroll
            for (int i = 0; i < 4; i++) sum[d][i] *= shrink[i / 2];
        multiply_fragments<D, N>(sum, p, v + turn * TILE);
#pragma unroll
        for (int r = 0; r < 2; r++) top[r] = most[r];
    }
    ptx_copy_wait<0>();
    float inverse[2];
#pragma unroll
    for (int r = 0; r < 2; r++) {
        total[r] = row_sum(total[r]);
        inverse[r] = total[r] > 0 ? 1.0f / total[r] : 0.0f;
        if (lane % 4 == 0 && own.row[r] < at.end_query)
            c.lse[(int64_t)own.row[r] * c.a.H + at.head] = top[r] * LN_2 + logf(total[r]);
    }
    write_rows<D>(c.out + at.column, c.a.H * c.a.D, at.first_query + at.from + warp_row, at.end_query, columns, sum,
                  inverse[0], inverse[1]);
}

/* p, the probabilities, and dp, the gradients of those after dropout times its factors, of 16 query rows and N keys from
 * position `from` on. */
template <int D, int N>
__device__ __forceinline__ void probabilities(float p[N / 8][4], float dp[N / 8][4], const attention<bf16> &c,
                                              const query_rows &own, const float lse[2], int head, int from,
                                              const bf16 *q, const bf16 *dout, const bf16 *k, const bf16 *v) {
    int lane = (int)threadIdx.x % LANES, warp_row = (int)threadIdx.x / LANES * 16;
    multiply_rows<D, N>(p, q, warp_row, k);
    multiply_rows<D, N>(dp, dout, warp_row, v);
    if (c.drop.on) {
        float factors[N / 8][4];
        drop_queries<N>(factors, c.drop, own.key[0], own.key[1], head, from);
#pragma unroll
        for (int n = 0; n < N / 8; n++)
#pragma unroll
            for (int i = 0; i < 4; i++) dp[n][i] *= factors[n][i];
    }
#pragma unroll
    for (int n = 0; n < N / 8; n++)
#pragma unroll
        for (int i = 0; i < 4; i++) {
            bool seen = from + n * 8 + 2 * (lane % 4) + i % 2 < own.visible[i / 2];
            p[n][i] = seen ? ptx_exp2(p[n][i] * (c.a.scale * LOG2_E) - lse[i / 2]) : 0.0f;
        }
}

/* dq of 64 query rows, and their delta: a first way over the keys finds delta, a second one dq. */
template <int D> __global__ void __launch_bounds__(THREADS, 1) attention_backward_dq_kernel(attention<bf16> c) {
    constexpr int N = 32, TILE = N * tile_row<D>;
    block_place at = place_of(c.a);
    if (at.first_query + at.from >= at.end_query) return;
    bf16 *q = (bf16 *)shared_memory(), *dout = q + ROWS * tile_row<D>, *k = dout + ROWS * tile_row<D>,
         *v = k + 2 * TILE;
    int lane = (int)threadIdx.x % LANES, warp_row = (int)threadIdx.x / LANES * 16, columns = (int)c.a.D;
    int first = at.first_query + at.from, H = (int)c.a.H;
    query_rows own = query_rows_of(c, at);
    const bf16 *keys = c.k + at.column, *values = c.v + at.column;
    int tiles = (own.most + N - 1) / N;
    tile_copy<ROWS, D, THREADS>(q, c.q + at.column, c.q_stride, first, at.end_query, 0, columns);
    tile_copy<ROWS, D, THREADS>(dout, c.dout + at.column, c.a.H * c.a.D, first, at.end_query, 0, columns);
    tile_copy<N, D, THREADS>(k, keys, c.k_stride, at.first_key, at.end_key, 0, columns);
    tile_copy<N, D, THREADS>(v, values, c.v_stride, at.first_key, at.end_key, 0, columns);
    ptx_copy_commit();
    float sum[D / 8][4] = {}, delta[2] = {}, lse[2];
#pragma unroll
    for (int r = 0; r < 2; r++)
        lse[r] = own.row[r] < at.end_query ? c.lse[(int64_t)own.row[r] * H + at.head] * LOG2_E : 0.0f;
    for (int step = 0; step < 2 * tiles; step++) {
        ptx_copy_wait<0>();
        __syncthreads();
        if (step + 1 < 2 * tiles) {
            int next = at.first_key + (step + 1) % tiles * N;
            tile_copy<N, D, THREADS>(k + (step + 1) % 2 * TILE, keys, c.k_stride, next, at.end_key, 0, columns);
            tile_copy<N, D, THREADS>(v + (step + 1) % 2 * TILE, values, c.v_stride, next, at.end_key, 0, columns);
            ptx_copy_commit();
        }
        float p[N / 8][4] = {}, dp[N / 8][4] = {};
        const bf16 *k_tile = k + step % 2 * TILE;
        probabilities<D, N>(p, dp, c, own, lse, at.head, step % tiles * N, q, dout, k_tile, v + step % 2 * TILE);
        if (step == tiles)
#pragma unroll
            for (int r = 0; r < 2; r++) delta[r] = row_sum(delta[r]);
#pragma unroll
        for (int n = 0; n < N / 8; n++)
#pragma unroll
            for (int i = 0; i < 4; i++) {
                if (step < tiles) delta[i / 2] += p[n][i] * dp[n][i];
                dp[n][i] = p[n][i] * (dp[n][i] - delta[i / 2]);
            }
        if (step >= tiles) multiply_fragments<D, N>(sum, dp, k_tile);
    }
    ptx_copy_wait<0>();
#pragma unroll
    for (int r = 0; r < 2; r++)
        if (lane % 4 == 0 && own.row[r] < at.end_query) c.delta[(int64_t)own.row[r] * H + at.head] = delta[r];
    write_rows<D>(c.dq + at.column, c.q_stride, first + warp_row, at.end_query, columns, sum, c.a.scale, c.a.scale);
}

/* dk and dv of 64 keys. */
template <int D> __global__ void __launch_bounds__(THREADS, 1) attention_backward_dkv_kernel(attention<bf16> c) {
    constexpr int N = 32, TILE = N * tile_row<D>;
    block_place at = place_of(c.a);
    if (at.first_key + at.from >= at.end_key) return;
    bf16 *k = (bf16 *)shared_memory(), *v = k + ROWS * tile_row<D>, *q = v + ROWS * tile_row<D>, *dout = q + 2 * TILE;
    float *row_lse = (float *)(dout + 2 * TILE), *row_delta = row_lse + N; /* of the tile's queries */
    int *row_visible = (int *)(row_delta + N);
    int lane = (int)threadIdx.x % LANES, warp_row = (int)threadIdx.x / LANES * 16, columns = (int)c.a.D;
    int first = at.first_key + at.from, H = (int)c.a.H, keys = at.end_key - at.first_key;
    int queries = at.end_query - at.first_query, position = at.from + warp_row + lane / 4;
    const bf16 *rows = c.q + at.column, *douts = c.dout + at.column;
    tile_copy<ROWS, D, THREADS>(k, c.k + at.column, c.k_stride, first, at.end_key, 0, columns);
    tile_copy<ROWS, D, THREADS>(v, c.v + at.column, c.v_stride, first, at.end_key, 0, columns);
    tile_copy<N, D, THREADS>(q, rows, c.q_stride, at.first_query, at.end_query, 0, columns);
    tile_copy<N, D, THREADS>(dout, douts, c.a.H * c.a.D, at.first_query, at.end_query, 0, columns);
    ptx_copy_commit();
    float dk[D / 8][4] = {}, dv[D / 8][4] = {};
    for (int from = 0, turn = 0; from < queries; from += N, turn ^= 1) {
        ptx_copy_wait<0>();
        __syncthreads();
        if (from + N < queries) {
            int next = at.first_query + from + N;
            tile_copy<N, D, THREADS>(q + (turn ^ 1) * TILE, rows, c.q_stride, next, at.end_query, 0, columns);
            tile_copy<N, D, THREADS>(dout + (turn ^ 1) * TILE, douts, c.a.H * c.a.D, next, at.end_query, 0, columns);
            ptx_copy_commit();
        }
        if (threadIdx.x < N) {
            int row = at.first_query + from + (int)threadIdx.x;
            bool there = row < at.end_query;
            row_lse[threadIdx.x] = there ? c.lse[(int64_t)row * H + at.head] * LOG2_E : 0.0f;
            row_delta[threadIdx.x] = there ? c.delta[(int64_t)row * H + at.head] : 0.0f;
            row_visible[threadIdx.x] = there ? attention_visible(c.a, row, at.first_key, keys) : 0;
        }
        __syncthreads();
        float p[N / 8][4] = {}, dp[N / 8][4] = {};
        multiply_rows<D, N>(p, k, warp_row, q + turn * TILE);
        multiply_rows<D, N>(dp, v, warp_row, dout + turn * TILE);
        float factors[N / 8][4];
        if (c.drop.on) drop_keys<N>(factors, c.drop, at.head, at.from + warp_row, at.first_query + from, at.end_query);
#pragma unroll
        for (int n = 0; n < N / 8; n++)
#pragma unroll
            for (int i = 0; i < 4; i++) {
                int query = n * 8 + 2 * (lane % 4) + i % 2;
                bool seen = position + i / 2 * 8 < row_visible[query];
                float e = seen ? ptx_exp2(p[n][i] * (c.a.scale * LOG2_E) - row_lse[query]) : 0.0f;
                float f = c.drop.on ? factors[n][i] : 1.0f;
                p[n][i] = e * f;
                dp[n][i] = e * (dp[n][i] * f - row_delta[query]);
            }
        multiply_fragments<D, N>(dv, p, dout + turn * TILE);
        multiply_fragments<D, N>(dk, dp, q + turn * TILE);
    }
    ptx_copy_wait<0>();
    write_rows<D>(c.dk + at.column, c.k_stride, first + warp_row, at.end_key, columns, dk, c.a.scale, c.a.scale);
    write_rows<D>(c.dv + at.column, c.v_stride, first + warp_row, at.end_key, columns, dv, 1.0f, 1.0f);
}

/* Calls f(D), the head size rounded up to one that there are kernels for, as a constant. */
template <typename F> static void by_head(int64_t D, const F &f) {
    if (D <= 16) return f(std::integral_constant<int, 16>());
    if (D <= 32) return f(std::integral_constant<int, 32>());
    if (D <= 64) return f(std::integral_constant<int, 64>());
    f(std::integral_constant<int, 128>());
}

static bool aligned(const void *p, int64_t stride) { return (uintptr_t)p % 16 == 0 && stride % 8 == 0; }

static bool fits(const attention<bf16> &c) {
    return c.a.D % 8 == 0 && c.a.D <= 128 && aligned(c.q, c.q_stride) && aligned(c.k, c.k_stride) &&
           aligned(c.v, c.v_stride);
}

static int64_t tiles_of(const struct hone_attention &a) { return a.B * a.H * blocks_of(a.max_len, ROWS); }

bool attention_forward_tiled(const attention<bf16> &c, struct hone_stream *s) {
    if (!fits(c) || !aligned(c.out, 8)) return false;
    by_head(c.a.D, [&](auto d) {
        constexpr int D = decltype(d)::value;
        launch(s, "attention_forward", attention_forward_kernel<D>, tiles_of(c.a), THREADS,
               (ROWS + 4 * 64) * tile_row<D> * sizeof(bf16), c);
    });
    return true;
}

bool attention_backward_tiled(const attention<bf16> &c, struct hone_stream *s) {
    if (!fits(c) || !aligned(c.dout, 8) || !aligned(c.dq, 8) || !aligned(c.dk, 8) || !aligned(c.dv, 8)) return false;
    by_head(c.a.D, [&](auto d) {
        constexpr int D = decltype(d)::value;
        constexpr size_t bytes = (2 * ROWS + 4 * 32) * tile_row<D> * sizeof(bf16);
        launch(s, "attention_backward", attention_backward_dq_kernel<D>, tiles_of(c.a), THREADS, bytes, c);
        launch(s, "attention_backward", attention_backward_dkv_kernel<D>, tiles_of(c.a), THREADS,
               bytes + 3 * 32 * sizeof(float), c);
    });
    return true;
}
