#include "recipes/objective.h"

#include <string.h>

#include "base/memory.h"
#include "base/utf8.h"

static enum hone_status weights_by_name(float *weights, const struct hone_weights *given,
                                        const struct hone_labels *labels) {
    for (int64_t i = 0; i < labels->n; i++) weights[i] = 1;
    for (size_t i = 0; i < given->names.n; i++) {
        const char *name = given->names.items[i];
        int32_t label = hone_labels_find(labels, name, strlen(name));
        if (label < 0) {
            char *shown = hone_escape(name, strlen(name)), *list = hone_labels_list(labels);
            enum hone_status status =
                hone_fail(HONE_USAGE, "task.class_weights: no label \"%s\"; the labels are %s", shown, list);
            hone_free(shown);
            hone_free(list);
            return status;
        }
        weights[label] = (float)given->values[i];
    }
    return HONE_OK;
}

static enum hone_status balanced_weights(float *weights, const struct hone_labels *labels,
                                         const struct hone_samples *train) {
    int64_t *counts = hone_calloc((size_t)labels->n, sizeof *counts, "counts of labels");
    enum hone_status status = HONE_OK;
    int64_t all = train->tags ? 0 : train->n;
    for (int64_t s = 0; train->tags && s < train->n && status == HONE_OK; s++) {
        status = hone_samples_need(train, &s, 1);
        for (int64_t t = train->begins[s]; t < train->begins[s + 1] && status == HONE_OK; t++) {
            if (train->tags[t] < 0) continue;
            counts[train->tags[t]]++;
            all++;
        }
    }
    for (int64_t s = 0; !train->tags && s < train->n; s++) {
        if (!train->targets) {
            counts[train->labels[s]]++;
            continue;
        }
        for (int64_t i = 0; i < train->n_targets; i++) counts[i] += train->targets[s * train->n_targets + i] > 0;
    }
    for (int64_t i = 0; i < labels->n && status == HONE_OK; i++) {
        double n = (double)all, count = (double)counts[i];
        weights[i] = (float)(train->targets ? (n - count) / count : n / ((double)labels->n * count));
        if (counts[i] > 0 && weights[i] > 0) continue;
        char *shown = hone_escape(labels->names[i], strlen(labels->names[i]));
        status = hone_fail(HONE_USAGE,
                           "task.class_weights: balanced needs samples with and without each label, but %s training "
                           "sample has \"%s\"; give the weights by name",
                           counts[i] ? "every" : "no", shown);
        hone_free(shown);
    }
    hone_free(counts);
    return status;
}

enum hone_status hone_objective_create(struct hone_objective *out, const struct hone_recipe *recipe,
                                       const struct hone_labels *labels, const struct hone_samples *train,
                                       struct hone_device *device) {
    const struct hone_weights *given = &recipe->task.class_weights;
    *out = (struct hone_objective){
        .settings = {.smoothing = (float)recipe->task.label_smoothing, .focus = (float)recipe->task.focal_gamma},
        .device = device};
    if (!given->balanced && given->names.n == 0) return HONE_OK;
    size_t bytes = (size_t)labels->n * sizeof *out->weights;
    struct hone_stream *stream = NULL;
    void *memory = NULL;
    enum hone_status status;
    out->weights = hone_alloc((size_t)labels->n, sizeof *out->weights, "class weights");
    status =
        given->balanced ? balanced_weights(out->weights, labels, train) : weights_by_name(out->weights, given, labels);
    HONE_TRY_GOTO(hone_recipe_at(recipe, "task.class_weights", status));
    HONE_TRY_GOTO(device->allocate(device, &memory, bytes, "class weights"));
    out->settings.weights = memory;
    HONE_TRY_GOTO(device->stream_create(device, &stream));
    device->copy_to_device(memory, out->weights, bytes, stream);
    status = device->stream_synchronize(stream);
done:
    if (stream) device->stream_destroy(stream);
    if (status != HONE_OK) hone_objective_free(out);
    return status;
}

void hone_objective_free(struct hone_objective *objective) {
    /* The device's memory is released through a pointer to what may change. */
    if (objective->settings.weights)
        objective->device->release(objective->device, (void *)(uintptr_t)objective->settings.weights);
    hone_free(objective->weights);
    *objective = (struct hone_objective){0};
}

void hone_objective_record(struct hone_tape *tape, hone_value logits, const struct hone_batch *batch,
                           const struct hone_objective *objective, float scale, float *loss) {
    const struct hone_class_loss *settings = &objective->settings;
    if (settings->weights || settings->smoothing > 0 || settings->focus > 0) {
        hone_class_loss(tape, logits, batch->labels, *settings, scale, loss);
    } else {
        hone_cross_entropy(tape, logits, batch->labels, NULL, scale, loss);
    }
}
