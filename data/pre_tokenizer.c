#include "data/pre_tokenizer.h"

#include <string.h>

#include "base/memory.h"
#include "base/utf8.h"
#include "data/byte_level.h"
#include "data/unicode.h"

void hone_pre_tokenizing_free(struct hone_pre_tokenizing *work) {
    hone_normalized_free(&work->text);
    hone_normalized_free(&work->other);
    hone_free(work->words.at);
    hone_free(work->next.at);
    hone_free(work->matches);
    *work = (struct hone_pre_tokenizing){0};
}

void hone_pre_tokenizer_free(struct hone_pre_tokenizer *pre_tokenizer) {
    for (size_t i = 0; i < pre_tokenizer->n; i++) hone_pattern_free(&pre_tokenizer->at[i].pattern);
    hone_free(pre_tokenizer->at);
    *pre_tokenizer = (struct hone_pre_tokenizer){0};
}

static void add_word(struct hone_words *words, const struct hone_normalized *text, size_t begin, size_t end) {
    if (begin >= end) return;
    hone_reserve(&words->at, &words->capacity, words->n + 1, sizeof *words->at, "words");
    words->at[words->n++] = (struct hone_word){begin, end, text->from[begin].begin};
}

static void add_match(struct hone_pre_tokenizing *work, size_t begin, size_t end, bool is_match) {
    hone_reserve(&work->matches, &work->matches_capacity, work->matches_n + 1, sizeof *work->matches, "words");
    work->matches[work->matches_n++] = (struct hone_match){begin, end, is_match};
}

/* A word cut into matches and what lies between them becomes words. */
static void apply_behavior(struct hone_pre_tokenizing *work, enum hone_split_behavior behavior) {
    struct hone_match *at = work->matches;
    size_t n = work->matches_n;
    if (behavior == HONE_SPLIT_REMOVED || behavior == HONE_SPLIT_ISOLATED) {
        for (size_t i = 0; i < n; i++)
            if (behavior == HONE_SPLIT_ISOLATED || !at[i].is_match)
                add_word(&work->next, &work->text, at[i].begin, at[i].end);
        return;
    }
    bool backwards = behavior == HONE_SPLIT_MERGED_WITH_NEXT, previous = false;
    size_t kept = 0; /* ranges that are done, at the front, or at the back when walking backwards */
    for (size_t k = 0; k < n; k++) {
        struct hone_match match = at[backwards ? n - 1 - k : k];
        bool merges = behavior == HONE_SPLIT_CONTIGUOUS ? match.is_match == previous : match.is_match && !previous;
        previous = match.is_match;
        if (!merges || kept == 0) {
            kept++;
            at[backwards ? n - kept : kept - 1] = match;
        } else if (backwards) {
            at[n - kept].begin = match.begin;
        } else {
            at[kept - 1].end = match.end;
        }
    }
    for (size_t i = 0; i < kept; i++) {
        struct hone_match match = at[backwards ? n - kept + i : i];
        add_word(&work->next, &work->text, match.begin, match.end);
    }
}

/* Cuts a word at characters for which `is_match` holds, each a match of its own. */
static void split_by_character(struct hone_pre_tokenizing *work, struct hone_word word,
                               enum hone_split_behavior behavior, uint16_t flag, int32_t only) {
    const struct hone_unicode_flags *flags = hone_unicode_flags();
    size_t done = word.begin;
    work->matches_n = 0;
    for (size_t i = word.begin; i < word.end;) {
        size_t at = i;
        int32_t code = hone_utf8_next(work->text.bytes, &i);
        if (!(only >= 0 ? code == only : (hone_code_flags(flags, code) & flag) != 0)) continue;
        if (done < at) add_match(work, done, at, false);
        add_match(work, at, i, true);
        done = i;
    }
    if (done < word.end) add_match(work, done, word.end, false);
    apply_behavior(work, behavior);
}

static void split_by_pattern(struct hone_pre_tokenizing *work, struct hone_word word,
                             const struct hone_pre_tokenizer_step *step) {
    struct hone_matches matches = hone_matches_in(&step->pattern, work->text.bytes + word.begin, word.end - word.begin);
    size_t done = word.begin;
    work->matches_n = 0;
    while (hone_matches_next(&matches)) {
        size_t begin = word.begin + matches.begin, end = word.begin + matches.end;
        if (done != begin) add_match(work, done, begin, step->invert);
        add_match(work, begin, end, !step->invert);
        done = end;
    }
    if (done != word.end) add_match(work, done, word.end, step->invert);
    apply_behavior(work, step->behavior);
}

/* Whitespace: runs of \w, and runs of what is neither \w nor white space. */
static void split_words(struct hone_pre_tokenizing *work, struct hone_word word) {
    const struct hone_unicode_flags *flags = hone_unicode_flags();
    size_t begin = word.begin;
    int previous = 0;
    for (size_t i = word.begin; i < word.end;) {
        size_t at = i;
        uint16_t flag = hone_code_flags(flags, hone_utf8_next(work->text.bytes, &i));
        int kind = flag & HONE_CODE_WORD ? 1 : flag & HONE_CODE_WHITE ? 0 : 2;
        if (kind == previous) continue;
        if (previous) add_word(&work->next, &work->text, begin, at);
        begin = at;
        previous = kind;
    }
    if (previous) add_word(&work->next, &work->text, begin, word.end);
}

/* What stands in front of the first character of a script of its own is dropped, as in the reference. */
static void split_scripts(struct hone_pre_tokenizing *work, struct hone_word word) {
    size_t begin = word.begin;
    int32_t last = 0;
    for (size_t i = word.begin; i < word.end;) {
        size_t at = i;
        int32_t script = hone_unicode_script(hone_utf8_next(work->text.bytes, &i));
        if (script == 0) continue;
        if (script != last) {
            if (last) add_word(&work->next, &work->text, begin, at);
            begin = at;
        }
        last = script;
    }
    if (last) add_word(&work->next, &work->text, begin, word.end);
}

/* Bytes appended to the rewritten text, all from one source. */
static void append(struct hone_normalized *out, const char *bytes, size_t n, struct hone_source from) {
    hone_normalized_reserve(out, out->n + n);
    for (size_t i = 0; i < n; i++) {
        out->bytes[out->n] = bytes[i];
        out->from[out->n++] = from;
    }
}

static void metaspace(struct hone_pre_tokenizing *work, struct hone_word word,
                      const struct hone_pre_tokenizer_step *step) {
    const struct hone_normalized *text = &work->text;
    struct hone_normalized *out = &work->other;
    char mark[4];
    size_t mark_n = (size_t)hone_utf8_encode(mark, step->code), begin = out->n;
    bool marked = text->bytes[word.begin] == ' ' ||
                  (word.end - word.begin >= mark_n && memcmp(text->bytes + word.begin, mark, mark_n) == 0);
    bool prepends = step->scheme == HONE_PREPEND_ALWAYS || (step->scheme == HONE_PREPEND_FIRST && word.origin == 0);
    if (prepends && !marked) append(out, mark, mark_n, text->from[word.begin]);
    size_t done = begin;
    for (size_t i = word.begin; i < word.end;) {
        size_t n = hone_character_bytes(text->bytes[i]);
        bool splits = text->bytes[i] == ' ' || (n == mark_n && memcmp(text->bytes + i, mark, n) == 0);
        if (splits && step->split) {
            add_word(&work->next, out, done, out->n);
            done = out->n;
        }
        if (text->bytes[i] == ' ')
            append(out, mark, mark_n, text->from[i]);
        else
            hone_normalized_copy(out, text, i, i + n);
        i += n;
    }
    add_word(&work->next, out, done, out->n);
    if (!step->split && work->next.n) work->next.at[work->next.n - 1].origin = word.origin;
}

/* The part of a text that ByteLevel makes one word. */
static void add_byte_level(struct hone_pre_tokenizing *work, const struct hone_normalized *text, size_t begin,
                           size_t end) {
    struct hone_normalized *out = &work->other;
    size_t word = out->n;
    bool sourced = false;
    for (size_t i = begin; i < end; i++) {
        char bytes[4];
        int n = hone_utf8_encode(bytes, hone_byte_level_code((unsigned char)text->bytes[i]));
        append(out, bytes, (size_t)n, text->from[i]);
        sourced |= text->from[i].begin < text->from[i].end;
    }
    if (!sourced) hone_normalized_copy(out, text, begin, end); /* as where rewriting begins: hone_rewrite_begin */
    add_word(&work->next, out, word, out->n);
}

static void byte_level(struct hone_pre_tokenizing *work, struct hone_word word,
                       const struct hone_pre_tokenizer_step *step, struct hone_normalized *spaced) {
    const struct hone_normalized *text = &work->text;
    size_t begin = word.begin, end = word.end;
    if (step->add_prefix_space && text->bytes[begin] != ' ') {
        spaced->n = 0;
        append(spaced, " ", 1, text->from[begin]);
        hone_normalized_copy(spaced, text, begin, end);
        text = spaced;
        begin = 0;
        end = spaced->n;
    }
    if (!step->use_regex) {
        add_byte_level(work, text, begin, end);
        work->next.at[work->next.n - 1].origin = word.origin;
    }
    while (step->use_regex && begin < end) {
        size_t stop = begin + hone_gpt2_match(text->bytes + begin, end - begin, 0);
        add_byte_level(work, text, begin, stop);
        begin = stop;
    }
}

static void run(struct hone_pre_tokenizing *work, const struct hone_pre_tokenizer_step *step) {
    struct hone_normalized spaced = {0};
    work->next.n = work->other.n = 0;
    work->other.first = work->text.first;
    for (size_t i = 0; i < work->words.n; i++) {
        struct hone_word word = work->words.at[i];
        switch (step->kind) {
        case HONE_PRE_TOKENIZER_BYTE_LEVEL:
            byte_level(work, word, step, &spaced);
            break;
        case HONE_PRE_TOKENIZER_METASPACE:
            metaspace(work, word, step);
            break;
        case HONE_PRE_TOKENIZER_SCRIPTS:
            split_scripts(work, word);
            break;
        case HONE_PRE_TOKENIZER_SPLIT:
            split_by_pattern(work, word, step);
            break;
        case HONE_PRE_TOKENIZER_WHITESPACE:
            split_words(work, word);
            break;
        case HONE_PRE_TOKENIZER_BERT:
        case HONE_PRE_TOKENIZER_WHITESPACE_SPLIT:
            split_by_character(work, word, HONE_SPLIT_REMOVED, HONE_CODE_WHITE, -1);
            break;
        case HONE_PRE_TOKENIZER_DELIMITER:
            split_by_character(work, word, HONE_SPLIT_REMOVED, 0, step->code);
            break;
        case HONE_PRE_TOKENIZER_DIGITS:
            split_by_character(work, word, step->behavior, HONE_CODE_NUMERIC, -1);
            break;
        case HONE_PRE_TOKENIZER_PUNCTUATION:
            split_by_character(work, word, step->behavior, HONE_CODE_PUNCTUATION, -1);
            break;
        }
    }
    hone_normalized_free(&spaced);
    struct hone_words words = work->words;
    work->words = work->next;
    work->next = words;
    if (step->kind == HONE_PRE_TOKENIZER_BYTE_LEVEL || step->kind == HONE_PRE_TOKENIZER_METASPACE) {
        struct hone_normalized text = work->text;
        work->text = work->other;
        work->other = text;
    }
}

void hone_pre_tokenize(struct hone_pre_tokenizing *work, const struct hone_pre_tokenizer *pre_tokenizer) {
    work->words.n = 0;
    add_word(&work->words, &work->text, 0, work->text.n);
    for (size_t i = 0; i < pre_tokenizer->n; i++) {
        run(work, &pre_tokenizer->at[i]);
        if (pre_tokenizer->at[i].kind != HONE_PRE_TOKENIZER_BERT) continue;
        struct hone_pre_tokenizer_step apart = {.kind = HONE_PRE_TOKENIZER_PUNCTUATION,
                                                .behavior = HONE_SPLIT_ISOLATED};
        run(work, &apart);
    }
}
