/* The resolved recipe: every option with its value, as YAML that readers of versions 1.1 and 1.2 take for the same
 * values (so "no" is quoted, and 5.0e-05 has a point). */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/io.h"
#include "base/utf8.h"
#include "recipes/options.h"

void hone_number_print(struct hone_text *text, double value) {
    char digits[40];
    if (value == floor(value) && fabs(value) < 1e15) {
        hone_text_format(text, "%.0f", value);
        return;
    }
    for (int precision = 1; precision <= 17; precision++) {
        snprintf(digits, sizeof digits, "%.*g", precision, value);
        if (strtod(digits, NULL) == value) break;
    }
    const char *exponent = strchr(digits, 'e');
    if (exponent && !strchr(digits, '.')) {
        hone_text_format(text, "%.*s.0%s", (int)(exponent - digits), digits, exponent);
    } else {
        hone_text_format(text, "%s", digits);
    }
}

/* Letters, digits and / . _ - after a letter, '/', '.', or '_': with no reader anything but a string, save the words. */
static bool is_plain(const char *s) {
    static const char *const words[] = {"null", "true", "false", "yes", "no", "on", "off", "y", "n"};
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (strcasecmp(s, words[i]) == 0) return false;
    size_t n = strspn(s, "/._");
    if (n + strspn(s + n, letters) == n) return false;           /* .5, _1 or . */
    if (s[0] == '.' && s[1] != '/' && s[1] != '.') return false; /* .inf, .nan */
    return s[strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789/._-")] == 0;
}

/* Double quotes; what a reader would fold, refuse or hide (controls, other line ends, byte-order marks) as escapes. */
static void print_string(struct hone_text *text, const char *s) {
    if (is_plain(s)) {
        hone_text_format(text, "%s", s);
        return;
    }
    hone_text_append(text, "\"", 1);
    for (size_t i = 0, n = strlen(s); i < n;) {
        size_t start = i;
        int32_t code = hone_utf8_next(s, &i);
        bool hidden = code < 0x20 || (code >= 0x7F && code <= 0xA0) || code == 0x2028 || code == 0x2029 ||
                      code == 0xFEFF || code == 0xFFFE || code == 0xFFFF;
        if (code == '"' || code == '\\') {
            hone_text_format(text, "\\%c", (char)code);
        } else if (hidden) {
            hone_text_format(text, "\\u%04X", (unsigned)code);
        } else {
            hone_text_append(text, s + start, i - start);
        }
    }
    hone_text_append(text, "\"", 1);
}

static void print_strings(struct hone_text *text, const struct hone_strings *list) {
    if (list->n == 0) {
        hone_text_format(text, "null");
        return;
    }
    hone_text_format(text, "[");
    for (size_t i = 0; i < list->n; i++) {
        if (i > 0) hone_text_format(text, ", ");
        print_string(text, list->items[i]);
    }
    hone_text_format(text, "]");
}

static void print_groups(struct hone_text *text, const struct hone_group_options *groups) {
    if (groups->n == 0) hone_text_format(text, "null");
    for (size_t i = 0; i < groups->n; i++) {
        const struct hone_group_option *group = &groups->items[i];
        hone_text_format(text, "%s{pattern: ", i ? ", " : "[");
        print_string(text, group->pattern);
        const double numbers[] = {group->lr, group->weight_decay};
        static const char *const keys[] = {"lr", "weight_decay"};
        for (int k = 0; k < 2; k++) {
            if (numbers[k] < 0) continue;
            hone_text_format(text, ", %s: ", keys[k]);
            hone_number_print(text, numbers[k]);
        }
        hone_text_format(text, "}%s", i + 1 == groups->n ? "]" : "");
    }
}

static void print_column(struct hone_text *text, const struct hone_column *column) {
    if (column->name) {
        print_string(text, column->name);
    } else if (column->number >= 0) {
        hone_text_format(text, "%lld", (long long)column->number);
    } else {
        hone_text_format(text, "null");
    }
}

static void print_config(struct hone_text *text, json_t *config) {
    const char *key, *before = "{";
    json_t *value;
    if (!config) hone_text_format(text, "null");
    json_object_foreach(config, key, value) {
        hone_text_format(text, "%s", before);
        print_string(text, key);
        hone_text_format(text, ": ");
        if (json_is_string(value))
            print_string(text, json_string_value(value));
        else if (json_is_real(value))
            hone_number_print(text, json_real_value(value));
        else if (json_is_integer(value))
            hone_text_format(text, "%lld", (long long)json_integer_value(value));
        else
            hone_text_format(text, json_is_true(value) ? "true" : "false");
        before = ", ";
    }
    if (config) hone_text_format(text, "}");
}

void hone_option_print(struct hone_text *text, const struct hone_recipe *recipe, const struct hone_option *option) {
    const void *member = (const char *)recipe + option->offset;
    bool zero_is_unset = option->low > 0 || option->low_open;
    switch (option->type) {
    case HONE_OPTION_PATH:
    case HONE_OPTION_TEXT: {
        const char *path = *(char *const *)member;
        if (path) {
            print_string(text, path);
        } else {
            hone_text_format(text, "null");
        }
        break;
    }
    case HONE_OPTION_GROUPS:
        print_groups(text, member);
        break;
    case HONE_OPTION_PATTERNS:
    case HONE_OPTION_PATHS: {
        const struct hone_strings *list = member;
        if (list->n == 1) {
            print_string(text, list->items[0]);
        } else {
            print_strings(text, list);
        }
        break;
    }
    case HONE_OPTION_NAMES:
        print_strings(text, member);
        break;
    case HONE_OPTION_NUMBERS: {
        const struct hone_numbers *list = member;
        for (size_t i = 0; i < list->n; i++) {
            hone_text_format(text, i ? ", " : "[");
            hone_number_print(text, list->items[i]);
        }
        hone_text_format(text, list->n ? "]" : "null");
        break;
    }
    case HONE_OPTION_INTEGER:
    case HONE_OPTION_AUTO_OR_INTEGER:
    case HONE_OPTION_EVERY: {
        int64_t n = *(const int64_t *)member;
        if (option->type == HONE_OPTION_EVERY && n <= 0) {
            hone_text_format(text, n == HONE_NEVER ? "\"no\"" : "epoch");
        } else if (n == 0 && zero_is_unset) {
            hone_text_format(text, option->type == HONE_OPTION_AUTO_OR_INTEGER ? "auto" : "null");
        } else {
            hone_text_format(text, "%lld", (long long)n);
        }
        break;
    }
    case HONE_OPTION_INTERVAL: {
        const struct hone_interval *interval = member;
        if (interval->seconds > 0) {
            hone_text_format(text, "%.0fs", interval->seconds);
        } else if (interval->steps <= 0) {
            hone_text_format(text, interval->steps == HONE_NEVER ? "\"no\"" : "epoch");
        } else {
            hone_text_format(text, "%lld", (long long)interval->steps);
        }
        break;
    }
    case HONE_OPTION_NUMBER: {
        double x = *(const double *)member;
        if (x == 0 && zero_is_unset) {
            hone_text_format(text, "null");
        } else {
            hone_number_print(text, x);
        }
        break;
    }
    case HONE_OPTION_BOOL:
        hone_text_format(text, *(const bool *)member ? "true" : "false");
        break;
    case HONE_OPTION_WORD:
        hone_text_format(text, "%s", option->words[*(const int *)member]);
        break;
    case HONE_OPTION_COLUMN:
        print_column(text, member);
        break;
    case HONE_OPTION_COLUMNS: {
        const struct hone_columns *columns = member;
        if (columns->n > 1) hone_text_format(text, "[");
        for (size_t i = 0; i < columns->n; i++) {
            if (i > 0) hone_text_format(text, ", ");
            print_column(text, &columns->items[i]);
        }
        hone_text_format(text, columns->n > 1 ? "]" : columns->n ? "" : "null");
        break;
    }
    case HONE_OPTION_WEIGHTS: {
        const struct hone_weights *weights = member;
        if (weights->names.n == 0) hone_text_format(text, weights->balanced ? "balanced" : "null");
        for (size_t i = 0; i < weights->names.n; i++) {
            hone_text_format(text, i > 0 ? ", " : "{");
            print_string(text, weights->names.items[i]);
            hone_text_format(text, ": ");
            hone_number_print(text, weights->values[i]);
        }
        if (weights->names.n) hone_text_format(text, "}");
        break;
    }
    case HONE_OPTION_CONFIG:
        print_config(text, *(json_t *const *)member);
        break;
    case HONE_OPTION_STEPS: {
        const struct hone_steps *steps = member;
        if (steps->ratio > 0) {
            hone_number_print(text, steps->ratio);
        } else {
            hone_text_format(text, "%lld", (long long)steps->steps);
        }
        break;
    }
    }
}

const char *hone_recipe_word(const char *option, int value) {
    const struct hone_option *row = hone_option_find(option);
    HONE_CHECK(row && row->words && value >= 0, "%s has no word %d", option, value);
    for (int i = 0; i <= value; i++) HONE_CHECK(row->words[i], "%s has no word %d", option, value);
    return row->words[value];
}

void hone_recipe_text(struct hone_text *text, const struct hone_recipe *recipe) {
    hone_text_format(text, "# The resolved recipe: every option with the value that it had.\n");
    for (size_t i = 0; i < hone_option_count; i++) {
        const struct hone_option *option = &hone_options[i];
        int n = (int)hone_option_section_length(option);
        if (n > 0 && (i == 0 || !hone_options_share_section(option, option - 1)))
            hone_text_format(text, "%.*s:\n", n, option->name);
        hone_text_format(text, "%s%s: ", n > 0 ? "  " : "", hone_option_key(option));
        if (hone_option_applies(recipe, option)) {
            hone_option_print(text, recipe, option);
        } else {
            hone_text_format(text, "null");
        }
        hone_text_format(text, "\n");
    }
}

enum hone_status hone_recipe_write(const struct hone_recipe *recipe, const char *path) {
    struct hone_text text = {0};
    hone_recipe_text(&text, recipe);
    enum hone_status status = hone_write_file(path, text.bytes, text.length);
    hone_text_free(&text);
    return status;
}
