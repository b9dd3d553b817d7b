/* The masked-LM task on a tiny BERT: windows and lines as they should be cut, training that learns whatever the size of
 * its micro-batches, and what comes out of a run. */
#include <math.h>
#include <string.h>

#include "base/io.h"
#include "base/memory.h"
#include "recipes/data_report.h"
#include "recipes/predictor.h"
#include "recipes/train.h"
#include "tests/support.h"
#include "tests/tiny.h"

#define MASKED "task.type=masked_lm", "data.text=null", "data.label=null"

/* A model without a head, text to train on, text to validate on. */
static const char *new_folder(void) {
    const char *folder = test_scratch();
    tiny_folder(tiny_path(folder, "model"), 0, 1);
    const char *const names[2] = {"train.txt", "validation.txt"};
    for (uint32_t seed = 0; seed < 2; seed++) {
        struct hone_text text = {0};
        for (uint64_t i = 0; i < 60; i++) {
            int label;
            char *line = tiny_text(&label, 7 + seed, i);
            hone_text_format(&text, "%s\n", line);
            hone_free(line);
        }
        tiny_file(folder, names[seed], text.bytes);
        hone_text_free(&text);
    }
    return folder;
}

struct opened {
    struct hone_recipe recipe;
    struct hone_run run;
    char train[200], validation[200];
};

static void open_run(struct opened *o, const char *folder, const char *more, const char *other) {
    *o = (struct opened){0};
    snprintf(o->train, sizeof o->train, "data.train=%s/train.txt", folder);
    snprintf(o->validation, sizeof o->validation, "data.validation=%s/validation.txt", folder);
    tiny_recipe(&o->recipe, folder, TINY_OVERRIDES(MASKED, o->train, o->validation, "data.max_length=16", more, other));
    TEST_OK(hone_run_open(&o->run, &o->recipe, HONE_RUN_WHOLE));
}

static void close_run(struct opened *o) {
    hone_run_close(&o->run);
    hone_recipe_free(&o->recipe);
}

/* The tokens of all lines in order, each line between [CLS] and [SEP], blank ones left out: what windows must hold. */
static void windows_hold_every_token(void **state) {
    (void)state;
    const char *folder = new_folder();
    tiny_file(folder, "train.txt",
              "\n  \t\nthe film\n\n\xC2\xA0\nfilm\r\n \nbad bad bad bad bad bad bad bad bad bad bad bad\n");
    struct opened o;
    open_run(&o, folder, "logging.level=quiet", NULL);
    const struct hone_samples *s = &o.run.train;
    struct hone_encoding line = {0};
    static const char *const lines[] = {"the film", "\xC2\xA0", "film",
                                        "bad bad bad bad bad bad bad bad bad bad bad bad"};
    int64_t t = 0;
    for (int i = 0; i < 4; i++) {
        TEST_OK(hone_tokenizer_encode(&line, o.run.folder.tokenizer, lines[i], strlen(lines[i]), NULL, 0,
                                      &(struct hone_encode_options){.add_special = true}));
        for (size_t k = 0; k < line.n; k++, t++) {
            assert_int_equal(s->ids[t], line.ids[k]);
            assert_int_equal(s->marks[t] == HONE_MARK_NEVER, line.special[k]);
        }
    }
    assert_int_equal(s->begins[s->n], t);
    assert_int_equal(s->n, (t + 15) / 16);
    for (int64_t i = 0; i + 1 < s->n; i++) assert_int_equal(s->begins[i + 1] - s->begins[i], 16);
    assert_int_equal(s->lines[0], 3);
    assert_int_equal(s->lines[1], 8);
    assert_int_equal(s->longest, 16);
    hone_encoding_free(&line);
    close_run(&o);
}

static void lines_can_be_samples(void **state) {
    (void)state;
    const char *folder = new_folder();
    tiny_file(folder, "train.txt",
              "\nthe film\nbad bad bad bad bad bad bad bad bad bad bad bad bad bad bad bad bad\n\nfilm\n");
    struct opened o;
    open_run(&o, folder, "data.line_by_line=true", NULL);
    const struct hone_samples *s = &o.run.train;
    assert_int_equal(s->n, 3);
    assert_int_equal(s->begins[2] - s->begins[1], 16);
    assert_int_equal(s->truncated, 1);
    static const int64_t lines[] = {2, 3, 5};
    for (int i = 0; i < 3; i++) assert_int_equal(s->lines[i], lines[i]);
    for (int64_t i = 0; i < s->n; i++) {
        assert_int_equal(s->marks[s->begins[i]], HONE_MARK_NEVER);
        assert_int_equal(s->marks[s->begins[i + 1] - 1], HONE_MARK_NEVER);
    }
    close_run(&o);
}

/* Pieces of a word go on; what is put in a masked token's place is never special. */
static void marks_and_replacements(void **state) {
    (void)state;
    const char *folder = new_folder();
    struct opened o;
    open_run(&o, folder, "task.whole_words=true", "task.mask_probability=0.5");
    const struct hone_samples *s = &o.run.train;
    const struct hone_masking *m = s->masking;
    assert_true(m->whole_words && m->probability == 0.5);
    assert_int_equal(m->mask_id, hone_tokenizer_id(o.run.folder.tokenizer, "[MASK]"));
    int pieces = 0;
    for (int64_t t = 0; t < s->begins[s->n]; t++) {
        const char *token = hone_tokenizer_token(o.run.folder.tokenizer, s->ids[t]);
        if (strncmp(token, "##", 2) == 0) {
            assert_int_equal(s->marks[t], HONE_MARK_GOES_ON);
            pieces++;
        }
    }
    assert_true(pieces > 3);
    for (int32_t k = 0; k < m->n_replacements; k++) {
        const char *token = hone_tokenizer_token(o.run.folder.tokenizer, m->replacements[k]);
        assert_non_null(token);
        assert_true(token[0] != '[' || strlen(token) == 1 || strncmp(token, "[unused", 7) == 0);
    }
    assert_true(m->n_replacements > 20 && m->n_replacements < hone_tokenizer_size(o.run.folder.tokenizer));
    close_run(&o);
}

static double first_and_last_loss(double *last, const char *folder, const char *out, const char *more,
                                  const char *other) {
    char output[200], train[200], validation[200];
    snprintf(output, sizeof output, "output=%s/%s", folder, out);
    snprintf(train, sizeof train, "data.train=%s/train.txt", folder);
    snprintf(validation, sizeof validation, "data.validation=%s/validation.txt", folder);
    TEST_OK(tiny_train(NULL, folder,
                       TINY_OVERRIDES(MASKED, output, train, validation, "data.max_length=16", "training.epochs=6",
                                      "optimizer.lr=5e-3", more, other)));
    double losses[512];
    size_t n = tiny_metrics(losses, 512, tiny_path(folder, out), "train", "loss");
    *last = losses[n - 1];
    return losses[0];
}

/* The mathematics of a step don't depend on how it is cut up: same masks, same denominator. */
static void micro_batches_change_nothing(void **state) {
    (void)state;
    const char *folder = new_folder();
    double last[3], first[3];
    first[0] = first_and_last_loss(&last[0], folder, "a", "training.micro_batch_tokens=4096", NULL);
    first[1] = first_and_last_loss(&last[1], folder, "b", "training.micro_batch_tokens=17", NULL);
    assert_true(fabs(first[0] - first[1]) < 1e-5 * first[0]);
    assert_true(last[0] < first[0] - 0.5);
    /* From nothing: the loss of a masked token starts at that of guessing. */
    first[2] = first_and_last_loss(&last[2], folder, "c", "model.init=random", "evaluation.metric=accuracy");
    json_t *config;
    TEST_OK(hone_json_read(&config, tiny_path(folder, "c/config.json"), HONE_JSON_CONFIG_LIMIT));
    double guessing = log((double)json_integer_value(json_object_get(config, "vocab_size")));
    json_decref(config);
    assert_true(fabs(first[2] - guessing) < 0.1 && last[2] < first[2] - 0.5);
    /* Of other sizes than the folder's. */
    first[2] = first_and_last_loss(&last[2], folder, "d", "model.init=random", "model.config={num_hidden_layers: 3}");
    assert_true(fabs(first[2] - guessing) < 0.1 && last[2] < first[2] - 0.5);
    TEST_OK(hone_json_read(&config, tiny_path(folder, "d/config.json"), HONE_JSON_CONFIG_LIMIT));
    assert_int_equal(json_integer_value(json_object_get(config, "num_hidden_layers")), 3);
    json_decref(config);
    static const char *const mistakes[][2] = {
        {"model.config={num_hiden_layers: 3}", "model.config: there is no \"num_hiden_layers\" in "},
        {"model.config={num_hiden_layers: 3}", "(did you mean \"num_hidden_layers\"?)"},
        {"model.config={num_hidden_layers: three}", "\"num_hidden_layers\" is a text, expected a number as in "},
        {"model.config={hidden_size: 13}", "config.json with model.config: hidden_size 13"}};
    char train[200];
    snprintf(train, sizeof train, "data.train=%s/train.txt", folder);
    for (int i = 0; i < 4; i++)
        test_expect_status(
            tiny_train(NULL, folder,
                       TINY_OVERRIDES(MASKED, train, "data.validation=null", "model.init=random", mistakes[i][0])),
            i < 3 ? HONE_USAGE : HONE_BAD_INPUT, mistakes[i][1]);
}

static void what_a_run_leaves(void **state) {
    (void)state;
    const char *folder = new_folder();
    json_t *results, *config;
    char train[200], validation[200];
    snprintf(train, sizeof train, "data.train=%s/train.txt", folder);
    snprintf(validation, sizeof validation, "data.validation=%s/validation.txt", folder);
    TEST_OK(tiny_train(&results, folder, TINY_OVERRIDES(MASKED, train, validation, "data.max_length=16")));
    double loss = json_number_value(json_object_get(results, "eval_loss"));
    double perplexity = json_number_value(json_object_get(results, "eval_perplexity"));
    assert_true(loss > 0 && fabs(perplexity - exp(loss)) < 1e-9 * perplexity);
    double accuracy = json_number_value(json_object_get(results, "eval_accuracy"));
    assert_true(accuracy >= 0 && accuracy <= 1);
    json_decref(results);
    TEST_OK(hone_json_read(&config, tiny_path(folder, "out/config.json"), HONE_JSON_CONFIG_LIMIT));
    assert_string_equal(json_string_value(json_array_get(json_object_get(config, "architectures"), 0)),
                        "BertForMaskedLM");
    assert_null(json_object_get(config, "problem_type"));
    json_decref(config);
    char *card;
    size_t n;
    TEST_OK(hone_read_file(&card, &n, tiny_path(folder, "out/README.md"), 1 << 20));
    assert_non_null(strstr(card, "print(predict(f\"A {tokenizer.mask_token} of yours.\"))"));
    assert_null(strstr(card, "hone predict")); /* which fills no masks */
    hone_free(card);
    struct hone_safetensors weights;
    TEST_OK(hone_safetensors_open(&weights, tiny_path(folder, "out")));
    assert_non_null(hone_safetensors_find(&weights, "cls.predictions.bias"));
    assert_null(hone_safetensors_find(&weights, "cls.predictions.decoder.weight"));
    assert_null(hone_safetensors_find(&weights, "bert.pooler.dense.weight"));
    hone_safetensors_close(&weights);
    struct hone_predictor predictor;
    test_expect_status(hone_predictor_open(&predictor, tiny_path(folder, "out"), HONE_PRECISION_F32), HONE_BAD_INPUT,
                       "hone predict fills no masks");
}

/* Text without words, and tokenizers without a mask token. */
static void faults_are_told(void **state) {
    (void)state;
    const char *folder = new_folder();
    char train[200];
    snprintf(train, sizeof train, "data.train=%s/train.txt", folder);
    const char *const *overrides = TINY_OVERRIDES(MASKED, train, "data.validation=null");
    tiny_file(folder, "train.txt", "\n \n\t\n");
    test_expect_status(tiny_train(NULL, folder, overrides), HONE_BAD_INPUT, "train.txt: no text, only empty lines");
    tiny_file(folder, "train.txt", "film\nb\xFF\n");
    test_expect_status(tiny_train(NULL, folder, overrides), HONE_BAD_INPUT, "train.txt:2: byte 2");
    tiny_file(folder, "train.txt", "film\n");
    char *vocabulary;
    size_t n;
    TEST_OK(hone_read_file(&vocabulary, &n, tiny_path(folder, "model/vocab.txt"), 1 << 20));
    memcpy(strstr(vocabulary, "[MASK]"), "[KSAM]", 6);
    tiny_file(folder, "model/vocab.txt", vocabulary);
    tiny_file(folder, "model/tokenizer_config.json", "{\"do_lower_case\": true, \"mask_token\": \"[KSAM]\"}\n");
    hone_free(vocabulary);
    test_expect_status(tiny_train(NULL, folder, overrides), HONE_BAD_INPUT, "no mask token, expected [MASK] or <mask>");
}

/* Paragraphs end in empty lines, and windows cut nothing off. */
static void the_data_report_takes_text(void **state) {
    (void)state;
    const char *folder = new_folder();
    tiny_file(folder, "train.txt",
              "the film\n\nfilm\n\nbad bad bad bad bad bad bad bad bad bad bad bad bad bad bad bad\nfilm\n");
    char train[200];
    snprintf(train, sizeof train, "data.train=%s/train.txt", folder);
    for (int lines = 0; lines < 2; lines++) {
        struct hone_recipe recipe;
        tiny_recipe(&recipe, folder,
                    TINY_OVERRIDES(MASKED, train, "data.validation=null", "data.max_length=16",
                                   lines ? "data.line_by_line=true" : "data.line_by_line=false"));
        json_t *report = json_object(), *findings;
        TEST_OK(hone_data_report(report, &recipe));
        const json_t *split = json_array_get(json_object_get(report, "splits"), 0);
        assert_int_equal(json_integer_value(json_object_get(split, "samples")), 4);
        findings = json_object_get(report, "findings");
        assert_int_equal(json_object_size(findings), 1 + lines);
        assert_non_null(json_object_get(findings, "duplicate"));
        assert_int_equal(json_object_get(findings, "truncated") != NULL, lines);
        json_decref(report);
        hone_recipe_free(&recipe);
    }
}

static void mistakes_are_told(void **state) {
    (void)state;
    static const struct {
        const char *task, *data, *mistakes;
    } cases[] = {
        {"type: masked_lm, labels: [a, b]", "train: a.txt, label: 1",
         "r.yaml:2:33: task.labels: task.type is masked_lm, and this works with sequence_classification "
         "token_classification only: remove it, or set it to null\n"
         "r.yaml:3:29: data.label: task.type is masked_lm, and this works with sequence_classification "
         "token_classification only: remove it, or set it to null\n"},
        {"type: masked_lm, mask_probability: 0", "train: [a.txt, b.csv]",
         "r.yaml:2:43: task.mask_probability: found \"0\", expected a number above 0 and at most 1\n"
         "r.yaml:3:15: data.text: missing, expected the column of the text in \"b.csv\"\n"},
        {"type: sequence_classification", "train: a.tsv, text: t, label: l, line_by_line: true",
         "r.yaml:3:55: data.line_by_line: task.type is sequence_classification, and this works with masked_lm only: "
         "remove it, or set it to null\n"},
        {"type: sequence_classification", "train: a.txt, format: text, text: 0, label: 1",
         "r.yaml:3:30: data.format: text, expected tsv, csv or jsonl for this task\n"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *text =
            hone_format("model: {path: m}\ntask: {%s}\ndata: {%s}\noutput: out\n", cases[i].task, cases[i].data);
        const char *path = tiny_file(test_scratch(), "r.yaml", text);
        struct hone_text mistakes = {0};
        struct hone_recipe recipe;
        assert_int_equal(hone_recipe_read(&recipe, path, NULL, 0, &mistakes), HONE_USAGE);
        struct hone_text found = {0};
        for (const char *line = mistakes.bytes, *end; (end = strchr(line, '\n')); line = end + 1) {
            const char *name = strstr(line, "r.yaml");
            hone_text_append(&found, name, (size_t)(end + 1 - name));
        }
        assert_string_equal(found.bytes, cases[i].mistakes);
        hone_text_free(&found);
        hone_text_free(&mistakes);
        hone_free(text);
    }
}

int main(void) {
    tiny_in_memory();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(windows_hold_every_token), cmocka_unit_test(lines_can_be_samples),
        cmocka_unit_test(marks_and_replacements),   cmocka_unit_test(micro_batches_change_nothing),
        cmocka_unit_test(what_a_run_leaves),        cmocka_unit_test(faults_are_told),
        cmocka_unit_test(mistakes_are_told),        cmocka_unit_test(the_data_report_takes_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
