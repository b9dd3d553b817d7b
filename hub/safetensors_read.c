/* Tensor data out of an open safetensors file, as bytes or as f32. The format is little endian, and so is every
 * machine that hone runs on. Checked after each read: had the file changed, the bytes would not be those that the
 * header described. */
#include <string.h>

#include "base/io.h"
#include "base/memory.h"
#include "hub/safetensors_files.h"
#include "hub/safetensors_format.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "safetensors data are copied as they are");

#define CHUNK_BYTES (1 << 20)

int64_t hone_tensor_elements(const struct hone_tensor_entry *entry) {
    return (entry->end - entry->begin) / (hone_dtype_find(entry->dtype)->bits / 8);
}

static enum hone_status read_at(struct hone_shard *shard, const struct hone_tensor_entry *entry, int64_t from,
                                void *bytes, size_t n) {
    enum hone_status status = hone_file_read_at(shard->file, bytes, n, shard->data_start + entry->begin + from);
    if (status == HONE_BAD_INPUT) HONE_TRY(hone_shard_check(shard)); /* says why the bytes are not there */
    return status;
}

enum hone_status hone_safetensors_read(struct hone_safetensors *file, const struct hone_tensor_entry *entry,
                                       void *bytes) {
    struct hone_shard *shard = &file->private->shards[entry->file];
    HONE_TRY(read_at(shard, entry, 0, bytes, (size_t)(entry->end - entry->begin)));
    return hone_shard_check(shard);
}

/* IEEE 754 binary16: 1 sign, 5 exponent, 10 fraction bits. */
static float half_to_f32(uint16_t half) {
    uint32_t sign = (uint32_t)(half & 0x8000) << 16, exponent = half >> 10 & 31, fraction = half & 0x3FF;
    uint32_t bits;
    if (exponent == 31) {
        bits = sign | 0x7F800000 | fraction << 13;
    } else if (exponent != 0) {
        bits = sign | (exponent + 112) << 23 | fraction << 13;
    } else {
        float small = (float)fraction * 0x1p-24f; /* exact, zero included */
        memcpy(&bits, &small, 4);
        bits |= sign;
    }
    float value;
    memcpy(&value, &bits, 4);
    return value;
}

#define CONVERT(type)                                                                                                  \
    for (size_t i = 0; i < n; i++) {                                                                                   \
        type element;                                                                                                  \
        memcpy(&element, (const char *)bytes + i * sizeof element, sizeof element);                                    \
        values[i] = (float)element;                                                                                    \
    }

/* n elements to the nearest f32; false when the dtype has no numbers that f32 could hold. */
static bool convert(float *values, const void *bytes, size_t n, const struct hone_dtype_row *row) {
    switch (row->kind) {
    case HONE_KIND_OPAQUE:
        return false;
    case HONE_KIND_BOOL:
        for (size_t i = 0; i < n; i++) values[i] = ((const unsigned char *)bytes)[i] != 0 ? 1.0f : 0.0f;
        return true;
    case HONE_KIND_UNSIGNED:
        switch (row->bits) {
        case 8:
            CONVERT(uint8_t);
            return true;
        case 16:
            CONVERT(uint16_t);
            return true;
        case 32:
            CONVERT(uint32_t);
            return true;
        default:
            CONVERT(uint64_t);
            return true;
        }
    case HONE_KIND_SIGNED:
        switch (row->bits) {
        case 8:
            CONVERT(int8_t);
            return true;
        case 16:
            CONVERT(int16_t);
            return true;
        case 32:
            CONVERT(int32_t);
            return true;
        default:
            CONVERT(int64_t);
            return true;
        }
    case HONE_KIND_FLOAT:
        if (row->bits == 64) {
            CONVERT(double);
        } else if (row->bits == 32) {
            if (n > 0) memcpy(values, bytes, n * sizeof *values);
        } else {
            for (size_t i = 0; i < n; i++) {
                uint16_t half;
                memcpy(&half, (const char *)bytes + i * 2, 2);
                values[i] = half_to_f32(half);
            }
        }
        return true;
    case HONE_KIND_BFLOAT:
        for (size_t i = 0; i < n; i++) {
            uint16_t top;
            memcpy(&top, (const char *)bytes + i * 2, 2);
            uint32_t bits = (uint32_t)top << 16;
            memcpy(&values[i], &bits, 4);
        }
        return true;
    }
    return false;
}

enum hone_status hone_safetensors_read_f32(struct hone_safetensors *file, const struct hone_tensor_entry *entry,
                                           float *values) {
    const struct hone_dtype_row *row = hone_dtype_find(entry->dtype);
    if (row->kind == HONE_KIND_FLOAT && row->bits == 32) return hone_safetensors_read(file, entry, values);
    if (row->kind == HONE_KIND_OPAQUE) {
        return hone_tensor_fail(file->paths[entry->file], entry->name,
                                "dtype %s can't be used as f32, expected a float, integer or BOOL; convert it first",
                                entry->dtype);
    }
    struct hone_shard *shard = &file->private->shards[entry->file];
    size_t size = (size_t)row->bits / 8, total = (size_t)(entry->end - entry->begin);
    char *chunk = hone_alloc(CHUNK_BYTES, 1, "tensor conversion");
    enum hone_status status = HONE_OK;
    for (size_t at = 0; at < total && status == HONE_OK; at += CHUNK_BYTES) {
        size_t n = total - at < CHUNK_BYTES ? total - at : CHUNK_BYTES;
        status = read_at(shard, entry, (int64_t)at, chunk, n);
        if (status == HONE_OK) convert(values + at / size, chunk, n / size, row);
    }
    hone_free(chunk);
    return status == HONE_OK ? hone_shard_check(shard) : status;
}
