/* Words as a model reads them: sentences tokenized word by word, longer ones in windows. */
#ifndef HONE_RECIPES_WORDS_H
#define HONE_RECIPES_WORDS_H

#include "recipes/model_folder.h"
#include "recipes/samples.h"

/* What encoding sentences keeps from one to the next: start with the members of the first line. */
struct hone_words {
    const struct hone_model_folder *folder;
    int64_t max_length, stride;
    bool all; /* all tokens of a word count, not its first alone */
    size_t tags_capacity, fields_capacity;
    struct hone_encoding encoding;
    int16_t *tags; /* of a window's tokens */
    const char **fields;
    size_t *lengths;
};
void hone_words_free(struct hone_words *words);

/* Appends a sentence of n words as one sample or, where it has more than max_length tokens, as several: each window
 * repeats `stride` tokens of the one before, and the half of those that is nearer to the end of the sentence counts in
 * the later window, so that every word counts once and has tokens around it. tags[w] is the label of word w, of its
 * first token; label `inside`[tags[w]] of its others with `all`. Words that have no tokens (control characters alone)
 * are not in a sample. Faults don't say the place, which is `file` and `line`. */
enum hone_status hone_words_append(struct hone_samples_writer *samples, struct hone_words *words,
                                   const struct hone_field *sentence, const int16_t *tags, size_t n,
                                   const int16_t *inside, int32_t file, int64_t line);

#endif
