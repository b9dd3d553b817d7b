/* The temporary file without a name: what is appended comes back from any offset, and a full disk is told. */
#include <stdlib.h>
#include <string.h>

#include "base/fault.h"
#include "base/io.h"
#include "base/memory.h"
#include "base/spill.h"
#include "tests/support.h"

static unsigned char byte_at(int64_t i) { return (unsigned char)(i * 2654435761u >> 13); }

static void comes_back_from(size_t memory) {
    static const size_t pieces[] = {0, 1, 7, 4096, 999983, (size_t)1 << 20, ((size_t)1 << 20) + 1, 3000000, 5};
    struct hone_spill *spill = hone_spill_create(memory);
    unsigned char *bytes = hone_alloc(4000000, 1, "test");
    int64_t size = 0;
    for (size_t p = 0; p < sizeof pieces / sizeof *pieces; p++) {
        for (size_t i = 0; i < pieces[p]; i++) bytes[i] = byte_at(size + (int64_t)i);
        TEST_OK(hone_spill_append(spill, bytes, pieces[p]));
        size += (int64_t)pieces[p];
        assert_int_equal(hone_spill_size(spill), size);
        /* Over the border of what is written, and all kinds of ends. */
        static const int64_t back[] = {0, 1, 100, 70000, 2000000};
        for (size_t b = 0; b < 5; b++) {
            if (back[b] > size) continue;
            memset(bytes, 0, (size_t)back[b]);
            TEST_OK(hone_spill_read(spill, bytes, (size_t)back[b], size - back[b]));
            for (int64_t i = 0; i < back[b]; i++) assert_true(bytes[i] == byte_at(size - back[b] + i));
        }
    }
    const void *shown;
    struct hone_mapping *mapping;
    TEST_OK(hone_spill_show(&shown, &mapping, spill));
    assert_true((mapping != NULL) == ((int64_t)memory < size));
    for (int64_t i = 0; i < size; i++) assert_true(((const unsigned char *)shown)[i] == byte_at(i));
    hone_free(bytes);
    hone_spill_free(spill);
}

static void comes_back(void **state) {
    (void)state;
    static const size_t memories[] = {0, 1, 5000, (size_t)3 << 20, (size_t)1 << 30};
    for (size_t m = 0; m < sizeof memories / sizeof *memories; m++) comes_back_from(memories[m]);
    struct hone_spill *empty = hone_spill_create(0);
    const void *shown;
    struct hone_mapping *mapping;
    TEST_OK(hone_spill_show(&shown, &mapping, empty));
    assert_null(mapping);
    hone_spill_free(empty);
    hone_spill_free(NULL);
}

static void faults(void **state) {
    (void)state;
    struct hone_spill *spill = hone_spill_create(50);
    char *bytes = hone_calloc(2 << 20, 1, "test");
    const char *folder = test_scratch();
    setenv("TMPDIR", "/no/such/folder", 1);
    TEST_OK(hone_spill_append(spill, bytes, 50));
    test_expect_status(hone_spill_append(spill, bytes, 1), HONE_DISK, "/no/such/folder: making a temporary file in it");
    hone_spill_free(spill);
    setenv("TMPDIR", folder, 1);
    spill = hone_spill_create(50);
    TEST_OK(hone_spill_append(spill, bytes, 100));
    char **names;
    size_t n;
    TEST_OK(hone_list_folder(&names, &n, folder));
    assert_int_equal(n, 0); /* it has no name that could stay behind */
    hone_names_free(names, n);
    hone_fault_plan("write:1");
    test_expect_status(hone_spill_append(spill, bytes, 2 << 20), HONE_DISK, "set TMPDIR to a folder with room");
    hone_fault_plan(NULL);
    hone_spill_free(spill);
    spill = hone_spill_create(50);
    TEST_OK(hone_spill_append(spill, bytes, 2 << 20));
    hone_fault_plan("read:1");
    test_expect_status(hone_spill_read(spill, bytes, 10, 5), HONE_DISK,
                       "reading 10 bytes at byte 5 of a temporary file");
    const void *shown;
    struct hone_mapping *mapping;
    hone_fault_plan("map:1");
    test_expect_status(hone_spill_show(&shown, &mapping, spill), HONE_DISK, "mapping");
    struct hone_spill *other = hone_spill_create(0);
    hone_fault_plan("open:1");
    test_expect_status(hone_spill_append(other, bytes, 1), HONE_DISK, folder);
    hone_fault_plan(NULL);
    hone_spill_free(other);
    hone_spill_free(spill);
    hone_free(bytes);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(comes_back), cmocka_unit_test(faults)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
