/* BertNormalizer: clean_text, handle_chinese_chars, NFD without nonspacing marks, lowercase, in this order, as one pass
 * over the characters; only runs of combining characters are held back, to be sorted. */
#include <string.h>

#include "base/memory.h"
#include "base/utf8.h"
#include "data/normalizer.h"
#include "data/unicode.h"

/* After NFD: drops marks, lowers, appends. */
static void finish(struct hone_normalizing *work, const struct hone_bert_normalizer *normalizer,
                   const struct hone_unicode_flags *flags, int32_t code, struct hone_source from) {
    if (normalizer->strip_accents && (hone_code_flags(flags, code) & HONE_CODE_MARK)) return;
    if (normalizer->lowercase && (hone_code_flags(flags, code) & HONE_CODE_UPPER)) {
        int32_t lower[2];
        int n = hone_unicode_lower(lower, code);
        for (int i = 0; i < n; i++) hone_normalized_append(&work->next, lower[i], from);
        return;
    }
    hone_normalized_append(&work->next, code, from);
}

/* Gives out the waiting run. The reference counts replaced characters in order, so after sorting the k-th character
 * that isn't an insertion is aligned with the k-th source, whichever it came from; an insertion with the one before. */
static void flush(struct hone_normalizing *work, const struct hone_bert_normalizer *normalizer,
                  const struct hone_unicode_flags *flags) {
    hone_combining_sort(work);
    size_t next = 0;
    for (size_t i = 0; i < work->run_n; i++) {
        if (!work->run[i].inserted) work->last = work->sources[next++];
        finish(work, normalizer, flags, work->run[i].code, work->last);
    }
    work->run_n = work->sources_n = 0;
}

static void hold_back(struct hone_normalizing *work, int32_t code, uint8_t class, bool inserted) {
    hone_reserve(&work->run, &work->run_capacity, work->run_n + 1, sizeof *work->run, "combining characters");
    work->run[work->run_n++] = (struct hone_combining){code, class, inserted};
}

static void decompose(struct hone_normalizing *work, const struct hone_bert_normalizer *normalizer,
                      const struct hone_unicode_flags *flags, int32_t code, struct hone_source from) {
    if (!(hone_code_flags(flags, code) & HONE_CODE_CANONICAL)) {
        if (work->run_n) flush(work, normalizer, flags);
        work->last = from;
        finish(work, normalizer, flags, code, from);
        return;
    }
    int32_t parts[HONE_DECOMPOSITION];
    int n = hone_unicode_decompose(parts, code, 0);
    for (int i = 0; i < n; i++) {
        bool canonical = hone_code_flags(flags, parts[i]) & HONE_CODE_CANONICAL;
        uint8_t class = canonical ? (uint8_t)hone_unicode_combining_class(parts[i]) : 0;
        if (class == 0) {
            if (work->run_n) flush(work, normalizer, flags);
            if (i == 0) work->last = from;
            finish(work, normalizer, flags, parts[i], work->last);
            continue;
        }
        if (i == 0) {
            hone_reserve(&work->sources, &work->sources_capacity, work->sources_n + 1, sizeof *work->sources,
                         "combining characters");
            work->sources[work->sources_n++] = from;
        }
        hold_back(work, parts[i], class, i > 0);
    }
}

void hone_bert_normalize(struct hone_normalizing *work, const struct hone_bert_normalizer *normalizer) {
    void (*next)(struct hone_normalizing *, const struct hone_bert_normalizer *, const struct hone_unicode_flags *,
                 int32_t, struct hone_source) = normalizer->strip_accents ? decompose : finish;
    const struct hone_unicode_flags *flags = hone_unicode_flags();
    const struct hone_normalized *text = &work->text;
    work->next.n = work->run_n = work->sources_n = 0;
    work->next.first = text->first;
    work->last = (struct hone_source){text->first, text->first};
    for (size_t i = 0; i < text->n;) {
        struct hone_source from = text->from[i];
        int32_t code = hone_utf8_next(text->bytes, &i);
        uint16_t flag = hone_code_flags(flags, code);
        if (normalizer->clean_text) {
            if (flag & HONE_CODE_CONTROL) continue;
            if (flag & HONE_CODE_WHITE) code = ' ';
        }
        bool apart = normalizer->handle_chinese_chars && (flag & HONE_CODE_IDEOGRAPH);
        if (apart) next(work, normalizer, flags, ' ', from);
        next(work, normalizer, flags, code, from);
        if (apart) next(work, normalizer, flags, ' ', from);
    }
    if (work->run_n) flush(work, normalizer, flags);
    hone_normalizing_swap(work);
}
