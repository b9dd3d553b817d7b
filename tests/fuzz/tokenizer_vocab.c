/* vocab.txt, its tokenizer_config.json, then the text.
 * Parser: data/tokenizer_vocab.c */
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
    struct fuzz_piece vocab = fuzz_next(&bytes, &n), config = fuzz_next(&bytes, &n);
    fuzz_write("vocab.txt", vocab.bytes, vocab.n);
    fuzz_write("tokenizer_config.json", config.bytes, config.n);
    fuzz_tokenizer(fuzz_next(&bytes, &n));
    return 0;
}
