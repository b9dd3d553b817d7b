/* The writer: byte for byte what `save_file(tensors, path, metadata={"format": "pt"})` of safetensors 0.8.0 makes. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/arith.h"
#include "base/io.h"
#include "base/memory.h"
#include "hub/safetensors_format.h"

#define PIECE_BYTES ((size_t)1 << 20) /* of a large tensor */

/* Later dtypes of the format's list first, then names in byte order. */
static int compare_sources(const void *a, const void *b) {
    const struct hone_tensor_source *x = a, *y = b;
    const struct hone_dtype_row *row_x = hone_dtype_find(x->dtype), *row_y = hone_dtype_find(y->dtype);
    if (row_x != row_y) return row_x > row_y ? -1 : 1;
    return strcmp(x->name, y->name);
}

/* A JSON string with the escapes of serde_json: short forms where there are any, other control bytes as \u00xx. */
static void append_string(struct hone_text *text, const char *string) {
    static const char plain[] = "\"\\\b\f\n\r\t", letter[] = "\"\\bfnrt";
    hone_text_append(text, "\"", 1);
    for (const char *c = string; *c; c++) {
        const char *known = strchr(plain, *c);
        if (known) {
            char escape[2] = {'\\', letter[known - plain]};
            hone_text_append(text, escape, 2);
        } else if ((unsigned char)*c < 0x20) {
            hone_text_format(text, "\\u%04x", (unsigned)*c);
        } else {
            hone_text_append(text, c, 1);
        }
    }
    hone_text_append(text, "\"", 1);
}

static int64_t source_bytes(const struct hone_tensor_source *source) {
    const struct hone_dtype_row *row = hone_dtype_find(source->dtype);
    HONE_CHECK(row && row->bits % 8 == 0, "tensor %s has dtype %s", source->name, source->dtype);
    HONE_CHECK(source->n_dims >= 0 && source->n_dims <= HONE_SAFETENSORS_MAX_DIMS, "tensor %s has %d dimensions",
               source->name, source->n_dims);
    int64_t bytes = row->bits / 8;
    for (int i = 0; i < source->n_dims; i++) {
        HONE_CHECK(source->shape[i] >= 0 && hone_mul_i64(&bytes, bytes, source->shape[i]),
                   "tensor %s: size %lld of dimension %d", source->name, (long long)source->shape[i], i);
    }
    return bytes;
}

/* Header text for sorted tensors; *largest gets the bytes of the biggest one. */
static void build_header(struct hone_text *text, int64_t *largest, const struct hone_tensor_source *tensors, size_t n) {
    hone_text_format(text, "{\"__metadata__\":{\"format\":\"pt\"}");
    int64_t offset = 0;
    *largest = 0;
    for (size_t i = 0; i < n; i++) {
        const struct hone_tensor_source *source = &tensors[i];
        HONE_CHECK(i == 0 || compare_sources(&tensors[i - 1], source) < 0, "tensor %s comes twice", source->name);
        int64_t bytes = source_bytes(source);
        hone_text_append(text, ",", 1);
        append_string(text, source->name);
        hone_text_format(text, ":{\"dtype\":\"%s\",\"shape\":[", source->dtype);
        for (int d = 0; d < source->n_dims; d++) {
            hone_text_format(text, "%s%lld", d > 0 ? "," : "", (long long)source->shape[d]);
        }
        int64_t end;
        HONE_CHECK(hone_add_i64(&end, offset, bytes), "tensors of more than 2^63 bytes");
        hone_text_format(text, "],\"data_offsets\":[%lld,%lld]}", (long long)offset, (long long)end);
        offset = end;
        *largest = hone_max_i64(*largest, bytes);
    }
    hone_text_append(text, "}", 1);
    while (text->length % 8 != 0) hone_text_append(text, " ", 1);
    HONE_CHECK(text->length <= HONE_SAFETENSORS_HEADER_LIMIT, "a header of %zu bytes", text->length);
}

static enum hone_status write_header(struct hone_file *file, const struct hone_text *header) {
    unsigned char length[8];
    for (int i = 0; i < 8; i++) length[i] = (unsigned char)((uint64_t)header->length >> 8 * i);
    HONE_TRY(hone_file_write(file, length, sizeof length));
    return hone_file_write(file, header->bytes, header->length);
}

enum hone_status
hone_safetensors_write_large(struct hone_file *file, struct hone_tensor_source *tensor,
                             enum hone_status (*read)(void *bytes, int64_t begin, size_t n, void *user), void *user) {
    struct hone_text header = {0};
    int64_t total;
    build_header(&header, &total, tensor, 1);
    void *bytes = hone_alloc(PIECE_BYTES, 1, "piece of a tensor");
    enum hone_status status = write_header(file, &header);
    for (int64_t at = 0; at < total && status == HONE_OK;) {
        size_t n = (size_t)hone_min_i64(total - at, PIECE_BYTES);
        status = read(bytes, at, n, user);
        if (status == HONE_OK) status = hone_file_write(file, bytes, n);
        at += (int64_t)n;
    }
    hone_free(bytes);
    hone_text_free(&header);
    return status;
}

enum hone_status hone_safetensors_write(const char *path, struct hone_tensor_source *tensors, size_t n,
                                        enum hone_status (*values)(void *bytes, int32_t id, void *user), void *user) {
    for (size_t i = 0; i < n; i++) source_bytes(&tensors[i]); /* before sorting, which needs known dtypes */
    if (n > 0) qsort(tensors, n, sizeof *tensors, compare_sources);
    struct hone_text header = {0};
    int64_t largest;
    build_header(&header, &largest, tensors, n);
    void *bytes = NULL;
    struct hone_file *file = NULL;
    enum hone_status status;
    HONE_TRY_GOTO(hone_file_create(&file, path, false));
    hone_temporary_register(path);
    HONE_TRY_GOTO(write_header(file, &header));
    bytes = hone_alloc((size_t)largest, 1, "tensor to be written");
    for (size_t i = 0; i < n; i++) {
        HONE_TRY_GOTO(values(bytes, tensors[i].id, user));
        HONE_TRY_GOTO(hone_file_write(file, bytes, (size_t)source_bytes(&tensors[i])));
    }
    HONE_TRY_GOTO(hone_file_sync(file));
done:
    hone_free(bytes);
    hone_text_free(&header);
    if (file) {
        enum hone_status closed = hone_file_close(file);
        if (status == HONE_OK) status = closed;
        if (status != HONE_OK) unlink(path);
        hone_temporary_forget(path);
    }
    return status;
}
