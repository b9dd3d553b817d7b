/* Sequence classification: what rows become, which rows are refused with which words, and what is measured and printed.
 * Whole runs on top of it: mistakes in the data show before anything is written. */
#include <math.h>
#include <string.h>

#include "base/io.h"
#include "base/memory.h"
#include "recipes/samples.h"
#include "recipes/task.h"
#include "recipes/train.h"
#include "tests/support.h"
#include "tests/tiny.h"

static const char *const names[2] = {"neg", "pos"};

static const char *new_folder(void) {
    const char *folder = test_scratch();
    tiny_folder(tiny_path(folder, "model"), 0, 1);
    tiny_tsv(tiny_path(folder, "train.tsv"), 7, 20, names);
    tiny_tsv(tiny_path(folder, "validation.tsv"), 8, 11, names);
    return folder;
}

/* Opens a run of the recipe, which must fail as said, and leave no output. */
static void expect_refused(const char *folder, const char *const *overrides, enum hone_status expected,
                           const char *part) {
    test_expect_status(tiny_train(NULL, folder, overrides), expected, part);
    assert_false(hone_folder_exists(tiny_path(folder, "out")));
}

/* The samples of a training file with this text. */
static void encode(struct hone_run *run, struct hone_recipe *recipe, const char *folder, const char *text,
                   const char *const *overrides) {
    tiny_file(folder, "train.tsv", text);
    tiny_recipe(recipe, folder, overrides);
    TEST_OK(hone_run_open(run, recipe, HONE_RUN_OUTLINE));
}

static void expect_tokens(const struct hone_run *run, int64_t sample, const char *expected) {
    struct hone_text text = {0};
    hone_text_append(&text, "", 0);
    for (int64_t t = run->train.begins[sample]; t < run->train.begins[sample + 1]; t++) {
        hone_text_format(&text, "%s%s/%d", t > run->train.begins[sample] ? " " : "",
                         hone_tokenizer_token(run->folder.tokenizer, run->train.ids[t]), run->train.types[t]);
    }
    assert_string_equal(text.bytes, expected);
    hone_text_free(&text);
}

static void rows_become_samples(void **state) {
    (void)state;
    const char *folder = new_folder();
    struct hone_run run;
    struct hone_recipe recipe;
    encode(&run, &recipe, folder,
           "sentence\tlabel\nGood film!\tpos\n\tneg\nTrès bad\tneg\nthe the the the the the\tpos",
           TINY_OVERRIDES("data.max_length=6"));
    assert_int_equal(run.train.n, 4);
    expect_tokens(&run, 0, "[CLS]/0 good/0 film/0 !/0 [SEP]/0");
    expect_tokens(&run, 1, "[CLS]/0 [SEP]/0");
    expect_tokens(&run, 2, "[CLS]/0 tres/0 bad/0 [SEP]/0");
    expect_tokens(&run, 3, "[CLS]/0 the/0 the/0 the/0 the/0 [SEP]/0");
    assert_int_equal(run.train.longest, 6);
    assert_int_equal(run.train.truncated, 1);
    static const int32_t labels[] = {1, 0, 0, 1};
    for (int i = 0; i < 4; i++) {
        assert_int_equal(run.train.labels[i], labels[i]);
        assert_int_equal(run.train.lines[i], i + 2);
    }
    hone_run_close(&run);
    hone_recipe_free(&recipe);
}

static void pairs_and_columns_by_number(void **state) {
    (void)state;
    const char *folder = new_folder();
    struct hone_run run;
    struct hone_recipe recipe;
    encode(&run, &recipe, folder, "x\tgood film\t1\tbad plot bad\ny\tthe\t0\t\n",
           TINY_OVERRIDES("data.text=1", "data.text_pair=3", "data.label=2", "data.validation=null"));
    assert_int_equal(run.train.n, 2);
    expect_tokens(&run, 0, "[CLS]/0 good/0 film/0 [SEP]/0 bad/1 plot/1 bad/1 [SEP]/1");
    expect_tokens(&run, 1, "[CLS]/0 the/0 [SEP]/0 [SEP]/1");
    assert_int_equal(run.train.lines[0], 1);
    assert_string_equal(run.folder.labels.names[1], "1");
    hone_run_close(&run);
    hone_recipe_free(&recipe);
    /* By number, with a header all the same. */
    encode(&run, &recipe, folder, "a\tb\ngood\t0\nbad\t1\n",
           TINY_OVERRIDES("data.text=0", "data.label=1", "data.header=true", "data.validation=null"));
    assert_int_equal(run.train.n, 2);
    assert_int_equal(run.train.lines[0], 2);
    hone_run_close(&run);
    hone_recipe_free(&recipe);
    /* longest_first. */
    encode(
        &run, &recipe, folder, "s\tp\tl\ngood good good good\tbad\t0\nbad\tthe the the\t1\n",
        TINY_OVERRIDES("data.text=s", "data.text_pair=p", "data.label=l", "data.max_length=6", "data.validation=null"));
    expect_tokens(&run, 0, "[CLS]/0 good/0 good/0 [SEP]/0 bad/1 [SEP]/1");
    expect_tokens(&run, 1, "[CLS]/0 bad/0 [SEP]/0 the/1 the/1 [SEP]/1");
    hone_run_close(&run);
    hone_recipe_free(&recipe);
}

static void several_files_are_one_after_the_other(void **state) {
    (void)state;
    const char *folder = new_folder();
    tiny_file(folder, "a.tsv", "label\tsentence\npos\tgood\nneg\tbad\n");
    tiny_file(folder, "b.tsv", "sentence\tlabel\nthe\tpos\n");
    tiny_file(folder, "c.tsv", "label\tsentence\nnew\tof\n");
    char *files = hone_format("data.train=[%s/a.tsv, %s/b.tsv, %s/c.tsv]", folder, folder, folder);
    struct hone_run run;
    struct hone_recipe recipe;
    tiny_recipe(&recipe, folder, TINY_OVERRIDES(files));
    TEST_OK(hone_run_open(&run, &recipe, HONE_RUN_OUTLINE));
    hone_free(files);
    assert_int_equal(run.train.n, 4);
    expect_tokens(&run, 2, "[CLS]/0 the/0 [SEP]/0");
    static const int64_t lines[] = {2, 3, 2, 2}, in_file[] = {0, 0, 1, 2};
    for (int i = 0; i < 4; i++) {
        assert_int_equal(run.train.lines[i], lines[i]);
        assert_int_equal(run.train.files[i], in_file[i]);
    }
    assert_int_equal(run.folder.labels.n, 3);
    assert_string_equal(run.folder.labels.names[1], "new");
    hone_run_close(&run);
    hone_recipe_free(&recipe);
}

static void labels_given_and_found(void **state) {
    (void)state;
    const char *folder = new_folder();
    struct hone_run run;
    struct hone_recipe recipe;
    encode(&run, &recipe, folder, "label\tsentence\npos\ta\n0\ta\nneg\ta\n2\ta\n",
           TINY_OVERRIDES("task.labels=[pos, neg, none]"));
    static const int32_t given[] = {0, 0, 1, 2};
    for (int i = 0; i < 4; i++) assert_int_equal(run.train.labels[i], given[i]);
    hone_run_close(&run);
    hone_recipe_free(&recipe);
    /* Numbers by value, and each is its own name. */
    encode(&run, &recipe, folder, "label\tsentence\n10\ta\n9\ta\n0\ta\n10\ta\n",
           TINY_OVERRIDES("data.validation=null"));
    static const int32_t found[] = {2, 1, 0, 2};
    for (int i = 0; i < 4; i++) assert_int_equal(run.train.labels[i], found[i]);
    hone_run_close(&run);
    hone_recipe_free(&recipe);
}

static void mistakes_in_data_name_file_and_line(void **state) {
    (void)state;
    static const struct {
        const char *text, *part;
    } cases[] = {
        {"", "train.tsv: the file is empty"},
        {"label\tsentence\n", "train.tsv: no rows after the header"},
        {"label\tsentence\npos\ta\nneg\n", "train.tsv:3: 1 column, expected 2"},
        {"label\tsentence\npos\ta\nneg\tb\tc\n", "train.tsv:3: 3 columns, expected 2"},
        {"label\tsentence\npos\ta\n\nneg\tb\n", "train.tsv:3: the line is empty"},
        {"label\tsentence\npos\ta\nneg\tb\xff\n", "train.tsv:3: byte 6: invalid UTF-8"},
        {"label\ttext\npos\ta\nneg\tb\n", "train.tsv: no column \"sentence\"; the columns are \"label\", \"text\""},
        {"label\tsentence\tsentence\npos\ta\tb\n", "train.tsv: more than one column \"sentence\""},
        {"label\tsentence\npos\ta\npos\tb\n", "train.tsv: only one label (\"pos\")"},
        {"label\tsentence\npos\ta\n\tb\n", "train.tsv:3: the label is empty"},
    };
    const char *folder = new_folder();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tiny_file(folder, "train.tsv", cases[i].text);
        expect_refused(folder, NULL, HONE_BAD_INPUT, cases[i].part);
    }
    static const char nul[] = "label\tsentence\npos\ta\nne\0g\tb\n";
    TEST_OK(hone_write_file(tiny_path(folder, "train.tsv"), nul, sizeof nul - 1));
    expect_refused(folder, NULL, HONE_BAD_INPUT, "train.tsv:3: the label holds a NUL");
    /* A NUL in a text is a character like any other. */
    static const char text[] = "label\tsentence\npos\ta\nneg\tb\0b\n";
    TEST_OK(hone_write_file(tiny_path(folder, "train.tsv"), text, sizeof text - 1));
    TEST_OK(tiny_train(NULL, folder, NULL));
    TEST_OK(hone_remove_folder(tiny_path(folder, "out")));
    expect_refused(folder, TINY_OVERRIDES("task.labels=[good, bad]"), HONE_BAD_INPUT,
                   "train.tsv:2: unknown label \"pos\", expected one of \"good\", \"bad\"");
    tiny_file(folder, "validation.tsv", "label\tsentence\npos\ta\n2\tb\n");
    expect_refused(folder, NULL, HONE_BAD_INPUT, "validation.tsv:3: unknown label \"2\"");
    assert_int_equal(remove(tiny_path(folder, "validation.tsv")), 0);
    expect_refused(folder, NULL, HONE_BAD_INPUT, "validation.tsv: there is no such file");
}

static void free_text_is_no_label(void **state) {
    (void)state;
    const char *folder = new_folder();
    struct hone_text text = {0};
    hone_text_format(&text, "label\tsentence\n");
    for (int i = 0; i < 10001; i++) hone_text_format(&text, "text %d\tx\n", i);
    tiny_file(folder, "train.tsv", text.bytes);
    hone_text_free(&text);
    expect_refused(folder, NULL, HONE_BAD_INPUT, "more than 10000 different labels; is data.label the right column?");
}

static void a_model_not_made_for_it(void **state) {
    (void)state;
    const char *folder = new_folder();
    expect_refused(folder, TINY_OVERRIDES("data.max_length=65"), HONE_USAGE, "data.max_length is 65, but the model in");
    expect_refused(folder, TINY_OVERRIDES("data.text_pair=sentence2"), HONE_BAD_INPUT, "no column \"sentence2\"");
    /* One token type only: a pair would read past the end of its table. */
    struct tiny_model model;
    tiny_make(&model, 0, 1);
    tiny_find(&model, "bert.embeddings.token_type_embeddings.weight")->shape[0] = 1;
    json_object_set_new(model.config, "type_vocab_size", json_integer(1));
    TEST_OK(hone_remove_folder(tiny_path(folder, "model")));
    tiny_write(&model, tiny_path(folder, "model"));
    tiny_free(&model);
    tiny_file(folder, "train.tsv", "label\tsentence\tother\n0\tgood\t\n1\tbad\tfilm\n");
    expect_refused(folder, TINY_OVERRIDES("data.text_pair=other", "data.validation=null"), HONE_BAD_INPUT,
                   "train.tsv:2: the tokenizer gives token 4 the type 1, but the model has types 0 to 0 only");
    TEST_OK(tiny_train(NULL, folder, TINY_OVERRIDES("data.validation=null")));
    TEST_OK(hone_remove_folder(tiny_path(folder, "out")));
    /* No room for two separators. */
    expect_refused(folder, TINY_OVERRIDES("data.text_pair=other", "data.validation=null", "data.max_length=2"),
                   HONE_USAGE, "train.tsv:2: max_length 2 has no room for the 3 special tokens");
}

/* A tokenizer without special tokens makes nothing of an empty text. */
static void texts_without_tokens(void **state) {
    (void)state;
    const char *folder = new_folder();
    tiny_file(tiny_path(folder, "model"), "tokenizer.json",
              "{\"version\": \"1.0\", \"truncation\": null, \"padding\": null, \"added_tokens\": [],\n"
              "\"normalizer\": {\"type\": \"BertNormalizer\", \"clean_text\": true, \"handle_chinese_chars\": true,"
              " \"strip_accents\": null, \"lowercase\": true},\n"
              "\"pre_tokenizer\": {\"type\": \"BertPreTokenizer\"}, \"post_processor\": null,\n"
              "\"decoder\": {\"type\": \"WordPiece\", \"prefix\": \"##\", \"cleanup\": true},\n"
              "\"model\": {\"type\": \"WordPiece\", \"unk_token\": \"[UNK]\", \"continuing_subword_prefix\": \"##\","
              " \"max_input_chars_per_word\": 100, \"vocab\": {\"[UNK]\": 0, \"good\": 1, \"bad\": 2}}}\n");
    tiny_file(folder, "train.tsv", "label\tsentence\npos\tgood bad\nneg\t \n");
    expect_refused(folder, TINY_OVERRIDES("data.validation=null"), HONE_BAD_INPUT, "train.tsv:3: no tokens");
    tiny_file(folder, "train.tsv", "label\tsentence\npos\tgood bad\nneg\tbad\n");
    TEST_OK(tiny_train(NULL, folder, TINY_OVERRIDES("data.validation=null")));
}

/* Against formulas: cross entropy of known logits, accuracy, macro F1. */
static void measures(void **state) {
    (void)state;
    const struct hone_task_class *task = hone_task_find(HONE_TASK_SEQUENCE_CLASSIFICATION, HONE_SINGLE_LABEL);
    struct hone_model_folder folder = {.problem = HONE_SINGLE_LABEL};
    hone_labels_number(&folder.labels, 3);
    struct hone_measure *measure = task->measure_create(&folder, NULL);
    static const float logits[] = {2, 1, 0, 0, 0, 0, -100, 100, 0};
    int32_t truth[] = {0, 2, 1};
    struct hone_batch batch = {.R = 2, .B = 2, .labels = truth};
    task->measure_add(measure, &batch, logits);
    batch.R = batch.B = 1;
    batch.labels = truth + 2;
    task->measure_add(measure, &batch, logits + 6);
    json_t *results = json_object();
    struct hone_figures figures = {.confusion = NULL};
    task->measure_report(measure, &figures);
    hone_figures_write(results, &figures, "eval");
    double loss = (log(exp(2) + exp(1) + 1) - 2 + log(3)) / 3;
    assert_true(fabs(json_real_value(json_object_get(results, "eval_loss")) - loss) < 1e-12);
    assert_true(fabs(json_real_value(json_object_get(results, "eval_accuracy")) - 2.0 / 3) < 1e-15);
    /* Class 0: one right of two predicted; class 1: right; class 2: never predicted. */
    assert_true(fabs(json_real_value(json_object_get(results, "eval_f1_macro")) - (2.0 / 3 + 1 + 0) / 3) < 1e-15);
    assert_true(hone_metric_is_better(HONE_METRIC_ACCURACY, 0.6, 0.5));
    assert_false(hone_metric_is_better(HONE_METRIC_LOSS, 0.6, 0.5));
    assert_true(hone_metric_is_better(HONE_METRIC_PEARSON, -1, NAN));
    assert_false(hone_metric_is_better(HONE_METRIC_LOSS, NAN, 5));
    json_decref(results);
    task->measure_free(measure);
    int64_t chosen[] = {4, 1, 3};
    int32_t given[] = {0, 2, 0, 1, 1};
    float weights[] = {5, 0.5f, 0.25f};
    struct hone_samples samples = {.n = 5, .labels = given};
    assert_true(task->denominator(&samples, chosen, 3, 0, &(struct hone_objective){.weights = NULL}) == 3);
    assert_true(task->denominator(&samples, chosen, 3, 0, &(struct hone_objective){.weights = weights}) == 1.25);
    hone_labels_free(&folder.labels);
}

static void predictions_are_json(void **state) {
    (void)state;
    const struct hone_task_class *task = hone_task_find(HONE_TASK_SEQUENCE_CLASSIFICATION, HONE_SINGLE_LABEL);
    struct hone_labels labels = {0};
    hone_labels_collect(&labels, "a \"b\"\\\t", 7);
    hone_labels_collect(&labels, "é", 2);
    struct hone_text out = {0};
    static const float logits[] = {0, 1};
    float room[2];
    struct hone_prediction prediction = {.scores = room};
    struct hone_output output = {.format = HONE_FORMAT_JSONL, .labels = &labels};
    const struct hone_field nothing = {"", 0};
    task->predict(&prediction, logits, 2);
    hone_output_row(&out, &output, nothing, &prediction);
    json_t *object;
    TEST_OK(hone_json_parse(&object, out.bytes, out.length, "prediction"));
    const json_t *scores = json_object_get(object, "scores");
    assert_string_equal(json_string_value(json_object_get(object, "label")), "é");
    float score = (float)(exp(1) / (1 + exp(1)));
    /* Nine digits tell every f32 apart. */
    assert_true((float)json_real_value(json_object_get(object, "score")) == score);
    assert_true((float)json_real_value(json_object_get(scores, "é")) == score);
    assert_true((float)json_real_value(json_object_get(scores, "a \"b\"\\\t")) == (float)(1 / (1 + exp(1))));
    json_decref(object);
    hone_text_free(&out);
    static const float far[] = {3e38f, -3e38f};
    task->predict(&prediction, far, 2);
    hone_output_row(&out, &output, nothing, &prediction);
    TEST_OK(hone_json_parse(&object, out.bytes, out.length, "prediction"));
    assert_true(json_number_value(json_object_get(object, "score")) == 1);
    json_decref(object);
    hone_text_free(&out);
    hone_labels_free(&labels);
}

static void tasks_are_found_by_architecture(void **state) {
    (void)state;
    static const struct {
        const char *architecture;
        enum hone_problem problem;
        const struct hone_task_class *task;
    } cases[] = {{"BertForSequenceClassification", HONE_SINGLE_LABEL, &hone_task_single_label},
                 {"BertForSequenceClassification", HONE_MULTI_LABEL, &hone_task_multi_label},
                 {"BertForSequenceClassification", HONE_REGRESSION, &hone_task_regression},
                 {"BertModel", HONE_SINGLE_LABEL, NULL},
                 {"RobertaForSequenceClassification", HONE_SINGLE_LABEL, NULL},
                 {NULL, HONE_SINGLE_LABEL, NULL}};
    struct hone_model model = {.class = NULL};
    for (int m = 0; hone_model_class_at(m); m++)
        if (strcmp(hone_model_class_at(m)->model_type, "bert") == 0) model.class = hone_model_class_at(m);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        json_t *config =
            cases[i].architecture ? json_pack("{s:[s]}", "architectures", cases[i].architecture) : json_object();
        struct hone_model_folder folder = {.config = config, .model = &model, .problem = cases[i].problem};
        assert_ptr_equal(hone_task_of_folder(&folder), cases[i].task);
        json_decref(config);
    }
}

int main(void) {
    tiny_in_memory();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_become_samples),
        cmocka_unit_test(pairs_and_columns_by_number),
        cmocka_unit_test(several_files_are_one_after_the_other),
        cmocka_unit_test(labels_given_and_found),
        cmocka_unit_test(mistakes_in_data_name_file_and_line),
        cmocka_unit_test(free_text_is_no_label),
        cmocka_unit_test(a_model_not_made_for_it),
        cmocka_unit_test(texts_without_tokens),
        cmocka_unit_test(measures),
        cmocka_unit_test(predictions_are_json),
        cmocka_unit_test(tasks_are_found_by_architecture),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
