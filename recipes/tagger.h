/* A tagger of words at work on running text, or on sentences given as words: texts are cut into windows, every token is predicted in one of them, and
 * entities come out as one row a text:
 *
 *   JSONL   {"entities":[{"entity_group":…,"score":…,"start":…,"end":…,"word":…},…]}; of single tokens "entity" and "index"
 *           (the token's number in its text, special ones included) instead of "entity_group"
 *   CoNLL   a line for each word, word TAB label, and an empty line behind the text; of given words each has its line, with
 *           O (_ where labels mark no entities) if it has no tokens
 *   text    the text itself, entities coloured for a terminal, their type behind them */
#ifndef HONE_RECIPES_TAGGER_H
#define HONE_RECIPES_TAGGER_H

#include "recipes/aggregation.h"
#include "recipes/model_folder.h"
#include "recipes/prediction.h"
#include "recipes/samples.h"
#include "recipes/words.h"

struct hone_tagged_text {
    size_t bytes, tokens, given; /* where its bytes, tokens and given words end among those of the texts that wait */
    size_t index;                /* special tokens that stand before it */
};

/* Start with the first two members: words and aggregator of one folder, their stride that of data.stride's default. */
struct hone_tagger {
    struct hone_words words;
    struct hone_aggregator aggregator;
    bool reads_text; /* as it runs: no space is put in front of words any more */
    /* What waits: texts, their tokens that are no special ones, the words that they were given as, one behind the other. */
    struct hone_text bytes;
    struct hone_tagged_text *texts;
    struct hone_text_token *tokens;
    struct hone_word_range *given;
    size_t n_texts, texts_capacity, n_tokens, tokens_capacity, n_given, given_capacity;
    int16_t *labels; /* of a window: 0 where a token is predicted in it, else -1 */
    size_t labels_capacity;
    /* While they are predicted: scores of the text that has come up, and how many texts and tokens are done. */
    float *scores;
    size_t scores_capacity, n_scored, done, tokens_done;
};
void hone_tagger_free(struct hone_tagger *tagger);

/* Takes a text (valid UTF-8) and appends its windows to `samples`: none of a text without tokens. */
enum hone_status hone_tagger_add(struct hone_tagger *tagger, struct hone_samples_writer *samples,
                                 struct hone_field text, int64_t line);
/* The same of a sentence of n words, tokenized as in training; its text is the words with spaces between them. An empty
 * word is HONE_BAD_INPUT. */
enum hone_status hone_tagger_add_words(struct hone_tagger *tagger, struct hone_samples_writer *samples,
                                       const struct hone_field *words, size_t n, int64_t line);
/* Takes the logits of a batch of these samples, which come in their order. */
void hone_tagger_score(struct hone_tagger *tagger, const struct hone_batch *batch, const float *logits);
/* Whether the next text that waits has all its scores; its row is then due. After the last one nothing waits. */
bool hone_tagger_is_due(const struct hone_tagger *tagger);
/* Appends the row of the text that is due, with what was kept of its record. */
void hone_tagger_row(struct hone_text *out, struct hone_tagger *tagger, const struct hone_output *output,
                     struct hone_field kept);

#endif
