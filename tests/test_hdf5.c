/* HDF5 files of our own: what was written is read, the same contents are the same bytes, damage and failing disks are
 * told, nothing half-written stays. */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fault.h"
#include "base/hdf5.h"
#include "base/io.h"
#include "base/memory.h"
#include "tests/support.h"
#include "tests/tiny.h"

enum { LONG = (1 << 18) + 77 }; /* more than a chunk */

static float values[LONG];

static enum hone_status write_all(const char *path) {
    static const int64_t counts[3] = {-1, 0, INT64_MAX};
    static const char *const names[3] = {"a", "", "zweiter Name: ü"};
    struct hone_hdf5 *file;
    for (int i = 0; i < LONG; i++) values[i] = (float)i * 0.5f - 3;
    HONE_TRY(hone_hdf5_create(&file, path));
    hone_hdf5_set_integer(file, "step", INT64_MIN);
    hone_hdf5_set_real(file, "loss", 0.1);
    hone_hdf5_set_text(file, "empty", "");
    hone_hdf5_set_text(file, "text", "größer");
    hone_hdf5_write(file, "deep/er/values", HONE_HDF5_F32, LONG, values, "1");
    hone_hdf5_write(file, "deep/er/one", HONE_HDF5_F32, 1, values, "1");
    hone_hdf5_write(file, "deep/none", HONE_HDF5_F32, 0, values, "1");
    hone_hdf5_write(file, "counts", HONE_HDF5_I64, 3, counts, "element");
    hone_hdf5_write_texts(file, "names", 3, names);
    return hone_hdf5_close(file);
}

static void what_is_written_is_read(void **state) {
    (void)state;
    const char *path = tiny_path(test_scratch(), "a.h5");
    static float back[LONG];
    int64_t counts[3], step;
    double loss;
    char *text, *empty;
    struct hone_hdf5 *file;
    TEST_OK(write_all(path));
    TEST_OK(hone_hdf5_open(&file, path));
    TEST_OK(hone_hdf5_read(file, "deep/er/values", HONE_HDF5_F32, LONG, back));
    test_same_bits("values", back, values, sizeof values);
    TEST_OK(hone_hdf5_read(file, "deep/none", HONE_HDF5_F32, 0, back));
    TEST_OK(hone_hdf5_read(file, "counts", HONE_HDF5_I64, 3, counts));
    assert_true(counts[0] == -1 && counts[1] == 0 && counts[2] == INT64_MAX);
    TEST_OK(hone_hdf5_get_integer(file, "step", &step));
    TEST_OK(hone_hdf5_get_real(file, "loss", &loss));
    TEST_OK(hone_hdf5_get_text(file, "text", &text));
    TEST_OK(hone_hdf5_get_text(file, "empty", &empty));
    assert_true(step == INT64_MIN && loss == 0.1);
    assert_string_equal(text, "größer");
    assert_string_equal(empty, "");
    hone_free(text);
    hone_free(empty);
    TEST_OK(hone_hdf5_close(file));
    test_expect_status(write_all(path), HONE_DISK, "exists already");
}

static void what_is_not_there_is_told(void **state) {
    (void)state;
    const char *path = tiny_path(test_scratch(), "a.h5");
    struct hone_hdf5 *file;
    float one;
    int64_t number;
    TEST_OK(write_all(path));
    static const struct {
        const char *name;
        enum hone_hdf5_type type;
        int64_t n;
        const char *message;
    } rows[] = {
        {"deep/nowhere", HONE_HDF5_F32, 1, "reading \"deep/nowhere\" failed: "},
        {"deep/er/one", HONE_HDF5_F32, 2, "dataset \"deep/er/one\" has another type, length or layout, expected 2"},
        {"deep/er/one", HONE_HDF5_I64, 1, "dataset \"deep/er/one\" has another type, length or layout"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        TEST_OK(hone_hdf5_open(&file, path));
        test_expect_status(hone_hdf5_read(file, rows[i].name, rows[i].type, rows[i].n, &one), HONE_BAD_INPUT,
                           rows[i].message);
        hone_hdf5_close(file);
    }
    TEST_OK(hone_hdf5_open(&file, path));
    test_expect_status(hone_hdf5_get_integer(file, "loss", &number), HONE_BAD_INPUT, "reading attribute \"loss\"");
    hone_hdf5_close(file);
    test_expect_status(hone_hdf5_open(&file, tiny_path(test_scratch(), "none.h5")), HONE_BAD_INPUT, "no such file");
}

static void same_contents_same_bytes(void **state) {
    (void)state;
    const char *folder = test_scratch();
    char *a, *b;
    size_t n, m;
    TEST_OK(write_all(tiny_path(folder, "a.h5")));
    sleep(1); /* object times have seconds */
    TEST_OK(write_all(tiny_path(folder, "b.h5")));
    TEST_OK(hone_read_file(&a, &n, tiny_path(folder, "a.h5"), 1 << 24));
    TEST_OK(hone_read_file(&b, &m, tiny_path(folder, "b.h5"), 1 << 24));
    assert_int_equal(n, m);
    test_same_bits("files", a, b, n);
    hone_free(a);
    hone_free(b);
}

/* A changed byte of the data is found by its checksum. */
static void damage_is_found(void **state) {
    (void)state;
    const char *folder = test_scratch();
    static float back[LONG];
    char *bytes;
    size_t n;
    TEST_OK(write_all(tiny_path(folder, "a.h5")));
    TEST_OK(hone_read_file(&bytes, &n, tiny_path(folder, "a.h5"), 1 << 24));
    bytes[n / 2] ^= 1;
    TEST_OK(hone_write_file(tiny_path(folder, "b.h5"), bytes, n));
    struct hone_hdf5 *file;
    TEST_OK(hone_hdf5_open(&file, tiny_path(folder, "b.h5")));
    test_expect_status(hone_hdf5_read(file, "deep/er/values", HONE_HDF5_F32, LONG, back), HONE_BAD_INPUT,
                       "reading \"deep/er/values\" failed: ");
    hone_hdf5_close(file);
    hone_free(bytes);
}

static void every_call_may_fail(void **state) {
    (void)state;
    static const char *const sites[] = {"open", "write", "fsync", "close"};
    for (size_t s = 0; s < sizeof sites / sizeof *sites; s++) {
        int refused = 0;
        for (long n = 1;; n++) {
            const char *path = tiny_path(test_scratch(), "a.h5");
            char *plan = hone_format("%s:%ld%s", sites[s], n, n % 2 ? "" : "+");
            hone_fault_plan(plan);
            enum hone_status status = write_all(path);
            bool fired = hone_fault_fired();
            hone_fault_plan(NULL);
            if (!fired) {
                TEST_OK(status);
                hone_free(plan);
                break;
            }
            if (status != HONE_DISK || hone_file_exists(path)) fail_msg("%s: status %d", plan, (int)status);
            refused++;
            hone_free(plan);
        }
        assert_true(refused > 0);
    }
}

/* Nothing as large as a chunk can be had any more; what is small still can. */
static void take_large_memory(void) {
    struct rlimit none = {1, 1};
    malloc_trim(0);
    setrlimit(RLIMIT_AS, &none);
    while (malloc(1 << 18)) continue; // cppcheck-suppress leakNoVarFunctionCall
}

/* Reading or writing a chunk without memory for it is neither the disk's fault nor the file's. */
static void memory_is_told_from_the_disk(void **state) {
    (void)state;
    if (TEST_SANITIZED) skip();
    const char *path = tiny_path(test_scratch(), "a.h5");
    static float back[LONG];
    TEST_OK(write_all(path));
    for (int writing = 0; writing < 2; writing++) {
        int ended;
        fflush(NULL);
        pid_t child = fork();
        if (child == 0) {
            struct hone_hdf5 *file = NULL;
            enum hone_status status =
                writing ? hone_hdf5_create(&file, tiny_path(test_scratch(), "b.h5")) : hone_hdf5_open(&file, path);
            if (status != HONE_OK) _exit(HONE_INTERNAL);
            take_large_memory();
            if (writing)
                hone_hdf5_write(file, "values", HONE_HDF5_F32, LONG, values, "1");
            else
                status = hone_hdf5_read(file, "deep/er/values", HONE_HDF5_F32, LONG, back);
            enum hone_status closed = hone_hdf5_close(file);
            _exit((int)(writing ? closed : status));
        }
        assert_int_equal(waitpid(child, &ended, 0), child);
        if (!WIFEXITED(ended) || WEXITSTATUS(ended) != HONE_OUT_OF_MEMORY)
            fail_msg("%s: ended with %x", writing ? "writing" : "reading", (unsigned)ended);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read),  cmocka_unit_test(what_is_not_there_is_told),
        cmocka_unit_test(same_contents_same_bytes), cmocka_unit_test(damage_is_found),
        cmocka_unit_test(every_call_may_fail),      cmocka_unit_test(memory_is_told_from_the_disk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
