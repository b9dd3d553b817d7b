/* Tokenizers: the way of a text to its tokens. Where it can, text goes stretch by stretch, each of which is looked for
 * among those seen before; what isn't there goes the long way, as does text that can't be cut up. */
#include "data/tokenizer.h"

#include <string.h>

#include "base/memory.h"
#include "base/utf8.h"
#include "data/byte_level.h"
#include "data/encoding.h"
#include "data/unicode.h"

/* Words whose places in the cache are fetched at once, as each lies somewhere else in memory. */
enum { LOOKED_UP = 16 };

/* One text being encoded. */
struct pass {
    const struct hone_tokenizer *tokenizer;
    struct hone_encoding_work *work;
    struct hone_tokens *tokens;
    int32_t word;            /* of the next word */
    bool given;              /* words are given: `word` stays */
    size_t max_length;       /* SIZE_MAX: no truncation */
    size_t *known;           /* SIZE_MAX until the reference would stop */
    const char *text, *stop; /* the whole text */
};

static void end_word(struct pass *pass) {
    if (!pass->given) pass->word++;
    if (pass->tokens->n >= pass->max_length && *pass->known == SIZE_MAX) *pass->known = pass->tokens->n;
}

/* Bytes of a BPE prefix or suffix count as tokens, too, so that the last ones lie behind their word. The reference takes
 * their places in the word for bytes of the text. */
static void place_outside(const struct pass *pass, struct hone_token *token) {
    int32_t n = (int32_t)(pass->stop - pass->text), end = token->end, first;
    if (token->begin >= n) return;
    token->begin = first = hone_count_characters(pass->text, (size_t)token->begin + 1) - 1;
    if (end < n)
        token->end = hone_count_characters(pass->text, (size_t)end + 1) - 1;
    else
        token->end = end - 1 < n ? hone_count_characters(pass->text, (size_t)end) : first + 2;
}

/* The words of text that is normalised, in work->words.text. */
static enum hone_status add_words(struct pass *pass) {
    const struct hone_tokenizer_model *model = pass->tokenizer->model;
    struct hone_pre_tokenizing *words = &pass->work->words;
    struct hone_tokens *tokens = pass->tokens;
    hone_pre_tokenize(words, &pass->tokenizer->pre_tokenizer);
    for (size_t w = 0; w < words->words.n; w++) {
        struct hone_word word = words->words.at[w];
        size_t i = tokens->n;
        HONE_TRY(
            model->tokenize(tokens, &pass->work->model, model, words->text.bytes + word.begin, word.end - word.begin));
        for (; i < tokens->n; i++) {
            struct hone_token *token = &tokens->at[i];
            token->word = pass->word;
            if ((size_t)token->end > word.end - word.begin) {
                place_outside(pass, token);
                continue;
            }
            token->begin = words->text.from[word.begin + (size_t)token->begin].begin;
            token->end = words->text.from[word.begin + (size_t)token->end - 1].end;
        }
        end_word(pass);
    }
    return HONE_OK;
}

static void add_added_token(struct pass *pass, int32_t which, const char *matched, size_t n, int32_t begin,
                            int32_t end) {
    const struct hone_added_token *token = &pass->tokenizer->added.at[which];
    struct hone_text *texts = &pass->work->matched;
    hone_tokens_reserve(pass->tokens, 1);
    int64_t surface = -1;
    if (n != token->n || memcmp(matched, token->text, n) != 0) surface = hone_surface_add(texts, matched, n);
    pass->tokens->at[pass->tokens->n++] = (struct hone_token){token->id, begin, end, pass->word, surface};
    if (!pass->given) pass->word++;
}

/* Text without raw added tokens, the long way. `first`: the character that it begins with. */
static enum hone_status add_whole(struct pass *pass, const char *text, size_t n, int32_t first) {
    const struct hone_tokenizer *tokenizer = pass->tokenizer;
    struct hone_normalizing *work = &pass->work->normalizing;
    struct hone_normalized *cut = &pass->work->words.text;
    hone_normalize(work, &tokenizer->normalizer, text, n, first);
    cut->first = work->text.first;
    if (!tokenizer->added.normalized.nodes) {
        struct hone_normalized normalized = work->text;
        work->text = *cut;
        *cut = normalized;
        return add_words(pass);
    }
    struct hone_pieces *pieces = &pass->work->inner;
    hone_added_tokens_split(pieces, &tokenizer->added, true, work->text.bytes, work->text.n);
    for (size_t i = 0; i < pieces->n; i++) {
        struct hone_piece piece = pieces->at[i];
        if (piece.added >= 0) {
            add_added_token(pass, piece.added, work->text.bytes + piece.begin, piece.end - piece.begin,
                            work->text.from[piece.begin].begin, work->text.from[piece.end - 1].end);
            continue;
        }
        cut->n = 0;
        hone_normalized_copy(cut, &work->text, piece.begin, piece.end);
        HONE_TRY(add_words(pass));
    }
    return HONE_OK;
}

/* Tokens of what was seen before. */
static void add_cached(struct pass *pass, const struct hone_word_cache *cache, const struct hone_cached *found,
                       int32_t first) {
    struct hone_tokens *tokens = pass->tokens;
    hone_tokens_reserve(tokens, found->tokens_n);
    const struct hone_token *from = cache->tokens.at + found->at;
    struct hone_token *to = tokens->at + tokens->n;
    for (size_t i = 0; i < found->tokens_n; i++) {
        /* The reference stops after whole words. */
        if (i && from[i].word != from[i - 1].word && tokens->n + i >= pass->max_length && *pass->known == SIZE_MAX)
            *pass->known = tokens->n + i;
        to[i] = from[i];
        to[i].begin += first;
        to[i].end += first;
        to[i].word = pass->given ? pass->word : to[i].word + pass->word;
        if (to[i].surface < 0) continue;
        size_t length;
        const char *text = hone_surface_text(&cache->texts, to[i].surface, &length);
        to[i].surface = hone_surface_add(&pass->work->matched, text, length);
    }
    tokens->n += found->tokens_n;
}

static inline void add_found(struct pass *pass, const struct hone_word_cache *cache, const struct hone_cached *found,
                             int32_t first) {
    struct hone_tokens *tokens = pass->tokens;
    if (found->end >= 0) {
        hone_tokens_reserve(tokens, 1);
        tokens->at[tokens->n++] = (struct hone_token){found->id, first, first + found->end, pass->word, -1};
    } else {
        add_cached(pass, cache, found, first);
    }
    if (!pass->given) pass->word += found->words;
    if (tokens->n >= pass->max_length && *pass->known == SIZE_MAX) *pass->known = tokens->n;
}

static inline bool add_from(struct pass *pass, const struct hone_word_cache *cache, const struct hone_word_key *key,
                            int32_t first) {
    const struct hone_cached *found = hone_word_cache_find(cache, key);
    if (found) add_found(pass, cache, found, first);
    return found;
}

/* False when the stretch wasn't seen before. */
static inline bool add_known(struct pass *pass, const struct hone_word_key *key, int32_t first) {
    return add_from(pass, &pass->work->stretches, key, first);
}

/* What has been added since `before` are the tokens of a stretch that begins with character `first`. */
static void remember(struct pass *pass, const struct hone_word_key *key, size_t before, int32_t word, int32_t first) {
    int32_t words = pass->given ? 1 : pass->word - word;
    hone_word_cache_add(&pass->work->stretches, key, pass->tokens->at + before, pass->tokens->n - before, first, word,
                        words, &pass->work->matched);
}

static enum hone_status add_stretch(struct pass *pass, const char *text, size_t n, int32_t first) {
    const struct hone_word_key key = hone_word_key(text, n, (size_t)(pass->stop - text));
    if (add_known(pass, &key, first)) return HONE_OK;
    size_t before = pass->tokens->n;
    int32_t word = pass->word;
    HONE_TRY(add_whole(pass, text, n, first));
    /* Given words all have one number, so where they part isn't known. */
    if (!pass->given && !pass->work->normalizing.drifted) remember(pass, &key, before, word, first);
    return HONE_OK;
}

/* A word of ASCII, as it stands in the text; its lowercase form goes straight to the model. */
static enum hone_status add_ascii_word(struct pass *pass, const char *text, size_t n, int32_t first) {
    const struct hone_word_key key = hone_word_key(text, n, (size_t)(pass->stop - text));
    if (add_known(pass, &key, first)) return HONE_OK;
    const struct hone_tokenizer_model *model = pass->tokenizer->model;
    struct hone_tokens *tokens = pass->tokens;
    struct hone_text *lower = &pass->work->word;
    size_t before = tokens->n;
    hone_reserve(&lower->bytes, &lower->capacity, n, 1, "a word");
    for (size_t i = 0; i < n; i++) lower->bytes[i] = pass->tokenizer->lower[(unsigned char)text[i]];
    HONE_TRY(model->tokenize(tokens, &pass->work->model, model, lower->bytes, n));
    for (size_t i = before; i < tokens->n; i++) {
        tokens->at[i].begin += first;
        tokens->at[i].end += first;
        tokens->at[i].word = pass->word;
    }
    int32_t word = pass->word;
    end_word(pass);
    remember(pass, &key, before, word, first);
    return HONE_OK;
}

static enum hone_status add_bert(struct pass *pass, const char *text, size_t n, int32_t first) {
    const unsigned char *bytes = (const unsigned char *)text;
    const uint8_t *kinds = pass->tokenizer->kinds;
    for (size_t i = 0; i < n;) {
        uint8_t kind = kinds[bytes[i]];
        size_t begin = i;
        if (kind == HONE_BYTE_SPACE) {
            i++;
        } else if (kind == HONE_BYTE_PUNCTUATION) {
            i++;
            HONE_TRY(add_ascii_word(pass, text + begin, 1, first + (int32_t)begin));
        } else {
            while (i < n && kinds[bytes[i]] == HONE_BYTE_WORD) i++;
            if (i == n || kinds[bytes[i]] != HONE_BYTE_OTHER) {
                HONE_TRY(add_ascii_word(pass, text + begin, i - begin, first + (int32_t)begin));
                continue;
            }
            int32_t continuations = 0;
            for (; i < n && (kinds[bytes[i]] == HONE_BYTE_WORD || kinds[bytes[i]] == HONE_BYTE_OTHER); i++)
                continuations += (bytes[i] & 0xC0) == 0x80;
            HONE_TRY(add_stretch(pass, text + begin, i - begin, first + (int32_t)begin));
            first -= continuations;
        }
    }
    return HONE_OK;
}

/* A word for a model of bytes, whose first `extra` bytes aren't in the text and belong to its first character. */
static enum hone_status add_byte_word(struct pass *pass, const struct hone_word_key *key, int32_t first,
                                      int32_t extra) {
    const struct hone_tokenizer_model *model = pass->tokenizer->model;
    if (extra == 0 && add_known(pass, key, first)) return HONE_OK;
    const char *word = key->bytes;
    struct hone_tokens *tokens = pass->tokens;
    size_t before = tokens->n;
    int32_t number = pass->word;
    if (extra == 0 && model->words && add_from(pass, model->words, key, first)) {
        remember(pass, key, before, number, first);
        return HONE_OK;
    }
    HONE_TRY(model->tokenize_bytes(tokens, &pass->work->model, model, word, key->n));
    /* Tokens may part inside characters: each then counts as the whole one. */
    size_t at = 0;
    int32_t character = first - 1;
    for (size_t i = before; i < tokens->n; i++) {
        struct hone_token *token = &tokens->at[i];
        for (; at <= (size_t)token->begin; at++) character += (word[at] & 0xC0) != 0x80;
        int32_t begin = character;
        for (; at < (size_t)token->end; at++) character += (word[at] & 0xC0) != 0x80;
        token->begin = begin > first ? begin - extra : begin;
        token->end = character > first ? character + 1 - extra : character + 1;
        token->word = pass->word;
    }
    end_word(pass);
    if (extra == 0) remember(pass, key, before, number, first);
    return HONE_OK;
}

/* Words are cut off some ahead of those that are looked up, so that their places come from memory meanwhile. */
static enum hone_status add_byte_level(struct pass *pass, const char *text, size_t n, int32_t first) {
    const struct hone_word_cache *words = pass->tokenizer->model->words;
    size_t i = 0;
    if (pass->tokenizer->prefix_space && n && text[0] != ' ') {
        /* The space joins the first word as the expression has it. */
        struct hone_text *spaced = &pass->work->word;
        spaced->length = 0;
        hone_text_append(spaced, " ", 1);
        hone_text_append(spaced, text, n);
        i = hone_gpt2_match(spaced->bytes, n + 1, 0) - 1;
        const struct hone_word_key key = hone_word_key(spaced->bytes, i + 1, i + 1);
        HONE_TRY(add_byte_word(pass, &key, first, 1));
        first += hone_count_characters(text, i);
    }
    while (i < n) {
        struct hone_word_key keys[LOOKED_UP];
        size_t found = 0;
        for (; found < LOOKED_UP && i < n; found++) {
            size_t end = hone_gpt2_match(text, n, i);
            keys[found] = hone_word_key(text + i, end - i, (size_t)(pass->stop - (text + i)));
            hone_word_cache_fetch(&pass->work->stretches, &keys[found]);
            i = end;
        }
        for (size_t w = 0; words && w < found; w++)
            if (!hone_word_cache_find(&pass->work->stretches, &keys[w])) hone_word_cache_fetch(words, &keys[w]);
        for (size_t w = 0; w < found; w++) {
            HONE_TRY(add_byte_word(pass, &keys[w], first, 0));
            first += hone_word_characters(&keys[w]);
        }
    }
    return HONE_OK;
}

static bool joins(const char *text, size_t n, size_t at) {
    return at < n && (text[at] & 0x80) &&
           (hone_code_flags(hone_unicode_flags(), hone_utf8_next(text, &at)) & HONE_CODE_JOINING);
}

static bool prepends(const char *text, size_t begin, size_t at) {
    if (at == begin || !(text[at - 1] & 0x80)) return false;
    for (at--; (text[at] & 0xC0) == 0x80;) at--;
    return hone_unicode_cluster(hone_utf8_next(text, &at)) == HONE_CLUSTER_PREPEND;
}

/* Stretches end at an ASCII space, unless it belongs to one grapheme cluster with what stands beside it. When sources go
 * out of step in one of them, they do so for all that follows: then the whole text is gone through at once. */
static enum hone_status add_spaced(struct pass *pass, const char *text, size_t n, int32_t first) {
    struct pass start = *pass;
    size_t tokens = pass->tokens->n, matched = pass->work->matched.length, known = *pass->known;
    int32_t character = first;
    for (size_t i = 0; i < n;) {
        if (text[i] == ' ' && !joins(text, n, i + 1)) {
            i++;
            character++;
            continue;
        }
        size_t begin = i;
        for (i++; i < n; i++)
            if (text[i] == ' ' && !joins(text, n, i + 1) && !prepends(text, begin, i)) break;
        pass->work->normalizing.drifted = false;
        HONE_TRY(add_stretch(pass, text + begin, i - begin, character));
        if (pass->work->normalizing.drifted && (begin > 0 || i < n)) {
            *pass = start;
            pass->tokens->n = tokens;
            pass->work->matched.length = matched;
            *pass->known = known;
            return add_whole(pass, text, n, first);
        }
        character += hone_count_characters(text + begin, i - begin);
    }
    return HONE_OK;
}

static enum hone_status add_text(struct pass *pass, const char *text, size_t n, int32_t first) {
    switch (pass->tokenizer->stretches) {
    case HONE_STRETCHES_BERT:
        return add_bert(pass, text, n, first);
    case HONE_STRETCHES_BYTE_LEVEL:
        return add_byte_level(pass, text, n, first);
    case HONE_STRETCHES_SPACES:
        return add_spaced(pass, text, n, first);
    case HONE_STRETCHES_NONE:
        break;
    }
    return add_whole(pass, text, n, first);
}

static enum hone_status encode_text(struct pass *pass, const char *text, size_t n) {
    const struct hone_tokenizer *tokenizer = pass->tokenizer;
    struct hone_pieces *pieces = &pass->work->raw;
    pass->text = text;
    pass->stop = text + n;
    hone_added_tokens_split(pieces, &tokenizer->added, false, text, n);
    size_t at = 0;
    int32_t character = 0; /* that begins at `at` */
    for (size_t i = 0; i < pieces->n; i++) {
        struct hone_piece piece = pieces->at[i];
        /* Pieces follow one another but for tokens that begin inside what the one before took by rstrip. */
        character = piece.begin >= at ? character + hone_count_characters(text + at, piece.begin - at)
                                      : character - hone_count_characters(text + piece.begin, at - piece.begin);
        at = piece.begin;
        const char *begin = text + piece.begin;
        size_t length = piece.end - piece.begin;
        if (piece.added < 0)
            HONE_TRY(add_text(pass, begin, length, character));
        else
            add_added_token(pass, piece.added, begin, length, character,
                            character + hone_count_characters(begin, length));
    }
    return HONE_OK;
}

static struct pass begin_sequence(struct hone_encoding *out, const struct hone_tokenizer *tokenizer, int sequence,
                                  size_t max_length) {
    if (!out->work) out->work = hone_calloc(1, sizeof *out->work, "tokens");
    struct hone_encoding_work *work = out->work;
    hone_word_cache_claim(&work->stretches, tokenizer->number);
    hone_word_cache_claim(&work->given, tokenizer->number);
    work->model.matched = &work->matched;
    if (sequence == 0) work->matched.length = 0;
    work->tokens[sequence].n = 0;
    hone_tokens_reserve(&work->tokens[sequence], 1); /* so that there is an array to point into */
    work->known[sequence] = SIZE_MAX;
    return (struct pass){.tokenizer = tokenizer,
                         .work = work,
                         .tokens = &work->tokens[sequence],
                         .known = &work->known[sequence],
                         .max_length = max_length ? max_length : SIZE_MAX};
}

static enum hone_status check_length(size_t n) {
    if (n <= INT32_MAX - 16) return HONE_OK;
    return hone_fail(HONE_BAD_INPUT, "a text of %zu bytes, at most 2^31 - 17 can be tokenized at once", n);
}

static enum hone_status encode_sequence(struct hone_encoding *out, const struct hone_tokenizer *tokenizer, int sequence,
                                        const char *text, size_t n, size_t max_length) {
    HONE_TRY(check_length(n));
    struct pass pass = begin_sequence(out, tokenizer, sequence, max_length);
    hone_tokens_reserve(pass.tokens, n / 4); /* about what real text has, so that long arrays aren't copied to grow */
    return encode_text(&pass, text, n);
}

enum hone_status hone_tokenizer_encode(struct hone_encoding *out, const struct hone_tokenizer *tokenizer,
                                       const char *text, size_t n, const char *pair, size_t pair_n,
                                       const struct hone_encode_options *options) {
    HONE_TRY(encode_sequence(out, tokenizer, 0, text, n, options->max_length));
    if (pair) HONE_TRY(encode_sequence(out, tokenizer, 1, pair, pair_n, options->max_length));
    return hone_post_process(out, tokenizer, options, pair != NULL);
}

static void look_up_ahead(struct hone_word_key keys[LOOKED_UP], const struct hone_word_cache *cache,
                          const struct hone_given_words *words, size_t first) {
    for (size_t i = 0; i < LOOKED_UP && first + i < words->n; i++) {
        size_t n = words->lengths[first + i];
        keys[i] = hone_word_key(words->words[first + i], n, n);
        hone_word_cache_fetch(cache, &keys[i]);
    }
}

/* A given word that goes the way of a text. Its tokens depend on nothing else, so the whole word is remembered. */
static enum hone_status add_given(struct pass *pass, const struct hone_word_key *key, const char *word, size_t n) {
    size_t begin = pass->tokens->n;
    HONE_TRY(check_length(n));
    HONE_TRY(encode_text(pass, word, n));
    if (n == 0) return HONE_OK;
    hone_word_cache_add(&pass->work->given, key, pass->tokens->at + begin, pass->tokens->n - begin, 0, pass->word, 1,
                        &pass->work->matched);
    return HONE_OK;
}

/* The reference stops inside each word that alone reaches max_length, and goes on with the next one. */
static enum hone_status encode_given(struct hone_encoding *out, const struct hone_tokenizer *tokenizer, int sequence,
                                     const struct hone_given_words *words, size_t max_length) {
    struct pass pass = begin_sequence(out, tokenizer, sequence, 0);
    const struct hone_word_cache *cache = &pass.work->given;
    size_t known = 0, stopped; /* tokens that it knows of; where it stops in a word */
    struct hone_word_key keys[LOOKED_UP];
    pass.given = true;
    pass.known = &stopped;
    for (size_t i = 0; i < words->n; i++) {
        const char *word = words->words[i];
        size_t n = words->lengths[i], begin = pass.tokens->n;
        struct hone_word_key *key = &keys[i % LOOKED_UP];
        if (key == keys) look_up_ahead(keys, cache, words, i);
        const struct hone_cached *found = n ? hone_word_cache_find(cache, key) : NULL;
        stopped = SIZE_MAX;
        if (max_length) pass.max_length = max_length < SIZE_MAX - begin ? begin + max_length : SIZE_MAX;
        pass.word = (int32_t)i;
        /* Where the reference stops inside a word isn't remembered. */
        if (found && (!max_length || found->tokens_n < max_length))
            add_found(&pass, cache, found, 0);
        else
            HONE_TRY(add_given(&pass, key, word, n));
        known += (stopped < pass.tokens->n ? stopped : pass.tokens->n) - begin;
    }
    pass.work->known[sequence] = known;
    return HONE_OK;
}

enum hone_status hone_tokenizer_encode_words(struct hone_encoding *out, const struct hone_tokenizer *tokenizer,
                                             const struct hone_given_words *words, const struct hone_given_words *pair,
                                             const struct hone_encode_options *options) {
    HONE_TRY(encode_given(out, tokenizer, 0, words, options->max_length));
    if (pair) HONE_TRY(encode_given(out, tokenizer, 1, pair, options->max_length));
    return hone_post_process(out, tokenizer, options, pair != NULL);
}

const char *hone_encoding_token(const struct hone_encoding *encoding, const struct hone_tokenizer *tokenizer, size_t i,
                                size_t *n) {
    HONE_CHECK(i < encoding->n, "token %zu of %zu", i, encoding->n);
    int64_t surface = encoding->work->surfaces[i];
    if (surface >= 0) return hone_surface_text(&encoding->work->matched, surface, n);
    const char *text = surface <= -2 ? encoding->work->template->at[-2 - surface].text
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
    struct hone_encoding_work *work = encoding->work;
    if (work) {
        hone_free(work->tokens[0].at);
        hone_free(work->tokens[1].at);
        hone_normalizing_free(&work->normalizing);
        hone_pre_tokenizing_free(&work->words);
        hone_free(work->raw.at);
        hone_free(work->inner.at);
        hone_model_work_free(&work->model);
        hone_word_cache_free(&work->stretches);
        hone_word_cache_free(&work->given);
        hone_text_free(&work->word);
        hone_text_free(&work->matched);
        hone_free(work->surfaces);
        hone_free(work->windows);
        hone_free(work);
    }
    *encoding = (struct hone_encoding){0};
}

int32_t hone_tokenizer_size(const struct hone_tokenizer *tokenizer) { return tokenizer->size; }

int32_t hone_tokenizer_unk(const struct hone_tokenizer *tokenizer) { return tokenizer->unk; }

bool hone_tokenizer_marks_subwords(const struct hone_tokenizer *tokenizer) { return tokenizer->subword_prefix; }

bool hone_tokenizer_drops_spaces(const struct hone_tokenizer *tokenizer) {
    const struct hone_pre_tokenizer *pre = &tokenizer->pre_tokenizer;
    bool drops = false;
    for (size_t i = 0; i < pre->n; i++) {
        if (pre->at[i].kind != HONE_PRE_TOKENIZER_BYTE_LEVEL) continue;
        if (pre->at[i].add_prefix_space) return false;
        drops = true;
    }
    return drops;
}

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
    return hone_vocabulary_id(&tokenizer->vocabulary, token, strlen(token));
}

int64_t hone_tokenizer_max_length(const struct hone_tokenizer *tokenizer) { return tokenizer->max_length; }
