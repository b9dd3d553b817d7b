#include "data/charsmap.h"

#include <string.h>

#include "base/memory.h"
#include "base/utf8.h"
#include "data/normalizer.h"
#include "data/unicode.h"

#define CLUSTER_BYTES 6 /* longer grapheme clusters are looked up by the character only */

static int sextet(char c) {
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *found = c ? memchr(alphabet, c, 64) : NULL;
    return found ? (int)(found - alphabet) : -1;
}

/* Owned bytes; NULL for what isn't base64 (RFC 4648, section 4). */
static unsigned char *decode(size_t *n, const char *base64) {
    size_t length = strlen(base64);
    unsigned char *bytes = hone_alloc(length / 4 * 3 + 3, 1, "precompiled_charsmap");
    *n = 0;
    if (length % 4 != 0) goto bad;
    for (size_t i = 0; i < length; i += 4) {
        int values[4], padding = 0;
        for (size_t k = 0; k < 4; k++) {
            bool pads = base64[i + k] == '=' && i + 4 == length && k >= 2;
            values[k] = pads ? 0 : sextet(base64[i + k]);
            if (values[k] < 0 || (!pads && padding)) goto bad;
            padding += pads;
        }
        uint32_t word = (uint32_t)values[0] << 18 | (uint32_t)values[1] << 12 | (uint32_t)values[2] << 6;
        word |= (uint32_t)values[3];
        for (int k = 0; k < 3 - padding; k++) bytes[(*n)++] = (unsigned char)(word >> (16 - 8 * k));
    }
    return bytes;
bad:
    hone_free(bytes);
    return NULL;
}

static uint32_t little_endian(const unsigned char *b) {
    return (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
}

enum hone_status hone_charsmap_read(struct hone_charsmap *out, const char *base64, const char *where) {
    *out = (struct hone_charsmap){0};
    size_t n;
    unsigned char *bytes = decode(&n, base64);
    if (!bytes) return hone_fail(HONE_BAD_INPUT, "%s isn't base64", where);
    size_t trie = n >= 4 ? little_endian(bytes) : 0;
    enum hone_status status = HONE_OK;
    if (n < 4 || trie % 4 != 0 || trie == 0 || trie > n - 4)
        status = hone_fail(HONE_BAD_INPUT, "%s: %zu bytes can't hold its double array of %zu bytes", where, n, trie);
    if (status == HONE_OK && hone_utf8_valid_prefix((char *)bytes + 4 + trie, n - 4 - trie) != n - 4 - trie)
        status = hone_fail(HONE_BAD_INPUT, "%s: its replacements aren't UTF-8", where);
    if (status == HONE_OK) {
        out->units_n = trie / 4;
        out->units = hone_alloc(out->units_n, sizeof *out->units, "precompiled_charsmap");
        for (size_t i = 0; i < out->units_n; i++) out->units[i] = little_endian(bytes + 4 + 4 * i);
        out->replacements_n = n - 4 - trie;
        out->replacements = hone_alloc(out->replacements_n + 1, 1, "precompiled_charsmap");
        memcpy(out->replacements, bytes + 4 + trie, out->replacements_n);
        out->replacements[out->replacements_n] = 0;
    }
    hone_free(bytes);
    return status;
}

void hone_charsmap_free(struct hone_charsmap *map) {
    hone_free(map->units);
    hone_free(map->replacements);
    *map = (struct hone_charsmap){0};
}

static size_t offset_of(uint32_t unit) { return (size_t)(unit >> 10) << ((unit & 1u << 9) >> 6); }

/* Whatever a hostile map says, a place outside the arrays is no entry. */
const char *hone_charsmap_find(const struct hone_charsmap *map, const char *text, size_t n) {
    size_t node = offset_of(map->units[0]);
    for (size_t i = 0; i < n && text[i]; i++) {
        unsigned char byte = (unsigned char)text[i];
        node ^= byte;
        if (node >= map->units_n) return NULL;
        uint32_t unit = map->units[node];
        if ((unit & (1u << 31 | 0xFF)) != byte) return NULL;
        node ^= offset_of(unit);
        if (!(unit >> 8 & 1)) continue;
        if (node >= map->units_n) return NULL;
        size_t place = map->units[node] & ~(1u << 31);
        bool inside = place < map->replacements_n && (place == 0 || (map->replacements[place] & 0xC0) != 0x80);
        return inside ? map->replacements + place : NULL;
    }
    return NULL;
}

/* End of the grapheme cluster that begins at `at`, as far as clusters below CLUSTER_BYTES need it (Unicode Standard
 * Annex 29: of those, only combining characters, prepending ones and CR LF matter). */
static size_t cluster_end(const struct hone_normalized *text, size_t at, const struct hone_unicode_flags *flags) {
    size_t i = at;
    int32_t code = hone_utf8_next(text->bytes, &i);
    if (code == '\r' && i < text->n && text->bytes[i] == '\n') return i + 1;
    if (code < 0x80 && (i == text->n || !(text->bytes[i] & 0x80))) return i;
    enum hone_cluster kind = hone_unicode_cluster(code);
    while (i < text->n && kind != HONE_CLUSTER_CONTROL) {
        size_t next = i;
        code = hone_utf8_next(text->bytes, &next);
        bool joins = hone_code_flags(flags, code) & HONE_CODE_JOINING;
        if (!joins && kind != HONE_CLUSTER_PREPEND) break;
        if (!joins) {
            kind = hone_unicode_cluster(code);
            if (kind == HONE_CLUSTER_CONTROL) break;
        } else if (kind == HONE_CLUSTER_PREPEND) {
            kind = HONE_CLUSTER_OTHER;
        }
        i = next;
    }
    return i;
}

/* Characters on their way out; the last one waits, since removals after it count as its own. */
struct output {
    struct hone_rewrite rewrite;
    bool waits, drifted;
    int32_t code;
    int64_t change;
};

static void put(struct output *out, int32_t code, int64_t change) {
    if (out->waits) hone_rewrite_put(&out->rewrite, out->code, out->change);
    out->waits = true;
    out->code = code;
    out->change = change;
}

/* `old` characters become those of a text: as many stand for one each, further ones for none; what is left over belongs
 * to the character before. At the beginning there is none, and as in the reference all sources fall back. */
static void replace(struct output *out, const char *text, int64_t old) {
    size_t n = strlen(text);
    int64_t k = 0;
    for (size_t i = 0; i < n; k++) put(out, hone_utf8_next(text, &i), k >= old);
    if (k >= old) return;
    if (out->waits)
        out->change += k - old;
    else
        out->drifted = true;
}

void hone_normalize_charsmap(struct hone_normalizing *work, const struct hone_charsmap *map) {
    const struct hone_unicode_flags *flags = hone_unicode_flags();
    const struct hone_normalized *text = &work->text;
    struct output out = {0};
    bool modified = false;
    hone_rewrite_begin(&out.rewrite, &work->next, text, 0);
    for (size_t i = 0; i < text->n;) {
        size_t end = cluster_end(text, i, flags);
        const char *found = end - i < CLUSTER_BYTES ? hone_charsmap_find(map, text->bytes + i, end - i) : NULL;
        if (found) {
            replace(&out, found, hone_count_characters(text->bytes + i, end - i));
            modified = true;
            i = end;
        }
        while (i < end) {
            size_t begin = i;
            int32_t code = hone_utf8_next(text->bytes, &i);
            found = hone_charsmap_find(map, text->bytes + begin, i - begin);
            modified |= found != NULL;
            if (found)
                replace(&out, found, 1);
            else
                put(&out, code, 0);
        }
    }
    if (!modified) return;
    if (out.waits) hone_rewrite_put(&out.rewrite, out.code, out.change);
    work->drifted |= out.drifted;
    hone_rewrite_end(&out.rewrite);
    hone_normalizing_swap(work);
}
