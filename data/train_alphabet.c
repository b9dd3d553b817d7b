/* What every trained model begins with, and the models that are nothing more: characters, words. */
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "data/byte_level.h"
#include "data/train_models.h"

void hone_trained_free(struct hone_trained *trained) {
    hone_strings_free(&trained->tokens);
    hone_free(trained->merges);
    hone_free(trained->scores);
    *trained = (struct hone_trained){0};
}

/* Most frequent first, then in order of bytes. */
static int compare_counts(const void *a, const void *b, void *strings) {
    const struct hone_string *x = a, *y = b;
    if (x->count != y->count) return x->count > y->count ? -1 : 1;
    const char *bytes = ((const struct hone_strings *)strings)->bytes.bytes;
    int order = memcmp(bytes + x->begin, bytes + y->begin, x->n < y->n ? x->n : y->n);
    return order ? order : (x->n > y->n) - (x->n < y->n);
}

static void add_special(struct hone_trained *out, const struct hone_train_limits *limits) {
    for (size_t i = 0; i < limits->n_special; i++)
        hone_strings_add(&out->tokens, limits->special[i], strlen(limits->special[i]), 0);
}

void hone_train_alphabet(struct hone_trained *out, const struct hone_strings *words,
                         const struct hone_train_limits *limits) {
    add_special(out, limits);
    struct hone_strings characters = {0};
    for (size_t w = 0; w < words->n; w++) {
        const char *text = hone_strings_text(words, w);
        for (size_t i = 0; i < words->at[w].n;) {
            size_t begin = i;
            if (hone_utf8_next(text, &i) == 0) continue; /* no key of JSON may hold it */
            hone_strings_add(&characters, text + begin, i - begin, words->at[w].count);
        }
    }
    for (int byte = 0; limits->byte_alphabet && byte < 256; byte++) {
        char text[4];
        size_t n = (size_t)hone_utf8_encode(text, hone_byte_level_code((unsigned char)byte));
        size_t number = hone_strings_add(&characters, text, n, 0);
        characters.at[number].count = INT64_MAX;
    }
    /* UTF-8 sorts like code points. */
    struct hone_strings kept = {0};
    if (characters.n) qsort_r(characters.at, characters.n, sizeof *characters.at, compare_counts, &characters);
    size_t n = limits->alphabet && limits->alphabet < characters.n ? limits->alphabet : characters.n;
    for (size_t i = 0; i < n; i++)
        hone_strings_add(&kept, hone_strings_text(&characters, i), characters.at[i].n, characters.at[i].count);
    hone_strings_sort(&kept);
    for (size_t i = 0; i < kept.n; i++)
        hone_strings_add(&out->tokens, hone_strings_text(&kept, i), kept.at[i].n, kept.at[i].count);
    hone_strings_free(&kept);
    hone_strings_free(&characters);
}

void hone_train_words(struct hone_trained *out, const struct hone_strings *words,
                      const struct hone_train_limits *limits) {
    add_special(out, limits);
    struct hone_string *order = hone_alloc(words->n, sizeof *order, "words");
    if (words->n) {
        memcpy(order, words->at, words->n * sizeof *order);
        qsort_r(order, words->n, sizeof *order, compare_counts, (void *)words);
    }
    for (size_t i = 0; i < words->n && out->tokens.n < limits->vocab_size; i++)
        if (order[i].count >= limits->min_frequency && !memchr(words->bytes.bytes + order[i].begin, 0, order[i].n))
            hone_strings_add(&out->tokens, words->bytes.bytes + order[i].begin, order[i].n, order[i].count);
    hone_free(order);
}
