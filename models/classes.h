/* The model classes, one a file, for the registry. */
#ifndef HONE_MODELS_CLASSES_H
#define HONE_MODELS_CLASSES_H

#include "models/model.h"

extern const struct hone_model_class hone_bert_class, hone_distilbert_class, hone_roberta_class;

#endif
