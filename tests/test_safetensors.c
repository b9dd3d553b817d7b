/* Safetensors that are right: values of each dtype, files of the reference writer, our own writer byte for byte beside
 * it, shards with their index, and disks that fail. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fault.h"
#include "base/io.h"
#include "base/memory.h"
#include "hub/safetensors.h"
#include "tests/support.h"

#define REFERENCE "tests/fixtures/safetensors/written.safetensors"

static char *scratch_path(const char *name) {
    static const char *folder;
    if (!folder) folder = test_scratch();
    return hone_path_join(folder, name);
}

/* A file of one tensor with these bytes. */
static char *one_tensor(const char *name, const char *dtype, int64_t elements, const void *bytes, size_t n) {
    char header[200];
    int length = snprintf(header, sizeof header, "{\"x\":{\"dtype\":\"%s\",\"shape\":[%lld],\"data_offsets\":[0,%zu]}}",
                          dtype, (long long)elements, n);
    struct hone_text text = {0};
    char head[8] = {(char)length};
    hone_text_append(&text, head, 8);
    hone_text_append(&text, header, (size_t)length);
    hone_text_append(&text, bytes, n);
    char *path = scratch_path(name);
    TEST_OK(hone_write_file(path, text.bytes, text.length));
    hone_text_free(&text);
    return path;
}

static void read_one(float *values, const char *dtype, int64_t elements, const void *bytes, size_t n) {
    char *path = one_tensor("one.safetensors", dtype, elements, bytes, n);
    struct hone_safetensors file;
    TEST_OK(hone_safetensors_open(&file, path));
    assert_int_equal(file.n, 1);
    assert_int_equal(hone_tensor_elements(&file.tensors[0]), elements);
    TEST_OK(hone_safetensors_read_f32(&file, &file.tensors[0], values));
    hone_safetensors_close(&file);
    hone_free(path);
}

#define READ(values, dtype, array) read_one(values, dtype, sizeof(array) / sizeof *(array), array, sizeof(array))

static void conversions(void **state) {
    (void)state;
    float got[8];
    const double f64[] = {1.0 / 3, -1e300, 1e-300, -0.0, INFINITY};
    READ(got, "F64", f64);
    const float want64[] = {1.0f / 3, -INFINITY, 0.0f, -0.0f, INFINITY};
    test_same_bits("F64", got, want64, sizeof want64);
    const float f32[] = {1.5f, -0.0f, INFINITY, 1e-45f};
    READ(got, "F32", f32);
    test_same_bits("F32", got, f32, sizeof f32);
    const int64_t i64[] = {INT64_MIN, -1, (INT64_C(1) << 24) + 1, INT64_MAX};
    READ(got, "I64", i64);
    const float want_i64[] = {-0x1p63f, -1, 0x1p24f, 0x1p63f};
    test_same_bits("I64", got, want_i64, sizeof want_i64);
    const uint64_t u64[] = {UINT64_MAX, 7};
    READ(got, "U64", u64);
    assert_true(got[0] == 0x1p64f && got[1] == 7);
    const int32_t i32[] = {INT32_MIN, -3};
    READ(got, "I32", i32);
    assert_true(got[0] == -0x1p31f && got[1] == -3);
    const uint32_t u32[] = {UINT32_MAX};
    READ(got, "U32", u32);
    assert_true(got[0] == 0x1p32f);
    const int16_t i16[] = {INT16_MIN, -5};
    READ(got, "I16", i16);
    assert_true(got[0] == -32768 && got[1] == -5);
    const uint16_t u16[] = {UINT16_MAX};
    READ(got, "U16", u16);
    assert_true(got[0] == 65535);
    const int8_t i8[] = {INT8_MIN, 9};
    READ(got, "I8", i8);
    assert_true(got[0] == -128 && got[1] == 9);
    const uint8_t u8[] = {255, 0, 1};
    READ(got, "U8", u8);
    assert_true(got[0] == 255 && got[1] == 0 && got[2] == 1);
    READ(got, "BOOL", u8);
    assert_true(got[0] == 1 && got[1] == 0 && got[2] == 1);

    char *path = one_tensor("f8.safetensors", "F8_E4M3", 3, u8, 3);
    struct hone_safetensors file;
    TEST_OK(hone_safetensors_open(&file, path));
    test_expect_status(hone_safetensors_read_f32(&file, &file.tensors[0], got), HONE_BAD_INPUT,
                       "F8_E4M3 can't be used");
    unsigned char raw[3];
    TEST_OK(hone_safetensors_read(&file, &file.tensors[0], raw));
    test_same_bits("F8_E4M3", raw, u8, 3);
    hone_safetensors_close(&file);
    hone_free(path);
}

/* All 65,536 patterns of both 16-bit formats against their definition in f64. More than the reader's chunk of 1 MiB is
 * read, so the patterns stand there in many copies. */
static void sixteen_bits(void **state) {
    (void)state;
    enum { COPIES = 9, N = 65536 * COPIES };
    uint16_t *patterns = hone_alloc(N, sizeof *patterns, "test");
    float *got = hone_alloc(N, sizeof *got, "test");
    for (int i = 0; i < N; i++) patterns[i] = (uint16_t)i;
    for (int brain = 0; brain < 2; brain++) {
        read_one(got, brain ? "BF16" : "F16", N, patterns, N * sizeof *patterns);
        int bits = brain ? 7 : 10, bias = brain ? 127 : 15, top = brain ? 255 : 31, wrong = 0;
        for (int i = 0; i < N; i++) {
            int fraction = patterns[i] & ((1 << bits) - 1), exponent = patterns[i] >> bits & top;
            double magnitude = exponent == 0 ? ldexp(fraction, 1 - bias - bits)
                                             : ldexp(fraction + (1 << bits), exponent - bias - bits);
            if (exponent == top) magnitude = fraction ? (double)NAN : (double)INFINITY;
            double want = patterns[i] & 0x8000 ? -magnitude : magnitude;
            bool same = isnan(want) ? isnan(got[i]) : (double)got[i] == want && !signbit(got[i]) == !signbit(want);
            wrong += !same;
        }
        assert_int_equal(wrong, 0);
    }
    hone_free(patterns);
    hone_free(got);
}

/* The reference's own file: a tensor of each dtype, a scalar, an empty one, an awkward name. */
static void reference_file(void **state) {
    (void)state;
    struct hone_safetensors file;
    TEST_OK(hone_safetensors_open(&file, REFERENCE));
    assert_int_equal(file.n, 17);
    for (int i = 0; i < 13; i++) {
        char name[8];
        snprintf(name, sizeof name, "t.%02d", i);
        const struct hone_tensor_entry *entry = hone_safetensors_find(&file, name);
        assert_non_null(entry);
        assert_true(entry->n_dims == 2 && entry->shape[0] == 2 && entry->shape[1] == 3);
        float values[6];
        TEST_OK(hone_safetensors_read_f32(&file, entry, values));
        bool is_bool = strcmp(entry->dtype, "BOOL") == 0;
        for (int k = 0; k < 6; k++) assert_true(values[k] == (float)(is_bool ? 1 : k + i));
    }
    const struct hone_tensor_entry *awkward = hone_safetensors_find(&file, "awkward \"\\\n\x01\x7fé😀/");
    assert_non_null(awkward);
    const uint32_t bits[] = {0x7FC00000, 0xFF800000, 0x80000000};
    uint32_t values[3];
    TEST_OK(hone_safetensors_read(&file, awkward, values));
    test_same_bits("awkward", values, bits, sizeof bits);
    assert_int_equal(hone_safetensors_find(&file, "scalar")->n_dims, 0);
    assert_int_equal(hone_tensor_elements(hone_safetensors_find(&file, "scalar")), 1);
    assert_int_equal(hone_tensor_elements(hone_safetensors_find(&file, "empty")), 0);
    assert_null(hone_safetensors_find(&file, "t.13"));
    assert_null(hone_safetensors_find(&file, ""));
    hone_safetensors_close(&file);
}

/* Tensors of an open file as the writer's sources; their bytes come from the file itself. */
static enum hone_status copy_values(void *bytes, int32_t id, void *user) {
    struct hone_safetensors *file = user;
    return hone_safetensors_read(file, &file->tensors[id], bytes);
}

static struct hone_tensor_source *sources_of(const struct hone_safetensors *file) {
    struct hone_tensor_source *sources = hone_calloc(file->n, sizeof *sources, "test");
    for (size_t i = 0; i < file->n; i++) {
        const struct hone_tensor_entry *entry = &file->tensors[i];
        sources[i] = (struct hone_tensor_source){
            .name = entry->name, .dtype = entry->dtype, .n_dims = entry->n_dims, .id = (int32_t)i};
        memcpy(sources[i].shape, entry->shape, sizeof entry->shape);
    }
    return sources;
}

static void same_as_reference_writer(void **state) {
    (void)state;
    struct hone_safetensors file;
    TEST_OK(hone_safetensors_open(&file, REFERENCE));
    struct hone_tensor_source *sources = sources_of(&file);
    char *path = scratch_path("copy.safetensors"), *want, *got;
    TEST_OK(hone_safetensors_write(path, sources, file.n, copy_values, &file));
    size_t n_want, n_got;
    TEST_OK(hone_read_file(&want, &n_want, REFERENCE, 1 << 20));
    TEST_OK(hone_read_file(&got, &n_got, path, 1 << 20));
    assert_int_equal(n_got, n_want);
    test_same_bits("file", got, want, n_want);

    /* A file that stands there is not written over, and stays. */
    test_expect_status(hone_safetensors_write(path, sources, file.n, copy_values, &file), HONE_DISK, "exists");
    assert_true(hone_file_exists(path));
    hone_free(want);
    hone_free(got);
    hone_free(path);
    hone_free(sources);
    hone_safetensors_close(&file);
}

static void empty_file(void **state) {
    (void)state;
    char *path = scratch_path("empty.safetensors");
    TEST_OK(hone_safetensors_write(path, NULL, 0, copy_values, NULL));
    struct hone_safetensors file;
    TEST_OK(hone_safetensors_open(&file, path));
    assert_int_equal(file.n, 0);
    assert_null(hone_safetensors_find(&file, "x"));
    hone_safetensors_close(&file);
    hone_free(path);
}

static enum hone_status failing_values(void *bytes, int32_t id, void *user) {
    (void)bytes, (void)user;
    return id == 2 ? hone_fail(HONE_NUMERIC, "planted") : HONE_OK;
}

/* Each open, write, fsync and close fails in turn: HONE_DISK, and no file stays. */
static void failing_disk(void **state) {
    (void)state;
    struct hone_safetensors file;
    TEST_OK(hone_safetensors_open(&file, REFERENCE));
    struct hone_tensor_source *sources = sources_of(&file);
    char *path = scratch_path("failing.safetensors");
    static const char *const sites[] = {"open", "write", "fsync", "close"};
    static const long fewest[] = {1, 2, 1, 1}; /* failures that each site must have seen */
    for (int s = 0; s < 4; s++) {
        long failures = 0;
        for (int n = 1;; n++) {
            char plan[32];
            snprintf(plan, sizeof plan, "%s:%d", sites[s], n);
            hone_fault_plan(plan);
            enum hone_status status = hone_safetensors_write(path, sources, file.n, copy_values, &file);
            bool fired = hone_fault_fired();
            hone_fault_plan(NULL);
            if (!fired) {
                TEST_OK(status);
                break;
            }
            test_expect_status(status, HONE_DISK, path);
            assert_false(hone_file_exists(path));
            failures++;
        }
        assert_true(failures >= fewest[s]);
        assert_int_equal(unlink(path), 0);
    }
    test_expect_status(hone_safetensors_write(path, sources, file.n, failing_values, &file), HONE_NUMERIC, "planted");
    assert_false(hone_file_exists(path));
    hone_free(sources);
    hone_safetensors_close(&file);

    for (int n = 1;; n++) {
        char plan[32];
        snprintf(plan, sizeof plan, "read:%d", n);
        hone_fault_plan(plan);
        enum hone_status status = hone_safetensors_open(&file, REFERENCE);
        bool fired = hone_fault_fired();
        hone_fault_plan(NULL);
        if (!fired) {
            TEST_OK(status);
            hone_safetensors_close(&file);
            assert_true(n > 2);
            break;
        }
        test_expect_status(status, HONE_DISK, REFERENCE);
    }
    hone_free(path);
}

/* A folder of two shards: a and b in the first, c in the second; `index` is the weight_map's text. */
static char *sharded(const char *name, const char *index) {
    char *folder = scratch_path(name);
    TEST_OK(hone_make_folders(folder));
    static const struct {
        const char *file, *header;
    } shards[] = {{"s1.safetensors", "{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]},"
                                     "\"b\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[1,2]}}"},
                  {"s2.safetensors", "{\"c\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]}}"},
                  {"s3.safetensors", "{\"c\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]}}"}};
    for (int i = 0; i < 3; i++) {
        struct hone_text text = {0};
        char head[8] = {(char)strlen(shards[i].header)};
        hone_text_append(&text, head, 8);
        hone_text_format(&text, "%s%c%c", shards[i].header, 10 * i + 1, 10 * i + 2);
        char *path = hone_path_join(folder, shards[i].file);
        TEST_OK(hone_write_file(path, text.bytes, text.length));
        hone_free(path);
        hone_text_free(&text);
    }
    char *text = hone_format("{\"metadata\":{\"total_size\":4},\"weight_map\":%s}", index);
    char *path = hone_path_join(folder, "model.safetensors.index.json");
    TEST_OK(hone_write_file(path, text, strlen(text)));
    hone_free(text);
    hone_free(path);
    return folder;
}

static void shards(void **state) {
    (void)state;
    char *folder = sharded("good", "{\"c\":\"s2.safetensors\",\"b\":\"s1.safetensors\",\"a\":\"s1.safetensors\"}");
    struct hone_safetensors file;
    TEST_OK(hone_safetensors_open(&file, folder));
    assert_int_equal(file.n_files, 2);
    assert_int_equal(file.n, 3);
    assert_int_equal(file.total_bytes, 4);
    const unsigned char want[3][2] = {{1, 0}, {2, 0}, {11, 12}};
    for (size_t i = 0; i < 3; i++) {
        unsigned char got[2] = {0};
        TEST_OK(hone_safetensors_read(&file, &file.tensors[i], got));
        test_same_bits(file.tensors[i].name, got, want[i], 2);
    }
    hone_safetensors_close(&file);
    hone_free(folder);

    static const struct {
        const char *index, *message;
    } wrong[] = {
        {"{\"a\":\"s1.safetensors\",\"b\":\"s1.safetensors\",\"c\":\"s1.safetensors\"}", "does not hold it"},
        {"{\"a\":\"s1.safetensors\",\"b\":\"s2.safetensors\",\"c\":\"s2.safetensors\"}", "the index says s2"},
        {"{\"a\":\"s1.safetensors\",\"c\":\"s2.safetensors\"}", "but not in"},
        {"{\"a\":\"s1.safetensors\",\"b\":\"s1.safetensors\",\"c\":\"s2.safetensors\",\"d\":\"s2.safetensors\"}",
         "tensor \"d\": weight_map puts it into s2.safetensors, which does not hold it"},
        {"{\"a\":\"s1.safetensors\",\"b\":\"s1.safetensors\",\"c\":\"s2.safetensors\",\"d\":\"s3.safetensors\"}",
         "in one shard only"},
        {"{\"a\":\"s1.safetensors\",\"b\":\"s1.safetensors\",\"c\":\"gone.safetensors\"}", "gone.safetensors"},
        {"{\"a\":\"s1.safetensors\",\"b\":\"s1.safetensors\",\"c\":7}", "plain file name"},
        {"{}", "names 0 files"},
        {"[]", "weight_map"},
        {"null", "weight_map"},
        {"{\"a\":\"s1.safetensors\",\"a\":\"s1.safetensors\"}", ""},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        folder = sharded("wrong", wrong[i].index);
        test_expect_status(hone_safetensors_open(&file, folder), HONE_BAD_INPUT, wrong[i].message);
        hone_free(folder);
    }
}

/* Names in the index that lead elsewhere, although what they lead to is a good shard. */
static void hostile_shard_names(void **state) {
    (void)state;
    static const char *const names[] = {"",
                                        ".",
                                        "..",
                                        "/",
                                        "../s2.safetensors",
                                        "./s2.safetensors",
                                        "x/../s2.safetensors",
                                        "/etc/passwd",
                                        "s2.safetensors/",
                                        "//s2.safetensors",
                                        "x/s2.safetensors",
                                        "..//s2.safetensors",
                                        "../../../../etc/passwd",
                                        "s2.safetensors\\u0000",
                                        "\\u0000",
                                        "s2\\u000a.safetensors",
                                        "\\u001b[2J",
                                        "\\u007f",
                                        "\\ud800",
                                        "..\\u002fs2.safetensors"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char *index = hone_format("{\"a\":\"s1.safetensors\",\"b\":\"s1.safetensors\",\"c\":\"%s\"}", names[i]);
        char *folder = sharded("names", index);
        struct hone_safetensors file;
        test_expect_status(hone_safetensors_open(&file, folder), HONE_BAD_INPUT, NULL);
        hone_free(index);
        hone_free(folder);
    }
}

static void linked_shards(void **state) {
    (void)state;
    static const char index[] = "{\"a\":\"s1.safetensors\",\"b\":\"s1.safetensors\",\"c\":\"link\"}";
    char *folder = sharded("hub/snapshots/abc", index), *link = hone_path_join(folder, "link");
    char *outside = scratch_path("outside.safetensors"), *blobs = scratch_path("hub/blobs"),
         *inner = hone_path_join(folder, "s2.safetensors");
    char *blob = hone_path_join(blobs, "0123");
    TEST_OK(hone_copy_file(outside, inner));
    TEST_OK(hone_make_folders(blobs));
    TEST_OK(hone_copy_file(blob, inner));
    static const struct {
        const char *to;
        enum hone_status status;
    } links[] = {{"s2.safetensors", HONE_OK},
                 {"../../blobs/0123", HONE_OK}, /* as the Hub cache has it */
                 {"../../../outside.safetensors", HONE_BAD_INPUT},
                 {"../../blobs/../../outside.safetensors", HONE_BAD_INPUT},
                 {"/dev/null", HONE_BAD_INPUT},
                 {".", HONE_BAD_INPUT},
                 {"link", HONE_BAD_INPUT},
                 {"nothing", HONE_BAD_INPUT}};
    for (size_t i = 0; i < sizeof links / sizeof *links; i++) {
        assert_int_equal(symlink(links[i].to, link), 0);
        struct hone_safetensors file;
        enum hone_status status = hone_safetensors_open(&file, folder);
        test_expect_status(status, links[i].status, status == HONE_OK ? NULL : "link");
        if (status == HONE_OK) hone_safetensors_close(&file);
        assert_int_equal(unlink(link), 0);
    }
    hone_free(folder);
    hone_free(link);
    hone_free(outside);
    hone_free(blobs);
    hone_free(inner);
    hone_free(blob);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(conversions),    cmocka_unit_test(sixteen_bits),
        cmocka_unit_test(reference_file), cmocka_unit_test(same_as_reference_writer),
        cmocka_unit_test(empty_file),     cmocka_unit_test(failing_disk),
        cmocka_unit_test(shards),         cmocka_unit_test(hostile_shard_names),
        cmocka_unit_test(linked_shards),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
