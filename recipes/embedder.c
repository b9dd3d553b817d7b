#include "recipes/embedder.h"

#include <math.h>

#include "base/arith.h"
#include "base/hdf5.h"
#include "base/io.h"
#include "base/memory.h"

enum { PENDING = 256 };

static enum hone_status open_parts(struct hone_embedder *embedder, const char *folder) {
    struct hone_device *device;
    HONE_TRY(hone_device_open(&device, "auto"));
    struct hone_model_folder_options options = {.device = device, .head = HONE_HEAD_NONE};
    HONE_TRY(hone_model_folder_open(&embedder->folder, folder, options));
    const struct hone_model *model = embedder->folder.model;
    embedder->max_length = hone_tokenizer_max_length(embedder->folder.tokenizer);
    if (embedder->max_length == 0 || embedder->max_length > model->max_positions)
        embedder->max_length = model->max_positions;
    int64_t T = hone_max_i64(HONE_INFERENCE_TOKENS, embedder->max_length);
    embedder->hidden = hone_alloc((size_t)(T * model->hidden), sizeof *embedder->hidden, "hidden states");
    embedder->vector = hone_alloc((size_t)model->hidden, sizeof *embedder->vector, "embedding");
    embedder->vectors = hone_spill_create(HONE_SPILL_MEMORY);
    return hone_engine_create(&embedder->engine, model, T, HONE_INFERENCE_SEQUENCES, 0);
}

enum hone_status hone_embedder_open(struct hone_embedder *out, const char *folder, enum hone_pooling pooling) {
    *out = (struct hone_embedder){.pooling = pooling};
    enum hone_status status = open_parts(out, folder);
    if (status != HONE_OK) hone_embedder_close(out);
    return status;
}

void hone_embedder_close(struct hone_embedder *embedder) {
    hone_samples_abandon(&embedder->pending);
    hone_encoding_free(&embedder->encoding);
    hone_engine_free(&embedder->engine);
    hone_model_folder_close(&embedder->folder);
    hone_spill_free(embedder->vectors);
    hone_free(embedder->hidden);
    hone_free(embedder->vector);
    *embedder = (struct hone_embedder){0};
}

enum hone_status hone_embedder_add(struct hone_embedder *embedder, struct hone_field text, struct hone_field pair,
                                   int64_t line, bool *full) {
    const struct hone_encode_options options = {.add_special = true, .max_length = (size_t)embedder->max_length};
    HONE_TRY(hone_tokenizer_encode(&embedder->encoding, embedder->folder.tokenizer, text.bytes, text.n, pair.bytes,
                                   pair.n, &options));
    HONE_TRY(hone_samples_append(&embedder->pending, &embedder->encoding, embedder->folder.model, 0, line));
    *full = embedder->pending.samples.n == PENDING;
    return HONE_OK;
}

/* The body's hidden states of the batch's rows, or of all its tokens, into embedder->hidden. */
static enum hone_status infer(struct hone_embedder *embedder) {
    struct hone_engine *engine = &embedder->engine;
    const struct hone_model *model = engine->model;
    struct hone_model_inputs in = hone_engine_upload(engine, NULL);
    if (embedder->pooling == HONE_POOL_MEAN) {
        in.rows = in.cu_rows = NULL;
        in.R = in.T;
    }
    hone_tape_begin(engine->tape, HONE_INFERENCE);
    hone_value states = model->class->forward(model, engine->tape, &in);
    hone_tape_keep(engine->tape, states);
    HONE_TRY(hone_tape_layout(engine->tape));
    hone_tape_forward(engine->tape, engine->stream);
    engine->device->copy_to_host(embedder->hidden, hone_tape_data(engine->tape, states),
                                 (size_t)(in.R * model->hidden) * sizeof(float), engine->stream);
    return engine->device->stream_synchronize(engine->stream);
}

/* Pools sequence b of the batch into embedder->vector, the mean in f64. */
static void pool(struct hone_embedder *embedder, int64_t b) {
    const struct hone_batch *batch = &embedder->engine.batch;
    int64_t C = embedder->folder.model->hidden, begin = b, end = b + 1;
    if (embedder->pooling == HONE_POOL_MEAN) {
        begin = batch->cu_seqlens[b];
        end = batch->cu_seqlens[b + 1];
    }
    for (int64_t c = 0; c < C; c++) {
        double sum = 0;
        for (int64_t t = begin; t < end; t++) sum += (double)embedder->hidden[t * C + c];
        embedder->vector[c] = (float)(sum / (double)(end - begin));
    }
}

static enum hone_status embed_batch(struct hone_embedder *embedder, const struct hone_samples *samples) {
    const struct hone_batch *batch = &embedder->engine.batch;
    int64_t C = embedder->folder.model->hidden;
    HONE_TRY(infer(embedder));
    for (int64_t b = 0; b < batch->B; b++) {
        pool(embedder, b);
        for (int64_t c = 0; c < C; c++)
            if (!isfinite(embedder->vector[c]))
                return hone_fail(HONE_NUMERIC,
                                 "line %lld: the embedding is not finite; look for such weights with hone "
                                 "inspect --stats",
                                 (long long)samples->lines[batch->sample_of[b]]);
        HONE_TRY(hone_spill_append(embedder->vectors, embedder->vector, (size_t)C * sizeof(float)));
        embedder->n++;
    }
    return HONE_OK;
}

static enum hone_status embed(struct hone_embedder *embedder, const struct hone_samples *samples) {
    int64_t chosen[HONE_INFERENCE_SEQUENCES];
    for (int64_t at = 0; at < samples->n;) {
        int64_t n = hone_min_i64(samples->n - at, HONE_INFERENCE_SEQUENCES);
        for (int64_t i = 0; i < n; i++) chosen[i] = at + i;
        n = hone_micro_batch(samples, chosen, 0, n, hone_max_i64(HONE_INFERENCE_TOKENS, samples->longest));
        HONE_TRY(hone_batch_fill(&embedder->engine.batch, samples, chosen, n, HONE_PASS_EVALUATION));
        HONE_TRY(embed_batch(embedder, samples));
        at += n;
    }
    return HONE_OK;
}

enum hone_status hone_embedder_run(struct hone_embedder *embedder) {
    struct hone_samples samples;
    HONE_TRY(hone_samples_finish(&samples, &embedder->pending));
    enum hone_status status = embed(embedder, &samples);
    hone_samples_free(&samples);
    return status;
}

static enum hone_status read_vectors(void *bytes, int64_t begin, size_t n, void *user) {
    return hone_spill_read(user, bytes, n, begin);
}

static enum hone_status fill_vectors(void *to, int64_t offset, int64_t count, void *user) {
    return hone_spill_read(user, to, (size_t)count * sizeof(float), offset * (int64_t)sizeof(float));
}

enum hone_status hone_embedder_write_hdf5(const struct hone_embedder *embedder, const char *path) {
    struct hone_hdf5 *file;
    HONE_TRY(hone_hdf5_replace(&file, path));
    hone_hdf5_write_pieces(file, "embeddings", HONE_HDF5_F32, embedder->n, embedder->folder.model->hidden, fill_vectors,
                           embedder->vectors, "1");
    return hone_hdf5_close(file);
}

enum hone_status hone_embedder_write_safetensors(const struct hone_embedder *embedder, const char *path) {
    struct hone_tensor_source tensor = {
        .name = "embeddings", .dtype = "F32", .n_dims = 2, .shape = {embedder->n, embedder->folder.model->hidden}};
    struct hone_file *file;
    char *temporary;
    enum hone_status status = hone_file_replace(&file, &temporary, path);
    if (status == HONE_OK) status = hone_safetensors_write_large(file, &tensor, read_vectors, embedder->vectors);
    return hone_file_replace_end(file, temporary, path, status);
}
