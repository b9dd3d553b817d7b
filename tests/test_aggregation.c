/* Entities of running text: as Transformers' pipeline makes them of given scores (tests/reference/make_aggregation.py), in
 * schemes that it doesn't know, and the same however a text is cut into windows. */
#include <math.h>
#include <string.h>

#include "base/io.h"
#include "base/json.h"
#include "base/memory.h"
#include "recipes/aggregation.h"
#include "recipes/predictor.h"
#include "tests/support.h"
#include "tests/tiny.h"

/* f32 means of a few f32 scores, rounded to seven places. */
static const double tolerance = 1e-6;

struct fixture {
    struct hone_tokenizer *tokenizer;
    struct hone_labels labels;
    struct hone_encoding encoding;
    struct hone_text_token *tokens;
    float *scores;
    size_t n, first; /* tokens; special ones before them */
};

static void open_fixture(struct fixture *f, const json_t *case_) {
    *f = (struct fixture){0};
    char *folder = hone_path_join("tests/fixtures", json_string_value(json_object_get(case_, "tokenizer")));
    TEST_OK(hone_tokenizer_open(&f->tokenizer, folder));
    hone_free(folder);
    const json_t *names = json_object_get(case_, "labels"), *text = json_object_get(case_, "text");
    for (size_t i = 0; i < json_array_size(names); i++) {
        const char *name = json_string_value(json_array_get(names, i));
        hone_labels_collect(&f->labels, name, strlen(name));
    }
    const struct hone_encode_options options = {.add_special = true};
    TEST_OK(hone_tokenizer_encode(&f->encoding, f->tokenizer, json_string_value(text), json_string_length(text), NULL,
                                  0, &options));
    const struct hone_encoding *e = &f->encoding;
    const json_t *rows = json_object_get(case_, "scores");
    assert_int_equal(json_array_size(rows), e->n);
    f->tokens = hone_alloc(e->n + 1, sizeof *f->tokens, "test");
    f->scores = hone_alloc((e->n + 1) * (size_t)f->labels.n, sizeof *f->scores, "test");
    for (size_t t = 0; t < e->n; t++) {
        if (e->special[t]) continue;
        if (f->n == 0) f->first = t;
        f->tokens[f->n] = (struct hone_text_token){e->ids[t], e->starts[t], e->ends[t], -1};
        for (size_t i = 0; i < (size_t)f->labels.n; i++)
            f->scores[f->n * (size_t)f->labels.n + i] =
                (float)json_integer_value(json_array_get(json_array_get(rows, t), i)) / 64;
        f->n++;
    }
}

static void close_fixture(struct fixture *f) {
    hone_free(f->tokens);
    hone_free(f->scores);
    hone_encoding_free(&f->encoding);
    hone_labels_free(&f->labels);
    hone_tokenizer_free(f->tokenizer);
}

static void check_entity(const struct hone_aggregator *a, const struct hone_span *got, const json_t *want, size_t first,
                         const char *where) {
    bool tokens = a->aggregation == HONE_AGGREGATION_NONE;
    struct hone_text word;
    hone_span_word(&word, a, got);
    char *found = hone_format("%s %.9g %d %d %zu", tokens ? hone_span_label(a, got) : hone_span_type(a, got),
                              (double)got->score, got->start, got->end, tokens ? got->first + first : 0);
    const json_t *expected_word = json_array_get(want, 4);
    char *shown = hone_json_line(want);
    bool same = strcmp(json_string_value(json_array_get(want, 0)),
                       tokens ? hone_span_label(a, got) : hone_span_type(a, got)) == 0 &&
                fabs(json_number_value(json_array_get(want, 1)) - (double)got->score) <= tolerance &&
                json_integer_value(json_array_get(want, 2)) == got->start &&
                json_integer_value(json_array_get(want, 3)) == got->end &&
                json_string_length(expected_word) == word.length &&
                memcmp(json_string_value(expected_word), word.bytes ? word.bytes : "", word.length) == 0 &&
                (!tokens || (size_t)json_integer_value(json_array_get(want, 5)) == got->first + first);
    if (!same) fail_msg("%s: found %s \"%s\", expected %s", where, found, word.bytes ? word.bytes : "", shown);
    hone_free(shown);
    hone_free(found);
    hone_text_free(&word);
}

static void check_case(size_t number, const json_t *case_) {
    static const char *const names[] = {"none", "simple", "first", "average", "max"};
    struct fixture f;
    open_fixture(&f, case_);
    struct hone_aggregator a = {.tokenizer = f.tokenizer, .labels = &f.labels};
    const json_t *text = json_object_get(case_, "text");
    for (size_t s = 0; s < sizeof names / sizeof *names; s++) {
        assert_true(hone_aggregation_read(&a.aggregation, names[s]));
        hone_aggregate(&a, (struct hone_field){json_string_value(text), json_string_length(text)}, f.tokens, f.scores,
                       f.n);
        const json_t *want = json_object_get(case_, names[s]);
        char *where = hone_format("case %zu, %s", number, names[s]);
        if (json_array_size(want) != a.entities.n)
            fail_msg("%s: %zu entities, expected %zu", where, a.entities.n, json_array_size(want));
        for (size_t i = 0; i < a.entities.n; i++)
            check_entity(&a, &a.entities.at[i], json_array_get(want, i), f.first, where);
        hone_free(where);
    }
    hone_aggregator_free(&a);
    close_fixture(&f);
}

static void as_the_pipeline(void **state) {
    (void)state;
    enum hone_aggregation aggregation;
    json_t *cases = json_load_file("tests/fixtures/aggregation/cases.json", 0, NULL);
    assert_true(json_array_size(cases) > 30);
    for (size_t i = 0; i < json_array_size(cases); i++) check_case(i, json_array_get(cases, i));
    json_decref(cases);
    assert_false(hone_aggregation_read(&aggregation, "mean"));
}

/* IOBES: what E and S end goes on no further. */
static void ends_of_entities(void **state) {
    (void)state;
    static const char *const names[] = {"O", "B-x", "I-x", "E-x", "S-x"}, text[] = "a b c d e f g h";
    static const int labels[] = {1, 3, 3, 4, 4, 1, 2, 0};                        /* B E E S S B I O */
    static const int32_t want[][2] = {{0, 3}, {4, 5}, {6, 7}, {8, 9}, {10, 13}}; /* BE, E, S, S, BI */
    struct hone_labels l = {0};
    struct hone_text_token tokens[8];
    float scores[8 * 5] = {0};
    struct hone_tokenizer *tokenizer;
    TEST_OK(hone_tokenizer_open(&tokenizer, "tests/fixtures/tokenizer/uncased"));
    for (int i = 0; i < 5; i++) hone_labels_collect(&l, names[i], strlen(names[i]));
    for (int t = 0; t < 8; t++) {
        char letter[2] = {text[2 * t], 0};
        tokens[t] = (struct hone_text_token){hone_tokenizer_id(tokenizer, letter), 2 * t, 2 * t + 1, -1};
        scores[5 * t + labels[t]] = 1;
    }
    struct hone_aggregator a = {.tokenizer = tokenizer, .labels = &l, .aggregation = HONE_AGGREGATION_FIRST};
    hone_aggregate(&a, (struct hone_field){text, strlen(text)}, tokens, scores, 8);
    assert_int_equal(a.entities.n, 5);
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(a.entities.at[i].start, want[i][0]);
        assert_int_equal(a.entities.at[i].end, want[i][1]);
        assert_string_equal(hone_span_type(&a, &a.entities.at[i]), "x");
    }
    hone_aggregator_free(&a);
    hone_labels_free(&l);
    hone_tokenizer_free(tokenizer);
}

/* A tagger whose labels hang on the token alone: it reads its embedding and nothing else. */
static void make_tagger(const char *folder) {
    struct tiny_model model;
    tiny_make(&model, 3, 1);
    tiny_remove(&model, "bert.pooler.dense.weight");
    tiny_remove(&model, "bert.pooler.dense.bias");
    json_object_set_new(model.config, "architectures", json_pack("[s]", "BertForTokenClassification"));
    json_object_set_new(model.config, "id2label", json_pack("{s:s,s:s,s:s}", "0", "B-x", "1", "I-x", "2", "O"));
    static const char *const still[] = {"position_embeddings", "token_type_embeddings", "output.dense"};
    for (size_t i = 0; i < model.n; i++) {
        struct tiny_tensor *t = &model.tensors[i];
        int64_t n = t->shape[0] * (t->n_dims == 2 ? t->shape[1] : 1);
        for (int k = 0; k < 3; k++)
            if (strstr(t->name, still[k])) memset(t->values, 0, (size_t)n * sizeof(float));
    }
    tiny_write(&model, folder);
    tiny_free(&model);
}

/* Rows of all texts; of long ones in windows of `max_length` tokens. */
static char *mark_all(const char *folder, int64_t max_length, char *const *texts, size_t n,
                      enum hone_data_format format, enum hone_aggregation aggregation) {
    struct hone_predictor predictor;
    struct hone_text out = {0};
    struct hone_output output = {.format = format};
    bool full;
    TEST_OK(hone_predictor_open(&predictor, folder, HONE_PRECISION_F32));
    assert_true(hone_predictor_tags(&predictor));
    predictor.max_length = predictor.tagger.words.max_length = max_length;
    predictor.tagger.words.stride = max_length / 4;
    predictor.tagger.aggregator.aggregation = aggregation;
    for (size_t i = 0; i < n; i++) {
        TEST_OK(hone_predictor_add(&predictor, (struct hone_field){texts[i], strlen(texts[i])}, (struct hone_field){0},
                                   (int64_t)i + 1, &full));
        if (full || i % 7 == 6) TEST_OK(hone_predictor_run(&predictor, &out, &output));
    }
    TEST_OK(hone_predictor_run(&predictor, &out, &output));
    hone_predictor_close(&predictor);
    return out.bytes;
}

static void windows_change_nothing(void **state) {
    (void)state;
    const char *folder = test_scratch();
    make_tagger(folder);
    enum { N = 24 };
    char *texts[N];
    for (int i = 0; i < N; i++) {
        int label;
        texts[i] = tiny_text(&label, 5, (uint64_t)i);
    }
    for (int aggregation = HONE_AGGREGATION_NONE; aggregation <= HONE_AGGREGATION_MAX; aggregation++) {
        char *whole = mark_all(folder, 64, texts, N, HONE_FORMAT_JSONL, (enum hone_aggregation)aggregation);
        assert_non_null(strstr(whole, "{\"entities\":[]}\n")); /* of the empty text */
        assert_non_null(strstr(whole, aggregation ? "\"entity_group\":\"x\"" : "\"entity\":\"B-x\""));
        for (int64_t length = 3; length < 30; length += length < 8 ? 1 : 9) {
            char *cut = mark_all(folder, length, texts, N, HONE_FORMAT_JSONL, (enum hone_aggregation)aggregation);
            assert_string_equal(cut, whole);
            hone_free(cut);
        }
        hone_free(whole);
    }
    for (int i = 0; i < N; i++) hone_free(texts[i]);
}

/* CoNLL has every word of the text once; coloured text is the text. */
static void other_formats(void **state) {
    (void)state;
    const char *folder = test_scratch();
    make_tagger(folder);
    char *texts[] = {"the naively good film\t.", "", "good \033[1m plot"};
    char *conll = mark_all(folder, 64, texts, 3, HONE_FORMAT_CONLL, HONE_AGGREGATION_FIRST);
    char *words[] = {"the\t",  "naively\t", "good\t", "film\t", ".\t", "\n\n\n",
                     "good\t", "[\t",       "1m\t",   "plot\t", "\n\n"};
    const char *at = conll;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        const char *found = strstr(at, words[i]);
        if (!found) fail_msg("no \"%s\" in its place:\n%s", words[i], conll);
        if (found) at = found;
    }
    hone_free(conll);
    char *shown = mark_all(folder, 64, texts, 3, HONE_FORMAT_TEXT, HONE_AGGREGATION_FIRST);
    struct hone_text plain = {0};
    for (const char *c = shown; *c; c++) {
        if (strncmp(c, "\033[27m ", 6) == 0) c = strstr(c, "\033[0m");
        if (*c == '\033')
            c = strchr(c, 'm');
        else
            hone_text_append(&plain, c, 1);
    }
    assert_string_equal(plain.bytes, "the naively good film\\x09.\n\ngood \\x1b[1m plot\n");
    hone_free(shown);
    hone_text_free(&plain);
}

int main(void) {
    tiny_in_memory();
    const struct CMUnitTest tests[] = {cmocka_unit_test(as_the_pipeline), cmocka_unit_test(ends_of_entities),
                                       cmocka_unit_test(windows_change_nothing), cmocka_unit_test(other_formats)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
