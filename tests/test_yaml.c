/* Recipes' YAML: the tree with its places, and every refusal with the exact line and column. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/yaml.h"
#include "tests/support.h"

static struct hone_yaml *parse(const char *text) {
    struct hone_yaml *root;
    TEST_OK(hone_yaml_parse(&root, text, strlen(text), "r.yaml"));
    return root;
}

static void tree_and_places(void **state) {
    (void)state;
    struct hone_yaml *root = parse("# comment\n"
                                   "model: {path: runs/demo, n: 5e-5}\n"
                                   "größe:   3 # after\n"
                                   "list:\n"
                                   "  - a\n"
                                   "  - [b, 'null', \"c d\"]\n"
                                   "empty:\n"
                                   "block: |\n"
                                   "  x\n"
                                   "  y\n");
    assert_int_equal(root->kind, HONE_YAML_MAP);
    assert_int_equal(root->n, 5);
    assert_int_equal(root->line, 2);
    assert_string_equal(root->keys[1], "größe");
    assert_int_equal(root->key_lines[1], 3);
    assert_int_equal(root->key_columns[1], 1);
    assert_int_equal(root->items[1]->line, 3);
    assert_int_equal(root->items[1]->column, 10);
    const struct hone_yaml *path = hone_yaml_get(hone_yaml_get(root, "model"), "path");
    assert_string_equal(path->text, "runs/demo");
    assert_false(path->quoted);
    assert_int_equal(path->column, 15);
    const struct hone_yaml *list = hone_yaml_get(root, "list"), *inner = list->items[1];
    assert_int_equal(list->kind, HONE_YAML_LIST);
    assert_int_equal(list->n, 2);
    assert_int_equal(inner->n, 3);
    assert_int_equal(inner->line, 6);
    assert_int_equal(inner->column, 5);
    assert_true(inner->items[1]->quoted);
    assert_false(hone_yaml_is_null(inner->items[1]));
    assert_string_equal(inner->items[2]->text, "c d");
    assert_true(hone_yaml_is_null(hone_yaml_get(root, "empty")));
    assert_string_equal(hone_yaml_get(root, "block")->text, "x\ny\n");
    assert_true(hone_yaml_get(root, "block")->quoted);
    assert_null(hone_yaml_get(root, "missing"));
    assert_null(hone_yaml_get(list, "a"));
    hone_yaml_free(root);
}

static void empty_is_an_empty_map(void **state) {
    (void)state;
    const char *const texts[] = {"", "\n", "---\n", "# only a comment\n", "\xEF\xBB\xBF"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct hone_yaml *root = parse(texts[i]);
        assert_int_equal(root->kind, HONE_YAML_MAP);
        assert_int_equal(root->n, 0);
        hone_yaml_free(root);
    }
}

/* The values of command-line overrides come through the same parser. */
static void values_alone(void **state) {
    (void)state;
    struct hone_yaml *root = parse("[a, b]");
    assert_int_equal(root->kind, HONE_YAML_LIST);
    assert_int_equal(root->n, 2);
    hone_yaml_free(root);
    const char *const nulls[] = {"null", "~", "Null", "NULL"};
    for (size_t i = 0; i < 4; i++) {
        root = parse(nulls[i]);
        assert_true(hone_yaml_is_null(root));
        hone_yaml_free(root);
    }
    const char *const others[] = {"nUll", "'~'", "none", "0", "\"\""};
    for (size_t i = 0; i < 5; i++) {
        root = parse(others[i]);
        assert_int_equal(root->kind, HONE_YAML_SCALAR);
        assert_false(hone_yaml_is_null(root));
        hone_yaml_free(root);
    }
}

static void refusals(void **state) {
    (void)state;
    static const struct {
        const char *text, *message;
    } rows[] = {
        {"a: &x 1\n", "r.yaml:1:4: anchors"},
        {"a: 1\nb: &x {c: 1}\n", "r.yaml:2:4: anchors"},
        {"- &x [a]\n", "r.yaml:1:3: anchors"},
        {"&k a: 1\n", "r.yaml:1:1: anchors"},
        {"a: *x\n", "r.yaml:1:4: aliases"},
        {"a: *.bias\n", "r.yaml:1:4: a value that begins with * needs quotes"},
        {"*x : 1\n", "r.yaml:1:1: aliases"},
        {"a: !!str 1\n", "r.yaml:1:4: tags"},
        {"a: !!python/object:os.system x\n", "r.yaml:1:4: tags"},
        {"a: ! x\n", "r.yaml:1:4: tags"},
        {"a: !!map {b: 1}\n", "r.yaml:1:4: tags"},
        {"? [a]\n: 1\n", "r.yaml:1:3: a key must be"},
        {"{a: 1}: 2\n", "r.yaml:1:1: a key must be"},
        {"a: 1\nb: 2\na: 3\n", "r.yaml:3:1: key \"a\" is given twice, first in line 1"},
        {"a: 1\n'a': 3\n", "r.yaml:2:1: key \"a\" is given twice, first in line 1"},
        {"é: 1\nx: {y: 1,  y: 2}\n", "r.yaml:2:12: key \"y\" is given twice, first in line 2"},
        {"b: 1\nc: 1\nc: 2\nb: 2\nb: 3\n", "r.yaml:3:1: key \"c\" is given twice, first in line 2"},
        {"a: 1\nb: 1\na: 2\nb: 2\n", "r.yaml:3:1: key \"a\" is given twice, first in line 1"},
        {"a: 1\n---\nb: 2\n", "r.yaml:2:1: a second document"},
        {"---\n---\na: 2\n", "r.yaml:2:1: a second document"},
        {"a:\n\tb: 1\n", "r.yaml:2:1: a tab, expected spaces"},
        {"a:\n  b:\n  \tc: 1\n", "r.yaml:3:3: a tab, expected spaces"},
        {"ü:\n  ü: ü\n\tb: 1\n", "r.yaml:3:1: a tab, expected spaces"},
        {"a: 1\n  b: 2\n", "r.yaml:2:4: mapping values are not allowed"},
        {"a: b: c\n", "r.yaml:1:5: mapping values are not allowed"},
        {"a: [1, 2\n", "r.yaml:2:1: did not find expected ',' or ']'"},
        {"a: {b: 1\n", "r.yaml:2:1: did not find expected ',' or '}'"},
        {"a: \"x\n", "r.yaml:2:1: found unexpected end of stream while scanning a quoted scalar (line 1)"},
        {"a: \"\\q\"\n", "r.yaml:1:5: found unknown escape"},
        {"a: \"\\0\"\n", "r.yaml:1:4: text with a NUL"},
        {"a: 1\nx: é\x01\n", "r.yaml:2:5: control characters"},
        {"a: @x\n", "r.yaml:1:4: found character that cannot start"},
        {"a: 1\nb\nc: 2\n", "r.yaml:3:1: could not find expected ':'"},
        {"a: 1\nb: é\xff\n", "r.yaml:2:5: a byte that is not UTF-8"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct hone_yaml *root;
        size_t before = hone_memory_in_use();
        test_expect_status(hone_yaml_parse(&root, rows[i].text, strlen(rows[i].text), "r.yaml"), HONE_USAGE,
                           rows[i].message);
        assert_null(root);
        assert_int_equal(hone_memory_in_use(), before);
    }
}

/* `before` n times, then `middle`, then `after` n times. */
static void nest(struct hone_text *text, const char *before, const char *middle, const char *after, int n) {
    text->length = 0;
    for (int i = 0; i < n; i++) hone_text_append(text, before, strlen(before));
    hone_text_append(text, middle, strlen(middle));
    for (int i = 0; i < n; i++) hone_text_append(text, after, strlen(after));
}

static void depth(void **state) {
    (void)state;
    struct hone_text text = {0};
    struct hone_yaml *root;
    nest(&text, "[", "x", "]", 31);
    TEST_OK(hone_yaml_parse(&root, text.bytes, text.length, "r.yaml"));
    hone_yaml_free(root);
    nest(&text, "[", "x", "]", 32);
    test_expect_status(hone_yaml_parse(&root, text.bytes, text.length, "r.yaml"), HONE_USAGE, "r.yaml:1:33: nested");
    nest(&text, "{a: ", "x", "}", 400);
    test_expect_status(hone_yaml_parse(&root, text.bytes, text.length, "r.yaml"), HONE_USAGE, "r.yaml:1:129: nested");
    nest(&text, "- ", "x", "", 100000);
    test_expect_status(hone_yaml_parse(&root, text.bytes, text.length, "r.yaml"), HONE_USAGE, "nested deeper");
    hone_text_free(&text);
}

/* Bombs and large files end soon: the bound of 5 s is far above what they take, and far below quadratic time. */
static void bombs(void **state) {
    (void)state;
    struct hone_yaml *root;
    const char laughs[] = "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: [*b,*b,*b,*b]\n";
    test_expect_status(hone_yaml_parse(&root, laughs, sizeof laughs - 1, "r.yaml"), HONE_USAGE, "r.yaml:1:4: anchors");

    double start = hone_seconds();
    struct hone_text text = {0};
    for (int i = 0; text.length < 950000; i++) hone_text_format(&text, "k%d: 1\n", i * 7919 % 1000003);
    TEST_OK(hone_yaml_parse(&root, text.bytes, text.length, "r.yaml"));
    assert_true(root->n > 80000);
    hone_yaml_free(root);
    const char *const bombs[] = {"[", "{", "- ", "? ", "a: ", "\"", "! ", "\t", "#", "&a ", "[{", "-\n", "%"};
    for (size_t i = 0; i < sizeof bombs / sizeof *bombs; i++) {
        text.length = 0;
        while (text.length < 990000) hone_text_append(&text, bombs[i], strlen(bombs[i]));
        enum hone_status status = hone_yaml_parse(&root, text.bytes, text.length, "r.yaml");
        assert_true(status == HONE_OK || status == HONE_USAGE);
        if (status == HONE_OK) hone_yaml_free(root);
    }
    assert_true(hone_seconds() - start < 5 * 14);

    while (text.length <= 1000000) hone_text_append(&text, "#\n", 2);
    test_expect_status(hone_yaml_parse(&root, text.bytes, text.length, "r.yaml"), HONE_USAGE, "at most 1000000");
    char *path = hone_path_join(test_scratch(), "large.yaml");
    TEST_OK(hone_write_file(path, text.bytes, text.length));
    test_expect_status(hone_yaml_read(&root, path), HONE_USAGE, "large.yaml: has");
    hone_text_free(&text);
    hone_free(path);
}

static void files(void **state) {
    (void)state;
    struct hone_yaml *root;
    char *path = hone_path_join(test_scratch(), "r.yaml"), *missing = hone_path_join(test_scratch(), "missing.yaml");
    TEST_OK(hone_write_file(path, "a: 1\n", 5));
    TEST_OK(hone_yaml_read(&root, path));
    assert_string_equal(hone_yaml_get(root, "a")->text, "1");
    hone_yaml_free(root);
    test_expect_status(hone_yaml_read(&root, missing), HONE_USAGE, "missing.yaml: there is no such file");
    assert_null(root);
    hone_free(path);
    hone_free(missing);
}

/* Every cut and every changed byte of a recipe: no crash, no leak, and a place in each message. */
static void mutations(void **state) {
    (void)state;
    const char recipe[] = "model: {path: runs/démo}\ntask:\n  labels: [a, 'b', \"c\"]\n  x: |\n    y\n# end\n";
    static const char bytes[] = "\0\t\n #&*![]{}:-,'\"|>%@`?\x80\xff";
    size_t n = sizeof recipe - 1, before = hone_memory_in_use();
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j <= sizeof bytes - 1; j++) {
            char text[sizeof recipe];
            memcpy(text, recipe, sizeof recipe);
            if (j < sizeof bytes - 1) text[i] = bytes[j];
            struct hone_yaml *root;
            enum hone_status status = hone_yaml_parse(&root, text, j < sizeof bytes - 1 ? n : i, "r.yaml");
            if (status == HONE_OK)
                hone_yaml_free(root);
            else
                test_expect_status(status, HONE_USAGE, "r.yaml:");
        }
    }
    assert_int_equal(hone_memory_in_use(), before);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tree_and_places), cmocka_unit_test(empty_is_an_empty_map),
        cmocka_unit_test(values_alone),    cmocka_unit_test(refusals),
        cmocka_unit_test(depth),           cmocka_unit_test(bombs),
        cmocka_unit_test(files),           cmocka_unit_test(mutations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
