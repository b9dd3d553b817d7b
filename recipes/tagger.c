#include "recipes/tagger.h"

#include <math.h>
#include <string.h>

#include "base/json.h"
#include "base/memory.h"
#include "base/utf8.h"
#include "recipes/metrics.h"
#include "recipes/tags.h"

void hone_tagger_free(struct hone_tagger *tagger) {
    hone_aggregator_free(&tagger->aggregator);
    hone_words_free(&tagger->words);
    hone_text_free(&tagger->bytes);
    hone_free(tagger->texts);
    hone_free(tagger->tokens);
    hone_free(tagger->given);
    hone_free(tagger->labels);
    hone_free(tagger->scores);
}

/* Appends the tokens of the window that are to be predicted there; given: the words that it is of, or NULL. */
static void take_tokens(struct hone_tagger *tagger, const struct hone_word_range *given, int64_t first, int64_t end) {
    const struct hone_encoding *window = &tagger->words.encoding;
    int64_t at = 0;
    hone_reserve(&tagger->tokens, &tagger->tokens_capacity, tagger->n_tokens + window->n, sizeof *tagger->tokens,
                 "tokens of texts");
    for (size_t t = 0; t < window->n; t++) {
        tagger->labels[t] = -1;
        if (window->special[t]) continue;
        if (at >= first && at < end) {
            int32_t word = given ? window->word_ids[t] : -1, moved = given ? given[word].start : 0;
            tagger->tokens[tagger->n_tokens++] =
                (struct hone_text_token){window->ids[t], moved + window->starts[t], moved + window->ends[t], word};
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

/* Takes the windows of what was encoded, whose bytes and given words from number `given` on are there already. */
static enum hone_status take_windows(struct hone_tagger *tagger, struct hone_samples_writer *samples, size_t given,
                                     int64_t line) {
    const struct hone_model_folder *folder = tagger->words.folder;
    const struct hone_word_range *ranges = tagger->n_given > given ? tagger->given + given : NULL;
    struct hone_encoding *window = &tagger->words.encoding;
    int64_t stride = tagger->words.stride;
    size_t n_windows = hone_encoding_windows(window), index = count_special_before(window);
    int64_t tokens = hone_window_tokens(window);
    for (size_t w = 0; w < n_windows && tokens > 0; w++) {
        int64_t first, end;
        if (w > 0) hone_encoding_show(window, folder->tokenizer, w);
        window->untruncated = window->n; /* nothing is lost */
        HONE_TRY(hone_samples_append(samples, window, folder->model, 0, line));
        hone_reserve(&tagger->labels, &tagger->labels_capacity, window->n, sizeof *tagger->labels, "labels of tokens");
        hone_window_share(&first, &end, w, n_windows, tokens - stride, stride);
        take_tokens(tagger, ranges, first, end);
        HONE_TRY(hone_samples_tag(samples, tagger->labels));
    }
    hone_reserve(&tagger->texts, &tagger->texts_capacity, tagger->n_texts + 1, sizeof *tagger->texts, "texts");
    tagger->texts[tagger->n_texts++] = (struct hone_tagged_text){
        .bytes = tagger->bytes.length, .tokens = tagger->n_tokens, .given = tagger->n_given, .index = index};
    return HONE_OK;
}

enum hone_status hone_tagger_add(struct hone_tagger *tagger, struct hone_samples_writer *samples,
                                 struct hone_field text, int64_t line) {
    tagger->reads_text = true;
    HONE_TRY(hone_words_encode_text(&tagger->words, text));
    hone_text_append(&tagger->bytes, text.bytes ? text.bytes : "", text.n);
    return take_windows(tagger, samples, tagger->n_given, line);
}

enum hone_status hone_tagger_add_words(struct hone_tagger *tagger, struct hone_samples_writer *samples,
                                       const struct hone_field *words, size_t n, int64_t line) {
    size_t given = tagger->n_given;
    int32_t at = 0;
    struct hone_tokenizer *tokenizer = tagger->words.folder->tokenizer;
    if (!tagger->reads_text && hone_tokenizer_drops_spaces(tokenizer)) (void)hone_tokenizer_add_prefix_space(tokenizer);
    HONE_TRY(hone_words_check(tagger->words.folder));
    for (size_t i = 0; i < n; i++)
        if (words[i].n == 0) return hone_fail(HONE_BAD_INPUT, "word %zu is empty", i + 1);
    HONE_TRY(hone_words_encode(&tagger->words, words, n));
    hone_reserve(&tagger->given, &tagger->given_capacity, given + n, sizeof *tagger->given, "words of texts");
    for (size_t i = 0; i < n; i++) {
        if (i > 0) hone_text_append(&tagger->bytes, " ", 1);
        hone_text_append(&tagger->bytes, words[i].bytes, words[i].n);
        int32_t start = at + (i > 0);
        at = start;
        for (size_t byte = 0; byte < words[i].n; at++) hone_utf8_next(words[i].bytes, &byte);
        tagger->given[tagger->n_given++] = (struct hone_word_range){start, at};
    }
    return take_windows(tagger, samples, given, line);
}

void hone_tagger_score(struct hone_tagger *tagger, const struct hone_batch *batch, const float *logits) {
    size_t L = (size_t)tagger->words.folder->labels.n, rows = (size_t)batch->R;
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
    size_t L = (size_t)tagger->words.folder->labels.n, n = tokens_due(tagger);
    tagger->n_scored -= n;
    if (n && tagger->n_scored)
        memmove(tagger->scores, tagger->scores + n * L, tagger->n_scored * L * sizeof *tagger->scores);
    tagger->tokens_done += n;
    if (++tagger->done < tagger->n_texts) return;
    tagger->n_texts = tagger->n_tokens = tagger->n_given = tagger->done = tagger->tokens_done = 0;
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

static void append_line(struct hone_text *out, struct hone_field word, const char *label) {
    if (word.n == 0) return;
    append_shown(out, word.bytes, word.n);
    hone_text_format(out, "\t%s\n", label);
}

static void append_conll(struct hone_text *out, const struct hone_aggregator *a) {
    for (size_t i = 0; i < a->words.n; i++)
        append_line(out, hone_span_slice(a, &a->words.at[i]), hone_span_label(a, &a->words.at[i]));
}

static void append_given(struct hone_text *out, const struct hone_aggregator *a, const struct hone_word_range *given,
                         size_t n) {
    const char *none = hone_tags_scheme(a->labels) == HONE_SCHEME_NONE ? "_" : "O";
    for (size_t w = 0, i = 0; w < n; w++) {
        const struct hone_span whole = {.start = given[w].start, .end = given[w].end};
        bool has = i < a->words.n && a->tokens[a->words.at[i].first].word == (int32_t)w;
        append_line(out, hone_span_slice(a, &whole), has ? hone_span_label(a, &a->words.at[i]) : none);
        i += has;
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
    size_t begin = tagger->done ? text[-1].bytes : 0, given = tagger->done ? text[-1].given : 0;
    struct hone_aggregator *a = &tagger->aggregator;
    hone_aggregate(a, (struct hone_field){tagger->bytes.bytes + begin, text->bytes - begin},
                   tagger->tokens + tagger->tokens_done, tagger->scores, tokens_due(tagger));
    if (output->format == HONE_FORMAT_CONLL && text->given > given) {
        append_given(out, a, tagger->given + given, text->given - given);
    } else if (output->format == HONE_FORMAT_CONLL) {
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
