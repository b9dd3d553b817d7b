/* Errors, checked arithmetic, UTF-8, memory and fault plans. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/arith.h"
#include "base/fault.h"
#include "base/io.h"
#include "base/memory.h"
#include "base/status.h"
#include "base/utf8.h"
#include "tests/support.h"

/* Runs `body` in a child; its exit code, and what it wrote to stderr in text[size]. */
static int run_child(void (*body)(void), char *text, size_t size) {
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        dup2(ends[1], STDERR_FILENO);
        close(ends[0]);
        body();
        _exit(0);
    }
    close(ends[1]);
    size_t length = 0;
    for (ssize_t got; length < size - 1 && (got = read(ends[0], text + length, size - 1 - length)) > 0;)
        length += (size_t)got;
    text[length] = 0;
    close(ends[0]);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static enum hone_status failing(int depth) {
    if (depth > 0) HONE_TRY(failing(depth - 1));
    return hone_fail(HONE_NUMERIC, "step %d: loss is %s", 7, "nan");
}

static void messages(void **state) {
    (void)state;
    assert_int_equal(failing(3), HONE_NUMERIC);
    assert_string_equal(hone_error_message(), "step 7: loss is nan");
    assert_int_equal(hone_fail_prefix(HONE_BAD_INPUT, "file %d", 2), HONE_BAD_INPUT);
    assert_string_equal(hone_error_message(), "file 2: step 7: loss is nan");
    /* The present message may be an argument of the next one. */
    hone_fail(HONE_DISK, "%s (again)", hone_error_message());
    assert_string_equal(hone_error_message(), "file 2: step 7: loss is nan (again)");
    /* One line that no terminal obeys, however hostile the name; \u009b is CSI in one character. */
    hone_fail(HONE_DISK, "%s", "a\nb\r\x1b[2J\x7f\t\xff é \xc2\x9b日");
    assert_string_equal(hone_error_message(), "a\\x0ab\\x0d\\x1b[2J\\x7f\\x09\\xff é \\xc2\\x9b日");
    hone_fail(HONE_DISK, "%s", "");
    assert_string_equal(hone_error_message(), "");

    char *longer = hone_alloc(20001, 1, "test");
    for (int i = 0; i < 20000; i += 2) memcpy(longer + i, "é", 2);
    longer[20000] = 0;
    hone_fail(HONE_DISK, "x%s", longer);
    size_t length = strlen(hone_error_message());
    assert_true(length <= 8192 && length >= 8180);
    hone_fail_prefix(HONE_DISK, "%s", longer);
    assert_true(strlen(hone_error_message()) <= 8192);
    hone_free(longer);
}

static void *message_of_thread(void *unused) {
    (void)unused;
    assert_string_equal(hone_error_message(), "");
    hone_fail(HONE_DISK, "theirs");
    return NULL;
}

static void messages_are_per_thread(void **state) {
    (void)state;
    pthread_t thread;
    hone_fail(HONE_DISK, "ours");
    assert_int_equal(pthread_create(&thread, NULL, message_of_thread, NULL), 0);
    pthread_join(thread, NULL);
    assert_string_equal(hone_error_message(), "ours");
}

static void broken_promise(void) { HONE_CHECK(1 + 1 == 3, "two is %d", 2); }

static void checks(void **state) {
    (void)state;
    char text[1000];
    assert_int_equal(run_child(broken_promise, text, sizeof text), HONE_INTERNAL);
    assert_non_null(strstr(text, "test_base.c:"));
    assert_non_null(strstr(text, "two is 2 (expected 1 + 1 == 3)\n"));
}

static void arithmetic(void **state) {
    (void)state;
    size_t size = 5;
    assert_false(hone_mul_size(&size, SIZE_MAX / 2 + 1, 2));
    assert_false(hone_add_size(&size, SIZE_MAX, 1));
    assert_int_equal(size, 5);
    assert_true(hone_mul_size(&size, SIZE_MAX / 2, 2));
    assert_true(size == SIZE_MAX - 1);
    assert_true(hone_add_size(&size, size, 1));
    int64_t wide = 5;
    assert_false(hone_mul_i64(&wide, INT64_MIN, -1));
    assert_false(hone_mul_i64(&wide, INT64_C(1) << 32, INT64_C(1) << 31));
    assert_false(hone_add_i64(&wide, INT64_MAX, 1));
    assert_int_equal(wide, 5);
    assert_true(hone_mul_i64(&wide, -3, 7) && wide == -21);
    assert_int_equal(hone_round_up(0, 32), 0);
    assert_int_equal(hone_round_up(1, 32), 32);
    assert_int_equal(hone_round_up(64, 32), 64);
}

static void utf8_validity(void **state) {
    (void)state;
    static const struct {
        const char *bytes;
        size_t valid;
    } rows[] = {
        {"", 0},
        {"plain ASCII of some length", 26},
        {"\x7f", 1},
        {"\x80", 0},
        {"\xbf", 0},
        {"\xc0\x80", 0},
        {"\xc1\xbf", 0},
        {"\xc2\x80", 2},
        {"\xdf\xbf", 2},
        {"\xc2", 0},
        {"\xc2\x41", 0},
        {"\xc2\xc2", 0},
        {"\xe0\x80\x80", 0},
        {"\xe0\x9f\xbf", 0},
        {"\xe0\xa0\x80", 3},
        {"\xe1\x80", 0},
        {"\xe1\x80\x41", 0},
        {"\xed\x9f\xbf", 3},
        {"\xed\xa0\x80", 0},
        {"\xed\xbf\xbf", 0},
        {"\xee\x80\x80", 3},
        {"\xef\xbf\xbf", 3},
        {"\xf0\x80\x80\x80", 0},
        {"\xf0\x8f\xbf\xbf", 0},
        {"\xf0\x90\x80\x80", 4},
        {"\xf4\x8f\xbf\xbf", 4},
        {"\xf4\x90\x80\x80", 0},
        {"\xf5\x80\x80\x80", 0},
        {"\xf0\x90\x80", 0},
        {"\xf8\x88\x80\x80\x80", 0},
        {"\xfe", 0},
        {"\xff", 0},
        {"12345678é\xff", 10},
        {"1234567\xff", 7},
        {"12345678\xff", 8},
        {"日本語\xe6\x97", 9},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        /* At every alignment, with ASCII before. */
        char text[64] = "zzzzzzzzzzzzzzzzz";
        for (size_t before = 0; before < 17; before++) {
            size_t n = strlen(rows[i].bytes);
            memcpy(text + before, rows[i].bytes, n);
            assert_int_equal(hone_utf8_valid_prefix(text, before + n), before + rows[i].valid);
            memset(text, 'z', sizeof text);
        }
    }
}

/* Every code point there and back; every surrogate refused. */
static void utf8_all_code_points(void **state) {
    (void)state;
    for (int32_t code = 0; code <= 0x10FFFF; code++) {
        char bytes[4];
        int n = hone_utf8_encode(bytes, code);
        assert_int_equal(n, code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4);
        bool surrogate = code >= 0xD800 && code < 0xE000;
        if (hone_utf8_valid_prefix(bytes, (size_t)n) != (surrogate ? 0 : (size_t)n)) fail_msg("U+%04X", (unsigned)code);
        if (surrogate) continue;
        size_t i = 0;
        if (hone_utf8_next(bytes, &i) != code || i != (size_t)n) fail_msg("U+%04X", (unsigned)code);
    }
}

static void escaping(void **state) {
    (void)state;
    const char text[] = "a\0é\n\xff\xc2\x80";
    char *escaped = hone_escape(text, sizeof text - 1);
    assert_string_equal(escaped, "a\\x00é\\x0a\\xff\\xc2\\x80");
    hone_free(escaped);
    escaped = hone_escape("", 0);
    assert_string_equal(escaped, "");
    hone_free(escaped);
    char small[6];
    assert_int_equal(hone_escape_into(small, sizeof small, "abcdé", 6), 4);
    assert_string_equal(small, "abcd");
    assert_int_equal(hone_escape_into(small, sizeof small, "ab\n", 3), 2);
    assert_int_equal(hone_escape_into(small, 1, "ab", 2), 0);
    assert_string_equal(small, "");
}

static void memory_blocks(void **state) {
    (void)state;
    size_t before = hone_memory_in_use();
    static const size_t sizes[] = {0, 1, 7, 63, 64, 65, 1023, 1500, 100000, 3000000};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        size_t n = sizes[i];
        unsigned char *a = hone_alloc(n, 1, "test"), *b = hone_calloc(1, n, "test"), *c = hone_alloc_small(n, "test");
        assert_non_null(c);
        assert_int_equal((uintptr_t)a % 64, 0);
        assert_int_equal((uintptr_t)b % 64, 0);
        assert_true(hone_memory_in_use() >= before + 3 * n);
        for (size_t j = 0; j < n; j++) {
            assert_int_equal(b[j], 0);
            a[j] = c[j] = (unsigned char)(j * 31);
        }
        for (size_t target = n; target > 0; target /= 3) {
            a = hone_realloc(a, target * 2, 1, "test");
            assert_int_equal((uintptr_t)a % 64, 0);
            for (size_t j = 0; j < target; j++) assert_int_equal(a[j], (unsigned char)(j * 31));
            a = hone_realloc(a, target, 1, "test");
        }
        hone_free(a);
        hone_free(b);
        hone_free(c);
        assert_int_equal(hone_memory_in_use(), before);
    }
    hone_free(NULL);
    char *grown = hone_realloc(NULL, 3, 2, "test");
    memset(grown, 1, 6);
    hone_free(grown);
    assert_int_equal(hone_memory_in_use(), before);
}

static void memory_texts(void **state) {
    (void)state;
    size_t before = hone_memory_in_use();
    char *a = hone_strdup("größe", "test"), *b = hone_strndup("abc", 2, "test"), *c = hone_strndup("abc", 9, "test");
    char *d = hone_format("%s-%d", a, 5);
    assert_string_equal(a, "größe");
    assert_string_equal(b, "ab");
    assert_string_equal(c, "abc");
    assert_string_equal(d, "größe-5");
    struct hone_text text = {0};
    hone_text_append(&text, "", 0);
    assert_string_equal(text.bytes, "");
    for (int i = 0; i < 1000; i++) hone_text_format(&text, "%d,", i);
    hone_text_append(&text, "\0x", 2);
    assert_int_equal(text.length, 10 * 2 + 90 * 3 + 900 * 4 + 2);
    assert_int_equal(text.bytes[text.length], 0);
    assert_memory_equal(text.bytes + text.length - 6, "999,\0x", 6);
    hone_text_free(&text);
    assert_null(text.bytes);
    int *list = NULL;
    size_t capacity = 0;
    for (int i = 0; i < 1000; i++) {
        hone_reserve(&list, &capacity, (size_t)i + 1, sizeof *list, "test");
        assert_true(capacity > (size_t)i);
        list[i] = i;
    }
    for (int i = 0; i < 1000; i++) assert_int_equal(list[i], i);
    hone_free(list);
    hone_free(a);
    hone_free(b);
    hone_free(c);
    hone_free(d);
    assert_int_equal(hone_memory_in_use(), before);
}

static void memory_of_the_process(void **state) {
    (void)state;
    enum { N = 64 << 20 };
    size_t resident = hone_resident_bytes();
    assert_true(resident > 100000);
    char *bytes = hone_alloc(N, 1, "test");
    for (size_t i = 0; i < N; i += 4096) ((volatile char *)bytes)[i] = 1;
    assert_true(hone_resident_bytes() >= resident + N / 10 * 9);
    hone_free(bytes);
    assert_true(hone_peak_resident_bytes() >= resident + N / 10 * 9);
}

static void *churn(void *unused) {
    (void)unused;
    for (size_t i = 0; i < 20000; i++) hone_free(hone_realloc(hone_alloc(i % 300, 1, "test"), i % 500, 1, "test"));
    return NULL;
}

static void memory_is_counted_across_threads(void **state) {
    (void)state;
    pthread_t threads[4];
    size_t before = hone_memory_in_use();
    for (int i = 0; i < 4; i++) assert_int_equal(pthread_create(&threads[i], NULL, churn, NULL), 0);
    for (int i = 0; i < 4; i++) pthread_join(threads[i], NULL);
    assert_int_equal(hone_memory_in_use(), before);
}

static const char *scratch;

static void planned_failure(void) {
    char *temporary, *path = hone_path_join(scratch, "run");
    if (hone_temporary_folder(&temporary, path) != HONE_OK) _exit(1);
    char *file = hone_path_join(temporary, "f");
    if (hone_write_file(file, "x", 1) != HONE_OK) _exit(1);
    hone_fault_plan("alloc:3+");
    hone_free(hone_alloc(1, 1, "the first"));
    hone_free(hone_calloc(1, 1, "the second"));
    hone_alloc(617, 2, "tokenizer vocabulary");
    _exit(1);
}
static void overflowing(void) { hone_alloc(SIZE_MAX / 2, 3, "a lie"); }
static void too_large(void) { hone_alloc(1, PTRDIFF_MAX, "the universe"); }
static void too_large_small(void) { hone_alloc_small(SIZE_MAX, "the universe"); }
static void too_large_again(void) { hone_realloc(hone_alloc(1, 1, "test"), SIZE_MAX, 1, "the universe"); }

static void out_of_memory(void **state) {
    (void)state;
    char text[1000], **names;
    size_t n;
    scratch = test_scratch();
    assert_int_equal(run_child(planned_failure, text, sizeof text), HONE_OUT_OF_MEMORY);
    assert_string_equal(text, "hone: out of memory: 1234 bytes for tokenizer vocabulary\n");
    TEST_OK(hone_list_folder(&names, &n, scratch));
    assert_int_equal(n, 0);
    hone_names_free(names, n);
    assert_int_equal(run_child(overflowing, text, sizeof text), HONE_OUT_OF_MEMORY);
    assert_string_equal(text, "hone: out of memory: 9223372036854775807 times 3 bytes for a lie\n");
    assert_int_equal(run_child(too_large, text, sizeof text), HONE_OUT_OF_MEMORY);
    assert_string_equal(text, "hone: out of memory: 9223372036854775807 bytes for the universe\n");
    assert_int_equal(run_child(too_large_small, text, sizeof text), HONE_OUT_OF_MEMORY);
    assert_int_equal(run_child(too_large_again, text, sizeof text), HONE_OUT_OF_MEMORY);
}

static void fault_plans(void **state) {
    (void)state;
    hone_fault_plan("read:2,write:3+");
    assert_false(hone_fault_fired());
    for (int call = 1; call <= 5; call++) {
        assert_int_equal(hone_fault(HONE_FAULT_READ), call == 2);
        assert_int_equal(hone_fault(HONE_FAULT_WRITE), call >= 3);
        assert_false(hone_fault(HONE_FAULT_MAP));
        assert_int_equal(hone_fault_fired(), call >= 2);
    }
    assert_int_equal(hone_fault_calls(HONE_FAULT_READ), 5);
    assert_int_equal(hone_fault_calls(HONE_FAULT_OPEN), 0);
    hone_fault_plan("");
    assert_false(hone_fault_fired());
    assert_int_equal(hone_fault_calls(HONE_FAULT_READ), 0);
    for (int call = 0; call < 5; call++) assert_false(hone_fault(HONE_FAULT_WRITE));
    hone_fault_plan("alloc:1000000,open:1,read:1,write:1,fsync:1,close:1,rename:1,mkdir:1,map:1");
    for (int site = HONE_FAULT_OPEN; site < HONE_FAULT_COUNT; site++)
        assert_true(hone_fault((enum hone_fault_site)site));
    hone_fault_plan(NULL);
}

static const char *plan;
static void set_plan(void) { hone_fault_plan(plan); }

static void malformed_plans(void **state) {
    (void)state;
    static const char *const plans[] = {"read",     "read:",  "read:0",  "read:-1", "reads:1",
                                        "rea:1",    ":1",     "read:1,", ",read:1", "read:1;",
                                        "read:1++", "read:x", "read: 1", "READ:1",  "read:1 "};
    for (size_t i = 0; i < sizeof plans / sizeof *plans; i++) {
        char text[1000];
        plan = plans[i];
        if (run_child(set_plan, text, sizeof text) != HONE_INTERNAL) fail_msg("plan \"%s\" was accepted", plan);
        assert_non_null(strstr(text, "HONE_FAULT: "));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages),
        cmocka_unit_test(messages_are_per_thread),
        cmocka_unit_test(checks),
        cmocka_unit_test(arithmetic),
        cmocka_unit_test(utf8_validity),
        cmocka_unit_test(utf8_all_code_points),
        cmocka_unit_test(escaping),
        cmocka_unit_test(memory_blocks),
        cmocka_unit_test(memory_texts),
        cmocka_unit_test(memory_of_the_process),
        cmocka_unit_test(memory_is_counted_across_threads),
        cmocka_unit_test(out_of_memory),
        cmocka_unit_test(fault_plans),
        cmocka_unit_test(malformed_plans),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
