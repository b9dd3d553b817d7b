#include "recipes/aggregation.h"

#include <string.h>

#include "base/memory.h"
#include "base/utf8.h"
#include "recipes/metrics.h"
#include "recipes/tags.h"

bool hone_aggregation_read(enum hone_aggregation *out, const char *name) {
    static const char *const names[] = {"none", "simple", "first", "average", "max"};
    for (int i = HONE_AGGREGATION_NONE; i <= HONE_AGGREGATION_MAX; i++) {
        if (strcmp(name, names[i]) != 0) continue;
        *out = (enum hone_aggregation)i;
        return true;
    }
    return false;
}

void hone_aggregator_free(struct hone_aggregator *aggregator) {
    hone_free(aggregator->words.at);
    hone_free(aggregator->entities.at);
    hone_free(aggregator->characters);
    hone_free(aggregator->mean);
}

static void add_span(struct hone_spans *spans, struct hone_span span) {
    hone_reserve(&spans->at, &spans->capacity, spans->n + 1, sizeof *spans->at, "words of a text");
    spans->at[spans->n++] = span;
}

static void find_characters(struct hone_aggregator *a) {
    a->n_characters = 0;
    for (size_t at = 0;;) {
        hone_reserve(&a->characters, &a->characters_capacity, a->n_characters + 1, sizeof *a->characters,
                     "characters of a text");
        a->characters[a->n_characters] = at;
        if (at == a->text.n) return;
        a->n_characters++;
        hone_utf8_next(a->text.bytes, &at);
    }
}

static size_t byte_of(const struct hone_aggregator *a, int32_t character) {
    size_t i = (size_t)character;
    return a->characters[i < a->n_characters ? i : a->n_characters];
}

static struct hone_field slice(const struct hone_aggregator *a, int32_t start, int32_t end) {
    size_t begin = byte_of(a, start);
    return (struct hone_field){a->text.bytes + begin, byte_of(a, end) - begin};
}

static size_t count_characters(const char *text) {
    size_t n = 0;
    for (; *text; text++) n += (*text & 0xC0) != 0x80;
    return n;
}

/* Whether the token goes on with the word before it. */
static bool is_inside(const struct hone_aggregator *a, const struct hone_text_token *token) {
    if (token->word >= 0) return token->word == token[-1].word;
    if (token->id == hone_tokenizer_unk(a->tokenizer)) return false;
    if (hone_tokenizer_marks_subwords(a->tokenizer)) {
        /* Without its mark the token would be as long as what it stands for. */
        size_t stands_for = (size_t)token->end - (size_t)token->start;
        return count_characters(hone_tokenizer_token(a->tokenizer, token->id)) != stands_for;
    }
    if (token->start == 0) return false;
    struct hone_field around = slice(a, token->start - 1, token->start + 1);
    return around.n == 0 || !memchr(around.bytes, ' ', around.n);
}

static const float *highest_of(const struct hone_aggregator *a, const float *scores, size_t n) {
    int64_t L = a->labels->n;
    const float *best = scores;
    float highest = scores[hone_argmax(scores, (int32_t)L)];
    for (size_t t = 1; t < n; t++) {
        const float *row = scores + (int64_t)t * L;
        float score = row[hone_argmax(row, (int32_t)L)];
        if (score > highest) {
            highest = score;
            best = row;
        }
    }
    return best;
}

static const float *mean_of(struct hone_aggregator *a, const float *scores, size_t n) {
    size_t L = (size_t)a->labels->n;
    if (!a->mean) a->mean = hone_alloc(L, sizeof *a->mean, "scores");
    for (size_t i = 0; i < L; i++) {
        float sum = 0;
        for (size_t t = 0; t < n; t++) sum += scores[t * L + i];
        a->mean[i] = sum / (float)n;
    }
    return a->mean;
}

/* The word of tokens first … first+n-1. */
static void add_word(struct hone_aggregator *a, const float *scores, size_t first, size_t n) {
    const float *row = scores + first * (size_t)a->labels->n;
    if (a->aggregation == HONE_AGGREGATION_AVERAGE) row = mean_of(a, row, n);
    if (a->aggregation == HONE_AGGREGATION_MAX) row = highest_of(a, row, n);
    int32_t label = hone_argmax(row, (int32_t)a->labels->n);
    add_span(&a->words, (struct hone_span){.label = label,
                                           .start = a->tokens[first].start,
                                           .end = a->tokens[first + n - 1].end,
                                           .score = row[label],
                                           .first = first,
                                           .n = n});
}

const char *hone_span_label(const struct hone_aggregator *a, const struct hone_span *span) {
    return a->labels->names[span->label];
}

const char *hone_span_type(const struct hone_aggregator *a, const struct hone_span *span) {
    const char *label = hone_span_label(a, span), *dash = strchr(label, '-');
    return dash ? dash + 1 : label;
}

/* A label cut into its prefix, I where it has none, and its type. */
static char cut_label(const char **type, const char *label, bool ends) {
    bool cut = label[0] && label[1] == '-' && strchr(ends ? "BIESLU" : "BI", label[0]);
    *type = cut ? label + 2 : label;
    return cut ? hone_tag_prefix(label[0]) : 'I';
}

static bool goes_on(const struct hone_aggregator *a, const struct hone_span *before, const struct hone_span *word,
                    bool ends) {
    const char *type, *type_before;
    char prefix = cut_label(&type, hone_span_label(a, word), ends);
    char prefix_before = cut_label(&type_before, hone_span_label(a, before), ends);
    bool begins = prefix == 'B' || prefix == 'S', over = prefix_before == 'E' || prefix_before == 'S';
    return strcmp(type, type_before) == 0 && !begins && !over;
}

static void group_words(struct hone_aggregator *a) {
    bool ends = hone_tags_scheme(a->labels) == HONE_SCHEME_IOBES;
    for (size_t w = 0, n; w < a->words.n; w += n) {
        const struct hone_span *first = &a->words.at[w];
        double sum = (double)first->score;
        for (n = 1; w + n < a->words.n && goes_on(a, first + n - 1, first + n, ends); n++)
            sum += (double)first[n].score;
        struct hone_span entity = *first;
        entity.end = first[n - 1].end;
        entity.score = (float)(sum / (double)n);
        entity.first = w;
        entity.n = n;
        if (strcmp(hone_span_type(a, &entity), "O") != 0) add_span(&a->entities, entity);
    }
}

void hone_aggregate(struct hone_aggregator *a, struct hone_field text, const struct hone_text_token *tokens,
                    const float *scores, size_t n) {
    bool by_words = a->aggregation > HONE_AGGREGATION_SIMPLE;
    a->text = text;
    a->tokens = tokens;
    a->words.n = a->entities.n = 0;
    find_characters(a);
    for (size_t t = 0, inside; t < n; t += inside) {
        for (inside = 1; by_words && t + inside < n && is_inside(a, &tokens[t + inside]);) inside++;
        add_word(a, scores, t, inside);
    }
    if (a->aggregation != HONE_AGGREGATION_NONE) {
        group_words(a);
        return;
    }
    for (size_t t = 0; t < n; t++)
        if (strcmp(hone_span_label(a, &a->words.at[t]), "O") != 0) add_span(&a->entities, a->words.at[t]);
}

struct hone_field hone_span_slice(const struct hone_aggregator *a, const struct hone_span *span) {
    return slice(a, span->start, span->end);
}

/* What the pipeline takes for a token's text: of an unknown one what it stands for. Owned. */
static char *token_text(const struct hone_aggregator *a, size_t token) {
    const struct hone_text_token *t = &a->tokens[token];
    if (t->id != hone_tokenizer_unk(a->tokenizer))
        return hone_strdup(hone_tokenizer_token(a->tokenizer, t->id), "text of a token");
    struct hone_field field = slice(a, t->start, t->end);
    return hone_strndup(field.bytes, field.n, "text of a token");
}

static void join_tokens(struct hone_text *out, const struct hone_aggregator *a, size_t first, size_t n) {
    char **texts = hone_alloc(n, sizeof *texts, "texts of tokens");
    for (size_t i = 0; i < n; i++) texts[i] = token_text(a, first + i);
    hone_tokenizer_join(out, a->tokenizer, (const char *const *)texts, n);
    for (size_t i = 0; i < n; i++) hone_free(texts[i]);
    hone_free(texts);
}

/* The pipeline joins the tokens of each word, and then the words as if they were tokens. */
static void join_words(struct hone_text *out, const struct hone_aggregator *a, size_t first, size_t n) {
    char **texts = hone_alloc(n, sizeof *texts, "texts of words");
    for (size_t i = 0; i < n; i++) {
        struct hone_text word = {0};
        const struct hone_span *span = &a->words.at[first + i];
        join_tokens(&word, a, span->first, span->n);
        texts[i] = hone_strndup(word.bytes ? word.bytes : "", word.length, "text of a word");
        hone_text_free(&word);
    }
    hone_tokenizer_join(out, a->tokenizer, (const char *const *)texts, n);
    for (size_t i = 0; i < n; i++) hone_free(texts[i]);
    hone_free(texts);
}

void hone_span_word(struct hone_text *out, const struct hone_aggregator *a, const struct hone_span *entity) {
    *out = (struct hone_text){0};
    if (a->aggregation == HONE_AGGREGATION_NONE) {
        char *text = token_text(a, entity->first);
        hone_text_append(out, text, strlen(text));
        hone_free(text);
    } else if (a->aggregation == HONE_AGGREGATION_SIMPLE) {
        join_tokens(out, a, entity->first, entity->n);
    } else {
        join_words(out, a, entity->first, entity->n);
    }
}
