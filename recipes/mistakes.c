/* The mistakes of one recipe: collected in any order, told in the order of the file, the command line's last. */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "recipes/reader.h"

enum { NO_PLACE = INT_MAX - 1, COMMAND_LINE = INT_MAX };

struct hone_mistake {
    int line, column;
    size_t order;
    char *text;
};

void hone_mistake_add(struct hone_reader *reader, struct hone_place place, const char *option, const char *sentence) {
    enum { SHOWN = 120 };
    hone_reserve(&reader->mistakes, &reader->capacity, reader->n + 1, sizeof *reader->mistakes, "recipe mistakes");
    struct hone_mistake *m = &reader->mistakes[reader->n];
    struct hone_text text = {0};
    *m = (struct hone_mistake){.line = place.override ? COMMAND_LINE : NO_PLACE, .order = reader->n++};
    if (place.override) {
        size_t n = strlen(place.override);
        char *given = hone_escape(place.override, n < SHOWN ? n : SHOWN);
        hone_text_format(&text, "command line: %s%s: %s", given, n > SHOWN ? "…" : "", sentence);
        hone_free(given);
    } else {
        char *name = hone_escape(reader->path, strlen(reader->path));
        hone_text_format(&text, "%s:", name);
        hone_free(name);
        if (place.line > 0) {
            m->line = place.line;
            m->column = place.column;
            hone_text_format(&text, "%d:%d:", place.line, place.column);
        }
        hone_text_format(&text, " %s%s%s", option ? option : "", option ? ": " : "", sentence);
    }
    m->text = text.bytes;
}

static int compare(const void *a, const void *b) {
    const struct hone_mistake *x = a, *y = b;
    if (x->line != y->line) return x->line < y->line ? -1 : 1;
    if (x->column != y->column) return x->column < y->column ? -1 : 1;
    return x->order < y->order ? -1 : 1;
}

size_t hone_mistakes_take(struct hone_text *text, struct hone_reader *reader) {
    size_t n = reader->n;
    if (n > 0) qsort(reader->mistakes, n, sizeof *reader->mistakes, compare);
    for (size_t i = 0; i < n; i++) {
        hone_text_format(text, "%s\n", reader->mistakes[i].text);
        hone_free(reader->mistakes[i].text);
    }
    hone_free(reader->mistakes);
    reader->mistakes = NULL;
    reader->n = reader->capacity = 0;
    return n;
}
