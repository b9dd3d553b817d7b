/* Parsing of a verb's own options, and checked writing to stdout. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/suggest.h"
#include "base/utf8.h"
#include "tools/tools.h"

static enum hone_status unknown_option(const char *verb, const char *given, const struct hone_tool_option *options) {
    const char *names[32];
    size_t n = 0;
    for (; n < 32 && options[n].name; n++) names[n] = options[n].name;
    size_t length = strcspn(given, "=");
    char *bare = hone_strndup(given, length, "name of an option");
    const char *near = hone_suggest(bare, names, n);
    hone_free(bare);
    char *shown = hone_escape(given, strlen(given));
    enum hone_status status =
        near ? hone_fail(HONE_USAGE, "%s: unknown option %s (did you mean %s?); see hone %s --help", verb, shown, near,
                         verb)
             : hone_fail(HONE_USAGE, "%s: unknown option %s; see hone %s --help", verb, shown, verb);
    hone_free(shown);
    return status;
}

enum hone_status hone_tool_parse(int argc, char **argv, const struct hone_tool_option *options, const char *help,
                                 int *n_positional, bool *helped) {
    int kept = 1;
    bool literal = false;
    *helped = false;
    for (int i = 1; i < argc; i++) {
        if (literal || argv[i][0] != '-' || argv[i][1] == '\0') {
            argv[kept++] = argv[i];
            continue;
        }
        if (strcmp(argv[i], "--") == 0) {
            literal = true;
            continue;
        }
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            *helped = true;
            *n_positional = 0;
            return hone_tool_print(help, strlen(help));
        }
        const struct hone_tool_option *option = options;
        size_t length = strcspn(argv[i], "=");
        while (option->name && (strlen(option->name) != length || strncmp(option->name, argv[i], length) != 0))
            option++;
        if (!option->name) return unknown_option(argv[0], argv[i], options);
        if (option->flag) {
            if (argv[i][length]) return hone_fail(HONE_USAGE, "%s: %s takes no value", argv[0], option->name);
            *option->flag = true;
        } else if (argv[i][length] == '=') {
            *option->value = argv[i] + length + 1;
        } else if (i + 1 < argc) {
            *option->value = argv[++i];
        } else {
            return hone_fail(HONE_USAGE, "%s: %s needs a value; see hone %s --help", argv[0], option->name, argv[0]);
        }
    }
    *n_positional = kept - 1;
    return HONE_OK;
}

enum hone_status hone_tool_whole_number(int64_t *out, const char *option, const char *text, int64_t low, int64_t high) {
    if (!text) return HONE_OK;
    char *end;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (end == text || *end || errno || value < low || value > high)
        return hone_fail(HONE_USAGE, "%s: found \"%s\", expected a whole number from %lld to %lld", option, text,
                         (long long)low, (long long)high);
    *out = value;
    return HONE_OK;
}

enum hone_status hone_tool_print(const char *bytes, unsigned long n) {
    if (n > 0 && fwrite(bytes, 1, n, stdout) != n) return hone_fail(HONE_DISK, "standard output: %s", strerror(errno));
    return HONE_OK;
}

enum hone_status hone_tool_flush(void) {
    if (fflush(stdout) != 0) return hone_fail(HONE_DISK, "standard output: %s", strerror(errno));
    return HONE_OK;
}

enum hone_status hone_tool_print_json(const json_t *value) {
    char *text = json_dumps(value, JSON_INDENT(2) | JSON_REAL_PRECISION(10));
    enum hone_status status = hone_tool_print(text, strlen(text));
    hone_free(text);
    if (status == HONE_OK) status = hone_tool_print("\n", 1);
    return status == HONE_OK ? hone_tool_flush() : status;
}
