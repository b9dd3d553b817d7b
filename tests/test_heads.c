/* Training, evaluating and predicting with several labels and with numbers, from each form in which data gives them; and
 * GLUE's recipes on files of GLUE's own layouts. */
#include <math.h>
#include <string.h>

#include "base/io.h"
#include "base/json.h"
#include "base/memory.h"
#include "recipes/predictor.h"
#include "recipes/train.h"
#include "tests/support.h"
#include "tests/tiny.h"

static const char *new_folder(void) {
    const char *folder = test_scratch();
    tiny_folder(tiny_path(folder, "model"), 0, 1);
    return folder;
}

/* A run of a recipe with overrides; `given` ends with NULL. */
static json_t *run(const char *recipe_path, const char *folder, const char *const *given) {
    char *arguments[16];
    int n = 0;
    arguments[n++] = hone_format("model.path=%s/model", folder);
    arguments[n++] = hone_format("output=%s/out", folder);
    arguments[n++] = hone_strdup("logging.level=quiet", "test");
    arguments[n++] = hone_strdup("data.max_length=32", "test");
    arguments[n++] = hone_strdup("data.cache=no", "test");
    arguments[n++] = hone_strdup("training.epochs=2", "test");
    arguments[n++] = hone_strdup("training.batch_size=4", "test");
    for (; *given; given++) arguments[n++] = hone_strdup(*given, "test");
    struct hone_recipe recipe;
    struct hone_text mistakes = {0};
    enum hone_status status = hone_recipe_read(&recipe, recipe_path, arguments, n, &mistakes);
    if (status != HONE_OK) fail_msg("%s\n%s", hone_error_message(), mistakes.bytes ? mistakes.bytes : "");
    hone_text_free(&mistakes);
    for (int i = 0; i < n; i++) hone_free(arguments[i]);
    hone_log_set_level(HONE_LOG_QUIET);
    json_t *results;
    TEST_OK(hone_train(&results, &recipe, hone_world_alone()));
    hone_recipe_free(&recipe);
    return results;
}

static double figure(const json_t *results, const char *key) {
    const json_t *value = json_object_get(results, key);
    if (!json_is_number(value)) fail_msg("no figure %s", key);
    return json_number_value(value);
}

static json_t *config_of(const char *folder) {
    json_t *config;
    TEST_OK(hone_json_read(&config, tiny_path(folder, "out/config.json"), 1 << 20));
    return config;
}

static char *predict_one(const char *folder, const char *text) {
    struct hone_predictor predictor;
    struct hone_text out = {0};
    bool full;
    TEST_OK(hone_predictor_open(&predictor, tiny_path(folder, "out"), HONE_PRECISION_F32));
    struct hone_output output = {.format = HONE_FORMAT_JSONL,
                                 .labels = &predictor.folder.labels,
                                 .problem = predictor.task->problem,
                                 .threshold = predictor.folder.threshold};
    TEST_OK(hone_predictor_add(&predictor, (struct hone_field){text, strlen(text)}, (struct hone_field){0}, 1, &full));
    TEST_OK(hone_predictor_run(&predictor, &out, &output));
    hone_predictor_close(&predictor);
    return out.bytes;
}

static const char several[] = "task: {type: sequence_classification, problem_type: multi_label_classification, "
                              "threshold: 0.25}\n";

/* The same labels from a JSON array, from names with a separator, and from columns: the same run. */
static void labels_in_three_forms(void **state) {
    (void)state;
    static const struct {
        const char *name, *label, *rows;
    } forms[] = {
        {"a.jsonl", "l",
         "{\"t\":\"good film\",\"l\":[\"bad\",\"new\"]}\n{\"t\":\"bad\",\"l\":[]}\n{\"t\":\"plot\",\"l\":\"new\"}\n"
         "{\"t\":\"dull\",\"l\":null}\n{\"t\":\"act\",\"l\":[\"bad\"]}\n"},
        {"a.csv", "l", "t,l\ngood film,\"bad, new\"\nbad,\nplot,\"[\"\"new\"\"]\"\ndull,[]\nact,bad\n"},
        {"a.tsv", "[bad, new]", "t\tbad\tnew\ngood film\t1\t1\nbad\t0\t0\nplot\t0\t1\ndull\t0\t0\nact\t1\t0\n"},
    };
    double loss = 0;
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        const char *folder = new_folder(), *data = tiny_file(folder, forms[i].name, forms[i].rows);
        char *text =
            hone_format("model: {path: m}\n%sdata: {train: %s, validation: %s, text: t, label: %s}\noutput: o\n",
                        several, data, data, forms[i].label);
        json_t *results = run(tiny_file(folder, "r.yaml", text), folder, (const char *const[]){NULL});
        hone_free(text);
        if (i == 0) loss = figure(results, "eval_loss");
        assert_true(figure(results, "eval_loss") == loss);
        assert_true(figure(results, "eval_f1_micro") >= 0);
        json_decref(results);
        json_t *config = config_of(folder);
        assert_string_equal(json_string_value(json_object_get(config, "problem_type")), "multi_label_classification");
        assert_true(figure(config, "threshold") == 0.25);
        assert_string_equal(json_string_value(json_object_get(json_object_get(config, "id2label"), "1")), "new");
        json_decref(config);
        /* Scores near 1/2 reach the threshold. */
        char *line = predict_one(folder, "good");
        if (!strstr(line, "{\"labels\":[\"bad\",\"new\"],\"scores\":{\"bad\":0.")) fail_msg("%s", line);
        hone_free(line);
    }
}

/* The loss of training is a mean over samples and labels, as that of evaluation is; dropout makes the little difference. */
static void loss_of_several_labels(void **state) {
    (void)state;
    const char *folder = new_folder();
    const char *data = tiny_file(folder, "a.tsv", "t\ta\tb\tc\ngood film\t1\t1\t0\nbad\t0\t0\t1\nplot\t0\t1\t1\n");
    char *text =
        hone_format("model: {path: m}\n%sdata: {train: %s, validation: %s, text: t, label: [a, b, c]}\noutput: o\n",
                    several, data, data);
    json_t *results = run(tiny_file(folder, "r.yaml", text), folder, (const char *const[]){"optimizer.lr=1e-30", NULL});
    hone_free(text);
    assert_true(fabs(figure(results, "train_loss") / figure(results, "eval_loss") - 1) < 0.1);
    json_decref(results);
}

static void refused(const char *name, const char *problem, const char *label, const char *rows, const char *part) {
    const char *folder = new_folder(), *data = tiny_file(folder, name, rows);
    char *text = hone_format("model: {path: %s/model}\ntask: {type: sequence_classification, problem_type: %s}\n"
                             "data: {train: %s, text: t, max_length: 32, cache: no, label: %s}\noutput: %s/out\n",
                             folder, problem, data, label, folder);
    struct hone_recipe recipe;
    struct hone_text mistakes = {0};
    TEST_OK(hone_recipe_read(&recipe, tiny_file(folder, "r.yaml", text), NULL, 0, &mistakes));
    json_t *results;
    test_expect_status(hone_train(&results, &recipe, hone_world_alone()), HONE_BAD_INPUT, part);
    hone_recipe_free(&recipe);
    hone_free(text);
}

static void wrong_labels_name_their_line(void **state) {
    (void)state;
    refused("a.tsv", "multi_label_classification", "[x, y]", "t\tx\ty\na\t1\t2\n",
            "a.tsv:2: label column 2 holds \"2\", expected 0 or 1");
    refused("a.csv", "multi_label_classification", "l", "t,l\na,[x\n", "is no JSON array");
    refused("a.csv", "multi_label_classification", "l", "t,l\na,\"x,,y\"\n", "a.csv:2: the label is empty");
    refused("a.csv", "multi_label_classification", "l", "t,l\na,\n", "no sample of the training data has a label");
    refused("a.tsv", "regression", "l", "t\tl\na\t1\nb\thigh\n", "a.tsv:3: the label \"high\" is no number");
    refused("a.tsv", "regression", "l", "t\tl\na\tinf\n", "a.tsv:2: the label \"inf\" is no number");
    refused("a.jsonl", "regression", "l", "{\"t\":\"a\",\"l\":[1,2]}\n{\"t\":\"a\",\"l\":[1,2,3]}\n",
            "a.jsonl:2: a list of 3 numbers, expected 2");
}

/* One number, and two from columns or a list: what is learned is the mean of the targets at least. */
static void numbers(void **state) {
    (void)state;
    static const char rows[] = "t\ta\tb\ngood\t2.5\t-1\nbad\t2.5\t-1e0\nplot\t2.5\t-1\nact\t2.5\t-1.0\n";
    static const char list[] = "{\"t\":\"good\",\"l\":[2.5,-1]}\n{\"t\":\"bad\",\"l\":[2.5,-1]}\n"
                               "{\"t\":\"plot\",\"l\":[2.5,-1]}\n{\"t\":\"act\",\"l\":[2.5,-1]}\n";
    static const struct {
        const char *name, *label, *rows, *line;
    } forms[] = {{"a.tsv", "a", rows, "{\"value\":"},
                 {"a.tsv", "[a, b]", rows, "{\"values\":{\"a\":"},
                 {"a.jsonl", "l", list, "{\"values\":{\"LABEL_0\":"}};
    for (size_t i = 0; i < 3; i++) {
        const char *folder = new_folder(), *data = tiny_file(folder, forms[i].name, forms[i].rows);
        char *text = hone_format("model: {path: m}\ntask: {type: sequence_classification, problem_type: regression}\n"
                                 "data: {train: %s, validation: %s, text: t, label: %s}\noutput: o\n",
                                 data, data, forms[i].label);
        json_t *results = run(tiny_file(folder, "r.yaml", text), folder,
                              (const char *const[]){"training.epochs=150", "optimizer.lr=5e-3", "checkpoint.every=null",
                                                    "evaluation.every=150", NULL});
        hone_free(text);
        assert_true(figure(results, "eval_mse") < 0.5);
        assert_true(json_is_null(json_object_get(results, "eval_pearson"))); /* of constants */
        json_decref(results);
        char *line = predict_one(folder, "good");
        if (strncmp(line, forms[i].line, strlen(forms[i].line)) != 0) fail_msg("%s", line);
        hone_free(line);
    }
}

/* GLUE's columns; rows hold quotes, which are text, and a byte order mark where the original has one. */
static const struct {
    const char *task, *train, *figure;
} glue[] = {
    {"cola", "gj04\t1\t\tgood film\nbc01\t0\t*\tfilm the \"good\nl-93\t1\t\tplot\n", "eval_matthews_correlation"},
    {"sst2", "sentence\tlabel\ngood film \t1\n\" bad plot \t0\nfine\t1\n", "eval_accuracy"},
    {"mrpc",
     "\xEF\xBB\xBFQuality\t#1 ID\t#2 ID\t#1 String\t#2 String\n1\t70\t71\t\"good\" film\tfilm good\n"
     "0\t72\t73\tbad \"plot\tact\n1\t7\t8\ta\tb\n",
     "eval_combined_score"},
    {"stsb",
     "index\tgenre\tfilename\tyear\told_index\tsource1\tsource2\tsentence1\tsentence2\tscore\n"
     "0\tmain-captions\tMSRvid\t2012test\t1\tnone\tnone\tgood film\tfine film\t5.000\n"
     "1\tmain-captions\tMSRvid\t2012test\t4\tnone\tnone\tbad\tact \"plot\"\t3.80\n"
     "2\tm\tM\t2012\t5\tnone\tnone\tbad\tdull\t0.2\n",
     "eval_combined_score"},
    {"qqp",
     "id\tqid1\tqid2\tquestion1\tquestion2\tis_duplicate\n13\t1\t2\tgood ?\tfine ?\t1\n14\t3\t4\t\"\"\"bad\"\" ?\tact "
     "?\t0\n"
     "15\t5\t6\tso ?\tso ?\t1\n",
     "eval_combined_score"},
    {"mnli",
     "index\tpromptID\tpairID\tgenre\tsentence1_binary_parse\tsentence2_binary_parse\tsentence1_parse\tsentence2_"
     "parse\t"
     "sentence1\tsentence2\tlabel1\tgold_label\n0\t1\t1n\tg\t( a )\t( b )\t(ROOT a)\t(ROOT b)\tgood "
     "film\tfilm\tneutral\t"
     "neutral\n1\t2\t2e\tg\t( a )\t( b )\t(ROOT a)\t(ROOT b)\tbad\tfilm\tentailment\tentailment\n",
     "eval_accuracy_mm"},
    {"qnli", "index\tquestion\tsentence\tlabel\n0\tgood ?\tfilm\tentailment\n1\tbad ?\tplot\tnot_entailment\n",
     "eval_accuracy"},
    {"rte", "index\tsentence1\tsentence2\tlabel\n0\tgood\tfilm\tnot_entailment\n1\tbad\tplot\tentailment\n",
     "eval_accuracy"},
    {"wnli", "index\tsentence1\tsentence2\tlabel\n0\tgood\tfilm\t1\n1\tbad\tplot\t0\n", "eval_accuracy"},
};

static void glue_recipes(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof glue / sizeof *glue; i++) {
        const char *folder = new_folder(), *data = tiny_file(folder, "train.tsv", glue[i].train);
        char *recipe = hone_format("recipes/glue_%s.yaml", glue[i].task);
        char *train = hone_format("data.train=%s", data), *validation = hone_format("data.validation=%s", data);
        bool two = strcmp(glue[i].task, "mnli") == 0;
        char *rows = hone_format("%s%s", glue[i].train, strchr(glue[i].train, '\n') + 1); /* each twice */
        char *second = two ? hone_format("data.validation_mm=%s", tiny_file(folder, "twice.tsv", rows))
                           : hone_format("data.test=%s", data);
        json_t *results = run(recipe, folder, (const char *const[]){train, validation, second, NULL});
        assert_true(figure(results, glue[i].figure) >= -1 && figure(results, glue[i].figure) <= 1);
        assert_int_equal(json_integer_value(json_object_get(results, "train_samples")),
                         json_integer_value(json_object_get(results, "eval_samples")));
        if (two) {
            /* The same rows by the same model, the best one. */
            assert_true(fabs(figure(results, "eval_loss") - figure(results, "eval_loss_mm")) < 1e-6);
            assert_int_equal(json_integer_value(json_object_get(results, "eval_samples")), 2);
            assert_int_equal(json_integer_value(json_object_get(results, "eval_samples_mm")), 4);
        }
        json_decref(results);
        hone_free(recipe);
        hone_free(train);
        hone_free(validation);
        hone_free(second);
        hone_free(rows);
    }
}

int main(void) {
    tiny_in_memory();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(labels_in_three_forms),
        cmocka_unit_test(loss_of_several_labels),
        cmocka_unit_test(wrong_labels_name_their_line),
        cmocka_unit_test(numbers),
        cmocka_unit_test(glue_recipes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
