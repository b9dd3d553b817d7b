#include "recipes/entity_scores.h"

#include <math.h>

#include "base/memory.h"

void hone_entity_scores_create(struct hone_entity_scores *out, const struct hone_tags *tags) {
    *out = (struct hone_entity_scores){.tags = tags};
    for (int mode = 0; mode < HONE_ENTITY_MODES; mode++)
        out->counts[mode] = hone_calloc((size_t)tags->types.n, sizeof *out->counts[mode], "counts of entities");
}

void hone_entity_scores_free(struct hone_entity_scores *scores) {
    for (int mode = 0; mode < HONE_ENTITY_MODES; mode++) hone_free(scores->counts[mode]);
    hone_free(scores->line);
    hone_free(scores->labelled.at);
    hone_free(scores->predicted.at);
    *scores = (struct hone_entity_scores){0};
}

static void find(struct hone_entities *out, struct hone_entity_scores *scores, const int32_t *labels, int64_t n,
                 enum hone_entity_mode mode) {
    hone_reserve(&scores->line, &scores->line_capacity, (size_t)n, sizeof *scores->line, "tags of a sentence");
    for (int64_t i = 0; i < n; i++) scores->line[i] = scores->tags->of[labels[i]];
    if (mode == HONE_ENTITIES_STRICT)
        hone_entities_find_strict(out, scores->line, n, scores->tags->scheme);
    else
        hone_entities_find(out, scores->line, n);
}

void hone_entity_scores_add(struct hone_entity_scores *scores, const int32_t *labels, const int32_t *predictions,
                            int64_t n) {
    const struct hone_entities *labelled = &scores->labelled, *predicted = &scores->predicted;
    for (int mode = 0; mode < HONE_ENTITY_MODES; mode++) {
        struct hone_class_counts *counts = scores->counts[mode];
        find(&scores->labelled, scores, labels, n, (enum hone_entity_mode)mode);
        find(&scores->predicted, scores, predictions, n, (enum hone_entity_mode)mode);
        for (size_t i = 0; i < labelled->n; i++) counts[labelled->at[i].type].labelled++;
        for (size_t i = 0; i < predicted->n; i++) counts[predicted->at[i].type].predicted++;
        /* Entities of one sentence don't overlap, so they stand in the order of their first words. */
        for (size_t i = 0, k = 0; i < labelled->n && k < predicted->n;) {
            struct hone_entity a = labelled->at[i], b = predicted->at[k];
            if (a.begin == b.begin && a.end == b.end && a.type == b.type) counts[a.type].both++;
            i += a.begin <= b.begin;
            k += b.begin <= a.begin;
        }
    }
}

static bool occurs(struct hone_class_counts counts) { return counts.labelled > 0 || counts.predicted > 0; }

struct hone_averages hone_entity_averages(const struct hone_entity_scores *scores, enum hone_entity_mode mode) {
    int64_t types = scores->tags->types.n, n = 0;
    struct hone_class_counts *counts = hone_alloc((size_t)types, sizeof *counts, "counts of entities");
    for (int64_t t = 0; t < types; t++)
        if (occurs(scores->counts[mode][t])) counts[n++] = scores->counts[mode][t];
    const struct hone_class_scores none = {NAN, NAN, NAN};
    struct hone_averages averages = {.macro = none};
    if (n > 0) averages = hone_average_scores(counts, n);
    hone_free(counts);
    return averages;
}

json_t *hone_entity_scores_by_type(const struct hone_entity_scores *scores) {
    json_t *all = json_object();
    for (int64_t t = 0; t < scores->tags->types.n; t++) {
        struct hone_class_counts lenient = scores->counts[HONE_ENTITIES_LENIENT][t];
        struct hone_class_counts strict = scores->counts[HONE_ENTITIES_STRICT][t];
        if (!occurs(lenient) && !occurs(strict)) continue;
        struct hone_class_scores a = hone_class_scores(lenient), b = hone_class_scores(strict);
        json_object_set_new(all, scores->tags->types.names[t],
                            json_pack("{s:f, s:f, s:f, s:I, s:f, s:f, s:f, s:I}", "precision", a.precision, "recall",
                                      a.recall, "f1", a.f1, "support", (json_int_t)lenient.labelled, "precision_strict",
                                      b.precision, "recall_strict", b.recall, "f1_strict", b.f1, "support_strict",
                                      (json_int_t)strict.labelled));
    }
    return all;
}
