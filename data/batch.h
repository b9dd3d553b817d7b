/* Packed batches: T real tokens of B sequences and where each begins; no padding. Arrays are the caller's, of fixed
 * capacity (pinned when the device asks), so a batch is filled without allocating. */
#ifndef HONE_DATA_BATCH_H
#define HONE_DATA_BATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "data/masking.h"

/* What holds the arrays of samples that are not memory of their own (they may be mapped from a file). */
struct hone_samples_store {
    /* To be called before n bytes at `at`, inside one array of tokens, are read: checks that they are what was written. */
    enum hone_status (*need)(struct hone_samples_store *store, const void *at, size_t n);
    void (*free)(struct hone_samples_store *store);
};

/* Encoded samples of one split, back to back. A sample is a window of tokens with its label, or (with `masking`) one
 * whose tokens are masked anew in each pass, or (with `tags`) one of which some tokens have labels. */
struct hone_samples {
    int64_t n, n_tokens;
    const int64_t *begins; /* [n+1] into ids and types */
    const int32_t *ids;    /* [n_tokens] */
    const uint8_t *types;
    const int32_t *labels; /* [n], class index */
    const float *targets;  /* [n, n_targets], for losses of numbers; NULL without */
    int64_t n_targets;
    const int64_t *lines; /* [n], and the file of each: for messages */
    const int32_t *files;
    const uint8_t *marks;             /* with masking, as ids: enum hone_mark */
    const int16_t *tags;              /* as ids: the label of the token, -1 for none; NULL: labels are the samples' */
    struct hone_samples_store *store; /* owned, of the arrays so far; NULL: they are not the samples' to free */
    char **paths;                     /* [n_paths], owned like all from here on */
    int32_t *sources;                 /* [n_paths]: item of the recipe's list that names the file */
    char **hashes;                    /* [n_paths]: SHA-256 of each file; NULL: not known */
    size_t n_paths;
    int64_t longest;
    int64_t truncated;            /* samples that lost tokens */
    struct hone_masking *masking; /* NULL: labels are the samples' */
};
void hone_samples_free(struct hone_samples *samples);
/* To be called before the tokens of these n samples are read, unless hone_batch_fill reads them. */
enum hone_status hone_samples_need(const struct hone_samples *samples, const int64_t *sample, int64_t n);

struct hone_batch {
    int64_t T, B, R, max_len; /* in use */
    int64_t T_capacity, B_capacity, n_targets;
    int32_t *ids, *types, *positions; /* [T] */
    int64_t *row_key;                 /* [T]: sample id * 2^20 + position */
    int32_t *cu_seqlens;              /* [B+1] */
    int32_t *rows, *cu_rows;          /* [R] tokens that the head reads, [B+1] */
    int32_t *labels;                  /* [R] */
    float *targets;                   /* [B, n_targets] */
    int64_t *sample_of;               /* [B] */
};

/* Bytes of memory for a batch of these capacities, and the batch cut out of it (64-byte aligned pieces of memory that
 * is itself aligned so). There is room for R up to T. */
size_t hone_batch_bytes(int64_t T_capacity, int64_t B_capacity, int64_t n_targets);
void hone_batch_place(struct hone_batch *batch, void *memory, int64_t T_capacity, int64_t B_capacity,
                      int64_t n_targets);

/* Fills the batch with the given samples; rows are the first token of each sequence, or the tokens that have tags, or
 * are masked in `pass` (the epoch from 0, or HONE_PASS_EVALUATION), of which there may be none. Capacities must suffice; a sample has 1 to
 * 2^20 tokens, and as many targets as the batch, or none. Fails when samples that lie on the disk are damaged. */
enum hone_status hone_batch_fill(struct hone_batch *batch, const struct hone_samples *samples, const int64_t *sample,
                                 int64_t n, uint32_t pass);

/* Rows that the batches of these samples have together. */
int64_t hone_batch_rows(const struct hone_samples *samples, const int64_t *sample, int64_t n, uint32_t pass);
/* Rows of a batch of T tokens and B sequences, for plans. How many tokens get masked is left to chance: this is six
 * standard deviations above what is expected. */
int64_t hone_batch_rows_worst(const struct hone_samples *samples, int64_t T, int64_t B);

/* Whether the sample is a further window of the one before: both are of the same line. */
bool hone_sample_goes_on(const struct hone_samples *samples, int64_t i);

/* Sample number at place `i` of an epoch: keyed by seed and epoch alone. */
int64_t hone_sample_at(const struct hone_samples *samples, int64_t i, uint64_t seed, uint32_t epoch);

/* Cuts the n samples of one optimizer step, in order, into micro-batches of at most `tokens` tokens each (a single
 * longer sample is one of its own). Returns how many of the samples from `begin` on make the next micro-batch. */
int64_t hone_micro_batch(const struct hone_samples *samples, const int64_t *sample, int64_t begin, int64_t n,
                         int64_t tokens);
/* Bounds of the tokens, and sequences, that a micro-batch can have under these settings in any order of samples, for
 * plans and capacities. */
void hone_micro_batch_worst(int64_t *T, int64_t *B, const struct hone_samples *samples, int64_t batch_size,
                            int64_t tokens);

#endif
