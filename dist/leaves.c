/* A rank keeps the sums of whole blocks of its leaves, the largest that the tree has: at most two of each size. At the
 * end all ranks' blocks are gathered, a piece of the buffer after the other, and every rank adds them as the tree says. */
#include "dist/leaves.h"

#include "base/arith.h"
#include "base/memory.h"

#define BLOCKS 64        /* of a rank, at most */
#define PIECE  (1 << 16) /* elements gathered at a time */

struct block {
    int64_t first, count; /* leaves */
    float *sum;           /* device */
};

struct hone_leaves {
    struct hone_parameters *parameters;
    struct hone_device *device;
    struct hone_collectives *collectives;
    int64_t elements, most;
    struct block blocks[BLOCKS]; /* n of them in use; the buffers of the others wait for use */
    int n;
    float *losses; /* device: [most] */
    float *mine, *all;
    size_t capacity; /* blocks per rank that mine and all have room for */
};

enum hone_status hone_leaves_create(struct hone_leaves **out, struct hone_parameters *parameters,
                                    struct hone_collectives *collectives, int64_t most, struct hone_stream *stream) {
    struct hone_leaves *l = hone_calloc(1, sizeof *l, "leaves");
    *out = l;
    l->parameters = parameters;
    l->device = hone_parameters_device(parameters);
    l->collectives = collectives;
    l->elements = hone_parameters_trained(parameters);
    l->most = most;
    HONE_TRY(l->device->allocate(l->device, (void **)&l->losses, (size_t)most * sizeof(float), "losses of leaves"));
    l->device->zero(l->losses, (size_t)most * sizeof(float), stream);
    return HONE_OK;
}

size_t hone_leaves_bytes(const struct hone_parameters *parameters, int64_t blocks, int64_t most, int size) {
    int64_t sums = blocks * hone_parameters_trained(parameters), gathered = blocks * PIECE * (size + 1);
    return (size_t)(sums + gathered + most) * sizeof(float);
}

static void release(struct hone_leaves *l, float *memory) {
    if (memory) l->device->release(l->device, memory);
}

void hone_leaves_free(struct hone_leaves *l) {
    if (!l) return;
    for (int i = 0; i < BLOCKS; i++) release(l, l->blocks[i].sum);
    release(l, l->losses);
    release(l, l->mine);
    release(l, l->all);
    hone_free(l);
}

static void copy(const struct hone_leaves *l, float *to, const float *from, int64_t n, struct hone_stream *stream) {
    l->device->ops->cast(to, from, n, HONE_F32, stream);
}

static void add(const struct hone_leaves *l, float *to, const float *from, int64_t n, struct hone_stream *stream) {
    l->device->ops->add(to, from, n, HONE_F32, stream);
}

/* The two halves of one block. */
static bool are_siblings(const struct block *left, const struct block *right) {
    return left->count == right->count && left->first + left->count == right->first &&
           left->first % (2 * left->count) == 0;
}

int64_t hone_leaves_blocks(int64_t first, int64_t count) {
    struct block blocks[BLOCKS];
    int64_t most = 0;
    int n = 0;
    for (int64_t leaf = first; leaf < first + count; leaf++) {
        struct block new = {leaf, 1, NULL};
        for (; n && are_siblings(&blocks[n - 1], &new); n--)
            new = (struct block){blocks[n - 1].first, 2 * new.count, NULL};
        HONE_CHECK(n < BLOCKS, "more than %d blocks of leaves", BLOCKS);
        blocks[n++] = new; // cppcheck-suppress arrayIndexOutOfBoundsCond
        most = hone_max_i64(most, n);
    }
    return most;
}

enum hone_status hone_leaves_add(struct hone_leaves *l, int64_t leaf, float *loss, struct hone_stream *stream) {
    float *gradients = hone_parameters_gradients(l->parameters);
    struct block new = {leaf, 1, gradients};
    HONE_CHECK(leaf >= 0 && leaf < l->most, "leaf %lld of %lld", (long long)leaf, (long long)l->most);
    HONE_CHECK(l->n == 0 || l->blocks[l->n - 1].first + l->blocks[l->n - 1].count == leaf, "leaf %lld comes after %lld",
               (long long)leaf, (long long)(l->blocks[l->n - 1].first + l->blocks[l->n - 1].count - 1));
    copy(l, l->losses + leaf, loss, 1, stream);
    l->device->zero(loss, sizeof *loss, stream);
    while (l->n && are_siblings(&l->blocks[l->n - 1], &new)) {
        const struct block *left = &l->blocks[--l->n];
        add(l, gradients, left->sum, l->elements, stream);
        new.first = left->first;
        new.count *= 2;
    }
    HONE_CHECK(l->n < BLOCKS, "more than %d blocks of leaves", BLOCKS);
    struct block *block = &l->blocks[l->n];
    size_t bytes = (size_t)l->elements * sizeof(float);
    if (!block->sum) HONE_TRY(l->device->allocate(l->device, (void **)&block->sum, bytes, "gradients of leaves"));
    copy(l, block->sum, gradients, l->elements, stream);
    l->device->zero(gradients, bytes, stream);
    block->first = new.first;
    block->count = new.count;
    l->n++;
    return HONE_OK;
}

/* The sum of blocks that cover a step in their order, n elements each, into *to. The blocks' memory is used up. */
static void add_blocks(const struct hone_leaves *l, float *to, const struct block *blocks, int count, int64_t n,
                       struct hone_stream *stream) {
    struct block stack[BLOCKS];
    int depth = 0;
    for (int i = 0; i < count; i++) {
        struct block next = blocks[i];
        while (depth && are_siblings(&stack[depth - 1], &next)) {
            struct block *left = &stack[--depth];
            add(l, left->sum, next.sum, n, stream);
            left->count *= 2;
            next = *left;
        }
        HONE_CHECK(depth < BLOCKS, "more than %d blocks of leaves", BLOCKS);
        stack[depth++] = next; // cppcheck-suppress arrayIndexOutOfBoundsCond
    }
    for (; depth > 1; depth--) add(l, stack[depth - 2].sum, stack[depth - 1].sum, n, stream);
    if (depth) copy(l, to, stack[0].sum, n, stream);
}

struct extent {
    int64_t first, count; /* count 0: none */
};

static enum hone_status make_room(struct hone_leaves *l, size_t blocks) {
    if (blocks <= l->capacity) return HONE_OK;
    size_t bytes = blocks * PIECE * sizeof(float);
    release(l, l->mine);
    release(l, l->all);
    l->mine = l->all = NULL;
    l->capacity = 0;
    HONE_TRY(l->device->allocate(l->device, (void **)&l->mine, bytes, "gradients of leaves"));
    HONE_TRY(
        l->device->allocate(l->device, (void **)&l->all, bytes * (size_t)l->collectives->size, "gradients of leaves"));
    l->capacity = blocks;
    return HONE_OK;
}

/* Every rank's blocks as [size][BLOCKS]; returns the most that one has. */
static enum hone_status gather_extents(int64_t *most, struct extent *extents, const struct hone_leaves *l) {
    struct extent mine[BLOCKS] = {0};
    for (int i = 0; i < l->n; i++) mine[i] = (struct extent){l->blocks[i].first, l->blocks[i].count};
    HONE_TRY(l->collectives->all_gather(l->collectives, extents, mine, sizeof mine, NULL));
    *most = 1;
    for (int r = 0; r < l->collectives->size; r++)
        for (int i = 0; i < BLOCKS; i++)
            if (extents[r * BLOCKS + i].count) *most = hone_max_i64(*most, i + 1);
    return HONE_OK;
}

static enum hone_status gather_gradients(struct hone_leaves *l, const struct extent *extents, int64_t most,
                                         struct hone_stream *stream) {
    float *gradients = hone_parameters_gradients(l->parameters);
    int size = l->collectives->size;
    struct block *blocks = hone_alloc((size_t)(size * most), sizeof *blocks, "blocks of leaves");
    enum hone_status status = make_room(l, (size_t)most);
    for (int64_t at = 0; at < l->elements && status == HONE_OK; at += PIECE) {
        int64_t n = hone_min_i64(PIECE, l->elements - at);
        int count = 0;
        for (int i = 0; i < l->n; i++) copy(l, l->mine + i * n, l->blocks[i].sum + at, n, stream);
        status = l->device->stream_synchronize(stream);
        if (status == HONE_OK)
            status =
                l->collectives->all_gather(l->collectives, l->all, l->mine, most * n * (int64_t)sizeof(float), stream);
        for (int r = 0; r < size; r++) {
            for (int64_t i = 0; i < most && extents[r * BLOCKS + i].count; i++) {
                const struct extent *e = &extents[r * BLOCKS + i];
                blocks[count++] = (struct block){e->first, e->count, l->all + (r * most + i) * n};
            }
        }
        if (status == HONE_OK) add_blocks(l, gradients + at, blocks, count, n, stream);
    }
    hone_free(blocks);
    return status;
}

static enum hone_status add_losses(struct hone_leaves *l, int64_t n, float *loss, struct hone_stream *stream) {
    /* Each is there on one rank and 0 on the others, so no sum is rounded here. */
    HONE_TRY(l->collectives->all_reduce(l->collectives, l->losses, n, HONE_F32, HONE_SUM, stream));
    struct block *blocks = hone_alloc((size_t)n, sizeof *blocks, "blocks of leaves");
    for (int64_t i = 0; i < n; i++) blocks[i] = (struct block){i, 1, l->losses + i};
    add_blocks(l, loss, blocks, (int)n, 1, stream);
    hone_free(blocks);
    l->device->zero(l->losses, (size_t)l->most * sizeof(float), stream);
    return HONE_OK;
}

enum hone_status hone_leaves_finish(struct hone_leaves *l, int64_t n, float *loss, struct hone_stream *stream) {
    int64_t most;
    struct extent *extents = hone_alloc((size_t)l->collectives->size * BLOCKS, sizeof *extents, "blocks of leaves");
    enum hone_status status = gather_extents(&most, extents, l);
    if (status == HONE_OK) status = gather_gradients(l, extents, most, stream);
    if (status == HONE_OK) status = add_losses(l, n, loss, stream);
    l->n = 0;
    hone_free(extents);
    return status;
}
