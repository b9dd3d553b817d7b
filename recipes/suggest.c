/* Which option an unknown key was meant to be: edit distance to siblings, to options of other sections and to the names
 * that other programs have for the same thing. */
#include <ctype.h>
#include <string.h>

#include "base/suggest.h"
#include "recipes/options.h"

/* Longer keys are no typos of ours; this also bounds the work. */
enum { LONGEST = 63 };

struct candidate {
    const struct hone_option *option; /* or the first row of a section */
    bool section, elsewhere;
    size_t score;
};

/* Lower case, '-' as '_': spellings that people mix. */
static void normalize(char out[LONGEST + 1], const char *text, size_t n) {
    if (n > LONGEST) n = LONGEST;
    for (size_t i = 0; i < n; i++) out[i] = text[i] == '-' ? '_' : (char)tolower((unsigned char)text[i]);
    out[n] = 0;
}

/* Distance decides; among neighbours a sibling goes before an option of another section, and that before an alias. A
 * key that is exact elsewhere goes before a sibling one letter off. */
static void offer(struct candidate *best, const char *key, const char *word, size_t n, struct candidate it,
                  size_t penalty) {
    char normal[LONGEST + 1];
    normalize(normal, word, n);
    size_t length = strlen(key), limit = length / 3 > 2 ? length / 3 : 2;
    if (length <= 4) limit = 1;
    size_t distance = hone_edit_distance(key, normal);
    it.score = distance * 4 + penalty;
    if (distance <= limit && distance < length && (!best->option || it.score < best->score)) *best = it;
}

const struct hone_option *hone_suggest_option(struct hone_text *text, bool *whole_section, const char *section,
                                              const char *key) {
    char wanted[LONGEST + 1];
    struct candidate best = {0};
    size_t n = strlen(section);
    *whole_section = false;
    if (strlen(key) > LONGEST) return NULL;
    normalize(wanted, key, strlen(key));
    for (size_t i = 0; i < hone_option_count; i++) {
        const struct hone_option *option = &hone_options[i];
        const char *name = hone_option_key(option);
        size_t own = hone_option_section_length(option);
        bool elsewhere = own != n || strncmp(option->name, section, n) != 0;
        struct candidate it = {.option = option, .elsewhere = elsewhere};
        offer(&best, wanted, name, strlen(name), it, elsewhere ? 3 : 0);
        if (elsewhere && n == 0) offer(&best, wanted, option->name, strlen(option->name), it, 0);
        for (const char *word = option->aliases; word && *word;) {
            size_t length = strcspn(word, " ");
            offer(&best, wanted, word, length, it, elsewhere ? 2 : 1);
            word += length + (word[length] == ' ');
        }
        bool first = own > 0 && (i == 0 || !hone_options_share_section(option, option - 1));
        if (first && n == 0) {
            offer(&best, wanted, option->name, own, (struct candidate){.option = option, .section = true}, 0);
        }
    }
    if (!best.option) return NULL;
    *whole_section = best.section;
    if (best.section) {
        hone_text_format(text, " (did you mean \"%.*s\"?)", (int)hone_option_section_length(best.option),
                         best.option->name);
    } else {
        hone_text_format(text, " (did you mean \"%s\"?)",
                         best.elsewhere ? best.option->name : hone_option_key(best.option));
    }
    return best.option;
}
