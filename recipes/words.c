#include "recipes/words.h"

#include "base/memory.h"

void hone_words_free(struct hone_words *words) {
    hone_encoding_free(&words->encoding);
    hone_free(words->tags);
    hone_free(words->fields);
    hone_free(words->lengths);
}

static enum hone_status encode(struct hone_words *words, const struct hone_field *sentence, size_t n) {
    size_t lengths = words->fields_capacity;
    hone_reserve(&words->fields, &words->fields_capacity, n, sizeof *words->fields, "words of a sentence");
    hone_reserve(&words->lengths, &lengths, words->fields_capacity, sizeof *words->lengths, "words of a sentence");
    for (size_t i = 0; i < n; i++) {
        words->fields[i] = sentence[i].bytes;
        words->lengths[i] = sentence[i].n;
    }
    const struct hone_given_words given = {.words = words->fields, .lengths = words->lengths, .n = n};
    const struct hone_encode_options options = {
        .add_special = true, .max_length = (size_t)words->max_length, .stride = (size_t)words->stride};
    return hone_tokenizer_encode_words(&words->encoding, words->folder->tokenizer, &given, NULL, &options);
}

/* Tokens of the sentence among those of the window. */
static int64_t count_tokens(const struct hone_encoding *window) {
    int64_t n = 0;
    for (size_t t = 0; t < window->n; t++) n += window->word_ids[t] >= 0;
    return n;
}

enum hone_status hone_words_append(struct hone_samples_writer *samples, struct hone_words *words,
                                   const struct hone_field *sentence, const int16_t *tags, size_t n,
                                   const int16_t *inside, int32_t file, int64_t line) {
    struct hone_encoding *window = &words->encoding;
    HONE_TRY(encode(words, sentence, n));
    size_t n_windows = hone_encoding_windows(window);
    int64_t step = count_tokens(window) - words->stride, half = words->stride / 2;
    int32_t word_before = -1; /* of the token before the window */
    for (size_t w = 0; w < n_windows; w++) {
        if (w > 0) hone_encoding_show(window, words->folder->tokenizer, w);
        window->untruncated = window->n; /* nothing is lost */
        HONE_TRY(hone_samples_append(samples, window, words->folder->model, file, line));
        hone_reserve(&words->tags, &words->tags_capacity, window->n, sizeof *words->tags, "tags of tokens");
        int16_t *out = words->tags;
        int64_t first = w > 0 ? half : 0, end = w + 1 < n_windows ? step + half : INT64_MAX, at = 0;
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
