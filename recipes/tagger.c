#include "recipes/tagger.h"

#include <math.h>
#include <string.h>

#include "base/json.h"
#include "base/memory.h"
#include "base/utf8.h"
#include "recipes/metrics.h"
#include "recipes/words.h"

void hone_tagger_free(struct hone_tagger *tagger) {
    hone_aggregator_free(&tagger->aggregator);
    hone_encoding_free(&tagger->encoding);
    hone_text_free(&tagger->bytes);
    hone_free(tagger->texts);
    hone_free(tagger->tokens);
    hone_free(tagger->labels);
    hone_free(tagger->scores);
}

/* Appends the tokens of the window that are to be predicted there. */
static void take_tokens(struct hone_tagger *tagger, int64_t first, int64_t end) {
    const struct hone_encoding *window = &tagger->encoding;
    int64_t at = 0;
    hone_reserve(&tagger->tokens, &tagger->tokens_capacity, tagger->n_tokens + window->n, sizeof *tagger->tokens,
                 "tokens of texts");
    for (size_t t = 0; t < window->n; t++) {
        tagger->labels[t] = -1;
        if (window->special[t]) continue;
        if (at >= first && at < end) {
            tagger->tokens[tagger->n_tokens++] =
                (struct hone_text_token){window->ids[t], window->starts[t], window->ends[t]};
            tagger->labels[t] = 0;
        }
        at++;
    }
}

static size_t count_special_before(const struct hone_encoding *window) {
    size_t n = 0;
    while (n < window->n && window->special[n]) n++;
    return n;
}

enum hone_status hone_tagger_add(struct hone_tagger *tagger, struct hone_samples_writer *samples,
                                 struct hone_field text, int64_t line) {
    struct hone_encoding *window = &tagger->encoding;
    const struct hone_tokenizer *tokenizer = tagger->folder->tokenizer;
    int64_t stride = tagger->max_length / 4; /* as data.stride unless a recipe has another */
    const struct hone_encode_options options = {
        .add_special = true, .max_length = (size_t)tagger->max_length, .stride = (size_t)stride};
    HONE_TRY(hone_tokenizer_encode(window, tokenizer, text.bytes, text.n, NULL, 0, &options));
    size_t n_windows = hone_encoding_windows(window), index = count_special_before(window);
    int64_t tokens = hone_window_tokens(window);
    for (size_t w = 0; w < n_windows && tokens > 0; w++) {
        int64_t first, end;
        if (w > 0) hone_encoding_show(window, tokenizer, w);
        window->untruncated = window->n; /* nothing is lost */
        HONE_TRY(hone_samples_append(samples, window, tagger->folder->model, 0, line));
        hone_reserve(&tagger->labels, &tagger->labels_capacity, window->n, sizeof *tagger->labels, "labels of tokens");
        hone_window_share(&first, &end, w, n_windows, tokens - stride, stride);
        take_tokens(tagger, first, end);
        HONE_TRY(hone_samples_tag(samples, tagger->labels));
    }
    hone_text_append(&tagger->bytes, text.bytes ? text.bytes : "", text.n);
    hone_reserve(&tagger->texts, &tagger->texts_capacity, tagger->n_texts + 1, sizeof *tagger->texts, "texts");
    tagger->texts[tagger->n_texts++] =
        (struct hone_tagged_text){.bytes = tagger->bytes.length, .tokens = tagger->n_tokens, .index = index};
    return HONE_OK;
}

void hone_tagger_score(struct hone_tagger *tagger, const struct hone_batch *batch, const float *logits) {
    size_t L = (size_t)tagger->folder->labels.n, rows = (size_t)batch->R;
    hone_reserve(&tagger->scores, &tagger->scores_capacity, (tagger->n_scored + rows) * L, sizeof *tagger->scores,
                 "scores of tokens");
    float *out = tagger->scores + tagger->n_scored * L;
    for (size_t r = 0; r < rows; r++) {
        double total = hone_log_sum_exp(logits + r * L, (int64_t)L);
        for (size_t i = r * L; i < (r + 1) * L; i++) out[i] = (float)exp((double)logits[i] - total);
    }
    tagger->n_scored += rows;
}

static size_t tokens_due(const struct hone_tagger *tagger) {
    return tagger->texts[tagger->done].tokens - tagger->tokens_done;
}

bool hone_tagger_is_due(const struct hone_tagger *tagger) {
    return tagger->done < tagger->n_texts && tokens_due(tagger) <= tagger->n_scored;
}

/* The text is printed; what waits behind it moves up. */
static void pass(struct hone_tagger *tagger) {
    size_t L = (size_t)tagger->folder->labels.n, n = tokens_due(tagger);
    tagger->n_scored -= n;
    if (n && tagger->n_scored)
        memmove(tagger->scores, tagger->scores + n * L, tagger->n_scored * L * sizeof *tagger->scores);
    tagger->tokens_done += n;
    if (++tagger->done < tagger->n_texts) return;
    tagger->n_texts = tagger->n_tokens = tagger->done = tagger->tokens_done = 0;
    tagger->bytes.length = 0;
}

static void append_json(struct hone_text *out, const struct hone_tagger *tagger, size_t index) {
    const struct hone_aggregator *a = &tagger->aggregator;
    bool tokens = a->aggregation == HONE_AGGREGATION_NONE;
    hone_text_format(out, "\"entities\":[");
    for (size_t i = 0; i < a->entities.n; i++) {
        const struct hone_span *span = &a->entities.at[i];
        const char *name = tokens ? hone_span_label(a, span) : hone_span_type(a, span);
        struct hone_text word;
        hone_span_word(&word, a, span);
        hone_text_format(out, "%s{\"%s\":", i ? "," : "", tokens ? "entity" : "entity_group");
        hone_json_append_string(out, name, strlen(name));
        hone_text_format(out, ",\"score\":%.9g,", (double)span->score);
        if (tokens) hone_text_format(out, "\"index\":%zu,", index + span->first);
        hone_text_format(out, "\"start\":%d,\"end\":%d,\"word\":", span->start, span->end);
        hone_json_append_string(out, word.bytes ? word.bytes : "", word.length);
        hone_text_append(out, "}", 1);
        hone_text_free(&word);
    }
    hone_text_append(out, "]", 1);
}

/* Control characters written out: they would end a column or a line, or steer a terminal. */
static void append_shown(struct hone_text *out, const char *bytes, size_t n) {
    char *shown = hone_escape(bytes, n);
    hone_text_append(out, shown, strlen(shown));
    hone_free(shown);
}

static void append_conll(struct hone_text *out, const struct hone_aggregator *a) {
    for (size_t i = 0; i < a->words.n; i++) {
        struct hone_field word = hone_span_slice(a, &a->words.at[i]);
        if (word.n == 0) continue;
        append_shown(out, word.bytes, word.n);
        hone_text_format(out, "\t%s\n", hone_span_label(a, &a->words.at[i]));
    }
}

/* A colour for each type: the same one in every text. */
static int colour_of(const char *type) {
    unsigned sum = 0;
    for (; *type; type++) sum = sum * 31 + (unsigned char)*type;
    return 31 + (int)(sum % 6);
}

static void append_highlighted(struct hone_text *out, const struct hone_aggregator *a) {
    const char *text = a->text.bytes, *end = text + a->text.n;
    for (size_t i = 0; i < a->entities.n; i++) {
        const struct hone_span *span = &a->entities.at[i];
        const char *type = hone_span_type(a, span);
        struct hone_field entity = hone_span_slice(a, span);
        if (entity.bytes < text) continue; /* of several tokens over one character the first is shown */
        append_shown(out, text, (size_t)(entity.bytes - text));
        hone_text_format(out, "\033[1;7;%dm", colour_of(type));
        append_shown(out, entity.bytes, entity.n);
        hone_text_format(out, "\033[27m ");
        append_shown(out, type, strlen(type));
        hone_text_format(out, "\033[0m");
        text = entity.bytes + entity.n;
    }
    append_shown(out, text, (size_t)(end - text));
}

void hone_tagger_row(struct hone_text *out, struct hone_tagger *tagger, const struct hone_output *output,
                     struct hone_field kept) {
    const struct hone_tagged_text *text = &tagger->texts[tagger->done];
    size_t begin = tagger->done ? text[-1].bytes : 0;
    struct hone_aggregator *a = &tagger->aggregator;
    hone_aggregate(a, (struct hone_field){tagger->bytes.bytes + begin, text->bytes - begin},
                   tagger->tokens + tagger->tokens_done, tagger->scores, tokens_due(tagger));
    if (output->format == HONE_FORMAT_CONLL) {
        append_conll(out, a);
    } else if (output->format == HONE_FORMAT_TEXT) {
        append_highlighted(out, a);
    } else {
        hone_text_append(out, "{", 1);
        hone_text_append(out, kept.bytes, kept.n);
        append_json(out, tagger, text->index);
        hone_text_append(out, "}", 1);
    }
    hone_text_append(out, "\n", 1);
    pass(tagger);
}
