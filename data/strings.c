/* Open addressing with linear probing, half full at most. */
#include "data/strings.h"

#include <stdlib.h>
#include <string.h>

#include "base/status.h"

#define FIRST_SLOTS 1024

static uint64_t mix(uint64_t x) {
    x = (x ^ x >> 32) * 0x9E3779B97F4A7C15u;
    return x ^ x >> 29;
}

static size_t hash(const char *text, size_t n) {
    uint64_t state = n, part;
    for (; n >= 8; n -= 8, text += 8) {
        memcpy(&part, text, 8);
        state = mix(state ^ part);
    }
    part = 0;
    if (n) memcpy(&part, text, n);
    return (size_t)mix(state ^ part);
}

/* The slot that holds the string, or the free one where it belongs. */
static size_t slot_of(const struct hone_strings *strings, const char *text, size_t n) {
    size_t slot = hash(text, n) & (strings->n_slots - 1);
    for (; strings->slots[slot]; slot = (slot + 1) & (strings->n_slots - 1)) {
        const struct hone_string *at = &strings->at[strings->slots[slot] - 1];
        if (at->n == n && memcmp(strings->bytes.bytes + at->begin, text, n) == 0) break;
    }
    return slot;
}

static void fill_slots(struct hone_strings *strings, size_t n_slots) {
    hone_free(strings->slots);
    strings->n_slots = n_slots;
    strings->slots = hone_calloc(n_slots, sizeof *strings->slots, "distinct strings");
    for (size_t i = 0; i < strings->n; i++)
        strings->slots[slot_of(strings, hone_strings_text(strings, i), strings->at[i].n)] = (uint32_t)(i + 1);
}

size_t hone_strings_add(struct hone_strings *strings, const char *text, size_t n, int64_t count) {
    if (2 * strings->n >= strings->n_slots) fill_slots(strings, strings->n_slots ? 2 * strings->n_slots : FIRST_SLOTS);
    size_t slot = slot_of(strings, text, n);
    if (!strings->slots[slot]) {
        HONE_CHECK(strings->n < HONE_STRINGS_MOST, "%zu distinct strings", strings->n);
        hone_reserve(&strings->at, &strings->capacity, strings->n + 1, sizeof *strings->at, "distinct strings");
        strings->at[strings->n++] = (struct hone_string){strings->bytes.length, n, 0};
        hone_text_append(&strings->bytes, text, n);
        strings->slots[slot] = (uint32_t)strings->n;
    }
    size_t i = strings->slots[slot] - 1;
    strings->at[i].count += count;
    return i;
}

size_t hone_strings_find(const struct hone_strings *strings, const char *text, size_t n) {
    if (!strings->n) return SIZE_MAX;
    uint32_t found = strings->slots[slot_of(strings, text, n)];
    return found ? found - 1 : SIZE_MAX;
}

static int compare(const void *a, const void *b, void *bytes) {
    const struct hone_string *x = a, *y = b;
    const char *text = bytes;
    int order = memcmp(text + x->begin, text + y->begin, x->n < y->n ? x->n : y->n);
    return order ? order : (x->n > y->n) - (x->n < y->n);
}

void hone_strings_sort(struct hone_strings *strings) {
    if (!strings->n) return;
    qsort_r(strings->at, strings->n, sizeof *strings->at, compare, strings->bytes.bytes);
    fill_slots(strings, strings->n_slots);
}

void hone_strings_free(struct hone_strings *strings) {
    hone_text_free(&strings->bytes);
    hone_free(strings->at);
    hone_free(strings->slots);
    *strings = (struct hone_strings){0};
}
