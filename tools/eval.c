/* hone eval RECIPE | --model DIR --data FILE */
#include <string.h>

#include "base/arith.h"
#include "base/memory.h"
#include "recipes/run.h"
#include "recipes/tags.h"
#include "tools/entity_table.h"
#include "tools/recipe_option.h"
#include "tools/tools.h"

static const char help[] =
    "usage: hone eval RECIPE [key=value]…\n"
    "       hone eval --model DIR --data FILE [--text C] [--pair C] [--label C] [--precision P]\n\n"
    "Prints a model's metrics on a labelled file as JSON. With a recipe: the model in its output folder, on "
    "data.test,\n"
    "or on data.validation without one.\n\n"
    "  --model DIR  model folder with a task head, or org/name[@revision] from the Hub cache\n"
    "  --data FILE  .tsv, .csv or .jsonl with labels, packed or not; columns by name, or by 0-based number; for a "
    "tagger of\n"
    "               words CoNLL, or .jsonl with lists of words and tags\n"
    "  --text C     column of the text, default sentence; of words the first one, in .jsonl tokens\n"
    "  --pair C     column of the second text of a pair\n"
    "  --label C    column of the label, default label; of tags the last one, in .jsonl tags; of a model with several "
    "labels or numbers also a column for\n"
    "               each, with commas between them\n"
    "  --separator S  what stands between several labels of one column, default a comma\n"
    "  --precision P  f32 (default), bf16, or auto: bf16 where this machine has it\n";

struct evaluation {
    const char *model, *data, *text, *pair, *label, *separator, *precision_word;
    enum hone_precision precision;
};

static struct hone_column column_of(const char *text, const char *otherwise) {
    struct hone_column column = {.name = NULL, .number = -1};
    if (!text) text = otherwise;
    if (!text) return column;
    if (*text && strspn(text, "0123456789") == strlen(text) && strlen(text) < 9) {
        column.number = 0;
        for (; *text; text++) column.number = column.number * 10 + (*text - '0');
    } else {
        column.name = hone_strdup(text, "column");
    }
    return column;
}

/* One column, or several with commas between them. */
static struct hone_columns columns_of(const char *text) {
    struct hone_columns columns = {.n = 1};
    for (const char *c = text; *c; c++) columns.n += *c == ',';
    columns.items = hone_alloc(columns.n, sizeof *columns.items, "columns");
    for (size_t i = 0; i < columns.n; i++) {
        size_t length = strcspn(text, ",");
        char *one = hone_strndup(text, length, "column");
        columns.items[i] = column_of(one, NULL);
        hone_free(one);
        text += length + 1;
    }
    return columns;
}

/* Where the file has what the model is for. Words and tags stand in columns of CoNLL, whatever the scheme. */
static void describe_file(struct hone_recipe *recipe, const struct evaluation *e,
                          const struct hone_model_folder *folder, const struct hone_task_class *task) {
    bool words = task->type == HONE_TASK_TOKEN_CLASSIFICATION;
    bool jsonl = hone_format_of(e->data, HONE_FORMAT_AUTO) == HONE_FORMAT_JSONL;
    const char *label = e->label ? e->label : !words ? "label" : jsonl ? "tags" : NULL;
    recipe->task.type = task->type;
    if (words) recipe->task.scheme = hone_tags_scheme(&folder->labels);
    if (words && !jsonl) recipe->data.format = HONE_FORMAT_CONLL;
    recipe->data.text = column_of(e->text, !words ? "sentence" : jsonl ? "tokens" : NULL);
    recipe->data.text_pair = column_of(e->pair, NULL);
    if (label) recipe->data.label = columns_of(label);
    recipe->data.header = recipe->data.text.name || recipe->data.text_pair.name;
    for (size_t i = 0; i < recipe->data.label.n; i++)
        recipe->data.header = recipe->data.header || recipe->data.label.items[i].name;
}

/* `e` says what the recipe doesn't: data.max_length 0 is then as far as tokenizer and model allow. */
static enum hone_status evaluate_folder(json_t *results, const char *model, struct hone_recipe *recipe,
                                        const struct evaluation *e, enum hone_split split, const char *prefix) {
    struct hone_device *device;
    struct hone_model_folder folder;
    struct hone_samples samples = {0};
    struct hone_engine engine = {0};
    HONE_TRY(hone_device_open(&device, hone_recipe_word("device", (int)recipe->device)));
    struct hone_model_folder_options options = {.device = device,
                                                .head = HONE_HEAD_MASKED_LM,
                                                .given_words = true,
                                                .head_of_config = recipe->task.type != HONE_TASK_MASKED_LM,
                                                .precision = recipe->precision};
    HONE_TRY(hone_model_folder_open(&folder, model, options));
    enum hone_status status;
    const struct hone_task_class *task = hone_task_of_folder(&folder);
    int64_t positions = folder.model->max_positions, longest = hone_tokenizer_max_length(folder.tokenizer);
    if (!task)
        HONE_TRY_GOTO(
            hone_fail(HONE_BAD_INPUT, "%s: architectures in config.json names no task that hone evaluates", model));
    if (e) describe_file(recipe, e, &folder, task);
    if (recipe->data.max_length == 0) {
        recipe->data.max_length = longest > 0 ? hone_min_i64(longest, positions) : positions;
    } else if (recipe->data.max_length > positions) {
        HONE_TRY_GOTO(
            hone_recipe_at(recipe, "data.max_length",
                           hone_fail(HONE_USAGE, "data.max_length is %lld, but the model has positions for %lld tokens",
                                     (long long)recipe->data.max_length, (long long)positions)));
    }
    if (e) recipe->data.stride = recipe->data.max_length / 4;
    HONE_TRY_GOTO(task->encode(&samples, recipe, split, &folder));
    HONE_TRY_GOTO(hone_engine_create(&engine, folder.model, hone_max_i64(HONE_INFERENCE_TOKENS, samples.longest),
                                     HONE_INFERENCE_SEQUENCES, samples.n_targets));
    status = hone_evaluate(results, NULL, &engine, task, &folder, &samples, recipe->evaluation.metric, prefix);
done:
    hone_engine_free(&engine);
    hone_samples_free(&samples);
    hone_model_folder_close(&folder);
    return status;
}

static enum hone_status evaluate_recipe(json_t *results, int n_positional, char **argv) {
    struct hone_recipe recipe;
    HONE_TRY(hone_tool_read_recipe(&recipe, n_positional, argv));
    bool test = recipe.data.test.n > 0;
    enum hone_split split = test ? HONE_SPLIT_TEST : HONE_SPLIT_VALIDATION;
    enum hone_status status =
        hone_dataset_exists(&recipe, split)
            ? evaluate_folder(results, recipe.output, &recipe, NULL, split, test ? "test" : "eval")
            : hone_fail(HONE_USAGE, "%s: neither data.test nor data.validation is given", argv[1]);
    hone_recipe_free(&recipe);
    return status;
}

static enum hone_status evaluate_file(json_t *results, const struct evaluation *e) {
    char *path = hone_strdup(e->data, "file name");
    struct hone_recipe recipe = {0};
    recipe.data.test = (struct hone_strings){.items = &path, .n = 1};
    recipe.data.label_separator = hone_strdup(e->separator ? e->separator : ",", "separator");
    recipe.precision = e->precision;
    recipe.data.text.number = recipe.data.text_pair.number = -1;
    enum hone_status status = evaluate_folder(results, e->model, &recipe, e, HONE_SPLIT_TEST, "eval");
    hone_free(recipe.data.text.name);
    hone_free(recipe.data.text_pair.name);
    for (size_t i = 0; i < recipe.data.label.n; i++) hone_free(recipe.data.label.items[i].name);
    hone_free(recipe.data.label.items);
    hone_free(recipe.data.label_separator);
    hone_free(path);
    return status;
}

int hone_tool_eval(int argc, char **argv) {
    struct evaluation e = {0};
    int n_positional;
    bool helped;
    struct hone_tool_option options[] = {{"--data", &e.data, NULL},
                                         {"--label", &e.label, NULL},
                                         {"--model", &e.model, NULL},
                                         {"--pair", &e.pair, NULL},
                                         {"--precision", &e.precision_word, NULL},
                                         {"--separator", &e.separator, NULL},
                                         {"--text", &e.text, NULL},
                                         {0}};
    enum hone_status status = hone_tool_parse(argc, argv, options, help, &n_positional, &helped);
    if (status == HONE_OK && helped) return hone_tool_end(hone_tool_flush());
    if (status == HONE_OK) status = hone_tool_precision(&e.precision, e.precision_word);
    json_t *results = json_object();
    if (status == HONE_OK && (e.model || e.data || e.precision_word)) {
        status =
            e.model && e.data && !n_positional
                ? evaluate_file(results, &e)
                : hone_fail(HONE_USAGE, "eval: give a RECIPE, or --model DIR and --data FILE; see hone eval --help");
    } else if (status == HONE_OK) {
        status = evaluate_recipe(results, n_positional, argv);
    }
    if (status == HONE_OK) hone_tool_show_entities(results);
    if (status == HONE_OK) status = hone_tool_print_json(results);
    json_decref(results);
    return hone_tool_end(status);
}
