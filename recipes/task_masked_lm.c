/* Masked language modelling (Devlin et al. 2018, arXiv 1810.04805): tokens are hidden and told from the rest. Samples
 * are windows of max_length tokens cut out of all lines put one behind the other, each between its special tokens, as
 * Transformers' run_mlm.py cuts them (but lines without text are left out, and the last window is kept), or with
 * data.line_by_line one line each. Loss: mean cross entropy over the masked tokens of the global batch; metrics:
 * perplexity (exp of the loss) and accuracy, of masked tokens. */
#include <math.h>
#include <string.h>

#include "base/arith.h"
#include "recipes/metrics.h"
#include "recipes/samples.h"
#include "recipes/task.h"

/* Tokens that wait for their window to fill. */
struct reader {
    struct hone_samples_writer samples;
    struct hone_encoding line, window;
    uint8_t *marks; /* of the window; [max_length] */
    int64_t max_length;
    const struct hone_model_folder *folder;
    int32_t file; /* where the window begins */
    int64_t at;
};

static void mark(uint8_t *marks, const struct hone_encoding *line) {
    for (size_t i = 0; i < line->n; i++) {
        bool goes_on =
            i > 0 && !line->special[i - 1] && line->word_ids[i] >= 0 && line->word_ids[i] == line->word_ids[i - 1];
        marks[i] = line->special[i] ? HONE_MARK_NEVER : goes_on ? HONE_MARK_GOES_ON : HONE_MARK_BEGIN;
    }
}

static enum hone_status append(struct reader *r, const struct hone_encoding *sample, const uint8_t *marks) {
    HONE_TRY(hone_samples_append(&r->samples, sample, r->folder->model, r->file, r->at));
    return hone_samples_mark(&r->samples, marks);
}

static enum hone_status flush(struct reader *r) {
    if (r->window.n == 0) return HONE_OK;
    r->window.untruncated = r->window.n;
    HONE_TRY(append(r, &r->window, r->marks));
    r->window.n = 0;
    return HONE_OK;
}

/* Moves the line's tokens into the window, and windows that are full among the samples. */
static enum hone_status add_line(struct reader *r, const uint8_t *marks, int32_t file, int64_t at) {
    for (size_t done = 0; done < r->line.n;) {
        if (r->window.n == 0) {
            r->file = file;
            r->at = at;
        }
        size_t n = (size_t)hone_min_i64((int64_t)(r->line.n - done), r->max_length - (int64_t)r->window.n),
               to = r->window.n;
        memcpy(r->window.ids + to, r->line.ids + done, n * sizeof *r->window.ids);
        memcpy(r->window.type_ids + to, r->line.type_ids + done, n * sizeof *r->window.type_ids);
        memcpy(r->window.sequence_ids + to, r->line.sequence_ids + done, n);
        memcpy(r->marks + to, marks + done, n);
        r->window.n += n;
        done += n;
        if ((int64_t)r->window.n == r->max_length) HONE_TRY(flush(r));
    }
    return HONE_OK;
}

static bool is_blank(struct hone_field text) {
    for (size_t i = 0; i < text.n; i++) {
        if (!strchr(" \t\r\n\f\v", text.bytes[i]) || text.bytes[i] == 0) return false;
    }
    return true;
}

static enum hone_status read_lines(struct reader *r, const struct hone_recipe *recipe, struct hone_dataset *dataset) {
    bool windows = !recipe->data.line_by_line, more;
    uint8_t *marks = NULL;
    size_t capacity = 0;
    enum hone_status status = HONE_OK;
    struct hone_example example;
    const struct hone_encode_options options = {.add_special = true, .max_length = windows ? 0 : (size_t)r->max_length};
    for (;;) {
        HONE_TRY_GOTO(hone_dataset_next(dataset, &example, &more));
        if (!more) break;
        if (is_blank(example.text)) continue;
        status = hone_tokenizer_encode(&r->line, r->folder->tokenizer, example.text.bytes, example.text.n, NULL, 0,
                                       &options);
        if (status == HONE_OK) {
            hone_reserve(&marks, &capacity, r->line.n, 1, "marks of tokens");
            mark(marks, &r->line);
            if (windows) {
                status = add_line(r, marks, example.file, example.line);
            } else {
                r->file = example.file;
                r->at = example.line;
                status = append(r, &r->line, marks);
            }
        }
        if (status != HONE_OK) {
            status = hone_fail_prefix(status, "%s:%lld", hone_dataset_path(dataset), (long long)example.line);
            goto done;
        }
    }
    HONE_TRY_GOTO(flush(r));
    if (r->samples.samples.n == 0) {
        size_t n;
        status = hone_fail(HONE_BAD_INPUT, "%s: no text, only empty lines", hone_dataset_paths(&n, dataset)[0]);
    }
done:
    hone_free(marks);
    return status;
}

/* BERT's and RoBERTa's names. */
static enum hone_status find_mask(int32_t *out, const struct hone_model_folder *folder) {
    static const char *const names[] = {"[MASK]", "<mask>"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        *out = hone_tokenizer_id(folder->tokenizer, names[i]);
        if (*out >= 0) return HONE_OK;
    }
    return hone_fail(HONE_BAD_INPUT, "%s: the tokenizer has no mask token, expected [MASK] or <mask>", folder->path);
}

static enum hone_status make_masking(struct hone_masking **out, const struct hone_recipe *recipe,
                                     const struct hone_model_folder *folder) {
    int32_t mask, size = hone_tokenizer_size(folder->tokenizer);
    HONE_TRY(find_mask(&mask, folder));
    struct hone_masking *masking = *out = hone_alloc(1, sizeof *masking, "masking");
    *masking = (struct hone_masking){.seed = (uint32_t)recipe->training.seed,
                                     .probability = recipe->task.mask_probability,
                                     .whole_words = recipe->task.whole_words,
                                     .mask_id = mask,
                                     .replacements = hone_alloc((size_t)size, sizeof(int32_t), "tokens")};
    for (int32_t id = 0; id < size; id++) {
        if (!hone_tokenizer_token(folder->tokenizer, id) || hone_tokenizer_special(folder->tokenizer, id)) continue;
        masking->replacements[masking->n_replacements++] = id;
    }
    if (masking->n_replacements > 0) return HONE_OK;
    return hone_fail(HONE_BAD_INPUT, "%s: the tokenizer has no tokens but special ones", folder->path);
}

static enum hone_status complete(struct hone_samples *samples, const struct hone_recipe *recipe,
                                 const struct hone_model_folder *folder) {
    return make_masking(&samples->masking, recipe, folder);
}

static enum hone_status encode(struct hone_samples *out, const struct hone_recipe *recipe, enum hone_split split,
                               const struct hone_model_folder *folder) {
    *out = (struct hone_samples){0};
    size_t n = (size_t)recipe->data.max_length;
    struct hone_dataset *dataset;
    HONE_TRY(hone_dataset_open(&dataset, recipe, split));
    struct reader r = {
        .samples = {.what = hone_split_name(split)}, .max_length = recipe->data.max_length, .folder = folder};
    hone_samples_name_files(&r.samples.samples, dataset);
    r.window.ids = hone_alloc(n, sizeof *r.window.ids, "window");
    r.window.type_ids = hone_alloc(n, sizeof *r.window.type_ids, "window");
    r.window.sequence_ids = hone_alloc(n, sizeof *r.window.sequence_ids, "window");
    r.marks = hone_alloc(n, 1, "window");
    enum hone_status status = complete(&r.samples.samples, recipe, folder);
    if (status == HONE_OK) status = read_lines(&r, recipe, dataset);
    if (status == HONE_OK) status = hone_samples_finish(out, &r.samples);
    hone_samples_abandon(&r.samples);
    hone_encoding_free(&r.line);
    hone_encoding_free(&r.window);
    hone_free(r.marks);
    hone_dataset_close(dataset);
    return status;
}

/* A step in which nothing is masked has no loss; its gradient is 0. */
static double denominator(const struct hone_samples *samples, const int64_t *chosen, int64_t n, uint32_t pass,
                          const struct hone_objective *objective) {
    (void)objective;
    return (double)hone_max_i64(hone_batch_rows(samples, chosen, n, pass), 1);
}

static void record_loss(struct hone_tape *tape, hone_value logits, const struct hone_batch *batch,
                        const struct hone_objective *objective, float scale, float *loss) {
    (void)objective;
    hone_cross_entropy(tape, logits, batch->labels, NULL, scale, loss);
}

struct hone_measure {
    int64_t V, masked, right;
    double loss;
};

static struct hone_measure *measure_create(const struct hone_model_folder *folder, const struct hone_samples *samples) {
    (void)samples;
    struct hone_measure *measure = hone_calloc(1, sizeof *measure, "metrics");
    measure->V = folder->model->n_labels;
    return measure;
}

static void measure_free(struct hone_measure *measure) { hone_free(measure); }

static void measure_add(struct hone_measure *measure, const struct hone_batch *batch, const float *logits) {
    for (int64_t r = 0; r < batch->R; r++) {
        const float *row = logits + r * measure->V;
        measure->loss += hone_log_sum_exp(row, measure->V) - (double)row[batch->labels[r]];
        measure->right += hone_argmax(row, (int32_t)measure->V) == batch->labels[r];
    }
    measure->masked += batch->R;
}

static double mean(double sum, int64_t n) { return n > 0 ? sum / (double)n : 0; }

static void measure_report(const struct hone_measure *measure, struct hone_figures *figures) {
    double loss = mean(measure->loss, measure->masked);
    hone_figures_set(figures, HONE_METRIC_LOSS, loss);
    hone_figures_set(figures, HONE_METRIC_PERPLEXITY, exp(loss));
    hone_figures_set(figures, HONE_METRIC_ACCURACY, mean((double)measure->right, measure->masked));
}

const struct hone_task_class hone_task_masked_lm = {
    .type = HONE_TASK_MASKED_LM,
    .head = HONE_HEAD_MASKED_LM,
    .pipeline_tag = "fill-mask",
    .auto_class = "AutoModelForMaskedLM",
    .metric = HONE_METRIC_LOSS,
    .metrics = HONE_BIT(LOSS) | HONE_BIT(ACCURACY) | HONE_BIT(PERPLEXITY),
    .headline = HONE_BIT(LOSS) | HONE_BIT(ACCURACY) | HONE_BIT(PERPLEXITY),
    .encode = encode,
    .complete = complete,
    .denominator = denominator,
    .record_loss = record_loss,
    .measure_create = measure_create,
    .measure_add = measure_add,
    .measure_report = measure_report,
    .measure_free = measure_free,
};
