/* Adafactor: a block has a tensor, in passes over it that end in sums over the whole block. Simple rather than fast: the
 * largest tensor decides how long it takes. */
#include "kernels/cuda/cuda.cuh"
#include "kernels/cuda/values.cuh"

static constexpr int THREADS = 1024;

/* A tensor at work. */
struct work {
    float *p, *m, *g;   /* its own parts of the flat buffers; m may be NULL */
    float *rows, *cols; /* means of squares; a vector's squares lie in cols */
    int64_t R, C;       /* a vector: one row */
    bool matrix;
    float clip;
    double row_mean;
};

__device__ __forceinline__ double block_sum_double(double x, double *scratch) {
    scratch[threadIdx.x] = x;
    __syncthreads();
    for (int half = THREADS / 2; half > 0; half /= 2) {
        if ((int)threadIdx.x < half) scratch[threadIdx.x] += scratch[threadIdx.x + half];
        __syncthreads();
    }
    double sum = scratch[0];
    __syncthreads();
    return sum;
}

/* The update of element (r, c), not yet scaled. */
__device__ __forceinline__ float update_of(const work &w, int64_t r, int64_t c) {
    float u = w.g[r * w.C + c] * w.clip / sqrtf(w.cols[c]);
    return w.matrix ? u * (float)sqrt(w.row_mean / (double)w.rows[r]) : u;
}

/* Moves the means of squares on. */
__device__ __forceinline__ void square(work &w, float share, float epsilon, double *scratch) {
    int lane = (int)threadIdx.x % LANES;
    for (int64_t r = threadIdx.x / LANES; w.matrix && r < w.R; r += THREADS / LANES) {
        float sum = 0;
        for (int64_t c = lane; c < w.C; c += LANES) {
            float g = w.g[r * w.C + c] * w.clip;
            sum += g * g;
        }
        sum = warp_sum(sum);
        if (lane == 0) w.rows[r] = (1.0f - share) * w.rows[r] + share * (sum / (float)w.C + epsilon);
    }
    for (int64_t c = threadIdx.x; c < w.C; c += THREADS) {
        double sum = 0;
        for (int64_t r = 0; r < w.R; r++) {
            float g = w.g[r * w.C + c] * w.clip;
            sum += (double)(g * g);
        }
        w.cols[c] = (1.0f - share) * w.cols[c] + share * ((float)(sum / (double)w.R) + epsilon);
    }
    __syncthreads();
    double sum = 0;
    for (int64_t r = threadIdx.x; w.matrix && r < w.R; r += THREADS) sum += (double)w.rows[r];
    w.row_mean = block_sum_double(sum, scratch) / (double)w.R;
}

static __global__ void __launch_bounds__(THREADS)
    adafactor_kernel(float *p, float *m, float *state, float *g, const struct hone_adafactor_tensor *tensors,
                     struct hone_adafactor settings, const struct hone_step *step) {
    double *scratch = (double *)shared_memory();
    struct hone_adafactor_tensor t = tensors[blockIdx.x];
    work w = {p + t.offset,
              settings.beta1 > 0 ? m + t.offset : NULL,
              g + t.offset,
              state + t.state,
              state + t.state + t.rows,
              t.rows ? t.rows : 1,
              t.cols,
              t.rows > 0,
              step->clip_scale,
              0};
    int64_t n = w.R * w.C;
    if (!step->finite) {
        for (int64_t i = threadIdx.x; i < n; i += THREADS) w.g[i] = 0;
        return;
    }
    square(w, (float)pow((double)step->step + 1, (double)settings.decay_rate), settings.epsilon, scratch);
    double updates = 0, weights = 0;
    for (int64_t i = threadIdx.x; i < n; i += THREADS) {
        float u = update_of(w, i / w.C, i % w.C);
        updates += (double)(u * u);
        weights += (double)(w.p[i] * w.p[i]);
    }
    updates = sqrt(block_sum_double(updates, scratch) / (double)n);
    weights = sqrt(block_sum_double(weights, scratch) / (double)n);
    double rate = (double)step->learning_rate * (double)t.learning_rate_scale;
    if (settings.scale_parameter) rate *= fmax((double)settings.scale_epsilon, weights);
    float decay = (float)(rate * (double)t.weight_decay);
    float scale = (float)(rate / fmax(1.0, updates / (double)settings.clip_threshold));
    for (int64_t i = threadIdx.x; i < n; i += THREADS) {
        float u = update_of(w, i / w.C, i % w.C) * scale;
        if (w.m) w.m[i] = u = settings.beta1 * w.m[i] + (1.0f - settings.beta1) * u;
        w.p[i] = w.p[i] - decay * w.p[i] - u;
        w.g[i] = 0;
    }
}

void hone_cuda_adafactor(float *p, float *m, float *state, float *g, const struct hone_adafactor_tensor *tensors,
                         int64_t n_tensors, const struct hone_adafactor *settings, const struct hone_step *step, void *,
                         struct hone_stream *s) {
    launch(s, "adafactor", adafactor_kernel, n_tensors, THREADS, THREADS * sizeof(double), p, m, state, g, tensors,
           *settings, step);
}

size_t hone_cuda_adafactor_workspace(const struct hone_adafactor_tensor *, int64_t) { return 0; }
