/* What the reader and the writer of safetensors share, inside hub/: the list of dtypes and the header's parser. */
#ifndef HONE_HUB_SAFETENSORS_FORMAT_H
#define HONE_HUB_SAFETENSORS_FORMAT_H

#include <stddef.h>
#include <stdint.h>

#include "hub/safetensors.h"

/* How an element becomes an f32; HONE_KIND_OPAQUE ones can only be read as bytes. */
enum hone_dtype_kind {
    HONE_KIND_OPAQUE,
    HONE_KIND_BOOL,
    HONE_KIND_UNSIGNED,
    HONE_KIND_SIGNED,
    HONE_KIND_FLOAT,
    HONE_KIND_BFLOAT
};

/* The format's list in its own order, "increasing alignment" (enum Dtype in tensor.rs of safetensors 0.8.0): the
 * writer puts the later ones first. */
struct hone_dtype_row {
    const char *name;
    int bits;
    enum hone_dtype_kind kind;
};

/* NULL when the format has no such word. A row's place in the list is its rank. */
const struct hone_dtype_row *hone_dtype_find(const char *name);

/* Parses and checks the header of one file, appending to entries[*n] (grown as needed). `header` holds n_header bytes
 * with room for one more; names are unescaped in it, so it must outlive the entries. data_bytes is the size of the data
 * area; `file` is stored in each entry. */
enum hone_status hone_safetensors_parse(struct hone_tensor_entry **entries, size_t *n, size_t *capacity, char *header,
                                        size_t n_header, int64_t data_bytes, int32_t file, const char *path);

/* HONE_BAD_INPUT: path: tensor "name" (escaped): the formatted text. */
enum hone_status hone_tensor_fail(const char *path, const char *name, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
