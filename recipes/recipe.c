/* Reading a recipe: the file's tree and then the overrides go through the option table, what is wrong is collected, and
 * what several options say together is checked at the end (rules.c). */
#include "recipes/recipe.h"

#include <string.h>

#include "base/io.h"
#include "base/utf8.h"
#include "base/yaml.h"
#include "hub/cache.h"
#include "recipes/reader.h"

struct hone_given *hone_reader_given(const struct hone_reader *reader, const char *name) {
    const struct hone_option *option = hone_option_find(name);
    HONE_CHECK(option, "no option %s", name);
    return &reader->given[option - hone_options];
}

/* One value for one option; a later one replaces it, null takes it back. */
static void take(struct hone_reader *reader, const struct hone_option *option, const struct hone_yaml *value,
                 struct hone_place place) {
    struct hone_given *given = &reader->given[option - hone_options];
    given->place = place;
    if (hone_yaml_is_null(value) && option->type != HONE_OPTION_EVERY && option->type != HONE_OPTION_INTERVAL) {
        given->given = false;
        hone_option_reset(reader->recipe, option);
        return;
    }
    const struct hone_yaml *culprit;
    char *why = hone_option_set(reader->recipe, option, value, &culprit);
    given->given = !why;
    if (!why) return;
    given->excused = true;
    if (!place.override) place = (struct hone_place){.line = culprit->line, .column = culprit->column};
    hone_mistake_add(reader, place, place.override ? NULL : option->name, why);
    hone_free(why);
}

static void unknown_key(struct hone_reader *reader, struct hone_place place, const char *section, const char *key) {
    enum { SHOWN = 60 };
    struct hone_text text = {0};
    size_t n = strlen(key);
    char *shown = hone_escape(key, n < SHOWN ? n : SHOWN);
    hone_text_format(&text, "unknown key \"%s%s\"%s%s", shown, n > SHOWN ? "…" : "", *section ? " in " : "", section);
    hone_free(shown);
    const struct hone_option *dotted = *section || place.override ? NULL : hone_option_find(key);
    bool whole_section = false;
    if (dotted) {
        hone_text_format(&text, ": write \"%.*s: {%s: …}\"", (int)hone_option_section_length(dotted), dotted->name,
                         hone_option_key(dotted));
        reader->given[dotted - hone_options].excused = true;
    } else {
        const struct hone_option *meant = hone_suggest_option(&text, &whole_section, section, key);
        for (size_t i = 0; meant && i < hone_option_count; i++) {
            const struct hone_option *option = &hone_options[i];
            if (option == meant || (whole_section && hone_options_share_section(option, meant)))
                reader->given[i].excused = true;
        }
    }
    hone_mistake_add(reader, place, NULL, text.bytes);
    hone_text_free(&text);
}

/* Appends "a, b, c": the keys of the section that begins at `first`, with its name before each if `dotted`. */
static void list_keys(struct hone_text *text, const struct hone_option *first, bool dotted) {
    for (const struct hone_option *o = first; o < hone_options + hone_option_count; o++) {
        if (!hone_options_share_section(o, first)) break;
        hone_text_format(text, "%s%s", o == first ? "" : ", ", dotted ? o->name : hone_option_key(o));
    }
}

static void read_section(struct hone_reader *reader, const struct hone_option *first, const char *section,
                         const struct hone_yaml *value) {
    if (hone_yaml_is_null(value)) return;
    if (value->kind != HONE_YAML_MAP) {
        struct hone_text why = {0};
        hone_found(&why, value);
        hone_text_format(&why, ", expected keys and values of: ");
        list_keys(&why, first, false);
        hone_mistake_add(reader, (struct hone_place){.line = value->line, .column = value->column}, section, why.bytes);
        hone_text_free(&why);
        for (size_t i = 0; i < hone_option_count; i++)
            if (hone_options_share_section(&hone_options[i], first)) reader->given[i].excused = true;
        return;
    }
    for (size_t i = 0; i < value->n; i++) {
        const struct hone_yaml *item = value->items[i];
        char *name = hone_format("%s.%s", section, value->keys[i]);
        const struct hone_option *option = hone_option_find(name);
        hone_free(name);
        if (option) {
            take(reader, option, item, (struct hone_place){.line = item->line, .column = item->column});
        } else {
            struct hone_place place = {.line = value->key_lines[i], .column = value->key_columns[i]};
            unknown_key(reader, place, section, value->keys[i]);
        }
    }
}

static void read_tree(struct hone_reader *reader, const struct hone_yaml *root) {
    if (root->kind != HONE_YAML_MAP) {
        struct hone_text why = {0};
        hone_found(&why, root);
        hone_text_format(&why, ", expected a recipe: sections such as \"model:\" with keys and values");
        hone_mistake_add(reader, (struct hone_place){.line = root->line, .column = root->column}, NULL, why.bytes);
        hone_text_free(&why);
        for (size_t i = 0; i < hone_option_count; i++) reader->given[i].excused = true;
        return;
    }
    for (size_t i = 0; i < root->n; i++) {
        const char *key = root->keys[i];
        const struct hone_yaml *item = root->items[i];
        struct hone_place place = {.line = root->key_lines[i], .column = root->key_columns[i]};
        const struct hone_option *option = strchr(key, '.') ? NULL : hone_option_find(key);
        const struct hone_option *first = hone_section_find(key);
        if (option) {
            take(reader, option, item, (struct hone_place){.line = item->line, .column = item->column});
        } else if (first) {
            reader->given[first - hone_options].section_place = place;
            read_section(reader, first, key, item);
        } else {
            unknown_key(reader, place, "", key);
        }
    }
}

static void tell_repeated(void *context, const struct hone_yaml *map, size_t i) {
    char *key = hone_escape(map->keys[i], strlen(map->keys[i]));
    char *why = hone_format("key \"%s\" is given twice, first in line %d", key, map->first_lines[i]);
    hone_mistake_add(context, (struct hone_place){.line = map->key_lines[i], .column = map->key_columns[i]}, NULL, why);
    hone_free(why);
    hone_free(key);
}

/* The value of an override; the parser's own "value:line:column: " says nothing on a command line. */
static void read_override_value(struct hone_reader *reader, const struct hone_option *option, const char *text,
                                struct hone_place place) {
    struct hone_yaml *value = NULL;
    if (text[strspn(text, " \t")] == 0) text = "null";
    if (hone_yaml_parse(&value, text, strlen(text), "value") == HONE_OK) {
        take(reader, option, value, place);
    } else {
        const char *why = hone_error_message(), *behind = strstr(why, ": ");
        hone_mistake_add(reader, place, NULL, behind && strncmp(why, "value:", 6) == 0 ? behind + 2 : why);
        reader->given[option - hone_options].excused = true;
    }
    hone_yaml_free(value);
}

static void read_override(struct hone_reader *reader, const char *override) {
    struct hone_place place = {.override = override};
    const char *equals = strchr(override, '=');
    if (!equals || equals == override) {
        hone_mistake_add(reader, place, NULL, "expected key=value, such as training.epochs=3");
        return;
    }
    char *key = hone_strndup(override, (size_t)(equals - override), "key of an override");
    const struct hone_option *option = hone_option_find(key), *first = hone_section_find(key);
    char *dot = strchr(key, '.');
    if (option) {
        read_override_value(reader, option, equals + 1, place);
    } else if (first) {
        struct hone_text why = {0};
        hone_text_format(&why, "a section, set one of its keys: ");
        list_keys(&why, first, true);
        hone_mistake_add(reader, place, NULL, why.bytes);
        hone_text_free(&why);
    } else if (dot) {
        *dot = 0;
        bool known = hone_section_find(key) != NULL;
        if (!known) *dot = '.';
        unknown_key(reader, place, known ? key : "", known ? dot + 1 : key);
    } else {
        unknown_key(reader, place, "", key);
    }
    hone_free(key);
}

static void missing(struct hone_reader *reader, const char *option, const char *path) {
    char *shown = hone_escape(path, strlen(path));
    char *why = hone_format("no file \"%s\" here; relative paths start at the current folder", shown);
    hone_mistake_add(reader, hone_reader_given(reader, option)->place, option, why);
    hone_free(why);
    hone_free(shown);
}

/* Whether what the recipe reads is there; what is in it shows when it is read. Returns how much is not. */
static size_t check_paths(struct hone_reader *reader) {
    const struct hone_recipe *recipe = reader->recipe;
    static const char *const names[] = {"data.train", "data.validation", "data.test", "data.validation_mm"};
    const struct hone_strings *files[] = {&recipe->data.train, &recipe->data.validation, &recipe->data.test,
                                          &recipe->data.validation_mm};
    size_t before = reader->n;
    char *model = NULL;
    if (recipe->model.path && hone_hub_find(&model, recipe->model.path) != HONE_OK)
        hone_mistake_add(reader, hone_reader_given(reader, "model.path")->place, "model.path", hone_error_message());
    hone_free(model);
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        for (size_t j = 0; j < files[i]->n; j++)
            if (!hone_file_exists(files[i]->items[j]) && !strpbrk(files[i]->items[j], "*?["))
                missing(reader, names[i], files[i]->items[j]);
    return reader->n - before;
}

static enum hone_status read_recipe(struct hone_recipe *out, const char *path, char **overrides, int n,
                                    struct hone_text *mistakes, bool paths) {
    struct hone_yaml *root = NULL;
    *out = (struct hone_recipe){0};
    HONE_TRY(hone_yaml_read(&root, path));
    struct hone_reader reader = {.path = path, .recipe = out};
    reader.given = hone_calloc(hone_option_count, sizeof *reader.given, "recipe options");
    for (size_t i = 0; i < hone_option_count; i++) hone_option_reset(out, &hone_options[i]);
    read_tree(&reader, root);
    hone_yaml_repeated(root, tell_repeated, &reader);
    for (int i = 0; i < n; i++) read_override(&reader, overrides[i]);
    hone_recipe_rules(&reader);
    size_t not_there = paths ? check_paths(&reader) : 0, wrong = hone_mistakes_take(mistakes, &reader);
    out->origin = hone_origin_create(&reader);
    hone_free(reader.given);
    hone_yaml_free(root);
    if (wrong == 0) return HONE_OK;
    hone_recipe_free(out);
    return hone_fail(wrong == not_there ? HONE_BAD_INPUT : HONE_USAGE, "%s: %zu mistake%s", path, wrong,
                     wrong == 1 ? "" : "s");
}

enum hone_status hone_recipe_read(struct hone_recipe *out, const char *path, char **overrides, int n,
                                  struct hone_text *mistakes) {
    return read_recipe(out, path, overrides, n, mistakes, false);
}

enum hone_status hone_recipe_check(struct hone_recipe *out, const char *path, char **overrides, int n,
                                   struct hone_text *mistakes) {
    return read_recipe(out, path, overrides, n, mistakes, true);
}

void hone_recipe_free(struct hone_recipe *recipe) {
    for (size_t i = 0; i < hone_option_count; i++) hone_option_clear(recipe, &hone_options[i]);
    hone_origin_free(recipe->origin);
    *recipe = (struct hone_recipe){0};
}
