/* What a misspelt key of a recipe was meant to be: every one-letter typo of every key, and other programs' names. */
#include <stdio.h>
#include <string.h>

#include "recipes/options.h"
#include "tests/support.h"

struct tally {
    int typos, right;
};

/* One misspelt key: suggested what was meant? Those that spell another key of the section are no typos. */
static void try_typo(struct tally *tally, const char *section, const char *key, const char *typo) {
    struct hone_text text = {0};
    bool whole_section;
    char *name = *section ? hone_format("%s.%s", section, typo) : hone_format("%s", typo);
    char *want = hone_format(" (did you mean \"%s\"?)", key);
    bool taken = !*typo || hone_option_find(name) || (!*section && hone_section_find(typo));
    if (!taken) {
        hone_suggest_option(&text, &whole_section, section, typo);
        tally->typos++;
        tally->right += text.bytes && strcmp(text.bytes, want) == 0;
    }
    hone_text_free(&text);
    hone_free(name);
    hone_free(want);
}

static void try_typos(struct tally *tally, const char *section, const char *key) {
    char typo[64];
    size_t n = strlen(key);
    for (size_t i = 0; i <= n; i++) {
        if (i < n) { /* left out */
            snprintf(typo, sizeof typo, "%.*s%s", (int)i, key, key + i + 1);
            try_typo(tally, section, key, typo);
        }
        if (i + 1 < n && key[i] != key[i + 1]) { /* swapped */
            snprintf(typo, sizeof typo, "%.*s%c%c%s", (int)i, key, key[i + 1], key[i], key + i + 2);
            try_typo(tally, section, key, typo);
        }
        for (int letter = 'a'; letter <= 'z'; letter++) { /* put in, and replaced */
            snprintf(typo, sizeof typo, "%.*s%c%s", (int)i, key, letter, key + i);
            try_typo(tally, section, key, typo);
            if (i == n || key[i] == letter) continue;
            snprintf(typo, sizeof typo, "%.*s%c%s", (int)i, key, letter, key + i + 1);
            try_typo(tally, section, key, typo);
        }
    }
}

static void test_typos(void **state) {
    (void)state;
    struct tally all = {0};
    for (size_t i = 0; i < hone_option_count; i++) {
        char section[64];
        const struct hone_option *option = &hone_options[i];
        snprintf(section, sizeof section, "%.*s", (int)hone_option_section_length(option), option->name);
        struct tally one = {0};
        try_typos(&one, section, hone_option_key(option));
        if (*section && (i == 0 || !hone_options_share_section(option, option - 1))) try_typos(&one, "", section);
        if (one.right < one.typos * 8 / 10) fail_msg("%s: %d of %d suggested", option->name, one.right, one.typos);
        all.typos += one.typos;
        all.right += one.right;
    }
    print_message("%d of %d one-letter typos get the right suggestion\n", all.right, all.typos);
    assert_true(all.typos > 10000);
    assert_true(all.right >= all.typos * 0.9);
}

/* Every alias is suggested as what it stands for, and every other section's key with its section. */
static void test_other_names(void **state) {
    (void)state;
    for (size_t i = 0; i < hone_option_count; i++) {
        for (const char *word = hone_options[i].aliases; word && *word;) {
            char alias[64];
            bool whole_section;
            size_t n = strcspn(word, " ");
            struct hone_text text = {0};
            snprintf(alias, sizeof alias, "%.*s", (int)n, word);
            assert_ptr_equal(hone_suggest_option(&text, &whole_section, "", alias), &hone_options[i]);
            assert_non_null(strstr(text.bytes, hone_options[i].name));
            hone_text_free(&text);
            word += n + (word[n] == ' ');
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_typos), cmocka_unit_test(test_other_names)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
