/* A text for one of the tokenizers of tests/fixtures/tokenizer/parts.json, which the first byte chooses.
 * Parser: data/pattern_match.c data/normalizer.c data/pre_tokenizer.c data/wordpiece.c data/unigram.c
 *   data/decoder.c */
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/memory.h"
#include "tests/fuzz/fuzz.h"

static struct {
    struct hone_tokenizer *at[256];
    size_t n;
} tokenizers;

static void close_all(void) {
    for (size_t i = 0; i < tokenizers.n; i++) hone_tokenizer_free(tokenizers.at[i]);
}

static void open_all(void) {
    json_t *root, *row;
    size_t i;
    enum hone_status status = hone_json_read(&root, "tests/fixtures/tokenizer/parts.json", HONE_JSON_CONFIG_LIMIT);
    HONE_CHECK(status == HONE_OK, "%s", hone_error_message());
    json_array_foreach(json_object_get(root, "rows"), i, row) {
        char *text = hone_json_line(json_object_get(row, "tokenizer"));
        fuzz_write("tokenizer.json", text, strlen(text));
        hone_free(text);
        HONE_CHECK(i < 256, "more tokenizers than a byte can choose");
        status = hone_tokenizer_open(&tokenizers.at[tokenizers.n++], fuzz_folder());
        HONE_CHECK(status == HONE_OK, "%s", hone_error_message());
    }
    json_decref(root);
    atexit(close_all);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
    if (!tokenizers.n) open_all();
    size_t choice = fuzz_choice(&bytes, &n, tokenizers.n);
    fuzz_encode(tokenizers.at[choice], (struct fuzz_piece){(const char *)bytes, n});
    return 0;
}
