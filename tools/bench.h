/* What the benchmarks share: results as rows of name, metric, value, unit, with raw samples kept, printed as a table or
 * as one JSON object {"results": […], "device": …, "threads": …}. */
#ifndef HONE_TOOLS_BENCH_H
#define HONE_TOOLS_BENCH_H

#include <stdbool.h>

#include "base/json.h"
#include "base/status.h"

struct hone_bench {
    json_t *results; /* array, owned */
    bool json;
    const char *filter;            /* part of a name; NULL: all */
    const char *tokenizer, *input; /* of the tokenizer benchmark */
};

/* True when a benchmark of this name is asked for. */
bool hone_bench_wants(const struct hone_bench *bench, const char *name);
/* Adds a row: the median of n samples (sorted in place) with p20 and p80, and the samples themselves. */
void hone_bench_add(struct hone_bench *bench, const char *name, const char *metric, const char *unit, double *samples,
                    int n);
/* Adds a member to the last row: a ratio to a ceiling, bytes, whatever explains it. */
void hone_bench_note(struct hone_bench *bench, const char *key, double value);

/* The benchmarks. Each parses its own arguments (argv[0] is its name). */
enum hone_status hone_bench_checkpoint(struct hone_bench *bench, int argc, char **argv);
enum hone_status hone_bench_io(struct hone_bench *bench, int argc, char **argv);
enum hone_status hone_bench_kernels(struct hone_bench *bench, int argc, char **argv);
enum hone_status hone_bench_tokenizer(struct hone_bench *bench, int argc, char **argv);
enum hone_status hone_bench_train(struct hone_bench *bench, int argc, char **argv);

#endif
