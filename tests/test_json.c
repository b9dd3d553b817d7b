/* JSON of foreign files: what is refused and where, typed access, and that what is written reads back the same. */
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fault.h"
#include "base/io.h"
#include "base/json.h"
#include "base/memory.h"
#include "base/random.h"
#include "tests/support.h"

static json_t *parse(const char *text) {
    json_t *root;
    TEST_OK(hone_json_parse(&root, text, strlen(text), "f.json"));
    return root;
}

static void refusals(void **state) {
    (void)state;
#define TEXT(literal) (literal), sizeof(literal) - 1
    static const struct {
        const char *text;
        size_t n;
        const char *message;
    } rows[] = {
        {TEXT(""), "f.json:1:1: "},
        {TEXT(" \n \n"), "f.json:3:"},
        {TEXT("{"), "f.json:1:1: string or '}' expected"},
        {TEXT("[]"), "expected an object"},
        {TEXT("[1, 2]"), "expected an object"},
        {TEXT("1"), "f.json:1:1: '[' or '{' expected"},
        {TEXT("null"), "'[' or '{' expected"},
        {TEXT("\"x\""), "'[' or '{' expected"},
        {TEXT("\xEF\xBB\xBF{}"), "f.json:1:1: a byte order mark"},
        {TEXT("\xFF\xFE{\0}\0"), "f.json:1:1: byte 0xff at offset 0 is not UTF-8"},
        {TEXT("{\n \"a\": 1,\n \"b\": 2,\n \"a\": 3}"), "f.json:4:4: duplicate object key near '\"a\"'"},
        {TEXT("{\"x\": {\"a\": 1, \"\\u0061\": 2}}"), "duplicate object key"},
        {TEXT("{} x"), "f.json:1:4: end of file expected near 'x'"},
        {TEXT("{}{}"), "f.json:1:3: end of file expected"},
        {TEXT("{}\0"), "f.json:1:3: "},
        {TEXT("{\"a\":1e400}"), "real number overflow"},
        {TEXT("{\"a\":-1e400}"), "real number overflow"},
        {TEXT("{\"a\":NaN}"), "invalid token near 'NaN'"},
        {TEXT("{\"a\":-Infinity}"), "f.json:1:"},
        {TEXT("{\"a\":01}"), "f.json:1:"},
        {TEXT("{\"a\":1.}"), "f.json:1:"},
        {TEXT("{\"a\":.5}"), "f.json:1:"},
        {TEXT("{\"a\":+1}"), "f.json:1:"},
        {TEXT("{\"a\":-}"), "f.json:1:"},
        {TEXT("{\"a\":1,}"), "f.json:1:8: string or '}' expected"},
        {TEXT("{\"a\":[1,]}"), "f.json:1:"},
        {TEXT("{\n \"b\": [1,\n  2,,3]}"), "f.json:3:5: unexpected token near ','"},
        {TEXT("{'a':1}"), "f.json:1:2: "},
        {TEXT("{a:1}"), "f.json:1:2: "},
        {TEXT("{\"a\" 1}"), "f.json:1:6: ':' expected"},
        {TEXT("{\"a\":tru}"), "invalid token near 'tru'"},
        {TEXT("{\"a\":/*c*/1}"), "f.json:1:6: "},
        {TEXT("{\"a\":\"\n\"}"), "unexpected newline"},
        {TEXT("{\"a\":\"\t\"}"), "control character"},
        {TEXT("{\"a\":\"\\x\"}"), "invalid escape"},
        {TEXT("{\"a\":\"x"), "premature end of input"},
        {TEXT("{\"a\":\"x\\"), "f.json:1:"},
        {TEXT("{\"a\":\"\\ud800\"}"), "invalid Unicode '\\uD800'"},
        {TEXT("{\"a\":\"\\ud800\\u0041\"}"), "invalid Unicode"},
        {TEXT("{\"a\":\"\\udc00\"}"), "invalid Unicode '\\uDC00'"},
        {TEXT("{\"a\":\"\\u12G4\"}"), "f.json:1:"},
        {TEXT("{\"a\":\"\\u0000\"}"), "a string with \\u0000 in it"},
        {TEXT("{\"\\u0000\":1}"), "NUL byte in object key"},
        {TEXT("{\n\"é\": \"\xC0\xAF\"}"), "f.json:2:7: byte 0xc0 at offset 9 is not UTF-8"},
        {TEXT("{\"a\": \"\xED\xA0\x80\"}"), "f.json:1:8: byte 0xed"},
    };
#undef TEXT
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        json_t *root;
        size_t before = hone_memory_in_use();
        test_expect_status(hone_json_parse(&root, rows[i].text, rows[i].n, "f.json"), HONE_BAD_INPUT, rows[i].message);
        assert_null(root);
        assert_int_equal(hone_memory_in_use(), before);
    }
}

static void depth(void **state) {
    (void)state;
    enum { DEEP = 1000000 };
    char *text = hone_alloc(6 + 2 * DEEP, 1, "test");
    for (int n = 63; n <= DEEP; n = n == 63 ? 64 : n == 64 ? 5000 : n * 200) {
        memcpy(text, "{\"a\":", 5);
        memset(text + 5, '[', (size_t)n);
        memset(text + 5 + n, ']', (size_t)n);
        text[5 + 2 * n] = '}';
        json_t *root;
        enum hone_status status = hone_json_parse(&root, text, 6 + 2 * (size_t)n, "f.json");
        if (n == 63) {
            TEST_OK(status);
            json_decref(root);
        } else {
            test_expect_status(status, HONE_BAD_INPUT, "f.json:1:69: nested deeper than 64");
        }
    }
    hone_free(text);
    /* Brackets inside strings are no depth, whatever is escaped before them. */
    json_t *root =
        parse("{\"a\\\"[[\\\\\": \"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\\\\\"}");
    json_decref(root);
}

static void numbers(void **state) {
    (void)state;
    static const struct {
        const char *text;
        bool integer;
        double value;
    } rows[] = {
        {"0", true, 0},
        {"-0", true, 0},
        {"9223372036854775807", true, 9223372036854775807.0},
        {"-9223372036854775808", true, -9223372036854775808.0},
        {"9223372036854775808", false, 9223372036854775808.0},
        {"-9223372036854775809", false, -9223372036854775808.0},
        {"18446744073709551616", false, 18446744073709551616.0},
        {"1000000000000000019884624838656", false, 1e30},
        {"99999999999999999999999999999999", false, 1e32},
        {"12345678901234567.9999999999999999999999999", false, 12345678901234568.0},
        {"1e0000000000000000000000000001", false, 10},
        {"0.00000000000000000000000000000012", false, 1.2e-31},
        {"1e-400", false, 0},
        {"5E-5", false, 5e-5},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char *text = hone_format("{\"a\":%s ,\"b\":[%s,%s]}", rows[i].text, rows[i].text, rows[i].text);
        json_t *root = parse(text), *list = json_object_get(root, "b");
        const json_t *values[] = {json_object_get(root, "a"), json_array_get(list, 0), json_array_get(list, 1)};
        for (int j = 0; j < 3; j++) {
            assert_int_equal(json_is_integer(values[j]), rows[i].integer);
            /* A shortened integer is within one unit in the last place. */
            double got = json_number_value(values[j]);
            assert_true(fabs(got - rows[i].value) <= fabs(rows[i].value) * DBL_EPSILON);
        }
        json_decref(root);
        hone_free(text);
    }
    /* Digits without end are too large for a double too. */
    enum { DIGITS = 100000 };
    char *text = hone_alloc(DIGITS + 7, 1, "test");
    memcpy(text, "{\"a\":", 5);
    memset(text + 5, '7', DIGITS);
    memcpy(text + 5 + DIGITS, "}", 2);
    json_t *root;
    test_expect_status(hone_json_parse(&root, text, DIGITS + 6, "f.json"), HONE_BAD_INPUT, "real number overflow");
    hone_free(text);
}

static void typed_access(void **state) {
    (void)state;
    json_t *root =
        parse("{\"i\": 7, \"r\": 2.5, \"t\": true, \"s\": \"\\u001b[2J\", \"null\": null, \"o\": {}, \"big\": 1e30}");
    int64_t integer;
    TEST_OK(hone_json_int(&integer, root, "i", -1, 7, 7, "c.json"));
    assert_int_equal(integer, 7);
    TEST_OK(hone_json_int(&integer, root, "missing", -1, 0, 9, "c.json"));
    assert_int_equal(integer, -1);
    TEST_OK(hone_json_int(&integer, root, "null", -2, 0, 9, "c.json"));
    assert_int_equal(integer, -2);
    test_expect_status(hone_json_int(&integer, root, "i", -1, 8, 9, "c.json"), HONE_BAD_INPUT,
                       "c.json: \"i\" is 7, expected an integer from 8 to 9");
    test_expect_status(hone_json_int(&integer, root, "i", -1, 1, 6, "c.json"), HONE_BAD_INPUT, "from 1 to 6");
    test_expect_status(hone_json_int(&integer, root, "r", -1, 0, 9, "c.json"), HONE_BAD_INPUT, "\"r\" is 2.5");
    test_expect_status(hone_json_int(&integer, root, "big", -1, 0, INT64_MAX, "c.json"), HONE_BAD_INPUT, "is 1e+30");
    test_expect_status(hone_json_int(&integer, root, "o", -1, 0, 9, "c.json"), HONE_BAD_INPUT, "an object");
    test_expect_status(hone_json_int(&integer, root, "t", -1, 0, 9, "c.json"), HONE_BAD_INPUT, "\"t\" is true");
    double number;
    TEST_OK(hone_json_number(&number, root, "i", 0, 0, 10, "c.json"));
    assert_true(number == 7);
    TEST_OK(hone_json_number(&number, root, "r", 0, 2.5, 2.5, "c.json"));
    assert_true(number == 2.5);
    test_expect_status(hone_json_number(&number, root, "r", 0, 0, 1, "c.json"), HONE_BAD_INPUT, "a number from 0 to 1");
    test_expect_status(hone_json_number(&number, root, "s", 0, 0, 1, "c.json"), HONE_BAD_INPUT,
                       "\"s\" is \"\\u001b[2J\", expected a number");
    bool flag;
    TEST_OK(hone_json_bool(&flag, root, "t", false, "c.json"));
    assert_true(flag);
    TEST_OK(hone_json_bool(&flag, root, "missing", true, "c.json"));
    assert_true(flag);
    test_expect_status(hone_json_bool(&flag, root, "i", false, "c.json"), HONE_BAD_INPUT, "expected true or false");
    const char *string;
    TEST_OK(hone_json_string(&string, root, "s", NULL, "c.json"));
    assert_string_equal(string, "\x1b[2J");
    TEST_OK(hone_json_string(&string, root, "null", "x", "c.json"));
    assert_string_equal(string, "x");
    test_expect_status(hone_json_string(&string, root, "o", NULL, "c.json"), HONE_BAD_INPUT, "expected a string");
    json_decref(root);
}

static void writing(void **state) {
    (void)state;
    const char text[] =
        "{\"z\": 1, \"a\": [0.1, 1e-12, 5e-05, 1.0, -0.0, 1e+300, 123456789012345678], \"empty\": [{}, []], "
        "\"né\\n\\t\\\"\\\\\\u0001\\u007f\": \"日本\", \"b\": [true, false, null]}";
    json_t *root = parse(text);
    char *line = hone_json_line(root);
    assert_string_equal(line, text);
    char *path = hone_path_join(test_scratch(), "out.json"), *bytes;
    size_t n;
    TEST_OK(hone_json_write(root, path));
    TEST_OK(hone_read_file(&bytes, &n, path, 1000));
    assert_memory_equal(bytes, "{\n  \"z\": 1,\n  \"a\": [\n    0.1,\n    1e-12,\n", 39);
    assert_non_null(strstr(bytes, "  \"empty\": [\n    {},\n    []\n  ],\n"));
    assert_string_equal(bytes + n - 3, "\n}\n");
    json_t *again;
    TEST_OK(hone_json_read(&again, path, 1000));
    assert_true(json_equal(root, again));
    json_decref(again);
    test_expect_status(hone_json_read(&again, path, 10), HONE_BAD_INPUT, "at most 10 are allowed");
    assert_null(again);
    json_decref(root);
    hone_free(bytes);
    hone_free(path);
    hone_free(line);
}

/* Any finite double and any f32 comes back with the same bits. */
static void reals_round_trip(void **state) {
    (void)state;
    for (uint64_t i = 0; i < 20000; i++) {
        uint64_t bits = hone_random_u64(1, 2, 3, i);
        double value;
        memcpy(&value, &bits, sizeof value);
        if (!isfinite(value)) continue;
        if (i % 2) value = (double)(float)scalbn(value, -ilogb(value));
        json_t *root = json_pack("{s:f}", "a", value);
        char *line = hone_json_line(root);
        json_t *again = parse(line);
        double got = json_real_value(json_object_get(again, "a"));
        assert_memory_equal(&got, &value, sizeof value);
        json_decref(root);
        json_decref(again);
        hone_free(line);
    }
}

static void memory_is_counted(void **state) {
    (void)state;
    size_t before = hone_memory_in_use();
    json_t *root = parse("{\"a\": [1, 2, 3, {\"b\": \"c\"}]}");
    assert_true(hone_memory_in_use() > before + 100);
    json_decref(root);
    assert_int_equal(hone_memory_in_use(), before);
}

/* Each allocation of a parse fails once: the program ends with 5. */
static void allocation_failures(void **state) {
    (void)state;
    int fired = 0;
    for (int n = 1;; n++) {
        fflush(NULL);
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            char *plan = hone_format("alloc:%d", n);
            hone_fault_plan(plan);
            if (!freopen("/dev/null", "w", stderr)) _exit(99);
            json_t *root;
            const char text[] = "{\"a\": [1, \"x\", 99999999999999999999]}";
            if (hone_json_parse(&root, text, sizeof text - 1, "f.json") != HONE_OK) _exit(98);
            hone_free(hone_json_line(root));
            json_decref(root);
            _exit(hone_fault_fired() ? 97 : 0);
        }
        int status;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFEXITED(status));
        if (WEXITSTATUS(status) == 0) break;
        assert_int_equal(WEXITSTATUS(status), HONE_OUT_OF_MEMORY);
        fired++;
    }
    assert_true(fired > 10);
}

/* Every cut and many changed bytes of a file: no crash, no leak, and a place in each message. */
static void mutations(void **state) {
    (void)state;
    const char file[] = "{\"é\": [1, -2.5e3, true, null, \"\\u00e9\\n\"], \"b\": {\"c\": 12345678901234567890}}";
    static const char bytes[] = "\0\t\n \\\"{}[]:,0-.eE+xu\x80\xff";
    size_t n = sizeof file - 1, before = hone_memory_in_use();
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j <= sizeof bytes - 1; j++) {
            /* The exact size on the heap, so that a sanitizer sees a read past the end. */
            size_t length = j < sizeof bytes - 1 ? n : i;
            char *text = malloc(length ? length : 1);
            memcpy(text, file, length);
            if (j < sizeof bytes - 1) text[i] = bytes[j];
            json_t *root;
            enum hone_status status = hone_json_parse(&root, text, length, "f.json");
            if (status == HONE_OK)
                json_decref(root);
            else
                test_expect_status(status, HONE_BAD_INPUT, "f.json:");
            free(text);
        }
    }
    assert_int_equal(hone_memory_in_use(), before);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refusals),          cmocka_unit_test(depth),
        cmocka_unit_test(numbers),           cmocka_unit_test(typed_access),
        cmocka_unit_test(writing),           cmocka_unit_test(reals_round_trip),
        cmocka_unit_test(memory_is_counted), cmocka_unit_test(allocation_failures),
        cmocka_unit_test(mutations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
