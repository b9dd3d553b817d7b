/* The models there are, and making one from a config.json. */
#include <string.h>

#include "base/memory.h"
#include "base/utf8.h"
#include "models/classes.h"

static const struct hone_model_class *const classes[] = {&hone_bert_class, &hone_distilbert_class, &hone_roberta_class};
enum { N_CLASSES = sizeof classes / sizeof *classes };

const struct hone_model_class *hone_model_class_at(int i) { return i >= 0 && i < N_CLASSES ? classes[i] : NULL; }

static enum hone_status find_class(const struct hone_model_class **out, const json_t *config, const char *path) {
    const char *type;
    HONE_TRY(hone_json_string(&type, config, "model_type", NULL, path));
    struct hone_text known = {0};
    for (int i = 0; i < N_CLASSES; i++) {
        if (type && strcmp(classes[i]->model_type, type) == 0) {
            hone_text_free(&known);
            *out = classes[i];
            return HONE_OK;
        }
        hone_text_format(&known, "%s%s", i ? ", " : "", classes[i]->model_type);
    }
    enum hone_status status;
    if (type) {
        char *shown = hone_escape(type, strlen(type));
        status =
            hone_fail(HONE_BAD_INPUT, "%s: model_type is \"%s\"; the models there are: %s", path, shown, known.bytes);
        hone_free(shown);
    } else {
        status = hone_fail(HONE_BAD_INPUT, "%s: there is no model_type; the models there are: %s", path, known.bytes);
    }
    hone_text_free(&known);
    return status;
}

/* As Transformers: id2label's size, else num_labels, else 2. */
static enum hone_status count_labels(int64_t *out, const json_t *config, const char *path) {
    const json_t *labels = json_object_get(config, "id2label");
    if (labels && !json_is_null(labels)) {
        if (!json_is_object(labels) || json_object_size(labels) == 0) {
            return hone_fail(HONE_BAD_INPUT, "%s: id2label is not an object with at least one label", path);
        }
        *out = (int64_t)json_object_size(labels);
        return HONE_OK;
    }
    return hone_json_int(out, config, "num_labels", 2, 1, 1 << 24, path);
}

enum hone_status hone_model_create(struct hone_model **out, const json_t *config, const char *path, enum hone_head head,
                                   int64_t n_labels, struct hone_device *device) {
    const struct hone_model_class *class = NULL;
    HONE_TRY(find_class(&class, config, path));
    if (head == HONE_HEAD_NONE || head == HONE_HEAD_MASKED_LM) {
        n_labels = 0;
    } else if (n_labels == 0) {
        HONE_TRY(count_labels(&n_labels, config, path));
    }
    struct hone_model *model = hone_calloc(1, sizeof *model, "model");
    model->class = class;
    model->head = head;
    model->n_labels = n_labels;
    model->parameters = hone_parameters_create(device);
    enum hone_status status = class->configure(model, config, path);
    if (status != HONE_OK) {
        hone_model_free(model);
        return status;
    }
    *out = model;
    return HONE_OK;
}

void hone_model_free(struct hone_model *model) {
    if (!model) return;
    if (model->details) model->class->free_details(model->details);
    hone_parameters_free(model->parameters);
    hone_free(model);
}
