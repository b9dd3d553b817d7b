/* Every failure site of the atomic writers walked one by one. After each failure the old content must stand (or the new
 * one, complete, when only the last fsync failed) and nothing temporary may stay. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fault.h"
#include "base/io.h"
#include "base/memory.h"
#include "tests/support.h"

static const char *const sites[] = {"open", "read", "write", "fsync", "close", "rename", "mkdir"};
#define SITE_COUNT (sizeof sites / sizeof *sites)

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

/* One operation to walk: made ready in an empty folder, run, and looked at afterwards. */
struct operation {
    const char *name;
    int least; /* failures that the walk must meet */
    void (*prepare)(const char *folder, char **temporary);
    enum hone_status (*run)(const char *folder, const char *temporary);
    /* `done`: the operation succeeded, so all is new; else all is old, or new and complete. */
    void (*check)(const char *folder, bool done);
};

static char joined[4096];
static const char *in(const char *folder, const char *name) {
    snprintf(joined, sizeof joined, "%s/%s", folder, name);
    return joined;
}

static void write_prepare(const char *folder, char **temporary) {
    *temporary = NULL;
    put(in(folder, "f"), "old");
}
static enum hone_status write_run(const char *folder, const char *temporary) {
    (void)temporary;
    return hone_write_file(in(folder, "f"), "new", 3);
}
static void write_check(const char *folder, bool done) {
    assert_true(holds(in(folder, "f"), "new") || (!done && holds(in(folder, "f"), "old")));
}

static void copy_prepare(const char *folder, char **temporary) {
    *temporary = NULL;
    put(in(folder, "f"), "old");
    put(in(folder, "source"), "new");
}
static enum hone_status copy_run(const char *folder, const char *temporary) {
    (void)temporary;
    char *from = hone_path_join(folder, "source");
    enum hone_status status = hone_copy_file(in(folder, "f"), from);
    hone_free(from);
    return status;
}

static void commit_prepare(const char *folder, char **temporary) {
    TEST_OK(hone_temporary_folder(temporary, in(folder, "run")));
    put(in(*temporary, "a"), "new a");
    put(in(*temporary, "b"), "new b");
    char *inner = hone_path_join(*temporary, "inner");
    TEST_OK(hone_make_folders(inner));
    put(in(inner, "c"), "new c");
    hone_free(inner);
}
static enum hone_status commit_run(const char *folder, const char *temporary) {
    return hone_commit_folder(temporary, in(folder, "run"));
}
static void commit_check(const char *folder, bool done) {
    bool there = hone_folder_exists(in(folder, "run"));
    assert_true(there || !done);
    if (!there) return;
    assert_true(holds(in(folder, "run/a"), "new a"));
    assert_true(holds(in(folder, "run/b"), "new b"));
    assert_true(holds(in(folder, "run/inner/c"), "new c"));
}

static void merge_prepare(const char *folder, char **temporary) {
    TEST_OK(hone_make_folders(in(folder, "run/checkpoints")));
    put(in(folder, "run/a"), "old a");
    put(in(folder, "run/manifest"), "old manifest");
    put(in(folder, "run/other"), "other");
    TEST_OK(hone_temporary_folder(temporary, in(folder, "run")));
    put(in(*temporary, "a"), "new a");
    put(in(*temporary, "manifest"), "new manifest");
    put(in(*temporary, "z"), "new z");
}
static enum hone_status merge_run(const char *folder, const char *temporary) {
    return hone_merge_folder(temporary, in(folder, "run"), "manifest");
}
static void merge_check(const char *folder, bool done) {
    bool a = holds(in(folder, "run/a"), "new a"), z = hone_file_exists(in(folder, "run/z"));
    bool manifest = holds(in(folder, "run/manifest"), "new manifest");
    assert_true(a || holds(in(folder, "run/a"), "old a"));
    assert_true(!z || holds(in(folder, "run/z"), "new z"));
    assert_true(manifest || holds(in(folder, "run/manifest"), "old manifest"));
    assert_true(!manifest || (a && z));
    assert_true(!done || manifest);
    assert_true(holds(in(folder, "run/other"), "other"));
    assert_true(hone_folder_exists(in(folder, "run/checkpoints")));
}

static void merge_new_prepare(const char *folder, char **temporary) {
    TEST_OK(hone_temporary_folder(temporary, in(folder, "x/y/run")));
    put(in(*temporary, "a"), "new a");
}
static enum hone_status merge_new_run(const char *folder, const char *temporary) {
    return hone_merge_folder(temporary, in(folder, "x/y/run"), NULL);
}
static void merge_new_check(const char *folder, bool done) {
    assert_true(!hone_file_exists(in(folder, "x/y/run/a")) ? !done : holds(in(folder, "x/y/run/a"), "new a"));
}

static enum hone_status folders_run(const char *folder, const char *temporary) {
    (void)temporary;
    return hone_make_folders(in(folder, "p/q/r"));
}
static void folders_check(const char *folder, bool done) {
    assert_true(!done || hone_folder_exists(in(folder, "p/q/r")));
}

static enum hone_status temporary_run(const char *folder, const char *temporary) {
    (void)temporary;
    char *made;
    HONE_TRY(hone_temporary_folder(&made, in(folder, "p/run")));
    assert_true(hone_folder_exists(made));
    enum hone_status status = hone_remove_folder(made);
    hone_free(made);
    return status;
}
static void nothing_to_check(const char *folder, bool done) { (void)folder, (void)done; }

static const struct operation operations[] = {
    {"hone_write_file", 7, write_prepare, write_run, write_check},
    {"hone_copy_file", 10, copy_prepare, copy_run, write_check},
    {"hone_commit_folder", 17, commit_prepare, commit_run, commit_check},
    {"hone_merge_folder", 19, merge_prepare, merge_run, merge_check},
    {"hone_merge_folder, new", 9, merge_new_prepare, merge_new_run, merge_new_check},
    {"hone_make_folders", 9, write_prepare, folders_run, folders_check},
    {"hone_temporary_folder", 4, write_prepare, temporary_run, nothing_to_check},
};

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

static void walk_disk_failures(void **state) {
    (void)state;
    char *folder = hone_path_join(test_scratch(), "walk");
    for (size_t o = 0; o < sizeof operations / sizeof *operations; o++) {
        const struct operation *operation = &operations[o];
        int met = 0;
        for (size_t s = 0; s < 2 * SITE_COUNT; s++) {
            for (int n = 1;; n++) {
                char *plan = hone_format("%s:%d%s", sites[s % SITE_COUNT], n, s < SITE_COUNT ? "" : "+"), *temporary;
                TEST_OK(hone_make_folders(folder));
                operation->prepare(folder, &temporary);
                size_t before = hone_memory_in_use();
                hone_fault_plan(plan);
                enum hone_status status = operation->run(folder, temporary);
                bool fired = hone_fault_fired();
                hone_fault_plan(NULL);
                if (status != (fired ? HONE_DISK : HONE_OK))
                    fail_msg("%s, %s: status %d (%s)", operation->name, plan, (int)status, hone_error_message());
                if (fired && !strstr(hone_error_message(), folder))
                    fail_msg("%s, %s: no path in \"%s\"", operation->name, plan, hone_error_message());
                operation->check(folder, !fired);
                no_temporaries(folder);
                /* What was registered before has been forgotten since. */
                assert_true(hone_memory_in_use() <= before);
                if (!temporary) assert_int_equal(hone_memory_in_use(), before);
                TEST_OK(hone_remove_folder(folder));
                hone_free(temporary);
                hone_free(plan);
                if (!fired) break;
                met += s < SITE_COUNT;
            }
        }
        if (met < operation->least)
            fail_msg("%s: %d failures met, expected %d", operation->name, met, operation->least);
        print_message("%s: %d failure sites\n", operation->name, met);
    }
    hone_free(folder);
}

/* The same for memory: the program ends with 5, and its temporary files go with it. */
static void walk_memory_failures(void **state) {
    (void)state;
    char *folder = hone_path_join(test_scratch(), "walk");
    for (size_t o = 0; o < sizeof operations / sizeof *operations; o++) {
        for (int n = 1;; n++) {
            TEST_OK(hone_make_folders(folder));
            fflush(NULL);
            pid_t child = fork();
            assert_true(child >= 0);
            if (child == 0) {
                if (!freopen("/dev/null", "w", stderr)) _exit(99);
                char *temporary, *plan = hone_format("alloc:%d", n);
                operations[o].prepare(folder, &temporary);
                hone_fault_plan(plan);
                enum hone_status status = operations[o].run(folder, temporary);
                _exit(hone_fault_fired() ? 97 : status);
            }
            int status;
            assert_int_equal(waitpid(child, &status, 0), child);
            assert_true(WIFEXITED(status));
            bool done = WEXITSTATUS(status) == 0;
            if (!done) assert_int_equal(WEXITSTATUS(status), HONE_OUT_OF_MEMORY);
            operations[o].check(folder, done);
            no_temporaries(folder);
            TEST_OK(hone_remove_folder(folder));
            if (done) {
                assert_true(n > 3);
                break;
            }
        }
    }
    hone_free(folder);
}

/* A power cut must not leave a name without its bytes: by the first rename that gives a final name, every file and
 * folder that it vouches for has been synced. The walk cannot see that, because without a power cut nothing is lost. */
static void synced_before_renamed(void **state) {
    (void)state;
    static const struct {
        const char *operation, *plan;
        long syncs;
    } cases[] = {
        {"hone_write_file", "rename:1", 1},    {"hone_copy_file", "rename:1", 1},
        {"hone_commit_folder", "rename:1", 5}, /* three files, two folders */
        {"hone_merge_folder", "rename:1", 4},  /* three files and their folder */
        {"hone_merge_folder", "rename:3", 5},  /* the last file: also the names of the others */
    };
    char *folder = hone_path_join(test_scratch(), "order");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct operation *operation = operations;
        while (strcmp(operation->name, cases[i].operation) != 0) operation++;
        char *temporary;
        TEST_OK(hone_make_folders(folder));
        operation->prepare(folder, &temporary);
        hone_fault_plan(cases[i].plan);
        test_expect_status(operation->run(folder, temporary), HONE_DISK, "renaming");
        long syncs = hone_fault_calls(HONE_FAULT_FSYNC);
        hone_fault_plan(NULL);
        if (syncs != cases[i].syncs)
            fail_msg("%s, %s: after %ld syncs, expected %ld", operation->name, cases[i].plan, syncs, cases[i].syncs);
        TEST_OK(hone_remove_folder(folder));
        hone_free(temporary);
    }
    hone_free(folder);
}

static void walk_reading(void **state) {
    (void)state;
    char *path = hone_path_join(test_scratch(), "f"), *bytes, byte, **names;
    size_t n, before;
    struct hone_file *file;
    put(path, "old");
    TEST_OK(hone_file_open(&file, path));
    before = hone_memory_in_use();
    for (int call = 1; call <= 2; call++) {
        char *plan = hone_format("read:%d", call);
        hone_fault_plan(plan);
        hone_free(plan);
        test_expect_status(hone_read_file(&bytes, &n, path, 100), HONE_DISK, "Input/output error");
        assert_null(bytes);
    }
    hone_fault_plan("open:1");
    test_expect_status(hone_read_file(&bytes, &n, path, 100), HONE_DISK, "opening for reading failed");
    hone_fault_plan("read:1");
    test_expect_status(hone_file_read_at(file, &byte, 1, 2), HONE_DISK, "reading 1 bytes at byte 2 failed");
    hone_fault_plan("read:1");
    test_expect_status(hone_list_folder(&names, &n, "/"), HONE_DISK, "listing the folder failed");
    assert_int_equal(n, 0);
    hone_fault_plan(NULL);
    assert_int_equal(hone_memory_in_use(), before);
    TEST_OK(hone_file_close(file));
    hone_free(path);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(walk_disk_failures),
        cmocka_unit_test(walk_memory_failures),
        cmocka_unit_test(synced_before_renamed),
        cmocka_unit_test(walk_reading),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
