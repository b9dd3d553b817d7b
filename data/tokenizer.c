/* Tokenizers: opening, the way of a text to its tokens, decoding. ASCII goes a quick way, word by word straight from the
 * text; what holds other characters is normalised first, a stretch between ASCII spaces or punctuation at a time, which
 * no normalisation reaches across. */
#include "data/tokenizer.h"

#include <string.h>

#include "base/io.h"
#include "base/memory.h"
#include "base/utf8.h"
#include "data/encoding.h"
#include "data/tokenizer_parts.h"
#include "data/unicode.h"

/* One text being encoded. */
struct pass {
    const struct hone_tokenizer *tokenizer;
    struct hone_encoding_work *work;
    struct hone_tokens *tokens;
    size_t *beyond;     /* tokens that were only counted */
    int32_t word;       /* of the next word */
    bool given;         /* words are given: `word` stays */
    size_t max_length;  /* SIZE_MAX: no truncation */
    size_t reference_n; /* SIZE_MAX until the reference would stop */
};

void hone_tokens_reserve(struct hone_tokens *tokens, size_t n) {
    if (tokens->n + n > tokens->capacity)
        hone_reserve(&tokens->at, &tokens->capacity, tokens->n + n, sizeof *tokens->at, "tokens");
}

/* After the tokens of a word or of an added token: those behind the place where the reference stops are only counted. */
static void end_tokens(struct pass *pass) {
    if (!pass->given) pass->word++;
    if (pass->tokens->n > pass->reference_n) {
        *pass->beyond += pass->tokens->n - pass->reference_n;
        pass->tokens->n = pass->reference_n;
    }
}

static void end_word(struct pass *pass) {
    end_tokens(pass);
    if (pass->tokens->n >= pass->max_length && pass->reference_n == SIZE_MAX) pass->reference_n = pass->tokens->n;
}

/* A word whose bytes are characters `first`, first + 1, … of the text. */
static void add_ascii_word(struct pass *pass, const char *word, size_t n, int32_t first) {
    struct hone_tokens *tokens = pass->tokens;
    size_t i = tokens->n;
    pass->tokenizer->model->tokenize(tokens, pass->tokenizer->model, word, n);
    for (; i < tokens->n; i++) {
        tokens->at[i].begin += first;
        tokens->at[i].end += first;
        tokens->at[i].word = pass->word;
    }
    end_word(pass);
}

static void add_normalized_word(struct pass *pass, size_t begin, size_t end) {
    const struct hone_normalized *text = &pass->work->normalized;
    struct hone_tokens *tokens = pass->tokens;
    if (begin == end) return;
    size_t i = tokens->n;
    pass->tokenizer->model->tokenize(tokens, pass->tokenizer->model, text->bytes + begin, end - begin);
    for (; i < tokens->n; i++) {
        struct hone_token *token = &tokens->at[i];
        token->begin = text->begins[begin + (size_t)token->begin];
        token->end = text->ends[begin + (size_t)token->end - 1];
        token->word = pass->word;
    }
    end_word(pass);
}

/* Words of normalised text: BertPreTokenizer drops white space and sets punctuation apart. */
static void add_normalized_words(struct pass *pass, size_t begin, size_t end) {
    const struct hone_normalized *text = &pass->work->normalized;
    const uint8_t *flags = pass->tokenizer->flags;
    if (!pass->tokenizer->bert_pre_tokenizer) {
        add_normalized_word(pass, begin, end);
        return;
    }
    size_t word = begin;
    for (size_t i = begin; i < end;) {
        size_t at = i;
        uint8_t flag = flags[hone_utf8_next(text->bytes, &i)];
        if (!(flag & (HONE_CODE_WHITE | HONE_CODE_PUNCTUATION))) continue;
        add_normalized_word(pass, word, at);
        if (!(flag & HONE_CODE_WHITE)) add_normalized_word(pass, at, i);
        word = i;
    }
    add_normalized_word(pass, word, end);
}

static void add_added_token(struct pass *pass, int32_t which, const char *matched, size_t n, int32_t begin,
                            int32_t end) {
    const struct hone_added_token *token = &pass->tokenizer->added.at[which];
    struct hone_text *texts = &pass->work->matched;
    hone_tokens_reserve(pass->tokens, 1);
    int64_t surface = -1;
    if (n != token->n || memcmp(matched, token->text, n) != 0) {
        surface = (int64_t)texts->length;
        hone_text_append(texts, matched, n);
        hone_text_append(texts, "", 1);
    }
    pass->tokens->at[pass->tokens->n++] = (struct hone_token){token->id, begin, end, pass->word, surface};
    end_tokens(pass);
}

/* Text without raw added tokens, the long way. `first`: the character that it begins with. */
static void add_other_text(struct pass *pass, const char *text, size_t n, int32_t first) {
    const struct hone_tokenizer *tokenizer = pass->tokenizer;
    struct hone_normalized *normalized = &pass->work->normalized;
    hone_bert_normalize(normalized, &tokenizer->normalizer, tokenizer->flags, text, n, first);
    if (!tokenizer->added.normalized.nodes) {
        add_normalized_words(pass, 0, normalized->n);
        return;
    }
    hone_added_tokens_split(&pass->work->inner, &tokenizer->added, true, tokenizer->flags, normalized->bytes,
                            normalized->n);
    for (size_t i = 0; i < pass->work->inner.n; i++) {
        struct hone_piece piece = pass->work->inner.at[i];
        if (piece.added < 0)
            add_normalized_words(pass, piece.begin, piece.end);
        else
            add_added_token(pass, piece.added, normalized->bytes + piece.begin, piece.end - piece.begin,
                            normalized->begins[piece.begin], normalized->ends[piece.end - 1]);
    }
}

/* The quick way. */
static void add_text(struct pass *pass, const char *text, size_t n, int32_t first) {
    const struct hone_tokenizer *tokenizer = pass->tokenizer;
    const unsigned char *bytes = (const unsigned char *)text;
    const uint8_t *kinds = tokenizer->kinds;
    struct hone_encoding_work *work = pass->work;
    for (size_t i = 0; i < n;) {
        uint8_t kind = kinds[bytes[i]];
        size_t begin = i;
        if (kind == HONE_BYTE_SPACE) {
            i++;
        } else if (kind == HONE_BYTE_PUNCTUATION) {
            i++;
            add_ascii_word(pass, text + begin, 1, first + (int32_t)begin);
        } else {
            while (i < n && kinds[bytes[i]] == HONE_BYTE_WORD) i++;
            if (i == n || kinds[bytes[i]] != HONE_BYTE_OTHER) {
                if (i - begin > work->word_capacity)
                    hone_reserve(&work->word, &work->word_capacity, i - begin, 1, "a word");
                for (size_t j = begin; j < i; j++) work->word[j - begin] = tokenizer->lower[bytes[j]];
                add_ascii_word(pass, work->word, i - begin, first + (int32_t)begin);
                continue;
            }
            int32_t continuations = 0;
            for (; i < n && (kinds[bytes[i]] == HONE_BYTE_WORD || kinds[bytes[i]] == HONE_BYTE_OTHER); i++)
                continuations += (bytes[i] & 0xC0) == 0x80;
            add_other_text(pass, text + begin, i - begin, first + (int32_t)begin);
            first -= continuations;
        }
    }
}

static int32_t count_characters(const char *text, size_t n) {
    int32_t count = 0;
    for (size_t i = 0; i < n; i++) count += (text[i] & 0xC0) != 0x80;
    return count;
}

static void encode_text(struct pass *pass, const char *text, size_t n) {
    const struct hone_tokenizer *tokenizer = pass->tokenizer;
    bool quick = tokenizer->bert_pre_tokenizer && !tokenizer->added.normalized.nodes;
    struct hone_pieces *pieces = &pass->work->raw;
    hone_added_tokens_split(pieces, &tokenizer->added, false, tokenizer->flags, text, n);
    size_t at = 0;
    int32_t character = 0;
    for (size_t i = 0; i < pieces->n; i++) {
        struct hone_piece piece = pieces->at[i];
        /* Pieces follow one another but for tokens that begin inside what the one before took by rstrip. */
        character = piece.begin >= at ? character + count_characters(text + at, piece.begin - at)
                                      : character - count_characters(text + piece.begin, at - piece.begin);
        int32_t end = character + count_characters(text + piece.begin, piece.end - piece.begin);
        if (piece.added >= 0)
            add_added_token(pass, piece.added, text + piece.begin, piece.end - piece.begin, character, end);
        else if (quick)
            add_text(pass, text + piece.begin, piece.end - piece.begin, character);
        else
            add_other_text(pass, text + piece.begin, piece.end - piece.begin, character);
        at = piece.end;
        character = end;
    }
}

static struct pass begin_sequence(struct hone_encoding *out, const struct hone_tokenizer *tokenizer, int sequence,
                                  size_t max_length) {
    if (!out->work) out->work = hone_calloc(1, sizeof *out->work, "tokens");
    if (sequence == 0) out->work->matched.length = 0;
    out->work->tokens[sequence].n = out->work->beyond[sequence] = 0;
    return (struct pass){.tokenizer = tokenizer,
                         .work = out->work,
                         .tokens = &out->work->tokens[sequence],
                         .beyond = &out->work->beyond[sequence],
                         .max_length = max_length ? max_length : SIZE_MAX,
                         .reference_n = SIZE_MAX};
}

static enum hone_status check_length(size_t n) {
    if (n <= INT32_MAX - 16) return HONE_OK;
    return hone_fail(HONE_BAD_INPUT, "a text of %zu bytes, at most 2^31 - 17 can be tokenized at once", n);
}

static enum hone_status encode_sequence(struct hone_encoding *out, const struct hone_tokenizer *tokenizer, int sequence,
                                        const char *text, size_t n, size_t max_length) {
    HONE_TRY(check_length(n));
    struct pass pass = begin_sequence(out, tokenizer, sequence, max_length);
    encode_text(&pass, text, n);
    return HONE_OK;
}

enum hone_status hone_tokenizer_encode(struct hone_encoding *out, const struct hone_tokenizer *tokenizer,
                                       const char *text, size_t n, const char *pair, size_t pair_n, size_t max_length,
                                       bool add_special) {
    HONE_TRY(encode_sequence(out, tokenizer, 0, text, n, max_length));
    if (pair) HONE_TRY(encode_sequence(out, tokenizer, 1, pair, pair_n, max_length));
    return hone_post_process(out, tokenizer, max_length, add_special, pair != NULL);
}

enum hone_status hone_tokenizer_encode_words(struct hone_encoding *out, const struct hone_tokenizer *tokenizer,
                                             const char *const *words, const size_t *lengths, size_t n_words,
                                             size_t max_length, bool add_special) {
    struct pass pass = begin_sequence(out, tokenizer, 0, 0);
    pass.given = true;
    for (size_t i = 0; i < n_words; i++) {
        HONE_TRY(check_length(lengths[i]));
        pass.word = (int32_t)i;
        encode_text(&pass, words[i], lengths[i]);
    }
    return hone_post_process(out, tokenizer, max_length, add_special, false);
}

const char *hone_encoding_token(const struct hone_encoding *encoding, const struct hone_tokenizer *tokenizer, size_t i,
                                size_t *n) {
    HONE_CHECK(i < encoding->n, "token %zu of %zu", i, encoding->n);
    int64_t surface = encoding->work->surfaces[i];
    const char *text = surface <= -2  ? encoding->work->template->at[-2 - surface].text
                       : surface >= 0 ? encoding->work->matched.bytes + surface
                                      : hone_tokenizer_token(tokenizer, encoding->ids[i]);
    *n = strlen(text);
    return text;
}

void hone_encoding_free(struct hone_encoding *encoding) {
    hone_free(encoding->ids);
    hone_free(encoding->type_ids);
    hone_free(encoding->starts);
    hone_free(encoding->ends);
    hone_free(encoding->word_ids);
    hone_free(encoding->sequence_ids);
    hone_free(encoding->special);
    if (encoding->work) {
        struct hone_encoding_work *work = encoding->work;
        hone_free(work->tokens[0].at);
        hone_free(work->tokens[1].at);
        hone_normalized_free(&work->normalized);
        hone_free(work->raw.at);
        hone_free(work->inner.at);
        hone_free(work->word);
        hone_text_free(&work->matched);
        hone_free(work->surfaces);
        hone_free(work);
    }
    *encoding = (struct hone_encoding){0};
}

char *hone_tokenizer_decode(const struct hone_tokenizer *tokenizer, const int32_t *ids, size_t n, bool skip_special) {
    const char **texts = hone_alloc(n, sizeof *texts, "decoding");
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        const char *text = hone_tokenizer_token(tokenizer, ids[i]);
        if (!text) continue;
        int32_t which = hone_trie_find(&tokenizer->added.texts, text, strlen(text));
        if (which >= 0) {
            const struct hone_added_token *token = &tokenizer->added.at[which];
            if (skip_special && token->skipped) continue;
            if (token->normalized) text = token->normalized_text;
        }
        texts[kept++] = text;
    }
    char *out;
    if (tokenizer->wordpiece_decoder) {
        out = hone_wordpiece_decode(tokenizer, texts, kept);
    } else {
        struct hone_text joined = {0};
        for (size_t i = 0; i < kept; i++) hone_text_format(&joined, "%s%s", i ? " " : "", texts[i]);
        hone_text_append(&joined, "", 0);
        out = joined.bytes;
    }
    hone_free(texts);
    return out;
}

int32_t hone_tokenizer_size(const struct hone_tokenizer *tokenizer) { return tokenizer->size; }

bool hone_tokenizer_special(const struct hone_tokenizer *tokenizer, int32_t id) {
    for (size_t i = 0; i < tokenizer->added.n; i++) {
        if (tokenizer->added.at[i].id == id && tokenizer->added.at[i].special) return true;
    }
    return false;
}

const char *hone_tokenizer_token(const struct hone_tokenizer *tokenizer, int32_t id) {
    return id >= 0 && id < tokenizer->size ? tokenizer->vocabulary.texts[id] : NULL;
}

int32_t hone_tokenizer_id(const struct hone_tokenizer *tokenizer, const char *token) {
    int32_t which = hone_trie_find(&tokenizer->added.texts, token, strlen(token));
    if (which >= 0) return tokenizer->added.at[which].id;
    return hone_trie_find(&tokenizer->vocabulary.trie, token, strlen(token));
}

int64_t hone_tokenizer_max_length(const struct hone_tokenizer *tokenizer) { return tokenizer->max_length; }
