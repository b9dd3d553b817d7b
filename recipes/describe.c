/* What the option table says to people and to editors: what is expected, the help text and the JSON Schema. */
#include <math.h>
#include <string.h>

#include "recipes/options.h"

static void print_bounds(struct hone_text *text, const struct hone_option *option) {
    hone_text_format(text, option->low_open ? " above " : " from ");
    hone_number_print(text, option->low);
    if (!isfinite(option->high)) return;
    if (option->type == HONE_OPTION_NUMBER) {
        hone_text_format(text, option->high_open ? " to below " : option->low_open ? " and at most " : " to ");
    } else {
        hone_text_format(text, " to ");
    }
    if (option->type == HONE_OPTION_NUMBER) {
        hone_number_print(text, option->high);
    } else {
        hone_text_format(text, "%.0f", option->high);
    }
}

void hone_option_expected(struct hone_text *text, const struct hone_option *option) {
    switch (option->type) {
    case HONE_OPTION_PATH:
        hone_text_format(text, "a path");
        break;
    case HONE_OPTION_PATHS:
        hone_text_format(text, "a path or a list of paths");
        break;
    case HONE_OPTION_NAMES:
        hone_text_format(text, "a list of at least two names");
        break;
    case HONE_OPTION_NUMBERS:
        hone_text_format(text, "a list of numbers");
        break;
    case HONE_OPTION_PATTERNS:
        hone_text_format(text, "a pattern or a list of patterns");
        break;
    case HONE_OPTION_GROUPS:
        hone_text_format(text, "a list of {pattern: ..., lr: ..., weight_decay: ...}");
        break;
    case HONE_OPTION_EVERY:
        hone_text_format(text, "epoch, no, or a whole number of steps");
        break;
    case HONE_OPTION_INTERVAL:
        hone_text_format(text, "epoch, no, a time such as 10min, or a whole number of steps");
        break;
    case HONE_OPTION_BOOL:
        hone_text_format(text, "true or false");
        break;
    case HONE_OPTION_COLUMN:
        hone_text_format(text, "a column's name, or its number from 0");
        break;
    case HONE_OPTION_COLUMNS:
        hone_text_format(text, "a column's name, or its number from 0, or a list of columns");
        break;
    case HONE_OPTION_TEXT:
        hone_text_format(text, "some text");
        break;
    case HONE_OPTION_WEIGHTS:
        hone_text_format(text, "balanced, or a number for labels by name: {rare: 5, common: 1}");
        break;
    case HONE_OPTION_CONFIG:
        hone_text_format(text, "names and values as in config.json: {hidden_size: 256, num_hidden_layers: 4}");
        break;
    case HONE_OPTION_STEPS:
        hone_text_format(text, "a whole number of steps, or a share with a decimal point from 0.0 to below 1.0");
        return;
    case HONE_OPTION_NUMBER:
        hone_text_format(text, "a number");
        break;
    case HONE_OPTION_INTEGER:
        hone_text_format(text, "a whole number");
        break;
    case HONE_OPTION_AUTO_OR_INTEGER:
        hone_text_format(text, "auto, or a whole number");
        break;
    case HONE_OPTION_WORD:
        for (const char *const *word = option->words; *word; word++) {
            const char *glue = word == option->words ? "" : word[1] ? ", " : " or ";
            hone_text_format(text, "%s%s", glue, *word);
        }
        break;
    }
    bool bounded = option->type == HONE_OPTION_NUMBER || option->type == HONE_OPTION_INTEGER ||
                   option->type == HONE_OPTION_AUTO_OR_INTEGER || option->type == HONE_OPTION_EVERY ||
                   option->type == HONE_OPTION_INTERVAL;
    if (bounded) print_bounds(text, option);
}

void hone_recipe_help(struct hone_text *text) {
    for (size_t i = 0; i < hone_option_count; i++) {
        const struct hone_option *option = &hone_options[i];
        int n = (int)hone_option_section_length(option);
        bool first = i == 0 || !hone_options_share_section(option, option - 1);
        if (first && n > 0) hone_text_format(text, "%.*s:\n", n, option->name);
        hone_text_format(text, "%s%-*s ", n > 0 ? "  " : "", n > 0 ? 20 : 22, hone_option_key(option));
        hone_option_expected(text, option);
        if (option->required) {
            hone_text_format(text, " (required)");
        } else if (option->otherwise) {
            hone_text_format(text, " (default %s)", option->otherwise);
        }
        hone_text_format(text, "\n%23s%s\n", "", option->help);
        if (option->only)
            hone_text_format(text, "%23sWith %s: %s\n", "", hone_option_chooser(option)->name, option->only);
    }
}

static void schema_bounds(struct hone_text *text, const struct hone_option *option) {
    hone_text_format(text, ", \"%s\": ", option->low_open ? "exclusiveMinimum" : "minimum");
    hone_number_print(text, option->low);
    if (!isfinite(option->high)) return;
    hone_text_format(text, ", \"%s\": ", option->high_open ? "exclusiveMaximum" : "maximum");
    if (option->type == HONE_OPTION_NUMBER) {
        hone_number_print(text, option->high);
    } else {
        hone_text_format(text, "%.0f", option->high);
    }
}

/* A schema doesn't know which task is chosen: what only some need, it asks of none. */
static bool always_required(const struct hone_option *option) { return option->required && !option->only; }

/* The alternatives of anyOf. What the table holds is printable ASCII without quotes and backslashes. */
static void schema_type(struct hone_text *text, const struct hone_option *option) {
    static const char string[] = "{\"type\": \"string\", \"minLength\": 1}";
    switch (option->type) {
    case HONE_OPTION_PATH:
        hone_text_format(text, "%s", string);
        break;
    case HONE_OPTION_GROUPS:
        hone_text_format(text,
                         "{\"type\": \"array\", \"minItems\": 1, \"items\": {\"type\": \"object\", "
                         "\"additionalProperties\": false, \"required\": [\"pattern\"], \"properties\": {"
                         "\"pattern\": %s, \"lr\": {\"type\": \"number\", \"exclusiveMinimum\": 0}, "
                         "\"weight_decay\": {\"type\": \"number\", \"minimum\": 0}}}}",
                         string);
        break;
    case HONE_OPTION_PATTERNS:
    case HONE_OPTION_PATHS:
        hone_text_format(text, "%s, {\"type\": \"array\", \"items\": %s, \"minItems\": 1}", string, string);
        break;
    case HONE_OPTION_NAMES:
        hone_text_format(text, "{\"type\": \"array\", \"items\": {\"type\": [\"string\", \"number\", \"boolean\"]}, "
                               "\"minItems\": 2, \"uniqueItems\": true}");
        break;
    case HONE_OPTION_NUMBERS:
        hone_text_format(text, "{\"type\": \"array\", \"minItems\": 1, \"items\": {\"type\": \"number\"");
        schema_bounds(text, option);
        hone_text_format(text, "}}");
        break;
    case HONE_OPTION_AUTO_OR_INTEGER:
        hone_text_format(text, "{\"const\": \"auto\"}, ");
        break;
    case HONE_OPTION_EVERY:
        hone_text_format(text, "{\"enum\": [\"epoch\", \"no\"]}, ");
        break;
    case HONE_OPTION_INTERVAL:
        hone_text_format(text, "{\"enum\": [\"epoch\", \"no\"]}, {\"type\": \"string\", \"pattern\": "
                               "\"^[0-9]+(s|min|h)$\"}, ");
        break;
    case HONE_OPTION_BOOL:
        hone_text_format(text, "{\"type\": \"boolean\"}");
        break;
    case HONE_OPTION_COLUMN:
        hone_text_format(text, "%s, {\"type\": \"integer\", \"minimum\": 0}", string);
        break;
    case HONE_OPTION_COLUMNS:
        hone_text_format(
            text,
            "%s, {\"type\": \"integer\", \"minimum\": 0}, {\"type\": \"array\", \"minItems\": 1, \"items\": "
            "{\"type\": [\"string\", \"integer\"]}}",
            string);
        break;
    case HONE_OPTION_TEXT:
        hone_text_format(text, "%s", string);
        break;
    case HONE_OPTION_WEIGHTS:
        hone_text_format(text, "{\"const\": \"balanced\"}, {\"type\": \"object\", \"minProperties\": 1, "
                               "\"additionalProperties\": {\"type\": \"number\", \"exclusiveMinimum\": 0}}");
        break;
    case HONE_OPTION_CONFIG:
        hone_text_format(text, "{\"type\": \"object\", \"minProperties\": 1, "
                               "\"additionalProperties\": {\"type\": [\"string\", \"number\", \"boolean\"]}}");
        break;
    case HONE_OPTION_STEPS:
        hone_text_format(text, "{\"type\": \"number\", \"minimum\": 0, \"exclusiveMaximum\": 1}, ");
        break;
    case HONE_OPTION_NUMBER:
        hone_text_format(text, "{\"type\": \"number\"");
        schema_bounds(text, option);
        hone_text_format(text, "}");
        break;
    case HONE_OPTION_INTEGER:
        break;
    case HONE_OPTION_WORD:
        hone_text_format(text, "{\"enum\": [");
        for (const char *const *word = option->words; *word; word++)
            hone_text_format(text, "%s\"%s\"", word == option->words ? "" : ", ", *word);
        hone_text_format(text, "]}");
        break;
    }
    bool integer = option->type == HONE_OPTION_INTEGER || option->type == HONE_OPTION_AUTO_OR_INTEGER ||
                   option->type == HONE_OPTION_EVERY || option->type == HONE_OPTION_INTERVAL ||
                   option->type == HONE_OPTION_STEPS;
    if (integer) {
        hone_text_format(text, "{\"type\": \"integer\"");
        schema_bounds(text, option);
        hone_text_format(text, "}");
    }
    if (!always_required(option)) hone_text_format(text, ", {\"type\": \"null\"}");
}

/* Defaults stand in the table as in a recipe: numbers are JSON too, anything else there is a plain string. */
static void schema_default(struct hone_text *text, const struct hone_option *option) {
    if (!option->otherwise) return;
    hone_text_format(text, ", \"default\": ");
    if (option->type == HONE_OPTION_BOOL || strchr("-0123456789", option->otherwise[0])) {
        hone_text_format(text, "%s", option->otherwise);
    } else {
        hone_text_format(text, "\"%s\"", option->otherwise);
    }
}

static void schema_property(struct hone_text *text, const struct hone_option *option, int indent) {
    hone_text_format(text, "%*s\"%s\": {\"description\": \"%s\"", indent, "", hone_option_key(option), option->help);
    schema_default(text, option);
    hone_text_format(text, ", \"anyOf\": [");
    schema_type(text, option);
    hone_text_format(text, "]}");
}

/* Whether the section that begins at `first` has an option that must be given. */
static bool section_is_required(const struct hone_option *first) {
    for (const struct hone_option *o = first; o < hone_options + hone_option_count; o++)
        if (hone_options_share_section(o, first) && always_required(o)) return true;
    return false;
}

void hone_recipe_schema(struct hone_text *text) {
    struct hone_text required = {0};
    hone_text_format(text, "{\n  \"$schema\": \"https://json-schema.org/draft/2020-12/schema\",\n"
                           "  \"title\": \"hone recipe\",\n  \"type\": \"object\",\n"
                           "  \"additionalProperties\": false,\n  \"properties\": {");
    for (size_t i = 0; i < hone_option_count;) {
        const struct hone_option *first = &hone_options[i];
        size_t n = hone_option_section_length(first);
        hone_text_format(text, i > 0 ? ",\n" : "\n");
        if (section_is_required(first) && (n > 0 || always_required(first)))
            hone_text_format(&required, "%s\"%.*s\"", required.length > 0 ? ", " : "",
                             (int)(n > 0 ? n : strlen(first->name)), first->name);
        if (n == 0) {
            schema_property(text, first, 4);
            i++;
            continue;
        }
        struct hone_text keys = {0};
        hone_text_format(text,
                         "    \"%.*s\": {\n      \"type\": %s,\n      \"additionalProperties\": false,\n"
                         "      \"properties\": {",
                         (int)n, first->name, section_is_required(first) ? "\"object\"" : "[\"object\", \"null\"]");
        for (bool more = false; i < hone_option_count && hone_options_share_section(&hone_options[i], first); i++) {
            hone_text_format(text, more ? ",\n" : "\n");
            more = true;
            schema_property(text, &hone_options[i], 8);
            if (always_required(&hone_options[i]))
                hone_text_format(&keys, "%s\"%s\"", keys.length > 0 ? ", " : "", hone_option_key(&hone_options[i]));
        }
        hone_text_format(text, "\n      }");
        if (keys.length > 0) hone_text_format(text, ",\n      \"required\": [%s]", keys.bytes);
        hone_text_format(text, "\n    }");
        hone_text_free(&keys);
    }
    hone_text_format(text, "\n  },\n  \"required\": [%s]\n}\n", required.bytes);
    hone_text_free(&required);
}
