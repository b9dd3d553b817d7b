/* Files and folders: contents, limits, refusals, links, names, and what is left when the system or a signal cuts in. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/io.h"
#include "base/memory.h"
#include "base/random.h"
#include "tests/support.h"

/* Without fsync: only made ready for what is tested. */
static void put(const char *path, const char *text) {
    struct hone_file *file;
    TEST_OK(hone_file_create(&file, path, true));
    TEST_OK(hone_file_write(file, text, strlen(text)));
    TEST_OK(hone_file_close(file));
}

/* True when the file holds exactly `text`. */
static bool holds(const char *path, const char *text) {
    char *bytes;
    size_t n;
    if (hone_read_file(&bytes, &n, path, 1 << 20) != HONE_OK) return false;
    bool same = n == strlen(text) && memcmp(bytes, text, n) == 0;
    hone_free(bytes);
    return same;
}

static char joined[4096];
static const char *in(const char *folder, const char *name) {
    snprintf(joined, sizeof joined, "%s/%s", folder, name);
    return joined;
}

/* No name with ".tmp-" anywhere below. */
static void no_temporaries(const char *folder) {
    char **names;
    size_t n;
    TEST_OK(hone_list_folder(&names, &n, folder));
    for (size_t i = 0; i < n; i++) {
        if (strstr(names[i], ".tmp-")) fail_msg("%s stayed in %s", names[i], folder);
        char *path = hone_path_join(folder, names[i]);
        if (hone_folder_exists(path)) no_temporaries(path);
        hone_free(path);
    }
    hone_names_free(names, n);
}

static size_t count_names(const char *folder, const char *part) {
    char **names;
    size_t n, count = 0;
    TEST_OK(hone_list_folder(&names, &n, folder));
    for (size_t i = 0; i < n; i++) count += strstr(names[i], part) != NULL;
    hone_names_free(names, n);
    return count;
}

static void reading(void **state) {
    (void)state;
    const char *folder = test_scratch();
    char *path = hone_path_join(folder, "naïve name");
    static const size_t sizes[] = {0, 1, 7, 63, 64, 65, 1023, 1500, 100000};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        size_t n = sizes[i], got;
        char *data = hone_alloc(n, 1, "test"), *bytes;
        for (size_t j = 0; j < n; j++) data[j] = (char)(j * 7 + i);
        TEST_OK(hone_write_file(path, data, n));
        TEST_OK(hone_read_file(&bytes, &got, path, n));
        assert_int_equal(got, n);
        test_same_bits("contents", bytes, data, n);
        assert_int_equal(bytes[n], 0);
        hone_free(bytes);
        if (n) {
            test_expect_status(hone_read_file(&bytes, &got, path, n - 1), HONE_BAD_INPUT, "are allowed");
            assert_null(bytes);
        }

        struct hone_file *file;
        TEST_OK(hone_file_open(&file, path));
        assert_int_equal(hone_file_size(file), n);
        assert_string_equal(hone_file_path(file), path);
        char *part = hone_alloc(n + 1, 1, "test");
        TEST_OK(hone_file_read_at(file, part, n - n / 3, (int64_t)(n / 3)));
        test_same_bits("part", part, data + n / 3, n - n / 3);
        TEST_OK(hone_file_read_at(file, part, 0, (int64_t)n + 5));
        char *message = hone_format("ends at byte %zu", n);
        test_expect_status(hone_file_read_at(file, part, n + 1, 0), HONE_BAD_INPUT, message);
        hone_free(message);
        TEST_OK(hone_file_close(file));
        hone_free(part);
        hone_free(data);
    }
    struct stat about;
    assert_int_equal(stat(path, &about), 0);
    assert_int_equal(about.st_mode & 0133, 0);
    TEST_OK(hone_file_close(NULL));
    hone_free(path);
}

/* A file that tells no size beforehand: the limit holds all the same. */
static void size_unknown(void **state) {
    (void)state;
    char *bytes;
    size_t n;
    if (!hone_file_exists("/proc/self/status")) skip();
    test_expect_status(hone_read_file(&bytes, &n, "/proc/self/status", 100), HONE_BAD_INPUT, "more than the 100 bytes");
    assert_null(bytes);
    TEST_OK(hone_read_file(&bytes, &n, "/proc/self/status", 100000));
    assert_true(n > 100 && strlen(bytes) == n);
    hone_free(bytes);
}

static void refusals(void **state) {
    (void)state;
    const char *folder = test_scratch();
    char *missing = hone_path_join(folder, "mis\x1b[2Jsing"), *below = hone_path_join(missing, "x"), *bytes, **names;
    size_t n;
    struct hone_file *file;
    test_expect_status(hone_file_open(&file, missing), HONE_BAD_INPUT, "mis\\x1b[2Jsing: there is no such file");
    assert_null(file);
    test_expect_status(hone_file_open(&file, folder), HONE_BAD_INPUT, "is a folder, expected a file");
    test_expect_status(hone_read_file(&bytes, &n, below, 10), HONE_BAD_INPUT, "no such file");
    test_expect_status(hone_list_folder(&names, &n, missing), HONE_BAD_INPUT, "no such folder");
    test_expect_status(hone_write_file(below, "x", 1), HONE_DISK, "No such file or directory");
    test_expect_status(hone_write_file(folder, "x", 1), HONE_DISK, "renaming to it failed");
    test_expect_status(hone_copy_file(missing, below), HONE_BAD_INPUT, "no such file");
    put(missing, "old");
    test_expect_status(hone_file_create(&file, missing, false), HONE_DISK, "exists already");
    assert_true(holds(missing, "old"));
    TEST_OK(hone_file_create(&file, missing, true));
    TEST_OK(hone_file_write(file, "ne", 2));
    TEST_OK(hone_file_write(file, "w", 1));
    TEST_OK(hone_file_sync(file));
    TEST_OK(hone_file_close(file));
    assert_true(holds(missing, "new"));
    test_expect_status(hone_make_folders(below), HONE_DISK, "making the folder failed");
    assert_int_equal(count_names(folder, ""), 1);
    hone_free(below);
    hone_free(missing);
}

/* A full device is told, and stays a device. */
static void full_device(void **state) {
    (void)state;
    struct stat about;
    if (stat("/dev/full", &about) != 0 || !S_ISCHR(about.st_mode)) skip();
    test_expect_status(hone_write_file("/dev/full", "abc", 3), HONE_DISK,
                       "/dev/full: writing 3 bytes at byte 0 failed: No space left on device; free some space");
    TEST_OK(hone_write_file("/dev/null", "abc", 3));
    assert_int_equal(stat("/dev/full", &about), 0);
    assert_true(S_ISCHR(about.st_mode));
    struct hone_file *file;
    TEST_OK(hone_file_create(&file, "/dev/full", true));
    test_expect_status(hone_file_write(file, "abc", 3), HONE_DISK, "No space left on device");
    TEST_OK(hone_file_close(file));
}

/* A write that the system cuts short: the rest is tried and the byte named where it failed. */
static void short_write(void **state) {
    (void)state;
    char *path = hone_path_join(test_scratch(), "f");
    put(path, "old");
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        struct rlimit limit = {1000, 1000};
        static char data[5000];
        signal(SIGXFSZ, SIG_IGN);
        setrlimit(RLIMIT_FSIZE, &limit);
        enum hone_status status = hone_write_file(path, data, sizeof data);
        _exit(status == HONE_DISK &&
                      strstr(hone_error_message(), "writing 4000 bytes at byte 1000 failed: File too large")
                  ? 0
                  : 1);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_true(holds(path, "old"));
    hone_free(path);
}

static void interrupt(int number) { (void)number; }

/* A slow pipe under a storm of signals: short reads and EINTR do not show. */
static void pipe_and_signals(void **state) {
    (void)state;
    enum { N = 300000 };
    char *path = hone_path_join(test_scratch(), "pipe"), *bytes;
    size_t n;
    assert_int_equal(mkfifo(path, 0600), 0);
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        int fd = open(path, O_WRONLY);
        char data[1000];
        for (int i = 0; i < N; i += (int)sizeof data) {
            for (int j = 0; j < (int)sizeof data; j++) data[j] = (char)((i + j) % 251);
            if (i % 30000 == 0) usleep(2000);
            if (write(fd, data, sizeof data) != (ssize_t)sizeof data) _exit(1);
        }
        _exit(0);
    }
    struct sigaction action = {.sa_handler = interrupt}, before;
    sigaction(SIGALRM, &action, &before);
    struct itimerval storm = {{0, 300}, {0, 300}}, none = {{0, 0}, {0, 0}};
    setitimer(ITIMER_REAL, &storm, NULL);
    enum hone_status status = hone_read_file(&bytes, &n, path, N);
    setitimer(ITIMER_REAL, &none, NULL);
    sigaction(SIGALRM, &before, NULL);
    TEST_OK(status);
    assert_int_equal(n, N);
    for (int i = 0; i < N; i++)
        if (bytes[i] != (char)(i % 251)) fail_msg("byte %d is wrong", i);
    hone_free(bytes);
    int ended;
    assert_int_equal(waitpid(child, &ended, 0), child);
    assert_int_equal(ended, 0);
    hone_free(path);
}

/* Killed at any moment, a writer leaves one of its two contents whole. */
static void killed_writer(void **state) {
    (void)state;
    enum { N = 200000, TRIALS = 40 };
    const char *folder = test_scratch();
    char *path = hone_path_join(folder, "f"), *data[2];
    for (int k = 0; k < 2; k++) {
        data[k] = hone_alloc(N, 1, "test");
        memset(data[k], 'a' + k, N);
    }
    TEST_OK(hone_write_file(path, data[0], N));
    for (int trial = 0; trial < TRIALS; trial++) {
        fflush(NULL);
        pid_t child = fork();
        if (child == 0)
            for (int k = 1;; k ^= 1)
                if (hone_write_file(path, data[k], N) != HONE_OK) _exit(1);
        usleep((useconds_t)(hone_random_u64(3, 0, 0, (uint64_t)trial) % 5000));
        kill(child, SIGKILL);
        int status;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status));
        char *bytes;
        size_t n;
        TEST_OK(hone_read_file(&bytes, &n, path, N));
        assert_int_equal(n, N);
        assert_memory_equal(bytes, data[bytes[0] == 'b'], N);
        hone_free(bytes);
    }
    hone_free(data[0]);
    hone_free(data[1]);
    hone_free(path);
}

static void links_are_not_followed(void **state) {
    (void)state;
    const char *folder = test_scratch();
    char *outside = hone_path_join(folder, "outside"), *victim = hone_path_join(outside, "victim");
    char *inside = hone_path_join(folder, "inside"), *link = hone_path_join(inside, "link");
    char *file_link = hone_path_join(inside, "file");
    TEST_OK(hone_make_folders(outside));
    TEST_OK(hone_make_folders(inside));
    put(victim, "keep");
    assert_int_equal(symlink(outside, link), 0);
    assert_int_equal(symlink(victim, file_link), 0);
    TEST_OK(hone_write_file(file_link, "new", 3));
    assert_true(holds(victim, "keep"));
    assert_true(holds(file_link, "new"));
    TEST_OK(hone_remove_folder(inside));
    assert_true(holds(victim, "keep"));
    assert_int_equal(symlink(outside, inside), 0);
    TEST_OK(hone_remove_folder(inside));
    assert_true(holds(victim, "keep"));
    assert_false(hone_folder_exists(inside));
    TEST_OK(hone_remove_folder(inside));
    hone_free(file_link);
    hone_free(link);
    hone_free(inside);
    hone_free(victim);
    hone_free(outside);
}

static void folders(void **state) {
    (void)state;
    const char *folder = test_scratch();
    char *deep = hone_path_join(folder, "a//b/c/"), *run = hone_path_join(folder, "a/b/run/"), *temporary, **names;
    size_t n;
    TEST_OK(hone_make_folders(deep));
    TEST_OK(hone_make_folders(deep));
    TEST_OK(hone_make_folders("/"));
    TEST_OK(hone_make_folders("."));
    assert_true(hone_folder_exists(deep));
    assert_false(hone_file_exists(deep));
    TEST_OK(hone_temporary_folder(&temporary, run));
    assert_non_null(strstr(temporary, "/a/b/run.tmp-"));
    put(in(temporary, "z"), "1");
    put(in(temporary, "b"), "2");
    put(in(temporary, "é"), "3");
    TEST_OK(hone_list_folder(&names, &n, temporary));
    assert_int_equal(n, 3);
    assert_string_equal(names[0], "b");
    assert_string_equal(names[1], "z");
    assert_string_equal(names[2], "é");
    hone_names_free(names, n);
    /* A folder that exists, even an empty one, is not replaced; the temporary one is gone all the same. */
    test_expect_status(hone_commit_folder(temporary, deep), HONE_DISK, "File exists");
    assert_false(hone_folder_exists(temporary));
    TEST_OK(hone_list_folder(&names, &n, deep));
    assert_int_equal(n, 0);
    hone_names_free(names, n);
    hone_free(temporary);
    hone_free(run);
    hone_free(deep);

    static const char *const joins[][3] = {{"a", "b", "a/b"}, {"a/", "b", "a/b"}, {"/", "b", "/b"}, {"", "b", "b"}};
    for (size_t i = 0; i < 4; i++) {
        char *path = hone_path_join(joins[i][0], joins[i][1]);
        assert_string_equal(path, joins[i][2]);
        hone_free(path);
    }
}

/* What a child registered goes when it ends, and only that. */
static void temporaries_at_exit(void **state) {
    (void)state;
    const char *folder = test_scratch();
    char *ours = hone_path_join(folder, "ours"), *theirs = hone_path_join(folder, "theirs"), *kept = NULL;
    put(ours, "1");
    hone_temporary_register(ours);
    for (int how = 0; how < 2; how++) {
        fflush(NULL);
        pid_t child = fork();
        if (child == 0) {
            char *temporary;
            TEST_OK(hone_temporary_folder(&temporary, theirs));
            put(in(temporary, "x"), "x");
            kept = hone_path_join(folder, "kept");
            put(kept, "x");
            hone_temporary_register(kept);
            hone_temporary_forget(kept);
            hone_free(kept);
            hone_free(temporary);
            hone_free(ours);
            hone_free(theirs);
            hone_temporary_remove_all();
            if (how == 0) _exit(0);
            HONE_CHECK(freopen("/dev/null", "w", stderr) == NULL, "ends here");
        }
        int status;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_int_equal(WEXITSTATUS(status), how == 0 ? 0 : HONE_INTERNAL);
        assert_true(holds(ours, "1"));
        assert_true(holds(in(folder, "kept"), "x"));
        no_temporaries(folder);
    }
    hone_temporary_remove_all();
    assert_false(hone_file_exists(ours));
    hone_free(ours);
    hone_free(theirs);
}

static void plain_names(void **state) {
    (void)state;
    static const char *const good[] = {"a", "model.safetensors", "...", ".env", "-x", "a b", "größe", "日本", "a\\b",
                                       "~"};
    static const char *const bad[] = {
        "",      ".",    "..",   "/",        "a/b",      "../a", "/etc/passwd", "a/",           "a\nb",   "\x1b[2J",
        "a\x7f", "a\tb", "\xff", "\xc0\xaf", "\xc2\x9b", "./a",  "a/..",        "\xed\xa0\x80", "..\x2f", "a\xe2\x80"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        if (!hone_name_is_plain(good[i])) fail_msg("\"%s\" was refused", good[i]);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (hone_name_is_plain(bad[i])) fail_msg("name %zu was accepted", i);
    char name[300];
    memset(name, 'x', sizeof name);
    name[255] = 0;
    assert_true(hone_name_is_plain(name));
    name[255] = 'x';
    name[256] = 0;
    assert_false(hone_name_is_plain(name));
}

/* No address left, and what malloc still held given out. */
static void exhaust_memory(void) {
    struct rlimit none = {1, 1};
    setrlimit(RLIMIT_AS, &none);
    for (size_t n = 1 << 20; n >= 16; n /= 2)
        while (malloc(n)) continue; // cppcheck-suppress leakNoVarFunctionCall
}

/* More names than the system gives at once; and all of them go when not a byte is to be had. */
static void removal_without_memory(void **state) {
    (void)state;
    enum { FILES = 300 };
    char *folder = hone_path_join(test_scratch(), "f"), *inner = hone_path_join(folder, "inner"), name[32];
    TEST_OK(hone_make_folders(inner));
    for (int i = 0; i < FILES; i++) {
        snprintf(name, sizeof name, "file %d", i);
        put(in(i % 2 ? inner : folder, name), "");
    }
    assert_int_equal(count_names(folder, "file"), FILES / 2);
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        if (!TEST_SANITIZED) exhaust_memory();
        _exit(hone_remove_folder(folder) == HONE_OK ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_false(hone_folder_exists(folder));
    hone_free(inner);
    hone_free(folder);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reading),       cmocka_unit_test(size_unknown),
        cmocka_unit_test(refusals),      cmocka_unit_test(full_device),
        cmocka_unit_test(short_write),   cmocka_unit_test(pipe_and_signals),
        cmocka_unit_test(killed_writer), cmocka_unit_test(links_are_not_followed),
        cmocka_unit_test(folders),       cmocka_unit_test(temporaries_at_exit),
        cmocka_unit_test(plain_names),   cmocka_unit_test(removal_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
