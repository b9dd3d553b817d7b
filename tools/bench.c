/* hone bench checkpoint|io|kernels|tokenizer|train */
#include "tools/bench.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/suggest.h"
#include "kernels/device.h"
#include "tools/tools.h"

static const char help[] =
    "usage: hone bench WHAT [arguments] [--filter NAME] [--json]\n\n"
    "  checkpoint RECIPE [key=value]… save and load a checkpoint beside the disk's own rate, and what it costs "
    "training;\n"
    "                                 writes to a temporary folder beside the recipe's output\n"
    "  io FOLDER                      read, verify and write the tensors of a model folder\n"
    "  io FILE [COLUMN…]              read the records of a data file (.tsv, .csv, .jsonl, packed or not)\n"
    "  kernels                        every kernel of the CPU, checked, then timed beside the machine's own limits;\n"
    "                                 all need 2 GB; --filter NAME takes those with NAME in their row (minilm, adamw)\n"
    "  tokenizer --tokenizer DIR --input FILE\n"
    "                                 encode the lines of a text file, each one document; OMP_NUM_THREADS threads\n"
    "  train RECIPE [key=value]…      optimizer steps of a recipe, from text to step, and where the time goes\n\n"
    "Each row is the median of several timed repeats with its 20th and 80th percentile. --json prints one object with\n"
    "results:[{\"name\",\"metric\",\"value\",\"unit\",\"p20\",\"p80\",\"samples\",…}].\n"
    "Comparators and their results: benchmarks/README.md.\n";

bool hone_bench_wants(const struct hone_bench *bench, const char *name) {
    return !bench->filter || strstr(name, bench->filter);
}

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double percentile(const double *sorted, int n, double share) {
    double at = share * (n - 1);
    int below = (int)at;
    return below + 1 < n ? sorted[below] + (at - below) * (sorted[below + 1] - sorted[below]) : sorted[n - 1];
}

void hone_bench_add(struct hone_bench *bench, const char *name, const char *metric, const char *unit, double *samples,
                    int n) {
    json_t *raw = json_array();
    for (int i = 0; i < n; i++) json_array_append_new(raw, json_real(samples[i]));
    qsort(samples, (size_t)n, sizeof *samples, ascending);
    json_t *row = json_pack("{s:s, s:s, s:f, s:s, s:f, s:f, s:o}", "name", name, "metric", metric, "value",
                            percentile(samples, n, 0.5), "unit", unit, "p20", percentile(samples, n, 0.2), "p80",
                            percentile(samples, n, 0.8), "samples", raw);
    json_array_append_new(bench->results, row);
}

void hone_bench_note(struct hone_bench *bench, const char *key, double value) {
    json_object_set_new(json_array_get(bench->results, json_array_size(bench->results) - 1), key, json_real(value));
}

static enum hone_status print_rows(const struct hone_bench *bench) {
    struct hone_text text = {0};
    size_t i;
    json_t *row, *value;
    const char *key;
    json_array_foreach(bench->results, i, row) {
        hone_text_format(
            &text, "%-58s %-18s %12.4g %-10s [%.4g, %.4g]", json_string_value(json_object_get(row, "name")),
            json_string_value(json_object_get(row, "metric")), json_real_value(json_object_get(row, "value")),
            json_string_value(json_object_get(row, "unit")), json_real_value(json_object_get(row, "p20")),
            json_real_value(json_object_get(row, "p80")));
        json_object_foreach(row, key, value) {
            if (json_is_real(value) && strcmp(key, "value") != 0 && strcmp(key, "p20") != 0 &&
                strcmp(key, "p80") != 0) {
                hone_text_format(&text, "  %s %.3g", key, json_real_value(value));
            }
        }
        hone_text_append(&text, "\n", 1);
    }
    enum hone_status status = hone_tool_print(text.bytes ? text.bytes : "", text.length);
    hone_text_free(&text);
    return status == HONE_OK ? hone_tool_flush() : status;
}

static enum hone_status print_json(const struct hone_bench *bench) {
    struct hone_device *device;
    HONE_TRY(hone_device_open(&device, "auto"));
    json_t *object =
        json_pack("{s:s, s:s, s:O}", "version", HONE_VERSION, "device", device->description, "results", bench->results);
    enum hone_status status = hone_tool_print_json(object);
    json_decref(object);
    return status;
}

static enum hone_status run(struct hone_bench *bench, int argc, char **argv) {
    /* Sorted by name. */
    static const struct {
        const char *name;
        enum hone_status (*run)(struct hone_bench *bench, int argc, char **argv);
    } all[] = {{"checkpoint", hone_bench_checkpoint},
               {"io", hone_bench_io},
               {"kernels", hone_bench_kernels},
               {"tokenizer", hone_bench_tokenizer},
               {"train", hone_bench_train}};
    const char *names[sizeof all / sizeof *all];
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        names[i] = all[i].name;
        if (strcmp(argv[0], all[i].name) == 0) return all[i].run(bench, argc, argv);
    }
    const char *near = hone_suggest(argv[0], names, sizeof all / sizeof *all);
    return hone_fail(HONE_USAGE, "bench: unknown benchmark \"%s\"%s%s%s; see hone bench --help", argv[0],
                     near ? " (did you mean \"" : "", near ? near : "", near ? "\"?)" : "");
}

int hone_tool_bench(int argc, char **argv) {
    struct hone_bench bench = {.results = json_array()};
    int n_positional;
    bool helped;
    struct hone_tool_option options[] = {{"--filter", &bench.filter, NULL},
                                         {"--input", &bench.input, NULL},
                                         {"--json", NULL, &bench.json},
                                         {"--tokenizer", &bench.tokenizer, NULL},
                                         {0}};
    enum hone_status status = hone_tool_parse(argc, argv, options, help, &n_positional, &helped);
    if (status == HONE_OK && helped) {
        status = hone_tool_flush();
    } else if (status == HONE_OK && !n_positional) {
        status = hone_fail(HONE_USAGE, "bench: say what to measure; see hone bench --help");
    } else if (status == HONE_OK && (bench.input || bench.tokenizer) && strcmp(argv[1], "tokenizer") != 0) {
        status = hone_fail(HONE_USAGE, "bench: --tokenizer and --input go with hone bench tokenizer");
    } else if (status == HONE_OK) {
        status = run(&bench, n_positional, argv + 1);
        if (status == HONE_OK) status = bench.json ? print_json(&bench) : print_rows(&bench);
    }
    json_decref(bench.results);
    return hone_tool_end(status);
}
