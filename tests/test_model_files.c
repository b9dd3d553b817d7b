/* config.json for a trained head, labels out of it, and a tokenizer's files on their way from folder to folder. */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fault.h"
#include "base/io.h"
#include "base/memory.h"
#include "hub/model_files.h"
#include "tests/support.h"

static void put(const char *folder, const char *name, const char *text) {
    char *path = hone_path_join(folder, name);
    TEST_OK(hone_write_file(path, text, strlen(text)));
    hone_free(path);
}

static void expect_file(const char *folder, const char *name, const char *want) {
    char *path = hone_path_join(folder, name), *got;
    size_t n;
    TEST_OK(hone_read_file(&got, &n, path, 1 << 24));
    assert_string_equal(got, want);
    assert_int_equal(n, strlen(want));
    hone_free(got);
    hone_free(path);
}

static json_t *parse(const char *text) {
    json_t *value;
    TEST_OK(hone_json_parse(&value, text, strlen(text), "test.json"));
    return value;
}

static void labels_in(void **state) {
    (void)state;
    /* Ten and more: "10" comes after "9", whatever the order in the file. */
    json_t *config =
        parse("{\"id2label\":{\"10\":\"k\",\"2\":\"c\",\"0\":\"é \\\"\",\"1\":\"\",\"3\":\"d\",\"4\":\"e\",\"5\":\"f\","
              "\"6\":\"g\",\"7\":\"h\",\"8\":\"i\",\"9\":\"j\"}}");
    char **names;
    size_t n;
    TEST_OK(hone_config_labels(&names, &n, config, "test.json"));
    assert_int_equal(n, 11);
    assert_string_equal(names[0], "é \"");
    assert_string_equal(names[1], "");
    assert_string_equal(names[9], "j");
    assert_string_equal(names[10], "k");
    hone_config_labels_free(names, n);
    json_decref(config);

    static const char *const none[] = {"{}", "{\"id2label\":null}", "{\"id2label\":{}}"};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
        config = parse(none[i]);
        TEST_OK(hone_config_labels(&names, &n, config, "test.json"));
        assert_int_equal(n, 0);
        hone_config_labels_free(names, n);
        json_decref(config);
    }
    static const struct {
        const char *text, *message;
    } wrong[] = {{"{\"id2label\":[\"a\"]}", "no object"},
                 {"{\"id2label\":{\"1\":\"a\"}}", "\"0\" is missing"},
                 {"{\"id2label\":{\"0\":\"a\",\"2\":\"b\"}}", "\"1\" is missing; expected the keys \"0\" to \"1\""},
                 {"{\"id2label\":{\"0\":\"a\",\"01\":\"b\"}}", "\"1\" is missing"},
                 {"{\"id2label\":{\"0\":\"a\",\"-1\":\"b\"}}", "\"1\" is missing"},
                 {"{\"id2label\":{\"0\":\"a\",\"1\":7}}", "\"1\" is no string"},
                 {"{\"id2label\":{\"0\":\"a\",\"1\":null}}", "\"1\" is no string"},
                 {"{\"id2label\":{\"0\":\"same\",\"1\":\"other\",\"2\":\"same\"}}", "names \"same\" twice"}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        config = parse(wrong[i].text);
        test_expect_status(hone_config_labels(&names, &n, config, "test.json"), HONE_BAD_INPUT, wrong[i].message);
        assert_null(names);
        json_decref(config);
    }
}

static void config_for_head(void **state) {
    (void)state;
    const char *folder = test_scratch();
    put(folder, "config.json",
        "{\"_name_or_path\":\"/home/somebody/"
        "secret\",\"architectures\":[\"BertModel\"],\"unknown\":{\"z\":[1,2.5,null],\"a\":\"é\"},"
        "\"model_type\":\"bert\",\"num_labels\":7,\"layer_norm_eps\":1e-12,\"dtype\":\"bfloat16\",\"id2label\":{\"0\":"
        "\"old\"},"
        "\"label2id\":{\"old\":0},\"transformers_version\":\"4.8.2\",\"last\":true}");
    json_t *source;
    TEST_OK(hone_config_read(&source, folder));
    char *const labels[] = {"negative", "positiv \"é\"\n"};
    const struct hone_config_head head = {.architecture = "BertForSequenceClassification",
                                          .model_type = "bert",
                                          .problem_type = "single_label_classification",
                                          .dtype = "float32",
                                          .labels = labels,
                                          .n_labels = 2};
    json_t *config = hone_config_for_head(source, &head);
    json_t *want = parse(
        "{\"architectures\":[\"BertForSequenceClassification\"],\"unknown\":{\"z\":[1,2.5,null],\"a\":\"é\"},\"model_"
        "type\":\"bert\","
        "\"layer_norm_eps\":1e-12,\"id2label\":{\"0\":\"negative\",\"1\":\"positiv \\\"é\\\"\\n\"},"
        "\"label2id\":{\"negative\":0,\"positiv \\\"é\\\"\\n\":1},\"transformers_version\":\"4.8.2\",\"last\":true,"
        "\"problem_type\":\"single_label_classification\",\"torch_dtype\":\"float32\"}");
    /* Order counts too. */
    char *got_line = hone_json_line(config), *want_line = hone_json_line(want);
    assert_string_equal(got_line, want_line);
    hone_free(got_line);
    hone_free(want_line);
    json_decref(want);
    assert_string_equal(json_string_value(json_object_get(source, "_name_or_path")), "/home/somebody/secret");

    /* Written, read, and its labels back. */
    const char *other = test_scratch();
    TEST_OK(hone_config_write(config, other));
    json_decref(config);
    TEST_OK(hone_config_read(&config, other));
    char **names;
    size_t n;
    TEST_OK(hone_config_labels(&names, &n, config, "config.json"));
    assert_int_equal(n, 2);
    assert_string_equal(names[1], labels[1]);
    hone_config_labels_free(names, n);
    json_decref(config);
    json_decref(source);

    /* Nothing known before: what is missing is added; a dtype that agrees stays. */
    source = parse("{\"dtype\":\"float32\",\"transformers_version\":null}");
    const struct hone_config_head plain = {.architecture = "BertModel", .model_type = "bert", .dtype = "float32"};
    config = hone_config_for_head(source, &plain);
    got_line = hone_json_line(config);
    want = parse("{\"dtype\":\"float32\",\"transformers_version\":\"4.57.0\",\"architectures\":[\"BertModel\"],\"model_"
                 "type\":\"bert\","
                 "\"torch_dtype\":\"float32\"}");
    want_line = hone_json_line(want);
    assert_string_equal(got_line, want_line);
    hone_free(got_line);
    hone_free(want_line);
    json_decref(want);
    json_decref(config);
    json_decref(source);
}

static void missing_config(void **state) {
    (void)state;
    json_t *config;
    test_expect_status(hone_config_read(&config, "/nowhere"), HONE_BAD_INPUT, "no such folder");
    const char *folder = test_scratch();
    test_expect_status(hone_config_read(&config, folder), HONE_BAD_INPUT, "no config.json");
    const char *outside = test_scratch();
    put(outside, "secret.json", "{\"auths\":{}}");
    char *link = hone_path_join(folder, "config.json"), *target = hone_path_join(outside, "secret.json");
    assert_int_equal(symlink(target, link), 0);
    test_expect_status(hone_config_read(&config, folder), HONE_BAD_INPUT, "leaves the model's folder");
    hone_free(link);
    hone_free(target);
}

/* tokenizer_config.json before and after model_max_length becomes 128: every other byte stays. */
static void max_length_set(void **state) {
    (void)state;
    static const struct {
        const char *before, *after;
    } rows[] = {
        {"{}", "{\"model_max_length\": 128}"},
        {" { } \n", " {\"model_max_length\": 128 } \n"},
        {"{\"a\": 1}", "{\"a\": 1, \"model_max_length\": 128}"},
        {"{\n  \"a\": 1,\n  \"b\": [2, {\"model_max_length\": 3}]\n}\n",
         "{\n  \"a\": 1,\n  \"b\": [2, {\"model_max_length\": 3}],\n  \"model_max_length\": 128\n}\n"},
        {"{\"model_max_length\": 1000000000000000019884624838656, \"x\": 1.50e-3}",
         "{\"model_max_length\": 128, \"x\": 1.50e-3}"},
        {"{\"x\":\"\\\"model_max_length\\\": 5\",\t\"model_max_length\"\n:\t512\t,\"y\":null}",
         "{\"x\":\"\\\"model_max_length\\\": 5\",\t\"model_max_length\"\n:\t128\t,\"y\":null}"},
        {"{\"model_max_lengt\\u0068\": null}", "{\"model_max_lengt\\u0068\": 128}"},
        {"{\"é\":\"\\u00e9 😀\",\"model_max_length\":{\"odd\":[1]}}", "{\"é\":\"\\u00e9 😀\",\"model_max_length\":128}"},
        {"{\"big\": 123456789012345678901234567890, \"f\": 1E+5}",
         "{\"big\": 123456789012345678901234567890, \"f\": 1E+5, \"model_max_length\": 128}"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *from = test_scratch(), *to = test_scratch();
        put(from, "vocab.txt", "[PAD]\n");
        put(from, "tokenizer_config.json", rows[i].before);
        TEST_OK(hone_tokenizer_files_copy(to, from, 128, "BertTokenizer", false));
        expect_file(to, "tokenizer_config.json", rows[i].after);
    }
    static const struct {
        const char *text, *message;
    } wrong[] = {{"", "'{' of an object"},
                 {"[]", "'{' of an object"},
                 {"{\"a\":1", "',' or '}'"},
                 {"{\"a\":1}x", "the end of the file"},
                 {"{\"a\":01}", "',' or '}'"},
                 {"{\"a\":tru}", "a value"},
                 {"{\"a\":\"\xff\"}", "valid UTF-8"},
                 {"{\"a\" 1}", "':' behind the key"},
                 {"{a:1}", "a key in quotes"},
                 {"{\"a\":[1}", "',' or a bracket"},
                 {"{\"a\":\"x", "closing quote"},
                 {"{\"a\":1.}", "a digit"},
                 {"{\"a\":-}", "a digit"},
                 {"{\"a\":1e}", "a digit"},
                 {"\xef\xbb\xbf{}", "'{' of an object"},
                 {"{\"model_max_length\":1,\"model_max_length\":2}", "given twice"}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        const char *from = test_scratch(), *to = test_scratch();
        put(from, "vocab.txt", "[PAD]\n");
        put(from, "tokenizer_config.json", wrong[i].text);
        test_expect_status(hone_tokenizer_files_copy(to, from, 128, "BertTokenizer", false), HONE_BAD_INPUT,
                           wrong[i].message);
    }
    /* 64 levels pass, 65 do not; both are far from any stack's end. */
    for (int depth = 63; depth <= 65; depth++) {
        struct hone_text text = {0};
        hone_text_format(&text, "{\"a\":");
        for (int d = 0; d < depth; d++) hone_text_format(&text, d % 2 ? "{\"k\":" : "[");
        hone_text_format(&text, "0");
        for (int d = depth - 1; d >= 0; d--) hone_text_format(&text, d % 2 ? "}" : "]");
        hone_text_format(&text, "}");
        const char *from = test_scratch(), *to = test_scratch();
        put(from, "vocab.txt", "[PAD]\n");
        put(from, "tokenizer_config.json", text.bytes);
        enum hone_status status = hone_tokenizer_files_copy(to, from, 128, "BertTokenizer", false);
        if (depth <= 64) {
            TEST_OK(status);
        } else {
            test_expect_status(status, HONE_BAD_INPUT, "at most 64 levels");
        }
        hone_text_free(&text);
    }
}

static const char *const copied[] = {"tokenizer.json",   "vocab.txt",    "vocab.json",
                                     "merges.txt",       "spiece.model", "special_tokens_map.json",
                                     "added_tokens.json"};

static void files_copied(void **state) {
    (void)state;
    const char *from = test_scratch(), *to = test_scratch();
    enum { N = sizeof copied / sizeof *copied };
    for (size_t i = 0; i < N; i++) {
        char *text = hone_format("%s\r\n\xff\xfe é not even UTF-8", copied[i]);
        put(from, copied[i], text);
        hone_free(text);
    }
    put(from, "README.md", "not a tokenizer's");
    put(from, "model.safetensors", "nor this");
    TEST_OK(hone_tokenizer_files_copy(to, from, 77, "BertTokenizer", false));
    for (size_t i = 0; i < N; i++) {
        char *text = hone_format("%s\r\n\xff\xfe é not even UTF-8", copied[i]);
        expect_file(to, copied[i], text);
        hone_free(text);
    }
    expect_file(to, "tokenizer_config.json",
                "{\n  \"model_max_length\": 77,\n  \"tokenizer_class\": \"BertTokenizer\"\n}\n");
    char **names;
    size_t n;
    TEST_OK(hone_list_folder(&names, &n, to));
    assert_int_equal(n, N + 1);
    hone_names_free(names, n);

    /* Each kind of vocabulary is enough alone; the others are not. */
    for (size_t i = 0; i < N; i++) {
        const char *alone = test_scratch(), *target = test_scratch();
        put(alone, copied[i], "x");
        enum hone_status status = hone_tokenizer_files_copy(target, alone, 77, "BertTokenizer", false);
        bool vocabulary = i < 3 || i == 4;
        test_expect_status(status, vocabulary ? HONE_OK : HONE_BAD_INPUT, vocabulary ? NULL : "no tokenizer here");
    }
}

/* A folder's link to a file elsewhere is not carried into the model that may be published. */
static void links_not_followed(void **state) {
    (void)state;
    const char *outside = test_scratch();
    put(outside, ".env", "TOKEN=canary");
    char *target = hone_path_join(outside, ".env");
    for (size_t i = 0; i <= sizeof copied / sizeof *copied; i++) {
        const char *from = test_scratch(), *to = test_scratch();
        const char *name = i < sizeof copied / sizeof *copied ? copied[i] : "tokenizer_config.json";
        if (i != 1) put(from, "vocab.txt", "x");
        char *link = hone_path_join(from, name), *copy = hone_path_join(to, name);
        assert_int_equal(symlink(target, link), 0);
        test_expect_status(hone_tokenizer_files_copy(to, from, 77, "BertTokenizer", false), HONE_BAD_INPUT, name);
        assert_false(hone_file_exists(copy));
        hone_free(link);
        hone_free(copy);
    }
    hone_free(target);

    const char *from = test_scratch(), *to = test_scratch();
    char *pipe = hone_path_join(from, "vocab.txt");
    assert_int_equal(mkfifo(pipe, 0600), 0); /* opening it would wait for ever */
    test_expect_status(hone_tokenizer_files_copy(to, from, 77, "BertTokenizer", false), HONE_BAD_INPUT,
                       "not a regular file");
    hone_free(pipe);
}

static void failing_disk(void **state) {
    (void)state;
    const char *from = test_scratch();
    put(from, "vocab.txt", "[PAD]\n");
    put(from, "tokenizer_config.json", "{\"a\": 1}");
    static const char *const sites[] = {"open", "read", "write", "fsync", "close", "rename"};
    for (size_t s = 0; s < sizeof sites / sizeof *sites; s++) {
        for (int n = 1;; n++) {
            const char *to = test_scratch();
            char plan[32];
            snprintf(plan, sizeof plan, "%s:%d", sites[s], n);
            hone_fault_plan(plan);
            enum hone_status status = hone_tokenizer_files_copy(to, from, 128, "BertTokenizer", false);
            bool fired = hone_fault_fired();
            hone_fault_plan(NULL);
            if (!fired) {
                TEST_OK(status);
                assert_true(n > 1);
                break;
            }
            test_expect_status(status, HONE_DISK, NULL);
            /* What stands there is whole. */
            char *config = hone_path_join(to, "tokenizer_config.json"), *vocabulary = hone_path_join(to, "vocab.txt");
            if (hone_file_exists(config))
                expect_file(to, "tokenizer_config.json", "{\"a\": 1, \"model_max_length\": 128}");
            if (hone_file_exists(vocabulary)) expect_file(to, "vocab.txt", "[PAD]\n");
            hone_free(config);
            hone_free(vocabulary);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(labels_in),      cmocka_unit_test(config_for_head), cmocka_unit_test(missing_config),
        cmocka_unit_test(max_length_set), cmocka_unit_test(files_copied),    cmocka_unit_test(links_not_followed),
        cmocka_unit_test(failing_disk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
