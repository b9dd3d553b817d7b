/* Lines of a text file or of standard input, one after the other in constant memory: LF ends a line, a CR before it is
 * dropped, the last line needs no LF. Invalid UTF-8 is HONE_BAD_INPUT with file, line and byte. */
#ifndef HONE_TOOLS_LINES_H
#define HONE_TOOLS_LINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/io.h"

struct hone_lines {
    struct hone_file *file;
    char *name;   /* for messages */
    int64_t line; /* number of the last line given, from 1 */
    char *buffer;
    size_t begin, end, capacity;
    bool at_end;
};

/* path NULL: standard input. */
enum hone_status hone_lines_open(struct hone_lines *lines, const char *path);
/* *text is valid until the next call; *more is false at the end. */
enum hone_status hone_lines_next(struct hone_lines *lines, const char **text, size_t *n, bool *more);
void hone_lines_close(struct hone_lines *lines);

#endif
