/* The message of the last failure, one per thread. Whatever goes in comes out as one printable line: names from
 * foreign files reach the terminal through here. */
#include "base/status.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/utf8.h"

#undef hone_fail /* the analyzer's macros */
#undef hone_fail_prefix

#define MESSAGE_SIZE 8192

static _Thread_local char message[MESSAGE_SIZE];

enum hone_status hone_fail(enum hone_status status, const char *format, ...) {
    /* Arguments may point into the present message, so it is replaced only after formatting. */
    char raw[MESSAGE_SIZE];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(raw, sizeof raw, format, arguments);
    va_end(arguments);
    hone_escape_into(message, sizeof message, raw, strlen(raw));
    return status;
}

enum hone_status hone_fail_prefix(enum hone_status status, const char *format, ...) {
    char raw[2 * MESSAGE_SIZE];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(raw, MESSAGE_SIZE, format, arguments);
    va_end(arguments);
    size_t length = strlen(raw);
    snprintf(raw + length, sizeof raw - length, ": %s", message);
    hone_escape_into(message, sizeof message, raw, strlen(raw));
    return status;
}

const char *hone_error_message(void) { return message; }

void hone_check_failed(const char *file, int line, const char *condition, const char *format, ...) {
    char raw[MESSAGE_SIZE], text[MESSAGE_SIZE];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(raw, sizeof raw, format, arguments);
    va_end(arguments);
    hone_escape_into(text, sizeof text, raw, strlen(raw));
    dprintf(STDERR_FILENO, "hone: internal error at %s:%d: %s (expected %s)\n", file, line, text, condition);
    hone_temporary_remove_all();
    _exit(HONE_INTERNAL);
}
