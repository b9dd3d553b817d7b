/* Safetensors files that are wrong: the reference reader's verdicts, generated violations of every rule, random damage,
 * lying lengths, and files that change while they are read. Nothing here may crash, hang or be taken for good. */
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/io.h"
#include "base/memory.h"
#include "base/random.h"
#include "hub/safetensors.h"
#include "tests/support.h"

static char *scratch_path(const char *name) {
    static const char *folder;
    if (!folder) folder = test_scratch();
    return hone_path_join(folder, name);
}

/* Without the fsync of hone_write_file, which thousands of small files would wait for. Rewriting a file in place would
 * make some file systems flush it too, so `try_bytes` removes it before. */
static void put_file(const char *path, const void *bytes, size_t n) {
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, n, file), n);
    assert_int_equal(fclose(file), 0);
}

static enum hone_status try_bytes(const void *bytes, size_t n) {
    static char *path;
    if (!path) path = scratch_path("case.safetensors");
    unlink(path);
    put_file(path, bytes, n);
    struct hone_safetensors file;
    enum hone_status status = hone_safetensors_open(&file, path);
    if (status != HONE_OK) {
        assert_int_equal(file.n, 0);
        assert_true(strncmp(hone_error_message(), path, strlen(path)) == 0);
        return status;
    }
    /* What was accepted can be read, tensor by tensor, and lies within the file. */
    int64_t covered = 0;
    for (size_t i = 0; i < file.n; i++) {
        const struct hone_tensor_entry *entry = &file.tensors[i];
        assert_true(entry->begin >= 0 && entry->begin <= entry->end && entry->end <= (int64_t)n);
        assert_ptr_equal(hone_safetensors_find(&file, entry->name), entry);
        char *data = hone_alloc((size_t)(entry->end - entry->begin), 1, "test");
        TEST_OK(hone_safetensors_read(&file, entry, data));
        hone_free(data);
        covered += entry->end - entry->begin;
    }
    assert_int_equal(covered, file.total_bytes);
    hone_safetensors_close(&file);
    return HONE_OK;
}

/* Why hone refuses on purpose what the reference accepts, by bit, and what its message then says. The list is that of
 * make_safetensors_fixtures.py and of hub/safetensors_header.c. */
static const char *const stricter[] = {"expected '{', the header's first byte",
                                       "twice|only once",
                                       "'{' of __metadata__",
                                       "'{' of a tensor's entry|the dtype as a string",
                                       "expected only dtype",
                                       "U+0000",
                                       "dimensions",
                                       "a smaller number",
                                       "whole bytes"};

static bool contains_one_of(const char *message, const char *alternatives) {
    char *copy = hone_strdup(alternatives, "test"), *rest = copy, *part;
    bool found = false;
    while ((part = strsep(&rest, "|"))) found = found || strstr(message, part);
    hone_free(copy);
    return found;
}

static void reference_verdicts(void **state) {
    (void)state;
    const char *path = getenv("HONE_SAFETENSORS_CASES");
    char *bytes;
    size_t n, cases = 0, accepted = 0;
    unsigned reasons_seen = 0;
    TEST_OK(hone_read_file(&bytes, &n, path ? path : "tests/fixtures/safetensors/cases.bin", (size_t)1 << 32));
    for (size_t at = 0; at < n; cases++) {
        assert_true(n - at >= 7);
        unsigned char *head = (unsigned char *)bytes + at;
        bool accepts = head[0];
        unsigned reasons = head[1] | (unsigned)head[2] << 8;
        size_t length = head[3] | (size_t)head[4] << 8 | (size_t)head[5] << 16 | (size_t)head[6] << 24;
        at += 7;
        assert_true(n - at >= length);
        enum hone_status status = try_bytes(bytes + at, length);
        bool expected = accepts && reasons == 0;
        if ((status == HONE_OK) != expected || (status != HONE_OK && status != HONE_BAD_INPUT)) {
            fail_msg("case %zu (%.300s): status %d (%s), the reference %s", cases, length > 8 ? bytes + at + 8 : "",
                     (int)status, hone_error_message(), accepts ? "accepts" : "refuses");
        }
        bool explained = reasons == 0;
        for (size_t r = 0; r < sizeof stricter / sizeof *stricter; r++) {
            if (reasons >> r & 1) explained = explained || contains_one_of(hone_error_message(), stricter[r]);
        }
        if (!explained) fail_msg("case %zu: refused for another reason: %s", cases, hone_error_message());
        reasons_seen |= reasons;
        accepted += status == HONE_OK;
        at += length;
    }
    hone_free(bytes);
    assert_int_equal(reasons_seen, (1u << sizeof stricter / sizeof *stricter) - 1);
    assert_true(accepted >= 50 && cases >= 500);
    print_message("%zu cases, %zu accepted\n", cases, accepted);
}

/* A random header in the making: entries that cover the data area, in random order, with random spacing. */
struct draft {
    uint64_t seed, draws;
    int n;
    struct {
        char name[24], shape[96];
        const char *dtype;
        uint64_t begin, end;
    } entries[8];
    uint64_t data_bytes;
};

static uint64_t draw(struct draft *draft, uint64_t below) {
    return hone_random_u64(draft->seed, HONE_RANDOM_SHUFFLE, 1, draft->draws++) % below;
}

static void make_draft(struct draft *draft, uint64_t seed) {
    static const char *const dtypes[] = {"BOOL", "U8", "F16", "BF16", "F32", "I32", "F64", "I64"};
    static const int sizes[] = {1, 1, 2, 2, 4, 4, 8, 8};
    memset(draft, 0, sizeof *draft);
    draft->seed = seed;
    draft->n = 1 + (int)draw(draft, 8);
    for (int i = 0; i < draft->n; i++) {
        size_t kind = draw(draft, 8), rank = draw(draft, 9), length = 0;
        uint64_t elements = 1;
        for (size_t d = 0; d < rank; d++) {
            uint64_t size = draw(draft, 8) == 0 ? 0 : 1 + draw(draft, 3);
            elements *= size;
            length +=
                (size_t)snprintf(draft->entries[i].shape + length, 96 - length, d ? ",%" PRIu64 : "%" PRIu64, size);
        }
        snprintf(draft->entries[i].name, 24, "t%d.%" PRIu64, i, draw(draft, 100));
        draft->entries[i].dtype = dtypes[kind];
        draft->entries[i].begin = draft->data_bytes;
        draft->data_bytes += elements * (uint64_t)sizes[kind];
        draft->entries[i].end = draft->data_bytes;
    }
}

/* The file of a draft; `replace` (may be NULL) stands for the entry's object of tensor 0. */
static void render(struct hone_text *out, struct draft *draft, const char *replace) {
    struct hone_text header = {0};
    hone_text_format(&header, "{");
    if (draw(draft, 2)) hone_text_format(&header, "\"__metadata__\":{\"format\":\"pt\"},");
    int first = (int)draw(draft, (uint64_t)draft->n);
    for (int i = 0; i < draft->n; i++) {
        int k = (first + i) % draft->n;
        hone_text_format(&header, "%s\"%s\":", i ? "," : "", draft->entries[k].name);
        if (k == 0 && replace) {
            hone_text_format(&header, "%s", replace);
        } else {
            hone_text_format(&header, "{%s\"dtype\":\"%s\",\"shape\":[%s],\"data_offsets\":[%" PRIu64 ",%" PRIu64 "]}",
                             draw(draft, 2) ? " " : "", draft->entries[k].dtype, draft->entries[k].shape,
                             draft->entries[k].begin, draft->entries[k].end);
        }
    }
    hone_text_format(&header, "}%*s", (int)draw(draft, 9), "");
    out->length = 0;
    unsigned char length[8] = {(unsigned char)header.length, (unsigned char)(header.length >> 8)};
    hone_text_append(out, (char *)length, 8);
    hone_text_append(out, header.bytes, header.length);
    for (uint64_t i = 0; i < draft->data_bytes; i++) hone_text_append(out, "x", 1);
    hone_text_free(&header);
}

/* Each breaks one rule of a draft and returns false where the draft has no place for it. */
static bool hole(struct draft *d) {
    uint64_t gap = 1 + draw(d, 9);
    int from = (int)draw(d, (uint64_t)d->n);
    for (int i = from; i < d->n; i++) d->entries[i].begin += gap, d->entries[i].end += gap;
    d->data_bytes += gap;
    return true;
}
static bool overlap(struct draft *d) {
    int i = (int)draw(d, (uint64_t)d->n);
    if (d->entries[i].begin == 0) return false;
    uint64_t back = 1 + draw(d, d->entries[i].begin);
    for (int k = i; k < d->n; k++) d->entries[k].begin -= back, d->entries[k].end -= back;
    d->data_bytes -= back;
    return true;
}
static bool cut_off(struct draft *d) {
    if (d->data_bytes == 0) return false;
    d->data_bytes -= 1 + draw(d, d->data_bytes);
    return true;
}
static bool trailing_bytes(struct draft *d) {
    d->data_bytes += 1 + draw(d, 70);
    return true;
}
static bool backwards(struct draft *d) {
    int i = (int)draw(d, (uint64_t)d->n);
    uint64_t begin = d->entries[i].begin;
    if (begin == d->entries[i].end) return false;
    d->entries[i].begin = d->entries[i].end;
    d->entries[i].end = begin;
    return true;
}
static bool wrong_size(struct draft *d) {
    uint64_t more = 1 + draw(d, 16);
    d->entries[d->n - 1].end += more;
    d->data_bytes += more;
    return true;
}
static bool wrong_dtype(struct draft *d) {
    int i = (int)draw(d, (uint64_t)d->n);
    if (d->entries[i].begin == d->entries[i].end) return false;
    bool eight = strstr(d->entries[i].dtype, "64") != NULL;
    d->entries[i].dtype = eight ? "F32" : "F64";
    return true;
}
static bool unknown_dtype(struct draft *d) {
    static const char *const words[] = {"F4", "F6_E2M3", "F6_E3M2", "f32", "F33", "", "FLOAT", "F32 ", "I128", "Q4_0"};
    d->entries[draw(d, (uint64_t)d->n)].dtype = words[draw(d, 10)];
    return true;
}
static bool name_twice(struct draft *d) {
    if (d->n < 2) return false;
    memcpy(d->entries[d->n - 1].name, d->entries[0].name, 24);
    return true;
}
static bool bad_shape(struct draft *d) {
    static const char *const shapes[] = {"-1",
                                         "1.0",
                                         "1e2",
                                         "\"1\"",
                                         "null",
                                         "[1]",
                                         "1,",
                                         ",1",
                                         "+1",
                                         "01",
                                         "-0",
                                         "true",
                                         "0x2",
                                         "1,1,1,1,1,1,1,1,1",
                                         "1 1",
                                         "1.",
                                         "0,-0",
                                         "9007199254740993",
                                         "18446744073709551616",
                                         "4294967296,4294967296",
                                         "9223372036854775807,3,0"};
    int i = (int)draw(d, (uint64_t)d->n);
    snprintf(d->entries[i].shape, 96, "%s", shapes[draw(d, sizeof shapes / sizeof *shapes)]);
    return true;
}

static void generated_violations(void **state) {
    (void)state;
    static const struct {
        const char *name;
        bool (*apply)(struct draft *draft);
        const char *message; /* in it, alternatives by | */
    } rules[] = {{"hole", hole, "leaves a hole|begin at byte"},
                 {"overlap", overlap, "overlaps|begin at byte|data area has"},
                 {"cut off", cut_off, "cut off"},
                 {"trailing bytes", trailing_bytes, "belong to no tensor"},
                 {"backwards", backwards, "end before they begin|begin at byte"},
                 {"wrong size", wrong_size, "expected"},
                 {"wrong dtype", wrong_dtype, "expected"},
                 {"unknown dtype", unknown_dtype, "unknown dtype|whole bytes"},
                 {"name twice", name_twice, "the header names it twice"},
                 {"bad shape", bad_shape, "expected|overflows"}};
    struct hone_text bytes = {0};
    struct draft draft;
    int valid = 0, broken = 0;
    for (uint64_t seed = 0; seed < 250; seed++) {
        make_draft(&draft, seed);
        render(&bytes, &draft, NULL);
        TEST_OK(try_bytes(bytes.bytes, bytes.length));
        valid++;
        for (size_t r = 0; r < sizeof rules / sizeof *rules; r++) {
            make_draft(&draft, seed);
            draft.draws += 1000 * (r + 1);
            if (!rules[r].apply(&draft)) continue;
            render(&bytes, &draft, NULL);
            enum hone_status status = try_bytes(bytes.bytes, bytes.length);
            if (status != HONE_BAD_INPUT || !contains_one_of(hone_error_message(), rules[r].message)) {
                fail_msg("%s, seed %" PRIu64 ": status %d, %s: %.400s", rules[r].name, seed, (int)status,
                         hone_error_message(), bytes.bytes + 8);
            }
            broken++;
        }
    }
    hone_text_free(&bytes);
    print_message("%d valid files, %d broken ones\n", valid, broken);
    assert_true(broken >= 2000);
}

/* Random damage: no verdict is known, but try_bytes looks at whatever is accepted. */
static void random_damage(void **state) {
    (void)state;
    static const char tokens[] = "{}[]\",:0-9eE.\\u \n\x00\xff";
    struct hone_text bytes = {0};
    struct draft draft;
    int accepted = 0;
    for (uint64_t seed = 0; seed < 1500; seed++) {
        make_draft(&draft, seed);
        render(&bytes, &draft, NULL);
        size_t hits = 1 + draw(&draft, 3);
        for (size_t i = 0; i < hits; i++) {
            size_t at = draw(&draft, bytes.length);
            bytes.bytes[at] = draw(&draft, 2) ? tokens[draw(&draft, sizeof tokens)] : (char)draw(&draft, 256);
        }
        if (draw(&draft, 4) == 0) bytes.length = draw(&draft, bytes.length + 1);
        enum hone_status status = try_bytes(bytes.bytes, bytes.length);
        assert_true(status == HONE_OK || status == HONE_BAD_INPUT);
        accepted += status == HONE_OK;
    }
    hone_text_free(&bytes);
    assert_true(accepted > 0 && accepted < 1500);
}

/* The entry's own grammar, one replacement at a time, in files of random neighbours. */
static void entry_forms(void **state) {
    (void)state;
    static const struct {
        const char *entry, *message;
    } forms[] = {
        {"null", "'{' of a tensor's entry"},
        {"[\"U8\",[0],[0,0]]", "'{' of a tensor's entry"},
        {"{}", "without dtype"},
        {"{\"dtype\":\"U8\",\"shape\":[0]}", "without data_offsets"},
        {"{\"dtype\":\"U8\",\"data_offsets\":[0,0]}", "without shape"},
        {"{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0],\"more\":1}", "key \"more\""},
        {"{\"dtype\":\"U8\",\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}", "\"dtype\" is given twice"},
        {"{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0,0]}", "']' behind two offsets"},
        {"{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0]}", "',' and the end offset"},
        {"{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]},", "a tensor name"},
        {"{\"dtype\":\"\x1b[2J\",\"shape\":[0],\"data_offsets\":[0,0]}", "control characters"},
        {"{\"dtype\":\"\\u001b[2J\",\"shape\":[0],\"data_offsets\":[0,0]}", "unknown dtype \"\\x1b[2J\""}};
    struct hone_text bytes = {0};
    struct draft draft;
    for (size_t f = 0; f < sizeof forms / sizeof *forms; f++) {
        for (uint64_t seed = 0; seed < 20; seed++) {
            make_draft(&draft, seed);
            draft.n = 1; /* so that what follows the entry is the end */
            draft.data_bytes = draft.entries[0].end;
            render(&bytes, &draft, forms[f].entry);
            test_expect_status(try_bytes(bytes.bytes, bytes.length), HONE_BAD_INPUT, forms[f].message);
        }
    }
    hone_text_free(&bytes);
}

/* A sparse file of 200 MB claims long headers: refused before memory is asked for. */
static void header_lengths(void **state) {
    (void)state;
    char *path = scratch_path("sparse.safetensors");
    static const struct {
        uint64_t length;
        const char *message;
    } claims[] = {{0, "header length 0 at byte 0"},
                  {100000001, "header length 100000001 at byte 0, expected 2 to 100000000"},
                  {UINT64_C(1) << 63, "header length 9223372036854775808"},
                  {UINT64_MAX, "header length 18446744073709551615"},
                  {UINT64_MAX - 7, "header length 18446744073709551608"}};
    for (size_t i = 0; i < sizeof claims / sizeof *claims; i++) {
        put_file(path, &claims[i].length, 8);
        assert_int_equal(truncate(path, 200000000), 0);
        size_t before = hone_peak_resident_bytes();
        struct hone_safetensors file;
        test_expect_status(hone_safetensors_open(&file, path), HONE_BAD_INPUT, claims[i].message);
        assert_true(hone_peak_resident_bytes() - before < 1 << 20);
    }
    for (int64_t size = 0; size < 12; size++) {
        uint64_t length = (uint64_t)size; /* at 8 and more: longer than what is left */
        put_file(path, &length, 8);
        assert_int_equal(truncate(path, size), 0);
        struct hone_safetensors file;
        test_expect_status(hone_safetensors_open(&file, path), HONE_BAD_INPUT, size < 8 ? "expected at least 8" : "");
    }
    hone_free(path);
}

static void pickles(void **state) {
    (void)state;
    static const struct {
        const char *bytes;
        size_t n;
    } starts[] = {
        {"PK\3\4\24\0\0\0\10\10rest of a zip", 24}, {"\x80\2}q\0(X\1\0\0\0rest", 15}, {"\x80\5\x95rest of it", 13}};
    for (size_t i = 0; i < sizeof starts / sizeof *starts; i++) {
        test_expect_status(try_bytes(starts[i].bytes, starts[i].n), HONE_BAD_INPUT, "convert to safetensors");
    }
    /* A header of 0x280 bytes starts with the bytes of a pickle too, but is none. */
    char valid[8 + 0x280];
    memset(valid, ' ', sizeof valid);
    memcpy(valid, "\x80\2\0\0\0\0\0\0{}", 10);
    TEST_OK(try_bytes(valid, sizeof valid));

    char *folder = scratch_path("pickled"), *path = hone_path_join(folder, "pytorch_model.bin");
    TEST_OK(hone_make_folders(folder));
    struct hone_safetensors file;
    test_expect_status(hone_safetensors_open(&file, folder), HONE_BAD_INPUT, "neither model.safetensors");
    put_file(path, "PK\3\4", 4);
    test_expect_status(hone_safetensors_open(&file, folder), HONE_BAD_INPUT, "convert to safetensors");
    hone_free(path);
    hone_free(folder);
}

static size_t small_file(struct hone_text *bytes, int n) {
    char header[120];
    int length =
        snprintf(header, sizeof header, "{\"a\":{\"dtype\":\"U8\",\"shape\":[%d],\"data_offsets\":[0,%d]}}", n, n);
    char head[8] = {(char)length};
    bytes->length = 0;
    hone_text_append(bytes, head, 8);
    hone_text_append(bytes, header, (size_t)length);
    for (int i = 0; i < n; i++) hone_text_append(bytes, "d", 1);
    return bytes->length;
}

static void changed_between_open_and_read(void **state) {
    (void)state;
    char *path = scratch_path("changing.safetensors"), *other = scratch_path("other.safetensors");
    struct hone_text bytes = {0};
    small_file(&bytes, 5000);
    char data[5000];
    float values[5000];
    static const char *const changes[] = {"cut", "grow", "rewrite", "replace", "remove"};
    for (size_t c = 0; c < sizeof changes / sizeof *changes; c++) {
        put_file(path, bytes.bytes, bytes.length);
        struct hone_safetensors file;
        TEST_OK(hone_safetensors_open(&file, path));
        TEST_OK(hone_safetensors_read(&file, &file.tensors[0], data));
        usleep(20000); /* file times move in steps of a few milliseconds */
        if (c == 0) assert_int_equal(truncate(path, 100), 0);
        if (c == 1) assert_int_equal(truncate(path, 100000), 0);
        if (c == 2) put_file(path, bytes.bytes, bytes.length);
        if (c == 3) {
            put_file(other, bytes.bytes, bytes.length);
            assert_int_equal(rename(other, path), 0);
        }
        if (c == 4) assert_int_equal(unlink(path), 0);
        const char *message = c == 4 ? "went away" : "replaced or changed";
        test_expect_status(hone_safetensors_read(&file, &file.tensors[0], data), HONE_BAD_INPUT, message);
        test_expect_status(hone_safetensors_read_f32(&file, &file.tensors[0], values), HONE_BAD_INPUT, message);
        hone_safetensors_close(&file);
    }
    hone_text_free(&bytes);
    hone_free(path);
    hone_free(other);
}

/* Another process cuts and restores the file without pause: each attempt is right or refused. */
static void cut_by_another_process(void **state) {
    (void)state;
    char *path = scratch_path("raced.safetensors");
    struct hone_text bytes = {0};
    small_file(&bytes, 5000);
    put_file(path, bytes.bytes, bytes.length);
    pid_t child = fork();
    if (child == 0) {
        int fd = open(path, O_WRONLY);
        for (unsigned i = 0;; i++) {
            if (ftruncate(fd, (off_t)(i * 37 % bytes.length)) != 0) _exit(1);
            if (pwrite(fd, bytes.bytes, bytes.length, 0) < 0) _exit(1);
        }
    }
    int refused = 0;
    char data[5000];
    /* On a busy machine it may be long before the two run at the same time. */
    for (int i = 0; i < 1000 || (refused == 0 && i < 1000000); i++) {
        struct hone_safetensors file;
        enum hone_status status = hone_safetensors_open(&file, path);
        if (status == HONE_OK) {
            status = hone_safetensors_read(&file, &file.tensors[0], data);
            hone_safetensors_close(&file);
        }
        assert_true(status == HONE_OK || status == HONE_BAD_INPUT);
        refused += status != HONE_OK;
    }
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    assert_true(refused > 0);
    hone_text_free(&bytes);
    hone_free(path);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reference_verdicts),
        cmocka_unit_test(generated_violations),
        cmocka_unit_test(random_damage),
        cmocka_unit_test(entry_forms),
        cmocka_unit_test(header_lengths),
        cmocka_unit_test(pickles),
        cmocka_unit_test(changed_between_open_and_read),
        cmocka_unit_test(cut_by_another_process),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
