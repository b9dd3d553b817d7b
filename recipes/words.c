#include "recipes/words.h"

#include "base/memory.h"

void hone_words_free(struct hone_words *words) {
    hone_encoding_free(&words->encoding);
    hone_free(words->tags);
    hone_free(words->fields);
    hone_free(words->lengths);
    hone_free(words->ranges);
}

static struct hone_encode_options options_of(const struct hone_words *words) {
    return (struct hone_encode_options){
        .add_special = true, .max_length = (size_t)words->max_length, .stride = (size_t)words->stride};
}

enum hone_status hone_words_check(const struct hone_model_folder *folder) {
    if (!hone_tokenizer_drops_spaces(folder->tokenizer)) return HONE_OK;
    return hone_fail(HONE_BAD_INPUT,
                     "%s: the tokenizer reads given words as if no space stood before them; that can be changed only "
                     "where its pre_tokenizer in tokenizer.json is ByteLevel alone and no running text came before",
                     folder->path);
}

enum hone_status hone_words_encode(struct hone_words *words, const struct hone_field *sentence, size_t n) {
    size_t lengths = words->fields_capacity;
    hone_reserve(&words->fields, &words->fields_capacity, n, sizeof *words->fields, "words of a sentence");
    hone_reserve(&words->lengths, &lengths, words->fields_capacity, sizeof *words->lengths, "words of a sentence");
    for (size_t i = 0; i < n; i++) {
        words->fields[i] = sentence[i].bytes;
        words->lengths[i] = sentence[i].n;
    }
    const struct hone_given_words given = {.words = words->fields, .lengths = words->lengths, .n = n};
    const struct hone_encode_options options = options_of(words);
    return hone_tokenizer_encode_words(&words->encoding, words->folder->tokenizer, &given, NULL, &options);
}

enum hone_status hone_words_encode_text(struct hone_words *words, struct hone_field text) {
    const struct hone_encode_options options = options_of(words);
    return hone_tokenizer_encode(&words->encoding, words->folder->tokenizer, text.bytes, text.n, NULL, 0, &options);
}

int64_t hone_window_tokens(const struct hone_encoding *window) {
    int64_t n = 0;
    for (size_t t = 0; t < window->n; t++) n += !window->special[t];
    return n;
}

void hone_window_share(int64_t *first, int64_t *end, size_t w, size_t n, int64_t step, int64_t stride) {
    *first = w > 0 ? stride / 2 : 0;
    *end = w + 1 < n ? step + stride / 2 : INT64_MAX;
}

/* Appends what was encoded. */
static enum hone_status append(struct hone_samples_writer *samples, struct hone_words *words, const int16_t *tags,
                               const int16_t *inside, int32_t file, int64_t line) {
    struct hone_encoding *window = &words->encoding;
    size_t n_windows = hone_encoding_windows(window);
    int64_t step = hone_window_tokens(window) - words->stride;
    int32_t word_before = -1; /* of the token before the window */
    for (size_t w = 0; w < n_windows; w++) {
        if (w > 0) hone_encoding_show(window, words->folder->tokenizer, w);
        window->untruncated = window->n; /* nothing is lost */
        HONE_TRY(hone_samples_append(samples, window, words->folder->model, file, line));
        hone_reserve(&words->tags, &words->tags_capacity, window->n, sizeof *words->tags, "tags of tokens");
        int16_t *out = words->tags;
        int64_t first, end, at = 0;
        hone_window_share(&first, &end, w, n_windows, step, words->stride);
        int32_t before = word_before;
        for (size_t t = 0; t < window->n; t++) {
            int32_t word = window->word_ids[t];
            out[t] = -1;
            if (word < 0) continue;
            bool counts = at >= first && at < end;
            if (counts && word != before) out[t] = tags[word];
            if (counts && word == before && words->all) out[t] = inside[tags[word]];
            if (++at == step) word_before = word;
            before = word;
        }
        HONE_TRY(hone_samples_tag(samples, out));
    }
    return HONE_OK;
}

enum hone_status hone_words_append(struct hone_samples_writer *samples, struct hone_words *words,
                                   const struct hone_field *sentence, const int16_t *tags, size_t n,
                                   const int16_t *inside, int32_t file, int64_t line) {
    HONE_TRY(hone_words_encode(words, sentence, n));
    return append(samples, words, tags, inside, file, line);
}

enum hone_status hone_words_find(struct hone_words *words, struct hone_field text) {
    struct hone_encoding *whole = &words->encoding;
    const struct hone_encode_options options = {.add_special = false};
    HONE_TRY(hone_tokenizer_encode(whole, words->folder->tokenizer, text.bytes, text.n, NULL, 0, &options));
    words->n_ranges = 0;
    for (size_t t = 0; t < whole->n; t++) {
        size_t n = (size_t)whole->word_ids[t] + 1;
        hone_reserve(&words->ranges, &words->ranges_capacity, n, sizeof *words->ranges, "words of a text");
        while (words->n_ranges < n) words->ranges[words->n_ranges++] = (struct hone_word_range){.start = -1};
        struct hone_word_range *range = &words->ranges[n - 1];
        if (range->start < 0) range->start = whole->starts[t];
        range->end = whole->ends[t];
    }
    return HONE_OK;
}

enum hone_status hone_words_append_text(struct hone_samples_writer *samples, struct hone_words *words,
                                        struct hone_field text, const int16_t *tags, const int16_t *inside,
                                        int32_t file, int64_t line) {
    HONE_TRY(hone_words_encode_text(words, text));
    return append(samples, words, tags, inside, file, line);
}
