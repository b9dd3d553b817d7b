/* BertNormalizer: clean_text, handle_chinese_chars, NFD without nonspacing marks, lowercase, in this order, as one pass
 * over the characters; only runs of combining characters are held back, to be sorted. */
#include <string.h>

#include "base/memory.h"
#include "base/utf8.h"
#include "data/normalizer.h"
#include "data/unicode.h"

#define REMEMBERED 64 /* runs up to here are sorted by insertion */

void hone_normalized_free(struct hone_normalized *text) {
    hone_free(text->bytes);
    hone_free(text->begins);
    hone_free(text->ends);
    hone_free(text->run);
    hone_free(text->sorted);
    hone_free(text->sources);
    *text = (struct hone_normalized){0};
}

static void append(struct hone_normalized *out, int32_t code, struct hone_source from) {
    if (out->n + 4 > out->bytes_capacity || out->n + 4 > out->begins_capacity || out->n + 4 > out->ends_capacity) {
        hone_reserve(&out->bytes, &out->bytes_capacity, out->n + 4, 1, "normalised text");
        hone_reserve(&out->begins, &out->begins_capacity, out->n + 4, sizeof *out->begins, "normalised text");
        hone_reserve(&out->ends, &out->ends_capacity, out->n + 4, sizeof *out->ends, "normalised text");
    }
    int n = hone_utf8_encode(out->bytes + out->n, code);
    for (int i = 0; i < n; i++) {
        out->begins[out->n + (size_t)i] = from.begin;
        out->ends[out->n + (size_t)i] = from.end;
    }
    out->n += (size_t)n;
}

/* After NFD: drops marks, lowers, appends. */
static void finish(struct hone_normalized *out, const struct hone_bert_normalizer *normalizer, const uint8_t *flags,
                   int32_t code, struct hone_source from) {
    if (normalizer->strip_accents && (flags[code] & HONE_CODE_MARK)) return;
    if (normalizer->lowercase && (flags[code] & HONE_CODE_UPPER)) {
        int32_t lower[2];
        int n = hone_unicode_lower(lower, code);
        for (int i = 0; i < n; i++) append(out, lower[i], from);
        return;
    }
    append(out, code, from);
}

/* Stable, by combining class. */
static void sort_run(struct hone_normalized *out) {
    struct hone_combining *run = out->run;
    size_t n = out->run_n;
    if (n <= REMEMBERED) {
        for (size_t i = 1; i < n; i++) {
            struct hone_combining moved = run[i];
            size_t j = i;
            for (; j > 0 && run[j - 1].class > moved.class; j--) run[j] = run[j - 1];
            run[j] = moved;
        }
        return;
    }
    size_t begins[257] = {0};
    for (size_t i = 0; i < n; i++) begins[run[i].class + 1]++;
    for (int class = 0; class < 256; class ++) begins[class + 1] += begins[class];
    hone_reserve(&out->sorted, &out->sorted_capacity, n, sizeof *out->sorted, "combining characters");
    for (size_t i = 0; i < n; i++) out->sorted[begins[run[i].class]++] = run[i];
    memcpy(run, out->sorted, n * sizeof *run);
}

/* Gives out the waiting run. The reference counts replaced characters in order, so after sorting the k-th character
 * that isn't an insertion is aligned with the k-th source, whichever it came from; an insertion with the one before. */
static void flush(struct hone_normalized *out, const struct hone_bert_normalizer *normalizer, const uint8_t *flags) {
    sort_run(out);
    size_t next = 0;
    for (size_t i = 0; i < out->run_n; i++) {
        if (!out->run[i].inserted) out->last = out->sources[next++];
        finish(out, normalizer, flags, out->run[i].code, out->last);
    }
    out->run_n = out->sources_n = 0;
}

static void hold_back(struct hone_normalized *out, int32_t code, uint8_t class, bool inserted) {
    hone_reserve(&out->run, &out->run_capacity, out->run_n + 1, sizeof *out->run, "combining characters");
    out->run[out->run_n++] = (struct hone_combining){code, class, inserted};
}

static void decompose(struct hone_normalized *out, const struct hone_bert_normalizer *normalizer, const uint8_t *flags,
                      int32_t code, struct hone_source from) {
    if (!(flags[code] & HONE_CODE_CANONICAL)) {
        if (out->run_n) flush(out, normalizer, flags);
        out->last = from;
        finish(out, normalizer, flags, code, from);
        return;
    }
    int32_t parts[4];
    int n = hone_unicode_decompose(parts, code);
    for (int i = 0; i < n; i++) {
        bool canonical = flags[parts[i]] & HONE_CODE_CANONICAL;
        uint8_t class = canonical ? (uint8_t)hone_unicode_combining_class(parts[i]) : 0;
        if (class == 0) {
            if (out->run_n) flush(out, normalizer, flags);
            if (i == 0) out->last = from;
            finish(out, normalizer, flags, parts[i], out->last);
            continue;
        }
        if (i == 0) {
            hone_reserve(&out->sources, &out->sources_capacity, out->sources_n + 1, sizeof *out->sources,
                         "combining characters");
            out->sources[out->sources_n++] = from;
        }
        hold_back(out, parts[i], class, i > 0);
    }
}

void hone_bert_normalize(struct hone_normalized *out, const struct hone_bert_normalizer *normalizer,
                         const uint8_t *flags, const char *text, size_t n, int32_t first) {
    void (*next)(struct hone_normalized *, const struct hone_bert_normalizer *, const uint8_t *, int32_t,
                 struct hone_source) = normalizer->strip_accents ? decompose : finish;
    out->n = out->run_n = out->sources_n = 0;
    out->last = (struct hone_source){0, 0};
    struct hone_source from = {first, first};
    for (size_t i = 0; i < n; from.begin = from.end) {
        int32_t code = hone_utf8_next(text, &i);
        from.end++;
        uint8_t flag = flags[code];
        if (normalizer->clean_text) {
            if (flag & HONE_CODE_CONTROL) continue;
            if (flag & HONE_CODE_WHITE) code = ' ';
        }
        bool apart = normalizer->handle_chinese_chars && (flag & HONE_CODE_IDEOGRAPH);
        if (apart) next(out, normalizer, flags, ' ', from);
        next(out, normalizer, flags, code, from);
        if (apart) next(out, normalizer, flags, ' ', from);
    }
    if (out->run_n) flush(out, normalizer, flags);
}
