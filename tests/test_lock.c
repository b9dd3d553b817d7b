/* One process to a folder, whoever comes at once; the lock of a dead one is nobody's. */
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/io.h"
#include "base/lock.h"
#include "base/memory.h"
#include "tests/support.h"
#include "tests/tiny.h"

static size_t locks_in(const char *folder) {
    char **names;
    size_t n, locks = 0;
    TEST_OK(hone_list_folder(&names, &n, folder));
    for (size_t i = 0; i < n; i++) locks += hone_lock_is_name(names[i]);
    hone_names_free(names, n);
    return locks;
}

static void taken_and_given_back(void **state) {
    (void)state;
    const char *folder = test_scratch();
    struct hone_lock *lock, *other;
    for (int i = 0; i < 3; i++) {
        TEST_OK(hone_lock_take(&lock, folder));
        assert_int_equal(locks_in(folder), 1);
        char *message = hone_format("(process %ld on ", (long)getpid());
        test_expect_status(hone_lock_take(&other, folder), HONE_BUSY, message);
        hone_free(message);
        hone_lock_release(lock);
        assert_int_equal(locks_in(folder), 0);
    }
    test_expect_status(hone_lock_take(&lock, "/nowhere/at/all"), HONE_DISK, "/nowhere/at/all");
    hone_lock_release(NULL);
}

enum { PROCESSES = 40 };

/* All wait for the pipe to close, then take; a winner stays until the parent has counted. */
static void one_of_many_wins(void **state) {
    (void)state;
    const char *folder = test_scratch();
    for (int round = 0; round < 3; round++) {
        int start[2], stop[2], won[2];
        assert_true(pipe(start) == 0 && pipe(stop) == 0 && pipe(won) == 0);
        pid_t children[PROCESSES];
        for (int i = 0; i < PROCESSES; i++) {
            children[i] = fork();
            assert_true(children[i] >= 0);
            if (children[i] > 0) continue;
            char byte;
            struct hone_lock *lock;
            close(start[1]), close(stop[1]);
            ssize_t ended = read(start[0], &byte, 1);
            enum hone_status status = hone_lock_take(&lock, folder);
            byte = status == HONE_OK ? 'w' : status == HONE_BUSY ? 'b' : 'x';
            if (write(won[1], &byte, 1) != 1 || ended != 0) _exit(1);
            ended = read(stop[0], &byte, 1);
            _exit((int)ended); /* without giving back: the next round finds a stale lock */
        }
        close(start[0]), close(start[1]), close(stop[0]);
        int winners = 0, busy = 0;
        for (int i = 0; i < PROCESSES; i++) {
            char byte;
            assert_int_equal(read(won[0], &byte, 1), 1);
            winners += byte == 'w';
            busy += byte == 'b';
        }
        close(stop[1]), close(won[0]), close(won[1]);
        for (int i = 0; i < PROCESSES; i++) {
            int status;
            assert_int_equal(waitpid(children[i], &status, 0), children[i]);
            assert_int_equal(status, 0);
        }
        assert_int_equal(winners, 1);
        assert_int_equal(busy, PROCESSES - 1);
    }
    struct hone_lock *lock;
    TEST_OK(hone_lock_take(&lock, folder));
    assert_int_equal(locks_in(folder), 1); /* the stale ones are gone */
    hone_lock_release(lock);
}

static void others_locks(void **state) {
    (void)state;
    char host[256] = "";
    gethostname(host, sizeof host - 1);
    struct hone_lock *lock;
    /* Of this host before it was started anew; of another host, alive; of nobody. */
    const char *folder = test_scratch();
    char *text = hone_format("{\"host\": \"%s\", \"boot\": \"earlier\", \"pid\": %ld, \"process_start\": 1}", host,
                             (long)getpid());
    TEST_OK(hone_write_file(tiny_path(folder, ".lock-7"), text, strlen(text)));
    hone_free(text);
    TEST_OK(hone_lock_take(&lock, folder));
    hone_lock_release(lock);
    static const char elsewhere[] = "{\"host\": \"elsewhere\", \"boot\": \"b\", \"pid\": 5, \"process_start\": 1, "
                                    "\"since\": \"noon\"}";
    TEST_OK(hone_write_file(tiny_path(folder, ".lock-3"), elsewhere, strlen(elsewhere)));
    test_expect_status(hone_lock_take(&lock, folder), HONE_BUSY, "(process 5 on elsewhere, since noon)");
    TEST_OK(hone_write_file(tiny_path(folder, ".lock-3"), "rubbish", 7));
    TEST_OK(hone_lock_take(&lock, folder));
    hone_lock_release(lock);
}

static void the_dead_do_not_live(void **state) {
    (void)state;
    assert_true(hone_process_lives(getpid()));
    pid_t child = fork();
    if (child == 0) _exit(0);
    while (hone_process_lives(child)) usleep(1000); /* until it has ended, though nobody has asked how */
    assert_int_equal(waitpid(child, NULL, 0), child);
    assert_false(hone_process_lives(child));
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(taken_and_given_back), cmocka_unit_test(one_of_many_wins),
                                       cmocka_unit_test(others_locks), cmocka_unit_test(the_dead_do_not_live)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
