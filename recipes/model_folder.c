#include "recipes/model_folder.h"

#include <math.h>
#include <string.h>

#include "base/arith.h"
#include "base/io.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/suggest.h"
#include "base/utf8.h"
#include "hub/cache.h"
#include "hub/model_files.h"
#include "recipes/tags.h"

/* How many names a message lists before it only counts. */
#define LISTED 10

struct names {
    struct hone_text text;
    int n;
};

static void names_add(struct names *names, const char *name) {
    if (names->n++ >= LISTED) return;
    char *shown = hone_escape(name, strlen(name));
    hone_text_format(&names->text, "%s%s", names->n > 1 ? ", " : "", shown);
    hone_free(shown);
}

static const char *names_text(struct names *names) {
    if (names->n > LISTED) hone_text_format(&names->text, ", … (%d in all)", names->n);
    return names->text.bytes ? names->text.bytes : "";
}

/* Parameter that a tensor of the file belongs to: by its present name, with or without the base prefix, or by an alias;
 * -1: none, -2: a buffer to be ignored. */
static int32_t parameter_of(const struct hone_model *model, const char *tensor, bool *alias) {
    char renamed[512];
    const char *name = model->class->rename(renamed, tensor);
    *alias = false;
    if (!name) return -2;
    for (int i = 0; i < model->n_ties; i++) {
        *alias = strcmp(name, model->ties[i].alias) == 0;
        if (*alias) return model->ties[i].parameter;
    }
    int32_t id = hone_parameters_find(model->parameters, name);
    if (id >= 0) return id;
    size_t prefix = strlen(model->class->base_prefix);
    if (strncmp(name, model->class->base_prefix, prefix) == 0) {
        return hone_parameters_find(model->parameters, name + prefix);
    }
    char *full = hone_format("%s%s", model->class->base_prefix, name);
    id = hone_parameters_find(model->parameters, full);
    hone_free(full);
    return id;
}

static bool same_shape(const struct hone_parameter *parameter, const struct hone_tensor_entry *entry) {
    if (entry->n_dims != parameter->n_dims) return false;
    for (int i = 0; i < entry->n_dims; i++) {
        if (entry->shape[i] != parameter->shape[i]) return false;
    }
    return true;
}

static char *shape_text(const int64_t *shape, int n) {
    struct hone_text text = {0};
    hone_text_append(&text, "[", 1);
    for (int i = 0; i < n; i++) hone_text_format(&text, "%s%lld", i ? ", " : "", (long long)shape[i]);
    hone_text_append(&text, "]", 1);
    return text.bytes;
}

/* Has a row for each label. */
static bool is_of_labels(const struct hone_model *model, const struct hone_parameter *parameter) {
    return model->head != HONE_HEAD_MASKED_LM && parameter->layer > model->n_layers &&
           parameter->shape[0] == model->n_labels;
}

static enum hone_status wrong_shape(const char *path, const struct hone_tensor_entry *entry,
                                    const struct hone_parameter *parameter, const struct hone_model_folder *folder) {
    const struct hone_model *model = folder->model;
    char *found = shape_text(entry->shape, entry->n_dims), *expected = shape_text(parameter->shape, parameter->n_dims);
    char *why = is_of_labels(model, parameter)
                    ? hone_format("for %lld labels%s", (long long)model->n_labels,
                                  folder->training ? "; with model.head: new that layer starts anew" : "")
                    : hone_strdup("by config.json", "message");
    enum hone_status status = hone_fail(HONE_BAD_INPUT, "%s: tensor \"%s\" has shape %s, expected %s %s", path,
                                        entry->name, found, expected, why);
    hone_free(why);
    hone_free(found);
    hone_free(expected);
    return status;
}

/* The file's tensors of each parameter by its id: under its own name, else under its alias, and the alias where there
 * are both; -1: none. */
struct match {
    int64_t *entry, *alias;
};

static struct match match_create(const struct hone_model *model) {
    size_t n = (size_t)hone_parameters_count(model->parameters);
    struct match match = {.entry = hone_alloc(n, sizeof *match.entry, "tensor table"),
                          .alias = hone_alloc(n, sizeof *match.alias, "tensor table")};
    for (size_t i = 0; i < n; i++) match.entry[i] = match.alias[i] = -1;
    return match;
}

static void match_free(struct match *match) {
    hone_free(match->entry);
    hone_free(match->alias);
}

/* By what config.json says that its head is. */
static bool fills_masks(const struct hone_model_folder *folder) {
    const char *architecture = json_string_value(json_array_get(json_object_get(folder->config, "architectures"), 0));
    const char *expected = folder->model->class->architectures[HONE_HEAD_MASKED_LM];
    return folder->model->head != HONE_HEAD_MASKED_LM && architecture && expected &&
           strcmp(architecture, expected) == 0;
}

/* Notes entry i; a second tensor for a parameter is taken only where one of the two has the alias. */
static enum hone_status match_entry(struct match *match, const struct hone_model_folder *folder, size_t i, int32_t id,
                                    bool alias) {
    const struct hone_model *model = folder->model;
    const struct hone_tensor_entry *tensors = folder->weights.tensors, *entry = &tensors[i];
    const char *path = folder->weights.paths[entry->file];
    int64_t *place = alias ? match->alias : match->entry;
    if (place[id] >= 0) {
        return hone_fail(HONE_BAD_INPUT, "%s: tensors \"%s\" and \"%s\" are the same parameter", path,
                         tensors[place[id]].name, entry->name);
    }
    place[id] = (int64_t)i;
    const struct hone_parameter *parameter = hone_parameters_get(model->parameters, id);
    return same_shape(parameter, entry) ? HONE_OK : wrong_shape(path, entry, parameter, folder);
}

static enum hone_status match_tensors(struct match *match, const struct hone_model_folder *folder, bool report) {
    const struct hone_model *model = folder->model;
    int32_t n = hone_parameters_count(model->parameters);
    struct names unused = {0}, fresh = {0}, missing = {0};
    enum hone_status status = HONE_OK;
    for (size_t i = 0; i < folder->weights.n; i++) {
        bool alias;
        int32_t id = parameter_of(model, folder->weights.tensors[i].name, &alias);
        bool anew = id >= 0 && folder->new_head && is_of_labels(model, hone_parameters_get(model->parameters, id));
        if (id == -1 || anew) names_add(&unused, folder->weights.tensors[i].name);
        if (id >= 0 && !anew) HONE_TRY_GOTO(match_entry(match, folder, i, id, alias));
    }
    for (int32_t id = 0; id < n; id++) {
        if (match->entry[id] >= 0) continue;
        match->entry[id] = match->alias[id];
        match->alias[id] = -1;
    }
    for (int32_t id = 0; id < n; id++) {
        const struct hone_parameter *parameter = hone_parameters_get(model->parameters, id);
        if (match->entry[id] >= 0 || folder->from_nothing) continue;
        names_add(parameter->layer > model->n_layers ? &fresh : &missing, parameter->name);
    }
    if (missing.n) {
        status = hone_fail(HONE_BAD_INPUT, "%s: %d tensor%s that config.json asks for %s missing: %s", folder->path,
                           missing.n, missing.n > 1 ? "s" : "", missing.n > 1 ? "are" : "is", names_text(&missing));
    } else if (fresh.n && !folder->training && fills_masks(folder)) {
        status = hone_fail(HONE_BAD_INPUT,
                           "%s: a masked language model, and hone predict fills no masks; fine-tune it first with hone "
                           "train, for labels or numbers",
                           folder->path);
    } else if (fresh.n && !folder->training) {
        status = hone_fail(HONE_BAD_INPUT,
                           "%s: the model has no head for this task (no %s); fine-tune it first with "
                           "hone train",
                           folder->path, names_text(&fresh));
    } else if (report) {
        if (fresh.n) hone_info("%s: new, initialised from the seed: %s", folder->path, names_text(&fresh));
        if (unused.n) hone_info("%s: not used by this model: %s", folder->path, names_text(&unused));
    }
done:
    hone_text_free(&unused.text);
    hone_text_free(&fresh.text);
    hone_text_free(&missing.text);
    return status;
}

static enum hone_status set_precision(struct hone_model *model, const struct hone_model_folder_options *options) {
    const char *why_not = options->device->bf16_why_not;
    if (options->precision == HONE_PRECISION_BF16 && why_not) {
        return hone_fail(HONE_USAGE, "precision: found bf16, but %s; expected f32, or auto", why_not);
    }
    bool bf16 = options->precision != HONE_PRECISION_F32 && !why_not;
    hone_parameters_set_precision(model->parameters, bf16 ? HONE_BF16 : HONE_F32);
    return HONE_OK;
}

/* Without a problem_type one label is a regression, as Transformers takes it. */
static enum hone_status read_problem(struct hone_model_folder *out, const char *path) {
    const char *word;
    HONE_TRY(hone_json_string(&word, out->config, "problem_type", "", path));
    HONE_TRY(hone_json_number(&out->threshold, out->config, "threshold", 0.5, 0, 1, path));
    out->problem = out->labels.n == 1 ? HONE_REGRESSION : HONE_SINGLE_LABEL;
    if (!*word) return HONE_OK;
    for (int p = HONE_SINGLE_LABEL; p <= HONE_REGRESSION; p++) {
        out->problem = (enum hone_problem)p;
        if (strcmp(hone_recipe_word("task.problem_type", p), word) == 0) return HONE_OK;
    }
    char *shown = hone_escape(word, strlen(word));
    enum hone_status status = hone_fail(HONE_BAD_INPUT,
                                        "%s: problem_type is \"%s\", expected single_label_classification, "
                                        "multi_label_classification or regression",
                                        path, shown);
    hone_free(shown);
    return status;
}

/* Of those whose logits are of labels. */
static enum hone_head head_of(const json_t *config) {
    const char *architecture = json_string_value(json_array_get(json_object_get(config, "architectures"), 0));
    const struct hone_model_class *class;
    for (int i = 0; architecture && (class = hone_model_class_at(i)); i++) {
        const char *tokens = class->architectures[HONE_HEAD_TOKEN_CLASSIFICATION];
        if (tokens && strcmp(tokens, architecture) == 0) return HONE_HEAD_TOKEN_CLASSIFICATION;
    }
    return HONE_HEAD_SEQUENCE_CLASSIFICATION;
}

/* Of folders that hone wrote; else the names of the labels tell. */
static enum hone_status read_scheme(struct hone_model_folder *out, const char *path) {
    const char *word;
    HONE_TRY(hone_json_string(&word, out->config, "tag_scheme", "", path));
    out->labels.scheme = HONE_SCHEME_AUTO;
    for (int s = HONE_SCHEME_NONE; s <= HONE_SCHEME_IOBES; s++)
        if (strcmp(hone_recipe_word("task.scheme", s), word) == 0) out->labels.scheme = (enum hone_scheme)s;
    return HONE_OK;
}

static const char *kind_of(const json_t *value) {
    return json_is_number(value) ? "a number" : json_is_boolean(value) ? "true or false" : "a text";
}

/* A key that isn't there would be read by nobody. */
static enum hone_status change_config(json_t *config, json_t *changes, const char *path) {
    const char *key;
    json_t *value;
    json_object_foreach(changes, key, value) {
        const json_t *known = json_object_get(config, key);
        if (known && (json_is_null(known) || strcmp(kind_of(known), kind_of(value)) == 0)) {
            json_object_set(config, key, value);
            continue;
        }
        char *shown = hone_escape(key, strlen(key));
        enum hone_status status;
        if (known) {
            status = hone_fail(HONE_USAGE, "model.config: \"%s\" is %s, expected %s as in %s", shown, kind_of(value),
                               kind_of(known), path);
        } else {
            size_t n = 0;
            const char **words = hone_alloc(json_object_size(config), sizeof *words, "keys of config.json"), *word;
            json_t *ignored;
            json_object_foreach(config, word, ignored) words[n++] = word;
            const char *near = hone_suggest(key, words, n);
            status = hone_fail(HONE_USAGE, "model.config: there is no \"%s\" in %s%s%s%s", shown, path,
                               near ? " (did you mean \"" : "", near ? near : "", near ? "\"?)" : "");
            hone_free(words);
        }
        hone_free(shown);
        return status;
    }
    return HONE_OK;
}

static enum hone_status outline(struct hone_model_folder *out, struct hone_model_folder_options options) {
    char *config_path = hone_path_join(out->path, "config.json");
    enum hone_status status = HONE_OK;
    struct match match = {0};
    HONE_TRY_GOTO(hone_config_read(&out->config, out->path));
    HONE_TRY_GOTO(change_config(out->config, options.config, config_path));
    if (options.config) {
        char *changed = hone_format("%s with model.config", config_path);
        hone_free(config_path);
        config_path = changed;
    }
    if (options.head_of_config) options.head = head_of(out->config);
    if (options.head == HONE_HEAD_MASKED_LM) {
        out->labels = (struct hone_labels){0};
    } else if (options.labels) {
        hone_labels_copy(&out->labels, options.labels->names, (size_t)options.labels->n);
        out->labels.scheme = options.labels->scheme;
        out->problem = options.problem;
        out->threshold = options.threshold;
    } else {
        size_t n;
        HONE_TRY_GOTO(hone_config_labels(&out->labels.names, &n, out->config, config_path));
        out->labels.n = (int64_t)n;
        if (options.head == HONE_HEAD_TOKEN_CLASSIFICATION) HONE_TRY_GOTO(read_scheme(out, config_path));
    }
    HONE_TRY_GOTO(
        hone_model_create(&out->model, out->config, config_path, options.head, out->labels.n, options.device));
    HONE_TRY_GOTO(set_precision(out->model, &options));
    HONE_TRY_GOTO(hone_tokenizer_open_within(&out->tokenizer, out->path, out->model->vocabulary));
    if (hone_tokenizer_size(out->tokenizer) > out->model->vocabulary) {
        HONE_TRY_GOTO(hone_fail(HONE_BAD_INPUT,
                                "%s: the tokenizer has %d entries, but the model's vocabulary (vocab_size in "
                                "config.json) only %lld",
                                out->path, hone_tokenizer_size(out->tokenizer), (long long)out->model->vocabulary));
    }
    if (options.given_words && options.head == HONE_HEAD_TOKEN_CLASSIFICATION &&
        hone_tokenizer_drops_spaces(out->tokenizer))
        out->prefix_space = hone_tokenizer_add_prefix_space(out->tokenizer);
    if (!out->from_nothing) HONE_TRY_GOTO(hone_safetensors_open(&out->weights, out->path));
    match = match_create(out->model);
    HONE_TRY_GOTO(match_tensors(&match, out, false));
    if (out->labels.n == 0 && options.head != HONE_HEAD_MASKED_LM) {
        hone_labels_number(&out->labels, out->model->n_labels);
    }
    if (!options.labels) HONE_TRY_GOTO(read_problem(out, config_path));
done:
    match_free(&match);
    hone_free(config_path);
    return status;
}

enum hone_status hone_model_folder_outline(struct hone_model_folder *out, const char *path,
                                           struct hone_model_folder_options options) {
    char *found;
    *out = (struct hone_model_folder){0};
    HONE_TRY(hone_hub_find(&found, path));
    *out = (struct hone_model_folder){.path = found,
                                      .training = options.training,
                                      .from_nothing = options.from_nothing,
                                      .new_head = options.new_head,
                                      .finite = options.finite,
                                      .seed = options.seed};
    enum hone_status status = outline(out, options);
    if (status != HONE_OK) hone_model_folder_close(out);
    return status;
}

static enum hone_status check_finite(const struct hone_model_folder *folder, const char *path, const char *name,
                                     const float *values, int64_t n) {
    int64_t i = 0;
    while (i < n && isfinite(values[i])) i++;
    if (i == n) return HONE_OK;
    if (folder->finite)
        return hone_fail(HONE_BAD_INPUT, "%s: tensor \"%s\" holds %f at element %lld, expected finite weights", path,
                         name, (double)values[i], (long long)i);
    hone_warn("%s: tensor \"%s\" holds %f at element %lld", path, name, (double)values[i], (long long)i);
    return HONE_OK;
}

/* Fails unless the alias holds what the parameter's own tensor does: a model whose two copies have parted would lose
 * one of them. */
static enum hone_status check_alias(struct hone_safetensors *weights, const struct hone_tensor_entry *entry,
                                    const struct hone_tensor_entry *alias, const float *values, int64_t n) {
    float *others = hone_alloc((size_t)n, sizeof *others, "one tensor");
    enum hone_status status = hone_safetensors_read_f32(weights, alias, others);
    if (status == HONE_OK && memcmp(values, others, (size_t)n * sizeof *values) != 0) {
        status = hone_fail(HONE_BAD_INPUT,
                           "%s: tensors \"%s\" and \"%s\" are one parameter but hold different values; save the model "
                           "with tied weights",
                           weights->paths[alias->file], entry->name, alias->name);
    }
    hone_free(others);
    return status;
}

static enum hone_status load_tensor(struct hone_model_folder *folder, struct hone_safetensors *weights, int32_t id,
                                    int64_t at, int64_t alias, float *values) {
    struct hone_parameters *parameters = folder->model->parameters;
    if (at < 0) return hone_parameters_initialize(parameters, id, folder->seed);
    const struct hone_parameter *parameter = hone_parameters_get(parameters, id);
    const struct hone_tensor_entry *entry = &weights->tensors[at];
    HONE_TRY(hone_safetensors_read_f32(weights, entry, values));
    if (alias >= 0) HONE_TRY(check_alias(weights, entry, &weights->tensors[alias], values, parameter->count));
    HONE_TRY(check_finite(folder, weights->paths[entry->file], entry->name, values, parameter->count));
    return hone_parameters_write(parameters, id, values);
}

static enum hone_status load_tensors(struct hone_model_folder *folder, struct hone_safetensors *weights,
                                     const struct match *match) {
    struct hone_parameters *parameters = folder->model->parameters;
    int64_t largest = 0;
    for (int32_t id = 0; id < hone_parameters_count(parameters); id++) {
        largest = hone_max_i64(largest, hone_parameters_get(parameters, id)->count);
    }
    float *values = hone_alloc((size_t)largest, sizeof *values, "one tensor");
    enum hone_status status = HONE_OK;
    for (int32_t id = 0; id < hone_parameters_count(parameters) && status == HONE_OK; id++) {
        status = load_tensor(folder, weights, id, match->entry[id], match->alias[id], values);
    }
    hone_free(values);
    return status;
}

enum hone_status hone_model_folder_load(struct hone_model_folder *folder) {
    HONE_TRY(hone_parameters_allocate(folder->model->parameters, folder->training));
    struct match match = match_create(folder->model);
    enum hone_status status = match_tensors(&match, folder, true);
    if (status == HONE_OK) status = load_tensors(folder, &folder->weights, &match);
    match_free(&match);
    return status;
}

enum hone_status hone_model_folder_open(struct hone_model_folder *out, const char *path,
                                        struct hone_model_folder_options options) {
    HONE_TRY(hone_model_folder_outline(out, path, options));
    enum hone_status status = hone_model_folder_load(out);
    if (status != HONE_OK) hone_model_folder_close(out);
    return status;
}

void hone_model_folder_close(struct hone_model_folder *folder) {
    hone_safetensors_close(&folder->weights);
    hone_tokenizer_free(folder->tokenizer);
    hone_model_free(folder->model);
    hone_labels_free(&folder->labels);
    json_decref(folder->config);
    hone_free(folder->path);
    *folder = (struct hone_model_folder){0};
}

/* Where the values of tensors to be saved come from. */
struct weights_source {
    const struct hone_parameters *parameters;
    const float *copy; /* or NULL: the device */
};

static enum hone_status tensor_values(void *bytes, int32_t id, void *user) {
    const struct weights_source *source = user;
    const struct hone_parameter *parameter = hone_parameters_get(source->parameters, id);
    if (source->copy) {
        memcpy(bytes, source->copy + parameter->offset, (size_t)parameter->count * sizeof(float));
    } else {
        HONE_TRY(hone_parameters_read(source->parameters, id, bytes));
    }
    const float *values = bytes;
    for (int64_t i = 0; i < parameter->count; i++) {
        if (isfinite(values[i])) continue;
        return hone_fail(HONE_NUMERIC,
                         "weight %lld of \"%s\" has become %f, so the model is not saved; lower optimizer.lr",
                         (long long)i, parameter->name, (double)values[i]);
    }
    return HONE_OK;
}

static enum hone_status save_weights(const struct hone_model_folder *folder, const char *path, const float *weights) {
    const struct hone_parameters *parameters = folder->model->parameters;
    struct weights_source source = {parameters, weights};
    int32_t n = hone_parameters_count(parameters);
    struct hone_tensor_source *sources = hone_calloc((size_t)n, sizeof *sources, "tensor table");
    for (int32_t id = 0; id < n; id++) {
        const struct hone_parameter *parameter = hone_parameters_get(parameters, id);
        sources[id] =
            (struct hone_tensor_source){.name = parameter->name, .dtype = "F32", .n_dims = parameter->n_dims, .id = id};
        for (int i = 0; i < parameter->n_dims; i++) sources[id].shape[i] = parameter->shape[i];
    }
    enum hone_status status = hone_safetensors_write(path, sources, (size_t)n, tensor_values, &source);
    hone_free(sources);
    return status;
}

enum hone_status hone_model_folder_save(const struct hone_model_folder *folder, const char *to, int64_t max_length,
                                        const float *weights) {
    const struct hone_model *model = folder->model;
    char *weights_path = hone_path_join(to, "model.safetensors");
    bool sequences = model->head == HONE_HEAD_SEQUENCE_CLASSIFICATION;
    const char *problem_type = sequences ? hone_recipe_word("task.problem_type", (int)folder->problem) : NULL;
    struct hone_config_head head = {.architecture = model->class->architectures[model->head],
                                    .model_type = model->class->model_type,
                                    .problem_type = problem_type,
                                    .dtype = "float32",
                                    .labels = folder->labels.names,
                                    .n_labels = (size_t)folder->labels.n};
    json_t *config = hone_config_for_head(folder->config, &head);
    if (sequences && folder->problem == HONE_MULTI_LABEL)
        json_object_set_new(config, "threshold", json_real(folder->threshold));
    if (model->head == HONE_HEAD_TOKEN_CLASSIFICATION) {
        const char *scheme = hone_recipe_word("task.scheme", (int)hone_tags_scheme(&folder->labels));
        json_object_set_new(config, "tag_scheme", json_string(scheme));
    }
    enum hone_status status;
    HONE_TRY_GOTO(save_weights(folder, weights_path, weights));
    HONE_TRY_GOTO(
        hone_tokenizer_files_copy(to, folder->path, max_length, model->class->tokenizer_class, folder->prefix_space));
    HONE_TRY_GOTO(hone_config_write(config, to));
done:
    json_decref(config);
    hone_free(weights_path);
    return status;
}

enum hone_status hone_model_folder_reload(struct hone_model_folder *folder, const char *from) {
    struct hone_safetensors weights;
    HONE_TRY(hone_safetensors_open(&weights, from));
    struct hone_parameters *parameters = folder->model->parameters;
    struct match match = match_create(folder->model);
    enum hone_status status = HONE_OK;
    for (int32_t id = 0; id < hone_parameters_count(parameters) && status == HONE_OK; id++) {
        const struct hone_parameter *parameter = hone_parameters_get(parameters, id);
        const struct hone_tensor_entry *entry = hone_safetensors_find(&weights, parameter->name);
        match.entry[id] = entry ? entry - weights.tensors : -1;
        if (!entry) {
            status = hone_fail(HONE_BAD_INPUT, "%s: tensor \"%s\" is missing", from, parameter->name);
        } else if (!same_shape(parameter, entry)) {
            status = wrong_shape(from, entry, parameter, folder);
        }
    }
    if (status == HONE_OK) status = load_tensors(folder, &weights, &match);
    match_free(&match);
    hone_safetensors_close(&weights);
    return status;
}
