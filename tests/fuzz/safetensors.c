/* A safetensors file; every tensor that its header promises is read.
 * Parser: hub/safetensors_open.c hub/safetensors_header.c hub/safetensors_read.c hub/json_scan.c */
#include "hub/safetensors.h"
#include "base/memory.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
    struct hone_safetensors file;
    if (hone_safetensors_open(&file, fuzz_write("model.safetensors", bytes, n)) != HONE_OK) {
        HONE_CHECK(*hone_error_message(), "refused without a word");
        return 0;
    }
    HONE_CHECK(file.total_bytes >= 0 && (uint64_t)file.total_bytes <= n, "more data than the file has");
    for (size_t i = 0; i < file.n; i++) {
        const struct hone_tensor_entry *entry = &file.tensors[i];
        HONE_CHECK(hone_safetensors_find(&file, entry->name), "a tensor isn't found by its name");
        float *values = hone_alloc((size_t)hone_tensor_elements(entry), sizeof *values, "fuzz");
        void *raw = hone_alloc((size_t)(entry->end - entry->begin), 1, "fuzz");
        hone_safetensors_read_f32(&file, entry, values);
        HONE_CHECK(hone_safetensors_read(&file, entry, raw) == HONE_OK, "%s", hone_error_message());
        hone_free(values);
        hone_free(raw);
    }
    hone_safetensors_close(&file);
    return 0;
}
