/* Distinct byte strings, numbered in the order in which they came, each with a count: the words of a corpus, the tokens
 * of a vocabulary that is being made. */
#ifndef HONE_DATA_STRINGS_H
#define HONE_DATA_STRINGS_H

#include <stddef.h>
#include <stdint.h>

#include "base/memory.h"

/* Start with {0}; free with hone_strings_free. */
struct hone_strings {
    struct hone_text bytes;
    struct hone_string {
        size_t begin, n; /* in bytes */
        int64_t count;
    } * at;
    size_t n, capacity;
    uint32_t *slots; /* number + 1 of a string, 0: free */
    size_t n_slots;
};

#define HONE_STRINGS_MOST ((size_t)UINT32_MAX - 1)

/* Number of the string, which is added where it is new; `count` is added to its count. At most HONE_STRINGS_MOST. */
size_t hone_strings_add(struct hone_strings *strings, const char *text, size_t n, int64_t count);
/* Number of the string, SIZE_MAX where there is none. */
size_t hone_strings_find(const struct hone_strings *strings, const char *text, size_t n);
static inline const char *hone_strings_text(const struct hone_strings *strings, size_t i) {
    return strings->bytes.bytes + strings->at[i].begin;
}
/* Orders the strings by their bytes and numbers them anew. */
void hone_strings_sort(struct hone_strings *strings);
void hone_strings_free(struct hone_strings *strings);

#endif
