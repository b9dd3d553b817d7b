/* vocab.json, merges.txt, special_tokens_map.json, then the text.
 * Parser: data/tokenizer_merges.c */
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
    static const char *const names[] = {"vocab.json", "merges.txt", "special_tokens_map.json"};
    for (size_t i = 0; i < 3; i++) {
        struct fuzz_piece file = fuzz_next(&bytes, &n);
        fuzz_write(names[i], file.bytes, file.n);
    }
    fuzz_tokenizer(fuzz_next(&bytes, &n));
    return 0;
}
