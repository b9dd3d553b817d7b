/* Places pieces of memory that live at different times in one arena. */
#ifndef HONE_AUTOGRAD_LAYOUT_H
#define HONE_AUTOGRAD_LAYOUT_H

#include <stddef.h>
#include <stdint.h>

/* A piece lives from time `first` to `last`, both included; two that share a moment never share a byte. */
struct hone_slot {
    int32_t first, last;
    size_t bytes;
    size_t offset; /* found here: a multiple of 64 */
};

/* Finds offsets by first-fit, largest pieces first, and returns the size of the arena. The result depends on the slots
 * alone. */
size_t hone_layout_place(struct hone_slot *slots, int32_t n);

/* Layouts of the shapes seen lately. A step's slots are the key, so a hit is exactly what placing would have found. */
struct hone_layout_cache;
struct hone_layout_cache *hone_layout_cache_create(void);
void hone_layout_cache_free(struct hone_layout_cache *cache);
/* hone_layout_place, or its result for the same slots remembered. */
size_t hone_layout_cached(struct hone_layout_cache *cache, struct hone_slot *slots, int32_t n);
/* Times that an answer was remembered. */
long hone_layout_hits(const struct hone_layout_cache *cache);

#endif
