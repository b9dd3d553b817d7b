/* What people see on stderr: lines to a file or pipe, the redrawn line on a terminal, and life without stderr. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "tests/support.h"

/* Everything that `body` writes to stderr, which is a pipe or a terminal of 20 columns. */
static void capture(char *text, size_t size, bool terminal, void (*body)(void)) {
    int ends[2];
    if (terminal) {
        ends[0] = posix_openpt(O_RDWR | O_NOCTTY);
        if (ends[0] < 0) skip();
        assert_int_equal(grantpt(ends[0]) | unlockpt(ends[0]), 0);
        ends[1] = open(ptsname(ends[0]), O_RDWR | O_NOCTTY);
        struct winsize window = {.ws_row = 10, .ws_col = 20};
        assert_int_equal(ioctl(ends[1], TIOCSWINSZ, &window), 0);
    } else {
        assert_int_equal(pipe(ends), 0);
    }
    assert_true(ends[1] >= 0);
    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        dup2(ends[1], STDERR_FILENO);
        body();
        _exit(0);
    }
    close(ends[1]);
    size_t length = 0;
    /* A terminal without writers reads as an error: that is its end. */
    for (ssize_t got; length < size - 1 && (got = read(ends[0], text + length, size - 1 - length)) > 0;)
        length += (size_t)got;
    text[length] = 0;
    close(ends[0]);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

static void say(void) {
    hone_debug("hidden");
    hone_info("read %d files", 3);
    hone_warn("odd name \x1b[2J\n%s", "é");
    hone_log_set_level(HONE_LOG_WARNING);
    hone_info("hidden");
    hone_progress(0, "hidden");
    hone_warn("seen");
    hone_log_set_level(HONE_LOG_QUIET);
    hone_warn("hidden");
    hone_log_set_level(HONE_LOG_DEBUG);
    hone_debug("seen");
}

static void lines(void **state) {
    (void)state;
    char text[1000];
    capture(text, sizeof text, false, say);
    assert_string_equal(text, "read 3 files\nwarning: odd name \\x1b[2J\\x0aé\nwarning: seen\ndebug: seen\n");
}

static void say_long(void) {
    static char long_text[20000];
    memset(long_text, 'x', sizeof long_text - 1);
    hone_info("%s", long_text);
    hone_progress(0, "%s", long_text);
}

static void long_lines(void **state) {
    (void)state;
    static char text[40000];
    capture(text, sizeof text, false, say_long);
    size_t n = strlen(text);
    assert_true(n > 16000 && n < 17000);
    assert_int_equal(text[n - 1], '\n');
}

static void plain_progress(void) {
    for (int i = 0; i < 5; i++) hone_progress(3600, "step %d", i);
    hone_progress_end();
    for (int i = 5; i < 8; i++) hone_progress(0, "step %d", i);
    hone_progress_end();
}

static void progress_without_terminal(void **state) {
    (void)state;
    char text[1000];
    capture(text, sizeof text, false, plain_progress);
    assert_string_equal(text, "step 0\nstep 5\nstep 6\nstep 7\n");
}

static void drawn_progress(void) {
    for (int i = 0; i < 1000; i++) hone_progress(0, "step %d of a thousand ö", i);
    usleep(150000);
    hone_progress(0, "ööööööööööööööööööööööööö");
    hone_info("a line");
    hone_progress_end();
    usleep(150000);
    hone_progress(0, "\x1b[31mred");
    hone_progress_end();
}

static void progress_on_a_terminal(void **state) {
    (void)state;
    char text[4000];
    capture(text, sizeof text, true, drawn_progress);
    /* 19 of 20 columns, counted in characters; the terminal adds a CR before each LF. */
    char *p = text;
    assert_memory_equal(p, "\rstep 0 of a thousan\033[K", 23);
    /* 1,000 quick calls draw once, or twice on a machine that stalls for a tenth of a second. */
    int drawn = 0;
    for (char *at = text; (at = strstr(at, "\rstep ")); at++) drawn++;
    assert_true(drawn >= 1 && drawn <= 20);
    assert_non_null(strstr(text, "\rööööööööööööööööööö\033[K\r\033[Ka line\r\n"));
    assert_non_null(strstr(text, "\r\\x1b[31mred\033[K\r\n"));
    assert_null(strstr(text, "\033[31m"));
}

static void closed_stderr(void) {
    int ends[2];
    signal(SIGPIPE, SIG_IGN);
    if (pipe(ends) != 0) _exit(1);
    int before = dup(STDERR_FILENO);
    dup2(ends[1], STDERR_FILENO);
    close(ends[0]);
    close(ends[1]);
    hone_info("nobody reads this");
    dup2(before, STDERR_FILENO);
    /* One failure is enough: no further attempt. */
    hone_warn("nor this");
    hone_progress(0, "nor this");
}

static void broken_stderr(void **state) {
    (void)state;
    char text[1000];
    capture(text, sizeof text, false, closed_stderr);
    assert_string_equal(text, "");
}

static void durations_and_sizes(void **state) {
    (void)state;
    static const struct {
        double seconds;
        const char *text;
    } durations[] = {
        {0, "0.0 s"},          {7.46, "7.5 s"},      {59.94, "59.9 s"},  {59.96, "1 m 00 s"},    {200, "3 m 20 s"},
        {3599.4, "59 m 59 s"}, {3599.6, "1 h 00 m"}, {3720, "1 h 02 m"}, {360000, "100 h 00 m"}, {-1, "?"},
        {1e300, "?"},          {0.0 / 0.0, "?"}};
    static const struct {
        double bytes;
        const char *text;
    } sizes[] = {
        {0, "0 B"},           {512, "512 B"},          {1023, "1023 B"},    {1024, "1.0 KiB"},  {1536, "1.5 KiB"},
        {1048575, "1.0 MiB"}, {1288490189, "1.2 GiB"}, {1e15, "909.5 TiB"}, {1e17, "88.8 PiB"}, {-5, "?"}};
    char text[16];
    for (size_t i = 0; i < sizeof durations / sizeof *durations; i++)
        assert_string_equal(hone_duration(text, durations[i].seconds), durations[i].text);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        assert_string_equal(hone_bytes(text, sizes[i].bytes), sizes[i].text);
    double start = hone_seconds();
    usleep(2000);
    double passed = hone_seconds() - start;
    assert_true(passed >= 0.002 && passed < 60);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines),
        cmocka_unit_test(long_lines),
        cmocka_unit_test(progress_without_terminal),
        cmocka_unit_test(progress_on_a_terminal),
        cmocka_unit_test(broken_stderr),
        cmocka_unit_test(durations_and_sizes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
