/* The open files behind struct hone_safetensors, inside hub/. */
#ifndef HONE_HUB_SAFETENSORS_FILES_H
#define HONE_HUB_SAFETENSORS_FILES_H

#include <stdint.h>
#include <sys/stat.h>

#include "base/arith.h"
#include "hub/safetensors.h"

struct hone_file;

struct hone_shard {
    struct hone_file *file;
    struct stat identity; /* when it was opened */
    char *header;         /* holds the tensors' names */
    int64_t data_start;   /* file byte of the data area */
};

struct hone_safetensors_private {
    struct hone_shard *shards; /* [n_files] */
};

/* HONE_BAD_INPUT when another file stands under the path now, or this one has another size or time. */
enum hone_status hone_shard_check(const struct hone_shard *shard);

#endif
