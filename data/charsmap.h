/* The precompiled map of characters that SentencePiece models carry: a Darts double array (github.com/s-yata/darts-clone,
 * its format) from byte strings to places in a text of replacements, each ended by a 0. */
#ifndef HONE_DATA_CHARSMAP_H
#define HONE_DATA_CHARSMAP_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

struct hone_charsmap {
    uint32_t *units;
    size_t units_n;
    char *replacements; /* 0-terminated */
    size_t replacements_n;
};
/* From base64, as tokenizer.json has it. HONE_BAD_INPUT naming `where`. */
enum hone_status hone_charsmap_read(struct hone_charsmap *out, const char *base64, const char *where);
void hone_charsmap_free(struct hone_charsmap *map);
/* Replacement (0-terminated, borrowed) for the shortest entry that begins n bytes of text, or NULL. */
const char *hone_charsmap_find(const struct hone_charsmap *map, const char *text, size_t n);

#endif
