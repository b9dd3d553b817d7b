/* One line, one write(2), so that lines of several ranks or threads do not interleave. What is written is escaped: it
 * may hold names from foreign files. */
#include "base/log.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "base/utf8.h"

#define LINE_SIZE 8192

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static enum hone_log_level threshold = HONE_LOG_INFO;
static bool broken;          /* stderr failed once */
static bool drawn;           /* a progress line stands on the terminal */
static double drawn_at = -1; /* when progress was last shown, -1: never */

void hone_log_set_level(enum hone_log_level level) {
    pthread_mutex_lock(&lock);
    threshold = level;
    pthread_mutex_unlock(&lock);
}

/* Called with the lock held. */
static void put(const char *bytes, size_t n) {
    while (n > 0 && !broken) {
        ssize_t written = write(STDERR_FILENO, bytes, n);
        if (written < 0 && errno == EINTR) continue;
        if (written <= 0) {
            broken = true;
            return;
        }
        bytes += written;
        n -= (size_t)written;
    }
}

/* "prefix" + text + end; the text is cut where the line is full. */
static void put_line(const char *prefix, const char *end, const char *format, va_list arguments) {
    char raw[LINE_SIZE], line[LINE_SIZE + 32];
    vsnprintf(raw, sizeof raw, format, arguments);
    size_t length = strlen(prefix);
    memcpy(line, prefix, length);
    length += hone_escape_into(line + length, LINE_SIZE - length, raw, strlen(raw));
    memcpy(line + length, end, strlen(end));
    put(line, length + strlen(end));
}

static void message(enum hone_log_level least, const char *prefix, const char *format, va_list arguments) {
    pthread_mutex_lock(&lock);
    if (threshold >= least) {
        if (drawn) put("\r\033[K", 4);
        drawn = false;
        put_line(prefix, "\n", format, arguments);
    }
    pthread_mutex_unlock(&lock);
}

void hone_info(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    message(HONE_LOG_INFO, "", format, arguments);
    va_end(arguments);
}

void hone_warn(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    message(HONE_LOG_WARNING, "warning: ", format, arguments);
    va_end(arguments);
}

void hone_debug(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    message(HONE_LOG_DEBUG, "debug: ", format, arguments);
    va_end(arguments);
}

/* Redraws the line, at most as wide as the terminal less one column, so that it never wraps. */
static void draw(const char *format, va_list arguments) {
    struct winsize window;
    size_t width = 79;
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &window) == 0 && window.ws_col > 1) width = window.ws_col - 1u;
    char raw[LINE_SIZE], line[LINE_SIZE + 32] = "\r";
    vsnprintf(raw, sizeof raw, format, arguments);
    size_t n = hone_escape_into(line + 1, LINE_SIZE, raw, strlen(raw)), end = 0;
    for (size_t columns = 0; end < n && columns < width; columns++) hone_utf8_next(line + 1, &end);
    memcpy(line + 1 + end, "\033[K", 3);
    put(line, 1 + end + 3);
    drawn = true;
}

void hone_progress(double plain_every, const char *format, ...) {
    double now = hone_seconds();
    va_list arguments;
    va_start(arguments, format);
    pthread_mutex_lock(&lock);
    bool terminal = isatty(STDERR_FILENO);
    double pause = terminal ? 0.1 : plain_every;
    if (threshold >= HONE_LOG_INFO && (drawn_at < 0 || now - drawn_at >= pause)) {
        drawn_at = now;
        if (terminal)
            draw(format, arguments);
        else
            put_line("", "\n", format, arguments);
    }
    pthread_mutex_unlock(&lock);
    va_end(arguments);
}

void hone_progress_end(void) {
    pthread_mutex_lock(&lock);
    if (drawn) put("\n", 1);
    drawn = false;
    drawn_at = -1;
    pthread_mutex_unlock(&lock);
}

const char *hone_duration(char text[16], double seconds) {
    /* Rounded first, so that 59.96 s is not "60.0 s" and 3599.7 s not "60 m 00 s". */
    unsigned whole = seconds >= 0 && seconds < 1e9 ? (unsigned)(seconds + 0.5) : 0, minutes = (whole + 30) / 60;
    if (!(seconds >= 0) || seconds >= 1e9)
        snprintf(text, 16, "?");
    else if (seconds < 59.95)
        snprintf(text, 16, "%.1f s", seconds);
    else if (whole < 3600)
        snprintf(text, 16, "%hu m %02hu s", (unsigned short)(whole / 60), (unsigned short)(whole % 60));
    else
        snprintf(text, 16, "%u h %02hu m", minutes / 60 % 1000000, (unsigned short)(minutes % 60));
    return text;
}

const char *hone_bytes(char text[16], double bytes) {
    static const char *const units[] = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    if (!(bytes >= 0) || bytes > 1e18) {
        snprintf(text, 16, "?");
    } else if (bytes < 1023.5) {
        snprintf(text, 16, "%.0f B", bytes);
    } else {
        size_t unit = 0;
        for (bytes /= 1024; bytes >= 1023.95; bytes /= 1024) unit++;
        snprintf(text, 16, "%.1f %s", bytes, units[unit]);
    }
    return text;
}

double hone_seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}
