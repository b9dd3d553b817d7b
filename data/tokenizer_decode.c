/* Decoding: of all ids at once, or as they come. */
#include <string.h>

#include "base/utf8.h"
#include "data/tokenizer_parts.h"

#define REPLACEMENT "\xEF\xBF\xBD" /* U+FFFD: what a part of a character decodes to */

enum hone_status hone_tokenizer_decode(char **out, const struct hone_tokenizer *tokenizer, const int32_t *ids, size_t n,
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
    enum hone_status status = hone_decode(out, &tokenizer->decoder, texts, kept);
    hone_free(texts);
    if (status != HONE_OK || !options->clean_up) return status;
    struct hone_text text = {.bytes = *out, .length = strlen(*out), .capacity = strlen(*out) + 1};
    hone_clean_up(&text, false);
    *out = text.bytes;
    return HONE_OK;
}

static enum hone_status decode_ids(char **out, const struct hone_decode_stream *stream, size_t begin, size_t end) {
    struct hone_decode_options options = {.skip_special = stream->skip_special};
    return hone_tokenizer_decode(out, stream->tokenizer, stream->ids + begin, end - begin, &options);
}

static bool is_whole(const char *text, size_t n) { return n < 3 || memcmp(text + n - 3, REPLACEMENT, 3) != 0; }

/* What an id adds is the text of all kept ones without that of those before it; ids are dropped once two steps lie
 * behind them, as in the reference. */
enum hone_status hone_decode_stream_next(const char **text, struct hone_decode_stream *stream, int32_t id) {
    hone_reserve(&stream->ids, &stream->capacity, stream->n + 1, sizeof *stream->ids, "decoding");
    stream->ids[stream->n++] = id;
    *text = "";
    char *all;
    HONE_TRY(decode_ids(&all, stream, 0, stream->n));
    size_t n = strlen(all);
    if (n <= stream->shown_n || !is_whole(all, n)) {
        hone_free(all);
        return HONE_OK;
    }
    hone_free(stream->text);
    stream->text = hone_strdup(all + stream->shown_n, "decoding");
    hone_free(all);
    *text = stream->text;
    memmove(stream->ids, stream->ids + stream->read, (stream->n - stream->read) * sizeof *stream->ids);
    stream->n -= stream->read;
    stream->read = stream->n;
    hone_free(stream->shown);
    HONE_TRY(decode_ids(&stream->shown, stream, 0, stream->n));
    stream->shown_n = strlen(stream->shown);
    return HONE_OK;
}

enum hone_status hone_decode_stream_end(char **text, struct hone_decode_stream *stream) {
    char *all;
    enum hone_status status = decode_ids(&all, stream, 0, stream->n);
    *text = NULL;
    if (status == HONE_OK) {
        *text = hone_strdup(strlen(all) > stream->shown_n ? all + stream->shown_n : "", "decoding");
        hone_free(all);
    }
    hone_free(stream->ids);
    hone_free(stream->shown);
    hone_free(stream->text);
    *stream = (struct hone_decode_stream){0};
    return status;
}
