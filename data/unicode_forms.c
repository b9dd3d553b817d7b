/* NFC, NFD, NFKC, NFKD (Unicode Standard Annex 15): decomposition, canonical order, composition, as one stream of
 * characters with the reference's account of which of them replace one of the text. */
#include <string.h>

#include "base/memory.h"
#include "base/utf8.h"
#include "data/normalizer.h"
#include "data/unicode.h"

#define REMEMBERED 64 /* runs up to here are sorted by insertion */

void hone_combining_sort(struct hone_normalizing *work) {
    struct hone_combining *run = work->run;
    size_t n = work->run_n;
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
    hone_reserve(&work->sorted, &work->sorted_capacity, n, sizeof *work->sorted, "combining characters");
    for (size_t i = 0; i < n; i++) work->sorted[begins[run[i].class]++] = run[i];
    memcpy(run, work->sorted, n * sizeof *run);
}

/* Where decomposed characters go: straight on, or through composition. */
struct sink {
    struct hone_rewrite rewrite;
    bool compose;
    bool has_starter, blocked; /* a starter waits to be composed with; characters wait behind it */
    int32_t starter;
    int64_t change;
    uint8_t last_class;
    struct waiting {
        int32_t code;
        int64_t change;
    } * waiting;
    size_t n, capacity;
};

static void purge(struct sink *sink) {
    if (sink->has_starter) hone_rewrite_put(&sink->rewrite, sink->starter, sink->change);
    for (size_t i = 0; i < sink->n; i++)
        hone_rewrite_put(&sink->rewrite, sink->waiting[i].code, sink->waiting[i].change);
    sink->n = 0;
    sink->has_starter = sink->blocked = false;
}

static void wait_behind(struct sink *sink, int32_t code, uint8_t class, int64_t change) {
    hone_reserve(&sink->waiting, &sink->capacity, sink->n + 1, sizeof *sink->waiting, "combining characters");
    sink->waiting[sink->n++] = (struct waiting){code, change};
    sink->blocked = true;
    sink->last_class = class;
}

static void put(struct sink *sink, int32_t code, uint8_t class, int64_t change) {
    if (!sink->compose || (!sink->has_starter && class != 0)) {
        hone_rewrite_put(&sink->rewrite, code, change);
        return;
    }
    if (sink->has_starter && !(sink->blocked && sink->last_class >= class)) {
        int32_t composed = hone_unicode_compose(sink->starter, code);
        if (composed >= 0) {
            sink->starter = composed;
            sink->change += change - 1;
            return;
        }
    }
    if (class != 0) {
        wait_behind(sink, code, class, change);
        return;
    }
    purge(sink);
    sink->has_starter = true;
    sink->starter = code;
    sink->change = change;
}

static void flush(struct hone_normalizing *work, struct sink *sink) {
    hone_combining_sort(work);
    for (size_t i = 0; i < work->run_n; i++) put(sink, work->run[i].code, work->run[i].class, work->run[i].inserted);
    work->run_n = 0;
}

static void add(struct hone_normalizing *work, struct sink *sink, const struct hone_unicode_flags *flags, int32_t code,
                bool inserted) {
    bool canonical = hone_code_flags(flags, code) & HONE_CODE_CANONICAL;
    uint8_t class = canonical ? (uint8_t)hone_unicode_combining_class(code) : 0;
    if (class == 0) {
        if (work->run_n) flush(work, sink);
        put(sink, code, 0, inserted);
        return;
    }
    hone_reserve(&work->run, &work->run_capacity, work->run_n + 1, sizeof *work->run, "combining characters");
    work->run[work->run_n++] = (struct hone_combining){code, class, inserted};
}

void hone_normalize_form(struct hone_normalizing *work, bool compatible, bool compose) {
    const struct hone_unicode_flags *flags = hone_unicode_flags();
    const uint16_t decomposes = HONE_CODE_CANONICAL | (compatible ? HONE_CODE_COMPATIBLE : 0);
    const uint16_t concerned = decomposes | (compose ? HONE_CODE_COMPOSING : 0);
    const struct hone_normalized *text = &work->text;
    bool changes = false;
    for (size_t i = 0; i < text->n && !changes;)
        changes = hone_code_flags(flags, hone_utf8_next(text->bytes, &i)) & concerned;
    if (!changes) return;
    struct sink sink = {.compose = compose};
    hone_rewrite_begin(&sink.rewrite, &work->next, text, 0);
    work->run_n = 0;
    for (size_t i = 0; i < text->n;) {
        int32_t code = hone_utf8_next(text->bytes, &i);
        if (!(hone_code_flags(flags, code) & decomposes)) {
            add(work, &sink, flags, code, false);
            continue;
        }
        int32_t parts[HONE_DECOMPOSITION];
        int n = hone_unicode_decompose(parts, code, compatible);
        for (int k = 0; k < n; k++) add(work, &sink, flags, parts[k], k > 0);
    }
    if (work->run_n) flush(work, &sink);
    purge(&sink);
    hone_free(sink.waiting);
    hone_rewrite_end(&sink.rewrite);
    hone_normalizing_swap(work);
}
