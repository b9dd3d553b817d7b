/* A trained model folder at work: text in, predictions out, in constant memory. */
#ifndef HONE_RECIPES_PREDICTOR_H
#define HONE_RECIPES_PREDICTOR_H

#include "recipes/engine.h"
#include "recipes/model_folder.h"
#include "recipes/samples.h"
#include "recipes/tagger.h"
#include "recipes/task.h"

struct hone_predictor {
    struct hone_model_folder folder;
    const struct hone_task_class *task;
    struct hone_engine engine;
    int64_t max_length;
    struct hone_encoding encoding;
    struct hone_samples_writer pending; /* encoded and not yet predicted */
    struct hone_text kept;              /* of the inputs that wait, back to back */
    size_t *kept_ends;                  /* [HONE_PREDICTOR_PENDING] */
    int64_t waiting;                    /* inputs */
    struct hone_prediction prediction;
    struct hone_tagger tagger; /* instead, where words have labels */
};

/* How many inputs wait at most before they are predicted together. */
#define HONE_PREDICTOR_PENDING    1024
#define HONE_PREDICTOR_KEPT_BYTES ((size_t)16 << 20) /* and how much is kept of them */

/* A folder without a task head is HONE_BAD_INPUT. max_length: tokenizer_config.json's model_max_length, at most the
 * model's positions. */
enum hone_status hone_predictor_open(struct hone_predictor *out, const char *folder, enum hone_precision precision);
void hone_predictor_close(struct hone_predictor *predictor);

/* Whether the folder's labels are those of words. */
bool hone_predictor_tags(const struct hone_predictor *predictor);

/* Takes one input (valid UTF-8; pair.bytes NULL: a single text, as it always is for a tagger); `line` is for messages. What the caller appended to
 * predictor->kept before goes before its prediction. *full says that hone_predictor_run must be called now. */
enum hone_status hone_predictor_add(struct hone_predictor *predictor, struct hone_field text, struct hone_field pair,
                                    int64_t line, bool *full);
/* The same of a sentence given as words, for a tagger. */
enum hone_status hone_predictor_add_words(struct hone_predictor *predictor, const struct hone_value *words,
                                          int64_t line, bool *full);
/* Predicts all that wait and appends a row for each to `out`, in the order of the inputs. */
enum hone_status hone_predictor_run(struct hone_predictor *predictor, struct hone_text *out,
                                    const struct hone_output *output);

#endif
