#include "recipes/dataset.h"

#include <glob.h>
#include <string.h>

#include "base/io.h"
#include "base/memory.h"

struct hone_dataset {
    const struct hone_recipe *recipe;
    enum hone_split split;
    char **paths;
    size_t *items;
    size_t n_paths, paths_capacity;

    char **columns;               /* text, labels, pair */
    size_t n_columns, pair_at;    /* 0: no pair */
    struct hone_records *records; /* of paths[file], NULL between files */
    size_t file;
    int64_t rows_of_file, given;
    int64_t n_ragged, first_ragged; /* rows passed over in whole files; the line of the first */
    const char *ragged_path;        /* its file; NULL: none */
};

const char *hone_split_name(enum hone_split split) {
    static const char *const names[HONE_SPLITS] = {"train", "validation", "test", "validation_mm"};
    return names[split];
}

/* Files of the split, and those that it is taken from. */
static const struct hone_strings *files_of(const struct hone_recipe *recipe, enum hone_split split) {
    if (split == HONE_SPLIT_TEST) return &recipe->data.test;
    if (split == HONE_SPLIT_VALIDATION_MM) return &recipe->data.validation_mm;
    if (split == HONE_SPLIT_TRAIN || recipe->data.validation_fraction > 0) return &recipe->data.train;
    return &recipe->data.validation;
}

bool hone_dataset_exists(const struct hone_recipe *recipe, enum hone_split split) {
    return files_of(recipe, split)->n > 0;
}

static void add_path(struct hone_dataset *dataset, const char *path, size_t item) {
    size_t items = dataset->paths_capacity;
    hone_reserve(&dataset->paths, &dataset->paths_capacity, dataset->n_paths + 1, sizeof *dataset->paths, "data files");
    hone_reserve(&dataset->items, &items, dataset->paths_capacity, sizeof *dataset->items, "data files");
    dataset->paths[dataset->n_paths] = hone_strdup(path, "data file");
    dataset->items[dataset->n_paths++] = item;
}

/* A path that is there is that file, whatever is in its name. */
static enum hone_status expand(struct hone_dataset *dataset, const char *pattern, size_t item) {
    if (!strpbrk(pattern, "*?[") || hone_file_exists(pattern)) {
        add_path(dataset, pattern, item);
        return HONE_OK;
    }
    glob_t found;
    int result = glob(pattern, 0, NULL, &found);
    for (size_t i = 0; result == 0 && i < found.gl_pathc; i++) add_path(dataset, found.gl_pathv[i], item);
    globfree(&found);
    if (result == 0) return HONE_OK;
    if (result == GLOB_NOMATCH) return hone_fail(HONE_BAD_INPUT, "%s: no file matches this pattern", pattern);
    return hone_fail(HONE_DISK, "%s: looking for files that match failed", pattern);
}

enum hone_data_format hone_dataset_format(const struct hone_recipe *recipe) {
    if (recipe->task.type == HONE_TASK_TOKEN_CLASSIFICATION) return HONE_FORMAT_CONLL;
    return recipe->task.type == HONE_TASK_MASKED_LM ? HONE_FORMAT_TEXT : HONE_FORMAT_TSV;
}

static char *column_text(const struct hone_column *column) {
    return column->name ? hone_strdup(column->name, "column") : hone_format("%lld", (long long)column->number);
}

enum hone_status hone_dataset_open(struct hone_dataset **out, const struct hone_recipe *recipe, enum hone_split split) {
    struct hone_dataset *dataset = hone_calloc(1, sizeof *dataset, "data set");
    const struct hone_strings *files = files_of(recipe, split);
    enum hone_status status = HONE_OK;
    dataset->recipe = recipe;
    dataset->split = split;
    bool first = !recipe->data.text.name && recipe->data.text.number < 0; /* of lines, or sentences */
    dataset->columns = hone_alloc(recipe->data.label.n + 3, sizeof *dataset->columns, "columns");
    dataset->columns[dataset->n_columns++] = first ? hone_strdup("0", "column") : column_text(&recipe->data.text);
    for (size_t i = 0; i < recipe->data.label.n; i++)
        dataset->columns[dataset->n_columns++] = column_text(&recipe->data.label.items[i]);
    if (recipe->task.type == HONE_TASK_TOKEN_CLASSIFICATION && recipe->data.label.n == 0)
        dataset->columns[dataset->n_columns++] = hone_strdup(HONE_LAST_COLUMN, "column");
    if (recipe->data.text_pair.name || recipe->data.text_pair.number >= 0) {
        dataset->pair_at = dataset->n_columns;
        dataset->columns[dataset->n_columns++] = column_text(&recipe->data.text_pair);
    }
    for (size_t i = 0; i < files->n && status == HONE_OK; i++) status = expand(dataset, files->items[i], i);
    *out = NULL;
    if (status == HONE_OK)
        *out = dataset;
    else
        hone_dataset_close(dataset);
    return status;
}

static void count_ragged(struct hone_dataset *dataset, const char *path) {
    int64_t line, n = hone_records_ragged(dataset->records, &line);
    if (n > 0 && dataset->n_ragged == 0) {
        dataset->ragged_path = path;
        dataset->first_ragged = line;
    }
    dataset->n_ragged += n;
}

static enum hone_data_format format_of_file(const struct hone_dataset *dataset) {
    enum hone_data_format format = dataset->recipe->data.format;
    if (format != HONE_FORMAT_AUTO) return format;
    return hone_format_of(dataset->paths[dataset->file], hone_dataset_format(dataset->recipe));
}

/* The next record of all files; those without a row are faults. */
static enum hone_status next_record(struct hone_dataset *dataset, bool *more) {
    while (dataset->file < dataset->n_paths) {
        const char *path = dataset->paths[dataset->file];
        if (!dataset->records) {
            enum hone_data_format format = format_of_file(dataset);
            struct hone_records_options options = {
                .format = format,
                .header = dataset->recipe->data.header,
                .columns = (const char *const *)dataset->columns,
                .n_columns = dataset->n_columns,
                .nested = dataset->recipe->task.type == HONE_TASK_TOKEN_CLASSIFICATION,
                .skip_ragged = dataset->recipe->data.ragged_rows == HONE_RAGGED_SKIP};
            HONE_TRY(hone_records_open(&dataset->records, path, options));
            dataset->rows_of_file = 0;
        }
        HONE_TRY(hone_records_next(dataset->records, more));
        if (*more) {
            dataset->rows_of_file++;
            return HONE_OK;
        }
        count_ragged(dataset, path);
        size_t n_names;
        if (dataset->rows_of_file == 0) {
            return hone_fail(HONE_BAD_INPUT, "%s: %s", path,
                             hone_records_names(&n_names, dataset->records) ? "no rows after the header"
                                                                            : "the file is empty");
        }
        hone_records_close(dataset->records);
        dataset->records = NULL;
        dataset->file++;
    }
    *more = false;
    return HONE_OK;
}

static uint64_t hash_bytes(uint64_t hash, struct hone_field field) {
    /* FNV-1a, with the length so that no text runs into the next. */
    for (size_t i = 0; i < field.n; i++) hash = (hash ^ (unsigned char)field.bytes[i]) * UINT64_C(0x100000001b3);
    for (size_t n = field.n, i = 0; i < 8; i++, n >>= 8) hash = (hash ^ (n & 0xFF)) * UINT64_C(0x100000001b3);
    return hash;
}

uint64_t hone_example_hash(const struct hone_example *example) {
    uint64_t hash = hash_bytes(UINT64_C(0xcbf29ce484222325), example->text);
    if (example->has_pair) hash = hash_bytes(hash, example->pair);
    for (size_t i = 0; example->words && i < example->words->n; i++) hash = hash_bytes(hash, example->words->items[i]);
    /* The finalizer of MurmurHash3: FNV's high bits change too little with the last bytes. */
    hash = (hash ^ hash >> 33) * UINT64_C(0xff51afd7ed558ccd);
    hash = (hash ^ hash >> 33) * UINT64_C(0xc4ceb9fe1a85ec53);
    return hash ^ hash >> 33;
}

/* A number 0 … 1 that depends on the texts alone. */
static double place_of(const struct hone_example *example) {
    return (double)(hone_example_hash(example) >> 11) * 0x1p-53;
}

static bool belongs(const struct hone_dataset *dataset, const struct hone_example *example) {
    double fraction = dataset->recipe->data.validation_fraction;
    if (fraction == 0 || (dataset->split != HONE_SPLIT_TRAIN && dataset->split != HONE_SPLIT_VALIDATION)) return true;
    return (place_of(example) < fraction) == (dataset->split == HONE_SPLIT_VALIDATION);
}

static enum hone_status no_examples(const struct hone_dataset *dataset) {
    enum hone_status status = hone_fail(
        HONE_USAGE, "data.validation_fraction %g leaves no sample for %s; change it, or name files",
        dataset->recipe->data.validation_fraction, dataset->split == HONE_SPLIT_TRAIN ? "training" : "validation");
    return hone_recipe_at(dataset->recipe, "data.validation_fraction", status);
}

enum hone_status hone_dataset_next(struct hone_dataset *dataset, struct hone_example *example, bool *more) {
    int64_t most = dataset->recipe->data.max_samples;
    *more = false;
    if (dataset->split == HONE_SPLIT_TRAIN && most && dataset->given == most) return HONE_OK;
    do {
        HONE_TRY(next_record(dataset, more));
        if (!*more) return dataset->given > 0 ? HONE_OK : no_examples(dataset);
        *example = (struct hone_example){.has_pair = dataset->pair_at > 0,
                                         .file = (int32_t)dataset->file,
                                         .line = hone_records_line(dataset->records)};
        if (dataset->recipe->task.type == HONE_TASK_TOKEN_CLASSIFICATION &&
            hone_records_value(dataset->records, 0)->kind != HONE_VALUE_STRING)
            HONE_TRY(hone_records_list(&example->words, dataset->records, 0));
        else
            HONE_TRY(hone_records_text(&example->text, dataset->records, 0));
        if (example->has_pair) HONE_TRY(hone_records_text(&example->pair, dataset->records, dataset->pair_at));
    } while (!belongs(dataset, example));
    dataset->given++;
    return HONE_OK;
}

enum hone_status hone_dataset_label(struct hone_field *out, const struct hone_dataset *dataset) {
    return hone_records_text(out, dataset->records, 1);
}

enum hone_status hone_dataset_tags(const struct hone_value **out, const struct hone_dataset *dataset) {
    return hone_records_list(out, dataset->records, 1);
}

const struct hone_value *hone_dataset_value(const struct hone_dataset *dataset, size_t i) {
    return hone_records_value(dataset->records, 1 + i);
}

int64_t hone_dataset_ragged(const struct hone_dataset *dataset, const char **path, int64_t *line) {
    *path = dataset->ragged_path;
    *line = dataset->first_ragged;
    return dataset->n_ragged;
}

const struct hone_recipe *hone_dataset_recipe(const struct hone_dataset *dataset) { return dataset->recipe; }

int64_t hone_dataset_word_line(const struct hone_dataset *dataset, const struct hone_example *example, size_t word) {
    return example->line + (format_of_file(dataset) == HONE_FORMAT_CONLL ? (int64_t)word : 0);
}

const char *hone_dataset_path(const struct hone_dataset *dataset) { return dataset->paths[dataset->file]; }

char *const *hone_dataset_paths(size_t *n, const struct hone_dataset *dataset) {
    *n = dataset->n_paths;
    return dataset->paths;
}

const size_t *hone_dataset_items(const struct hone_dataset *dataset) { return dataset->items; }

void hone_dataset_close(struct hone_dataset *dataset) {
    if (!dataset) return;
    for (size_t i = 0; i < dataset->n_paths; i++) hone_free(dataset->paths[i]);
    for (size_t i = 0; i < dataset->n_columns; i++) hone_free(dataset->columns[i]);
    hone_records_close(dataset->records);
    hone_free(dataset->columns);
    hone_free(dataset->paths);
    hone_free(dataset->items);
    hone_free(dataset);
}
