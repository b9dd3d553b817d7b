#include "base/suggest.h"

#include <string.h>

#include "base/memory.h"

size_t hone_edit_distance(const char *a, const char *b) {
    size_t n = strlen(a), m = strlen(b);
    /* Three rows of the table: two back, one back, the present one. */
    size_t *rows = hone_alloc(3 * (m + 1), sizeof *rows, "edit distance");
    size_t *before = rows, *last = rows + m + 1, *now = rows + 2 * (m + 1);
    for (size_t j = 0; j <= m; j++) last[j] = j;
    for (size_t i = 1; i <= n; i++) {
        now[0] = i;
        for (size_t j = 1; j <= m; j++) {
            size_t best = last[j - 1] + (a[i - 1] != b[j - 1]);
            if (last[j] + 1 < best) best = last[j] + 1;
            if (now[j - 1] + 1 < best) best = now[j - 1] + 1;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] && before[j - 2] + 1 < best) {
                best = before[j - 2] + 1;
            }
            now[j] = best;
        }
        size_t *spare = before;
        before = last;
        last = now;
        now = spare;
    }
    size_t distance = last[m];
    hone_free(rows);
    return distance;
}

const char *hone_suggest(const char *given, const char *const *words, size_t n) {
    size_t length = strlen(given), limit = length / 3 > 2 ? length / 3 : 2;
    if (length > 64) return NULL;
    if (limit >= length) limit = length ? length - 1 : 0;
    const char *best = NULL;
    for (size_t i = 0; i < n; i++) {
        size_t distance = hone_edit_distance(given, words[i]);
        if (distance <= limit && (!best || distance < hone_edit_distance(given, best))) best = words[i];
    }
    return best;
}
