/* TemplateProcessing, and BertProcessing and RobertaProcessing, which are templates too: special tokens around the
 * sequences, after truncation into windows. */
#include <string.h>

#include "base/memory.h"
#include "base/utf8.h"
#include "data/byte_level.h"
#include "data/encoding.h"
#include "data/unicode.h"

void hone_template_add(struct hone_template *to, int32_t sequence, int32_t id, int32_t type_id, const char *text) {
    hone_reserve(&to->at, &to->capacity, to->n + 1, sizeof *to->at, "post-processor");
    to->at[to->n++] = (struct hone_template_piece){
        .sequence = sequence, .id = id, .type_id = type_id, .text = text ? hone_strdup(text, "post-processor") : NULL};
    to->added += sequence < 0;
}

void hone_template_bert(struct hone_post_processor *to, const char *cls, int32_t cls_id, const char *sep,
                        int32_t sep_id, bool roberta) {
    to->roberta = roberta;
    for (int pair = 0; pair < 2; pair++) {
        struct hone_template *template = pair ? &to->pair : &to->single;
        hone_template_add(template, -1, cls_id, 0, cls);
        hone_template_add(template, 0, -1, 0, NULL);
        hone_template_add(template, -1, sep_id, 0, sep);
    }
    if (roberta) hone_template_add(&to->pair, -1, sep_id, 0, sep);
    hone_template_add(&to->pair, 1, -1, !roberta, NULL);
    hone_template_add(&to->pair, -1, sep_id, !roberta, sep);
}

void hone_template_free(struct hone_template *of) {
    for (size_t i = 0; i < of->n; i++) hone_free(of->at[i].text);
    hone_free(of->at);
    *of = (struct hone_template){0};
}

/* Spaces, byte-level ones included, at both ends of a token's text. */
static void count_spaces(size_t *leading, size_t *trailing, const char *text, size_t n) {
    const struct hone_unicode_flags *flags = hone_unicode_flags();
    size_t run = 0;
    bool only = true;
    *leading = 0;
    for (size_t i = 0; i < n;) {
        int32_t code = hone_utf8_next(text, &i);
        bool space = code == hone_byte_level_code(' ') || (hone_code_flags(flags, code) & HONE_CODE_WHITE);
        run = space ? run + 1 : 0;
        only &= space;
        if (only) (*leading)++;
    }
    *trailing = run;
}

void hone_post_processor_finish(struct hone_post_processor *post_processor, const struct hone_vocabulary *vocabulary,
                                int32_t size) {
    if (!post_processor->given) { /* the sequences alone */
        hone_template_add(&post_processor->single, 0, -1, 0, NULL);
        hone_template_add(&post_processor->pair, 0, -1, 0, NULL);
        hone_template_add(&post_processor->pair, 1, -1, 1, NULL);
    }
    if (!post_processor->trims) return;
    post_processor->leading = hone_calloc((size_t)size, sizeof *post_processor->leading, "post-processor");
    post_processor->trailing = hone_calloc((size_t)size, sizeof *post_processor->trailing, "post-processor");
    for (int32_t id = 0; id < size; id++) {
        size_t leading, trailing;
        if (!vocabulary->texts[id]) continue;
        count_spaces(&leading, &trailing, vocabulary->texts[id], strlen(vocabulary->texts[id]));
        post_processor->leading[id] = (uint32_t)leading;
        post_processor->trailing[id] = (uint32_t)trailing;
    }
}

void hone_post_processor_free(struct hone_post_processor *post_processor) {
    hone_template_free(&post_processor->single);
    hone_template_free(&post_processor->pair);
    hone_free(post_processor->leading);
    hone_free(post_processor->trailing);
}

/* longest_first: a and b become how many tokens of each sequence stay, together at most `room`. */
static void truncate_longest_first(size_t *a, size_t *b, size_t room) {
    if (*a + *b <= room) return;
    size_t shorter = *a <= *b ? *a : *b, longer;
    longer = shorter > room || room - shorter < shorter ? shorter : room - shorter;
    if (shorter + longer > room) {
        shorter = room / 2;
        longer = shorter + room % 2;
    }
    bool swapped = *a > *b;
    *a = swapped ? longer : shorter;
    *b = swapped ? shorter : longer;
}

static enum hone_status truncate_one(size_t *kept, size_t excess, const char *which) {
    if (*kept > excess) {
        *kept -= excess;
        return HONE_OK;
    }
    return hone_fail(HONE_USAGE, "the %s sequence has %zu tokens, but %zu would have to go for max_length", which,
                     *kept, excess);
}

/* kept: tokens of each sequence, becomes those of its windows. */
static enum hone_status truncate(size_t kept[2], const struct hone_encode_options *options, size_t added, bool pair) {
    if (options->max_length < added)
        return hone_fail(HONE_USAGE, "max_length %zu has no room for the %zu special tokens", options->max_length,
                         added);
    size_t room = options->max_length - added, all = kept[0] + kept[1];
    if (all <= room) return HONE_OK;
    if (room == 0) {
        kept[0] = kept[1] = 0;
        return HONE_OK;
    }
    if (options->truncation == HONE_ONLY_FIRST) return truncate_one(&kept[0], all - room, "first");
    if (options->truncation == HONE_ONLY_SECOND) {
        if (!pair) return hone_fail(HONE_USAGE, "only the second sequence may be truncated, but there is none");
        return truncate_one(&kept[1], all - room, "second");
    }
    if (pair)
        truncate_longest_first(&kept[0], &kept[1], room);
    else
        kept[0] = room;
    return HONE_OK;
}

/* Windows of n tokens, `kept` each, that a sequence takes; what the k-th is. */
static size_t window_count(size_t n, size_t kept, size_t stride) {
    if (kept >= n) return 1;
    if (kept == 0) return 2; /* nothing, and all of it */
    return 1 + (n - kept + (kept - stride) - 1) / (kept - stride);
}
static void place_window(struct hone_window *window, int sequence, size_t k, size_t n, size_t kept, size_t stride) {
    size_t begin = kept && kept < n ? k * (kept - stride) : 0, end = begin + kept;
    if (kept == 0) end = k * n;
    window->begin[sequence] = begin;
    window->end[sequence] = end < n ? end : n;
    window->further[sequence] = k > 0;
}

/* The sequence that the template has first. */
static int leading_sequence(const struct hone_template *template) {
    size_t i = 0;
    while (template->at[i].sequence < 0) i++;
    return template->at[i].sequence;
}

static void cut_windows(struct hone_encoding_work *work, const size_t kept[2], size_t stride, bool pair) {
    int lead = leading_sequence(work->template), other = 1 - lead;
    size_t n[2] = {work->tokens[0].n, pair ? work->tokens[1].n : 0}, counts[2];
    for (int s = 0; s < 2; s++) counts[s] = window_count(n[s], kept[s], stride);
    size_t all = counts[0] * counts[1];
    hone_reserve(&work->windows, &work->windows_capacity, all, sizeof *work->windows, "windows");
    work->windows_n = all;
    /* The first; further ones of the leading sequence with each of the other; the first one's with the other's. */
    for (size_t i = 0; i < all; i++) {
        size_t k = i == 0 ? 0 : i + counts[other] - 1, a = k / counts[other], b = k % counts[other];
        if (a == counts[lead]) {
            a = 0;
            b++;
        }
        place_window(&work->windows[i], lead, a, n[lead], kept[lead], stride);
        place_window(&work->windows[i], other, b, n[other], kept[other], stride);
    }
}

static void reserve(struct hone_encoding *out, size_t n) {
    if (n <= out->capacity) return;
    size_t capacity = out->capacity;
    hone_reserve(&out->ids, &capacity, n, sizeof *out->ids, "tokens");
    out->type_ids = hone_realloc(out->type_ids, capacity, sizeof *out->type_ids, "tokens");
    out->starts = hone_realloc(out->starts, capacity, sizeof *out->starts, "tokens");
    out->ends = hone_realloc(out->ends, capacity, sizeof *out->ends, "tokens");
    out->word_ids = hone_realloc(out->word_ids, capacity, sizeof *out->word_ids, "tokens");
    out->sequence_ids = hone_realloc(out->sequence_ids, capacity, sizeof *out->sequence_ids, "tokens");
    out->special = hone_realloc(out->special, capacity, sizeof *out->special, "tokens");
    out->work->surfaces = hone_realloc(out->work->surfaces, capacity, sizeof *out->work->surfaces, "tokens");
    out->capacity = capacity;
}

static void put_special(struct hone_encoding *out, const struct hone_template_piece *piece, int32_t number) {
    size_t i = out->n++;
    out->ids[i] = piece->id;
    out->type_ids[i] = piece->type_id;
    out->starts[i] = out->ends[i] = 0;
    out->word_ids[i] = out->sequence_ids[i] = -1;
    out->special[i] = true;
    out->work->surfaces[i] = -2 - number;
}

/* ByteLevel's: spaces that belong to a token don't belong to its offsets, but for the one that was put before the text. */
static void trim(struct hone_encoding *out, const struct hone_post_processor *post, size_t base, size_t n) {
    for (size_t i = 0; i < n; i++) {
        size_t leading = post->leading[out->ids[base + i]], trailing = post->trailing[out->ids[base + i]];
        int64_t surface = out->work->surfaces[base + i];
        if (surface >= 0) {
            size_t length;
            const char *text = hone_surface_text(&out->work->matched, surface, &length);
            count_spaces(&leading, &trailing, text, length);
        }
        int32_t *start = &out->starts[base + i], *end = &out->ends[base + i];
        if (leading == 1 && post->trims_prefix_space && (i == 0 || *start == 0)) leading = 0;
        *start = *start + (int32_t)leading < *end ? *start + (int32_t)leading : *end;
        if (trailing && *end >= (int32_t)trailing)
            *end = *end - (int32_t)trailing > *start ? *end - (int32_t)trailing : *start;
    }
}

/* The template's types are those of the first window of a sequence; in further ones the reference leaves what it encoded
 * with, 0 and 1, but for RobertaProcessing with its special tokens. */
static int32_t type_of(const struct hone_encoding_work *work, const struct hone_post_processor *post,
                       const struct hone_template_piece *piece, const struct hone_window *window) {
    bool kept = window->further[piece->sequence] && !(post->roberta && work->add_special);
    return kept ? piece->sequence : piece->type_id;
}

static void put_sequence(struct hone_encoding *out, const struct hone_tokenizer *tokenizer,
                         const struct hone_template_piece *piece, const struct hone_window *window) {
    const struct hone_token *tokens = out->work->tokens[piece->sequence].at + window->begin[piece->sequence];
    size_t base = out->n, n = window->end[piece->sequence] - window->begin[piece->sequence];
    int32_t type = type_of(out->work, &tokenizer->post_processor, piece, window);
    for (size_t i = 0; i < n; i++) {
        out->ids[base + i] = tokens[i].id;
        out->type_ids[base + i] = type;
        out->starts[base + i] = tokens[i].begin;
        out->ends[base + i] = tokens[i].end;
        out->word_ids[base + i] = tokens[i].word;
        out->sequence_ids[base + i] = (int8_t)piece->sequence;
        out->special[base + i] = false;
        out->work->surfaces[base + i] = tokens[i].surface;
    }
    out->n += n;
    if (tokenizer->post_processor.trims) trim(out, &tokenizer->post_processor, base, n);
}

size_t hone_encoding_windows(const struct hone_encoding *encoding) { return encoding->work->windows_n; }

void hone_encoding_show(struct hone_encoding *encoding, const struct hone_tokenizer *tokenizer, size_t i) {
    struct hone_encoding_work *work = encoding->work;
    HONE_CHECK(i < work->windows_n, "window %zu of %zu", i, work->windows_n);
    const struct hone_window *window = &work->windows[i];
    encoding->n = 0;
    reserve(encoding, window->end[0] - window->begin[0] + window->end[1] - window->begin[1] + work->template->added);
    for (size_t k = 0; k < work->template->n; k++) {
        const struct hone_template_piece *piece = &work->template->at[k];
        if (piece->sequence >= 0)
            put_sequence(encoding, tokenizer, piece, window);
        else if (work->add_special)
            put_special(encoding, piece, (int32_t)k);
    }
}

enum hone_status hone_post_process(struct hone_encoding *out, const struct hone_tokenizer *tokenizer,
                                   const struct hone_encode_options *options, bool pair) {
    struct hone_encoding_work *work = out->work;
    work->template = pair ? &tokenizer->post_processor.pair : &tokenizer->post_processor.single;
    work->add_special = options->add_special;
    if (!pair) work->tokens[1].n = 0;
    size_t added = options->add_special ? work->template->added : 0, n[2], kept[2];
    bool cut = false;
    out->untruncated = added;
    for (int s = 0; s < 2; s++) {
        n[s] = s && !pair ? 0 : work->tokens[s].n;
        kept[s] = n[s] < work->known[s] || (s && !pair) ? n[s] : work->known[s];
        out->untruncated += n[s];
    }
    if (options->max_length) {
        size_t known[2] = {kept[0], kept[1]};
        HONE_TRY(truncate(kept, options, added, pair));
        for (int s = 0; s < 2; s++) {
            if (kept[s] == known[s] && known[s] == n[s]) continue;
            cut = true;
            if (kept[s] && options->stride >= kept[s])
                return hone_fail(HONE_USAGE, "a stride of %zu needs windows of more tokens; max_length %zu leaves %zu",
                                 options->stride, options->max_length, kept[s]);
        }
    }
    cut_windows(work, kept, cut ? options->stride : 0, pair);
    hone_encoding_show(out, tokenizer, 0);
    return HONE_OK;
}
