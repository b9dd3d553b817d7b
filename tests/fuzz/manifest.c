/* manifest.json of a checkpoint whose files are state.h5, "state", and model.safetensors, "model".
 * Parser: recipes/checkpoint.c */
#include "recipes/checkpoint_files.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
    static bool written;
    if (!written) {
        fuzz_write("state.h5", "state", 5);
        fuzz_write("model.safetensors", "model", 5);
        written = true;
    }
    json_t *manifest;
    fuzz_write("manifest.json", bytes, n);
    enum hone_status status = hone_checkpoint_verify(&manifest, fuzz_folder());
    HONE_CHECK((status == HONE_OK) == (manifest != NULL), "a manifest with status %d", (int)status);
    HONE_CHECK(status == HONE_OK || *hone_error_message(), "refused without a word");
    json_decref(manifest);
    return 0;
}
