/* One value of a recipe: from a YAML node into its member and back. Plain scalars are what the YAML 1.2 core schema
 * says (section 10.3): no and on are strings, 5e-5 is a number. Stricter than the schema where readers of YAML disagree:
 * numbers are decimal, without leading zeros, and finite; a quoted scalar is a string. */
#include <ctype.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/suggest.h"
#include "base/utf8.h"
#include "recipes/options.h"

_Static_assert(sizeof(enum hone_metric) == sizeof(int), "words are stored through an int pointer");

enum scalar_kind { SCALAR_STRING, SCALAR_BOOL, SCALAR_INTEGER, SCALAR_FLOAT, SCALAR_OTHER_NUMBER };

static bool is_one_of(const char *text, const char *const *words) {
    for (; *words; words++)
        if (strcmp(text, *words) == 0) return true;
    return false;
}

/* Quoted or not a scalar: a string. SCALAR_OTHER_NUMBER: hexadecimal, octal, infinity, NaN. */
static enum scalar_kind scalar_kind(const char *text, bool quoted) {
    static const char *const bools[] = {"true", "True", "TRUE", "false", "False", "FALSE", NULL};
    static const char *const specials[] = {".inf", ".Inf", ".INF", ".nan", ".NaN", ".NAN", NULL};
    if (quoted) return SCALAR_STRING;
    if (is_one_of(text, bools)) return SCALAR_BOOL;
    const char *p = text + (*text == '+' || *text == '-');
    if (is_one_of(p, specials)) return SCALAR_OTHER_NUMBER;
    if (p[0] == '0' && (p[1] == 'x' || p[1] == 'o') && p[2]) {
        const char *digits = p[1] == 'x' ? "0123456789abcdefABCDEF" : "01234567";
        return p[2 + strspn(p + 2, digits)] ? SCALAR_STRING : SCALAR_OTHER_NUMBER;
    }
    size_t whole = strspn(p, "0123456789"), fraction = 0;
    p += whole;
    if (*p == 0 && whole > 0) return SCALAR_INTEGER;
    if (*p == '.') {
        fraction = strspn(++p, "0123456789");
        p += fraction;
    }
    if (whole + fraction == 0) return SCALAR_STRING;
    if (*p == 'e' || *p == 'E') {
        p += 1 + (p[1] == '+' || p[1] == '-');
        size_t exponent = strspn(p, "0123456789");
        if (exponent == 0) return SCALAR_STRING;
        p += exponent;
    }
    return *p == 0 ? SCALAR_FLOAT : SCALAR_STRING;
}

static enum scalar_kind node_kind(const struct hone_yaml *value) { return scalar_kind(value->text, value->quoted); }

/* 010 is 8 to readers of YAML 1.1 and 10 to those of 1.2. */
static bool has_leading_zero(const char *text) {
    text += *text == '+' || *text == '-';
    return text[0] == '0' && isdigit((unsigned char)text[1]);
}

static bool within(const struct hone_option *option, double x) {
    bool above = option->low_open ? x > option->low : x >= option->low;
    return above && (option->high_open ? x < option->high : x <= option->high) && isfinite(x);
}

static bool read_number(double *out, const struct hone_yaml *value) {
    if (value->kind != HONE_YAML_SCALAR) return false;
    enum scalar_kind kind = node_kind(value);
    if (kind != SCALAR_INTEGER && kind != SCALAR_FLOAT) return false;
    *out = strtod(value->text, NULL);
    return isfinite(*out) && !has_leading_zero(value->text);
}

/* All bounds of integers are at most 2^32, exact in double, so the comparison may be made there. */
static bool read_integer(int64_t *out, const struct hone_option *option, const struct hone_yaml *value) {
    double x;
    if (!read_number(&x, value) || node_kind(value) != SCALAR_INTEGER || !within(option, x)) return false;
    *out = strtoll(value->text, NULL, 10);
    return true;
}

/* Strings: quoted, or plain and neither number nor bool. Not empty. */
static bool read_string(char **out, const struct hone_yaml *value) {
    if (value->kind != HONE_YAML_SCALAR || hone_yaml_is_null(value) || node_kind(value) != SCALAR_STRING) return false;
    if (value->text[0] == 0) return false;
    *out = hone_strdup(value->text, "recipe value");
    return true;
}

static bool read_word(int *out, const struct hone_option *option, const struct hone_yaml *value) {
    if (value->kind != HONE_YAML_SCALAR) return false;
    for (int i = 0; option->words[i]; i++)
        if (strcmp(value->text, option->words[i]) == 0) {
            *out = i;
            return true;
        }
    return false;
}

static bool read_column(struct hone_column *out, const struct hone_yaml *value) {
    struct hone_option any = {.low = 0, .high = INT32_MAX};
    if (read_integer(&out->number, &any, value)) return true;
    out->number = -1;
    return read_string(&out->name, value);
}

static void strings_add(struct hone_strings *list, char *owned) {
    list->items = hone_realloc(list->items, list->n + 1, sizeof *list->items, "recipe list");
    list->items[list->n++] = owned;
}

static bool read_columns(struct hone_columns *out, const struct hone_yaml *value, const struct hone_yaml **culprit) {
    bool list = value->kind == HONE_YAML_LIST;
    size_t n = list ? value->n : 1;
    if (n == 0) return false;
    out->items = hone_calloc(n, sizeof *out->items, "columns");
    for (; out->n < n; out->n++) {
        *culprit = list ? value->items[out->n] : value;
        if (!read_column(&out->items[out->n], *culprit)) return false;
    }
    return true;
}

static bool read_weights(struct hone_weights *out, const struct hone_yaml *value, const struct hone_yaml **culprit) {
    if (value->kind == HONE_YAML_SCALAR) {
        out->balanced = strcmp(value->text, "balanced") == 0;
        return out->balanced;
    }
    if (value->kind != HONE_YAML_MAP || value->n == 0) return false;
    out->values = hone_alloc(value->n, sizeof *out->values, "class weights");
    for (size_t i = 0; i < value->n; i++) {
        *culprit = value->items[i];
        if (!read_number(&out->values[i], *culprit) || out->values[i] <= 0) return false;
        strings_add(&out->names, hone_strdup(value->keys[i], "label name"));
    }
    return true;
}

static bool read_config(json_t **out, const struct hone_yaml *value, const struct hone_yaml **culprit) {
    if (value->kind != HONE_YAML_MAP || value->n == 0) return false;
    *out = json_object();
    for (size_t i = 0; i < value->n; i++) {
        *culprit = value->items[i];
        if ((*culprit)->kind != HONE_YAML_SCALAR || hone_yaml_is_null(*culprit)) return false;
        enum scalar_kind kind = node_kind(*culprit);
        double x = 0;
        if (kind != SCALAR_STRING && kind != SCALAR_BOOL && !read_number(&x, *culprit)) return false;
        json_t *read = kind == SCALAR_STRING    ? json_string((*culprit)->text)
                       : kind == SCALAR_BOOL    ? json_boolean(tolower((unsigned char)(*culprit)->text[0]) == 't')
                       : kind == SCALAR_INTEGER ? json_integer(strtoll((*culprit)->text, NULL, 10))
                                                : json_real(x);
        json_object_set_new(*out, value->keys[i], read);
    }
    return true;
}

static bool read_steps(struct hone_steps *out, const struct hone_option *option, const struct hone_yaml *value) {
    double x;
    if (!read_number(&x, value)) return false;
    if (node_kind(value) == SCALAR_INTEGER) return read_integer(&out->steps, option, value);
    if (!(x >= 0 && x < 1)) return false;
    out->ratio = x;
    return true;
}

static bool read_paths(struct hone_strings *out, const struct hone_yaml *value, const struct hone_yaml **culprit) {
    char *path;
    if (value->kind == HONE_YAML_SCALAR) {
        if (!read_string(&path, value)) return false;
        strings_add(out, path);
        return true;
    }
    if (value->kind != HONE_YAML_LIST || value->n == 0) return false;
    for (size_t i = 0; i < value->n; i++) {
        *culprit = value->items[i];
        if (!read_string(&path, value->items[i])) return false;
        strings_add(out, path);
    }
    return true;
}

/* Names are taken by their text whatever they look like: `labels: [0, 1]` and `[no, yes]` mean those words. */
static char *read_names(struct hone_strings *out, const struct hone_yaml *value, const struct hone_yaml **culprit) {
    if (value->kind != HONE_YAML_LIST || value->n < 2) return hone_strdup("", "message");
    for (size_t i = 0; i < value->n; i++) {
        const struct hone_yaml *item = *culprit = value->items[i];
        if (item->kind != HONE_YAML_SCALAR || hone_yaml_is_null(item) || item->text[0] == 0)
            return hone_strdup("", "message");
        for (size_t j = 0; j < i; j++)
            if (strcmp(out->items[j], item->text) == 0) {
                struct hone_text why = {0};
                hone_found(&why, item);
                hone_text_format(&why, " twice, as label %zu and label %zu", j, i);
                return why.bytes;
            }
        strings_add(out, hone_strdup(item->text, "label name"));
    }
    return NULL;
}

static bool read_numbers(struct hone_numbers *out, const struct hone_option *option, const struct hone_yaml *value,
                         const struct hone_yaml **culprit) {
    if (value->kind != HONE_YAML_LIST || value->n == 0) return false;
    out->items = hone_alloc(value->n, sizeof *out->items, "numbers of a recipe");
    for (size_t i = 0; i < value->n; i++, out->n++) {
        *culprit = value->items[i];
        if (!read_number(&out->items[i], value->items[i]) || !within(option, out->items[i])) return false;
    }
    return true;
}

static char *found_expected(const struct hone_yaml *value, const char *expected) {
    struct hone_text why = {0};
    hone_found(&why, value);
    hone_text_format(&why, ", expected %s", expected);
    return why.bytes;
}

static char *read_group_member(struct hone_group_option *out, const char *key, const struct hone_yaml *value) {
    double x;
    if (strcmp(key, "pattern") == 0)
        return read_string(&out->pattern, value) ? NULL : found_expected(value, "a pattern");
    if (strcmp(key, "lr") == 0) {
        if (!read_number(&x, value) || x <= 0) return found_expected(value, "a number above 0");
        out->lr = x;
    } else if (strcmp(key, "weight_decay") == 0) {
        if (!read_number(&x, value) || x < 0) return found_expected(value, "a number from 0");
        out->weight_decay = x;
    } else {
        char *shown = hone_escape(key, strlen(key));
        char *why = hone_format("unknown key \"%s\" in a group, expected pattern, lr or weight_decay", shown);
        hone_free(shown);
        return why;
    }
    return NULL;
}

static char *read_group(struct hone_group_option *out, const struct hone_yaml *map, const struct hone_yaml **culprit) {
    *culprit = map;
    if (map->kind != HONE_YAML_MAP) return found_expected(map, "{pattern: ..., lr: ..., weight_decay: ...}");
    for (size_t i = 0; i < map->n; i++) {
        *culprit = map->items[i];
        char *why = read_group_member(out, map->keys[i], map->items[i]);
        if (why) return why;
    }
    *culprit = map;
    if (!out->pattern) return hone_strdup("a group without a pattern", "message");
    if (out->lr < 0 && out->weight_decay < 0) return hone_strdup("a group with neither lr nor weight_decay", "message");
    return NULL;
}

static char *read_groups(struct hone_group_options *out, const struct hone_yaml *value,
                         const struct hone_yaml **culprit) {
    if (value->kind != HONE_YAML_LIST || value->n == 0) return hone_strdup("", "message");
    out->items = hone_calloc(value->n, sizeof *out->items, "parameter groups");
    for (size_t i = 0; i < value->n; i++) {
        out->items[out->n] = (struct hone_group_option){.lr = -1, .weight_decay = -1};
        char *why = read_group(&out->items[out->n++], value->items[i], culprit);
        if (why) return why;
    }
    return NULL;
}

static bool read_every(int64_t *out, const struct hone_option *option, const struct hone_yaml *value) {
    if (value->kind != HONE_YAML_SCALAR) return false;
    if (hone_yaml_is_null(value) || strcmp(value->text, "no") == 0) {
        *out = HONE_NEVER;
    } else if (strcmp(value->text, "epoch") == 0) {
        *out = HONE_EVERY_EPOCH;
    } else {
        return read_integer(out, option, value);
    }
    return true;
}

/* "30s", "10min", "2h"; else as read_every. */
static bool read_interval(struct hone_interval *out, const struct hone_option *option, const struct hone_yaml *value) {
    static const struct {
        const char *unit;
        double seconds;
    } units[] = {{"s", 1}, {"min", 60}, {"h", 3600}};
    if (value->kind != HONE_YAML_SCALAR) return false;
    size_t digits = hone_yaml_is_null(value) ? 0 : strspn(value->text, "0123456789");
    for (size_t i = 0; digits > 0 && digits < 8 && i < sizeof units / sizeof units[0]; i++)
        if (strcmp(value->text + digits, units[i].unit) == 0) {
            out->seconds = strtod(value->text, NULL) * units[i].seconds;
            return out->seconds > 0;
        }
    return read_every(&out->steps, option, value);
}

/* Words of at most so many letters are all near each other. */
#define SHORT_WORD 4

static void add_nearest(struct hone_text *why, const struct hone_option *option, const struct hone_yaml *value) {
    size_t n = 0;
    if (option->type != HONE_OPTION_WORD || value->kind != HONE_YAML_SCALAR || strlen(value->text) <= SHORT_WORD)
        return;
    while (option->words[n]) n++;
    const char *meant = hone_suggest(value->text, option->words, n);
    if (meant) hone_text_format(why, " (did you mean \"%s\"?)", meant);
}

/* What to write instead, where the intention is plain. */
static void add_advice(struct hone_text *why, const struct hone_option *option, const struct hone_yaml *value) {
    bool text =
        option->type == HONE_OPTION_PATH || option->type == HONE_OPTION_PATHS || option->type == HONE_OPTION_PATTERNS;
    bool integer = option->type == HONE_OPTION_INTEGER || option->type == HONE_OPTION_AUTO_OR_INTEGER ||
                   option->type == HONE_OPTION_EVERY || option->type == HONE_OPTION_INTERVAL;
    if (value->kind != HONE_YAML_SCALAR || hone_yaml_is_null(value)) return;
    enum scalar_kind kind = scalar_kind(value->text, false);
    double x = kind == SCALAR_INTEGER || kind == SCALAR_FLOAT ? strtod(value->text, NULL) : NAN;
    if (text) {
        if (kind != SCALAR_STRING) hone_text_format(why, " (put it in quotes)");
    } else if (value->quoted) {
        if (kind != SCALAR_STRING) hone_text_format(why, " (remove the quotes)");
    } else if (kind == SCALAR_INTEGER && has_leading_zero(value->text)) {
        hone_text_format(why, " (a leading 0 means octal to some readers: write %.0f)", x);
    } else if (kind == SCALAR_OTHER_NUMBER && strpbrk(value->text, "xo")) {
        hone_text_format(why, " (write it in decimal)");
    } else if (kind == SCALAR_OTHER_NUMBER || isinf(x)) {
        hone_text_format(why, " (it must be finite)");
    } else if (integer && kind == SCALAR_FLOAT && within(option, x) && x == floor(x)) {
        hone_text_format(why, " (write %.0f)", x);
    } else if (kind == SCALAR_STRING && isdigit((unsigned char)value->text[0]) && strchr(value->text, '_')) {
        hone_text_format(why, " (no underscores in numbers)");
    }
}

static void clear_strings(struct hone_strings *list) {
    for (size_t i = 0; i < list->n; i++) hone_free(list->items[i]);
    hone_free(list->items);
    *list = (struct hone_strings){0};
}

void hone_option_clear(struct hone_recipe *recipe, const struct hone_option *option) {
    void *member = (char *)recipe + option->offset;
    switch (option->type) {
    case HONE_OPTION_PATH:
    case HONE_OPTION_TEXT:
        hone_free(*(char **)member);
        *(char **)member = NULL;
        break;
    case HONE_OPTION_GROUPS: {
        struct hone_group_options *groups = member;
        for (size_t i = 0; i < groups->n; i++) hone_free(groups->items[i].pattern);
        hone_free(groups->items);
        *groups = (struct hone_group_options){0};
        break;
    }
    case HONE_OPTION_PATHS:
    case HONE_OPTION_PATTERNS:
    case HONE_OPTION_NAMES:
        clear_strings(member);
        break;
    case HONE_OPTION_NUMBERS:
        hone_free(((struct hone_numbers *)member)->items);
        *(struct hone_numbers *)member = (struct hone_numbers){0};
        break;
    case HONE_OPTION_COLUMN:
        hone_free(((struct hone_column *)member)->name);
        *(struct hone_column *)member = (struct hone_column){.number = -1};
        break;
    case HONE_OPTION_COLUMNS: {
        struct hone_columns *columns = member;
        for (size_t i = 0; i < columns->n; i++) hone_free(columns->items[i].name);
        hone_free(columns->items);
        *columns = (struct hone_columns){0};
        break;
    }
    case HONE_OPTION_CONFIG:
        json_decref(*(json_t **)member);
        *(json_t **)member = NULL;
        break;
    case HONE_OPTION_WEIGHTS: {
        struct hone_weights *weights = member;
        clear_strings(&weights->names);
        hone_free(weights->values);
        *weights = (struct hone_weights){0};
        break;
    }
    case HONE_OPTION_INTEGER:
    case HONE_OPTION_AUTO_OR_INTEGER:
    case HONE_OPTION_EVERY:
        *(int64_t *)member = 0;
        break;
    case HONE_OPTION_NUMBER:
        *(double *)member = 0;
        break;
    case HONE_OPTION_BOOL:
        *(bool *)member = false;
        break;
    case HONE_OPTION_WORD:
        *(int *)member = 0;
        break;
    case HONE_OPTION_INTERVAL:
        *(struct hone_interval *)member = (struct hone_interval){0};
        break;
    case HONE_OPTION_STEPS:
        *(struct hone_steps *)member = (struct hone_steps){0};
        break;
    }
}

char *hone_option_set(struct hone_recipe *recipe, const struct hone_option *option, const struct hone_yaml *value,
                      const struct hone_yaml **culprit) {
    void *member = (char *)recipe + option->offset;
    char *sentence = NULL;
    bool right = false;
    hone_option_clear(recipe, option);
    *culprit = value;
    switch (option->type) {
    case HONE_OPTION_PATH:
        right = read_string(member, value);
        break;
    case HONE_OPTION_PATHS:
    case HONE_OPTION_PATTERNS:
        right = read_paths(member, value, culprit);
        break;
    case HONE_OPTION_GROUPS:
        sentence = read_groups(member, value, culprit);
        right = !sentence;
        break;
    case HONE_OPTION_NAMES:
        sentence = read_names(member, value, culprit);
        right = !sentence;
        break;
    case HONE_OPTION_NUMBERS:
        right = read_numbers(member, option, value, culprit);
        if (!right) {
            hone_free(((struct hone_numbers *)member)->items);
            *(struct hone_numbers *)member = (struct hone_numbers){0};
        }
        break;
    case HONE_OPTION_INTEGER:
        right = read_integer(member, option, value);
        break;
    case HONE_OPTION_AUTO_OR_INTEGER:
        right = (value->kind == HONE_YAML_SCALAR && strcmp(value->text, "auto") == 0) ||
                read_integer(member, option, value);
        break;
    case HONE_OPTION_EVERY:
        right = read_every(member, option, value);
        break;
    case HONE_OPTION_INTERVAL:
        right = read_interval(member, option, value);
        break;
    case HONE_OPTION_NUMBER: {
        double x;
        right = read_number(&x, value) && within(option, x);
        if (right) *(double *)member = x;
        break;
    }
    case HONE_OPTION_BOOL:
        right = value->kind == HONE_YAML_SCALAR && node_kind(value) == SCALAR_BOOL;
        if (right) *(bool *)member = tolower((unsigned char)value->text[0]) == 't';
        break;
    case HONE_OPTION_WORD:
        right = read_word(member, option, value);
        break;
    case HONE_OPTION_COLUMN:
        right = read_column(member, value);
        break;
    case HONE_OPTION_COLUMNS:
        right = read_columns(member, value, culprit);
        break;
    case HONE_OPTION_TEXT:
        right = value->kind == HONE_YAML_SCALAR && value->text[0];
        if (right) *(char **)member = hone_strdup(value->text, "recipe value");
        break;
    case HONE_OPTION_CONFIG:
        right = read_config(member, value, culprit);
        break;
    case HONE_OPTION_WEIGHTS:
        right = read_weights(member, value, culprit);
        break;
    case HONE_OPTION_STEPS:
        right = read_steps(member, option, value);
        break;
    }
    if (right) return NULL;
    hone_option_clear(recipe, option);
    if (sentence && sentence[0]) return sentence;
    hone_free(sentence);
    struct hone_text why = {0};
    hone_found(&why, *culprit);
    add_nearest(&why, option, *culprit);
    hone_text_format(&why, ", expected ");
    if (*culprit == value) {
        hone_option_expected(&why, option);
    } else {
        hone_text_format(&why, option->type == HONE_OPTION_PATHS      ? "a path"
                               : option->type == HONE_OPTION_PATTERNS ? "a pattern"
                               : option->type == HONE_OPTION_COLUMNS  ? "a column's name, or its number from 0"
                               : option->type == HONE_OPTION_NUMBERS || option->type == HONE_OPTION_WEIGHTS
                                   ? "a number above 0"
                                   : "a name");
    }
    add_advice(&why, option, *culprit);
    return why.bytes;
}

void hone_option_reset(struct hone_recipe *recipe, const struct hone_option *option) {
    hone_option_clear(recipe, option);
    if (!option->otherwise) return;
    char *text = hone_strdup(option->otherwise, "default of an option");
    struct hone_yaml value = {.kind = HONE_YAML_SCALAR, .text = text};
    const struct hone_yaml *culprit;
    char *why = hone_option_set(recipe, option, &value, &culprit);
    HONE_CHECK(!why, "the default of %s: %s", option->name, why);
    hone_free(text);
}

void hone_found(struct hone_text *text, const struct hone_yaml *value) {
    enum { SHOWN = 60 };
    if (value->kind == HONE_YAML_LIST) {
        hone_text_format(text, value->n == 0 ? "found an empty list" : "found a list of %zu", value->n);
    } else if (value->kind == HONE_YAML_MAP) {
        hone_text_format(text, value->n == 0 ? "found an empty map" : "found keys and values");
    } else if (hone_yaml_is_null(value)) {
        hone_text_format(text, "found null");
    } else {
        size_t n = strlen(value->text), shown = n;
        if (n > SHOWN) /* not inside a UTF-8 sequence */
            for (shown = SHOWN; shown > 0 && ((unsigned char)value->text[shown] & 0xC0) == 0x80; shown--) {}
        char *escaped = hone_escape(value->text, shown);
        hone_text_format(text, "found \"%s%s\"", escaped, shown < n ? "…" : "");
        hone_free(escaped);
    }
}
