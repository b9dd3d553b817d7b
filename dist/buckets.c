#include "dist/buckets.h"

#include <pthread.h>
#include <string.h>

#include "base/arith.h"
#include "base/memory.h"

struct hone_buckets {
    struct hone_parameters *parameters;
    float *gradients; /* of the parameters */
    struct hone_collectives *collectives;
    int64_t elements, tables; /* of the gradients; the first that goes by its marks */
    int64_t blocks;           /* of the tables */
    uint8_t *marks;           /* [ranks][mark_bytes()], a bit for each block */
    float *marked;            /* [HONE_BUCKET], of marked blocks side by side */
    int32_t next;             /* the first parameter that isn't finished in this step */
    bool *finished;           /* [parameters] */

    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    int64_t ready, sent; /* elements that are complete on this rank; that are summed */
    bool ending;
    enum hone_status status;
    char *message;
};

/* With the mutex held, but while it sends. */
static void send_one(struct hone_buckets *b, int64_t end) {
    float *gradients = b->gradients + b->sent;
    int64_t n = end - b->sent;
    pthread_mutex_unlock(&b->mutex);
    enum hone_status status = b->collectives->all_reduce(b->collectives, gradients, n, HONE_F32, HONE_SUM, NULL);
    pthread_mutex_lock(&b->mutex);
    if (status != HONE_OK && b->status == HONE_OK) {
        b->status = status;
        b->message = hone_strdup(hone_error_message(), "message");
    }
    b->sent = end;
    pthread_cond_broadcast(&b->changed);
}

static void *send_all(void *argument) {
    struct hone_buckets *b = argument;
    pthread_mutex_lock(&b->mutex);
    while (!b->ending) {
        int64_t end = hone_min_i64(b->tables, b->sent + HONE_BUCKET);
        if (b->sent < end && b->ready >= end)
            send_one(b, end);
        else
            pthread_cond_wait(&b->changed, &b->mutex);
    }
    pthread_mutex_unlock(&b->mutex);
    return NULL;
}

int64_t hone_buckets_tables(const struct hone_parameters *parameters) {
    int64_t elements = hone_parameters_trained(parameters), tables = elements;
    if (!hone_parameters_device(parameters)->host_memory) return elements;
    for (int32_t i = hone_parameters_count(parameters) - 1; i >= 0; i--) {
        const struct hone_parameter *p = hone_parameters_get(parameters, i);
        if (p->offset >= elements) continue; /* frozen */
        if (p->layer > 0) break;
        tables = p->offset;
    }
    return hone_min_i64(elements, hone_round_up(tables, HONE_MARKED));
}

static int64_t blocks_of(const struct hone_parameters *parameters) {
    int64_t n = hone_parameters_trained(parameters) - hone_buckets_tables(parameters);
    return (n + HONE_MARKED - 1) / HONE_MARKED;
}

static int64_t mark_bytes(int64_t blocks) { return (blocks + 7) / 8; }

int64_t hone_buckets_mark_bytes(const struct hone_parameters *parameters) { return mark_bytes(blocks_of(parameters)); }

size_t hone_buckets_bytes(const struct hone_parameters *parameters, int size) {
    int64_t bytes = hone_buckets_mark_bytes(parameters) * size;
    return bytes > 0 ? (size_t)bytes + HONE_BUCKET * sizeof(float) : 0;
}

static void free_memory(struct hone_buckets *b) {
    hone_free(b->marks);
    hone_free(b->marked);
    hone_free(b->finished);
    hone_free(b->message);
    hone_free(b);
}

enum hone_status hone_buckets_create(struct hone_buckets **out, struct hone_parameters *parameters,
                                     struct hone_collectives *collectives) {
    *out = NULL;
    if (collectives->size == 1) return HONE_OK;
    struct hone_buckets *b = hone_calloc(1, sizeof *b, "buckets");
    b->parameters = parameters;
    b->gradients = hone_parameters_gradients_unmarked(parameters);
    b->collectives = collectives;
    b->elements = hone_parameters_trained(parameters);
    b->tables = hone_buckets_tables(parameters);
    b->sent = b->tables; /* between steps */
    b->blocks = blocks_of(parameters);
    if (b->blocks > 0) {
        b->marks = hone_alloc((size_t)collectives->size, (size_t)mark_bytes(b->blocks), "marks of all ranks");
        b->marked = hone_alloc(HONE_BUCKET, sizeof *b->marked, "marked gradients");
    }
    b->finished = hone_calloc((size_t)hone_parameters_count(parameters), sizeof *b->finished, "buckets");
    pthread_mutex_init(&b->mutex, NULL);
    pthread_cond_init(&b->changed, NULL);
    if (pthread_create(&b->thread, NULL, send_all, b) == 0) {
        *out = b;
        return HONE_OK;
    }
    free_memory(b);
    return hone_fail(HONE_RANK, "rank %d: no thread to send gradients with", collectives->rank);
}

void hone_buckets_free(struct hone_buckets *b) {
    if (!b) return;
    pthread_mutex_lock(&b->mutex);
    b->ending = true;
    pthread_cond_broadcast(&b->changed);
    pthread_mutex_unlock(&b->mutex);
    pthread_join(b->thread, NULL);
    pthread_mutex_destroy(&b->mutex);
    pthread_cond_destroy(&b->changed);
    free_memory(b);
}

void hone_buckets_begin(struct hone_buckets *b) {
    if (!b) return;
    pthread_mutex_lock(&b->mutex);
    b->next = 0;
    for (int32_t i = 0; i < hone_parameters_count(b->parameters); i++)
        b->finished[i] = hone_parameters_get(b->parameters, i)->frozen;
    b->ready = b->sent = 0;
    pthread_mutex_unlock(&b->mutex);
}

static void announce(struct hone_buckets *b, int64_t ready) {
    pthread_mutex_lock(&b->mutex);
    b->ready = ready;
    pthread_cond_broadcast(&b->changed);
    pthread_mutex_unlock(&b->mutex);
}

void hone_buckets_on_gradient(int32_t parameter, void *user) {
    struct hone_buckets *b = user;
    int32_t n = hone_parameters_count(b->parameters), before = b->next;
    b->finished[parameter] = true;
    while (b->next < n && b->finished[b->next]) b->next++;
    /* The last ones go with finish(): what is unused, by this rank's samples, is never called for. */
    if (b->next == before || b->next == n) return;
    announce(b, hone_parameters_get(b->parameters, b->next)->offset);
}

static bool is_marked(const struct hone_buckets *b, int64_t block) { return b->marks[block / 8] >> block % 8 & 1; }

/* Leaves in the first rank's bits which blocks of the tables are marked on any. */
static enum hone_status unite_marks(struct hone_buckets *b) {
    struct hone_collectives *c = b->collectives;
    const uint8_t *marks = hone_parameters_marks(b->parameters);
    int64_t bytes = mark_bytes(b->blocks);
    uint8_t *own = b->marks + c->rank * bytes;
    memset(own, 0, (size_t)bytes);
    for (int64_t i = 0; i < b->blocks; i++) {
        bool marked = !marks || marks[b->tables / HONE_MARKED + i] & HONE_MARK_GRADIENT;
        own[i / 8] |= (uint8_t)(marked << i % 8);
    }
    HONE_TRY(c->all_gather(c, b->marks, own, bytes, NULL));
    for (int r = 1; r < c->size; r++)
        for (int64_t i = 0; i < bytes; i++) b->marks[i] |= b->marks[r * bytes + i];
    return HONE_OK;
}

static int64_t element_of(const struct hone_buckets *b, int64_t block) {
    return hone_min_i64(b->elements, b->tables + block * HONE_MARKED);
}

/* Blocks from *next on that are marked, as many as fit, side by side or back to where they belong; their elements, with
 * *next behind them. */
static int64_t move_marked(const struct hone_buckets *b, int64_t *next, bool back) {
    int64_t n = 0, block = *next;
    for (; block < b->blocks && n + HONE_MARKED <= HONE_BUCKET; block++) {
        if (!is_marked(b, block)) continue;
        int64_t at = element_of(b, block), count = element_of(b, block + 1) - at;
        if (back)
            memcpy(hone_parameters_gradient(b->parameters, at, count), b->marked + n, (size_t)count * sizeof(float));
        else
            memcpy(b->marked + n, b->gradients + at, (size_t)count * sizeof(float));
        n += count;
    }
    *next = block;
    return n;
}

/* Marked blocks in a row from `block` on, no more than a bucket of them. */
static int64_t marked_in_a_row(const struct hone_buckets *b, int64_t block) {
    int64_t n = 0, most = hone_min_i64(HONE_BUCKET / HONE_MARKED, b->blocks - block);
    while (n < most && is_marked(b, block + n)) n++;
    return n;
}

static enum hone_status sum_tables(struct hone_buckets *b) {
    struct hone_collectives *c = b->collectives;
    if (b->blocks == 0) return HONE_OK;
    HONE_TRY(unite_marks(b));
    for (int64_t begin = 0, end; begin < b->blocks; begin = end) {
        end = begin + marked_in_a_row(b, begin);
        if (end - begin == HONE_BUCKET / HONE_MARKED) { /* a table that is a decoder, too */
            int64_t at = element_of(b, begin), n = element_of(b, end) - at;
            HONE_TRY(c->all_reduce(c, hone_parameters_gradient(b->parameters, at, n), n, HONE_F32, HONE_SUM, NULL));
            continue;
        }
        end = begin;
        int64_t n = move_marked(b, &end, false);
        HONE_TRY(c->all_reduce(c, b->marked, n, HONE_F32, HONE_SUM, NULL));
        end = begin;
        (void)move_marked(b, &end, true);
    }
    return HONE_OK;
}

enum hone_status hone_buckets_finish(struct hone_buckets *b) {
    if (!b) return HONE_OK;
    (void)hone_parameters_gradient(b->parameters, 0, b->tables); /* sums of others come anywhere */
    announce(b, b->elements);
    pthread_mutex_lock(&b->mutex);
    while (b->sent < b->tables) pthread_cond_wait(&b->changed, &b->mutex);
    enum hone_status status = b->status;
    if (status != HONE_OK) status = hone_fail(status, "%s", b->message);
    pthread_mutex_unlock(&b->mutex);
    return status == HONE_OK ? sum_tables(b) : status;
}
