/* Errors. Three kinds: a programmer's mistake aborts (HONE_CHECK); host out-of-memory ends in the allocator
 * (base/memory.h); the world's errors (files, devices, network) are returned as a status with one message.
 *
 *     enum hone_status recipe_open(struct recipe *out, const char *path) {
 *         HONE_TRY(hone_file_read(&text, path, limit));
 *         if (empty) return hone_fail(HONE_BAD_INPUT, "%s: the file is empty, expected a recipe", path);
 *         return HONE_OK;
 *     }
 *
 * A status is also the exit code of the program. Only tools/ prints messages and exits. */
#ifndef HONE_BASE_STATUS_H
#define HONE_BASE_STATUS_H

enum hone_status {
    HONE_OK = 0,
    HONE_USAGE = 2,         /* command line or recipe */
    HONE_BAD_INPUT = 3,     /* a model, tokenizer or data file */
    HONE_DISK = 4,          /* reading or writing failed */
    HONE_OUT_OF_MEMORY = 5, /* host or device */
    HONE_NUMERIC = 6,       /* a loss or gradient that is not finite */
    HONE_RANK = 7,          /* another rank or the communication with it */
    HONE_NETWORK = 8,
    HONE_BUSY = 9, /* another process holds the run folder */
    HONE_RESUME_MISMATCH = 10,
    HONE_INTERNAL = 70,
    HONE_PREEMPTED = 75,
    HONE_INTERRUPTED = 130,
};

/* Stores the message of this thread (one line, at most 8 KiB, no newline at its end) and returns `status`,
 * so that a function can end with `return hone_fail(...)`. A message set earlier is replaced. */
enum hone_status hone_fail(enum hone_status status, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Puts "prefix: " before the present message and returns `status`. */
enum hone_status hone_fail_prefix(enum hone_status status, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* They return what they are given; an analyzer, which sees one file at a time, is told so here. */
#ifdef __clang_analyzer__
#define hone_fail(status, ...)        ((void)hone_fail(status, __VA_ARGS__), (status))
#define hone_fail_prefix(status, ...) ((void)hone_fail_prefix(status, __VA_ARGS__), (status))
#endif

/* Message of the last failure on this thread, "" when there was none. Valid until the next failure. */
const char *hone_error_message(void);

#define HONE_TRY(expression)                                                                                           \
    do {                                                                                                               \
        enum hone_status hone_try_status = (expression);                                                               \
        if (hone_try_status != HONE_OK) return hone_try_status;                                                        \
    } while (0)

/* Same for a function that must clean up: needs `enum hone_status status` in scope and a label `done`. */
#define HONE_TRY_GOTO(expression)                                                                                      \
    do {                                                                                                               \
        status = (expression);                                                                                         \
        if (status != HONE_OK) goto done;                                                                              \
    } while (0)

/* Aborts with file, line and message when a promise between functions is broken (exit code 70). */
#define HONE_CHECK(condition, ...)                                                                                     \
    do {                                                                                                               \
        if (!(condition)) hone_check_failed(__FILE__, __LINE__, #condition, __VA_ARGS__);                              \
    } while (0)

void hone_check_failed(const char *file, int line, const char *condition, const char *format, ...)
    __attribute__((noreturn, format(printf, 4, 5)));

#endif
