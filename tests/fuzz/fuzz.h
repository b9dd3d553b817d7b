/* What fuzz targets share. Each tests/fuzz/<name>.c defines LLVMFuzzerTestOneInput, which reads any bytes without a
 * fault: built with -DHONE_FUZZ=ON libFuzzer makes up the bytes (tools/fuzz), else replay.c takes them from the files
 * kept in tests/fuzz/<name>/, one ctest a target. Both run in the root of the checkout. The comment on top of each ends in
 * "Parser:" and the files that it is for: tools/coverage --fuzz says how much of them the kept inputs reach. */
#ifndef HONE_TESTS_FUZZ_FUZZ_H
#define HONE_TESTS_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>

#include "data/tokenizer.h"

/* libFuzzer's entry (LLVM, "libFuzzer – a library for coverage-guided fuzz testing"). Always 0. */
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

/* A piece of an input. Pieces stand between NUL bytes, so that one input can be several files. */
struct fuzz_piece {
    const char *bytes;
    size_t n;
};
/* Takes the next piece off the input; empty when nothing is left. */
struct fuzz_piece fuzz_next(const uint8_t **bytes, size_t *n);
/* A first byte that chooses, 0 … among - 1; 0 for an empty input. */
size_t fuzz_choice(const uint8_t **bytes, size_t *n, size_t among);

/* Path of the file `name` in this process's scratch folder with these bytes; borrowed until the next call. */
const char *fuzz_write(const char *name, const void *bytes, size_t n);
/* The scratch folder itself. */
const char *fuzz_folder(void);

/* Opens the tokenizer of the scratch folder; if it is one, encodes and decodes the valid UTF-8 at the beginning of
 * `text` in several ways and checks what must always hold. */
void fuzz_tokenizer(struct fuzz_piece text);
void fuzz_encode(const struct hone_tokenizer *tokenizer, struct fuzz_piece text);

#endif
