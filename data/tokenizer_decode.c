/* Decoding: of all ids at once, or as they come. */
#include <string.h>

#include "base/utf8.h"
#include "data/tokenizer_parts.h"

#define REPLACEMENT "\xEF\xBF\xBD" /* U+FFFD: what a part of a character decodes to */

void hone_tokenizer_decode(struct hone_text *out, const struct hone_tokenizer *tokenizer, const int32_t *ids, size_t n,
                           const struct hone_decode_options *options) {
    const char **texts = hone_alloc(n, sizeof *texts, "decoding");
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        const char *text = hone_tokenizer_token(tokenizer, ids[i]);
        if (!text) continue;
        int32_t which = hone_trie_find(&tokenizer->added.texts, text, strlen(text));
        if (which >= 0) {
            const struct hone_added_token *token = &tokenizer->added.at[which];
            if (options->skip_special && token->skipped) continue;
            if (token->normalized) text = token->normalized_text;
        }
        texts[kept++] = text;
    }
    hone_decode(out, &tokenizer->decoder, texts, kept);
    hone_free(texts);
    if (options->clean_up) hone_clean_up(out, false);
}

void hone_tokenizer_join(struct hone_text *out, const struct hone_tokenizer *tokenizer, const char *const *tokens,
                         size_t n) {
    hone_decode(out, &tokenizer->decoder, tokens, n);
}

static void decode_ids(struct hone_text *out, const struct hone_decode_stream *stream) {
    struct hone_decode_options options = {.skip_special = stream->skip_special};
    hone_tokenizer_decode(out, stream->tokenizer, stream->ids, stream->n, &options);
}

static bool is_whole(const struct hone_text *text) {
    return text->length < 3 || memcmp(text->bytes + text->length - 3, REPLACEMENT, 3) != 0;
}

/* Where what was not shown begins. Bytes that were a character so far can be none with one more byte behind them, and the
 * text another one: then it goes on with the next character. */
static size_t not_shown(const struct hone_text *all, size_t shown) {
    if (shown > all->length) shown = all->length;
    while (shown < all->length && ((unsigned char)all->bytes[shown] & 0xC0) == 0x80) shown++;
    return shown;
}

/* What an id adds is the text of all kept ones without that of those before it; ids are dropped once two steps lie
 * behind them, as in the reference. */
void hone_decode_stream_next(const char **text, size_t *length, struct hone_decode_stream *stream, int32_t id) {
    hone_reserve(&stream->ids, &stream->capacity, stream->n + 1, sizeof *stream->ids, "decoding");
    stream->ids[stream->n++] = id;
    *text = "";
    *length = 0;
    struct hone_text all;
    decode_ids(&all, stream);
    if (all.length <= stream->shown || !is_whole(&all)) {
        hone_text_free(&all);
        return;
    }
    hone_text_free(&stream->text);
    stream->text = all;
    size_t from = not_shown(&all, stream->shown);
    *text = all.bytes + from;
    *length = all.length - from;
    memmove(stream->ids, stream->ids + stream->read, (stream->n - stream->read) * sizeof *stream->ids);
    stream->n -= stream->read;
    stream->read = stream->n;
    decode_ids(&all, stream);
    stream->shown = all.length;
    hone_text_free(&all);
}

void hone_decode_stream_end(struct hone_text *text, struct hone_decode_stream *stream) {
    struct hone_text all;
    decode_ids(&all, stream);
    *text = (struct hone_text){0};
    size_t shown = not_shown(&all, stream->shown);
    hone_text_append(text, all.bytes + shown, all.length - shown);
    hone_text_free(&all);
    hone_free(stream->ids);
    hone_text_free(&stream->text);
    *stream = (struct hone_decode_stream){0};
}
