/* tokenizer.json, then the text for it.
 * Parser: data/tokenizer_json.c data/tokenizer_open.c data/model_read.c data/added_tokens.c data/normalizer_read.c
 *   data/pre_tokenizer_read.c data/post_processor_read.c data/decoder_read.c data/part.c */
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
    struct fuzz_piece json = fuzz_next(&bytes, &n);
    fuzz_write("tokenizer.json", json.bytes, json.n);
    fuzz_tokenizer(fuzz_next(&bytes, &n));
    return 0;
}
