/* What the ranks of a run share out and put together in a step. */
#include "base/memory.h"
#include "recipes/train.h"

enum hone_status hone_team_create(struct hone_team *out, const struct hone_run *run, struct hone_stream *stream) {
    struct hone_parameters *parameters = run->folder.model->parameters;
    struct hone_collectives *collectives = run->world->collectives;
    int64_t most = run->recipe->training.batch_size;
    *out = (struct hone_team){0};
    out->room = hone_alloc(2 * (size_t)most, sizeof *out->room, "samples of a rank");
    if (run->recipe->distributed.reproducible == HONE_REPRODUCIBLE_WORLD)
        return hone_leaves_create(&out->leaves, parameters, collectives, most, stream);
    return hone_buckets_create(&out->buckets, parameters, collectives);
}

void hone_team_free(struct hone_team *team) {
    hone_buckets_free(team->buckets);
    hone_leaves_free(team->leaves);
    hone_free(team->room);
    *team = (struct hone_team){0};
}
