/* safetensors files: a strict reader that enforces every rule of the format and never maps or trusts more than it
 * checked, and a writer. Format: huggingface/safetensors README and tensor.rs (0.8.0). */
#ifndef HONE_HUB_SAFETENSORS_H
#define HONE_HUB_SAFETENSORS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

#define HONE_SAFETENSORS_HEADER_LIMIT 100000000
#define HONE_SAFETENSORS_MAX_DIMS     8

struct hone_tensor_entry {
    char *name;
    const char *dtype; /* the file's own word, from the format's list: "F32", "BF16", … */
    int n_dims;
    int64_t shape[HONE_SAFETENSORS_MAX_DIMS];
    int64_t begin, end; /* bytes from the start of the data area */
    int32_t file;       /* which shard */
};

/* One model.safetensors, or the shards that model.safetensors.index.json of a folder names. */
struct hone_safetensors {
    char **paths;
    int32_t n_files;
    size_t n;
    struct hone_tensor_entry *tensors; /* sorted by name */
    int64_t total_bytes;               /* of tensor data */
    struct hone_safetensors_private *private;
};

/* `path` is a file, or a folder holding model.safetensors or an index. Faults are HONE_BAD_INPUT with file, byte and
 * tensor. Pickled weights (pytorch_model.bin) are never read: the message says to convert. */
enum hone_status hone_safetensors_open(struct hone_safetensors *out, const char *path);
void hone_safetensors_close(struct hone_safetensors *file);
/* NULL when there is none. */
const struct hone_tensor_entry *hone_safetensors_find(const struct hone_safetensors *file, const char *name);
int64_t hone_tensor_elements(const struct hone_tensor_entry *entry);
/* Values as f32 (F64, F32, F16, BF16, integers and BOOL are converted, other dtypes are HONE_BAD_INPUT) into
 * [elements]; the file is checked to be the one that was opened (inode, size, time). */
enum hone_status hone_safetensors_read_f32(struct hone_safetensors *file, const struct hone_tensor_entry *entry,
                                           float *values);
/* Raw bytes, end - begin of them. */
enum hone_status hone_safetensors_read(struct hone_safetensors *file, const struct hone_tensor_entry *entry,
                                       void *bytes);

/* Writes the new file `path` and syncs it: tensors in the reference writer's order (dtype alignment descending, then
 * name; `tensors` gets sorted so), metadata {"format":"pt"}. `values` is called once for each tensor in file order and
 * fills `bytes` with its data (little endian). Nothing stays on failure; a file that exists is HONE_DISK. */
struct hone_tensor_source {
    const char *name;
    const char *dtype; /* one of the format's words: "F32", "BF16" */
    int n_dims;
    int64_t shape[HONE_SAFETENSORS_MAX_DIMS];
    int32_t id; /* for the callback */
};
enum hone_status hone_safetensors_write(const char *path, struct hone_tensor_source *tensors, size_t n,
                                        enum hone_status (*values)(void *bytes, int32_t id, void *user), void *user);
/* Writes a file of this one tensor, of any size, into an open file: `read` is called for its bytes from `begin` on,
 * piece by piece. */
struct hone_file;
enum hone_status
hone_safetensors_write_large(struct hone_file *file, struct hone_tensor_source *tensor,
                             enum hone_status (*read)(void *bytes, int64_t begin, size_t n, void *user), void *user);

#endif
