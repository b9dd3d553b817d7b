/* Measuring and comparing the tensors of safetensors files and model folders. One tensor (two, when comparing) is in
 * memory at a time. */
#include "tools/inspect_report.h"

#include <math.h>
#include <string.h>
#include <sys/stat.h>

#include "base/io.h"
#include "base/memory.h"
#include "base/sha256.h"
#include "base/utf8.h"
#include "hub/model_files.h"
#include "hub/safetensors.h"

/* Values of one tensor; minimum to rms are of the finite ones. */
struct stats {
    double minimum, maximum, mean, rms;
    int64_t nan, infinite;
};

/* False for dtypes that are no plain numbers (F8 variants, C64): they are listed, not measured. */
static bool is_numeric(const struct hone_tensor_entry *entry) {
    return strncmp(entry->dtype, "F8", 2) != 0 && entry->dtype[0] != 'C';
}

static enum hone_status read_values(float **values, struct hone_safetensors *file,
                                    const struct hone_tensor_entry *entry) {
    *values = hone_alloc((size_t)hone_tensor_elements(entry), sizeof **values, "tensor to be inspected");
    enum hone_status status = hone_safetensors_read_f32(file, entry, *values);
    if (status == HONE_OK) return HONE_OK;
    hone_free(*values);
    *values = NULL;
    return status;
}

static enum hone_status tensor_stats(struct stats *out, struct hone_safetensors *file,
                                     const struct hone_tensor_entry *entry) {
    memset(out, 0, sizeof *out);
    float *values;
    HONE_TRY(read_values(&values, file, entry));
    int64_t n = hone_tensor_elements(entry), finite = 0;
    double sum = 0, squares = 0;
    for (int64_t i = 0; i < n; i++) {
        double value = (double)values[i];
        if (isnan(value)) {
            out->nan++;
        } else if (isinf(value)) {
            out->infinite++;
        } else {
            if (finite == 0 || value < out->minimum) out->minimum = value;
            if (finite == 0 || value > out->maximum) out->maximum = value;
            sum += value;
            squares += value * value;
            finite++;
        }
    }
    if (finite > 0) {
        out->mean = sum / (double)finite;
        out->rms = sqrt(squares / (double)finite);
    }
    hone_free(values);
    return HONE_OK;
}

static json_t *shape_json(const struct hone_tensor_entry *entry) {
    json_t *shape = json_array();
    for (int d = 0; d < entry->n_dims; d++) json_array_append_new(shape, json_integer(entry->shape[d]));
    return shape;
}

/* {"name", "dtype", "shape", "bytes", with --stats the numbers} of each tensor, in order of name. */
static enum hone_status tensors_json(json_t **out, struct hone_safetensors *file, bool stats) {
    *out = json_array();
    for (size_t i = 0; i < file->n; i++) {
        const struct hone_tensor_entry *entry = &file->tensors[i];
        json_t *row = json_pack("{s:s, s:s, s:o, s:I}", "name", entry->name, "dtype", entry->dtype, "shape",
                                shape_json(entry), "bytes", (json_int_t)(entry->end - entry->begin));
        json_array_append_new(*out, row);
        if (!stats || !is_numeric(entry)) continue;
        struct stats numbers;
        HONE_TRY(tensor_stats(&numbers, file, entry));
        json_object_set_new(row, "min", json_real(numbers.minimum));
        json_object_set_new(row, "max", json_real(numbers.maximum));
        json_object_set_new(row, "mean", json_real(numbers.mean));
        json_object_set_new(row, "rms", json_real(numbers.rms));
        json_object_set_new(row, "nan", json_integer(numbers.nan));
        json_object_set_new(row, "inf", json_integer(numbers.infinite));
    }
    return HONE_OK;
}

static enum hone_status add_hash(json_t *files, const char *path, const char *name) {
    char hash[HONE_SHA256_TEXT];
    HONE_TRY(hone_sha256_file(hash, path));
    struct hone_file *file;
    HONE_TRY(hone_file_open(&file, path));
    char *shown = hone_escape(name, strlen(name));
    json_array_append_new(
        files, json_pack("{s:s, s:I, s:s}", "name", shown, "bytes", (json_int_t)hone_file_size(file), "sha256", hash));
    hone_free(shown);
    return hone_file_close(file);
}

/* {"name", "bytes", "sha256"} of the file, or of each file directly in the folder. */
static enum hone_status files_json(json_t **out, const char *path) {
    *out = json_array();
    if (!hone_folder_exists(path)) {
        const char *slash = strrchr(path, '/');
        return add_hash(*out, path, slash ? slash + 1 : path);
    }
    char **names;
    size_t n;
    HONE_TRY(hone_list_folder(&names, &n, path));
    enum hone_status status = HONE_OK;
    for (size_t i = 0; i < n && status == HONE_OK; i++) {
        char *file = hone_path_join(path, names[i]);
        struct stat about;
        if (stat(file, &about) == 0 && S_ISREG(about.st_mode)) status = add_hash(*out, file, names[i]);
        hone_free(file);
    }
    hone_names_free(names, n);
    return status;
}

static int64_t total_elements(const struct hone_safetensors *file) {
    int64_t total = 0;
    for (size_t i = 0; i < file->n; i++) total += hone_tensor_elements(&file->tensors[i]);
    return total;
}

static void set_text(json_t *object, const char *key, const char *text) {
    char *shown = hone_escape(text, strlen(text));
    json_object_set_new(object, key, json_string(shown));
    hone_free(shown);
}

enum hone_status inspect_describe(json_t *out, const char *path, bool stats) {
    struct hone_safetensors file;
    HONE_TRY(hone_safetensors_open(&file, path));
    json_t *tensors = NULL, *files = NULL, *config = NULL;
    enum hone_status status;
    set_text(out, "path", path);
    char *config_path = hone_path_join(path, "config.json");
    if (hone_folder_exists(path) && hone_file_exists(config_path)) HONE_TRY_GOTO(hone_config_read(&config, path));
    HONE_TRY_GOTO(tensors_json(&tensors, &file, stats));
    HONE_TRY_GOTO(files_json(&files, path));
    json_object_set_new(out, "n_tensors", json_integer((json_int_t)file.n));
    json_object_set_new(out, "elements", json_integer(total_elements(&file)));
    json_object_set_new(out, "bytes", json_integer(file.total_bytes));
    json_object_set(out, "tensors", tensors);
    if (config) json_object_set(out, "config", config);
    json_object_set(out, "files", files);
done:
    json_decref(tensors);
    json_decref(files);
    json_decref(config);
    hone_free(config_path);
    hone_safetensors_close(&file);
    return status;
}

/* {"name", "max_abs", "relative_rms", "different"} of a tensor that both have in one shape. Places where both are NaN or
 * the same infinity are equal; a difference that is not finite is counted as different and left out of the figures. */
static enum hone_status compare_tensor(json_t *out, struct hone_safetensors *a, const struct hone_tensor_entry *in_a,
                                       struct hone_safetensors *b, const struct hone_tensor_entry *in_b) {
    float *x, *y;
    HONE_TRY(read_values(&x, a, in_a));
    enum hone_status status = read_values(&y, b, in_b);
    if (status == HONE_OK) {
        int64_t n = hone_tensor_elements(in_a), different = 0;
        double largest = 0, squares = 0, reference = 0;
        for (int64_t i = 0; i < n; i++) {
            if (x[i] == y[i] || (isnan(x[i]) && isnan(y[i]))) {
                if (isfinite(x[i])) reference += (double)x[i] * (double)x[i];
                continue;
            }
            different++;
            double difference = (double)y[i] - (double)x[i];
            if (!isfinite(difference)) continue;
            largest = fmax(largest, fabs(difference));
            squares += difference * difference;
            reference += (double)x[i] * (double)x[i];
        }
        json_t *row =
            json_pack("{s:s, s:I, s:f}", "name", in_a->name, "different", (json_int_t)different, "max_abs", largest);
        /* Against a tensor of zeros nothing is relative. */
        json_object_set_new(row, "relative_rms",
                            squares == 0    ? json_real(0)
                            : reference > 0 ? json_real(sqrt(squares / reference))
                                            : json_null());
        json_array_append_new(out, row);
        hone_free(y);
    }
    hone_free(x);
    return status;
}

static bool same_shape(const struct hone_tensor_entry *a, const struct hone_tensor_entry *b) {
    return a->n_dims == b->n_dims && memcmp(a->shape, b->shape, (size_t)a->n_dims * sizeof *a->shape) == 0;
}

static json_t *kind_json(const struct hone_tensor_entry *entry) {
    return json_pack("{s:s, s:o}", "dtype", entry->dtype, "shape", shape_json(entry));
}

static enum hone_status compare_files(json_t *out, struct hone_safetensors *a, struct hone_safetensors *b) {
    json_t *only_a = json_array(), *only_b = json_array(), *changed = json_array(), *common = json_array();
    json_object_set_new(out, "only_in_a", only_a);
    json_object_set_new(out, "only_in_b", only_b);
    json_object_set_new(out, "changed_kind", changed);
    json_object_set_new(out, "common", common);
    for (size_t i = 0; i < a->n; i++) {
        const struct hone_tensor_entry *in_a = &a->tensors[i], *in_b = hone_safetensors_find(b, in_a->name);
        if (!in_b) {
            json_array_append_new(only_a, json_string(in_a->name));
            continue;
        }
        bool same = same_shape(in_a, in_b);
        if (!same || in_a->dtype != in_b->dtype) {
            json_array_append_new(
                changed, json_pack("{s:s, s:o, s:o}", "name", in_a->name, "a", kind_json(in_a), "b", kind_json(in_b)));
        }
        if (same && is_numeric(in_a) && is_numeric(in_b)) HONE_TRY(compare_tensor(common, a, in_a, b, in_b));
    }
    for (size_t i = 0; i < b->n; i++) {
        const char *name = b->tensors[i].name;
        if (!hone_safetensors_find(a, name)) json_array_append_new(only_b, json_string(name));
    }
    return HONE_OK;
}

enum hone_status inspect_compare(json_t *out, const char *path_a, const char *path_b) {
    struct hone_safetensors a, b;
    HONE_TRY(hone_safetensors_open(&a, path_a));
    enum hone_status status = hone_safetensors_open(&b, path_b);
    if (status == HONE_OK) {
        set_text(out, "a", path_a);
        set_text(out, "b", path_b);
        status = compare_files(out, &a, &b);
        hone_safetensors_close(&b);
    }
    hone_safetensors_close(&a);
    return status;
}
