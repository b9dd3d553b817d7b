/* TSV files: what is read, and what each fault says. */
#include <stdio.h>
#include <string.h>

#include "base/io.h"
#include "base/memory.h"
#include "data/table.h"
#include "tests/support.h"

static char *path;

static enum hone_status read_bytes(struct hone_table *out, const char *bytes, size_t n, bool header) {
    if (!path) path = hone_path_join(test_scratch(), "t.tsv");
    TEST_OK(hone_write_file(path, bytes, n));
    return hone_table_read_tsv(out, path, header);
}
#define READ(out, text, header) read_bytes(out, text, sizeof(text) - 1, header)

static void check_field(const struct hone_table *table, size_t row, size_t column, const char *want) {
    struct hone_field field = table->fields[row * table->n_columns + column];
    assert_int_equal(field.n, strlen(want));
    assert_memory_equal(field.bytes, want, field.n);
}

static void rows_and_columns(void **state) {
    (void)state;
    static const char *const same[] = {
        "label\tsentence\n1\tgood \xC3\xA9\n0\t\n",       "label\tsentence\n1\tgood \xC3\xA9\n0\t",
        "label\tsentence\r\n1\tgood \xC3\xA9\r\n0\t\r\n", "\xEF\xBB\xBFlabel\tsentence\n1\tgood \xC3\xA9\n0\t\n",
        "label\tsentence\n1\tgood \xC3\xA9\n0\t\n\n",     "label\tsentence\n1\tgood \xC3\xA9\n0\t\r\n\r\n"};
    for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
        struct hone_table table;
        size_t column;
        TEST_OK(read_bytes(&table, same[i], strlen(same[i]), true));
        assert_int_equal(table.n_rows, 2);
        assert_int_equal(table.n_columns, 2);
        check_field(&table, 0, 0, "1");
        check_field(&table, 0, 1, "good \xC3\xA9");
        check_field(&table, 1, 0, "0");
        check_field(&table, 1, 1, "");
        assert_int_equal(table.lines[0], 2);
        assert_int_equal(table.lines[1], 3);
        TEST_OK(hone_table_column(&column, &table, "sentence"));
        assert_int_equal(column, 1);
        TEST_OK(hone_table_column(&column, &table, "0"));
        assert_int_equal(column, 0);
        test_expect_status(hone_table_column(&column, &table, "text"), HONE_BAD_INPUT,
                           "no column \"text\"; the columns are \"label\", \"sentence\"");
        test_expect_status(hone_table_column(&column, &table, "2"), HONE_BAD_INPUT, "no column \"2\"");
        test_expect_status(hone_table_column(&column, &table, "-1"), HONE_BAD_INPUT, "no column");
        test_expect_status(hone_table_column(&column, &table, ""), HONE_BAD_INPUT, "no column");
        hone_table_free(&table);
    }
}

static void without_header(void **state) {
    (void)state;
    struct hone_table table;
    size_t column;
    TEST_OK(READ(&table, "a\tb\tc", false));
    assert_int_equal(table.n_rows, 1);
    assert_int_equal(table.n_columns, 3);
    assert_null(table.header);
    assert_int_equal(table.lines[0], 1);
    TEST_OK(hone_table_column(&column, &table, "2"));
    assert_int_equal(column, 2);
    test_expect_status(hone_table_column(&column, &table, "3"), HONE_BAD_INPUT, "columns are numbers, 0 to 2");
    test_expect_status(hone_table_column(&column, &table, "a"), HONE_BAD_INPUT, "no column \"a\"");
    test_expect_status(hone_table_column(&column, &table, "99999999999999999999"), HONE_BAD_INPUT, "no column");
    hone_table_free(&table);
    TEST_OK(READ(&table, "x\n", false)); /* a bare CR and other separators don't end lines */
    hone_table_free(&table);
    TEST_OK(READ(&table, "a\rb\x0b\xE2\x80\xA8\xC2\x85z\n\"q\n", false));
    assert_int_equal(table.n_rows, 2);
    check_field(&table, 0, 0, "a\rb\x0b\xE2\x80\xA8\xC2\x85z");
    check_field(&table, 1, 0, "\"q");
    hone_table_free(&table);
}

static void faults(void **state) {
    (void)state;
    struct hone_table table;
    size_t column;
    test_expect_status(READ(&table, "", true), HONE_BAD_INPUT, "t.tsv: the file is empty");
    test_expect_status(READ(&table, "", false), HONE_BAD_INPUT, "t.tsv: the file is empty");
    test_expect_status(READ(&table, "\xEF\xBB\xBF", false), HONE_BAD_INPUT, "t.tsv: the file is empty");
    test_expect_status(READ(&table, "a\tb\n", true), HONE_BAD_INPUT, "t.tsv: no rows after the header");
    test_expect_status(READ(&table, "a\tb\n1\t2\t3\n", true), HONE_BAD_INPUT,
                       "t.tsv:2: 3 columns, expected 2 as in line 1");
    test_expect_status(READ(&table, "a\tb\nx\ty\n1\n", false), HONE_BAD_INPUT,
                       "t.tsv:3: 1 column, expected 2 as in line 1");
    test_expect_status(READ(&table, "a\n\nb\n", false), HONE_BAD_INPUT, "t.tsv:2: the line is empty");
    test_expect_status(READ(&table, "a\nb\n\n\n", false), HONE_BAD_INPUT, "t.tsv:3: the line is empty");
    test_expect_status(READ(&table, "\n", false), HONE_BAD_INPUT, "t.tsv:1: the line is empty");
    test_expect_status(READ(&table, "\na\n", true), HONE_BAD_INPUT, "t.tsv:1: the line is empty");
    test_expect_status(READ(&table, "a\tb\nc\td\xE9\n", false), HONE_BAD_INPUT,
                       "t.tsv:2: byte 4: invalid UTF-8 (0xE9)");
    test_expect_status(READ(&table, "\xC0\x80", false), HONE_BAD_INPUT, "t.tsv:1: byte 1: invalid UTF-8 (0xC0)");
    test_expect_status(READ(&table, "ab\xED\xA0\x80", false), HONE_BAD_INPUT, "t.tsv:1: byte 3: invalid UTF-8");
    assert_null(table.bytes);
    test_expect_status(hone_table_read_tsv(&table, "/no/such.tsv", false), HONE_BAD_INPUT, "/no/such.tsv");
    TEST_OK(READ(&table, "a\ta\n1\t2\n", true));
    test_expect_status(hone_table_column(&column, &table, "a"), HONE_BAD_INPUT, "more than one column \"a\"");
    hone_table_free(&table);
}

static void many_rows(void **state) {
    (void)state;
    for (size_t rows = 1; rows < 3000; rows = rows * 3 + 1) {
        struct hone_text text = {0};
        for (size_t i = 0; i < rows; i++) hone_text_format(&text, "%zu\t%zu\t\n", i, i * i);
        struct hone_table table;
        TEST_OK(read_bytes(&table, text.bytes, text.length, false));
        assert_int_equal(table.n_rows, rows);
        for (size_t i = 0; i < rows; i++) {
            char want[32];
            snprintf(want, sizeof want, "%zu", i * i);
            check_field(&table, i, 1, want);
            check_field(&table, i, 2, "");
            assert_int_equal(table.lines[i], i + 1);
        }
        hone_table_free(&table);
        hone_text_free(&text);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(rows_and_columns), cmocka_unit_test(without_header),
                                       cmocka_unit_test(faults), cmocka_unit_test(many_rows)};
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    hone_free(path);
    return failed;
}
