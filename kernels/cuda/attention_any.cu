/* Attention for every dtype, head size and stride, and the entries of the table. A block has one head of one query row,
 * or in the second half of backward of one key row; scores lie in shared memory, sums go over keys (queries) in order. */
#include "kernels/cuda/attention.cuh"

static constexpr int THREADS = 128;

/* The sequence that row `row` belongs to: cu[b] <= row < cu[b + 1]. */
__device__ __forceinline__ int64_t sequence_of(const int32_t *cu, int64_t B, int row) {
    int64_t low = 0, high = B - 1;
    while (low < high) {
        int64_t middle = (low + high + 1) / 2;
        if (cu[middle] <= row)
            low = middle;
        else
            high = middle - 1;
    }
    return low;
}

template <typename T> __device__ __forceinline__ float dot(const T *a, const T *b, int D) {
    float sum = 0;
    for (int d = 0; d < D; d++) sum += to_float(a[d]) * to_float(b[d]);
    return sum;
}

template <typename T> __global__ void __launch_bounds__(THREADS) attention_any_forward_kernel(attention<T> c) {
    int H = (int)c.a.H, D = (int)c.a.D, row = (int)(blockIdx.x / H), head = (int)(blockIdx.x % H), column = head * D;
    int64_t b = sequence_of(c.a.cu_q, c.a.B, row), key = c.drop.on ? drop_row_key(c.drop, row) : 0;
    int first = c.a.cu_k[b], keys = attention_visible(c.a, row, first, c.a.cu_k[b + 1] - first);
    float *scratch = (float *)shared_memory(), *p = scratch + THREADS / LANES; /* [keys] */
    const T *q = c.q + row * c.q_stride + column, *k = c.k + first * c.k_stride + column;
    const T *v = c.v + first * c.v_stride + column;
    float top = -INFINITY, sum = 0;
    for (int j = (int)threadIdx.x; j < keys; j += THREADS) {
        p[j] = c.a.scale * dot(q, k + j * c.k_stride, D);
        top = fmaxf(top, p[j]);
    }
    top = block_max(top, scratch);
    for (int j = (int)threadIdx.x; j < keys; j += THREADS) {
        float e = expf(p[j] - top);
        sum += e;
        p[j] = c.drop.on ? e * drop_factor(c.drop, key, attention_element(head) + (uint32_t)j) : e;
    }
    sum = block_sum(sum, scratch); /* and everybody sees p */
    for (int d = (int)threadIdx.x; d < D; d += THREADS) {
        float o = 0;
        for (int j = 0; j < keys; j++) o += p[j] * to_float(v[j * c.v_stride + d]);
        store(c.out + (int64_t)row * H * D + column + d, sum > 0 ? o / sum : 0.0f); /* no keys: the row is 0 */
    }
    if (threadIdx.x == 0) c.lse[(int64_t)row * H + head] = top + logf(sum);
}

template <typename T> __global__ void __launch_bounds__(THREADS) attention_any_dq_kernel(attention<T> c) {
    int H = (int)c.a.H, D = (int)c.a.D, row = (int)(blockIdx.x / H), head = (int)(blockIdx.x % H), column = head * D;
    int64_t b = sequence_of(c.a.cu_q, c.a.B, row), key = c.drop.on ? drop_row_key(c.drop, row) : 0;
    int first = c.a.cu_k[b], keys = attention_visible(c.a, row, first, c.a.cu_k[b + 1] - first);
    float *scratch = (float *)shared_memory(), *p = scratch + THREADS / LANES, *dp = p + c.a.max_len; /* [keys] */
    const T *q = c.q + row * c.q_stride + column, *k = c.k + first * c.k_stride + column;
    const T *v = c.v + first * c.v_stride + column, *dout = c.dout + (int64_t)row * H * D + column;
    float lse = c.lse[(int64_t)row * H + head], mean = 0;
    for (int j = (int)threadIdx.x; j < keys; j += THREADS) {
        float factor = c.drop.on ? drop_factor(c.drop, key, attention_element(head) + (uint32_t)j) : 1.0f;
        p[j] = expf(c.a.scale * dot(q, k + j * c.k_stride, D) - lse);
        dp[j] = factor * dot(dout, v + j * c.v_stride, D);
        mean += p[j] * dp[j];
    }
    mean = block_sum(mean, scratch);
    for (int j = (int)threadIdx.x; j < keys; j += THREADS) p[j] *= dp[j] - mean;
    __syncthreads();
    for (int d = (int)threadIdx.x; d < D; d += THREADS) {
        float sum = 0;
        for (int j = 0; j < keys; j++) sum += p[j] * to_float(k[j * c.k_stride + d]);
        store(c.dq + row * c.q_stride + column + d, c.a.scale * sum);
    }
    if (threadIdx.x == 0) c.delta[(int64_t)row * H + head] = mean;
}

template <typename T> __global__ void __launch_bounds__(THREADS) attention_any_dkv_kernel(attention<T> c) {
    int H = (int)c.a.H, D = (int)c.a.D, token = (int)(blockIdx.x / H), head = (int)(blockIdx.x % H), column = head * D;
    int64_t b = sequence_of(c.a.cu_k, c.a.B, token);
    int first = c.a.cu_k[b], keys = c.a.cu_k[b + 1] - first, from = c.a.cu_q[b], queries = c.a.cu_q[b + 1] - from;
    float *p = (float *)shared_memory(), *ds = p + c.a.max_len; /* [queries] */
    const T *k = c.k + token * c.k_stride + column, *v = c.v + token * c.v_stride + column;
    const T *q = c.q + from * c.q_stride + column, *dout = c.dout + (int64_t)from * H * D + column;
    for (int i = (int)threadIdx.x; i < queries; i += THREADS) {
        int row = from + i;
        int64_t at = (int64_t)row * H + head;
        p[i] = ds[i] = 0;
        if (token - first >= attention_visible(c.a, row, first, keys)) continue;
        float factor = 1.0f, e = expf(c.a.scale * dot(q + i * c.q_stride, k, D) - c.lse[at]);
        if (c.drop.on)
            factor =
                drop_factor(c.drop, drop_row_key(c.drop, row), attention_element(head) + (uint32_t)(token - first));
        p[i] = e * factor;
        ds[i] = e * (factor * dot(dout + (int64_t)i * H * D, v, D) - c.delta[at]);
    }
    __syncthreads();
    for (int d = (int)threadIdx.x; d < D; d += THREADS) {
        float dk = 0, dv = 0;
        for (int i = 0; i < queries; i++) {
            dk += ds[i] * to_float(q[i * c.q_stride + d]);
            dv += p[i] * to_float(dout[(int64_t)i * H * D + d]);
        }
        store(c.dk + token * c.k_stride + column + d, c.a.scale * dk);
        store(c.dv + token * c.v_stride + column + d, dv);
    }
}

template <typename T> static void forward(const attention<T> &c, struct hone_stream *s) {
    if constexpr (std::is_same_v<T, bf16>)
        if (attention_forward_tiled(c, s)) return;
    launch(s, "attention_forward", attention_any_forward_kernel<T>, c.a.R * c.a.H, THREADS,
           (size_t)(THREADS / LANES + c.a.max_len) * sizeof(float), c);
}

template <typename T> static void backward(const attention<T> &c, struct hone_stream *s) {
    if constexpr (std::is_same_v<T, bf16>)
        if (attention_backward_tiled(c, s)) return;
    size_t bytes = (size_t)(THREADS / LANES + 2 * c.a.max_len) * sizeof(float);
    launch(s, "attention_backward", attention_any_dq_kernel<T>, c.a.R * c.a.H, THREADS, bytes, c);
    launch(s, "attention_backward", attention_any_dkv_kernel<T>, c.a.T * c.a.H, THREADS, bytes, c);
}

void hone_cuda_attention_forward(void *out, float *lse, const void *q, int64_t q_stride, const void *k,
                                 int64_t k_stride, const void *v, int64_t v_stride, const struct hone_attention *a,
                                 const struct hone_dropout *drop, enum hone_dtype dtype, void *,
                                 struct hone_stream *s) {
    HONE_CUDA_BY_DTYPE(dtype, attention<T> c = {}; c.q = (const T *)q; c.k = (const T *)k; c.v = (const T *)v;
                       c.q_stride = q_stride; c.k_stride = k_stride; c.v_stride = v_stride; c.out = (T *)out;
                       c.lse = lse; c.a = *a; c.drop = drop_site_of(drop); forward<T>(c, s));
}

void hone_cuda_attention_backward(void *dq, void *dk, void *dv, const void *dout, const float *lse, const void *q,
                                  int64_t q_stride, const void *k, int64_t k_stride, const void *v, int64_t v_stride,
                                  const struct hone_attention *a, const struct hone_dropout *drop,
                                  enum hone_dtype dtype, void *workspace, struct hone_stream *s) {
    HONE_CUDA_BY_DTYPE(dtype, attention<T> c = {}; c.q = (const T *)q; c.k = (const T *)k; c.v = (const T *)v;
                       c.q_stride = q_stride; c.k_stride = k_stride; c.v_stride = v_stride; c.dout = (const T *)dout;
                       c.lse = const_cast<float *>(lse); c.dq = (T *)dq; c.dk = (T *)dk; c.dv = (T *)dv;
                       c.delta = (float *)workspace; c.a = *a; c.drop = drop_site_of(drop); backward<T>(c, s));
}

size_t hone_cuda_attention_workspace(const struct hone_attention *a, enum hone_dtype) {
    return (size_t)(a->R * a->H) * sizeof(float);
}
