#include "tools/lines.h"

#include <string.h>

#include "base/memory.h"
#include "base/utf8.h"

enum hone_status hone_lines_open(struct hone_lines *lines, const char *path) {
    *lines = (struct hone_lines){0};
    HONE_TRY(hone_file_open(&lines->file, path ? path : "/dev/stdin"));
    lines->name = hone_strdup(path ? path : "standard input", "file name");
    return HONE_OK;
}

void hone_lines_close(struct hone_lines *lines) {
    hone_file_close(lines->file);
    hone_free(lines->name);
    hone_free(lines->buffer);
    *lines = (struct hone_lines){0};
}

/* Reads more behind what is there; the part already given is moved out first. */
static enum hone_status fill(struct hone_lines *lines) {
    if (lines->begin) {
        memmove(lines->buffer, lines->buffer + lines->begin, lines->end - lines->begin);
        lines->end -= lines->begin;
        lines->begin = 0;
    }
    hone_reserve(&lines->buffer, &lines->capacity, lines->end + (64 << 10), 1, "lines of a file");
    size_t got;
    HONE_TRY(hone_file_read_some(lines->file, lines->buffer + lines->end, lines->capacity - lines->end, &got));
    lines->end += got;
    if (got == 0) lines->at_end = true;
    return HONE_OK;
}

enum hone_status hone_lines_next(struct hone_lines *lines, const char **text, size_t *n, bool *more) {
    const char *found = NULL;
    size_t seen = 0;
    for (;;) {
        size_t held = lines->end - lines->begin;
        if (held > seen) found = memchr(lines->buffer + lines->begin + seen, '\n', held - seen);
        if (found || lines->at_end) break;
        seen = held;
        HONE_TRY(fill(lines));
    }
    const char *begin = lines->buffer + lines->begin;
    *more = found || lines->end > lines->begin;
    if (!*more) return HONE_OK;
    size_t length = found ? (size_t)(found - begin) : lines->end - lines->begin;
    lines->begin += length + (found ? 1 : 0);
    lines->line++;
    if (length && begin[length - 1] == '\r' && found) length--;
    size_t valid = hone_utf8_valid_prefix(begin, length);
    if (valid < length) {
        return hone_fail(HONE_BAD_INPUT, "%s:%lld: byte %zu: invalid UTF-8 (0x%02x), expected UTF-8 text", lines->name,
                         (long long)lines->line, valid + 1, (unsigned char)begin[valid]);
    }
    *text = begin;
    *n = length;
    return HONE_OK;
}
