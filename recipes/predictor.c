#include "recipes/predictor.h"

#include <string.h>

#include "base/arith.h"
#include "base/memory.h"

bool hone_predictor_tags(const struct hone_predictor *predictor) {
    return predictor->task->type == HONE_TASK_TOKEN_CLASSIFICATION;
}

static enum hone_status open_parts(struct hone_predictor *predictor, const char *folder,
                                   enum hone_precision precision) {
    struct hone_device *device;
    HONE_TRY(hone_device_open(&device, "auto"));
    struct hone_model_folder_options options = {.device = device, .head_of_config = true, .precision = precision};
    HONE_TRY(hone_model_folder_open(&predictor->folder, folder, options));
    predictor->task = hone_task_of_folder(&predictor->folder);
    if (!predictor->task || (!predictor->task->predict && !hone_predictor_tags(predictor))) {
        return hone_fail(HONE_BAD_INPUT, "%s: architectures in config.json names no task that hone predicts", folder);
    }
    const struct hone_model *model = predictor->folder.model;
    predictor->max_length = hone_tokenizer_max_length(predictor->folder.tokenizer);
    if (predictor->max_length == 0 || predictor->max_length > model->max_positions) {
        predictor->max_length = model->max_positions;
    }
    predictor->tagger = (struct hone_tagger){.words = {.folder = &predictor->folder,
                                                       .max_length = predictor->max_length,
                                                       .stride = predictor->max_length / 4},
                                             .aggregator = {.tokenizer = predictor->folder.tokenizer,
                                                            .labels = &predictor->folder.labels,
                                                            .aggregation = HONE_AGGREGATION_FIRST}};
    predictor->kept_ends = hone_alloc(HONE_PREDICTOR_PENDING, sizeof *predictor->kept_ends, "inputs that wait");
    predictor->prediction.scores =
        hone_alloc((size_t)predictor->folder.labels.n, sizeof *predictor->prediction.scores, "scores");
    int64_t T = hone_max_i64(HONE_INFERENCE_TOKENS, predictor->max_length);
    return hone_engine_create(&predictor->engine, model, T, HONE_INFERENCE_SEQUENCES, 0);
}

enum hone_status hone_predictor_open(struct hone_predictor *out, const char *folder, enum hone_precision precision) {
    *out = (struct hone_predictor){0};
    enum hone_status status = open_parts(out, folder, precision);
    if (status != HONE_OK) hone_predictor_close(out);
    return status;
}

void hone_predictor_close(struct hone_predictor *predictor) {
    hone_samples_abandon(&predictor->pending);
    hone_text_free(&predictor->kept);
    hone_free(predictor->kept_ends);
    hone_free(predictor->prediction.scores);
    hone_encoding_free(&predictor->encoding);
    hone_tagger_free(&predictor->tagger);
    hone_engine_free(&predictor->engine);
    hone_model_folder_close(&predictor->folder);
}

static enum hone_status encode(struct hone_predictor *predictor, struct hone_field text, struct hone_field pair,
                               int64_t line) {
    if (hone_predictor_tags(predictor)) return hone_tagger_add(&predictor->tagger, &predictor->pending, text, line);
    const struct hone_encode_options options = {.add_special = true, .max_length = (size_t)predictor->max_length};
    HONE_TRY(hone_tokenizer_encode(&predictor->encoding, predictor->folder.tokenizer, text.bytes, text.n, pair.bytes,
                                   pair.n, &options));
    return hone_samples_append(&predictor->pending, &predictor->encoding, predictor->folder.model, 0, line);
}

/* What was encoded last waits now. */
static void wait_for_more(struct hone_predictor *predictor, bool *full) {
    predictor->kept_ends[predictor->waiting++] = predictor->kept.length;
    *full = predictor->waiting == HONE_PREDICTOR_PENDING || predictor->pending.samples.n >= HONE_PREDICTOR_PENDING ||
            predictor->kept.length + predictor->tagger.bytes.length > HONE_PREDICTOR_KEPT_BYTES;
}

enum hone_status hone_predictor_add(struct hone_predictor *predictor, struct hone_field text, struct hone_field pair,
                                    int64_t line, bool *full) {
    HONE_CHECK(predictor->waiting < HONE_PREDICTOR_PENDING, "%lld inputs wait already", (long long)predictor->waiting);
    HONE_TRY(encode(predictor, text, pair, line));
    wait_for_more(predictor, full);
    return HONE_OK;
}

enum hone_status hone_predictor_add_words(struct hone_predictor *predictor, const struct hone_value *words,
                                          int64_t line, bool *full) {
    HONE_CHECK(predictor->waiting < HONE_PREDICTOR_PENDING, "%lld inputs wait already", (long long)predictor->waiting);
    HONE_TRY(hone_tagger_add_words(&predictor->tagger, &predictor->pending, words->items, words->n, line));
    wait_for_more(predictor, full);
    return HONE_OK;
}

struct sink {
    struct hone_predictor *predictor;
    struct hone_text *out;
    const struct hone_output *output;
    int64_t done;
};

static struct hone_field kept_of(const struct hone_predictor *predictor, int64_t input) {
    size_t begin = input ? predictor->kept_ends[input - 1] : 0, n = predictor->kept_ends[input] - begin;
    return (struct hone_field){n ? predictor->kept.bytes + begin : "", n};
}

static void print_tagged(struct sink *sink) {
    struct hone_tagger *tagger = &sink->predictor->tagger;
    while (hone_tagger_is_due(tagger))
        hone_tagger_row(sink->out, tagger, sink->output, kept_of(sink->predictor, sink->done++));
}

static void print_batch(const struct hone_batch *batch, const float *logits, void *user) {
    struct sink *sink = user;
    struct hone_predictor *predictor = sink->predictor;
    int64_t n = predictor->folder.labels.n;
    if (hone_predictor_tags(predictor)) {
        hone_tagger_score(&predictor->tagger, batch, logits);
        print_tagged(sink);
        return;
    }
    for (int64_t r = 0; r < batch->R; r++, sink->done++) {
        predictor->task->predict(&predictor->prediction, logits + r * n, n);
        if (sink->output->logits)
            memcpy(predictor->prediction.scores, logits + r * n, (size_t)n * sizeof *predictor->prediction.scores);
        hone_output_row(sink->out, sink->output, kept_of(predictor, sink->done), &predictor->prediction);
    }
}

enum hone_status hone_predictor_run(struct hone_predictor *predictor, struct hone_text *out,
                                    const struct hone_output *output) {
    struct hone_samples samples;
    struct sink sink = {.predictor = predictor, .out = out, .output = output};
    HONE_TRY(hone_samples_finish(&samples, &predictor->pending));
    enum hone_status status =
        hone_engine_infer(&predictor->engine, &samples, 0, samples.n,
                          hone_max_i64(HONE_INFERENCE_TOKENS, samples.longest), print_batch, &sink);
    hone_samples_free(&samples);
    HONE_TRY(status);
    print_tagged(&sink); /* texts without tokens at the end */
    predictor->waiting = 0;
    predictor->kept.length = 0;
    return HONE_OK;
}
