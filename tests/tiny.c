/* The small model, its texts, its recipe: see tiny.h. */
#include "tests/tiny.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/memory.h"
#include "base/random.h"
#include "recipes/train.h"
#include "tests/support.h"

void tiny_in_memory(void) {
    if (access("/dev/shm", W_OK) == 0) setenv("TMPDIR", "/dev/shm", 0);
}

/* Strings that live as long as the program. */
static char **kept;
static size_t n_kept, kept_capacity;

static void free_kept(void) {
    hone_names_free(kept, n_kept);
    kept = NULL;
    n_kept = kept_capacity = 0;
}

static const char *keep(char *text) {
    if (!kept) atexit(free_kept);
    hone_reserve(&kept, &kept_capacity, n_kept + 1, sizeof *kept, "strings of a test");
    return kept[n_kept++] = text;
}

const char *tiny_path(const char *folder, const char *name) { return keep(hone_path_join(folder, name)); }

const char *tiny_file(const char *folder, const char *name, const char *text) {
    const char *path = tiny_path(folder, name);
    TEST_OK(hone_write_file(path, text, strlen(text)));
    return path;
}

/* The vocabulary: special tokens, letters alone and inside words, then these. */
static const char *const words[] = {
    "good",  "bad",  "fine",  "poor",  "film",  "plot", "the",    "a",    "of",    "is",  "was",
    "not",   "very", "so",    "##ly",  "##er",  "##s",  "##ed",   "tres", "bien",  ".",   ",",
    "!",     "?",    "'",     "-",     "中",    "文",   "фильм",  "##ов", "über",  "##ß", "naive",
    "scene", "act",  "##ing", "story", "##ful", "dull", "bright", "long", "short",
};
enum { N_WORDS = sizeof words / sizeof *words, N_SPECIAL = 5, N_VOCABULARY = N_SPECIAL + 2 * 26 + N_WORDS };

static void vocabulary_text(struct hone_text *text) {
    hone_text_format(text, "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n");
    for (int i = 0; i < 26; i++) hone_text_format(text, "%c\n", 'a' + i);
    for (int i = 0; i < 26; i++) hone_text_format(text, "##%c\n", 'a' + i);
    for (int i = 0; i < N_WORDS; i++) {
        /* One-letter words are there already. */
        if (strcmp(words[i], "a") == 0) {
            hone_text_format(text, "[unused0]\n");
        } else if (strcmp(words[i], "##s") == 0) {
            hone_text_format(text, "[unused1]\n");
        } else {
            hone_text_format(text, "%s\n", words[i]);
        }
    }
}

void tiny_add(struct tiny_model *model, const char *name, int64_t rows, int64_t cols, double mean, double scale) {
    assert_true(model->n < TINY_TENSORS);
    struct tiny_tensor *tensor = &model->tensors[model->n];
    *tensor = (struct tiny_tensor){.n_dims = cols ? 2 : 1, .shape = {rows, cols}};
    snprintf(tensor->name, sizeof tensor->name, "%s", name);
    int64_t n = rows * (cols ? cols : 1);
    tensor->values = hone_alloc((size_t)n, sizeof(float), "tensor of a test");
    test_noise(tensor->values, NULL, n, scale, (uint32_t)(1000 + model->n));
    for (int64_t i = 0; i < n; i++) tensor->values[i] += (float)mean;
    model->n++;
}

static void add_dense(struct tiny_model *model, const char *module, int64_t N, int64_t K) {
    char name[160];
    snprintf(name, sizeof name, "%s.weight", module);
    tiny_add(model, name, N, K, 0, 0.15);
    snprintf(name, sizeof name, "%s.bias", module);
    tiny_add(model, name, N, 0, 0, 0.05);
}

static void add_norm(struct tiny_model *model, const char *module) {
    char name[160];
    snprintf(name, sizeof name, "%s.LayerNorm.weight", module);
    tiny_add(model, name, TINY_HIDDEN, 0, 1, 0.1);
    snprintf(name, sizeof name, "%s.LayerNorm.bias", module);
    tiny_add(model, name, TINY_HIDDEN, 0, 0, 0.05);
}

static void add_layer(struct tiny_model *model, int layer) {
    static const struct {
        const char *module;
        int64_t N, K;
    } dense[] = {
        {"attention.self.query", TINY_HIDDEN, TINY_HIDDEN}, {"attention.self.key", TINY_HIDDEN, TINY_HIDDEN},
        {"attention.self.value", TINY_HIDDEN, TINY_HIDDEN}, {"attention.output.dense", TINY_HIDDEN, TINY_HIDDEN},
        {"intermediate.dense", TINY_INNER, TINY_HIDDEN},    {"output.dense", TINY_HIDDEN, TINY_INNER}};
    char module[120];
    for (size_t i = 0; i < sizeof dense / sizeof *dense; i++) {
        snprintf(module, sizeof module, "bert.encoder.layer.%d.%s", layer, dense[i].module);
        add_dense(model, module, dense[i].N, dense[i].K);
    }
    snprintf(module, sizeof module, "bert.encoder.layer.%d.attention.output", layer);
    add_norm(model, module);
    snprintf(module, sizeof module, "bert.encoder.layer.%d.output", layer);
    add_norm(model, module);
}

void tiny_make(struct tiny_model *model, int n_labels, uint32_t seed) {
    *model = (struct tiny_model){.n = 0};
    tiny_add(model, "bert.embeddings.word_embeddings.weight", N_VOCABULARY, TINY_HIDDEN, 0, 0.5);
    tiny_add(model, "bert.embeddings.position_embeddings.weight", TINY_POSITIONS, TINY_HIDDEN, 0, 0.1);
    tiny_add(model, "bert.embeddings.token_type_embeddings.weight", 2, TINY_HIDDEN, 0, 0.1);
    add_norm(model, "bert.embeddings");
    for (int layer = 0; layer < TINY_LAYERS; layer++) add_layer(model, layer);
    add_dense(model, "bert.pooler.dense", TINY_HIDDEN, TINY_HIDDEN);
    if (n_labels) add_dense(model, "classifier", n_labels, TINY_HIDDEN);
    model->config =
        json_pack("{s:s, s:[s], s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:f, s:f}", "model_type", "bert", "architectures",
                  n_labels ? "BertForSequenceClassification" : "BertModel", "vocab_size", N_VOCABULARY, "hidden_size",
                  TINY_HIDDEN, "num_hidden_layers", TINY_LAYERS, "num_attention_heads", TINY_HEADS, "intermediate_size",
                  TINY_INNER, "max_position_embeddings", TINY_POSITIONS, "type_vocab_size", 2, "hidden_dropout_prob",
                  0.1, "attention_probs_dropout_prob", 0.1);
    assert_non_null(model->config);
    json_t *names = json_object();
    for (int i = 0; i < n_labels; i++) {
        char key[12], name[24];
        snprintf(key, sizeof key, "%d", i);
        snprintf(name, sizeof name, "class %d", i);
        json_object_set_new(names, key, json_string(name));
    }
    if (n_labels) json_object_set(model->config, "id2label", names);
    json_decref(names);
    /* Other seeds are other models: the first word's vector is enough to tell them apart. */
    test_noise(model->tensors[0].values, NULL, TINY_HIDDEN, 0.5, seed);
}

struct tiny_tensor *tiny_find(struct tiny_model *model, const char *name) {
    for (size_t i = 0; i < model->n; i++)
        if (strcmp(model->tensors[i].name, name) == 0) return &model->tensors[i];
    fail_msg("no tensor %s", name);
    return NULL;
}

void tiny_remove(struct tiny_model *model, const char *name) {
    struct tiny_tensor *tensor = tiny_find(model, name);
    hone_free(tensor->values);
    *tensor = model->tensors[--model->n];
}

void tiny_free(struct tiny_model *model) {
    for (size_t i = 0; i < model->n; i++) hone_free(model->tensors[i].values);
    json_decref(model->config);
}

static enum hone_status give(void *bytes, int32_t id, void *user) {
    const struct tiny_model *model = user;
    const struct tiny_tensor *tensor = &model->tensors[id];
    int64_t n = tensor->shape[0] * (tensor->n_dims == 2 ? tensor->shape[1] : 1);
    memcpy(bytes, tensor->values, (size_t)n * sizeof(float));
    return HONE_OK;
}

void tiny_write_tensors(struct tiny_model *model, const char *path, size_t begin, size_t end) {
    struct hone_tensor_source sources[TINY_TENSORS];
    for (size_t i = begin; i < end; i++) {
        const struct tiny_tensor *tensor = &model->tensors[i];
        sources[i - begin] = (struct hone_tensor_source){.name = tensor->name,
                                                         .dtype = "F32",
                                                         .n_dims = tensor->n_dims,
                                                         .shape = {tensor->shape[0], tensor->shape[1]},
                                                         .id = (int32_t)i};
    }
    TEST_OK(hone_remove_folder(path)); /* the writer replaces nothing */
    TEST_OK(hone_safetensors_write(path, sources, end - begin, give, model));
}

void tiny_write(struct tiny_model *model, const char *folder) {
    TEST_OK(hone_make_folders(folder));
    TEST_OK(hone_json_write(model->config, tiny_path(folder, "config.json")));
    tiny_write_tensors(model, tiny_path(folder, "model.safetensors"), 0, model->n);
    struct hone_text vocabulary = {0};
    vocabulary_text(&vocabulary);
    tiny_file(folder, "vocab.txt", vocabulary.bytes);
    hone_text_free(&vocabulary);
    tiny_file(folder, "tokenizer_config.json", "{\"do_lower_case\": true, \"model_max_length\": 64}\n");
}

void tiny_folder(const char *folder, int n_labels, uint32_t seed) {
    struct tiny_model model;
    tiny_make(&model, n_labels, seed);
    tiny_write(&model, folder);
    tiny_free(&model);
}

const char *tiny_word(uint64_t i) {
    const char *word = words[i % N_WORDS];
    return word[0] == '#' ? word + 2 : word;
}

char *tiny_text(int *label, uint32_t seed, uint64_t i) {
    static const int lengths[] = {0, 1, 2, 3, 5, 7, 8, 12, 17, 24, 33, 70};
    uint64_t draw = hone_random_u64(seed, HONE_RANDOM_SHUFFLE, 1, i);
    int n = lengths[draw % (sizeof lengths / sizeof *lengths)], balance = (int)(draw >> 32 & 1) ? 1 : -1;
    struct hone_text text = {0};
    hone_text_append(&text, "", 0);
    *label = n > 0 && balance > 0;
    for (int w = 0; w < n; w++) {
        /* The first word tells the label, the others say nothing. */
        uint64_t word = hone_random_u64(seed, HONE_RANDOM_SHUFFLE, 2, 100 * i + (uint64_t)w) % (N_WORDS - 4) + 4;
        if (w == 0) word = balance > 0 ? 0 : 1;
        hone_text_format(&text, "%s%s", w ? " " : "", tiny_word(word));
    }
    return text.bytes;
}

void tiny_tsv(const char *path, uint32_t seed, uint64_t rows, const char *const names[2]) {
    struct hone_text text = {0};
    hone_text_format(&text, "label\tsentence\n");
    for (uint64_t i = 0; i < rows; i++) {
        int label;
        char *sentence = tiny_text(&label, seed, i);
        hone_text_format(&text, "%s\t%s\n", names[label], sentence);
        hone_free(sentence);
    }
    TEST_OK(hone_write_file(path, text.bytes, text.length));
    hone_text_free(&text);
}

void tiny_recipe(struct hone_recipe *recipe, const char *folder, const char *const *overrides) {
    char *text = hone_format("model: {path: %s/model}\n"
                             "task: {type: sequence_classification}\n"
                             "data:\n  train: %s/train.tsv\n  validation: %s/validation.tsv\n"
                             "  text: sentence\n  label: label\n  max_length: 64\n  cache: no\n"
                             "training: {epochs: 1, batch_size: 8}\n"
                             "optimizer: {lr: 1e-3}\n"
                             "output: %s/out\n"
                             "logging: {every: 1, level: quiet}\n",
                             folder, folder, folder, folder);
    const char *path = tiny_file(folder, "recipe.yaml", text);
    hone_free(text);
    char *given[32];
    int n = 0;
    for (; overrides && overrides[n]; n++) given[n] = (char *)(uintptr_t)overrides[n];
    struct hone_text mistakes = {0};
    enum hone_status status = hone_recipe_read(recipe, path, given, n, &mistakes);
    if (status != HONE_OK) fail_msg("%s\n%s", hone_error_message(), mistakes.bytes ? mistakes.bytes : "");
    hone_text_free(&mistakes);
    hone_log_set_level(HONE_LOG_QUIET);
}

enum hone_status tiny_train(json_t **results, const char *folder, const char *const *overrides) {
    struct hone_recipe recipe;
    tiny_recipe(&recipe, folder, overrides);
    json_t *made = NULL;
    enum hone_status status = hone_train(&made, &recipe, hone_world_alone());
    hone_recipe_free(&recipe);
    if (results) {
        *results = made;
    } else {
        json_decref(made);
    }
    return status;
}

size_t tiny_metrics(double *values, size_t capacity, const char *out, const char *split, const char *key) {
    char *bytes, *path = hone_path_join(out, "metrics.jsonl");
    size_t length, n = 0;
    TEST_OK(hone_read_file(&bytes, &length, path, 1 << 24));
    for (char *line = bytes, *end; (end = strchr(line, '\n')); line = end + 1) {
        json_t *object;
        TEST_OK(hone_json_parse(&object, line, (size_t)(end - line), path));
        if (strcmp(json_string_value(json_object_get(object, "split")), split) == 0) {
            assert_true(n < capacity);
            const json_t *value = json_object_get(object, key);
            assert_true(json_is_number(value));
            values[n++] = json_number_value(value);
        }
        json_decref(object);
    }
    hone_free(bytes);
    hone_free(path);
    return n;
}
