/* The model card: README.md with the Hub's YAML block in front. Text from outside (labels, file names, paths) is
 * escaped for YAML and for Markdown, so no name can add a key, a heading or a link. */
#ifndef HONE_HUB_MODEL_CARD_H
#define HONE_HUB_MODEL_CARD_H

#include <stddef.h>
#include <stdint.h>

#include "base/memory.h"
#include "base/status.h"

struct hone_card_metric {
    const char *name; /* "accuracy": the Hub's word, lower case */
    double value;
};

struct hone_card_data {
    const char *split; /* "train", "validation", "validation_mm", "test" */
    const char *file;  /* as the recipe names it */
    int64_t bytes;     /* of the file; -1: unknown */
    int64_t samples;
    const struct hone_card_metric *metrics; /* measured on it; [n_metrics] */
    size_t n_metrics;
};

struct hone_card_setting {
    const char *name, *value; /* "learning rate", "5e-05" */
};

struct hone_card {
    const char *name; /* of the model, for the title and the model index */
    const char
        *base_model;     /* what it was trained from; in the metadata only if it looks like a Hub name. NULL: unknown */
    const char *license; /* the Hub's identifier; NULL: unknown */
    const char *task;    /* the Hub's pipeline tag: "text-classification" */
    const char *auto_class; /* "AutoModelForSequenceClassification" */
    const char *scores;     /* what the scores of a prediction are; NULL: it has none */
    const char *metric;     /* the one that chose the best model; NULL: none */
    char *const *labels;    /* [n_labels] */
    size_t n_labels;
    const struct hone_card_data *data; /* [n_data] */
    size_t n_data;
    const struct hone_card_setting *settings; /* [n_settings], in the order to be shown */
    size_t n_settings;
    int64_t parameters;  /* trained and frozen; 0: not said */
    int64_t max_length;  /* tokens; longer inputs are cut */
    const char *version; /* of hone */
};

/* The card's text; start with {0}, free with hone_text_free. */
void hone_card_render(struct hone_text *text, const struct hone_card *card);
/* README.md in `folder`, atomically. */
enum hone_status hone_card_write(const char *folder, const struct hone_card *card);

#endif
