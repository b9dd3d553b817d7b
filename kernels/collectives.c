/* The collectives of a job of one rank. */
#include "kernels/collectives.h"

#include <string.h>

static enum hone_status all_reduce(struct hone_collectives *c, void *data, int64_t n, enum hone_dtype dtype,
                                   enum hone_reduction reduction, struct hone_stream *s) {
    (void)c, (void)data, (void)n, (void)dtype, (void)reduction, (void)s;
    return HONE_OK;
}

static enum hone_status all_gather(struct hone_collectives *c, void *out, const void *in, int64_t bytes,
                                   struct hone_stream *s) {
    (void)c, (void)s;
    if (bytes > 0) memmove(out, in, (size_t)bytes);
    return HONE_OK;
}

static enum hone_status reduce_scatter(struct hone_collectives *c, void *out, const void *in, int64_t n,
                                       enum hone_dtype dtype, enum hone_reduction reduction, struct hone_stream *s) {
    (void)reduction;
    return all_gather(c, out, in, n * (int64_t)hone_dtype_size(dtype), s);
}

static enum hone_status broadcast(struct hone_collectives *c, void *data, int64_t bytes, int root,
                                  struct hone_stream *s) {
    (void)c, (void)data, (void)bytes, (void)s;
    HONE_CHECK(root == 0, "a broadcast of rank %d of 1", root);
    return HONE_OK;
}

static enum hone_status send_to(struct hone_collectives *c, const void *data, int64_t bytes, int to,
                                struct hone_stream *s) {
    (void)c, (void)data, (void)bytes, (void)s;
    HONE_CHECK(false, "a job of one rank sends to rank %d", to);
}

static enum hone_status receive(struct hone_collectives *c, void *data, int64_t bytes, int from,
                                struct hone_stream *s) {
    (void)c, (void)data, (void)bytes, (void)s;
    HONE_CHECK(false, "a job of one rank receives from rank %d", from);
}

static enum hone_status barrier(struct hone_collectives *c, struct hone_stream *s) {
    (void)c, (void)s;
    return HONE_OK;
}

static void nothing(struct hone_collectives *c) { (void)c; }

struct hone_collectives *hone_collectives_alone(void) {
    static struct hone_collectives alone = {.name = "none",
                                            .size = 1,
                                            .all_reduce = all_reduce,
                                            .reduce_scatter = reduce_scatter,
                                            .all_gather = all_gather,
                                            .broadcast = broadcast,
                                            .send = send_to,
                                            .receive = receive,
                                            .barrier = barrier,
                                            .abort = nothing,
                                            .close = nothing};
    return &alone;
}
