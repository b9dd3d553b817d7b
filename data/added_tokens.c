/* Tokens that are looked for in the text itself, before the model sees it: leftmost, then longest. */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/utf8.h"
#include "data/tokenizer_parts.h"
#include "data/unicode.h"

static void normalize_text(struct hone_added_token *token, const struct hone_normalizer *normalizer,
                           struct hone_normalizing *scratch) {
    hone_normalize(scratch, normalizer, token->text, token->n, 0);
    token->normalized_text = hone_strndup(scratch->text.n ? scratch->text.bytes : "", scratch->text.n, "added token");
}

/* By what they are in the text; of the same ones special ones come first, then the earlier one. The reference takes any of
 * them, another one in each process. */
static int compare_keys(const void *a, const void *b, void *tokens) {
    const struct hone_trie_key *x = a, *y = b;
    const struct hone_added_token *all = tokens;
    int order = strcmp(x->bytes, y->bytes), special = all[y->value].special - all[x->value].special;
    return order ? order : special ? special : x->value - y->value;
}

/* The trie of what is looked for, in raw or in normalised text. Of those that are the same there the first one is. */
static void build(struct hone_trie *out, bool begins[256], const struct hone_added_tokens *added, bool normalized) {
    struct hone_trie_key *keys = hone_alloc(added->n, sizeof *keys, "added tokens");
    size_t n = 0, kept = 0;
    for (size_t i = 0; i < added->n; i++) {
        const struct hone_added_token *token = &added->at[i];
        if (token->normalized != normalized) continue;
        const char *text = normalized ? token->normalized_text : token->text;
        keys[n++] = (struct hone_trie_key){text, (uint32_t)strlen(text), (int32_t)i};
        begins[(unsigned char)text[0]] = true;
    }
    if (n) qsort_r(keys, n, sizeof *keys, compare_keys, added->at);
    for (size_t i = 0; i < n; i++)
        if (kept == 0 || strcmp(keys[kept - 1].bytes, keys[i].bytes) != 0) keys[kept++] = keys[i];
    int32_t twice[2];
    HONE_CHECK(hone_trie_build(out, keys, kept, twice), "added tokens %d and %d", twice[0], twice[1]);
    hone_free(keys);
}

static bool build_texts(struct hone_trie *out, const struct hone_added_tokens *added, int32_t duplicate[2]) {
    struct hone_trie_key *keys = hone_alloc(added->n, sizeof *keys, "added tokens");
    for (size_t i = 0; i < added->n; i++)
        keys[i] = (struct hone_trie_key){added->at[i].text, added->at[i].n, (int32_t)i};
    bool unique = hone_trie_build(out, keys, added->n, duplicate);
    hone_free(keys);
    return unique;
}

enum hone_status hone_added_tokens_finish(struct hone_added_tokens *added, const struct hone_normalizer *normalizer,
                                          const char *where) {
    struct hone_normalizing scratch = {0};
    for (size_t i = 0; i < added->n; i++)
        if (added->at[i].normalized) normalize_text(&added->at[i], normalizer, &scratch);
    hone_normalizing_free(&scratch);
    for (size_t i = 0; i < added->n; i++)
        if (added->at[i].normalized && !*added->at[i].normalized_text)
            return hone_fail(HONE_BAD_INPUT, "%s[%zu]: nothing is left of its content after normalisation", where, i);
    int32_t twice[2];
    if (!build_texts(&added->texts, added, twice))
        return hone_fail(HONE_BAD_INPUT, "%s[%d]: the same content as %s[%d]", where, twice[1], where, twice[0]);
    build(&added->raw, added->raw_begins, added, false);
    build(&added->normalized, added->normalized_begins, added, true);
    added->raw_only_begin = -1;
    int begins = 0;
    for (int byte = 0; byte < 256; byte++)
        if (added->raw_begins[byte]) {
            begins++;
            added->raw_only_begin = byte;
        }
    if (begins != 1) added->raw_only_begin = -1;
    for (size_t i = 0; i < added->n; i++) {
        struct hone_added_token *token = &added->at[i];
        const char *shown = token->normalized ? token->normalized_text : token->text;
        int32_t same = hone_trie_find(&added->texts, shown, strlen(shown));
        token->skipped = same >= 0 && added->at[same].special;
    }
    return HONE_OK;
}

static int32_t code_before(const char *text, size_t at) {
    size_t i = at - 1;
    while ((text[i] & 0xC0) == 0x80) i--;
    return hone_utf8_next(text, &i);
}

static int32_t code_at(const char *text, size_t at) { return hone_utf8_next(text, &at); }

static bool stands_alone(const struct hone_unicode_flags *flags, const char *text, size_t n, size_t begin, size_t end) {
    if (begin > 0 && (hone_code_flags(flags, code_before(text, begin)) & HONE_CODE_WORD)) return false;
    return end == n || !(hone_code_flags(flags, code_at(text, end)) & HONE_CODE_WORD);
}

static size_t skip_white_back(const struct hone_unicode_flags *flags, const char *text, size_t at, size_t floor) {
    while (at > floor && (hone_code_flags(flags, code_before(text, at)) & HONE_CODE_WHITE)) {
        at--;
        while ((text[at] & 0xC0) == 0x80) at--;
    }
    return at;
}

static size_t skip_white(const struct hone_unicode_flags *flags, const char *text, size_t n, size_t at) {
    while (at < n) {
        size_t next = at;
        if (!(hone_code_flags(flags, hone_utf8_next(text, &next)) & HONE_CODE_WHITE)) break;
        at = next;
    }
    return at;
}

static void add_piece(struct hone_pieces *out, size_t begin, size_t end, int32_t added) {
    hone_reserve(&out->at, &out->capacity, out->n + 1, sizeof *out->at, "pieces of a text");
    out->at[out->n++] = (struct hone_piece){begin, end, added};
}

void hone_added_tokens_split(struct hone_pieces *out, const struct hone_added_tokens *added, bool normalized,
                             const char *text, size_t n) {
    const struct hone_unicode_flags *flags = hone_unicode_flags();
    const struct hone_trie *trie = normalized ? &added->normalized : &added->raw;
    const bool *begins = normalized ? added->normalized_begins : added->raw_begins;
    int only = normalized ? -1 : added->raw_only_begin;
    size_t done = 0, white_begin = 0, white_end = 0;
    out->n = 0;
    for (size_t i = 0; trie->nodes && i < n;) {
        if (only >= 0) {
            const char *found = memchr(text + i, only, n - i);
            if (!found) break;
            i = (size_t)(found - text);
        } else if (!begins[(unsigned char)text[i]]) {
            i++;
            continue;
        }
        size_t length;
        int32_t which = hone_trie_longest(&length, trie, 0, text + i, n - i);
        if (which < 0) {
            i++;
            continue;
        }
        size_t begin = i, end = i + length;
        i = end; /* the next match may begin inside what rstrip takes, as in the reference */
        const struct hone_added_token *token = &added->at[which];
        if (token->single_word && !stands_alone(flags, text, n, begin, end)) continue;
        if (token->lstrip) begin = begin > done ? skip_white_back(flags, text, begin, done) : done;
        if (token->rstrip) {
            /* Tokens inside one stretch of spaces must not each walk through all of it. */
            if (end < white_begin || end >= white_end) {
                white_begin = end;
                white_end = skip_white(flags, text, n, end);
            }
            end = white_end;
        }
        if (done < begin) add_piece(out, done, begin, -1);
        if (begin < end) add_piece(out, begin, end, which); /* else it lies in what the token before took */
        done = end;
    }
    if (done != n) add_piece(out, done, n, -1);
}

void hone_added_tokens_free(struct hone_added_tokens *added) {
    for (size_t i = 0; i < added->n; i++) {
        hone_free(added->at[i].text);
        hone_free(added->at[i].normalized_text);
    }
    hone_free(added->at);
    hone_trie_free(&added->texts);
    hone_trie_free(&added->raw);
    hone_trie_free(&added->normalized);
    *added = (struct hone_added_tokens){0};
}
