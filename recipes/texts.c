#include "recipes/texts.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "base/utf8.h"

enum { MOST_LABELS = 10000, SHOWN = 80 };

typedef enum hone_status (*see_example)(void *user, const struct hone_dataset *dataset,
                                        const struct hone_example *example);

static void warn_of_ragged(const struct hone_dataset *dataset) {
    const char *path;
    int64_t line, n = hone_dataset_ragged(dataset, &path, &line);
    if (n == 0) return;
    hone_warn("%s:%lld: the first of %lld rows with another number of columns than the first row, skipped", path,
              (long long)line, (long long)n);
}

static enum hone_status each(const struct hone_recipe *recipe, enum hone_split split, see_example see, void *user,
                             bool warn) {
    struct hone_dataset *dataset = NULL;
    struct hone_example example;
    enum hone_status status = HONE_OK;
    bool more;
    HONE_TRY(hone_dataset_open(&dataset, recipe, split));
    for (;;) {
        HONE_TRY_GOTO(hone_dataset_next(dataset, &example, &more));
        if (!more) break;
        HONE_TRY_GOTO(see(user, dataset, &example));
    }
    if (warn) warn_of_ragged(dataset);
done:
    hone_dataset_close(dataset);
    return status;
}

enum hone_status hone_texts_each(const struct hone_recipe *recipe, enum hone_split split, see_example see, void *user) {
    return each(recipe, split, see, user, false);
}

struct encoder {
    struct hone_samples_writer samples;
    struct hone_encoding encoding;
    const struct hone_model_folder *folder;
    size_t max_length;
    hone_set_label set_label;
};

/* Encodes one example behind the others. */
static enum hone_status encode_example(void *user, const struct hone_dataset *dataset,
                                       const struct hone_example *example) {
    struct encoder *e = user;
    if (!e->samples.samples.paths) hone_samples_name_files(&e->samples.samples, dataset);
    const struct hone_encode_options options = {.add_special = true, .max_length = e->max_length};
    enum hone_status status =
        hone_tokenizer_encode(&e->encoding, e->folder->tokenizer, example->text.bytes, example->text.n,
                              example->has_pair ? example->pair.bytes : NULL, example->pair.n, &options);
    if (status == HONE_OK)
        status = hone_samples_append(&e->samples, &e->encoding, e->folder->model, example->file, example->line);
    if (status != HONE_OK)
        return hone_fail_prefix(status, "%s:%lld", hone_dataset_path(dataset), (long long)example->line);
    return e->set_label(&e->samples, dataset, example, e->folder);
}

enum hone_status hone_texts_encode(struct hone_samples *out, const struct hone_recipe *recipe, enum hone_split split,
                                   const struct hone_model_folder *folder, hone_set_label set_label) {
    *out = (struct hone_samples){0};
    int64_t columns = (int64_t)recipe->data.label.n;
    if (columns > 1 && columns != folder->labels.n)
        return hone_recipe_at(recipe, "data.label",
                              hone_fail(HONE_USAGE, "%lld label columns, but the model has %lld outputs",
                                        (long long)columns, (long long)folder->labels.n));
    struct encoder e = {.samples = {.what = hone_split_name(split)},
                        .folder = folder,
                        .max_length = (size_t)recipe->data.max_length,
                        .set_label = set_label};
    enum hone_status status = each(recipe, split, encode_example, &e, true);
    if (status == HONE_OK) status = hone_samples_finish(out, &e.samples);
    hone_samples_abandon(&e.samples);
    hone_encoding_free(&e.encoding);
    return status;
}

double hone_texts_targets(const struct hone_samples *samples, const int64_t *chosen, int64_t n, uint32_t pass,
                          const struct hone_objective *objective) {
    (void)pass;
    (void)chosen;
    (void)objective;
    return (double)(n * samples->n_targets);
}

enum hone_status hone_texts_fail(const struct hone_dataset *dataset, const struct hone_example *example,
                                 const char *format, ...) {
    char what[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(what, sizeof what, format, arguments);
    va_end(arguments);
    return hone_fail(HONE_BAD_INPUT, "%s:%lld: %s", hone_dataset_path(dataset), (long long)example->line, what);
}

enum hone_status hone_texts_unknown_label(const struct hone_dataset *dataset, const struct hone_example *example,
                                          struct hone_field label, const struct hone_labels *labels) {
    char *shown = hone_escape(label.bytes, label.n < SHOWN ? label.n : SHOWN), *list = hone_labels_list(labels);
    enum hone_status status = hone_fail(HONE_BAD_INPUT, "%s:%lld: unknown label \"%s\", expected one of %s",
                                        hone_dataset_path(dataset), (long long)example->line, shown, list);
    hone_free(shown);
    hone_free(list);
    return status;
}

enum hone_status hone_texts_collect_label(struct hone_labels *labels, const struct hone_dataset *dataset,
                                          const struct hone_example *example, struct hone_field name) {
    if (name.n == 0 || memchr(name.bytes, 0, name.n)) {
        return hone_texts_fail(dataset, example, "the label %s, expected a name", name.n ? "holds a NUL" : "is empty");
    }
    hone_labels_collect(labels, name.bytes, name.n);
    if (labels->n <= MOST_LABELS) return HONE_OK;
    return hone_fail(HONE_BAD_INPUT, "%s: more than %d different labels; is data.label the right column?",
                     hone_dataset_path(dataset), MOST_LABELS);
}
