/* Classes of characters in an expression, as the reference's Oniguruma has them: it knows a newer Unicode than Debian's.
 * A class that differs is written as what Debian's has, with and without the code points in data/pattern_tables.h. */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "data/pattern_parts.h"
#include "data/pattern_tables.h"

#define NAME 48 /* bytes of the longest name of a property, and more */

static int compare_names(const void *name, const void *row) {
    return strcmp(name, ((const struct hone_class_difference *)row)->name);
}

static const struct hone_class_difference *find_difference(const char *name) {
    return bsearch(name, class_differences, sizeof class_differences / sizeof *class_differences,
                   sizeof *class_differences, compare_names);
}

static int compare_codes(const void *code, const void *row) {
    return *(const int32_t *)code - ((const struct hone_newer_case *)row)->code;
}

int32_t hone_pattern_newer_case(int32_t code) {
    const struct hone_newer_case *row =
        bsearch(&code, newer_cases, sizeof newer_cases / sizeof *newer_cases, sizeof *newer_cases, compare_codes);
    return row ? row->other : -1;
}

static void append_ranges(struct hone_text *out, const struct hone_class_range *ranges, size_t n) {
    for (size_t i = 0; i < n; i++)
        hone_text_format(out, "\\x{%X}-\\x{%X}", (unsigned)ranges[i].first, (unsigned)ranges[i].last);
}

/* What stands inside the brackets of a class: the property, as the reference has it. */
static void append_property(struct hone_text *out, const char *name) {
    const struct hone_class_difference *row = find_difference(name);
    if (row && row->removed_n) {
        hone_text_format(out, "[\\p{%s}&&[^", name);
        append_ranges(out, row->removed, row->removed_n);
        hone_text_append(out, "]]", 2);
    } else {
        hone_text_format(out, "\\p{%s}", name);
    }
    if (row) append_ranges(out, row->added, row->added_n);
}

/* A class of one property. Inside another class it is nested there. Elsewhere it stands for a property alone, on which
 * (?i) has no effect, as it would have on brackets. */
static void append_class(struct hone_text *out, const char *name, bool negated, bool nested) {
    hone_text_format(out, nested ? "[%s" : "(?-i:[%s", negated ? "^" : "");
    append_property(out, name);
    /* Outside brackets superscript digits and fractions are word characters, inside they aren't. */
    if (!nested && strcmp(name, "word") == 0) hone_text_format(out, "\\x{B2}\\x{B3}\\x{B9}\\x{BC}-\\x{BE}");
    hone_text_format(out, nested ? "]" : "])");
}

/* The name of a property between p and `end` as it is looked up: without what Oniguruma passes over. */
static bool take_name(char name[NAME], const char *p, const char *end) {
    size_t n = 0;
    for (; p < end; p++) {
        if (*p == ' ' || *p == '-' || *p == '_') continue;
        if (n + 1 == NAME) return false;
        name[n++] = *p >= 'A' && *p <= 'Z' ? (char)(*p + 32) : *p;
    }
    name[n] = 0;
    return true;
}

/* \p{…}, \P{…}, \p{^…}: returns its length, 0 where it isn't one that differs. */
static size_t mend_property(struct hone_text *out, const char *p, bool nested) {
    char name[NAME];
    if ((p[1] != 'p' && p[1] != 'P') || p[2] != '{') return 0;
    bool caret = p[3] == '^';
    const char *begin = p + 3 + caret, *end = strchr(begin, '}');
    if (!end || !take_name(name, begin, end) || !find_difference(name)) return 0;
    append_class(out, name, caret != (p[1] == 'P'), nested);
    return (size_t)(end + 1 - p);
}

/* \w, \d and their opposites; \b and \B, which are about \w. */
static size_t mend_escape(struct hone_text *out, const char *p, bool nested) {
    size_t length = mend_property(out, p, nested);
    if (length) return length;
    if (p[1] == 'w' || p[1] == 'W' || p[1] == 'd' || p[1] == 'D') {
        append_class(out, (p[1] | 32) == 'w' ? "word" : "digit", p[1] < 'a', nested);
        return 2;
    }
    if (nested || (p[1] != 'b' && p[1] != 'B')) return 0;
    static const char *const sides[2][4] = {{"(?:(?<=", ")(?=", ")|(?<!", ")(?!"},
                                            {"(?:(?<=", ")(?!", ")|(?<!", ")(?="}};
    for (int i = 0; i < 4; i++) {
        hone_text_format(out, "%s", sides[p[1] == 'b'][i]);
        append_class(out, "word", false, false);
    }
    hone_text_append(out, "))", 2);
    return 2;
}

/* [:alpha:] or [:^alpha:] inside a class. */
static size_t mend_posix(struct hone_text *out, const char *p) {
    char name[NAME];
    if (p[0] != '[' || p[1] != ':') return 0;
    bool negated = p[2] == '^';
    const char *begin = p + 2 + negated, *end = strstr(begin, ":]");
    if (!end || !take_name(name, begin, end)) return 0;
    if (strcmp(name, "punct") == 0) { /* takes symbols in there */
        hone_text_format(out, "[%s", negated ? "^" : "");
        append_property(out, "p");
        append_property(out, "s");
        hone_text_append(out, "]", 1);
    } else if (find_difference(name)) {
        append_class(out, name, negated, true);
    } else {
        return 0;
    }
    return (size_t)(end + 2 - p);
}

char *hone_pattern_mend_classes(const char *pattern) {
    struct hone_text out = {0};
    int depth = 0; /* of brackets */
    hone_text_append(&out, "", 0);
    for (const char *p = pattern; *p;) {
        size_t length = *p == '\\' ? mend_escape(&out, p, depth > 0) : depth ? mend_posix(&out, p) : 0;
        if (length == 0) {
            length = *p == '\\' && p[1] ? 2 : 1;
            depth += *p == '[' ? 1 : *p == ']' && depth ? -1 : 0;
            hone_text_append(&out, p, length);
        }
        p += length;
    }
    return out.bytes;
}
