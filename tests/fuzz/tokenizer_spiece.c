/* The class that tokenizer_config.json names, a text, then spiece.model.
 * Parser: data/tokenizer_spiece.c */
#include <string.h>

#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
    static const char *const configs[] = {"{\"tokenizer_class\":\"AlbertTokenizer\"}",
                                          "{\"tokenizer_class\":\"XLNetTokenizer\"}",
                                          "{\"tokenizer_class\":\"T5Tokenizer\"}"};
    const char *config = configs[fuzz_choice(&bytes, &n, 3)];
    fuzz_write("tokenizer_config.json", config, strlen(config));
    struct fuzz_piece text = fuzz_next(&bytes, &n);
    fuzz_write("spiece.model", bytes, n);
    fuzz_tokenizer(text);
    return 0;
}
