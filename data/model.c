#include "data/model.h"

#include <string.h>

int64_t hone_surface_add(struct hone_text *texts, const char *text, size_t n) {
    hone_text_append(texts, (const char *)&n, sizeof n);
    int64_t place = (int64_t)texts->length;
    hone_text_append(texts, text, n);
    hone_text_append(texts, "", 1);
    return place;
}

const char *hone_surface_text(const struct hone_text *texts, int64_t surface, size_t *n) {
    memcpy(n, texts->bytes + surface - (int64_t)sizeof *n, sizeof *n);
    return texts->bytes + surface;
}

void hone_model_work_free(struct hone_model_work *work) {
    hone_free(work->symbols);
    hone_merge_queue_free(work->queue);
    hone_free(work->paths);
    hone_free(work->dead);
    hone_text_free(&work->mapped);
    *work = (struct hone_model_work){0};
}
