/* Messages for people, to stderr, one line each, and the progress line. stdout belongs to results. */
#ifndef HONE_BASE_LOG_H
#define HONE_BASE_LOG_H

#include <stdbool.h>
#include <stdint.h>

enum hone_log_level { HONE_LOG_QUIET, HONE_LOG_WARNING, HONE_LOG_INFO, HONE_LOG_DEBUG };

void hone_log_set_level(enum hone_log_level level);
void hone_info(const char *format, ...) __attribute__((format(printf, 1, 2)));
void hone_warn(const char *format, ...) __attribute__((format(printf, 1, 2)));
void hone_debug(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The progress line: redrawn in place on a terminal (at most 10 times a second), else a plain line now and then
 * (`plain_every` seconds, 0: each call). A broken stderr is ignored after one attempt. hone_info and hone_warn clear it. */
void hone_progress(double plain_every, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Ends the line that is being redrawn. */
void hone_progress_end(void);

/* "1 h 02 m", "3 m 20 s", "7.5 s" into text[16]; and "1.2 GiB", "512 B" into text[16]. */
const char *hone_duration(char text[16], double seconds);
const char *hone_bytes(char text[16], double bytes);

/* Seconds of a clock that only goes forward. */
double hone_seconds(void);

#endif
