/* Tags and the entities that they mark, against seqeval (tests/reference/make_entities.py) and by hand. */
#include "tests/support.h"

#include <math.h>
#include <string.h>

#include "base/json.h"
#include "base/memory.h"
#include "recipes/entity_scores.h"
#include "recipes/text_spans.h"

/* The figures are rounded to 12 places. */
static const double tolerance = 1e-12;

static const char *const modes[HONE_ENTITY_MODES] = {"default", "strict"};

static enum hone_scheme scheme_of(const char *word) {
    for (int s = HONE_SCHEME_NONE; s <= HONE_SCHEME_IOBES; s++)
        if (strcmp(hone_recipe_word("task.scheme", s), word) == 0) return (enum hone_scheme)s;
    fail_msg("no scheme %s", word);
    return HONE_SCHEME_NONE;
}

static void check_scores(size_t number, const char *what, const json_t *wanted, struct hone_class_scores got) {
    double values[3] = {got.precision, got.recall, got.f1};
    for (size_t i = 0; i < 3; i++) {
        const json_t *number_or_null = json_array_get(wanted, i);
        double want = json_number_value(number_or_null);
        if (json_is_null(number_or_null) && isnan(values[i])) continue;
        if (!(fabs(values[i] - want) <= tolerance))
            fail_msg("document %zu, %s, number %zu: found %.17g, expected %.17g", number, what, i, values[i], want);
    }
}

/* A row for each type that seqeval has in one of its modes; in the other mode such a type has nothing. */
static void check_types(size_t number, const json_t *document, const struct hone_entity_scores *scores) {
    static const char *const keys[HONE_ENTITY_MODES][4] = {
        {"precision", "recall", "f1", "support"}, {"precision_strict", "recall_strict", "f1_strict", "support_strict"}};
    json_t *all = hone_entity_scores_by_type(scores);
    size_t expected = 0;
    for (int mode = 0; mode < HONE_ENTITY_MODES; mode++) {
        const json_t *wanted = json_object_get(json_object_get(document, modes[mode]), "types");
        const json_t *other = json_object_get(json_object_get(document, modes[!mode]), "types"), *row;
        const char *type;
        json_object_foreach((json_t *)wanted, type, row) {
            const json_t *got = json_object_get(all, type);
            if (!got) fail_msg("document %zu, %s: no row of type %s", number, modes[mode], type);
            expected += mode == 0 || !json_object_get(other, type);
        }
        json_object_foreach(all, type, row) {
            const json_t *want = json_object_get(wanted, type);
            for (size_t i = 0; i < 4; i++) {
                double found = json_number_value(json_object_get(row, keys[mode][i]));
                double figure = json_number_value(json_array_get(want, i));
                if (!(fabs(found - figure) <= tolerance))
                    fail_msg("document %zu, type %s: %s is %.17g, expected %.17g", number, type, keys[mode][i], found,
                             figure);
            }
        }
    }
    assert_int_equal(json_object_size(all), expected);
    json_decref(all);
}

static void check_document(size_t number, const json_t *document) {
    struct hone_labels labels = {.scheme = scheme_of(json_string_value(json_object_get(document, "scheme")))};
    const json_t *names = json_object_get(document, "labels");
    for (size_t i = 0; i < json_array_size(names); i++) {
        const char *name = json_string_value(json_array_get(names, i));
        hone_labels_collect(&labels, name, strlen(name));
    }
    struct hone_tags tags;
    struct hone_entity_scores scores;
    hone_tags_create(&tags, &labels);
    hone_entity_scores_create(&scores, &tags);
    const char *gold = json_string_value(json_object_get(document, "gold"));
    const char *predicted = json_string_value(json_object_get(document, "predicted"));
    assert_int_equal(strlen(gold), strlen(predicted));
    for (int64_t at = 0, n; gold[at]; at += n + (gold[at + n] == ' ')) {
        int32_t a[16], b[16];
        n = (int64_t)strcspn(gold + at, " ");
        for (int64_t i = 0; i < n; i++) {
            a[i] = gold[at + i] - 'a';
            b[i] = predicted[at + i] - 'a';
        }
        hone_entity_scores_add(&scores, a, b, n);
    }
    for (int mode = 0; mode < HONE_ENTITY_MODES; mode++) {
        struct hone_averages averages = hone_entity_averages(&scores, (enum hone_entity_mode)mode);
        const json_t *wanted = json_object_get(document, modes[mode]);
        check_scores(number, modes[mode], json_object_get(wanted, "micro"), averages.micro);
        check_scores(number, modes[mode], json_object_get(wanted, "macro"), averages.macro);
        check_scores(number, modes[mode], json_object_get(wanted, "weighted"), averages.weighted);
    }
    check_types(number, document, &scores);
    hone_entity_scores_free(&scores);
    hone_tags_free(&tags);
    hone_labels_free(&labels);
}

static void as_seqeval(void **state) {
    (void)state;
    json_t *documents = json_load_file("tests/fixtures/metrics/entities.json", 0, NULL);
    assert_true(json_array_size(documents) > 400);
    for (size_t i = 0; i < json_array_size(documents); i++) check_document(i, json_array_get(documents, i));
    json_decref(documents);
}

static void read_tags(struct hone_tag *out, int64_t *n, struct hone_labels *types, const char *text) {
    *n = 0;
    for (size_t length; *text; text += length + (text[length] == ' ')) {
        length = strcspn(text, " ");
        assert_true(hone_tag_read(&out[(*n)++], types, text, length));
    }
}

/* The same entities in each scheme; only IO loses where neighbours of a type part. */
static void conversion(void **state) {
    (void)state;
    static const struct {
        enum hone_scheme scheme;
        const char *tags;
    } cases[] = {{HONE_SCHEME_IOB1, "I-A I-A O I-B I-A B-A I-A O B I-B"},
                 {HONE_SCHEME_IOB2, "B-A I-A O B-B B-A B-A I-A O B B-B"},
                 {HONE_SCHEME_IOBES, "B-A E-A O S-B S-A B-A E-A O S S-B"},
                 {HONE_SCHEME_IO, "I-A I-A O I-B I-A I-A I-A O I I-B"}};
    struct hone_labels types = {0};
    struct hone_entities entities = {0};
    for (int from = 0; from < 4; from++) {
        struct hone_tag given[10], made[10], wanted[10];
        int64_t n, m;
        read_tags(given, &n, &types, cases[from].tags);
        hone_entities_find(&entities, given, n);
        assert_int_equal(entities.n, from == 3 ? 5 : 6);
        for (int to = 0; to < 4; to++) {
            read_tags(wanted, &m, &types, cases[to].tags);
            hone_entities_mark(made, n, &entities, cases[to].scheme);
            if (from == 3 && to < 3) continue; /* one entity less */
            for (int64_t i = 0; i < n; i++) {
                /* IOB1's B behind another type is I. */
                if (cases[to].scheme == HONE_SCHEME_IOB1 && i == 8) continue;
                assert_int_equal(made[i].prefix, wanted[i].prefix);
                assert_int_equal(made[i].type, wanted[i].type);
            }
        }
    }
    hone_free(entities.at);
    hone_labels_free(&types);
}

static void tags_that_are_none(void **state) {
    (void)state;
    static const char *const bad[] = {"", "0", "o", "O-A", "B_A", "B-", "B--A", "B-A-", "PER", "X-A", "OO"};
    struct hone_labels types = {0};
    struct hone_tag tag;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (hone_tag_read(&tag, &types, bad[i], strlen(bad[i]))) fail_msg("\"%s\" was taken", bad[i]);
    assert_false(hone_tag_read(&tag, &types, "B-\0A", 4));
    assert_int_equal(types.n, 0);
    assert_true(hone_tag_read(&tag, &types, "E-a-b", 5));
    assert_string_equal(types.names[tag.type], "a-b");
    /* BILOU's letters. */
    assert_true(hone_tag_read(&tag, &types, "L-x", 3) && tag.prefix == 'E');
    assert_true(hone_tag_read(&tag, &types, "U", 1) && tag.prefix == 'S');
    hone_labels_free(&types);
}

static void schemes_are_found(void **state) {
    (void)state;
    static const struct {
        const char *tags;
        enum hone_scheme scheme;
    } cases[] = {{"O O", HONE_SCHEME_IO},          {"O I-A I-B", HONE_SCHEME_IO},
                 {"I-A B-A O", HONE_SCHEME_IOB1},  {"B-A I-A O B-B", HONE_SCHEME_IOB2},
                 {"B-A O I-A", HONE_SCHEME_IOB2},  {"B-A B-A", HONE_SCHEME_IOB2},
                 {"B-A E-A O", HONE_SCHEME_IOBES}, {"I-A B-B", HONE_SCHEME_IOB2},
                 {"S-A", HONE_SCHEME_IOBES},       {"B-A L-A U-B", HONE_SCHEME_IOBES}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct hone_scheme_finder finder = {0};
        struct hone_labels types = {0};
        struct hone_tag tags[8];
        int64_t n;
        read_tags(tags, &n, &types, cases[i].tags);
        hone_scheme_look(&finder, tags, n);
        if (hone_scheme_found(&finder) != cases[i].scheme) fail_msg("%s", cases[i].tags);
        hone_labels_free(&types);
    }
}

/* Characters of "(film)-s" become words: those that an entity has a part of, not the one that begins where it ends. */
static void characters_to_words(void **state) {
    (void)state;
    static const struct hone_word_range words[] = {{0, 1}, {1, 5}, {5, 6}, {-1, -1}, {6, 7}, {7, 8}};
    struct hone_text_span at[] = {{1, 5, "A"}, {6, 8, "B"}};
    const struct hone_text_spans spans = {.at = at, .n = 2};
    const int32_t types[] = {3, 4};
    struct hone_entities found = {0};
    assert_int_equal(hone_text_spans_find(&found, &spans, types, words, sizeof words / sizeof *words), 0);
    assert_int_equal(found.n, 2);
    assert_true(found.at[0].begin == 1 && found.at[0].end == 2 && found.at[0].type == 3);
    assert_true(found.at[1].begin == 4 && found.at[1].end == 6 && found.at[1].type == 4);
    at[0].end = 4, at[1].start = 7;
    assert_int_equal(hone_text_spans_find(&found, &spans, types, words, sizeof words / sizeof *words), 1);
    assert_true(found.n == 2 && found.at[0].end == 2 && found.at[1].begin == 5);
    hone_free(found.at);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(as_seqeval), cmocka_unit_test(conversion),
                                       cmocka_unit_test(tags_that_are_none), cmocka_unit_test(schemes_are_found),
                                       cmocka_unit_test(characters_to_words)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
