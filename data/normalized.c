#include "data/normalized.h"

#include <string.h>

#include "base/memory.h"
#include "base/utf8.h"

void hone_normalized_free(struct hone_normalized *text) {
    hone_free(text->bytes);
    hone_free(text->from);
    *text = (struct hone_normalized){0};
}

void hone_normalized_reserve(struct hone_normalized *text, size_t n) {
    if (n <= text->bytes_capacity && n <= text->from_capacity) return;
    hone_reserve(&text->bytes, &text->bytes_capacity, n, 1, "normalised text");
    hone_reserve(&text->from, &text->from_capacity, n, sizeof *text->from, "normalised text");
}

void hone_normalized_set(struct hone_normalized *out, const char *text, size_t n, int32_t first) {
    out->first = first;
    out->n = n;
    hone_normalized_reserve(out, n);
    if (n) memcpy(out->bytes, text, n);
    struct hone_source from = {first - 1, first};
    for (size_t i = 0; i < n; i++) {
        if ((text[i] & 0xC0) != 0x80) from = (struct hone_source){from.end, from.end + 1};
        out->from[i] = from;
    }
}

void hone_normalized_append(struct hone_normalized *out, int32_t code, struct hone_source from) {
    hone_normalized_reserve(out, out->n + 4);
    int n = hone_utf8_encode(out->bytes + out->n, code);
    for (int i = 0; i < n; i++) out->from[out->n++] = from;
}

void hone_normalized_copy(struct hone_normalized *out, const struct hone_normalized *in, size_t begin, size_t end) {
    if (begin >= end) return;
    hone_normalized_reserve(out, out->n + (end - begin));
    memcpy(out->bytes + out->n, in->bytes + begin, end - begin);
    memcpy(out->from + out->n, in->from + begin, (end - begin) * sizeof *in->from);
    out->n += end - begin;
}

/* The reference finds what to rewrite from the sources: characters at the beginning without a source stay, in front of
 * a second rewritten form of themselves; where no character has one, all stay. */
void hone_rewrite_begin(struct hone_rewrite *rewrite, struct hone_normalized *out, const struct hone_normalized *in,
                        size_t removed) {
    size_t begin = 0, stop = in->n;
    while (begin < stop && in->from[begin].begin == in->from[begin].end) begin++;
    if (begin == stop && stop && in->from[stop - 1].end == in->first) begin = stop = 0;
    out->n = 0;
    out->first = in->first;
    hone_normalized_copy(out, in, 0, begin);
    while (removed-- && begin < in->n) begin += hone_character_bytes(in->bytes[begin]);
    *rewrite = (struct hone_rewrite){in, out, begin, stop};
}

void hone_rewrite_put(struct hone_rewrite *rewrite, int32_t code, int64_t change) {
    const struct hone_normalized *in = rewrite->in;
    struct hone_source from = {in->first, in->first};
    if (change > 0 || rewrite->at >= in->n) {
        if (rewrite->at) from = in->from[rewrite->at - 1];
    } else {
        from = in->from[rewrite->at];
        for (; change <= 0 && rewrite->at < in->n; change++)
            rewrite->at += hone_character_bytes(in->bytes[rewrite->at]);
    }
    hone_normalized_append(rewrite->out, code, from);
}

void hone_rewrite_end(struct hone_rewrite *rewrite) {
    hone_normalized_copy(rewrite->out, rewrite->in, rewrite->stop, rewrite->in->n);
}
