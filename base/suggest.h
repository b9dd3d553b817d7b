/* "did you mean": the nearest of a list of words. */
#ifndef HONE_BASE_SUGGEST_H
#define HONE_BASE_SUGGEST_H

#include <stddef.h>

/* Optimal string alignment distance (Damerau 1964): insertions, deletions, substitutions, neighbours swapped. */
size_t hone_edit_distance(const char *a, const char *b);

/* The word nearest to `given` within a distance of 2 or a third of its length, whichever is more, and always less than
 * the length of `given`; the first of equals; NULL when none is near. Borrowed from `words`. */
const char *hone_suggest(const char *given, const char *const *words, size_t n);

#endif
