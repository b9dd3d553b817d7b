/* Metrics against values worked out by hand (those of scikit-learn with zero_division=0 where it is named). */
#include "tests/support.h"

#include <math.h>

#include "recipes/metrics.h"

static void assert_near(double got, double want) {
    if (!(fabs(got - want) <= 1e-15)) fail_msg("found %.17g, expected %.17g", got, want);
}

/* confusion_matrix(y, p) of y = 0 0 0 1 1 2 2 2 2 2, p = 0 0 1 1 2 2 2 2 0 1. */
static void test_three_classes(void **state) {
    (void)state;
    static const int32_t labels[] = {0, 0, 0, 1, 1, 2, 2, 2, 2, 2}, predictions[] = {0, 0, 1, 1, 2, 2, 2, 2, 0, 1};
    static const int64_t counts[] = {2, 1, 0, 0, 1, 1, 1, 1, 3};
    struct hone_confusion c;
    hone_confusion_create(&c, 3);
    for (int i = 0; i < 10; i++) hone_confusion_add(&c, labels[i], predictions[i]);
    test_same_bits("counts", c.counts, counts, sizeof counts);
    assert_int_equal(c.total, 10);
    assert_near(hone_confusion_accuracy(&c), 0.6);
    struct hone_class_scores s = hone_class_scores(hone_confusion_class(&c, 0));
    assert_near(s.precision, 2.0 / 3);
    assert_near(s.recall, 2.0 / 3);
    assert_near(s.f1, 2.0 / 3);
    s = hone_class_scores(hone_confusion_class(&c, 1));
    assert_near(s.precision, 1.0 / 3);
    assert_near(s.recall, 1.0 / 2);
    assert_near(s.f1, 2.0 / 5);
    s = hone_class_scores(hone_confusion_class(&c, 2));
    assert_near(s.precision, 3.0 / 4);
    assert_near(s.recall, 3.0 / 5);
    assert_near(s.f1, 6.0 / 9);
    assert_int_equal(hone_confusion_class(&c, 0).labelled, 3);
    assert_int_equal(hone_confusion_class(&c, 1).predicted, 3);
    assert_near(hone_confusion_averages(&c).macro.f1, (2.0 / 3 + 2.0 / 5 + 2.0 / 3) / 3);
    hone_confusion_free(&c);
    assert_null(c.counts);
}

/* No rows; a class that is never labelled; one that is never predicted; one class only. */
static void test_edges(void **state) {
    (void)state;
    struct hone_confusion c;
    hone_confusion_create(&c, 2);
    assert_near(hone_confusion_accuracy(&c), 0);
    assert_near(hone_confusion_averages(&c).macro.f1, 0);
    assert_near(hone_class_scores(hone_confusion_class(&c, 1)).precision, 0);
    hone_confusion_add(&c, 0, 1);
    assert_near(hone_class_scores(hone_confusion_class(&c, 0)).precision, 0);
    assert_near(hone_class_scores(hone_confusion_class(&c, 0)).recall, 0);
    assert_near(hone_class_scores(hone_confusion_class(&c, 1)).precision, 0);
    assert_near(hone_class_scores(hone_confusion_class(&c, 1)).f1, 0);
    hone_confusion_add(&c, 0, 0);
    assert_near(hone_confusion_accuracy(&c), 0.5);
    assert_near(hone_class_scores(hone_confusion_class(&c, 0)).precision, 1);
    assert_near(hone_class_scores(hone_confusion_class(&c, 0)).recall, 0.5);
    assert_near(hone_confusion_averages(&c).macro.f1, (2.0 / 3 + 0) / 2);
    hone_confusion_free(&c);
    hone_confusion_create(&c, 1);
    hone_confusion_add(&c, 0, 0);
    assert_near(hone_confusion_accuracy(&c), 1);
    assert_near(hone_confusion_averages(&c).macro.f1, 1);
    hone_confusion_free(&c);
}

static void test_argmax(void **state) {
    (void)state;
    assert_int_equal(hone_argmax((float[]){-3}, 1), 0);
    assert_int_equal(hone_argmax((float[]){1, 3, 3, 2}, 4), 1);
    assert_int_equal(hone_argmax((float[]){0, -0.0f}, 2), 0);
    assert_int_equal(hone_argmax((float[]){NAN, -1, NAN, 2}, 4), 3);
    assert_int_equal(hone_argmax((float[]){-INFINITY, NAN}, 2), 0);
    assert_int_equal(hone_argmax((float[]){NAN, -INFINITY}, 2), 1);
    assert_int_equal(hone_argmax((float[]){NAN, NAN}, 2), 0);
}

/* Rows in batches of any size give the same counts. */
static void test_batches(void **state) {
    (void)state;
    enum { N = 1500, CLASSES = 7 };
    static float logits[N * CLASSES];
    static int32_t labels[N];
    test_noise(logits, NULL, N * CLASSES, 1, 5);
    for (int i = 0; i < N; i++) labels[i] = i * 5 % CLASSES;
    static const int sizes[] = {1, 7, 64, N};
    struct hone_confusion whole;
    hone_confusion_create(&whole, CLASSES);
    hone_confusion_add_logits(&whole, logits, labels, N);
    assert_int_equal(whole.total, N);
    for (int k = 0; k < 4; k++) {
        struct hone_confusion c;
        hone_confusion_create(&c, CLASSES);
        hone_confusion_add_logits(&c, logits, labels, 0);
        for (int i = 0; i < N; i += sizes[k])
            hone_confusion_add_logits(&c, logits + i * CLASSES, labels + i, i + sizes[k] < N ? sizes[k] : N - i);
        test_same_bits("counts", c.counts, whole.counts, CLASSES * CLASSES * sizeof *c.counts);
        hone_confusion_free(&c);
    }
    int64_t right = 0;
    for (int i = 0; i < N; i++) right += hone_argmax(logits + i * CLASSES, CLASSES) == labels[i];
    assert_near(hone_confusion_accuracy(&whole), (double)right / N);
    hone_confusion_free(&whole);
}

/* Batches of 3 and 1 samples: the mean over samples, not over batches. */
static void test_loss_mean(void **state) {
    (void)state;
    struct hone_loss_mean mean = {0};
    assert_near(hone_loss_mean_value(&mean), 0);
    hone_loss_mean_add(&mean, 1.5, 3);
    hone_loss_mean_add(&mean, 2.5, 1);
    assert_near(hone_loss_mean_value(&mean), 1);
    hone_loss_mean_add(&mean, 0, 0);
    assert_near(hone_loss_mean_value(&mean), 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_three_classes), cmocka_unit_test(test_edges),     cmocka_unit_test(test_argmax),
        cmocka_unit_test(test_batches),       cmocka_unit_test(test_loss_mean),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
