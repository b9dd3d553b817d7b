#include "recipes/data_report.h"

#include <string.h>

#include "base/utf8.h"
#include "data/tokenizer.h"
#include "hub/cache.h"
#include "recipes/dataset.h"
#include "recipes/tags.h"
#include "recipes/text_spans.h"
#include "recipes/texts.h"

/* Different labels that are counted by name; a column of free text has more. */
#define LABELS_COUNTED 10000
#define HASH_FACTOR    UINT64_C(0x9E3779B97F4A7C15)
/* A tag on fewer words of the training data, or a type of fewer entities of texts, is rare. */
#define RARE 10

/* First row that has these texts. */
struct seen {
    uint64_t hash, label; /* of texts, of the label; hash 0: a free place */
    int64_t line;
    int32_t file;
    int32_t split;
};

struct report {
    const struct hone_recipe *recipe;
    struct hone_tokenizer *tokenizer;
    struct hone_encoding encoding;
    struct seen *seen; /* open addressing, at most half full */
    size_t n_seen, capacity;
    char **paths[HONE_SPLITS]; /* of each split's files, for "like" */
    size_t n_paths[HONE_SPLITS];
    json_t *findings;

    /* Of the split that is being read. */
    enum hone_split split;
    struct hone_dataset *dataset;
    json_t *labels;
    int64_t samples, tokens, longest, truncated, windowed, empty, other_labels;

    /* Of words' tags: types that came up, and the scheme that the first split's are of. */
    bool tags;
    struct hone_labels types;
    struct hone_scheme_finder scheme;
    struct hone_tag *line;
    size_t line_capacity;
    json_t *places; /* of each label of the first split, where it is first: {"file", "line"} */
    struct hone_text_spans spans;
};

/* Tags that cannot stand where they stand are found by each scheme until it is known which one the data has. */
static const struct {
    enum hone_scheme scheme;
    const char *kind;
} transitions[] = {{HONE_SCHEME_IOB1, "invalid in iob1"},
                   {HONE_SCHEME_IOB2, "invalid in iob2"},
                   {HONE_SCHEME_IOBES, "invalid in iobes"}};
enum { N_TRANSITIONS = sizeof transitions / sizeof *transitions };

static void find_at(struct report *report, const char *kind, const char *path, int64_t line, const char *what,
                    const struct seen *like) {
    json_t *entry = json_object_get(report->findings, kind);
    if (!entry) {
        entry = json_pack("{s:i, s:[]}", "count", 0, "examples");
        json_object_set_new(report->findings, kind, entry);
    }
    json_int_t count = json_integer_value(json_object_get(entry, "count"));
    json_object_set_new(entry, "count", json_integer(count + 1));
    if (count >= HONE_REPORT_LISTED) return;
    char *file = hone_escape(path, strlen(path));
    json_t *found =
        json_pack("{s:s, s:s, s:I}", "split", hone_split_name(report->split), "file", file, "line", (json_int_t)line);
    hone_free(file);
    if (what) json_object_set_new(found, "what", json_string(what));
    if (like) {
        char *place = hone_format("%s:%lld", report->paths[like->split][like->file], (long long)like->line);
        char *shown = hone_escape(place, strlen(place));
        json_object_set_new(found, "like", json_string(shown));
        hone_free(shown);
        hone_free(place);
    }
    json_array_append_new(json_object_get(entry, "examples"), found);
}

static void find(struct report *report, const char *kind, const struct hone_example *example, const char *what,
                 const struct seen *like) {
    find_at(report, kind, hone_dataset_path(report->dataset), example->line, what, like);
}

/* Rows that were skipped; the first one has a place. */
static void find_ragged(struct report *report) {
    const char *path;
    int64_t line, n = hone_dataset_ragged(report->dataset, &path, &line);
    if (n == 0) return;
    find_at(report, "ragged", path, line, NULL, NULL);
    json_t *entry = json_object_get(report->findings, "ragged");
    json_int_t count = json_integer_value(json_object_get(entry, "count"));
    json_object_set_new(entry, "count", json_integer(count + (json_int_t)n - 1));
}

static struct seen *place_for(struct report *report, uint64_t hash) {
    size_t at = (size_t)hash & (report->capacity - 1);
    while (report->seen[at].hash && report->seen[at].hash != hash) at = (at + 1) & (report->capacity - 1);
    return &report->seen[at];
}

static void make_room(struct report *report) {
    if (2 * (report->n_seen + 1) <= report->capacity) return;
    struct seen *old = report->seen;
    size_t n = report->capacity;
    report->capacity = n ? 2 * n : 1024;
    report->seen = hone_calloc(report->capacity, sizeof *report->seen, "texts of a data set");
    for (size_t i = 0; i < n; i++)
        if (old[i].hash) *place_for(report, old[i].hash) = old[i];
    hone_free(old);
}

static void compare_with_earlier(struct report *report, const struct hone_example *example, uint64_t label) {
    uint64_t hash = hone_example_hash(example) | 1;
    make_room(report);
    struct seen *seen = place_for(report, hash);
    if (!seen->hash) {
        *seen = (struct seen){hash, label, example->line, example->file, (int32_t)report->split};
        report->n_seen++;
        return;
    }
    if (seen->label != label)
        find(report, "contradiction", example, NULL, seen);
    else if (seen->split == (int32_t)report->split)
        find(report, "duplicate", example, NULL, seen);
    if (seen->split != (int32_t)report->split) find(report, "leak", example, NULL, seen);
}

static bool is_blank(struct hone_field text) {
    for (size_t i = 0; i < text.n; i++)
        if (!strchr(" \t\r\n\f\v", text.bytes[i]) || !text.bytes[i]) return false;
    return true;
}

/* The first of each kind of suspicious character. "Ã" or "Â" before U+0080 … U+00BF is what UTF-8 of two bytes looks
 * like when it was read as Latin-1; "â" before "€" or U+0080 the same of three bytes in Windows' code page or Latin-1. */
static void look_at_characters(struct report *report, const struct hone_example *example, struct hone_field text) {
    bool mojibake = false, replacement = false, mark = false, control = false;
    char what[32];
    int32_t before = 0;
    for (size_t i = 0; i < text.n;) {
        if ((unsigned char)text.bytes[i] >= 0x20 && (unsigned char)text.bytes[i] < 0x7F) {
            before = text.bytes[i++];
            continue;
        }
        int32_t code = hone_utf8_next(text.bytes, &i);
        snprintf(what, sizeof what, "U+%04X", (unsigned)code);
        bool two = (before == 0xC3 || before == 0xC2) && code >= 0x80 && code <= 0xBF;
        bool three = before == 0xE2 && (code == 0x20AC || code == 0x80);
        if ((two || three) && !mojibake) find(report, "mojibake", example, what, NULL);
        mojibake = mojibake || two || three;
        if (code == 0xFFFD && !replacement) find(report, "replacement", example, NULL, NULL);
        replacement = replacement || code == 0xFFFD;
        if (code == 0xFEFF && !mark) find(report, "byte_order_mark", example, NULL, NULL);
        mark = mark || code == 0xFEFF;
        bool odd = (code < 0x20 && code != '\t' && code != '\n' && code != '\r') || (code >= 0x7F && code < 0xA0);
        if (odd && !two && !control) find(report, "control", example, what, NULL);
        control = control || (odd && !two);
        before = code;
    }
}

static void count(struct report *report, int64_t line, const char *name) {
    const json_t *count = json_object_get(report->labels, name);
    if (count || json_object_size(report->labels) < LABELS_COUNTED)
        json_object_set_new(report->labels, name, json_integer(json_integer_value(count) + 1));
    else
        report->other_labels++;
    if (!report->tags || json_object_get(report->places, name)) return;
    if (report->split != HONE_SPLIT_TRAIN)
        find_at(report, "not_in_training", hone_dataset_path(report->dataset), line, name, NULL);
    else
        json_object_set_new(
            report->places, name,
            json_pack("{s:s, s:I}", "file", hone_dataset_path(report->dataset), "line", (json_int_t)line));
}

/* Counts one label, with its column's name where there are several. */
static void count_label(struct report *report, int64_t line, size_t column, struct hone_field label) {
    const struct hone_columns *columns = &report->recipe->data.label;
    const struct hone_strings *names = &report->recipe->task.labels;
    struct hone_labels known = {.names = names->items, .n = columns->n > 1 ? 0 : (int64_t)names->n};
    char *value = hone_escape(label.bytes, label.n < 200 ? label.n : 200), *name = value;
    if (columns->n > 1 && columns->items[column].name)
        name = hone_format("%s: %s", columns->items[column].name, value);
    else if (columns->n > 1)
        name = hone_format("%lld: %s", (long long)columns->items[column].number, value);
    count(report, line, name);
    if (known.n && hone_labels_find(&known, label.bytes, label.n) < 0)
        find_at(report, "unknown_label", hone_dataset_path(report->dataset), line, name, NULL);
    if (name != value) hone_free(name);
    hone_free(value);
}

static enum hone_status count_name(void *user, const struct hone_dataset *dataset, const struct hone_example *example,
                                   struct hone_field name) {
    (void)dataset;
    count_label(user, example->line, 0, name);
    return HONE_OK;
}

/* Counts the values of one label column; *hash takes them in. */
static enum hone_status take_column(struct report *report, const struct hone_example *example, size_t column,
                                    uint64_t *hash) {
    const struct hone_value *label = hone_dataset_value(report->dataset, column);
    const struct hone_recipe *recipe = report->recipe;
    bool names = recipe->task.problem_type == HONE_MULTI_LABEL && recipe->data.label.n == 1;
    *hash = *hash * HASH_FACTOR + label->kind;
    for (size_t i = 0; i < label->n; i++) {
        struct hone_example as_text = {.text = label->items[i]};
        *hash = *hash * HASH_FACTOR + hone_example_hash(&as_text);
        int64_t line = example->words ? hone_dataset_word_line(report->dataset, example, i) : example->line;
        if (!names) count_label(report, line, column, label->items[i]);
    }
    if (names) return hone_texts_each_name(report->dataset, example, count_name, report);
    if (label->kind == HONE_VALUE_MISSING || label->kind == HONE_VALUE_NULL)
        find(report, "unknown_label", example, "none", NULL);
    return HONE_OK;
}

/* By every scheme: a sentence's tags that cannot follow each other. */
static void check_transitions(struct report *report, const struct hone_example *example,
                              const struct hone_value *tags) {
    hone_reserve(&report->line, &report->line_capacity, tags->n, sizeof *report->line, "tags of a sentence");
    for (size_t i = 0; i < tags->n; i++)
        if (!hone_tag_read(&report->line[i], &report->types, tags->items[i].bytes, tags->items[i].n)) return;
    if (report->split == HONE_SPLIT_TRAIN) hone_scheme_look(&report->scheme, report->line, (int64_t)tags->n);
    for (size_t i = 0; i <= tags->n; i++) {
        struct hone_tag before = i ? report->line[i - 1] : hone_tag_outside;
        struct hone_tag tag = i < tags->n ? report->line[i] : hone_tag_outside;
        size_t word = i < tags->n ? i : i - 1; /* or what is cut off at the end */
        for (int s = 0; s < N_TRANSITIONS; s++) {
            if (hone_tag_may_follow(transitions[s].scheme, before, tag)) continue;
            char *from = i ? hone_escape(tags->items[i - 1].bytes, tags->items[i - 1].n) : NULL;
            char *to = i < tags->n ? hone_escape(tags->items[i].bytes, tags->items[i].n) : NULL;
            char *what = hone_format("%s behind %s", to ? to : "the end", from ? from : "the beginning");
            find_at(report, transitions[s].kind, hone_dataset_path(report->dataset),
                    hone_dataset_word_line(report->dataset, example, word), what, NULL);
            hone_free(from);
            hone_free(to);
            hone_free(what);
        }
    }
}

/* Keeps what is invalid in the data's scheme, and names tags that are rare in training. */
static void end_tags(struct report *report) {
    bool entities = report->types.n > 0;
    enum hone_scheme scheme = hone_scheme_found(&report->scheme);
    for (int s = 0; s < N_TRANSITIONS; s++) {
        json_t *found = json_object_get(report->findings, transitions[s].kind);
        if (found && entities && transitions[s].scheme == scheme)
            json_object_set(report->findings, "invalid_transition", found);
        json_object_del(report->findings, transitions[s].kind);
    }
}

static void find_rare_labels(struct report *report) {
    const char *name;
    json_t *place;
    json_object_foreach(report->places, name, place) {
        long long n = (long long)json_integer_value(json_object_get(report->labels, name));
        if (n >= RARE) continue;
        char *what = hone_format("%s: %lld", name, n);
        find_at(report, "rare_label", json_string_value(json_object_get(place, "file")),
                json_integer_value(json_object_get(place, "line")), what, NULL);
        hone_free(what);
    }
}

/* Types of a text's entities. */
static enum hone_status take_spans(struct report *report, const struct hone_example *example, uint64_t *hash) {
    enum hone_status status =
        hone_text_spans_read(&report->spans, hone_dataset_value(report->dataset, 0), example->text);
    if (status != HONE_OK)
        return hone_fail_prefix(status, "%s:%lld", hone_dataset_path(report->dataset), (long long)example->line);
    for (size_t i = 0; i < report->spans.n; i++) {
        const struct hone_text_span *span = &report->spans.at[i];
        struct hone_field label = {span->label, strlen(span->label)};
        struct hone_example as_text = {.text = label};
        *hash = (*hash * HASH_FACTOR + hone_example_hash(&as_text)) * HASH_FACTOR + (uint64_t)span->start;
        *hash = *hash * HASH_FACTOR + (uint64_t)span->end;
        char *shown = hone_escape(label.bytes, label.n < 200 ? label.n : 200);
        count(report, example->line, shown);
        hone_free(shown);
    }
    return HONE_OK;
}

static enum hone_status take_label(struct report *report, const struct hone_example *example, uint64_t *hash) {
    size_t n = example->words ? 1 : report->recipe->data.label.n;
    if (report->tags && !example->words) return take_spans(report, example, hash);
    if (example->words) check_transitions(report, example, hone_dataset_value(report->dataset, 0));
    for (size_t i = 0; i < n; i++) HONE_TRY(take_column(report, example, i, hash));
    return HONE_OK;
}

/* The tokens of the example as training has them, uncut. */
static enum hone_status encode(struct report *report, const struct hone_example *example) {
    const struct hone_encode_options options = {.add_special = true};
    if (!example->words)
        return hone_tokenizer_encode(&report->encoding, report->tokenizer, example->text.bytes, example->text.n,
                                     example->has_pair ? example->pair.bytes : NULL, example->pair.n, &options);
    size_t n = example->words->n;
    const char **words = hone_alloc(n, sizeof *words, "words of a sentence");
    size_t *lengths = hone_alloc(n, sizeof *lengths, "words of a sentence");
    for (size_t i = 0; i < n; i++) {
        words[i] = example->words->items[i].bytes;
        lengths[i] = example->words->items[i].n;
    }
    const struct hone_given_words given = {words, lengths, n};
    enum hone_status status = hone_tokenizer_encode_words(&report->encoding, report->tokenizer, &given, NULL, &options);
    hone_free(words);
    hone_free(lengths);
    return status;
}

static enum hone_status take_example(struct report *report, const struct hone_example *example) {
    bool empty = (example->words ? example->words->n == 0 : is_blank(example->text)) ||
                 (example->has_pair && is_blank(example->pair));
    bool language_model = report->recipe->task.type == HONE_TASK_MASKED_LM;
    if (empty && language_model) return HONE_OK; /* between paragraphs, and not read in training either */
    enum hone_status status = encode(report, example);
    if (status != HONE_OK)
        return hone_fail_prefix(status, "%s:%lld", hone_dataset_path(report->dataset), (long long)example->line);
    int64_t n = (int64_t)report->encoding.n;
    report->samples++;
    report->tokens += n;
    if (n > report->longest) report->longest = n;
    if (empty) {
        report->empty++;
        find(report, "empty", example, NULL, NULL);
    }
    if (n > report->recipe->data.max_length && (!language_model || report->recipe->data.line_by_line)) {
        char what[48];
        snprintf(what, sizeof what, "%lld tokens", (long long)n);
        *(report->tags ? &report->windowed : &report->truncated) += 1;
        find(report, report->tags ? "windowed" : "truncated", example, what, NULL);
    }
    for (size_t i = 0; example->words && i < example->words->n; i++)
        look_at_characters(report, example, example->words->items[i]);
    look_at_characters(report, example, example->text);
    if (example->has_pair) look_at_characters(report, example, example->pair);
    uint64_t label = 0;
    HONE_TRY(take_label(report, example, &label));
    compare_with_earlier(report, example, label);
    return HONE_OK;
}

static void keep_paths(struct report *report) {
    size_t n;
    char *const *paths = hone_dataset_paths(&n, report->dataset);
    report->paths[report->split] = hone_alloc(n, sizeof *paths, "names of data files");
    for (size_t i = 0; i < n; i++) report->paths[report->split][i] = hone_strdup(paths[i], "name of a data file");
    report->n_paths[report->split] = n;
}

static enum hone_status read_split(struct report *report) {
    struct hone_example example;
    bool more;
    HONE_TRY(hone_dataset_open(&report->dataset, report->recipe, report->split));
    keep_paths(report);
    enum hone_status status;
    for (;;) {
        status = hone_dataset_next(report->dataset, &example, &more);
        if (status != HONE_OK || !more) break;
        status = take_example(report, &example);
        if (status != HONE_OK) break;
    }
    find_ragged(report);
    hone_dataset_close(report->dataset);
    return status;
}

static enum hone_status report_splits(struct report *report, json_t *splits) {
    for (int split = 0; split < HONE_SPLITS; split++) {
        if (!hone_dataset_exists(report->recipe, (enum hone_split)split)) continue;
        report->split = (enum hone_split)split;
        report->samples = report->tokens = report->longest = report->truncated = report->windowed = report->empty = 0;
        report->other_labels = 0;
        report->labels = json_object();
        enum hone_status status = read_split(report);
        if (split == HONE_SPLIT_TRAIN) find_rare_labels(report);
        if (report->other_labels) json_object_set_new(report->labels, "…", json_integer(report->other_labels));
        double mean = report->samples ? (double)report->tokens / (double)report->samples : 0;
        json_array_append_new(splits, json_pack("{s:s, s:I, s:o, s:I, s:I, s:f, s:I, s:I}", "name",
                                                hone_split_name(split), "samples", (json_int_t)report->samples,
                                                "labels", report->labels, "tokens", (json_int_t)report->tokens,
                                                "longest", (json_int_t)report->longest, "mean", mean, "truncated",
                                                (json_int_t)report->truncated, "empty", (json_int_t)report->empty));
        if (report->tags)
            json_object_set_new(json_array_get(splits, json_array_size(splits) - 1), "windowed",
                                json_integer(report->windowed));
        HONE_TRY(status);
    }
    return HONE_OK;
}

enum hone_status hone_data_report(json_t *out, const struct hone_recipe *recipe) {
    struct report report = {.recipe = recipe,
                            .findings = json_object(),
                            .places = json_object(),
                            .tags = recipe->task.type == HONE_TASK_TOKEN_CLASSIFICATION};
    json_t *splits = json_array();
    char *folder = NULL;
    enum hone_status status = hone_hub_find(&folder, recipe->model.path);
    if (status == HONE_OK) status = hone_tokenizer_open(&report.tokenizer, folder);
    /* As hone_model_folder_open does for given words. */
    if (status == HONE_OK && report.tags && hone_tokenizer_drops_spaces(report.tokenizer))
        (void)hone_tokenizer_add_prefix_space(report.tokenizer);
    if (status == HONE_OK) status = report_splits(&report, splits);
    if (report.tags) end_tags(&report);
    json_object_set_new(out, "splits", splits);
    json_object_set_new(out, "findings", report.findings);
    for (int split = 0; split < HONE_SPLITS; split++) {
        for (size_t i = 0; i < report.n_paths[split]; i++) hone_free(report.paths[split][i]);
        hone_free(report.paths[split]);
    }
    json_decref(report.places);
    hone_labels_free(&report.types);
    hone_text_spans_free(&report.spans);
    hone_free(report.line);
    hone_free(report.seen);
    hone_encoding_free(&report.encoding);
    hone_tokenizer_free(report.tokenizer);
    hone_free(folder);
    return status;
}
