/* Rules over several options of a recipe: what must be there, what excludes what, and what follows from what. */
#include <string.h>

#include "base/utf8.h"
#include "recipes/reader.h"
#include "recipes/task.h"

/* Whether the task of the recipe has to know. Lines of text have no columns, those of words are known by their place:
 * data.text and data.label are for files that have others. */
static bool is_needed(const struct hone_recipe *recipe, const struct hone_option *option) {
    bool columns = strcmp(option->name, "data.text") == 0 || strcmp(option->name, "data.label") == 0;
    if (columns) return recipe->task.type == HONE_TASK_SEQUENCE_CLASSIFICATION;
    return option->required && hone_option_applies(recipe, option);
}

static void missing(struct hone_reader *reader) {
    const struct hone_option *first = hone_options;
    for (size_t i = 0; i < hone_option_count; i++) {
        const struct hone_option *option = &hone_options[i];
        const struct hone_given *given = &reader->given[i];
        if (!hone_options_share_section(option, first)) first = option;
        if (!is_needed(reader->recipe, option) || given->given || given->excused) continue;
        struct hone_text why = {0};
        hone_text_format(&why, "missing, expected ");
        hone_option_expected(&why, option);
        struct hone_place place = {0};
        if (given->place.override || given->place.line > 0) {
            place = given->place; /* given as null */
        } else if (hone_option_section_length(option) > 0) {
            place = reader->given[first - hone_options].section_place;
        }
        hone_mistake_add(reader, place, option->name, why.bytes);
        hone_text_free(&why);
    }
}

/* One of the two on the command line takes the place of the other in the file. */
static void training_length(struct hone_reader *reader) {
    const struct hone_given *steps = hone_reader_given(reader, "training.max_steps");
    const struct hone_given *epochs = hone_reader_given(reader, "training.epochs");
    if (!steps->given) return;
    if (epochs->given && epochs->place.override && !steps->place.override) {
        reader->recipe->training.max_steps = 0;
        return;
    }
    if (epochs->given && !epochs->place.override == !steps->place.override)
        hone_mistake_add(reader, steps->place, "training.max_steps",
                         "excludes training.epochs, which is given too: remove one, or set it to null");
    reader->recipe->training.epochs = 0;
}

/* What is given needs a validation set. */
static void needs_validation(struct hone_reader *reader, const char *option) {
    const struct hone_given *given = hone_reader_given(reader, option);
    const struct hone_given *validation = hone_reader_given(reader, "data.validation");
    const struct hone_given *fraction = hone_reader_given(reader, "data.validation_fraction");
    if (given->given && !validation->given && !validation->excused && !fraction->given && !fraction->excused)
        hone_mistake_add(reader, given->place, option, "needs data.validation or data.validation_fraction");
}

static void early_stopping(struct hone_reader *reader) {
    const struct hone_given *patience = hone_reader_given(reader, "training.early_stopping");
    if (!patience->given) return;
    needs_validation(reader, "training.early_stopping");
    if (reader->recipe->evaluation.every == HONE_NEVER && !hone_reader_given(reader, "evaluation.every")->excused)
        hone_mistake_add(reader, patience->place, "training.early_stopping",
                         "needs evaluations, but evaluation.every is no");
}

static bool same_column(const struct hone_column *a, const struct hone_column *b) {
    if (a->name || b->name) return a->name && b->name && strcmp(a->name, b->name) == 0;
    return a->number >= 0 && a->number == b->number;
}

/* A column of the recipe and the option that names it. */
struct named_column {
    const char *option;
    const struct hone_column *column;
};

/* All that may be given, in the order of the table; owned. */
static struct named_column *all_columns(size_t *n, const struct hone_recipe *r) {
    struct named_column *all = hone_alloc(2 + r->data.label.n, sizeof *all, "columns");
    all[0] = (struct named_column){"data.text", &r->data.text};
    all[1] = (struct named_column){"data.text_pair", &r->data.text_pair};
    for (size_t i = 0; i < r->data.label.n; i++)
        all[2 + i] = (struct named_column){"data.label", &r->data.label.items[i]};
    *n = 2 + r->data.label.n;
    return all;
}

static void columns(struct hone_reader *reader) {
    struct hone_recipe *r = reader->recipe;
    const struct hone_given *header = hone_reader_given(reader, "data.header");
    size_t n;
    struct named_column *all = all_columns(&n, r);
    bool by_name = false;
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < i; j++) {
            if (!same_column(all[i].column, all[j].column)) continue;
            char *why = hone_format("the same column as %s", all[j].option);
            hone_mistake_add(reader, hone_reader_given(reader, all[i].option)->place, all[i].option, why);
            hone_free(why);
            break;
        }
        if (!all[i].column->name) continue;
        if (header->given && !r->data.header) {
            char *name = hone_escape(all[i].column->name, strlen(all[i].column->name));
            char *why = hone_format("false, but %s gives the column's name \"%s\": give its number, from 0",
                                    all[i].option, name);
            if (!by_name) hone_mistake_add(reader, header->place, "data.header", why);
            hone_free(why);
            hone_free(name);
        }
        by_name = true;
    }
    hone_free(all);
    if (!header->given) r->data.header = by_name;
}

/* The format follows from the files' names unless it is given, and JSONL has fields by name only. */
static void format(struct hone_reader *reader) {
    const struct hone_recipe *r = reader->recipe;
    static const char *const names[] = {"data.train", "data.validation", "data.test", "data.validation_mm"};
    const struct hone_strings *all[] = {&r->data.train, &r->data.validation, &r->data.test, &r->data.validation_mm};
    const char *jsonl = NULL;
    enum hone_data_format otherwise =
        r->task.type == HONE_TASK_SEQUENCE_CLASSIFICATION ? HONE_FORMAT_AUTO : hone_dataset_format(r);
    if (hone_reader_given(reader, "data.format")->excused || hone_reader_given(reader, "task.type")->excused) return;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        for (size_t j = 0; j < all[i]->n; j++) {
            const char *path = all[i]->items[j];
            enum hone_data_format format = r->data.format;
            if (format == HONE_FORMAT_AUTO) format = hone_format_of(path, otherwise);
            if (format == HONE_FORMAT_JSONL) jsonl = path;
            if (format != HONE_FORMAT_AUTO) continue;
            char *shown = hone_escape(path, strlen(path));
            char *why =
                hone_format("the name \"%s\" does not tell the format: expected .tsv, .csv or .jsonl, each also "
                            "with .gz or .zst behind it, or data.format",
                            shown);
            hone_mistake_add(reader, hone_reader_given(reader, names[i])->place, names[i], why);
            hone_free(why);
            hone_free(shown);
        }
    }
    if (!jsonl) return;
    size_t n;
    struct named_column *columns = all_columns(&n, r);
    for (size_t i = 0; i < n; i++) {
        if (columns[i].column->name || columns[i].column->number < 0) continue;
        char *shown = hone_escape(jsonl, strlen(jsonl));
        char *why = hone_format("a number, but \"%s\" is JSONL: give the field's name", shown);
        hone_mistake_add(reader, hone_reader_given(reader, columns[i].option)->place, columns[i].option, why);
        hone_free(why);
        hone_free(shown);
    }
    hone_free(columns);
}

static void weights(struct hone_reader *reader) {
    const struct hone_given *given = hone_reader_given(reader, "data.weights");
    const struct hone_given *train = hone_reader_given(reader, "data.train");
    size_t n = reader->recipe->data.weights.n, expected = reader->recipe->data.train.n;
    if (!given->given || train->excused || n == expected) return;
    char *why = hone_format("%zu number%s, expected %zu as in data.train", n, n == 1 ? "" : "s", expected);
    hone_mistake_add(reader, given->place, "data.weights", why);
    hone_free(why);
}

/* The format that a file has suits the task: text has no labels, tags are those of words. */
static void check_format(struct hone_reader *reader, const char *option, const char *path,
                         enum hone_data_format found) {
    const struct hone_recipe *r = reader->recipe;
    static const char *const expected[] = {
        [HONE_TASK_SEQUENCE_CLASSIFICATION] = "tsv, csv or jsonl",
        [HONE_TASK_MASKED_LM] = "text, tsv, csv or jsonl",
        [HONE_TASK_TOKEN_CLASSIFICATION] = "conll or jsonl",
    };
    bool words = r->task.type == HONE_TASK_TOKEN_CLASSIFICATION;
    bool suits = words ? found == HONE_FORMAT_CONLL || found == HONE_FORMAT_JSONL : found != HONE_FORMAT_CONLL;
    if (r->task.type == HONE_TASK_SEQUENCE_CLASSIFICATION && found == HONE_FORMAT_TEXT) suits = false;
    if (suits) return;
    const char *word = hone_recipe_word("data.format", (int)found);
    const struct hone_given *format = hone_reader_given(reader, "data.format");
    char *shown = hone_escape(path, strlen(path));
    char *why = format->given ? hone_format("%s, expected %s for this task", word, expected[r->task.type])
                              : hone_format("\"%s\" is %s by its name, expected %s for this task, or data.format",
                                            shown, word, expected[r->task.type]);
    if (!format->given)
        hone_mistake_add(reader, hone_reader_given(reader, option)->place, option, why);
    else if (path == r->data.train.items[0])
        hone_mistake_add(reader, format->place, "data.format", why);
    hone_free(why);
    hone_free(shown);
}

static void need_column(struct hone_reader *reader, const char *option, const char *files, const char *path,
                        const char *what) {
    const struct hone_given *column = hone_reader_given(reader, option);
    if (column->given || column->excused) return;
    char *shown = hone_escape(path, strlen(path));
    char *why = hone_format("missing, expected the column of the %s in \"%s\"", what, shown);
    hone_mistake_add(reader, hone_reader_given(reader, files)->place, option, why);
    hone_free(why);
    hone_free(shown);
}

/* Tags: one column, and windows that move on. */
static void windows(struct hone_reader *reader) {
    struct hone_recipe *r = reader->recipe;
    const struct hone_given *label = hone_reader_given(reader, "data.label");
    const struct hone_given *stride = hone_reader_given(reader, "data.stride");
    if (r->task.type != HONE_TASK_TOKEN_CLASSIFICATION) return;
    if (r->data.label.n > 1)
        hone_mistake_add(reader, label->place, "data.label", "several columns, but a word has one tag");
    if (!stride->given && !stride->excused) r->data.stride = r->data.max_length / 4;
    if (stride->given && 2 * r->data.stride > r->data.max_length)
        hone_mistake_add(reader, stride->place, "data.stride", "more than half of data.max_length");
}

/* Lines of text and words need no names of columns; other files do. */
static void text(struct hone_reader *reader) {
    const struct hone_recipe *r = reader->recipe;
    if (hone_reader_given(reader, "data.format")->excused || hone_reader_given(reader, "task.type")->excused) return;
    static const char *const names[] = {"data.train", "data.validation", "data.test", "data.validation_mm"};
    const struct hone_strings *all[] = {&r->data.train, &r->data.validation, &r->data.test, &r->data.validation_mm};
    bool words = r->task.type == HONE_TASK_TOKEN_CLASSIFICATION, told = false;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        for (size_t j = 0; j < all[i]->n; j++) {
            enum hone_data_format found = r->data.format;
            if (found == HONE_FORMAT_AUTO) found = hone_format_of(all[i]->items[j], hone_dataset_format(r));
            check_format(reader, names[i], all[i]->items[j], found);
            bool named = found == HONE_FORMAT_TEXT || found == HONE_FORMAT_CONLL;
            if (r->task.type == HONE_TASK_SEQUENCE_CLASSIFICATION || named || told) continue;
            need_column(reader, "data.text", names[i], all[i]->items[j], words ? "words" : "text");
            if (words) need_column(reader, "data.label", names[i], all[i]->items[j], "tags");
            told = true;
        }
    }
}

static void held_out(struct hone_reader *reader) {
    const struct hone_given *fraction = hone_reader_given(reader, "data.validation_fraction");
    if (fraction->given && hone_reader_given(reader, "data.validation")->given)
        hone_mistake_add(reader, fraction->place, "data.validation_fraction",
                         "excludes data.validation, which is given too: remove one, or set it to null");
    needs_validation(reader, "data.validation_mm");
}

static size_t length_without_slashes(const char *path) {
    size_t n = strlen(path);
    while (n > 1 && path[n - 1] == '/') n--;
    return n;
}

static void folders(struct hone_reader *reader) {
    const char *model = reader->recipe->model.path, *output = reader->recipe->output;
    if (!model || !output) return;
    size_t n = length_without_slashes(model);
    if (n == length_without_slashes(output) && strncmp(model, output, n) == 0)
        hone_mistake_add(reader, hone_reader_given(reader, "output")->place, "output",
                         "the same folder as model.path, which would be overwritten");
}

/* Appends those of `words`, separated by one space, that the chooser has. */
static void add_words_of(struct hone_text *text, const struct hone_option *chooser, const char *words) {
    for (size_t n; words && *words; words += n + (words[n] == ' ')) {
        n = strcspn(words, " ");
        for (const char *const *word = chooser->words; *word; word++)
            if (strlen(*word) == n && strncmp(*word, words, n) == 0) hone_text_format(text, " %s", *word);
    }
}

static void add_inapplicable(struct hone_reader *reader, const struct hone_option *option,
                             const struct hone_given *given) {
    const struct hone_recipe *r = reader->recipe;
    struct hone_text why = {0};
    if (option->unless && *(const bool *)((const char *)r + hone_option_find(option->unless)->offset)) {
        hone_text_format(&why, "excluded by %s, which is true", option->unless);
    } else {
        /* What chooses may itself be chosen: a problem type is of one task. */
        const struct hone_option *chosen = option, *chooser = hone_option_chooser(option);
        while (!hone_option_applies(r, chooser)) {
            chosen = chooser;
            chooser = hone_option_chooser(chosen);
        }
        hone_text_format(&why, "%s is %s, and this works with %s", chooser->name,
                         chooser->words[*(const int *)((const char *)r + chooser->offset)], chosen->only);
        add_words_of(&why, chooser, chosen == option ? NULL : option->only);
        hone_text_format(&why, " only");
    }
    hone_text_format(&why, ": remove it, or set it to null");
    hone_mistake_add(reader, given->place, given->place.override ? NULL : option->name, why.bytes);
    hone_text_free(&why);
}

/* Options of a task, problem, optimizer or schedule that is not the one chosen. */
static void inapplicable(struct hone_reader *reader) {
    for (size_t i = 0; i < hone_option_count; i++) {
        const struct hone_option *option = &hone_options[i];
        const struct hone_given *given = &reader->given[i];
        if (!given->given || hone_option_applies(reader->recipe, option)) continue;
        bool unknown = option->only && reader->given[hone_option_chooser(option) - hone_options].excused;
        if (!unknown) add_inapplicable(reader, option, given);
    }
}

static void optimizer(struct hone_reader *reader) {
    struct hone_recipe *r = reader->recipe;
    bool adafactor = r->optimizer.name == HONE_OPTIMIZER_ADAFACTOR;
    const struct hone_given *beta1 = hone_reader_given(reader, "optimizer.beta1");
    if (!beta1->given) r->optimizer.beta1 = adafactor ? 0 : 0.9;
    if (r->optimizer.epsilon == 0) r->optimizer.epsilon = adafactor ? 1e-30 : 1e-8;
    const struct hone_given *nesterov = hone_reader_given(reader, "optimizer.nesterov");
    if (nesterov->given && r->optimizer.nesterov && r->optimizer.momentum == 0 &&
        r->optimizer.name == HONE_OPTIMIZER_SGD)
        hone_mistake_add(reader, nesterov->place, "optimizer.nesterov", "needs optimizer.momentum above 0");
    const struct hone_given *init = hone_reader_given(reader, "optimizer.warmup_init");
    if (init->given && r->optimizer.warmup_init && !r->optimizer.relative_step && adafactor)
        hone_mistake_add(reader, init->place, "optimizer.warmup_init", "needs optimizer.relative_step");
}

/* Adafactor's updates reach over a whole matrix, and what it remembers is small. */
static void parts(struct hone_reader *reader) {
    const struct hone_recipe *r = reader->recipe;
    const struct hone_given *given = hone_reader_given(reader, "distributed.zero_stage");
    if (r->distributed.zero_stage == 1 && r->optimizer.name == HONE_OPTIMIZER_ADAFACTOR)
        hone_mistake_add(reader, given->place, "distributed.zero_stage", "1 excludes optimizer.name adafactor");
}

/* A bound for the elements takes the place of the one for the length unless both are given. */
static void clipping(struct hone_reader *reader) {
    struct hone_recipe *r = reader->recipe;
    const struct hone_given *value = hone_reader_given(reader, "optimizer.clip_value");
    const struct hone_given *norm = hone_reader_given(reader, "optimizer.clip_norm");
    if (!value->given) return;
    if (norm->given && r->optimizer.clip_norm > 0)
        hone_mistake_add(reader, value->place, "optimizer.clip_value",
                         "excludes optimizer.clip_norm, which is given too: set that to 0, or this to null");
    r->optimizer.clip_norm = 0;
}

/* Learning rates by name are absolute, Adafactor's own is not. */
static void groups(struct hone_reader *reader) {
    struct hone_recipe *r = reader->recipe;
    const struct hone_given *given = hone_reader_given(reader, "optimizer.groups");
    for (size_t i = 0; i < r->optimizer.groups.n && r->optimizer.relative_step; i++) {
        if (r->optimizer.groups.items[i].lr < 0) continue;
        hone_mistake_add(reader, given->place, "optimizer.groups", "lr in a group excludes optimizer.relative_step");
        break;
    }
    if (!hone_reader_given(reader, "freeze.embeddings")->given) r->freeze.embeddings = r->freeze.layers > 0;
}

static void schedule(struct hone_reader *reader) {
    struct hone_recipe *r = reader->recipe;
    bool restarts = r->schedule.name == HONE_SCHEDULE_COSINE_WITH_RESTARTS;
    if (r->schedule.num_cycles == 0) r->schedule.num_cycles = restarts ? 1 : 0.5;
    if (r->schedule.name != HONE_SCHEDULE_POLYNOMIAL || r->schedule.lr_end < r->optimizer.lr) return;
    const struct hone_given *end = hone_reader_given(reader, "schedule.lr_end");
    const struct hone_given *lr = hone_reader_given(reader, "optimizer.lr");
    if (!end->excused && !lr->excused)
        hone_mistake_add(reader, end->given ? end->place : lr->place, "schedule.lr_end", "must be below optimizer.lr");
}

/* Several label columns say nothing of one label; label names belong to columns given by number. */
static void labels(struct hone_reader *reader) {
    const struct hone_recipe *r = reader->recipe;
    const struct hone_given *label = hone_reader_given(reader, "data.label");
    const struct hone_given *names = hone_reader_given(reader, "task.labels");
    if (r->data.label.n < 2 || hone_reader_given(reader, "task.problem_type")->excused) return;
    if (r->task.type != HONE_TASK_SEQUENCE_CLASSIFICATION) return;
    if (r->task.problem_type == HONE_SINGLE_LABEL) {
        hone_mistake_add(reader, label->place, "data.label",
                         "several columns, but task.problem_type is single_label_classification, which has one: name "
                         "one column, or another task.problem_type");
    } else if (names->given && r->task.labels.n != r->data.label.n) {
        char *why = hone_format("%zu names, but data.label has %zu columns", r->task.labels.n, r->data.label.n);
        hone_mistake_add(reader, names->place, "task.labels", why);
        hone_free(why);
    }
}

static void metric(struct hone_reader *reader) {
    struct hone_recipe *r = reader->recipe;
    const struct hone_given *given = hone_reader_given(reader, "evaluation.metric");
    const struct hone_task_class *task = hone_task_find(r->task.type, r->task.problem_type);
    bool excused =
        hone_reader_given(reader, "task.type")->excused || hone_reader_given(reader, "task.problem_type")->excused;
    if (r->evaluation.metric == HONE_METRIC_AUTO) {
        r->evaluation.metric = task->metric;
    } else if (!excused && !hone_metric_suits(task, r->evaluation.metric)) {
        struct hone_text why = {0};
        hone_text_format(&why, "%s is no metric of %s, which has", hone_metric_name(r->evaluation.metric),
                         task->type == HONE_TASK_SEQUENCE_CLASSIFICATION
                             ? hone_recipe_word("task.problem_type", (int)r->task.problem_type)
                             : hone_recipe_word("task.type", (int)r->task.type));
        for (int m = HONE_METRIC_AUTO + 1, n = 0; m < HONE_METRICS; m++) {
            if (!hone_metric_suits(task, (enum hone_metric)m)) continue;
            hone_text_format(&why, "%s %s", n++ ? "," : "", hone_metric_name((enum hone_metric)m));
        }
        hone_mistake_add(reader, given->place, "evaluation.metric", why.bytes);
        hone_text_free(&why);
    }
}

void hone_recipe_rules(struct hone_reader *reader) {
    missing(reader);
    inapplicable(reader);
    optimizer(reader);
    parts(reader);
    clipping(reader);
    groups(reader);
    schedule(reader);
    training_length(reader);
    early_stopping(reader);
    columns(reader);
    labels(reader);
    metric(reader);
    format(reader);
    text(reader);
    windows(reader);
    held_out(reader);
    weights(reader);
    folders(reader);
}
