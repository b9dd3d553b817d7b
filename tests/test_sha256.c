/* SHA-256 against the examples of FIPS 180-4 (NIST's "SHA256" example file and the long message of one million "a"),
 * fed in pieces of every size around a block. */
#include <string.h>

#include "base/io.h"
#include "base/memory.h"
#include "base/sha256.h"
#include "tests/support.h"

static void expect(const char *want, const char *bytes, size_t n, size_t piece) {
    struct hone_sha256 hash;
    char text[HONE_SHA256_TEXT];
    hone_sha256_begin(&hash);
    for (size_t at = 0; at < n; at += piece) hone_sha256_add(&hash, bytes + at, n - at < piece ? n - at : piece);
    hone_sha256_end(text, &hash);
    assert_string_equal(text, want);
}

static const char two_blocks[] = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
static const char long_block[] =
    "abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqr"
    "lmnopqrsmnopqrstnopqrstu";

static void examples(void **state) {
    (void)state;
    for (size_t piece = 1; piece <= 130; piece++) {
        expect("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", "", 0, piece);
        expect("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", "abc", 3, piece);
        expect("248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1", two_blocks, 56, piece);
        expect("cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1", long_block, 112, piece);
    }
    char *million = hone_alloc(1000000, 1, "test");
    memset(million, 'a', 1000000);
    expect("cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0", million, 1000000, 1000000);
    expect("cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0", million, 1000000, 1021);

    char *path = hone_path_join(test_scratch(), "million"), text[HONE_SHA256_TEXT];
    TEST_OK(hone_write_file(path, million, 1000000));
    TEST_OK(hone_sha256_file(text, path));
    assert_string_equal(text, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
    hone_free(path);
    hone_free(million);
    test_expect_status(hone_sha256_file(text, "/nowhere/at/all"), HONE_BAD_INPUT, "/nowhere/at/all");
}

/* Lengths at which the padding begins a new block; the sums are coreutils' sha256sum of as many zero bytes. */
static void padding(void **state) {
    (void)state;
    static const struct {
        size_t n;
        const char *sum;
    } rows[] = {{1, "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"},
                {54, "ea659cdc838619b3767c057fdf8e6d99fde2680c5d8517eb06761c0878d40c40"},
                {55, "02779466cdec163811d078815c633f21901413081449002f24aa3e80f0b88ef7"},
                {56, "d4817aa5497628e7c77e6b606107042bbba3130888c5f47a375e6179be789fbb"},
                {57, "65a16cb7861335d5ace3c60718b5052e44660726da4cd13bb745381b235a1785"},
                {63, "c7723fa1e0127975e49e62e753db53924c1bd84b8ac1ac08df78d09270f3d971"},
                {64, "f5a5fd42d16a20302798ef6ed309979b43003d2320d9f0e8ea9831a92759fb4b"},
                {65, "98ce42deef51d40269d542f5314bef2c7468d401ad5d85168bfab4c0108f75f7"},
                {119, "f616b0d54e78571a9611f343c9f8e022e859e920381ab0e4d3da01e193a7bd7e"},
                {120, "6edd9f6f9cc92cded36e6c4a580933f9c9f1b90562b46903b806f21902a1a54f"},
                {127, "15dae5979058bfbf4f9166029b6e340ea3ca374fef578a11dc9e6e923860d7ae"},
                {128, "38723a2e5e8a17aa7950dc008209944e898f69a7bd10a23c839d341e935fd5ca"}};
    static const char zeros[128];
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) expect(rows[i].sum, zeros, rows[i].n, 128);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(examples), cmocka_unit_test(padding)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
