/* Token classification: a label for each of the words that a sentence is given in, as Transformers' run_ner.py. Labels
 * are tags that mark entities (recipes/tags.h), or plain ones, as parts of speech. Loss: cross entropy over the labelled
 * tokens of the global batch, with class weights divided by the sum of the labels' weights; metrics: accuracy of words,
 * and of entities precision, recall and F1. */
#include <math.h>
#include <string.h>

#include "base/arith.h"
#include "base/log.h"
#include "base/utf8.h"
#include "recipes/entity_scores.h"
#include "recipes/task.h"
#include "recipes/text_spans.h"
#include "recipes/texts.h"
#include "recipes/words.h"

static enum hone_status fail_tag(const struct hone_dataset *dataset, const struct hone_example *example, size_t word,
                                 struct hone_field tag, const char *expected) {
    char *shown = hone_escape(tag.bytes, tag.n < 80 ? tag.n : 80);
    enum hone_status status =
        hone_fail(HONE_BAD_INPUT, "%s:%lld: tag \"%s\" of word %zu, expected %s", hone_dataset_path(dataset),
                  (long long)hone_dataset_word_line(dataset, example, word), shown, word + 1, expected);
    hone_free(shown);
    return status;
}

/* The sentence's tags, one for each of its words. */
static enum hone_status take_tags(const struct hone_value **out, const struct hone_dataset *dataset,
                                  const struct hone_example *example) {
    HONE_TRY(hone_dataset_tags(out, dataset));
    if ((*out)->n != example->words->n)
        return hone_texts_fail(dataset, example, "%zu tags of %zu words", (*out)->n, example->words->n);
    for (size_t i = 0; i < example->words->n; i++) {
        if (example->words->items[i].n == 0) return hone_texts_fail(dataset, example, "word %zu is empty", i + 1);
    }
    return HONE_OK;
}

/* Whether a word has the tag of the word before it, as most have: O. */
static bool is_as_before(const struct hone_value *tags, size_t word) {
    if (word == 0) return false;
    const struct hone_field *tag = &tags->items[word], *before = tag - 1;
    return tag->n == before->n && memcmp(tag->bytes, before->bytes, tag->n) == 0;
}

/* The entities of an example that is a text. */
static enum hone_status take_spans(struct hone_text_spans *out, const struct hone_dataset *dataset,
                                   const struct hone_example *example) {
    enum hone_status status = hone_text_spans_read(out, hone_dataset_value(dataset, 0), example->text);
    if (status == HONE_OK) return status;
    return hone_fail_prefix(status, "%s:%lld", hone_dataset_path(dataset), (long long)example->line);
}

/* The labels of the training data. */

struct finder {
    struct hone_labels *labels;
    struct hone_labels types;
    struct hone_scheme_finder scheme;
    bool wanted;   /* tags of entities, says the recipe */
    bool dashes;   /* so says the data: there is a tag with a type */
    char *odd;     /* the first tag that marks no entity, as a message */
    bool in_texts; /* entities of texts, which have types and no tags */
    struct hone_text_spans spans;
    struct hone_tag *line;
    size_t capacity;
};

static enum hone_status look(void *user, const struct hone_dataset *dataset, const struct hone_example *example) {
    struct finder *f = user;
    const struct hone_value *tags;
    if (!example->words) {
        HONE_TRY(take_spans(&f->spans, dataset, example));
        for (size_t i = 0; i < f->spans.n; i++)
            hone_labels_collect(&f->types, f->spans.at[i].label, strlen(f->spans.at[i].label));
        f->in_texts = true;
        return HONE_OK;
    }
    HONE_TRY(take_tags(&tags, dataset, example));
    hone_reserve(&f->line, &f->capacity, tags->n, sizeof *f->line, "tags of a sentence");
    for (size_t i = 0; i < tags->n; i++) {
        if (is_as_before(tags, i)) {
            f->line[i] = f->line[i - 1];
            continue;
        }
        HONE_TRY(hone_texts_collect_label(f->labels, dataset, example, tags->items[i]));
        bool good = hone_tag_read(&f->line[i], &f->types, tags->items[i].bytes, tags->items[i].n);
        f->dashes = f->dashes || (good && tags->items[i].n > 1);
        if (good) continue;
        f->line[i] = (struct hone_tag){'O', -1};
        if (f->odd) continue;
        fail_tag(dataset, example, i, tags->items[i], "O, or B-, I-, E- or S- and a type as the other tags");
        f->odd = hone_strdup(hone_error_message(), "message");
    }
    hone_scheme_look(&f->scheme, f->line, (int64_t)tags->n);
    return HONE_OK;
}

/* Labels have the letters of IOBES where the data has BILOU's. */
static void rename_prefixes(struct hone_labels *labels) {
    struct hone_labels renamed = {0};
    for (int64_t i = 0; i < labels->n; i++) {
        labels->names[i][0] = hone_tag_prefix(labels->names[i][0]);
        hone_labels_collect(&renamed, labels->names[i], strlen(labels->names[i]));
    }
    hone_labels_free(labels);
    *labels = renamed;
}

/* Decides what the tags are once all were seen. */
static enum hone_status decide(struct finder *f, enum hone_scheme asked) {
    bool entities = asked > HONE_SCHEME_NONE || (asked == HONE_SCHEME_AUTO && f->dashes) || f->in_texts;
    if (entities && f->odd) return hone_fail(HONE_BAD_INPUT, "%s", f->odd);
    f->labels->scheme = HONE_SCHEME_NONE;
    if (asked == HONE_SCHEME_NONE || f->odd || f->types.n == 0) {
        hone_labels_sort(f->labels);
        return HONE_OK;
    }
    enum hone_scheme found = hone_scheme_found(&f->scheme);
    if (f->in_texts) {
        /* Tags that only some of the data has are converted. */
        found = HONE_SCHEME_IOB2;
        if (asked == HONE_SCHEME_AUTO) asked = found;
    }
    if (found == HONE_SCHEME_IOBES) rename_prefixes(f->labels);
    f->labels->scheme = found;
    if (asked == HONE_SCHEME_AUTO && !f->in_texts) {
        hone_labels_sort(f->labels);
    } else {
        hone_labels_free(f->labels);
        hone_labels_sort(&f->types);
        hone_scheme_labels(f->labels, &f->types, asked);
    }
    hone_info("tags: %s%s%s", hone_recipe_word("task.scheme", (int)found),
              asked == found || !asked ? "" : ", taught as ",
              asked == found || !asked ? "" : hone_recipe_word("task.scheme", (int)asked));
    return HONE_OK;
}

static enum hone_status collect_labels(struct hone_labels *labels, const struct hone_recipe *recipe) {
    struct finder f = {.labels = labels};
    enum hone_status status = hone_texts_each(recipe, HONE_SPLIT_TRAIN, look, &f);
    if (status == HONE_OK) status = decide(&f, recipe->task.scheme);
    if (status == HONE_OK && labels->n < 2) {
        char *list = hone_labels_list(labels);
        status = hone_fail(HONE_BAD_INPUT, "%s: only one tag (%s) in the training data, expected two or more",
                           recipe->data.train.items[0], list);
        hone_free(list);
    }
    hone_labels_free(&f.types);
    hone_text_spans_free(&f.spans);
    hone_free(f.odd);
    hone_free(f.line);
    return status;
}

/* Encoding. */

struct encoder {
    struct hone_samples_writer samples;
    struct hone_words words;
    const struct hone_model_folder *folder;
    struct hone_tags tags; /* that the labels are */
    bool convert;
    int16_t *labels, *inside; /* of the words; by label, what a word's further tokens get */
    struct hone_tag *line;
    size_t capacity;
    struct hone_entities entities;
    struct hone_text_spans spans;
    int32_t *types; /* of the spans */
    size_t types_capacity;
    int64_t moved; /* spans that don't begin and end with words; the first one's place */
    int32_t moved_file;
    int64_t moved_line;
};

static int16_t label_of(const struct hone_tags *tags, int64_t n, struct hone_tag tag) {
    for (int64_t i = 0; i < n; i++)
        if (tags->of[i].prefix == tag.prefix && tags->of[i].type == tag.type) return (int16_t)i;
    return -1;
}

static enum hone_status unknown_tag(const struct encoder *e, const struct hone_dataset *dataset,
                                    const struct hone_example *example, size_t word, struct hone_field tag) {
    char *list = hone_labels_list(&e->folder->labels), *expected = hone_format("one of %s", list);
    enum hone_status status = fail_tag(dataset, example, word, tag, expected);
    hone_free(expected);
    hone_free(list);
    return status;
}

/* Labels of the sentence's words, whatever the scheme of its tags. */
static enum hone_status convert_tags(struct encoder *e, const struct hone_dataset *dataset,
                                     const struct hone_example *example, const struct hone_value *tags) {
    struct hone_labels *types = &e->tags.types;
    int64_t known = types->n;
    for (size_t i = 0; i < tags->n; i++) {
        struct hone_field tag = tags->items[i];
        bool good = hone_tag_read(&e->line[i], types, tag.bytes, tag.n);
        if (!good || types->n > known) return unknown_tag(e, dataset, example, i, tag);
    }
    hone_entities_find(&e->entities, e->line, (int64_t)tags->n);
    hone_entities_mark(e->line, (int64_t)tags->n, &e->entities, e->tags.scheme);
    for (size_t i = 0; i < tags->n; i++) {
        e->labels[i] = label_of(&e->tags, e->folder->labels.n, e->line[i]);
        if (e->labels[i] < 0) return unknown_tag(e, dataset, example, i, tags->items[i]);
    }
    return HONE_OK;
}

/* Of a tag that has another letter than the label, as BILOU's; -1: none. */
static int16_t find_by_meaning(struct encoder *e, struct hone_field text) {
    struct hone_tag tag;
    int64_t known = e->tags.types.n;
    bool good = e->tags.scheme != HONE_SCHEME_NONE && hone_tag_read(&tag, &e->tags.types, text.bytes, text.n);
    return good && e->tags.types.n == known ? label_of(&e->tags, e->folder->labels.n, tag) : -1;
}

static enum hone_status find_labels(struct encoder *e, const struct hone_dataset *dataset,
                                    const struct hone_example *example, const struct hone_value *tags) {
    for (size_t i = 0; i < tags->n; i++) {
        if (is_as_before(tags, i)) {
            e->labels[i] = e->labels[i - 1];
            continue;
        }
        e->labels[i] = (int16_t)hone_labels_find(&e->folder->labels, tags->items[i].bytes, tags->items[i].n);
        if (e->labels[i] < 0) e->labels[i] = find_by_meaning(e, tags->items[i]);
        if (e->labels[i] < 0) return unknown_tag(e, dataset, example, i, tags->items[i]);
    }
    return HONE_OK;
}

static enum hone_status find_types(struct encoder *e, const struct hone_dataset *dataset,
                                   const struct hone_example *example) {
    struct hone_labels *types = &e->tags.types;
    int64_t known = types->n;
    hone_reserve(&e->types, &e->types_capacity, e->spans.n, sizeof *e->types, "types of entities");
    for (size_t i = 0; i < e->spans.n; i++) {
        const char *label = e->spans.at[i].label;
        e->types[i] = hone_labels_collect(types, label, strlen(label));
        if (types->n > known)
            return hone_texts_unknown_label(dataset, example, (struct hone_field){label, strlen(label)},
                                            &(struct hone_labels){.names = types->names, .n = known});
    }
    return HONE_OK;
}

static void reserve(struct encoder *e, size_t words) {
    size_t lines = e->capacity;
    hone_reserve(&e->labels, &e->capacity, words, sizeof *e->labels, "labels of a sentence");
    hone_reserve(&e->line, &lines, e->capacity, sizeof *e->line, "tags of a sentence");
}

static enum hone_status encode_text(struct encoder *e, const struct hone_dataset *dataset,
                                    const struct hone_example *example) {
    struct hone_words *words = &e->words;
    HONE_TRY(take_spans(&e->spans, dataset, example));
    if (e->tags.scheme == HONE_SCHEME_NONE && e->spans.n)
        return hone_texts_fail(dataset, example, "entities of a text, but the labels mark none");
    HONE_TRY(find_types(e, dataset, example));
    HONE_TRY(hone_words_find(words, example->text));
    int64_t moved = hone_text_spans_find(&e->entities, &e->spans, e->types, words->ranges, words->n_ranges);
    if (moved && !e->moved) {
        e->moved_file = example->file;
        e->moved_line = example->line;
    }
    e->moved += moved;
    reserve(e, words->n_ranges);
    hone_entities_mark(e->line, (int64_t)words->n_ranges, &e->entities, e->tags.scheme);
    for (size_t i = 0; i < words->n_ranges; i++) {
        e->labels[i] = label_of(&e->tags, e->folder->labels.n, e->line[i]);
        if (e->labels[i] < 0)
            return hone_texts_fail(dataset, example, "no label %c-%s for a word", e->line[i].prefix,
                                   e->line[i].type < 0 ? "" : e->tags.types.names[e->line[i].type]);
    }
    enum hone_status status =
        hone_words_append_text(&e->samples, words, example->text, e->labels, e->inside, example->file, example->line);
    if (status == HONE_OK) return status;
    return hone_fail_prefix(status, "%s:%lld", hone_dataset_path(dataset), (long long)example->line);
}

static enum hone_status encode_words(struct encoder *e, const struct hone_dataset *dataset,
                                     const struct hone_example *example) {
    const struct hone_value *tags;
    HONE_TRY(take_tags(&tags, dataset, example));
    reserve(e, tags->n);
    HONE_TRY(e->convert ? convert_tags(e, dataset, example, tags) : find_labels(e, dataset, example, tags));
    enum hone_status status = hone_words_append(&e->samples, &e->words, example->words->items, e->labels, tags->n,
                                                e->inside, example->file, example->line);
    if (status == HONE_OK) return status;
    return hone_fail_prefix(status, "%s:%lld", hone_dataset_path(dataset), (long long)example->line);
}

static enum hone_status encode_example(void *user, const struct hone_dataset *dataset,
                                       const struct hone_example *example) {
    struct encoder *e = user;
    if (!e->samples.samples.paths) hone_samples_name_files(&e->samples.samples, dataset);
    return example->words ? encode_words(e, dataset, example) : encode_text(e, dataset, example);
}

/* A word's further tokens go on with its entity: I-T for B-T where there is such a label, as run_ner.py has it. */
static int16_t *labels_inside(const struct hone_tags *tags, int64_t n) {
    int16_t *inside = hone_alloc((size_t)n, sizeof *inside, "labels of tokens");
    for (int64_t i = 0; i < n; i++) {
        inside[i] = (int16_t)i;
        if (tags->scheme == HONE_SCHEME_NONE || tags->of[i].prefix != 'B') continue;
        int16_t label = label_of(tags, n, (struct hone_tag){'I', tags->of[i].type});
        if (label >= 0) inside[i] = label;
    }
    return inside;
}

static enum hone_status encode(struct hone_samples *out, const struct hone_recipe *recipe, enum hone_split split,
                               const struct hone_model_folder *folder) {
    *out = (struct hone_samples){0};
    if (folder->labels.n > INT16_MAX)
        return hone_fail(HONE_BAD_INPUT, "%s: %lld labels, expected at most %d", folder->path,
                         (long long)folder->labels.n, INT16_MAX);
    HONE_TRY(hone_words_check(folder));
    struct encoder e = {.samples = {.what = hone_split_name(split)},
                        .folder = folder,
                        .words = {.folder = folder,
                                  .max_length = recipe->data.max_length,
                                  .stride = recipe->data.stride,
                                  /* What is measured is a word's only prediction. */
                                  .all = recipe->task.label_all_tokens && split == HONE_SPLIT_TRAIN}};
    hone_tags_create(&e.tags, &folder->labels);
    e.convert = recipe->task.scheme > HONE_SCHEME_NONE && e.tags.scheme != HONE_SCHEME_NONE;
    e.inside = labels_inside(&e.tags, folder->labels.n);
    enum hone_status status = hone_texts_each(recipe, split, encode_example, &e);
    if (status == HONE_OK) status = hone_samples_finish(out, &e.samples);
    hone_samples_abandon(&e.samples);
    if (status == HONE_OK && e.moved)
        hone_warn("%s:%lld: the first of %lld entities that don't begin and end with words: they cover whole ones, or "
                  "are lost",
                  out->paths[e.moved_file], (long long)e.moved_line, (long long)e.moved);
    hone_tags_free(&e.tags);
    hone_words_free(&e.words);
    hone_text_spans_free(&e.spans);
    hone_free(e.types);
    hone_free(e.labels);
    hone_free(e.line);
    hone_free(e.inside);
    hone_free(e.entities.at);
    return status;
}

/* The loss. A step without labelled tokens has none. */

static double denominator(const struct hone_samples *samples, const int64_t *chosen, int64_t n, uint32_t pass,
                          const struct hone_objective *objective) {
    if (!objective->weights) return (double)hone_max_i64(hone_batch_rows(samples, chosen, n, pass), 1);
    double sum = 0;
    for (int64_t i = 0; i < n; i++) {
        for (int64_t t = samples->begins[chosen[i]]; t < samples->begins[chosen[i] + 1]; t++)
            if (samples->tags[t] >= 0) sum += (double)objective->weights[samples->tags[t]];
    }
    return sum > 0 ? sum : 1;
}

/* Metrics. */

struct hone_measure {
    const struct hone_samples *samples;
    int64_t n_labels, words, right;
    struct hone_loss_mean loss;
    struct hone_tags tags;
    struct hone_entity_scores entities; /* where tags mark any */
    int32_t *labels, *predictions;      /* of a sentence */
    size_t n, capacity;
};

static struct hone_measure *measure_create(const struct hone_model_folder *folder, const struct hone_samples *samples) {
    struct hone_measure *measure = hone_calloc(1, sizeof *measure, "metrics");
    measure->samples = samples;
    measure->n_labels = folder->labels.n;
    hone_tags_create(&measure->tags, &folder->labels);
    if (measure->tags.scheme != HONE_SCHEME_NONE) hone_entity_scores_create(&measure->entities, &measure->tags);
    return measure;
}

static void measure_free(struct hone_measure *measure) {
    if (!measure) return;
    hone_entity_scores_free(&measure->entities);
    hone_tags_free(&measure->tags);
    hone_free(measure->labels);
    hone_free(measure->predictions);
    hone_free(measure);
}

static void add_word(struct hone_measure *measure, const float *row, int32_t label) {
    int32_t best = hone_argmax(row, (int32_t)measure->n_labels);
    size_t capacity = measure->capacity;
    hone_loss_mean_add(&measure->loss, hone_log_sum_exp(row, measure->n_labels) - (double)row[label], 1);
    measure->words++;
    measure->right += best == label;
    hone_reserve(&measure->labels, &measure->capacity, measure->n + 1, sizeof *measure->labels, "a sentence");
    hone_reserve(&measure->predictions, &capacity, measure->capacity, sizeof *measure->predictions, "a sentence");
    measure->labels[measure->n] = label;
    measure->predictions[measure->n++] = best;
}

/* Windows of a sentence follow each other, and so do their words. */
static void measure_add(struct hone_measure *measure, const struct hone_batch *batch, const float *logits) {
    for (int64_t b = 0; b < batch->B; b++) {
        for (int64_t r = batch->cu_rows[b]; r < batch->cu_rows[b + 1]; r++)
            add_word(measure, logits + r * measure->n_labels, batch->labels[r]);
        int64_t next = batch->sample_of[b] + 1;
        if (next < measure->samples->n && hone_sample_goes_on(measure->samples, next)) continue;
        if (measure->entities.tags)
            hone_entity_scores_add(&measure->entities, measure->labels, measure->predictions, (int64_t)measure->n);
        measure->n = 0;
    }
}

static void measure_report(const struct hone_measure *measure, struct hone_figures *figures) {
    double words = (double)hone_max_i64(measure->words, 1);
    hone_figures_set(figures, HONE_METRIC_LOSS, hone_loss_mean_value(&measure->loss));
    hone_figures_set(figures, HONE_METRIC_ACCURACY, (double)measure->right / words);
    if (!measure->entities.tags) return;
    struct hone_averages lenient = hone_entity_averages(&measure->entities, HONE_ENTITIES_LENIENT);
    struct hone_averages strict = hone_entity_averages(&measure->entities, HONE_ENTITIES_STRICT);
    hone_figures_set_scores(figures, HONE_METRIC_F1, lenient.micro);
    hone_figures_set_scores(figures, HONE_METRIC_F1_MACRO, lenient.macro);
    hone_figures_set_scores(figures, HONE_METRIC_F1_WEIGHTED, lenient.weighted);
    hone_figures_set_scores(figures, HONE_METRIC_F1_STRICT, strict.micro);
    hone_figures_set_scores(figures, HONE_METRIC_F1_MACRO_STRICT, strict.macro);
    hone_figures_set_scores(figures, HONE_METRIC_F1_WEIGHTED_STRICT, strict.weighted);
    figures->entities = &measure->entities;
}

const struct hone_task_class hone_task_token_classification = {
    .type = HONE_TASK_TOKEN_CLASSIFICATION,
    .head = HONE_HEAD_TOKEN_CLASSIFICATION,
    .pipeline_tag = "token-classification",
    .auto_class = "AutoModelForTokenClassification",
    .metric = HONE_METRIC_F1,
    .metrics = HONE_BIT(LOSS) | HONE_BIT(ACCURACY) | HONE_BIT(F1) | HONE_BIT(F1_MACRO) | HONE_BIT(F1_WEIGHTED) |
               HONE_BIT(F1_STRICT) | HONE_BIT(F1_MACRO_STRICT) | HONE_BIT(F1_WEIGHTED_STRICT) | HONE_BIT(PRECISION) |
               HONE_BIT(PRECISION_MACRO) | HONE_BIT(PRECISION_WEIGHTED) | HONE_BIT(PRECISION_STRICT) |
               HONE_BIT(PRECISION_MACRO_STRICT) | HONE_BIT(PRECISION_WEIGHTED_STRICT) | HONE_BIT(RECALL) |
               HONE_BIT(RECALL_MACRO) | HONE_BIT(RECALL_WEIGHTED) | HONE_BIT(RECALL_STRICT) |
               HONE_BIT(RECALL_MACRO_STRICT) | HONE_BIT(RECALL_WEIGHTED_STRICT),
    .headline = HONE_BIT(F1) | HONE_BIT(PRECISION) | HONE_BIT(RECALL) | HONE_BIT(ACCURACY) | HONE_BIT(F1_STRICT) |
                HONE_BIT(LOSS),
    .collect_labels = collect_labels,
    .encode = encode,
    .denominator = denominator,
    .record_loss = hone_objective_record,
    .measure_create = measure_create,
    .measure_add = measure_add,
    .measure_report = measure_report,
    .measure_free = measure_free,
};
