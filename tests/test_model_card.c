/* The model card: its metadata read back as YAML, its text as Markdown in which names from outside are only names. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/io.h"
#include "base/yaml.h"
#include "hub/model_card.h"
#include "tests/support.h"

/* The block between the two "---" lines, parsed. */
static struct hone_yaml *metadata(const char *card) {
    assert_int_equal(strncmp(card, "---\n", 4), 0);
    const char *end = strstr(card, "\n---\n\n");
    assert_non_null(end);
    struct hone_yaml *map;
    TEST_OK(hone_yaml_parse(&map, card + 4, (size_t)(end + 1 - card - 4), "README.md"));
    return map;
}

static const char *text_at(const struct hone_yaml *map, const char *key) {
    const struct hone_yaml *value = hone_yaml_get(map, key);
    return value && value->kind == HONE_YAML_SCALAR ? value->text : NULL;
}

static void expect_in(const char *card, const char *part) {
    if (!strstr(card, part)) fail_msg("expected \"%s\" in:\n%s", part, card);
}

static void whole_card(void **state) {
    (void)state;
    const struct hone_card_metric validation[] = {{"accuracy", 0.8125}, {"loss", 0.4}}, test[] = {{"accuracy", 0.8}};
    const struct hone_card_data data[] = {
        {.split = "train", .file = "data/train.tsv", .bytes = 1 << 20, .samples = 8000},
        {.split = "validation",
         .file = "data/dev.tsv",
         .bytes = 2048,
         .samples = 16,
         .metrics = validation,
         .n_metrics = 2},
        {.split = "test", .file = "data/test.tsv", .bytes = -1, .samples = 20, .metrics = test, .n_metrics = 1}};
    const struct hone_card_setting settings[] = {{"learning rate", "5e-05"}, {"batch size", "32"}};
    char *const labels[] = {"negative", "positive"};
    const struct hone_card card = {.name = "sentiment",
                                   .base_model = "nreimers/MiniLM-L6-H384-uncased",
                                   .license = "apache-2.0",
                                   .task = "text-classification",
                                   .auto_class = "AutoModelForSequenceClassification",
                                   .scores = "the softmax of the model's outputs",
                                   .metric = "accuracy",
                                   .labels = labels,
                                   .n_labels = 2,
                                   .data = data,
                                   .n_data = 3,
                                   .settings = settings,
                                   .n_settings = 2,
                                   .parameters = 22713986,
                                   .max_length = 128,
                                   .version = "0.1.0"};
    const char *folder = test_scratch();
    TEST_OK(hone_card_write(folder, &card));
    char *path = hone_path_join(folder, "README.md"), *text;
    size_t n;
    TEST_OK(hone_read_file(&text, &n, path, 1 << 20));

    struct hone_yaml *map = metadata(text);
    assert_string_equal(text_at(map, "library_name"), "transformers");
    assert_string_equal(text_at(map, "license"), "apache-2.0");
    assert_string_equal(text_at(map, "base_model"), "nreimers/MiniLM-L6-H384-uncased");
    assert_string_equal(text_at(map, "pipeline_tag"), "text-classification");
    const struct hone_yaml *tags = hone_yaml_get(map, "tags"), *metrics = hone_yaml_get(map, "metrics");
    assert_int_equal(tags->n, 2);
    assert_string_equal(tags->items[0]->text, "generated-by-hone");
    assert_string_equal(tags->items[1]->text, "text-classification");
    assert_int_equal(metrics->n, 1);
    assert_string_equal(metrics->items[0]->text, "accuracy");
    const struct hone_yaml *model = hone_yaml_get(map, "model-index")->items[0];
    assert_string_equal(text_at(model, "name"), "sentiment");
    const struct hone_yaml *results = hone_yaml_get(model, "results");
    assert_int_equal(results->n, 2);
    assert_string_equal(text_at(hone_yaml_get(results->items[0], "task"), "type"), "text-classification");
    assert_string_equal(text_at(hone_yaml_get(results->items[0], "dataset"), "name"), "data/dev.tsv");
    assert_string_equal(text_at(hone_yaml_get(results->items[1], "dataset"), "split"), "test");
    const struct hone_yaml *values = hone_yaml_get(results->items[0], "metrics");
    assert_int_equal(values->n, 2);
    assert_string_equal(text_at(values->items[0], "type"), "accuracy");
    assert_string_equal(text_at(values->items[0], "value"), "0.8125");
    hone_yaml_free(map);

    expect_in(text, "\n# sentiment\n");
    expect_in(text, "fine-tuned from `nreimers/MiniLM-L6-H384-uncased`");
    expect_in(text,
              "| data | samples | accuracy | loss |\n|---|---:|---:|---:|\n| validation | 16 | 0.8125 | 0.4000 |\n"
              "| test | 20 | 0.8000 | |\n");
    expect_in(text, "best accuracy");
    expect_in(text, "AutoModelForSequenceClassification.from_pretrained(folder)");
    expect_in(text, "hone predict --model . --text");
    expect_in(text, "| learning rate | 5e-05 |\n| batch size | 32 |\n");
    expect_in(text, "| train | `data/train.tsv` | 1.0 MiB | 8000 |\n");
    expect_in(text, "| test | `data/test.tsv` |  | 20 |\n");
    expect_in(text, "Labels: `negative`, `positive`.");
    expect_in(text, "## Limitations");
    expect_in(text, "longer than 128 tokens");
    hone_free(text);
    hone_free(path);
}

/* Whatever a name is, YAML gives it back as it was, and no line of the card is its doing. */
static void hostile_names(void **state) {
    (void)state;
    static const char *const names[] = {"quote \" and \\ back",
                                        "key: value # no comment",
                                        "- item",
                                        "line\nlicense: mit\n---\n",
                                        "carriage\rreturn\ttab",
                                        "é 你好 😀",
                                        "yes",
                                        "null",
                                        "",
                                        " spaces ",
                                        "{a: [b]}",
                                        "*alias &anchor !tag",
                                        "# heading",
                                        "[link](http://example.org)",
                                        "<script>alert(1)</script>",
                                        "a|b|c",
                                        "`code` ``more``",
                                        "`",
                                        "--- | ---",
                                        "http://example.org www.example.org",
                                        "\x1b[2J\x7f",
                                        "next\xC2\x85line \xE2\x80\xA8 sep \xEF\xBB\xBF bom",
                                        "%percent @at $dollar"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *name = names[i];
        const struct hone_card_metric metrics[] = {{name, 1}};
        const struct hone_card_data data[] = {
            {.split = name, .file = name, .bytes = 1, .samples = 1, .metrics = metrics, .n_metrics = 1}};
        const struct hone_card_setting settings[] = {{name, name}};
        char *const labels[] = {(char *)name, (char *)name};
        struct hone_card card = {.name = name,
                                 .license = name,
                                 .base_model = name,
                                 .task = "text-classification",
                                 .auto_class = "AutoModelForSequenceClassification",
                                 .scores = "the softmax of the model's outputs",
                                 .metric = name,
                                 .labels = labels,
                                 .n_labels = 2,
                                 .data = data,
                                 .n_data = 1,
                                 .settings = settings,
                                 .n_settings = 1,
                                 .version = "0.1.0"};
        struct hone_text hostile = {0}, plain = {0};
        hone_card_render(&hostile, &card);

        struct hone_yaml *map = metadata(hostile.bytes);
        assert_string_equal(text_at(map, "license"), name);
        const struct hone_yaml *model = hone_yaml_get(map, "model-index")->items[0];
        assert_string_equal(text_at(model, "name"), name);
        const struct hone_yaml *result = hone_yaml_get(model, "results")->items[0];
        assert_string_equal(text_at(hone_yaml_get(result, "dataset"), "name"), name);
        assert_string_equal(text_at(hone_yaml_get(result, "dataset"), "split"), name);
        assert_string_equal(text_at(hone_yaml_get(result, "metrics")->items[0], "type"), name);
        assert_string_equal(text_at(map, "pipeline_tag"), "text-classification");
        hone_yaml_free(map);

        /* Same lines as with a harmless name, each beginning as there: nothing opens a block, a heading or a row. */
        const struct hone_card_metric plain_metrics[] = {{"p", 1}};
        const struct hone_card_data plain_data[] = {
            {.split = "p", .file = "p", .bytes = 1, .samples = 1, .metrics = plain_metrics, .n_metrics = 1}};
        const struct hone_card_setting plain_settings[] = {{"p", "p"}};
        char *const plain_labels[] = {(char *)"p", (char *)"p"};
        card.name = card.license = card.metric = "p";
        bool hub_name = strcmp(name, "yes") == 0 || strcmp(name, "null") == 0; /* these two could be on the Hub */
        card.base_model = hub_name ? "p" : "./p";
        card.labels = plain_labels, card.data = plain_data, card.settings = plain_settings;
        hone_card_render(&plain, &card);
        const char *line = hostile.bytes, *plain_line = plain.bytes;
        while (*line && *plain_line) {
            if (strncmp(line, plain_line, 2) != 0) fail_msg("%.60s\nwhere it should begin as\n%.60s", line, plain_line);
            line = strchr(line, '\n') + 1;
            plain_line = strchr(plain_line, '\n') + 1;
        }
        assert_true(*line == 0 && *plain_line == 0);
        for (const char *c = hostile.bytes; *c; c++) assert_true((unsigned char)*c >= 0x20 || *c == '\n');
        hone_text_free(&hostile);
        hone_text_free(&plain);
    }
}

static void markdown_escapes(void **state) {
    (void)state;
    static const struct {
        const char *name, *text, *code; /* in the title, in the list of labels */
    } rows[] = {{"a_b", "\n# a\\_b\n", "Labels: `a_b`."},
                {"a|b", "\n# a\\|b\n", "Labels: `a|b`."},
                {"`", "\n# \\`\n", "Labels: `` ` ``."},
                {"a`b``c", "\n# a\\`b\\`\\`c\n", "Labels: ```a`b``c```."},
                {" x", "\n#  x\n", "Labels: `  x `."},
                {"", "\n# \n", "Labels: *(empty)*."},
                {"<b>", "\n# \\<b\\>\n", "Labels: `<b>`."},
                {"http://x", "\n# http\\://x\n", "Labels: `http://x`."},
                {"a\nb", "\n# a\\\\x0ab\n", "Labels: `a\\x0ab`."},
                {"bad \xff", "\n# bad \\\\xff\n", "Labels: `bad \\xff`."}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char *const labels[] = {(char *)rows[i].name};
        const struct hone_card_data data[] = {{.split = "train", .file = rows[i].name, .bytes = 1, .samples = 1}};
        const struct hone_card card = {.name = rows[i].name,
                                       .task = "text-classification",
                                       .auto_class = "AutoModel",
                                       .labels = labels,
                                       .n_labels = 1,
                                       .data = data,
                                       .n_data = 1,
                                       .version = "1"};
        struct hone_text text = {0};
        hone_card_render(&text, &card);
        expect_in(text.bytes, rows[i].text);
        expect_in(text.bytes, rows[i].code);
        if (strcmp(rows[i].name, "a|b") == 0) expect_in(text.bytes, "| train | `a\\|b` | 1 B | 1 |");
        hone_text_free(&text);
    }
}

/* Little known: no results, no labels, no license; and numbers that the Hub would not take. */
static void sparse_card(void **state) {
    (void)state;
    struct hone_card card = {.name = "x", .task = "text-classification", .auto_class = "AutoModel", .version = "1"};
    struct hone_text text = {0};
    hone_card_render(&text, &card);
    struct hone_yaml *map = metadata(text.bytes);
    assert_null(hone_yaml_get(map, "license"));
    assert_null(hone_yaml_get(map, "base_model"));
    assert_null(hone_yaml_get(map, "metrics"));
    assert_null(hone_yaml_get(map, "model-index"));
    hone_yaml_free(map);
    expect_in(text.bytes, "Not evaluated.");
    hone_text_free(&text);

    const struct hone_card_metric metrics[] = {{"accuracy", (double)NAN}, {"f1", (double)INFINITY}};
    const struct hone_card_data data[] = {
        {.split = "test", .file = "f", .samples = 1, .metrics = metrics, .n_metrics = 2}};
    card.data = data;
    card.n_data = 1;
    hone_card_render(&text, &card);
    map = metadata(text.bytes);
    assert_null(hone_yaml_get(map, "model-index"));
    hone_yaml_free(map);
    expect_in(text.bytes, "| test | 1 | nan | inf |");
    hone_text_free(&text);

    static const struct {
        const char *base;
        bool shown;
    } bases[] = {{"bert-base-uncased", true},
                 {"org/name_1.0", true},
                 {"runs/demo/model", false},
                 {"/home/me/model", false},
                 {"./model", false},
                 {"../model", false},
                 {"org/", false},
                 {"", false},
                 {"a b", false},
                 {"org/name: evil", false},
                 {"org/.hidden", false}};
    for (size_t i = 0; i < sizeof bases / sizeof *bases; i++) {
        card.base_model = bases[i].base;
        hone_card_render(&text, &card);
        map = metadata(text.bytes);
        const char *shown = text_at(map, "base_model");
        assert_true(bases[i].shown ? shown && strcmp(shown, bases[i].base) == 0 : !shown);
        hone_yaml_free(map);
        hone_text_free(&text);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(whole_card), cmocka_unit_test(hostile_names),
                                       cmocka_unit_test(markdown_escapes), cmocka_unit_test(sparse_card)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
