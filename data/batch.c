#include "data/batch.h"

#include <math.h>
#include <string.h>

#include "base/arith.h"
#include "base/memory.h"
#include "base/random.h"

#define ALIGNMENT     64
#define POSITION_BITS 20 /* of a row key */

void hone_samples_free(struct hone_samples *samples) {
    if (samples->store) samples->store->free(samples->store);
    for (size_t i = 0; i < samples->n_paths; i++) hone_free(samples->paths[i]);
    hone_free(samples->paths);
    hone_free(samples->sources);
    for (size_t i = 0; samples->hashes && i < samples->n_paths; i++) hone_free(samples->hashes[i]);
    hone_free(samples->hashes);
    if (samples->masking) hone_free(samples->masking->replacements);
    hone_free(samples->masking);
    *samples = (struct hone_samples){0};
}

static int64_t length_of(const struct hone_samples *samples, int64_t sample) {
    return samples->begins[sample + 1] - samples->begins[sample];
}

static enum hone_status need_one(const struct hone_samples *samples, int64_t sample) {
    struct hone_samples_store *store = samples->store;
    int64_t begin = samples->begins[sample];
    size_t n = (size_t)length_of(samples, sample);
    HONE_TRY(store->need(store, samples->ids + begin, n * sizeof *samples->ids));
    HONE_TRY(store->need(store, samples->types + begin, n));
    if (samples->marks) HONE_TRY(store->need(store, samples->marks + begin, n));
    if (samples->tags) HONE_TRY(store->need(store, samples->tags + begin, n * sizeof *samples->tags));
    return HONE_OK;
}

enum hone_status hone_samples_need(const struct hone_samples *samples, const int64_t *sample, int64_t n) {
    for (int64_t i = 0; samples->store && i < n; i++) HONE_TRY(need_one(samples, sample[i]));
    return HONE_OK;
}

/* Cuts pieces off `memory`; NULL only adds them up. */
struct cutter {
    char *memory;
    size_t used;
};

static void *cut(struct cutter *cutter, int64_t count, size_t size) {
    size_t bytes = 0, used = 0;
    HONE_CHECK(count >= 0 && hone_mul_size(&bytes, (size_t)count, size) && bytes <= SIZE_MAX - ALIGNMENT &&
                   hone_add_size(&used, cutter->used, (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT),
               "%lld elements of %zu bytes", (long long)count, size);
    void *piece = cutter->memory ? cutter->memory + cutter->used : NULL;
    cutter->used = used;
    return piece;
}

/* A sequence has at least one token, and at most all its tokens are read by the head: T bounds B and R. */
static void place(struct hone_batch *batch, struct cutter *cutter, int64_t T, int64_t B, int64_t n_targets) {
    HONE_CHECK(T >= 0 && B >= 0 && B < INT32_MAX && T <= INT32_MAX, "capacities %lld, %lld", (long long)T,
               (long long)B);
    int64_t R = hone_max_i64(T, B);
    *batch = (struct hone_batch){.T_capacity = T, .B_capacity = B, .n_targets = n_targets};
    batch->ids = cut(cutter, T, sizeof *batch->ids);
    batch->types = cut(cutter, T, sizeof *batch->types);
    batch->positions = cut(cutter, T, sizeof *batch->positions);
    batch->row_key = cut(cutter, T, sizeof *batch->row_key);
    batch->cu_seqlens = cut(cutter, B + 1, sizeof *batch->cu_seqlens);
    batch->rows = cut(cutter, R, sizeof *batch->rows);
    batch->cu_rows = cut(cutter, B + 1, sizeof *batch->cu_rows);
    batch->labels = cut(cutter, R, sizeof *batch->labels);
    HONE_CHECK(n_targets >= 0 && n_targets < INT32_MAX, "%lld targets", (long long)n_targets);
    batch->targets = cut(cutter, B * n_targets, sizeof *batch->targets);
    batch->sample_of = cut(cutter, B, sizeof *batch->sample_of);
}

size_t hone_batch_bytes(int64_t T_capacity, int64_t B_capacity, int64_t n_targets) {
    struct hone_batch batch;
    struct cutter cutter = {0};
    place(&batch, &cutter, T_capacity, B_capacity, n_targets);
    return cutter.used;
}

void hone_batch_place(struct hone_batch *batch, void *memory, int64_t T_capacity, int64_t B_capacity,
                      int64_t n_targets) {
    HONE_CHECK(memory && (uintptr_t)memory % ALIGNMENT == 0, "memory of a batch at %p", memory);
    struct cutter cutter = {.memory = memory};
    place(batch, &cutter, T_capacity, B_capacity, n_targets);
}

/* Appends the rows of the last sequence, whose tokens lie from T on. */
static void fill_rows(struct hone_batch *batch, const struct hone_samples *samples, int64_t id, int64_t T,
                      int64_t length, uint32_t pass) {
    int64_t R = batch->R;
    if (samples->tags) {
        const int16_t *tags = samples->tags + samples->begins[id];
        for (int64_t t = 0; t < length; t++) {
            if (tags[t] < 0) continue;
            batch->rows[batch->R] = (int32_t)(T + t);
            batch->labels[batch->R++] = tags[t];
        }
        return;
    }
    if (!samples->masking) {
        batch->rows[R] = (int32_t)T;
        batch->labels[R] = samples->labels[id];
        batch->R++;
        return;
    }
    batch->R += hone_mask(batch->ids + T, batch->rows + R, batch->labels + R, samples->masking,
                          samples->marks + samples->begins[id], length, id, pass);
    for (; R < batch->R; R++) batch->rows[R] += (int32_t)T;
}

enum hone_status hone_batch_fill(struct hone_batch *batch, const struct hone_samples *samples, const int64_t *sample,
                                 int64_t n, uint32_t pass) {
    HONE_CHECK(n <= batch->B_capacity, "%lld sequences, room for %lld", (long long)n, (long long)batch->B_capacity);
    int64_t n_targets = samples->n_targets;
    HONE_CHECK(n_targets == 0 || n_targets == batch->n_targets, "%lld targets, room for %lld", (long long)n_targets,
               (long long)batch->n_targets);
    batch->T = batch->max_len = batch->R = 0;
    batch->B = n;
    HONE_TRY(hone_samples_need(samples, sample, n));
    for (int64_t b = 0; b < n; b++) {
        int64_t id = sample[b];
        HONE_CHECK(id >= 0 && id < samples->n, "sample %lld of %lld", (long long)id, (long long)samples->n);
        int64_t begin = samples->begins[id], length = length_of(samples, id), T = batch->T;
        HONE_CHECK(length > 0 && length <= (int64_t)1 << POSITION_BITS, "sample %lld has %lld tokens", (long long)id,
                   (long long)length);
        HONE_CHECK(length <= batch->T_capacity - T, "more than %lld tokens", (long long)batch->T_capacity);
        memcpy(batch->ids + T, samples->ids + begin, (size_t)length * sizeof *batch->ids);
        for (int64_t t = 0; t < length; t++) {
            batch->types[T + t] = samples->types[begin + t];
            batch->positions[T + t] = (int32_t)t;
            batch->row_key[T + t] = id << POSITION_BITS | t;
        }
        batch->cu_seqlens[b] = (int32_t)T;
        batch->cu_rows[b] = (int32_t)batch->R;
        fill_rows(batch, samples, id, T, length, pass);
        if (n_targets)
            memcpy(batch->targets + b * n_targets, samples->targets + id * n_targets,
                   (size_t)n_targets * sizeof *batch->targets);
        batch->sample_of[b] = id;
        batch->T += length;
        batch->max_len = hone_max_i64(batch->max_len, length);
    }
    batch->cu_seqlens[n] = (int32_t)batch->T;
    batch->cu_rows[n] = (int32_t)batch->R;
    return HONE_OK;
}

int64_t hone_batch_rows(const struct hone_samples *samples, const int64_t *sample, int64_t n, uint32_t pass) {
    int64_t rows = 0;
    for (int64_t i = 0; samples->tags && i < n; i++) {
        for (int64_t t = samples->begins[sample[i]]; t < samples->begins[sample[i] + 1]; t++)
            rows += samples->tags[t] >= 0;
    }
    if (samples->tags) return rows;
    if (!samples->masking) return n;
    for (int64_t i = 0; i < n; i++) {
        rows += hone_mask(NULL, NULL, NULL, samples->masking, samples->marks + samples->begins[sample[i]],
                          length_of(samples, sample[i]), sample[i], pass);
    }
    return rows;
}

int64_t hone_batch_rows_worst(const struct hone_samples *samples, int64_t T, int64_t B) {
    if (samples->tags) return T;
    if (!samples->masking) return B;
    double p = samples->masking->probability, expected = p * (double)T;
    /* Words of two tokens double the variance. */
    double deviation = sqrt((samples->masking->whole_words ? 2 : 1) * expected * (1 - p));
    return hone_min_i64(T, (int64_t)ceil(expected + 6 * deviation));
}

bool hone_sample_goes_on(const struct hone_samples *samples, int64_t i) {
    return i > 0 && samples->lines[i] == samples->lines[i - 1] && samples->files[i] == samples->files[i - 1];
}

int64_t hone_sample_at(const struct hone_samples *samples, int64_t i, uint64_t seed, uint32_t epoch) {
    HONE_CHECK(i >= 0 && i < samples->n, "place %lld of %lld", (long long)i, (long long)samples->n);
    return hone_permute(i, samples->n, seed, epoch);
}

int64_t hone_micro_batch(const struct hone_samples *samples, const int64_t *sample, int64_t begin, int64_t n,
                         int64_t tokens) {
    HONE_CHECK(begin >= 0 && begin < n && tokens > 0, "sample %lld of %lld, %lld tokens", (long long)begin,
               (long long)n, (long long)tokens);
    int64_t T = length_of(samples, sample[begin]), count = 1;
    while (begin + count < n && length_of(samples, sample[begin + count]) <= tokens - T)
        T += length_of(samples, sample[begin + count++]);
    return count;
}

void hone_micro_batch_worst(int64_t *T, int64_t *B, const struct hone_samples *samples, int64_t batch_size,
                            int64_t tokens) {
    HONE_CHECK(batch_size > 0 && tokens > 0, "batch size %lld, %lld tokens", (long long)batch_size, (long long)tokens);
    /* How many samples there are of each length. */
    int64_t *of_length = hone_calloc((size_t)samples->longest + 1, sizeof *of_length, "lengths of samples");
    for (int64_t i = 0; i < samples->n; i++) of_length[length_of(samples, i)]++;
    int64_t most = hone_min_i64(batch_size, samples->n), longest_T = 0, shortest_T = 0, count = 0;
    for (int64_t length = samples->longest, left = most; length > 0 && left > 0; length--) {
        int64_t taken = hone_min_i64(left, of_length[length]);
        longest_T += taken * length;
        left -= taken;
    }
    for (int64_t length = 1; length <= samples->longest && count < most; length++) {
        int64_t taken = hone_min_i64(hone_min_i64(most - count, of_length[length]), (tokens - shortest_T) / length);
        shortest_T += taken * length;
        count += taken;
        if (taken < of_length[length]) break;
    }
    hone_free(of_length);
    *T = hone_max_i64(samples->longest, hone_min_i64(tokens, longest_T));
    *B = hone_max_i64(count, 1);
}
