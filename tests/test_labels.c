/* Labels: collecting, their order, and finding what a data file says. */
#include <string.h>

#include "base/memory.h"
#include "recipes/labels.h"
#include "tests/support.h"

static void collect(struct hone_labels *labels, const char *const *names, size_t n) {
    *labels = (struct hone_labels){0};
    for (size_t i = 0; i < n; i++) hone_labels_collect(labels, names[i], strlen(names[i]));
}

static void expect_names(const struct hone_labels *labels, const char *const *names, int64_t n) {
    assert_int_equal(labels->n, n);
    for (int64_t i = 0; i < n; i++) assert_string_equal(labels->names[i], names[i]);
}

#define NAMES(...) (const char *const[]){__VA_ARGS__}, sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *)

static int32_t find(const struct hone_labels *labels, const char *text) {
    return hone_labels_find(labels, text, strlen(text));
}

static void collected_once_and_sorted(void **state) {
    (void)state;
    struct hone_labels labels;
    collect(&labels, NAMES("10", "9", "-1", "9", "0", "10", "+3", "b", "a", "B", "é", "1.5", "007", "7"));
    hone_labels_sort(&labels);
    expect_names(&labels, NAMES("-1", "0", "007", "7", "9", "10", "+3", "1.5", "B", "a", "b", "é"));
    hone_labels_free(&labels);
    /* Beyond 64 bits they are texts. */
    collect(&labels, NAMES("99999999999999999999", "2", "9223372036854775807", "-", ""));
    hone_labels_sort(&labels);
    expect_names(&labels, NAMES("2", "9223372036854775807", "", "-", "99999999999999999999"));
    hone_labels_free(&labels);
    hone_labels_sort(&labels);
    assert_int_equal(labels.n, 0);
}

static void prefix_is_another_name(void **state) {
    (void)state;
    struct hone_labels labels = {0};
    hone_labels_collect(&labels, "positive", 3);
    hone_labels_collect(&labels, "positive", 8);
    hone_labels_collect(&labels, "pos", 3);
    expect_names(&labels, NAMES("pos", "positive"));
    assert_int_equal(hone_labels_find(&labels, "positive", 3), 0);
    assert_int_equal(hone_labels_find(&labels, "positive", 4), -1);
    hone_labels_free(&labels);
}

static void names_come_before_indices(void **state) {
    (void)state;
    struct hone_labels labels;
    collect(&labels, NAMES("negative", "neutral", "positive"));
    assert_int_equal(find(&labels, "neutral"), 1);
    assert_int_equal(find(&labels, "0"), 0);
    assert_int_equal(find(&labels, "2"), 2);
    assert_int_equal(find(&labels, "002"), 2);
    static const char *const unknown[] = {"3",
                                          "-1",
                                          "+1",
                                          "1.0",
                                          " 1",
                                          "1 ",
                                          "Negative",
                                          "",
                                          "neutra",
                                          "x",
                                          "18446744073709551617",
                                          "1000000000000000000000000"};
    for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++) assert_int_equal(find(&labels, unknown[i]), -1);
    /* A NUL is no end. */
    assert_int_equal(hone_labels_find(&labels, "neutral\0", 8), -1);
    assert_int_equal(hone_labels_find(&labels, "1\0", 2), -1);
    hone_labels_free(&labels);
    collect(&labels, NAMES("1", "0", "5"));
    assert_int_equal(find(&labels, "1"), 0);
    assert_int_equal(find(&labels, "0"), 1);
    assert_int_equal(find(&labels, "5"), 2);
    assert_int_equal(find(&labels, "2"), 2);
    assert_int_equal(find(&labels, "3"), -1);
    hone_labels_free(&labels);
}

static void copied_and_numbered(void **state) {
    (void)state;
    struct hone_labels labels;
    char one[] = "one", two[] = "two";
    char *names[] = {one, two};
    hone_labels_copy(&labels, names, 2);
    one[0] = 'x';
    expect_names(&labels, NAMES("one", "two"));
    hone_labels_free(&labels);
    hone_labels_number(&labels, 12);
    assert_int_equal(labels.n, 12);
    assert_string_equal(labels.names[11], "LABEL_11");
    hone_labels_free(&labels);
}

static void listed_for_messages(void **state) {
    (void)state;
    struct hone_labels labels;
    collect(&labels, NAMES("a", "b\x1b[31m"));
    char *list = hone_labels_list(&labels);
    assert_string_equal(list, "\"a\", \"b\\x1b[31m\"");
    hone_free(list);
    hone_labels_free(&labels);
    hone_labels_number(&labels, 11);
    list = hone_labels_list(&labels);
    assert_non_null(strstr(list, "\"LABEL_9\", … (11 in all)"));
    assert_null(strstr(list, "LABEL_10"));
    hone_free(list);
    hone_labels_free(&labels);
    list = hone_labels_list(&labels);
    assert_string_equal(list, "");
    hone_free(list);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(collected_once_and_sorted), cmocka_unit_test(prefix_is_another_name),
        cmocka_unit_test(names_come_before_indices), cmocka_unit_test(copied_and_numbered),
        cmocka_unit_test(listed_for_messages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
