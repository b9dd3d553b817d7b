/* What reading a recipe keeps while it goes on: where each option was given, and the mistakes found so far. */
#ifndef HONE_RECIPES_READER_H
#define HONE_RECIPES_READER_H

#include <stdbool.h>
#include <stddef.h>

#include "recipes/options.h"

struct hone_place {
    int line, column;     /* of the file, 0: no place in it */
    const char *override; /* the whole "key=value"; NULL: in the file */
};

struct hone_given {
    bool given;                             /* a good value */
    bool excused;                           /* not to be called missing: its value was wrong, or its name misspelt */
    struct hone_place place, section_place; /* of the value; of the section's key, in the section's first row */
};

struct hone_mistake;

struct hone_reader {
    const char *path;
    struct hone_recipe *recipe;
    struct hone_given *given; /* a row per option */
    struct hone_mistake *mistakes;
    size_t n, capacity;
};

/* Where the values of a recipe stand. */
struct hone_origin {
    char *path;
    struct hone_place *places; /* a row per option; their overrides are owned */
};
/* Takes the places out of the reader. */
struct hone_origin *hone_origin_create(const struct hone_reader *reader);
void hone_origin_free(struct hone_origin *origin);

/* Notes one mistake at `place`; `option` is the dotted name that stands before the sentence (NULL: none). */
void hone_mistake_add(struct hone_reader *reader, struct hone_place place, const char *option, const char *sentence);
/* Appends all mistakes, sorted, one a line, and frees them. Returns their number. */
size_t hone_mistakes_take(struct hone_text *text, struct hone_reader *reader);

struct hone_given *hone_reader_given(const struct hone_reader *reader, const char *name);

/* What several options say together, missing ones, and what follows from others (header, format, epochs). */
void hone_recipe_rules(struct hone_reader *reader);

#endif
