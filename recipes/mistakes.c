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

/* "recipe.yaml:7:3", or "command line: key=value". */
static void add_place(struct hone_text *text, const char *path, struct hone_place place) {
    enum { SHOWN = 120 };
    size_t n = strlen(place.override ? place.override : path);
    char *shown = place.override ? hone_escape(place.override, n < SHOWN ? n : SHOWN) : hone_escape(path, n);
    if (place.override)
        hone_text_format(text, "command line: %s%s", shown, n > SHOWN ? "…" : "");
    else if (place.line > 0)
        hone_text_format(text, "%s:%d:%d", shown, place.line, place.column);
    else
        hone_text_format(text, "%s", shown);
    hone_free(shown);
}

void hone_mistake_add(struct hone_reader *reader, struct hone_place place, const char *option, const char *sentence) {
    hone_reserve(&reader->mistakes, &reader->capacity, reader->n + 1, sizeof *reader->mistakes, "recipe mistakes");
    struct hone_mistake *m = &reader->mistakes[reader->n];
    struct hone_text text = {0};
    *m = (struct hone_mistake){.line = place.override ? COMMAND_LINE : NO_PLACE, .order = reader->n++};
    if (!place.override && place.line > 0) {
        m->line = place.line;
        m->column = place.column;
    }
    add_place(&text, reader->path, place);
    bool named = option && !place.override;
    hone_text_format(&text, ": %s%s%s", named ? option : "", named ? ": " : "", sentence);
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

struct hone_origin *hone_origin_create(const struct hone_reader *reader) {
    struct hone_origin *origin = hone_alloc(1, sizeof *origin, "places of a recipe");
    *origin =
        (struct hone_origin){.path = hone_strdup(reader->path, "places of a recipe"),
                             .places = hone_calloc(hone_option_count, sizeof *origin->places, "places of a recipe")};
    for (size_t i = 0; i < hone_option_count; i++) {
        struct hone_place place = reader->given[i].place;
        if (place.override) place.override = hone_strdup(place.override, "places of a recipe");
        origin->places[i] = place;
    }
    return origin;
}

void hone_origin_free(struct hone_origin *origin) {
    if (!origin) return;
    for (size_t i = 0; i < hone_option_count; i++) hone_free((char *)origin->places[i].override);
    hone_free(origin->places);
    hone_free(origin->path);
    hone_free(origin);
}

enum hone_status hone_recipe_at(const struct hone_recipe *recipe, const char *option, enum hone_status status) {
    if (status == HONE_OK || !recipe->origin) return status;
    const struct hone_option *row = hone_option_find(option);
    HONE_CHECK(row, "no option %s", option);
    struct hone_text text = {0};
    add_place(&text, recipe->origin->path, recipe->origin->places[row - hone_options]);
    status = hone_fail_prefix(status, "%s", text.bytes);
    hone_text_free(&text);
    return status;
}
