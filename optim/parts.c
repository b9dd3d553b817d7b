/* What ranks that each keep a part of an optimizer tell each other. */
#include "base/arith.h"
#include "base/memory.h"
#include "optim/classes.h"

/* Elements: of flat buffers, whose parameters begin at such places, too. */
#define UNIT  16
#define PIECE (1 << 18)

void hone_optimizer_part(int64_t *begin, int64_t *end, int64_t n, int part, int parts) {
    *begin = 0;
    *end = n;
    if (parts <= 1) return;
    int64_t each = n / parts / UNIT * UNIT;
    *begin = part * each;
    if (part < parts - 1) *end = *begin + each;
}

bool hone_optimizer_is_shared(const struct hone_optimizer *o) { return o->settings.parts > 1; }

enum hone_status hone_optimizer_gather_weights(struct hone_optimizer *o, struct hone_stream *stream) {
    struct hone_collectives *c = o->settings.collectives;
    float *weights = hone_parameters_weights(o->parameters);
    int64_t begin, end, n = hone_parameters_trained(o->parameters), parts = o->settings.parts;
    hone_optimizer_part(&begin, &end, n, 0, o->settings.parts);
    HONE_TRY(o->device->stream_synchronize(stream));
    HONE_TRY(c->all_gather(c, weights, weights + o->begin, end * (int64_t)sizeof *weights, stream));
    /* What the last part has more than the others. */
    float *rest = weights + parts * end;
    return c->broadcast(c, rest, (n - parts * end) * (int64_t)sizeof *rest, (int)parts - 1, stream);
}

/* The buffer with number i of those in use. */
static const struct hone_optimizer_buffer *buffer_of(const struct hone_optimizer *o, int i) {
    const struct hone_optimizer_buffer *buffer = o->buffers;
    while (!buffer->name || i-- > 0) buffer++;
    return buffer;
}

int64_t hone_optimizer_whole(const struct hone_optimizer *o, int i) {
    return hone_optimizer_is_shared(o) ? hone_parameters_trained(o->parameters) : buffer_of(o, i)->elements;
}

static enum hone_status send_part(const struct hone_optimizer *o, const float *data, int64_t n,
                                  struct hone_stream *stream) {
    struct hone_collectives *c = o->settings.collectives;
    float *piece = hone_alloc(PIECE, sizeof *piece, "piece of the optimizer's state");
    enum hone_status status = HONE_OK;
    for (int64_t at = 0; at < n && status == HONE_OK; at += PIECE) {
        size_t bytes = (size_t)hone_min_i64(PIECE, n - at) * sizeof *piece;
        o->device->copy_to_host(piece, data + at, bytes, stream);
        status = o->device->stream_synchronize(stream);
        if (status == HONE_OK) status = c->send(c, piece, (int64_t)bytes, 0, NULL);
    }
    hone_free(piece);
    return status;
}

enum hone_status hone_optimizer_gather(float *whole, struct hone_optimizer *o, int i, struct hone_stream *stream) {
    const struct hone_optimizer_buffer *buffer = buffer_of(o, i);
    struct hone_collectives *c = o->settings.collectives;
    if (o->settings.part > 0) return send_part(o, buffer->data, buffer->elements, stream);
    o->device->copy_to_host(whole, buffer->data, (size_t)buffer->elements * sizeof *whole, stream);
    HONE_TRY(o->device->stream_synchronize(stream));
    for (int r = 1; r < o->settings.parts; r++) {
        int64_t begin, end;
        hone_optimizer_part(&begin, &end, hone_parameters_trained(o->parameters), r, o->settings.parts);
        for (int64_t at = begin; at < end; at += PIECE) {
            int64_t n = hone_min_i64(PIECE, end - at);
            HONE_TRY(c->receive(c, whole + at, n * (int64_t)sizeof *whole, r, NULL));
        }
    }
    return HONE_OK;
}

enum hone_status hone_optimizer_take(struct hone_optimizer *o, int i, const float *whole, struct hone_stream *stream) {
    const struct hone_optimizer_buffer *buffer = buffer_of(o, i);
    const float *from = hone_optimizer_is_shared(o) ? whole + o->begin : whole;
    o->device->copy_to_device(buffer->data, from, (size_t)buffer->elements * sizeof *whole, stream);
    /* With parts nobody reads marks of moments, and the average of the weights is no moment. */
    bool moments = buffer != &o->buffers[HONE_OPTIMIZER_AVERAGE] && !hone_optimizer_is_shared(o);
    if (moments && buffer->elements == hone_parameters_trained(o->parameters))
        hone_parameters_mark_moments(o->parameters, whole);
    return o->device->stream_synchronize(stream);
}
