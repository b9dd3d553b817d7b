#include "dist/buckets.h"

#include <pthread.h>

#include "base/arith.h"
#include "base/memory.h"

struct hone_buckets {
    struct hone_parameters *parameters;
    float *gradients; /* of the parameters */
    struct hone_collectives *collectives;
    int64_t elements;
    int32_t next;   /* the first parameter that isn't finished in this step */
    bool *finished; /* [parameters] */

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
        int64_t end = hone_min_i64(b->elements, b->sent + HONE_BUCKET);
        if (b->sent < end && b->ready >= end)
            send_one(b, end);
        else
            pthread_cond_wait(&b->changed, &b->mutex);
    }
    pthread_mutex_unlock(&b->mutex);
    return NULL;
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
    b->sent = b->elements; /* between steps */
    b->finished = hone_calloc((size_t)hone_parameters_count(parameters), sizeof *b->finished, "buckets");
    pthread_mutex_init(&b->mutex, NULL);
    pthread_cond_init(&b->changed, NULL);
    if (pthread_create(&b->thread, NULL, send_all, b) == 0) {
        *out = b;
        return HONE_OK;
    }
    hone_free(b->finished);
    hone_free(b);
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
    hone_free(b->finished);
    hone_free(b->message);
    hone_free(b);
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

enum hone_status hone_buckets_finish(struct hone_buckets *b) {
    if (!b) return HONE_OK;
    (void)hone_parameters_gradients(b->parameters); /* all is marked: sums of others come anywhere */
    announce(b, b->elements);
    pthread_mutex_lock(&b->mutex);
    while (b->sent < b->elements) pthread_cond_wait(&b->changed, &b->mutex);
    enum hone_status status = b->status;
    if (status != HONE_OK) status = hone_fail(status, "%s", b->message);
    pthread_mutex_unlock(&b->mutex);
    return status;
}
