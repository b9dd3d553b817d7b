/* Labels for words, on a tiny BERT: every word counts once however a sentence is cut into windows, training learns, and
 * faults in data and recipes say where. */
#include <math.h>
#include <string.h>

#include "base/io.h"
#include "base/memory.h"
#include "base/random.h"
#include "recipes/data_report.h"
#include "recipes/predictor.h"
#include "recipes/train.h"
#include "tests/support.h"
#include "tests/tiny.h"

#define TAGGED "task.type=token_classification", "data.text=null", "data.label=null", "data.format=conll"

/* Sentences whose tags follow from their words, also I behind O. */
static void write_sentences(const char *folder, const char *name, uint32_t seed, uint64_t n) {
    struct hone_text text = {0};
    for (uint64_t s = 0; s < n; s++) {
        uint64_t words = 1 + hone_random_u64(seed, HONE_RANDOM_SHUFFLE, 1, s) % 30;
        for (uint64_t w = 0; w < words; w++) {
            static const char *const choice[] = {"the", "good", "film", "plot", "naively", "was", "über", "фильмов"};
            uint64_t draw = hone_random_u64(seed, HONE_RANDOM_SHUFFLE, 2, 100 * s + w) % 8;
            const char *tag = draw == 1 ? "B-thing" : draw == 2 || draw == 3 ? "I-thing" : "O";
            hone_text_format(&text, "%s\t%s\n", choice[draw], tag);
        }
        hone_text_format(&text, "\n");
    }
    tiny_file(folder, name, text.bytes);
    hone_text_free(&text);
}

static const char *new_folder(void) {
    const char *folder = test_scratch();
    tiny_folder(tiny_path(folder, "model"), 0, 1);
    write_sentences(folder, "train.conll", 1, 120);
    write_sentences(folder, "validation.conll", 2, 60);
    return folder;
}

struct opened {
    struct hone_recipe recipe;
    struct hone_run run;
};

static void open_run(struct opened *o, const char *folder, const char *const more[4]) {
    char train[200], validation[200];
    *o = (struct opened){0};
    snprintf(train, sizeof train, "data.train=%s/train.conll", folder);
    snprintf(validation, sizeof validation, "data.validation=%s/validation.conll", folder);
    tiny_recipe(&o->recipe, folder,
                TINY_OVERRIDES(TAGGED, train, validation, "logging.level=quiet", more[0], more[0] ? more[1] : NULL,
                               more[0] && more[1] ? more[2] : NULL));
    TEST_OK(hone_run_open(&o->run, &o->recipe, HONE_RUN_WHOLE));
}

static void close_run(struct opened *o) {
    hone_run_close(&o->run);
    hone_recipe_free(&o->recipe);
}

/* The labels of all samples' tokens, one behind the other: what the words' labels are, whatever the windows. */
static int16_t *labels_of(int64_t *n, const struct hone_samples *samples) {
    int16_t *labels = hone_alloc((size_t)samples->begins[samples->n], sizeof *labels, "test");
    *n = 0;
    for (int64_t t = 0; t < samples->begins[samples->n]; t++)
        if (samples->tags[t] >= 0) labels[(*n)++] = samples->tags[t];
    return labels;
}

static void every_word_counts_once(void **state) {
    (void)state;
    const char *folder = new_folder();
    struct opened whole, cut;
    int64_t n, m;
    open_run(&whole, folder, (const char *const[4]){"data.max_length=64"});
    int16_t *wanted = labels_of(&n, &whole.run.train);
    static const char *const strides[] = {"data.stride=0", "data.stride=1", "data.stride=4", "data.stride=5"};
    for (int i = 0; i < 4; i++) {
        open_run(&cut, folder, (const char *const[4]){"data.max_length=11", strides[i]});
        const struct hone_samples *s = &cut.run.train;
        int16_t *found = labels_of(&m, s);
        assert_int_equal(m, n);
        assert_memory_equal(found, wanted, (size_t)n * sizeof *found);
        assert_true(s->n > whole.run.train.n);
        assert_int_equal(s->longest, 11);
        assert_int_equal(s->truncated, 0);
        int64_t all[1000], sentences = 0;
        for (int64_t k = 0; k < s->n; k++) {
            all[k] = k;
            sentences += !hone_sample_goes_on(s, k);
        }
        assert_int_equal(sentences, whole.run.train.n);
        assert_int_equal(hone_batch_rows(s, all, s->n, 0), n);
        hone_free(found);
        close_run(&cut);
    }
    hone_free(wanted);
    close_run(&whole);
}

/* Where windows overlap, a word counts in the one in which it has more context. */
static void words_count_in_the_middle(void **state) {
    (void)state;
    const char *folder = new_folder();
    struct hone_text text = {0};
    for (int i = 0; i < 20; i++) hone_text_format(&text, "%c %s\n", 'b' + i, i % 2 ? "O" : "I-x");
    tiny_file(folder, "train.conll", text.bytes);
    tiny_file(folder, "validation.conll", text.bytes);
    hone_text_free(&text);
    struct opened o;
    open_run(&o, folder, (const char *const[4]){"data.max_length=10", "data.stride=4"});
    const struct hone_samples *s = &o.run.train;
    /* Eight tokens a window, four new ones each: 0-7, 4-11, 8-15, 12-19. */
    static const int counted[4][2] = {{0, 5}, {2, 5}, {2, 5}, {2, 7}};
    assert_int_equal(s->n, 4);
    for (int64_t w = 0; w < 4; w++) {
        const int16_t *tags = s->tags + s->begins[w];
        assert_int_equal(s->begins[w + 1] - s->begins[w], 10);
        for (int t = 0; t < 10; t++) {
            int word = t - 1;
            bool counts = t > 0 && t < 9 && word >= counted[w][0] && word <= counted[w][1];
            if ((tags[t] >= 0) != counts) fail_msg("window %d, token %d", (int)w, t);
            if (counts) assert_int_equal(tags[t], (4 * w + word) % 2); /* I-x comes before O */
        }
    }
    close_run(&o);
}

/* A word of several tokens: the first has its label, or all have, a B going on as I; evaluation counts words. */
static void tokens_of_a_word(void **state) {
    (void)state;
    const char *folder = new_folder();
    tiny_file(folder, "train.conll", "naively B-x\nfilms I-x\nof O\n");
    tiny_file(folder, "validation.conll", "naively B-x\nfilms I-x\nof O\n");
    struct opened o;
    open_run(&o, folder, (const char *const[4]){"task.label_all_tokens=true"});
    const struct hone_samples *s = &o.run.train;
    const struct hone_tokenizer *tokenizer = o.run.folder.tokenizer;
    assert_int_equal(o.run.folder.labels.n, 3);
    int b = 0, i = 0;
    for (int64_t t = 1; t + 2 < s->begins[1]; t++) {
        bool goes_on = strncmp(hone_tokenizer_token(tokenizer, s->ids[t]), "##", 2) == 0;
        b += s->tags[t] == 0;
        i += s->tags[t] == 1;
        assert_int_equal(s->tags[t] == 0, t == 1);
        assert_true(s->tags[t] >= 0);
        assert_int_equal(o.run.validation.tags[t] >= 0, !goes_on);
    }
    assert_true(b == 1 && i >= 3);
    close_run(&o);
}

/* That the labelled tokens of `samples` have these labels, in order. */
static void check_labels(const struct hone_samples *samples, const struct hone_labels *labels, const char *const *names,
                         int64_t count) {
    int64_t n;
    int16_t *found = labels_of(&n, samples);
    assert_int_equal(n, count);
    for (int64_t i = 0; i < n; i++) assert_string_equal(labels->names[found[i]], names[i]);
    hone_free(found);
}

static void schemes_are_converted(void **state) {
    (void)state;
    const char *folder = new_folder();
    tiny_file(folder, "train.conll", "the B-x\nfilm I-x\nof B-x\nthe O\nplot B-y\n");
    tiny_file(folder, "validation.conll", "the I-x\nfilm I-x\n\nplot I-y\n");
    struct opened o;
    open_run(&o, folder, (const char *const[4]){"task.scheme=iobes"});
    const struct hone_labels *labels = &o.run.folder.labels;
    static const char *const train[] = {"B-x", "E-x", "S-x", "O", "S-y"}, *const other[] = {"B-x", "E-x", "S-y"};
    check_labels(&o.run.train, labels, train, 5);
    check_labels(&o.run.validation, labels, other, 3);
    assert_int_equal(labels->n, 9);
    close_run(&o);
}

/* A scheme asked for has all labels, also where the data is in it and lacks some that its repair needs. */
static void scheme_of_the_data(void **state) {
    (void)state;
    const char *folder = new_folder();
    tiny_file(folder, "train.conll", "the B-x\nfilm I-x\nof O\nplot I-y\n");
    tiny_file(folder, "validation.conll", "plot I-y\n");
    struct opened o;
    open_run(&o, folder, (const char *const[4]){"task.scheme=iob2"});
    const struct hone_labels *labels = &o.run.folder.labels;
    static const char *const train[] = {"B-x", "I-x", "O", "B-y"};
    check_labels(&o.run.train, labels, train, 4);
    assert_int_equal(labels->n, 5);
    close_run(&o);
}

/* BILOU's letters are read as those of IOBES, in all files. */
static void letters_of_bilou(void **state) {
    (void)state;
    const char *folder = new_folder();
    tiny_file(folder, "train.conll", "the B-x\nfilm I-x\nplot L-x\nof U-y\nthe O\n");
    tiny_file(folder, "validation.conll", "the B-x\nplot L-x\n\nplot B-x\nthe E-x\nof S-y\n");
    struct opened o;
    open_run(&o, folder, (const char *const[4]){0});
    const struct hone_labels *labels = &o.run.folder.labels;
    static const char *const names[] = {"B-x", "E-x", "I-x", "O", "S-y"}, *const found[] = {"B-x", "E-x", "B-x", "E-x",
                                                                                            "S-y"};
    assert_int_equal(labels->n, 5);
    assert_int_equal(labels->scheme, HONE_SCHEME_IOBES);
    for (int i = 0; i < 5; i++) assert_string_equal(labels->names[i], names[i]);
    check_labels(&o.run.validation, labels, found, 5);
    close_run(&o);
}

static double train(json_t **results, const char *folder, const char *out, const char *more, const char *other) {
    char output[200], train[200], validation[200];
    snprintf(output, sizeof output, "output=%s/%s", folder, out);
    snprintf(train, sizeof train, "data.train=%s/train.conll", folder);
    snprintf(validation, sizeof validation, "data.validation=%s/validation.conll", folder);
    TEST_OK(tiny_train(
        results, folder,
        TINY_OVERRIDES(TAGGED, output, train, validation, "training.epochs=12", "optimizer.lr=5e-3", more, other)));
    return json_number_value(json_object_get(*results, "train_loss"));
}

static void it_learns(void **state) {
    (void)state;
    const char *folder = new_folder();
    json_t *a, *b, *config;
    double first = train(&a, folder, "a", "training.micro_batch_tokens=4096", NULL);
    double second = train(&b, folder, "b", "training.micro_batch_tokens=40", NULL);
    assert_true(fabs(first - second) < 1e-4 * first);
    assert_true(json_number_value(json_object_get(a, "eval_f1")) > 0.95);
    assert_true(json_number_value(json_object_get(a, "eval_f1_strict")) > 0.9);
    assert_true(json_number_value(json_object_get(a, "eval_accuracy")) > 0.95);
    assert_string_equal(json_string_value(json_object_get(a, "eval_scheme")), "iob2");
    const json_t *thing = json_object_get(json_object_get(a, "eval_entities"), "thing");
    assert_true(fabs(json_number_value(json_object_get(thing, "f1")) -
                     json_number_value(json_object_get(a, "eval_f1"))) < 1e-12);
    json_decref(a);
    json_decref(b);
    /* Windows of the same sentences still are sentences, and balanced weights divide as PyTorch's do. */
    train(&a, folder, "c", "data.max_length=12", "task.class_weights=balanced");
    assert_true(json_number_value(json_object_get(a, "eval_f1")) > 0.9);
    json_decref(a);
    TEST_OK(hone_json_read(&config, tiny_path(folder, "a/config.json"), HONE_JSON_CONFIG_LIMIT));
    assert_string_equal(json_string_value(json_array_get(json_object_get(config, "architectures"), 0)),
                        "BertForTokenClassification");
    assert_string_equal(json_string_value(json_object_get(config, "tag_scheme")), "iob2");
    assert_null(json_object_get(config, "problem_type"));
    assert_string_equal(json_string_value(json_object_get(json_object_get(config, "id2label"), "0")), "B-thing");
    json_decref(config);
}

static void faults_say_where(void **state) {
    (void)state;
    static const struct {
        const char *train, *message;
    } cases[] = {
        {"a\tO\n\nb\tI-x\nc\n", "train.conll:4: byte 1: found 1 column, expected 2 as in the lines before"},
        {"a\tO\n\t\n\tB-x\n", "train.conll:3: byte 1: column 0 is empty"},
        {"a\tB-x\n\n\nc\tO\nb\t0\n", "train.conll:5: tag \"0\" of word 2, expected O, or B-, I-, E- or S- and a type"},
        {"a\tO\nb\xff\tO\n", "train.conll:2: byte 2: invalid UTF-8"},
        {"\n# x\n\n", "train.conll: the file is empty"},
        {"a\tO\nb\tO\n", "only one tag (\"O\")"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *folder = test_scratch();
        char train[200];
        tiny_folder(tiny_path(folder, "model"), 0, 1);
        tiny_file(folder, "train.conll", cases[i].train);
        snprintf(train, sizeof train, "data.train=%s/train.conll", folder);
        test_expect_status(tiny_train(NULL, folder, TINY_OVERRIDES(TAGGED, train, "data.validation=null")),
                           HONE_BAD_INPUT, cases[i].message);
    }
    const char *folder = new_folder();
    char train[200], validation[200];
    snprintf(train, sizeof train, "data.train=%s/train.conll", folder);
    snprintf(validation, sizeof validation, "data.validation=%s/validation.conll", folder);
    tiny_file(folder, "validation.conll", "a\tO\nb\tB-other\n");
    test_expect_status(
        tiny_train(NULL, folder, TINY_OVERRIDES(TAGGED, train, validation)), HONE_BAD_INPUT,
        "validation.conll:2: tag \"B-other\" of word 2, expected one of \"B-thing\", \"I-thing\", \"O\"");
    snprintf(train, sizeof train, "data.train=%s/train.jsonl", folder);
    static const char *const lines[][2] = {
        {"{\"w\":[\"a\"],\"t\":[\"O\"]}\n{\"w\":[\"a\",\"b\"],\"t\":[\"O\"]}", "train.jsonl:2: 1 tags of 2 words"},
        {"{\"w\":\"a b\",\"t\":[\"O\"]}", "train.jsonl:1: no list of entities for a text"},
        {"{\"w\":[\"\"],\"t\":[\"O\"]}", "train.jsonl:1: word 1 is empty"},
        {"{\"w\":[\"a\"]}", "train.jsonl:1: no field \"t\""}};
    for (int i = 0; i < 4; i++) {
        tiny_file(folder, "train.jsonl", lines[i][0]);
        test_expect_status(tiny_train(NULL, folder,
                                      TINY_OVERRIDES("task.type=token_classification", "data.text=w", "data.label=t",
                                                     train, "data.validation=null")),
                           HONE_BAD_INPUT, lines[i][1]);
    }
}

/* What a model folder predicts for the word "a", given as such. */
static char *predict_word(const char *folder) {
    struct hone_predictor predictor;
    const struct hone_field word = {"a", 1};
    struct hone_text out = {0};
    bool full;
    TEST_OK(hone_predictor_open(&predictor, folder, HONE_PRECISION_F32));
    predictor.tagger.aggregator.aggregation = HONE_AGGREGATION_NONE;
    TEST_OK(hone_predictor_add_words(&predictor, &(struct hone_value){.items = &word, .n = 1}, 1, &full));
    TEST_OK(hone_predictor_run(&predictor, &out, &(struct hone_output){.format = HONE_FORMAT_JSONL}));
    hone_predictor_close(&predictor);
    return out.bytes;
}

/* Tokens of the training data by the data report. */
static int64_t reported_tokens(const char *folder, const char *const *overrides) {
    struct hone_recipe recipe;
    tiny_recipe(&recipe, folder, overrides);
    json_t *report = json_object();
    TEST_OK(hone_data_report(report, &recipe));
    int64_t n = json_integer_value(json_object_get(json_array_get(json_object_get(report, "splits"), 0), "tokens"));
    json_decref(report);
    hone_recipe_free(&recipe);
    return n;
}

/* A byte-level tokenizer sees words without the spaces that belong to them, unless it adds them, as it is made to; then the
 * folder's does, too. */
static void spaces_before_words(void **state) {
    (void)state;
    const char *folder = new_folder();
    char train[200];
    snprintf(train, sizeof train, "data.train=%s/train.conll", folder);
    tiny_file(folder, "train.conll", "a\tO\na\tB-x\n");
    static const char *const parts[][2] = {
        {"", "true"}, {"", "false"}, {"{\"type\":\"Digits\",\"individual_digits\":true},", "false"}};
    for (int i = 0; i < 3; i++) {
        char *text = hone_format(
            "{\"pre_tokenizer\":%s%s{\"type\":\"ByteLevel\",\"add_prefix_space\" :\n%s,\"trim_offsets\":true,"
            "\"use_regex\":true}%s,\"post_processor\":{\"type\":\"RobertaProcessing\",\"sep\":[\"a\",1],\"cls\":[\"a\","
            "1],"
            "\"trim_offsets\":true,\"add_prefix_space\":%s},\"model\":{\"type\":\"BPE\",\"vocab\":{\"\xC4\xA0\":0,"
            "\"a\":1,\"\xC4\xA0\x61\":2,\"\\\"add_prefix_space\\\"\":3},\"merges\":[%s]}}",
            i == 2 ? "{\"type\":\"Sequence\",\"pretokenizers\":[" : "", parts[i][0], parts[i][1], i == 2 ? "]}" : "",
            parts[i][1], i == 1 ? "" : "\"\xC4\xA0 a\"");
        tiny_file(folder, "model/tokenizer.json", text);
        const char *const *overrides = TINY_OVERRIDES(TAGGED, train, "data.validation=null");
        TEST_OK(hone_remove_folder(tiny_path(folder, "out")));
        if (i == 2) {
            test_expect_status(tiny_train(NULL, folder, overrides), HONE_BAD_INPUT, "is ByteLevel alone");
            hone_free(text);
            continue;
        }
        TEST_OK(tiny_train(NULL, folder, overrides));
        char *saved, *config;
        size_t n;
        TEST_OK(hone_read_file(&saved, &n, tiny_path(folder, "out/tokenizer.json"), 1 << 20));
        TEST_OK(hone_read_file(&config, &n, tiny_path(folder, "out/tokenizer_config.json"), 1 << 20));
        if (i == 0) assert_string_equal(saved, text);
        if (i == 1) {
            assert_null(strstr(saved, "false"));
            assert_int_equal(strlen(saved), strlen(text) - 2);
            assert_non_null(strstr(config, "\"add_prefix_space\": true"));
            assert_int_equal(reported_tokens(folder, overrides), 6); /* a space and an a for each word, CLS and SEP */
            char *own = predict_word(tiny_path(folder, "out"));
            tiny_file(folder, "out/tokenizer.json", text);
            char *foreign = predict_word(tiny_path(folder, "out"));
            assert_string_equal(foreign, own);
            hone_free(own);
            hone_free(foreign);
            tiny_file(folder, "out/tokenizer.json", saved);
        }
        struct hone_tokenizer *tokenizer;
        TEST_OK(hone_tokenizer_open(&tokenizer, tiny_path(folder, "out")));
        assert_false(hone_tokenizer_drops_spaces(tokenizer));
        hone_tokenizer_free(tokenizer);
        hone_free(saved);
        hone_free(config);
        hone_free(text);
    }
}

/* Parts of speech: labels without entities, whose metric has to be named. */
static void plain_tags(void **state) {
    (void)state;
    const char *folder = new_folder();
    tiny_file(folder, "train.jsonl",
              "{\"w\":[\"the\",\"film\"],\"t\":[\"DET\",\"NOUN\"]}\n{\"w\":[],\"t\":[]}\n{\"w\":[\"plot\"],\"t\":["
              "\"NOUN\"]}\n");
    char data[2][200], output[200];
    snprintf(output, sizeof output, "output=%s/other", folder);
    snprintf(data[0], sizeof data[0], "data.train=%s/train.jsonl", folder);
    snprintf(data[1], sizeof data[1], "data.validation=%s/train.jsonl", folder);
    const char *const *overrides = TINY_OVERRIDES("task.type=token_classification", "data.text=w", "data.label=t",
                                                  data[0], data[1], "evaluation.metric=accuracy");
    json_t *results;
    TEST_OK(tiny_train(&results, folder, overrides));
    assert_true(json_is_number(json_object_get(results, "eval_accuracy")));
    assert_null(json_object_get(results, "eval_f1"));
    json_decref(results);
    test_expect_status(tiny_train(NULL, folder,
                                  TINY_OVERRIDES("task.type=token_classification", "data.text=w", "data.label=t",
                                                 data[0], data[1], output)),
                       HONE_USAGE, "evaluation.metric: f1 is of entities, and these tags mark none");
}

static void mistakes_are_told(void **state) {
    (void)state;
    static const struct {
        const char *data, *mistakes;
    } cases[] = {
        {"train: a.tsv",
         "r.yaml:3:15: data.train: \"a.tsv\" is tsv by its name, expected conll or jsonl for this task, "
         "or data.format\n"
         "r.yaml:3:15: data.text: missing, expected the column of the words in \"a.tsv\"\n"
         "r.yaml:3:15: data.label: missing, expected the column of the tags in \"a.tsv\"\n"},
        {"train: a.jsonl, text: w",
         "r.yaml:3:15: data.label: missing, expected the column of the tags in \"a.jsonl\"\n"},
        {"train: a.conll, label: [1, 2]", "r.yaml:3:31: data.label: several columns, but a word has one tag\n"},
        {"train: a.conll, stride: 65", "r.yaml:3:32: data.stride: more than half of data.max_length\n"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *text = hone_format("model: {path: m}\ntask: {type: token_classification}\ndata: {%s}\noutput: out\n",
                                 cases[i].data);
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
        cmocka_unit_test(every_word_counts_once),
        cmocka_unit_test(words_count_in_the_middle),
        cmocka_unit_test(tokens_of_a_word),
        cmocka_unit_test(schemes_are_converted),
        cmocka_unit_test(scheme_of_the_data),
        cmocka_unit_test(letters_of_bilou),
        cmocka_unit_test(it_learns),
        cmocka_unit_test(faults_say_where),
        cmocka_unit_test(spaces_before_words),
        cmocka_unit_test(plain_tags),
        cmocka_unit_test(mistakes_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
