/* tokenizer.json, then the text for it. */
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
    struct fuzz_piece json = fuzz_next(&bytes, &n);
    fuzz_write("tokenizer.json", json.bytes, json.n);
    fuzz_tokenizer(fuzz_next(&bytes, &n));
    return 0;
}
