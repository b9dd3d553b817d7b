/* Predictions as rows of an output file: JSONL, CSV (RFC 4180) or TSV, each with what was kept of its input.
 *
 *   one label       label and score of the best, and the scores of all
 *   several labels  those that reach the threshold (in a table with commas between them), and the scores of all
 *   regression      the value, or those of several outputs by name
 *
 * Rows of entities are recipes/tagger.h's. */
#ifndef HONE_RECIPES_PREDICTION_H
#define HONE_RECIPES_PREDICTION_H

#include "base/memory.h"
#include "data/records.h"
#include "recipes/labels.h"

/* What a model says about one input. The task fills it. */
struct hone_prediction {
    int32_t best;  /* index of the label, of the highest score */
    float *scores; /* [labels]: probabilities; of a regression the values */
};

struct hone_output {
    enum hone_data_format format; /* JSONL, CSV or TSV; of entities JSONL, CoNLL or text */
    int64_t top;                  /* only so many highest scores, in their order; 0: all, in the order of the labels */
    const struct hone_labels *labels;
    enum hone_problem problem;
    bool logits;      /* scores are the model's outputs as they are, no probabilities */
    double threshold; /* the score from which on one of several labels holds */
    char **kept; /* names of the input's columns to be written, "input.<name>" in a table, under "input" in JSONL */
    size_t n_kept;
    bool keep_all; /* JSONL from JSONL: the whole object */
};

/* Appends the first row of a table; nothing for other formats. */
void hone_output_header(struct hone_text *out, const struct hone_output *output);
/* Appends what is kept of the record that was just read: its wanted columns from number `first` on. A value that TSV
 * cannot hold is HONE_BAD_INPUT. */
enum hone_status hone_output_keep(struct hone_text *out, const struct hone_output *output,
                                  const struct hone_records *records, size_t first);
/* Appends a whole row; `kept` is what hone_output_keep gave for the input. */
void hone_output_row(struct hone_text *out, const struct hone_output *output, struct hone_field kept,
                     const struct hone_prediction *prediction);

#endif
