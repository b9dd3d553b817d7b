/* Models by name in the Hub cache: which folder is found, and what is said when none is. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "base/memory.h"
#include "hub/cache.h"
#include "tests/support.h"

static const char *scratch;

static char *at(const char *path) { return hone_format("%s/%s", scratch, path); }

static void folder(const char *path) {
    char *full = at(path);
    TEST_OK(hone_make_folders(full));
    hone_free(full);
}

static void file(const char *path, const char *text) {
    char *full = at(path);
    TEST_OK(hone_write_file(full, text, strlen(text)));
    hone_free(full);
}

static void variable(const char *name, const char *path) {
    char *full = at(path);
    assert_int_equal(setenv(name, full, 1), 0);
    hone_free(full);
}

static void found(const char *name, const char *want) {
    char *path, *full = at(want);
    TEST_OK(hone_hub_find(&path, name));
    assert_string_equal(path, full);
    hone_free(path);
    hone_free(full);
}

static void missing(const char *name, const char *message) {
    char *path = (char *)1;
    test_expect_status(hone_hub_find(&path, name), HONE_BAD_INPUT, message);
    assert_null(path);
}

static void layout(const char *cache) {
    static const char *const folders[] = {"refs", "refs/refs/pr", "snapshots/aaaa1111", "snapshots/bbbb2222"};
    for (size_t i = 0; i < 4; i++) {
        char *path = hone_format("%s/models--org--a.name/%s", cache, folders[i]);
        folder(path);
        hone_free(path);
    }
    static const char *const refs[][2] = {{"main", "aaaa1111"}, {"v1", "bbbb2222\n"}, {"refs/pr/1", "bbbb2222"},
                                          {"gone", "cccc3333"}, {"evil", "../../.."}, {"empty", ""}};
    for (size_t i = 0; i < sizeof refs / sizeof *refs; i++) {
        char *path = hone_format("%s/models--org--a.name/refs/%s", cache, refs[i][0]);
        file(path, refs[i][1]);
        hone_free(path);
    }
}

static void names(void **state) {
    (void)state;
    variable("HF_HUB_CACHE", "cache");
    layout("cache");
    folder("cache/models--plain/refs");
    folder("cache/models--plain/snapshots/dddd");
    file("cache/models--plain/refs/main", "dddd");
    found("org/a.name", "cache/models--org--a.name/snapshots/aaaa1111");
    found("org/a.name@main", "cache/models--org--a.name/snapshots/aaaa1111");
    found("org/a.name@v1", "cache/models--org--a.name/snapshots/bbbb2222");
    found("org/a.name@refs/pr/1", "cache/models--org--a.name/snapshots/bbbb2222");
    found("org/a.name@bbbb2222", "cache/models--org--a.name/snapshots/bbbb2222");
    found("plain", "cache/models--plain/snapshots/dddd");
    char *here = at("cache");
    found(here, "cache"); /* a folder is itself */
    hone_free(here);
    missing("org/other", "org/other: no such folder here, and not in the Hub cache either: no ");
    missing("org/other", "cache/models--org--other; hone does not download: run hf download org/other");
    missing("org/a.name@v2", "snapshots/v2; hone does not download: run hf download org/a.name --revision v2");
    missing("org/a.name@gone", "/snapshots/cccc3333; hone does not download");
    missing("org/a.name@evil", "refs/evil: expected the name of a commit");
    missing("org/a.name@empty", "refs/empty: expected the name of a commit");
    setenv("HF_HUB_OFFLINE", "1", 1);
    missing("org/other", "run HF_HUB_OFFLINE=0 hf download org/other");
    setenv("HF_HUB_OFFLINE", "0", 1);
    missing("org/other", "run hf download org/other");
    static const char *const impossible[] = {"/nowhere", "./x", "a/b/c",  "../x",       "a//b",       "a/",
                                             "/",        "",    "org/a@", "org/a@../x", "org/a@x//y", "or g/a",
                                             "-a/b",     "~/x", "a/..",   "\xC3\xA9/b"};
    for (size_t i = 0; i < sizeof impossible / sizeof *impossible; i++)
        if (!hone_folder_exists(impossible[i])) missing(impossible[i], "no such folder, expected a model folder");
}

static void places(void **state) {
    (void)state;
    layout("home/hub");
    layout("xdg/huggingface/hub");
    layout("user/.cache/huggingface/hub");
    variable("HF_HOME", "home");
    variable("XDG_CACHE_HOME", "xdg");
    variable("HOME", "user");
    found("org/a.name", "cache/models--org--a.name/snapshots/aaaa1111");
    unsetenv("HF_HUB_CACHE");
    found("org/a.name", "home/hub/models--org--a.name/snapshots/aaaa1111");
    setenv("HF_HOME", "", 1);
    found("org/a.name", "xdg/huggingface/hub/models--org--a.name/snapshots/aaaa1111");
    unsetenv("XDG_CACHE_HOME");
    found("org/a.name", "user/.cache/huggingface/hub/models--org--a.name/snapshots/aaaa1111");
}

int main(void) {
    scratch = test_scratch();
    const struct CMUnitTest tests[] = {cmocka_unit_test(names), cmocka_unit_test(places)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
