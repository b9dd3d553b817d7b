/* Words as a model reads them: sentences tokenized word by word, longer ones in windows. */
#ifndef HONE_RECIPES_WORDS_H
#define HONE_RECIPES_WORDS_H

#include "recipes/model_folder.h"
#include "recipes/samples.h"

/* What encoding sentences keeps from one to the next: start with the members of the first line. */
struct hone_word_range {
    int32_t start, end; /* characters; start -1: the word has no tokens */
};
struct hone_words {
    const struct hone_model_folder *folder;
    int64_t max_length, stride;
    bool all; /* all tokens of a word count, not its first alone */
    size_t tags_capacity, fields_capacity;
    struct hone_encoding encoding;
    int16_t *tags; /* of a window's tokens */
    const char **fields;
    size_t *lengths;
    struct hone_word_range *ranges; /* [n_ranges] */
    size_t n_ranges, ranges_capacity;
};
void hone_words_free(struct hone_words *words);

/* Whether the folder's tokenizer reads given words with the spaces that stood before them; else HONE_BAD_INPUT. */
enum hone_status hone_words_check(const struct hone_model_folder *folder);
/* words->encoding becomes the first window of a sentence of n words, or of a text. */
enum hone_status hone_words_encode(struct hone_words *words, const struct hone_field *sentence, size_t n);
enum hone_status hone_words_encode_text(struct hone_words *words, struct hone_field text);

/* What encoding leaves of a text's tokens in a window; special ones are not counted. */
int64_t hone_window_tokens(const struct hone_encoding *window);
/* Of these tokens, *first … *end-1 count in window w of n, so that each token of the text counts once: each window repeats
 * `stride` tokens of the one before, and the half of those that is nearer to the end of the text counts in the later one.
 * step: tokens by which windows are apart, those of the first without stride. */
void hone_window_share(int64_t *first, int64_t *end, size_t w, size_t n, int64_t step, int64_t stride);

/* Appends a sentence of n words as one sample or, where it has more than max_length tokens, as several
 * windows, of which each word counts in one. tags[w] is the label of word w, of its
 * first token; label `inside`[tags[w]] of its others with `all`. Words that have no tokens (control characters alone)
 * are not in a sample. Faults don't say the place, which is `file` and `line`. */
enum hone_status hone_words_append(struct hone_samples_writer *samples, struct hone_words *words,
                                   const struct hone_field *sentence, const int16_t *tags, size_t n,
                                   const int16_t *inside, int32_t file, int64_t line);

/* Sets words->ranges to the words of a text, as the tokenizer cuts it. */
enum hone_status hone_words_find(struct hone_words *words, struct hone_field text);
/* hone_words_append for the words of a text. */
enum hone_status hone_words_append_text(struct hone_samples_writer *samples, struct hone_words *words,
                                        struct hone_field text, const int16_t *tags, const int16_t *inside,
                                        int32_t file, int64_t line);

#endif
