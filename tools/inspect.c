/* hone inspect: what is in a safetensors file or a model folder, and how two of them differ. */
#include <inttypes.h>
#include <string.h>

#include "base/io.h"
#include "base/json.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/utf8.h"
#include "hub/cache.h"
#include "tools/inspect_report.h"
#include "tools/tools.h"

static const char help[] =
    "usage: hone inspect PATH [--stats] [--diff PATH] [--json]\n"
    "\n"
    "PATH is a safetensors file, a model folder as the Hub has it, or org/name[@revision] from the Hub cache. Prints a "
    "table of its tensors (name, dtype,\n"
    "shape, bytes), totals, what config.json says, and the SHA-256 of each file.\n"
    "\n"
    "  --stats       also reads every tensor: smallest, largest, mean and root mean square of the finite values,\n"
    "                counts of NaN and infinite ones\n"
    "  --diff PATH   compares with another file or folder instead: tensors that only one has, other shapes or dtypes,\n"
    "                and for the common ones the largest absolute difference and the relative one,\n"
    "                rms(b - a) / rms(a)\n"
    "  --json        one JSON object instead of tables\n"
    "  --help        this text\n"
    "\n"
    "Exit code 0 also when two models differ; 3 when a file is damaged.\n";

static const char *text_of(const json_t *object, const char *key) {
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

static void append_escaped(struct hone_text *text, const char *string, int width) {
    char *shown = hone_escape(string, strlen(string));
    hone_text_format(text, "%-*s", width, shown);
    hone_free(shown);
}

/* The longest name of the rows, within reason. */
static int name_width(const json_t *rows) {
    size_t i, width = 4;
    json_t *row;
    json_array_foreach(rows, i, row) {
        size_t length = strlen(text_of(row, "name"));
        if (length > width && length <= 80) width = length;
    }
    return (int)width;
}

static char *shape_text(const json_t *shape) {
    struct hone_text text = {0};
    hone_text_format(&text, "[");
    size_t d;
    json_t *size;
    json_array_foreach(shape, d, size) {
        hone_text_format(&text, "%s%" PRId64, d > 0 ? ", " : "", (int64_t)json_integer_value(size));
    }
    hone_text_format(&text, "]");
    return text.bytes;
}

static void print_tensors(struct hone_text *text, const json_t *tensors, bool stats) {
    int width = name_width(tensors);
    hone_text_format(text, "%-*s  %-7s  %-20s  %12s", width, "name", "dtype", "shape", "bytes");
    if (stats) hone_text_format(text, "  %12s  %12s  %12s  %12s  %6s  %6s", "min", "max", "mean", "rms", "nan", "inf");
    hone_text_format(text, "\n");
    size_t i;
    json_t *row;
    json_array_foreach(tensors, i, row) {
        append_escaped(text, text_of(row, "name"), width);
        char *shape = shape_text(json_object_get(row, "shape"));
        hone_text_format(text, "  %-7s  %-20s  %12" PRId64, text_of(row, "dtype"), shape,
                         (int64_t)json_integer_value(json_object_get(row, "bytes")));
        hone_free(shape);
        if (json_object_get(row, "rms")) {
            static const char *const keys[] = {"min", "max", "mean", "rms"};
            for (size_t k = 0; k < 4; k++) {
                hone_text_format(text, "  %12.5g", json_real_value(json_object_get(row, keys[k])));
            }
            hone_text_format(text, "  %6" PRId64 "  %6" PRId64,
                             (int64_t)json_integer_value(json_object_get(row, "nan")),
                             (int64_t)json_integer_value(json_object_get(row, "inf")));
        }
        hone_text_format(text, "\n");
    }
}

/* What says most about a model, where its config has it. */
static void print_config(struct hone_text *text, const json_t *config) {
    static const char *const keys[] = {
        "model_type",          "architectures",     "hidden_size", "num_hidden_layers",
        "num_attention_heads", "intermediate_size", "vocab_size",  "max_position_embeddings",
        "hidden_act",          "problem_type",      "id2label",    "torch_dtype",
        "transformers_version"};
    hone_text_format(text, "\nconfig.json\n");
    for (size_t k = 0; k < sizeof keys / sizeof *keys; k++) {
        const json_t *value = json_object_get(config, keys[k]);
        if (!value) continue;
        char *line = hone_json_line(value);
        hone_text_format(text, "  %-24s ", keys[k]);
        append_escaped(text, line, 0);
        hone_text_format(text, "\n");
        hone_free(line);
    }
}

static void print_report(struct hone_text *text, const json_t *report, bool stats) {
    print_tensors(text, json_object_get(report, "tensors"), stats);
    char size[16];
    hone_text_format(text, "\n%" PRId64 " tensors, %" PRId64 " values, %s\n",
                     (int64_t)json_integer_value(json_object_get(report, "n_tensors")),
                     (int64_t)json_integer_value(json_object_get(report, "elements")),
                     hone_bytes(size, (double)json_integer_value(json_object_get(report, "bytes"))));
    const json_t *config = json_object_get(report, "config");
    if (config) print_config(text, config);
    hone_text_format(text, "\nSHA-256\n");
    size_t i;
    json_t *row;
    json_array_foreach(json_object_get(report, "files"), i, row) {
        hone_text_format(text, "  %s  %12" PRId64 "  %s\n", text_of(row, "sha256"),
                         (int64_t)json_integer_value(json_object_get(row, "bytes")), text_of(row, "name"));
    }
}

static void print_names(struct hone_text *text, const char *heading, const json_t *names) {
    size_t i;
    json_t *name;
    json_array_foreach(names, i, name) {
        hone_text_format(text, "%s ", heading);
        append_escaped(text, json_string_value(name), 0);
        hone_text_format(text, "\n");
    }
}

static void print_difference(struct hone_text *text, const json_t *report) {
    hone_text_format(text, "a: %s\nb: %s\n\n", text_of(report, "a"), text_of(report, "b"));
    print_names(text, "only in a:", json_object_get(report, "only_in_a"));
    print_names(text, "only in b:", json_object_get(report, "only_in_b"));
    size_t i, equal = 0;
    json_t *row;
    json_array_foreach(json_object_get(report, "changed_kind"), i, row) {
        const json_t *a = json_object_get(row, "a"), *b = json_object_get(row, "b");
        char *shape_a = shape_text(json_object_get(a, "shape")), *shape_b = shape_text(json_object_get(b, "shape"));
        hone_text_format(text, "other kind: ");
        append_escaped(text, text_of(row, "name"), 0);
        hone_text_format(text, " is %s %s in a, %s %s in b\n", text_of(a, "dtype"), shape_a, text_of(b, "dtype"),
                         shape_b);
        hone_free(shape_a);
        hone_free(shape_b);
    }
    const json_t *common = json_object_get(report, "common");
    int width = name_width(common);
    bool headed = false;
    json_array_foreach(common, i, row) {
        if (json_integer_value(json_object_get(row, "different")) == 0) {
            equal++;
            continue;
        }
        if (!headed)
            hone_text_format(text, "%-*s  %12s  %12s  %12s\n", width, "name", "values", "max |b-a|", "rms(b-a)/rms(a)");
        headed = true;
        append_escaped(text, text_of(row, "name"), width);
        hone_text_format(text, "  %12" PRId64 "  %12.5g",
                         (int64_t)json_integer_value(json_object_get(row, "different")),
                         json_real_value(json_object_get(row, "max_abs")));
        const json_t *relative = json_object_get(row, "relative_rms");
        if (json_is_real(relative)) {
            hone_text_format(text, "  %15.5g\n", json_real_value(relative));
        } else {
            hone_text_format(text, "  %15s\n", "a is zero");
        }
    }
    hone_text_format(text, "%zu of %zu common tensors are equal\n", equal, json_array_size(common));
}

/* A file, a folder, or a name on the Hub. */
static enum hone_status find(char **out, const char *path) {
    size_t n = strlen(path);
    if (hone_file_exists(path) || (n > 12 && strcmp(path + n - 12, ".safetensors") == 0)) {
        *out = hone_strdup(path, "safetensors file");
        return HONE_OK;
    }
    return hone_hub_find(out, path);
}

int hone_tool_inspect(int argc, char **argv) {
    const char *other = NULL;
    bool stats = false, json = false, helped;
    const struct hone_tool_option options[] = {
        {"--diff", &other, NULL}, {"--json", NULL, &json}, {"--stats", NULL, &stats}, {NULL, NULL, NULL}};
    int n;
    enum hone_status status = hone_tool_parse(argc, argv, options, help, &n, &helped);
    if (status != HONE_OK || helped) return hone_tool_end(status);
    if (n != 1) {
        return hone_tool_end(hone_fail(HONE_USAGE, "inspect: expected one PATH, found %d; see hone inspect --help", n));
    }
    if (other && stats) {
        return hone_tool_end(hone_fail(HONE_USAGE, "inspect: --stats and --diff don't go together; run it twice"));
    }
    json_t *report = json_object();
    struct hone_text text = {0};
    char *path = NULL, *other_path = NULL;
    status = find(&path, argv[1]);
    if (status == HONE_OK && other) status = find(&other_path, other);
    if (status == HONE_OK)
        status = other ? inspect_compare(report, path, other_path) : inspect_describe(report, path, stats);
    hone_free(path);
    hone_free(other_path);
    if (status == HONE_OK) {
        if (json) {
            char *line = hone_json_line(report);
            hone_text_format(&text, "%s\n", line);
            hone_free(line);
        } else if (other) {
            print_difference(&text, report);
        } else {
            print_report(&text, report, stats);
        }
        status = hone_tool_print(text.bytes, text.length);
    }
    if (status == HONE_OK) status = hone_tool_flush();
    hone_text_free(&text);
    json_decref(report);
    return hone_tool_end(status);
}
