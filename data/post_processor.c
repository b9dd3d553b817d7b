/* TemplateProcessing and BertProcessing, which is a template too: special tokens around the sequences, after truncation
 * by longest_first. */
#include <string.h>

#include "base/memory.h"
#include "data/encoding.h"
#include "data/tokenizer_parts.h"

void hone_template_add(struct hone_template *to, int32_t sequence, int32_t id, int32_t type_id, const char *text) {
    hone_reserve(&to->at, &to->capacity, to->n + 1, sizeof *to->at, "post-processor");
    to->at[to->n++] = (struct hone_template_piece){
        .sequence = sequence, .id = id, .type_id = type_id, .text = text ? hone_strdup(text, "post-processor") : NULL};
    to->added += sequence < 0;
}

void hone_template_bert(struct hone_tokenizer *tokenizer, const char *cls, int32_t cls_id, const char *sep,
                        int32_t sep_id) {
    for (int pair = 0; pair < 2; pair++) {
        struct hone_template *to = pair ? &tokenizer->pair : &tokenizer->single;
        hone_template_add(to, -1, cls_id, 0, cls);
        hone_template_add(to, 0, -1, 0, NULL);
        hone_template_add(to, -1, sep_id, 0, sep);
    }
    hone_template_add(&tokenizer->pair, 1, -1, 1, NULL);
    hone_template_add(&tokenizer->pair, -1, sep_id, 1, sep);
}

void hone_template_free(struct hone_template *of) {
    for (size_t i = 0; i < of->n; i++) hone_free(of->at[i].text);
    hone_free(of->at);
    *of = (struct hone_template){0};
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

static void put_sequence(struct hone_encoding *out, const struct hone_template_piece *piece, size_t n) {
    const struct hone_token *tokens = out->work->tokens[piece->sequence].at;
    size_t base = out->n;
    for (size_t i = 0; i < n; i++) {
        out->ids[base + i] = tokens[i].id;
        out->type_ids[base + i] = piece->type_id;
        out->starts[base + i] = tokens[i].begin;
        out->ends[base + i] = tokens[i].end;
        out->word_ids[base + i] = tokens[i].word;
        out->sequence_ids[base + i] = (int8_t)piece->sequence;
        out->special[base + i] = false;
        out->work->surfaces[base + i] = tokens[i].surface;
    }
    out->n += n;
}

enum hone_status hone_post_process(struct hone_encoding *out, const struct hone_tokenizer *tokenizer, size_t max_length,
                                   bool add_special, bool pair) {
    const struct hone_template *template = pair ? &tokenizer->pair : &tokenizer->single;
    struct hone_encoding_work *work = out->work;
    size_t added = add_special ? template->added : 0;
    size_t kept[2] = {work->tokens[0].n, pair ? work->tokens[1].n : 0};
    out->n = 0;
    out->untruncated = kept[0] + work->beyond[0] + kept[1] + (pair ? work->beyond[1] : 0) + added;
    if (max_length) {
        if (max_length < added)
            return hone_fail(HONE_USAGE, "max_length %zu has no room for the %zu special tokens", max_length, added);
        if (pair)
            truncate_longest_first(&kept[0], &kept[1], max_length - added);
        else if (kept[0] > max_length - added)
            kept[0] = max_length - added;
    }
    reserve(out, kept[0] + kept[1] + added);
    work->template = template;
    for (size_t i = 0; i < template->n; i++) {
        const struct hone_template_piece *piece = &template->at[i];
        if (piece->sequence >= 0)
            put_sequence(out, piece, kept[piece->sequence]);
        else if (add_special)
            put_special(out, piece, (int32_t)i);
    }
    return HONE_OK;
}
