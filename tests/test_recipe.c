/* Recipes that are right: defaults, what plain YAML scalars mean, overrides, the resolved recipe's round trip, and that
 * schema and help name every option. What is said about wrong ones: test_recipe_mistakes.c. */
#include "tests/support.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "recipes/options.h"

#define LEAST                                                                                                          \
    "model: {path: m}\ntask: {type: sequence_classification}\ndata: {train: a.tsv, text: t, label: l}\noutput: o\n"

/* Fails with the mistakes unless the recipe is right. */
static void read_text(struct hone_recipe *out, const char *recipe, char **overrides, int n) {
    struct hone_text mistakes = {0};
    FILE *file = fopen("r.yaml", "w"); /* without the syncs of hone_write_file */
    assert_non_null(file);
    assert_true(fputs(recipe, file) >= 0 && fclose(file) == 0);
    if (hone_recipe_read(out, "r.yaml", overrides, n, &mistakes) != HONE_OK)
        fail_msg("%s%s", mistakes.bytes ? mistakes.bytes : hone_error_message(), recipe);
    assert_int_equal(mistakes.length, 0);
    hone_text_free(&mistakes);
}

static void test_defaults(void **state) {
    (void)state;
    struct hone_recipe r;
    read_text(&r, LEAST, NULL, 0);
    assert_string_equal(r.model.path, "m");
    assert_int_equal(r.task.type, HONE_TASK_SEQUENCE_CLASSIFICATION);
    assert_int_equal(r.task.labels.n, 0);
    assert_int_equal(r.data.train.n, 1);
    assert_string_equal(r.data.train.items[0], "a.tsv");
    assert_int_equal(r.data.validation.n + r.data.test.n, 0);
    assert_int_equal(r.data.format, HONE_FORMAT_AUTO);
    assert_true(r.data.header);
    assert_string_equal(r.data.text.name, "t");
    assert_string_equal(r.data.label.items[0].name, "l");
    assert_null(r.data.text_pair.name);
    assert_int_equal(r.data.text_pair.number, -1);
    assert_int_equal(r.data.max_length, 128);
    assert_true(r.training.epochs == 3);
    assert_int_equal(r.training.max_steps, 0);
    assert_int_equal(r.training.batch_size, 32);
    assert_int_equal(r.training.micro_batch_tokens, HONE_AUTO);
    assert_int_equal(r.training.seed, 42);
    assert_int_equal(r.training.early_stopping, 0);
    assert_true(r.optimizer.lr == 5e-5 && r.optimizer.weight_decay == 0.01 && r.optimizer.beta1 == 0.9);
    assert_true(r.optimizer.beta2 == 0.999 && r.optimizer.epsilon == 1e-8 && r.optimizer.clip_norm == 1);
    assert_int_equal(r.schedule.warmup.steps, 0);
    assert_true(r.schedule.warmup.ratio == 0);
    assert_int_equal(r.device, HONE_DEVICE_AUTO);
    assert_int_equal(r.evaluation.every, HONE_EVERY_EPOCH);
    assert_int_equal(r.evaluation.metric, HONE_METRIC_ACCURACY);
    assert_string_equal(r.output, "o");
    assert_int_equal(r.logging.every, 10);
    assert_int_equal(r.logging.level, HONE_LOG_INFO);
    hone_recipe_free(&r);
}

/* One option per row, given in the file and as an override: the resolved value must be the same. */
static void test_values(void **state) {
    (void)state;
    static const struct {
        const char *option, *given, *resolved;
    } rows[] = {
        {"optimizer.lr", "5e-5", "5.0e-05"},
        {"optimizer.lr", "1E5", "100000"},
        {"optimizer.lr", "+.5", "0.5"},
        {"optimizer.lr", "3.", "3"},
        {"optimizer.lr", "0.30000000000000004", "0.30000000000000004"},
        {"optimizer.lr", "2.2250738585072014e-308", "2.2250738585072014e-308"},
        {"optimizer.lr", "1.7976931348623157e308", "1.7976931348623157e+308"},
        {"optimizer.lr", "1e22", "1.0e+22"},
        {"optimizer.beta1", "0", "0"},
        {"optimizer.beta2", "0.99999999999", "0.99999999999"},
        {"optimizer.lr", "null", "5.0e-05"},
        {"optimizer.lr", "~", "5.0e-05"},
        {"training.epochs", "0.5", "0.5"},
        {"training.epochs", "10000", "10000"},
        {"training.max_steps", "1", "1"},
        {"training.max_steps", "null", "null"},
        {"training.batch_size", "+8", "8"},
        {"training.seed", "0", "0"},
        {"training.seed", "4294967295", "4294967295"},
        {"training.micro_batch_tokens", "auto", "auto"},
        {"training.micro_batch_tokens", "4096", "4096"},
        {"schedule.warmup", "0", "0"},
        {"schedule.warmup", "0.0", "0"},
        {"schedule.warmup", "1", "1"},
        {"schedule.warmup", "0.06", "0.06"},
        {"schedule.warmup", "1e-5", "1.0e-05"},
        {"evaluation.every", "epoch", "epoch"},
        {"evaluation.every", "\"epoch\"", "epoch"},
        {"evaluation.every", "no", "\"no\""},
        {"evaluation.every", "null", "\"no\""},
        {"evaluation.every", "200", "200"},
        {"evaluation.metric", "'loss'", "loss"},
        {"data.header", "True", "true"},
        {"data.train", "[a.tsv, 'b c.TSV']", "[a.tsv, \"b c.TSV\"]"},
        {"data.train", "[a.tsv]", "a.tsv"},
        {"data.train", "on.tsv", "on.tsv"},
        {"data.text", "yes", "\"yes\""},
        {"data.text", "\"7\"", "\"7\""},
        {"data.text", "7", "7"},
        {"data.text_pair", "1_0", "\"1_0\""},
        {"task.labels", "[no, yes]", "[\"no\", \"yes\"]"},
        {"task.labels", "[0, 1, 1.0, true]", "[\"0\", \"1\", \"1.0\", \"true\"]"},
        {"task.labels", "[negativ, größer]", "[negativ, \"größer\"]"},
        {"output", "\"2024\"", "\"2024\""},
        {"output", "/tmp/x-1_y.z", "/tmp/x-1_y.z"},
        {"output", "../run", "../run"},
        {"output", "2024-01-02", "\"2024-01-02\""},
        {"output", "'a''b \"c\" \\'", "\"a'b \\\"c\\\" \\\\\""},
        {"output", "\"\\u0085\\u2028\\ufeff\\x07\\t\\n😀\"", "\"\\u0085\\u2028\\uFEFF\\u0007\\u0009\\u000A😀\""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct hone_option *option = hone_option_find(rows[i].option);
        char *override = hone_format("%s=%s", rows[i].option, rows[i].given);
        struct hone_recipe r, again;
        struct hone_text text = {0};
        read_text(&r, LEAST, &override, 1);
        hone_option_print(&text, &r, option);
        assert_string_equal(text.bytes, rows[i].resolved);
        hone_text_free(&text);
        /* The same once more from the resolved recipe. */
        hone_recipe_text(&text, &r);
        read_text(&again, text.bytes, NULL, 0);
        struct hone_text twice = {0};
        hone_recipe_text(&twice, &again);
        assert_string_equal(text.bytes, twice.bytes);
        hone_text_free(&text);
        hone_text_free(&twice);
        hone_recipe_free(&r);
        hone_recipe_free(&again);
        hone_free(override);
    }
}

static void test_overrides(void **state) {
    (void)state;
    struct hone_recipe r;
    char *overrides[] = {"training.max_steps=7", "data.test=null",    "output=/tmp/x=y",
                         "optimizer.lr=1",       "optimizer.lr=1e-4", "data.text=0",
                         "data.label=1",         "data.validation=",  "task.labels=[bad, 'no']"};
    read_text(&r,
              LEAST "training: {epochs: 2}\nschedule:\noptimizer: {}\n"
                    "evaluation: {every: ~}\n",
              overrides, sizeof overrides / sizeof overrides[0]);
    assert_true(r.training.epochs == 0);
    assert_int_equal(r.training.max_steps, 7);
    assert_int_equal(r.data.test.n, 0);
    assert_int_equal(r.data.validation.n, 0);
    assert_string_equal(r.output, "/tmp/x=y");
    assert_true(r.optimizer.lr == 1e-4);
    assert_false(r.data.header);
    assert_int_equal(r.data.text.number, 0);
    assert_null(r.data.text.name);
    assert_int_equal(r.data.label.items[0].number, 1);
    assert_int_equal(r.evaluation.every, HONE_NEVER);
    assert_int_equal(r.task.labels.n, 2);
    assert_string_equal(r.task.labels.items[1], "no");
    hone_recipe_free(&r);
}

static void test_header(void **state) {
    (void)state;
    static const struct {
        const char *data;
        bool header;
    } rows[] = {
        {"train: a.tsv, text: t, label: l", true},
        {"train: a.tsv, text: 0, label: 1", false},
        {"train: a.tsv, text: 0, label: l", true},
        {"train: a.tsv, text: 0, text_pair: 1, label: 2", false},
        {"train: a.tsv, text: 0, text_pair: p, label: 2", true},
        {"train: a.tsv, text: 0, label: 1, header: true", true},
        {"train: a.txt, text: 0, label: 1, header: false, format: tsv", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct hone_recipe r;
        char *text = hone_format("model: {path: m}\ntask: {type: sequence_classification}\ndata: {%s}\noutput: o\n",
                                 rows[i].data);
        read_text(&r, text, NULL, 0);
        assert_int_equal(r.data.header, rows[i].header);
        hone_recipe_free(&r);
        hone_free(text);
    }
}

/* Everything set to something else than its default, through the file that a run writes. */
static void test_round_trip(void **state) {
    (void)state;
    static const char recipe[] =
        "model: {path: 'a: b'}\n"
        "task: {type: sequence_classification, labels: [' a', 'b ', '#c', '- d', '[', '{', '&a', '*', '!', '|', '>', "
        "\"'\", "
        "'\"', '%', '@', '`', '~', '=', '<<', ',', ':', '?', '-', 'Null', '.5', '1e5', '0x1F', '.inf', '_1', 'é']}\n"
        "data: {train: [a.tsv, b.tsv], validation: c.tsv, test: [d.tsv], text: 'a b', text_pair: 3, label: \"0\", "
        "max_length: 64}\n"
        "training: {max_steps: 9, batch_size: 7, micro_batch_tokens: 100, seed: 1, early_stopping: 2}\n"
        "optimizer: {lr: 0.1234567890123456, weight_decay: 0, beta1: 0.5, beta2: 0.25, epsilon: 1e-6, clip_norm: 0}\n"
        "schedule: {warmup: 0.3333333333333333}\n"
        "device: cpu\nevaluation: {every: 3, metric: loss}\noutput: \"x\\ty\"\nlogging: {every: 1, level: debug}\n";
    struct hone_recipe r, again;
    struct hone_text first = {0}, second = {0}, mistakes = {0};
    read_text(&r, recipe, NULL, 0);
    TEST_OK(hone_recipe_write(&r, "resolved.yaml"));
    TEST_OK(hone_recipe_read(&again, "resolved.yaml", NULL, 0, &mistakes));
    assert_int_equal(again.task.labels.n, 30);
    for (size_t i = 0; i < r.task.labels.n; i++)
        assert_string_equal(r.task.labels.items[i], again.task.labels.items[i]);
    assert_string_equal(again.model.path, "a: b");
    assert_string_equal(again.output, "x\ty");
    assert_string_equal(again.data.label.items[0].name, "0");
    assert_int_equal(again.data.text_pair.number, 3);
    assert_int_equal(again.training.early_stopping, 2);
    assert_true(again.optimizer.lr == 0.1234567890123456 && again.optimizer.clip_norm == 0);
    assert_true(again.schedule.warmup.ratio == 0.3333333333333333);
    hone_recipe_text(&first, &r);
    hone_recipe_text(&second, &again);
    assert_string_equal(first.bytes, second.bytes);
    for (size_t i = 0; i < hone_option_count; i++)
        assert_non_null(strstr(first.bytes, hone_option_key(&hone_options[i])));
    char *bytes;
    size_t n;
    TEST_OK(hone_read_file(&bytes, &n, "resolved.yaml", 1 << 20));
    assert_string_equal(bytes, first.bytes);
    hone_free(bytes);
    hone_text_free(&first);
    hone_text_free(&second);
    hone_recipe_free(&r);
    hone_recipe_free(&again);
}

/* The table itself: rows of a section together, names as they may be, defaults that are right. */
static void test_table(void **state) {
    (void)state;
    for (size_t i = 0; i < hone_option_count; i++) {
        const struct hone_option *a = &hone_options[i];
        assert_int_equal(strspn(a->name, "abcdefghijklmnopqrstuvwxyz0123456789_."), strlen(a->name));
        assert_null(strpbrk(a->help, "\"\\\n"));
        assert_true(strlen(a->help) > 10 && strlen(a->help) <= 116);
        assert_true((a->type == HONE_OPTION_WORD) == (a->words != NULL));
        assert_ptr_equal(hone_option_find(a->name), a);
        for (size_t j = i + 1; j < hone_option_count; j++) {
            assert_string_not_equal(a->name, hone_options[j].name);
            assert_int_not_equal(a->offset, hone_options[j].offset);
            if (hone_option_section_length(a) > 0 && hone_options_share_section(a, &hone_options[j]))
                assert_true(hone_options_share_section(a, &hone_options[j - 1]));
        }
    }
    assert_string_equal(hone_recipe_word("evaluation.metric", HONE_METRIC_LOSS), "loss");
    assert_string_equal(hone_recipe_word("device", HONE_DEVICE_CPU), "cpu");
    assert_string_equal(hone_recipe_word("logging.level", HONE_LOG_QUIET), "quiet");
}

static void test_schema(void **state) {
    (void)state;
    struct hone_text text = {0};
    json_error_t error;
    size_t found = 0, properties = 0;
    hone_recipe_schema(&text);
    json_t *root = json_loads(text.bytes, JSON_REJECT_DUPLICATES, &error);
    if (!root) fail_msg("%d:%d: %s", error.line, error.column, error.text);
    assert_string_equal(json_string_value(json_object_get(root, "$schema")),
                        "https://json-schema.org/draft/2020-12/schema");
    assert_true(json_is_false(json_object_get(root, "additionalProperties")));
    for (size_t i = 0; i < hone_option_count; i++) {
        const struct hone_option *option = &hone_options[i];
        char *section = hone_strndup(option->name, hone_option_section_length(option), "section");
        const json_t *holder = root;
        if (*section) {
            holder = json_object_get(json_object_get(root, "properties"), section);
            assert_true(json_is_false(json_object_get(holder, "additionalProperties")));
        }
        json_t *property = json_object_get(json_object_get(holder, "properties"), hone_option_key(option));
        assert_string_equal(json_string_value(json_object_get(property, "description")), option->help);
        assert_true((json_object_get(property, "default") != NULL) == (option->otherwise != NULL));
        json_t *any = json_object_get(property, "anyOf"), *item;
        assert_true(json_array_size(any) > 0);
        bool null = false, required = false;
        size_t j;
        json_array_foreach(any, j, item) {
            const char *type = json_string_value(json_object_get(item, "type"));
            null = null || (type && strcmp(type, "null") == 0);
        }
        bool expected = option->required && !option->only;
        assert_true(null == !expected);
        json_array_foreach(json_object_get(holder, "required"), j, item) {
            required = required || strcmp(json_string_value(item), hone_option_key(option)) == 0;
        }
        assert_true(required == expected);
        found++;
        hone_free(section);
    }
    const char *key;
    json_t *value;
    json_object_foreach(json_object_get(root, "properties"), key, value) {
        json_t *inner = json_object_get(value, "properties");
        properties += inner ? json_object_size(inner) : 1;
    }
    assert_int_equal(found, hone_option_count);
    assert_int_equal(properties, hone_option_count);
    json_decref(root);
    hone_text_free(&text);
}

static void test_help(void **state) {
    (void)state;
    struct hone_text text = {0};
    hone_recipe_help(&text);
    for (size_t i = 0; i < hone_option_count; i++) {
        assert_non_null(strstr(text.bytes, hone_option_key(&hone_options[i])));
        assert_non_null(strstr(text.bytes, hone_options[i].help));
    }
    hone_text_free(&text);
}

/* The recipe that people start from, read where it lies. */
static void test_shipped(void **state) {
    (void)state;
    struct hone_recipe r;
    struct hone_text mistakes = {0};
    TEST_OK(hone_recipe_read(&r, "recipes/sentiment_bert.yaml", NULL, 0, &mistakes));
    assert_string_equal(r.data.text.name, "sentence");
    assert_string_equal(r.data.label.items[0].name, "label");
    assert_int_equal(r.task.labels.n, 0);
    assert_true(r.data.header);
    hone_recipe_free(&r);
}

static int enter_scratch(void **state) {
    (void)state;
    return chdir(test_scratch());
}

int main(void) {
    const struct CMUnitTest shipped[] = {cmocka_unit_test(test_shipped)};
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults), cmocka_unit_test(test_values),     cmocka_unit_test(test_overrides),
        cmocka_unit_test(test_header),   cmocka_unit_test(test_round_trip), cmocka_unit_test(test_table),
        cmocka_unit_test(test_schema),   cmocka_unit_test(test_help),
    };
    int failed = cmocka_run_group_tests_name("shipped", shipped, NULL, NULL);
    return failed + cmocka_run_group_tests_name("recipe", tests, enter_scratch, NULL);
}
