/* The option table of recipes and what it knows about one value: how it is read, printed and described.
 * Everything that depends on which options exist walks this table: reading (recipe.c), suggestions (suggest.c), help,
 * schema and the resolved recipe (describe.c). A new option is one row here and one member in struct hone_recipe. */
#ifndef HONE_RECIPES_OPTIONS_H
#define HONE_RECIPES_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/memory.h"
#include "base/yaml.h"
#include "recipes/recipe.h"

enum hone_option_type {                    /* member of struct hone_recipe */
                        HONE_OPTION_PATH,  /* char *, NULL: not set */
                        HONE_OPTION_PATHS, /* struct hone_strings; one path or a list */
                        HONE_OPTION_NAMES, /* struct hone_strings; a list of at least two, different; numbers by their text */
                        HONE_OPTION_NUMBERS,  /* struct hone_numbers; a list of numbers */
                        HONE_OPTION_PATTERNS, /* struct hone_strings; one glob or a list */
                        HONE_OPTION_GROUPS,   /* struct hone_group_options; a list of {pattern, lr, weight_decay} */
                        HONE_OPTION_INTEGER,  /* int64_t */
                        HONE_OPTION_AUTO_OR_INTEGER, /* int64_t, HONE_AUTO */
                        HONE_OPTION_EVERY,           /* int64_t, HONE_EVERY_EPOCH, HONE_NEVER (also for null) */
                        HONE_OPTION_INTERVAL,        /* struct hone_interval (null is no, too) */
                        HONE_OPTION_NUMBER,          /* double */
                        HONE_OPTION_BOOL,            /* bool */
                        HONE_OPTION_WORD,            /* an enum: position of the word in `words` */
                        HONE_OPTION_COLUMN,          /* struct hone_column */
                        HONE_OPTION_COLUMNS,         /* struct hone_columns; one column or a list */
                        HONE_OPTION_TEXT,            /* char *, at least one character, quoted or not */
                        HONE_OPTION_WEIGHTS,         /* struct hone_weights; `balanced`, or names and numbers */
                        HONE_OPTION_CONFIG,          /* json_t *, an object of scalars; NULL: not set */
                        HONE_OPTION_STEPS,           /* struct hone_steps */
};

struct hone_option {
    const char *name; /* "section.key", or "key" at the top */
    enum hone_option_type type;
    size_t offset;            /* of the member in struct hone_recipe */
    const char *otherwise;    /* default, as it would stand in a recipe; NULL: not set (or decided by other options) */
    const char *help;         /* one line, printable ASCII without double quotes */
    const char *const *words; /* HONE_OPTION_WORD: allowed words, NULL at the end */
    const char *aliases;      /* names of the same thing elsewhere, separated by one space: known to suggestions only */
    double low, high;         /* numbers: bounds, inclusive unless open; high may be INFINITY */
    bool low_open, high_open;
    bool required;
    const char *only;    /* works with these words of `chooser` alone, separated by one space; NULL: with all */
    const char *chooser; /* NULL: "<section>.name" */
    const char *unless;  /* another option, a bool: not when it is true; NULL: always */
    bool may_change;     /* an unfinished run can go on with another value */
};

/* Rows of one section stand together, in reading order. */
extern const struct hone_option hone_options[];
extern const size_t hone_option_count;

/* NULL when there is no such option; `name` is dotted. */
const struct hone_option *hone_option_find(const char *name);
/* Part of the name behind the dot, or all of it. */
const char *hone_option_key(const struct hone_option *option);
/* Bytes of the section's name, 0 at the top. */
size_t hone_option_section_length(const struct hone_option *option);
/* First row of the section called `section`; NULL when there is none. */
const struct hone_option *hone_section_find(const char *section);
bool hone_options_share_section(const struct hone_option *a, const struct hone_option *b);
/* The option whose word says whether this one works, by `only`. */
const struct hone_option *hone_option_chooser(const struct hone_option *option);
/* Whether the option works with what else the recipe says (`only`, `unless`). One that doesn't cannot be given, and
 * reads null in the resolved recipe. */
bool hone_option_applies(const struct hone_recipe *recipe, const struct hone_option *option);

/* Reads `value` (not null, but for HONE_OPTION_EVERY and _INTERVAL) into the recipe's member, which is freed first. Returns NULL, or
 * an owned sentence 'found …, expected …' with *culprit the node that it speaks of; the member is unset then. */
char *hone_option_set(struct hone_recipe *recipe, const struct hone_option *option, const struct hone_yaml *value,
                      const struct hone_yaml **culprit);
/* The default, or unset where there is none; what the member held is freed. */
void hone_option_reset(struct hone_recipe *recipe, const struct hone_option *option);
/* Frees what the member holds and unsets it. */
void hone_option_clear(struct hone_recipe *recipe, const struct hone_option *option);

/* Appends the value as YAML that reads back as the same value; "null" when it is not set. */
void hone_option_print(struct hone_text *text, const struct hone_recipe *recipe, const struct hone_option *option);
/* Appends what is expected: "a whole number from 1 to 65536". */
void hone_option_expected(struct hone_text *text, const struct hone_option *option);
/* Shortest decimal that reads back as `value`, with a point in front of an exponent so that YAML 1.1 readers see a
 * number too; `value` is finite. */
void hone_number_print(struct hone_text *text, double value);

/* 'found "…"' for messages: escaped, long texts cut. */
void hone_found(struct hone_text *text, const struct hone_yaml *value);

/* The option or section that `key`, unknown in `section` ("" at the top), was probably meant to be: a sibling, an option
 * elsewhere, or the name of the same thing in other programs. Appends ' (did you mean "…"?)' and returns the option, or
 * the first of the section (*whole_section is set); NULL when nothing is near. */
const struct hone_option *hone_suggest_option(struct hone_text *text, bool *whole_section, const char *section,
                                              const char *key);

#endif
